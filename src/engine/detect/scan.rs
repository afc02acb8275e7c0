//! One pass over a cell: triggers wake matchers, rules judge what they find, and of overlapping findings one wins.
//!
//! ```text
//! haystack  wakes? ── no '@', no long run of digits ──> done (most cells)
//!              │
//!              ├─ every '@' ─────────────> email
//!              ├─ every group of digits ─> number: phones, card, rrn, ssn;  behind two letters: iban;
//!              │                           behind a road or before a word: addresses
//!              └─ keywords ──────────────> the operator's expressions
//! candidate ── validator, veto, context ──> finding ── overlaps ──> one winner each
//! ```

use std::ops::Range;

use memchr::memrchr3;

use super::bytes::{at, before};
use super::context::{Heard, LOOK_BACK_BYTES_MAX};
use super::matcher::{self, Ahead, Builtin, Candidate};
use super::number::{Lead, Number, is_promising, may_be_promising};
use super::rule::Rule;
use super::{Category, Context, Finding, Normal, RuleId, RuleSet, Span, Usage, lane};
use crate::engine::block::{Blocks, CHUNK_BLOCKS, Masks, block_wakes, is_digest, wakes};

/// How far outside `within` a trigger or an overlapping finding may stand, before and after, in bytes.
const BEFORE_BYTES_MAX: usize = 256;
const AFTER_BYTES_MAX: usize = 256;

impl RuleSet {
    /// Finds every identifier whose first byte lies in `within` and appends it to `found`, ordered by start and not
    /// overlapping. `haystack` is one cell or one segment of a long cell: up to 256 bytes before `within` and 256 after
    /// it are there for boundaries and context. Spans are offsets in `haystack`. Linear in `haystack.len()`; never panics.
    pub fn scan(&self, haystack: &[u8], within: Range<usize>, context: Context<'_>, found: &mut Vec<Finding>) {
        self.scan_within_budget(haystack, within, context, &mut Usage::default(), found);
    }

    /// The same for one cell of many, whose expressions have a budget together.
    pub(in crate::engine) fn scan_within_budget(
        &self,
        haystack: &[u8],
        within: Range<usize>,
        context: Context<'_>,
        usage: &mut Usage,
        found: &mut Vec<Finding>,
    ) -> Searched {
        self.scan_marked((haystack, None), within, context, usage, found)
    }

    /// The same of a haystack whose masks may be known, if it is one block.
    pub(in crate::engine) fn scan_marked(
        &self,
        (haystack, masks): (&[u8], Option<&Masks>),
        within: Range<usize>,
        context: Context<'_>,
        usage: &mut Usage,
        found: &mut Vec<Finding>,
    ) -> Searched {
        let reach = within.start.saturating_sub(BEFORE_BYTES_MAX)
            ..within.end.saturating_add(AFTER_BYTES_MAX).min(haystack.len());
        let Some(text) = haystack.get(reach.clone()) else {
            return Searched::default();
        };
        // A number without a telling name is anything: an order, a price, a moment; under one that says nothing its column
        // may tell. A UUID or a digest is nobody's.
        let may_wake = (!context.number || context.key.is_vague()) && !is_digest(text);
        let is_told = context.key.searches();
        // Most cells are one block, which is looked at once.
        let own = (masks.is_none() && (may_wake || is_told))
            .then(|| Masks::of(text))
            .flatten();
        let block = masks.or(own.as_ref());
        let wakes = || block.map_or_else(|| wakes(text), |block| block_wakes(block, text.len()));
        let is_woken = is_told || (may_wake && wakes());
        let mut searched = Searched {
            by_builtin: is_woken || !context.key.keyed().is_empty(),
            builtin: None,
        };
        if !searched.by_builtin && self.lane.is_none() {
            return searched;
        }
        let first_new = found.len();
        let mut scan = Scan {
            set: self,
            haystack,
            context,
            found,
            ahead: None,
            heard: None,
            is_ascii: None,
        };
        if within == (0..haystack.len()) {
            scan.whole();
        }
        if is_woken {
            scan.blocks(text, reach.start, block);
        }
        if let Some(lane) = &self.lane {
            let of_expressions = scan.found.len();
            let texts = (haystack, context.key.name());
            lane.run(texts, (reach, within.len()), usage, |rule, span| {
                scan.expression(rule, span);
            });
            if found.len() > of_expressions {
                let mut builtin = found.get(first_new..of_expressions).unwrap_or_default().to_vec();
                settle(self, 0, &within, &mut builtin);
                searched.builtin = Some(builtin);
            }
        }
        settle(self, first_new, &within, found);
        for finding in found.iter_mut().skip(first_new) {
            write_address(finding, haystack);
        }
        searched
    }
}

