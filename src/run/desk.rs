//! The gateway as the admin address sees it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;

use super::reload::ReloadState;
use super::state::read_bypass;
use crate::admin::{BypassView, Desk, DeskError, Readiness, Release};
use crate::engine::detect::RuleSet;
use crate::engine::ledger::{Dimension, HoldView, KeyId, KeyView};
use crate::engine::time::Now;
use crate::proxy::Gateway;

/// The desk of a running gateway.
pub(super) struct GatewayDesk {
    gateway: Arc<Gateway>,
    reload: Arc<ReloadState>,
    state_dir: PathBuf,
    stop: CancellationToken,
}

impl GatewayDesk {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        reload: Arc<ReloadState>,
        state_dir: PathBuf,
        stop: CancellationToken,
    ) -> Self {
        Self {
            gateway,
            reload,
            state_dir,
            stop,
        }
    }
}

impl Desk for GatewayDesk {
    fn now(&self) -> Now {
        self.gateway.clock.now()
    }

    fn ready(&self) -> Readiness {
        let mut readiness = Readiness::default();
        if self.gateway.is_draining() {
            readiness.blockers.push("draining");
        }
        if self.reload.failed.load(Ordering::Relaxed) {
            readiness
                .notes
                .push("the last reload was refused; the set before it is in force".to_owned());
        }
        if self.gateway.audit.is_failing() {
            readiness.notes.push("the audit file cannot be written".to_owned());
        }
        if self.gateway.store.is_down() {
            readiness.notes.push("the ledger cannot be written".to_owned());
        }
        readiness
    }

    fn keys(&self, dimension: Option<Dimension>, limit: usize) -> Vec<KeyView> {
        let set = self.gateway.set();
        let windows = |dimension| set.policy.windows(dimension);
        self.gateway.ledger.keys(dimension, limit, &windows, self.now())
    }

    fn key(&self, key: KeyId) -> Option<KeyView> {
        let set = self.gateway.set();
        self.gateway
            .ledger
            .key(key, &|dimension| set.policy.windows(dimension), self.now())
    }

    fn holds(&self, limit: usize) -> Vec<HoldView> {
        let held = self.gateway.ledger.holds(self.now(), limit);
        let set = self.gateway.set();
        held.iter()
            .map(|held| HoldView {
                key: held.key,
                dimension: held.dimension,
                since: held.since,
                until: held.until,
                cause: set.policy.cause(held.cause).to_owned(),
            })
            .collect()
    }

    fn hold(&self, key: KeyId, until: u32) -> Result<HoldView, DeskError> {
        let now = self.now();
        let known = self
            .gateway
            .ledger
            .key(key, &|_| Vec::new(), now)
            .ok_or(DeskError::Unknown)?;
        let seconds = until.saturating_sub(now.second());
        if !self.gateway.ledger.hold(key, known.dimension, seconds, None, now) {
            return Err(DeskError::Full);
        }
        self.gateway.store.hold_changed();
        let view = HoldView {
            key,
            dimension: known.dimension,
            since: now.second(),
            until,
            cause: "manual".to_owned(),
        };
        Ok(view)
    }

    fn release(&self, key: KeyId, release: Release) -> Result<(), DeskError> {
        let known = self
            .gateway
            .ledger
            .release(key, release.people, release.until, self.now());
        self.gateway.store.hold_changed();
        if known { Ok(()) } else { Err(DeskError::Unknown) }
    }

    fn rules(&self) -> Arc<RuleSet> {
        Arc::clone(&self.gateway.set().rules)
    }

    fn config(&self) -> serde_json::Value {
        // The file names secrets by path and holds none.
        self.reload.effective.load().as_ref().clone()
    }

    fn drain(&self) {
        self.gateway.drain();
        self.stop.cancel();
    }

    fn bypass(&self) -> Vec<BypassView> {
        let second = self.now().second();
        let file = read_bypass(&self.state_dir).unwrap_or_default();
        let in_force = file.bypass.into_iter().filter(|suspension| suspension.until > second);
        in_force
            .map(|one| BypassView {
                route: one.route,
                reason: one.reason,
                until: one.until,
            })
            .collect()
    }
}
