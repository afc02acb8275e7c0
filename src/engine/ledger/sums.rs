//! What a key was given in bytes, records or answers: counters that only grow, one for each start of each gateway.
//!
//! A series holds what its counter had reached at the end of some buckets of time; what a window saw is the difference of
//! two of them. So an older bucket can go without harm, and two who know different parts of a series merge them by maximum.

use smallvec::SmallVec;

use super::BUCKET_SECONDS_MAX;
use super::frame::Sum;

/// Buckets of ten seconds in the last hour, of five minutes in the last day, of an hour before that.
const BUCKETS: [(u32, u32); 3] = [(3600, 10), (86_400, 300), (u32::MAX, BUCKET_SECONDS_MAX)];
/// Starts of gateways that are told apart, at most; the one that counted least recently goes.
const SERIES_MAX: usize = 64;

/// The counters of one key.
#[derive(Default)]
pub(super) struct Sums {
    series: SmallVec<[Series; 1]>,
}

/// The counter of one start of one gateway.
struct Series {
    node: u64,
    /// The second a bucket begins in, and what the counter had reached at its end; ascending.
    reached: Vec<(u32, u64)>,
}

impl Sums {
    /// `amount` more were counted by `node` in the second `now`.
    pub(super) fn add(&mut self, node: u64, amount: u64, now: u32) {
        let bucket = now - now % BUCKETS[0].1;
        let series = self.series(node);
        match series.reached.last_mut() {
            Some((last, reached)) if *last >= bucket => *reached = reached.saturating_add(amount),
            last => {
                let before = last.map_or(0, |(_, reached)| *reached);
                series.reached.push((bucket, before.saturating_add(amount)));
            }
        }
        series.thin(now);
    }

    /// What all nodes of this parity counted in the `window` seconds up to `now`. A bucket that begins before the window and
    /// ends in it counts whole: at most a sixth of a minute, a twelfth of an hour, a day's twenty-fourth too much.
    pub(super) fn total(&self, odd: bool, window: u32, now: u32) -> u64 {
        let from = now.saturating_sub(window);
        let own = self.series.iter().filter(|series| (series.node & 1 == 1) == odd);
        own.map(|series| series.since(from)).fold(0, u64::saturating_add)
    }

    /// The last second in which something was counted.
    pub(super) fn newest(&self) -> u32 {
        let last = self.series.iter().filter_map(|series| series.reached.last());
        last.map(|(bucket, _)| *bucket).max().unwrap_or_default()
    }

    /// All that was reached in buckets that may have changed at or after the second `from`.
    pub(super) fn since(&self, from: u32) -> Vec<Sum> {
        let all = self.series.iter().flat_map(|series| {
            series.reached.iter().map(|(bucket, amount)| Sum {
                node: series.node,
                bucket: *bucket,
                amount: *amount,
            })
        });
        all.filter(|sum| sum.bucket.saturating_add(BUCKET_SECONDS_MAX) >= from)
            .collect()
    }

    /// Takes in what was counted elsewhere.
    pub(super) fn merge(&mut self, sums: &[Sum]) {
        for sum in sums {
            let reached = &mut self.series(sum.node).reached;
            match reached.binary_search_by_key(&sum.bucket, |(bucket, _)| *bucket) {
                Ok(at) => reached
                    .iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|(_, known)| *known = sum.amount.max(*known)),
                Err(at) => reached.insert(at, (sum.bucket, sum.amount)),
            }
        }
    }

    /// Drops what no window reaches any more, from the second `from` on.
    pub(super) fn forget(&mut self, from: u32) {
        for series in &mut self.series {
            // The last bucket before `from` says what the counter had reached when the window began.
            let behind = series.reached.partition_point(|(bucket, _)| *bucket < from);
            series.reached.drain(..behind.saturating_sub(1));
        }
        self.series
            .retain(|series| series.reached.last().is_some_and(|(bucket, _)| *bucket >= from));
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let of = |series: &Series| size_of::<Series>() + series.reached.capacity() * size_of::<(u32, u64)>();
        self.series.iter().map(of).sum()
    }

    fn series(&mut self, node: u64) -> &mut Series {
        let known = self.series.iter().position(|series| series.node == node);
        let at = known.unwrap_or_else(|| {
            if self.series.len() >= SERIES_MAX {
                let last = |series: &Series| series.reached.last().map_or(0, |(bucket, _)| *bucket);
                let oldest = (0..).zip(&self.series).min_by_key(|(_, series)| last(series));
                let oldest = oldest.map_or(0, |(at, _)| at);
                self.series.remove(oldest);
            }
            self.series.push(Series {
                node,
                reached: Vec::new(),
            });
            self.series.len() - 1
        });
        self.series.get_mut(at).expect("it was found, or is the last")
    }
}

