//! The normal form of a street address, so that its spellings are one value: `350 Fifth Ave., NY` and `350 fifth avenue NY`.
//!
//! Letters are folded; punctuation, blanks between words without case (Hangul, Han, kana) and what stands in parentheses
//! behind a Korean road go; common abbreviations are written out; a Korean province is written short, and a postal code
//! before it goes.

use smallvec::SmallVec;

use super::super::Normal;
use super::super::fold::fold;

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
pub(super) fn normal(text: &[u8]) -> Normal {
    let text = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let korean = text.chars().any(|letter| ('가'..='힣').contains(&letter));
    let mut form = SmallVec::<[u8; FORM_BYTES_MAX]>::new();
    let mut depth = 0_u32;
    for (index, word) in text
        .split(|letter: char| !letter.is_alphanumeric() && !is_paren(letter))
        .enumerate()
    {
        for piece in word.split_inclusive(is_paren) {
            let plain = piece.trim_matches(is_paren);
            let leading_code =
                index == 0 && korean && plain.len() == 5 && plain.bytes().all(|byte| byte.is_ascii_digit());
            if depth == 0 && !plain.is_empty() && !leading_code {
                push(&mut form, plain);
            }
            if korean && piece.ends_with(['(', '（']) {
                depth += 1;
            } else if piece.ends_with([')', '）']) {
                depth = depth.saturating_sub(1);
            }
        }
    }
    form.truncate(FORM_BYTES_MAX);
    Normal::new(&form)
}

fn is_paren(letter: char) -> bool {
    matches!(letter, '(' | ')' | '（' | '）')
}

/// Adds a word, with a blank before it unless neither it nor what stands before has case.
fn push(form: &mut SmallVec<[u8; FORM_BYTES_MAX]>, word: &str) {
    let word = PROVINCES_KR
        .iter()
        .find(|(long, _)| *long == word)
        .map_or(word, |(_, short)| short);
    let mut folded = SmallVec::<[u8; 48]>::new();
    let mut buffer = [0; 4];
    for letter in word.chars() {
        let (first, second) = fold(narrow(letter));
        for letter in [Some(first), second].into_iter().flatten() {
            folded.extend_from_slice(letter.encode_utf8(&mut buffer).as_bytes());
        }
    }
    let caseless = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii());
    let joins = form.is_empty() || (caseless(form.last()) && caseless(folded.first()));
    if !joins {
        form.push(b' ');
    }
    form.extend_from_slice(written_out(&folded));
}

/// A digit of the full width as an ASCII one.
fn narrow(letter: char) -> char {
    letter
        .to_digit(10)
        .or_else(|| u32::from(letter).checked_sub(0xff10).filter(|digit| *digit < 10))
        .and_then(|digit| char::from_digit(digit, 10))
        .unwrap_or(letter)
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
