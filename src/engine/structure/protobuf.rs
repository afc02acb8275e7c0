//! Protocol Buffers without descriptors: a message is known by its fields alone, a string by being none. Nested messages that
//! come again under one number are records, as elements of XML are; strings that do are a list.
//!
//! The wire format says of a field its number, how long its value is, and whether that is a number or bytes. Whether bytes are a
//! string or another message is told from their beginning.

use smallvec::SmallVec;

use super::cells::{Carry, Cell, CellForm, CellSettings};
use super::name::Name;
use super::{Container, Declared, Sink, Structure};

/// Bytes of a value from which it is told what it is, and of one that may wait for the next field.
const PEEK_BYTES: usize = 4096;
/// Deeper messages are read as text of the one at this depth. Against: a message in a message in a message.
const DEPTH_MAX: usize = 32;
/// Bytes of a varint.
const VARINT_BYTES_MAX: usize = 10;
/// Higher field numbers share one name. Against: as many names as a body has fields.
const NAMED_FIELD_MAX: u64 = 999;
/// The highest field number there is.
const FIELD_MAX: u64 = (1 << 29) - 1;
/// The type of a value of stated length.
const LEN: u64 = 2;

/// The reader of one message and those in it.
pub(super) struct Protobuf {
    at: u64,
    /// The end of the whole, if it is known.
    end: u64,
    state: State,
    levels: SmallVec<[Level; 4]>,
    /// Where the field under way begins, its number, and where its value does.
    tag_at: u64,
    field: u64,
    from: u64,
    /// The beginning of its value.
    peek: Vec<u8>,
    /// A string that was read whole, until it is known whether the next field is another of its list.
    pending: Option<Pending>,
    settings: CellSettings,
    carry: Carry,
}

enum State {
    /// The whole, of which the beginning tells whether it is a message.
    Root,
    Tag(Varint),
    Length(Varint),
    Number,
    /// So many bytes of a number of fixed length.
    Fixed(u64),
    /// The beginning of a value that ends here.
    Peek(u64),
    /// A long string that ends here.
    Text(u64),
    /// The whole is no message.
    Other(Box<Structure>),
}

#[derive(Clone, Copy, Default)]
struct Varint {
    value: u64,
    bytes: usize,
}

/// A message that has begun.
struct Level {
    end: u64,
    /// The field whose strings are told as a list.
    list: Option<u64>,
}

struct Pending {
    field: u64,
    from: u64,
    text: Vec<u8>,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Message,
    Text,
    /// As good a string as a message: it is read as both.
    Both,
}

impl Protobuf {
    /// A reader of what begins at `at` and, where that is known, ends at `end`.
    pub(super) fn new(at: u64, end: Option<u64>, settings: CellSettings) -> Self {
        let mut carry = Carry::new(settings);
        carry.begin(at);
        Self {
            at,
            end: end.unwrap_or(u64::MAX),
            state: State::Root,
            levels: SmallVec::new(),
            tag_at: at,
            field: 0,
            from: at,
            peek: Vec::new(),
            pending: None,
            settings,
            carry,
        }
    }

    pub(super) fn decided_to(&self) -> u64 {
        match (&self.state, &self.pending) {
            (_, Some(pending)) => pending.from,
            (State::Other(other), _) => other.decided_to(),
            (State::Text(_), _) => self.carry.searched_to(),
            (State::Root | State::Peek(_), _) => self.from,
            (State::Tag(_) | State::Length(_) | State::Number | State::Fixed(_), _) => self.tag_at,
        }
    }

