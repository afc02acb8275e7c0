//! What is reported of the journal, its metrics and its log lines.

use metrics::{Counter, Gauge};
use tracing::{error, info, warn};

use super::family::{Family, Maker};
use super::meters::{Meters, approximate};

/// A fact about the journal.
#[derive(Clone, Copy, Debug)]
pub enum JournalFact<'a> {
    /// Entries were written.
    Written {
        /// How many.
        entries: u64,
        /// Bytes that they take.
        bytes: u64,
    },
    /// Entries did not get into the journal.
    Lost {
        /// `queue` (the writer is behind) or `disk` (it cannot write).
        reason: &'static str,
        /// How many.
        entries: u64,
    },
    /// The journal cannot be written any more (`true`), or can again.
    Failing(bool),
    /// Segments were removed.
    Removed {
        /// `age`, or `cap`: before their time, for want of room.
        reason: &'static str,
        /// How many.
        segments: u64,
    },
    /// The end of a segment was cut off, as it was not written to its end.
    Torn {
        /// Bytes.
        bytes: u64,
    },
    /// A segment is not as it was written; it is left alone.
    Damaged {
        /// The name of its file.
        segment: &'a str,
        /// The first byte that is not.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A segment was closed, and everything up to its end is signed.
    Closed {
        /// Its number.
        sequence: u64,
        /// Bytes of it before the last checkpoint.
        length: u64,
        /// The hash there, in hexadecimal digits.
        chain: &'a str,
    },
    /// Bytes of the journal on disk now.
    Size(u64),
}

/// The metrics of the journal.
pub(super) struct JournalMeters {
    entries: Counter,
    bytes: Counter,
    lost: Family,
    failing: Gauge,
    removed: Family,
    torn: Counter,
    damaged: Counter,
    size: Gauge,
}

impl JournalMeters {
    pub(super) fn new(make: &Maker) -> Self {
        Self {
            entries: make.counter("tidegate_journal_entries_total", None),
            bytes: make.counter("tidegate_journal_written_bytes_total", None),
            lost: make.family("tidegate_journal_lost_total", "reason", None),
            failing: make.gauge("tidegate_journal_failing", None),
            removed: make.family("tidegate_journal_removed_segments_total", "reason", None),
            torn: make.counter("tidegate_journal_torn_bytes_total", None),
            damaged: make.counter("tidegate_journal_damaged_segments_total", None),
            size: make.gauge("tidegate_journal_disk_bytes", None),
        }
    }

    /// Moves the metrics of one fact.
    pub(super) fn count(&self, fact: JournalFact<'_>) {
        match fact {
            JournalFact::Written { entries, bytes } => {
                self.entries.increment(entries);
                self.bytes.increment(bytes);
            }
            JournalFact::Lost { reason, entries } => self.lost.add(reason, entries),
            JournalFact::Failing(on) => self.failing.set(f64::from(u8::from(on))),
            JournalFact::Removed { reason, segments } => self.removed.add(reason, segments),
            JournalFact::Torn { bytes } => self.torn.increment(bytes),
            JournalFact::Damaged { .. } => self.damaged.increment(1),
            JournalFact::Size(bytes) => self.size.set(approximate(bytes)),
            JournalFact::Closed { .. } => {}
        }
    }
}

/// Writes the log line of a fact that has one.
pub(super) fn log(meters: &Meters, fact: JournalFact<'_>) {
    match fact {
        JournalFact::Failing(true) => error!("the journal cannot be written"),
        JournalFact::Failing(false) => info!("the journal is written again"),
        JournalFact::Removed {
            reason: "age",
            segments,
        } => info!(segments, "old segments of the journal removed"),
        JournalFact::Removed { reason, segments } => {
            warn!(reason, segments, "segments of the journal removed before their time");
        }
        JournalFact::Torn { bytes } => warn!(bytes, "a segment of the journal was not written to its end"),
        JournalFact::Damaged { segment, offset, what } => {
            error!(segment, offset, what, "a segment of the journal is damaged");
        }
        // For a collector: with these lines elsewhere, nobody rewrites the journal unseen.
        JournalFact::Closed {
            sequence,
            length,
            chain,
        } => info!(sequence, length, chain, "journal checkpoint"),
        JournalFact::Lost { reason, entries } => {
            // Clients cause these: at most a fixed number between two upkeeps.
            if meters.may_log() {
                error!(reason, entries, "entries of the journal lost");
            }
        }
        JournalFact::Written { .. } | JournalFact::Size(_) => {}
    }
}

/// One fact of each kind whose metric is there only once it has moved.
#[cfg(test)]
pub(super) const FACTS: [super::Event<'static>; 2] = [
    super::Event::Journal(JournalFact::Lost {
        reason: "queue",
        entries: 3,
    }),
    super::Event::Journal(JournalFact::Removed {
        reason: "cap",
        segments: 2,
    }),
];
