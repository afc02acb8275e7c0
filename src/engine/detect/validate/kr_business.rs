//! Korean business registration numbers (National Tax Service): tax office, kind, serial, check digit mod 10.

use super::digits;

/// Whether ten digits have an office, a kind, a serial and the right check digit.
pub(super) fn accepts(number: &[u8]) -> bool {
    let Some([a, b, c, d, e, f, g, h, i, check]) = digits::<10>(number) else {
        return false;
    };
    let sum = a + b * 3 + c * 7 + d + e * 3 + f * 7 + g + h * 3 + i * 5 + i * 5 / 10;
    a != 0 && d * 10 + e != 0 && (f, g, h, i) != (0, 0, 0, 0) && (10 - sum % 10) % 10 == check
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
