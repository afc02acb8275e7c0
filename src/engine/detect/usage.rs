//! What the operator's expressions did in one body, each within its budget of bytes.

use super::{Finding, RuleId};

/// What one expression did in one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleUsage {
    /// Whose expression it is.
    pub rule: RuleId,
    /// Bytes of cells that it searched.
    pub searched_bytes: u64,
    /// Bytes of cells that woke it when its budget was spent.
    pub skipped_bytes: u64,
    /// Findings of it that were the winners where they stand.
    pub findings: u64,
}

/// What the expressions of a set did in one body. Bytes are those of cells within their segments, each of which is counted once
/// whatever the chunks are, so that a budget ends at the same byte however a body was cut.
#[derive(Clone, Debug)]
pub struct Usage {
    /// What one expression may search.
    searched_bytes_max: u64,
    /// By the expression's place in its lane; empty until one was woken.
    rules: Vec<RuleUsage>,
    /// Bytes of cells that some expression did not search.
    skipped_bytes: u64,
    /// Where the record begins in which an expression first spent its budget: in a text without lines, and in one with.
    stopped_at: Option<[u64; 2]>,
    /// Whether the others may go on all the same.
    goes_on: bool,
}

impl Usage {
    /// Nothing yet, and so many bytes for each expression.
    pub const fn new(searched_bytes_max: u64) -> Self {
        Self {
            searched_bytes_max,
            rules: Vec::new(),
            skipped_bytes: 0,
            stopped_at: None,
            goes_on: false,
        }
    }

    /// Whether an expression has just spent its budget, and it is not said yet where that leaves its body.
    pub const fn is_newly_spent(&self) -> bool {
        self.skipped_bytes > 0 && !self.goes_on && self.stopped_at.is_none()
    }

    /// Nothing that begins here or later may leave before it is known whether the others go on: in a text without lines, and in
    /// one with.
    pub const fn stop_at(&mut self, at: [u64; 2]) {
        self.stopped_at = Some(at);
    }

    /// Where it stopped; none once the others go on.
    pub const fn stopped_at(&self, lines: bool) -> Option<u64> {
        match self.stopped_at {
            Some([_, at]) if lines => Some(at),
            Some([at, _]) => Some(at),
            None => None,
        }
    }

    /// The others go on without the expressions that have spent their budget.
    pub const fn go_on(&mut self) {
        self.stopped_at = None;
        self.goes_on = true;
    }

    /// The expressions that were woken.
    pub fn rules(&self) -> impl Iterator<Item = &RuleUsage> {
        let has_part = |rule: &&RuleUsage| rule.searched_bytes + rule.skipped_bytes > 0;
        self.rules.iter().filter(has_part)
    }

    /// Bytes of cells that some expression did not search, as its budget was spent.
    pub const fn skipped_bytes(&self) -> u64 {
        self.skipped_bytes
    }

    /// Makes room for the expressions of a lane.
    pub(super) fn begin(&mut self, expressions: impl ExactSizeIterator<Item = RuleId>) {
        if self.rules.len() == expressions.len() {
            return;
        }
        let nothing = |rule| RuleUsage {
            rule,
            searched_bytes: 0,
            skipped_bytes: 0,
            findings: 0,
        };
        self.rules = expressions.map(nothing).collect();
    }

    /// Whether the expression may search so many bytes more, which are then counted; once it may not, it never may again.
    pub(super) fn may_search(&mut self, expression: usize, bytes: u64) -> bool {
        let max = self.searched_bytes_max;
        let Some(rule) = self.rules.get_mut(expression) else {
            return false;
        };
        let is_within = rule.skipped_bytes == 0 && bytes <= max.saturating_sub(rule.searched_bytes);
        if is_within {
            rule.searched_bytes += bytes;
        } else {
            rule.skipped_bytes += bytes;
        }
        is_within
    }

    /// A cell of so many bytes was not searched by every expression that it woke.
    pub(super) fn skipped(&mut self, bytes: u64) {
        self.skipped_bytes += bytes;
    }

    /// These findings were made, some of which may be those of expressions.
    pub(in crate::engine) fn found(&mut self, findings: &[Finding]) {
        if self.rules.is_empty() {
            return;
        }
        for finding in findings {
            // A lane has its expressions in the order of their rules.
            let place = self.rules.binary_search_by_key(&finding.rule, |known| known.rule).ok();
            if let Some(known) = place.and_then(|place| self.rules.get_mut(place)) {
                known.findings += 1;
            }
        }
    }
}

impl Default for Usage {
    /// Without a budget: for what is bounded otherwise.
    fn default() -> Self {
        Self::new(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::detect::{Category, ClassId, Normal, Span};

    fn finding(rule: u16) -> Finding {
        Finding {
            span: Span { start: 0, end: 1 },
            class: ClassId(0),
            category: Category::Account,
            rule: RuleId(rule),
            normal: Normal::new(b"1"),
            tentative: false,
        }
    }

    #[test]
    fn an_expression_that_has_spent_its_budget_never_searches_again() {
        let mut usage = Usage::new(10);
        usage.begin([RuleId(3), RuleId(7)].into_iter());
        let asked = [(0, 6), (0, 5), (0, 1), (1, 10), (1, 1)];
        let may = asked.map(|(expression, bytes)| usage.may_search(expression, bytes));
        assert_eq!(may, [true, false, false, true, false]);
        usage.found(&[7, 5].map(finding));
        assert!(!usage.is_newly_spent());
        usage.skipped(5);
        assert!(usage.is_newly_spent());
        usage.stop_at([40, 30]);
        usage.skipped(1);
        let stopped = [false, true].map(|lines| usage.stopped_at(lines));
        assert_eq!((stopped, usage.skipped_bytes()), ([Some(40), Some(30)], 6));
        usage.go_on();
        usage.skipped(1);
        assert!(!usage.is_newly_spent(), "once is enough");
        let rules: Vec<_> = usage
            .rules()
            .map(|rule| (rule.rule.0, rule.searched_bytes, rule.skipped_bytes, rule.findings))
            .collect();
        assert_eq!(rules, [(3, 6, 6, 0), (7, 10, 1, 1)]);
    }
}
