//! The normal form of a street address, so that its spellings are one value: `350 Fifth Ave., NY` and `350 fifth avenue NY`.
//!
//! Letters are folded; punctuation, blanks between words without case (Hangul, Han, kana) and what stands in parentheses
//! behind a Korean road go; common abbreviations are written out; a Korean province is written short, and a postal code
//! before it goes.

use smallvec::SmallVec;

use super::super::Normal;
use super::super::bytes::valid_front;
use super::super::fold::{fold, is_alphanumeric};
use crate::engine::byte_set::ByteSet;

/// Bytes of a normal form; the rest of a longer address does not tell two apart.
const FORM_BYTES_MAX: usize = 160;
/// Provinces of Korea as officially written, and short.
const PROVINCES_KR: [(&str, &str); 21] = [
    ("서울특별시", "서울"),
    ("서울시", "서울"),
    ("부산광역시", "부산"),
    ("대구광역시", "대구"),
    ("인천광역시", "인천"),
    ("광주광역시", "광주"),
    ("대전광역시", "대전"),
    ("울산광역시", "울산"),
    ("세종특별자치시", "세종"),
    ("경기도", "경기"),
    ("강원특별자치도", "강원"),
    ("강원도", "강원"),
    ("충청북도", "충북"),
    ("충청남도", "충남"),
    ("전북특별자치도", "전북"),
    ("전라북도", "전북"),
    ("전라남도", "전남"),
    ("경상북도", "경북"),
    ("경상남도", "경남"),
    ("제주특별자치도", "제주"),
    ("제주도", "제주"),
];

/// The normal form of `text`.
pub(in crate::engine::detect) fn normal(text: &[u8]) -> Normal {
    let text = valid_front(text);
    let mut form = Form {
        korean: has_hangul(text.as_bytes()),
        ..Form::default()
    };
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        // Most letters are of ASCII or Hangul, and stand for themselves.
        let plain = plain_len(rest.as_bytes());
        if plain > 0 {
            form.plain(rest.as_bytes().get(..plain).unwrap_or_default());
            rest = rest.get(plain..).unwrap_or_default();
            continue;
        }
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        if is_alphanumeric(letter) {
            form.letter(letter);
            continue;
        }
        form.end_word();
        match letter {
            '(' | '（' => form.depth += u32::from(form.korean),
            ')' | '）' => form.depth = form.depth.saturating_sub(1),
            _ => form.is_behind_code = true,
        }
    }
    form.end_word();
    form.bytes.truncate(FORM_BYTES_MAX);
    Normal::new(&form.bytes)
}

/// The length of the letters and digits of ASCII and the syllables of Hangul at the front of `text`.
fn plain_len(text: &[u8]) -> usize {
    const ASCII: ByteSet = ByteSet::alphanumeric_and(b"");
    let mut length = 0;
    loop {
        let rest = text.get(length..).unwrap_or_default();
        let ascii = rest.iter().take_while(|byte| ASCII.has(**byte)).count();
        length += ascii;
        match rest.get(ascii..) {
            Some([first @ 0xea..=0xed, second, third, ..]) if is_syllable([*first, *second, *third]) => length += 3,
            _ => return length,
        }
    }
}

/// Whether a syllable of Hangul is in `text`.
fn has_hangul(text: &[u8]) -> bool {
    let mut triples = text.windows(3);
    !text.is_ascii()
        && triples.any(
            |triple| matches!(triple, [first @ 0xea..=0xed, second, third] if is_syllable([*first, *second, *third])),
        )
}

/// Whether the three bytes are a syllable of Hangul in UTF-8, from `가` to `힣`.
fn is_syllable([first, second, third]: [u8; 3]) -> bool {
    (0xea_b0_80..=0xed_9e_a3).contains(&u32::from_be_bytes([0, first, second, third]))
}

/// A normal form under way.
#[derive(Default)]
struct Form {
    korean: bool,
    bytes: SmallVec<[u8; FORM_BYTES_MAX]>,
    /// The word under way, folded.
    word: SmallVec<[u8; 48]>,
    /// Open parentheses.
    depth: u32,
    /// Whether a postal code that leads would stand before it.
    is_behind_code: bool,
}

impl Form {
    /// Letters and digits that stand for themselves, but for their case.
    fn plain(&mut self, letters: &[u8]) {
        let begin = self.word.len();
        self.word.extend_from_slice(letters);
        if let Some(letters) = self.word.get_mut(begin..) {
            letters.make_ascii_lowercase();
        }
    }

    fn letter(&mut self, letter: char) {
        let (first, second) = fold(narrow(letter));
        if first.is_ascii() {
            self.word.push(first as u8);
        } else {
            self.word.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
        }
        if let Some(second) = second {
            self.word.extend_from_slice(second.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// Adds the word, with a blank before it unless neither it nor what stands before has case.
    fn end_word(&mut self) {
        let word = self.word.as_slice();
        let is_leading_code =
            !self.is_behind_code && self.korean && word.len() == 5 && word.iter().all(u8::is_ascii_digit);
        if self.depth == 0 && !word.is_empty() && !is_leading_code {
            let caseless = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii());
            let joins = self.bytes.is_empty() || (caseless(self.bytes.last()) && caseless(word.first()));
            if !joins {
                self.bytes.push(b' ');
            }
            let word = if self.korean { short_province(word) } else { word };
            self.bytes.extend_from_slice(written_out(word));
        }
        self.word.clear();
    }
}

/// The short name of a Korean province; any other word as it is.
fn short_province(word: &[u8]) -> &[u8] {
    if !(word.ends_with("시".as_bytes()) || word.ends_with("도".as_bytes())) {
        return word;
    }
    let known = PROVINCES_KR.iter().find(|(long, _)| long.as_bytes() == word);
    known.map_or(word, |(_, short)| short.as_bytes())
}

/// A digit of the full width as an ASCII one.
fn narrow(letter: char) -> char {
    match letter {
        '０'..='９' => char::from(b'0' + (u32::from(letter) - u32::from('０')) as u8),
        _ => letter,
    }
}

/// The word that a common abbreviation stands for.
fn written_out(word: &[u8]) -> &[u8] {
    match word {
        b"ave" | b"av" | b"avda" | b"avd" | b"avenida" => b"avenue",
        b"st" => b"street",
        b"rd" => b"road",
        b"blvd" | b"bd" => b"boulevard",
        b"dr" => b"drive",
        b"ln" => b"lane",
        b"ct" => b"court",
        b"pl" => b"place",
        b"sq" => b"square",
        b"hwy" => b"highway",
        b"pkwy" => b"parkway",
        b"apt" | b"unit" => b"apartment",
        b"ste" => b"suite",
        b"str" => b"strasse",
        b"n" => b"north",
        b"s" => b"south",
        b"e" => b"east",
        b"w" => b"west",
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_are_one_value() {
        let rows = [
            ("350 Fifth Ave., New  York", "350 fifth avenue new york"),
            ("350 fifth avenue\nNew York", "350 fifth avenue new york"),
            (
                "(06236) 서울특별시 강남구 테헤란로 152 (역삼동)",
                "서울강남구테헤란로 152",
            ),
            ("서울 강남구 테헤란로152", "서울강남구테헤란로152"),
            ("東京都千代田区１丁目", "東京都千代田区1丁目"),
            ("Hauptstr. 5", "hauptstr 5"),
            ("", ""),
        ];
        for (text, expected) in rows {
            assert!(normal(text.as_bytes()).as_bytes() == expected.as_bytes(), "{text}");
        }
        assert!(normal("가".repeat(100).as_bytes()).as_bytes().len() <= FORM_BYTES_MAX);
    }
}
