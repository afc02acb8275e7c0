//! Many distinct elements of one key in the order in which they were last seen, with the count of each window at hand.
//!
//! ```text
//!  slots:  [gone] [a, 100 s] [b, 107 s] [gone] [c, 107 s]     number of a slot = first + place; the newest is last
//!  index:  a -> 1, b -> 2, c -> 4                             window of 5 s at 108 s: from slot 2 on, 2 elements
//! ```

use std::collections::VecDeque;

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::slot::{Granting, Slot};
use super::subject_hash::spread;

/// Slots without an element at most, before all others move together: as many as elements, and this many.
const GONE_SLOTS_MIN: usize = 64;

/// Distinct elements, the last seen last.
#[derive(Default)]
pub(super) struct Ring {
    slots: VecDeque<Slot>,
    /// The number of the first slot; numbers wrap, places do not.
    first: u32,
    /// The number of each element's slot.
    index: HashTable<u32>,
    windows: SmallVec<[WindowCount; 2]>,
    /// No element that had to go was seen after this second: a window that reaches back to it is not exact.
    gone_until: u32,
    /// What was last seen before this second is forgotten, also where it stands behind something granted.
    kept_from: u32,
}

/// How many elements are in the slots from `start` on, which were seen at or after the second `from`.
struct WindowCount {
    seconds: u32,
    from: u32,
    start: u32,
    count: u32,
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
        self.slots.back().map_or(0, |slot| slot.last)
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
            .iter()
            .filter(|slot| slot.is_pinned() && slot.is_taken())
            .count()
    }

    pub(super) fn get(&self, element: u64) -> Option<&Slot> {
        let number = self.index.find(spread(element), |number| self.has(*number, element))?;
        self.slots.get(self.place(*number))
    }

    /// As [`super::seen::Seen::grant`].
    pub(super) fn grant(&mut self, element: u64, second: u32) {
        self.touch(element, second, Slot::pin);
    }

    /// As [`super::seen::Seen::show`]: whether it is shown for the first time as long as it is known.
    pub(super) fn show(&mut self, element: u64, second: u32, granting: Granting) -> bool {
        let mut is_new = false;
        self.touch(element, second, |slot| is_new = slot.show(granting));
        is_new
    }

    /// As [`super::seen::Seen::withdraw`].
    pub(super) fn withdraw(&mut self, element: u64) {
        let Ok(entry) = (self.index).find_entry(spread(element), |number| {
            at(&self.slots, self.first, *number).is_some_and(|slot| slot.is(element))
        }) else {
            return;
        };
        let number = *entry.get();
        let place = number.wrapping_sub(self.first) as usize;
        if self.slots.get_mut(place).is_none_or(|slot| !slot.unpin()) {
            return;
        }
        entry.remove();
        if let Some(slot) = self.slots.get_mut(place) {
            slot.clear();
        }
        let (first, windows) = (self.first, &mut self.windows);
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
        while let Some(slot) = at(&self.slots, self.first, window.start).filter(|slot| slot.last < from) {
            window.count -= u32::from(slot.is_taken());
            window.start = window.start.wrapping_add(1);
        }
        window.count
    }

    /// Elements that were shown, seen at or after `from`; the newest first.
    pub(super) fn since(&self, from: u32) -> impl Iterator<Item = (u64, u32)> {
        let recent = self.slots.iter().rev().take_while(move |slot| slot.last >= from);
        recent.filter_map(Slot::shown)
    }

    /// Takes in elements that were seen elsewhere.
    pub(super) fn merge(&mut self, elements: &[(u64, u32)]) {
        let newest = self.newest();
        let (mut late, old): (Vec<_>, Vec<_>) = elements.iter().copied().partition(|(_, second)| *second >= newest);
        if !old.is_empty() {
            let mut slots: Vec<Slot> = self.slots.drain(..).filter(Slot::is_taken).collect();
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
            self.show(element, second, Granting::None);
        }
    }

    /// Drops what was last seen before `from`, and the oldest of what is more than `keep`. What is granted stays.
    pub(super) fn forget(&mut self, from: u32, keep: usize) {
        self.kept_from = self.kept_from.max(from);
        while let Some(slot) = self.slots.front() {
            let (is_taken, is_old) = (slot.is_taken(), slot.last < from);
            if is_taken && (slot.is_pinned() || !(is_old || self.index.len() > keep)) {
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
        self.slots.capacity() * size_of::<Slot>() + self.index.allocation_size()
    }

    fn pop(&mut self) {
        let Some(slot) = self.slots.pop_front() else { return };
        let (first, next) = (self.first, self.first.wrapping_add(1));
        if slot.is_taken()
            && let Ok(entry) = self.index.find_entry(spread(slot.element), |number| *number == first)
        {
            entry.remove();
        }
        for window in self.windows.iter_mut().filter(|window| window.start == first) {
            window.start = next;
            window.count -= u32::from(slot.is_taken());
        }
        self.first = next;
    }

    /// `act` on the slot of `element`, which is then the last one, seen in `second` or with the newest.
    fn touch(&mut self, element: u64, second: u32, act: impl FnOnce(&mut Slot)) {
        let second = second.max(self.newest());
        let next = self.first.wrapping_add(self.slots.len() as u32);
        let (slots, first) = (&mut self.slots, self.first);
        let known = (self.index).find_mut(spread(element), |number| {
            at(slots, first, *number).is_some_and(|slot| slot.is(element))
        });
        let Some(number) = known else {
            let mut slot = Slot::granted(element, second);
            act(&mut slot);
            push(slots, slot);
            let place = |number: &u32| at(slots, first, *number).map_or(0, |slot| spread(slot.element));
            self.index.insert_unique(spread(element), next, place);
            self.windows.iter_mut().for_each(|window| window.count += 1);
            return;
        };
        let old = *number;
        let Some(slot) = slots.get_mut(old.wrapping_sub(first) as usize) else {
            return;
        };
        if slot.last >= second {
            return act(slot);
        }
        let is_forgotten = slot.last < self.kept_from && !slot.is_pinned();
        let mut moved = if is_forgotten {
            Slot::granted(element, second)
        } else {
            *slot
        };
        moved.touch(second);
        slot.clear();
        act(&mut moved);
        *number = next;
        push(slots, moved);
        for window in self
            .windows
            .iter_mut()
            .filter(|window| !number_after(first, old, window.start))
        {
            window.count += 1;
        }
        self.trim();
    }

    /// Moves the elements together where most slots are without one.
    fn trim(&mut self) {
        if self.slots.len() > 2 * self.index.len() + GONE_SLOTS_MIN {
            let slots = self.slots.drain(..).filter(Slot::is_taken).collect();
            self.rebuild(slots);
        }
    }

    fn rebuild(&mut self, mut slots: Vec<Slot>) {
        slots.sort_by_key(|slot| slot.last);
        self.first = 0;
        self.windows.clear();
        self.index.clear();
        let hashes = |number: &u32| slots.get(*number as usize).map_or(0, |slot| spread(slot.element));
        self.index.reserve(slots.len(), hashes);
        for (number, slot) in (0..).zip(&slots) {
            self.index.insert_unique(spread(slot.element), number, hashes);
        }
        self.slots = slots.into();
    }

    fn count_afresh(&mut self, seconds: u32, from: u32) -> u32 {
        self.windows.retain(|window| window.seconds != seconds);
        let place = self.slots.partition_point(|slot| slot.last < from);
        let count = self.slots.range(place..).filter(|slot| slot.is_taken()).count() as u32;
        let start = self.first.wrapping_add(place as u32);
        self.windows.push(WindowCount {
            seconds,
            from,
            start,
            count,
        });
        count
    }

    fn has(&self, number: u32, element: u64) -> bool {
        at(&self.slots, self.first, number).is_some_and(|slot| slot.is(element))
    }

    fn place(&self, number: u32) -> usize {
        number.wrapping_sub(self.first) as usize
    }
}

/// A deque that doubles would be half empty: most rings stay at the number that is kept.
fn push(slots: &mut VecDeque<Slot>, slot: Slot) {
    if slots.len() == slots.capacity() {
        slots.reserve_exact(slots.len() / 4 + 8);
    }
    slots.push_back(slot);
}

fn at(slots: &VecDeque<Slot>, first: u32, number: u32) -> Option<&Slot> {
    slots.get(number.wrapping_sub(first) as usize)
}

/// Whether slot `number` is `start` or behind it, where `first` is the first.
fn number_after(first: u32, number: u32, start: u32) -> bool {
    number.wrapping_sub(first) >= start.wrapping_sub(first)
}
