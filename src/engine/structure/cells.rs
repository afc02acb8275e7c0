//! Cells: contiguous pieces of text handed to the scanner, and how a value that arrives in pieces becomes one.
//!
//! A value that lies whole in a chunk is searched where it lies. One that is cut by a chunk's end is carried until it is
//! whole; one longer than a segment is searched segment by segment, each with some text before and after it:
//!
//! ```text
//!   ....[ look behind ][ within: `segment` bytes ][ look ahead ]....
//!                       findings begin here only
//! ```

use std::ops::Range;

use memchr::{memchr, memchr2, memmem};

use crate::engine::block::{Masks, look};
use crate::engine::decode::{EVENT_LINE, Unescaped, hides};

/// Text before a segment that boundaries and context words may need, in bytes.
const LOOK_BEHIND: usize = 256;
/// The longest finding, in bytes: an e-mail of 64 + 1 + 190 is cut here, all else is shorter.
const LOOK_AHEAD: usize = 256;

/// Bytes taken into the carry at once.
const BITE: usize = 4096;

/// How cells are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellSettings {
    /// Bytes of a long value searched at once; at least 1. Memory per stream is this plus 512 bytes.
    pub segment: usize,
    /// Whether every value is told, also one that nothing wakes a search in: an operator's expressions look for anything.
    pub all: bool,
}

impl CellSettings {
    /// Segments of so many bytes; `all`: every value is told.
    pub const fn new(segment: usize, all: bool) -> Self {
        Self { segment, all }
    }
}

impl Default for CellSettings {
    fn default() -> Self {
        Self::new(2048, false)
    }
}

/// One piece of text to search.
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    /// The bytes as they stand in the body, escapes included.
    pub raw: &'a [u8],
    /// The offset of `raw` in the decoded body.
    pub at: u64,
    /// Where in `raw` a finding of this cell may begin.
    pub within: (usize, usize),
    /// How the value is written.
    pub form: CellForm,
    /// Whether the value ends with this piece.
    pub last: bool,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellForm {
    /// As it is.
    Plain,
    /// With JSON escapes.
    JsonString,
    /// A bare JSON number or literal.
    Bare,
    /// A quoted CSV cell: two quotes stand for one.
    Quoted,
    /// Percent-encoded, with `+` for a blank.
    Percent,
    /// With character references and inline tags.
    Markup,
    /// A quoted SQL string: two quotes stand for one, and so does a backslash and a quote.
    SqlString,
    /// The data of an event, with what begins each further line of it: `a\ndata: b` is read as `a\nb`.
    Event,
}

impl<'a> Cell<'a> {
    /// A value in one piece.
    pub fn whole(raw: &'a [u8], at: u64, form: CellForm) -> Self {
        Self {
            raw,
            at,
            within: (0, raw.len()),
            form,
            last: true,
        }
    }

    /// The range of `raw` in which findings begin.
    pub fn within(&self) -> Range<usize> {
        self.within.0..self.within.1
    }

    /// The offset one past the last byte of `raw`.
    pub fn end(&self) -> u64 {
        self.at + self.raw.len() as u64
    }

