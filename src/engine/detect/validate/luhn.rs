//! The Luhn check digit (ISO/IEC 7812-1, annex B).

/// Whether `digits` ends in its Luhn check digit. One in ten random numbers passes: never a proof by itself.
pub(super) fn accepts(digits: &[u8]) -> bool {
    let mut sum = 0u32;
    for (index, byte) in digits.iter().rev().enumerate() {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return false;
        }
        sum += match (index % 2, digit) {
            (0, _) => digit,
            (_, 0..=4) => digit * 2,
            _ => digit * 2 - 9,
        };
    }
    !digits.is_empty() && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_test_cards() {
        let rows: [(&[u8], bool); 8] = [
            (b"4111111111111111", true),
            (b"4111111111111112", false),
            (b"5555555555554444", true),
            (b"378282246310005", true),
            (b"30569309025904", true),
            (b"79927398713", true),
            (b"", false),
            (b"4111-1111", false),
        ];
        for (digits, expected) in rows {
            assert_eq!(accepts(digits), expected);
        }
    }
}
