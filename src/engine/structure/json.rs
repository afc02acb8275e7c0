//! JSON as it streams past: one document, many, one a line, or a piece of one. Forgiving: what is not JSON is passed over,
//! never refused, because a reader behind the client may be forgiving too.
//!
//! Structure comes from bit masks (`marks.rs`); a value in which nothing wakes a search is passed over without a look.
//! A string or bare value that is cut by a chunk's end is carried, and told whatever is in it.

use std::ops::Range;

use memchr::memchr2;

use super::cells::{Carry, Cell, CellForm, CellSettings};
use super::marks::Marks;
use super::{Container, Sink};

/// Deeper containers are read as part of the one at this depth. Against: `[[[[...` that costs a frame a byte.
const DEPTH_MAX: usize = 128;
/// Longer names are read like long values.
const KEY_BYTES_MAX: usize = 256;
/// `true`, `null` and shorter numbers cannot hold an identifier.
const BARE_BYTES_MIN: usize = 7;

/// The lexer; a stack of containers and at most one value under way.
pub(super) struct Json {
    at: u64,
    state: State,
    stack: Vec<Level>,
    /// Containers open beyond [`DEPTH_MAX`].
    beyond: u64,
    /// Whether the next string of the innermost object is a member's name.
    expects_key: bool,
    /// Whether the value under way is told even if nothing in it wakes a search.
    wanted: bool,
    /// Whether every value is.
    all: bool,
    carry: Carry,
}

/// One open container.
#[derive(Clone, Copy)]
struct Level {
    object: bool,
    /// `wanted` around it.
    wanted: bool,
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
            stack: Vec::new(),
            beyond: 0,
            expects_key: false,
            wanted: settings.all,
            all: settings.all,
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

    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        match self.state {
            State::Between => {}
            State::String { key, .. } => self.end_string(&[], key, sink),
            State::Bare => self.end_bare(&[], sink),
        }
        self.state = State::Between;
        while self.stack.pop().is_some() {
            sink.close(self.at);
        }
    }

    /// Reads structure and whole values to the end of `chunk`, and begins the value that is cut there.
    fn between(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let mut marks = Marks::new(chunk);
        let mut from = 0;
        while let Some(at) = marks.next() {
            let byte = chunk.get(at).copied().unwrap_or_default();
            // What a bare number is, its name must say: others are not worth a search.
            if self.wanted && at - from >= BARE_BYTES_MIN {
                self.bare_between(chunk, from..at, sink);
            }
            match byte {
                b'"' => match marks.next() {
                    Some(end) => {
                        self.whole_string(chunk, at + 1..end, &marks, sink);
                        from = end;
                    }
                    None => return self.cut_string(chunk, at, sink),
                },
                b'{' | b'[' => self.open(byte == b'{', self.at + at as u64, sink),
                b'}' | b']' => self.close(self.at + at as u64 + 1, sink),
                b',' => self.expects_key = true,
                _ => self.expects_key = false,
            }
            from = from.max(at) + 1;
        }
        self.cut_bare(chunk, from, sink);
        chunk.len()
    }

    fn next_is_key(&self) -> bool {
        self.expects_key && self.stack.last().is_some_and(|level| level.object)
    }

    fn open(&mut self, object: bool, at: u64, sink: &mut impl Sink) {
        if self.stack.len() >= DEPTH_MAX {
            self.beyond += 1;
            return;
        }
        self.stack.push(Level {
            object,
            wanted: self.wanted,
        });
        self.expects_key = object;
        // An array's elements stand under its name.
        self.wanted = self.all || (self.wanted && !object);
        sink.open(if object { Container::Object } else { Container::Array }, at);
    }

    fn close(&mut self, end: u64, sink: &mut impl Sink) {
        if self.beyond > 0 {
            self.beyond -= 1;
        } else if let Some(level) = self.stack.pop() {
            self.wanted = level.wanted;
            sink.close(end);
        }
        self.expects_key = false;
    }

    /// Tells the bare values between two marks: numbers, mostly, and whatever stands there that is not JSON.
    fn bare_between(&mut self, chunk: &[u8], range: Range<usize>, sink: &mut impl Sink) {
        let mut at = range.start;
        let text = chunk.get(range).unwrap_or_default();
        for value in text.split(|byte| is_space(*byte)) {
            if value.len() >= BARE_BYTES_MIN {
                self.carry.begin(self.at + at as u64);
                self.end_bare(value, sink);
            }
            at += value.len() + 1;
        }
    }

    /// The chunk ends between two marks, `from` being the first byte after the last: a bare value may be cut there.
    fn cut_bare(&mut self, chunk: &[u8], from: usize, sink: &mut impl Sink) {
        let text = chunk.get(from..).unwrap_or_default();
        let cut = text.iter().rev().take_while(|byte| !is_space(**byte)).count();
        let begun = chunk.len() - cut;
        self.bare_between(chunk, from..begun, sink);
        if cut > 0 {
            self.state = State::Bare;
            self.carry.begin(self.at + begun as u64);
            self.extend(chunk.get(begun..).unwrap_or_default(), CellForm::Bare, sink);
        }
    }

    /// The chunk ends within the string whose quote stands at `quote`.
    fn cut_string(&mut self, chunk: &[u8], quote: usize, sink: &mut impl Sink) -> usize {
        let part = chunk.get(quote + 1..).unwrap_or_default();
        let backslashes = part.iter().rev().take_while(|byte| **byte == b'\\').count();
        self.state = State::String {
            key: self.next_is_key(),
            escaped: backslashes % 2 == 1,
        };
        self.carry.begin(self.at + quote as u64 + 1);
        self.extend(part, CellForm::JsonString, sink);
        chunk.len()
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
        self.extend(chunk, CellForm::JsonString, sink);
        chunk.len()
    }

    /// Tells a string that lies whole in the chunk, if it is a name or worth a search; `marks` are at its end.
    fn whole_string(&mut self, chunk: &[u8], range: Range<usize>, marks: &Marks<'_>, sink: &mut impl Sink) {
        let key = self.next_is_key();
        if !key && !self.wanted && !marks.walk().wakes_text(range.start, range.end) {
            return;
        }
        let at = self.at + range.start as u64;
        let part = chunk.get(range).unwrap_or_default();
        if key && part.len() <= KEY_BYTES_MAX {
            self.expects_key = false;
            self.wanted = sink.key(&Cell::whole(part, at, CellForm::JsonString)) || self.all;
        } else {
            self.carry.begin(at);
            self.end_string(part, key, sink);
        }
    }

    fn end_string(&mut self, part: &[u8], key: bool, sink: &mut impl Sink) {
        if !key {
            self.carry.end(part, CellForm::JsonString, &mut |cell| sink.cell(cell));
            return;
        }
        self.expects_key = false;
        let mut wanted = true;
        self.carry.end(part, CellForm::JsonString, &mut |cell| {
            if cell.within.0 == 0 {
                wanted = sink.key(cell);
            } else {
                // Too long for a name: its first piece was searched as a cell, so is the rest.
                sink.cell(cell);
            }
        });
        self.wanted = self.all || wanted;
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
        self.carry.end(part, CellForm::Bare, &mut |cell: &Cell<'_>| {
            if cell.raw.len() >= BARE_BYTES_MIN {
                sink.cell(cell);
            }
        });
    }

    fn extend(&mut self, part: &[u8], form: CellForm, sink: &mut impl Sink) {
        for bite in part.chunks(4096) {
            self.carry.extend(bite, form, &mut |cell| sink.cell(cell));
        }
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}
