//! One pass over a cell: triggers wake matchers, rules judge what they find, and of overlapping findings one wins.
//!
//! ```text
//! haystack  census ── no '@', few digits ──> done (most cells)
//!              │
//!              ├─ every '@' ─────────────> email
//!              ├─ every group of digits ─> number: phones, card, rrn, ssn;  behind two letters: iban;
//!              │                           behind a road or before a word: addresses
//!              └─ keywords ──────────────> the operator's expressions
//! candidate ── validator, veto, context ──> finding ── overlaps ──> one winner each
//! ```

use std::cell::OnceCell;
use std::ops::Range;

use super::bytes::{Census, at, before};
use super::context::{LOOK_BACK_BYTES_MAX, Signs};
use super::matcher::{self, Builtin, Candidate};
use super::number::{DIGITS_MAX, Number};
use super::{Context, Finding, RuleId, RuleSet, Span, lane};

/// Fewer digits than any number that is looked for has: a cell with fewer and no `@` can only hold a street address.
const NUMBER_DIGITS_MIN: usize = 7;
/// Fewer bytes than any street address has.
const ADDRESS_BYTES_MIN: usize = 8;
/// How far outside `within` a trigger or an overlapping finding may stand, before and after, in bytes.
const BEFORE_BYTES_MAX: usize = 64;
const AFTER_BYTES_MAX: usize = 256;

impl RuleSet {
    /// Finds every identifier whose first byte lies in `within` and appends it to `found`, ordered by start and not
    /// overlapping. `haystack` is one cell or one segment of a long cell: up to 64 bytes before `within` and 256 after
    /// it are there for boundaries and context. Spans are offsets in `haystack`. Linear in `haystack.len()`; never panics.
    pub fn scan(&self, haystack: &[u8], within: Range<usize>, context: Context<'_>, found: &mut Vec<Finding>) {
        let reach = within.start.saturating_sub(BEFORE_BYTES_MAX)
            ..within.end.saturating_add(AFTER_BYTES_MAX).min(haystack.len());
        let Some(text) = haystack.get(reach.clone()) else {
            return;
        };
        let census = Census::of(text);
        let numbers = census.digits >= NUMBER_DIGITS_MIN;
        let addresses = census.digits > 0 && text.len() >= ADDRESS_BYTES_MIN && (census.blank || census.high);
        if !(numbers || addresses || census.at_sign || self.lane.is_some()) {
            return;
        }
        let first_new = found.len();
        let mut scan = Scan {
            set: self,
            haystack,
            context,
            key: OnceCell::new(),
            found,
        };
        if census.at_sign {
            scan.signs_at(&reach);
        }
        if numbers || addresses {
            scan.digits(&reach, numbers, census.high);
        }
        if let Some(lane) = &self.lane {
            lane.run(haystack, context.key, reach, |rule, span| scan.expression(rule, span));
        }
        settle(self, first_new, &within, found);
    }
}

/// One call of `RuleSet::scan`.
struct Scan<'s> {
    set: &'s RuleSet,
    haystack: &'s [u8],
    context: Context<'s>,
    /// What the words in the cell's key say; looked up when the first candidate asks.
    key: OnceCell<Signs>,
    found: &'s mut Vec<Finding>,
}

