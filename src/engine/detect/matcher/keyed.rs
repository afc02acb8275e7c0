//! Whole cells whose field name says what they are: names, addresses, dates of birth, order ids, door codes.
//!
//! Nothing of this is searched for elsewhere. What a field name says depends on its bytes alone, so a caller may keep it.

use super::super::Normal;
use super::super::key_words::KeyWords;
use super::address_key;
use super::person::{self, NameKey};
use super::{Builtin, Candidate, birth_date};

/// A longer cell is text, not one value, in bytes.
const KEYED_BYTES_MAX: usize = 256;
/// An order id, in bytes.
const ORDER_ID_BYTES_MAX: usize = 40;
/// A door code, in bytes.
const DOOR_CODE_BYTES_MAX: usize = 40;

/// Reads the words of a field name.
type Reader = fn(&KeyWords) -> Option<Keyed>;

/// What a field name says of its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::detect) enum Keyed {
    /// A person's name.
    Name(NameKey),
    /// A street address.
    Address,
    /// A date of birth.
    BirthDate,
    /// The number of an order.
    OrderId,
    /// What opens a door.
    DoorCode,
}

impl Keyed {
    /// The keyed matchers, and what each reads from the words of a field name that has a context word of its rule.
    const READERS: [(Builtin, Reader); 5] = [
        (Builtin::PersonName, |key| NameKey::of(key).map(Self::Name)),
        (Builtin::AddressByKey, |key| {
            address_key::is_address(key).then_some(Self::Address)
        }),
        (Builtin::BirthDate, |_| Some(Self::BirthDate)),
        (Builtin::OrderId, |_| Some(Self::OrderId)),
        (Builtin::DoorCode, |_| Some(Self::DoorCode)),
    ];

    /// What the words of a field name say for `builtin`, whose context word is among them.
    pub(in crate::engine::detect) fn of(builtin: Builtin, key: &KeyWords) -> Option<Self> {
        let reader = Self::READERS.iter().find(|(known, _)| *known == builtin);
        reader.and_then(|(_, read)| read(key))
    }

    /// The value that `cell` is, apart from blanks around it and from the field's name before it, where the cell is a line
    /// `name: value`. Of such a line, a person's name may be the first part only.
    pub(in crate::engine::detect) fn find(self, cell: &[u8], name: &[u8]) -> Option<Candidate> {
        let (start, text) = value(cell, name);
        if text.is_empty() || text.len() > KEYED_BYTES_MAX {
            return None;
        }
        let is_line = start > 0 && matches!(self, Self::Name(_));
        let text = if is_line { first_part(text) } else { text };
        let normal = match self {
            Self::Name(key) => person::normal(key, text),
            Self::Address => address_key::normal(text),
            Self::BirthDate => birth_date::normal(text),
            Self::OrderId => order_id(text),
            Self::DoorCode => door_code(text),
        }?;
        Some(Candidate {
            start,
            end: start + text.len(),
            normal,
            weak: false,
        })
    }
}

/// Where the value in `cell` begins, and the value: behind `name` and a colon or an equals sign, where they begin the cell.
fn value<'c>(cell: &'c [u8], name: &'c [u8]) -> (usize, &'c [u8]) {
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'');
    let is_lead = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'-' | b'*') || is_quote(byte);
    // Most cells do not begin as their name does.
    let may_begin = |first: &u8| is_lead(first) || name.first().is_some_and(|name| is_quote(name) || name == first);
    if !cell.first().is_some_and(may_begin) {
        return (0, cell.trim_ascii_end());
    }
    let skip = |text: &'c [u8], skipped: &dyn Fn(&u8) -> bool| {
        text.get(text.iter().take_while(|byte| skipped(byte)).count()..)
            .unwrap_or_default()
    };
    let name = skip(name, &is_quote);
    let name = name
        .strip_suffix(b"\"")
        .or_else(|| name.strip_suffix(b"'"))
        .unwrap_or(name);
    let line = skip(cell, &is_lead).strip_prefix(name).filter(|_| !name.is_empty());
    let behind = line
        .map(|line| skip(line, &|byte| is_quote(byte) || *byte == b' '))
        .and_then(|line| {
            line.strip_prefix(b":")
                .or_else(|| line.strip_prefix(b"=>"))
                .or_else(|| line.strip_prefix(b"="))
                .or_else(|| line.strip_prefix("：".as_bytes()))
                .or_else(|| line.strip_prefix(b"\t"))
                .or_else(|| line.strip_prefix(b"- "))
        });
    let Some(behind) = behind else {
        return (cell.len() - cell.trim_ascii_start().len(), cell.trim_ascii());
    };
    let text = skip(behind, &|byte| is_quote(byte) || byte.is_ascii_whitespace());
    let start = cell.len() - text.len();
    let text = text.trim_ascii_end();
    let text = text.strip_suffix(b",").unwrap_or(text);
    let closed = text.strip_suffix(b"\"").or_else(|| text.strip_suffix(b"'"));
    (start, closed.unwrap_or(text))
}

