//! Street addresses in Han characters by their shape: Japanese (`石川県狛江市東町31丁目23番8号`), Chinese and Taiwanese
//! (`广东省深圳市科技路12号3栋402室`, `67363 竹北市建國街8號5樓`).
//!
//! The trigger is a number behind a Han character; prefecture or province, city and street are looked for before it, and
//! what must follow a house number behind it.

use super::super::bytes::before;
use super::super::fold::is_alphanumeric;
use super::Candidate;

/// Bytes before the number in which the rest is looked for: what a segment shows before `within`.
const LOOK_BACK_BYTES_MAX: usize = 64;
/// Bytes from the number to the last of its kind.
const NUMBERS_BYTES_MAX: usize = 64;
/// Letters of a building's name behind a Japanese address.
const BUILDING_LETTERS_MAX: usize = 24;
/// The prefectures of Japan without their ending (JIS X 0401).
const PREFECTURES: &[&str] = &[
    "北海道",
    "青森県",
    "岩手県",
    "宮城県",
    "秋田県",
    "山形県",
    "福島県",
    "茨城県",
    "栃木県",
    "群馬県",
    "埼玉県",
    "千葉県",
    "東京都",
    "神奈川県",
    "新潟県",
    "富山県",
    "石川県",
    "福井県",
    "山梨県",
    "長野県",
    "岐阜県",
    "静岡県",
    "愛知県",
    "三重県",
    "滋賀県",
    "京都府",
    "大阪府",
    "兵庫県",
    "奈良県",
    "和歌山県",
    "鳥取県",
    "島根県",
    "岡山県",
    "広島県",
    "山口県",
    "徳島県",
    "香川県",
    "愛媛県",
    "高知県",
    "福岡県",
    "佐賀県",
    "長崎県",
    "熊本県",
    "大分県",
    "宮崎県",
    "鹿児島県",
    "沖縄県",
];
/// What stands between and behind the numbers of an address.
const COUNTERS: &[&str] = &[
    "丁目", "番地", "番", "号室", "号", "號", "巷", "弄", "段", "樓", "楼", "階", "室", "栋", "棟", "幢", "座", "单元",
    "單元", "层", "層", "之", "の", "ノ", "-", "－", "−", "‐", "ー", "F",
];

/// The address whose first number begins at `first`.
pub(in crate::engine::detect) fn find(haystack: &[u8], first: usize) -> Option<Candidate> {
    if before(haystack, first).is_ascii() {
        return by_tower(haystack, first);
    }
    let (numbers_end, kinds) = numbers(haystack, first)?;
    let name = name_before(haystack, first);
    let text = std::str::from_utf8(haystack.get(name..first)?).ok()?;
    let (start, end) = if let Some(offset) = japanese_start(text, kinds) {
        (name + offset, building_end(haystack, numbers_end))
    } else {
        (chinese_start(haystack, name, text, kinds)?, numbers_end)
    };
    Some(Candidate::address(start..end, false))
}

/// `山东省霞县沈北新永安路Q座 455553`: a tower named by a letter, and a postal code.
fn by_tower(haystack: &[u8], first: usize) -> Option<Candidate> {
    let code = haystack.get(first..first + 6)?;
    let tower = haystack.get(..first)?.strip_suffix("座 ".as_bytes())?;
    let (letter, street) = tower.split_last()?;
    if !code.iter().all(u8::is_ascii_digit) || !letter.is_ascii_alphabetic() {
        return None;
    }
    let name = name_before(haystack, street.len());
    let text = std::str::from_utf8(haystack.get(name..street.len())?).ok()?;
    let kinds = Kinds {
        house: true,
        ..Kinds::default()
    };
    let start = chinese_start(haystack, name, text, kinds)?;
    let end = first + 6;
    Some(Candidate::address(start..end, false))
}

/// What the numbers of an address are counted in.
#[derive(Clone, Copy, Default)]
struct Kinds {
    /// `丁目`, `番`, `番地`, or two numbers with a hyphen between them.
    block: bool,
    /// `号`, `號`.
    house: bool,
    /// `巷`, `弄`, `段`.
    lane: bool,
}

/// The end of `31丁目23番8号`, `12号3栋402室`, `1-2-3`, and what they are counted in.
fn numbers(haystack: &[u8], first: usize) -> Option<(usize, Kinds)> {
    let mut kinds = Kinds::default();
    let mut index = first;
    let (mut end, mut groups) = (first, 0_u32);
    while index - first < NUMBERS_BYTES_MAX {
        let rest = haystack.get(index..)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 {
            groups += 1;
            index += digits;
            end = index;
            continue;
        }
        let Some(counter) = COUNTERS.iter().find(|counter| rest.starts_with(counter.as_bytes())) else {
            break;
        };
        index += counter.len();
        match *counter {
            "丁目" | "番" | "番地" => kinds.block = true,
            "号" | "號" => kinds.house = true,
            "巷" | "弄" | "段" => kinds.lane = true,
            _ => {}
        }
        // A hyphen ends nothing; a counter does.
        if !matches!(*counter, "-" | "－" | "−" | "‐" | "ー" | "の" | "ノ" | "之") {
            end = index;
        }
    }
    kinds.block |= groups >= 2 && !kinds.house && !kinds.lane;
    (kinds.block || kinds.house || kinds.lane).then_some((end, kinds))
}

/// Where the run of letters without case before `first` begins.
fn name_before(haystack: &[u8], first: usize) -> usize {
    let window = haystack
        .get(first.saturating_sub(LOOK_BACK_BYTES_MAX)..first)
        .unwrap_or_default();
    let run = window.iter().rev().take_while(|byte| !byte.is_ascii()).count();
    let mut start = first - run;
    // A window may begin inside a letter.
    while haystack.get(start).is_some_and(|byte| (0x80..0xc0).contains(byte)) {
        start += 1;
    }
    start
}

