//! The state of one key: element to last-seen second, with the count of every window that a budget names kept at hand.
//!
//! Merge is the element-wise maximum, so sightings may be repeated, reordered or interleaved.

use std::collections::VecDeque;

use hashbrown::HashMap;
use smallvec::SmallVec;

/// Up to this many elements a key is a flat list: a scan of it is cheaper than a hash table, in time and in bytes.
const FLAT_ELEMENTS_MAX: usize = 24;

/// Distinct elements with their last-seen seconds. Exact up to the capacity it was made with; past it new elements are
/// not kept, and every count that reached the capacity means "at least".
#[derive(Default)]
pub(super) struct Seen {
    flat: SmallVec<[(u64, u32); 4]>,
    big: Option<Box<Big>>,
    newest: u32,
}

/// The indexed form, above [`FLAT_ELEMENTS_MAX`].
#[derive(Default)]
struct Big {
    elements: HashMap<u64, u32>,
    /// How many elements were last seen in a second; ascending, without empty seconds at the front.
    per_second: VecDeque<(u32, u32)>,
    windows: SmallVec<[WindowCount; 2]>,
}

/// The number of elements last seen at or after `from`, kept current as `from` moves forward.
struct WindowCount {
    seconds: u32,
    from: u32,
    count: u32,
}

impl Seen {
    /// Marks `element` as seen in `second`; keeps the later of two sightings. `capacity` bounds the elements kept.
    pub(super) fn touch(&mut self, element: u64, second: u32, capacity: usize) {
        self.newest = self.newest.max(second);
        if let Some(big) = &mut self.big {
            big.touch(element, second, capacity);
            return;
        }
        if let Some((_, last)) = self.flat.iter_mut().find(|(known, _)| *known == element) {
            *last = (*last).max(second);
        } else if self.flat.len() < FLAT_ELEMENTS_MAX {
            self.flat.push((element, second));
        } else {
            let mut big = Big::default();
            for (known, last) in self.flat.drain(..) {
                big.touch(known, last, capacity);
            }
            big.touch(element, second, capacity);
            self.big = Some(Box::new(big));
        }
    }

    /// The second `element` was last seen in.
    pub(super) fn last_seen(&self, element: u64) -> Option<u32> {
        match &self.big {
            Some(big) => big.elements.get(&element).copied(),
            None => self
                .flat
                .iter()
                .find(|(known, _)| *known == element)
                .map(|(_, last)| *last),
        }
    }

    /// How many elements were seen in the `window` seconds up to `now`; both ends count.
    pub(super) fn count(&mut self, window: u32, now: u32) -> u32 {
        let from = now.saturating_sub(window);
        match &mut self.big {
            Some(big) => big.count(window, from),
            None => self.flat.iter().filter(|(_, last)| *last >= from).count() as u32,
        }
    }

    /// The newest sighting of any element.
    pub(super) fn newest(&self) -> u32 {
        self.newest
    }

    /// How many elements are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.big.as_ref().map_or(self.flat.len(), |big| big.elements.len())
    }

    /// Drops what was last seen before `from`: no window reaches it any more.
    pub(super) fn forget_before(&mut self, from: u32) {
        self.flat.retain(|(_, last)| *last >= from);
        if let Some(big) = &mut self.big {
            big.forget_before(from);
        }
    }
}

impl Big {
    fn touch(&mut self, element: u64, second: u32, capacity: usize) {
        let full = self.elements.len() >= capacity;
        match self.elements.get_mut(&element) {
            Some(last) if *last >= second => return,
            Some(last) => {
                let old = std::mem::replace(last, second);
                for window in &mut self.windows {
                    window.count += u32::from(old < window.from && second >= window.from);
                }
                self.shift(old, -1);
            }
            None if full => return,
            None => {
                self.elements.insert(element, second);
                for window in &mut self.windows {
                    window.count += u32::from(second >= window.from);
                }
            }
        }
        self.shift(second, 1);
    }

