//! Made-up identifiers of real shapes, with correct check digits: what the bulk corpora are sown with.

use super::Numbers;
use super::peer::Counts;

/// The kinds in the order of [`super::peer::KINDS`].
pub(crate) const EMAIL: usize = 0;
pub(crate) const PHONE_KR: usize = 1;
pub(crate) const PHONE_US: usize = 2;
pub(crate) const E164: usize = 3;
pub(crate) const SSN: usize = 4;
pub(crate) const RRN: usize = 5;
pub(crate) const CARD: usize = 6;
pub(crate) const IBAN: usize = 7;

const FAMILY_KR: [&str; 8] = ["김", "이", "박", "최", "정", "강", "조", "윤"];
const GIVEN_KR: [&str; 12] = [
    "서준", "민지", "지우", "도윤", "하은", "예준", "수아", "지호", "영희", "철수", "은정", "현우",
];
const GIVEN_US: [&str; 12] = [
    "Anna", "Brian", "Carla", "David", "Elena", "Frank", "Grace", "Henry", "Irene", "Jack", "Karen", "Oscar",
];
const FAMILY_US: [&str; 12] = [
    "Smith", "Jones", "Garcia", "Miller", "Davis", "Lopez", "Wilson", "Moore", "Taylor", "Thomas", "White", "Clark",
];
const ROADS_KR: [&str; 6] = ["테헤란로", "강남대로", "백제고분로", "세종대로", "올림픽로", "봉은사로"];
const PLACES_KR: [&str; 6] = [
    "서울특별시 강남구",
    "서울특별시 송파구",
    "경기도 수원시 영통구",
    "부산광역시 해운대구",
    "대전광역시 유성구",
    "경기도 안산시 단원구",
];
const STREETS_US: [&str; 6] = ["Maple", "Oak", "Washington", "Cedar", "Lake", "Hill"];
const SUFFIXES_US: [&str; 5] = ["Street", "Ave", "Road", "Lane", "Drive"];
const CITIES_US: [&str; 6] = ["Springfield", "Franklin", "Clinton", "Madison", "Georgetown", "Salem"];
const STATES_US: [&str; 6] = ["IL", "CA", "NY", "TX", "WA", "OH"];
const DOMAINS: [&str; 8] = [
    "mail.com",
    "corp.net",
    "club.org",
    "shop.co.kr",
    "work.io",
    "example.com",
    "uni.ac.kr",
    "post.info",
];

impl Numbers {
    pub(crate) fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        let at = self.below(list.len() as u64) as usize;
        list.get(at).copied().unwrap_or_default()
    }

    fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// So many digits.
    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
    }
}

/// An identifier of this kind; e-mail addresses and phone numbers of different `n` differ.
pub(crate) fn identifier(kind: usize, n: usize, numbers: &mut Numbers) -> String {
    match kind {
        EMAIL => email(n, numbers),
        PHONE_KR => {
            let number = 20_000_000 + n * 7_919 % 80_000_000;
            let (middle, last) = (number / 10_000, number % 10_000);
            match numbers.below(3) {
                0 => format!("010-{middle:04}-{last:04}"),
                1 => format!("010{middle:04}{last:04}"),
                _ => format!("010 {middle:04} {last:04}"),
            }
        }
        PHONE_US => {
            let (area, exchange, last) = phone_us(n, numbers);
            match numbers.below(3) {
                0 => format!("({area}) {exchange}-{last:04}"),
                1 => format!("{area}-{exchange}-{last:04}"),
                _ => format!("{area}.{exchange}.{last:04}"),
            }
        }
        E164 => {
            let (area, exchange, last) = phone_us(n, numbers);
            match numbers.below(2) {
                0 => format!("+1-{area}-{exchange}-{last:04}"),
                _ => format!("+1{area}{exchange}{last:04}"),
            }
        }
        SSN => format!(
            "{:03}-{:02}-{:04}",
            numbers.between(1, 665),
            numbers.between(1, 99),
            numbers.between(1, 9_999)
        ),
        RRN => rrn(numbers),
        CARD => card(numbers),
        _ => iban(numbers),
    }
}

