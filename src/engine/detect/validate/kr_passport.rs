//! Korean passports (Passport Act, enforcement decree): the letter of the kind, then eight digits, or since 2021 three, a letter and four.

/// Whether `M99999999` or `M999A9999` begins with a kind of passport.
pub(super) fn accepts(number: &[u8]) -> bool {
    let Some((kind, rest)) = number.split_first().filter(|_| number.len() == 9) else {
        return false;
    };
    let serial = rest.iter().enumerate();
    let mut fits = serial.map(|(place, byte)| byte.is_ascii_digit() || (place == 3 && byte.is_ascii_uppercase()));
    matches!(kind, b'M' | b'S' | b'R' | b'O' | b'D' | b'G') && fits.all(|fits| fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        let rows: [(&[u8], bool); 6] = [
            (b"M12345678", true),
            (b"M123A4567", true),
            (b"S12345678", true),
            (b"A12345678", false),
            (b"M12A34567", false),
            (b"M1234567", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
