//! Street addresses by their field name: the whole cell, if it is written like one in any of ten countries.

use smallvec::SmallVec;

use super::super::Normal;
use super::super::fold::{is_alphabetic, is_alphanumeric};
use super::super::key_words::KeyWords;
use super::super::lexicon::{ADDRESS_KEY_OTHERS, DISTRICTS_KR};
use super::address_form;
use super::street::{begins_street, ends_street, is_german_street};

/// An address on one or more lines, in bytes.
const ADDRESS_BYTES_MAX: usize = 240;
/// Words of it that are looked at.
const WORDS_MAX: usize = 24;

/// Whether a field name speaks of a street address.
pub(super) fn is_address(key: &KeyWords) -> bool {
    let names_street = key
        .iter()
        .any(|word| matches!(word, b"street" | b"strasse" | b"rua" | b"calle" | b"rue"));
    let is_part = |word: &[u8]| names_street && matches!(word, b"name" | b"number" | b"no" | b"nr");
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
    let address = std::str::from_utf8(text).ok()?;
    if address.contains(['@', '{', '}', '<', '>', '=', '|', '_', '*', '%', '[', ']'])
        || is_money(address)
        || has_escapes(address)
        || address.starts_with([',', '-', '/'])
        || address.contains("//")
        || address.contains("::")
        || address.contains("://")
        || address.starts_with("0x")
    {
        return None;
    }
    let good = if address.chars().any(is_caseless) {
        is_caseless_address(address)
    } else {
        is_latin_address(address)
    };
    good.then(|| address_form::normal(text))
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

/// Korean, Japanese, Chinese, Hindi: a number, and a word of a district, street or building.
fn is_caseless_address(address: &str) -> bool {
    let (mut number, mut count, mut indic, mut ending) = (false, 0, false, false);
    for letter in address.chars() {
        number |= is_number(letter);
        count += usize::from(is_alphanumeric(letter));
        indic |= matches!(letter, '\u{900}'..='\u{dff}');
        ending |= is_ending(letter);
    }
    let districts = || {
        let mut words = address.split_whitespace();
        words.next().is_some_and(|word| DISTRICTS_KR.has(word.as_bytes())) && words.count() >= 2
    };
    if !number {
        return districts();
    }
    if address.contains([':', '：', '様', '님']) {
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

/// A digit or a numeral of any script.
fn is_number(letter: char) -> bool {
    match letter {
        '0'..='9' | '一' | '二' | '三' | '四' | '五' | '六' | '七' | '八' | '九' | '十' | '座' => true,
        '\0'..='\x7f' | '가'..='힣' => false,
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
    let words: SmallVec<[&str; WORDS_MAX]> = address
        .split(|letter: char| letter.is_whitespace() || matches!(letter, ',' | ';' | '(' | ')' | '$'))
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        .collect();
    let letters = address.chars().filter(|letter| is_alphabetic(*letter)).count();
    let (Some(first), true, true) = (words.first(), words.len() >= 2, letters >= 3) else {
        return false;
    };
    let capital = words.iter().any(|word| word.starts_with(char::is_uppercase));
    let lower = !address.chars().any(char::is_uppercase);
    if !(capital || lower) {
        return false;
    }
    let street = words.iter().enumerate().any(|(index, word)| {
        is_german_street(word) || (index > 0 && ends_street(word)) || (begins_street(word) && index + 1 < words.len())
    });
    let number = words.iter().any(|word| is_house_number(word));
    if !number {
        let german = words.last().is_some_and(|word| is_german_street(word));
        return capital && (begins_street(first) || german || words.last().is_some_and(|word| ends_street(word)));
    }
    let named_number = is_house_number(first) && words.get(1).is_some_and(|word| word.starts_with(char::is_uppercase));
    let designated = matches!(
        first.to_ascii_lowercase().as_str(),
        "h.no." | "h.no" | "flat" | "plot" | "house" | "door" | "d.no." | "no." | "nr." | "n°" | "nº"
    );
    let box_number = designated
        || matches!(
            first.to_ascii_lowercase().as_str(),
            "po" | "p.o." | "postfach" | "apartado" | "bp" | "psc" | "box"
        );
    let code = words.len() >= 3 && words.iter().any(|word| is_postal_code(word));
    street || named_number || box_number || (code && capital)
}

/// `12`, `12-14`, `64/86`, `89A`, `n°12`.
fn is_house_number(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    (1..=6).contains(&digits) && word.len() <= 10 && word.bytes().all(|byte| !matches!(byte, b':' | b'.' if digits > 3))
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
