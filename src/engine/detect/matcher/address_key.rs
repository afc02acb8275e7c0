//! Street addresses by their field name: the whole cell, if it is written like one in any of ten countries.

use smallvec::SmallVec;

use super::super::Normal;
use super::super::fold::{is_alphabetic, is_alphanumeric};
use super::super::key_words::KeyWords;
use super::super::lexicon::{ADDRESS_KEY_OTHERS, DISTRICTS_KR};
use super::address_form;
use super::street::{begins_street, ends_street, is_german_street};
use crate::engine::byte_set::ByteSet;

/// An address on one or more lines, in bytes.
const ADDRESS_BYTES_MAX: usize = 240;
/// Words of it that are looked at.
const WORDS_MAX: usize = 24;

/// Whether a field name speaks of a street address.
pub(super) fn is_address(key: &KeyWords) -> bool {
    let names_street = key
        .iter()
        .any(|word| matches!(word, b"street" | b"strt" | b"strasse" | b"rua" | b"calle" | b"rue"));
    let is_part = |word: &[u8]| names_street && matches!(word, b"name" | b"nm" | b"number" | b"no" | b"nr");
    let is_other = |word: &[u8]| ADDRESS_KEY_OTHERS.has(word) && !is_part(word);
    if key.iter().any(is_other) || key.holds_any(OTHERS) {
        return false;
    }
    let mut words = key.iter();
    let ships_to = matches!(
        (words.next(), words.next(), words.next()),
        (
            Some(b"ship" | b"shipped" | b"bill" | b"deliver" | b"send" | b"shipping"),
            Some(b"to"),
            None
        )
    ) || matches!(key.only(), Some(b"shipto" | b"billto" | b"deliverto"));
    ships_to || key.holds_any(NAMES) || key.iter().any(is_name)
}

/// The normal form of `text`, if it is written like an address.
pub(super) fn normal(text: &[u8]) -> Option<Normal> {
    if !(4..=ADDRESS_BYTES_MAX).contains(&text.len()) {
        return None;
    }
    let marks = Marks::of(text);
    let address = std::str::from_utf8(text).ok()?;
    if marks.has(REFUSED)
        || (marks.has(DOLLAR) && is_money(address))
        || (marks.has(BACKSLASH) && has_escapes(address))
        || address.starts_with([',', '-', '/'])
        || (marks.has(DOUBLED) && has_doubled(text))
        || address.starts_with("0x")
    {
        return None;
    }
    let good = if marks.has(HIGH) && address.chars().any(is_caseless) {
        is_caseless_address(address, marks.has(COLON))
    } else {
        is_latin_address(address)
    };
    good.then(|| address_form::normal(text))
}

/// Which of the bytes that tell are in a text, a bit for each kind.
#[derive(Clone, Copy)]
struct Marks(u8);

/// What no address has.
const REFUSED: u8 = 1;
const DOLLAR: u8 = 1 << 1;
const BACKSLASH: u8 = 1 << 2;
/// A slash or a colon, two of which are those of a URL or a path.
const DOUBLED: u8 = 1 << 3;
const COLON: u8 = 1 << 4;
/// Not ASCII.
const HIGH: u8 = 1 << 5;

/// The kinds of each byte.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < kinds.len() {
        kinds[byte] = match byte as u8 {
            b'@' | b'{' | b'}' | b'<' | b'>' | b'=' | b'|' | b'_' | b'*' | b'%' | b'[' | b']' => REFUSED,
            b'$' => DOLLAR,
            b'\\' => BACKSLASH,
            b'/' => DOUBLED,
            b':' => DOUBLED | COLON,
            0x80.. => HIGH,
            _ => 0,
        };
        byte += 1;
    }
    kinds
};

impl Marks {
    #[expect(clippy::indexing_slicing, reason = "the table has a place for every byte")]
    fn of(text: &[u8]) -> Self {
        Self(text.iter().fold(0, |marks, byte| marks | KINDS[usize::from(*byte)]))
    }

    const fn has(self, kind: u8) -> bool {
        self.0 & kind != 0
    }
}

/// Whether two slashes or two colons stand together.
fn has_doubled(text: &[u8]) -> bool {
    let mut pairs = text.windows(2);
    pairs.any(|pair| matches!(pair, b"//" | b"::"))
}

/// Whether a backslash is there that does not stand before a mark, as in a vCard (RFC 6350, section 3.4).
fn has_escapes(address: &str) -> bool {
    let mut parts = address.split('\\').skip(1);
    parts.any(|part| !part.starts_with([',', ';']))
}

/// Whether a dollar sign is there that does not part two lines, as in LDIF (RFC 4517, section 3.3.28): `12 Main St$Springfield`.
fn is_money(address: &str) -> bool {
    let mut parts = address.split('$');
    let begins = parts
        .next()
        .is_some_and(|first| first.trim_end().is_empty() || first.ends_with(' '));
    address.contains('$') && (begins || parts.any(str::is_empty))
}

