//! What is reported of baselines and of what is proposed, their metrics and log lines.

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
    /// People stand in the way of many accounts, and are proposed as public.
    Proposed {
        /// The route on which the last was refused.
        route: &'a str,
        /// How many people.
        people: u64,
    },
    /// What is usual could not be read or written.
    Unsaved {
        /// Why.
        reason: &'a str,
    },
}

/// Moves the metric of a fact that has one.
pub(super) fn count((deviations, proposals): (&Family, &Family), fact: BaselineFact<'_>) {
    match fact {
        BaselineFact::Deviated { baseline, .. } => deviations.add(baseline, 1),
        BaselineFact::Proposed { people, .. } => proposals.add("public", people),
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
        BaselineFact::Proposed { route, people } => warn!(
            route,
            people, "people stand in the way of many accounts: `tidegate public` lists who may be nobody's data"
        ),
        BaselineFact::Unsaved { reason } => error!(reason, "baselines cannot be kept"),
    }
}