impl Scan<'_> {
    /// E-mail addresses: every `@`.
    fn signs_at(&mut self, reach: &Range<usize>) {
        let text = self.haystack.get(reach.clone()).unwrap_or_default();
        for sign in memchr::memchr_iter(b'@', text) {
            self.offer(Builtin::Email, matcher::email(self.haystack, reach.start + sign));
        }
    }

    /// Everything that hangs on digits: every group of them.
    fn digits(&mut self, reach: &Range<usize>, numbers: bool, high: bool) {
        let text = self.haystack.get(..reach.end).unwrap_or_default();
        let mut next = reach.start;
        while let Some(skip) = text
            .get(next..)
            .and_then(|rest| rest.iter().position(u8::is_ascii_digit))
        {
            let first = next + skip;
            let len = text
                .get(first..)
                .unwrap_or_default()
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            next = first + len;
            let behind_letter = before(self.haystack, first).is_ascii_alphabetic();
            if behind_letter && numbers && len >= 2 {
                self.offer(Builtin::Iban, matcher::iban(self.haystack, first));
            } else if !behind_letter && len <= DIGITS_MAX {
                self.group(first, next, numbers, high);
            }
        }
    }

    /// One group of digits, `first..end`, that no letter precedes.
    fn group(&mut self, first: usize, end: usize, numbers: bool, high: bool) {
        let previous = before(self.haystack, first);
        if high && (previous == b' ' || !previous.is_ascii()) {
            self.offer(Builtin::AddressKr, matcher::address_kr(self.haystack, first));
        }
        if at(self.haystack, end) == b' ' {
            self.offer(Builtin::AddressUs, matcher::address_us(self.haystack, first));
        }
        if !numbers {
            return;
        }
        let Some(number) = Number::read(self.haystack, first) else {
            return;
        };
        let numeric = self.context.number;
        self.offer(Builtin::PhoneE164, matcher::phone_e164(&number));
        self.offer(Builtin::PhoneKr, matcher::phone_kr(&number, numeric));
        self.offer(Builtin::PhoneUs, matcher::phone_us(&number));
        self.offer(Builtin::Rrn, matcher::rrn(&number));
        self.offer(Builtin::Ssn, matcher::ssn(&number));
        self.offer(Builtin::Card, matcher::card(&number, numeric));
    }

    /// A match of the operator's own expression.
    fn expression(&mut self, rule: RuleId, span: Range<usize>) {
        let Some((category, text)) = self
            .set
            .rules
            .get(usize::from(rule.0))
            .map(|rule| rule.category)
            .zip(self.haystack.get(span.clone()))
        else {
            return;
        };
        let normal = lane::normal(category, text);
        self.judge(
            rule,
            Candidate {
                start: span.start,
                end: span.end,
                normal,
                weak: false,
            },
        );
    }

    fn offer(&mut self, builtin: Builtin, candidate: Option<Candidate>) {
        if let (Some(candidate), Some(rule)) = (candidate, self.set.driver(builtin)) {
            self.judge(rule, candidate);
        }
    }

    /// A candidate becomes a finding if its rule's validator takes it, no veto speaks against it, and a context word
    /// speaks for it where one is needed. The cheapest question first.
    fn judge(&mut self, id: RuleId, candidate: Candidate) {
        let place = usize::from(id.0);
        let (Some(rule), Some(class)) = (self.set.rules.get(place), self.set.class_of.get(place)) else {
            return;
        };
        if rule
            .validator
            .is_some_and(|validator| !validator.accepts(candidate.normal.as_bytes()))
        {
            return;
        }
        if !rule.veto.is_empty() && self.key().speak_against(id) {
            return;
        }
        if (candidate.weak || rule.context_required) && !self.has_context(id, candidate.start) {
            return;
        }
        self.found.push(Finding {
            span: Span {
                start: candidate.start as u64,
                end: candidate.end as u64,
            },
            class: *class,
            category: rule.category,
            rule: id,
            normal: candidate.normal,
        });
    }

    fn key(&self) -> &Signs {
        self.key.get_or_init(|| self.set.words.signs(self.context.key))
    }

    /// Whether a context word of `rule` is in the key or shortly before `start`.
    fn has_context(&self, rule: RuleId, start: usize) -> bool {
        let before = self
            .haystack
            .get(start.saturating_sub(LOOK_BACK_BYTES_MAX)..start)
            .unwrap_or_default();
        self.key().speak_for(rule) || (!before.is_empty() && self.set.words.signs(before).speak_for(rule))
    }
}

/// Orders the findings from `first_new` on, keeps one of those that overlap, and drops those that begin outside `within`.
fn settle(set: &RuleSet, first_new: usize, within: &Range<usize>, found: &mut Vec<Finding>) {
    if let Some(new) = found.get_mut(first_new..)
        && new.len() > 1
    {
        new.sort_by_key(|finding| finding.span.start);
        let mut winners = first_new;
        for index in first_new + 1..found.len() {
            let (Some(winner), Some(next)) = (found.get(winners), found.get(index)) else {
                break;
            };
            if next.span.start >= winner.span.end {
                winners += 1;
                found.swap(winners, index);
            } else if rank(set, next) > rank(set, winner) {
                found.swap(winners, index);
            }
        }
        found.truncate(winners + 1);
    }
    let inside = |finding: &Finding| usize::try_from(finding.span.start).is_ok_and(|start| within.contains(&start));
    let mut index = 0;
    found.retain(|finding| {
        index += 1;
        index <= first_new || inside(finding)
    });
}

/// Of two findings that overlap the greater wins: the surer, then the longer; the earlier if neither is.
fn rank(set: &RuleSet, finding: &Finding) -> (u16, u64) {
    let weight = set.rules.get(usize::from(finding.rule.0)).map_or(0, |rule| rule.weight);
    (weight, finding.span.end - finding.span.start)
}
