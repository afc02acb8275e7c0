//! Forms: `name=value` pairs joined by `&`, percent-encoded (WHATWG URL, section 5.1), as bodies and query strings have
//! them. Memory per stream: a segment, a name of 64 bytes and 64 numbers.

use memchr::{memchr, memchr2, memchr3};

use super::cells::{Carry, CellForm, CellSettings};
use super::name::{Name, Names};
use super::{Container, Sink};
use crate::engine::decode::Unescaped;

/// The reader of one form.
pub(super) struct Form {
    at: u64,
    state: State,
    /// Where the pair under way begins.
    pair_at: u64,
    /// The name as written.
    name: Name,
    group: Group,
    carry: Carry,
    unescaped: Unescaped,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Name,
    Value,
}

/// The record under way: pairs with one index, or pairs until a name comes back.
#[derive(Default)]
struct Group {
    is_open: bool,
    /// The index that its names have, with what stands before it.
    index: Option<u64>,
    names: Names,
}

/// Whether `line` looks like a form or a query string: two or more pairs, and nothing that would have been encoded.
pub(super) fn is_form(line: &[u8]) -> bool {
    let text = line.trim_ascii_end();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~[]%+=&*!'():@,/$;".contains(byte);
    let Some(at) = memchr(b'&', text) else { return false };
    let (first, rest) = text.split_at(at);
    let rest = rest.get(1..).unwrap_or_default();
    let is_name = |pair: &[u8]| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.len() < pair.len()
            && name
                .first()
                .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
    };
    is_name(first) && is_name(rest) && text.iter().all(plain)
}

impl Form {
    pub(super) fn new(at: u64, settings: CellSettings) -> Self {
        let mut carry = Carry::new(settings);
        carry.begin(at);
        Self {
            at,
            state: State::Name,
            pair_at: at,
            name: Name::default(),
            group: Group::default(),
            carry,
            unescaped: Unescaped::default(),
        }
    }

    pub(super) fn decided_to(&self) -> u64 {
        self.carry.searched_to()
    }

    pub(super) fn push(&mut self, mut chunk: &[u8], sink: &mut impl Sink) {
        while !chunk.is_empty() {
            let found = match self.state {
                State::Name => memchr3(b'=', b'&', b'\n', chunk),
                State::Value => memchr2(b'&', b'\n', chunk),
            };
            let part = chunk.get(..found.unwrap_or(chunk.len())).unwrap_or_default();
            if self.state == State::Name {
                self.name.extend(part);
            }
            self.at += part.len() as u64;
            let Some(delimiter) = found.and_then(|at| chunk.get(at)) else {
                self.carry
                    .extend_long(part, CellForm::Percent, &mut |cell| sink.cell(cell));
                return;
            };
            self.delimiter(*delimiter, part, sink);
            chunk = chunk.get(part.len() + 1..).unwrap_or_default();
        }
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        self.end_part(&[], sink);
        self.close(self.at, sink);
    }

    /// `part` is the rest of a name or value that ends at a delimiter.
    fn delimiter(&mut self, delimiter: u8, part: &[u8], sink: &mut impl Sink) {
        let part = self.carry.last(part, CellForm::Percent, &mut |cell| sink.cell(cell));
        if delimiter == b'=' {
            self.begin_record(sink);
        }
        self.end_part(part, sink);
        self.at += 1;
        self.carry.begin(self.at);
        if delimiter == b'=' {
            self.state = State::Value;
            return;
        }
        self.state = State::Name;
        self.name.clear();
        self.pair_at = self.at;
        if delimiter == b'\n' {
            self.close(self.at, sink);
        }
    }

    fn end_part(&mut self, part: &[u8], sink: &mut impl Sink) {
        self.carry.end(part, CellForm::Percent, &mut |cell| sink.cell(cell));
    }

    /// A pair's name is known: it goes on with the record, or begins one.
    fn begin_record(&mut self, sink: &mut impl Sink) {
        self.unescaped.percent(self.name.as_slice());
        let (name, index) = path(&self.unescaped.text);
        let group = &mut self.group;
        let indexed_apart = index != group.index;
        let repeats = group.names.begins_another(&name) && index.is_none();
        if group.is_open && (indexed_apart || repeats) {
            self.close(self.pair_at, sink);
            self.group.names.begins_another(&name);
        }
        self.group.index = index;
        if !self.group.is_open {
            self.group.is_open = true;
            sink.open(Container::Row, self.pair_at);
        }
        name.tell(self.pair_at, sink);
    }

    fn close(&mut self, end: u64, sink: &mut impl Sink) {
        if self.group.is_open {
            sink.close(end);
            self.group = Group::default();
        }
    }
}

/// The path of a name without its indices, and a number for its first index together with what stands before it, unless the
/// index is the last part: `orders[0][phone]` belongs to `orders[0]`, and `phone[0]` to everything with index 0.
fn path(name: &[u8]) -> (Name, Option<u64>) {
    let (mut words, mut index) = (Name::default(), None);
    let mut parts = name
        .split(|byte| matches!(byte, b'[' | b']' | b'.'))
        .filter(|part| !part.is_empty())
        .peekable();
    while let Some(part) = parts.next() {
        if part.len() > 9 || !part.iter().all(u8::is_ascii_digit) || words.is_empty() {
            if !words.is_empty() {
                words.extend(b".");
            }
            words.extend(part);
        } else if index.is_none() {
            let mut place = if parts.peek().is_some() {
                words.clone()
            } else {
                Name::default()
            };
            place.extend(b"[");
            place.extend(part);
            index = Some(place.hash());
        }
    }
    (words, index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_words_and_an_index() {
        let same = |a: &str, b: &str| path(a.as_bytes()).1 == path(b.as_bytes()).1;
        assert_eq!(path(b"orders[0][buyer_name]").0.as_slice(), b"orders.buyer_name");
        assert_eq!(path(b"user.1.phone").0.as_slice(), b"user.phone");
        assert!(same("name[0]", "phone[0]") && !same("name[0]", "name[1]"));
        assert!(same("o[0][a]", "o[0][b]") && !same("o[0][a]", "p[0][a]"));
        assert!(same("name", "phone2"), "no index");
    }

    #[test]
    fn forms_are_told_from_prose() {
        for (line, expected) in [
            ("name=Kim&phone=010", true),
            ("a%5B0%5D=1&b=2\r\n", true),
            ("name=Kim", false),
            ("see a=1 & b=2", false),
            ("<a href=x&y=1>", false),
            ("Q&A=1&b=2", false),
        ] {
            assert_eq!(is_form(line.as_bytes()), expected, "{line}");
        }
    }
}
