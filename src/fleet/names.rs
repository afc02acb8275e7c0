//! The names of keys in the store, and the bytes of their members.

use crate::engine::ledger::{KeyId, RANK_MAX, REGISTERS};

/// The exponent of the number of registers.
pub(super) const PRECISION: u32 = REGISTERS.trailing_zeros();

/// The names under one prefix. All that belongs to one key is in one slot of a cluster.
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: format!("{prefix}:1"),
        }
    }

    pub(super) fn elements(&self, key: KeyId) -> String {
        self.of(key, 'e')
    }

    pub(super) fn registers(&self, key: KeyId) -> String {
        self.of(key, 's')
    }

    pub(super) fn sums(&self, key: KeyId) -> String {
        self.of(key, 'n')
    }

    pub(super) fn claims(&self, key: KeyId) -> String {
        self.of(key, 'c')
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
        assert_eq!(names.elements(key), format!("shop:1:{{{key}}}:e"));
        assert_eq!(names.holds(), "shop:1:hold");
    }
}
