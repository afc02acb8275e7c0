//! The gateway as the admin address sees it.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;

use super::reload::ReloadState;
use super::state::read_bypass;
use super::tasks::tell_of_clock;
use super::{outside, set_back, signing_keys};
use crate::admin::{BypassView, ClockView, Desk, DeskError, Readiness, Release, RevocationView};
use crate::clock::{Look, Standing};
use crate::engine::baseline::Proposal;
use crate::engine::detect::RuleSet;
use crate::engine::ledger::{Dimension, HoldView, KeyId, KeyView, RevokedBy};
use crate::engine::pinned::PinnedHost;
use crate::engine::proposed;
use crate::engine::time::Now;
use crate::identity::{Listed, PersonKeys, SignalError, What};
use crate::proxy::Gateway;

/// The desk of a running gateway.
pub(super) struct GatewayDesk {
    gateway: Arc<Gateway>,
    reload: Arc<ReloadState>,
    state_dir: PathBuf,
    stop: CancellationToken,
    /// The second of the newest sighting that was on disk at the start.
    newest: u32,
}

impl GatewayDesk {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        reload: Arc<ReloadState>,
        state_dir: PathBuf,
        stop: CancellationToken,
        newest: u32,
    ) -> Self {
        Self {
            gateway,
            reload,
            state_dir,
            stop,
            newest,
        }
    }

    fn clock_view(&self, look: Look) -> ClockView {
        let now = self.now();
        ClockView {
            now,
            offset_ms: look.offset_ms,
            standing: look.standing.name(),
            set_back_s: set_back(self.newest, now),
        }
    }
}

/// A line of the list of who is revoked.
fn of_list(listed: Listed) -> RevocationView {
    RevocationView {
        key: listed.key,
        dimension: listed.dimension,
        since: 0,
        until: listed.until,
        cause: format!("line {}", listed.line),
    }
}

/// What a person should know of the clock.
fn clock_notes(look: Look, set_back_s: u32) -> Vec<String> {
    let ahead = format!(
        "the system's clock is {} s ahead of the gateway's time",
        look.offset_ms / 1000
    );
    let of_look = match look.standing {
        Standing::Level => None,
        Standing::Slewing => Some(format!("{ahead}, which follows by a tenth of a second each second")),
        Standing::Waiting => Some(format!("{ahead}, which waits for `tidegate clock accept`")),
    };
    let of_ledger = (set_back_s > 0).then(|| {
        format!("the clock was set back: the ledger on disk was {set_back_s} s ahead, and who is in it counts so much longer")
    });
    of_look.into_iter().chain(of_ledger).collect()
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
        let (look, set_back_s) = (self.gateway.clock.last(), set_back(self.newest, self.now()));
        readiness.notes.extend(clock_notes(look, set_back_s));
        let keys: Vec<_> = self.gateway.set().identity.oldest_keys(self.now()).collect();
        readiness.notes.extend(signing_keys::notes(&keys));
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
        let known = self.gateway.ledger.key(key, &|_| &[], now).ok_or(DeskError::Unknown)?;
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

    fn baselines(&self) -> Vec<Proposal> {
        self.gateway.baselines.proposals()
    }

    fn pinned(&self, limit: usize) -> Vec<PinnedHost> {
        let (set, now) = (self.gateway.set(), self.now());
        self.gateway.pinned.list(limit, |host| !set.passes(host, now))
    }

    fn public(&self, limit: usize) -> Vec<proposed::Proposal> {
        let (set, now) = (self.gateway.set(), self.now());
        let is_open = |proposal: &proposed::Proposal| !proposal.hashes().any(|hash| set.public.contains(hash, now));
        self.gateway.proposed.list(limit, is_open)
    }

    fn recertify(&self, key: KeyId) -> Result<(), DeskError> {
        let known = self.gateway.ledger.recertify(key, self.now());
        if known { Ok(()) } else { Err(DeskError::Unknown) }
    }

    fn revocations(&self, limit: usize) -> Vec<RevocationView> {
        let (set, now) = (self.gateway.set(), self.now());
        let listed = set.identity.revocation_list(now).take(limit);
        let mut views: Vec<_> = listed.map(of_list).collect();
        let marks = self.gateway.ledger.revocations(now, limit);
        views.extend(marks.into_iter().map(|revoked| RevocationView {
            key: revoked.key,
            dimension: revoked.dimension,
            since: revoked.since,
            until: revoked.until,
            cause: revoked.by.name().to_owned(),
        }));
        views
    }

    fn revoke(&self, what: What, name: &str, until: u32) -> Result<RevocationView, DeskError> {
        let (set, now, by) = (self.gateway.set(), self.now(), RevokedBy::Person);
        let (key, dimension) = set.identity.revocation_key(what, name).map_err(DeskError::Name)?;
        if !self.gateway.ledger.revoke(key, dimension, until, by, now) {
            return Err(DeskError::Full);
        }
        self.gateway.store.hold_changed();
        Ok(RevocationView {
            key,
            dimension,
            since: now.second(),
            until,
            cause: by.name().to_owned(),
        })
    }

    fn reinstate(&self, key: KeyId) -> Result<(), DeskError> {
        let now = self.now();
        let known = self.gateway.ledger.reinstate(key, now);
        self.gateway.store.hold_changed();
        if self.gateway.set().identity.listed_as_revoked(key, now).is_some() {
            return Err(DeskError::Listed);
        }
        if known { Ok(()) } else { Err(DeskError::Unknown) }
    }

    fn at_hand(&self, key: KeyId) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let gateway = Arc::clone(&self.gateway);
        Box::pin(async move { gateway.read_back([key, key.of_actors()].iter()).await })
    }

    fn signal(&self, token: &[u8]) -> Result<bool, SignalError> {
        outside::signal(&self.gateway, token)
    }

    fn person_keys(&self, issuer: &str, names: &[String]) -> PersonKeys {
        self.gateway.set().identity.person_keys(issuer, names)
    }

    fn set_person(&self, keys: &[KeyId], active: bool) -> bool {
        outside::set_person(&self.gateway, keys, active)
    }

    fn is_shut_out(&self, keys: &[KeyId]) -> bool {
        outside::is_shut_out(&self.gateway, keys)
    }

    fn written(&self) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        Box::pin(self.gateway.store.holds_written())
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

    fn clock(&self) -> ClockView {
        self.clock_view(self.gateway.clock.last())
    }

    fn accept_clock(&self) -> Result<ClockView, DeskError> {
        let look = self.gateway.clock.accept().ok_or(DeskError::Settled)?;
        tell_of_clock(look);
        Ok(self.clock_view(look))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_the_clock() {
        let notes = |standing, offset_ms, set_back_s| {
            let is_news = false;
            clock_notes(
                Look {
                    offset_ms,
                    standing,
                    is_news,
                },
                set_back_s,
            )
            .join("; ")
        };
        assert_eq!(notes(Standing::Level, 30, 0), "");
        assert!(notes(Standing::Slewing, -90_000, 0).contains("-90 s ahead"));
        let both = notes(Standing::Waiting, 7_200_000, 60);
        assert!(both.contains("waits for `tidegate clock accept`") && both.contains("the clock was set back"));
    }
}