/// What a search did.
#[derive(Default)]
pub(in crate::engine) struct Searched {
    /// Whether anything in the cell was worth a search by the rules that are built in.
    pub(in crate::engine) by_builtin: bool,
    /// What they alone found, where expressions found something too; addresses without their forms, since they have no vote.
    pub(in crate::engine) builtin: Option<Vec<Finding>>,
}

/// One call of `RuleSet::scan`.
struct Scan<'s, 'h> {
    set: &'s RuleSet,
    haystack: &'h [u8],
    context: Context<'s>,
    found: &'s mut Vec<Finding>,
    /// Most cells ask for neither.
    ahead: Option<Ahead<'h>>,
    heard: Option<Heard>,
    /// Whether the haystack has nothing but ASCII, once somebody asked.
    is_ascii: Option<bool>,
}

impl Scan<'_, '_> {
    /// The whole cell, as what its field name says it is.
    fn whole(&mut self) {
        let key = self.context.key;
        for (rule, keyed) in key.keyed() {
            if let Some(candidate) = keyed.find(self.haystack, key.name()) {
                self.judge(*rule, candidate);
            }
        }
    }

    /// `text`, which begins at `start`, block by block; it may be `one`.
    fn blocks(&mut self, text: &[u8], start: usize, one: Option<&Masks>) {
        // The group of digits under way, where the last block ended inside one.
        let mut first = None;
        if let Some(masks) = one {
            self.block(masks, start, &mut first);
        } else {
            let mut blocks = Blocks::<CHUNK_BLOCKS, false>::new(text, 0xff);
            while let Some((at, masks)) = blocks.next() {
                self.block(masks, start + at, &mut first);
            }
        }
        if let Some(first) = first {
            self.group(first, start + text.len());
        }
        // A text that speaks to somebody is longer than a value.
        if one.is_none() {
            let haystack = self.haystack;
            matcher::honoured_names(haystack).for_each(|name| self.offer(Builtin::PersonName, Some(name)));
            self.offer(Builtin::PersonName, matcher::greeted_name(haystack));
        }
    }

    /// One block, which begins at `at`: e-mail addresses at every `@`, everything else at every group of digits.
    fn block(&mut self, masks: &Masks, at: usize, first: &mut Option<usize>) {
        let place = |left: u64| at + left.trailing_zeros() as usize;
        let mut signs = masks.sign;
        while signs != 0 {
            let mail = matcher::email(self.haystack, place(signs));
            if let Some(mail) = mail.as_ref().filter(|mail| before(self.haystack, mail.start) == b'<') {
                self.offer(Builtin::PersonName, matcher::shown_name(self.haystack, mail.start));
            }
            self.offer(Builtin::Email, mail);
            signs &= signs - 1;
        }
        // A bit where a group begins, and one where it has ended.
        let mut edges = masks.digit ^ (masks.digit << 1 | u64::from(first.is_some()));
        while edges != 0 {
            match first.take() {
                Some(first) => self.group(first, place(edges)),
                None => *first = Some(place(edges)),
            }
            edges &= edges - 1;
        }
    }

    /// One group of digits, `first..end`.
    fn group(&mut self, first: usize, end: usize) {
        let haystack = self.haystack;
        let previous = before(haystack, first);
        // What begins behind a digit and a hyphen or a full stop is the rest of what began before it.
        if matches!(previous, b'-' | b'.') && before(haystack, first - 1).is_ascii_digit() {
            return;
        }
        let next = at(haystack, end);
        if matcher::may_begin_id(previous, end - first, next) {
            let numeric = self.context.number;
            matcher::each_id(haystack, first, end, numeric, |builtin, candidate| {
                self.offer(builtin, Some(candidate));
            });
        }
        if previous.is_ascii_alphabetic() {
            if end - first >= 2 && before(self.haystack, first - 1).is_ascii_alphabetic() {
                self.offer(Builtin::Iban, matcher::iban(self.haystack, first));
            }
            return;
        }
        self.addresses(first, previous, next);
        if may_be_promising(previous, end - first, next) && is_promising(self.haystack, first, end) {
            self.number(first);
        }
    }

