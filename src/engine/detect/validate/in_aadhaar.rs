//! Indian Aadhaar numbers (UIDAI): twelve digits, none that begins with 0 or 1, no palindrome; Verhoeff check digit.

use super::digits;

/// The multiplication of the dihedral group of order ten, and the permutation of the places (J. Verhoeff, Error
/// Detecting Decimal Codes, 1969).
const PRODUCT: [[u8; 10]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];
const PERMUTATION: [[u8; 10]; 8] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
    [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
    [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
    [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
    [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
    [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
    [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
];

/// Whether twelve digits may be an Aadhaar number.
pub(super) fn accepts(number: &[u8]) -> bool {
    let Some(aadhaar) = digits::<12>(number) else {
        return false;
    };
    let palindrome = aadhaar.iter().eq(aadhaar.iter().rev());
    let look = |table: &[[u8; 10]], row: usize, column: usize| {
        table
            .get(row)
            .and_then(|row| row.get(column))
            .copied()
            .map_or(10, usize::from)
    };
    let check = aadhaar.iter().rev().enumerate().fold(0, |check, (place, digit)| {
        let digit = usize::try_from(*digit).unwrap_or(10);
        look(&PRODUCT, check, look(&PERMUTATION, place % 8, digit))
    });
    !matches!(aadhaar, [0 | 1, ..]) && !palindrome && check == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        let rows: [(&[u8], bool); 5] = [
            (b"234123412346", true),
            (b"234123412347", false),
            (b"123412341234", false),
            (b"222222222222", false),
            (b"23412341234", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
