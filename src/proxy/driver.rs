//! Drives one body: what the inspector asks, the account answers; what it releases waits here for downstream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use tokio::time::Instant;

use super::fail::{Fail, FailModes, Reason};
use super::fields::{self, FieldCount};
use crate::engine::detect::RuleSet;
use crate::engine::inspect::{Inspector, Piece, Resolution, Step};
use crate::engine::ledger::{Account, BudgetId, Dimension, KeyId, Ledger, Next, Told};
use crate::engine::policy::{Action, Policy};
use crate::engine::secret::HashKey;
use crate::engine::time::Now;

/// Smaller chunks are copied when they are held, so that they do not pin the large buffer they were cut from.
const PINNED_BYTES_MIN: usize = 4096;

/// Bytes that all streams hold together.
#[derive(Debug, Default)]
pub struct HeldTotal {
    bytes: AtomicU64,
}

impl HeldTotal {
    /// Bytes held now.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// What the exchange lends its driver.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) policy: Arc<Policy>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) held: Arc<HeldTotal>,
    pub(super) held_total_bytes_max: u64,
    pub(super) throttle_wait_ms_max: u64,
    pub(super) fail: FailModes,
    pub(super) fail_default: Fail,
    /// A refusal on the way back would make the client do it twice: what is over a limit is masked instead.
    pub(super) unsafe_method: bool,
    /// Identifiers may leave masked.
    pub(super) may_mask: bool,
    pub(super) rules: Arc<RuleSet>,
    pub(super) secret: HashKey,
}

/// Why an exchange was refused or cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    Budget {
        budget: BudgetId,
        key: KeyId,
        dimension: Dimension,
        people: u32,
    },
    Throttled {
        budget: BudgetId,
        retry_after_s: u64,
    },
    Fail(Reason),
    /// A hold began while the stream was running.
    Held,
}

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

/// What an exchange leaves for reports.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) denial: Option<Denial>,
    /// Budgets that masked, with the key and the people who count under it.
    pub(super) masked: Vec<Told>,
    /// Budgets that only told.
    pub(super) told: Vec<Told>,
    pub(super) new_people: u64,
    /// Fail modes that let bytes pass, and whether they did so only because nothing is enforced.
    pub(super) passed: Vec<(Reason, bool)>,
    pub(super) scan: Duration,
    pub(super) ledger: Duration,
    pub(super) holdback: Duration,
}

/// The driver of one body.
pub(super) struct Driver {
    inspector: Inspector,
    account: Account,
    terms: Terms,
    /// Pushed and not released, in order.
    waiting: VecDeque<Bytes>,
    waiting_bytes: u64,
    waiting_since: Option<Instant>,
    /// Released, not yet taken by downstream; the first of a release carries its number of asks.
    released: VecDeque<(Bytes, Option<u64>)>,
    asks_left: Option<u64>,
    /// Asks that were granted for the head.
    asks_before: u64,
    /// Budgets that masked in the head.
    masked_before: usize,
    outcome: Outcome,
    flow: Flow,
}

impl Driver {
    pub(super) fn new(inspector: Inspector, account: Account, terms: Terms, head: FieldCount) -> Self {
        Self {
            inspector,
            asks_before: account.asks_granted(),
            account,
            terms,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            waiting_since: None,
            released: VecDeque::new(),
            asks_left: None,
            flow: if head.denial.is_some() { Flow::Cut } else { Flow::Input },
            masked_before: head.masked.len(),
            outcome: Outcome {
                denial: head.denial,
                masked: head.masked,
                told: head.told,
                new_people: head.new_people,
                ..Outcome::default()
            },
        }
    }

    pub(super) fn flow(&self) -> Flow {
        self.flow
    }

    pub(super) fn inspector(&self) -> &Inspector {
        &self.inspector
    }

    pub(super) fn account(&mut self) -> &mut Account {
        &mut self.account
    }

    pub(super) fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The head leaves, and the people in it enter the ledger.
    pub(super) fn hand_over_head(&mut self, now: Now) {
        self.account.hand_over(self.asks_before, now);
    }

    /// What of the trailers leaves, after everything else; `None` if someone in them must not, and the end is cut instead.
    pub(super) fn hand_over_trailers(&mut self, mut trailers: HeaderMap, now: Now) -> Option<HeaderMap> {
        let counted = fields::count(&mut trailers, &mut self.account, &self.terms, now);
        self.outcome.told.extend(counted.told);
        self.outcome.masked.extend(counted.masked);
        self.outcome.new_people += counted.new_people;
        if let Some(denial) = counted.denial {
            self.deny(denial);
            return None;
        }
        self.account.hand_over(self.account.asks_granted(), now);
        Some(trailers)
    }

    /// Whether something can be handed downstream.
    pub(super) fn has_output(&self) -> bool {
        !self.released.is_empty()
    }

    /// Whether nobody was granted or masked in the body so far.
    pub(super) fn shows_nobody(&self) -> bool {
        self.account.asks_granted() == self.asks_before && self.outcome.masked.len() == self.masked_before
    }

