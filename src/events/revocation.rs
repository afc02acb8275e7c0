//! What is reported of credentials that may not be used any more: its metrics and its log lines.

use tracing::warn;

use super::family::{Family, Maker};
use super::meters::Meters;

/// A fact about what is revoked.
#[derive(Clone, Copy, Debug)]
pub enum RevocationFact {
    /// It was shown: the exchange was refused, or cut.
    Used {
        /// `principal`, `session` or `kid`.
        what: &'static str,
    },
}

/// The metrics of revocations.
pub(super) struct RevocationMeters {
    used: Family,
}

impl RevocationMeters {
    pub(super) fn new(make: &Maker) -> Self {
        Self {
            used: make.family("tidegate_revoked_uses_total", "what", None),
        }
    }

    /// Moves the metrics of one fact.
    pub(super) fn count(&self, fact: RevocationFact) {
        match fact {
            RevocationFact::Used { what } => self.used.add(what, 1),
        }
    }
}

/// Writes the log line of a fact that has one.
pub(super) fn log(meters: &Meters, fact: RevocationFact) {
    match fact {
        // Clients cause these: at most a fixed number between two upkeeps.
        RevocationFact::Used { what } => {
            if meters.may_log() {
                warn!(what, "refused, as it is revoked");
            }
        }
    }
}

/// One fact of each kind, for tests.
#[cfg(test)]
pub(super) const FACTS: [super::Event<'static>; 1] = [super::Event::Revocation(RevocationFact::Used { what: "kid" })];