    /// Everything that has a house number, between the bytes `previous` and `next`. Not in a cell that is an address as a whole.
    fn addresses(&mut self, first: usize, previous: u8, next: u8) {
        // Behind and before most numbers of code, tables and drawings stands nothing that an address has.
        let is_latin = previous == b' ' || matches!(next, b' ' | b',' | b'\n' | b'-' | b'/');
        if !is_latin && previous.is_ascii() {
            return;
        }
        let all = [
            Builtin::AddressKr,
            Builtin::AddressHan,
            Builtin::AddressLatin,
            Builtin::AddressUs,
        ];
        if all.iter().all(|builtin| self.is_outranked(*builtin, first)) {
            return;
        }
        // Those of Asian scripts have letters of them.
        let is_asian = !previous.is_ascii() || (previous == b' ' && !self.is_ascii());
        if is_asian {
            self.offer(Builtin::AddressKr, matcher::address_kr(self.haystack, first));
            self.offer(Builtin::AddressHan, matcher::address_han(self.haystack, first));
        }
        if is_latin {
            let found = matcher::address_latin(self.haystack, first, self.ahead.get_or_insert_default());
            self.offer(Builtin::AddressLatin, found);
        }
        if next == b' ' {
            self.offer(Builtin::AddressUs, matcher::address_us(self.haystack, first));
        }
    }

    fn is_ascii(&mut self) -> bool {
        *self.is_ascii.get_or_insert_with(|| self.haystack.is_ascii())
    }

    /// Everything that is a run of digits: the number that begins at `first`.
    fn number(&mut self, first: usize) {
        let Some(number) = Number::read(self.haystack, first) else {
            return;
        };
        let numeric = self.context.number;
        if number.lead == Lead::Plus {
            self.offer(Builtin::PhoneE164, matcher::phone_e164(&number));
            return;
        }
        let len = number.first_len();
        if matches!(len, 2..=4 | 9..=12) {
            self.offer(Builtin::PhoneKr, matcher::phone_kr(&number, numeric));
        }
        if matches!(len, 1 | 3 | 10 | 11) {
            self.offer(Builtin::PhoneUs, matcher::phone_us(&number));
        }
        if len <= 16 && !self.is_outranked(Builtin::PhoneNational, first) {
            self.offer(Builtin::PhoneNational, matcher::phone_national(&number, numeric));
        }
        if matches!(len, 6 | 13) {
            self.offer(Builtin::Rrn, matcher::rrn(&number));
        }
        if matches!(len, 3 | 9) {
            self.offer(Builtin::Ssn, matcher::ssn(&number));
        }
        if matches!(len, 4 | 13..) {
            self.offer(Builtin::Card, matcher::card(&number, numeric));
        }
        self.offer(Builtin::Account, matcher::account(&number));
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

    /// Whether the last finding covers `first` and is surer than what `builtin` finds.
    fn is_outranked(&self, builtin: Builtin, first: usize) -> bool {
        let Some(last) = self.found.last() else { return false };
        let weight = |rule: RuleId| self.set.rules.get(usize::from(rule.0)).map(|rule| rule.weight);
        let covers = last.span.start <= first as u64 && (first as u64) < last.span.end;
        covers && !last.tentative && weight(last.rule) > self.set.driver(builtin).and_then(weight)
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
        if !rule.veto.is_empty() && self.context.key.signs().speak_against(id) {
            return;
        }
        let weak = (candidate.weak || rule.context_required)
            && !self.has_context(id, rule.category, candidate.start..candidate.end);
        if weak && !(self.context.column && self.may_vote(rule, &candidate)) {
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
            tentative: weak,
        });
    }

