//! What is reported of baselines, its metric and its log lines.

use tracing::{error, warn};

use super::family::Family;

/// A fact about what is usual for accounts.
#[derive(Clone, Copy, Debug)]
pub enum BaselineFact<'a> {
    /// An account was shown far more people within a day than is usual.
    Deviated {
        /// The key of the account.
        key: &'a str,
        /// Its group.
        group: &'a str,
        /// People of the last day.
        people: u32,
        /// The median of what is usual, the deviation from it, and the limit that follows.
        median: u32,
        /// The same.
        deviation: u32,
        /// The same.
        limit: u32,
        /// `account` or `group`: whose baseline it is.
        baseline: &'static str,
    },
    /// What is usual could not be read or written.
    Unsaved {
        /// Why.
        reason: &'a str,
    },
}

/// Moves the metric of a fact that has one.
pub(super) fn count(deviations: &Family, fact: BaselineFact<'_>) {
    match fact {
        BaselineFact::Deviated { baseline, .. } => deviations.add(baseline, 1),
        BaselineFact::Unsaved { .. } => {}
    }
}

/// Writes the log line of a fact.
pub(super) fn log(fact: BaselineFact<'_>) {
    match fact {
        BaselineFact::Deviated {
            key,
            group,
            people,
            median,
            deviation,
            limit,
            baseline,
        } => warn!(
            key,
            group, people, median, deviation, limit, baseline, "far more people within a day than is usual"
        ),
        BaselineFact::Unsaved { reason } => error!(reason, "baselines cannot be kept"),
    }
}
