//! A value that is longer than a cell shows, in another alphabet or JSON: read cell by cell, as a body of its own.

use super::inner::Inner;
use super::nested::Values;
use crate::engine::decode::{Reader, Unescaped};

/// Characters that are decoded at once; a mask of what is in them covers them all.
const UNIT_BYTES: usize = 32;
/// Bytes of a line end.
const LINE_END_BYTES_MAX: u64 = 2;

/// What it is written in.
pub(super) enum Form {
    Coded(Reader),
    Json(Values),
}

/// A value under way.
pub(super) struct Stream {
    pub(super) inner: Inner,
    form: Form,
    /// Where it goes on, if it does.
    pub(super) next: u64,
}

impl Stream {
    pub(super) const fn new(inner: Inner, form: Form, next: u64) -> Self {
        Self { inner, form, next }
    }

    /// What of it was read, if it is JSON.
    pub(super) const fn json(&mut self) -> Option<&mut Values> {
        match &mut self.form {
            Form::Json(values) => Some(values),
            Form::Coded(_) => None,
        }
    }

    /// Whether it may go on at `at`; or, where lines end inside such values, behind the end of a line.
    pub(super) const fn goes_on_at(&self, at: u64, in_lines: bool) -> bool {
        at == self.next || (in_lines && at > self.next && at - self.next <= LINE_END_BYTES_MAX)
    }

    /// Whether a text that ends at `at` goes beyond it.
    pub(super) const fn ends_before(&self, at: u64) -> bool {
        at > self.next + LINE_END_BYTES_MAX
    }

    /// Reads what of it stands in `from..to` of `view`, which is of a cell at `at`; returns where it ends.
    pub(super) fn read(&mut self, view: &Unescaped, (from, to): (usize, usize), at: u64) -> usize {
        let Form::Coded(reader) = &mut self.form else {
            return from;
        };
        let text = view.text.get(from..to).unwrap_or_default();
        let length = reader.length(text);
        let text = text.get(..length).unwrap_or_default();
        let mut bytes = Vec::with_capacity(UNIT_BYTES);
        for (place, unit) in text.chunks(UNIT_BYTES).enumerate() {
            bytes.clear();
            bytes.extend(unit.iter().filter_map(|byte| reader.read(*byte)));
            let end = from + place * UNIT_BYTES + unit.len();
            self.next = at + view.raw(end, end).0 as u64;
            self.inner.push(&bytes, self.next);
        }
        from + length
    }
}
