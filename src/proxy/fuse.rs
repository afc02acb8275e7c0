//! How many honest people a budget on a shared key may refuse in an hour: past it, it acts on nobody whose credential is not
//! unissued.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::{HashMap, HashSet};

use super::gateway::{Gateway, Set};
use crate::engine::ledger::{BudgetId, Excess, KeyId, KeyUse};
use crate::engine::policy::Plan;
use crate::engine::time::Now;
use crate::events::{Event, report};
use crate::identity::{Actor, Provenance};

/// So many may always be refused.
const REFUSED_MIN: usize = 20;
/// And one of so many that are live.
const LIVE_SHARE: usize = 100;
/// Half of the hour, in seconds: what is older than two of them is forgotten.
const HALF_S: u32 = 1_800;
/// Bits by which live people are counted, a power of two: 128 KiB for each half, right to a percent up to two million.
const LIVE_BITS: usize = 1 << 20;

/// What happened in an hour.
#[derive(Default)]
pub(super) struct Fuse(Mutex<Hour>);

/// Two halves of an hour each: the one that passes, and the one before.
#[derive(Default)]
struct Hour {
    /// The number of the half that passes.
    half: u32,
    live: [Live; 2],
    refused: HashMap<BudgetId, [HashSet<u64>; 2]>,
}

/// A bit for each of the people who are live, by their hash.
#[derive(Default)]
struct Live {
    bits: Vec<u64>,
    set: usize,
}

impl Live {
    fn add(&mut self, who: u64) {
        self.bits.resize(LIVE_BITS / 64, 0);
        let at = who as usize % LIVE_BITS;
        if let Some(word) = self.bits.get_mut(at / 64) {
            let bit = 1 << (at % 64);
            self.set += usize::from(*word & bit == 0);
            *word |= bit;
        }
    }

    /// How many of them there are, most likely (Whang and others, 1990).
    #[expect(
        clippy::cast_sign_loss,
        reason = "the logarithm of a number below one is below nought"
    )]
    fn count(&self) -> usize {
        let free = (LIVE_BITS - self.set).max(1) as f64 / LIVE_BITS as f64;
        (-free.ln() * LIVE_BITS as f64) as usize
    }
}

impl Hour {
    fn pass(&mut self, now: Now) {
        let half = now.second() / HALF_S;
        let passed = half.saturating_sub(self.half);
        self.half = self.half.max(half);
        for _ in 0..passed.min(2) {
            let [young, old] = &mut self.live;
            *old = std::mem::take(young);
            for [young, old] in self.refused.values_mut() {
                *old = std::mem::take(young);
            }
        }
        self.refused
            .retain(|_, [young, old]| !(young.is_empty() && old.is_empty()));
    }

    fn is_blown(&self, budget: BudgetId) -> bool {
        // Who is live in both halves counts twice: the smaller sum may be meant, the larger half is certain.
        let live = self.live.iter().map(Live::count).max().unwrap_or(0);
        let allowed = REFUSED_MIN.max(live / LIVE_SHARE);
        let Some([young, old]) = self.refused.get(&budget) else {
            return false;
        };
        // Whom both halves refused is one: they are told apart only where that decides.
        young.len().max(old.len()) >= allowed
            || (young.len() + old.len() >= allowed && young.len() + old.difference(young).count() >= allowed)
    }
}

impl Fuse {
    fn lock(&self, now: Now) -> MutexGuard<'_, Hour> {
        let mut hour = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hour.pass(now);
        hour
    }

    /// Someone honest is live.
    fn live(&self, who: u64, now: Now) {
        let mut hour = self.lock(now);
        let [young, _] = &mut hour.live;
        young.add(who);
    }

    /// Whether `budget` has refused as many as it may.
    fn is_blown(&self, budget: BudgetId, now: Now) -> bool {
        self.lock(now).is_blown(budget)
    }

    /// `budget` refused someone honest; whether the fuse blew by that.
    fn refuse(&self, budget: BudgetId, who: u64, now: Now) -> bool {
        let mut hour = self.lock(now);
        let was_blown = hour.is_blown(budget);
        let [young, _] = hour.refused.entry(budget).or_default();
        young.insert(who);
        !was_blown && hour.is_blown(budget)
    }
}

