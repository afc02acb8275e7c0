//! Recorded sightings before a policy that is not in force yet: who would have been stopped, when, and after how many people.

mod access_log;
mod clock_text;
mod events;
mod journal;
mod lines;
mod run;
mod sessions;
mod suggest;
#[cfg(test)]
mod tests;

pub use access_log::{AccessLog, COLUMNS, Column, Columns};
pub use events::Events;
pub use journal::Journal;
pub use run::{DayTally, Outcome, Simulation, Stopped, Watch, simulate};
pub use sessions::ORDINARY_PEOPLE_MAX;
pub use suggest::{Proposal, Suggestions, suggest};

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::engine::ledger::Dimension;
use crate::engine::policy::Standing;
use crate::engine::secret::Subject;
use crate::store::journal::JournalError;

/// A value of an actor: only ever hashed.
pub type Value = SmallVec<[u8; 36]>;

/// Somebody was shown somebody, as a record tells it. No `Debug`: the values of a log are credentials and addresses.
#[derive(Clone, Default)]
pub struct Sighting {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// The line or the number of the record, from 1; of several entries, of the first.
    pub line: u64,
    /// Lines or entries that it stands for.
    pub entries: u64,
    /// What the record says of the actor, by dimension.
    pub values: SmallVec<[(Dimension, Value); 6]>,
    /// The number of the policy's route; past its last one where none fits.
    pub route: usize,
    /// The people that were shown.
    pub people: SmallVec<[Subject; 1]>,
    /// The group of the principal.
    pub group: Option<Arc<str>>,
    /// Whether the credential is verified, listed or issued; a client can make up any other.
    pub is_known: bool,
    /// Whether the credential was seen being issued.
    pub standing: Standing,
    /// Whether the values are keys of a gateway, by which it knows them too.
    pub has_key_ids: bool,
    /// Whether the record is about one key alone, and tells nothing of what all share.
    pub is_of_one_key: bool,
}

impl Sighting {
    /// Whether the record says which key of `dimension` it is about.
    pub(super) fn tells(&self, dimension: Dimension) -> bool {
        if let Dimension::Combined(parts) = dimension {
            return parts.dimensions().all(|part| self.tells(part));
        }
        if matches!(dimension, Dimension::Route | Dimension::Service | Dimension::Global) {
            return !self.is_of_one_key;
        }
        // Whom nobody was seen to issue counts by its network; of one response a record tells nothing.
        let told = if dimension == Dimension::Anonymous {
            Dimension::Network
        } else {
            dimension
        };
        self.value(told).is_some()
    }

    /// What the record says of one dimension of the actor.
    pub(super) fn value(&self, dimension: Dimension) -> Option<&[u8]> {
        let mut values = self.values.iter();
        let (_, value) = values.find(|(of, _)| *of == dimension)?;
        Some(value)
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
    /// It is about somebody who was masked, and so not shown.
    Masked,
}

impl Skip {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Short,
        Self::Time,
        Self::Address,
        Self::Long,
        Self::Json,
        Self::Other,
        Self::Masked,
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
            Self::Masked => "masked",
        }
    }
}

/// Lines that were passed over, by reason, with the first of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped([(u64, u64); 7]);

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

    /// Parts of it that are not as they were written, and were left out.
    fn damaged(&self) -> &[JournalError] {
        &[]
    }
}
