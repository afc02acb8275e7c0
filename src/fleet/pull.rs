//! What other gateways know: the commands that ask for it, and the frame that their answers make.

use redis::{Cmd, Value, cmd};

use super::link::Commands;
use super::names::{Names, Place, read_element, read_register, read_sum};
use super::reply::{LATE_SECONDS_MAX, in_time, members, second};
use crate::engine::ledger::{KeyFrame, KeyId, Sum};

/// Members of one answer at most, the newest first. More than any key keeps one by one by default.
const PULLED_MAX: usize = 200_000;
/// Members that came late from gateways whose clocks are behind.
pub(super) const OVERLAP_SECONDS: u32 = 5;

/// Asks for what was seen in `place` from the second `from` on; for the sums of this key too.
pub(super) fn pull(names: &Names, place: Place, from: u32, sums: Option<KeyId>, into: &mut Commands) {
    into.push(newest(&names.elements(place), from, PULLED_MAX));
    into.push(newest(&names.registers(place), from, PULLED_MAX));
    if let Some(key) = sums {
        // Their scores are amounts.
        into.push(newest(&names.sums(key), 0, PULLED_MAX));
    }
}

/// Asks for the members under `name` from the score `from` on, the newest first, at most so many.
pub(super) fn newest(name: &str, from: u32, members_max: usize) -> Cmd {
    let mut range = cmd("ZRANGE");
    range.arg(name).arg("+inf").arg(from).arg("BYSCORE").arg("REV");
    range.arg("LIMIT").arg(0).arg(members_max).arg("WITHSCORES").clone()
}

/// What the store knows of one key.
pub(super) struct Pulled {
    pub(super) frame: KeyFrame,
    /// The pairs of the sketch, as they came.
    pub(super) pairs: Vec<((u16, u8), u64)>,
}

/// Reads the answers of [`pull`], the last of `answers`, into `frame`.
pub(super) fn read(answers: &[Value], mut frame: KeyFrame, sums: bool, now: u32) -> Pulled {
    let pulls = answers.len().saturating_sub(if sums { 3 } else { 2 });
    let mut pulled = answers.get(pulls..).unwrap_or_default().iter();
    let elements = members(pulled.next(), read_element);
    let pairs = members(pulled.next(), read_register);
    frame.elements = elements
        .iter()
        .map(|(subject, score)| (*subject, second(*score, now)))
        .collect();
    let registers = pairs.iter();
    frame.registers = registers
        .map(|((number, rank), score)| (*number, *rank, second(*score, now)))
        .collect();
    if sums {
        let sums = members(pulled.next(), read_sum).into_iter();
        let latest = now.saturating_add(LATE_SECONDS_MAX);
        frame.sums = in_time(sums, latest, |((_, bucket), _)| *bucket)
            .iter()
            .map(|((node, bucket), amount)| Sum {
                node: *node,
                bucket: *bucket,
                amount: *amount,
            })
            .collect();
    }
    Pulled { frame, pairs }
}
