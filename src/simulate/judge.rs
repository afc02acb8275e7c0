//! One exchange before the real ledger: reserved, handed over, held, as `proxy/driver` does it, at a time that is told.

use std::sync::Arc;

use smallvec::SmallVec;

pub(super) use crate::engine::ledger::Ask;
use crate::engine::ledger::{Account, BudgetId, Confirmation, Dimension, KeyId, KeyUse, Ledger, Next, Told};
use crate::engine::policy::{Action, Plan, Policy};
use crate::engine::time::Now;

/// The longest that a throttled exchange waits for one more before it is refused: the default of `throttle_wait_ms_max`.
const THROTTLE_WAIT_MS_MAX: u64 = 10_000;

/// People that are asked for at once: an allowance looks at each of them together with all before.
const ASKS_AT_ONCE: usize = 8;

/// Why an exchange was not given everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The budget.
    pub(super) budget: BudgetId,
    /// The key that is over it.
    pub(super) key: KeyId,
    /// Its dimension.
    pub(super) dimension: Dimension,
    /// How many people count under it; 0 where that is not known (a pace, a hold).
    pub(super) people: u32,
}

/// What became of one exchange.
#[derive(Clone, Debug, Default)]
pub(super) struct Ruling {
    /// Asks that were granted, from the first, and handed over.
    pub(super) granted: usize,
    /// Why the next was not.
    pub(super) refused: Option<Refusal>,
    /// Budgets that told.
    pub(super) told: SmallVec<[Told; 2]>,
    /// Whether a key found no room and went uncounted.
    pub(super) is_uncounted: bool,
}

/// A policy in force over a ledger of its own.
pub(super) struct Judge {
    ledger: Arc<Ledger>,
    /// Whether some budget holds: only then can a key be held.
    holds: bool,
}

impl Judge {
    /// A judge by `policy`, whose plans it is given.
    pub(super) fn new(policy: &Policy, ledger: Ledger) -> Self {
        let mut budgets = policy.budgets().iter();
        Self {
            ledger: Arc::new(ledger),
            holds: budgets.any(|budget| budget.refuses() && matches!(budget.action, Action::Hold { .. })),
        }
    }

    /// The ledger, which also remembers who was there before.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Keys in memory.
    pub(super) fn keys(&self) -> usize {
        self.ledger.len()
    }

    /// Bytes of the ledger in memory.
    pub(super) fn bytes(&self) -> usize {
        self.ledger.bytes()
    }

    /// Looks at the keys of an exchange that is asked for soon: what another thread has looked at lies near when it is.
    pub(super) fn look(&self, plan: &Plan) {
        self.ledger.look(&plan.keys);
    }

    /// Looks at the keys of exchanges that are asked for next, one after the other, where nobody else has this ledger.
    pub(super) fn look_ahead(&mut self, plans: &[Plan]) {
        if let Some(ledger) = Arc::get_mut(&mut self.ledger) {
            ledger.look_ahead(plans.iter().flat_map(|plan| &plan.keys));
        }
    }

    /// Asks for `asks` under `plan` at `now`; what is granted is handed over at once. Of the plan its room is left.
    pub(super) fn judge(&self, policy: &Policy, plan: &mut Plan, asks: &[Ask], now: Now) -> Ruling {
        let keys = std::mem::take(&mut plan.keys);
        let mut account = self.ledger.open(keys, plan.allowance.take(), now);
        account.open_when_full();
        let ruling = self.rule(policy, &mut account, asks, now);
        plan.keys = account.close();
        ruling
    }

    fn rule(&self, policy: &Policy, account: &mut Account, asks: &[Ask], now: Now) -> Ruling {
        let mut ruling = Ruling::default();
        if self.holds
            && let Some((key, Some(budget), _)) = self.ledger.held(account.keys(), now)
        {
            let used = account.keys().iter().find(|used| used.key == key);
            ruling.refused = Some(Refusal {
                budget,
                key,
                dimension: used.map_or(Dimension::Session, |used| used.dimension),
                people: 0,
            });
            return ruling;
        }
        let mut at = now;
        let stopped = loop {
            let rest = asks.get(ruling.granted..).unwrap_or_default();
            let batch = rest.get(..ASKS_AT_ONCE).unwrap_or(rest);
            let answer = account.reserve(batch, at);
            ruling.granted += answer.granted;
            ruling.told.extend(answer.told);
            if answer.next == Next::Done && batch.len() < rest.len() {
                continue;
            }
            let handed = account.hand_over(account.asks_granted(), at);
            ruling.told.extend(handed.told);
            match answer.next {
                Next::Wait { until, .. } if until.saturating_sub(at.millis()) <= THROTTLE_WAIT_MS_MAX => {
                    at = Now::from_millis(until);
                }
                // One gateway has nobody to ask.
                Next::Confirm => account.confirm(Confirmation::Own),
                next @ (Next::Done | Next::Full | Next::Denied { .. } | Next::Wait { .. }) => {
                    break next;
                }
            }
        };
        ruling.refused = refusal(account.keys(), stopped);
        if let Next::Denied {
            budget, key, dimension, ..
        } = stopped
            && let Some(Action::Hold { seconds }) = policy.get(budget).map(|budget| budget.action)
        {
            let keys = account.keys();
            self.ledger.hold_or_coarser(keys, (key, dimension), seconds, budget, at);
        }
        ruling.is_uncounted = account.is_uncounted();
        ruling
    }
}

/// What stopped an exchange under `keys`, if anything did.
fn refusal(keys: &[KeyUse], next: Next) -> Option<Refusal> {
    match next {
        Next::Denied {
            budget,
            key,
            dimension,
            people,
        } => Some(Refusal {
            budget,
            key,
            dimension,
            people,
        }),
        Next::Wait { budget, .. } => {
            let mut keys = keys.iter();
            let used = keys.find(|used| used.limits.iter().any(|limit| limit.budget == budget))?;
            Some(Refusal {
                budget,
                key: used.key,
                dimension: used.dimension,
                people: 0,
            })
        }
        Next::Done | Next::Full | Next::Confirm => None,
    }
}
