//! One dimension of an actor, and the number that stands for it.

use std::borrow::Cow;
use std::fmt;

use crate::engine::secret::{HashKey, PeopleMark};

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
    /// Whom the certificate names that the client showed.
    Certificate,
    /// The client address (an IPv6 address counts as its /64).
    Address,
    /// The client's /24 or /48.
    Network,
    /// All credentials of one network that nobody was seen to issue.
    Anonymous,
    /// The name of the client's network in the operator's list of networks or of autonomous systems.
    Place,
    /// The key that signed the credential.
    Kid,
    /// Who signed it.
    Issuer,
    /// The fingerprint of the client's TLS hello: many clients share it.
    Ja4,
    /// The route of the configuration.
    Route,
    /// What the route serves.
    Service,
    /// The host where the data goes.
    Destination,
    /// Everything that crosses this gateway.
    Global,
    /// The order of the client's header fields: many clients share it.
    Headers,
    /// How the client opens HTTP/2: many clients share it.
    Http2,
    /// The registrable domain where the data goes.
    Domain,
    /// What is there: a file share, a paste site, or what no list knows.
    Category,
    /// Whose part of the service it goes to: a bucket, an account, a team.
    Workspace,
    /// Several of these at once.
    Combined(Parts),
}

/// Two or more dimensions, a bit each by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Parts(u32);

impl Parts {
    /// The dimensions, in the order of [`Dimension::SINGLE`].
    pub fn dimensions(self) -> impl Iterator<Item = Dimension> {
        let single = Dimension::SINGLE.into_iter();
        single.filter(move |dimension| self.0 >> dimension.number() & 1 == 1)
    }
}

impl Dimension {
    /// All of them but combinations.
    pub const SINGLE: [Self; 20] = [
        Self::Exchange,
        Self::Session,
        Self::Principal,
        Self::Certificate,
        Self::Address,
        Self::Network,
        Self::Anonymous,
        Self::Place,
        Self::Kid,
        Self::Issuer,
        Self::Ja4,
        Self::Route,
        Self::Service,
        Self::Destination,
        Self::Global,
        Self::Headers,
        Self::Http2,
        Self::Domain,
        Self::Category,
        Self::Workspace,
    ];

    /// How many numbers there are: one for each single dimension, and one for all combinations.
    pub(super) const NUMBERS: usize = Self::SINGLE.len() + 1;

    /// `dimensions` at once; none of an exchange, which is never shared, nor of fewer than two.
    pub fn combined(dimensions: &[Self]) -> Option<Self> {
        let may_join = |dimension: &&Self| **dimension != Self::Exchange && !matches!(dimension, Self::Combined(_));
        let bits = |dimension: &Self| Some(dimension).filter(may_join).map(|single| 1 << single.number());
        let parts = dimensions
            .iter()
            .try_fold(0, |parts, dimension| Some(parts | bits(dimension)?))?;
        (u32::count_ones(parts) > 1).then_some(Self::Combined(Parts(parts)))
    }

