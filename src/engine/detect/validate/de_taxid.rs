//! German tax identification numbers (Abgabenordnung § 139b, BZSt): repeated digits, ISO 7064 mod 11,10.

use super::digits;

/// Whether eleven digits begin with no 0, repeat one digit twice or thrice among the first ten, and end in their check digit.
pub(super) fn accepts(number: &[u8]) -> bool {
    let Some(id) = digits::<11>(number) else { return false };
    let ([first, ..], Some((check, body))) = (id, id.split_last()) else {
        return false;
    };
    let counts = (0..10u32).map(|digit| body.iter().filter(|other| **other == digit).count());
    let repeated = counts
        .filter(|count| *count > 1)
        .fold((0, 0), |(number, most), count| (number + 1, most.max(count)));
    let product = body.iter().fold(10, |product, digit| match (product + digit) % 10 {
        0 => 10 * 2 % 11,
        sum => sum * 2 % 11,
    });
    first != 0 && matches!(repeated, (1, 2 | 3)) && (11 - product) % 10 == *check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        let rows: [(&[u8], bool); 5] = [
            (b"36574261809", true),
            (b"36574261890", false),
            (b"36554266806", false),
            (b"06574261809", false),
            (b"3657426180", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