fn is_name(word: &[u8]) -> bool {
    let whole = matches!(
        word,
        b"addr"
            | b"adr"
            | b"addrs"
            | b"address"
            | b"addresses"
            | b"adres"
            | b"adress"
            | b"street"
            | b"strasse"
            | b"anschrift"
            | b"adresse"
            | b"direccion"
            | b"domicilio"
            | b"calle"
            | b"endereco"
            | b"logradouro"
            | b"rua"
            | b"rue"
            | b"voie"
            | b"addressline"
            | b"addrline"
            | b"road"
            | b"jibun"
            | b"strt"
            | b"pata"
            | b"residence"
            | b"indirizzo"
    );
    let ends = [&b"address"[..], b"addr", b"adresse", b"anschrift", b"strasse"];
    whole || ends.iter().any(|ending| word.ends_with(ending)) || word.starts_with(b"street")
}

const NAMES: &[&str] = &[
    "주소",
    "배송지",
    "도로명",
    "지번",
    "거주지",
    "소재지",
    "받는곳",
    "받으시는곳",
    "住所",
    "所在地",
    "お届け先",
    "届け先",
    "番地",
    "地址",
    "住址",
    "पता",
];
const OTHERS: &[&str] = &[
    "메일",
    "아이피",
    "코드",
    "번호",
    "별칭",
    "구분",
    "유형",
    "이름",
    "명칭",
    "연락처",
    "전화",
    "メール",
    "電話",
    "番号",
    "氏名",
    "名前",
    "邮箱",
    "郵箱",
    "电子",
    "電子",
    "网址",
    "網址",
    "郵便",
    "邮政",
];

/// Korean, Japanese, Chinese, Hindi: a number, and a word of a district, street or building. `colon`: there is one.
fn is_caseless_address(address: &str, colon: bool) -> bool {
    let (mut number, mut count, mut indic, mut ending, mut label) = (false, 0, false, false, colon);
    for letter in address.chars() {
        match letter {
            '\0'..='\x7f' => {
                number |= letter.is_ascii_digit();
                count += usize::from(letter.is_ascii_alphanumeric());
            }
            '가'..='힣' => {
                count += 1;
                ending = ending || is_ending(letter);
                label |= letter == '님';
            }
            _ => {
                number |= is_number(letter);
                count += usize::from(is_alphanumeric(letter));
                indic |= matches!(letter, '\u{900}'..='\u{dff}');
                ending |= is_ending(letter);
                label |= matches!(letter, '：' | '様');
            }
        }
    }
    let districts = || {
        let mut words = address.split_whitespace();
        words.next().is_some_and(|word| DISTRICTS_KR.has(word.as_bytes())) && words.count() >= 2
    };
    if !number {
        return districts();
    }
    if label {
        return false;
    }
    // `氏家6-3-14`: the block, the building and its number.
    let blocks = || {
        address
            .split(|letter: char| !letter.is_ascii_digit() && letter != '-')
            .any(|run| run.matches('-').count() >= 1 && !run.starts_with('-') && !run.ends_with('-') && run.len() <= 10)
    };
    count >= 4 && (ending || blocks() || (indic && address.split_whitespace().count() >= 2))
}

/// A numeral of any script but ASCII.
fn is_number(letter: char) -> bool {
    match letter {
        '一' | '二' | '三' | '四' | '五' | '六' | '七' | '八' | '九' | '十' | '座' => true,
        _ => letter.is_numeric(),
    }
}

/// What the name of a district, a street, a building or a part of one ends with.
fn is_ending(letter: char) -> bool {
    matches!(
        letter,
        '로' | '길'
            | '동'
            | '리'
            | '가'
            | '읍'
            | '면'
            | '구'
            | '시'
            | '군'
            | '층'
            | '호'
            | '丁'
            | '番'
            | '号'
            | '號'
            | '町'
            | '村'
            | '区'
            | '區'
            | '市'
            | '県'
            | '都'
            | '府'
            | '道'
            | '路'
            | '街'
            | '巷'
            | '弄'
            | '段'
            | '里'
            | '镇'
            | '鎮'
            | '县'
            | '縣'
            | '室'
            | '樓'
            | '楼'
            | '栋'
            | '幢'
            | '座'
    )
}

/// Latin letters: a number and a street, a postal code or a name behind the number; or a street without a number.
fn is_latin_address(address: &str) -> bool {
    let words = words(address);
    let letters = address.chars().filter(|letter| is_alphabetic(*letter)).count();
    let (Some(first), true, true) = (words.first(), words.len() >= 2, letters >= 3) else {
        return false;
    };
    let capital = words.iter().any(|word| word.starts_with(char::is_uppercase));
    if !capital && address.chars().any(char::is_uppercase) {
        return false;
    }
    let number = words.iter().any(|word| is_house_number(word));
    if !number {
        let german = || words.last().is_some_and(|word| is_german_street(word));
        return capital && (begins_street(first) || german() || words.last().is_some_and(|word| ends_street(word)));
    }
    let named_number = is_house_number(first) && words.get(1).is_some_and(|word| word.starts_with(char::is_uppercase));
    let is_one = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(first));
    let code = || words.len() >= 3 && words.iter().any(|word| is_postal_code(word));
    let street = || {
        words.iter().enumerate().any(|(index, word)| {
            is_german_street(word)
                || (index > 0 && ends_street(word))
                || (begins_street(word) && index + 1 < words.len())
        })
    };
    let place = || words.len() >= 3 && is_one(&PLACES) && words.last().is_some_and(|word| is_house_number(word));
    named_number || place() || is_one(&NUMBER_SIGNS) || is_one(&BOXES) || (capital && code()) || street()
}

