//! Limits from a record: how many people keys are given in a day, and what a limit above that would have called for.

use smallvec::SmallVec;

use super::{Sighting, Source, SourceError, Watch};
use crate::engine::ledger::Dimension;

/// Pairs of key and person of one day that are kept, for each dimension; twice as many are in memory at most.
const PAIRS_MAX: usize = 64 << 20;

/// Pairs at which what is there twice is first taken out.
const PAIRS_SWEPT: usize = 1 << 20;

/// Limits a person would write.
const STEPS: [u32; 3] = [1, 2, 5];

/// A limit stands at least so many median deviations above the median.
const DEVIATIONS: u32 = 6;

/// The dimensions for which a limit is proposed: those of one actor. What all share has no one to stop.
const DIMENSIONS: [Dimension; 4] = [
    Dimension::Session,
    Dimension::Principal,
    Dimension::Address,
    Dimension::Network,
];

/// A limit for one dimension and a day, with what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The dimension.
    pub dimension: Dimension,
    /// People in a day.
    pub people: u32,
    /// Alerts in thirty days of such a record: keys over the limit, each day by itself.
    pub alerts_a_month: u64,
    /// Days, and keys of all days together.
    pub days: u64,
    /// The same.
    pub key_days: u64,
    /// Half of the keys were given at most so many people in a day.
    pub median: u32,
    /// Half of the keys were nearer than so many to the median.
    pub deviation: u32,
    /// Of a hundred keys, 99 were given at most so many.
    pub p99: u32,
    /// Of a thousand, 999.
    pub p999: u32,
    /// The most that any was given.
    pub most: u32,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suggestions {
    /// One for each dimension that the record tells.
    pub proposals: Vec<Proposal>,
    /// Sightings that were read.
    pub sightings: u64,
    /// Lines that were passed over.
    pub skipped: super::Skipped,
}

/// People of the keys of one dimension.
struct Counts {
    dimension: Dimension,
    /// Key and person of the day, in no order.
    pairs: Vec<(u64, u64)>,
    sweep_at: usize,
    /// How many people each key of each day was given.
    people: Vec<u32>,
}

/// Reads a record and proposes a limit for each dimension: the lowest of 1, 2, 5, 10, ... that stands clear of what is usual
/// and would have called somebody at most once a day.
///
/// # Errors
/// A record that cannot be read on, or has more people in a day than can be kept.
pub fn suggest(source: &mut dyn Source, watch: &Watch) -> Result<Suggestions, SourceError> {
    let mut all = DIMENSIONS.map(|dimension| Counts {
        dimension,
        pairs: Vec::new(),
        sweep_at: PAIRS_SWEPT,
        people: Vec::new(),
    });
    let mut suggestions = Suggestions::default();
    let (mut today, mut days) = (None, 0);
    while let Some(sighting) = source.next()? {
        let day = sighting.at_ms / 86_400_000;
        // Lines of yesterday that come late count today: a record is near enough to order.
        if today.is_none_or(|today| day > today) {
            all.iter_mut().for_each(Counts::end_day);
            today = Some(day);
            days += 1;
        }
        for counts in &mut all {
            counts.add(&sighting)?;
        }
        suggestions.sightings += 1;
        if suggestions.sightings.is_multiple_of(4_096) {
            watch.bytes.store(source.bytes(), std::sync::atomic::Ordering::Relaxed);
        }
    }
    suggestions.proposals = all.into_iter().filter_map(|counts| counts.propose(days)).collect();
    suggestions.skipped = source.skipped();
    Ok(suggestions)
}

impl Counts {
    fn add(&mut self, sighting: &Sighting) -> Result<(), SourceError> {
        let value = sighting.value(self.dimension);
        let Some(value) = value else { return Ok(()) };
        let key = number(value);
        self.pairs.extend(sighting.people.iter().map(|person| (key, person.0)));
        if self.pairs.len() >= self.sweep_at {
            self.pairs.sort_unstable();
            self.pairs.dedup();
            self.sweep_at = (self.pairs.len() * 2).max(PAIRS_SWEPT);
            if self.pairs.len() > PAIRS_MAX {
                let message = format!(
                    "more than {PAIRS_MAX} people were shown to somebody in one day: give a part of the record"
                );
                return Err(SourceError::Wrong {
                    line: sighting.line,
                    message,
                });
            }
        }
        Ok(())
    }

