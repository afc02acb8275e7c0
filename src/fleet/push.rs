//! What changed here, as commands: every one of them may be repeated.

use redis::{Cmd, cmd};

use super::link::Commands;
use super::names::{Names, Place, element, register, sum};
use crate::engine::ledger::KeyFrame;

/// Members of one command at most: a server does nothing else meanwhile.
const MEMBERS_MAX: usize = 1_000;
/// A key stays so long after its longest window, in seconds.
const STAY_SECONDS: u32 = 86_400;

/// Tells the store what is in `frame`; it forgets the key a day after `window` seconds without a change.
pub(super) fn push(names: &Names, frame: &KeyFrame, window: u32, into: &mut Commands) {
    let seconds = stay(window);
    let elements = frame.elements.iter();
    let elements = elements.map(|(subject, second)| (element(*subject), u64::from(*second)));
    let registers = frame.registers.iter();
    let registers = registers.map(|(number, rank, second)| (register(*number, *rank), u64::from(*second)));
    let sums = frame.sums.iter().map(|one| (sum(one.node, one.bucket), one.amount));
    let place = names.place(frame.key, frame.kind, !frame.sums.is_empty());
    raise_for(&names.elements(place), elements, seconds, into);
    raise_for(&names.registers(place), registers, seconds, into);
    raise_for(&names.sums(frame.key), sums, seconds, into);
}

/// Raises the scores of `members` under `name`.
pub(super) fn raise<const N: usize>(name: &str, members: &[([u8; N], u64)], into: &mut Commands) {
    for some in members.chunks(MEMBERS_MAX) {
        let mut raise = cmd("ZADD");
        raise.arg(name).arg("GT");
        for (member, score) in some {
            raise.arg(*score).arg(member.as_slice());
        }
        into.push(raise);
    }
}

/// The same under a name that goes after so many seconds.
fn raise_for<const N: usize>(
    name: &str,
    members: impl Iterator<Item = ([u8; N], u64)>,
    seconds: u32,
    into: &mut Commands,
) {
    let members: Vec<_> = members.collect();
    raise(name, &members, into);
    if !members.is_empty() {
        into.push(expire(name, seconds));
    }
}

/// All but the `newest` members under `name` go.
pub(super) fn trim(name: &str, newest: usize) -> Cmd {
    let last = -i64::try_from(newest).unwrap_or(i64::MAX) - 1;
    cmd("ZREMRANGEBYRANK").arg(name).arg(0).arg(last).clone()
}

/// The store forgets `name` after so many seconds.
pub(super) fn expire(name: &str, seconds: u32) -> Cmd {
    cmd("EXPIRE").arg(name).arg(seconds).clone()
}

/// How long a key stays of which the longest window is `window` seconds.
pub(super) fn stay(window: u32) -> u32 {
    window.saturating_add(STAY_SECONDS)
}

/// Forgets what no window reaches at the second `now`.
pub(super) fn forget(names: &Names, place: Place, window: u32, now: u32, into: &mut Commands) {
    let before = format!("({}", now.saturating_sub(window));
    for name in [names.elements(place), names.registers(place)] {
        into.push(cmd("ZREMRANGEBYSCORE").arg(name).arg("-inf").arg(&before).clone());
    }
}

/// Of a key that is estimated: all of its sketch, and only the newest `exact` elements beside it.
pub(super) fn promote(names: &Names, frame: &KeyFrame, exact: u32, window: u32) -> Commands {
    let mut commands = Commands::new();
    let sketch = KeyFrame {
        registers: frame.registers.clone(),
        kind: frame.kind,
        ..KeyFrame::new(frame.key, frame.dimension)
    };
    push(names, &sketch, window, &mut commands);
    let place = names.place(frame.key, frame.kind, false);
    commands.push(trim(&names.elements(place), exact as usize));
    commands
}

/// Takes out pairs of the sketch that others of it make needless: of a higher rank and seen later.
pub(super) fn drop_dominated(names: &Names, place: Place, pairs: &[((u16, u8), u64)]) -> Option<Cmd> {
    let mut sorted: Vec<_> = pairs
        .iter()
        .map(|((number, rank), second)| (*number, *rank, *second))
        .collect();
    // By register, the highest rank first: whatever is not later than a higher one says nothing.
    sorted.sort_unstable_by_key(|(number, rank, second)| (*number, u8::MAX - *rank, u64::MAX - *second));
    let mut dominated = cmd("ZREM");
    dominated.arg(names.registers(place));
    let (mut latest, mut of, mut count) = (0, None, 0);
    for (number, rank, second) in sorted {
        if of == Some(number) && second <= latest {
            dominated.arg(register(number, rank).as_slice());
            count += 1;
        }
        latest = if of == Some(number) { latest.max(second) } else { second };
        of = Some(number);
    }
    (count > 0).then_some(dominated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::{Dimension, KeyId};

    #[test]
    fn many_members_become_several_commands() {
        let names = Names::new("t");
        let mut frame = KeyFrame::new(KeyId([1; 12]), Dimension::Session);
        frame.elements = (0..2_500).map(|subject| (subject, 7)).collect();
        let mut commands = Vec::new();
        push(&names, &frame, 60, &mut commands);
        assert_eq!(commands.len(), 4, "three of members, and one that lets it end");
    }

    #[test]
    fn only_pairs_that_say_nothing_are_taken_out() {
        let names = Names::new("t");
        let dropped = |pairs: &[((u16, u8), u64)]| {
            let command = drop_dominated(&names, names.people(KeyId([1; 12])), pairs);
            command.map_or(0, |command| command.args_iter().count() - 2)
        };
        assert_eq!(dropped(&[((1, 5), 100), ((1, 3), 200), ((2, 1), 50)]), 0);
        assert_eq!(dropped(&[((1, 5), 200), ((1, 3), 200), ((1, 2), 100), ((2, 1), 50)]), 2);
    }
}
