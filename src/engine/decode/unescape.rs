//! Escapes of JSON strings, quoted cells, forms, markup and SQL, undone with a map back, so that what is found can be
//! masked in place.

use memchr::{memchr, memchr2, memmem};

use super::entity;

/// The longest inline tag that may stand inside a value of markup, brackets included: `</strong>`.
const INLINE_TAG_BYTES_MAX: usize = 9;

/// What begins a further line of an event's data, with the line end before it (HTML Living Standard, section 9.2.6).
pub(crate) const EVENT_LINE: &[u8] = b"\ndata:";

/// A text without its escapes, and where each of its bytes stood.
#[derive(Clone, Default)]
pub struct Unescaped {
    /// The text a reader sees.
    pub text: Vec<u8>,
    /// For each byte of `text`, the offset in the raw text at which its escape (or itself) began; one more for the end.
    offsets: Vec<u32>,
    /// Where something was left out: the place in `text`, and the raw offset at which it began.
    cuts: Vec<(usize, u32)>,
}

impl Unescaped {
    /// The raw range of `start..end` of the text.
    pub fn raw(&self, start: usize, end: usize) -> (usize, usize) {
        // A value ends before the tag that was left out after it.
        let cut = self.cuts.binary_search_by_key(&end, |(at, _)| *at).ok();
        let end = cut
            .and_then(|place| self.cuts.get(place))
            .map_or_else(|| self.end(end), |(_, at)| *at as usize);
        (self.at(start), end)
    }

    /// Where the byte at `at` of the text begins in the raw one.
    pub(super) fn at(&self, at: usize) -> usize {
        let known = self.offsets.get(at).or_else(|| self.offsets.last());
        known.copied().unwrap_or_default() as usize
    }

    /// Where what ends before `end` of the text ends in the raw one: with the whole of its last unit.
    fn end(&self, end: usize) -> usize {
        let Some(last) = end.checked_sub(1).map(|last| self.at(last)) else {
            return self.at(end);
        };
        let mut behind = self.offsets.get(end..).unwrap_or_default().iter();
        let next = behind.find(|offset| **offset as usize > last);
        next.copied()
            .map_or_else(|| self.at(usize::MAX), |offset| offset as usize)
    }