/// Words before the number of a house or a flat.
const NUMBER_SIGNS: [&str; 11] = [
    "h.no.", "h.no", "flat", "plot", "house", "door", "d.no.", "no.", "nr.", "n°", "nº",
];
/// Words with which a German street may begin that has no word of a street: `Im Wiesengrund 7`.
const PLACES: [&str; 11] = [
    "am", "an", "auf", "beim", "hinter", "im", "in", "unter", "vor", "zum", "zur",
];
/// Words before the number of a box.
const BOXES: [&str; 7] = ["po", "p.o.", "postfach", "apartado", "bp", "psc", "box"];

/// The words of an address, as many as are looked at.
fn words(address: &str) -> SmallVec<[&str; WORDS_MAX]> {
    let mut words = SmallVec::new();
    let mut from = 0;
    for (at, letter) in address.char_indices().chain([(address.len(), ' ')]) {
        if !is_parting(letter) {
            continue;
        }
        if let Some(word) = address.get(from..at).filter(|word| !word.is_empty()) {
            words.push(word);
        }
        if words.len() == WORDS_MAX {
            break;
        }
        from = at + letter.len_utf8();
    }
    words
}

/// What stands between two words.
fn is_parting(letter: char) -> bool {
    const ASCII: ByteSet = ByteSet::of(b" \t\n\x0b\x0c\r,;()$");
    u8::try_from(letter).map_or_else(
        |_| letter.is_whitespace(),
        |byte| ASCII.has(byte) || (byte > 0x7f && letter.is_whitespace()),
    )
}

/// `12`, `12-14`, `64/86`, `89A`, `n°12`.
fn is_house_number(word: &str) -> bool {
    if word.len() > 10 {
        return false;
    }
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    (1..=6).contains(&digits) && word.bytes().all(|byte| !matches!(byte, b':' | b'.' if digits > 3))
}

/// Five, six or eight digits, with or without the hyphen of a CEP or ZIP+4.
fn is_postal_code(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    matches!(digits, 5 | 6 | 8 | 9) && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// Hangul, Han, kana and Indic letters.
fn is_caseless(letter: char) -> bool {
    matches!(letter, '\u{900}'..='\u{dff}' | '\u{3040}'..='\u{9fff}' | '가'..='힣')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        for key in [
            "address",
            "addr1",
            "shippingAddress",
            "postal_address",
            "streetNameAndNumber",
            "SHIP_ADDR",
            "homeaddress",
            "street",
            "addressLine1",
            "주소",
            "배송지 주소",
            "도로명주소",
            "住所",
            "收货地址",
            "Anschrift",
            "Lieferadresse",
            "dirección",
            "endereço",
            "Straße",
            "street_address",
            "पता",
        ] {
            assert!(is_address(&KeyWords::of(key.as_bytes())), "{key}");
        }
        for key in [
            "email_address",
            "ipAddress",
            "IP주소",
            "mac_addr",
            "address_id",
            "addressType",
            "city",
            "이메일 주소",
            "メールアドレス",
            "wallet_address",
            "name",
            "zip",
            "邮箱地址",
        ] {
            assert!(!is_address(&KeyWords::of(key.as_bytes())), "{key}");
        }
    }

    #[test]
    fn cells() {
        for cell in [
            "48193 Kathryn Shores",
            "avenue de Caron, 32172 JacobVille",
            "91, rue Guillaume Devaux\n37551 Bourdon-sur-Pascal",
            "Milena-Gierschner-Platz 64/86",
            "Parque Castro, 807 Vila Independencia 93597-414 Freitas / BA",
            "Ladeira Cavalcante",
            "37/30, Pal",
            "969, Karnik, Chinsurah 077127",
            "Flat 9\nPhillips Row\nHowardburgh\nN9B 8XS",
            "P.O. Box 123",
            "12 main st",
            "서울 강남구 테헤란로 152",
            "인천 연수구 송도동 래미안 6단지",
            "세종 도담동 힐스테이트",
            "成功街8段81號",
            "石川県狛江市氏家新田31丁目23番8号",
            "Hauptstraße 5",
        ] {
            assert!(normal(cell.as_bytes()).is_some(), "{cell}");
        }
        for cell in [
            "kim@example.com",
            "10.0.0.1",
            "127.0.0.1:8080",
            "0x00007ffe12345678",
            "fe80::1",
            "00:1a:2b:3c:4d:5e",
            "https://example.com/12 a",
            "localhost 8080 tcp",
            "string",
            "Enter your address",
            "주소를 입력하세요",
            "기본 배송지",
            "Seoul",
            "123",
        ] {
            assert!(normal(cell.as_bytes()).is_none(), "{cell}");
        }
    }
}