    /// The name in configuration, metrics and events; of a combination, the names of its parts.
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Exchange => "exchange",
            Self::Session => "session",
            Self::Principal => "principal",
            Self::Certificate => "certificate",
            Self::Address => "address",
            Self::Network => "network",
            Self::Anonymous => "anonymous",
            Self::Place => "place",
            Self::Kid => "kid",
            Self::Issuer => "issuer",
            Self::Ja4 => "ja4",
            Self::Route => "route",
            Self::Service => "service",
            Self::Destination => "destination",
            Self::Global => "global",
            Self::Headers => "headers",
            Self::Http2 => "http2",
            Self::Domain => "domain",
            Self::Category => "category",
            Self::Workspace => "workspace",
            Self::Combined(parts) => {
                let names: Vec<_> = parts.dimensions().map(Self::name).collect();
                return Cow::Owned(names.join("+"));
            }
        })
    }

    /// The dimension of a name, or of several joined by `+`.
    pub fn parse(text: &str) -> Option<Self> {
        let single = |name: &str| {
            Self::SINGLE
                .into_iter()
                .find(|dimension| dimension.name() == name.trim())
        };
        if !text.contains('+') {
            return single(text);
        }
        let parts: Vec<Self> = text.split('+').map(single).collect::<Option<_>>()?;
        Self::combined(&parts)
    }

    /// Its place in [`Dimension::SINGLE`]; all combinations share the next.
    pub(super) const fn number(self) -> usize {
        match self {
            Self::Exchange => 0,
            Self::Session => 1,
            Self::Principal => 2,
            Self::Certificate => 3,
            Self::Address => 4,
            Self::Network => 5,
            Self::Anonymous => 6,
            Self::Place => 7,
            Self::Kid => 8,
            Self::Issuer => 9,
            Self::Ja4 => 10,
            Self::Route => 11,
            Self::Service => 12,
            Self::Destination => 13,
            Self::Global => 14,
            Self::Headers => 15,
            Self::Http2 => 16,
            Self::Domain => 17,
            Self::Category => 18,
            Self::Workspace => 19,
            Self::Combined(_) => 20,
        }
    }

    /// The number that stands for it on disk and between gateways: a bit for each part.
    pub const fn code(self) -> u32 {
        if let Self::Combined(parts) = self {
            return parts.0;
        }
        1 << self.number()
    }

    /// The dimension of [`Dimension::code`].
    pub fn from_code(code: u32) -> Option<Self> {
        let parts = Parts(code);
        let dimensions: Vec<Self> = parts.dimensions().collect();
        let is_known = dimensions.iter().fold(0, |bits, part| bits | part.code()) == code;
        match dimensions.as_slice() {
            [single] if is_known => Some(*single),
            several if is_known => Self::combined(several),
            _ => None,
        }
    }

    /// Its single dimensions: itself, or those that are combined.
    pub fn parts(self) -> impl Iterator<Item = Self> {
        let code = self.code();
        Parts(code).dimensions()
    }

    /// Whether it is `single`, or `single` is one of its parts.
    pub fn has(self, single: Self) -> bool {
        self.parts().any(|part| part == single)
    }

    /// Whether many people stand behind one value of it (design: "a shared key does not punish the crowd").
    pub fn is_shared(self) -> bool {
        match self {
            Self::Exchange | Self::Session | Self::Principal | Self::Certificate | Self::Address => false,
            Self::Network
            | Self::Anonymous
            | Self::Place
            | Self::Kid
            | Self::Issuer
            | Self::Ja4
            | Self::Route
            | Self::Service
            | Self::Destination
            | Self::Global
            | Self::Headers
            | Self::Http2
            | Self::Domain
            | Self::Category
            | Self::Workspace => true,
            Self::Combined(parts) => parts.dimensions().all(Self::is_shared),
        }
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

    /// Where the same people are counted under another key of theirs; of that place, the key.
    #[must_use]
    pub fn beside(self, apart: PeopleMark) -> Self {
        Self(PeopleMark(self.0).apart(apart).0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dimension_is_read_as_it_is_written() {
        for (number, dimension) in Dimension::SINGLE.into_iter().enumerate() {
            assert_eq!(dimension.number(), number);
            assert_eq!(Dimension::parse(&dimension.name()), Some(dimension));
            assert_eq!(Dimension::from_code(dimension.code()), Some(dimension));
        }
        let both = Dimension::parse("ja4 + network").unwrap();
        assert_eq!(both.name(), "network+ja4");
        assert_eq!(Dimension::parse("network+ja4"), Some(both));
        assert_eq!(Dimension::from_code(both.code()), Some(both));
        for wrong in ["", "people", "ja4+", "ja4+ja4", "ja4+exchange", "ja4+network+people"] {
            assert_eq!(Dimension::parse(wrong), None, "{wrong}");
        }
        for code in [0, 1 << 20, 1 << 21, u32::MAX, 3] {
            assert_eq!(Dimension::from_code(code), None, "{code}");
        }
    }

    #[test]
    fn a_combination_is_shared_only_if_all_of_it_is() {
        assert!(Dimension::parse("ja4+network").unwrap().is_shared());
        assert!(!Dimension::parse("ja4+session").unwrap().is_shared());
    }
}
