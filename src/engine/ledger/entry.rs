//! One key as the ledger keeps it: what was shown and is about to be, what was decided about it, and its paces.

use smallvec::SmallVec;

use super::frame::{Mark, Tag};
use super::limit::{Excess, Limit};
use super::seen::Seen;
use super::sums::Sums;
use super::young::PEOPLE_MAX;
use super::{BudgetId, Dimension, KeyFrame, KeyId, Kind, RevokedBy, SumLimit};
use crate::engine::time::Now;

/// The newest elements of a key that stay exact at least.
const EXACT_ELEMENTS_MIN: u32 = 1024;

/// A key refused for a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    pub(super) since: u32,
    pub(super) until: u32,
    /// `None` when a person set it.
    pub(super) cause: Option<BudgetId>,
}

pub(super) struct Entry {
    pub(super) seen: Seen,
    /// What few keys have.
    extra: Option<Box<Extra>>,
    pub(super) dimension: Dimension,
    /// The longest window in seconds that any budget asked of it.
    pub(super) window_max: u32,
    /// So many of the newest elements stay exact.
    keep: u32,
    /// Whether an enforcing budget counts under this key: then it is never forgotten inside its window.
    pub(super) enforced: bool,
    /// Whether the client may have made the key up.
    pub(super) may_be_made_up: bool,
    /// What its elements are.
    pub(super) kind: Kind,
    /// A bit for each carrier that is to be told of a change.
    pub(super) changed: u8,
    /// The bytes that it is known to take on the heap.
    pub(super) weight: u32,
    /// What changed was seen in this second or later; where nothing changed, it was in use then.
    pub(super) changed_from: u32,
}

#[derive(Default)]
struct Extra {
    mark: Option<Mark>,
    /// GCRA: the millisecond from which each pacing budget grants again.
    paces: SmallVec<[(BudgetId, u64); 1]>,
    /// Bytes, records or answers, where the key counts those.
    sums: Sums,
}

impl Entry {
    #[inline]
    pub(super) fn new(dimension: Dimension) -> Self {
        Self {
            seen: Seen::default(),
            extra: None,
            dimension,
            window_max: 0,
            keep: EXACT_ELEMENTS_MIN,
            enforced: false,
            may_be_made_up: false,
            kind: Kind::People,
            changed: 0,
            weight: 0,
            changed_from: 0,
        }
    }

    /// Remembers how far back the windows reach that are asked of this key, how exact they must be, and whether some limit
    /// enforces.
    #[inline]
    pub(super) fn note_limits(&mut self, limits: &[Limit]) {
        for limit in limits {
            if matches!(limit.excess, Excess::Kept { .. }) {
                self.kind = Kind::Beside;
            }
            self.enforced |= limit.is_enforcing() || limit.excess == Excess::Kept { enforces: true };
            self.window_max = self.window_max.max(limit.window);
            self.keep = self.keep.max(limit.exact_people());
        }
    }

    /// Its elements are actors, all `keep` of them exact: who is forgotten too early would be taken for somebody new.
    pub(super) fn note_actors(&mut self, window: u32, keep: usize) {
        (self.kind, self.enforced) = (Kind::Actors, true);
        self.window_max = self.window_max.max(window);
        self.keep = self.keep.max(u32::try_from(keep).unwrap_or(u32::MAX));
    }

    /// The same of limits on sums.
    pub(super) fn note_sums(&mut self, limits: &[SumLimit]) {
        for limit in limits {
            self.enforced |= limit.refuses;
            self.window_max = self.window_max.max(limit.window);
        }
    }

    /// So many of the newest people are known one by one.
    pub(super) fn exact_people(&self) -> u32 {
        self.keep
    }

    /// In-window ledger together with what is granted, without counting anyone twice.
    #[inline]
    pub(super) fn people(&mut self, window: u32, now: Now) -> u32 {
        self.seen.count(window, now.second())
    }

    /// The people that `limit` allows now: those of a release come on top.
    #[inline]
    pub(super) fn allowed(&self, limit: &Limit, now: Now) -> u32 {
        let extra = match self.mark().map(|mark| mark.tag) {
            Some(Tag::Released { until, people }) if until >= now.second() => people,
            Some(Tag::Released { .. } | Tag::Held { .. } | Tag::Reinstated | Tag::Revoked { .. }) | None => 0,
        };
        limit.people.saturating_add(extra)
    }

    /// The millisecond from which the pace of `budget` grants again.
    pub(super) fn paced_until(&self, budget: BudgetId) -> u64 {
        let mut paces = self.extra.iter().flat_map(|extra| &extra.paces);
        paces.find(|(known, _)| *known == budget).map_or(0, |(_, from)| *from)
    }

    /// Moves the pace of `budget` for one subject granted above its free people.
    pub(super) fn pace(&mut self, budget: BudgetId, interval_ms: u64, now: Now) {
        let next = now.millis().saturating_add(interval_ms.max(1));
        let paces = &mut self.extra.get_or_insert_default().paces;
        match paces.iter_mut().find(|(known, _)| *known == budget) {
            Some((_, from)) => *from = (*from).max(next),
            None => paces.push((budget, next)),
        }
    }

    /// What the key counts besides people.
    pub(super) fn sums(&self) -> Option<&Sums> {
        self.extra.as_ref().map(|extra| &extra.sums)
    }

    pub(super) fn sums_mut(&mut self) -> &mut Sums {
        &mut self.extra.get_or_insert_default().sums
    }

    #[inline]
    pub(super) fn mark(&self) -> Option<Mark> {
        self.extra.as_ref()?.mark
    }

