//! All that one exchange was granted: a repeat costs one look-up and no lock.

use std::hash::BuildHasherDefault;

use hashbrown::HashSet;
use smallvec::SmallVec;

use super::super::subject_hash::SubjectHasher;

/// Up to this many are looked through: most pages show one person, which needs no table.
const FEW_MAX: usize = 8;

/// Names of elements.
#[derive(Default)]
pub(super) struct Granted {
    few: SmallVec<[u64; FEW_MAX]>,
    many: HashSet<u64, BuildHasherDefault<SubjectHasher>>,
}

impl Granted {
    /// Whether `name` was not among them; it is from now on.
    #[inline]
    pub(super) fn insert(&mut self, name: u64) -> bool {
        if !self.many.is_empty() {
            return self.many.insert(name);
        }
        if self.few.contains(&name) {
            return false;
        }
        if self.few.len() < FEW_MAX {
            self.few.push(name);
        } else {
            self.many.extend(self.few.drain(..));
            self.many.insert(name);
        }
        true
    }

    pub(super) fn remove(&mut self, name: u64) {
        self.few.retain(|known| *known != name);
        self.many.remove(&name);
    }

    /// So many more may come.
    pub(super) fn reserve(&mut self, more: usize) {
        if more > FEW_MAX {
            self.many.reserve(more);
        }
    }
}
