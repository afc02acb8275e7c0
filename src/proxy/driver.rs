//! Drives one body: what the inspector asks, the account answers; what it releases waits here for downstream.

mod leave;
mod passed;

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::Instant;

use super::backlog::Backlog;
use super::confirm::Confirm;
use super::fail::{Fail, Reason};
use super::fields::{self, FieldCount};
use super::outcome::{Denial, Outcome};
use super::terms::Terms;
use super::witness::Witness;
use crate::clock::Clock;
use crate::engine::inspect::{Failure, Inspector, Piece, Resolution, Step, Tally};
use crate::engine::ledger::{Account, BudgetId, Dimension, KeyId, KeyUse, Next};
use crate::engine::policy::Action;
use crate::engine::record::Details;
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
    /// Nothing before the store that gateways share has answered.
    Confirm,
    /// What was released, then a visible truncation.
    Cut,
    /// What was released, then the end.
    Done,
}

/// Makes the inspector of another message.
pub(super) type MakeInspector = Box<dyn Fn() -> Inspector + Send + Sync>;

/// The driver of one body, or of one message after another.
pub(super) struct Driver {
    /// Boxed, as it is large and the driver is moved. None where the body is not looked into: then all of it passes.
    inspector: Option<Box<Inspector>>,
    /// Where the exchange carries messages.
    make: Option<MakeInspector>,
    /// Bytes that passed without an inspector.
    unread_bytes: u64,
    account: Account,
    witness: Witness,
    confirm: Confirm,
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
    pub(super) fn new(
        inspector: Option<Inspector>,
        (account, witness, confirm): (Account, Witness, Confirm),
        terms: Terms,
        head: FieldCount,
    ) -> Self {
        let unread = inspector.is_none().then_some((Reason::Route, false));
        Self {
            inspector: inspector.map(Box::new),
            make: None,
            unread_bytes: 0,
            asks_before: account.asks_granted(),
            account,
            witness,
            confirm,
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

    /// Whether something can be handed downstream.
    pub(super) fn has_output(&self) -> bool {
        self.backlog.has_output()
    }

    /// Whether nobody was granted or masked in the body so far.
    pub(super) fn shows_nobody(&self) -> bool {
        self.account.asks_granted() == self.asks_before && self.outcome.masked.len() == self.masked_before
    }

    /// What tells the journal of the exchange.
    pub(super) fn witness(&mut self) -> &mut Witness {
        &mut self.witness
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

    /// Whether all chunks so far were read, and nothing is waited for.
    pub(super) fn has_read_all(&self) -> bool {
        self.unread.is_empty() && self.flow == Flow::Input
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

    /// Ready when the store has answered, or the rule for when it does not holds.
    pub(super) fn poll_confirmed(&mut self, clock: &Clock, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.confirm.poll(&mut self.account, cx));
        self.resume(clock.now());
        Poll::Ready(())
    }

    fn next_step(&mut self) -> Option<Step> {
        Some(self.inspector.as_mut()?.step())
    }

    fn resolve(&mut self, granted: usize, then: Resolution) -> Option<Step> {
        Some(self.inspector.as_mut()?.resolve(granted, then))
    }

    /// Whether this exchange exceeded the budget for which one of its keys is held.
    pub(super) fn has_caused(&self, cause: BudgetId) -> bool {
        let denied = matches!(self.outcome.denial, Some(Denial::Budget { budget, .. }) if budget == cause);
        let mut masked = self.outcome.masked.iter();
        denied || masked.any(|(budget, ..)| *budget == cause)
    }

    /// The exchange leaves HTTP: there is no body to drive.
    pub(super) fn switch(&mut self) {
        self.outcome.switched = true;
    }

    /// The messages of the exchange are bodies by themselves, each read by an inspector that `make` makes.
    pub(super) fn carry_messages(&mut self, make: MakeInspector, now: Now) {
        self.make = Some(make);
        self.next_message(now);
    }

    /// The message under way has left whole: another begins.
    pub(super) fn next_message(&mut self, now: Now) {
        self.hand_over_granted(now);
        self.asks_before = self.account.asks_granted();
        self.masked_before = self.outcome.masked.len();
        self.inspector = self.make.as_ref().map(|make| Box::new(make()));
        self.outcome.forget_body();
        self.flow = Flow::Input;
    }

    /// A hold began on one of the exchange's keys, or what it showed was revoked: nothing more leaves.
    pub(super) fn ends(&mut self, denial: Denial) {
        self.backlog.drop_released();
        self.deny(denial);
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
            Step::Done => {
                self.hand_over_last(now);
                Flow::Done
            }
            Step::Stopped => Flow::Cut,
        };
        None
    }

    /// Asks the account; `None` when the stream waits or is cut.
    fn settle(&mut self, now: Now) -> Option<Step> {
        if self.witness.is_blind() && !self.may_go_unseen() {
            self.outcome.denial.get_or_insert(Denial::Fail(Reason::JournalFull));
            return self.resolve(0, Resolution::Cut);
        }
        let started = Instant::now();
        let (inspector, asks) = (self.inspector.as_ref()?, self.account.asks_granted());
        let answer = self.account.reserve(inspector.asks(), now);
        self.outcome.ledger += started.elapsed();
        for (ask, record) in (asks..).zip(inspector.records().iter().take(answer.granted)) {
            self.witness.granted(ask, record);
        }
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
            Next::Confirm => {
                self.confirm.ask(&self.account);
                self.flow = Flow::Confirm;
                self.later(granted)
            }
            Next::Full => {
                self.outcome.denial.get_or_insert(Denial::Fail(Reason::LedgerFull));
                self.resolve(granted, Resolution::Cut)
            }
        }
    }

    /// Someone passes whom a key without room does not count: told once.
    fn note_uncounted(&mut self) {
        if self.account.is_uncounted() {
            self.note_passed(Reason::LedgerFull);
        }
    }

    /// Whether people may leave of whom the journal will know nothing: told once.
    fn may_go_unseen(&mut self) -> bool {
        let passes = self.terms.mode(Reason::JournalFull, &self.account) == Fail::Open;
        if passes {
            self.note_passed(Reason::JournalFull);
        }
        passes
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
            self.note_refused(now);
        }
        let is_redacted = self
            .terms
            .set
            .policy
            .get(budget)
            .is_some_and(|budget| budget.action == Action::Redact && self.terms.may_mask);
        if is_redacted || self.terms.unsafe_method {
            if is_first && self.can_mask() {
                self.outcome.masked.push((budget, key, people));
            }
            return self.mask(granted, now);
        }
        self.outcome.denial.get_or_insert(denial);
        self.resolve(granted, Resolution::Cut)
    }

