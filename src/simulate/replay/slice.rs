//! The visits of some hours, made once for all arms, with their plans under each policy that judges one of them.

use super::arm::By;
use super::honest::{Shop, USUAL_BROWSER};
use super::report::Signals;
use super::run::Ready;
use super::scenario::{Credential, DAY_MS, VISITS_A_MINUTE_MAX};
use super::thief::{Thief, World};
use super::visit::{Provenance, Visit, Who};
use crate::engine::ledger::Ledger;
use crate::engine::policy::Plan;
use crate::engine::time::Now;
use crate::simulate::facts::plan_visit;

/// Minutes of which the visits are made at once: a part of a day.
const SLICE_MINUTES: u64 = 120;

/// Visits at which a part ends before its time: with those of one minute more it has at most twice as many.
const SLICE_VISITS: usize = VISITS_A_MINUTE_MAX as usize;

/// Visits in the order of time.
#[derive(Default)]
pub(super) struct Slice {
    pub(super) visits: Vec<Visit>,
    /// By policy, in the order of the visits; behind them may be more. Of a visit that shows nobody they are empty.
    plans: [Vec<Plan>; 2],
    /// Whether a day ends with it.
    pub(super) ends_day: bool,
}

impl Slice {
    /// The plans under one policy, one a visit.
    pub(super) fn plans(&self, by: By) -> &[Plan] {
        let [own, session] = &self.plans;
        match by {
            By::Scenario => own,
            By::Session => session,
        }
    }
}

/// Makes the slices of a scenario, one after the other.
pub(super) struct Maker<'r> {
    ready: &'r Ready,
    /// The policies that judge.
    judging: Vec<By>,
    shop: Shop<'r>,
    thief: Thief<'r>,
    minute: u64,
    /// Who was there before: the same for all arms, since whoever is refused came all the same.
    memory: Ledger,
    pub(super) signals: Signals,
}

impl<'r> Maker<'r> {
    pub(super) fn new(ready: &'r Ready, world: World, judging: Vec<By>) -> Self {
        Self {
            ready,
            judging,
            shop: Shop::new(ready.scenario()),
            thief: Thief::new(ready.scenario(), world),
            minute: 0,
            memory: Ledger::new(ready.scenario().ledger),
            signals: Signals::default(),
        }
    }

    /// Whether all of the scenario was made.
    pub(super) fn is_over(&self) -> bool {
        self.minute == self.ready.scenario().time.days * 1_440
    }

    /// Fills `slice` with what comes next.
    pub(super) fn make(&mut self, slice: &mut Slice) {
        slice.visits.clear();
        while !self.is_over() {
            let from = slice.visits.len();
            self.shop.minute(self.minute * 60_000, &mut slice.visits);
            self.thief.minute(self.minute * 60_000, &mut slice.visits);
            if let Some(new) = slice.visits.get_mut(from..) {
                new.sort_by_key(|visit| visit.at_ms);
            }
            self.minute += 1;
            slice.ends_day = self.minute.is_multiple_of(1_440);
            if self.minute.is_multiple_of(SLICE_MINUTES) || slice.visits.len() >= SLICE_VISITS {
                break;
            }
        }
        slice.visits.iter().for_each(|visit| self.note(visit));
        let Slice { visits, plans, .. } = slice;
        for by in &self.judging {
            let plans = match (by, &mut *plans) {
                (By::Scenario, [own, _]) => own,
                (By::Session, [_, session]) => session,
            };
            plans.resize_with(plans.len().max(visits.len()), Plan::default);
            visits
                .iter()
                .zip(plans)
                .for_each(|(visit, plan)| self.plan(*by, visit, plan));
        }
    }

    fn plan(&self, by: By, visit: &Visit, plan: &mut Plan) {
        if visit.people == 0 {
            return plan.clear();
        }
        let scenario = self.ready.scenario();
        let group = scenario.breach.group.as_deref().unwrap_or_default();
        let groups = ["customer", "agent", "partner", group];
        let is_partner = groups.get(visit.group as usize) == Some(&"partner");
        let route = usize::from(is_partner) * (scenario.route.len() - 1);
        let policy = &self.ready.swept_of(by).policy;
        plan_visit(
            (policy, &self.memory),
            visit,
            &groups,
            route,
            (plan, Now::from_millis(visit.at_ms)),
        );
    }

    fn note(&mut self, visit: &Visit) {
        let (scenario, signals) = (self.ready.scenario(), &mut self.signals);
        signals.requests += u64::from(visit.requests());
        let elapsed_ms = visit.at_ms - scenario.time.start_ms();
        let is_forged = scenario.breach.credential == Credential::Forged;
        let is_rotated = elapsed_ms >= scenario.honest.key_days * DAY_MS;
        match visit.who {
            Who::Thief => {
                signals.thief += 1;
                signals.thief_unissued += u64::from(visit.provenance == Provenance::Unissued);
                signals.thief_after_rotation += u64::from(is_forged && is_rotated);
            }
            Who::Honest => {
                signals.honest += 1;
                signals.honest_unknown += u64::from(visit.provenance == Provenance::Unknown);
                signals.honest_usual += u64::from(visit.fingerprint == USUAL_BROWSER);
            }
            Who::Bot => {}
        }
    }
}
