//! Times and rates as people write them: `15m`, `30d`, `6/h`.

use crate::engine::time::Now;

/// Seconds of `15m`, `1h`, `30d`, `90s`.
pub fn seconds(text: &str) -> Option<u32> {
    let text = text.trim();
    let split = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(split)?;
    number.parse::<u32>().ok()?.checked_mul(unit_seconds(unit.trim())?)
}

/// Milliseconds between two of `6/h`, `1/m`, `2/s`.
pub fn interval_ms(text: &str) -> Option<u64> {
    let (number, unit) = text.split_once('/')?;
    let number: u64 = number.trim().parse().ok()?;
    let period = u64::from(unit_seconds(unit.trim())?) * 1000;
    (number > 0).then(|| (period / number).max(1))
}

/// Bytes of `500`, `64KiB`, `20MiB`, `1GiB`, `1TiB`, or of the thousands `KB`, `MB`, `GB`, `TB`.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let unit = match unit.trim() {
        "" | "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// The unix second at which the day `2026-12-01` ends (UTC).
pub fn end_of_day(text: &str) -> Option<u32> {
    let date: jiff::civil::Date = text.trim().parse().ok()?;
    let next = date.tomorrow().ok()?.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?;
    u32::try_from(next.timestamp().as_second()).ok()
}

/// Whether an end lies behind `now`.
pub fn is_past(end: u32, now: Now) -> bool {
    end <= now.second()
}

fn unit_seconds(unit: &str) -> Option<u32> {
    match unit {
        "s" | "sec" => Some(1),
        "m" | "min" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_are_read() {
        for (text, expected) in [
            ("15m", Some(900)),
            ("30d", Some(2_592_000)),
            ("1h", Some(3600)),
            ("5", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        for (text, expected) in [("6/h", Some(600_000)), ("1/s", Some(1000)), ("0/h", None), ("6", None)] {
            assert_eq!(interval_ms(text), expected, "{text}");
        }
        assert_eq!(end_of_day("1970-01-01"), Some(86_400));
        assert_eq!(end_of_day("soon"), None);
    }
}
