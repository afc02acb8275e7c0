//! English, Welsh and Manx NHS numbers (NHS data dictionary): check digit mod 11.

use super::{all_equal, digits, weighted};

/// Whether ten digits end in their check digit.
pub(super) fn accepts(number: &[u8]) -> bool {
    let Some(nhs) = digits::<10>(number) else { return false };
    let check = 11 - weighted(nhs, (2..=10).rev()) % 11;
    !all_equal(&nhs) && nhs.last() == Some(&(check % 11))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        let rows: [(&[u8], bool); 4] = [
            (b"9434765870", true),
            (b"9434765871", false),
            (b"0000000000", false),
            (b"943476587", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