impl Series {
    fn since(&self, from: u32) -> u64 {
        // The bucket around `from` counts whole, so that the last one that ended before it is taken off.
        let behind = self
            .reached
            .partition_point(|(bucket, _)| bucket.saturating_add(BUCKETS[0].1) <= from);
        let before = behind.checked_sub(1).and_then(|at| self.reached.get(at));
        let last = self.reached.last().map_or(0, |(_, reached)| *reached);
        last - before.map_or(0, |(_, reached)| *reached).min(last)
    }

    /// Of older buckets only the last of each coarser one stays.
    fn thin(&mut self, now: u32) {
        let buckets = self.reached.len();
        // Once in a while: a bucket is made every ten seconds at most.
        if buckets < 64 || !buckets.is_multiple_of(64) {
            return;
        }
        let coarse = |bucket: u32| {
            let age = now.saturating_sub(bucket);
            let width = BUCKETS
                .iter()
                .find(|(until, _)| age < *until)
                .map_or(1, |(_, width)| *width);
            (width, bucket / width)
        };
        self.reached.reverse();
        self.reached.dedup_by_key(|(bucket, _)| coarse(*bucket));
        self.reached.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u32 = 1_780_000_200;

    #[test]
    fn a_window_sums_what_it_holds_and_at_most_a_bucket_more() {
        let mut sums = Sums::default();
        let days = 31 * 86_400;
        for second in (0..days).step_by(7) {
            sums.add(2, 70, START + second);
        }
        let now = START + days - 1;
        for (window, more) in [
            (60, 0.2),
            (600, 0.1),
            (3_600, 0.1),
            (43_200, 0.02),
            (86_400, 0.05),
            (30 * 86_400, 0.01),
        ] {
            let (total, truth) = (sums.total(false, window, now) as f64, f64::from(window) * 10.0);
            assert!(
                (0.99..1.0 + more).contains(&(total / truth)),
                "{window} s: {total} of {truth}"
            );
        }
        assert!(sums.bytes() < 40 << 10, "{} bytes", sums.bytes());
        sums.forget(now - 3_600);
        assert!(sums.total(false, 3_600, now) >= 36_000);
    }

    #[test]
    fn starts_add_up_and_repeats_do_not() {
        let (mut one, mut other) = (Sums::default(), Sums::default());
        one.add(2, 100, START);
        other.add(4, 50, START + 20);
        other.add(5, 7, START + 20);
        for _ in 0..3 {
            one.merge(&other.since(0));
            other.merge(&one.since(0));
        }
        for sums in [&one, &other] {
            assert_eq!(
                (sums.total(false, 60, START + 30), sums.total(true, 60, START + 30)),
                (150, 7)
            );
        }
    }

    #[test]
    fn a_flood_of_starts_takes_no_more_room() {
        let mut sums = Sums::default();
        for node in 0..1_000 {
            sums.add(node * 2, 1, START + node as u32);
        }
        assert_eq!(sums.series.len(), SERIES_MAX);
        assert_eq!(sums.newest(), START + 990);
    }
}
