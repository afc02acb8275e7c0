//! Korean street addresses: by road (`서울특별시 강남구 테헤란로 152`), by lot (`서울 강남구 역삼동 737-1`) and by
//! apartment block (`경기 수원시 영통동 자이 106동 1701호`).
//!
//! Provinces, cities, counties and districts are a list (Ministry of the Interior and Safety, administrative districts as of
//! July 2026); towns and villages below them are known by their ending.
//!
//! The trigger is a number behind `로`, `길` or, for lots, `동`, `리`, `가`, or that of a block with a room behind it; the
//! districts are looked for before it and the building's details behind it. A road with no district before it is weak.

use super::super::bytes::{at, before, is_word};
use super::super::lexicon::DISTRICTS_KR;
use super::Candidate;

/// Bytes before the number in which road and districts are looked for: half of what a segment shows before `within`
/// would cut `충청북도 청주시 흥덕구 오송읍 오송생명1로 `; sixteen syllables and blanks go further than that.
const LOOK_BACK_BYTES_MAX: usize = 64;
/// Districts before a road.
const DISTRICTS_MAX: usize = 4;
/// Digits of a house or lot number, and of its part behind the hyphen.
const HOUSE_DIGITS_MAX: usize = 5;
/// Details behind the number: `101동`, `1203호`, `3층`, `(역삼동)`.
const DETAILS_MAX: usize = 4;
/// Words of a building's name, between the district or road and the block.
const BUILDING_WORDS_MAX: usize = 3;
/// Bytes inside parentheses.
const PAREN_BYTES_MAX: usize = 60;

/// What a district's name ends in.
const DISTRICT_ENDINGS: [&str; 7] = ["시", "도", "군", "구", "읍", "면", "동"];
/// Words that end like a road and are none.
const NO_ROADS: [&str; 20] = [
    "가로",
    "세로",
    "새로",
    "바로",
    "별로",
    "서로",
    "따로",
    "대로",
    "제로",
    "프로",
    "유로",
    "미로",
    "홀로",
    "절로",
    "도로",
    "경로",
    "실제로",
    "그대로",
    "제대로",
    "스스로",
];

/// What a number stands behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Road,
    Lot,
}

/// The address whose house, lot or block number begins at `first`.
pub(in crate::engine::detect) fn find(haystack: &[u8], first: usize) -> Option<Candidate> {
    by_number(haystack, first).or_else(|| by_block(haystack, first))
}

/// `테헤란로 152`, `역삼동 737-1`: a number directly behind the name of a road or a lot's district.
fn by_number(haystack: &[u8], first: usize) -> Option<Candidate> {
    let name_end = road_end(haystack, first);
    let kind = kind(haystack, name_end)?;
    let number = number_end(haystack, first)?;
    let name = word_start(haystack, name_end);
    let word = std::str::from_utf8(haystack.get(name..name_end)?).ok()?;
    if !is_name(word, kind) {
        return None;
    }
    let (start, known) = districts_start(haystack, name);
    let start = if known == 0 { name } else { start };
    let (end, detailed) = details_end(haystack, number);
    let weak = known == 0;
    if weak && kind == Kind::Lot || !detailed && !ends(haystack, end) {
        return None;
    }
    Some(Candidate::address(start..end, weak))
}

/// Where the road's name before a number ends: before a blank, and before `지하` where the number is underground.
fn road_end(haystack: &[u8], first: usize) -> usize {
    let end = first - usize::from(before(haystack, first) == b' ');
    let head = haystack.get(..end).unwrap_or_default();
    let Some(head) = head.strip_suffix("지하".as_bytes()) else {
        return end;
    };
    head.len() - usize::from(head.last() == Some(&b' '))
}

/// `영통동 자이 9단지 106동 1701호`: a block and a room, and a district or a road a few words before them.
fn by_block(haystack: &[u8], first: usize) -> Option<Candidate> {
    let room = |block: usize| unit_end(haystack, block + usize::from(at(haystack, block) == b' '), &["호"]);
    let room = unit_end(haystack, first, &["동"]).and_then(room);
    // A group of blocks without a block says less: it takes a province and a city or district.
    let (end, districts_min) = match room {
        Some(room) => (room, 1),
        None => (details_end(haystack, unit_end(haystack, first, &["단지"])?).0, 2),
    };
    let mut next = first;
    for _ in 0..=BUILDING_WORDS_MAX {
        let word_end = previous_word_end(haystack, next)?;
        let name = word_start(haystack, word_end);
        let word = haystack
            .get(name..word_end)
            .and_then(|word| std::str::from_utf8(word).ok())?;
        let (start, known) = districts_start(haystack, name);
        if start < name && known >= districts_min && kind(haystack, word_end).is_some_and(|kind| is_name(word, kind)) {
            return Some(Candidate::address(start..end, false));
        }
        next = name;
    }
    None
}