/// Whose refusals count: a person with an issued or listed credential, where some budget could refuse a crowd.
pub(super) fn honest(gateway: &Gateway, set: &Set, actor: &Actor, now: Now) -> Option<u64> {
    if actor.provenance != Provenance::Issued || !set.policy.refuses_crowds() {
        return None;
    }
    let name = actor.principal.as_ref().or(actor.session.as_ref())?;
    let who = gateway.secret.hash64("tidegate fuse 1", &[name]);
    gateway.fuse.live(who, now);
    Some(who)
}

/// Has budgets whose fuse has blown only tell.
pub(super) fn spare(gateway: &Gateway, set: &Set, actor: &Actor, plan: &mut Plan, now: Now) {
    if actor.provenance == Provenance::Unissued || !set.policy.refuses_crowds() {
        return;
    }
    let is_spared = |budget| is_blown(gateway, set, budget, now);
    for limit in plan.keys.iter_mut().flat_map(|used| &mut used.limits) {
        if limit.excess != Excess::Told && is_spared(limit.budget) {
            limit.excess = Excess::Told;
        }
    }
    for limit in plan.sums.iter_mut().flat_map(|used| &mut used.limits) {
        limit.refuses = limit.refuses && !is_spared(limit.budget);
    }
}

/// The holds on `keys` that refuse whoever is of this `provenance`: a fuse that has blown spares the honest the holds of its
/// own budget, and no others.
pub(super) fn held<'a>(
    gateway: &'a Gateway,
    set: &'a Set,
    provenance: Provenance,
    keys: &'a [KeyUse],
    now: Now,
) -> impl Iterator<Item = (KeyId, Option<BudgetId>)> + 'a {
    let held = keys
        .iter()
        .filter_map(move |used| gateway.ledger.held(std::slice::from_ref(used), now));
    let is_spared = move |budget| provenance != Provenance::Unissued && is_blown(gateway, set, budget, now);
    held.filter(move |(_, cause, _)| !cause.is_some_and(is_spared))
        .map(|(key, cause, _)| (key, cause))
}

/// Whether a budget on a shared key has refused as many honest people as it may.
fn is_blown(gateway: &Gateway, set: &Set, budget: BudgetId, now: Now) -> bool {
    set.policy.refuses_crowd(budget) && gateway.fuse.is_blown(budget, now)
}

/// A budget refused whoever is `honest`.
pub(super) fn refused(gateway: &Gateway, set: &Set, honest: Option<u64>, budget: BudgetId, now: Now) {
    let Some(who) = honest.filter(|_| set.policy.refuses_crowd(budget)) else {
        return;
    };
    if gateway.fuse.refuse(budget, who, now) {
        let budget = set.policy.get(budget).map_or("", |budget| budget.name.as_str());
        report(&Event::FuseBlown { budget });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u32) -> Now {
        Now::from_millis(u64::from(second) * 1000)
    }

    const NOW: u32 = 1_790_000_000 / HALF_S * HALF_S;

    #[test]
    fn twenty_people_may_be_refused_and_the_next_hour_begins_anew() {
        let (fuse, budget) = (Fuse::default(), BudgetId(1));
        for who in 0..20 {
            assert!(!fuse.is_blown(budget, at(NOW)));
            assert_eq!(fuse.refuse(budget, who, at(NOW)), who == 19, "it is told once");
            assert!(!fuse.refuse(budget, who, at(NOW)), "the same is no other");
        }
        assert!(fuse.is_blown(budget, at(NOW + 2 * HALF_S - 1)));
        assert!(!fuse.is_blown(BudgetId(2), at(NOW)));
        assert!(!fuse.is_blown(budget, at(NOW + 2 * HALF_S)));
        assert!(
            !fuse.is_blown(budget, at(NOW)),
            "time that is a little behind makes nothing anew"
        );
    }

    #[test]
    fn one_of_a_hundred_that_are_live_may_be_refused() {
        let (fuse, budget) = (Fuse::default(), BudgetId(1));
        for who in 0..10_000_u64 {
            fuse.live(who.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20, at(NOW));
        }
        let mut refused = 0;
        while !fuse.refuse(budget, refused, at(NOW)) {
            refused += 1;
        }
        assert!((97..=103).contains(&refused), "{refused}");
    }
}
