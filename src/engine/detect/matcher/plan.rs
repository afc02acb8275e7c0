//! Numbering plans: country codes with the length of a national number, and the Korean and North American plans.
//!
//! Sources: ITU-T E.164 and its list of assigned country codes; the NANPA numbering rules; the Korean numbering plan
//! (MSIT notice on the management of telecommunication numbers). Lengths are those in use, without service numbers.

use std::ops::RangeInclusive;

/// Country code, shortest and longest national number, in digits; sorted by code as text.
const COUNTRIES: &str = "\
1:10-10 20:8-10 211:9-9 212:9-9 213:8-9 216:8-8 218:8-9 220:7-7 221:9-9 222:8-8 223:8-8 224:9-9 225:10-10 226:8-8 \
227:8-8 228:8-8 229:8-10 230:7-8 231:7-9 232:8-8 233:9-9 234:8-10 235:8-8 236:8-8 237:9-9 238:7-7 239:7-7 240:9-9 \
241:7-8 242:9-9 243:9-9 244:9-9 245:7-9 246:7-7 248:7-7 249:9-9 250:9-9 251:9-9 252:7-9 253:8-8 254:9-9 255:9-9 \
256:9-9 257:8-8 258:9-9 260:9-9 261:9-9 262:9-9 263:9-9 264:8-9 265:7-9 266:8-8 267:7-8 268:8-8 269:7-7 27:9-9 \
290:5-5 291:7-7 297:7-7 298:6-6 299:6-6 30:10-10 31:9-9 32:8-9 33:9-9 34:9-9 350:8-8 351:9-9 352:6-9 353:7-9 \
354:7-7 355:8-9 356:8-8 357:8-8 358:6-10 359:8-9 36:8-9 370:8-8 371:8-8 372:7-8 373:8-8 374:8-8 375:9-9 376:6-9 \
377:8-9 378:6-10 380:9-9 381:8-9 382:8-8 383:8-9 385:8-9 386:8-8 387:8-8 389:8-8 39:8-11 40:9-9 41:9-9 420:9-9 \
421:9-9 423:7-7 43:7-13 44:9-10 45:8-8 46:7-10 47:8-8 48:9-9 49:7-11 500:5-5 501:7-7 502:8-8 503:8-8 504:8-8 \
505:8-8 506:8-8 507:7-8 508:6-6 509:8-8 51:8-9 52:10-10 53:8-8 54:10-11 55:10-11 56:9-9 57:8-10 58:10-10 590:9-9 \
591:8-8 592:7-7 593:8-9 594:9-9 595:9-9 596:9-9 597:6-7 598:8-8 599:7-8 60:8-10 61:9-9 62:8-12 63:8-10 64:8-10 \
65:8-8 66:8-9 670:7-8 672:6-6 673:7-7 674:7-7 675:7-8 676:5-7 677:5-7 678:5-7 679:7-7 680:7-7 681:6-6 682:5-5 \
685:5-7 686:5-8 687:6-6 688:5-6 689:6-8 691:7-7 692:7-7 7:10-10 81:9-10 82:8-11 84:9-10 850:8-10 852:8-8 853:8-8 \
855:8-9 856:8-10 86:9-11 880:8-10 886:8-9 90:10-10 91:10-10 92:9-10 93:9-9 94:9-9 95:7-10 960:7-7 961:7-8 962:8-9 \
963:8-9 964:8-10 965:8-8 966:9-9 967:7-9 968:8-8 970:8-9 971:8-9 972:8-9 973:8-8 974:8-8 975:8-8 976:8-8 977:8-10 \
98:10-10 992:9-9 993:8-8 994:9-9 995:9-9 996:9-9 998:9-9";

/// Countries whose national numbers themselves begin with 0, so that a 0 behind the code is no trunk prefix.
const ZERO_STAYS: [&[u8]; 5] = [b"39", b"225", b"241", b"242", b"378"];

/// The lengths of `COUNTRIES` by country code; 0 where there is no such code.
static LENGTHS: [(usize, usize); 1000] = lengths();

/// Reads `COUNTRIES`, when the program is compiled.
#[expect(
    clippy::indexing_slicing,
    reason = "the compiler evaluates it: a code over 999 does not compile"
)]
const fn lengths() -> [(usize, usize); 1000] {
    let mut table = [(0, 0); 1000];
    let (mut text, mut code, mut shortest, mut number) = (COUNTRIES.as_bytes(), 0, 0, 0);
    while let [byte, rest @ ..] = text {
        match byte {
            b':' => code = number,
            b'-' => shortest = number,
            _ => {}
        }
        number = if byte.is_ascii_digit() {
            number * 10 + (*byte - b'0') as usize
        } else {
            0
        };
        if matches!(rest, [] | [b' ', ..]) {
            table[code] = (shortest, number);
        }
        text = rest;
    }
    table
}

