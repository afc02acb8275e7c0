//! What happens as bytes leave: the people in them enter the ledger and the journal, what is summed is summed, and the disk is
//! waited for where it must.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use super::super::fail::{Fail, Reason};
use super::super::fields;
use super::super::outcome::Denial;
use super::{Driver, Flow};
use crate::engine::inspect::Inspector;
use crate::engine::ledger::{Amounts, KeyUse, OverSum};
use crate::engine::policy::Direction;
use crate::engine::time::Now;

/// Under which name what is no field is searched as one.
const ASIDE: HeaderName = HeaderName::from_static("x-aside");

impl Driver {
    /// The head leaves, and the people in it enter the ledger.
    pub(in crate::proxy) fn hand_over_head(&mut self, now: Now) {
        self.note_uncounted();
        if self.asks_before > 0 {
            self.hand_over(self.asks_before, now);
        }
        if self.terms.direction == Direction::Request {
            return;
        }
        let (answers, not_found) = (1, u64::from(self.terms.not_found));
        self.sum(
            Amounts {
                answers,
                not_found,
                ..Amounts::default()
            },
            true,
            now,
        );
    }

    /// What of the trailers leaves, after everything else; `None` if someone in them must not, and the end is cut instead.
    pub(in crate::proxy) fn hand_over_trailers(&mut self, mut trailers: HeaderMap, now: Now) -> Option<HeaderMap> {
        let counted = fields::count_now(&mut trailers, &mut self.account, &self.terms, &mut self.witness);
        self.outcome.told.extend(counted.told);
        self.outcome.masked.extend(counted.masked);
        self.note_uncounted();
        if let Some(denial) = counted.denial {
            self.deny(denial);
            return None;
        }
        self.hand_over_granted(now);
        Some(trailers)
    }

    /// The same of what stands beside the messages that the exchange carries: whether it leaves; `None` if someone in it must not,
    /// and the exchange ends.
    pub(in crate::proxy) fn hand_over_aside(&mut self, text: &[u8], now: Now) -> Option<bool> {
        let printable: Vec<u8> = text
            .iter()
            .map(|byte| if byte.is_ascii_control() { b' ' } else { *byte })
            .collect();
        let value = HeaderValue::from_bytes(&printable).ok()?;
        let granted = self.account.asks_granted();
        let left = self.hand_over_trailers(HeaderMap::from_iter([(ASIDE, value)]), now)?;
        self.asks_before += self.account.asks_granted() - granted;
        Some(!left.is_empty())
    }

    /// Everyone who was granted leaves.
    pub(super) fn hand_over_granted(&mut self, now: Now) {
        self.hand_over(self.account.asks_granted(), now);
    }

    /// Sums bytes that nothing looked into.
    pub(super) fn sum_unread(&mut self, bytes: u64, now: Now) {
        let amounts = Amounts {
            bytes,
            uninspected: bytes,
            ..Amounts::default()
        };
        self.sum(amounts, true, now);
    }

    /// Whether someone was handed over since the last call who must be on disk before the bytes leave.
    pub(in crate::proxy) fn take_unwritten(&mut self) -> bool {
        std::mem::take(&mut self.unwritten) && !self.has_passed(Reason::StoreDown)
    }

    /// Ready when whoever the store of the fleet confirmed and was handed over is known to it.
    pub(in crate::proxy) fn poll_entered(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.confirm.poll_entered(cx)
    }

    /// Everyone who was handed over is on disk, true, or is not in time.
    pub(in crate::proxy) fn written(&self) -> impl Future<Output = bool> + Send + 'static {
        self.terms.gateway.store.written()
    }

    /// What was handed over waited so long; whether it may leave: it is on disk, or the fail mode is open.
    pub(in crate::proxy) fn waited_for_disk(&mut self, waited: Duration, is_written: bool) -> bool {
        self.outcome.store += waited;
        if is_written {
            return true;
        }
        if self.terms.mode(Reason::StoreDown, &self.account) == Fail::Open {
            let passed = (Reason::StoreDown, self.would_refuse(Reason::StoreDown));
            self.outcome.passed.push(passed);
            return true;
        }
        self.backlog.drop_released();
        self.deny(Denial::Fail(Reason::StoreDown));
        false
    }

    /// The next bytes for downstream; the people in them enter the ledger now.
    pub(in crate::proxy) fn output(&mut self, now: Now) -> Option<Bytes> {
        let (bytes, asks) = self.backlog.next()?;
        if let Some(asks) = asks {
            self.hand_over(self.asks_before + asks, now);
        }
        let is_last = self.flow != Flow::Input && !self.backlog.has_output();
        let uninspected = if self.is_unread() { bytes.len() as u64 } else { 0 };
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

    /// Whether nobody can say what leaves now. Only what goes out is suspected for saying nothing: what is served does so in every
    /// picture.
    fn is_unread(&self) -> bool {
        let goes_out = self.terms.goes_out();
        let says_nothing = |inspector: &Inspector| inspector.is_blind() || (goes_out && inspector.is_opaque());
        self.inspector().is_none_or(says_nothing)
    }

    /// Sums what leaves: over a limit that refuses, nothing more does.
    fn sum(&mut self, amounts: Amounts, is_last: bool, now: Now) {
        for over in self.account.sum(amounts, is_last, now) {
            if over.refuses && !self.terms.unsafe_method {
                self.exceeded(over, None, now);
            } else {
                self.tells_over(over);
            }
        }
    }

    /// A limit that only tells is exceeded: once an exchange.
    pub(in crate::proxy) fn tells_over(&mut self, over: OverSum) {
        let (budget, key, people) = (over.budget, over.key, u32::try_from(over.amount).unwrap_or(u32::MAX));
        let is_news = self.outcome.told.iter().all(|(known, ..)| *known != budget);
        self.outcome.told.extend(is_news.then_some((budget, key, people)));
    }

    /// A limit that refuses is exceeded: nothing more leaves. A hold falls on one of `keys`, or of the account's.
    pub(in crate::proxy) fn exceeded(&mut self, over: OverSum, keys: Option<&[KeyUse]>, now: Now) {
        let denial = Denial::Budget {
            budget: over.budget,
            key: over.key,
            dimension: over.dimension,
            people: u32::try_from(over.amount).unwrap_or(u32::MAX),
        };
        let keys = keys.unwrap_or_else(|| self.account.keys());
        self.terms.hold_if_asked(denial, keys, now);
        self.backlog.drop_released();
        self.deny(denial);
    }

    /// The body ended. Where nothing waits, its last people may be known only when all its bytes have left.
    pub(super) fn hand_over_last(&mut self, now: Now) {
        if self.inspector().is_some_and(Inspector::is_watching) {
            self.hand_over(self.account.asks_granted(), now);
        }
    }

    /// The first `asks` asks that were granted leave: the people in them enter the ledger, and the journal.
    fn hand_over(&mut self, asks: u64, now: Now) {
        self.witness.left(asks, &self.account, now);
        if self.account.waiting() > 0 {
            let started = Instant::now();
            let handed = self.account.hand_over(asks, now);
            self.outcome.ledger += started.elapsed();
            self.outcome.told.extend(handed.told);
            self.outcome.new_people += u64::from(handed.new_people);
            self.unwritten |= handed.durable;
            self.confirm.shown(&handed.claimed, now);
            self.note_uncounted();
        }
    }
}
