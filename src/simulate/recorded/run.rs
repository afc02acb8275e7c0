//! The run over a record: one thread reads and plans, the other asks the ledger, both in the order of the record.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;

use super::sessions::Sessions;
use super::{Sighting, Skipped, Source, SourceError};
use crate::engine::ledger::{self, BudgetId, Dimension, Elements, KeyId, Ledger};
use crate::engine::policy::{Plan, Policy};
use crate::engine::secret::{HashKey, Subject};
use crate::engine::time::Now;
use crate::simulate::facts::plan_sighting;
use crate::simulate::incidents::Incidents;
use crate::simulate::judge::{Ask, Judge, Refusal, Ruling};

/// Sightings that are handed over at once, and people of them behind whom no other is added, and how many such batches wait.
const BATCH: usize = 256;
const PEOPLE_BATCH: usize = 1 << 20;
const BATCHES_WAITING_MAX: usize = 8;

/// Actors that are listed; more are counted.
const STOPPED_MAX: usize = 1_000_000;

/// A line so far behind the newest is counted as late, in milliseconds.
const LATE_MS: u64 = 3_600_000;

/// How far a run is, for whoever watches.
#[derive(Debug, Default)]
pub struct Watch {
    /// Bytes that were read.
    pub bytes: AtomicU64,
}

/// A key that went over a budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The budget.
    pub budget: BudgetId,
    /// The key, as this run or the record calls it.
    pub key: String,
    /// Its dimension.
    pub dimension: Dimension,
    /// When it went over first, unix milliseconds.
    pub first_ms: u64,
    /// The line of that.
    pub line: u64,
    /// How many people it had been given by then.
    pub people: u32,
    /// Lines, or pages, that were refused, or told of.
    pub times: u64,
    /// Whether it was stopped; `false`: a budget that only tells, or in monitor.
    pub is_refused: bool,
}

/// What one day had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayTally {
    /// The day, in days since 1970.
    pub day: u64,
    /// Incidents that began on it.
    pub incidents: u64,
    /// Sightings.
    pub sightings: u64,
}

/// What came of a record.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Sightings.
    pub sightings: u64,
    /// Of them, refused.
    pub refused: u64,
    /// People that were given, as often as they were new to somebody.
    pub given: u64,
    /// Keys over a budget, in the order of time.
    pub stopped: Vec<Stopped>,
    /// More keys than are listed.
    pub stopped_more: u64,
    /// Sessions of the record, and those of them that were refused something.
    pub sessions: u64,
    /// The same.
    pub sessions_refused: u64,
    /// Ordinary sessions (at most three people) that were refused something.
    pub ordinary_refused: u64,
    /// Sessions past the bound, whose people nobody counted.
    pub sessions_unseen: u64,
    /// By day.
    pub days: Vec<DayTally>,
    /// Keys in the ledger at the end.
    pub keys: u64,
    /// Sightings that some key did not count, since it found no room.
    pub uncounted: u64,
    /// Lines far behind those before them, ruled at the time of the newest.
    pub late: u64,
    /// Budgets that were asked: those that bound somebody, and of whose dimension the record told a key.
    pub asked: HashSet<BudgetId>,
    /// Lines that were passed over.
    pub skipped: Skipped,
}

/// What the reading came to.
struct Read {
    skipped: Skipped,
    late: u64,
    asked: HashSet<BudgetId>,
    sessions: Sessions,
}

/// What is tried.
pub struct Simulation {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Bounds of its ledger.
    pub ledger: ledger::Settings,
    /// Hashes the keys that are told and that the record has no name for: what the policy hashes them with may hide nothing.
    pub secret: HashKey,
}

/// What is asked of the ledger by a sighting.
#[derive(Default)]
struct Case {
    at_ms: u64,
    line: u64,
    entries: u64,
    people: SmallVec<[Subject; 1]>,
    /// The number of its session.
    session: Option<u64>,
    /// The keys by which a gateway knows the actor, if the record is one's.
    recorded: SmallVec<[(Dimension, KeyId); 1]>,
    /// What it counts under.
    plan: Plan,
}

