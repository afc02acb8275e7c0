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

/// The same for what is a JSON number, as many other things are.
const NUMBERS_MIN: u32 = 5;
const CHECKED_NUMBERS_MIN: u32 = 3;
/// Of numbers so near to one another are ids in their order, moments, pages.
const NEAR: u32 = 2_000_000;
/// Cells written as numbers that are nothing, from which on a column is one of codes.
const CODES_MIN: u32 = 4;
/// Digits and bytes of what is written as a number.
const CODE_DIGITS_MIN: usize = 7;
const CODE_BYTES_MAX: usize = 24;

/// The vote of one field.
#[derive(Clone, Copy, Default)]
pub(super) struct Vote {
    /// What the passing cells hold; the first decides.
    category: Option<Category>,
    /// Cells seen.
    cells: u32,
    /// Cells in which a value of `category` passed; <= `cells`.
    passed: u32,
    /// Of those that passed the last digits of the last, and how many were near the one before.
    last: u32,
    near: u32,
    /// Cells that are written as numbers, and in which nothing was found.
    codes: u32,
}

impl Vote {
    /// Whether the cells before this one lift its `finding`.
    pub(super) fn lifts(self, finding: &Finding, number: bool) -> bool {
        let is_phone = finding.category == Category::Phone;
        let least = match (is_phone, number) {
            (true, true) => NUMBERS_MIN,
            (true, false) => PHONES_MIN,
            (false, true) => CHECKED_NUMBERS_MIN,
            (false, false) => CHECKED_MIN,
        };
        let are_apart = !number || self.near.saturating_mul(2) <= self.passed;
        self.category == Some(finding.category) && self.passed >= least && self.is_agreed() && are_apart
    }

    /// Whether the cells before this one say that its `finding`, in a cell of this `text`, is a code that happens to pass.
    pub(super) fn vetoes(self, finding: &Finding, text: &[u8]) -> bool {
        let may_be_code = matches!(finding.category, Category::Phone | Category::Account);
        let is_code = || is_number(text) && text.trim_ascii().first() != Some(&b'+');
        may_be_code && self.codes >= CODES_MIN && self.codes.saturating_mul(2) > self.passed && is_code()
    }

    /// The vote with one more cell and what was found in it, values that are too weak among them.
    pub(super) fn with(self, found: &[Finding], text: &[u8]) -> Self {
        let category = self.category.or_else(|| found.first().map(|finding| finding.category));
        let same = found.iter().find(|finding| Some(finding.category) == category);
        let passed = same.is_some();
        let value = same.map_or(self.last, |finding| last_digits(finding.normal.as_bytes()));
        let is_near = passed && self.passed > 0 && value.abs_diff(self.last) < NEAR;
        Self {
            category,
            last: value,
            near: self.near.saturating_add(u32::from(is_near)),
            codes: self
                .codes
                .saturating_add(u32::from(found.is_empty() && is_number(text))),
            cells: self.cells.saturating_add(1),
            passed: self.passed.saturating_add(u32::from(passed)),
        }
    }

    fn is_agreed(self) -> bool {
        u64::from(self.passed) * 100 >= u64::from(self.cells) * u64::from(SHARE_PERCENT_MIN)
    }
}

/// The last eight digits of a normal form.
fn last_digits(normal: &[u8]) -> u32 {
    let tail = normal.get(normal.len().saturating_sub(8)..).unwrap_or_default();
    let digits = tail.iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
}

/// Whether a whole cell is written as a number of several parts may be.
fn is_number(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b' ' | b'-' | b'.' | b'(' | b')' | b'/');
    let digits = || text.iter().filter(|byte| byte.is_ascii_digit()).count();
    (CODE_DIGITS_MIN..=CODE_BYTES_MAX).contains(&text.len()) && text.iter().all(is_part) && digits() >= CODE_DIGITS_MIN
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
            assert_eq!(vote.lifts(&id, false), round >= CHECKED_MIN);
            vote = vote.with(std::slice::from_ref(&id), b"");
        }
        assert!(!vote.lifts(&phone, false));
        vote = vote.with(&[], b"");
        assert!(vote.lifts(&id, false), "4 of 5 are 80 %");
        vote = vote.with(std::slice::from_ref(&phone), b"");
        assert!(!vote.lifts(&id, false), "4 of 6 are not");
        let mut vote = Vote::default();
        for round in 0..5 {
            assert_eq!(vote.lifts(&phone, false), round >= PHONES_MIN);
            vote = vote.with(std::slice::from_ref(&phone), b"");
        }
    }
    #[test]
    fn a_column_of_codes_vetoes_those_that_pass_by_chance() {
        let phone = finding(Category::Phone);
        let mut vote = Vote::default();
        for round in 0..6 {
            assert_eq!(vote.vetoes(&phone, b"139-1814-1814"), round >= CODES_MIN);
            vote = vote.with(&[], b"555-1814-1814");
        }
        assert!(!vote.vetoes(&phone, b"+82 10-0000-1234") && !vote.vetoes(&phone, b"Kim 139-1814-1814"));
        assert!(!vote.vetoes(&finding(Category::NationalId), b"139-1814-1814"));
    }

    #[test]
    fn numbers_that_follow_one_another_lift_nobody() {
        let numbered = |number: u32| Finding {
            normal: Normal::new(format!("8210{number:08}").as_bytes()),
            ..finding(Category::Phone)
        };
        for (step, expected) in [(1, false), (50_000, false), (17_654_321, true)] {
            let cells = (0..8).map(|round| numbered(11_000_000 + round * step % 80_000_000));
            let vote = cells.fold(Vote::default(), |vote, found| vote.with(&[found], b"1011000000"));
            assert_eq!(vote.lifts(&numbered(0), true), expected, "{step}");
        }
    }
}
