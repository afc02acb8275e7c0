//! Korean business registration numbers (National Tax Service): tax office, kind, serial, check digit mod 10.

use super::{digits, weighted};

/// Whether ten digits have an office, a kind, a serial and the right check digit.
pub(super) fn accepts(number: &[u8]) -> bool {
    let Some(digits) = digits::<10>(number) else {
        return false;
    };
    let [office, _, _, kind @ .., _] = digits;
    let ([tens, ones, serial @ ..], [.., ninth, check]) = (kind, digits);
    let sum = weighted(digits, [1, 3, 7, 1, 3, 7, 1, 3, 5].into_iter()) + ninth * 5 / 10;
    office != 0 && (tens, ones) != (0, 0) && serial != [0; 4] && (10 - sum % 10) % 10 == check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        let rows: [(&[u8], bool); 5] = [
            (b"1168200276", true),
            (b"1168200277", false),
            (b"1348672683", true),
            (b"0168200276", false),
            (b"116820027", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
