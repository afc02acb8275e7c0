//! The distinct elements of one key, with the second each was last seen in: few, a ring, a ring before a sketch.

use super::few::Few;
use super::folded::Folded;
use super::ring::Ring;
use super::sketch::Sketch;
use super::slot::{Granting, Slot};

/// So many are few.
const FEW_MAX: usize = 24;

/// Distinct elements, merged by maximum. Exact up to the number that [`Seen::forget`] keeps; a window that holds more is
/// estimated.
pub(super) enum Seen {
    Few(Few),
    Big(Box<Big>),
}

/// Elements above [`FEW_MAX`]: the newest, and, where there were more than are kept, all of them folded.
#[derive(Default)]
pub(super) struct Big {
    ring: Ring,
    folded: Option<Box<Folded>>,
}

impl Default for Seen {
    fn default() -> Self {
        Self::Few(Few::default())
    }
}

impl Seen {
    fn slot(&self, element: u64) -> Option<&Slot> {
        match self {
            Self::Few(few) => few.get(element),
            Self::Big(big) => big.ring.get(element),
        }
    }

    /// The second `element` was last seen in, or granted.
    pub(super) fn last(&self, element: u64) -> Option<u32> {
        self.slot(element).map(|slot| slot.last)
    }

    /// Whether `element` was shown at or after `from`; one that is only granted was not.
    pub(super) fn is_shown_since(&self, element: u64, from: u32) -> bool {
        self.slot(element).is_some_and(|slot| slot.is_shown_since(from))
    }

    /// How many elements were seen in the `seconds` up to `now`, granted ones among them; both ends count.
    #[inline]
    pub(super) fn count(&mut self, seconds: u32, now: u32) -> u32 {
        let from = now.saturating_sub(seconds);
        match self {
            Self::Few(few) => few.count(from),
            Self::Big(big) => big.count(seconds, now),
        }
    }

    /// Whether [`Seen::count`] is exact for a window that reaches back to `from`.
    pub(super) fn is_exact(&self, from: u32) -> bool {
        match self {
            Self::Few(_) => true,
            Self::Big(big) => big.folded.is_none() || big.ring.covers(from),
        }
    }

    /// `elements` are about to be shown: they count from now on, and none is forgotten before it is shown or withdrawn.
    #[inline]
    pub(super) fn grant(&mut self, mut elements: impl Iterator<Item = u64> + Clone, second: u32) {
        while let Self::Few(few) = self {
            let Some(element) = elements.next() else { return };
            match few.get_mut(element) {
                Some(slot) => {
                    slot.touch(second);
                    slot.pin();
                }
                None => self.add(Slot::granted(element, second).pinned()),
            }
        }
        if let Self::Big(big) = self {
            big.ring.prefetch(elements.clone());
            big.ring
                .touch(elements.map(|element| (element, ())), second, |slot, ()| slot.pin());
        }
    }

    /// Elements are shown; of each is noted if it was not shown before, as far as it is known.
    #[inline]
    pub(super) fn show<'n>(
        &mut self,
        mut elements: impl Iterator<Item = (u64, &'n mut bool)>,
        second: u32,
        granting: Granting,
    ) {
        while let Self::Few(few) = self {
            let Some((element, is_new)) = elements.next() else {
                return;
            };
            if let Some(slot) = few.get_mut(element) {
                slot.last = slot.last.max(second);
                *is_new |= slot.show(granting);
            } else {
                self.add(Slot::new(element, second));
                *is_new = true;
            }
        }
        let Self::Big(big) = self else { return };
        let Big { ring, folded } = &mut **big;
        let mut fold = |element| folded.as_mut().is_some_and(|folded| folded.show(element, second));
        let elements = elements.inspect(|(element, _)| _ = fold(*element));
        ring.touch(elements, second, |slot, is_new| *is_new |= slot.show(granting));
    }

    /// One exchange that was granted `element` ends without showing it.
    pub(super) fn withdraw(&mut self, element: u64) {
        match self {
            Self::Few(few) => few.retain(|slot| !(slot.is(element) && slot.unpin())),
            Self::Big(big) => big.ring.withdraw(element),
        }
    }

    /// Takes in what was seen elsewhere.
    pub(super) fn merge(&mut self, elements: &[(u64, u32)], registers: &[(u16, u8, u32)]) {
        if let Self::Few(few) = self
            && (!registers.is_empty() || few.slots().len() + elements.len() > FEW_MAX)
        {
            *self = Self::big(few.take());
        }
        match self {
            Self::Few(few) => elements.iter().for_each(|(element, second)| few.saw(*element, *second)),
            Self::Big(big) => big.merge(elements, registers),
        }
    }

    /// The second of the last sighting; 0 if there is none.
    pub(super) fn newest(&self) -> u32 {
        match self {
            Self::Few(few) => few.slots().iter().map(|slot| slot.last).max().unwrap_or_default(),
            Self::Big(big) => big.ring.newest(),
        }
    }

