//! What is reported of credentials that may not be used any more: its metrics and its log lines.

use std::sync::OnceLock;

use metrics::Gauge;
use tracing::{info, warn};

use super::family::{Family, Maker};
use super::meters::Meters;

/// A fact about what is revoked.
#[derive(Clone, Copy, Debug)]
pub enum RevocationFact {
    /// It was shown: the exchange was refused, or cut.
    Used {
        /// `principal`, `session`, `kid` or `retired_kid`.
        what: &'static str,
    },
    /// A security event of an identity provider came.
    Signal {
        /// `revoked`, `reinstated`, `known` (a repetition, or decided since), `ignored` (of another kind, or about nobody that
        /// is named here), `full` or `refused`.
        result: &'static str,
    },
    /// A transmitter was asked for its events.
    Polled {
        /// `done`, or `failed`: it is asked again later.
        result: &'static str,
    },
    /// How many days the signing key with the fewest may still sign.
    KeyDaysLeft(i64),
    /// A key set behind a URL was asked for.
    KeySet {
        /// `fetched`, `same`; or why not: `refused` (no key set that can be used), `timeout`, `connect`, `tls`, `http`, `status`,
        /// `disk`; or `stale`: it is no longer believed.
        result: &'static str,
    },
    /// A key set behind a URL cannot be had: told when that begins, and each hour that it lasts.
    KeySetFails {
        /// As the results above.
        why: &'static str,
    },
    /// It can be had again.
    KeySetIsBack,
    /// Since when the oldest of them is known to be as it is.
    KeySetAge {
        /// In seconds.
        seconds: u32,
    },
}

/// The metrics of revocations.
pub(super) struct RevocationMeters {
    used: Family,
    signals: Family,
    key_sets: Family,
    polls: Family,
    make: Maker,
    /// Made with the first fact: without a key there are no days.
    key_days_left: OnceLock<Gauge>,
    /// Made with the first set behind a URL.
    key_set_age: OnceLock<Gauge>,
}

impl RevocationMeters {
    pub(super) fn new(make: &Maker) -> Self {
        Self {
            used: make.family("tidegate_revoked_uses_total", "what", None),
            signals: make.family("tidegate_signals_total", "result", None),
            key_sets: make.family("tidegate_key_set_fetches_total", "result", None),
            polls: make.family("tidegate_signal_polls_total", "result", None),
            make: make.clone(),
            key_days_left: OnceLock::new(),
            key_set_age: OnceLock::new(),
        }
    }

    /// Moves the metrics of one fact.
    pub(super) fn count(&self, fact: RevocationFact) {
        match fact {
            RevocationFact::Used { what } => self.used.add(what, 1),
            RevocationFact::Signal { result } => self.signals.add(result, 1),
            RevocationFact::Polled { result } => self.polls.add(result, 1),
            RevocationFact::KeyDaysLeft(days) => {
                let make = || self.make.gauge("tidegate_signing_key_days_left", None);
                self.key_days_left.get_or_init(make).set(days as f64);
            }
            RevocationFact::KeySet { result } => self.key_sets.add(result, 1),
            RevocationFact::KeySetFails { .. } | RevocationFact::KeySetIsBack => {}
            RevocationFact::KeySetAge { seconds } => {
                let make = || self.make.gauge("tidegate_key_set_age_seconds", None);
                self.key_set_age.get_or_init(make).set(f64::from(seconds));
            }
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
        RevocationFact::Signal { result: "refused" } => {
            if meters.may_log() {
                warn!("a security event was refused");
            }
        }
        RevocationFact::KeySetFails { why } => {
            warn!(
                why,
                "a key set cannot be fetched: the last one holds, for a day at most"
            );
        }
        RevocationFact::KeySetIsBack => info!("the key set can be fetched again"),
        RevocationFact::KeySet { result: "stale" } => {
            warn!("a key set could not be fetched for a day: nothing that it signs is believed any more");
        }
        RevocationFact::Polled { result: "failed" } => {
            if meters.may_log() {
                warn!("a transmitter of security events did not answer properly");
            }
        }
        RevocationFact::Signal { .. }
        | RevocationFact::Polled { .. }
        | RevocationFact::KeyDaysLeft(_)
        | RevocationFact::KeySet { .. }
        | RevocationFact::KeySetAge { .. } => {}
    }
}

/// One fact of each kind, for tests.
#[cfg(test)]
pub(super) const FACTS: [super::Event<'static>; 8] = [
    super::Event::Revocation(RevocationFact::KeySet { result: "fetched" }),
    super::Event::Revocation(RevocationFact::KeySetAge { seconds: 7 }),
    super::Event::Revocation(RevocationFact::KeySetFails { why: "connect" }),
    super::Event::Revocation(RevocationFact::KeySetIsBack),
    super::Event::Revocation(RevocationFact::Polled { result: "done" }),
    super::Event::Revocation(RevocationFact::Signal { result: "known" }),
    super::Event::Revocation(RevocationFact::Used { what: "kid" }),
    super::Event::Revocation(RevocationFact::KeyDaysLeft(29)),
];