    pub(super) fn push(&mut self, mut chunk: &[u8], sink: &mut impl Sink) {
        while let Some(first) = chunk.first() {
            let taken = self.step(*first, chunk, sink);
            chunk = chunk.get(taken..).unwrap_or_default();
        }
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        // What was to be longer is read as far as it came; a message in it may be cut again.
        while let Some(end) = self.peeked().filter(|_| !self.peek.is_empty()) {
            self.tell_value(end, sink);
        }
        if let State::Other(other) = &mut self.state {
            other.finish(sink);
        }
        if matches!(self.state, State::Text(_)) {
            self.end_text(sink);
        }
        while !self.levels.is_empty() {
            self.end_level(sink);
        }
    }

    /// Reads on; returns the bytes taken, of which there may be none where only the state changes.
    fn step(&mut self, first: u8, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let end = self.level_end();
        match &mut self.state {
            State::Other(other) => {
                other.push(chunk, sink);
                self.at += chunk.len() as u64;
                chunk.len()
            }
            State::Tag(varint) if varint.bytes == 0 && self.at >= end && !self.levels.is_empty() => {
                self.end_level(sink);
                0
            }
            State::Root => self.peek(self.end, chunk, sink),
            State::Peek(end) => {
                let end = *end;
                self.peek(end, chunk, sink)
            }
            State::Text(end) => {
                let end = *end;
                self.text(end, chunk, sink)
            }
            State::Fixed(left) => {
                let taken = (*left).min(chunk.len() as u64);
                *left -= taken;
                self.at += taken;
                if *left == 0 {
                    self.next_field();
                }
                taken as usize
            }
            State::Number => {
                self.at += 1;
                if first < 0x80 {
                    self.next_field();
                }
                1
            }
            State::Tag(varint) | State::Length(varint) => {
                self.at += 1;
                let (is_known, varint) = (varint.push(first), *varint);
                if is_known {
                    self.known(varint.value, sink);
                } else if varint.bytes >= VARINT_BYTES_MAX {
                    self.give_up(sink);
                }
                1
            }
        }
    }

    /// The end of the value of which the beginning is being read.
    fn peeked(&self) -> Option<u64> {
        match self.state {
            State::Root => Some(self.end),
            State::Peek(end) => Some(end),
            State::Tag(_) | State::Length(_) | State::Number | State::Fixed(_) | State::Text(_) | State::Other(_) => {
                None
            }
        }
    }

    fn level_end(&self) -> u64 {
        self.levels.last().map_or(self.end, |level| level.end)
    }

    fn next_field(&mut self) {
        self.tag_at = self.at;
        self.state = State::Tag(Varint::default());
    }

    /// A tag or a length was read.
    fn known(&mut self, value: u64, sink: &mut impl Sink) {
        if matches!(self.state, State::Length(_)) {
            let Some(end) = self.at.checked_add(value).filter(|end| *end <= self.level_end()) else {
                return self.give_up(sink);
            };
            self.from = self.at;
            self.peek.clear();
            if value == 0 {
                self.next_field();
            } else {
                self.state = State::Peek(end);
            }
            return;
        }
        self.field = value >> 3;
        self.tell_pending((value & 7 == LEN).then_some(self.field), sink);
        self.state = match value & 7 {
            _ if !(1..=FIELD_MAX).contains(&self.field) => return self.give_up(sink),
            0 => State::Number,
            1 => State::Fixed(8),
            LEN => State::Length(Varint::default()),
            // Groups, which have no length: what is in them is read as fields of the message around.
            3 | 4 => return self.next_field(),
            5 => State::Fixed(4),
            _ => return self.give_up(sink),
        };
    }

    /// The rest of the message under way is none: it is searched as text.
    fn give_up(&mut self, sink: &mut impl Sink) {
        self.tell_pending(None, sink);
        Name::default().tell(self.at, sink);
        self.carry.begin(self.at);
        self.state = State::Text(self.level_end());
    }

    /// More of the beginning of a value that ends at `end`.
    fn peek(&mut self, end: u64, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let wanted = (end - self.from).min(PEEK_BYTES as u64) as usize;
        let taken = wanted.saturating_sub(self.peek.len()).min(chunk.len());
        self.peek.extend_from_slice(chunk.get(..taken).unwrap_or_default());
        self.at += taken as u64;
        if self.peek.len() >= wanted {
            self.tell_value(end, sink);
        }
        taken
    }

