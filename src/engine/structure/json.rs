//! JSON as it streams past: one document, many, one a line, or a piece of one. Forgiving: what is not JSON is passed over,
//! never refused, because a reader behind the client may be forgiving too.
//!
//! Structure comes from bit masks (`marks.rs`); a value in which nothing wakes a search is passed over without a look.
//! A string or bare value that is cut by a chunk's end is carried, and told whatever is in it.

use std::ops::Range;

use memchr::memchr2;

use super::Sink;
use super::calm::{self, Tries};
use super::cells::{Carry, Cell, CellForm, CellSettings, is_number};
use super::labels;
use super::marks::Marks;
use super::nesting::{Chunk, Nesting};
use crate::engine::block::is_digest;
use crate::engine::decode::hides;

/// Longer names are read like long values.
pub(super) const KEY_BYTES_MAX: usize = 256;
/// `true`, `null` and shorter numbers cannot hold an identifier, but a piece of one where their name says so.
const BARE_BYTES_MIN: usize = 7;

/// The lexer; the containers around at most one value under way.
pub(super) struct Json {
    at: u64,
    state: State,
    nesting: Nesting,
    /// Whether a string that comes next is a member's name, if it is in an object.
    expects_name: bool,
    tries: Tries,
    carry: Carry,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    String { key: bool, escaped: bool },
    Bare,
}

impl Json {
    pub(super) fn new(at: u64, settings: CellSettings) -> Self {
        Self {
            at,
            state: State::Between,
            nesting: Nesting::new(settings.all),
            expects_name: false,
            tries: Tries::default(),
            carry: Carry::new(settings),
        }
    }

    pub(super) fn decided_to(&self) -> u64 {
        let searched = self.carry.searched_to();
        match self.state {
            State::Between => self.at,
            // The quote belongs to the string.
            State::String { .. } => searched - u64::from(self.carry.is_at_start()),
            State::Bare => searched,
        }
    }

    pub(super) fn push(&mut self, mut chunk: &[u8], sink: &mut impl Sink) {
        while !chunk.is_empty() {
            let taken = match self.state {
                State::Between => self.between(chunk, sink),
                State::String { key, escaped } => self.string(chunk, key, escaped, sink),
                State::Bare => self.bare(chunk, sink),
            };
            self.at += taken as u64;
            chunk = chunk.get(taken..).unwrap_or_default();
        }
    }

    /// So many bytes that come next are none of its text; false if a string is under way, in which no place is left out.
    pub(super) fn skip(&mut self, bytes: u64) -> bool {
        let may_skip = self.state == State::Between;
        self.at += if may_skip { bytes } else { 0 };
        may_skip
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        match self.state {
            State::Between => {}
            State::String { key, .. } => self.end_string(&[], key, sink),
            State::Bare => self.end_bare(&[], sink),
        }
        self.state = State::Between;
        self.nesting.finish(self.at, sink);
    }

    /// Reads structure and whole values to the end of `bytes`, and begins the value that is cut there.
    fn between(&mut self, bytes: &[u8], sink: &mut impl Sink) -> usize {
        let chunk = Chunk { bytes, at: self.at };
        let mut marks = Marks::new(bytes, self.expects_name);
        while let Some(at) = marks.next(self.nesting.is_wanted()) {
            let text = marks.start()..at;
            if marks.is_name() && self.nesting.is_object() && text.len() <= KEY_BYTES_MAX {
                self.nesting.name(text, chunk, sink);
                continue;
            }
            if marks.is_string() {
                self.whole_string(chunk, text, &marks, sink);
                continue;
            }
            let is_told = match text.len() {
                0 => false,
                1..BARE_BYTES_MIN => self.nesting.wants_value(),
                length => self.nesting.wants_value() || marks.wakes(length) || marks.is_veiled(),
            };
            if is_told {
                self.bare_between(chunk, text, sink);
            }
            match bytes.get(at) {
                Some(b'{') if self.pass(chunk, at, &mut marks, sink) => {}
                Some(byte @ (b'{' | b'[')) => self.nesting.open(*byte == b'{', chunk.at + at as u64, chunk, sink),
                Some(b'}' | b']') => self.nesting.close(chunk.at + at as u64 + 1, sink),
                Some(b',') => self.nesting.comma(),
                _ => {}
            }
        }
        self.expects_name = marks.expects_name();
        if marks.ends_inside() {
            let key = marks.ends_inside_name() && self.nesting.is_object();
            self.cut_string(chunk, marks.end(), key, sink);
        } else {
            self.cut_bare(chunk, marks.end(), sink);
        }
        bytes.len()
    }

