//! One key as the ledger keeps it: what was shown, what is about to be shown, its holds and its pace.

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::limit::{Excess, Limit};
use super::seen::Seen;
use super::{BudgetId, Dimension};
use crate::engine::time::Now;

/// A sweep costs a look at each element, so that it is spread over as many sightings.
const SHOWN_BETWEEN_SWEEPS: u32 = 1024;

/// A key refused for a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    pub(super) since: u32,
    pub(super) until: u32,
    /// `None` when a person set it.
    pub(super) cause: Option<BudgetId>,
}

/// People a person granted beyond every limit of the key, until a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    pub(super) people: u32,
    pub(super) until: u32,
}

/// What one limit says to one more subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    Granted,
    /// Granted, and the count is above a limit that only tells.
    Told,
    Refused,
    Wait(u64),
}

pub(super) struct Entry {
    pub(super) dimension: Dimension,
    pub(super) seen: Seen,
    /// Reserved and not yet handed over, with the number of reservations.
    pub(super) pending: HashMap<u64, u32>,
    pub(super) hold: Option<Hold>,
    pub(super) allowance: Option<Allowance>,
    /// Whether an enforcing budget counts under this key: then it is never evicted inside its window.
    pub(super) enforced: bool,
    /// The longest window in seconds that any budget asked of it.
    pub(super) window_max: u32,
    pub(super) windows: SmallVec<[u32; 2]>,
    /// People shown since the entry was made; now and then what no window reaches any more is dropped.
    shown: u32,
    /// GCRA: the millisecond from which each pacing budget grants again.
    paces: SmallVec<[(BudgetId, u64); 1]>,
}

impl Entry {
    pub(super) fn new(dimension: Dimension) -> Self {
        Self {
            dimension,
            seen: Seen::default(),
            pending: HashMap::new(),
            hold: None,
            allowance: None,
            enforced: false,
            window_max: 0,
            windows: SmallVec::new(),
            shown: 0,
            paces: SmallVec::new(),
        }
    }

    /// Remembers which windows are asked of this key and whether some limit enforces.
    pub(super) fn note_limits(&mut self, limits: &[Limit]) {
        for limit in limits {
            self.enforced |= limit.excess != Excess::Told;
            self.window_max = self.window_max.max(limit.window);
            if !self.windows.contains(&limit.window) {
                self.windows.push(limit.window);
            }
        }
    }

    /// In-window ledger together with pending, without counting anyone twice.
    pub(super) fn union(&mut self, window: u32, now: Now) -> u32 {
        let second = now.second();
        let from = second.saturating_sub(window);
        let shown = self.seen.count(window, second);
        let seen = &self.seen;
        let only_pending = self
            .pending
            .keys()
            .filter(|subject| seen.last_seen(**subject).is_none_or(|last| last < from));
        shown + only_pending.count() as u32
    }

    /// Whether `subject` already counts in `window`.
    pub(super) fn knows(&self, subject: u64, window: u32, now: Now) -> bool {
        self.pending.contains_key(&subject)
            || self
                .seen
                .last_seen(subject)
                .is_some_and(|last| last >= now.second().saturating_sub(window))
    }

    /// What `limit` says to one more subject on top of `count`.
    pub(super) fn rule(&self, limit: &Limit, count: u32, now: Now) -> Ruling {
        let extra = self.allowance.filter(|allowance| allowance.until >= now.second());
        let people = limit
            .people
            .saturating_add(extra.map_or(0, |allowance| allowance.people));
        if count < people {
            return Ruling::Granted;
        }
        match limit.excess {
            Excess::Told => Ruling::Told,
            Excess::Refused => Ruling::Refused,
            Excess::Paced { .. } => {
                let from = self
                    .paces
                    .iter()
                    .find(|(budget, _)| *budget == limit.budget)
                    .map_or(0, |(_, from)| *from);
                if now.millis() >= from {
                    Ruling::Granted
                } else {
                    Ruling::Wait(from)
                }
            }
        }
    }

    /// Moves the pace of `limit` for one subject granted above its free people.
    pub(super) fn pace(&mut self, limit: &Limit, now: Now) {
        let Excess::Paced { interval_ms } = limit.excess else {
            return;
        };
        let next = now.millis().saturating_add(interval_ms.max(1));
        match self.paces.iter_mut().find(|(budget, _)| *budget == limit.budget) {
            Some((_, from)) => *from = (*from).max(next),
            None => self.paces.push((limit.budget, next)),
        }
    }

    /// The hold in force at `now`.
    pub(super) fn held(&self, now: Now) -> Option<Hold> {
        self.hold.filter(|hold| hold.until > now.second())
    }

    /// `subject` was handed over at `now`.
    pub(super) fn show(&mut self, subject: u64, now: Now, capacity: usize) {
        self.seen.touch(subject, now.second(), capacity);
        self.unpin(subject);
        self.shown = self.shown.wrapping_add(1);
        if self.shown.is_multiple_of(SHOWN_BETWEEN_SWEEPS) {
            self.seen.forget_before(now.second().saturating_sub(self.window_max));
        }
    }

    /// Adds one reservation of `subject`.
    pub(super) fn pin(&mut self, subject: u64) {
        *self.pending.entry(subject).or_insert(0) += 1;
    }

    /// Drops one reservation of `subject`.
    pub(super) fn unpin(&mut self, subject: u64) {
        if let Some(count) = self.pending.get_mut(&subject) {
            *count -= 1;
            if *count == 0 {
                self.pending.remove(&subject);
            }
        }
    }

    /// Whether nothing under an enforcing budget, held or pending would be forgotten with this key.
    pub(super) fn may_go(&self, now: Now) -> bool {
        let idle = self.seen.newest() < now.second().saturating_sub(self.window_max);
        let released = self.allowance.is_none_or(|allowance| allowance.until < now.second());
        self.pending.is_empty() && self.held(now).is_none() && released && (idle || !self.enforced)
    }
}