    /// Adds `by` to the number of elements last seen in `second`.
    fn shift(&mut self, second: u32, by: i32) {
        match self.per_second.binary_search_by_key(&second, |(at, _)| *at) {
            Ok(at) => {
                if let Some((_, count)) = self.per_second.get_mut(at) {
                    *count = count.saturating_add_signed(by);
                }
            }
            Err(at) => self.per_second.insert(at, (second, by.max(0).cast_unsigned())),
        }
        while self.per_second.front().is_some_and(|(_, count)| *count == 0) {
            self.per_second.pop_front();
        }
    }

    fn count(&mut self, seconds: u32, from: u32) -> u32 {
        let known = self.windows.iter().position(|window| window.seconds == seconds);
        let Some(window) = known.and_then(|at| self.windows.get_mut(at)) else {
            let count = self
                .per_second
                .iter()
                .filter(|(at, _)| *at >= from)
                .map(|(_, count)| count)
                .sum();
            self.windows.push(WindowCount { seconds, from, count });
            return count;
        };
        if from > window.from {
            let gone = self.per_second.partition_point(|(at, _)| *at < window.from);
            let kept = self.per_second.partition_point(|(at, _)| *at < from);
            window.count -= self.per_second.range(gone..kept).map(|(_, count)| count).sum::<u32>();
            window.from = from;
        } else if from < window.from {
            // The clock went back; count afresh rather than guess.
            window.count = self
                .per_second
                .iter()
                .filter(|(at, _)| *at >= from)
                .map(|(_, count)| count)
                .sum();
            window.from = from;
        }
        window.count
    }

    fn forget_before(&mut self, from: u32) {
        if self.per_second.front().is_none_or(|(oldest, _)| *oldest >= from) {
            return;
        }
        self.elements.retain(|_, last| *last >= from);
        while self.per_second.front().is_some_and(|(at, _)| *at < from) {
            self.per_second.pop_front();
        }
        // A window that reaches further back than what is kept is counted afresh when it is next asked for.
        self.windows.retain(|window| window.from >= from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_window_counts_what_it_holds() {
        for elements in [3_u64, 200] {
            let mut seen = Seen::default();
            for element in 0..elements {
                seen.touch(element, 1000 + element as u32, 1 << 20);
            }
            let last = 1000 + elements as u32 - 1;
            assert_eq!(seen.count(1_000_000, last), elements as u32);
            assert_eq!(seen.count(1, last), 2, "both ends of a window count");
            assert_eq!(seen.count(1, last + 1), 1);
            assert_eq!(seen.count(1, last + 9), 0);
            seen.touch(0, last, 1 << 20);
            assert_eq!(
                seen.count(0, last),
                2,
                "a sighting again moves the element into the window"
            );
        }
    }

    #[test]
    fn an_older_sighting_changes_nothing() {
        let mut seen = Seen::default();
        for element in 0..100 {
            seen.touch(element, 500, 1 << 20);
            seen.touch(element, 400, 1 << 20);
        }
        assert_eq!(seen.count(10, 500), 100);
        assert_eq!(seen.last_seen(7), Some(500));
    }

    #[test]
    fn capacity_bounds_the_elements() {
        let mut seen = Seen::default();
        for element in 0..1000 {
            seen.touch(element, 1, 100);
        }
        assert_eq!(seen.len(), 100);
    }

    #[test]
    fn agrees_with_a_naive_model() {
        use std::collections::BTreeMap;
        let mut model: BTreeMap<u64, u32> = BTreeMap::new();
        let mut seen = Seen::default();
        let mut state = 42_u64;
        let mut now = 10_000_u32;
        for _ in 0..5000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let element = (state >> 40) % 300;
            let second = now - ((state >> 20) % 50) as u32;
            now += ((state >> 33) % 3) as u32;
            seen.touch(element, second, 1 << 20);
            let last = model.entry(element).or_default();
            *last = (*last).max(second);
            for window in [1, 60, 3600] {
                let expected = model.values().filter(|last| **last >= now - window).count() as u32;
                assert_eq!(seen.count(window, now), expected);
            }
            if state.is_multiple_of(97) {
                seen.forget_before(now - 3600);
                model.retain(|_, last| *last >= now - 3600);
            }
        }
    }
}
