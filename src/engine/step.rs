//! What the inspector says and is told: modes, bounds, steps, answers and numbers.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::engine::container::Fault;
use crate::engine::decode::DecodeError;
use crate::engine::detect::OrderSigns;
use crate::engine::record::Record;

/// What may happen to the bytes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is held or changed; people are counted.
    Watch,
    /// Bytes wait until their records are granted; coded bytes leave as they came.
    Guard,
    /// As `Guard`, and a coded body leaves decoded, so that it can be masked.
    Rewrite,
}

/// Bounds of one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// Bytes of an identity-coded body that wait at most. Default 64 KiB. A record that outgrows it is settled by what it
    /// has shown.
    pub held_bytes_max: u64,
    /// Decoded bytes of a coded body that wait at most. Default 256 KiB.
    pub held_decoded_bytes_max: u64,
    /// Coded bytes that wait at most. Default 256 KiB.
    pub held_coded_bytes_max: u64,
    /// Decoded bytes for one coded byte, beyond the first MiB. Default 250. Against: decompression bombs.
    pub decoded_ratio_max: u64,
    /// Containers inside one another: archives, sheets, documents. Default 4.
    pub container_depth_max: u32,
    /// Entries of all containers of a body together. Default 10,000.
    pub container_entries_max: u32,
    /// Bytes that come of a body's containers, on all levels together. Default 1 GiB.
    pub container_bytes_max: u64,
    /// Bytes of one value searched at once. Default 2048.
    pub segment_bytes: usize,
    /// Bytes that one of the operator's expressions searches. Default 64 MiB. Against: an expression that is slow, and woken
    /// everywhere.
    pub rule_searched_bytes_max: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            held_bytes_max: 64 << 10,
            held_decoded_bytes_max: 256 << 10,
            held_coded_bytes_max: 256 << 10,
            decoded_ratio_max: 250,
            container_depth_max: 4,
            container_entries_max: 10_000,
            container_bytes_max: 1 << 30,
            segment_bytes: 2048,
            rule_searched_bytes_max: 64 << 20,
        }
    }
}

/// Why a body cannot be inspected further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Its content coding is unknown, or more codings than can be undone are in one another.
    UnknownCoding,
    /// It is not what its content coding says, or in a character set that cannot be read.
    Undecodable,
    /// It decodes to more than the allowed ratio.
    Ratio,
    /// A container, or an entry of one, is encrypted.
    Encrypted,
    /// A container breaks its format, or is packed in a way that is not read.
    Unreadable,
    /// More would come of a container than may: bytes, entries or containers in it.
    ContainerLimit,
    /// The reader of a fragile format, which runs apart, is gone, or none was to be had.
    Isolation,
    /// Someone in a container would have to be masked, which nobody can do in it.
    Unmaskable,
    /// More coded bytes would have to wait than may.
    HoldBack,
    /// An expression of the operator's has searched as much of it as it may.
    RuleBudget,
}

impl Failure {
    /// The name in metrics and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownCoding => "unknown_coding",
            Self::Undecodable => "undecodable",
            Self::Ratio => "ratio",
            Self::Encrypted => "encrypted",
            Self::Unreadable => "unreadable",
            Self::ContainerLimit => "container_limit",
            Self::Isolation => "isolation",
            Self::Unmaskable => "unmaskable",
            Self::HoldBack => "holdback_exhausted",
            Self::RuleBudget => "rule_budget",
        }
    }
}

/// What to do with the next bytes that were pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Release so many of them as they are.
    Keep(usize),
    /// Release these instead of so many of them.
    Replace(usize, Bytes),
}

/// What the inspector wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Another chunk, or `finish`.
    More,
    /// The people of [`Inspector::asks`](crate::engine::inspect::Inspector::asks) to be reserved, then `resolve`.
    Settle,
    /// These bytes handed downstream; with them leave the first `asks` asks that were granted.
    Release {
        /// In order, from the first byte that was pushed and not yet released.
        pieces: Vec<Piece>,
        /// How many granted asks have left, counted from the start of the body.
        asks: u64,
    },
    /// A decision between [`Inspector::pass_blind`](crate::engine::inspect::Inspector::pass_blind) and giving up. After
    /// [`Failure::RuleBudget`] the rest is still searched, by the rules that have a budget left.
    Fail(Failure),
    /// Nothing more: the body was cut here.
    Stopped,
    /// Nothing more: the body is complete.
    Done,
}

/// The answer to [`Step::Settle`] for the ask after the granted ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// All were granted.
    Granted,
    /// It is masked; those after it are asked again.
    Mask,
    /// The body ends before it.
    Cut,
    /// It is asked again later.
    Later,
}

/// Numbers of one body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Decoded bytes that were searched.
    pub inspected_bytes: u64,
    /// Body bytes that were not, since `Failure`.
    pub uninspected_bytes: u64,
    /// Identifiers found, by class number.
    pub findings: SmallVec<[(u8, u32); 8]>,
    /// Records settled.
    pub records: u64,
    /// Identifiers masked.
    pub masked: u64,
    /// What the field names said about orders.
    pub orders: OrderSigns,
}

impl Tally {
    /// Counts a record and what is in it.
    pub(super) fn add(&mut self, record: &Record) {
        self.records += 1;
        for place in &record.places {
            match self.findings.iter_mut().find(|(class, _)| *class == place.class.0) {
                Some((_, count)) => *count += 1,
                None => self.findings.push((place.class.0, 1)),
            }
        }
    }

    /// Whether the field names are those of orders: their numbers, and what was ordered or how it is sent.
    pub fn is_order_history(&self) -> bool {
        let signs = [OrderSigns::ITEM, OrderSigns::SHIPMENT];
        self.orders.say(OrderSigns::NUMBER) && signs.into_iter().any(|sign| self.orders.say(sign))
    }

    /// Whether they are those of the orders of who is asking.
    pub fn is_own_history(&self) -> bool {
        self.is_order_history() && self.orders.say(OrderSigns::OWN)
    }
}

/// Where a body stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// The body was read to its end.
    Complete,
    /// Uninspected from here on.
    Blind,
    /// Cut at this decoded offset.
    Cut(u64),
    Stopped,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Encrypted => Self::Encrypted,
            Fault::Unreadable => Self::Unreadable,
            Fault::Limit => Self::ContainerLimit,
            Fault::Isolation => Self::Isolation,
        }
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Ratio => Self::Ratio,
            DecodeError::Corrupt | DecodeError::Truncated | DecodeError::Window => Self::Undecodable,
        }
    }
}
