//! The keys of an exchange in the order in which an account works on them.

use smallvec::SmallVec;

use super::super::Dimension;
use super::super::entry::Entry;
use super::super::limit::{Elements, KeyUse};

/// What kinds of keys an exchange has.
pub(super) struct Order {
    /// Those that others share and that can refuse.
    pub(super) refusing: usize,
    /// Those of them, and those that only tell.
    pub(super) counted: usize,
    pub(super) has_own: bool,
    /// Whether the store that gateways share must confirm people under some key.
    pub(super) is_strict: bool,
    /// Classes whose values some key counts.
    pub(super) classes: SmallVec<[u8; 2]>,
    /// Whether they stand in the order of an account already, as a plan tells them.
    pub(super) is_kept: bool,
}

impl Order {
    pub(super) fn of(keys: &[KeyUse]) -> Self {
        let (mut refusing, mut counted, mut shared, mut is_kept, mut is_strict) = (0, 0, 0, true, false);
        let mut classes = SmallVec::new();
        for used in keys {
            if let Elements::Values(class) = used.elements
                && !classes.contains(&class)
            {
                classes.push(class);
            }
            if used.dimension == Dimension::Exchange {
                continue;
            }
            let (mut refuses, counts) = (false, !used.limits.is_empty());
            for limit in &used.limits {
                refuses |= limit.is_enforcing();
                is_strict |= limit.is_strict();
            }
            is_kept &= (!refuses || refusing == shared) && (!counts || counted == shared);
            refusing += usize::from(refuses);
            counted += usize::from(counts);
            shared += 1;
        }
        Self {
            refusing,
            counted,
            has_own: shared < keys.len(),
            is_kept,
            is_strict,
            classes,
        }
    }
}

/// Takes out the keys of the exchange alone, each with what it will be shown.
pub(super) fn take_own(keys: &mut Vec<KeyUse>) -> SmallVec<[Box<(KeyUse, Entry)>; 1]> {
    let own = keys.extract_if(.., |used| used.dimension == Dimension::Exchange);
    let own = own.map(|used| {
        let mut entry = Entry::new(Dimension::Exchange);
        entry.note_limits(&used.limits);
        Box::new((used, entry))
    });
    own.collect()
}
