//! Chinese resident identity numbers (GB 11643-1999): place, date of birth, serial, ISO 7064 mod 11-2.

use super::date;
use super::decimal;

/// The first two digits of places: provinces, municipalities, autonomous and special regions (GB/T 2260).
const fn is_province(code: u32) -> bool {
    matches!(code, 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 91)
}

/// Whether eighteen characters, the last a digit or X, have a province, a date of birth and the right check character.
pub(super) fn accepts(number: &[u8]) -> bool {
    let Some((check, body)) = number.split_last().filter(|_| number.len() == 18) else {
        return false;
    };
    let part = |range: std::ops::Range<usize>| body.get(range).and_then(decimal);
    let (Some(place), Some(_), Some(year), Some(month), Some(day), Some(_)) = (
        part(0..2),
        part(2..6),
        part(6..10),
        part(10..12),
        part(12..14),
        part(14..17),
    ) else {
        return false;
    };
    let sum = body
        .iter()
        .fold(0, |sum, digit| (sum + u32::from(digit.wrapping_sub(b'0'))) * 2 % 11);
    let right = match (12 - sum) % 11 {
        10 => b'X',
        digit => b'0' + u8::try_from(digit).unwrap_or(0),
    };
    is_province(place) && (1880..=2099).contains(&year) && date::exists(year, month, day) && *check == right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        let rows: [(&[u8], bool); 8] = [
            (b"360426199101010071", true),
            (b"360426199101010072", false),
            (b"11010519491231002X", true),
            (b"110105194912310020", false),
            (b"11010519491331002X", false),
            (b"010105194912310029", false),
            (b"36042619910101007", false),
            // Letters in the place, under the check character that their bytes give.
            (b"11AB05194912310028", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
