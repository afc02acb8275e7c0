//! What was last said of one credential, as one number that merges by maximum.

/// The keyed hash that stands for a credential.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId(pub [u8; 16]);

/// What is said of a credential. The larger wins in one second, and whatever was said wins over nobody knowing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tag {
    /// It was first seen while nobody could say, or such a one was sent where it was issued.
    Unknown,
    /// It was seen being issued.
    Issued,
    /// It was issued to an unissued one.
    Unissued,
}

/// What was said of a credential, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    /// The unix second, or one more than that of the birth it replaced.
    pub second: u32,
    /// What was said.
    pub tag: Tag,
}

/// From here on ranks are of births that somebody knows.
const KNOWN: u64 = 1 << 33;

impl Birth {
    /// The number that stands for it on disk and between gateways; the larger of two of one credential is what counts.
    /// Below 2^53, so that a store of floats keeps it.
    pub const fn rank(self) -> u64 {
        let second = self.second as u64;
        match self.tag {
            Tag::Unknown => second,
            Tag::Issued => KNOWN | second << 1,
            Tag::Unissued => KNOWN | second << 1 | 1,
        }
    }

    /// The birth of a [`Birth::rank`]; none of any other number.
    pub fn from_rank(rank: u64) -> Option<Self> {
        let known = rank.checked_sub(KNOWN);
        let (second, tag) = match known {
            None => (rank, Tag::Unknown),
            Some(known) if known & 1 == 0 => (known >> 1, Tag::Issued),
            Some(known) => (known >> 1, Tag::Unissued),
        };
        let second = u32::try_from(second).ok()?;
        Some(Self { second, tag })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_ordered_as_births_win() {
        let birth = |second, tag| Birth { second, tag };
        let rising = [
            birth(0, Tag::Unknown),
            birth(u32::MAX, Tag::Unknown),
            birth(0, Tag::Issued),
            birth(0, Tag::Unissued),
            birth(7, Tag::Issued),
            birth(7, Tag::Unissued),
            birth(8, Tag::Issued),
            birth(u32::MAX, Tag::Unissued),
        ];
        assert!(rising.is_sorted_by(|one, other| one.rank() < other.rank()));
        assert!(
            rising
                .iter()
                .all(|birth| Birth::from_rank(birth.rank()) == Some(*birth))
        );
        assert!(rising.iter().all(|birth| birth.rank() < 1 << 53));
    }

    #[test]
    fn no_other_number_is_a_birth() {
        for wrong in [1 << 32, KNOWN - 1, 1 << 34, u64::MAX] {
            assert_eq!(Birth::from_rank(wrong), None, "{wrong}");
        }
    }
}
