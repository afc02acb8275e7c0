//! Who was under a key before: actors as elements of a key beside it, so that store and fleet carry them as they carry people.
//!
//! ```text
//!  first seen ── a day passes ──▶ known, for as long as it comes back within thirty days
//!      └── nothing for thirty days ──▶ forgotten, and new again
//! ```
//! An account that may be idle is remembered the same way, and longer: by the one second in which it was last used. Once that is
//! too long ago it stays, until a person says that the account is in use.
//!
//! An element keeps the second in which it was last seen, and merges by maximum. So an actor is two of them: one that is touched
//! once, in the second of the first sighting, and one that is touched again and again once the first is a day old.

use std::iter::once;

use super::carry::Carrier;
use super::entry::Entry;
use super::shards::{Ledger, shard_of};
use super::slot::Granting;
use super::subject_hash::spread;
use super::{Dimension, KeyId};
use crate::engine::time::Now;

/// For so long, in seconds, an actor is new under a key.
const NEW_SECONDS: u32 = 86_400;
/// Who was not seen for so long, in seconds, is new again: the longest window of a budget.
const KNOWN_SECONDS: u32 = 30 * 86_400;
/// A sighting of who is known is noted once in so many seconds: each one is written to disk and told to the fleet.
const NOTED_SECONDS: u32 = 3_600;
/// An account that was not seen for so long, in seconds, is new, and not idle: five years.
const USED_SECONDS: u32 = 5 * 365 * 86_400;
/// Within so many seconds after it was first seen here, a gateway hears when an account was used elsewhere.
const HEARD_SECONDS: u32 = 60;
/// The elements of an account: when it was first seen, and when it was last used.
const FIRST: u64 = 0x6669_7273_7400_0001;
const USED: u64 = 0x7573_6564_0000_0001;
/// Tells the second element of an actor from the first.
const KNOWN: u64 = 0x6b6e_6f77_6e00_0001;

/// What is known of an actor under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// First seen less than a day ago.
    New,
    /// First seen earlier.
    Known,
    /// Nobody can say: there is no room, or more actors than are remembered.
    Unsure,
}

/// What follows from a look at the actors of a key.
enum Note {
    /// Nothing: all is known.
    Nothing,
    /// Other gateways may know better: what they know is asked for in the next round.
    Ask,
    /// This element is seen now.
    Seen(u64),
}

impl KeyId {
    /// Where it stands who was under the key; of that place, the key. Another place than that of revocations.
    #[must_use]
    pub fn of_actors(self) -> Self {
        Self(self.0.map(|byte| byte ^ 0x55))
    }
}

impl Ledger {
    /// Notes that `actor` is under `key` now, and says whether it is new there. Each actor takes two elements: half of
    /// `exact_elements_max` are remembered, about 40 bytes each, and beyond that nobody is new. What `key` has on disk alone must
    /// have been read back ([`KeyId::of_actors`]).
    pub fn meet(&self, key: KeyId, dimension: Dimension, actor: u64, now: Now) -> Meeting {
        let second = now.second();
        let known = spread(actor ^ KNOWN);
        let met = self.with_actors(key, dimension, KNOWN_SECONDS, now, |entry| {
            let from = second.saturating_sub(KNOWN_SECONDS);
            let last = |element| entry.seen.last(element).filter(|last| *last >= from);
            match (last(actor), last(known)) {
                (_, Some(last)) if second < last.saturating_add(NOTED_SECONDS) => (Meeting::Known, Note::Nothing),
                (_, Some(_)) => (Meeting::Known, Note::Seen(known)),
                (Some(first), None) if second >= first.saturating_add(NEW_SECONDS) => {
                    (Meeting::Known, Note::Seen(known))
                }
                (Some(_), None) => (Meeting::New, Note::Ask),
                (None, None) if entry.seen.is_exact(from) => (Meeting::New, Note::Seen(actor)),
                (None, None) => (Meeting::Unsure, Note::Nothing),
            }
        });
        met.unwrap_or(Meeting::Unsure)
    }

