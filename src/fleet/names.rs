//! The names of keys in the store, and the bytes of their members.

use crate::engine::ledger::{KeyId, Kind, RANK_MAX, REGISTERS};
use crate::engine::secret::PeopleMark;

/// The exponent of the number of registers.
pub(super) const PRECISION: u32 = REGISTERS.trailing_zeros();

/// The names under one prefix. All that belongs to one key is in one slot of a cluster.
pub(super) struct Names {
    prefix: String,
    people: PeopleMark,
}

/// Where what is known of a key stands: people of one hash key meet none of another.
#[derive(Clone, Copy)]
pub(super) struct Place(KeyId);

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: format!("{prefix}:1"),
            people: PeopleMark::default(),
        }
    }

    /// The same, where people are hashed with this key of theirs.
    pub(super) fn of_people(self, people: PeopleMark) -> Self {
        Self { people, ..self }
    }

    /// The place of a key under which people are counted: what is kept up beside it here is where they are elsewhere once they
    /// are hashed with that key.
    pub(super) fn people(&self, key: KeyId) -> Place {
        Place(key.beside(self.people))
    }

    /// The place of a key of this kind: with no people, where all find it.
    pub(super) fn place(&self, key: KeyId, kind: Kind, has_sums: bool) -> Place {
        if kind == Kind::Actors || has_sums {
            Place(key)
        } else {
            self.people(key)
        }
    }

    pub(super) fn elements(&self, place: Place) -> String {
        self.of(place.0, 'e')
    }

    pub(super) fn registers(&self, place: Place) -> String {
        self.of(place.0, 's')
    }

    pub(super) fn sums(&self, key: KeyId) -> String {
        self.of(key, 'n')
    }

    pub(super) fn claims(&self, place: Place) -> String {
        self.of(place.0, 'c')
    }

    pub(super) fn holds(&self) -> String {
        format!("{}:hold", self.prefix)
    }

    pub(super) fn revocations(&self) -> String {
        format!("{}:revoked", self.prefix)
    }

    /// Of one of 256 sets, each in a slot of its own.
    pub(super) fn births(&self, set: u8) -> String {
        format!("{}:{{birth:{set:02x}}}", self.prefix)
    }

    pub(super) fn nodes(&self) -> String {
        format!("{}:nodes", self.prefix)
    }

    /// Since when gateways hash people with two keys.
    pub(super) fn beside(&self) -> String {
        format!("{}:beside", self.prefix)
    }

    pub(super) fn meta(&self) -> String {
        format!("{}:meta", self.prefix)
    }

    fn of(&self, key: KeyId, what: char) -> String {
        format!("{}:{{{key}}}:{what}", self.prefix)
    }
}

/// A subject.
pub(super) fn element(subject: u64) -> [u8; 8] {
    subject.to_le_bytes()
}

/// The subject of such a member.
pub(super) fn read_element(member: &[u8]) -> Option<u64> {
    member.try_into().ok().map(u64::from_le_bytes)
}

/// A register and a rank.
pub(super) fn register(register: u16, rank: u8) -> [u8; 3] {
    let [low, high] = register.to_le_bytes();
    [low, high, rank]
}

/// The register and the rank of such a member.
pub(super) fn read_register(member: &[u8]) -> Option<(u16, u8)> {
    let [low, high, rank] = member.try_into().ok()?;
    let number = u16::from_le_bytes([low, high]);
    let is_one = usize::from(number) < REGISTERS && (1..=RANK_MAX).contains(&usize::from(rank));
    is_one.then_some((number, rank))
}

/// A node and a bucket.
pub(super) fn sum(node: u64, bucket: u32) -> [u8; 12] {
    let mut member = [0; 12];
    let bytes = node.to_le_bytes().into_iter().chain(bucket.to_le_bytes());
    member.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    member
}

/// The node and the bucket of such a member.
pub(super) fn read_sum(member: &[u8]) -> Option<(u64, u32)> {
    let (node, bucket) = member.split_first_chunk()?;
    Some((u64::from_le_bytes(*node), u32::from_le_bytes(bucket.try_into().ok()?)))
}

/// A subject and who claims it.
pub(super) fn claim(subject: u64, claimant: u64) -> [u8; 16] {
    let mut member = [0; 16];
    let bytes = subject.to_le_bytes().into_iter().chain(claimant.to_le_bytes());
    member.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    member
}

/// The subject and the claimant of such a member.
pub(super) fn read_claim(member: &[u8]) -> Option<(u64, u64)> {
    let (subject, claimant) = member.split_first_chunk()?;
    Some((
        u64::from_le_bytes(*subject),
        u64::from_le_bytes(claimant.try_into().ok()?),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_as_they_were_written_and_no_others() {
        assert_eq!(read_element(&element(7 << 60)), Some(7 << 60));
        assert_eq!(read_register(&register(4095, 32)), Some((4095, 32)));
        assert_eq!(read_register(&register(4095, 33)), None, "no sketch has it");
        assert_eq!(read_sum(&sum(u64::MAX, 9)), Some((u64::MAX, 9)));
        assert_eq!(read_claim(&claim(3, u64::MAX)), Some((3, u64::MAX)));
        for length in [0, 1, 2, 4, 7, 9, 13, 15, 17] {
            let bytes = vec![0; length];
            assert_eq!(read_element(&bytes), None);
            assert_eq!(read_register(&bytes), None);
            assert_eq!(read_sum(&bytes), None);
            assert_eq!(read_claim(&bytes), None);
        }
    }

    #[test]
    fn all_of_one_key_is_in_one_slot() {
        let names = Names::new("shop");
        let key = KeyId([0xab; 12]);
        assert_eq!(names.elements(names.people(key)), format!("shop:1:{{{key}}}:e"));
        let (old, new) = (PeopleMark([3; 12]), PeopleMark([5; 12]));
        let [before, after] = [old, new].map(|mark| Names::new("shop").of_people(mark));
        let kept_up = key.beside(old.apart(new));
        assert_eq!(
            before.elements(before.people(kept_up)),
            after.elements(after.people(key)),
            "what one keeps up beside a key another decides by"
        );
        assert_eq!(names.holds(), "shop:1:hold");
    }
}
