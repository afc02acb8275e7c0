//! What an exchange came to: why it was refused, what it leaves for reports.

use std::time::Duration;

use smallvec::SmallVec;

use super::fail::Reason;
use crate::engine::ledger::{BudgetId, Dimension, KeyId, Told};
use crate::engine::policy::Policy;
use crate::identity::Named;

/// Why an exchange was refused or cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    Budget {
        budget: BudgetId,
        key: KeyId,
        dimension: Dimension,
        people: u32,
    },
    Throttled {
        budget: BudgetId,
        retry_after_s: u64,
    },
    Fail(Reason),
    /// A hold began while the stream was running.
    Held,
    /// What it showed was revoked meanwhile.
    Revoked(Named),
}

impl Denial {
    /// The verdict on the exchange.
    pub(super) fn verdict(self, policy: &Policy) -> &'static str {
        match self {
            Self::Budget { budget, .. } => policy.get(budget).map_or("block", |budget| budget.action.name()),
            Self::Throttled { .. } => "throttle",
            Self::Fail(_) => "fail_closed",
            Self::Held => "hold",
            Self::Revoked(_) => "revoked",
        }
    }
}

/// What an exchange leaves for reports.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) denial: Option<Denial>,
    /// Budgets that masked, with the key and the people who count under it.
    pub(super) masked: Vec<Told>,
    /// Budgets that only told.
    pub(super) told: Vec<Told>,
    pub(super) new_people: u64,
    /// The exchange left HTTP.
    pub(super) switched: bool,
    /// Fail modes that let bytes pass, and whether they did so only because nothing is enforced.
    pub(super) passed: SmallVec<[(Reason, bool); 1]>,
    pub(super) scan: Duration,
    pub(super) ledger: Duration,
    pub(super) holdback: Duration,
    /// Waiting until who was handed over is on disk.
    pub(super) store: Duration,
}

impl Outcome {
    /// What was told of one body need not be told with the next.
    pub(super) fn forget_body(&mut self) {
        self.new_people = 0;
        self.passed.clear();
        for time in [&mut self.scan, &mut self.ledger, &mut self.holdback, &mut self.store] {
            *time = Duration::ZERO;
        }
    }
}
