//! Credentials that may not be used any more: marks beside the keys, carried as holds are.
//!
//! What is decided about a key as a credential stands under another, the complement of its bits: a hold of the key comes and
//! goes with budgets, and may not take the place of a revocation.

use std::sync::atomic::Ordering;

use super::entry::Entry;
use super::frame::Tag;
use super::shards::{Ledger, SHARDS, Shard, shard_of};
use super::{Dimension, KeyId, RevokedKey};
use crate::engine::time::Now;

/// Revocations at once: as many as gateways tell one another. Each takes about 300 bytes. One more is refused.
pub const REVOCATIONS_MAX: usize = 200_000;

/// Who revoked a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RevokedBy {
    /// A person.
    Person,
    /// A security event that an identity provider sent.
    Event,
    /// A directory, by provisioning.
    Directory,
}

impl RevokedBy {
    pub(super) const ALL: [Self; 3] = [Self::Person, Self::Event, Self::Directory];

    /// Its name in answers and exports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Person => "manual",
            Self::Event => "event",
            Self::Directory => "scim",
        }
    }

    /// The one with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.name() == name)
    }
}

/// Where it stands whether `key` may be used; and of that place, the key.
fn beside(key: KeyId) -> KeyId {
    KeyId(key.0.map(|byte| !byte))
}

impl Ledger {
    /// Revokes `key` until a second, or later where that was said before; false where there are [`REVOCATIONS_MAX`]. Live streams
    /// learn of it through [`Ledger::holds_changed`].
    pub fn revoke(&self, key: KeyId, dimension: Dimension, until: u32, by: RevokedBy, now: Now) -> bool {
        if self.revocations.load(Ordering::Relaxed) >= REVOCATIONS_MAX {
            self.sweep_revocations(now);
        }
        let has_room = self.revocations.load(Ordering::Relaxed) < REVOCATIONS_MAX;
        let key = beside(key);
        let mut shard = self.lock_shard(shard_of(key));
        if !has_room && shard.keys.get(key).and_then(Entry::revocation).is_none() {
            return false;
        }
        let place = shard.find_or_insert(key, dimension);
        let known = shard.keys.at(place).and_then(|entry| entry.revocation());
        let until = known.map_or(until, |(_, known, _)| known.max(until));
        self.mark(&mut shard, place, Tag::Revoked { until, by }, now);
        true
    }

    /// Lets `key` be used again; false where it is not revoked.
    pub fn reinstate(&self, key: KeyId, now: Now) -> bool {
        let key = beside(key);
        let mut shard = self.lock_shard(shard_of(key));
        let Some(place) = shard.keys.find(key) else {
            return false;
        };
        let is_revoked = shard.keys.at(place).is_some_and(|entry| revoked(entry, now).is_some());
        if is_revoked {
            self.mark(&mut shard, place, Tag::Reinstated, now);
        }
        is_revoked
    }

    /// The second in which `key` was revoked, if it is at `now`.
    pub fn revoked(&self, key: KeyId, now: Now) -> Option<u32> {
        // Nothing is, nearly always.
        if self.revocations.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let key = beside(key);
        let shard = self.lock_shard(shard_of(key));
        revoked(shard.keys.get(key)?, now).map(|(since, ..)| since)
    }

    /// The second in which it was last decided whether `key` may be used; 0 if that never was.
    pub fn decided_on(&self, key: KeyId) -> u32 {
        let key = beside(key);
        let shard = self.lock_shard(shard_of(key));
        let mark = shard.keys.get(key).and_then(Entry::mark);
        mark.map_or(0, |mark| mark.second)
    }

    /// Up to `limit` revocations in force.
    pub fn revocations(&self, now: Now, limit: usize) -> Vec<RevokedKey> {
        let mut views = Vec::new();
        for at in 0..SHARDS {
            let shard = self.lock_shard(at);
            views.extend(shard.keys.iter().filter_map(|(key, entry)| {
                let (since, until, by) = revoked(entry, now)?;
                Some(RevokedKey {
                    key: beside(key),
                    dimension: entry.dimension,
                    since,
                    until,
                    by,
                })
            }));
            if views.len() >= limit {
                views.truncate(limit);
                break;
            }
        }
        views
    }

    /// An entry has a revocation, or had one.
    pub(super) fn count_revocation(&self, had: bool, has: bool) {
        match (had, has) {
            (false, true) => _ = self.revocations.fetch_add(1, Ordering::Relaxed),
            (true, false) => _ = self.revocations.fetch_sub(1, Ordering::Relaxed),
            (true, true) | (false, false) => {}
        }
    }

    fn mark(&self, shard: &mut Shard, place: u32, tag: Tag, now: Now) {
        let Some(entry) = shard.keys.at(place) else { return };
        let had = entry.revocation().is_some();
        entry.decide(tag, now);
        self.count_revocation(had, entry.revocation().is_some());
        shard.weigh(place);
        shard.changed(self.carriers, place, now.second());
        self.tell_holds();
    }