    /// The parts of the text that stand in the raw one as they are, or are an escape: where each ends in both.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (usize, usize)> {
        let length = |at: &usize| self.at(at + 1) - self.at(*at);
        let mut at = 0;
        std::iter::from_fn(move || {
            let left = at..self.text.len();
            let plain = left.clone().take_while(|at| length(at) == 1).count();
            // Of a letter of several bytes that is escaped only the last has a length.
            let escape = || left.clone().take_while(|at| length(at) == 0).count() + 1;
            let part = if plain > 0 { plain } else { escape().min(left.len()) };
            at += part;
            (part > 0).then(|| (at, self.at(at)))
        })
    }

    /// The first byte of the text that began at or after `raw`.
    pub fn from_raw(&self, raw: usize) -> usize {
        self.offsets
            .partition_point(|offset| (*offset as usize) < raw)
            .min(self.text.len())
    }

    /// Undoes JSON escapes (RFC 8259, section 7). What is no valid escape stays as it is.
    pub fn json(&mut self, raw: &[u8]) {
        self.undo(
            raw,
            |rest| memchr(b'\\', rest),
            |text, rest, at| {
                let (length, value) = json_escape(rest);
                match value {
                    Some(value) => text.put_char(value, at),
                    None => text.put_all(rest.get(..length).unwrap_or_default(), at),
                }
                length
            },
        );
    }

    /// Takes the text as it is.
    pub fn plain(&mut self, raw: &[u8]) {
        self.undo(raw, |_| None, |_, _, _| 1);
    }

    /// Writes letters, digits and marks of the full width (Unicode, "Halfwidth and Fullwidth Forms") as ASCII ones.
    pub fn narrow(&mut self) {
        let first = |rest: &[u8], end: usize| memchr(0xef, rest.get(..end)?);
        self.again(first, |out, rest, raw| {
            let (byte, length) = match rest {
                [0xef, 0xbc, low @ 0x81..=0xbf, ..] => (*low - 0x60, 3),
                [0xef, 0xbd, low @ 0x80..=0x9e, ..] => (*low - 0x20, 3),
                _ => (rest.first().copied().unwrap_or_default(), 1),
            };
            out.put(byte, raw);
            length
        });
    }

    /// Reads the text once more. Where `find` finds something, before a place that it is given, `read` is given what is left of
    /// the text and where that stands in the raw one, writes what it makes of its beginning, and returns the length of that, at
    /// least 1; what is between stays as it is.
    pub(super) fn again(
        &mut self,
        find: impl Fn(&[u8], usize) -> Option<usize>,
        read: impl Fn(&mut Self, &[u8], usize) -> usize,
    ) {
        let before = std::mem::take(self);
        let mut cuts = before.cuts.iter().peekable();
        let (mut at, mut rest) = (0, before.text.as_slice());
        while !rest.is_empty() {
            while let Some((_, raw)) = cuts.next_if(|(place, _)| *place <= at) {
                self.cut(*raw as usize);
            }
            let end = cuts
                .peek()
                .map_or(rest.len(), |(place, _)| (place - at).min(rest.len()));
            let found = find(rest, end);
            let plain = found.unwrap_or(end);
            self.text.extend_from_slice(rest.get(..plain).unwrap_or_default());
            let offsets = before.offsets.get(at..at + plain);
            self.offsets.extend_from_slice(offsets.unwrap_or_default());
            (at, rest) = (at + plain, rest.get(plain..).unwrap_or_default());
            // No cut is before it.
            if found.is_some() {
                let length = read(self, rest, before.at(at)).max(1);
                (at, rest) = (at + length, rest.get(length..).unwrap_or_default());
            }
        }
        for (_, raw) in cuts {
            self.cut(*raw as usize);
        }
        self.end_at(before.at(usize::MAX));
    }

    /// The text ends, and what it was made of ends at `raw`.
    pub(super) fn end_at(&mut self, raw: usize) {
        self.offsets.push(raw as u32);
    }

    /// Leaves out the blanks at the end of the text so far.
    pub(super) fn drop_blanks(&mut self) {
        let length = self.text.trim_ascii_end().len();
        self.text.truncate(length);
        self.offsets.truncate(length);
        self.cuts.retain(|(at, _)| *at <= length);
    }

    /// Undoes doubled quotes of a quoted CSV cell (RFC 4180, section 2.7).
    pub fn quotes(&mut self, raw: &[u8]) {
        self.undo(
            raw,
            |rest| memchr(b'"', rest),
            |text, rest, at| {
                text.put(b'"', at);
                if rest.get(1) == Some(&b'"') { 2 } else { 1 }
            },
        );
    }

    /// Undoes percent-encoding, and `+` for a blank (WHATWG URL, section 5.1).
    pub fn percent(&mut self, raw: &[u8]) {
        self.undo(
            raw,
            |rest| memchr2(b'%', b'+', rest),
            |text, rest, at| {
                let (length, value) = match rest.first() {
                    Some(b'+') => (1, b' '),
                    _ => percent_escape(rest).map_or((1, b'%'), |value| (3, value)),
                };
                text.put(value, at);
                length
            },
        );
    }

    /// Undoes character references, and leaves out inline tags.
    pub fn markup(&mut self, raw: &[u8]) {
        self.undo(
            raw,
            |rest| memchr2(b'&', b'<', rest),
            |text, rest, at| {
                if let Some(length) = inline_tag(rest) {
                    text.cut(at);
                    length
                } else if rest.starts_with(b"&")
                    && let Some((length, value)) = entity::reference(rest)
                {
                    text.put_char(value, at);
                    length
                } else {
                    text.put_all(rest.get(..1).unwrap_or_default(), at);
                    1
                }
            },
        );
    }

    /// Undoes doubled quotes and backslashes of an SQL string (SQL-92, section 5.3; the manual of `MySQL`, section 11.1.1).
    pub fn sql(&mut self, raw: &[u8]) {
        self.undo(
            raw,
            |rest| memchr2(b'\'', b'\\', rest),
            |text, rest, at| {
                let (length, value) = match rest {
                    [b'\'', b'\'', ..] => (2, b'\''),
                    [b'\\', b'n' | b'r', ..] => (2, b'\n'),
                    [b'\\', b't', ..] => (2, b'\t'),
                    [b'\\', next, ..] => (2, *next),
                    [byte, ..] => (1, *byte),
                    [] => (1, 0),
                };
                text.put(value, at);
                length
            },
        );
    }

    /// Joins the lines of an event's data: of what begins one of them only the line end stays.
    pub fn event(&mut self, raw: &[u8]) {
        self.undo(
            raw,
            |rest| memmem::find(rest, EVENT_LINE),
            |text, rest, at| {
                text.put(b'\n', at);
                EVENT_LINE.len() + usize::from(rest.get(EVENT_LINE.len()) == Some(&b' '))
            },
        );
    }

    /// Undoes what `find` finds: `escape` is given what begins with it and where that stands, and returns its length, at
    /// least 1. What is between stays as it is.
    fn undo(
        &mut self,
        raw: &[u8],
        find: impl Fn(&[u8]) -> Option<usize>,
        escape: impl Fn(&mut Self, &[u8], usize) -> usize,
    ) {
        self.clear();
        let mut at = 0;
        while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
            let plain = find(rest).unwrap_or(rest.len());
            let (text, rest) = rest.split_at(plain);
            self.text.extend_from_slice(text);
            self.offsets.extend(at as u32..(at + plain) as u32);
            at += plain;
            if !rest.is_empty() {
                at += escape(self, rest, at);
            }
        }
        self.end_at(raw.len());
    }

    fn clear(&mut self) {
        self.text.clear();
        self.offsets.clear();
        self.cuts.clear();
    }

    pub(super) fn put_char(&mut self, value: char, raw: usize) {
        let mut utf8 = [0; 4];
        value
            .encode_utf8(&mut utf8)
            .bytes()
            .for_each(|byte| self.put(byte, raw));
    }

    /// What begins at `raw` is left out; of several in a row the first counts.
    pub(super) fn cut(&mut self, raw: usize) {
        let at = self.text.len();
        if self.cuts.last().is_none_or(|(last, _)| *last != at) {
            self.cuts.push((at, raw as u32));
        }
    }

    /// Bytes that are one escape.
    fn put_all(&mut self, bytes: &[u8], raw: usize) {
        self.text.extend_from_slice(bytes);
        self.offsets.resize(self.text.len(), raw as u32);
    }

    pub(super) fn put(&mut self, byte: u8, raw: usize) {
        self.text.push(byte);
        self.offsets.push(raw as u32);
    }
}