    /// Notes that the account of `key` is used now, and says whether it had not been for `idle_s` seconds: then nothing is noted,
    /// and it stays idle until [`Ledger::recertify`]. About 250 bytes an account. Not idle is also one that nobody knows or that has
    /// no room. What an account did at another gateway is known here once the fleet has told it: one whose whole use fell
    /// into its first minute is not told from a new one there.
    pub fn is_idle(&self, key: KeyId, dimension: Dimension, idle_s: u32, now: Now) -> bool {
        let second = now.second();
        let idle = self.with_actors(key, dimension, USED_SECONDS, now, |entry| {
            let (first, used) = (entry.seen.last(FIRST), entry.seen.last(USED));
            let Some(last) = used.or(first) else {
                return (false, Note::Seen(FIRST));
            };
            if second >= last.saturating_add(idle_s) {
                return (true, Note::Ask);
            }
            // What is noted too early would hide from the fleet that it was idle.
            let wait = if used.is_some() { NOTED_SECONDS } else { HEARD_SECONDS };
            if second < last.saturating_add(wait) {
                return (false, Note::Nothing);
            }
            (false, Note::Seen(USED))
        });
        idle.unwrap_or(false)
    }

    /// The account of `key` is in use, whether it was idle or not; false where it is not remembered.
    pub fn recertify(&self, key: KeyId, now: Now) -> bool {
        let key = key.of_actors();
        let mut shard = self.lock_shard(shard_of(key));
        let Some(place) = shard.keys.find(key) else {
            return false;
        };
        let Some(entry) = shard.keys.at(place).filter(|entry| entry.seen.last(FIRST).is_some()) else {
            return false;
        };
        entry.seen.show(once((USED, &mut false)), now.second(), Granting::None);
        shard.weigh(place);
        shard.changed(self.carriers, place, now.second());
        true
    }

