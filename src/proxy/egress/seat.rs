//! Where on the way out a client is: at the listener, led to it unawares, or inside a tunnel that was opened.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::target::Target;
use crate::proxy::Upstream;
use crate::proxy::upstream::UpstreamErrorKind;

/// Where on the way out the exchanges of a connection are.
#[derive(Clone, Default)]
pub(in crate::proxy) enum Seat {
    /// At the listener: each names its origin.
    #[default]
    Listener,
    /// At the listener too, but the client knows of none: it meant this address.
    Led(SocketAddr),
    /// In a tunnel that was opened.
    Inside(Inside),
}

/// What is known of all exchanges inside one tunnel.
#[derive(Clone)]
pub(in crate::proxy) struct Inside {
    pub(super) target: Target,
    /// The connection that was verified, and those that may follow it.
    pub(super) upstream: Arc<Upstream>,
    /// The peer that was let in, which may have asked for another.
    pub(super) peer: IpAddr,
    /// Who asked for the tunnel.
    pub(super) user: Option<Arc<[u8]>>,
    /// Why the origin cannot be spoken to; every exchange is told.
    pub(super) failure: Option<UpstreamErrorKind>,
}

impl Seat {
    /// Whether a tunnel may be asked for.
    pub(in crate::proxy) fn takes_tunnels(&self) -> bool {
        matches!(self, Self::Listener)
    }
}
