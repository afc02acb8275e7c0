//! Who was written within the hour: the same person shown again to the same session adds nothing to the journal.

use std::sync::Arc;

use hashbrown::HashMap;

use super::append::SECONDS_AN_HOUR;
use super::entry::{Exchange, Person, Verdict};
use crate::engine::detect::{ClassSet, RuleSet};

/// Sessions times people that are remembered, about 40 bytes each; past it all are forgotten, so that some are written twice.
const REMEMBERED_MAX: usize = 1 << 19;

/// What was written of one person and session within the hour.
#[derive(Clone, Copy, Default)]
struct Written {
    classes: ClassSet,
    /// A bit for each verdict.
    verdicts: u8,
}

/// What was written within the hour.
#[derive(Default)]
pub(super) struct Memory {
    hour: u32,
    written: HashMap<(u64, u64), Written>,
    /// Whose numbers the classes are.
    rules: Option<Arc<RuleSet>>,
}

impl Memory {
    /// The verdict under which `person` is to be written; `None` if all of it was.
    pub(super) fn news(&mut self, exchange: &Exchange, person: &Person, second: u32) -> Option<Verdict> {
        self.turn(&exchange.rules, second);
        let session = exchange.actor.keys.first();
        let session = session
            .and_then(|key| key.id.0.first_chunk().copied())
            .map(u64::from_le_bytes);
        let known = self
            .written
            .entry((session.unwrap_or_default(), person.subject.0))
            .or_default();
        // Who is inside an allowance stays in it: a repeat says only that the exchange had them already.
        let was_allowed = known.verdicts & bit(Verdict::Allowance) != 0;
        let verdict = if was_allowed && person.verdict == Verdict::Granted {
            Verdict::Allowance
        } else {
            person.verdict
        };
        let is_known = known.verdicts & bit(verdict) != 0 && person.classes.0 & !known.classes.0 == 0;
        known.verdicts |= bit(verdict);
        known.classes.0 |= person.classes.0;
        (!is_known).then_some(verdict)
    }

    /// What was remembered did not reach the disk, or may not have.
    pub(super) fn forget(&mut self) {
        self.written.clear();
    }

    fn turn(&mut self, rules: &Arc<RuleSet>, second: u32) {
        let hour = second / SECONDS_AN_HOUR;
        let is_same = self.rules.as_ref().is_some_and(|known| Arc::ptr_eq(known, rules));
        if hour > self.hour || !is_same || self.written.len() >= REMEMBERED_MAX {
            self.forget();
            self.hour = hour.max(self.hour);
            self.rules = Some(Arc::clone(rules));
        }
    }
}

const fn bit(verdict: Verdict) -> u8 {
    1 << verdict as u8
}
