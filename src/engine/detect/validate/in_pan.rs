//! Indian permanent account numbers (Income Tax Rules 1962, rule 114): five letters of which the fourth says whose, serial, check letter.

/// Whether `AAAAA9999A` may be a person's number: the fourth letter is P, the others stand for companies and trusts; the
/// rule of the check letter is not published.
pub(super) fn accepts(number: &[u8]) -> bool {
    let Some((letters, rest)) = number.split_first_chunk::<5>().filter(|_| number.len() == 10) else {
        return false;
    };
    let (serial, check) = rest.split_at_checked(4).unwrap_or_default();
    letters.iter().chain(check).all(u8::is_ascii_uppercase)
        && matches!(letters, [.., b'P', _])
        && serial.iter().all(u8::is_ascii_digit)
        && serial != b"0000"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        let rows: [(&[u8], bool); 5] = [
            (b"ACUPA7085R", true),
            (b"AAPPV8261K", true),
            (b"ABMXA3211G", false),
            (b"ACUPA0000R", false),
            (b"ABMPA32111", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
