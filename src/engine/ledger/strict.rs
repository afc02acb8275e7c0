//! What an account asks of the store that gateways share, and what came of it: everyone who is new under a strict limit.

use std::hash::BuildHasherDefault;

use hashbrown::HashSet;
use smallvec::SmallVec;

use super::account::Account;
use super::limit::{KeyUse, Limit};
use super::locked::Locked;
use super::reserve::{Prefix, Stop, Wanted};
use super::subject_hash::SubjectHasher;
use super::{Dimension, Excess, KeyId};
use crate::engine::time::Now;

/// People who are new under one key, as far as this gateway knows, and whom the store must confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The key.
    pub key: KeyId,
    /// Its dimension.
    pub dimension: Dimension,
    /// Windows in seconds, and the people allowed in each.
    pub limits: SmallVec<[(u32, u32); 1]>,
    /// Subjects, each with the number of its ask, ascending: an ask is confirmed whole or not at all.
    pub subjects: Vec<(u32, u64)>,
}

/// What came of the claims of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// The store confirms all asks, or those before the one that is over a limit.
    Confirmed(Option<Over>),
    /// The store confirms the asks before this one; the others are to be claimed again.
    Until(u32),
    /// The store is down, and this gateway's own count decides.
    Own,
    /// The store is down, and this gateway's own count decides under its share of each limit.
    Share {
        /// Gateways among which a limit is divided; at least 1.
        gateways: u32,
    },
    /// The store is down, and nobody new is shown.
    Refused,
}

impl Confirmation {
    /// The first ask that it does not confirm.
    pub fn until(&self) -> u32 {
        match self {
            Self::Confirmed(over) => over.map_or(u32::MAX, |over| over.ask),
            Self::Until(ask) => *ask,
            // They may be claimed all the same, and will be shown.
            Self::Own | Self::Share { .. } => u32::MAX,
            Self::Refused => 0,
        }
    }
}

/// A limit that one more ask would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// The number of the ask.
    pub ask: u32,
    /// The number of the claim.
    pub claim: usize,
    /// The number of its limit.
    pub limit: usize,
    /// People who count without the ask.
    pub people: u32,
}

/// What an account knows of its claims.
#[derive(Default)]
pub(super) struct Strict {
    /// Whether the store must confirm people under some key.
    pub(super) is_asked: bool,
    /// Whom the store, or the rule for when it is down, lets this exchange show.
    confirmed: HashSet<u64, BuildHasherDefault<SubjectHasher>>,
    /// What it waits for, each with the number of its key.
    claims: Vec<Claim>,
    numbers: SmallVec<[usize; 2]>,
    /// The next ask with this subject is over a limit.
    denied: Option<(u64, Stop)>,
}

impl Account {
    /// What the store is to confirm after [`super::Next::Confirm`].
    pub fn claims(&self) -> &[Claim] {
        &self.strict.claims
    }

    /// Whether the store that gateways share must confirm people under some key.
    pub fn is_strict(&self) -> bool {
        self.strict.is_asked
    }

    /// What came of the claims; reserve again.
    pub fn confirm(&mut self, confirmation: Confirmation) {
        let claims = std::mem::take(&mut self.strict.claims);
        let over = match confirmation {
            Confirmation::Confirmed(over) => over,
            Confirmation::Refused => first_of(&claims),
            Confirmation::Until(_) | Confirmation::Own | Confirmation::Share { .. } => None,
        };
        if let Confirmation::Share { gateways } = confirmation {
            self.divide(gateways);
        }
        let until = confirmation.until();
        let subjects = claims.iter().flat_map(|claim| &claim.subjects);
        let confirmed = subjects.filter(|(ask, _)| *ask < until);
        self.strict.confirmed.extend(confirmed.map(|(_, subject)| *subject));
        self.strict.denied = over.and_then(|over| {
            let claim = claims.get(over.claim)?;
            let (_, subject) = claim.subjects.iter().find(|(ask, _)| *ask == over.ask)?;
            let number = *self.strict.numbers.get(over.claim)?;
            let limit = self.keys().get(number)?.strict().nth(over.limit)?;
            Some((*subject, Stop::Denied(number, *limit, over.people)))
        });
    }