/// The first `count` of some cases. The room of the others is used again.
#[derive(Default)]
struct Batch {
    cases: Vec<Case>,
    count: usize,
    people: usize,
}

impl Case {
    /// A sighting whose plan is there already.
    fn fill(&mut self, sighting: Sighting, session: Option<u64>) {
        (self.at_ms, self.line, self.entries) = (sighting.at_ms, sighting.line, sighting.entries);
        self.session = session;
        // One sighting may have a million; that much room is not kept.
        self.people = sighting.people;
        self.recorded.clear();
        if sighting.has_key_ids {
            let values = sighting.values.iter();
            self.recorded
                .extend(values.filter_map(|(of, value)| Some((*of, KeyId(value[..].try_into().ok()?)))));
        }
    }
}

impl Batch {
    /// Room for one more.
    fn next(&mut self) -> &mut Case {
        if self.count == self.cases.len() {
            self.cases.push(Case::default());
        }
        self.count += 1;
        let last = self.count - 1;
        self.cases.get_mut(last).expect("it was pushed")
    }
}

/// Puts everything that `source` has before the policy.
///
/// # Errors
/// A record that cannot be read on.
pub fn simulate(
    simulation: &Simulation,
    source: &mut (dyn Source + Send),
    watch: &Watch,
) -> Result<Outcome, SourceError> {
    let (sender, receiver) = sync_channel(BATCHES_WAITING_MAX);
    let (emptied, empty) = sync_channel(BATCHES_WAITING_MAX);
    let policy = &*simulation.policy;
    let judge = Judge::new(policy, Ledger::new(simulation.ledger));
    let judge = &judge;
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || read_all((policy, judge), source, (&sender, &empty), watch));
        let (outcome, refused) = Court::new(simulation, judge).sit(&receiver, &emptied);
        let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Outcome {
            skipped: read.skipped,
            late: read.late,
            asked: read.asked,
            sessions: read.sessions.count(),
            sessions_refused: refused.len() as u64,
            ordinary_refused: read.sessions.ordinary(&refused),
            sessions_unseen: read.sessions.unseen,
            ..outcome
        })
    })
}

fn read_all(
    (policy, judge): (&Policy, &Judge),
    source: &mut (dyn Source + Send),
    (sender, empty): (&SyncSender<Batch>, &Receiver<Batch>),
    watch: &Watch,
) -> Result<Read, SourceError> {
    let (mut newest, mut late, mut asked) = (0_u64, 0, HashSet::new());
    let mut batch = Batch::default();
    let mut sessions = Sessions::default();
    while let Some(mut sighting) = source.next()? {
        late += u64::from(sighting.at_ms.saturating_add(LATE_MS) < newest);
        // Time does not go back: what a line is late by, another gateway had already counted.
        newest = newest.max(sighting.at_ms);
        sighting.at_ms = newest;
        batch.people += sighting.people.len();
        let case = batch.next();
        let now = Now::from_millis(newest);
        plan_sighting((policy, judge.ledger()), &sighting, (&mut case.plan, now));
        judge.look(&case.plan);
        // A record has no values.
        let of_people = case.plan.keys.iter().filter(|used| used.elements == Elements::People);
        asked.extend(of_people.flat_map(|used| &used.limits).map(|limit| limit.budget));
        let session = sessions.note(&sighting);
        case.fill(sighting, session);
        if batch.count == BATCH || batch.people >= PEOPLE_BATCH {
            watch.bytes.store(source.bytes(), Ordering::Relaxed);
            let mut next = empty.try_recv().unwrap_or_default();
            (next.count, next.people) = (0, 0);
            if sender.send(std::mem::replace(&mut batch, next)).is_err() {
                break;
            }
        }
    }
    // The other side ends only after this one.
    drop(sender.send(batch));
    Ok(Read {
        skipped: source.skipped(),
        late,
        asked,
        sessions,
    })
}

