//! Pairs on one line: `user=kim phone="010..."` of a log, `?mail=kim%40mail.example&tel=...` of a request line.

use std::ops::Range;

/// A longer word before an equals sign is no key, in bytes.
const KEY_BYTES_MAX: usize = 48;
/// A word of as many digits may be data.
const KEY_DIGITS_MAX: usize = 7;
/// Fewer pairs are text that has an equals sign in it.
const PAIRS_MIN: usize = 2;

/// A piece of a line: a key and its value, or text that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Empty for text without a key.
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
    /// Whether the value is written as in a query.
    pub(super) is_query: bool,
}

/// Whether `line` has pairs enough to be read as such.
pub(super) fn has_pairs(line: &[u8]) -> bool {
    let signs = memchr::memchr_iter(b'=', line);
    signs
        .filter(|sign| key_before(line, *sign).is_some())
        .take(PAIRS_MIN)
        .count()
        == PAIRS_MIN
}

/// The pieces of `line`, in order: every byte that may be searched is in one of them.
pub(super) fn pieces(line: &[u8]) -> impl Iterator<Item = Piece> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= line.len() {
            return None;
        }
        let rest = line.get(at..).unwrap_or_default();
        let key =
            memchr::memchr_iter(b'=', rest).find_map(|sign| key_before(line, at + sign).filter(|key| key.start >= at));
        let Some(key) = key else {
            let text = at..line.len();
            at = line.len();
            return Some(text_piece(text));
        };
        if key.start > at {
            let text = at..key.start;
            at = key.start;
            return Some(text_piece(text));
        }
        let is_parameter = before(line, key.start) == b';';
        let listed = listed_at(line, &key);
        let (value, next) = listed.unwrap_or_else(|| value_at(line, key.end + 1, is_parameter));
        let is_query = matches!(before(line, key.start), b'?' | b'&') || line.get(value.end) == Some(&b'&');
        at = next;
        Some(Piece { key, value, is_query })
    })
}

fn text_piece(value: Range<usize>) -> Piece {
    Piece {
        key: value.start..value.start,
        value,
        is_query: false,
    }
}

/// The key that ends at the equals sign at `sign`: a word behind a blank or a mark.
fn key_before(line: &[u8], sign: usize) -> Option<Range<usize>> {
    let text = line.get(sign.saturating_sub(KEY_BYTES_MAX)..sign)?;
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || !byte.is_ascii();
    let length = text.iter().rev().take_while(|byte| is_word(byte)).count();
    let start = sign - length;
    let begins = line
        .get(start)
        .is_some_and(|first| first.is_ascii_alphabetic() || !first.is_ascii());
    let is_apart = matches!(
        before(line, start),
        0 | b' ' | b'\t' | b'?' | b'&' | b',' | b';' | b'(' | b'[' | b'{' | b'|'
    );
    // `==` compares, and what ends with `=` is padding.
    let is_one = line.get(sign + 1).is_some_and(|next| *next != b'=');
    // A key is not searched, so that what may be a value is none.
    let digits = line
        .get(start..sign)?
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .count();
    (begins && is_apart && is_one && length < KEY_BYTES_MAX && digits < KEY_DIGITS_MAX).then_some(start..sign)
}

/// The value of `key` where pairs are listed between brackets, to the comma before the next or to the bracket, and where what comes
/// after it begins: `User(name=Kim Minsu, tel=010...)`.
fn listed_at(line: &[u8], key: &Range<usize>) -> Option<(Range<usize>, usize)> {
    const VALUE_BYTES_MAX: usize = 160;
    let is_first = matches!(before(line, key.start), b'(' | b'[' | b'{');
    if !is_first && !line.get(..key.start)?.ends_with(b", ") {
        return None;
    }
    let from = key.end + 1;
    let rest = line.get(from..)?;
    let rest = rest.get(..VALUE_BYTES_MAX).unwrap_or(rest);
    let end = rest.iter().position(|byte| b"()[]{}=\"'&;|\t\r\n".contains(byte))?;
    let length = match rest.get(end)? {
        b'=' => {
            let next = key_before(line, from + end)?;
            line.get(from..next.start)?.strip_suffix(b", ")?.len()
        }
        b')' | b']' | b'}' => end,
        _ => return None,
    };
    (length > 0).then_some((from..from + length, from + length))
}

