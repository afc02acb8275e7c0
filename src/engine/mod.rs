//! The pure core: bytes and `now` in, steps and verdicts out; no socket, clock, async, logging or global state.

pub mod baseline;
pub mod births;
mod block;
mod byte_set;
mod charset;
pub mod compare;
mod container;
pub mod decode;
pub mod detect;
pub mod generations;
pub mod head;
pub mod inspect;
pub mod ledger;
pub mod pinned;
pub mod policy;
pub mod problem;
pub mod proposed;
pub mod record;
pub mod redact;
pub mod secret;
pub mod step;
pub mod structure;
pub mod time;

pub use container::apart;

#[doc(hidden)]
pub use block::triggers;