    /// Passes over the object that begins at the last of `marks`, `at`, if it is calm.
    fn pass(&mut self, chunk: Chunk<'_>, at: usize, marks: &mut Marks<'_>, sink: &mut impl Sink) -> bool {
        let members = chunk.bytes.get(at + 1..).unwrap_or_default();
        if !self.nesting.may_pass() || !self.tries.is_due(members) {
            return false;
        }
        let begun = marks.place();
        let wanted = self.nesting.is_wanted();
        let passed = calm::pass(marks, chunk.bytes, wanted, self.nesting.names(), sink);
        self.tries.ended(members, passed);
        if passed {
            let [at, end] = [at, marks.at() + 1].map(|place| chunk.at + place as u64);
            self.nesting.passed(at..end, sink);
        } else {
            marks.back_to(&begun);
        }
        passed
    }

    /// Tells the bare values between two marks: numbers, mostly, and whatever stands there that is not JSON.
    fn bare_between(&mut self, chunk: Chunk<'_>, range: Range<usize>, sink: &mut impl Sink) {
        let mut at = range.start;
        let text = chunk.bytes.get(range).unwrap_or_default();
        for value in text.split(|byte| is_space(*byte)) {
            // What a bare number is, its name must say: others are not worth a search.
            if self.nesting.wants_value() && may_be_piece(value) || is_strange(value) {
                self.nesting.tell(chunk, sink);
                self.carry.begin(chunk.at + at as u64);
                self.end_bare(value, sink);
            }
            at += value.len() + 1;
        }
    }

    /// The chunk ends between two marks, `from` being the first byte after the last: a bare value may be cut there.
    fn cut_bare(&mut self, chunk: Chunk<'_>, from: usize, sink: &mut impl Sink) {
        let text = chunk.bytes.get(from..).unwrap_or_default();
        let cut = text.iter().rev().take_while(|byte| !is_space(**byte)).count();
        let begun = chunk.bytes.len() - cut;
        self.bare_between(chunk, from..begun, sink);
        // What is not whole may be held back from its first byte.
        self.nesting.tell(chunk, sink);
        if cut > 0 {
            self.state = State::Bare;
            self.carry.begin(chunk.at + begun as u64);
            self.extend(chunk.bytes.get(begun..).unwrap_or_default(), CellForm::Bare, sink);
        }
    }

    /// The chunk ends within the string that begins at `from`, behind its quote.
    fn cut_string(&mut self, chunk: Chunk<'_>, from: usize, key: bool, sink: &mut impl Sink) {
        let part = chunk.bytes.get(from..).unwrap_or_default();
        let backslashes = part.iter().rev().take_while(|byte| **byte == b'\\').count();
        let escaped = backslashes % 2 == 1;
        self.state = State::String { key, escaped };
        self.nesting.tell(chunk, sink);
        self.carry.begin(chunk.at + from as u64);
        self.extend_string(part, sink);
    }

    /// Goes on with a string that was cut; returns the bytes taken.
    fn string(&mut self, chunk: &[u8], key: bool, mut escaped: bool, sink: &mut impl Sink) -> usize {
        let mut from = usize::from(std::mem::take(&mut escaped));
        while let Some(found) = memchr2(b'"', b'\\', chunk.get(from..).unwrap_or_default()) {
            let at = from + found;
            if chunk.get(at) == Some(&b'"') {
                self.end_string(chunk.get(..at).unwrap_or_default(), key, sink);
                self.state = State::Between;
                return at + 1;
            }
            from = at + 2;
            if from > chunk.len() {
                escaped = true;
                break;
            }
        }
        self.state = State::String { key, escaped };
        self.extend_string(chunk, sink);
        chunk.len()
    }

