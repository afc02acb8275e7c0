//! US individual taxpayer identification numbers (IRS publication 1915): 9xx with the groups that are given out.

use super::decimal;

/// Whether nine digits may be an ITIN.
pub(super) fn accepts(number: &[u8]) -> bool {
    let Some(value) = decimal(number).filter(|_| number.len() == 9) else {
        return false;
    };
    let group = value / 10_000 % 100;
    value >= 900_000_000 && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        let rows: [(&[u8], bool); 5] = [
            (b"912903456", true),
            (b"912934567", false),
            (b"123456789", false),
            (b"912893456", false),
            (b"91290345", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
