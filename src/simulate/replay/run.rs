//! The run: the same visits once for each thread, in the order of time, before the arms of that thread.
//!
//! Nothing is shared between threads but the count of what is done, so that a run is the same on one core and on many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::arm::{Arm, By, Means, Swept};
use super::honest::{Kept, Shop, USUAL_BROWSER};
use super::report::{Outcome, Report, Signals};
use super::scenario::{Credential, DAY_MS, Scenario};
use super::tally::Tally;
use super::thief::{Thief, World};
use super::visit::{Provenance, Visit, Who};
use crate::engine::ledger;
use crate::engine::policy::{BudgetSyntax, Plan, Policy, RoutePolicy, Written};
use crate::engine::problem::Problem;
use crate::engine::secret::HashKey;
use crate::engine::time::Now;
use crate::simulate::facts::plan_visit;
use crate::simulate::random::mix;

/// Minutes of which the visits are made at once: a part of a day.
const SLICE_MINUTES: u64 = 360;

/// The visits of some minutes, with their plans under one policy.
#[derive(Default)]
struct Slice {
    visits: Vec<Visit>,
    plans: Vec<Plan>,
}

/// How far a run is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Days that were lived through, of all threads and worlds together.
    pub days: AtomicU64,
}

/// A scenario whose policies are compiled.
pub struct Ready {
    scenario: Scenario,
    swept: [Swept; 2],
    means: Vec<Means>,
}

/// The budget that counts people a session, which is what an application could do by itself.
const SESSION_BUDGET: &str =
    "name = \"session-count\"\nper = \"session\"\npeople = 1\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"";
/// Compiles what a scenario asks for; warnings go to `problems`.
///
/// # Errors
/// The problems of its policy.
///
/// # Panics
/// Never: the budgets of what stands beside are written here.
pub fn prepare(file: &str, scenario: Scenario, problems: &mut Vec<Problem>) -> Result<Ready, Vec<Problem>> {
    let now = Now::from_millis(scenario.time.start_ms());
    let policy = |budgets: &[BudgetSyntax], problems: &mut Vec<Problem>| {
        let routes: Vec<RoutePolicy> = scenario
            .route
            .iter()
            .map(|route| RoutePolicy {
                name: route.pattern.get_ref().clone(),
                service: route.pattern.get_ref().clone(),
                public: false,
                allow: route.allow.clone(),
            })
            .collect();
        let mut group_names: Vec<String> = ["customer", "agent", "partner"].map(str::to_owned).into();
        group_names.extend(scenario.breach.group.clone());
        let written = Written {
            file,
            budgets,
            routes: &routes,
            group_names: &group_names,
            exact_elements_max: scenario.ledger.exact_elements_max,
            ..Written::default()
        };
        Policy::compile(&written, secret(scenario.time.seed), now, problems).map(Arc::new)
    };
    let alone = |text: &str, problems: &mut Vec<Problem>| {
        let budget: BudgetSyntax = toml::from_str(text).expect("the budgets beside are written here");
        policy(&[budget], problems)
    };
    let mut found = Vec::new();
    let compiled = [policy(&scenario.budget, &mut found), alone(SESSION_BUDGET, &mut found)];
    let [Some(own), Some(session)] = compiled else {
        return Err(found);
    };
    problems.append(&mut found);
    let budget_of = |policy: &Policy, name: Option<&str>| {
        let mut budgets = policy.budgets().iter();
        budgets
            .find(|budget| name.is_none_or(|name| budget.name == name))
            .map(|budget| budget.id)
    };
    let name = scenario.sweep.budget.get_ref().as_str();
    let ids = [budget_of(&own, Some(name)), budget_of(&session, None)];
    let swept = [own, session].into_iter().zip(ids);
    let swept: Vec<Swept> = swept
        .filter_map(|(policy, budget)| {
            Some(Swept {
                policy,
                budget: budget?,
            })
        })
        .collect();
    let swept = swept.try_into().map_err(|_| Vec::new())?;
    let beside = &scenario.beside;
    let gateways = scenario.sweep.people.iter().map(|people| Means::Gateway(*people));
    let means = gateways
        .chain(beside.requests_a_minute.iter().map(|limit| Means::RateLimit(*limit)))
        .chain(beside.people_a_session.iter().map(|limit| Means::SessionCount(*limit)))
        .chain(beside.people_in_the_log.iter().map(|limit| Means::LogCounter(*limit)))
        .collect();
    Ok(Ready { scenario, swept, means })
}

/// Keys of a simulation are nobody's: the key that hashes them may be told from the seed.
fn secret(seed: u64) -> HashKey {
    let mut bytes = [0; 32];
    for (place, byte) in bytes.chunks_exact_mut(8).zip(1..) {
        place.copy_from_slice(&mix(seed, byte).to_le_bytes());
    }
    HashKey::new(bytes)
}

impl Ready {
    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// How many limits and other means are tried.
    pub fn limits(&self) -> usize {
        self.means.len()
    }