    /// Elements that were shown, seen at or after `from`, in no order.
    pub(super) fn since(&self, from: u32) -> Vec<(u64, u32)> {
        match self {
            Self::Few(few) => {
                let shown = few.slots().iter().filter_map(Slot::shown);
                shown.filter(|(_, second)| *second >= from).collect()
            }
            Self::Big(big) => big.ring.since(from).collect(),
        }
    }

    /// Whether it is at most `people`, all of whom were shown and nobody is about to be.
    pub(super) fn is_small(&self, people: usize) -> bool {
        match self {
            Self::Few(few) => few.is_small(people),
            Self::Big(_) => false,
        }
    }

    /// The registers that changed at or after `from`.
    pub(super) fn registers(&self, from: u32) -> Vec<(u16, u8, u32)> {
        let folded = match self {
            Self::Few(_) => None,
            Self::Big(big) => big.folded.as_ref(),
        };
        folded.map_or_else(Vec::new, |folded| folded.sketch.entries(from).collect())
    }

    /// Exchanges are about to show so many elements, or are showing them again.
    pub(super) fn pinned(&self) -> u32 {
        let pinned = match self {
            Self::Few(few) => few.slots().iter().filter(|slot| slot.is_pinned()).count(),
            Self::Big(big) => big.ring.pinned(),
        };
        pinned as u32
    }

    /// Drops what was last seen before `from`; of the rest the newest `keep` stay exact, and all of them are estimated.
    #[inline]
    pub(super) fn forget(&mut self, from: u32, keep: usize) {
        match self {
            Self::Few(few) => few.retain(|slot| slot.last >= from || slot.is_pinned()),
            Self::Big(big) => big.forget(from, keep),
        }
    }

    /// Bytes on the heap.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Few(few) => few.bytes(),
            Self::Big(big) => {
                let folded = |folded: &Folded| size_of::<Folded>() + folded.sketch.bytes();
                size_of::<Big>() + big.ring.bytes() + big.folded.as_deref().map_or(0, folded)
            }
        }
    }

    /// Adds an element that is not there to the few, which may be many by it.
    #[inline]
    fn add(&mut self, slot: Slot) {
        let Self::Few(few) = self else { return };
        if few.slots().len() < FEW_MAX {
            return few.push(slot);
        }
        let mut slots = few.take();
        slots.push(slot);
        *self = Self::big(slots);
    }

    fn big(slots: Vec<Slot>) -> Self {
        Self::Big(Box::new(Big {
            ring: Ring::of(slots),
            folded: None,
        }))
    }
}

impl Big {
    fn count(&mut self, seconds: u32, now: u32) -> u32 {
        let exact = self.ring.count(seconds, now);
        let from = now.saturating_sub(seconds);
        let covers = self.ring.covers(from);
        let folded = self.folded.as_mut().filter(|_| !covers);
        // What is granted and not yet shown is in the ring alone.
        folded.map_or(exact, |folded| folded.count(seconds, now).max(exact))
    }

    fn merge(&mut self, elements: &[(u64, u32)], registers: &[(u16, u8, u32)]) {
        if let Some(now) = registers.iter().map(|(.., second)| *second).max() {
            self.folded(now);
            self.ring.is_partial_until(now);
        }
        if let Some(folded) = &mut self.folded {
            folded.merge(elements, registers);
        }
        self.ring.merge(elements);
    }

    fn forget(&mut self, from: u32, keep: usize) {
        if let Some(folded) = &mut self.folded {
            self.ring.forget(from, keep);
            folded.sweep(from, self.ring.newest());
            if self.ring.covers(from) {
                self.folded = None;
            }
            return;
        }
        self.ring.forget(from, usize::MAX);
        if self.ring.len() > keep {
            self.folded(self.ring.newest());
            self.ring.forget(from, keep);
        }
    }