    /// Decides `tag` at `now`; it replaces what was decided before.
    pub(super) fn decide(&mut self, tag: Tag, now: Now) {
        let before = self.mark().map_or(0, |mark| mark.second.saturating_add(1));
        let second = now.second().max(before);
        self.extra.get_or_insert_default().mark = Some(Mark { second, tag });
    }

    /// Takes in what was decided elsewhere; whether that is news.
    pub(super) fn decided(&mut self, mark: Mark) -> bool {
        let is_news = self.mark().is_none_or(|known| known < mark);
        if is_news {
            self.extra.get_or_insert_default().mark = Some(mark);
        }
        is_news
    }

    /// The hold in force at `now`.
    pub(super) fn held(&self, now: Now) -> Option<Hold> {
        self.hold().filter(|hold| hold.until > now.second())
    }

    /// The last hold, if it was not released.
    pub(super) fn hold(&self) -> Option<Hold> {
        let mark = self.mark()?;
        match mark.tag {
            Tag::Held { until, cause } => Some(Hold {
                since: mark.second,
                until,
                cause,
            }),
            Tag::Released { .. } | Tag::Reinstated | Tag::Revoked { .. } => None,
        }
    }

    /// The last revocation and its second, if it was not taken back.
    pub(super) fn revocation(&self) -> Option<(u32, u32, RevokedBy)> {
        let mark = self.mark()?;
        match mark.tag {
            Tag::Revoked { until, by } => Some((mark.second, until, by)),
            Tag::Held { .. } | Tag::Released { .. } | Tag::Reinstated => None,
        }
    }

    /// Whether people are counted under it: neither actors, nor whether a credential may be used; and by what is decided.
    pub(super) fn counts_people(&self) -> bool {
        self.kind == Kind::People && !self.is_of_credential()
    }

    /// Whether it says if a credential may be used, and counts nobody.
    pub(super) fn is_of_credential(&self) -> bool {
        self.mark().is_some_and(|mark| mark.tag.is_of_credential())
    }

    /// Drops a hold or a revocation that ended; the dimension that has one less.
    pub(super) fn end_mark(&mut self) -> Dimension {
        if let Some(extra) = &mut self.extra {
            extra.mark = None;
        }
        self.dimension
    }

    /// Drops what no window reaches any more, and what need not be exact.
    #[inline]
    pub(super) fn forget(&mut self, now: Now, keep_max: usize) {
        let from = now.second().saturating_sub(self.window_max);
        self.seen.forget(from, (self.keep as usize).min(keep_max));
    }

    /// Takes in what is known elsewhere.
    pub(super) fn merge(&mut self, frame: &KeyFrame, now: Now, keep_max: usize) {
        self.enforced |= frame.enforced;
        self.may_be_made_up |= frame.may_be_made_up;
        self.kind = self.kind.max(frame.kind);
        self.window_max = self.window_max.max(frame.window_max);
        self.seen.merge(&frame.elements, &frame.registers);
        if !frame.sums.is_empty() {
            self.sums_mut().merge(&frame.sums);
        }
        // How exact it must be, the limits say when it is next asked for: until then nobody of it is only estimated.
        let keep = if self.enforced {
            keep_max
        } else {
            (self.keep as usize).min(keep_max)
        };
        self.seen.forget(now.second().saturating_sub(self.window_max), keep);
    }

    /// What was seen or decided at or after the second `from`, and what the key is.
    pub(super) fn frame(&self, key: KeyId, from: u32) -> KeyFrame {
        KeyFrame {
            enforced: self.enforced,
            may_be_made_up: self.may_be_made_up,
            kind: self.kind,
            window_max: self.window_max,
            mark: self.mark(),
            elements: self.seen.since(from),
            registers: self.seen.registers(from),
            sums: self.sums().map(|sums| sums.since(from)).unwrap_or_default(),
            ..KeyFrame::new(key, self.dimension)
        }
    }

    /// The second of the last sighting or sum.
    pub(super) fn newest(&self) -> u32 {
        self.seen.newest().max(self.sums().map_or(0, Sums::newest))
    }

    /// Whether nothing under an enforcing budget, held or granted would be forgotten with this key.
    pub(super) fn may_go(&self, now: Now) -> bool {
        let idle = self.newest() < now.second().saturating_sub(self.window_max);
        let is_marked = self.mark().is_some_and(|mark| mark.matters(now.second()));
        !is_marked && (idle || !self.enforced) && self.seen.pinned() == 0
    }

    /// Whether all that is known of it is on disk, nobody is about to be shown, and it was not seen since the second `idle_from`.
    pub(super) fn may_spill(&self, idle_from: u32, now: Now) -> bool {
        let is_plain = |extra: &Extra| {
            let is_paced = extra.paces.iter().any(|(_, from)| *from > now.millis());
            extra.mark.is_none() && extra.sums.newest() == 0 && !is_paced
        };
        let is_idle = self.newest() < idle_from && self.changed_from < idle_from;
        self.changed == 0 && is_idle && self.extra.as_deref().is_none_or(is_plain) && self.seen.pinned() == 0
    }

    /// An exchange counts under it from now on.
    pub(super) fn used_at(&mut self, now: Now) {
        self.changed_from = self.changed_from.max(now.second());
    }

    /// Whether all that is known of it fits into a key at rest, and nobody waits to be told of it.
    pub(super) fn may_rest(&self) -> bool {
        self.may_be_made_up && self.changed == 0 && self.extra.is_none() && self.seen.is_small(PEOPLE_MAX)
    }

    /// Bytes on the heap.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        let extra = |extra: &Extra| size_of::<Extra>() + extra.sums.bytes();
        self.seen.bytes() + self.extra.as_deref().map_or(0, extra)
    }
}
