//! With which keys of people gateways hash, and which of them can count together while one key takes the place of the other.

use redis::{Value, cmd};

use super::gateways::Fleet;
use super::join::who_is_there;
use super::link::{Commands, Fault};
use super::reply::{LATE_SECONDS_MAX, in_time, number, text};
use crate::engine::ledger::KeyId;
use crate::engine::secret::{HashKey, PeopleMark};
use crate::engine::time::Now;

/// The keys of people that one gateway writes with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// That by which it decides.
    pub(super) people: PeopleMark,
    beside: Option<PeopleMark>,
}

impl Written {
    pub(super) fn of(secret: &HashKey) -> Self {
        Self {
            people: secret.people_mark(),
            beside: secret.beside_mark(),
        }
    }

    fn has(&self, mark: PeopleMark) -> bool {
        self.people == mark || self.beside == Some(mark)
    }

    /// Whether each writes what the other decides by, and what it is to decide by next: of two next keys one would have
    /// counted nobody of the other gateway.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let is_other_next = self.people == other.people
            && self
                .beside
                .zip(other.beside)
                .is_some_and(|(one, another)| one != another);
        self.has(other.people) && other.has(self.people) && !is_other_next
    }

    /// Whether one of those that are `there` does not write both of its keys, while it has two.
    fn is_alone_among(&self, there: Option<&Value>) -> bool {
        let Some(Value::Array(there)) = there else {
            return false;
        };
        let mut others = there.iter().filter_map(text).filter_map(Self::read);
        self.beside
            .is_some_and(|beside| others.any(|other| !(other.has(beside) && other.has(self.people))))
    }

    /// By what the gateway `id` is known among those that are there.
    pub(super) fn member(&self, id: u64) -> String {
        let mut member = format!("{id:016x}");
        if *self != Self::default() {
            for mark in std::iter::once(self.people).chain(self.beside) {
                member = format!("{member} {}", KeyId(mark.0));
            }
        }
        member
    }

    /// What [`Written::member`] says; one that says nothing hashes with the hash key alone.
    pub(super) fn read(member: &str) -> Option<Self> {
        let mut marks = member.split(' ').skip(1).map(mark);
        let people = marks.next().unwrap_or_else(|| Some(PeopleMark::default()))?;
        let beside = match marks.next() {
            Some(beside) => Some(beside?),
            None => None,
        };
        Some(Self { people, beside })
    }
}

fn mark(text: &str) -> Option<PeopleMark> {
    KeyId::parse(text).map(|key| PeopleMark(key.0))
}

/// Tells since when this gateway hashes people with both keys, and asks since when the last of all does, and who is there; nothing
/// where it has one key.
pub(super) fn asked(fleet: &Fleet) -> Vec<Commands> {
    let Written { people, beside } = fleet.written;
    let (Some(beside), since) = (beside, fleet.ledger.beside_since()) else {
        return Vec::new();
    };
    let (name, both) = (fleet.names.beside(), [people.0, beside.0].concat());
    let told = cmd("ZADD").arg(&name).arg("GT").arg(since).arg(&both).clone();
    let asked = cmd("ZMSCORE").arg(&name).arg(&both).clone();
    vec![vec![told, asked], vec![who_is_there(fleet)]]
}

/// Takes in what is answered to that.
///
/// # Errors
/// Those of the link.
pub(super) fn heard(
    fleet: &Fleet,
    mut answers: impl Iterator<Item = Result<Vec<Value>, Fault>>,
    now: Now,
) -> Result<(), Fault> {
    let (Some(since), Some(there)) = (answers.next(), answers.next()) else {
        return Ok(());
    };
    let since = last_began(since?.last(), now);
    // Whom a gateway with one key shows, nobody counts beside it.
    let is_alone = fleet.written.is_alone_among(there?.first());
    let since = since.max(is_alone.then_some(now.second()));
    fleet.ledger.began_beside(since.unwrap_or_default());
    Ok(())
}

/// Since when the last gateway hashes with both, as the store has it, unless a right clock cannot have told that.
fn last_began(scores: Option<&Value>, now: Now) -> Option<u32> {
    let Some(Value::Array(scores)) = scores else {
        return None;
    };
    let score = scores.first().and_then(number);
    let second = score.map(|score| u32::try_from(score).unwrap_or(u32::MAX));
    let latest = now.second().saturating_add(LATE_SECONDS_MAX);
    in_time(second.into_iter(), latest, |second| *second).pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_count_together_that_are_one_step_apart() {
        let key = |byte| HashKey::new([byte; 32]);
        let steps = [
            key(1),
            key(1).hashing_people(None, Some(key(2))),
            key(1).hashing_people(Some(key(2)), Some(key(1))),
            key(1).hashing_people(Some(key(2)), None),
            key(1).hashing_people(Some(key(2)), Some(key(3))),
        ];
        let steps = steps.map(|secret| Written::of(&secret));
        for (at, step) in steps.iter().enumerate() {
            assert_eq!(Written::read(&step.member(7)), Some(*step));
            for (other_at, other) in steps.iter().enumerate() {
                let is_meant = at.abs_diff(other_at) <= 1;
                assert_eq!(step.meets(other), is_meant, "{at} and {other_at}");
            }
        }
        let other = Written::of(&key(1).hashing_people(None, Some(key(3))));
        assert!(
            !steps[1].meets(&other) && steps[0].meets(&other),
            "each made a next key of its own"
        );
        assert_eq!(
            steps[0].member(7),
            format!("{:016x}", 7),
            "as before there were keys of people"
        );
        assert_eq!(Written::read("0000000000000007 what is this"), None);
    }

    #[test]
    fn a_second_that_no_right_clock_tells_begins_no_window() {
        let now = Now::from_millis(1_800_000_000_000);
        let told = |second: u64| Some(Value::Array(vec![Value::BulkString(second.to_string().into_bytes())]));
        for (second, began) in [
            (1_799_999_000, Some(1_799_999_000)),
            (1_800_000_005, Some(1_800_000_005)),
            (1_800_000_006, None),
            (u64::MAX, None),
        ] {
            assert_eq!(last_began(told(second).as_ref(), now), began);
        }
        assert_eq!(last_began(Some(&Value::Array(vec![Value::Nil])), now), None);
    }
}
