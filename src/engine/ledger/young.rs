//! Sessions that may be made up and were shown one person or two, in 24 bytes each: the breach minted 44 million of them.
//!
//! They are keys at rest: whoever comes back wakes the key, which then reserves as any other, and goes to rest again when its
//! exchange ends. The third person keeps it awake.
//!
//! ```text
//!  [ 42 bits of the key | 22 bits: minute of the last sighting ] [ subject ] [ subject, or 0 ]
//! ```

use hashbrown::HashTable;

use super::KeyId;
use super::subject_hash::spread;

/// Bits of the minute: eight years from the first.
const MINUTE_BITS: u32 = 22;
/// The minute from which they count: 2026-01-01.
const FIRST_MINUTE: u32 = 29_453_760;
/// People that fit.
pub(super) const PEOPLE_MAX: usize = 2;

/// The sessions of one shard at rest.
#[derive(Default)]
pub(super) struct Young {
    table: HashTable<Resting>,
    /// The longest window in seconds that was asked of any of them.
    window_max: u32,
    /// The second in which a look at all of them made no room.
    crowded: u32,
}

#[derive(Clone, Copy)]
struct Resting {
    name: u64,
    people: [u64; PEOPLE_MAX],
}

impl Young {
    /// The longest window in seconds that was asked of any of them.
    pub(super) fn window_max(&self) -> u32 {
        self.window_max
    }

    /// Whether none is at rest.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many are at rest.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        self.table.allocation_size()
    }

    /// Puts a session to rest whose `people` were last seen in `newest`, unless there are `max` already; whether it rests.
    pub(super) fn rest(&mut self, key: KeyId, people: &[(u64, u32)], window: u32, max: usize, now: u32) -> bool {
        if people.is_empty() || people.len() > PEOPLE_MAX || !self.has_room(max, now) {
            return false;
        }
        // The minute that the last sighting is in ends later than it was: nobody is forgotten too early.
        let minute = people
            .iter()
            .map(|(_, second)| second / 60 + 1)
            .max()
            .unwrap_or_default();
        let minute = minute.saturating_sub(FIRST_MINUTE).min((1 << MINUTE_BITS) - 1);
        let mut resting = Resting {
            name: name(key) << MINUTE_BITS | u64::from(minute),
            people: [0; PEOPLE_MAX],
        };
        for (place, (person, _)) in resting.people.iter_mut().zip(people) {
            *place = *person;
        }
        self.window_max = self.window_max.max(window);
        self.table
            .insert_unique(hash(resting.name), resting, |known| hash(known.name));
        true
    }

    /// Takes out a session that wakes: its people, and the second in which they were last seen.
    #[inline]
    pub(super) fn wake(&mut self, key: KeyId) -> Option<Vec<(u64, u32)>> {
        if self.table.is_empty() {
            return None;
        }
        let wanted = name(key);
        let found = self
            .table
            .find_entry(hash(wanted << MINUTE_BITS), |known| known.name >> MINUTE_BITS == wanted);
        let (resting, _) = found.ok()?.remove();
        let second = resting.second();
        let people = resting.people.iter().filter(|person| **person != 0);
        Some(people.map(|person| (*person, second)).collect())
    }

    fn has_room(&mut self, max: usize, now: u32) -> bool {
        if self.table.len() < max {
            return true;
        }
        if self.crowded != now {
            let from = now.saturating_sub(self.window_max);
            self.table.retain(|resting| resting.second() >= from);
            self.crowded = now;
        }
        self.table.len() < max
    }
}

impl Resting {
    fn second(self) -> u32 {
        let minute = (self.name & ((1 << MINUTE_BITS) - 1)) as u32;
        (FIRST_MINUTE + minute) * 60
    }
}

/// 42 bits of a key. Two of 172,000 sessions of a shard share them once in 25 million.
fn name(key: KeyId) -> u64 {
    let last = key.0.last_chunk().copied();
    u64::from_le_bytes(last.unwrap_or_default()) >> MINUTE_BITS
}

/// Of the name alone: the minute changes.
fn hash(name: u64) -> u64 {
    spread(name >> MINUTE_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u32 = (FIRST_MINUTE + 500_000) * 60;

    fn key(number: u64) -> KeyId {
        let mut id = [0; 12];
        let bytes = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        id.iter_mut().skip(4).zip(bytes).for_each(|(to, from)| *to = from);
        KeyId(id)
    }

    #[test]
    fn who_rests_wakes_with_its_people() {
        let mut young = Young::default();
        for number in 0..10_000 {
            let people = [(number * 2 + 1, NOW + number as u32), (number * 2 + 2, NOW)];
            assert!(young.rest(key(number), &people[..=(number as usize % 2)], 3600, 20_000, NOW));
        }
        assert!(young.bytes() < 10_000 * 60);
        for number in 0..10_000 {
            let people = young.wake(key(number)).unwrap();
            assert_eq!(people.len(), 1 + number as usize % 2);
            assert_eq!(people[0].0, number * 2 + 1);
            let late = people[0].1 - (NOW + number as u32);
            assert!((1..=60).contains(&late) || number % 2 == 1, "never too early: {late}");
        }
        assert_eq!(young.len(), 0);
        assert_eq!(young.wake(key(1)), None);
    }

    #[test]
    fn there_are_never_more_than_may_be_and_idle_ones_make_room() {
        let mut young = Young::default();
        for number in 0..20 {
            assert_eq!(young.rest(key(number), &[(1, NOW)], 600, 10, NOW), number < 10);
        }
        assert!(young.rest(key(99), &[(1, NOW)], 600, 10, NOW + 700));
        assert_eq!(young.len(), 1);
        assert!(
            !young.rest(key(98), &[(1, NOW), (2, NOW), (3, NOW)], 600, 10, NOW),
            "the third is one too many"
        );
    }
}
