//! Moments as logs write them: unix seconds or milliseconds, RFC 3339, and the common log format.

/// Unix times from here on are milliseconds: as seconds this would be the year 5138.
const MILLIS_FROM: u64 = 100_000_000_000;

/// The last moment whose second a ledger can hold, in unix milliseconds: in the year 2106.
pub(super) const MILLIS_MAX: u64 = u32::MAX as u64 * 1000 + 999;

/// Reads moments, and remembers the last: lines of one second follow one another.
#[derive(Default)]
pub(super) struct Moments {
    text: Vec<u8>,
    at_ms: u64,
}

impl Moments {
    /// Unix milliseconds of `text`, if it is a moment from 1970 to [`MILLIS_MAX`].
    pub(super) fn read(&mut self, text: &[u8]) -> Option<u64> {
        if self.text != text || text.is_empty() {
            self.at_ms = read(text).filter(|at_ms| *at_ms <= MILLIS_MAX)?;
            self.text.clear();
            self.text.extend_from_slice(text);
        }
        Some(self.at_ms)
    }
}

fn read(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: u64 = text.parse().ok()?;
        return Some(if number < MILLIS_FROM { number * 1000 } else { number });
    }
    // Seconds with a fraction, as nginx's `$msec` writes them.
    if let Some((seconds, fraction)) = text.split_once('.')
        && [seconds, fraction]
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
        && let Ok(seconds) = seconds.parse::<u64>()
    {
        let millis: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        return seconds.checked_mul(1000)?.checked_add(millis);
    }
    let text = text.trim_start_matches('[').trim_end_matches(']');
    let timestamp: jiff::Timestamp = match text.parse() {
        Ok(timestamp) => timestamp,
        Err(_) => jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", text)
            .and_then(|time| time.to_timestamp())
            .ok()?,
    };
    u64::try_from(timestamp.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_logs_write_them() {
        let mut moments = Moments::default();
        for (text, expected) in [
            ("1700000000", Some(1_700_000_000_000)),
            ("1700000000123", Some(1_700_000_000_123)),
            ("1700000000.5", Some(1_700_000_000_500)),
            ("1700000000.1234", Some(1_700_000_000_123)),
            ("2023-11-14T22:13:20Z", Some(1_700_000_000_000)),
            ("2023-11-15T07:13:20.25+09:00", Some(1_700_000_000_250)),
            ("[14/Nov/2023:22:13:20 +0000]", Some(1_700_000_000_000)),
            ("1969-12-31T00:00:00Z", None),
            ("4294967295.999", Some(4_294_967_295_999)),
            ("4294967296", None),
            ("18446744073709551615", None),
            ("9999-12-31T00:00:00Z", None),
            ("yesterday", None),
            ("99999999999999999999", None),
            ("", None),
            ("1700000000", Some(1_700_000_000_000)),
        ] {
            assert_eq!(moments.read(text.as_bytes()), expected, "{text}");
        }
    }
}
