//! WebSocket over HTTP/1.1 (RFC 6455): the handshake, the frames, and the messages on their way through an inspector.

mod frame;
mod handshake;
mod relay;

pub(super) use handshake::{Handshake, deflates, offers_websocket};
pub(super) use relay::{Peers, relay};