    /// All that is known, folded.
    fn folded(&mut self, now: u32) -> &mut Folded {
        let ring = &self.ring;
        self.folded.get_or_insert_with(|| {
            let mut sketch = Sketch::new(now);
            for (element, second) in ring.since(0) {
                sketch.insert(element, second);
            }
            Box::new(Folded::new(sketch, now))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// What is told of one key, or asked.
    #[derive(Clone, Debug)]
    enum Act {
        Grant(u64),
        Show(u64),
        Withdraw(u64),
        Elsewhere(Vec<(u64, u32)>),
        Wait(u32),
        Forget(u32),
    }

    /// Last-seen second, grants, and whether it was shown.
    type Model = BTreeMap<u64, (u32, u16, bool)>;

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let element = || 0_u64..60;
        let elsewhere = prop::collection::vec((element(), 0_u32..60), 0..40).prop_map(Act::Elsewhere);
        let act = prop_oneof![
            8 => element().prop_map(Act::Grant),
            8 => element().prop_map(Act::Show),
            4 => element().prop_map(Act::Withdraw),
            1 => elsewhere,
            4 => (0_u32..9).prop_map(Act::Wait),
            // Beyond every window: what else goes, and when, is a freedom that the model has not.
            1 => (3_000_u32..9_000).prop_map(Act::Forget),
        ];
        prop::collection::vec(act, 0..200)
    }

    fn apply(model: &mut Model, act: &Act, now: &mut u32) {
        match act {
            Act::Grant(element) => {
                let known = model.entry(*element).or_insert((*now, 0, false));
                *known = (known.0.max(*now), known.1 + 1, known.2);
            }
            Act::Show(element) => {
                let known = model.entry(*element).or_insert((*now, 0, false));
                *known = (known.0.max(*now), known.1.saturating_sub(1), true);
            }
            Act::Withdraw(element) => {
                if let Some(known) = model.get_mut(element) {
                    known.1 = known.1.saturating_sub(1);
                }
                model.retain(|_, (_, pins, is_shown)| *pins > 0 || *is_shown);
            }
            Act::Elsewhere(elements) => {
                for (element, ago) in elements {
                    let known = model.entry(*element).or_insert((0, 0, true));
                    *known = (known.0.max(*now - ago), known.1, true);
                }
            }
            Act::Wait(seconds) => *now += seconds,
            Act::Forget(ago) => model.retain(|_, (last, pins, _)| *last >= *now - ago || *pins > 0),
        }
    }

    fn show(seen: &mut Seen, element: u64, second: u32, granting: Granting) {
        seen.show([(element, &mut false)].into_iter(), second, granting);
    }

    fn told(seen: &mut Seen, act: &Act, now: u32) {
        match act {
            Act::Grant(element) => seen.grant([*element].into_iter(), now),
            Act::Show(element) => show(seen, *element, now, Granting::Before),
            Act::Withdraw(element) => seen.withdraw(*element),
            Act::Elsewhere(elements) => {
                let elements: Vec<_> = elements.iter().map(|(element, ago)| (*element, now - ago)).collect();
                seen.merge(&elements, &[]);
            }
            Act::Wait(_) => {}
            Act::Forget(ago) => seen.forget(now - ago, usize::MAX),
        }
    }

    proptest! {
        #[test]
        fn every_window_agrees_with_a_naive_model(acts in acts()) {
            let (mut seen, mut model, mut now) = (Seen::default(), Model::new(), 10_000);
            for act in &acts {
                apply(&mut model, act, &mut now);
                told(&mut seen, act, now);
                // What no window reaches may go a while later than it could.
                for window in [0, 5, 60] {
                    let expected = model.values().filter(|(last, ..)| *last >= now - window).count() as u32;
                    prop_assert_eq!(seen.count(window, now), expected, "{:?} in {} s", act, window);
                }
            }
            let mut shown = seen.since(now - 60);
            shown.sort_unstable();
            let expected = model.iter().filter(|(_, (last, _, is_shown))| *is_shown && *last >= now - 60);
            prop_assert_eq!(shown, expected.map(|(element, (last, ..))| (*element, *last)).collect::<Vec<_>>());
            prop_assert_eq!(seen.pinned() as usize, model.values().filter(|(_, pins, _)| *pins > 0).count());
        }
    }

    #[test]
    fn the_newest_stay_exact_and_all_are_estimated() {
        let (mut seen, keep) = (Seen::default(), 1000);
        for element in 0..50_000_u32 {
            show(&mut seen, u64::from(element), 10_000 + element / 100, Granting::None);
            seen.forget(0, keep);
        }
        let now = 10_499;
        assert_eq!(
            seen.count(8, now),
            900,
            "a window that holds no more than is kept is exact"
        );
        let all = f64::from(seen.count(1000, now));
        assert!((all / 50_000.0 - 1.0).abs() < 0.05, "{all}");
        assert!(seen.bytes() < 100 << 10, "{} bytes", seen.bytes());
    }

    #[test]
    fn what_is_granted_is_not_forgotten() {
        for others in [5_u32, 100] {
            let mut seen = Seen::default();
            seen.grant([1 << 40].into_iter(), 10);
            (0..others).for_each(|element| show(&mut seen, u64::from(element), 20 + element, Granting::None));
            seen.forget(1000, 2);
            assert_eq!(seen.last(1 << 40), Some(10));
            seen.withdraw(1 << 40);
            assert_eq!(seen.last(1 << 40), None);
        }
    }

    #[test]
    fn a_month_of_a_crawl_takes_little_room() {
        // 4.9 of 33.7 million people in thirty of 208 days, and a second a step of them.
        let mut seen = Seen::default();
        let (month, mut element) = (30 * 86_400_u32, 0_u64);
        for second in 0..month {
            for _ in 0..2 {
                element = element
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                show(&mut seen, element, 1_000_000_000 + second, Granting::None);
            }
            seen.forget(1_000_000_000, 1024);
        }
        let people = f64::from(seen.count(month, 1_000_000_000 + month));
        let truth = f64::from(month * 2);
        assert!((people / truth - 1.0).abs() < 0.05, "{people} of {truth}");
        assert!(seen.bytes() <= 90 << 10, "{} bytes", seen.bytes());
    }
}
