//! What was made of credentials: facts and their metrics.

use metrics::Gauge;
use tracing::{info, warn};

use super::Event;
#[cfg(test)]
use super::baseline::BaselineFact;
use super::family::{Family, Maker};
use super::meters::approximate;

/// What was made of credentials.
#[derive(Clone, Copy, Debug)]
pub enum IdentityFact {
    /// A request showed a credential.
    Shown {
        /// `issued`, `unissued` or `unknown`.
        provenance: &'static str,
    },
    /// Nobody can say whether the one that it showed was issued.
    Unknown {
        /// Why, from a fixed set.
        reason: &'static str,
    },
    /// An answer issued credentials that were not known.
    Issued {
        /// `issued`, `unissued` or `unknown`: what they inherit.
        provenance: &'static str,
    },
    /// What was issued left before it was safe: a crash would forget it, or another gateway does not know it.
    Undurable {
        /// `store` or `fleet`.
        place: &'static str,
    },
    /// What an answer issued in its body was not found.
    Unread {
        /// `large`, `coding` or `format`.
        reason: &'static str,
    },
    /// A request showed an approval.
    Approval {
        /// `good`, or why it is none, from a fixed set.
        result: &'static str,
    },
    /// Credentials that are remembered now.
    Births(u64),
    /// The hello of a TLS connection could not be read for its fingerprint; TLS itself took it.
    HelloUnread {
        /// Why, from a fixed set.
        reason: &'static str,
    },
    /// A value in the place of a credential names nobody.
    Ignored {
        /// `malformed`, `oversize`, `ambiguous`, or `untrusted`: a header of a proxy's that somebody else sent.
        reason: &'static str,
    },
    /// An issuer was asked for an opaque token, or could not be.
    Introspected {
        /// `active` or `inactive`; or why nobody can say: `timeout`, `connect`, `tls`, `http`, `status`, `garbage`, `late`,
        /// `open` (it failed too often lately), `crowded`, `limited`.
        result: &'static str,
    },
    /// The issuer that is asked for tokens answers no more (`false`), or again.
    Introspects(bool),
}

/// The metrics of identity.
pub(super) struct IdentityMeters {
    disagreements: Family,
    shown: Family,
    unknown: Family,
    issued: Family,
    undurable: Family,
    unread: Family,
    approvals: Family,
    deviations: Family,
    proposals: Family,
    births: Gauge,
    hellos_unread: Family,
    ignored: Family,
    introspected: Family,
}

impl IdentityMeters {
    pub(super) fn new(make: &Maker) -> Self {
        Self {
            disagreements: make.family("tidegate_credentials_disagree_total", "kind", None),
            shown: make.family("tidegate_credentials_total", "provenance", None),
            unknown: make.family("tidegate_unknown_credentials_total", "reason", None),
            issued: make.family("tidegate_births_total", "provenance", None),
            undurable: make.family("tidegate_births_undurable_total", "place", None),
            unread: make.family("tidegate_births_unread_total", "reason", None),
            approvals: make.family("tidegate_approvals_total", "result", None),
            deviations: make.family("tidegate_deviations_total", "baseline", None),
            proposals: make.family("tidegate_proposals_total", "kind", None),
            births: make.gauge("tidegate_births", None),
            hellos_unread: make.family("tidegate_hellos_unread_total", "reason", None),
            ignored: make.family("tidegate_credentials_ignored_total", "reason", None),
            introspected: make.family("tidegate_introspections_total", "result", None),
        }
    }

    /// Moves the metric of an event about credentials or accounts.
    pub(super) fn count(&self, event: &Event<'_>) {
        if let Event::CredentialsDisagree { kind } = *event {
            self.disagreements.add(kind, 1);
        }
        if let Event::Baseline(fact) = *event {
            super::baseline::count((&self.deviations, &self.proposals), fact);
        }
        let Event::Identity(fact) = *event else { return };
        match fact {
            IdentityFact::Shown { provenance } => self.shown.add(provenance, 1),
            IdentityFact::Unknown { reason } => self.unknown.add(reason, 1),
            IdentityFact::Issued { provenance } => self.issued.add(provenance, 1),
            IdentityFact::Undurable { place } => self.undurable.add(place, 1),
            IdentityFact::Unread { reason } => self.unread.add(reason, 1),
            IdentityFact::Approval { result } => self.approvals.add(result, 1),
            IdentityFact::Births(births) => self.births.set(approximate(births)),
            IdentityFact::HelloUnread { reason } => self.hellos_unread.add(reason, 1),
            IdentityFact::Ignored { reason } => self.ignored.add(reason, 1),
            IdentityFact::Introspected { result } => self.introspected.add(result, 1),
            IdentityFact::Introspects(_) => {}
        }
    }
}

/// Writes the log line of a fact that has one.
pub(super) fn log(fact: IdentityFact) {
    match fact {
        IdentityFact::Introspects(false) => {
            warn!("the issuer that is asked for tokens does not answer: of new ones nobody can say");
        }
        IdentityFact::Introspects(true) => info!("the issuer that is asked for tokens answers again"),
        IdentityFact::Shown { .. }
        | IdentityFact::Unknown { .. }
        | IdentityFact::Issued { .. }
        | IdentityFact::Undurable { .. }
        | IdentityFact::Unread { .. }
        | IdentityFact::Approval { .. }
        | IdentityFact::HelloUnread { .. }
        | IdentityFact::Births(_)
        | IdentityFact::Ignored { .. }
        | IdentityFact::Introspected { .. } => {}
    }
}

/// One of each, for tests.
#[cfg(test)]
pub(super) const FACTS: &[Event<'static>] = &[
    Event::CredentialsDisagree { kind: "duplicate" },
    Event::FuseBlown { budget: "bulk" },
    Event::Identity(IdentityFact::Shown { provenance: "issued" }),
    Event::Identity(IdentityFact::Unknown { reason: "warm_up" }),
    Event::Identity(IdentityFact::Issued { provenance: "issued" }),
    Event::Identity(IdentityFact::Undurable { place: "store" }),
    Event::Identity(IdentityFact::Unread { reason: "large" }),
    Event::Identity(IdentityFact::Approval { result: "good" }),
    Event::Identity(IdentityFact::Births(3)),
    Event::Identity(IdentityFact::HelloUnread { reason: "too_long" }),
    Event::Baseline(BaselineFact::Deviated {
        key: "0a",
        group: "agent",
        people: 400,
        median: 40,
        deviation: 3,
        limit: 88,
        baseline: "account",
    }),
    Event::Baseline(BaselineFact::Proposed {
        route: "shop.example/",
        people: 3,
    }),
    Event::Identity(IdentityFact::Ignored { reason: "untrusted" }),
    Event::Identity(IdentityFact::Introspected { result: "active" }),
    Event::Identity(IdentityFact::Introspects(false)),
];
