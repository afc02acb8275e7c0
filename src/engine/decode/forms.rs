//! What hides a value in a text of any kind: an escape that its reader leaves to another, a character that is not seen or that
//! stands for another, a tag inside a value, a word for `@`; undone with a map back.

use super::unescape::{inline_tag, json_escape, percent_escape};
use super::{Unescaped, alphabet, entity};

/// What may be a form by its first byte, a bit for each kind of second byte that it takes.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
const LEADS: [u8; 256] = {
    let mut leads = [0; 256];
    let mut byte = 0;
    while byte < leads.len() {
        leads[byte] = match byte as u8 {
            b'%' => HEX,
            b'=' => ENCODED,
            b'<' => TAG,
            b'(' | b'[' | b'{' => WORD,
            b'&' | b'\\' | 0xc2 | 0xcd | 0xe1..=0xe3 | 0xef | 0xf0 => ANY,
            _ => 0,
        };
        byte += 1;
    }
    leads
};

/// The kinds of each second byte.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
const SECONDS: [u8; 256] = {
    let mut seconds = [ANY; 256];
    let mut byte = 0;
    while byte < seconds.len() {
        let second = byte as u8;
        if second.is_ascii_hexdigit() {
            seconds[byte] |= HEX;
        }
        if matches!(second, b'\r' | b'\n' | b'0'..=b'9' | b'A'..=b'F') {
            seconds[byte] |= ENCODED;
        }
        if second == b'/' || second.is_ascii_alphabetic() {
            seconds[byte] |= TAG;
        }
        if matches!(second, b'a' | b'A' | b'd' | b'D' | b'@' | b'.') || second.is_ascii_whitespace() {
            seconds[byte] |= WORD;
        }
        byte += 1;
    }
    seconds
};

/// Behind `%`, behind `=` of quoted-printable, in a tag, and in a bracket around `at` or `dot`; what needs a closer look.
const HEX: u8 = 1;
const ENCODED: u8 = 1 << 1;
const TAG: u8 = 1 << 2;
const WORD: u8 = 1 << 3;
const ANY: u8 = 1 << 4;

/// What a form stands for.
enum Stands {
    /// Nothing: it is not seen.
    Nothing,
    Byte(u8),
    Char(char),
    /// This, and the blanks around it belong to it.
    Word(u8),
}

/// Whether there is something in `text` that one more reader would undo.
pub(crate) fn hides(text: &[u8]) -> bool {
    has_form(text) || alphabet::next(text, 0).is_some()
}

/// Whether there is a form in `text`.
pub(crate) fn has_form(text: &[u8]) -> bool {
    first_form(text, text.len()).is_some()
}

/// Where the first form of `text` begins, if that is before `end`.
fn first_form(text: &[u8], end: usize) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text.get(at..end)?.iter().position(|byte| lead(*byte) != 0)?;
        let rest = text.get(at..)?;
        if may_begin(rest) && form(rest).is_some() {
            return Some(at);
        }
        at += 1;
    }
}

/// Whether a form may begin with the first two bytes of `rest`: of what leads in code hardly anything does.
#[inline]
#[expect(clippy::indexing_slicing, reason = "the table has a place for every byte")]
fn may_begin(rest: &[u8]) -> bool {
    matches!(rest, [first, second, ..] if lead(*first) & SECONDS[usize::from(*second)] != 0)
}

/// The kinds of second byte that a form takes which begins with `byte`.
#[inline]
#[expect(clippy::indexing_slicing, reason = "the table has a place for every byte")]
const fn lead(byte: u8) -> u8 {
    LEADS[byte as usize]
}

impl Unescaped {
    /// Undoes the forms of this text, each once.
    pub fn forms(&mut self) {
        self.again(first_form, |out, rest, raw| {
            let first = rest.first().copied().unwrap_or_default();
            let (length, stands) = form(rest).unwrap_or((1, Stands::Byte(first)));
            match stands {
                Stands::Nothing => out.cut(raw),
                Stands::Byte(byte) => out.put(byte, raw),
                Stands::Char(value) => out.put_char(value, raw),
                Stands::Word(byte) => {
                    out.drop_blanks();
                    out.put(byte, raw);
                }
            }
            length
        });
    }
}

/// The form at the start of `rest`: its length, and what it stands for.
fn form(rest: &[u8]) -> Option<(usize, Stands)> {
    match rest {
        [b'%', ..] => percent_escape(rest)
            .filter(|byte| *byte > 0)
            .map(|byte| (3, Stands::Byte(byte))),
        [b'&', ..] => entity::reference(rest).map(|(length, value)| (length, Stands::Char(value))),
        [b'\\', b'x', ..] => percent_escape(rest.get(1..)?).map(|byte| (4, Stands::Byte(byte))),
        [b'\\', ..] => match json_escape(rest) {
            (length, Some(value)) => Some((length, Stands::Char(value))),
            (_, None) => None,
        },
        // Quoted-printable (RFC 2045, section 6.7): a line end behind `=` is none.
        [b'=', b'\r', b'\n', ..] => Some((3, Stands::Nothing)),
        [b'=', b'\n', ..] | [0xc2, 0xad, ..] => Some((2, Stands::Nothing)),
        // Of `a=4012345678` the digits are a value, and no escape.
        [b'=', high, low, next, ..] if [high, low, next].iter().all(|byte| byte.is_ascii_digit()) => None,
        // Nor is `C0` of `id=C0635832575`, which is in no text in UTF-8.
        [b'=', b'C', b'0' | b'1', next, ..] if next.is_ascii_digit() => None,
        [b'=', high, low, ..] => {
            let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
            let byte = percent_escape(rest).filter(|byte| is_digit(high) && is_digit(low) && *byte >= b' ');
            byte.map(|byte| (3, Stands::Byte(byte)))
        }
        [b'<', ..] => inline_tag(rest).map(|length| (length, Stands::Nothing)),
        [b'(' | b'[' | b'{', ..] => word(rest),
        [first, ..] if !first.is_ascii() => character(rest),
        _ => None,
    }
}

