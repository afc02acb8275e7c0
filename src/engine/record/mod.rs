//! From identifiers to records to subjects: the counting rule, in one pass and bounded memory.

mod assembler;
mod behind;
mod crowd;
mod embedded;
mod fields;
mod frame;
mod gather;
mod holding;
mod inner;
mod join;
mod joined;
mod layers;
mod nested;
mod parts;
mod search;
mod settled;
mod stream;
mod subject;
#[cfg(test)]
mod tests;
mod vote;

pub use assembler::Assembler;
pub use crowd::{BULK_PEOPLE, Crowd};
pub(in crate::engine) use inner::Inner;
pub use subject::subjects_of;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::engine::detect::{Category, ClassId, ClassSet, FieldNames, Role, Span};
use crate::engine::ledger::Ask;
use crate::engine::secret::Subject;

/// What records tell beside the people in them.
#[derive(Clone, Default)]
pub struct Details {
    /// The values of these classes.
    pub values: ClassSet,
    /// Whether all of it stands under these fields; none says anything.
    pub fields: Option<Arc<FieldNames>>,
}

impl Details {
    /// The same of what stands under this name and no other.
    pub(super) fn under(&self, name: &[u8]) -> Self {
        let fields = self.fields.clone().filter(|fields| !fields.have([name]));
        Self { fields, ..*self }
    }
}

/// Identifiers that belong together, settled: who they are about and where they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The record's first byte in the decoded body.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
    /// The people behind it; empty when everything in it was already counted within the same record.
    pub subjects: SmallVec<[Subject; 2]>,
    /// Its identifiers, in order.
    pub places: SmallVec<[Place; 4]>,
    /// Keyed hashes of its values of the classes that are counted, with their class.
    pub values: Vec<(ClassId, u64)>,
    /// The same people and values under the key that is to take the place of theirs, or had it.
    pub beside: Option<Box<Ask>>,
    /// Whose order it is, known only by one value that the record has of them.
    pub buyer: Option<Subject>,
    /// As what it names whom it shows.
    pub named: Named,
    /// Whether some of it stands under no field of those that it is told of.
    pub is_elsewhere: bool,
    /// Whether a reading told it of which it is not known letter by letter where it stands.
    pub is_rough: bool,
}

/// As what a record names whom it shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Named {
    /// For themselves.
    #[default]
    Alone,
    /// A recipient is among them, to whom something is sent.
    Recipient,
    /// All that it has is a shop's.
    Shop,
}

impl Record {
    /// What is to be reserved before it leaves.
    pub fn ask(&self) -> Ask {
        Ask {
            people: self.subjects.clone(),
            values: self.values.iter().map(|(class, value)| (class.0, *value)).collect(),
            beside: self.beside.clone(),
            classes: self.classes(),
            is_elsewhere: self.is_elsewhere,
        }
    }

    /// The classes of its identifiers.
    pub fn classes(&self) -> ClassSet {
        self.places.iter().map(|place| place.class).collect()
    }
}

/// Where one identifier stands, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its bytes in the decoded body.
    pub span: Span,
    /// Its class.
    pub class: ClassId,
    /// Whether it stands as a bare JSON number, which a mask must keep a number.
    pub number: bool,
    /// The keyed hash of its category and normal form; any hash of what nobody is known by, where it is not counted.
    pub value: u64,
}

/// One identifier on its way into a record.
#[derive(Clone)]
struct Item {
    place: Place,
    category: Category,
    /// The hash of its value under the key that is to take the place of the other, or had it; 0 without one.
    beside: u64,
    role: Role,
    /// The field it stands under, and the object that holds the field.
    field: u64,
    object: u32,
    /// Whether the field's name is a word for some kind of value.
    is_named: bool,
    /// Whether it stands under no field of those that records tell of.
    is_elsewhere: bool,
    /// Whether that field is a shop's.
    is_shops: bool,
}
