//! Drives one body: what the inspector asks, the account answers; what it releases waits here for downstream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

use super::backlog::Backlog;
use super::fail::{Fail, Reason};
use super::fields::{self, FieldCount};
use super::outcome::{Denial, Outcome};
use super::terms::Terms;
use crate::clock::Clock;
use crate::engine::inspect::{Inspector, Piece, Resolution, Step, Tally};
use crate::engine::ledger::{Account, Amounts, BudgetId, Dimension, KeyId, KeyUse, Next};
use crate::engine::policy::Action;
use crate::engine::time::Now;

/// Coded bytes that are decoded before what they released has left: so many times the ratio of the coding may wait for a client
/// that does not read.
const DECODED_AT_ONCE_BYTES: usize = 4096;

/// What the body does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// More of the upstream's body, or its end.
    Input,
    /// Nothing before this unix millisecond.
    Wait(u64),
    /// What was released, then a visible truncation.
    Cut,
    /// What was released, then the end.
    Done,
}

/// The driver of one body.
pub(super) struct Driver {
    /// Boxed, as it is large and the driver is moved. None where the body is not looked into: then all of it passes.
    inspector: Option<Box<Inspector>>,
    /// Bytes that passed without an inspector.
    unread_bytes: u64,
    account: Account,
    terms: Terms,
    /// Of the last chunk of a coded body, what was not pushed yet.
    unread: Bytes,
    backlog: Backlog,
    waiting_since: Option<Instant>,
    /// Asks that were granted for the head.
    asks_before: u64,
    /// Budgets that masked in the head.
    masked_before: usize,
    /// Someone was handed over who must be on disk before the bytes leave.
    unwritten: bool,
    outcome: Outcome,
    flow: Flow,
}

impl Driver {
    /// Without an inspector the route's bodies are not looked into: all of it passes, counted.
    pub(super) fn new(inspector: Option<Inspector>, account: Account, terms: Terms, head: FieldCount) -> Self {
        let unread = inspector.is_none().then_some((Reason::Route, false));
        Self {
            inspector: inspector.map(Box::new),
            unread_bytes: 0,
            asks_before: account.asks_granted(),
            account,
            backlog: Backlog::new(Arc::clone(&terms.gateway.held)),
            terms,
            unread: Bytes::new(),
            waiting_since: None,
            flow: if head.denial.is_some() { Flow::Cut } else { Flow::Input },
            masked_before: head.masked.len(),
            unwritten: false,
            outcome: Outcome {
                denial: head.denial,
                masked: head.masked,
                told: head.told,
                passed: unread.into_iter().collect(),
                ..Outcome::default()
            },
        }
    }

    pub(super) fn flow(&self) -> Flow {
        self.flow
    }

    /// What looks into the body, if anything does.
    pub(super) fn inspector(&self) -> Option<&Inspector> {
        self.inspector.as_deref()
    }

    /// Numbers of what was looked into.
    pub(super) fn tally(&self) -> Option<&Tally> {
        self.inspector().map(Inspector::tally)
    }

    /// Bytes of a body that nothing looks into.
    pub(super) fn unread_bytes(&self) -> u64 {
        self.unread_bytes
    }

    /// The keys that a hold may begin on.
    pub(super) fn keys(&self) -> &[KeyUse] {
        self.account.keys()
    }

    pub(super) fn account(&mut self) -> &mut Account {
        &mut self.account
    }

    pub(super) fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The head leaves, and the people in it enter the ledger.
    pub(super) fn hand_over_head(&mut self, clock: &Clock) {
        self.note_uncounted();
        if self.account.waiting() > 0 {
            self.handed(self.asks_before, clock.now());
        }
        let (answers, not_found) = (1, u64::from(self.terms.not_found));
        self.sum(
            Amounts {
                answers,
                not_found,
                ..Amounts::default()
            },
            true,
            clock.now(),
        );
    }

    /// What of the trailers leaves, after everything else; `None` if someone in them must not, and the end is cut instead.
    pub(super) fn hand_over_trailers(&mut self, mut trailers: HeaderMap, now: Now) -> Option<HeaderMap> {
        let counted = fields::count(&mut trailers, &mut self.account, &self.terms);
        self.outcome.told.extend(counted.told);
        self.outcome.masked.extend(counted.masked);
        self.note_uncounted();
        if let Some(denial) = counted.denial {
            self.deny(denial);
            return None;
        }
        self.handed(self.account.asks_granted(), now);
        Some(trailers)
    }

