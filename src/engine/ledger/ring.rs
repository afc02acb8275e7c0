//! Many distinct elements of one key in the order in which they were last seen, with the count of each window at hand.
//!
//! ```text
//!  slots:  [gone] [a, 100 s] [b, 107 s] [gone] [c, 107 s]     number of a slot = first + place; the newest is last
//!  index:  a -> 1, b -> 2, c -> 4                             window of 5 s at 108 s: from slot 2 on, 2 elements
//! ```

use std::collections::VecDeque;
use std::hint::black_box;
use std::ops::Range;

use smallvec::SmallVec;

use super::index::{Index, Things};
use super::slot::{Granting, Slot};
use super::subject_hash::spread;

/// Slots without an element at most, before all others move together: as many as elements, and this many.
const GONE_SLOTS_MIN: usize = 64;
/// Lists of so many grow in small steps: most end a little above the 1,024 that stay exact.
const MOST_END_AT: Range<usize> = 512..2048;

/// Distinct elements, the last seen last.
#[derive(Default)]
pub(super) struct Ring {
    slots: Slots,
    /// The number of each element's slot.
    index: Index,
    windows: SmallVec<[WindowCount; 2]>,
    /// No element that had to go was seen after this second: a window that reaches back to it is not exact.
    gone_until: u32,
    /// The number behind that of the slot that was last looked for: exchanges show people in the order they were granted in.
    likely: u32,
    /// What was last seen before this second is forgotten, also where it stands behind something granted.
    kept_from: u32,
    /// The second of the first slot, which nothing that stays was seen before; 0 where it is not known.
    oldest: u32,
}

/// How many elements are in the slots from `start` on, which were seen at or after the second `from`.
struct WindowCount {
    seconds: u32,
    from: u32,
    start: u32,
    count: u32,
    /// The second of the slot at `start`; 0 where it is not known.
    oldest: u32,
}

/// Slots by number: numbers wrap, places do not.
#[derive(Default)]
struct Slots {
    list: VecDeque<Slot>,
    /// The number of the first.
    first: u32,
}

impl Ring {
    /// The elements of `slots`.
    pub(super) fn of(slots: Vec<Slot>) -> Self {
        let mut ring = Self::default();
        ring.rebuild(slots);
        ring
    }

    /// How many elements are kept.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The last second in which an element was seen.
    pub(super) fn newest(&self) -> u32 {
        self.slots.list.back().map_or(0, |slot| slot.last)
    }

    /// Whether all that was seen at or after `from` is kept.
    pub(super) fn covers(&self, from: u32) -> bool {
        self.gone_until < from || self.gone_until == 0
    }

    /// What was seen up to `second` need not be kept here.
    pub(super) fn is_partial_until(&mut self, second: u32) {
        self.gone_until = self.gone_until.max(second);
    }

    /// How many elements some exchange is about to show.
    pub(super) fn pinned(&self) -> usize {
        self.slots
            .list
            .iter()
            .filter(|slot| slot.is_pinned() && slot.is_taken())
            .count()
    }

    pub(super) fn get(&self, element: u64) -> Option<&Slot> {
        let number = self.number(element)?;
        self.slots.at(number)
    }

    /// As [`super::seen::Seen::withdraw`].
    pub(super) fn withdraw(&mut self, element: u64) {
        let Some(number) = self.number(element) else { return };
        let slot = self.slots.at_mut(number);
        let Some(slot) = slot.and_then(|slot| slot.unpin().then_some(slot)) else {
            return;
        };
        slot.clear();
        self.index.remove(hash(element), number);
        let (first, windows) = (self.slots.first, &mut self.windows);
        if number == first {
            self.oldest = 0;
        }
        for window in windows
            .iter_mut()
            .filter(|window| number_after(first, number, window.start))
        {
            window.count -= 1;
        }
        self.trim();
    }