/// What the word that ends at `end` is by its last syllable.
fn kind(haystack: &[u8], end: usize) -> Option<Kind> {
    let last = haystack.get(end.checked_sub(3)?..end)?;
    match std::str::from_utf8(last).ok()? {
        "로" | "길" => Some(Kind::Road),
        "동" | "리" | "가" => Some(Kind::Lot),
        _ => None,
    }
}

/// The end of `152`, `737-1`, `12번지`: at most two numbers with a hyphen, with nothing that makes them a part of a name
/// (`테헤란로8길`) or of something longer (`2024-01-02`).
fn number_end(haystack: &[u8], first: usize) -> Option<usize> {
    let digits = |index: usize| {
        let rest = haystack.get(index..).unwrap_or_default();
        let len = rest
            .iter()
            .take(HOUSE_DIGITS_MAX + 1)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        (1..=HOUSE_DIGITS_MAX).contains(&len).then_some(index + len)
    };
    let main = digits(first)?;
    let end = if at(haystack, main) == b'-' {
        digits(main + 1)?
    } else {
        main
    };
    let rest = haystack.get(end..)?;
    let named = ["길", "번길", "로", "가"]
        .iter()
        .any(|ending| rest.starts_with(ending.as_bytes()));
    let lot = if rest.starts_with("번지".as_bytes()) {
        end + "번지".len()
    } else {
        end
    };
    (!named && !is_word(at(haystack, end)) && !matches!(at(haystack, end), b'-' | b'/' | b'%')).then_some(lot)
}

/// Whether what follows an address without details ends it: not a counter (`바다로 3개`), but a particle may follow.
fn ends(haystack: &[u8], end: usize) -> bool {
    let rest = haystack.get(end..).unwrap_or_default();
    let counters = [
        "개", "명", "년", "월", "일", "시", "분", "초", "원", "번", "회", "차", "위", "배", "권", "장", "점",
    ];
    !counters.iter().any(|counter| rest.starts_with(counter.as_bytes()))
}

/// Where the word that ends at `end` begins: behind the blank or mark before it.
fn word_start(haystack: &[u8], end: usize) -> usize {
    let limit = end.saturating_sub(LOOK_BACK_BYTES_MAX);
    let window = haystack.get(limit..end).unwrap_or_default();
    end - window
        .iter()
        .rev()
        .take_while(|byte| !byte.is_ascii() || byte.is_ascii_alphanumeric())
        .count()
}

/// Whether `word` may be the name of a road or of the smallest district: Hangul (a road may have digits inside), two
/// syllables at least, and none of the common words that end alike.
fn is_name(word: &str, kind: Kind) -> bool {
    let hangul = word
        .chars()
        .all(|letter| ('가'..='힣').contains(&letter) || letter.is_ascii_digit());
    let first = word.chars().next().is_some_and(|letter| !letter.is_ascii_digit());
    let common = kind == Kind::Road && (NO_ROADS.contains(&word) || word.ends_with("으로"));
    hangul && first && !common && (2..=12).contains(&word.chars().count())
}

/// Where the districts before `name` begin (`name` where there is none), and how many of them the country has.
fn districts_start(haystack: &[u8], name: usize) -> (usize, usize) {
    let (mut start, mut known) = (name, 0);
    for _ in 0..DISTRICTS_MAX {
        let Some(end) = previous_word_end(haystack, start) else {
            break;
        };
        let word_start = word_start(haystack, end);
        let word = haystack
            .get(word_start..end)
            .and_then(|word| std::str::from_utf8(word).ok())
            .unwrap_or_default();
        if !is_district(word) {
            break;
        }
        known += usize::from(DISTRICTS_KR.has(word.as_bytes()));
        start = word_start;
    }
    (start, known)
}

/// Where the word before `start` ends, if a blank or a comma and a blank stand between them.
fn previous_word_end(haystack: &[u8], start: usize) -> Option<usize> {
    let blank = start.checked_sub(1).filter(|blank| at(haystack, *blank) == b' ')?;
    Some(blank - usize::from(before(haystack, blank) == b','))
}

