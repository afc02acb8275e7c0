//! A value that is longer than a cell shows, in another alphabet or JSON: read cell by cell, as a body of its own.

use super::inner::Inner;
use crate::engine::decode::{Reader, Unescaped};

/// Characters that are decoded at once; a mask of what is in them covers them all.
const UNIT_BYTES: usize = 32;
/// Bytes of a line end.
const LINE_END_BYTES_MAX: u64 = 2;

/// A value under way.
pub(super) struct Stream {
    pub(super) inner: Inner,
    reader: Option<Reader>,
    /// Where it is JSON: how deep in brackets it is, identifiers that it told, and those of its cells that it did not.
    depth: Depth,
    pub(super) told: usize,
    pub(super) untold: usize,
    /// Where it goes on, if it does.
    pub(super) next: u64,
}

impl Stream {
    pub(super) fn new(inner: Inner, reader: Reader, next: u64) -> Self {
        Self {
            inner,
            reader: Some(reader),
            depth: Depth::default(),
            told: 0,
            untold: 0,
            next,
        }
    }

    /// One that is JSON, in no other alphabet.
    pub(super) fn of_json(inner: Inner, next: u64) -> Self {
        Self {
            inner,
            reader: None,
            depth: Depth::default(),
            told: 0,
            untold: 0,
            next,
        }
    }

    /// Whether it is JSON.
    pub(super) const fn is_json(&self) -> bool {
        self.reader.is_none()
    }

    /// Whether `text`, which comes next, goes on with values of JSON and nothing beside them.
    pub(super) fn goes_on(&mut self, text: &[u8]) -> bool {
        text.iter().all(|byte| self.depth.takes(*byte))
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
        let Some(reader) = &mut self.reader else { return from };
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

/// How deep in brackets of JSON a text is.
#[derive(Default)]
struct Depth {
    brackets: u32,
    in_string: bool,
    is_escaped: bool,
    /// Whether a bracket was seen: what stands before the first may number it.
    is_begun: bool,
}

impl Depth {
    /// Whether `byte` stands in a value, or between two.
    fn takes(&mut self, byte: u8) -> bool {
        if std::mem::take(&mut self.is_escaped) {
            return true;
        }
        match byte {
            b'\\' if self.in_string => self.is_escaped = true,
            b'"' if self.brackets > 0 => self.in_string = !self.in_string,
            _ if self.in_string => {}
            b'{' | b'[' => (self.brackets, self.is_begun) = (self.brackets.saturating_add(1), true),
            b'}' | b']' if self.brackets > 0 => self.brackets -= 1,
            _ => return self.brackets > 0 || !self.is_begun || byte.is_ascii_whitespace() || byte == b',',
        }
        true
    }
}
