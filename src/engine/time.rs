//! Time as the engine is told it: a value that callers pass in, never a clock it reads.

/// A moment in unix milliseconds, as the process clock (`run.rs`) tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Now(u64);

impl Now {
    /// A moment from unix milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Unix milliseconds.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The unix second this moment falls in; saturates in the year 2106.
    pub const fn second(self) -> u32 {
        let second = self.0 / 1000;
        if second > u32::MAX as u64 {
            u32::MAX
        } else {
            second as u32
        }
    }

    /// This moment, `millis` later.
    #[must_use]
    pub const fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}
