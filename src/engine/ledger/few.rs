//! The elements of a key of few: most keys have one, which needs no list.

use super::slot::Slot;

/// Elements in no order. A look through them is cheaper than a table, in time and in bytes.
pub(super) enum Few {
    One(Slot),
    List(Vec<Slot>),
}

impl Default for Few {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Few {
    #[inline]
    pub(super) fn slots(&self) -> &[Slot] {
        match self {
            Self::One(slot) => std::slice::from_ref(slot),
            Self::List(list) => list,
        }
    }

    /// How many were seen at or after the second `from`.
    #[inline]
    pub(super) fn count(&self, from: u32) -> u32 {
        match self {
            Self::One(slot) => u32::from(slot.last >= from),
            Self::List(list) if list.is_empty() => 0,
            Self::List(list) => list.iter().filter(|slot| slot.last >= from).count() as u32,
        }
    }

    #[inline]
    pub(super) fn get(&self, element: u64) -> Option<&Slot> {
        self.slots().iter().find(|slot| slot.is(element))
    }

    #[inline]
    pub(super) fn get_mut(&mut self, element: u64) -> Option<&mut Slot> {
        let slots = match self {
            Self::One(slot) => std::slice::from_mut(slot),
            Self::List(list) => list,
        };
        slots.iter_mut().find(|slot| slot.is(element))
    }

    /// `element` was seen elsewhere.
    pub(super) fn saw(&mut self, element: u64, second: u32) {
        match self.get_mut(element) {
            Some(slot) => slot.saw(second),
            None => self.push(Slot::new(element, second)),
        }
    }

    /// As [`super::seen::Seen::is_small`].
    pub(super) fn is_small(&self, people: usize) -> bool {
        let slots = self.slots();
        slots.len() <= people && slots.iter().all(|slot| slot.shown().is_some() && !slot.is_pinned())
    }

    /// Adds an element that is not there.
    #[inline]
    pub(super) fn push(&mut self, slot: Slot) {
        match self {
            Self::List(list) if list.capacity() == 0 => *self = Self::One(slot),
            Self::List(list) => {
                if list.len() == list.capacity() {
                    // Most keys stay at two or three; a list that doubles would be half empty.
                    list.reserve_exact(1 + list.len() / 4);
                }
                list.push(slot);
            }
            Self::One(first) => *self = Self::List(vec![*first, slot]),
        }
    }

    /// Drops the elements that `stays` does not name.
    #[inline]
    pub(super) fn retain(&mut self, mut stays: impl FnMut(&mut Slot) -> bool) {
        match self {
            Self::List(list) => list.retain_mut(stays),
            Self::One(slot) => {
                if !stays(slot) {
                    *self = Self::default();
                }
            }
        }
    }

    /// All of them, which go.
    pub(super) fn take(&mut self) -> Vec<Slot> {
        match std::mem::take(self) {
            Self::One(slot) => vec![slot],
            Self::List(list) => list,
        }
    }

    /// Bytes on the heap.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::List(list) => list.capacity() * size_of::<Slot>(),
        }
    }
}
