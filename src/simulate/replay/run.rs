//! The run: slice after slice of the visits is put before all arms, while the next one is made.
//!
//! An arm is with one thread at a time, and arms share nothing, so that a run is the same on one core and on many.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::arm::{Arm, By, Means, Swept};
use super::honest::Kept;
use super::report::{Outcome, Report};
use super::scenario::{DAY_MS, Scenario};
use super::slice::{Maker, Slice};
use super::tally::Tally;
use super::thief::World;
use crate::engine::ledger::{BudgetId, Dimension};
use crate::engine::policy::{BudgetSyntax, Policy, RoutePolicy, Written};
use crate::engine::problem::Problem;
use crate::engine::secret::HashKey;
use crate::engine::time::Now;
use crate::simulate::random::mix;

/// Visits whose keys are looked at together: the memory is waited for once for all of them.
const VISITS_AHEAD: usize = 32;

/// How far a run is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Days that were lived through, of all worlds together.
    pub days: AtomicU64,
}

/// A scenario whose policies are compiled.
pub struct Ready {
    scenario: Scenario,
    swept: [Swept; 2],
    means: Vec<Means>,
}

/// The budget that counts people a session, which is what an application could do by itself.
const SESSION_BUDGET: &str = "session-count";
const SESSION_BUDGET_TEXT: &str =
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
                ..RoutePolicy::default()
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
    let compiled = [
        policy(&scenario.budget, &mut found),
        alone(SESSION_BUDGET_TEXT, &mut found),
    ];
    let [Some(own), Some(session)] = compiled else {
        return Err(found);
    };
    problems.append(&mut found);
    let swept = |policy, budget: &str| Swept {
        policy,
        budget: BudgetId::of(budget, None),
    };
    let swept = [
        swept(own, scenario.sweep.budget.get_ref()),
        swept(session, SESSION_BUDGET),
    ];
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
        let is_of_software = |part: Dimension| matches!(part, Dimension::Ja4 | Dimension::Headers | Dimension::Http2);
        let asks = |budget: &BudgetSyntax| {
            let per = Dimension::parse(budget.per.get_ref());
            per.is_some_and(|per| per.parts().any(is_of_software))
        };
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
        let breach_ms = self.scenario.time.start_ms() + self.scenario.breach.day * DAY_MS;
        let means = self.means.iter().enumerate();
        let mut arms: Vec<Arm> = means.map(|(place, means)| self.arm(*means, place, breach_ms)).collect();
        // Those that judge take longest, and are begun first.
        arms.sort_by_key(|arm| arm.by().is_none());
        let judging = [By::Scenario, By::Session].into_iter();
        let judging = judging.filter(|by| arms.iter().any(|arm| arm.by() == Some(*by)));
        let mut maker = Maker::new(self, world, judging.collect());
        let (mut slice, mut next) = (Slice::default(), Slice::default());
        maker.make(&mut slice);
        loop {
            let is_last = maker.is_over();
            let making = (!is_last).then_some(Task::Make(&mut maker, &mut next));
            let judging = arms.iter_mut().map(|arm| Task::Judge(arm, &slice));
            self.share_out(making.into_iter().chain(judging).collect(), self.threads(threads));
            progress.days.fetch_add(u64::from(slice.ends_day), Ordering::Relaxed);
            if is_last {
                break;
            }
            std::mem::swap(&mut slice, &mut next);
        }
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
            signals: maker.signals,
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
        Arm::new(means, place, policy, self.scenario.ledger, tally)
    }

    pub(super) fn swept_of(&self, by: By) -> &Swept {
        let [own, session] = &self.swept;
        match by {
            By::Scenario => own,
            By::Session => session,
        }
    }

    /// Does all `tasks`, each on the first thread that is free.
    fn share_out(&self, tasks: Vec<Task<'_, '_>>, threads: usize) {
        let tasks = Mutex::new(tasks.into_iter());
        let next = || tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while let Some(task) = next() {
                self.work(task);
            }
        };
        std::thread::scope(|scope| {
            (1..threads).for_each(|_| drop(scope.spawn(work)));
            work();
        });
    }

    fn work(&self, task: Task<'_, '_>) {
        let (arm, slice) = match task {
            Task::Make(maker, slice) => return maker.make(slice),
            Task::Judge(arm, slice) => (arm, slice),
        };
        match arm.by() {
            Some(by) => {
                let visits = slice.visits.chunks(VISITS_AHEAD);
                for (visits, plans) in visits.zip(slice.plans(by).chunks(VISITS_AHEAD)) {
                    arm.look_ahead(plans);
                    let shown = visits.iter().zip(plans).filter(|(visit, _)| visit.people > 0);
                    shown.for_each(|(visit, plan)| arm.planned(visit, self.swept_of(by), plan));
                }
            }
            None => slice.visits.iter().for_each(|visit| arm.unplanned(visit)),
        }
        if slice.ends_day {
            arm.day();
        }
    }
}

/// What a thread does at a time.
enum Task<'t, 'r> {
    /// The next slice is made, while this one is judged.
    Make(&'t mut Maker<'r>, &'t mut Slice),
    /// An arm sees a slice.
    Judge(&'t mut Arm, &'t Slice),
}
