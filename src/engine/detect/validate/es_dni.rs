//! Spanish DNI and NIE (Real Decreto 1553/2005, Orden INT/2058/2008): check letter mod 23.

use super::decimal;

/// The check letters, by the rest of the division by 23.
const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

/// Whether `99999999A`, or `X9999999A` with X, Y or Z for 0, 1 or 2, ends in its check letter.
pub(super) fn accepts(number: &[u8]) -> bool {
    let Some((first, rest)) = number.split_first().filter(|_| number.len() == 9) else {
        return false;
    };
    let first = match first {
        b'X' | b'Y' | b'Z' => u32::from(first - b'X'),
        _ => u32::from(first.wrapping_sub(b'0')),
    };
    let Some((check, serial)) = rest.split_last() else {
        return false;
    };
    let value = decimal(serial)
        .filter(|_| first < 10)
        .map(|serial| first * 10_000_000 + serial);
    let letter = value.and_then(|value| LETTERS.get(usize::try_from(value % 23).ok()?));
    letter == Some(check) && value != Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        let rows: [(&[u8], bool); 7] = [
            (b"54362315K", true),
            (b"54362315Z", false),
            (b"X2482300W", true),
            (b"X2482300A", false),
            (b"12345678Z", true),
            (b"A2345678Z", false),
            (b"5436231K", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
