//! JSON as it streams past: one document, many, one a line, or a piece of one. Forgiving: what is not JSON is passed over,
//! never refused, because a reader behind the client may be forgiving too.

use memchr::memchr2;

use super::cells::{Carry, Cell, CellForm, CellSettings};
use super::{Container, Sink};

/// Deeper containers are read as part of the one at this depth. Against: `[[[[...` that costs a frame a byte.
const DEPTH_MAX: usize = 128;

/// The lexer; a stack of containers and at most one value under way.
pub(super) struct Json {
    at: u64,
    state: State,
    /// `true` is an object.
    stack: Vec<bool>,
    /// Containers open beyond [`DEPTH_MAX`].
    beyond: u64,
    /// Whether the next string of the innermost object is a member's name.
    expects_key: bool,
    /// The first byte of the value under way, quote included.
    value_at: u64,
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
            stack: Vec::new(),
            beyond: 0,
            expects_key: false,
            value_at: at,
            carry: Carry::new(settings),
        }
    }

    pub(super) fn decided_to(&self) -> u64 {
        let searched = self.carry.searched_to();
        match self.state {
            State::Between => self.at,
            // Until some of a string was searched, its quote belongs to it.
            State::String { .. } if searched == self.value_at + 1 => self.value_at,
            State::String { .. } | State::Bare => searched,
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

    /// Reads structure up to the next value; returns the bytes taken.
    fn between(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        for (taken, byte) in chunk.iter().enumerate() {
            let at = self.at + taken as u64;
            match byte {
                b'"' => {
                    let key = self.expects_key && self.stack.last() == Some(&true);
                    self.state = State::String { key, escaped: false };
                    self.value_at = at;
                    self.carry.begin(at + 1);
                    return taken + 1;
                }
                b'{' | b'[' => self.open(*byte == b'{', at, sink),
                b'}' | b']' => self.close(at + 1, sink),
                b',' => self.expects_key = true,
                b':' => self.expects_key = false,
                b' ' | b'\n' | b'\r' | b'\t' => {}
                _ => {
                    self.state = State::Bare;
                    self.carry.begin(at);
                    return taken;
                }
            }
        }
        chunk.len()
    }

    fn open(&mut self, object: bool, at: u64, sink: &mut impl Sink) {
        if self.stack.len() >= DEPTH_MAX {
            self.beyond += 1;
            return;
        }
        self.stack.push(object);
        self.expects_key = object;
        sink.open(if object { Container::Object } else { Container::Array }, at);
    }

    fn close(&mut self, end: u64, sink: &mut impl Sink) {
        if self.beyond > 0 {
            self.beyond -= 1;
        } else if self.stack.pop().is_some() {
            sink.close(end);
        }
        self.expects_key = false;
    }

    fn string(&mut self, chunk: &[u8], key: bool, mut escaped: bool, sink: &mut impl Sink) -> usize {
        let mut from = 0;
        if escaped {
            from = 1;
            escaped = false;
        }
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
        for bite in chunk.chunks(4096) {
            self.carry
                .extend(bite, CellForm::JsonString, &mut |cell| sink.cell(cell));
        }
        chunk.len()
    }

    fn end_string(&mut self, part: &[u8], key: bool, sink: &mut impl Sink) {
        if !key {
            self.carry.end(part, CellForm::JsonString, &mut |cell| sink.cell(cell));
            return;
        }
        self.expects_key = false;
        self.carry.end(part, CellForm::JsonString, &mut |cell| {
            if cell.within.0 == 0 {
                sink.key(cell);
            } else {
                // Too long for a name: its first piece was searched as a cell, so is the rest.
                sink.cell(cell);
            }
        });
    }

    fn bare(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let ends = |byte: &u8| {
            matches!(
                byte,
                b',' | b'}' | b']' | b':' | b'"' | b'{' | b'[' | b' ' | b'\n' | b'\r' | b'\t'
            )
        };
        let Some(at) = chunk.iter().position(ends) else {
            for bite in chunk.chunks(4096) {
                self.carry.extend(bite, CellForm::Bare, &mut |cell| sink.cell(cell));
            }
            return chunk.len();
        };
        self.end_bare(chunk.get(..at).unwrap_or_default(), sink);
        self.state = State::Between;
        at
    }

    fn end_bare(&mut self, part: &[u8], sink: &mut impl Sink) {
        self.carry.end(part, CellForm::Bare, &mut |cell: &Cell<'_>| {
            // `true`, `null` and short numbers cannot hold an identifier.
            if cell.raw.len() >= 7 {
                sink.cell(cell);
            }
        });
    }
}