    /// Looks at the actors under `key`, and notes what `look` says. `None` where the key has no room.
    fn with_actors<T>(
        &self,
        key: KeyId,
        dimension: Dimension,
        window: u32,
        now: Now,
        look: impl FnOnce(&Entry) -> (T, Note),
    ) -> Option<T> {
        let key = key.of_actors();
        let mut shard = self.lock_shard(shard_of(key));
        if shard.spilled.contains(key) {
            return None;
        }
        let place = match shard.find(key, dimension) {
            Some(place) => place,
            None if self.make_room(&mut shard, false, now) => shard.insert(key, dimension),
            None => return None,
        };
        let keep = self.settings().exact_elements_max;
        let entry = shard.keys.at(place)?;
        entry.note_actors(window, keep);
        let (found, note) = look(entry);
        match note {
            Note::Nothing => {}
            Note::Ask => shard.changed(self.carriers & Carrier::Fleet.bit(), place, now.second()),
            Note::Seen(element) => {
                entry
                    .seen
                    .show(once((element, &mut false)), now.second(), Granting::None);
                entry.forget(now, keep);
                shard.weigh(place);
                shard.changed(self.carriers, place, now.second());
            }
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::Settings;

    const START: Now = Now::from_millis(1_800_000_000_000);
    const KEY: KeyId = KeyId([7; 12]);

    fn ledger(exact_elements_max: usize) -> Ledger {
        let mut ledger = Ledger::new(Settings {
            exact_elements_max,
            ..Settings::default()
        });
        ledger.carry(Carrier::Fleet);
        ledger
    }

    fn meet(ledger: &Ledger, actor: u64, hours: u64) -> Meeting {
        ledger.meet(KEY, Dimension::Network, actor, START.after(hours * 3_600_000))
    }

    #[test]
    fn who_is_new_stays_so_for_a_day_and_is_known_as_long_as_it_comes_back() {
        let ledger = ledger(10_000);
        assert_eq!(meet(&ledger, 1, 0), Meeting::New);
        assert_eq!(meet(&ledger, 1, 23), Meeting::New, "it was first seen 23 hours ago");
        assert_eq!(meet(&ledger, 1, 24), Meeting::Known);
        assert_eq!(meet(&ledger, 2, 24), Meeting::New, "another actor");
        assert_eq!(meet(&ledger, 2, 24 + 20 * 24), Meeting::Known, "it came once before");
        assert_eq!(meet(&ledger, 1, 24 + 29 * 24), Meeting::Known);
        assert_eq!(
            meet(&ledger, 1, 24 + 58 * 24),
            Meeting::Known,
            "it came back within thirty days"
        );
        assert_eq!(meet(&ledger, 1, 24 + 89 * 24), Meeting::New, "it was away for longer");
    }

    #[test]
    fn where_more_come_than_are_remembered_nobody_is_new() {
        let ledger = ledger(1_024);
        for actor in 10..1_034 {
            assert_eq!(meet(&ledger, actor, 0), Meeting::New);
        }
        assert_eq!(
            meet(&ledger, 2_000, 1),
            Meeting::New,
            "it is the first that is one too many"
        );
        assert_eq!(meet(&ledger, 2_001, 1), Meeting::Unsure);
        assert!(
            ledger.keys(None, 10, &|_| &[3_600], START).is_empty(),
            "actors are no people"
        );
    }

    #[test]
    fn who_is_known_to_one_gateway_is_known_to_all_and_after_a_restart() {
        let (first, second) = (ledger(10_000), ledger(10_000));
        for hours in [0, 24] {
            meet(&first, 1, hours);
        }
        let mut frames = Vec::new();
        first.drain(Carrier::Fleet, &mut frames);
        assert_eq!(meet(&second, 1, 24), Meeting::New, "nobody told it yet");
        for frame in &frames {
            let (mut bytes, now) = (Vec::new(), START.after(24 * 3_600_000));
            frame.encode(&mut bytes);
            let read = crate::engine::ledger::KeyFrame::decode(&bytes).unwrap();
            assert_eq!(read.kind, crate::engine::ledger::Kind::Actors);
            second.merge(&read, Carrier::Fleet, now);
        }
        assert_eq!(meet(&second, 1, 24), Meeting::Known);
    }

    const DAY: u32 = 86_400;

    fn is_idle(ledger: &Ledger, days: u64) -> bool {
        let now = START.after(days * 86_400_000);
        ledger.is_idle(KEY, Dimension::Principal, 30 * DAY, now)
    }

    #[test]
    fn who_was_idle_stays_so_until_a_person_says_otherwise() {
        let ledger = ledger(10_000);
        assert!(!ledger.recertify(KEY, START), "nobody knows it");
        for days in [0, 1, 30] {
            assert!(!is_idle(&ledger, days), "it is new, or in use: day {days}");
        }
        assert!(!is_idle(&ledger, 59));
        assert!(is_idle(&ledger, 59 + 30));
        assert!(is_idle(&ledger, 59 + 31), "that it is used is no excuse");
        assert!(is_idle(&ledger, 59 + 600));
        assert!(ledger.recertify(KEY, START.after(660 * 86_400_000)));
        assert!(!is_idle(&ledger, 660) && !is_idle(&ledger, 689));
        assert!(is_idle(&ledger, 719));
    }

    #[test]
    fn what_one_gateway_does_not_know_yet_excuses_nobody_at_another() {
        let (first, second) = (ledger(10_000), ledger(10_000));
        for days in [0, 1] {
            assert!(!is_idle(&first, days));
        }
        assert!(!is_idle(&second, 100), "it does not know the account yet");
        for (from, to) in [(&first, &second), (&second, &first)] {
            let mut frames = Vec::new();
            from.drain(Carrier::Fleet, &mut frames);
            for frame in &frames {
                to.merge(frame, Carrier::Fleet, START.after(100 * 86_400_000));
            }
        }
        assert!(is_idle(&second, 100) && is_idle(&first, 100));
    }

    #[test]
    fn without_room_nobody_can_say() {
        let ledger = Ledger::new(Settings {
            bytes_max: 0,
            ..Settings::default()
        });
        assert_eq!(ledger.meet(KEY, Dimension::Network, 1, START), Meeting::Unsure);
        assert!(!ledger.is_idle(KEY, Dimension::Principal, 1, START));
    }
}