    /// Whether something can be handed downstream.
    pub(super) fn has_output(&self) -> bool {
        self.backlog.has_output()
    }

    /// Whether nobody was granted or masked in the body so far.
    pub(super) fn shows_nobody(&self) -> bool {
        self.account.asks_granted() == self.asks_before && self.outcome.masked.len() == self.masked_before
    }

    /// Whether someone was handed over since the last call who must be on disk before the bytes leave.
    pub(super) fn take_unwritten(&mut self) -> bool {
        std::mem::take(&mut self.unwritten) && !self.has_passed(Reason::StoreDown)
    }

    /// Everyone who was handed over is on disk, true, or is not in time.
    pub(super) fn written(&self) -> impl Future<Output = bool> + Send + 'static {
        self.terms.gateway.store.written()
    }

    /// What was handed over waited so long, and may leave if it is on disk or the fail mode is open.
    pub(super) fn waited_for_disk(&mut self, waited: Duration, is_written: bool) {
        self.outcome.store += waited;
        if is_written {
            return;
        }
        if self.mode(Reason::StoreDown) == Fail::Open {
            let passed = (Reason::StoreDown, self.would_refuse(Reason::StoreDown));
            self.outcome.passed.push(passed);
        } else {
            self.backlog.drop_released();
            self.deny(Denial::Fail(Reason::StoreDown));
        }
    }

    /// The next bytes for downstream; the people in them enter the ledger now.
    pub(super) fn output(&mut self, now: Now) -> Option<Bytes> {
        let (bytes, asks) = self.backlog.next()?;
        if let Some(asks) = asks.filter(|_| self.account.waiting() > 0) {
            let started = Instant::now();
            self.handed(self.asks_before + asks, now);
            self.outcome.ledger += started.elapsed();
        }
        let is_last = self.flow != Flow::Input && !self.backlog.has_output();
        let uninspected = if self.is_blind() { bytes.len() as u64 } else { 0 };
        self.sum(
            Amounts {
                bytes: bytes.len() as u64,
                uninspected,
                ..Amounts::default()
            },
            is_last,
            now,
        );
        Some(bytes)
    }

    /// Whether what leaves now was not looked into.
    fn is_blind(&self) -> bool {
        self.inspector().is_none_or(Inspector::is_blind)
    }

    /// Sums what leaves: over a limit that refuses, nothing more does.
    fn sum(&mut self, amounts: Amounts, is_last: bool, now: Now) {
        for over in self.account.sum(amounts, is_last, now) {
            let (budget, key, people) = (over.budget, over.key, u32::try_from(over.amount).unwrap_or(u32::MAX));
            if !over.refuses || self.terms.unsafe_method {
                self.outcome.told.push((budget, key, people));
                continue;
            }
            let dimension = over.dimension;
            let denial = Denial::Budget {
                budget,
                key,
                dimension,
                people,
            };
            self.terms.hold_if_asked(denial, self.account.keys(), now);
            self.backlog.drop_released();
            self.deny(denial);
        }
    }

    /// People enter the ledger.
    fn handed(&mut self, asks: u64, now: Now) {
        let handed = self.account.hand_over(asks, now);
        self.outcome.told.extend(handed.told);
        self.outcome.new_people += u64::from(handed.new_people);
        self.unwritten |= handed.durable.is_some();
        self.note_uncounted();
    }

    /// The next chunk of the upstream's body; [`Driver::go_on`] until all of it was read.
    pub(super) fn input(&mut self, mut chunk: Bytes, now: Now) {
        if self.inspector.as_ref().is_some_and(|inspector| inspector.is_decoding()) {
            self.unread = chunk.split_off(chunk.len().min(DECODED_AT_ONCE_BYTES));
        }
        self.piece(chunk, now);
    }

    /// Reads on in the last chunk; false if all of it was read.
    pub(super) fn go_on(&mut self, now: Now) -> bool {
        if self.unread.is_empty() {
            return false;
        }
        let next = self.unread.split_to(self.unread.len().min(DECODED_AT_ONCE_BYTES));
        self.piece(next, now);
        true
    }

    fn piece(&mut self, chunk: Bytes, now: Now) {
        let Some(inspector) = &mut self.inspector else {
            self.unread_bytes += chunk.len() as u64;
            return self.backlog.put(chunk);
        };
        let started = Instant::now();
        let step = inspector.push(&chunk);
        self.outcome.scan += started.elapsed();
        self.backlog.hold(chunk, self.account.is_enforcing());
        self.run(step, now);
        let is_full = || self.terms.held().bytes() > self.terms.set.held_total_bytes_max;
        if self.backlog.waiting_bytes() > 0 && self.flow == Flow::Input && is_full() {
            self.fail(Reason::Memory, now);
        }
    }

    /// The upstream's body ended.
    pub(super) fn finish(&mut self, now: Now) {
        let Some(inspector) = &mut self.inspector else {
            self.flow = Flow::Done;
            return;
        };
        let started = Instant::now();
        let step = inspector.finish();
        self.outcome.scan += started.elapsed();
        self.run(step, now);
    }

    /// The wait is over.
    pub(super) fn resume(&mut self, now: Now) {
        self.flow = Flow::Input;
        if let Some(step) = self.next_step() {
            self.run(step, now);
        }
    }

    fn next_step(&mut self) -> Option<Step> {
        Some(self.inspector.as_mut()?.step())
    }

    fn resolve(&mut self, granted: usize, then: Resolution) -> Option<Step> {
        Some(self.inspector.as_mut()?.resolve(granted, then))
    }

    /// Whether this exchange exceeded the budget for which one of its keys is held.
    pub(super) fn has_caused(&self, cause: Option<BudgetId>) -> bool {
        let denied = matches!(self.outcome.denial, Some(Denial::Budget { budget, .. }) if Some(budget) == cause);
        let mut masked = self.outcome.masked.iter();
        denied || masked.any(|(budget, ..)| Some(*budget) == cause)
    }

    /// The exchange leaves HTTP: there is no body to drive.
    pub(super) fn switch(&mut self) {
        self.outcome.switched = true;
    }

    /// A hold began on one of the exchange's keys: nothing more leaves.
    pub(super) fn hold_began(&mut self) {
        self.backlog.drop_released();
        self.deny(Denial::Held);
    }

    fn run(&mut self, step: Step, now: Now) {
        let mut next = Some(step);
        while let Some(step) = next {
            next = self.take(step, now);
        }
        if self.backlog.waiting_bytes() > 0 {
            self.waiting_since.get_or_insert_with(Instant::now);
        }
    }

    /// Does what one step wants; the next step, or `None` when the flow says how it goes on.
    fn take(&mut self, step: Step, now: Now) -> Option<Step> {
        self.flow = match step {
            Step::Release { pieces, asks } => {
                self.release(pieces, asks);
                return self.next_step();
            }
            Step::Settle => return self.settle(now),
            Step::Fail(failure) => return self.pass_or_deny(Reason::Body(failure)),
            Step::More => Flow::Input,
            Step::Done => Flow::Done,
            Step::Stopped => Flow::Cut,
        };
        None
    }

    /// Asks the account; `None` when the stream waits or is cut.
    fn settle(&mut self, now: Now) -> Option<Step> {
        let started = Instant::now();
        let answer = self.account.reserve(self.inspector.as_ref()?.asks(), now);
        self.outcome.ledger += started.elapsed();
        self.outcome.told.extend(answer.told);
        self.note_uncounted();
        let granted = answer.granted;
        match answer.next {
            Next::Done => self.resolve(granted, Resolution::Granted),
            Next::Denied {
                budget,
                key,
                dimension,
                people,
            } => self.denied(granted, budget, (key, dimension, people), now),
            Next::Wait { budget, until } => self.wait(granted, budget, until, now),
            Next::Full => {
                self.outcome.denial.get_or_insert(Denial::Fail(Reason::LedgerFull));
                self.resolve(granted, Resolution::Cut)
            }
        }
    }

    /// Someone passes whom a key without room does not count: told once.
    fn note_uncounted(&mut self) {
        if self.account.is_uncounted() && !self.has_passed(Reason::LedgerFull) {
            let passed = (Reason::LedgerFull, self.would_refuse(Reason::LedgerFull));
            self.outcome.passed.push(passed);
        }
    }

    /// Whether `reason` let something pass already.
    fn has_passed(&self, reason: Reason) -> bool {
        self.outcome.passed.iter().any(|(passed, _)| *passed == reason)
    }

    fn denied(&mut self, granted: usize, budget: BudgetId, on: (KeyId, Dimension, u32), now: Now) -> Option<Step> {
        let (key, dimension, people) = on;
        let denial = Denial::Budget {
            budget,
            key,
            dimension,
            people,
        };
        let is_first = self.is_first_mask(budget);
        if is_first {
            self.terms.hold_if_asked(denial, self.account.keys(), now);
        }
        let is_redacted = self
            .terms
            .set
            .policy
            .get(budget)
            .is_some_and(|budget| budget.action == Action::Redact);
        if is_redacted || self.terms.unsafe_method {
            if is_first {
                self.outcome.masked.push((budget, key, people));
            }
            return self.resolve(granted, Resolution::Mask);
        }
        self.outcome.denial.get_or_insert(denial);
        self.resolve(granted, Resolution::Cut)
    }

    /// Whether nothing was masked under `budget` so far: it is told once.
    fn is_first_mask(&self, budget: BudgetId) -> bool {
        !self.outcome.masked.iter().any(|(known, _, _)| *known == budget)
    }

    fn wait(&mut self, granted: usize, budget: BudgetId, until: u64, now: Now) -> Option<Step> {
        let wait_ms = until.saturating_sub(now.millis());
        if self.terms.unsafe_method {
            let is_first = self.is_first_mask(budget);
            if let Some(used) = self.account.keys().first().filter(|_| is_first) {
                self.outcome.masked.push((budget, used.key, 0));
            }
            return self.resolve(granted, Resolution::Mask);
        }
        if wait_ms > self.terms.set.throttle_wait_ms_max {
            let retry_after_s = wait_ms.div_ceil(1000);
            self.outcome
                .denial
                .get_or_insert(Denial::Throttled { budget, retry_after_s });
            return self.resolve(granted, Resolution::Cut);
        }
        self.flow = Flow::Wait(until);
        if let Some(Step::Release { pieces, asks }) = self.resolve(granted, Resolution::Later) {
            self.release(pieces, asks);
        }
        None
    }

    fn fail(&mut self, reason: Reason, now: Now) {
        if let Some(step) = self.pass_or_deny(reason) {
            self.run(step, now);
        }
    }

    /// The route's fail mode for `reason`: the next step if the rest passes uninspected.
    fn pass_or_deny(&mut self, reason: Reason) -> Option<Step> {
        let passes = self.mode(reason) == Fail::Open;
        let would_refuse = self.would_refuse(reason);
        let inspector = self
            .inspector
            .as_mut()
            .filter(|inspector| passes && inspector.can_pass_blind());
        if let Some(inspector) = inspector {
            self.outcome.passed.push((reason, would_refuse));
            return Some(inspector.pass_blind());
        }
        self.deny(Denial::Fail(reason));
        None
    }

    /// Whether the exchange was refused because its body could not be read.
    pub(super) fn is_unreadable(&self) -> bool {
        matches!(self.outcome.denial, Some(Denial::Fail(_)))
    }

    /// Whether the exchange was refused because someone was not on disk in time.
    pub(super) fn is_unwritten(&self) -> bool {
        matches!(self.outcome.denial, Some(Denial::Fail(Reason::StoreDown)))
    }

    /// Whether only the lack of enforcement lets `reason` pass.
    fn would_refuse(&self, reason: Reason) -> bool {
        self.terms.fail(reason) == Fail::Closed
    }

    /// Fail modes act as open where nothing is enforced.
    fn mode(&self, reason: Reason) -> Fail {
        if self.account.is_enforcing() {
            self.terms.fail(reason)
        } else {
            Fail::Open
        }
    }

    /// Refuses the exchange: nothing more leaves.
    fn deny(&mut self, denial: Denial) {
        self.outcome.denial.get_or_insert(denial);
        self.flow = Flow::Cut;
    }

    fn release(&mut self, pieces: Vec<Piece>, asks: u64) {
        self.backlog.release(pieces, asks);
        if let Some(since) = self.waiting_since.take() {
            self.outcome.holdback = self.outcome.holdback.max(since.elapsed());
        }
    }
}
