//! Postal codes whose form tells their country: British, Canadian, Brazilian and Portuguese.

/// A British (`SW1A 1AA`) or Canadian (`K1A 0B1`) postal code in two words.
pub(super) fn is_royal_code(first: &str, second: &str) -> bool {
    (is_inward(second) && is_outward(first)) || (is_canadian_unit(second) && is_canadian_area(first))
}

/// Whether one of these begins with `word`, or is it without its blank.
pub(super) fn begins_royal_code(word: &str) -> bool {
    is_outward(word) || is_canadian_area(word) || is_canadian_code_joined(word)
}

/// The outward code of Great Britain: area and district (Royal Mail's PAF programmer's guide).
fn is_outward(word: &str) -> bool {
    let letters = word.bytes().take_while(u8::is_ascii_uppercase).count();
    let Some((area, district)) = word.split_at_checked(letters) else {
        return false;
    };
    matches!(district.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'9', b'0'..=b'9' | b'A'..=b'Z'])
        && BRITISH_AREAS.binary_search(&area).is_ok()
}

/// The inward code (BS 7666 leaves six letters out of it).
fn is_inward(word: &str) -> bool {
    let is_unit = |letter: &u8| letter.is_ascii_uppercase() && !b"CIKMOV".contains(letter);
    matches!(word.as_bytes(), [b'0'..=b'9', unit, second] if is_unit(unit) && is_unit(second))
}

/// A Canadian forward sortation area (Canada Post's addressing guidelines: no D, F, I, O, Q or U anywhere, and no W or Z first).
fn is_canadian_area(word: &str) -> bool {
    matches!(word.as_bytes(), [first, b'0'..=b'9', last]
        if is_canadian_letter(*first) && !matches!(first, b'W' | b'Z') && is_canadian_letter(*last))
}

/// A Canadian local delivery unit.
fn is_canadian_unit(word: &str) -> bool {
    matches!(word.as_bytes(), [b'0'..=b'9', letter, b'0'..=b'9'] if is_canadian_letter(*letter))
}

fn is_canadian_letter(letter: u8) -> bool {
    letter.is_ascii_uppercase() && !b"DFIOQU".contains(&letter)
}

/// A Canadian postal code without its blank.
pub(super) fn is_canadian_code_joined(word: &str) -> bool {
    let parts = word.split_at_checked(3).filter(|_| word.len() == 6);
    parts.is_some_and(|(area, unit)| is_canadian_area(area) && is_canadian_unit(unit))
}

/// A Brazilian CEP or a Portuguese code with its hyphen.
pub(super) fn is_cep(word: &str) -> bool {
    matches!(word.split_once('-'), Some((five, three)) if matches!(five.len(), 4 | 5) && three.len() == 3
        && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

/// The postcode areas of the United Kingdom and the Crown dependencies (ONS Postcode Directory), in order.
const BRITISH_AREAS: [&str; 124] = [
    "AB", "AL", "B", "BA", "BB", "BD", "BH", "BL", "BN", "BR", "BS", "BT", "CA", "CB", "CF", "CH", "CM", "CO", "CR",
    "CT", "CV", "CW", "DA", "DD", "DE", "DG", "DH", "DL", "DN", "DT", "DY", "E", "EC", "EH", "EN", "EX", "FK", "FY",
    "G", "GL", "GU", "GY", "HA", "HD", "HG", "HP", "HR", "HS", "HU", "HX", "IG", "IM", "IP", "IV", "JE", "KA", "KT",
    "KW", "KY", "L", "LA", "LD", "LE", "LL", "LN", "LS", "LU", "M", "ME", "MK", "ML", "N", "NE", "NG", "NN", "NP",
    "NR", "NW", "OL", "OX", "PA", "PE", "PH", "PL", "PO", "PR", "RG", "RH", "RM", "S", "SA", "SE", "SG", "SK", "SL",
    "SM", "SN", "SO", "SP", "SR", "SS", "ST", "SW", "SY", "TA", "TD", "TF", "TN", "TQ", "TR", "TS", "TW", "UB", "W",
    "WA", "WC", "WD", "WF", "WN", "WR", "WS", "WV", "YO", "ZE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postal_codes() {
        for (code, expected) in [
            ("SW1A 1AA", true),
            ("M1 1AE", true),
            ("EC2V 8AS", true),
            ("B33 8TH", true),
            ("K1A 0B1", true),
            ("V3R 4K1", true),
            ("A1 5DR", false),
            ("I5 8TH", false),
            ("SW1A 1AC", false),
            ("SW123 1AA", false),
            ("W1A 0B1", false),
            ("K1O 0B1", false),
            ("K1A 0BB", false),
            ("Ä1 1AA", false),
        ] {
            let (first, second) = code.split_once(' ').unwrap();
            assert_eq!(is_royal_code(first, second), expected, "{code}");
        }
        assert!(BRITISH_AREAS.is_sorted());
    }
}