fn is_district(word: &str) -> bool {
    let letters = word.chars().count();
    let hangul = word.chars().all(|letter| ('가'..='힣').contains(&letter));
    let ending = DISTRICT_ENDINGS.iter().any(|ending| word.ends_with(ending));
    DISTRICTS_KR.has(word.as_bytes()) || (hangul && ending && (2..=8).contains(&letters) && word != "친구")
}

/// The end of the details behind `index`, and whether there are any.
fn details_end(haystack: &[u8], index: usize) -> (usize, bool) {
    let mut end = index;
    for _ in 0..DETAILS_MAX {
        let comma = end + usize::from(at(haystack, end) == b',');
        let next = comma + usize::from(at(haystack, comma) == b' ');
        let Some(detail) = room_end(haystack, next).or_else(|| paren_end(haystack, next)) else {
            break;
        };
        end = detail;
    }
    (end, end > index)
}

/// The end of `101동`, `1203호`, `B1층`, `12번지`.
fn room_end(haystack: &[u8], index: usize) -> Option<usize> {
    unit_end(haystack, index, &["동", "호", "층", "번지"])
}

/// The end of a number with one of `units` behind it.
fn unit_end(haystack: &[u8], index: usize, units: &[&str]) -> Option<usize> {
    let rest = haystack.get(index..)?;
    let len = rest
        .iter()
        .take(6)
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let (number, behind) = rest.split_at_checked(len)?;
    let unit = units.iter().find(|unit| behind.starts_with(unit.as_bytes()))?;
    number
        .iter()
        .any(u8::is_ascii_digit)
        .then_some(index + len + unit.len())
}

/// The end of `(역삼동)`.
fn paren_end(haystack: &[u8], index: usize) -> Option<usize> {
    let inner = haystack.get(index..)?.strip_prefix(b"(")?;
    let len = inner.iter().take(PAREN_BYTES_MAX).position(|byte| *byte == b')')?;
    inner
        .get(..len)?
        .iter()
        .any(|byte| !byte.is_ascii())
        .then_some(index + len + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let rows: &[(&str, Option<(&str, bool)>)] = &[
            (
                "서울특별시 강남구 테헤란로 152",
                Some(("서울특별시 강남구 테헤란로 152", false)),
            ),
            (
                "배송지: 서울 강남구 테헤란로8길 12-3, 101동 1203호 (역삼동)",
                Some(("서울 강남구 테헤란로8길 12-3, 101동 1203호 (역삼동)", false)),
            ),
            (
                "경기도 성남시 분당구 판교역로152번길 5입니다",
                Some(("경기도 성남시 분당구 판교역로152번길 5", false)),
            ),
            (
                "서울 중구 세종대로 지하 189",
                Some(("서울 중구 세종대로 지하 189", false)),
            ),
            ("우리 친구 바다로 30", Some(("바다로 30", true))),
            ("가나시 새동네 바다길 3", Some(("바다길 3", true))),
            (
                "서울 마포구 연남동 래미안 6단지",
                Some(("서울 마포구 연남동 래미안 6단지", false)),
            ),
            ("우리 동네 새동 래미안 6단지", None),
            ("서울 강남구 역삼동 737-1", Some(("서울 강남구 역삼동 737-1", false))),
            (
                "강원도 춘천시 동면 장학리 12번지",
                Some(("강원도 춘천시 동면 장학리 12번지", false)),
            ),
            ("세종대로 110", Some(("세종대로 110", true))),
            ("역삼동 737-1", None),
            (
                "(49050) 부산 사하구 괴정동 이편한세상3차, 109동 303호",
                Some(("부산 사하구 괴정동 이편한세상3차, 109동 303호", false)),
            ),
            (
                "경기 수원시 영통구 영통동 자이 9단지 106동 1701호로",
                Some(("경기 수원시 영통구 영통동 자이 9단지 106동 1701호", false)),
            ),
            ("101동 1203호", None),
            ("우리 집은 자이 101동 1203호", None),
            ("사과 바로 3개", None),
            ("서울시 새로 3명", None),
            ("경쟁으로 30", None),
            ("강남구 도로 2024-01-02", None),
            ("바다로 3개", None),
        ];
        for (text, expected) in rows {
            let mut firsts = (0..text.len()).filter(|index| {
                at(text.as_bytes(), *index).is_ascii_digit() && !before(text.as_bytes(), *index).is_ascii_digit()
            });
            let found = firsts.find_map(|first| find(text.as_bytes(), first));
            let found = found.map(|found| (text.get(found.start..found.end).expect("whole letters"), found.weak));
            assert_eq!(found, *expected, "{text}");
        }
    }
}