/// Where in `text` a Japanese address begins: at its prefecture, or at the run's beginning if a city and blocks are there.
fn japanese_start(text: &str, kinds: Kinds) -> Option<usize> {
    if !kinds.block {
        return None;
    }
    let prefecture = PREFECTURES.iter().filter_map(|name| text.rfind(name)).max();
    let locality = |text: &str| text.contains(['市', '区', '町', '村', '郡']);
    if let Some(start) = prefecture {
        return text.get(start..).is_some_and(locality).then_some(start);
    }
    let start = text
        .char_indices()
        .rfind(|(_, letter)| matches!(letter, '、' | '。' | '：' | '　' | '「' | '（' | 'は' | 'を' | 'に'))
        .map_or(0, |(index, letter)| index + letter.len_utf8());
    let city = text.get(start..)?;
    (kinds.house && city.contains(['市', '区', '郡']) && city.chars().count() >= 4).then_some(start)
}

/// Where a Chinese address begins: a district and a street before the number, or a postal code before both.
fn chinese_start(haystack: &[u8], name: usize, text: &str, kinds: Kinds) -> Option<usize> {
    if !(kinds.house || kinds.lane) {
        return None;
    }
    let street = text.ends_with([
        '路', '街', '道', '巷', '弄', '里', '村', '段', '园', '園', '苑', '庄', '莊', '胡',
    ]);
    let start = text
        .char_indices()
        .rfind(|(_, letter)| {
            matches!(
                letter,
                '，' | '。' | '：' | '；' | '、' | '（' | '到' | '至' | '在' | '於'
            )
        })
        .map_or(0, |(index, letter)| index + letter.len_utf8());
    let address = text.get(start..)?;
    let letters = address.chars().count();
    let district = address.char_indices().any(|(index, letter)| {
        index > 0
            && matches!(
                letter,
                '省' | '市' | '区' | '區' | '县' | '縣' | '镇' | '鎮' | '鄉' | '乡' | '州'
            )
    });
    let code = if start == 0 {
        postal_code_start(haystack, name)
    } else {
        None
    };
    match code {
        Some(code) if street && letters >= 3 => Some(code),
        _ => (street && district && letters >= 5).then_some(name + start),
    }
}

/// Where a postal code of three, five or six digits before `name` and a blank begins.
fn postal_code_start(haystack: &[u8], name: usize) -> Option<usize> {
    let blank = name.checked_sub(1).filter(|_| before(haystack, name) == b' ')?;
    let head = haystack.get(blank.saturating_sub(7)..blank)?;
    let digits = head.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    matches!(digits, 3 | 5 | 6).then(|| blank - digits)
}

/// The end of a building's name and room behind a Japanese address: ` 竜泉パレス157`. Without a room number the name is taken
/// only if it ends the line.
fn building_end(haystack: &[u8], end: usize) -> usize {
    let rest = haystack.get(end..).unwrap_or_default();
    let text = rest.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let Some(name) = text.strip_prefix([' ', '　']) else {
        return end;
    };
    let blank = text.len() - name.len();
    let is_name = |letter: char| is_alphanumeric(letter) || matches!(letter, 'ー' | '・' | '-');
    let (mut last_digit, mut length) = (None, 0);
    for (index, letter) in name.char_indices().take(BUILDING_LETTERS_MAX) {
        if !is_name(letter) {
            break;
        }
        length = index + letter.len_utf8();
        if letter.is_ascii_digit() {
            last_digit = Some(length);
        }
    }
    let ends_line = name
        .get(length..)
        .is_none_or(|behind| behind.is_empty() || behind.starts_with(['\n', '\r', '"']));
    match last_digit {
        Some(room) => end + blank + room,
        None if ends_line => end + blank + length,
        None => end,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::bytes::at;
    use super::*;

    #[test]
    fn addresses() {
        let rows: &[(&str, Option<&str>)] = &[
            (
                "商品を石川県狛江市氏家新田31丁目23番8号 パーク猿楽町107へお届け",
                Some("石川県狛江市氏家新田31丁目23番8号 パーク猿楽町107"),
            ),
            ("〒100-0001 東京都千代田区千代田1-1", Some("東京都千代田区千代田1-1")),
            ("横浜市中区本町6丁目50番10号", Some("横浜市中区本町6丁目50番10号")),
            (
                "广东省深圳市南山区科技路12号3栋402室",
                Some("广东省深圳市南山区科技路12号3栋402室"),
            ),
            ("地址：台北市信義區市府路1號5樓", Some("台北市信義區市府路1號5樓")),
            ("22485 牡丹大坪街4段6號5樓", Some("22485 牡丹大坪街4段6號5樓")),
            (
                "山东省霞县沈北新永安路Q座 455553",
                Some("山东省霞县沈北新永安路Q座 455553"),
            ),
            ("成功街8段81號", None),
            ("東京都の人口は1400万人", None),
            ("第3回東京都大会", None),
            ("商品コード番号12-34", None),
            ("高速公路12号线", None),
            ("今年3月5号", None),
        ];
        for (text, expected) in rows {
            let digits = |index: usize| at(text.as_bytes(), index).is_ascii_digit();
            let mut firsts =
                (0..text.len()).filter(|index| digits(*index) && !before(text.as_bytes(), *index).is_ascii_digit());
            let found = firsts.find_map(|first| find(text.as_bytes(), first));
            let found = found.map(|found| text.get(found.start..found.end).expect("whole letters"));
            assert_eq!(found, *expected, "{text}");
        }
    }
}
