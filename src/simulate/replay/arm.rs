//! One gateway with one limit, or one of what stands beside it, before all visits of a scenario.

use std::ops::Range;
use std::sync::Arc;

use super::beside::{LogCounter, RateLimit};
use super::report::Counts;
use super::tally::Tally;
use super::visit::{Visit, Who, subject};
use crate::engine::ledger::{self, BudgetId, KeyId, Ledger};
use crate::engine::policy::{Plan, Policy};
use crate::engine::time::Now;
use crate::simulate::judge::{Ask, Judge, Ruling};

/// How people are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// The gateway, with so many people in the swept budget.
    Gateway(u32),
    /// A rate limit of so many requests a minute and address.
    RateLimit(u32),
    /// So many people a session and day.
    SessionCount(u32),
    /// A log counter that has an address cut off a minute after so many people in a day.
    LogCounter(u32),
}

/// Which of the policies of a worker an arm is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Scenario,
    Session,
}

/// A policy, and the budget of it that is swept.
pub(super) struct Swept {
    pub(super) policy: Arc<Policy>,
    pub(super) budget: BudgetId,
}

/// One of them.
pub(super) struct Arm {
    pub(super) means: Means,
    /// Its place in the report.
    pub(super) place: usize,
    judge: Option<(By, Judge)>,
    rate: Option<RateLimit>,
    log: Option<LogCounter>,
    tally: Tally,
    asks: Vec<Ask>,
    /// A plan under way.
    plan: Plan,
}

impl Means {
    /// Which policy judges, if one does.
    pub(super) fn by(self) -> Option<By> {
        match self {
            Self::Gateway(_) => Some(By::Scenario),
            Self::SessionCount(_) => Some(By::Session),
            Self::RateLimit(_) | Self::LogCounter(_) => None,
        }
    }

    /// The number that is tried.
    pub const fn limit(self) -> u32 {
        let (Self::Gateway(limit) | Self::RateLimit(limit) | Self::SessionCount(limit) | Self::LogCounter(limit)) =
            self;
        limit
    }
}

impl Arm {
    pub(super) fn new(
        means: Means,
        place: usize,
        policy: Option<&Policy>,
        ledger: ledger::Settings,
        tally: Tally,
    ) -> Self {
        let judge = means.by().zip(policy);
        Self {
            means,
            place,
            judge: judge.map(|(by, policy)| (by, Judge::new(policy, Ledger::new(ledger)))),
            rate: matches!(means, Means::RateLimit(_)).then(|| RateLimit::new(means.limit())),
            log: matches!(means, Means::LogCounter(_)).then(|| LogCounter::new(means.limit())),
            tally,
            asks: Vec::new(),
            plan: Plan::default(),
        }
    }

    /// The policy that this arm needs a plan of.
    pub(super) fn by(&self) -> Option<By> {
        self.judge.as_ref().map(|(by, _)| *by)
    }

    /// Visits with these plans come soon.
    pub(super) fn look_ahead(&mut self, plans: &[Plan]) {
        if let Some((_, judge)) = &mut self.judge {
            judge.look_ahead(plans);
        }
    }

    /// A visit that no ledger is asked about.
    pub(super) fn unplanned(&mut self, visit: &Visit) {
        self.limited(visit);
        self.logged(visit);
    }

    /// A rate limit has its say.
    fn limited(&mut self, visit: &Visit) {
        let Some(rate) = &mut self.rate else { return };
        let requests = visit.requests();
        let passed = rate.pass(visit.address, requests, visit.at_ms);
        if visit.who == Who::Thief {
            // The misses come first: whoever guesses does not know which guess will hit.
            self.tally.thief(visit, passed > visit.misses);
        }
        if passed < requests {
            self.tally.refused(visit);
            self.tally.called(visit, BudgetId(1), address_key(visit.address));
        }
    }

    /// A log counter sees what was shown.
    fn logged(&mut self, visit: &Visit) {
        let Some(log) = self.log.as_mut().filter(|_| visit.people > 0) else {
            return;
        };
        let is_cut = log.cuts(visit.address, visit.at_ms);
        let is_over = !is_cut && log.line(visit.address, people(visit, self.tally.exposed), visit.at_ms);
        if visit.who == Who::Thief {
            self.tally.thief(visit, !is_cut);
        }
        if is_cut {
            self.tally.refused(visit);
        }
        if is_over {
            self.tally.called(visit, BudgetId(1), address_key(visit.address));
        }
    }

    /// A visit under `plan` of the policy of [`Arm::by`].
    pub(super) fn planned(&mut self, visit: &Visit, swept: &Swept, plan: &Plan) {
        let Some((_, judge)) = &self.judge else { return };
        let limit = self.means.limit();
        self.plan.keys.clear();
        self.plan.keys.extend_from_slice(&plan.keys);
        self.plan.allowance.clone_from(&plan.allowance);
        for tried in self.plan.keys.iter_mut().flat_map(|used| &mut used.limits) {
            if tried.budget == swept.budget {
                tried.people = limit;
            }
        }
        self.asks.clear();
        // Whoever was granted once within an exchange is granted again: the further views ask nothing new.
        let people = people(visit, self.tally.exposed);
        self.asks.extend(people.map(|person| Ask::from(subject(person))));
        let now = Now::from_millis(visit.at_ms);
        let ruling = judge.judge(&swept.policy, &mut self.plan, &self.asks, now);
        self.settle(visit, &ruling);
    }

    fn settle(&mut self, visit: &Visit, ruling: &Ruling) {
        self.tally.uncounted += u64::from(ruling.is_uncounted);
        if visit.who == Who::Thief {
            self.tally.thief(visit, ruling.granted > 0);
        }
        if let Some(refusal) = ruling.refused {
            self.tally.refused(visit);
            self.tally.called(visit, refusal.budget, refusal.key);
        }
        for (budget, key, _) in &ruling.told {
            self.tally.called(visit, *budget, *key);
        }
    }

    /// Looks at how large the ledger is; a day has passed.
    pub(super) fn day(&mut self) {
        let Some((_, judge)) = &self.judge else { return };
        self.tally.keys_max = self.tally.keys_max.max(judge.keys() as u64);
        self.tally.ledger_bytes_max = self.tally.ledger_bytes_max.max(judge.bytes() as u64);
    }

    pub(super) fn counts(&self) -> Counts {
        let tally = &self.tally;
        let [customers, agents, partners] = tally.principals();
        let [customer_visits_refused, staff_visits_refused] = tally.visits_refused;
        let [incidents_of_thief, incidents_of_others] = tally.incidents_of;
        Counts {
            exposed: tally.exposed,
            customers,
            agents,
            partners,
            bots: tally.bots.len() as u64,
            customer_visits_refused,
            staff_visits_refused,
            incidents_of_thief,
            incidents_of_others,
            first_ms: tally.first_ms,
            contained_after_minutes: tally.contained_after(),
            keys_max: tally.keys_max,
            ledger_bytes_max: tally.ledger_bytes_max,
            uncounted: tally.uncounted,
        }
    }
}

/// Whom a visit shows: the thief's is the next that was not given yet.
fn people(visit: &Visit, exposed: u64) -> Range<u64> {
    let first = if visit.who == Who::Thief { exposed } else { visit.person };
    first..first + u64::from(visit.people)
}

fn address_key(address: u32) -> KeyId {
    let mut key = [0; 12];
    key.iter_mut()
        .zip(address.to_be_bytes())
        .for_each(|(to, from)| *to = from);
    KeyId(key)
}
