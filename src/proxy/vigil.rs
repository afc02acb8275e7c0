//! What may end an exchange while it waits: a hold on one of its keys, a revocation of what it showed, and its deadline.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::futures::OwnedNotified;
use tokio::time::{Sleep, sleep};

use super::asked::Asked;
use super::connection::ConnState;
use super::fuse;
use super::gateway::{Gateway, Set};
use crate::engine::ledger::{BudgetId, KeyUse};
use crate::engine::time::Now;
use crate::identity::{Named, Provenance, Revocable};

/// Watches over one exchange, from its head to the end of its body. What it needs is made when the exchange first
/// waits: at most one timer, and one place among those who are told of holds.
pub(super) struct Vigil {
    gateway: Arc<Gateway>,
    set: Arc<Set>,
    provenance: Provenance,
    /// `exchange_ms_max` after the head; none for a tunnel.
    until: Option<Now>,
    /// The keys of the other side of the exchange: a hold on one of them ends this side too.
    beside: Arc<[KeyUse]>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Under which what it showed may be revoked.
    names: Revocable,
    connection: Arc<ConnState>,
    /// Ready when some hold or revocation began or ended.
    told: Option<Pin<Box<OwnedNotified>>>,
    holds_seen: u64,
}

/// Whether the exchange itself exceeded the budget for which a key is held.
pub(super) type IsOwn<'a> = &'a dyn Fn(BudgetId) -> bool;

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// A hold began on one of its keys.
    Held,
    /// This was revoked.
    Revoked(Named),
    /// The exchange took longer than it may.
    Late,
}

impl Vigil {
    /// Over what `asked` shows, and the keys that it counts under, from when these were looked at.
    pub(super) fn new(gateway: Arc<Gateway>, until: Now, asked: &Asked) -> Self {
        Self {
            gateway,
            set: Arc::clone(&asked.set),
            provenance: asked.actor.provenance,
            until: Some(until),
            beside: Arc::clone(&asked.upload_keys),
            timer: None,
            names: asked.actor.revocable.clone(),
            connection: Arc::clone(&asked.connection),
            told: None,
            holds_seen: asked.holds_seen,
        }
    }

    /// A tunnel may last: only silence ends it.
    pub(super) fn waive_deadline(&mut self) {
        self.until = None;
        self.timer = None;
    }

    pub(super) fn is_late(&self, now: Now) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    /// While nothing moves: ready when the exchange is to end. What `is_own` is held for this very exchange.
    pub(super) fn poll(&mut self, keys: &[KeyUse], is_own: IsOwn<'_>, cx: &mut Context<'_>) -> Poll<Woken> {
        if let Some(woken) = self.poll_held(keys, is_own, cx) {
            return Poll::Ready(woken);
        }
        self.poll_late(cx).map(|()| Woken::Late)
    }

    /// Whether something of the exchange is revoked, or one of `keys` held, if anything began since the last look.
    pub(super) fn newly_held(&mut self, keys: &[KeyUse], is_own: IsOwn<'_>) -> Option<Woken> {
        let changed = self.gateway.ledger.holds_changed();
        if changed == self.holds_seen {
            return None;
        }
        self.holds_seen = changed;
        let now = self.gateway.clock.now();
        if let Some(name) = self.gateway.revoked(&self.names, &self.connection, now) {
            return Some(Woken::Revoked(name));
        }
        // Who is held for this very body is shown the end of what was granted, as with a block.
        let mut held = [keys, &self.beside].into_iter().flat_map(|keys| {
            let (gateway, set) = (&self.gateway, &self.set);
            fuse::held(gateway, set, self.provenance, keys, now)
        });
        held.any(|(_, cause)| !cause.is_some_and(is_own)).then_some(Woken::Held)
    }

    fn poll_held(&mut self, keys: &[KeyUse], is_own: IsOwn<'_>, cx: &mut Context<'_>) -> Option<Woken> {
        if keys.is_empty() && self.beside.is_empty() && self.names.is_empty() {
            return None;
        }
        loop {
            let gateway = &self.gateway;
            let told = self
                .told
                .get_or_insert_with(|| Box::pin(Arc::clone(&gateway.holds_told).notified_owned()));
            if told.as_mut().poll(cx).is_pending() {
                // It will be told of what comes; what came before is looked at now.
                return self.newly_held(keys, is_own);
            }
            self.told = None;
        }
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.until else {
            return Poll::Pending;
        };
        loop {
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll(cx));
            }
            // It may have come within the last millisecond, or has not been made yet.
            let left = until.millis().saturating_sub(self.gateway.clock.now().millis());
            if left == 0 {
                return Poll::Ready(());
            }
            self.timer = Some(Box::pin(sleep(Duration::from_millis(left))));
        }
    }
}