/// The length of the inline tag at the start of `raw`.
pub(super) fn inline_tag(raw: &[u8]) -> Option<usize> {
    raw.strip_prefix(b"<")?;
    let end = memchr(b'>', raw.get(..raw.len().min(INLINE_TAG_BYTES_MAX))?)?;
    let inner = raw.get(1..end)?;
    is_inline(inner.strip_prefix(b"/").unwrap_or(inner)).then_some(end + 1)
}

/// Whether a tag of this name emphasises part of a value and does not end it.
pub(crate) fn is_inline(name: &[u8]) -> bool {
    let is = |known: &[u8]| known.eq_ignore_ascii_case(name);
    match name.len() {
        1 => is(b"b") || is(b"i") || is(b"u"),
        2 => is(b"em"),
        3 => is(b"bdi") || is(b"big") || is(b"wbr"),
        4 => is(b"mark"),
        5 => is(b"small"),
        6 => is(b"strong"),
        _ => false,
    }
}

pub(super) fn percent_escape(raw: &[u8]) -> Option<u8> {
    let nibble = |at: usize| raw.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    Some((nibble(1)? << 4 | nibble(2)?) as u8)
}

/// The length of the escape at the start of `raw` and the character it stands for.
pub(super) fn json_escape(raw: &[u8]) -> (usize, Option<char>) {
    let simple = |character| (2, Some(character));
    match raw.get(1) {
        Some(b'n') => simple('\n'),
        Some(b't') => simple('\t'),
        Some(b'r') => simple('\r'),
        Some(b'b') => simple('\u{8}'),
        Some(b'f') => simple('\u{c}'),
        Some(byte @ (b'"' | b'\\' | b'/')) => simple(char::from(*byte)),
        Some(b'u') => match (hex(raw, 2), raw.get(6..8), hex(raw, 8)) {
            (Some(high @ 0xd800..=0xdbff), Some(b"\\u"), Some(low @ 0xdc00..=0xdfff)) => {
                (12, char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)))
            }
            (Some(code), _, _) => match char::from_u32(code) {
                Some(character) => (6, Some(character)),
                None => (6, None),
            },
            (None, _, _) => (1, None),
        },
        _ => (1, None),
    }
}