    /// The next bytes for downstream; the people in them enter the ledger now.
    pub(super) fn output(&mut self, now: Now) -> Option<Bytes> {
        let (bytes, asks) = self.joined()?;
        if let Some(asks) = asks {
            let started = Instant::now();
            self.account.hand_over(self.asks_before + asks, now);
            self.outcome.ledger += started.elapsed();
        }
        Some(bytes)
    }

    /// The first of what was released, with what follows it if all are small: a record that came byte by byte does not
    /// leave as so many frames, which peers refuse over HTTP/2.
    fn joined(&mut self) -> Option<(Bytes, Option<u64>)> {
        let (first, mut asks) = self.released.pop_front()?;
        let fits = |length: usize, next: &Bytes| length + next.len() <= PINNED_BYTES_MIN;
        if self.released.front().is_none_or(|(next, _)| !fits(first.len(), next)) {
            return Some((first, asks));
        }
        let mut joined = BytesMut::from(&first[..]);
        while let Some((next, more)) = self.released.pop_front_if(|(next, _)| fits(joined.len(), next)) {
            joined.extend_from_slice(&next);
            asks = more.or(asks);
        }
        Some((joined.freeze(), asks))
    }

    /// The next chunk of the upstream's body.
    pub(super) fn input(&mut self, chunk: Bytes, now: Now) {
        let started = Instant::now();
        let step = self.inspector.push(&chunk);
        self.outcome.scan += started.elapsed();
        self.hold(chunk);
        self.run(step, now);
        if self.waiting_bytes > 0 && self.flow == Flow::Input {
            let total = self.terms.held.bytes();
            if total > self.terms.held_total_bytes_max {
                self.fail(Reason::Memory, now);
            }
        }
    }

    /// The upstream's body ended.
    pub(super) fn finish(&mut self, now: Now) {
        let started = Instant::now();
        let step = self.inspector.finish();
        self.outcome.scan += started.elapsed();
        self.run(step, now);
    }

    /// The wait is over.
    pub(super) fn resume(&mut self, now: Now) {
        self.flow = Flow::Input;
        let step = self.inspector.step();
        self.run(step, now);
    }

    /// Whether this exchange exceeded the budget for which `key` is held.
    pub(super) fn has_caused(&self, key: KeyId, cause: Option<BudgetId>) -> bool {
        let denied = matches!(
            self.outcome.denial,
            Some(Denial::Budget { budget, key: denied, .. }) if denied == key && Some(budget) == cause
        );
        let mut masked = self.outcome.masked.iter();
        denied || masked.any(|(budget, masked, _)| *masked == key && Some(*budget) == cause)
    }

    /// A hold began on one of the exchange's keys: nothing more leaves.
    pub(super) fn hold_began(&mut self) {
        self.released.clear();
        self.deny(Denial::Held);
    }

    fn run(&mut self, step: Step, now: Now) {
        let mut next = Some(step);
        while let Some(step) = next {
            next = self.take(step, now);
        }
    }

