//! German telephone numbers with a slash behind the area, and the dates of invoices that look like them.

use super::super::Normal;
use super::super::number::{Gap, Number};
use super::phone::{e164, is_in_use};

/// German areas of two digits behind the 0: Berlin, Hamburg, Frankfurt, Munich. All others have three to five.
const GERMAN_SHORT_AREAS: [&[u8]; 4] = [b"030", b"040", b"069", b"089"];
/// Digits of a number with a slash; days before months have fewer.
const SLASHED_DIGITS_MIN: usize = 9;

/// `030/23125000`: a German area (Bundesnetzagentur, numbering plan for area codes), a slash and the subscriber; weak
/// where the subscriber could be a date: `0451/20240115` is an invoice.
pub(super) fn slashed(number: &Number<'_>, count: usize, digits: &[u8]) -> Option<(Normal, bool)> {
    let is_spelled = count == 2
        && number.gap(1) == Some(Gap::Slash)
        && !number.is_in_path(digits.len() + 1)
        && digits.len() >= SLASHED_DIGITS_MIN;
    let (area, subscriber) = digits.split_at_checked(number.first_len()).filter(|_| is_spelled)?;
    let is_area = match area.len() {
        3 => GERMAN_SHORT_AREAS.contains(&area),
        4..=6 => true,
        _ => false,
    };
    let national = digits.strip_prefix(b"0").filter(|_| is_area)?;
    is_in_use(b"49", national).then(|| (e164(b"49", national), is_date(subscriber)))
}

/// Whether `digits` are a date as registers and invoices write it: `20240115`, `15012024`, `240115`, `150124`.
fn is_date(digits: &[u8]) -> bool {
    let pair = |at: usize| match digits.get(at..at + 2) {
        Some([tens @ b'0'..=b'9', ones @ b'0'..=b'9']) => (tens - b'0') * 10 + (ones - b'0'),
        _ => 0,
    };
    let is_day = |month: usize, day: usize| (1..=12).contains(&pair(month)) && (1..=31).contains(&pair(day));
    let is_century = |at: usize| matches!(pair(at), 19 | 20);
    match digits.len() {
        8 => is_century(0) && is_day(4, 6) || is_century(4) && is_day(2, 0),
        6 => is_day(2, 4) || is_day(2, 0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_is_german_or_weak() {
        for invoice in [
            "045/20240115",
            "045/7240115",
            "010/12345678",
            "031/55501234",
            "1234/567890",
        ] {
            let digits: Vec<u8> = invoice.bytes().filter(u8::is_ascii_digit).collect();
            let number = Number::read(invoice.as_bytes(), 0).expect("digits");
            let is_strong = slashed(&number, 2, &digits).is_some_and(|(_, weak)| !weak);
            assert!(!is_strong, "{invoice}");
        }
    }

    #[test]
    fn dates() {
        for (text, expected) in [
            ("20240115", true),
            ("15012024", true),
            ("240115", true),
            ("150124", true),
            ("20241315", false),
            ("23125000", false),
            ("9123456", false),
            ("231550", false),
        ] {
            assert_eq!(is_date(text.as_bytes()), expected, "{text}");
        }
    }
}
