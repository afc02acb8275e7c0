//! Holds and releases between gateways: the later one wins, wherever it was decided.

use redis::{Cmd, Value, cmd};

use super::names::Names;
use super::pull::OVERLAP_SECONDS;
use super::reply::{ignored, members};
use crate::engine::ledger::{KeyFrame, Ledger, Mark, Tag};

/// Holds and releases that the store keeps; past it the oldest go.
const MARKS_MAX: i64 = 200_000;
/// A mark of a later second than this from now is no gateway's with a clock that is nearly right.
const LATE_SECONDS_MAX: u32 = 3_600;

/// Tells of the marks of `frames` that were decided since the second `since`.
pub(super) fn push(names: &Names, frames: &[KeyFrame], since: u32) -> Option<Cmd> {
    let mut raise = cmd("ZADD");
    raise.arg(names.holds()).arg("GT");
    let mut count = 0;
    for frame in frames {
        let Some(mark) = frame.mark.filter(|mark| mark.second >= since) else {
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
pub(super) fn pull(names: &Names, since: u32) -> Vec<Cmd> {
    let holds = names.holds();
    let since = since.saturating_sub(OVERLAP_SECONDS);
    let mut trim = cmd("ZREMRANGEBYRANK");
    let mut range = cmd("ZRANGE");
    range.arg(&holds).arg("+inf").arg(since).arg("BYSCORE").arg("REV");
    range.arg("LIMIT").arg(0).arg(MARKS_MAX).arg("WITHSCORES");
    vec![trim.arg(&holds).arg(0).arg(-MARKS_MAX - 1).clone(), range]
}

/// The frames of what came for [`pull`] that mean something here at the second `now`.
pub(super) fn read(value: Option<&Value>, ledger: &Ledger, now: u32) -> Vec<KeyFrame> {
    let frames = members(value, |member| KeyFrame::decode(member).ok());
    // The mark is all that is told here; whatever else a member says is not ours.
    let frames = frames.into_iter().map(|(frame, _)| KeyFrame {
        mark: frame.mark,
        ..KeyFrame::new(frame.key, frame.dimension)
    });
    let (right, late): (Vec<_>, Vec<_>) = frames.partition(|frame| {
        let second = frame.mark.map_or(0, |mark| mark.second);
        second <= now.saturating_add(LATE_SECONDS_MAX)
    });
    if !late.is_empty() {
        ignored("future", late.len() as u64);
    }
    // What has ended matters only to who still has it otherwise.
    let right = right.into_iter();
    right
        .filter(|frame| {
            let until = frame.mark.map_or(0, |mark| match mark.tag {
                Tag::Held { until, .. } | Tag::Released { until, .. } => until,
            });
            until > now || ledger.exact_people(frame.key).is_some()
        })
        .collect()
}
