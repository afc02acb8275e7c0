//! What a budget asks of one key, as the ledger needs it: numbers only.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{BudgetId, Dimension, KeyId};
use crate::engine::detect::{ClassSet, FieldNames};
use crate::engine::secret::{PeopleMark, Subject};

/// What the elements of a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elements {
    /// Subjects.
    People,
    /// Different values of the class with this number in the rule set.
    Values(u8),
}

/// What the elements of a key are. No key is of two kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// People, or values of theirs.
    #[default]
    People,
    /// Actors who were under another key.
    Actors,
    /// People who are hashed with another key of theirs than under the key that this one is kept up beside.
    Beside,
}

/// Whom an allowance takes, by what is told of them.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    /// Nothing but these classes; none says anything.
    pub classes: Option<ClassSet>,
    /// Under no other fields than these; none says anything.
    pub fields: Option<Arc<FieldNames>>,
}

impl Allowed {
    /// Whether no more is told in a record than that.
    pub(super) fn takes(&self, ask: &Ask) -> bool {
        !ask.is_elsewhere && self.classes.is_none_or(|classes| ask.classes.is_within(classes))
    }
}

/// What one record asks for: it leaves with all of this, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// The people behind it.
    pub people: SmallVec<[Subject; 2]>,
    /// Keyed hashes of the values in it, with their class, where some key counts those.
    pub values: Vec<(u8, u64)>,
    /// The classes of all that is told of them, where some may be told outside other budgets.
    pub classes: ClassSet,
    /// Whether some of it stands elsewhere than under the fields of which an allowance is.
    pub is_elsewhere: bool,
    /// The same people, in the same order, and values under another key, where people are hashed with two.
    pub beside: Option<Box<Self>>,
}

impl From<Subject> for Ask {
    fn from(person: Subject) -> Self {
        Self {
            people: SmallVec::from_slice(&[person]),
            ..Self::default()
        }
    }
}

impl FromIterator<Subject> for Ask {
    fn from_iter<I: IntoIterator<Item = Subject>>(people: I) -> Self {
        Self {
            people: people.into_iter().collect(),
            values: Vec::new(),
            classes: ClassSet::default(),
            is_elsewhere: false,
            beside: None,
        }
    }
}

/// What happens to a new subject above the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// It is counted and told; nothing is refused (alert, or any action in monitor mode).
    Told,
    /// It is refused.
    Refused,
    /// It waits: one new subject every so many milliseconds (GCRA with burst 1).
    Paced {
        /// Milliseconds between two new subjects; at least 1.
        interval_ms: u64,
    },
    /// Nothing: it is kept up beside a limit on people that are hashed with another key. Of an allowance that it is used up.
    Kept {
        /// Whether the limit enforces.
        enforces: bool,
    },
}

/// One budget's limit on one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The budget.
    pub budget: BudgetId,
    /// Distinct subjects allowed in the window.
    pub people: u32,
    /// The window in seconds; ignored on an exchange key, which has none.
    pub window: u32,
    /// What happens above it.
    pub excess: Excess,
    /// Whether the store that gateways share must confirm everyone who is new, at any count; only where it refuses.
    pub strict: bool,
}

impl Limit {
    /// Whether it can refuse or delay.
    #[inline]
    pub(super) fn is_enforcing(&self) -> bool {
        match self.excess {
            Excess::Told | Excess::Kept { .. } => false,
            Excess::Refused | Excess::Paced { .. } => true,
        }
    }

    /// What is kept up beside it under another key.
    fn beside(&self) -> Self {
        Self {
            people: self.exact_people(),
            excess: Excess::Kept {
                enforces: self.is_enforcing(),
            },
            strict: false,
            ..*self
        }
    }

    /// Whether it needs the word of the shared store.
    #[inline]
    pub(super) fn is_strict(&self) -> bool {
        self.strict && self.excess == Excess::Refused
    }

    /// How many of the key's newest elements must be known one by one: all that it can grant in its window.
    #[inline]
    pub(super) fn exact_people(&self) -> u32 {
        match self.excess {
            Excess::Told => 0,
            Excess::Refused | Excess::Kept { .. } => self.people,
            Excess::Paced { interval_ms } => {
                let paced = u64::from(self.window) * 1000 / interval_ms.max(1) + 1;
                self.people.saturating_add(u32::try_from(paced).unwrap_or(u32::MAX))
            }
        }
    }
}

/// A key of an exchange, with the limits that its budgets put on it.
#[derive(Debug)]
pub struct KeyUse {
    /// The key.
    pub key: KeyId,
    /// Its dimension.
    pub dimension: Dimension,
    /// What is counted under it.
    pub elements: Elements,
    /// The key of its address, where the client may have made this one up: it counts in the place of one that finds no
    /// room.
    pub fallback: Option<KeyId>,
    /// In the order of the configuration: the first that refuses gives the reason. Without any nobody is counted.
    pub limits: SmallVec<[Limit; 2]>,
}

impl Clone for KeyUse {
    #[inline]
    fn clone(&self) -> Self {
        Self {
            // One or two, as nearly always, are moved as they lie; a list that is cloned takes one after another.
            limits: match *self.limits.as_slice() {
                [one] => SmallVec::from_buf_and_len([one, one], 1),
                [one, two] => SmallVec::from_buf([one, two]),
                ref limits => SmallVec::from_slice(limits),
            },
            ..*self
        }
    }
}

impl KeyUse {
    /// The limits that the shared store must confirm.
    pub(super) fn strict(&self) -> impl Iterator<Item = &Limit> {
        let strict = self.limits.iter().filter(|limit| limit.is_strict());
        strict.filter(|_| self.dimension != Dimension::Exchange)
    }

    /// The key that is kept up beside it, `apart` from it; none where nobody is counted whom others meet.
    pub(super) fn beside(&self, apart: PeopleMark) -> Option<Self> {
        let is_counted = !self.limits.is_empty() && self.dimension != Dimension::Exchange;
        is_counted.then(|| Self {
            key: self.key.beside(apart),
            fallback: self.fallback.map(|key| key.beside(apart)),
            limits: self.limits.iter().map(Limit::beside).collect(),
            ..*self
        })
    }

    /// Whether some limit of the key can refuse or delay.
    #[inline]
    pub fn is_enforcing(&self) -> bool {
        self.limits.iter().any(Limit::is_enforcing)
    }
}
