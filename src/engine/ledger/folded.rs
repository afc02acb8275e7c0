//! The elements of a key that are not told one by one any more: all of them in a sketch, and how many each window has that is
//! asked for.

use smallvec::SmallVec;

use super::estimate::Highest;
use super::sketch::{Sketch, place};

/// What cannot be told one by one any more.
pub(super) struct Folded {
    pub(super) sketch: Sketch,
    estimates: SmallVec<[Estimate; 2]>,
    /// What was last seen before this second is not in the sketch.
    swept_from: u32,
}

/// One window, estimated once a second.
struct Estimate {
    seconds: u32,
    at: u32,
    people: u32,
    highest: Highest,
}

impl Folded {
    /// All that is in `sketch`, which knows nothing from before the second `now`.
    pub(super) fn new(sketch: Sketch, now: u32) -> Self {
        Self {
            sketch,
            estimates: SmallVec::new(),
            swept_from: now.saturating_sub(1),
        }
    }

    /// Takes in what was seen elsewhere.
    pub(super) fn merge(&mut self, elements: &[(u64, u32)], registers: &[(u16, u8, u32)]) {
        for (register, rank, second) in registers {
            self.sketch.raise(*register, *rank, *second);
        }
        for (element, second) in elements {
            self.sketch.insert(*element, *second);
        }
        self.estimates.clear();
    }

    /// A look at all of the sketch, each eighth of the longest window.
    pub(super) fn sweep(&mut self, from: u32, newest: u32) {
        let window = newest.saturating_sub(from);
        if from.saturating_sub(self.swept_from) > window / 8 {
            self.sketch.forget_before(from);
            self.swept_from = from;
        }
    }

    /// Whether it changes anything.
    pub(super) fn show(&mut self, element: u64, second: u32) -> bool {
        let (register, rank) = place(element);
        let Self { sketch, estimates, .. } = self;
        let windows = estimates.iter_mut().map(|one| &mut one.highest);
        let is_news = sketch.raise_in(register, rank, second, windows);
        for estimate in estimates.iter_mut().filter(|_| is_news) {
            estimate.people += 1;
        }
        is_news
    }

    /// About how many elements were seen in the `seconds` up to `now`.
    pub(super) fn count(&mut self, seconds: u32, now: u32) -> u32 {
        let (from, sketch) = (now.saturating_sub(seconds), &self.sketch);
        let known = self.estimates.iter_mut().find(|estimate| estimate.seconds == seconds);
        let Some(known) = known else {
            let highest = sketch.highest(from);
            let people = people_in(&highest);
            self.estimates.push(Estimate {
                seconds,
                at: now,
                people,
                highest,
            });
            return people;
        };
        if known.at != now {
            if !sketch.is_so_since(&mut known.highest, from) {
                known.highest = sketch.highest(from);
            }
            (known.at, known.people) = (now, people_in(&known.highest));
        }
        known.people
    }
}

#[expect(clippy::cast_sign_loss, reason = "an estimate is not negative")]
fn people_in(highest: &Highest) -> u32 {
    highest.estimate().round() as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_is_kept_up_is_what_a_look_at_all_registers_finds(
            seen in prop::collection::vec(
                (any::<u64>(), 0_u32..900, prop_oneof![0_u32..30, 0_u32..144_000], 0_u8..12),
                1..120,
            ),
            windows in prop::collection::vec(60_u32..40_000, 1..4),
        ) {
            let mut now = 1_780_000_000;
            let longest = windows.iter().copied().max().unwrap_or_default();
            let (mut folded, mut swept) = (Folded::new(Sketch::new(now), now), 0);
            // Within one second it is not estimated anew.
            let mut asked = vec![0; windows.len()];
            for (element, apart, late, what) in seen {
                match what {
                    0 => folded.merge(&[(element, now - late), (element.rotate_left(7), now)], &[]),
                    1 => {
                        folded.sweep(now - longest, now);
                        swept = now;
                    }
                    // What was swept away is gone for earlier windows, which were not asked for.
                    2 => now = swept.max(now - 4 * apart),
                    _ => {
                        now += apart;
                        folded.show(element, now - late);
                    }
                }
                for (window, asked) in windows.iter().zip(&mut asked) {
                    now += u32::from(now + 1 == *asked);
                    *asked = now + 1;
                    // As of a second of which nothing is known yet.
                    let told = folded.count(*window, now + 1);
                    let looked = people_in(&folded.sketch.highest(now + 1 - window));
                    prop_assert_eq!(told, looked, "in {} s", window);
                    now += 1;
                }
            }
        }
    }
}
