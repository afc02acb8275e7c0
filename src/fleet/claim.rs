//! The question behind a strict confirmation, and how its answer is counted.
//!
//! A claim enters the set of claims and sees all others in one transaction: these are the older ones, and every later claim
//! sees this one. It holds if the elements, the older claims and itself are within the limit. What holds stays claimed until
//! it is an element, in one transaction again. So whoever is granted has counted everyone who was granted before, and nobody
//! is granted beyond the limit. A claim that only older claims keep out looks again whether they hold: some end as nothing.

use hashbrown::{HashMap, HashSet};
use redis::{Value, cmd};

use super::link::Commands;
use super::names::{Names, claim as member, element, read_claim};
use super::push::{expire, stay};
use super::reply::{members, number};
use crate::engine::ledger::{Claim, Over};

/// Claims under one key that are counted; where there are more nobody is confirmed.
const CLAIMS_MAX: usize = 10_000;
/// Commands before the answer with all claims, where they are entered first.
const ENTER: usize = 3;

/// Why an answer confirms nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// It is not what was asked for.
    Garbage,
    /// There are too many claims.
    Crowded,
}

/// A subject, and who claims it.
type Member = (u64, u64);

/// One claim on its way: what was older when it entered.
pub(super) struct Look<'c> {
    claim: &'c Claim,
    claimant: u64,
    now: u32,
    /// None until it entered.
    older: Option<HashSet<Member>>,
}

/// An ask that is over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) over: Over,
    /// Whether it is so by the elements alone: then no claim that ends makes room.
    pub(super) is_final: bool,
}

impl<'c> Look<'c> {
    pub(super) fn new(claim: &'c Claim, claimant: u64, now: u32) -> Self {
        Self {
            claim,
            claimant,
            now,
            older: None,
        }
    }

    /// Enters the claim at the first look, and asks who counts.
    pub(super) fn commands(&self, names: &Names) -> Commands {
        let place = names.people(self.claim.key);
        let (claims, elements) = (names.claims(place), names.elements(place));
        let longest = longest(self.claim);
        let from = self.now.saturating_sub(longest);
        let mut commands = Commands::new();
        if self.older.is_none() {
            let mut enter = cmd("ZADD");
            enter.arg(&claims);
            for (_, subject) in &self.claim.subjects {
                enter.arg(self.now).arg(member(*subject, self.claimant).as_slice());
            }
            let mut forget = cmd("ZREMRANGEBYSCORE");
            forget.arg(&claims).arg("-inf").arg(format!("({from}"));
            commands.extend([enter, expire(&claims, stay(longest)), forget]);
        }
        let mut all = cmd("ZRANGE");
        all.arg(&claims).arg(from).arg("+inf").arg("BYSCORE");
        all.arg("LIMIT").arg(0).arg(CLAIMS_MAX).arg("WITHSCORES");
        commands.push(all);
        for (window, _) in &self.claim.limits {
            let from = self.now.saturating_sub(*window);
            commands.push(cmd("ZCOUNT").arg(&elements).arg(from).arg("+inf").clone());
        }
        let mut seen = cmd("ZMSCORE");
        seen.arg(&elements);
        for subject in self.subjects() {
            seen.arg(element(subject).as_slice());
        }
        commands.push(seen);
        commands
    }

    /// Of whom is asked when they were last seen: whoever is claimed here, or was older.
    fn subjects(&self) -> impl Iterator<Item = u64> {
        let own = self.claim.subjects.iter().map(|(_, subject)| *subject);
        let older = self.older.iter().flatten().map(|(subject, _)| *subject);
        own.chain(older)
    }

    /// The first ask that is over one of the limits, if any is; the claim is number `claim` of those of its exchange.
    pub(super) fn first_over(&mut self, claim: usize, answers: &[Value]) -> Result<Option<Found>, Unclear> {
        let skipped = if self.older.is_none() { ENTER } else { 0 };
        let mut answers = answers.get(skipped..).ok_or(Unclear::Garbage)?.iter();
        let all = answers.next().filter(|value| matches!(value, Value::Array(_)));
        let all = members(Some(all.ok_or(Unclear::Garbage)?), read_claim);
        if all.len() >= CLAIMS_MAX {
            return Err(Unclear::Crowded);
        }
        let counts: Vec<u64> = answers
            .by_ref()
            .take(self.claim.limits.len())
            .filter_map(number)
            .collect();
        let Some(Value::Array(seconds)) = answers.next() else {
            return Err(Unclear::Garbage);
        };
        if counts.len() != self.claim.limits.len() || seconds.len() != self.subjects().count() {
            return Err(Unclear::Garbage);
        }
        let seen = self.subjects().zip(seconds);
        let seen: HashMap<u64, u64> = seen
            .filter_map(|(subject, second)| Some((subject, number(second)?)))
            .collect();
        let mut others = all;
        others.retain(|((_, by), _)| *by != self.claimant);
        if let Some(older) = &self.older {
            others.retain(|(member, _)| older.contains(member));
        }
        let limits = self.claim.limits.iter().zip(counts).enumerate();
        let found = limits.filter_map(|(limit, ((window, allowed), count))| {
            let from = u64::from(self.now.saturating_sub(*window));
            let count = Count::new(from, count, &others, &seen);
            count.walk(self.claim, *allowed).map(|(ask, people, is_final)| {
                let people = u32::try_from(people).unwrap_or(u32::MAX);
                let over = Over {
                    ask,
                    claim,
                    limit,
                    people,
                };
                Found { over, is_final }
            })
        });
        let first = found.min_by_key(|found| (found.over.ask, !found.is_final));
        self.older
            .get_or_insert_with(|| others.iter().map(|(member, _)| *member).collect());
        Ok(first)
    }
}

