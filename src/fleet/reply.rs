//! What the store answers, read without trust: what is not of the expected form is left out and counted.

use redis::Value;

use crate::events::{Event, Fact, report};

/// A second that says nothing can be later than this from a clock that is right.
pub(super) const LATE_SECONDS_MAX: u32 = 5;

/// Members with their scores, as `WITHSCORES` gives them; those that are none are counted.
pub(super) fn scored(value: Option<&Value>) -> impl Iterator<Item = (&[u8], u64)> {
    let items = match value {
        Some(Value::Array(items)) => items.as_slice(),
        Some(Value::Nil) => &[],
        _ => {
            ignored("reply", 1);
            &[]
        }
    };
    let pairs = items.chunks(2).map(|pair| match pair {
        [Value::BulkString(member), score] => Some((member.as_slice(), number(score)?)),
        _ => None,
    });
    pairs.filter_map(|pair| {
        if pair.is_none() {
            ignored("reply", 1);
        }
        pair
    })
}

/// Those of `items` that are not later than the second `latest`; the others are counted.
pub(super) fn in_time<T>(items: impl Iterator<Item = T>, latest: u32, second: impl Fn(&T) -> u32) -> Vec<T> {
    let (right, late): (Vec<_>, Vec<_>) = items.partition(|item| second(item) <= latest);
    if !late.is_empty() {
        ignored("future", late.len() as u64);
    }
    right
}

/// What `read` makes of such members; what it does not know is counted.
pub(super) fn members<T>(value: Option<&Value>, read: impl Fn(&[u8]) -> Option<T>) -> Vec<(T, u64)> {
    let mut unknown = 0;
    let members = scored(value).filter_map(|(member, score)| {
        let read = read(member);
        unknown += u64::from(read.is_none());
        Some((read?, score))
    });
    let members = members.collect();
    if unknown > 0 {
        ignored("member", unknown);
    }
    members
}

/// A count, a score or a second; none if it is not one, or below zero.
#[expect(
    clippy::cast_sign_loss,
    reason = "what is below zero or no number is sorted out before"
)]
pub(super) fn number(value: &Value) -> Option<u64> {
    if let Value::Int(number) = value {
        return u64::try_from(*number).ok();
    }
    let score = if let Value::Double(score) = value {
        Some(*score)
    } else {
        text(value).and_then(|text| text.parse::<f64>().ok())
    };
    score.filter(|score| *score >= 0.0).map(|score| score as u64)
}

/// A text of the server's.
pub(super) fn text(value: &Value) -> Option<&str> {
    if let Value::VerbatimString { text, .. } = value {
        return Some(text);
    }
    let Value::BulkString(text) = value else { return None };
    std::str::from_utf8(text).ok()
}

/// A second no later than a right clock can tell; one that is later is counted.
pub(super) fn second(score: u64, now: u32) -> u32 {
    let latest = now.saturating_add(LATE_SECONDS_MAX);
    match u32::try_from(score) {
        Ok(second) if second <= latest => second,
        Ok(_) | Err(_) => {
            ignored("future", 1);
            latest
        }
    }
}

/// Something that came from the store was left out, or corrected.
pub(super) fn ignored(reason: &'static str, count: u64) {
    report(&Event::Fleet(Fact::Ignored { reason, count }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_left_out() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let answer = Value::Array(vec![
            text("8 bytes."),
            text("12"),
            text("short"),
            text("13"),
            text("9 bytes.."),
            text("x"),
            Value::Int(3),
            text("14"),
            text("8 alone."),
        ]);
        let read = |member: &[u8]| (member.len() == 8).then(|| member.to_vec());
        assert_eq!(members(Some(&answer), read), [(b"8 bytes.".to_vec(), 12)]);
        for other in [None, Some(&Value::Okay), Some(&Value::Int(1)), Some(&Value::Nil)] {
            assert!(members(other, read).is_empty());
        }
    }

    #[test]
    fn numbers_are_read_in_every_form() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        assert_eq!(number(&text("1700000000")), Some(1_700_000_000));
        assert_eq!(number(&text("1.7e+09")), Some(1_700_000_000));
        assert_eq!(number(&text("inf")), Some(u64::MAX));
        for none in [
            text("-1"),
            text("nan"),
            text(""),
            Value::Int(-1),
            Value::Nil,
            Value::Double(f64::NAN),
        ] {
            assert_eq!(number(&none), None, "{none:?}");
        }
    }

    #[test]
    fn a_second_from_the_future_is_clamped() {
        assert_eq!(second(99, 100), 99);
        assert_eq!(second(105, 100), 105);
        assert_eq!(second(106, 100), 105);
        assert_eq!(second(u64::MAX, 100), 105);
    }
}