    /// Whoever was asked for may stand in the way of many.
    fn note_refused(&self, now: Now) {
        let asks = self.inspector.as_ref().map(|inspector| inspector.asks());
        self.terms.note_refused(asks.unwrap_or_default(), now);
    }

    /// The record behind the granted ones leaves masked.
    fn mask(&mut self, granted: usize, now: Now) -> Option<Step> {
        if !self.can_mask() {
            let denial = Denial::Fail(Reason::Body(Failure::Unmaskable));
            self.outcome.denial.get_or_insert(denial);
            return self.resolve(granted, Resolution::Cut);
        }
        let masked = self
            .inspector
            .as_ref()
            .and_then(|inspector| inspector.records().get(granted));
        if let Some(record) = masked {
            self.witness.masked(record, now);
        }
        self.resolve(granted, Resolution::Mask)
    }

    /// Whether anybody in the body can be masked.
    fn can_mask(&self) -> bool {
        self.inspector().is_none_or(Inspector::can_mask)
    }

    /// Whether nothing was masked under `budget` so far: it is told once.
    fn is_first_mask(&self, budget: BudgetId) -> bool {
        !self.outcome.masked.iter().any(|(known, _, _)| *known == budget)
    }

    fn wait(&mut self, granted: usize, budget: BudgetId, until: u64, now: Now) -> Option<Step> {
        let wait_ms = until.saturating_sub(now.millis());
        if self.terms.unsafe_method {
            let is_first = self.is_first_mask(budget);
            if let Some(used) = self.account.keys().first().filter(|_| is_first && self.can_mask()) {
                self.outcome.masked.push((budget, used.key, 0));
            }
            return self.mask(granted, now);
        }
        if wait_ms > self.terms.set.throttle_wait_ms_max {
            let retry_after_s = wait_ms.div_ceil(1000);
            self.note_refused(now);
            self.outcome
                .denial
                .get_or_insert(Denial::Throttled { budget, retry_after_s });
            return self.resolve(granted, Resolution::Cut);
        }
        self.flow = Flow::Wait(until);
        self.later(granted)
    }

    fn later(&mut self, granted: usize) -> Option<Step> {
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
        let passes = self.terms.mode(reason, &self.account) == Fail::Open;
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

    /// What its records tell.
    pub(super) fn details(&self) -> Details {
        fields::details(&self.account)
    }

    /// Whether the exchange was refused because its body could not be read.
    pub(super) fn is_unreadable(&self) -> bool {
        matches!(self.outcome.denial, Some(Denial::Fail(_)))
    }

    /// Whether only the lack of enforcement lets `reason` pass.
    fn would_refuse(&self, reason: Reason) -> bool {
        self.terms.fail(reason) == Fail::Closed
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