    /// Whether it may hold an identifier that no key announces.
    pub(super) fn wakes(&self) -> bool {
        let text = self.raw.get(self.within.0..).unwrap_or_default();
        match (self.is_escaped(), self.form) {
            (false, _) => {
                let (wakes, is_veiled) = look(text);
                wakes || (is_veiled && hides(text))
            }
            // References can hide an `@` or a digit, and no other can; a tag hides nothing.
            (true, CellForm::Markup) => {
                let is_telling = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'@' | b'#' | b'(');
                text.iter().any(is_telling) || memmem::find(text, b"&com").is_some()
            }
            (true, _) => true,
        }
    }

    /// Whether it is a bare number: not one in quotes, nor bare text that is none.
    pub fn is_number(&self) -> bool {
        self.form == CellForm::Bare && is_number(self.raw)
    }

    /// Writes what a reader sees of it to `text`.
    pub fn unescape(&self, text: &mut Unescaped) {
        match self.form {
            CellForm::Quoted => text.quotes(self.raw),
            CellForm::Percent => text.percent(self.raw),
            CellForm::Markup => text.markup(self.raw),
            CellForm::SqlString => text.sql(self.raw),
            CellForm::Event => text.event(self.raw),
            CellForm::JsonString | CellForm::Plain | CellForm::Bare => text.json(self.raw),
        }
    }

    /// Writes what a reader sees of it to `text`, letters of the full width as ASCII ones if it is `wide`.
    pub fn read(&self, wide: bool, text: &mut Unescaped) {
        if self.is_escaped() {
            self.unescape(text);
        } else {
            text.plain(self.raw);
        }
        if wide {
            text.narrow();
        }
    }

    /// Whether there is a digit of the full width in it, as forms in Japan and Korea are filled in with.
    pub fn has_wide_digit(&self) -> bool {
        memchr::memchr_iter(0xef, self.raw).any(|at| matches!(self.raw.get(at + 1..at + 3), Some([0xbc, 0x90..=0x99])))
    }

    /// Whether it is the whole value.
    pub fn is_whole(&self) -> bool {
        self.last && self.within == (0, self.raw.len())
    }

    /// As [`Cell::is_escaped`], by the masks of the block that it is.
    pub(in crate::engine) fn is_escaped_in(&self, block: &Masks) -> bool {
        match self.form {
            CellForm::Plain | CellForm::Bare => false,
            CellForm::JsonString => block.backslash != 0,
            CellForm::Quoted => block.quote != 0,
            CellForm::Percent | CellForm::Markup | CellForm::SqlString | CellForm::Event => self.is_escaped(),
        }
    }

    /// Whether unescaping would change anything.
    pub fn is_escaped(&self) -> bool {
        match self.form {
            CellForm::Plain | CellForm::Bare => false,
            CellForm::JsonString => memchr(b'\\', self.raw).is_some(),
            CellForm::Quoted => memchr(b'"', self.raw).is_some(),
            CellForm::Percent => memchr2(b'%', b'+', self.raw).is_some(),
            CellForm::Markup => memchr2(b'&', b'<', self.raw).is_some(),
            CellForm::SqlString => memchr2(b'\\', b'\'', self.raw).is_some(),
            CellForm::Event => memmem::find(self.raw, EVENT_LINE).is_some(),
        }
    }
}

/// Whether `text` is made of what a JSON number is (RFC 8259, section 6).
pub(super) fn is_number(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'))
}

impl CellSettings {
    /// Whether a value of so many bytes that lies whole in a chunk is searched in one piece.
    pub(super) const fn is_one_piece(self, bytes: usize) -> bool {
        bytes <= self.segment + LOOK_AHEAD
    }
}

/// Carries a value across chunks and cuts long ones into segments.
pub(super) struct Carry {
    settings: CellSettings,
    /// `look behind + what is not yet searched`; empty between values.
    bytes: Vec<u8>,
    /// The offset of `bytes[0]`, or of the value's next byte while nothing is carried.
    at: u64,
    /// How much of `bytes` was searched.
    from: usize,
}

impl Carry {
    pub(super) fn new(settings: CellSettings) -> Self {
        Self {
            settings: CellSettings {
                segment: settings.segment.max(1),
                ..settings
            },
            bytes: Vec::new(),
            at: 0,
            from: 0,
        }
    }

    /// A value begins at offset `at`.
    pub(super) fn begin(&mut self, at: u64) {
        self.bytes.clear();
        self.at = at;
        self.from = 0;
    }

    /// The offset up to which the value was searched.
    pub(super) fn searched_to(&self) -> u64 {
        self.at + self.from as u64
    }

    /// Whether nothing of the value was searched yet.
    pub(super) fn is_at_start(&self) -> bool {
        // What was searched leaves at least one byte to look behind at.
        self.from == 0
    }