fn hex(raw: &[u8], at: usize) -> Option<u32> {
    let digits = raw.get(at..at + 4)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_escapes_are_undone_and_mapped_back() {
        for (raw, text) in [
            (r"kim\u0040mail.example", "kim@mail.example"),
            (r#"a\"b\\c\/d"#, r#"a"b\c/d"#),
            (r"\uD83D\uDE00x", "😀x"),
            (r"\u12", r"\u12"),
            (r"\ud800", r"\ud800"),
            (r"end\", r"end\"),
        ] {
            let mut out = Unescaped::default();
            out.json(raw.as_bytes());
            assert_eq!(String::from_utf8_lossy(&out.text), text, "{raw}");
            assert_eq!(out.raw(0, out.text.len()), (0, raw.len()), "{raw}");
        }
        let mut out = Unescaped::default();
        out.json(br"kim\u0040x");
        assert_eq!(out.raw(3, 4), (3, 9));
        assert_eq!(out.from_raw(9), 4);
    }

    #[test]
    fn letters_of_the_full_width_are_narrow_and_mapped_back() {
        let mut text = Unescaped::default();
        let raw = "가０１０－１２３４(ｘ)".as_bytes();
        text.plain(raw);
        text.narrow();
        assert_eq!(text.text, "가010-1234(x)".as_bytes());
        let (start, end) = text.raw(3, 11);
        assert_eq!(raw.get(start..end), Some("０１０－１２３４".as_bytes()));
        text.markup("<b>１</b>２".as_bytes());
        text.narrow();
        assert_eq!((text.text.as_slice(), text.raw(0, 1)), (&b"12"[..], (3, 6)));
    }

    #[test]
    fn doubled_quotes_are_one() {
        let mut out = Unescaped::default();
        out.quotes(br#"say ""hi"" now"#);
        assert_eq!(out.text, br#"say "hi" now"#);
        assert_eq!(out.raw(4, 8), (4, 10));
    }

    #[test]
    fn forms_markup_and_sql_are_undone_and_mapped_back() {
        type Undo = fn(&mut Unescaped, &[u8]);
        let rows: [(Undo, &str, &str); 11] = [
            (Unescaped::event, "a\ndata: b\ndata:c\ndata:  d", "a\nb\nc\n d"),
            (Unescaped::event, "a\ndat: b", "a\ndat: b"),
            (Unescaped::percent, "kim%40mail.example", "kim@mail.example"),
            (Unescaped::percent, "%2B82+10", "+82 10"),
            (Unescaped::percent, "100%", "100%"),
            (Unescaped::percent, "%zz%4", "%zz%4"),
            (Unescaped::markup, "kim&#64;mail.example", "kim@mail.example"),
            (Unescaped::markup, "010-<b>1234</b>-5678", "010-1234-5678"),
            (
                Unescaped::markup,
                "a <kim@mail.example> & b",
                "a <kim@mail.example> & b",
            ),
            (Unescaped::sql, r"O\'Neil''s", "O'Neil's"),
            (Unescaped::sql, r"end\", r"end\"),
        ];
        for (undo, raw, text) in rows {
            let mut out = Unescaped::default();
            undo(&mut out, raw.as_bytes());
            assert_eq!(String::from_utf8_lossy(&out.text), text, "{raw}");
            assert_eq!(out.raw(0, out.text.len()), (0, raw.len()), "{raw}");
        }
        let mut out = Unescaped::default();
        out.markup(b"<b>010</b> x");
        assert_eq!(out.raw(0, 3), (3, 6), "a value keeps to itself the tags around it");
    }
}