fn email(n: usize, numbers: &mut Numbers) -> String {
    let given = numbers.of(&GIVEN_US).to_ascii_lowercase();
    let family = numbers.of(&FAMILY_US).to_ascii_lowercase();
    let (between, domain) = (numbers.of(&["", ".", "_"]), numbers.of(&DOMAINS));
    format!("{given}{between}{family}{n}@{domain}")
}

/// Area codes that are given, and exchange codes that are not those of services (`n11`).
fn phone_us(n: usize, numbers: &mut Numbers) -> (&'static str, usize, usize) {
    let area = numbers.of(&["212", "213", "312", "415", "503", "617", "702", "808", "917", "972"]);
    let number = n * 7_919 % 5_600_000;
    let exchange = number / 10_000;
    (area, 220 + exchange / 80 * 100 + exchange % 80, number % 10_000)
}

fn rrn(numbers: &mut Numbers) -> String {
    const WEIGHTS: [u64; 12] = [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5];
    let text = format!(
        "{:02}{:02}{:02}{}{}",
        numbers.between(50, 99),
        numbers.between(1, 12),
        numbers.between(1, 28),
        numbers.between(1, 2),
        numbers.digits(5)
    );
    let sum: u64 = text
        .bytes()
        .zip(WEIGHTS)
        .map(|(byte, weight)| u64::from(byte - b'0') * weight)
        .sum();
    let (birth, rest) = text.split_at(6);
    format!("{birth}-{rest}{}", (11 - sum % 11) % 10)
}

fn card(numbers: &mut Numbers) -> String {
    let (prefix, length) = match numbers.below(4) {
        0 => ("4", 16),
        1 => ("53", 16),
        2 => ("37", 15),
        _ => ("6011", 16),
    };
    let text = format!("{prefix}{}", numbers.digits(length - prefix.len() - 1));
    let doubled = text.bytes().rev().zip([true, false].into_iter().cycle());
    let sum: u32 = doubled
        .map(|(byte, is_doubled)| match (u32::from(byte - b'0'), is_doubled) {
            (digit, false) => digit,
            (digit, true) => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    let text = format!("{text}{}", (10 - sum % 10) % 10);
    match (length, numbers.below(4)) {
        (16, 0) => in_fours(&text, '-'),
        (16, 1) => in_fours(&text, ' '),
        _ => text,
    }
}

fn iban(numbers: &mut Numbers) -> String {
    let (country, letters, length) = match numbers.below(4) {
        0 => ("DE", "", 18),
        1 => ("GB", "NWBK", 14),
        2 => ("NL", "ABNA", 10),
        _ => ("ES", "", 20),
    };
    let account = format!("{letters}{}", numbers.digits(length));
    let plain = format!("{account}{country}00");
    let remainder = plain.bytes().fold(0_u64, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + u64::from(byte - b'0')) % 97,
        _ => (sum * 100 + u64::from(byte - b'A') + 10) % 97,
    });
    let text = format!("{country}{:02}{account}", 98 - remainder);
    if numbers.below(5) < 2 {
        in_fours(&text, ' ')
    } else {
        text
    }
}

fn in_fours(text: &str, separator: char) -> String {
    let mut parted = String::new();
    for (at, letter) in text.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            parted.push(separator);
        }
        parted.push(letter);
    }
    parted
}

pub(crate) fn name(korean: bool, numbers: &mut Numbers) -> String {
    if korean {
        format!("{}{}", numbers.of(&FAMILY_KR), numbers.of(&GIVEN_KR))
    } else {
        format!("{} {}", numbers.of(&GIVEN_US), numbers.of(&FAMILY_US))
    }
}

pub(crate) fn address(korean: bool, numbers: &mut Numbers) -> String {
    if korean {
        let (place, road) = (numbers.of(&PLACES_KR), numbers.of(&ROADS_KR));
        format!("{place} {road} {}-{}", numbers.between(1, 900), numbers.between(1, 30))
    } else {
        format!(
            "{} {} {}, {}, {} {:05}",
            numbers.between(1, 9_900),
            numbers.of(&STREETS_US),
            numbers.of(&SUFFIXES_US),
            numbers.of(&CITIES_US),
            numbers.of(&STATES_US),
            numbers.between(10_001, 99_900)
        )
    }
}

/// Adds one of this kind to `counts`.
pub(crate) fn plant(kind: usize, counts: &mut Counts) {
    if let Some(count) = counts.get_mut(kind) {
        *count += 1;
    }
}
