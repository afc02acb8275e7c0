//! One dimension of an actor, and the number that stands for it.

use std::fmt;

use crate::engine::secret::HashKey;

/// A budget, known by its name: the same over every reload, for holds and paces outlive the set that made them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BudgetId(pub u64);

impl BudgetId {
    /// The budget with this name; a group's declared shape is another than a budget that happens to be called so.
    pub fn of(name: &str, group: Option<&str>) -> Self {
        let hash = blake3::hash(&[name.as_bytes(), b"\0", group.unwrap_or_default().as_bytes()].concat());
        let first = hash.as_bytes().iter().take(8);
        Self(first.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

/// One dimension of the actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    /// One request and its response; lives as long as it, has no window, is never shared.
    Exchange,
    /// A cookie, a header value, or a verified (issuer, subject, `sid` or `jti`).
    Session,
    /// Who the credential says it is.
    Principal,
    /// The client address (an IPv6 address counts as its /64).
    Address,
    /// The client's /24 or /48.
    Network,
    /// The route of the configuration.
    Route,
    /// Everything that crosses this gateway.
    Global,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Exchange,
        Self::Session,
        Self::Principal,
        Self::Address,
        Self::Network,
        Self::Route,
        Self::Global,
    ];

    /// The name in configuration, metrics and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Session => "session",
            Self::Principal => "principal",
            Self::Address => "address",
            Self::Network => "network",
            Self::Route => "route",
            Self::Global => "global",
        }
    }

    /// The number that stands for it on disk and between gateways.
    pub const fn code(self) -> u32 {
        1 << self as u32
    }

    /// The dimension of [`Dimension::code`].
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|dimension| dimension.code() == code)
    }

    /// Whether many people stand behind one value of it (design: "a shared key does not punish the crowd").
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::Network | Self::Route | Self::Global)
    }
}

/// The first 96 bits of the keyed hash of (tenant, dimension, value, direction, condition, what is counted).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 12]);

impl KeyId {
    /// The key of `value` under `dimension`; `scope` holds tenant, direction, condition and what is counted.
    pub fn new(secret: &HashKey, dimension: Dimension, value: &[u8], scope: &[u8]) -> Self {
        let hash = secret.hash("tidegate key 1", &[dimension.name().as_bytes(), value, scope]);
        let mut id = [0; 12];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self(id)
    }

    /// Reads what [`fmt::Display`] wrote: 24 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 24 || !text.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut id = [0; 12];
        for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(id))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}
