//! Recorded sightings before a policy that is not in force yet: who would have been stopped, when, and after how many people.

mod access_log;
mod clock_text;
mod events;
mod lines;
mod run;
mod suggest;
#[cfg(test)]
mod tests;

pub use access_log::{AccessLog, COLUMNS, Column, Columns};
pub use events::Events;
pub use run::{DayTally, ORDINARY_PEOPLE_MAX, Outcome, Simulation, Stopped, Watch, simulate};
pub use suggest::{Proposal, Suggestions, suggest};

use std::fmt;

use smallvec::SmallVec;

use crate::engine::ledger::Dimension;
use crate::engine::secret::Subject;

/// A value of an actor: only ever hashed.
pub type Value = SmallVec<[u8; 24]>;

/// Somebody was shown somebody, as a record tells it.
#[derive(Clone, Debug, Default)]
pub struct Sighting {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// The line or the number of the record, from 1.
    pub line: u64,
    /// What the record says of the actor; `None` where it says nothing.
    pub session: Option<Value>,
    /// The same.
    pub principal: Option<Value>,
    /// The same.
    pub address: Option<Value>,
    /// The same.
    pub network: Option<Value>,
    /// The number of the policy's route; past its last one where none fits.
    pub route: usize,
    /// The people that were shown.
    pub people: SmallVec<[Subject; 1]>,
    /// What the record calls its one key, where it is about one.
    pub key: Option<(Dimension, Value)>,
}

impl Sighting {
    /// Whether the record says which key of `dimension` it is about.
    pub(super) fn tells(&self, dimension: Dimension) -> bool {
        if let Dimension::Combined(parts) = dimension {
            return parts.dimensions().all(|part| self.tells(part));
        }
        let values = [
            (Dimension::Session, &self.session),
            (Dimension::Principal, &self.principal),
            (Dimension::Address, &self.address),
            (Dimension::Network, &self.network),
        ];
        let value = values.iter().find(|(of, _)| *of == dimension);
        let is_of_all = matches!(dimension, Dimension::Route | Dimension::Service | Dimension::Global);
        // Of all that crosses, a record about one key shows one actor's part; of one response it tells nothing.
        value.map_or_else(|| is_of_all && self.key.is_none(), |(_, value)| value.is_some())
    }
}

/// A record cannot be read on.
#[derive(Debug)]
pub enum SourceError {
    /// It is no such record: where, and what was expected.
    Wrong {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        message: String,
    },
    /// The file cannot be read.
    Io(std::io::Error),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong { line, message } => write!(f, "line {line}: {message}"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for SourceError {}

/// Why a line was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It has fewer fields than there are columns.
    Short,
    /// Its time is none.
    Time,
    /// Its address is none.
    Address,
    /// It is longer than a line may be.
    Long,
    /// It is no JSON object.
    Json,
    /// It is about something else.
    Other,
}

impl Skip {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Short,
        Self::Time,
        Self::Address,
        Self::Long,
        Self::Json,
        Self::Other,
    ];

    /// The name for people and machines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Short => "too_few_fields",
            Self::Time => "no_time",
            Self::Address => "no_address",
            Self::Long => "too_long",
            Self::Json => "no_json",
            Self::Other => "about_something_else",
        }
    }
}

/// Lines that were passed over, by reason, with the first of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped([(u64, u64); 6]);

impl Skipped {
    /// One more.
    pub(super) fn add(&mut self, why: Skip, line: u64) {
        if let Some((count, first)) = self.0.get_mut(why as usize) {
            if *count == 0 {
                *first = line;
            }
            *count += 1;
        }
    }

    /// Reason, how many, and the first line of each reason that was met.
    pub fn each(&self) -> impl Iterator<Item = (Skip, u64, u64)> {
        let met = Skip::ALL.into_iter().zip(self.0);
        met.filter(|(_, (count, _))| *count > 0)
            .map(|(why, (count, first))| (why, count, first))
    }

    /// Of all reasons.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(count, _)| count).sum()
    }
}

/// Where sightings come from, in the order of time.
pub trait Source {
    /// The next sighting; `None` at the end.
    ///
    /// # Errors
    /// What cannot be read on.
    fn next(&mut self) -> Result<Option<Sighting>, SourceError>;

    /// Bytes that were read.
    fn bytes(&self) -> u64;

    /// What was passed over.
    fn skipped(&self) -> Skipped;
}
