//! Dates of birth, as a whole cell: year, month and day in the orders and spellings that ten countries use.

use smallvec::SmallVec;

use super::super::Normal;

/// Nobody who lives was born before.
const YEAR_MIN: u32 = 1900;
/// No date of birth is later; a bound that needs no clock.
const YEAR_MAX: u32 = 2099;
/// Bytes of a date with its time (`1979-10-09T00:00:00.000+09:00`).
const BYTES_MAX: usize = 32;
/// The first three letters of months, in English, German, French, Spanish and Portuguese.
const MONTHS: [(&str, u32); 22] = [
    ("jan", 1),
    ("ene", 1),
    ("feb", 2),
    ("fev", 2),
    ("mar", 3),
    ("apr", 4),
    ("abr", 4),
    ("avr", 4),
    ("may", 5),
    ("mai", 5),
    ("jun", 6),
    ("jul", 7),
    ("aug", 8),
    ("ago", 8),
    ("sep", 9),
    ("set", 9),
    ("oct", 10),
    ("okt", 10),
    ("out", 10),
    ("nov", 11),
    ("dec", 12),
    ("dez", 12),
];

/// The date that `text` is, as `YYYYMMDD`; where day and month could change places, the day comes first.
pub(super) fn normal(text: &[u8]) -> Option<Normal> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= BYTES_MAX)?;
    let mut groups = SmallVec::<[(u32, usize); 4]>::new();
    let mut month = None;
    for group in text.split(|letter: char| !letter.is_alphanumeric()).flat_map(parts) {
        if let Some(number) = group.parse::<u32>().ok().filter(|_| group.len() <= 8) {
            if groups.len() < 4 {
                groups.push((number, group.len()));
            }
        } else if month.is_none() {
            month = month_of(group);
        }
    }
    let (year, month, day) = match (groups.as_slice(), month) {
        ([(date, 8), ..], _) => (date / 10_000, date / 100 % 100, date % 100),
        ([(date, 6)], _) => (1900 + date / 10_000, date / 100 % 100, date % 100),
        ([(year, 4), (day, _), ..] | [(day, _), (year, 4), ..], Some(month)) => (*year, month, *day),
        ([(year, 4), (month, _), (day, _), ..], None) => (*year, *month, *day),
        ([(first, _), (second, _), (year, 4), ..], None) if *second > 12 => (*year, *first, *second),
        ([(day, _), (month, _), (year, 4), ..], None) => (*year, *month, *day),
        _ => return None,
    };
    let good = (YEAR_MIN..=YEAR_MAX).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    good.then(|| Normal::new(format!("{year:04}{month:02}{day:02}").as_bytes()))
}

/// A run of letters and digits in its parts: `1990년`, `02T03`.
fn parts(group: &str) -> impl Iterator<Item = &str> {
    let mut rest = group;
    std::iter::from_fn(move || {
        let digit = rest.chars().next()?.is_ascii_digit();
        let end = rest
            .find(|letter: char| letter.is_ascii_digit() != digit)
            .unwrap_or(rest.len());
        let (part, behind) = rest.split_at_checked(end)?;
        rest = behind;
        Some(part)
    })
}

fn month_of(word: &str) -> Option<u32> {
    let head = word.get(..3)?;
    MONTHS
        .iter()
        .find(|(name, _)| head.eq_ignore_ascii_case(name))
        .map(|(_, month)| *month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let rows = [
            ("1979-10-09", Some("19791009")),
            ("1979/1/9", Some("19790109")),
            ("19791009", Some("19791009")),
            ("791009", Some("19791009")),
            ("09.10.1979", Some("19791009")),
            ("10/29/1979", Some("19791029")),
            ("1979년 10월 9일", Some("19791009")),
            ("1979年10月9日", Some("19791009")),
            ("1979-10-09T00:00:00Z", Some("19791009")),
            ("9 Oct 1979", Some("19791009")),
            ("October 9, 1979", Some("19791009")),
            ("1979-13-09", None),
            ("0000-00-00", None),
            ("yes", None),
            ("1700000000000", None),
            ("12", None),
        ];
        for (text, expected) in rows {
            let found = normal(text.as_bytes());
            assert_eq!(
                found.as_ref().map(Normal::as_bytes),
                expected.map(str::as_bytes),
                "{text}"
            );
        }
    }
}