/// Asks the ledger, and keeps what is to be told.
struct Court<'p> {
    policy: &'p Policy,
    judge: &'p Judge,
    incidents: Incidents,
    outcome: Outcome,
    stopped: HashMap<(BudgetId, KeyId), usize>,
    secret: &'p HashKey,
    /// Sessions that were refused something.
    refused: HashSet<u64>,
}

impl<'p> Court<'p> {
    fn new(simulation: &'p Simulation, judge: &'p Judge) -> Self {
        Self {
            policy: &simulation.policy,
            judge,
            secret: &simulation.secret,
            incidents: Incidents::default(),
            outcome: Outcome::default(),
            stopped: HashMap::new(),
            refused: HashSet::new(),
        }
    }

    /// What came of it, and the sessions that were refused something.
    fn sit(mut self, receiver: &Receiver<Batch>, emptied: &SyncSender<Batch>) -> (Outcome, HashSet<u64>) {
        let mut asks: Vec<Ask> = Vec::new();
        for mut batch in receiver {
            for case in batch.cases.iter_mut().take(batch.count) {
                asks.clear();
                asks.extend(case.people.iter().map(|person| Ask::from(*person)));
                let now = Now::from_millis(case.at_ms);
                let ruling = self.judge.judge(self.policy, &mut case.plan, &asks, now);
                self.refused.extend(case.session.filter(|_| ruling.refused.is_some()));
                self.note(case, &ruling);
                case.people = SmallVec::new();
            }
            // Where it is not wanted there are enough.
            drop(emptied.try_send(batch));
        }
        self.outcome.keys = self.judge.keys() as u64;
        (self.outcome, self.refused)
    }

    fn note(&mut self, sighting: &Case, ruling: &Ruling) {
        let outcome = &mut self.outcome;
        outcome.sightings += sighting.entries;
        outcome.given += ruling.granted as u64;
        outcome.uncounted += u64::from(ruling.is_uncounted);
        let day = sighting.at_ms / 86_400_000;
        if outcome.days.last().is_none_or(|last| last.day != day) {
            outcome.days.push(DayTally {
                day,
                incidents: 0,
                sightings: 0,
            });
        }
        if let Some(today) = outcome.days.last_mut() {
            today.sightings += sighting.entries;
        }
        if let Some(refusal) = ruling.refused {
            let not_granted = sighting.people.len().saturating_sub(ruling.granted) as u64;
            self.outcome.refused += not_granted.clamp(1, sighting.entries.max(1));
            self.over(sighting, refusal, true);
        }
        for (budget, key, people) in &ruling.told {
            let dimension = self.policy.get(*budget).map_or(Dimension::Session, |budget| budget.per);
            let told = Refusal {
                budget: *budget,
                key: *key,
                dimension,
                people: *people,
            };
            self.over(sighting, told, false);
        }
    }

    fn over(&mut self, sighting: &Case, refusal: Refusal, is_refused: bool) {
        if self.incidents.is_new(refusal.budget, refusal.key, sighting.at_ms)
            && let Some(today) = self.outcome.days.last_mut()
        {
            today.incidents += 1;
        }
        let name = (refusal.budget, refusal.key);
        if let Some(at) = self.stopped.get(&name) {
            if let Some(stopped) = self.outcome.stopped.get_mut(*at) {
                stopped.times += 1;
                stopped.is_refused |= is_refused;
            }
            return;
        }
        if self.outcome.stopped.len() >= STOPPED_MAX {
            self.outcome.stopped_more += 1;
            return;
        }
        self.stopped.insert(name, self.outcome.stopped.len());
        let mut recorded = sighting.recorded.iter();
        let recorded = recorded.find(|(of, _)| *of == refusal.dimension).map(|(_, key)| *key);
        let told = || KeyId::new(self.secret, refusal.dimension, &refusal.key.0, b"told");
        self.outcome.stopped.push(Stopped {
            budget: refusal.budget,
            key: recorded.unwrap_or_else(told).to_string(),
            dimension: refusal.dimension,
            first_ms: sighting.at_ms,
            line: sighting.line,
            people: refusal.people,
            times: 1,
            is_refused,
        });
    }
}
