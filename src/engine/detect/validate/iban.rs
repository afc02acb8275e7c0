//! International bank account numbers: length by country and check digits (ISO 13616, mod 97-10 of ISO 7064).

/// Country and length, sorted by country (SWIFT, IBAN Registry, release 99), five bytes an entry.
const LENGTHS: &str = "\
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 \
    EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 \
    IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 \
    NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 \
    SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 ";

/// How many characters an IBAN of `country` (upper case) has.
pub(in crate::engine::detect) fn length(country: [u8; 2]) -> Option<usize> {
    let (entries, _) = LENGTHS.as_bytes().as_chunks::<5>();
    let index = entries
        .binary_search_by_key(&country, |[first, second, ..]| [*first, *second])
        .ok()?;
    let [_, _, tens, ones, _] = entries.get(index)?;
    Some(usize::from(tens - b'0') * 10 + usize::from(ones - b'0'))
}

/// Whether `iban` (upper case, no blanks) has its country's length and the right check digits.
pub(super) fn accepts(iban: &[u8]) -> bool {
    let Some((head, account)) = iban.split_first_chunk::<4>() else {
        return false;
    };
    let [first, second, check @ ..] = *head;
    if length([first, second]) != Some(iban.len()) || !check.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let rotated = account.iter().chain(head);
    rotated.copied().try_fold(0u32, |rest, byte| match byte {
        b'0'..=b'9' => Some((rest * 10 + u32::from(byte - b'0')) % 97),
        b'A'..=b'Z' => Some((rest * 100 + u32::from(byte - b'A') + 10) % 97),
        _ => None,
    }) == Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        let (entries, rest) = LENGTHS.as_bytes().as_chunks::<5>();
        assert!(rest.is_empty() && entries.is_sorted_by(|left, right| left < right));
        assert_eq!(
            (entries.len(), length(*b"AD"), length(*b"YE"), length(*b"AA")),
            (89, Some(24), Some(30), None)
        );
    }

    #[test]
    fn published_examples() {
        let rows: [(&[u8], bool); 8] = [
            (b"GB82WEST12345698765432", true),
            (b"DE89370400440532013000", true),
            (b"FR1420041010050500013M02606", true),
            (b"NO9386011117947", true),
            (b"MT84MALT011000012345MTLCAST001S", true),
            (b"GB82WEST12345698765433", false),
            (b"GB82WEST1234569876543", false),
            (b"ZZ82WEST12345698765432", false),
        ];
        for (iban, expected) in rows {
            assert_eq!(accepts(iban), expected, "{}", String::from_utf8_lossy(iban));
        }
    }
}
