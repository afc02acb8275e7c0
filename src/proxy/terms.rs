//! What an exchange lends its driver: the gateway, the set in force, and what they say of this exchange.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::fail::{Fail, Reason};
use super::gateway::{Gateway, Set};
use super::outcome::Denial;
use super::route::Leads;
use crate::engine::ledger::{Account, Ask, KeyUse, not_public};
use crate::engine::policy::{Action, Direction};
use crate::engine::time::Now;
use crate::events::{BaselineFact, Event, report};

/// Bytes that all streams hold together.
#[derive(Debug, Default)]
pub struct HeldTotal {
    bytes: AtomicU64,
}

impl HeldTotal {
    /// Bytes held now.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub(super) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn subtract(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Relaxed);
    }
}

/// What the exchange lends its driver.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) gateway: Arc<Gateway>,
    pub(super) set: Arc<Set>,
    /// The number of the route in the set.
    pub(super) route: usize,
    /// Which way the body goes.
    pub(super) direction: Direction,
    /// A refusal on the way back would make the client do it twice: what is over a limit is masked instead.
    pub(super) unsafe_method: bool,
    /// The answer says that there is nothing (RFC 9110, sections 15.5.5 and 15.5.11).
    pub(super) not_found: bool,
    /// Identifiers may leave masked.
    pub(super) may_mask: bool,
    /// The account whose issued credential asks.
    pub(super) issued: Option<u64>,
}

impl Terms {
    /// Bytes held over all streams.
    pub(super) fn held(&self) -> &HeldTotal {
        &self.gateway.held
    }

    /// Whether it is what a client of a forward listener sends.
    pub(super) fn goes_out(&self) -> bool {
        let route = self.set.routes.get(self.route);
        let is_outward = route.is_some_and(|route| matches!(route.leads, Leads::Out(_)));
        is_outward && self.direction == Direction::Request
    }

    /// The route's fail mode, where something is enforced.
    pub(super) fn fail(&self, reason: Reason) -> Fail {
        let route = self.set.routes.get(self.route);
        route.map_or(Fail::Closed, |route| route.fail_on.of(reason, route.fail))
    }

    /// The same for an exchange: fail modes act as open where nothing is enforced.
    pub(super) fn mode(&self, reason: Reason, account: &Account) -> Fail {
        if account.is_enforcing() {
            self.fail(reason)
        } else {
            Fail::Open
        }
    }

    /// Where a full ledger is open, or nothing is enforced, only the keys that find no room in it go uncounted.
    pub(super) fn open_when_full(&self, account: &mut Account) {
        if !account.is_enforcing() || self.fail(Reason::LedgerFull) == Fail::Open {
            account.open_when_full();
        }
    }

    /// A budget refuses what has `asks` in it: whoever is in the way of many accounts is proposed as public.
    pub(super) fn note_refused(&self, asks: &[Ask], now: Now) {
        let Some(account) = self.issued else { return };
        let route = self.set.routes.get(self.route).map_or("", |route| route.name.as_str());
        let people = asks.iter().flat_map(|ask| not_public(Some(&self.set.public), ask, now));
        let proposed = self.gateway.proposed.refused(people, account, route, now);
        if proposed > 0 {
            report(&Event::Baseline(BaselineFact::Proposed {
                route,
                people: proposed as u64,
            }));
        }
    }

    /// A budget that holds does so wherever it is exceeded: one of the exchange's `keys`.
    pub(super) fn hold_if_asked(&self, denial: Denial, keys: &[KeyUse], now: Now) {
        let Denial::Budget {
            budget, key, dimension, ..
        } = denial
        else {
            return;
        };
        let Some(Action::Hold { seconds }) = self.set.policy.get(budget).map(|budget| budget.action) else {
            return;
        };
        let ledger = &self.gateway.ledger;
        let held = ledger.hold_or_coarser(keys, (key, dimension), seconds, budget, now);
        self.gateway.store.hold_changed();
        if held != Some(dimension) {
            report(&Event::LimitHit { limit: "holds_max" });
        }
    }
}
