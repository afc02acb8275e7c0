//! What the cells of one field have shown so far: a column in which almost every value passes lifts a value that is too
//! weak to stand by itself.
//!
//! The vote looks back only: a cell is judged by those before it, so that nothing that was released is judged anew and the
//! answer does not depend on chunks. The first cells of a column whose name says nothing are the price.

use crate::engine::detect::{Category, Finding};

/// Of a hundred cells so many must pass.
const SHARE_PERCENT_MIN: u32 = 80;
/// Cells that must have passed before another is lifted: a check digit passes by chance one time in ten.
const CHECKED_MIN: u32 = 2;
/// The same for phones, which have no check digit.
const PHONES_MIN: u32 = 3;

/// The vote of one field.
#[derive(Clone, Copy, Default)]
pub(super) struct Vote {
    /// What the passing cells hold; the first decides.
    category: Option<Category>,
    /// Cells seen.
    cells: u32,
    /// Cells in which a value of `category` passed; <= `cells`.
    passed: u32,
}

impl Vote {
    /// Whether the cells before this one lift its `finding`.
    pub(super) fn lifts(self, finding: &Finding) -> bool {
        let least = if finding.category == Category::Phone {
            PHONES_MIN
        } else {
            CHECKED_MIN
        };
        self.category == Some(finding.category) && self.passed >= least && self.is_agreed()
    }

    /// The vote with one more cell and what was found in it, values that are too weak among them.
    pub(super) fn with(self, found: &[Finding]) -> Self {
        let category = self.category.or_else(|| found.first().map(|finding| finding.category));
        let passed = found.iter().any(|finding| Some(finding.category) == category);
        Self {
            category,
            cells: self.cells.saturating_add(1),
            passed: self.passed.saturating_add(u32::from(passed)),
        }
    }

    fn is_agreed(self) -> bool {
        u64::from(self.passed) * 100 >= u64::from(self.cells) * u64::from(SHARE_PERCENT_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::detect::{ClassId, Normal, RuleId, Span};

    fn finding(category: Category) -> Finding {
        Finding {
            span: Span { start: 0, end: 1 },
            class: ClassId(0),
            category,
            rule: RuleId(0),
            normal: Normal::new(b"1"),
            tentative: true,
        }
    }

    #[test]
    fn a_column_lifts_what_almost_all_its_cells_are() {
        let (id, phone) = (finding(Category::NationalId), finding(Category::Phone));
        let mut vote = Vote::default();
        for round in 0..4 {
            assert_eq!(vote.lifts(&id), round >= CHECKED_MIN);
            vote = vote.with(std::slice::from_ref(&id));
        }
        assert!(!vote.lifts(&phone));
        vote = vote.with(&[]);
        assert!(vote.lifts(&id), "4 of 5 are 80 %");
        vote = vote.with(std::slice::from_ref(&phone));
        assert!(!vote.lifts(&id), "4 of 6 are not");
        let mut vote = Vote::default();
        for round in 0..5 {
            assert_eq!(vote.lifts(&phone), round >= PHONES_MIN);
            vote = vote.with(std::slice::from_ref(&phone));
        }
    }
}
