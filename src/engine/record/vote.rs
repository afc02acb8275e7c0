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

/// Codes of a hundred cells that are written as numbers, from which on a column is one of codes.
const CODES_PERCENT_MIN: u32 = 66;

/// The vote of one field.
#[derive(Clone, Copy, Default)]
pub(super) struct Vote {
    /// Cells seen.
    cells: u32,
    /// What passed, by category: each has a count of its own, so that a stray value decides nothing.
    passed: [Passed; 4],
    /// Cells that are written as numbers, and in which nothing was found.
    codes: u32,
}

/// The cells in which a value of one category passed.
#[derive(Clone, Copy, Default)]
struct Passed {
    /// <= `cells`.
    count: u32,
    /// The last digits of the last, and how many were near the one before.
    last: u32,
    near: u32,
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
        let passed = self.of(finding.category);
        let are_apart = !number || passed.near.saturating_mul(2) <= passed.count;
        let is_agreed = is_share(passed.count, self.cells, SHARE_PERCENT_MIN);
        passed.count >= least && is_agreed && are_apart
    }

    /// Whether the cells before this one say that its `finding`, in a cell of this `text`, is a code that happens to pass.
    /// What is spelled as little but a mobile number is stands against any codes.
    pub(super) fn vetoes(self, finding: &Finding, text: &[u8]) -> bool {
        let may_be_code = matches!(finding.category, Category::Phone | Category::Account);
        let is_code = || is_number(text) && text.trim_ascii().first() != Some(&b'+');
        let numbers = self.codes.saturating_add(self.of(finding.category).count);
        let are_codes = self.codes >= CODES_MIN && is_share(self.codes, numbers, CODES_PERCENT_MIN);
        may_be_code && are_codes && is_code() && !is_mobile(text)
    }

    /// The vote with one more cell and what was found in it, values that are too weak among them.
    pub(super) fn with(mut self, found: &[Finding], text: &[u8]) -> Self {
        self.cells = self.cells.saturating_add(1);
        self.codes = self
            .codes
            .saturating_add(u32::from(found.is_empty() && is_number(text)));
        for finding in found {
            let value = last_digits(finding.normal.as_bytes());
            let Some(passed) = place(finding.category).and_then(|place| self.passed.get_mut(place)) else {
                continue;
            };
            let is_near = passed.count > 0 && value.abs_diff(passed.last) < NEAR;
            *passed = Passed {
                count: passed.count.saturating_add(1).min(self.cells),
                last: value,
                near: passed.near.saturating_add(u32::from(is_near)),
            };
        }
        self
    }

    fn of(&self, category: Category) -> Passed {
        let place = place(category);
        place
            .and_then(|place| self.passed.get(place))
            .copied()
            .unwrap_or_default()
    }
}

/// Where the count of a category stands; names and addresses have no vote.
const fn place(category: Category) -> Option<usize> {
    match category {
        Category::Phone => Some(0),
        Category::NationalId => Some(1),
        Category::Account => Some(2),
        Category::Email => Some(3),
        Category::Address | Category::Name | Category::Weak | Category::Credential => None,
    }
}

fn is_share(part: u32, whole: u32, percent: u32) -> bool {
    u64::from(part) * 100 >= u64::from(whole) * u64::from(percent)
}

/// Whether a cell is spelled `010-1234-5678`, as Korea writes its mobile numbers.
fn is_mobile(text: &[u8]) -> bool {
    let is_group =
        |group: &[u8], lengths: [usize; 2]| lengths.contains(&group.len()) && group.iter().all(u8::is_ascii_digit);
    let mut groups = text.trim_ascii().split(|byte| *byte == b'-');
    let groups = [groups.next(), groups.next(), groups.next(), groups.next()];
    match groups {
        [Some(first), Some(second), Some(third), None] => {
            first.starts_with(b"01") && is_group(first, [3, 3]) && is_group(second, [3, 4]) && is_group(third, [4, 4])
        }
        _ => false,
    }
}

/// The last eight digits of a normal form.
fn last_digits(normal: &[u8]) -> u32 {
    let tail = normal.get(normal.len().saturating_sub(8)..).unwrap_or_default();
    tail.iter().fold(0, |value, byte| match byte {
        b'0'..=b'9' => value * 10 + u32::from(byte - b'0'),
        _ => value,
    })
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
    fn strays_and_codes_between_hide_no_real_numbers() {
        let (mail, phone) = (finding(Category::Email), finding(Category::Phone));
        let mut vote = Vote::default().with(std::slice::from_ref(&mail), b"kim@mail.example");
        for _ in 0..6 {
            vote = vote.with(std::slice::from_ref(&phone), b"01000000000");
        }
        assert!(vote.lifts(&phone, false), "an e-mail address first");
        for _ in 0..6 {
            vote = vote.with(&[], b"20261126-000001");
        }
        assert!(!vote.vetoes(&phone, b"02-000-0000"), "as many codes as phones");
        let codes = (0..100).fold(vote, |vote, _| vote.with(&[], b"20261126-000001"));
        assert!(codes.vetoes(&phone, b"02-000-0000") && !codes.vetoes(&phone, b"010-0000-0000"));
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