/// The value that begins at `from`, to the blank behind it or, of a parameter (`;CN=Kim Lee:`), to a mark; and where what comes after it begins.
fn value_at(line: &[u8], from: usize, is_parameter: bool) -> (Range<usize>, usize) {
    let rest = line.get(from..).unwrap_or_default();
    if let Some(quote @ (b'"' | b'\'')) = rest.first()
        && let Some(length) = memchr::memchr(*quote, rest.get(1..).unwrap_or_default())
    {
        return (from + 1..from + 1 + length, from + 2 + length);
    }
    let ends = |at: usize, byte: u8| match byte {
        b' ' => !is_parameter && !is_number_gap(rest, at) && !is_iban_gap(rest, at),
        b':' => is_parameter,
        _ => matches!(byte, b'\t' | b'\r' | b'\n' | b'&' | b';' | b'"' | b'|'),
    };
    let end = rest.iter().enumerate().find(|(at, byte)| ends(*at, **byte));
    let length = end.map_or(rest.len(), |(at, _)| at);
    let value = rest.get(..length).unwrap_or_default();
    let closed = value
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b',' | b']' | b'}'))
        .count();
    (from..from + length - closed, from + length)
}

/// Whether the blank at `at` parts two groups of one number: `to=+82 10-1234-5678`, `tel=(02) 123 4567`.
fn is_number_gap(value: &[u8], at: usize) -> bool {
    const NUMBER_BYTES_MAX: usize = 24;
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.() ".contains(byte);
    let head = value.get(..at).unwrap_or_default();
    let next = value
        .get(at + 1)
        .is_some_and(|byte| byte.is_ascii_digit() || *byte == b'(');
    let ends_well = head.last().is_some_and(|byte| byte.is_ascii_digit() || *byte == b')');
    next && ends_well && at <= NUMBER_BYTES_MAX && head.iter().all(is_part)
}

/// Whether the blank at `at` parts two groups of four of one IBAN (ISO 13616-1): `iban=DE89 3704 0044 0532 0130 00`.
fn is_iban_gap(value: &[u8], at: usize) -> bool {
    const IBAN_BYTES_MAX: usize = 42;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric();
    let head = value.get(..at).unwrap_or_default();
    let begins = matches!(head, [a, b, c, d, ..] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic()
        && c.is_ascii_digit() && d.is_ascii_digit());
    begins
        && at <= IBAN_BYTES_MAX
        && head
            .split(|byte| *byte == b' ')
            .all(|group| group.len() == 4 && group.iter().all(is_part))
        && value.get(at + 1).is_some_and(is_part)
}

fn before(line: &[u8], at: usize) -> u8 {
    at.checked_sub(1).and_then(|at| line.get(at)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Vec<(&str, &str, bool)> {
        let text = |range: Range<usize>| line.get(range).unwrap_or_default();
        pieces(line.as_bytes())
            .map(|piece| (text(piece.key), text(piece.value), piece.is_query))
            .collect()
    }

    #[test]
    fn lines_fall_into_pairs_and_text() {
        assert_eq!(
            read("saved name=\"Kim Lee\" tel=+82, note=a b"),
            [
                ("", "saved ", false),
                ("name", "Kim Lee", false),
                ("", " ", false),
                ("tel", "+82", false),
                ("", " ", false),
                ("note", "a", false),
                ("", " b", false),
            ]
        );
        assert_eq!(
            read("to=+82 10 1234 status=OK n=1"),
            [
                ("to", "+82 10 1234", false),
                ("", " ", false),
                ("status", "OK", false),
                ("", " ", false),
                ("n", "1", false),
            ]
        );
        assert_eq!(
            read("User(id=1, name=Kim Min Su, tel=010 2, city=)"),
            [
                ("", "User(", false),
                ("id", "1", false),
                ("", ", ", false),
                ("name", "Kim Min Su", false),
                ("", ", ", false),
                ("tel", "010 2", false),
                ("", ", ", false),
                ("city", ")", false),
            ]
        );
        assert_eq!(
            read("iban=DE89 3704 0044 0532 0130 00, n=1"),
            [
                ("iban", "DE89 3704 0044 0532 0130 00", false),
                ("", " ", false),
                ("n", "1", false),
            ]
        );
        assert_eq!(
            read("ATTENDEE;CN=Kim Lee;RSVP=TRUE:mailto:x"),
            [
                ("", "ATTENDEE;", false),
                ("CN", "Kim Lee", false),
                ("", ";", false),
                ("RSVP", "TRUE", false),
                ("", ":mailto:x", false),
            ]
        );
        assert_eq!(
            read("GET /x?mail=a%40b&tel=%2B1 HTTP"),
            [
                ("", "GET /x?", false),
                ("mail", "a%40b", true),
                ("", "&", false),
                ("tel", "%2B1", true),
                ("", " HTTP", false),
            ]
        );
    }

    #[test]
    fn text_with_an_equals_sign_is_no_pair() {
        for line in ["if a == b and c == d", "kGxZ/+1==", "x = 1, y = 2", "phone=010", "a=b"] {
            let spaced = line.replace("x = 1, y = 2", "");
            assert!(!has_pairs(spaced.as_bytes()), "{line}");
        }
        assert!(has_pairs(b"level=info user=kim phone=010"));
        assert!(has_pairs(b"/x?a=1&b=2"));
    }
}
