//! Numbers of the last weeks for each hour of the week, a byte each, and what is usual of them.

/// Hours of a week.
pub(super) const HOURS: usize = 168;
/// Weeks that are remembered.
const WEEKS: usize = 4;
/// From so many weeks on an account has a baseline of its own.
const WEEKS_MIN: usize = 3;
/// Bytes of a history.
pub(super) const BYTES: usize = HOURS * WEEKS;
/// Of hour 0 of unix time, a Thursday: hours since Monday.
const MONDAY: u32 = 72;
/// Steps in which a number doubles: a byte is off by two percent at most.
const STEPS: f64 = 16.0;
/// A limit stands so many deviations above the median.
const DEVIATIONS: f64 = 6.0;
/// The standard deviation of what is normally distributed is so many median deviations.
const NORMAL: f64 = 1.4826;
/// What is a fifth off is not unusual, however even the weeks before were.
const EVEN: f64 = 0.2;

/// What is usual: the median, and the median distance from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Usual {
    /// Half of the numbers are at most this.
    pub median: u32,
    /// Half of them are nearer than this to the median.
    pub deviation: u32,
}

impl Usual {
    /// What is more stands out: six deviations above the median, of which each is one person and a fifth of the median at least.
    /// So half as much again is never told.
    #[expect(clippy::cast_sign_loss, reason = "all of it is positive")]
    pub fn limit(self) -> u32 {
        let median = f64::from(self.median);
        let deviation = (f64::from(self.deviation) * NORMAL).max(median * EVEN).max(1.0);
        (median + DEVIATIONS * deviation).ceil() as u32
    }
}

/// The median of `numbers`, and that of their distances from it.
pub(super) fn median_and_deviation(mut numbers: Vec<u32>) -> Usual {
    let median = median(&mut numbers);
    let mut distances: Vec<u32> = numbers.iter().map(|number| number.abs_diff(median)).collect();
    Usual {
        median,
        deviation: self::median(&mut distances),
    }
}

fn median(numbers: &mut [u32]) -> u32 {
    numbers.sort_unstable();
    let at = numbers.len().saturating_sub(1) / 2;
    numbers.get(at).copied().unwrap_or(0)
}

/// A byte for each hour of the week and week: 0 where nothing is known.
pub(super) struct History(Box<[[u8; WEEKS]; HOURS]>);

impl Default for History {
    fn default() -> Self {
        Self(Box::new([[0; WEEKS]; HOURS]))
    }
}

impl History {
    /// Notes the number of this hour of unix time; it takes the place of the oldest.
    pub(super) fn note(&mut self, hour: u32, number: u32) {
        let (at, week) = place(hour);
        if let Some(slot) = self.0.get_mut(at).and_then(|weeks| weeks.get_mut(week)) {
            *slot = code(number);
        }
    }

    /// What was usual at this hour of earlier weeks; none before there are enough.
    pub(super) fn usual(&self, hour: u32) -> Option<Usual> {
        let numbers = self.at(hour);
        (numbers.len() >= WEEKS_MIN).then(|| median_and_deviation(numbers))
    }

    /// The median at this hour of the weeks that are known.
    pub(super) fn middle(&self, hour: u32) -> Option<u32> {
        let mut numbers = self.at(hour);
        (!numbers.is_empty()).then(|| median(&mut numbers))
    }

    /// What is usual at the hour of the week with the highest limit.
    pub(super) fn most(&self) -> Option<Usual> {
        let hours = (0..HOURS as u32).filter_map(|hour| self.usual(hour));
        hours.max_by_key(|usual| usual.limit())
    }

    /// Whether nobody was shown in all weeks that are known.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().flatten().all(|code| number(*code).unwrap_or(0) == 0)
    }

    /// Its bytes, by hour and week.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> {
        self.0.iter().flatten().copied()
    }

    /// Of its bytes; none of more or fewer.
    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let mut history = Self::default();
        let (weeks, rest) = bytes.as_chunks::<WEEKS>();
        if weeks.len() != HOURS || !rest.is_empty() {
            return None;
        }
        history.0.iter_mut().zip(weeks).for_each(|(to, from)| *to = *from);
        Some(history)
    }

    fn at(&self, hour: u32) -> Vec<u32> {
        let (at, _) = place(hour);
        let codes = self.0.get(at).into_iter().flatten();
        codes.filter_map(|code| number(*code)).collect()
    }
}

/// The hour of the week, from Monday on, and the place of the week.
fn place(hour: u32) -> (usize, usize) {
    let hours = hour.saturating_add(MONDAY) as usize;
    (hours % HOURS, hours / HOURS % WEEKS)
}

/// A byte for a number: 1 for nought, then sixteen for each doubling, up to 57,500.
#[expect(clippy::cast_sign_loss, reason = "a logarithm of one or more is none below nought")]
fn code(number: u32) -> u8 {
    if number == 0 {
        return 1;
    }
    let steps = (f64::from(number).log2() * STEPS).round() as u32;
    u8::try_from(steps.saturating_add(2)).unwrap_or(u8::MAX)
}

/// The number of a byte; none where nothing is known.
#[expect(clippy::cast_sign_loss, reason = "a power is positive")]
fn number(code: u8) -> Option<u32> {
    match code {
        0 => None,
        1 => Some(0),
        code => Some((f64::from(code - 2) / STEPS).exp2().round() as u32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_kept_within_three_percent_or_one() {
        for kept in (0..3_000).chain([10_000, 57_000]) {
            let read = number(code(kept)).expect("it is known");
            assert!(read.abs_diff(kept) * 100 <= (kept * 3).max(100), "{kept}: {read}");
        }
        assert_eq!(number(0), None);
        assert_eq!(code(u32::MAX), u8::MAX);
    }

    #[test]
    fn half_as_much_again_is_never_far_and_ten_times_always() {
        for median in 0..5_000 {
            let even = Usual { median, deviation: 0 };
            assert!(median * 3 / 2 <= even.limit(), "{median}");
            assert!(median == 0 || median * 10 > even.limit(), "{median}");
        }
    }

    #[test]
    fn an_hour_is_that_of_the_week() {
        // 1970-01-05 was a Monday.
        assert_eq!(place(4 * 24), (0, 1));
        assert_eq!(place(4 * 24 + HOURS as u32 + 5), (5, 2));
        let mut history = History::default();
        for week in 0..6 {
            history.note(week * HOURS as u32, 10 * (week + 1));
        }
        assert_eq!(
            history.usual(0).map(|usual| usual.median),
            Some(40),
            "of the last four weeks"
        );
        assert_eq!(history.usual(1), None);
    }
}