/// The longest window of the limits, in seconds.
pub(super) fn longest(claim: &Claim) -> u32 {
    let windows = claim.limits.iter().map(|(window, _)| *window);
    windows.max().unwrap_or_default()
}

/// Who counts in one window.
struct Count {
    /// How many elements do.
    elements: u64,
    /// Those of whom is known that they are elements.
    known: HashSet<u64>,
    /// Claimed by others, and not known to be elements.
    claimed: HashSet<u64>,
}

impl Count {
    fn new(from: u64, elements: u64, others: &[(Member, u64)], seen: &HashMap<u64, u64>) -> Self {
        let known = seen.iter().filter(|(_, second)| **second >= from);
        let known: HashSet<u64> = known.map(|(subject, _)| *subject).collect();
        let others = others
            .iter()
            .filter(|((subject, _), second)| *second >= from && !known.contains(subject));
        Self {
            elements,
            claimed: others.map(|((subject, _), _)| *subject).collect(),
            known,
        }
    }

    /// The first ask with which more people than `allowed` count, how many do without it, and whether elements alone do.
    fn walk(&self, claim: &Claim, allowed: u32) -> Option<(u32, u64, bool)> {
        let (allowed, mut granted) = (u64::from(allowed), HashSet::new());
        let mut own = 0;
        for subjects in claim.subjects.chunk_by(|(one, _), (other, _)| one == other) {
            let subjects: HashSet<u64> = subjects.iter().map(|(_, subject)| *subject).collect();
            let no_elements = subjects
                .difference(&self.known)
                .filter(|subject| !granted.contains(*subject));
            let no_elements: Vec<u64> = no_elements.copied().collect();
            let new = no_elements
                .iter()
                .filter(|subject| !self.claimed.contains(*subject))
                .count() as u64;
            let people = self.elements.saturating_add(self.claimed.len() as u64 + own);
            if !no_elements.is_empty() && people.saturating_add(new) > allowed {
                let ask = claim.subjects.iter().find(|(_, subject)| subjects.contains(subject))?;
                let is_final = self.elements.saturating_add(no_elements.len() as u64) > allowed;
                return Some((ask.0, people, is_final));
            }
            own += new;
            granted.extend(no_elements);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::{Dimension, KeyId};

    const NOW: u32 = 1_000;

    fn claim(limits: &[(u32, u32)], subjects: &[(u32, u64)]) -> Claim {
        Claim {
            key: KeyId([1; 12]),
            dimension: Dimension::Session,
            limits: limits.iter().copied().collect(),
            subjects: subjects.to_vec(),
        }
    }

    fn text(bytes: &[u8]) -> Value {
        Value::BulkString(bytes.to_vec())
    }

    /// The answers of a store with these claims and counts, which last saw the subjects then.
    fn answers(claims: &[(u64, u64, u32)], counts: &[i64], seen: &[Option<u32>]) -> Vec<Value> {
        let claims = claims
            .iter()
            .flat_map(|(subject, by, second)| [text(&member(*subject, *by)), text(second.to_string().as_bytes())]);
        let mut answers = vec![
            Value::Int(1),
            Value::Int(1),
            Value::Int(0),
            Value::Array(claims.collect()),
        ];
        answers.extend(counts.iter().map(|count| Value::Int(*count)));
        let seen = seen
            .iter()
            .map(|second| second.map_or(Value::Nil, |second| text(second.to_string().as_bytes())));
        answers.push(Value::Array(seen.collect()));
        answers
    }

    fn over(claim: &Claim, answers: &[Value]) -> Option<(u32, u32)> {
        let found = Look::new(claim, 7, NOW).first_over(0, answers).unwrap();
        found.map(|found| (found.over.ask, found.over.people))
    }

    #[test]
    fn the_last_place_is_the_first_claimants() {
        let three = claim(&[(60, 10)], &[(0, 1), (1, 2), (2, 3)]);
        let mine = [(1, 7, NOW), (2, 7, NOW), (3, 7, NOW)];
        assert_eq!(over(&three, &answers(&mine, &[7], &[None; 3])), None);
        assert_eq!(over(&three, &answers(&mine, &[8], &[None; 3])), Some((2, 10)));
        // Someone else's claim came before.
        let both = [(1, 7, NOW), (2, 7, NOW), (3, 7, NOW), (9, 8, NOW)];
        assert_eq!(over(&three, &answers(&both, &[8], &[None; 3])), Some((1, 10)));
    }

    #[test]
    fn who_counts_already_takes_no_place() {
        let two = claim(&[(60, 10)], &[(0, 1), (1, 2)]);
        let mine = [(1, 7, NOW), (2, 7, NOW)];
        assert_eq!(over(&two, &answers(&mine, &[10], &[Some(NOW - 60), Some(NOW)])), None);
        assert_eq!(
            over(&two, &answers(&mine, &[10], &[Some(NOW - 61), Some(NOW)])),
            Some((0, 10))
        );
        // The same person claimed elsewhere takes one place, not two.
        let both = [(1, 7, NOW), (2, 7, NOW), (1, 8, NOW)];
        assert_eq!(over(&two, &answers(&both, &[8], &[None; 2])), None);
        // A claim that is also an element counts once.
        let both = [(1, 7, NOW), (2, 7, NOW), (1, 8, NOW)];
        assert_eq!(over(&two, &answers(&both, &[9], &[Some(NOW), None])), None);
    }

    #[test]
    fn an_ask_is_confirmed_whole_and_every_window_holds() {
        let pair = claim(&[(60, 10), (600, 20)], &[(0, 1), (1, 2), (1, 3)]);
        let mine = [(1, 7, NOW), (2, 7, NOW), (3, 7, NOW)];
        assert_eq!(over(&pair, &answers(&mine, &[8, 10], &[None; 3])), Some((1, 9)));
        assert_eq!(over(&pair, &answers(&mine, &[0, 20], &[None; 3])), Some((0, 20)));
        assert_eq!(over(&pair, &answers(&mine, &[7, 17], &[None; 3])), None);
        // Claims of a crashed gateway count until the window ends.
        let crashed = [(8, 9, NOW - 60), (9, 9, NOW - 61)];
        let one = claim(&[(60, 1)], &[(0, 1)]);
        assert_eq!(over(&one, &answers(&crashed, &[0], &[None])), Some((0, 1)));
        assert_eq!(over(&one, &answers(&crashed[1..], &[0], &[None])), None);
    }

    #[test]
    fn a_claim_that_older_claims_keep_out_looks_again_at_those_alone() {
        let one = claim(&[(60, 10)], &[(0, 1)]);
        let mut look = Look::new(&one, 7, NOW);
        let mut found = |claims: &[(u64, u64, u32)], count, seen: &[Option<u32>]| {
            let enter = if look.older.is_none() { 0 } else { ENTER };
            let answers = answers(claims, &[count], seen);
            let found = look.first_over(0, &answers[enter..]).unwrap();
            found.map(|found| found.is_final)
        };
        let both = [(1, 7, NOW), (9, 8, NOW)];
        assert_eq!(
            found(&both, 9, &[None]),
            Some(false),
            "the older one may end as nothing"
        );
        let later = [(1, 7, NOW), (9, 8, NOW), (20, 9, NOW)];
        assert_eq!(found(&later, 9, &[None, None]), Some(false));
        assert_eq!(found(&later[2..], 9, &[None, None]), None, "a later one sees this one");
        assert_eq!(
            found(&both, 9, &[None, Some(NOW)]),
            None,
            "the older one is among the nine"
        );
        assert_eq!(found(&[], 10, &[None, Some(NOW)]), Some(true));
    }

    #[test]
    fn garbage_confirms_nothing() {
        let one = claim(&[(60, 10)], &[(0, 1)]);
        let right = answers(&[(1, 7, NOW)], &[1], &[None]);
        for length in 0..right.len() {
            assert!(
                Look::new(&one, 7, NOW).first_over(0, &right[..length]).is_err(),
                "{length}"
            );
        }
        for place in ENTER..right.len() {
            let mut wrong = right.clone();
            wrong[place] = text(b"garbage");
            assert!(Look::new(&one, 7, NOW).first_over(0, &wrong).is_err(), "{place}");
        }
        let many: Vec<_> = (0..CLAIMS_MAX as u64).map(|subject| (subject, 8, NOW)).collect();
        let crowded = Look::new(&one, 7, NOW).first_over(0, &answers(&many, &[0], &[None]));
        assert_eq!(crowded, Err(Unclear::Crowded));
    }
}