    /// Gives back the revocations that ended.
    fn sweep_revocations(&self, now: Now) {
        for at in 0..SHARDS {
            let mut shard = self.lock_shard(at);
            let ended = shard.keys.iter_mut().filter(|(_, entry)| {
                let has_ended = |(_, until, _): (u32, u32, RevokedBy)| until <= now.second();
                entry.revocation().is_some_and(has_ended)
            });
            for (_, entry) in ended {
                entry.end_mark();
                self.count_revocation(true, false);
            }
        }
    }
}

/// The revocation in force: since, until, by whom.
fn revoked(entry: &Entry, now: Now) -> Option<(u32, u32, RevokedBy)> {
    let revocation = entry.revocation();
    revocation.filter(|(_, until, _)| *until > now.second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::{Carrier, KeyFrame, Settings};

    const START: Now = Now::from_millis(1_800_000_000_000);
    const KEY: KeyId = KeyId([7; 12]);

    fn ledger() -> Ledger {
        let mut ledger = Ledger::new(Settings::default());
        ledger.carry(Carrier::Fleet);
        ledger
    }

    fn revoke(ledger: &Ledger, until: u32, now: Now) -> bool {
        ledger.revoke(KEY, Dimension::Principal, until, RevokedBy::Person, now)
    }

    fn told(ledger: &Ledger) -> KeyFrame {
        let mut frames = Vec::new();
        ledger.drain(Carrier::Fleet, &mut frames);
        frames.pop().expect("something changed")
    }

    #[test]
    fn who_is_revoked_stays_so_until_the_end_or_a_person_says_otherwise() {
        let ledger = ledger();
        assert_eq!(ledger.revoked(KEY, START), None);
        assert!(revoke(&ledger, START.second() + 60, START));
        assert_eq!(ledger.revoked(KEY, START.after(59_000)), Some(START.second()));
        assert_eq!(ledger.revoked(KEY, START.after(60_000)), None);
        assert!(revoke(&ledger, u32::MAX, START));
        assert!(revoke(&ledger, START.second() + 1, START), "it is revoked");
        assert!(
            ledger.revoked(KEY, START.after(86_400_000)).is_some(),
            "the later end stays"
        );
        let again = START.after(5_000);
        assert!(revoke(&ledger, START.second() + 1, again));
        assert_eq!(
            ledger.revoked(KEY, again),
            Some(again.second()),
            "what it means moves on"
        );
        assert!(ledger.reinstate(KEY, START));
        assert!(!ledger.reinstate(KEY, START), "it is not revoked any more");
        assert_eq!(
            (ledger.revoked(KEY, START), ledger.revocations(START, 9).len()),
            (None, 0)
        );
        assert!(ledger.decided_on(KEY) >= START.second());
    }

    #[test]
    fn a_hold_a_release_and_a_listing_leave_a_revocation_alone() {
        let ledger = ledger();
        ledger.hold(KEY, Dimension::Principal, 9, None, START);
        assert!(revoke(&ledger, u32::MAX, START));
        ledger.hold(KEY, Dimension::Principal, 60, None, START.after(1_000));
        ledger.release(KEY, 5, START.second() + 60, START.after(2_000));
        assert!(ledger.revoked(KEY, START.after(3_000)).is_some());
        let [revoked] = ledger.revocations(START, 9).try_into().unwrap();
        assert_eq!((revoked.key, revoked.until), (KEY, u32::MAX));
        assert_eq!(ledger.keys(None, 9, &|_| &[], START).len(), 1, "nobody counts under it");
        assert!(!ledger.release(beside(KEY), 0, 0, START) && ledger.key(beside(KEY), &|_| &[], START).is_none());
    }

    #[test]
    fn frames_in_any_order_end_with_what_was_decided_last() {
        let ledger_a = ledger();
        assert!(revoke(&ledger_a, u32::MAX, START));
        let first = told(&ledger_a);
        assert!(ledger_a.reinstate(KEY, START));
        let second = told(&ledger_a);
        for frames in [[&first, &second, &first], [&second, &first, &second]] {
            let other = ledger();
            let before = other.holds_changed();
            for frame in frames {
                other.merge(frame, Carrier::Fleet, START);
            }
            assert_eq!(other.revoked(KEY, START), None);
            assert_ne!(other.holds_changed(), before, "live streams look");
            other.merge(&first, Carrier::Store, START);
            assert_eq!(other.revocations.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn revocations_are_bounded_and_those_that_ended_make_room() {
        let ledger = ledger();
        let key = |number: u32| {
            let mut id = [0; 12];
            id.iter_mut()
                .zip(number.to_le_bytes())
                .for_each(|(to, from)| *to = from);
            KeyId(id)
        };
        let revoke = |number: u32, until: u32, now: Now| {
            ledger.revoke(key(number), Dimension::Session, until, RevokedBy::Event, now)
        };
        let max = REVOCATIONS_MAX as u32;
        assert!((0..max).all(|number| revoke(number, START.second() + 60 + number % 2, START)));
        assert!(!revoke(max, u32::MAX, START), "there is no room");
        assert!(revoke(0, u32::MAX, START), "but for who has a place");
        assert!(revoke(max, u32::MAX, START.after(60_000)));
        assert_eq!(
            ledger.revocations(START.after(60_000), REVOCATIONS_MAX).len(),
            REVOCATIONS_MAX / 2 + 2
        );
    }
}
