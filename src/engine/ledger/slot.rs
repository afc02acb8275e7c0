//! One element of one key: when it was last seen, and how many exchanges are about to show it.

/// How an element comes to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Granting {
    /// This exchange was granted it: one grant ends.
    Before,
    /// The key grants nothing, or it was shown elsewhere.
    None,
}

/// An element, or the place where one was. What is granted and not yet shown counts as shown, and is forgotten with its
/// last grant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) element: u64,
    /// The second it was last seen in; a grant is a sighting.
    pub(super) last: u32,
    /// Exchanges that were granted it and did not hand it over yet.
    pins: u16,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Gone,
    Granted,
    Shown,
    /// Shown once, and granted again since: when it was shown is no longer known.
    Regranted,
}

impl Slot {
    /// An element that was shown.
    pub(super) const fn new(element: u64, last: u32) -> Self {
        Self {
            element,
            last,
            pins: 0,
            state: State::Shown,
        }
    }

    /// An element that nobody was granted yet.
    pub(super) const fn granted(element: u64, last: u32) -> Self {
        Self {
            state: State::Granted,
            ..Self::new(element, last)
        }
    }

    /// The same, as one exchange is about to show it.
    pub(super) const fn pinned(mut self) -> Self {
        self.pin();
        self
    }

    #[inline]
    pub(super) const fn is(&self, element: u64) -> bool {
        self.element == element && self.is_taken()
    }

    pub(super) const fn is_taken(&self) -> bool {
        !matches!(self.state, State::Gone)
    }

    pub(super) const fn is_pinned(&self) -> bool {
        self.pins > 0
    }

    /// The element and its second, if it was shown.
    pub(super) fn shown(&self) -> Option<(u64, u32)> {
        matches!(self.state, State::Shown | State::Regranted).then_some((self.element, self.last))
    }

    /// Whether it was shown at or after `from`, and not only granted since.
    pub(super) fn is_shown_since(&self, from: u32) -> bool {
        self.state == State::Shown && self.last >= from
    }

    /// It is granted, or about to be shown, in `second`.
    pub(super) fn touch(&mut self, second: u32) {
        if second > self.last {
            self.last = second;
            if self.state == State::Shown {
                self.state = State::Regranted;
            }
        }
    }

    /// One more exchange is about to show it. At 65,535 it stays pinned for good, which keeps it counted.
    pub(super) const fn pin(&mut self) {
        self.pins = self.pins.saturating_add(1);
    }

    /// One exchange less; whether nothing keeps the element.
    pub(super) const fn unpin(&mut self) -> bool {
        if self.pins < u16::MAX {
            self.pins = self.pins.saturating_sub(1);
        }
        self.pins == 0 && matches!(self.state, State::Granted)
    }

    /// It is shown; whether for the first time.
    #[inline]
    pub(super) fn show(&mut self, granting: Granting) -> bool {
        if granting == Granting::Before {
            self.unpin();
        }
        let before = std::mem::replace(&mut self.state, State::Shown);
        !matches!(before, State::Shown | State::Regranted)
    }

    /// It was seen in `second` elsewhere.
    pub(super) fn saw(&mut self, second: u32) {
        if second >= self.last {
            self.state = State::Shown;
        } else if self.state == State::Granted {
            self.state = State::Regranted;
        }
        self.last = self.last.max(second);
    }

    /// The element is elsewhere, or forgotten.
    pub(super) const fn clear(&mut self) {
        self.state = State::Gone;
    }
}
