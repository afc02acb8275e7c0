//! Numbering plans as they are dialled: the Korean and the North American plan, and what a 0 behind a country code means. `numbering.rs` knows
//! which numbers are in use.
//!
//! Sources: the Korean numbering plan (MSIT notice on the management of telecommunication numbers); the NANPA rules.

/// Countries whose national numbers themselves begin with 0, so that a 0 behind the code is no trunk prefix.
const ZERO_STAYS: [&[u8]; 5] = [b"39", b"225", b"241", b"242", b"378"];

/// Whether a 0 behind country `code` is a trunk prefix, dialled inside the country only: `+44 (0)20`.
pub(super) fn drops_zero(code: &[u8]) -> bool {
    !ZERO_STAYS.contains(&code)
}

/// Area codes whose calls the called party pays for, or at a premium: numbers of companies.
const NOT_PERSONAL: [&[u8; 3]; 8] = [b"800", b"833", b"844", b"855", b"866", b"877", b"888", b"900"];

/// The bounds of 32-bit integers have the form of a number in Dallas, and stand in far more texts than it.
const INTEGERS: [&[u8]; 2] = [b"2147483647", b"2147483648"];

/// Whether ten digits have the form of a person's number in the North American plan (NANPA): an area and an exchange of three
/// digits each that begin with 2 to 9 and are no service code (such as 911), then four; no area code has 9 in the middle, which
/// is kept for expansion. New areas are opened every year, so the form is enough where something else says that it is a phone.
pub(super) fn is_north_american(digits: &[u8]) -> bool {
    let (Some((area, rest)), 10) = (digits.split_first_chunk::<3>(), digits.len()) else {
        return false;
    };
    let Some(exchange) = rest.first_chunk::<3>() else {
        return false;
    };
    let is_code = |code: &[u8; 3]| matches!(code, [b'2'..=b'9', tens, ones] if (*tens, *ones) != (b'1', b'1'));
    !INTEGERS.contains(&digits)
        && is_code(area)
        && is_code(exchange)
        && !matches!(area, [_, b'9', _])
        && !NOT_PERSONAL.contains(&area)
}

/// How a Korean number is written in groups: trunk prefix and area, exchange, subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Korean {
    /// 010, 011, 016 to 019.
    Mobile,
    /// 02, 031 and the like, 070, 0502 and the like.
    Line,
}

/// What `area` (without its trunk 0) and the number of digits behind it are in the Korean plan.
pub(super) fn korean(area: &[u8], digits_behind: usize) -> Option<Korean> {
    match area {
        b"10" => (digits_behind == 8).then_some(Korean::Mobile),
        b"11" | b"16" | b"17" | b"18" | b"19" => matches!(digits_behind, 7 | 8).then_some(Korean::Mobile),
        [b'2'] | [b'3', b'1'..=b'3'] | [b'4' | b'6', b'1'..=b'4'] | [b'5', b'1'..=b'5'] => {
            matches!(digits_behind, 7 | 8).then_some(Korean::Line)
        }
        b"70" => (digits_behind == 8).then_some(Korean::Line),
        [b'5', b'0', b'2'..=b'8'] => matches!(digits_behind, 7 | 8).then_some(Korean::Line),
        _ => None,
    }
}

/// The length of the area code at the beginning of Korean `digits` (without the trunk 0).
pub(super) fn korean_area_len(digits: &[u8]) -> usize {
    match digits {
        [b'2', ..] => 1,
        [b'5', b'0', ..] => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn north_american_numbers() {
        let rows: [(&[u8], bool); 9] = [
            (b"2125550123", true),
            (b"8005550100", false),
            (b"2147483647", false),
            (b"1125550123", false),
            (b"2115550123", false),
            (b"2121550123", false),
            (b"2129110123", false),
            (b"2124110123", false),
            (b"2925550123", false),
        ];
        for (digits, expected) in rows {
            let text = String::from_utf8_lossy(digits);
            assert_eq!(is_north_american(digits), expected, "{text}");
        }
    }

    #[test]
    fn korean_areas() {
        let rows: [(&[u8], usize, Option<Korean>); 8] = [
            (b"10", 8, Some(Korean::Mobile)),
            (b"10", 7, None),
            (b"11", 7, Some(Korean::Mobile)),
            (b"2", 7, Some(Korean::Line)),
            (b"31", 8, Some(Korean::Line)),
            (b"505", 7, Some(Korean::Line)),
            (b"30", 8, None),
            (b"1588", 4, None),
        ];
        for (area, behind, expected) in rows {
            assert_eq!(korean(area, behind), expected, "{}", String::from_utf8_lossy(area));
        }
    }
}