    /// It is known what the value is whose beginning was read.
    fn tell_value(&mut self, end: u64, sink: &mut impl Sink) {
        let peek = std::mem::take(&mut self.peek);
        let is_whole = self.from + peek.len() as u64 == end;
        let shape = shape(&peek, is_whole);
        if matches!(self.state, State::Root) {
            self.tell_root(&peek, shape, sink);
        } else if shape != Shape::Text && self.levels.len() < DEPTH_MAX {
            self.end_list(sink);
            self.tell_name(sink);
            if shape == Shape::Both {
                sink.cell(&Cell::whole(&peek, self.from, CellForm::Plain));
                self.tell_name(sink);
            }
            sink.open(Container::Element, self.from);
            self.read_again(end, &peek, sink);
        } else if is_whole {
            self.pending = Some(Pending {
                field: self.field,
                from: self.from,
                text: peek,
            });
            self.next_field();
        } else {
            self.peek = peek;
            self.state = State::Text(end);
            self.begin_text(sink);
        }
    }

    fn tell_root(&mut self, peek: &[u8], shape: Shape, sink: &mut impl Sink) {
        if shape == Shape::Message {
            sink.open(Container::Element, self.from);
            self.read_again(self.end, peek, sink);
        } else {
            let mut other = Structure::at(self.from, Declared::Unknown, self.settings);
            other.push(peek, sink);
            self.state = State::Other(Box::new(other));
        }
    }

    /// A message begins, of which so much was read.
    fn read_again(&mut self, end: u64, peek: &[u8], sink: &mut impl Sink) {
        self.levels.push(Level { end, list: None });
        self.at = self.from;
        self.next_field();
        self.push(peek, sink);
    }

    /// A long string begins.
    fn begin_text(&mut self, sink: &mut impl Sink) {
        self.end_list(sink);
        self.tell_name(sink);
        self.carry.begin(self.from);
        let peek = std::mem::take(&mut self.peek);
        self.carry
            .extend_long(&peek, CellForm::Plain, &mut |cell| sink.cell(cell));
    }

    fn text(&mut self, end: u64, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let taken = chunk.len().min(end.saturating_sub(self.at) as usize);
        let part = chunk.get(..taken).unwrap_or_default();
        self.carry
            .extend_long(part, CellForm::Plain, &mut |cell| sink.cell(cell));
        self.at += taken as u64;
        if self.at == end {
            self.end_text(sink);
        }
        taken
    }

    fn end_text(&mut self, sink: &mut impl Sink) {
        self.carry.end(&[], CellForm::Plain, &mut |cell| sink.cell(cell));
        self.next_field();
    }

    /// Tells the string that waited: as one of a list if the field after it is `next`, and so is the same.
    fn tell_pending(&mut self, next: Option<u64>, sink: &mut impl Sink) {
        let Some(Pending { field, from, text }) = self.pending.take() else {
            if self.levels.last().is_some_and(|level| level.list != next) {
                self.end_list(sink);
            }
            return;
        };
        let goes_on = next == Some(field);
        let list = self.levels.last().and_then(|level| level.list);
        if list != Some(field) {
            self.end_list(sink);
            name(field).tell(from, sink);
            if let Some(level) = self.levels.last_mut().filter(|_| goes_on) {
                level.list = Some(field);
                sink.open(Container::Array, from);
            }
        }
        sink.cell(&Cell::whole(&text, from, CellForm::Plain));
        if !goes_on {
            self.end_list(sink);
        }
    }

    fn end_list(&mut self, sink: &mut impl Sink) {
        if self.levels.last_mut().and_then(|level| level.list.take()).is_some() {
            sink.close(self.tag_at);
        }
    }