/// The country code at the beginning of international `digits`, and the lengths of its national numbers.
pub(super) fn country(digits: &[u8]) -> Option<(&[u8], RangeInclusive<usize>)> {
    // No code is the beginning of another (ITU-T E.164, 6.2.1), so the first that fits is the one.
    let mut code = 0;
    for (len, digit) in (1..).zip(digits.iter().take(3)) {
        code = code * 10 + usize::from(digit.wrapping_sub(b'0'));
        let (shortest, longest) = *LENGTHS.get(code)?;
        if shortest > 0 {
            return Some((digits.get(..len)?, shortest..=longest));
        }
    }
    None
}

/// Whether a 0 behind country `code` is a trunk prefix, dialled inside the country only: `+44 (0)20`.
pub(super) fn drops_zero(code: &[u8]) -> bool {
    !ZERO_STAYS.contains(&code)
}

/// Whether ten digits are a subscriber's number in the North American plan: `NXX NXX XXXX` with N from 2 to 9, no service
/// code (N11), and no area code N9X, which is kept for expansion.
pub(super) fn is_north_american(digits: &[u8]) -> bool {
    let (Some((area, rest)), 10) = (digits.split_first_chunk::<3>(), digits.len()) else {
        return false;
    };
    let Some(exchange) = rest.first_chunk::<3>() else {
        return false;
    };
    let is_code = |code: &[u8; 3]| matches!(code, [b'2'..=b'9', tens, ones] if (*tens, *ones) != (b'1', b'1'));
    is_code(area) && is_code(exchange) && !matches!(area, [_, b'9', _])
}

/// How a Korean number is written in groups: trunk prefix and area, exchange, subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Korean {
    /// 010, 011, 016 to 019.
    Mobile,
    /// 02, 031 and the like, 070, 0502 and the like.
    Line,
}

/// What `area` (with its trunk 0) and the number of digits behind it are in the Korean plan.
pub(super) fn korean(area: &[u8], digits_behind: usize) -> Option<Korean> {
    match area {
        b"010" => (digits_behind == 8).then_some(Korean::Mobile),
        b"011" | b"016" | b"017" | b"018" | b"019" => matches!(digits_behind, 7 | 8).then_some(Korean::Mobile),
        b"02" | [b'0', b'3', b'1'..=b'3'] | [b'0', b'4', b'1'..=b'4'] | [b'0', b'5', b'1'..=b'5'] => {
            matches!(digits_behind, 7 | 8).then_some(Korean::Line)
        }
        [b'0', b'6', b'1'..=b'4'] => matches!(digits_behind, 7 | 8).then_some(Korean::Line),
        b"070" => (digits_behind == 8).then_some(Korean::Line),
        [b'0', b'5', b'0', b'2'..=b'8'] => matches!(digits_behind, 7 | 8).then_some(Korean::Line),
        _ => None,
    }
}

/// The length of the area code at the beginning of Korean `digits` (with the trunk 0).
pub(super) fn korean_area_len(digits: &[u8]) -> usize {
    match digits {
        [b'0', b'2', ..] => 2,
        [b'0', b'5', b'0', ..] => 4,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries() {
        let rows = [
            ("821012345678", Some(("82", 8, 11))),
            ("12125550123", Some(("1", 10, 10))),
            ("358401234567", Some(("358", 6, 10))),
            ("2101234567", None),
            ("", None),
        ];
        for (digits, expected) in rows {
            let expected =
                expected.map(|(code, shortest, longest): (&str, _, _)| (code.as_bytes(), shortest..=longest));
            assert_eq!(country(digits.as_bytes()), expected, "{digits}");
        }
        let mut codes: Vec<&str> = COUNTRIES
            .split(' ')
            .filter_map(|entry| entry.split(':').next())
            .collect();
        assert!(codes.is_sorted(), "sorted, so that nobody adds a country twice");
        codes.dedup();
        assert!(
            codes
                .iter()
                .all(|code| country(code.as_bytes()).is_some_and(|(found, _)| found == code.as_bytes()))
        );
    }

    #[test]
    fn north_american_numbers() {
        let rows: [(&[u8], bool); 8] = [
            (b"2125550123", true),
            (b"8005550100", true),
            (b"1125550123", false),
            (b"2115550123", false),
            (b"2121550123", false),
            (b"2129110123", false),
            (b"2124110123", false),
            (b"2925550123", false),
        ];
        for (digits, expected) in rows {
            assert_eq!(
                is_north_american(digits),
                expected,
                "{}",
                String::from_utf8_lossy(digits)
            );
        }
    }

    #[test]
    fn korean_areas() {
        let rows: [(&[u8], usize, Option<Korean>); 8] = [
            (b"010", 8, Some(Korean::Mobile)),
            (b"010", 7, None),
            (b"011", 7, Some(Korean::Mobile)),
            (b"02", 7, Some(Korean::Line)),
            (b"031", 8, Some(Korean::Line)),
            (b"0505", 7, Some(Korean::Line)),
            (b"030", 8, None),
            (b"1588", 4, None),
        ];
        for (area, behind, expected) in rows {
            assert_eq!(korean(area, behind), expected, "{}", String::from_utf8_lossy(area));
        }
    }
}
