//! French social security numbers (INSEE, NIR): sex, month, department, key mod 97.

use super::decimal;

/// Whether fifteen characters have a sex, a month, a department and the right key; in the key Corsica counts as 19 and 18.
pub(super) fn accepts(number: &[u8]) -> bool {
    let Some((body, key)) = number.split_at_checked(13).filter(|_| number.len() == 15) else {
        return false;
    };
    let mut numeric = [0; 13];
    numeric.copy_from_slice(body);
    if let [_, _, _, _, _, b'2', island @ (b'A' | b'B'), ..] = &mut numeric {
        let ones = if *island == b'A' { b'9' } else { b'8' };
        if let Some(tens) = numeric.get_mut(5..7) {
            tens.copy_from_slice(&[b'1', ones]);
        }
    }
    let (high, low) = numeric.split_at(6);
    let (Some(high), Some(low), Some(key)) = (decimal(high), decimal(low), decimal(key)) else {
        return false;
    };
    let (sex, month) = (high / 100_000, high / 10 % 100);
    let rest = (u64::from(high) * 10_000_000 + u64::from(low)) % 97;
    let month_is_real = matches!(month, 1..=12 | 20..=42 | 50..=99);
    matches!(sex, 1..=4 | 7 | 8) && month_is_real && is_department(body) && rest + u64::from(key) == 97
}

/// Whether the department of birth is one: 01 to 95, 2A and 2B, 97 and 98 overseas, 99 abroad.
fn is_department(body: &[u8]) -> bool {
    match body.get(5..7) {
        Some(b"2A" | b"2B") => true,
        Some(code) => decimal(code).is_some_and(|code| matches!(code, 1..=95 | 97..=99)),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_synthetic_numbers() {
        let rows: [(&[u8], bool); 9] = [
            (b"295109912611193", true),
            (b"295109912611199", false),
            (b"253072B07300470", true),
            (b"253072A07300443", true),
            (b"253072C07300443", false),
            (b"654654654654670", false),
            (b"29510991261119", false),
            // Of no department, with the right key.
            (b"253070007300471", false),
            (b"253079607300401", false),
        ];
        for (number, expected) in rows {
            assert_eq!(accepts(number), expected, "{}", String::from_utf8_lossy(number));
        }
    }
}
