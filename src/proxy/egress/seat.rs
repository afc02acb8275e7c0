//! Where on the way out a client is: at the listener, led to it unawares, or inside a tunnel that was opened.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::Forward;
use super::target::{Origins, Target};
use crate::engine::time::Now;
use crate::proxy::Upstream;
use crate::proxy::upstream::{Reach, UpstreamErrorKind};
use crate::tls::{excusing, offering};

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
    /// The name for which it was opened, in lower case: the host, unless that is an address.
    pub(super) named: Arc<str>,
    /// The connection that was verified, and those that may follow it.
    pub(super) upstream: Arc<Upstream>,
    /// By what they were made: where that has changed, another takes their place.
    pub(super) made: Made,
    /// The peer that was let in, which may have asked for another.
    pub(super) peer: IpAddr,
    /// Who asked for the tunnel.
    pub(super) user: Option<Arc<[u8]>>,
    /// Why the origin cannot be spoken to; every exchange is told.
    pub(super) failure: Option<UpstreamErrorKind>,
}

/// By what the connections of a tunnel to its origin were made.
#[derive(Clone)]
pub(in crate::proxy) struct Made {
    pub(super) reach: Arc<Reach>,
    /// What the origin must prove to be.
    pub(super) name: Arc<str>,
    /// The protocols that it is offered.
    pub(super) protocols: Vec<Vec<u8>>,
    /// Whether its certificate is believed by an exception.
    pub(super) is_excused: bool,
}

impl Inside {
    /// The way to the origin, by the rules that are in force now, and the host that counts: the name that the origin proves, where
    /// an address was asked for. What is believed by an exception proves no name, and what cannot be spoken to neither.
    pub(super) fn way(&self, origins: &Origins, forward: &Forward, now: Now) -> (Arc<Upstream>, Arc<str>) {
        let excused = forward.hosts.excused(&self.target.host, now);
        let is_current = Arc::ptr_eq(&self.made.reach, &forward.reach);
        let (upstream, is_excused) = if is_current && !(self.made.is_excused && excused.is_none()) {
            (Arc::clone(&self.upstream), self.made.is_excused)
        } else {
            let new = || {
                let tls = offering(&forward.tls, self.made.protocols.clone());
                let tls = excused.map_or_else(|| Arc::clone(&tls), |digest| excusing(&tls, digest));
                self.target.upstream(forward, tls, Some(&self.made.name))
            };
            (origins.of(&self.target, forward, excused, new), excused.is_some())
        };
        let is_proved = !is_excused && self.failure.is_none();
        let host = if is_proved { &self.named } else { &self.target.host };
        (upstream, Arc::clone(host))
    }
}

impl Seat {
    /// Whether a tunnel may be asked for.
    pub(in crate::proxy) fn takes_tunnels(&self) -> bool {
        matches!(self, Self::Listener)
    }
}
