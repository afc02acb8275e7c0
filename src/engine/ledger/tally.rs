//! Budgets on bytes, records and answers: sums that grow with what an exchange hands over.

use smallvec::SmallVec;

use super::shards::{Ledger, shard_of};
use super::sums::Sums;
use super::{BudgetId, Dimension, KeyId};
use crate::engine::time::Now;

/// Answers under which no ratio is formed: one wrong link is no scan.
const ANSWERS_MIN: u64 = 20;

/// What a budget counts besides people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counted {
    /// Bytes of bodies.
    Bytes,
    /// Bytes that nothing looked into.
    Uninspected,
    /// Records with someone in them.
    Records,
    /// Answers 404 and 410 in a hundred: who guesses numbers.
    NotFound,
}

impl Counted {
    /// The name in configuration and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Uninspected => "uninspected",
            Self::Records => "records",
            Self::NotFound => "not_found",
        }
    }
}

/// One budget's limit on one sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumLimit {
    /// The budget.
    pub budget: BudgetId,
    /// Bytes, records, or answers in a hundred.
    pub amount: u64,
    /// The window in seconds.
    pub window: u32,
    /// Whether what is above it is refused; else it is told.
    pub refuses: bool,
}

/// A key of an exchange under which something is summed.
#[derive(Clone, Debug)]
pub struct SumUse {
    /// The key.
    pub key: KeyId,
    /// Its dimension.
    pub dimension: Dimension,
    /// What is summed.
    pub counted: Counted,
    /// In the order of the configuration.
    pub limits: SmallVec<[SumLimit; 1]>,
}

/// What an exchange hands over, or has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Bytes of the body.
    pub bytes: u64,
    /// Those that nothing looked into.
    pub uninspected: u64,
    /// Records with someone in them.
    pub records: u64,
    /// Answers.
    pub answers: u64,
    /// Those that say there is nothing.
    pub not_found: u64,
}

impl Amounts {
    pub(super) fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.uninspected = self.uninspected.saturating_add(other.uninspected);
        self.records = self.records.saturating_add(other.records);
        self.answers = self.answers.saturating_add(other.answers);
        self.not_found = self.not_found.saturating_add(other.not_found);
    }
}

/// A limit on a sum that is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverSum {
    /// The budget.
    pub budget: BudgetId,
    /// The key.
    pub key: KeyId,
    /// Its dimension.
    pub dimension: Dimension,
    /// What the window sums to.
    pub amount: u64,
    /// Whether it is to be refused.
    pub refuses: bool,
}

impl Ledger {
    /// Counts sums as those of this start of this gateway; before it is shared. The lowest bit is not looked at.
    pub fn count_as(&mut self, start: u64) {
        self.node = start & !1;
    }

    /// Adds `amounts` under the keys of `uses`; the limits that are exceeded by now, in their order.
    pub fn add(&self, uses: &[SumUse], amounts: Amounts, now: Now) -> SmallVec<[OverSum; 1]> {
        let mut over = SmallVec::new();
        for used in uses {
            let parts = parts(used.counted, amounts);
            let (node, second) = (self.node, now.second());
            let mut shard = self.lock_shard(shard_of(used.key));
            let place = shard.find(used.key, used.dimension);
            // Nothing to count makes no key, and no room no sum: who makes up sessions fills no ledger with them.
            if place.is_none() && (parts == [0, 0] || !self.make_room(&mut shard, true, now)) {
                continue;
            }
            let place = place.unwrap_or_else(|| shard.insert(used.key, used.dimension));
            let Some(entry) = shard.keys.at(place) else { continue };
            entry.note_sums(&used.limits);
            let from = second.saturating_sub(entry.window_max);
            let sums = entry.sums_mut();
            sums.forget(from);
            for (part, amount) in (0..).zip(parts).filter(|(_, amount)| *amount > 0) {
                sums.add(node | part, amount, second);
            }
            over.extend(
                used.limits
                    .iter()
                    .filter_map(|limit| exceeded(sums, used, limit, second)),
            );
            shard.weigh(place);
            if parts != [0, 0] {
                shard.changed(self.carriers, place, second);
            }
        }
        over
    }
}

/// What is added to the even and to the odd series of a key.
fn parts(counted: Counted, amounts: Amounts) -> [u64; 2] {
    match counted {
        Counted::Bytes => [amounts.bytes, 0],
        Counted::Uninspected => [amounts.uninspected, 0],
        Counted::Records => [amounts.records, 0],
        Counted::NotFound => [amounts.answers, amounts.not_found],
    }
}

fn exceeded(sums: &Sums, used: &SumUse, limit: &SumLimit, now: u32) -> Option<OverSum> {
    let total = |odd: bool| sums.total(odd, limit.window, now);
    let amount = match used.counted {
        Counted::Bytes | Counted::Uninspected | Counted::Records => total(false),
        Counted::NotFound => {
            let answers = Some(total(false)).filter(|answers| *answers >= ANSWERS_MIN)?;
            total(true).saturating_mul(100) / answers
        }
    };
    (amount > limit.amount).then_some(OverSum {
        budget: limit.budget,
        key: used.key,
        dimension: used.dimension,
        amount,
        refuses: limit.refuses,
    })
}
