//! Korean driving licences (Road Traffic Act, enforcement rule): office 11 to 28, year, serial, and two digits more.

use super::decimal;

/// Whether twelve digits begin with an office that gives out licences. How the last two check the others is not published.
pub(super) fn accepts(number: &[u8]) -> bool {
    let office = number.get(..2).and_then(decimal);
    let all_digits = number.len() == 12 && number.iter().all(u8::is_ascii_digit);
    all_digits && office.is_some_and(|office| (11..=28).contains(&office))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        let rows: [(&[u8], bool); 5] = [
            (b"112012345678", true),
            (b"282012345678", true),
            (b"102012345678", false),
            (b"292012345678", false),
            (b"11201234567", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
