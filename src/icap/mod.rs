//! ICAP (RFC 3507): other proxies ask what becomes of what they carry. The protocol alone; decisions are those of `proxy`.
//!
//! ```text
//!  proxy ── head ▸ encapsulated heads ▸ chunks ──▶ reader ──▶ proxy::adapt ──▶ answer ── head ▸ heads ▸ chunks ──▶ proxy
//! ```

mod answer;
mod chunks;
mod connection;
mod encapsulated;
mod fault;
mod head;
mod reader;
mod server;
mod settings;

pub use chunks::{Chunks, Piece};
pub use encapsulated::{Encapsulated, read_request, read_response};
pub use fault::IcapFault;
pub use head::{Behind, Head, HeadReader, Method, Service};
pub use server::Server;
pub use settings::IcapSyntax;
