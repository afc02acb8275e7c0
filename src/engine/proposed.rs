//! People who stand in the way of many accounts at once: whom each of them is shown is most likely nobody's data, or was planted.
//! They are proposed as public; a person accepts.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::generations::Generations;
use super::secret::Subject;
use super::time::Now;

/// Who was in the way of more issued accounts than these is proposed.
pub const ACCOUNTS_MAX: usize = 20;
/// People that are looked out for, at most; about 150 bytes each. Those that were in nobody's way for longest are forgotten.
const PEOPLE_MAX: usize = 65_536;
/// Proposals at most.
const PROPOSALS_MAX: usize = 10_000;
/// People of one refused exchange that are noted, at most.
const NOTED_MAX: usize = 1_024;

/// Whom a budget refused to whom, and who is proposed.
pub struct Proposed(Mutex<Noted>);

struct Noted {
    /// The accounts that each was in the way of.
    people: Generations<u64, SmallVec<[u64; 2]>>,
    proposals: HashMap<u64, Proposal>,
}

/// Someone who is proposed as public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The subject.
    pub subject: u64,
    /// The same person by the other key, while people are hashed with two.
    pub beside: Option<u64>,
    /// The route on which the last of the accounts was refused.
    pub route: Box<str>,
    /// The unix second of that.
    pub since: u32,
}

impl Proposal {
    /// What stands for the person: a list of before the key was replaced names them by the other one.
    pub fn hashes(&self) -> impl Iterator<Item = u64> {
        std::iter::once(self.subject).chain(self.beside)
    }
}

impl Default for Proposed {
    fn default() -> Self {
        Self(Mutex::new(Noted {
            people: Generations::new(PEOPLE_MAX),
            proposals: HashMap::new(),
        }))
    }
}

impl Proposed {
    /// A budget refused an issued account what had these people in it; how many of them are proposed by that.
    pub fn refused(
        &self,
        people: impl Iterator<Item = (Subject, Option<Subject>)>,
        account: u64,
        route: &str,
        now: Now,
    ) -> usize {
        let mut noted = self.lock();
        let people = people.take(NOTED_MAX);
        let proposed: Vec<_> = people.filter(|(person, _)| noted.note(person.0, account)).collect();
        for (person, beside) in &proposed {
            let proposal = Proposal {
                subject: person.0,
                beside: beside.map(|beside| beside.0),
                route: route.into(),
                since: now.second(),
            };
            noted.proposals.insert(person.0, proposal);
        }
        proposed.len()
    }

    /// Up to `limit` proposals that `is_open`, the newest first.
    pub fn list(&self, limit: usize, is_open: impl Fn(&Proposal) -> bool) -> Vec<Proposal> {
        let noted = self.lock();
        let open = noted.proposals.values().filter(|proposal| is_open(proposal));
        let mut open: Vec<Proposal> = open.cloned().collect();
        open.sort_by_key(|proposal| (u32::MAX - proposal.since, proposal.subject));
        open.truncate(limit);
        open
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    /// Whether `person` is to be proposed, now that it was in the way of `account`.
    fn note(&mut self, person: u64, account: u64) -> bool {
        if self.proposals.contains_key(&person) || self.proposals.len() >= PROPOSALS_MAX {
            return false;
        }
        let mut accounts = self.people.remove(&person).unwrap_or_default();
        if !accounts.contains(&account) {
            accounts.push(account);
        }
        if accounts.len() > ACCOUNTS_MAX {
            return true;
        }
        self.people.insert(person, accounts);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now::from_millis(1_800_000_000_000);

    fn refused(proposed: &Proposed, people: std::ops::Range<u64>, account: u64) -> usize {
        let people = people.map(|person| (Subject(person), None));
        proposed.refused(people, account, "shop.example/", NOW)
    }

    #[test]
    fn whoever_is_in_the_way_of_more_than_twenty_accounts_is_proposed_once() {
        let proposed = Proposed::default();
        for account in 0..20 {
            // Each has someone of their own beside those that all are shown.
            assert_eq!(refused(&proposed, 0..3, account), 0);
            assert_eq!(refused(&proposed, 0..3, account), 0, "the same is no other");
            assert_eq!(refused(&proposed, 100 + account..101 + account, account), 0);
        }
        assert_eq!(refused(&proposed, 0..3, 20), 3);
        assert_eq!(refused(&proposed, 0..3, 21), 0, "they are proposed already");
        let subjects = |list: Vec<Proposal>| list.iter().map(|one| one.subject).collect::<Vec<_>>();
        assert_eq!(subjects(proposed.list(10, |_| true)), [0, 1, 2]);
        assert_eq!(subjects(proposed.list(1, |one| one.subject > 0)), [1]);
    }

    #[test]
    fn who_is_public_under_the_other_key_is_proposed_no_more() {
        let proposed = Proposed::default();
        for account in 0..21 {
            proposed.refused(
                [(Subject(1), Some(Subject(2)))].into_iter(),
                account,
                "shop.example/",
                NOW,
            );
        }
        let open = |public: u64| proposed.list(10, |one| one.hashes().all(|hash| hash != public)).len();
        assert_eq!([1, 2, 3].map(open), [0, 0, 1]);
    }

    #[test]
    fn who_fills_the_memory_takes_no_more_than_its_room() {
        let proposed = Proposed::default();
        for account in 0..200 {
            refused(&proposed, account * 5_000..(account + 1) * 5_000, account);
        }
        let noted = proposed.lock();
        assert!(noted.people.len() <= PEOPLE_MAX, "{}", noted.people.len());
        assert!(noted.proposals.is_empty());
    }
}
