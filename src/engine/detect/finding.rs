//! A validated match: where it stands and its normal form. It exists only after validation.

use smallvec::SmallVec;

use super::{Category, ClassId, Key};

/// A place in a haystack, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// The normal form of a value (e-mail lower-cased, phone in E.164, ids as digits), kept only until it is hashed.
/// It has no `Debug` and no `Serialize`, so that it cannot reach a log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Normal(SmallVec<[u8; 40]>);

impl Normal {
    /// From bytes that are already in normal form.
    pub fn new(bytes: &[u8]) -> Self {
        Self(SmallVec::from_slice(bytes))
    }

    /// Of a value whose letter case does not matter.
    pub fn lower(text: &[u8]) -> Self {
        let mut normal = Self::new(text);
        normal.0.make_ascii_lowercase();
        normal
    }

    /// From parts of a value in normal form.
    pub fn joined(parts: &[&[u8]]) -> Self {
        let mut bytes = SmallVec::new();
        for part in parts {
            bytes.extend_from_slice(part);
        }
        Self(bytes)
    }

    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// An identifier: a match that passed its validator.
#[derive(Clone)]
pub struct Finding {
    /// Where it stands in the haystack given to `RuleSet::scan`.
    pub span: Span,
    /// Which class it belongs to.
    pub class: ClassId,
    /// What it may stand for.
    pub category: Category,
    /// Which rule found it.
    pub rule: super::RuleId,
    /// Its normal form.
    pub normal: Normal,
    /// Whether it is too weak to stand by itself, and is told only for the vote of its column.
    pub tentative: bool,
}

/// What the structure around a cell says about its text.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The field name, column header or label of the cell, understood by `RuleSet::key`.
    pub key: &'a Key,
    /// Whether the cell is a bare number (a JSON number, an unquoted CSV cell of digits).
    pub number: bool,
    /// Whether the cell is one of a column, whose vote may lift values that are too weak by themselves: they are told too.
    pub column: bool,
}

impl Default for Context<'_> {
    fn default() -> Self {
        Self {
            key: Key::NONE,
            number: false,
            column: false,
        }
    }
}
