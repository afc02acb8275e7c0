//! US social security numbers: what was never given out (SSA, "Social Security Number Randomization", 2011).

use super::decimal;

/// Numbers that stood in advertisements and were withdrawn by the SSA.
const WITHDRAWN: [u32; 2] = [78_051_120, 219_099_999];

/// Whether nine `digits` may be a social security number: no area 000, 666 or 9xx, no group 00, no serial 0000.
pub(super) fn accepts(digits: &[u8]) -> bool {
    let Some(number) = decimal(digits).filter(|_| digits.len() == 9) else {
        return false;
    };
    let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0 && !WITHDRAWN.contains(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_groups_and_serials() {
        let rows: [(&[u8], bool); 10] = [
            (b"123456789", true),
            (b"001010001", true),
            (b"899999999", true),
            (b"000123456", false),
            (b"666123456", false),
            (b"900123456", false),
            (b"123006789", false),
            (b"123450000", false),
            (b"078051120", false),
            (b"12345678", false),
        ];
        for (digits, expected) in rows {
            assert_eq!(accepts(digits), expected, "{}", String::from_utf8_lossy(digits));
        }
    }
}