    /// The innermost message ends.
    fn end_level(&mut self, sink: &mut impl Sink) {
        self.tell_pending(None, sink);
        self.end_list(sink);
        self.levels.pop();
        sink.close(self.at);
        self.next_field();
    }

    fn tell_name(&self, sink: &mut impl Sink) {
        name(self.field).tell(self.from, sink);
    }
}

impl Varint {
    /// Whether the number is whole with this byte.
    fn push(&mut self, byte: u8) -> bool {
        let shift = 7 * self.bytes as u32;
        self.value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
        self.bytes += 1;
        byte < 0x80
    }
}

/// What a field is called: its number is no word, and no datum either.
fn name(field: u64) -> Name {
    if field > NAMED_FIELD_MAX {
        return Name::of(b"f");
    }
    Name::of(format!("f{field}").as_bytes())
}

/// What a value is, from its beginning.
fn shape(bytes: &[u8], is_whole: bool) -> Shape {
    match (is_message(bytes, is_whole), is_text(bytes, is_whole)) {
        (Some(_), false) => Shape::Message,
        // A line end is the tag of a first field, and begins few strings.
        (Some(true), true) if bytes.first() == Some(&b'\n') => Shape::Message,
        (Some(true), true) => Shape::Both,
        (None, _) | (Some(false), true) => Shape::Text,
    }
}

/// Whether there are fields to the end, and whether one of them has bytes.
fn is_message(bytes: &[u8], is_whole: bool) -> Option<bool> {
    let (mut rest, mut has_bytes) = (bytes, false);
    while !rest.is_empty() {
        let Some((tag, value)) = varint(rest) else {
            return (!is_whole && rest.len() < VARINT_BYTES_MAX).then_some(has_bytes);
        };
        if !(1..=FIELD_MAX).contains(&(tag >> 3)) {
            return None;
        }
        let after = match tag & 7 {
            0 => varint(value).map(|(_, after)| after),
            1 => value.get(8..),
            5 => value.get(4..),
            LEN => varint(value).and_then(|(length, value)| {
                has_bytes |= length > 0;
                value.get(usize::try_from(length).ok()?..)
            }),
            _ => return None,
        };
        match after {
            Some(after) => rest = after,
            None => return (!is_whole).then_some(has_bytes),
        }
    }
    Some(has_bytes)
}

fn is_text(bytes: &[u8], is_whole: bool) -> bool {
    let is_control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r');
    let is_utf8 = std::str::from_utf8(bytes).map_or_else(|error| !is_whole && error.error_len().is_none(), |_| true);
    is_utf8 && !bytes.iter().any(is_control)
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut varint = Varint::default();
    for (at, byte) in bytes.iter().enumerate().take(VARINT_BYTES_MAX) {
        if varint.push(*byte) {
            return Some((varint.value, bytes.get(at + 1..).unwrap_or_default()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_messages_are_told_apart() {
        let cases: [(&[u8], Shape); 10] = [
            (b"kim@mail.example", Shape::Text),
            ("서울 강남구 01012345678".as_bytes(), Shape::Text),
            (b"0101010101", Shape::Text),
            (b"{\"email\":\"kim@mail.example\"}", Shape::Text),
            (b"\x0a\x10kim@mail.example", Shape::Message),
            (b"\x0a\x03Kim\x12\x10kim@mail.example\x18\x05", Shape::Message),
            (b"\x0a\x30kim.lee.of.the.third@mail.example", Shape::Text),
            (b"\x0a\x23kim.lee.of.the.third.x@mail.example", Shape::Message),
            (b"\x22\x23kim.lee.of.the.third.x@mail.example", Shape::Both),
            (b"\xff\xfe\x00\x01", Shape::Text),
        ];
        for (bytes, expected) in cases {
            assert_eq!(shape(bytes, true), expected, "{:?}", bytes.escape_ascii().to_string());
        }
    }
}
