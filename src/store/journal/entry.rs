//! What one line of the journal says: whom which actor was shown, where, as what; never a raw value.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::engine::detect::{ClassSet, RuleSet};
use crate::engine::ledger::{Dimension, KeyId};
use crate::engine::secret::Subject;

/// One dimension of an actor with the key that stands for its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The number of the dimension ([`Dimension::code`]); kept as a number, for a later version may know more of them.
    pub code: u32,
    /// The key.
    pub id: KeyId,
}

impl Key {
    /// A key under `dimension`.
    pub fn new(dimension: Dimension, id: KeyId) -> Self {
        Self {
            code: dimension.code(),
            id,
        }
    }

    /// Its dimension; `None` for one that this version does not know.
    pub fn dimension(&self) -> Option<Dimension> {
        Dimension::from_code(self.code)
    }
}

/// Whoever was shown something, through all keys that are known of them but that of the route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Actor {
    /// At most [`KEYS_MAX`]; the session's is the first, where there is one.
    pub keys: SmallVec<[Key; 6]>,
    /// The group whose declaration binds the actor.
    pub group: Option<Arc<str>>,
    /// Whether the credential is verified, listed or issued.
    pub is_known: bool,
    /// Whether the credential was seen being issued.
    pub is_issued: bool,
}

/// Keys of one actor at most; those behind them are not written.
pub const KEYS_MAX: usize = 32;

/// Why bytes with someone in them could leave, or that they could not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Under all budgets of the exchange.
    Granted,
    /// Inside the allowance of a route.
    Allowance,
    /// Every identifier was masked: the person was not shown.
    Masked,
}

/// Where and as what something was shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scene {
    /// The name of the route.
    pub route: Arc<str>,
    /// The key of the route.
    pub route_key: Option<Key>,
    /// The names of the classes of identifier, in order; of uninspected bytes, the reason.
    pub names: SmallVec<[Arc<str>; 4]>,
    /// Why it could leave; `None` for uninspected bytes.
    pub verdict: Option<Verdict>,
}

/// What was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A person.
    Person(Subject),
    /// So many bytes that nobody looked into.
    Uninspected(u64),
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, unix second.
    pub second: u32,
    /// To whom.
    pub actor: Arc<Actor>,
    /// Where, and as what.
    pub scene: Arc<Scene>,
    /// What.
    pub shown: Shown,
}

/// A person who is shown, as the exchange tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub subject: Subject,
    /// By which classes of identifier.
    pub classes: ClassSet,
    /// How.
    pub verdict: Verdict,
}

/// What all pages of one exchange have in common.
pub struct Exchange {
    /// To whom.
    pub actor: Arc<Actor>,
    /// The name of the route.
    pub route: Arc<str>,
    /// Its key.
    pub route_key: Option<Key>,
    /// The rules whose numbers the classes are.
    pub rules: Arc<RuleSet>,
}

/// What left of one exchange at one moment.
pub struct Page {
    /// Of which exchange.
    pub exchange: Arc<Exchange>,
    /// When, unix second.
    pub second: u32,
    /// Who was in it.
    pub people: SmallVec<[Person; 4]>,
    /// Bytes of it that nobody looked into, and why.
    pub uninspected: SmallVec<[(&'static str, u64); 1]>,
}

impl Page {
    /// How many entries it is at most.
    pub(super) fn entries(&self) -> usize {
        self.people.len() + self.uninspected.len()
    }
}
