//! Holds, revocations and what ends them between gateways: the later one wins, wherever it was decided.

use hashbrown::HashMap;
use redis::{Cmd, Value, cmd};

use super::link::Commands;
use super::names::Names;
use super::pull::{OVERLAP_SECONDS, newest};
use super::push::trim;
use super::reply::{in_time, members};
use crate::engine::ledger::{KeyFrame, KeyId, Ledger, Mark, REVOCATIONS_MAX};

/// Holds and releases that the store keeps, and as many revocations and their ends; past it the oldest go.
const MARKS_MAX: usize = REVOCATIONS_MAX;
/// A mark of a later second than this from now is no gateway's with a clock that is nearly right.
const LATE_SECONDS_MAX: u32 = 3_600;

/// Tells of the marks of `frames` that were decided since the second `told`, and asks for those since `known`: of holds, and of
/// revocations. A crowd that is held must not make the store forget who is revoked.
pub(super) fn exchange(names: &Names, frames: &[KeyFrame], told: u32, known: u32) -> Vec<Commands> {
    let lists = [(names.holds(), false), (names.revocations(), true)];
    let lists = lists.into_iter().map(|(list, of_credentials)| {
        let push = push(&list, frames, told, of_credentials);
        push.into_iter().chain(pull(&list, known)).collect()
    });
    lists.collect()
}

fn push(list: &str, frames: &[KeyFrame], since: u32, of_credentials: bool) -> Option<Cmd> {
    let mut raise = cmd("ZADD");
    raise.arg(list).arg("GT");
    let mut count = 0;
    for frame in frames {
        let is_meant = |mark: &Mark| mark.second >= since && mark.tag.is_of_credential() == of_credentials;
        let Some(mark) = frame.mark.filter(is_meant) else {
            continue;
        };
        raise.arg(mark.second).arg(member(frame, mark));
        count += 1;
    }
    (count > 0).then_some(raise)
}

/// Of the key nothing but its mark: what else is known of it is told elsewhere.
fn member(frame: &KeyFrame, mark: Mark) -> Vec<u8> {
    let mut bytes = Vec::new();
    let told = KeyFrame {
        mark: Some(mark),
        ..KeyFrame::new(frame.key, frame.dimension)
    };
    told.encode(&mut bytes);
    bytes
}

/// Asks for the marks that were decided at or after the second `since`, once the oldest of too many are gone.
fn pull(list: &str, since: u32) -> [Cmd; 2] {
    let since = since.saturating_sub(OVERLAP_SECONDS);
    [trim(list, MARKS_MAX), newest(list, since, MARKS_MAX)]
}

/// The frames of what came for [`exchange`] that mean something here at the second `now`.
pub(super) fn read(value: Option<&Value>, ledger: &Ledger, now: u32) -> Vec<KeyFrame> {
    let frames = members(value, |member| KeyFrame::decode(member).ok());
    // The mark is all that is told here; whatever else a member says is not ours.
    let frames = frames.into_iter().map(|(frame, _)| KeyFrame {
        mark: frame.mark,
        ..KeyFrame::new(frame.key, frame.dimension)
    });
    let right = in_time(frames, now.saturating_add(LATE_SECONDS_MAX), |frame| {
        frame.mark.map_or(0, |mark| mark.second)
    });
    // What was decided later counts, also where it only ends what came before.
    let mut last: HashMap<KeyId, KeyFrame> = HashMap::new();
    for frame in right {
        let known = last.entry(frame.key).or_insert_with(|| frame.clone());
        known.mark = known.mark.max(frame.mark);
    }
    // What has ended matters only to who still has it otherwise.
    let right = last
        .into_values()
        .filter(|frame| frame.mark.is_some_and(|mark| mark.matters(now)) || ledger.knows(frame.key));
    right.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::{Dimension, RevokedBy, Settings, Tag};

    #[test]
    fn who_joins_late_takes_in_what_was_decided_last() {
        let ledger = Ledger::new(Settings::default());
        let frame = |second, tag| KeyFrame {
            mark: Some(Mark { second, tag }),
            ..KeyFrame::new(KeyId([second as u8 % 2; 12]), Dimension::Session)
        };
        let by = RevokedBy::Person;
        let frames = [
            frame(2, Tag::Revoked { until: u32::MAX, by }),
            frame(3, Tag::Held { until: 99, cause: None }),
            frame(4, Tag::Reinstated),
            frame(5, Tag::Released { until: 5, people: 0 }),
        ];
        let all = |frames: &[&KeyFrame]| {
            let member = |frame: &&KeyFrame| {
                let mark = frame.mark.unwrap();
                [
                    Value::BulkString(member(frame, mark)),
                    Value::Int(i64::from(mark.second)),
                ]
            };
            Value::Array(frames.iter().flat_map(member).collect())
        };
        let [revoked, held, reinstated, released] = &frames;
        for order in [
            [revoked, held, reinstated, released],
            [released, reinstated, held, revoked],
        ] {
            let [last] = read(Some(&all(&order)), &ledger, 10).try_into().unwrap();
            assert_eq!(
                last.mark.map(|mark| mark.tag),
                Some(Tag::Reinstated),
                "a release that is over says nothing"
            );
            assert_eq!(read(Some(&all(&order)), &ledger, 9 * 86_400), []);
        }
        assert_eq!(read(Some(&all(&[revoked, held])), &ledger, 10).len(), 2);
    }
}
