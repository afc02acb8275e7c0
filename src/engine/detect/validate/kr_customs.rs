//! Korean personal customs clearance codes (Korea Customs Service): P and twelve digits.

/// Whether the code is P and twelve digits; the check digit is not published.
pub(super) fn accepts(code: &[u8]) -> bool {
    let serial = code.strip_prefix(b"P").unwrap_or_default();
    serial.len() == 12 && serial.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        let rows: [(&[u8], bool); 3] = [
            (b"P123456789012", true),
            (b"Q123456789012", false),
            (b"P12345678901", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
