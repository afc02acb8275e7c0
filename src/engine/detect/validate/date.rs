//! Dates inside identity numbers, in the Gregorian calendar.

/// Days of a month; 0 for a month that does not exist.
const fn days_of(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

/// Whether the day exists.
pub(super) const fn exists(year: u32, month: u32, day: u32) -> bool {
    day != 0 && day <= days_of(year, month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leap_years() {
        assert_eq!(
            (days_of(2000, 2), days_of(1900, 2), days_of(2024, 2), days_of(2023, 2)),
            (29, 28, 29, 28)
        );
        assert!(exists(2024, 12, 31) && !exists(2024, 13, 1) && !exists(2024, 4, 31) && !exists(2024, 1, 0));
    }
}