    /// The worlds that differ under this policy: one, unless some budget asks for a fingerprint.
    pub fn worlds(&self) -> &'static [World] {
        let asks = |budget: &BudgetSyntax| budget.per.get_ref().contains("ja4");
        if self.scenario.budget.iter().any(asks) {
            &[World::Rare, World::Browser]
        } else {
            &[World::Rare]
        }
    }

    /// Threads that a run on `cores` takes.
    pub fn threads(&self, cores: usize) -> usize {
        cores.clamp(1, self.means.len())
    }

    /// Lives through the scenario on `threads` threads.
    pub fn run(&self, world: World, threads: usize, progress: &Progress) -> Report {
        let threads = self.threads(threads);
        let breach_ms = self.scenario.time.start_ms() + self.scenario.breach.day * DAY_MS;
        let mut hands: Vec<Vec<Arm>> = (0..threads).map(|_| Vec::new()).collect();
        // Dealt in turn, so that each thread has tight limits and loose ones.
        for (place, means) in self.means.iter().enumerate() {
            let arm = self.arm(*means, place, breach_ms);
            if let Some(hand) = hands.get_mut(place % threads) {
                hand.push(arm);
            }
        }
        let done: Vec<(Vec<Arm>, Signals)> = std::thread::scope(|scope| {
            let workers = hands
                .into_iter()
                .map(|arms| scope.spawn(move || self.work(world, arms, progress)));
            let workers: Vec<_> = workers.collect();
            let joined = workers.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined
                .map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let signals = done.first().map(|(_, signals)| *signals).unwrap_or_default();
        let mut arms: Vec<Arm> = done.into_iter().flat_map(|(arms, _)| arms).collect();
        arms.sort_by_key(|arm| arm.place);
        let honest = &self.scenario.honest;
        let kept = Kept::of(honest);
        Report {
            world,
            outcomes: arms
                .iter()
                .map(|arm| Outcome {
                    means: arm.means,
                    counts: arm.counts(),
                })
                .collect(),
            signals,
            breach_ms,
            kept: [
                (kept.customers, honest.customers),
                (kept.agents, honest.agents),
                (kept.bots, honest.bots),
            ],
        }
    }

    fn arm(&self, means: Means, place: usize, breach_ms: u64) -> Arm {
        let tally = Tally::new(breach_ms, self.scenario.breach.days * 1_440);
        let policy = means.by().map(|by| &*self.swept_of(by).policy);
        let settings = ledger::Settings { ..self.scenario.ledger };
        Arm::new(means, place, policy, settings, tally)
    }

    fn swept_of(&self, by: By) -> &Swept {
        let [own, session] = &self.swept;
        match by {
            By::Scenario => own,
            By::Session => session,
        }
    }

    /// All visits before some arms, one arm after the other for each slice of time: what an arm remembers of its addresses
    /// then stays near.
    fn work(&self, world: World, mut arms: Vec<Arm>, progress: &Progress) -> (Vec<Arm>, Signals) {
        let scenario = &self.scenario;
        let (mut shop, mut thief) = (Shop::new(scenario), Thief::new(scenario, world));
        let mut signals = Signals::default();
        let mut slice = Slice::default();
        let start_ms = scenario.time.start_ms();
        for minute in 0..scenario.time.days * 1_440 {
            let from = slice.visits.len();
            shop.minute(minute * 60_000, &mut slice.visits);
            thief.minute(minute * 60_000, &mut slice.visits);
            if let Some(new) = slice.visits.get_mut(from..) {
                new.sort_by_key(|visit| visit.at_ms);
            }
            if (minute + 1) % SLICE_MINUTES != 0 {
                continue;
            }
            for visit in &slice.visits {
                self.note(visit, visit.at_ms - start_ms, &mut signals);
            }
            self.before_all(&mut slice, &mut arms);
            slice.visits.clear();
            if (minute + 1) % 1_440 == 0 {
                arms.iter_mut().for_each(Arm::day);
                progress.days.fetch_add(1, Ordering::Relaxed);
            }
        }
        (arms, signals)
    }

    /// The visits of one slice before all arms.
    fn before_all(&self, slice: &mut Slice, arms: &mut [Arm]) {
        let group = self.scenario.breach.group.as_deref().unwrap_or_default();
        let groups = ["customer", "agent", "partner", group];
        let partners = self.scenario.route.len() - 1;
        for by in [By::Scenario, By::Session] {
            if arms.iter().all(|arm| arm.by() != Some(by)) {
                continue;
            }
            let swept = self.swept_of(by);
            slice.plans.clear();
            let plan = |visit: &Visit| {
                let is_partner = groups.get(visit.group as usize) == Some(&"partner");
                let route = usize::from(is_partner) * partners;
                plan_visit(&swept.policy, visit, &groups, route, Now::from_millis(visit.at_ms))
            };
            slice.plans.extend(slice.visits.iter().map(plan));
            for arm in arms.iter_mut().filter(|arm| arm.by() == Some(by)) {
                let planned = slice
                    .visits
                    .iter()
                    .zip(&slice.plans)
                    .filter(|(visit, _)| visit.people > 0);
                planned.for_each(|(visit, plan)| arm.planned(visit, swept, plan));
            }
        }
        for arm in arms.iter_mut().filter(|arm| arm.by().is_none()) {
            slice.visits.iter().for_each(|visit| arm.unplanned(visit));
        }
    }

    fn note(&self, visit: &Visit, elapsed_ms: u64, signals: &mut Signals) {
        signals.requests += u64::from(visit.requests());
        let is_forged = self.scenario.breach.credential == Credential::Forged;
        let is_rotated = elapsed_ms >= self.scenario.honest.key_days * DAY_MS;
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
