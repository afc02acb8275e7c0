//! Brazilian taxpayer numbers (Cadastro de Pessoas Físicas; Receita Federal, IN RFB 1548/2015): two check digits mod 11.

use super::{all_equal, digits, weighted};

/// Whether eleven digits end in their two check digits. Eleven equal digits would, and are never given out.
pub(super) fn accepts(number: &[u8]) -> bool {
    let Some(cpf) = digits::<11>(number) else { return false };
    let check = |count: u32, place: usize| {
        let sum = weighted(cpf, (2..=count + 1).rev());
        cpf.get(place) == Some(&(sum * 10 % 11 % 10))
    };
    !all_equal(&cpf) && check(9, 9) && check(10, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        let rows: [(&[u8], bool); 5] = [
            (b"39053344705", true),
            (b"39053344704", false),
            (b"23100299900", false),
            (b"11111111111", false),
            (b"3905334470", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
