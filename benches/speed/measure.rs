//! What one case costs: processor time of this thread, on one core, in rounds in which every case has its turn.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// Rounds that count, after one that does not.
pub(crate) const ROUNDS: usize = 9;

/// Something to measure. `run` reads `bytes` once, asserts what it found, and returns what that took in nanoseconds.
pub(crate) struct Case<'c> {
    pub(crate) name: String,
    pub(crate) bytes: usize,
    pub(crate) run: Box<dyn FnMut() -> u64 + 'c>,
}

/// A case's number among [`Cases`].
#[derive(Clone, Copy)]
pub(crate) struct Number(usize);

/// All cases, in the order in which they have their turn.
#[derive(Default)]
pub(crate) struct Cases<'c>(Vec<Case<'c>>);

impl<'c> Cases<'c> {
    pub(crate) fn add(&mut self, name: impl Into<String>, bytes: usize, run: impl FnMut() -> u64 + 'c) -> Number {
        let (name, run) = (name.into(), Box::new(run));
        self.0.push(Case { name, bytes, run });
        Number(self.0.len() - 1)
    }

    /// Runs all rounds.
    pub(crate) fn measure(mut self) -> Measured {
        let mut rounds = Vec::new();
        for _ in 0..=ROUNDS {
            let speeds = self.0.iter_mut().map(|case| case.bytes as f64 / (case.run)() as f64);
            rounds.push(speeds.collect());
        }
        Measured {
            names: self.0.into_iter().map(|case| case.name).collect(),
            rounds: rounds.split_off(1),
        }
    }
}

/// Bytes a nanosecond (GB/s) of each case, a list a round.
pub(crate) struct Measured {
    names: Vec<String>,
    rounds: Vec<Vec<f64>>,
}

/// How many times as fast one case is as another.
#[derive(Clone, Copy)]
pub(crate) struct Ratio {
    /// The middle of the ratios within a round, which other work meets alike.
    pub(crate) middle: f64,
    /// The ratio of the fastest rounds, since other work only slows.
    pub(crate) fastest: f64,
}

impl Measured {
    pub(crate) fn name(&self, case: Number) -> &str {
        self.names.get(case.0).map_or("", String::as_str)
    }

    /// The middle of its rounds.
    pub(crate) fn speed(&self, case: Number) -> f64 {
        middle(self.column(case).collect())
    }

    pub(crate) fn ratio(&self, case: Number, to: Number) -> Ratio {
        let ratios = self
            .column(case)
            .zip(self.column(to))
            .map(|(speed, other)| speed / other);
        let fastest = |case| self.column(case).fold(0.0, f64::max);
        Ratio {
            middle: middle(ratios.collect()),
            fastest: fastest(case) / fastest(to),
        }
    }

    fn column(&self, case: Number) -> impl Iterator<Item = f64> {
        self.rounds.iter().filter_map(move |round| round.get(case.0).copied())
    }
}

fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// Keeps this thread on the last core that it may use, and returns its number.
pub(crate) fn pin() -> rustix::io::Result<usize> {
    let allowed = sched_getaffinity(None)?;
    let core = (0..CpuSet::MAX_CPU).rev().find(|core| allowed.is_set(*core));
    let core = core.unwrap_or_default();
    let mut one = CpuSet::new();
    one.set(core);
    sched_setaffinity(None, &one)?;
    Ok(core)
}

/// What `work` returns, and the processor time that it took of this thread, in nanoseconds, at least 1.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = processor_nanos();
    let done = work();
    (done, (processor_nanos() - before).max(1))
}

fn processor_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}
