//! With which keys of people gateways hash, and which of them can count together while one key takes the place of the other.

use redis::{Value, cmd};

use super::cycle::ROUND_MS_MAX;
use super::gateways::Fleet;
use super::link::{Fault, Link};
use super::reply::{number, second};
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

/// Tells since when this gateway hashes people with both keys, and takes in since when the last of all does; nothing where it
/// has one key.
///
/// # Errors
/// Those of the link.
pub(super) async fn agree(fleet: &Fleet, link: &Link, now: Now) -> Result<(), Fault> {
    let Written { people, beside } = fleet.written;
    let (Some(beside), since) = (beside, fleet.ledger.beside_since()) else {
        return Ok(());
    };
    let (name, both) = (fleet.names.beside(), [people.0, beside.0].concat());
    let told = cmd("ZADD").arg(&name).arg("GT").arg(since).arg(&both).clone();
    let asked = cmd("ZMSCORE").arg(&name).arg(&both).clone();
    let answers = link.ask(vec![vec![told, asked]], ROUND_MS_MAX).await.pop();
    let answers = answers.unwrap_or(Err(Fault::Late))?;
    if let Some(Value::Array(scores)) = answers.last()
        && let Some(score) = scores.first().and_then(number)
    {
        fleet.ledger.began_beside(second(score, now.second()));
    }
    Ok(())
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
}