    /// From now on each limit of a key that gateways share is the part of it that falls to one of so many.
    pub fn divide(&mut self, gateways: u32) {
        if std::mem::replace(&mut self.is_divided, true) {
            return;
        }
        let keys = self.keys.iter_mut().chain(&mut self.allowance);
        let limits = keys.flat_map(|used| &mut used.limits);
        for limit in limits.filter(|limit| limit.excess == Excess::Refused) {
            limit.people /= gateways.max(1);
        }
    }

    /// Ends the batch before the first ask with someone whom the store has not confirmed; all of them are claimed at once.
    pub(super) fn claim(&mut self, locked: &mut Locked<'_>, wanted: &Wanted, prefix: &mut Prefix, now: Now) {
        let mut strict = std::mem::take(&mut self.strict);
        (strict.claims, strict.numbers) = (Vec::new(), SmallVec::new());
        for (number, used, place) in self.refusing() {
            let Some(shortest) = used.strict().map(|limit| limit.window).min() else {
                continue;
            };
            let from = now.second().saturating_sub(shortest);
            let entry = locked.at(used.key, place);
            let is_shown = |subject| {
                entry
                    .as_ref()
                    .is_some_and(|entry| entry.seen.is_shown_since(subject, from))
            };
            let in_prefix = wanted.of(used.elements).iter().filter(|(ask, _)| *ask < prefix.end);
            let new = in_prefix.filter(|(_, subject)| !strict.confirmed.contains(subject) && !is_shown(*subject));
            let subjects: Vec<(u32, u64)> = new.copied().collect();
            if !subjects.is_empty() {
                let allowed = |limit: &Limit| entry.as_ref().map_or(limit.people, |entry| entry.allowed(limit, now));
                let limits = used.strict().map(|limit| (limit.window, allowed(limit))).collect();
                strict.claims.push(claim(used, limits, subjects));
                strict.numbers.push(number);
            }
        }
        strict.stop(prefix);
        self.strict = strict;
    }

    /// Those of `subjects` whom the store confirmed: they are shown now.
    pub(super) fn claimed(&mut self, subjects: impl Iterator<Item = u64>) -> SmallVec<[u64; 8]> {
        let confirmed = &mut self.strict.confirmed;
        if confirmed.is_empty() {
            return SmallVec::new();
        }
        subjects.filter(|subject| confirmed.remove(subject)).collect()
    }
}

impl Strict {
    pub(super) fn new(is_asked: bool) -> Self {
        Self {
            is_asked,
            ..Self::default()
        }
    }

    /// Ends the batch before the first ask with a claim.
    fn stop(&mut self, prefix: &mut Prefix) {
        let subjects = || self.claims.iter().flat_map(|claim| &claim.subjects);
        let Some(first) = subjects().map(|(ask, _)| *ask).min() else {
            return;
        };
        let is_of = |subject: u64| subjects().any(|(ask, claimed)| *ask == first && *claimed == subject);
        let denied = self.denied.filter(|(subject, _)| is_of(*subject));
        match denied {
            Some((_, stop)) => {
                prefix.stop(first, stop);
                (self.claims, self.denied) = (Vec::new(), None);
            }
            None => prefix.stop(first, Stop::Confirm),
        }
    }
}

fn claim(used: &KeyUse, limits: SmallVec<[(u32, u32); 1]>, subjects: Vec<(u32, u64)>) -> Claim {
    Claim {
        key: used.key,
        dimension: used.dimension,
        limits,
        subjects,
    }
}

/// The first ask of all is over the first limit of its claim.
fn first_of(claims: &[Claim]) -> Option<Over> {
    let asks = claims.iter().enumerate();
    let asks = asks.filter_map(|(claim, Claim { subjects, .. })| Some((subjects.first()?.0, claim)));
    asks.min().map(|(ask, claim)| Over {
        ask,
        claim,
        limit: 0,
        people: 0,
    })
}
