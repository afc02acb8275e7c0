//! British national insurance numbers (HMRC manual NIM39110): prefixes that are given out, suffix A to D.

/// Prefixes that are never given out.
const NEVER: [&[u8]; 7] = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"];

/// Whether `AA999999A` may be a national insurance number; there is no check digit.
pub(super) fn accepts(number: &[u8]) -> bool {
    let Some((prefix, rest)) = number.split_first_chunk::<2>().filter(|_| number.len() == 9) else {
        return false;
    };
    let [first, second] = prefix;
    let is_letter =
        |letter: &u8| letter.is_ascii_uppercase() && !matches!(letter, b'D' | b'F' | b'I' | b'Q' | b'U' | b'V');
    let (serial, suffix) = rest.split_at_checked(6).unwrap_or_default();
    is_letter(first)
        && is_letter(second)
        && *second != b'O'
        && !NEVER.contains(&prefix.as_slice())
        && serial.iter().all(u8::is_ascii_digit)
        && matches!(suffix, [b'A'..=b'D'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        // The placeholders of documentation, and HMRC's specimen, whose prefix is never given out.
        let rows: [(&[u8], bool); 7] = [
            (b"AB123456C", true),
            (b"AA123456C", true),
            (b"QQ123456C", false),
            (b"GB123456C", false),
            (b"AO123456C", false),
            (b"AB123456E", false),
            (b"AB12345C", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