    fn end_day(&mut self) {
        self.pairs.sort_unstable();
        self.pairs.dedup();
        let of_keys = self.pairs.chunk_by(|(one, _), (other, _)| one == other);
        self.people.extend(of_keys.map(|people| people.len() as u32));
        self.pairs.clear();
        self.sweep_at = PAIRS_SWEPT;
    }

    fn propose(mut self, days: u64) -> Option<Proposal> {
        self.end_day();
        self.people.sort_unstable();
        let people = &self.people;
        let most = *people.last()?;
        let median = quantile(people, 500);
        let mut distances: Vec<u32> = people.iter().map(|people| people.abs_diff(median)).collect();
        distances.sort_unstable();
        let deviation = quantile(&distances, 500);
        // Where most keys have the same number the deviation is nought; one person is then the measure.
        let clear = median.saturating_add(deviation.max(1).saturating_mul(DEVIATIONS));
        let over = |limit: u32| (people.len() - people.partition_point(|people| *people <= limit)) as u64;
        let limit = steps().find(|limit| *limit >= clear && over(*limit) <= days)?;
        Some(Proposal {
            dimension: self.dimension,
            people: limit,
            alerts_a_month: over(limit) * 30 / days.max(1),
            days,
            key_days: people.len() as u64,
            median,
            deviation,
            p99: quantile(people, 990),
            p999: quantile(people, 999),
            most,
        })
    }
}

/// 1, 2, 5, 10, 20, 50, and so on.
fn steps() -> impl Iterator<Item = u32> {
    (0..9).flat_map(|power| STEPS.map(|step| step * 10_u32.pow(power)))
}

/// The number at or below which `per_thousand` of all are.
fn quantile(sorted: &[u32], per_thousand: usize) -> u32 {
    let at = (sorted.len() * per_thousand).div_ceil(1_000).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0)
}

/// The first 64 bits of a hash: keys of one run are told apart by it.
fn number(value: &[u8]) -> u64 {
    let hash = blake3::hash(value);
    let first: SmallVec<[u8; 8]> = hash.as_bytes().iter().take(8).copied().collect();
    first.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(people: &[u32]) -> Counts {
        Counts {
            dimension: Dimension::Session,
            pairs: Vec::new(),
            sweep_at: PAIRS_SWEPT,
            people: people.to_vec(),
        }
    }

    #[test]
    fn a_limit_stands_clear_of_what_is_usual_and_calls_at_most_once_a_day() {
        // A hundred sessions a day with one person, ten with three, and one crawler.
        let day: Vec<u32> = [vec![1; 100], vec![3; 10], vec![4_000]].concat();
        let proposal = counts(&day.repeat(10)).propose(10).unwrap();
        assert_eq!((proposal.median, proposal.deviation), (1, 0));
        assert_eq!((proposal.p99, proposal.p999, proposal.most), (3, 4_000, 4_000));
        // Seven is one person's measure six times above the median; ten is the first step from there.
        assert_eq!((proposal.people, proposal.alerts_a_month), (10, 30));
        assert_eq!(proposal.key_days, 1_110);
    }

    #[test]
    fn a_limit_rises_until_it_calls_at_most_once_a_day() {
        let day: Vec<u32> = [vec![1; 100], vec![15; 2], vec![40; 2]].concat();
        let proposal = counts(&day.repeat(5)).propose(5).unwrap();
        assert_eq!((proposal.people, proposal.alerts_a_month), (50, 0));
    }

    #[test]
    fn without_keys_there_is_nothing_to_propose() {
        assert_eq!(counts(&[]).propose(1), None);
    }

    #[test]
    fn quantiles_are_of_those_that_are_there() {
        let sorted: Vec<u32> = (1..=1_000).collect();
        assert_eq!([500, 990, 999].map(|part| quantile(&sorted, part)), [500, 990, 999]);
        assert_eq!((quantile(&[7], 500), quantile(&[], 500)), (7, 0));
    }
}