    /// How many elements were seen in the `seconds` up to `now`.
    pub(super) fn count(&mut self, seconds: u32, now: u32) -> u32 {
        let from = now.saturating_sub(seconds);
        let known = self.windows.iter().position(|window| window.seconds == seconds);
        // A clock that went back is not guessed after: the window is counted afresh.
        let known = known.filter(|at| self.windows.get(*at).is_some_and(|window| window.from <= from));
        let Some(window) = known.and_then(|at| self.windows.get_mut(at)) else {
            return self.count_afresh(seconds, from);
        };
        window.from = from;
        // Nearly always nobody leaves the window, which is told without a look far back in memory.
        if from <= window.oldest {
            return window.count;
        }
        while let Some(slot) = self.slots.at(window.start).filter(|slot| slot.last < from) {
            window.count -= u32::from(slot.is_taken());
            window.start = window.start.wrapping_add(1);
        }
        window.oldest = self.slots.at(window.start).map_or(0, |slot| slot.last);
        window.count
    }

    /// Elements that were shown, seen at or after `from`; the newest first.
    pub(super) fn since(&self, from: u32) -> impl Iterator<Item = (u64, u32)> {
        let recent = self.slots.list.iter().rev().take_while(move |slot| slot.last >= from);
        recent.filter_map(Slot::shown)
    }

    /// Takes in elements that were seen elsewhere.
    pub(super) fn merge(&mut self, elements: &[(u64, u32)]) {
        let newest = self.newest();
        let (mut late, old): (Vec<_>, Vec<_>) = elements.iter().copied().partition(|(_, second)| *second >= newest);
        if !old.is_empty() {
            let mut slots: Vec<Slot> = self.slots.list.drain(..).filter(Slot::is_taken).collect();
            let places = slots.iter().enumerate().map(|(place, slot)| (slot.element, place));
            let mut places: hashbrown::HashMap<u64, usize> = places.collect();
            for (element, second) in old {
                let place = *places.entry(element).or_insert(slots.len());
                match slots.get_mut(place) {
                    Some(slot) => slot.saw(second),
                    None => slots.push(Slot::new(element, second)),
                }
            }
            self.rebuild(slots);
        }
        late.sort_unstable_by_key(|(_, second)| *second);
        for (element, second) in late {
            self.touch([(element, ())].into_iter(), second, |slot, ()| {
                _ = slot.show(Granting::None);
            });
        }
    }

    /// Drops what was last seen before `from`, and the oldest of what is more than `keep`. What is granted stays.
    pub(super) fn forget(&mut self, from: u32, keep: usize) {
        self.kept_from = self.kept_from.max(from);
        if from <= self.oldest && self.index.len() <= keep {
            return;
        }
        while let Some(slot) = self.slots.list.front() {
            let (is_taken, is_old) = (slot.is_taken(), slot.last < from);
            if is_taken && (slot.is_pinned() || !(is_old || self.index.len() > keep)) {
                self.oldest = slot.last;
                break;
            }
            if is_taken && !is_old {
                self.gone_until = self.gone_until.max(slot.last);
            }
            self.pop();
        }
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.slots.list.capacity() * size_of::<Slot>() + self.index.bytes()
    }

    fn pop(&mut self) {
        let Some(slot) = self.slots.list.pop_front() else {
            return;
        };
        let first = self.slots.first;
        (self.slots.first, self.oldest) = (first.wrapping_add(1), 0);
        if slot.is_taken() {
            self.index.first_left();
        }
        for window in self.windows.iter_mut().filter(|window| window.start == first) {
            (window.start, window.oldest) = (self.slots.first, 0);
            window.count -= u32::from(slot.is_taken());
        }
    }

    /// Looks where all of `elements` would be: the memory is waited for once, and not once for each.
    #[inline]
    pub(super) fn prefetch(&self, elements: impl Iterator<Item = u64>) {
        black_box(elements.fold(0, |seen, element| seen ^ self.index.first(hash(element))));
    }

    /// `act` on the slot of each element, which is then the last one, seen in `second` or with the newest.
    #[inline]
    pub(super) fn touch<T>(
        &mut self,
        elements: impl Iterator<Item = (u64, T)>,
        second: u32,
        mut act: impl FnMut(&mut Slot, T),
    ) {
        let second = second.max(self.newest());
        for (element, what) in elements {
            let likely = self.slots.at_mut(self.likely);
            if let Some(slot) = likely.filter(|slot| slot.is(element) && slot.last >= second) {
                self.likely = self.likely.wrapping_add(1);
                act(slot, what);
                continue;
            }
            let (slots, next) = (&self.slots, self.slots.next());
            let is = |number| slots.at(number).is_some_and(|slot| slot.is(element));
            let Some(number) = self.index.find_or_insert(hash(element), next, slots, is) else {
                let mut slot = Slot::granted(element, second);
                act(&mut slot, what);
                push(&mut self.slots.list, slot);
                self.windows.iter_mut().for_each(|window| window.count += 1);
                continue;
            };
            self.likely = number.wrapping_add(1);
            match self.slots.at_mut(number) {
                Some(slot) if slot.last >= second => act(slot, what),
                _ => self.renew(number, (element, second), |slot| act(slot, what)),
            }
        }
    }