    /// Does what one step wants; the next step, or `None` when the flow says how it goes on.
    fn take(&mut self, step: Step, now: Now) -> Option<Step> {
        self.flow = match step {
            Step::Release { pieces, asks } => {
                self.release(pieces, asks);
                return Some(self.inspector.step());
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
        let answer = self.account.reserve(self.inspector.asks(), now);
        self.outcome.ledger += started.elapsed();
        self.outcome.told.extend(answer.told);
        self.outcome.new_people += u64::from(answer.new_subjects);
        let granted = answer.granted;
        match answer.next {
            Next::Done => Some(self.inspector.resolve(granted, Resolution::Granted)),
            Next::Denied {
                budget,
                key,
                dimension,
                people,
            } => Some(self.denied(granted, budget, (key, dimension, people), now)),
            Next::Wait { budget, until } => self.wait(granted, budget, until, now),
            Next::Full => {
                // Open: the rest of this batch passes uncounted; closed: the body ends here.
                if self.mode(Reason::LedgerFull) == Fail::Open {
                    self.outcome
                        .passed
                        .push((Reason::LedgerFull, self.would_refuse(Reason::LedgerFull)));
                    let all = self.inspector.asks().len();
                    return Some(self.inspector.resolve(all, Resolution::Granted));
                }
                self.outcome.denial.get_or_insert(Denial::Fail(Reason::LedgerFull));
                Some(self.inspector.resolve(granted, Resolution::Cut))
            }
        }
    }

    fn denied(&mut self, granted: usize, budget: BudgetId, on: (KeyId, Dimension, u32), now: Now) -> Step {
        let (key, dimension, people) = on;
        let denial = Denial::Budget {
            budget,
            key,
            dimension,
            people,
        };
        self.terms.hold_if_asked(denial, now);
        let is_redacted = self
            .terms
            .policy
            .get(budget)
            .is_some_and(|budget| budget.action == Action::Redact);
        if is_redacted || self.terms.unsafe_method {
            if !self.outcome.masked.iter().any(|(known, _, _)| *known == budget) {
                self.outcome.masked.push((budget, key, people));
            }
            return self.inspector.resolve(granted, Resolution::Mask);
        }
        self.outcome.denial.get_or_insert(denial);
        self.inspector.resolve(granted, Resolution::Cut)
    }

    fn wait(&mut self, granted: usize, budget: BudgetId, until: u64, now: Now) -> Option<Step> {
        let wait_ms = until.saturating_sub(now.millis());
        if self.terms.unsafe_method {
            return Some(self.inspector.resolve(granted, Resolution::Mask));
        }
        if wait_ms > self.terms.throttle_wait_ms_max {
            let retry_after_s = wait_ms.div_ceil(1000);
            self.outcome
                .denial
                .get_or_insert(Denial::Throttled { budget, retry_after_s });
            return Some(self.inspector.resolve(granted, Resolution::Cut));
        }
        self.flow = Flow::Wait(until);
        match self.inspector.resolve(granted, Resolution::Later) {
            Step::Release { pieces, asks } => {
                self.release(pieces, asks);
                None
            }
            Step::More | Step::Settle | Step::Fail(_) | Step::Stopped | Step::Done => None,
        }
    }

    fn fail(&mut self, reason: Reason, now: Now) {
        if let Some(step) = self.pass_or_deny(reason) {
            self.run(step, now);
        }
    }

    /// The route's fail mode for `reason`: the next step if the rest passes uninspected.
    fn pass_or_deny(&mut self, reason: Reason) -> Option<Step> {
        if self.mode(reason) == Fail::Open && self.inspector.can_pass_blind() {
            self.outcome.passed.push((reason, self.would_refuse(reason)));
            return Some(self.inspector.pass_blind());
        }
        self.deny(Denial::Fail(reason));
        None
    }

    /// Whether the exchange was refused because its body could not be read.
    pub(super) fn is_unreadable(&self) -> bool {
        matches!(self.outcome.denial, Some(Denial::Fail(_)))
    }

    /// Whether only the lack of enforcement lets `reason` pass.
    fn would_refuse(&self, reason: Reason) -> bool {
        self.terms.fail.of(reason, self.terms.fail_default) == Fail::Closed
    }

    /// Fail modes act as open where nothing is enforced.
    fn mode(&self, reason: Reason) -> Fail {
        if self.account.is_enforcing() {
            self.terms.fail.of(reason, self.terms.fail_default)
        } else {
            Fail::Open
        }
    }

    /// The route's bodies are not looked into: all of it passes, counted.
    pub(super) fn pass_unread(&mut self) {
        self.outcome.passed.push((Reason::Route, false));
        // It has nothing to release yet.
        drop(self.inspector.pass_blind());
    }

    /// Refuses the exchange: nothing more leaves.
    fn deny(&mut self, denial: Denial) {
        self.outcome.denial.get_or_insert(denial);
        self.flow = Flow::Cut;
    }

    fn hold(&mut self, chunk: Bytes) {
        let held = if chunk.len() < PINNED_BYTES_MIN && self.account.is_enforcing() {
            Bytes::copy_from_slice(&chunk)
        } else {
            chunk
        };
        self.waiting_bytes += held.len() as u64;
        self.terms.held.bytes.fetch_add(held.len() as u64, Ordering::Relaxed);
        self.waiting.push_back(held);
        self.waiting_since.get_or_insert_with(Instant::now);
    }

    fn release(&mut self, pieces: Vec<Piece>, asks: u64) {
        self.asks_left = Some(asks);
        for piece in pieces {
            match piece {
                Piece::Keep(count) => self.keep(count),
                Piece::Replace(count, bytes) => {
                    self.drop_waiting(count);
                    self.put(bytes);
                }
            }
        }
        if let Some(since) = self.waiting_since.take() {
            self.outcome.holdback = self.outcome.holdback.max(since.elapsed());
        }
        if self.waiting_bytes > 0 {
            self.waiting_since = Some(Instant::now());
        }
    }

    /// Moves `count` bytes from waiting to released, uncopied.
    fn keep(&mut self, mut count: usize) {
        while count > 0 {
            let Some(mut first) = self.waiting.pop_front() else {
                return;
            };
            if first.len() > count {
                self.waiting.push_front(first.split_off(count));
            }
            count -= first.len();
            self.let_go(first.len());
            self.put(first);
        }
    }

    fn drop_waiting(&mut self, mut count: usize) {
        while count > 0 {
            let Some(mut first) = self.waiting.pop_front() else {
                return;
            };
            if first.len() > count {
                self.waiting.push_front(first.split_off(count));
            }
            count -= first.len();
            self.let_go(first.len());
        }
    }

    fn put(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.released.push_back((bytes, self.asks_left.take()));
        }
    }

    fn let_go(&mut self, bytes: usize) {
        self.waiting_bytes -= bytes as u64;
        self.terms.held.bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.terms.held.bytes.fetch_sub(self.waiting_bytes, Ordering::Relaxed);
    }
}