/// The text up to the first mark that parts the things on one line: `Empfänger: Ivo Niemeier; Tel.: ...`.
fn first_part(text: &[u8]) -> &[u8] {
    let marks = [
        &b" / "[..],
        b";",
        b" - ",
        b" | ",
        b"(",
        "，".as_bytes(),
        "、".as_bytes(),
        "（".as_bytes(),
    ];
    let ends = marks.iter().filter_map(|mark| memchr::memmem::find(text, mark));
    let end = ends.min().unwrap_or(text.len());
    text.get(..end).unwrap_or_default().trim_ascii_end()
}

/// `ORD-20785364`, `20210818-4117062`: four digits at least, letters and hyphens besides.
fn order_id(text: &[u8]) -> Option<Normal> {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let good = text
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'#' | b'/' | b'.'));
    (good && digits >= 4 && text.len() <= ORDER_ID_BYTES_MAX).then(|| Normal::lower(text))
}

/// `1234#`, `*0907*`, `종 1203 호출`, `#3690 호출`: three digits at least, and little besides.
fn door_code(text: &[u8]) -> Option<Normal> {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let date = text
        .iter()
        .filter(|byte| matches!(byte, b'-' | b'/' | b':' | b'.'))
        .count()
        >= 2;
    ((3..=12).contains(&digits) && !date && text.len() <= DOOR_CODE_BYTES_MAX).then(|| Normal::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_behind_their_names() {
        let rows = [
            ("Marilyn Davies", "name", "Marilyn Davies"),
            ("  Marilyn Davies ", "name", "Marilyn Davies"),
            ("name: Marilyn Davies\n", "name", "Marilyn Davies"),
            ("  - \"name\" : \"Marilyn Davies\",", "name", "Marilyn Davies"),
            ("\"name\": \"Marilyn Davies\",\r\n", "\"name\"", "Marilyn Davies"),
            ("收件人：侯麗娟", "收件人", "侯麗娟"),
            ("name: 'Marilyn Davies'", "name", "Marilyn Davies"),
            ("  'name' => 'Marilyn Davies',", "'name'", "Marilyn Davies"),
            ("name\tMarilyn Davies", "name", "Marilyn Davies"),
            ("name - Marilyn Davies", "name", "Marilyn Davies"),
            ("name Marilyn", "name", "name Marilyn"),
            (": Marilyn", "", ": Marilyn"),
            ("name:", "name", ""),
        ];
        for (cell, name, expected) in rows {
            let (start, text) = value(cell.as_bytes(), name.as_bytes());
            assert_eq!(text, expected.as_bytes(), "{cell}");
            assert!(cell.as_bytes()[start..].starts_with(text), "{cell}");
        }
        assert_eq!(first_part("Ivo Niemeier; Tel.: 1".as_bytes()), b"Ivo Niemeier");
        assert_eq!(first_part("최영호 / 연락처".as_bytes()), "최영호".as_bytes());
    }

    #[test]
    fn order_ids_and_door_codes() {
        for (text, expected) in [
            ("ORD-20785364", true),
            ("20210818-4117062", true),
            ("pending", false),
            ("order 4711 of today", false),
            ("no-1", false),
        ] {
            assert_eq!(order_id(text.as_bytes()).is_some(), expected, "{text}");
        }
        for (text, expected) in [
            ("1234#", true),
            ("#3690호출", true),
            ("없음", false),
            ("12", false),
            ("2024-01-02 03:04", false),
        ] {
            assert_eq!(door_code(text.as_bytes()).is_some(), expected, "{text}");
        }
    }
}
