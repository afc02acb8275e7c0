//! WebSocket (RFC 6455), over HTTP/2 too: the handshake, the frames, and the messages on their way through an inspector.

mod extended;
mod frame;
mod handshake;
mod opcode;
mod relay;

pub use frame::{Event, FrameReader, From};
pub use handshake::Handshake;
pub use opcode::Opcode;

pub(super) use extended::{translate, translate_answer};
pub(super) use handshake::{deflates, offers_websocket};
pub(super) use relay::{Peers, relay};
