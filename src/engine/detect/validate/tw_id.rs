//! Taiwanese ids (household registration law, and the ids of residents since 2021): a letter that counts as two digits, check digit mod 10.

/// What A to Z count as: the numbers of the registration offices, in the order in which these were founded.
const LETTERS: [u32; 26] = [
    10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19, 20, 21, 22, 35, 23, 24, 25, 26, 27, 28, 29, 32, 30, 31, 33,
];

/// Whether the id (`A123456789`, or `AB12345678` as residents had it) has its check digit: 1 and 2 stand for citizens,
/// 8 and 9 for residents.
pub(super) fn accepts(id: &[u8]) -> bool {
    let Some((first, rest)) = id.split_first().filter(|_| id.len() == 10) else {
        return false;
    };
    let (Some(office), Some((kind, serial))) = (value(*first), rest.split_first()) else {
        return false;
    };
    let kind = match kind {
        b'1' | b'2' | b'8' | b'9' => u32::from(kind - b'0'),
        b'A'..=b'D' => value(*kind).unwrap_or(0) % 10,
        _ => return false,
    };
    if !serial.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let digits = serial.iter().map(|digit| u32::from(digit - b'0'));
    let sum: u32 = digits
        .zip([7, 6, 5, 4, 3, 2, 1, 1])
        .map(|(digit, weight)| digit * weight)
        .sum();
    (office / 10 + office % 10 * 9 + kind * 8 + sum).is_multiple_of(10)
}

fn value(letter: u8) -> Option<u32> {
    LETTERS.get(usize::from(letter.checked_sub(b'A')?)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        let rows: [(&[u8], bool); 5] = [
            (b"A123456789", true),
            (b"A123456788", false),
            (b"A323456789", false),
            (b"1123456789", false),
            (b"A12345678", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
