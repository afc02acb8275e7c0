//! Pairs in JSON: one member of an object says what another is, which stands under that name.
//!
//! ```text
//!   {"attributes":[{"key":"phone","value":"010-0000-1234"}, {"key":"name","value":"Kim"}]}
//! ```

use super::Sink;
use super::cells::{Cell, CellForm};
use super::name::{self, Name};
use crate::engine::detect;

/// A longer text is no label, in bytes.
const LABEL_BYTES_MAX: usize = 48;

/// The label of the object under way.
#[derive(Default)]
pub(super) struct Labels {
    label: Name,
    /// How deep the object is that said it.
    depth: usize,
    /// Whether the member under way may be one.
    is_next: bool,
}

impl Labels {
    /// A member called `name` begins.
    #[inline]
    pub(super) fn begin(&mut self, name: &[u8]) {
        self.is_next = is_label(name);
    }

    /// Whether a string that comes may be one.
    #[inline]
    pub(super) const fn is_next(&self) -> bool {
        self.is_next
    }

    /// A container begins.
    pub(super) fn open(&mut self) {
        self.is_next = false;
    }

    /// A string in the object `depth` deep ended.
    #[inline]
    pub(super) fn string(&mut self, text: &[u8], depth: usize) {
        if !std::mem::take(&mut self.is_next) {
            return;
        }
        let is_short = (1..=LABEL_BYTES_MAX).contains(&text.len());
        if is_short && !name::is_data(text) && !detect::is_data(text) {
            self.label.set(text);
            self.depth = depth;
        }
    }

    /// The container `depth` deep is the innermost now.
    pub(super) fn leave(&mut self, depth: usize) {
        self.is_next = false;
        if self.depth > depth {
            self.label.clear();
        }
    }

    /// What the object `depth` deep says of its member `name`, which is none that says something by itself.
    #[inline]
    pub(super) fn of(&self, name: &[u8], depth: usize) -> Option<&Name> {
        (!self.label.is_empty() && self.depth == depth && is_value(name)).then_some(&self.label)
    }
}

/// Tells the sink that the value behind `name` may be what `label` says; whether it is told even if nothing in it wakes a search.
pub(super) fn tell(label: &Name, name: &Cell<'_>, sink: &mut impl Sink) -> bool {
    let label = Cell {
        raw: label.as_slice(),
        at: name.at,
        within: (0, 0),
        form: CellForm::JsonString,
        last: true,
    };
    sink.label(&label, name)
}

/// Whether a member of this name may say what another is.
pub(super) fn is_label(name: &[u8]) -> bool {
    matches!(
        name,
        b"key"
            | b"Key"
            | b"k"
            | b"label"
            | b"Label"
            | b"name"
            | b"Name"
            | b"field"
            | b"Field"
            | b"fieldName"
            | b"field_name"
            | b"column"
            | b"attribute"
            | b"attribute_code"
            | b"attributeName"
            | b"question"
    )
}

/// Whether a member of this name may be what another says.
fn is_value(name: &[u8]) -> bool {
    matches!(
        name,
        b"value"
            | b"Value"
            | b"v"
            | b"val"
            | b"text"
            | b"Text"
            | b"content"
            | b"answer"
            | b"data"
            | b"displayValue"
            | b"stringValue"
    )
}