    /// As [`Ring::touch`] of an element at `number` that was last seen before.
    fn renew(&mut self, number: u32, (element, second): (u64, u32), act: impl FnOnce(&mut Slot)) {
        let (first, next) = (self.slots.first, self.slots.next());
        let Some(slot) = self.slots.at_mut(number) else {
            return;
        };
        let is_forgotten = slot.last < self.kept_from && !slot.is_pinned();
        let mut moved = if is_forgotten {
            Slot::granted(element, second)
        } else {
            *slot
        };
        moved.touch(second);
        slot.clear();
        if number == first {
            self.oldest = 0;
        }
        act(&mut moved);
        self.index.replace(hash(element), number, next);
        push(&mut self.slots.list, moved);
        for window in self
            .windows
            .iter_mut()
            .filter(|window| !number_after(first, number, window.start))
        {
            window.count += 1;
        }
        self.trim();
    }

    /// Moves the elements together where most slots are without one.
    fn trim(&mut self) {
        if self.slots.list.len() > 2 * self.index.len() + GONE_SLOTS_MIN {
            let slots = self.slots.list.drain(..).filter(Slot::is_taken).collect();
            self.rebuild(slots);
        }
    }

    fn rebuild(&mut self, mut slots: Vec<Slot>) {
        slots.sort_by_key(|slot| slot.last);
        self.windows.clear();
        self.oldest = 0;
        self.index.refill(slots.iter().map(|slot| hash(slot.element)));
        self.slots = Slots {
            list: slots.into(),
            first: 0,
        };
    }

    fn count_afresh(&mut self, seconds: u32, from: u32) -> u32 {
        self.windows.retain(|window| window.seconds != seconds);
        let place = self.slots.list.partition_point(|slot| slot.last < from);
        let count = self.slots.list.range(place..).filter(|slot| slot.is_taken()).count() as u32;
        let start = self.slots.first.wrapping_add(place as u32);
        self.windows.push(WindowCount {
            seconds,
            from,
            start,
            count,
            oldest: 0,
        });
        count
    }

    /// The number of the slot of `element`.
    fn number(&self, element: u64) -> Option<u32> {
        let is = |number| self.slots.at(number).is_some_and(|slot| slot.is(element));
        if is(self.likely) {
            return Some(self.likely);
        }
        self.index.find(hash(element), &self.slots, is)
    }
}

/// A deque that doubles would be half empty: most rings stay at the number that is kept.
fn push(slots: &mut VecDeque<Slot>, slot: Slot) {
    if slots.len() == slots.capacity() {
        let part = if MOST_END_AT.contains(&slots.len()) { 128 } else { 2 };
        slots.reserve_exact(slots.len() / part);
    }
    slots.push_back(slot);
}

fn hash(element: u64) -> u32 {
    (spread(element) >> 32) as u32
}

impl Slots {
    #[inline]
    fn at(&self, number: u32) -> Option<&Slot> {
        self.list.get(number.wrapping_sub(self.first) as usize)
    }

    #[inline]
    fn at_mut(&mut self, number: u32) -> Option<&mut Slot> {
        self.list.get_mut(number.wrapping_sub(self.first) as usize)
    }

    /// The number of the slot that is pushed next.
    fn next(&self) -> u32 {
        self.first.wrapping_add(self.list.len() as u32)
    }
}

impl Things for Slots {
    #[inline]
    fn first(&self) -> u32 {
        self.first
    }

    fn each(&self) -> impl Iterator<Item = (u32, u32)> {
        let taken = self.list.iter().zip(0..).filter(|(slot, _)| slot.is_taken());
        taken.map(|(slot, place)| (self.first.wrapping_add(place), hash(slot.element)))
    }
}

/// Whether slot `number` is `start` or behind it, where `first` is the first.
fn number_after(first: u32, number: u32, start: u32) -> bool {
    number.wrapping_sub(first) >= start.wrapping_sub(first)
}
