//! The closed list of facts the process reports; the only file with log and metric macros. No event holds personal data.

/// Which leg of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leg {
    /// The side of the client.
    Downstream,
    /// The side of the origin.
    Upstream,
}

/// A fact. Every `&'static str` field takes values from a fixed, small set: it becomes a metric label.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    // Transport.
    /// A downstream connection opened (`true`) or closed.
    Connection(bool),
    /// An ambiguous or malformed head was refused.
    HeadRefused {
        /// On which leg.
        leg: Leg,
        /// Which rule of framing it broke.
        fault: &'static str,
    },
    /// A named limit refused something.
    LimitHit {
        /// The limit's name, as in the configuration.
        limit: &'static str,
    },
    /// An exchange with an upstream failed.
    UpstreamFailed {
        /// The route's name.
        route: &'a str,
        /// `connect`, `timeout`, `reset`, `framing`, `tls`, `dns`, ...
        kind: &'static str,
    },
    /// An idempotent request was sent a second time.
    UpstreamRetried,
    /// A TLS handshake failed.
    TlsFailed {
        /// On which leg.
        leg: Leg,
        /// Why, from a fixed set.
        kind: &'static str,
    },
    /// Bytes that crossed a tunnel uninspected.
    TunnelBytes(u64),
}

/// Reports one fact.
pub fn report(event: &Event<'_>) {
    let _ = event;
}
