//! An administrative change: who did what, to which key, and why.

use ipnet::IpNet;

/// What a person or the process changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A key was held by hand.
    Hold,
    /// A hold was released.
    Release,
    /// An account that had been idle is in use again.
    Recertify,
    /// A credential may not be used any more.
    Revoke,
    /// It may be used again.
    Reinstate,
    /// The gateway was told to drain.
    Drain,
    /// A configuration was loaded.
    Reload,
    /// A bypass began.
    Bypass,
    /// A bypass ended.
    BypassEnd,
    /// The system's clock was accepted after a jump.
    AcceptClock,
    /// A certificate was signed in the name of an origin.
    Mint,
}

impl Operation {
    /// Its name in audit lines, metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Recertify => "recertify",
            Self::Revoke => "revoke",
            Self::Reinstate => "reinstate",
            Self::Drain => "drain",
            Self::Reload => "reload",
            Self::Bypass => "bypass",
            Self::BypassEnd => "bypass-end",
            Self::AcceptClock => "accept-clock",
            Self::Mint => "mint",
        }
    }
}

/// One administrative change.
#[derive(Clone, Debug)]
pub struct Change {
    /// What was done.
    pub operation: Operation,
    /// Whether it came into force.
    pub succeeded: bool,
    /// The name of the token, or of the part of the process that did it.
    pub who: String,
    /// The role of the token; `process` for the process itself.
    pub role: &'static str,
    /// Why, in the words of whoever did it.
    pub reason: String,
    /// What it was done to: a key, a route; `None` for the whole gateway.
    pub target: Option<String>,
    /// When its effect ends, unix second; 0 if it has no end.
    pub until: u32,
    /// The people that a release allows; 0 if none.
    pub people: u32,
    /// From which network it was asked; `None` for the process itself.
    pub network: Option<IpNet>,
}