    /// More of the value, which goes on after `part`.
    pub(super) fn extend(&mut self, part: &[u8], form: CellForm, emit: &mut impl FnMut(&Cell<'_>)) {
        self.bytes.extend_from_slice(part);
        self.search_segments(form, emit);
    }

    /// More of the value, of which there may be much: it is fed in bounded bites.
    pub(super) fn extend_long(&mut self, part: &[u8], form: CellForm, emit: &mut impl FnMut(&Cell<'_>)) {
        for bite in part.chunks(BITE) {
            self.extend(bite, form, emit);
        }
    }

    /// The end of a value that `part` completes: all but its last piece is told, and the last is returned, to be ended
    /// with when its key is told.
    pub(super) fn last<'p>(&mut self, part: &'p [u8], form: CellForm, emit: &mut impl FnMut(&Cell<'_>)) -> &'p [u8] {
        if self.bytes.is_empty() && self.settings.is_one_piece(part.len()) {
            return part;
        }
        self.extend_long(part, form, emit);
        &[]
    }

    /// The rest of the value: it ends after `part`.
    pub(super) fn end(&mut self, part: &[u8], form: CellForm, emit: &mut impl FnMut(&Cell<'_>)) {
        if self.bytes.is_empty() && self.settings.is_one_piece(part.len()) {
            emit(&Cell::whole(part, self.at, form));
            self.at += part.len() as u64;
            return;
        }
        // A long part is fed in bounded bites, so that the carry stays small whatever the chunk's size.
        for bite in part.chunks(self.settings.segment + LOOK_AHEAD) {
            self.extend(bite, form, emit);
        }
        let cell = Cell {
            raw: &self.bytes,
            at: self.at,
            within: (self.from, self.bytes.len()),
            form,
            last: true,
        };
        emit(&cell);
        self.begin(self.at + self.bytes.len() as u64);
    }

    fn search_segments(&mut self, form: CellForm, emit: &mut impl FnMut(&Cell<'_>)) {
        let segment = self.settings.segment;
        while self.bytes.len() - self.from > segment + LOOK_AHEAD {
            let to = self.from + segment;
            let raw = self.bytes.get(..to + LOOK_AHEAD).unwrap_or_default();
            emit(&Cell {
                raw,
                at: self.at,
                within: (self.from, to),
                form,
                last: false,
            });
            self.from = to;
        }
        let done = self.from.saturating_sub(LOOK_BEHIND);
        if done > 0 {
            self.bytes.drain(..done);
            self.at += done as u64;
            self.from -= done;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(value: &[u8], segment: usize, chunk: usize) -> Vec<(u64, Vec<u8>, bool)> {
        let mut out = Vec::new();
        let mut carry = Carry::new(CellSettings::new(segment, false));
        let mut emit = |cell: &Cell<'_>| {
            let text = cell.raw[cell.within()].to_vec();
            out.push((cell.at + cell.within.0 as u64, text, cell.last));
        };
        carry.begin(7);
        let mut parts: Vec<&[u8]> = value.chunks(chunk).collect();
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            carry.extend(part, CellForm::Plain, &mut emit);
        }
        carry.end(last, CellForm::Plain, &mut emit);
        out
    }

    #[test]
    fn any_cut_gives_the_same_segments_and_every_byte_once() {
        let value: Vec<u8> = (0..3000_u32).map(|n| (n % 251) as u8).collect();
        for segment in [1, 64, 1000, 4000] {
            let whole = segments(&value, segment, value.len());
            let joined: Vec<u8> = whole.iter().flat_map(|(_, text, _)| text.clone()).collect();
            assert_eq!(joined, value);
            assert!(whole.iter().rev().skip(1).all(|(_, _, last)| !last));
            for chunk in [1, 3, 255, 1024] {
                assert_eq!(
                    segments(&value, segment, chunk),
                    whole,
                    "segment {segment}, chunk {chunk}"
                );
            }
        }
    }
}
