//! What was granted and has not left, in the order in which it leaves.

use smallvec::SmallVec;

use super::super::limit::Elements;

/// An element that was granted and has not left.
#[derive(Clone, Copy)]
pub(in crate::engine::ledger) struct Waiting {
    /// The number of its ask within the exchange.
    pub(super) ask: u64,
    pub(super) elements: Elements,
    pub(super) element: u64,
    /// A bit for each key that it was granted under.
    pub(super) under: u64,
    /// Whether some key had not been shown it when it left.
    pub(super) is_new: bool,
}

impl Waiting {
    pub(super) const fn is_under(&self, bit: usize) -> bool {
        self.under & (1 << bit) != 0
    }

    /// Whether it is one of the `elements` of the keys with this bit.
    pub(super) fn counts(&self, bit: usize, elements: Elements) -> bool {
        self.elements == elements && self.is_under(bit)
    }
}

/// A list of which the first have left: it moves together when they are more than half.
#[derive(Default)]
pub(super) struct Queue {
    list: SmallVec<[Waiting; 1]>,
    left: usize,
}

impl Queue {
    pub(super) fn waiting(&self) -> &[Waiting] {
        self.list.get(self.left..).unwrap_or_default()
    }

    pub(super) fn waiting_mut(&mut self) -> &mut [Waiting] {
        self.list.get_mut(self.left..).unwrap_or_default()
    }

    pub(super) fn extend(&mut self, more: impl Iterator<Item = Waiting>) {
        self.list.extend(more);
    }

    /// The first `count` leave.
    pub(super) fn leave(&mut self, count: usize) {
        self.left += count;
        if self.left == self.list.len() {
            self.list.clear();
            self.left = 0;
        } else if self.left > self.list.len() / 2 {
            self.list.drain(..self.left);
            self.left = 0;
        }
    }
}
