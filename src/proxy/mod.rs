//! The reverse proxy: listen, check, identify, forward, inspect, answer.

pub mod framing;
pub mod headers;
pub mod limits;
pub mod respond;
pub mod tunnel;
pub mod upstream;

mod checked_io;
mod connection;
mod flush;
mod listen;
mod wire;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use connection::{BoxError, ConnState, Handler, Stop, TlsFacts};
pub use flush::FlushTicket;
pub use listen::Listener;