    /// Whether a value that is too weak by itself may be lifted by its column: it is the whole cell, and has a check digit,
    /// or is spelled as little but phone numbers is.
    fn may_vote(&self, rule: &Rule, candidate: &Candidate) -> bool {
        let outside = [self.haystack.get(..candidate.start), self.haystack.get(candidate.end..)];
        let is_cell = outside.iter().flatten().all(|text| text.trim_ascii().is_empty());
        let text = self.haystack.get(candidate.start..candidate.end).unwrap_or_default();
        let is_dialled = || rule.category == Category::Phone && matcher::phone_may_vote(text, self.context.number);
        let is_checked = || {
            let validator = rule.validator;
            validator.is_some_and(|validator| validator.is_checked(candidate.normal.as_bytes()))
        };
        is_cell && !rule.context_required && (is_dialled() || is_checked())
    }

    /// Whether a context word of `rule` is in the key or shortly before `start`. For a phone an e-mail address speaks too:
    /// people give both (`kim@example.com or 010…`).
    fn has_context(&mut self, id: RuleId, category: Category, place: Range<usize>) -> bool {
        let start = place.start;
        if self.context.key.signs().speak_for(id) {
            return true;
        }
        let from = start.saturating_sub(LOOK_BACK_BYTES_MAX);
        let before = self.haystack.get(from..start).unwrap_or_default();
        // In code and style sheets a word speaks of its own statement only.
        let before = memrchr3(b';', b'{', b'}', before).map_or(before, |at| before.get(at..).unwrap_or_default());
        // In JSON inside a text one of its own member: `"account":"…","ref":"…`.
        let member = memchr::memrchr_iter(b',', before).find(|at| before.get(at + 1) == Some(&b'"'));
        let before = member.map_or(before, |at| before.get(at..).unwrap_or_default());
        // `on("phone",2125550123)` is the argument of a call, `PHN_GET: u32 = 2125550123;` a constant.
        let is_constant = || before.trim_ascii_end().ends_with(b"=") && at(self.haystack, place.end) == b';';
        if before.is_empty() || before.ends_with(b"\",") || is_constant() {
            return false;
        }
        let signs = self.set.words.signs_in(
            self.haystack,
            start - before.len()..start,
            self.heard.get_or_insert_default(),
        );
        let beside_email = || category == Category::Phone && self.has_email(from, start);
        signs.speak_for(id) || (!signs.speak_against(id) && beside_email())
    }

    /// Whether an e-mail address stands between `from` and `to`.
    fn has_email(&self, from: usize, to: usize) -> bool {
        let before = self.haystack.get(from..to).unwrap_or_default();
        memchr::memchr_iter(b'@', before).any(|at| matcher::email(self.haystack, from + at).is_some())
    }
}

/// Gives a street address its normal form, which none has before it has won over what overlaps it.
fn write_address(finding: &mut Finding, haystack: &[u8]) {
    if finding.category == Category::Address && finding.normal == Normal::default() {
        let text = haystack.get(finding.span.start as usize..finding.span.end as usize);
        finding.normal = matcher::address(text.unwrap_or_default());
    }
}

/// Orders the findings from `first_new` on, keeps one of those that overlap, and drops those that begin outside `within`.
fn settle(set: &RuleSet, first_new: usize, within: &Range<usize>, found: &mut Vec<Finding>) {
    let Some(new) = found.get_mut(first_new..).filter(|new| !new.is_empty()) else {
        return;
    };
    if new.len() > 1 {
        new.sort_by_key(|finding| finding.span.start);
    }
    let mut winner = 0;
    for index in 1..new.len() {
        let (Some(last), Some(next)) = (new.get(winner), new.get(index)) else {
            break;
        };
        if next.span.start >= last.span.end {
            winner += 1;
            new.swap(winner, index);
        } else if rank(set, next) > rank(set, last) {
            new.swap(winner, index);
        }
    }
    let starts_before = |new: &[Finding], bound: usize| {
        new.iter()
            .take_while(|finding| finding.span.start < bound as u64)
            .count()
    };
    let winners = new.get(..=winner).unwrap_or_default();
    let (skipped, kept) = (starts_before(winners, within.start), starts_before(winners, within.end));
    found.truncate(first_new + kept);
    found.drain(first_new..first_new + skipped.min(kept));
}

/// Of two findings that overlap the greater wins: the surer, then the longer; the earlier if neither is.
fn rank(set: &RuleSet, finding: &Finding) -> (u16, u64) {
    let weight = set
        .rules
        .get(usize::from(finding.rule.0))
        .filter(|_| !finding.tentative)
        .map_or(0, |rule| rule.weight);
    (weight, finding.span.end - finding.span.start)
}