/// `(at)`, `[dot]` and the like, with the blanks behind.
fn word(rest: &[u8]) -> Option<(usize, Stands)> {
    let close = match rest.first()? {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    };
    let end = rest.iter().take(8).position(|byte| *byte == close)?;
    let inner = rest.get(1..end)?.trim_ascii();
    let byte = if inner.eq_ignore_ascii_case(b"at") || inner == b"@" {
        b'@'
    } else if inner.eq_ignore_ascii_case(b"dot") || inner == b"." {
        b'.'
    } else {
        return None;
    };
    let blanks = rest.get(end + 1..)?.iter().take_while(|byte| **byte == b' ').count();
    Some((end + 1 + blanks, Stands::Word(byte)))
}

/// A character that is not seen, or that stands for one of ASCII (Unicode 16: compatibility forms of digits and letters,
/// blanks, dashes, and what is ignored by default).
fn character(rest: &[u8]) -> Option<(usize, Stands)> {
    let length = match rest.first()? {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    let value = std::str::from_utf8(rest.get(..length)?).ok()?.chars().next()?;
    let code = value as u32;
    let counted = |first: u32, base: u8| Stands::Byte(base + (code - first) as u8);
    let stands = match value {
        '\u{34f}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' => Stands::Nothing,
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{3000}' => Stands::Byte(b' '),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' => Stands::Byte(b'-'),
        '\u{fe6b}' => Stands::Byte(b'@'),
        '\u{ff01}'..='\u{ff5e}' => counted(0xff01, b'!'),
        '²' | '³' => counted(0xb2, b'2'),
        '¹' => Stands::Byte(b'1'),
        '⁰' | '⓪' => Stands::Byte(b'0'),
        '⁴'..='⁹' => counted(0x2074, b'4'),
        '₀'..='₉' => counted(0x2080, b'0'),
        '①'..='⑨' => counted(0x2460, b'1'),
        'Ⓐ'..='Ⓩ' => counted(0x24b6, b'A'),
        'ⓐ'..='ⓩ' => counted(0x24d0, b'a'),
        '\u{1d7ce}'..='\u{1d7ff}' => Stands::Byte(b'0' + ((code - 0x1d7ce) % 10) as u8),
        '\u{1d400}'..='\u{1d6a3}' => {
            let place = ((code - 0x1d400) % 52) as u8;
            Stands::Byte(if place < 26 { b'A' + place } else { b'a' + place - 26 })
        }
        _ => return None,
    };
    Some((length, stands))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::block::Masks;
    use crate::engine::block::testing::Chance;

    fn seen(text: &str) -> (String, Unescaped) {
        let mut view = Unescaped::default();
        view.plain(text.as_bytes());
        view.forms();
        (String::from_utf8_lossy(&view.text).into_owned(), view)
    }

    #[test]
    fn one_layer_of_every_form_is_undone() {
        for (text, expected) in [
            ("kim%2540mail.example", "kim%40mail.example"),
            ("kim%40mail.example", "kim@mail.example"),
            ("kim&#64;mail.example", "kim@mail.example"),
            (r"kim\u0040mail\x2eexample", "kim@mail.example"),
            (r#"{\"tel\":\"010\"}"#, r#"{"tel":"010"}"#),
            ("kim=40mail=\r\n.example", "kim@mail.example"),
            ("010<b>1234</b>5678", "01012345678"),
            ("kim (at) mail [dot] example", "kim@mail.example"),
            ("k\u{200b}im\u{ad}@mail\u{2060}.example", "kim@mail.example"),
            ("０１０−①②③④‐₅⁶⁷𝟪 ｋ𝐢ⓜ＠", "010-1234-5678 kim@"),
            (
                "plain (blue) 100% a=b & c < d \\ e",
                "plain (blue) 100% a=b & c < d \\ e",
            ),
            ("2\u{a0}000", "2 000"),
            ("card=4012888888881881", "card=4012888888881881"),
            ("id=C0635832575", "id=C0635832575"),
            ("=EA=B0=B0010", "갰010"),
            ("kim=40m.example, 2=4E3", "kim@m.example, 2N3"),
        ] {
            assert_eq!(seen(text).0, expected, "{text}");
            assert_eq!(has_form(text.as_bytes()), text != expected, "{text}");
        }
    }

    #[test]
    fn no_form_is_passed_over_by_a_look_at_its_first_bytes() {
        let mut chance = Chance(23);
        for length in 0..200 {
            for letters in [
                &b"%(&=<[ at4F;#"[..],
                b"a@t)(d. ot]",
                b"<b>/i=\r\n3D",
                "\\x4 \u{ad}\u{ff10}a".as_bytes(),
            ] {
                let text = chance.text(letters, length);
                let plainly = (0..text.len()).find(|at| form(&text[*at..]).is_some());
                assert_eq!(first_form(&text, text.len()), plainly, "{}", text.escape_ascii());
                let masks = Masks::of(&text);
                assert!(
                    masks.is_none_or(|masks| masks.may_hide() || !hides(&text)),
                    "{}",
                    text.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn what_is_undone_is_found_where_it_stood() {
        let text = "x\u{200b} kim (at) mail.example\u{200b}.";
        let (seen, view) = seen(text);
        assert_eq!(seen, "x kim@mail.example.");
        let (start, end) = view.raw(2, 18);
        assert_eq!(text.get(start..end), Some("kim (at) mail.example"));
    }
}
