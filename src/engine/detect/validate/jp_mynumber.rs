//! Japanese individual numbers (Ministry of Internal Affairs, order 85 of 2014, article 5): check digit mod 11.

use super::{all_equal, digits, weighted};

/// Whether twelve digits end in their check digit.
pub(super) fn accepts(number: &[u8]) -> bool {
    let Some(my) = digits::<12>(number) else { return false };
    let check = match weighted(my, [6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2].into_iter()) % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    !all_equal(&my) && my.last() == Some(&check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        let rows: [(&[u8], bool); 4] = [
            (b"621498320257", true),
            (b"621498320258", false),
            (b"000000000000", false),
            (b"62149832025", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