    /// Tells a string that lies whole in the chunk, if it is worth a search; it may be a name that is too long to be
    /// understood. `marks` are at its end.
    fn whole_string(&mut self, chunk: Chunk<'_>, range: Range<usize>, marks: &Marks<'_>, sink: &mut impl Sink) {
        let key = marks.is_name() && self.nesting.is_object();
        let text = chunk.bytes.get(range.clone()).unwrap_or_default();
        if key || self.nesting.hears_string() || self.nesting.wants_value() || may_be_somebodys(marks, text) {
            self.nesting.tell(chunk, sink);
            self.carry.begin(chunk.at + range.start as u64);
            self.end_string(text, key, sink);
        }
    }

    fn end_string(&mut self, part: &[u8], key: bool, sink: &mut impl Sink) {
        if !key {
            let nesting = &mut self.nesting;
            self.carry.end(part, CellForm::JsonString, &mut |cell| {
                nesting.string(cell);
                nesting.tell_cell(cell, sink);
            });
            return;
        }
        let mut wanted = true;
        let nesting = &mut self.nesting;
        self.carry.end(part, CellForm::JsonString, &mut |cell| {
            wanted = match nesting.cut_name(cell) {
                Some(label) => labels::tell(&label, cell, sink),
                None => tell_name(cell, sink),
            };
        });
        self.nesting.heard(wanted || self.nesting.hears_string(), sink);
    }

    /// More of the string under way.
    fn extend_string(&mut self, part: &[u8], sink: &mut impl Sink) {
        if !matches!(self.state, State::String { key: true, .. }) {
            self.extend(part, CellForm::JsonString, sink);
            return;
        }
        self.carry.extend_long(part, CellForm::JsonString, &mut |cell| {
            tell_name(cell, sink);
        });
    }

    /// Goes on with a bare value that was cut; returns the bytes taken.
    fn bare(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let ends = |byte: &u8| is_space(*byte) || matches!(byte, b',' | b'}' | b']' | b':' | b'"' | b'{' | b'[');
        let Some(at) = chunk.iter().position(ends) else {
            self.extend(chunk, CellForm::Bare, sink);
            return chunk.len();
        };
        self.end_bare(chunk.get(..at).unwrap_or_default(), sink);
        self.state = State::Between;
        at
    }

    fn end_bare(&mut self, part: &[u8], sink: &mut impl Sink) {
        let nesting = &self.nesting;
        self.carry.end(part, CellForm::Bare, &mut |cell: &Cell<'_>| {
            if cell.raw.len() >= BARE_BYTES_MIN || nesting.wants_value() && may_be_piece(cell.raw) {
                nesting.tell_cell(cell, sink);
            }
        });
    }

    fn extend(&mut self, part: &[u8], form: CellForm, sink: &mut impl Sink) {
        let nesting = &self.nesting;
        self.carry
            .extend_long(part, form, &mut |cell| nesting.tell_cell(cell, sink));
    }
}

/// Tells a name, or a piece of one that is too long to be understood: it is searched like a value, and the value behind it
/// stands under no name. Answers whether the value is wanted.
fn tell_name(piece: &Cell<'_>, sink: &mut impl Sink) -> bool {
    let is_first = piece.within.0 == 0;
    if is_first && piece.last && piece.raw.len() <= KEY_BYTES_MAX {
        return sink.key(piece);
    }
    if is_first {
        sink.key(&Cell::whole(&[], piece.at, CellForm::JsonString));
    }
    sink.cell(piece);
    true
}

/// Whether a string, which ends at the last mark given, may hold an identifier though nothing announces it.
pub(super) fn may_be_somebodys(marks: &Marks<'_>, text: &[u8]) -> bool {
    (marks.wakes(text.len()) && !is_digest(text)) || (marks.is_veiled() && hides(text))
}

/// Whether one of the bare values between two marks is told though nothing announces it.
pub(super) fn may_be_told(text: &[u8]) -> bool {
    text.split(|byte| is_space(*byte)).any(is_strange)
}

/// Whether a bare value may hold an identifier, or be a piece of one in digits.
fn may_be_piece(value: &[u8]) -> bool {
    value.len() >= BARE_BYTES_MIN || value.first().is_some_and(u8::is_ascii_digit)
}

/// Whether a bare value may hold an identifier and is no number.
fn is_strange(value: &[u8]) -> bool {
    value.len() >= BARE_BYTES_MIN && !is_number(value)
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}
