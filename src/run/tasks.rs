//! What runs beside the exchanges: upkeep of reports, the bypass file, and rules in shadow.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::state::{BypassFile, Suspension, read_bypass};
use super::{baselines, key_sets, polling, signing_keys};
use crate::audit::{Change, Operation};
use crate::clock::{Look, Standing};
use crate::events::{self, ClockFact, Event, IdentityFact, report};
use crate::proxy::{Bypass, Gateway, try_in_shadow};

/// How often the bypass file is looked at: a bypass works within five seconds.
const BYPASS_LOOK: Duration = Duration::from_secs(2);
/// How often holds are looked at: live streams learn of one within the second that is promised.
const HOLDS_LOOK: Duration = Duration::from_millis(250);
/// How often metrics are kept up.
const METRICS_UPKEEP_TICKS: u32 = 5;
/// How often the age of signing keys is looked at, and told in words.
const KEYS_LOOK_TICKS: u32 = 3_600;
const KEYS_TOLD_TICKS: u32 = 86_400;

/// Starts what runs beside the exchanges, until `stop`.
pub(super) fn start(
    tasks: &TaskTracker,
    gateway: &Arc<Gateway>,
    state_dir: PathBuf,
    metrics: events::Handle,
    stop: &CancellationToken,
) {
    tasks.spawn(try_in_shadow(Arc::clone(gateway), stop.clone()));
    tasks.spawn(key_sets::run(Arc::clone(gateway), state_dir.clone(), stop.clone()));
    tasks.spawn(baselines::run(Arc::clone(gateway), state_dir.clone(), stop.clone()));
    tasks.spawn(polling::run(Arc::clone(gateway), stop.clone()));
    tasks.spawn(upkeep(Arc::clone(gateway), state_dir, metrics, stop.clone()));
}

/// Looks after reports, holds and the bypass until `stop`.
async fn upkeep(gateway: Arc<Gateway>, state_dir: PathBuf, metrics: events::Handle, stop: CancellationToken) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let mut look = tokio::time::interval(BYPASS_LOOK);
    let mut holds = tokio::time::interval(HOLDS_LOOK);
    let mut holds_seen = gateway.ledger.holds_changed();
    let mut ticks = 0_u32;
    let mut known = Vec::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = second.tick() => {
                ticks = ticks.wrapping_add(1);
                tell_of_clock(gateway.clock.look());
                let now = gateway.clock.now();
                gateway.audit.tick(now);
                report(&Event::HeldBytes(gateway.held.bytes()));
                report(&Event::LedgerKeys {
                    keys: gateway.ledger.len() as u64,
                    spilled: gateway.ledger.spilled_keys() as u64,
                    dropped: gateway.ledger.evicted(),
                });
                report(&Event::Identity(IdentityFact::Births(gateway.set().identity.births().len() as u64)));
                if ticks % KEYS_LOOK_TICKS == 1 {
                    signing_keys::tell(&gateway.set().identity, now, ticks % KEYS_TOLD_TICKS == 1);
                }
                if ticks.is_multiple_of(METRICS_UPKEEP_TICKS) {
                    metrics.upkeep();
                }
            }
            _ = holds.tick() => {
                let changed = gateway.ledger.holds_changed();
                if std::mem::replace(&mut holds_seen, changed) != changed {
                    gateway.holds_told.notify_waiters();
                }
            }
            _ = look.tick() => {
                // A file that cannot be read changes nothing: what was in force ends by itself.
                let file = read_bypass(&state_dir).unwrap_or_else(|_| BypassFile { bypass: known.clone() });
                gateway.set_bypass(in_force(&file));
                known = follow(&gateway, &known, file);
            }
        }
    }
}

/// Tells what a look at the system's clock said.
pub(super) fn tell_of_clock(look: Look) {
    let seconds = look.offset_ms as f64 / 1000.0;
    report(&Event::Clock(ClockFact::Offset { seconds }));
    if !look.is_news {
        return;
    }
    let fact = match look.standing {
        Standing::Level => ClockFact::Level,
        Standing::Slewing | Standing::Waiting => ClockFact::Jumped {
            seconds,
            is_waiting: look.standing == Standing::Waiting,
        },
    };
    report(&Event::Clock(fact));
}

/// Tells and audits which suspensions began and which ended since `known`; gives those that are in force.
fn follow(gateway: &Gateway, known: &[Suspension], file: BypassFile) -> Vec<Suspension> {
    let now = gateway.clock.now();
    let mut present = file.bypass;
    present.retain(|suspension| suspension.until > now.second());
    let audit = |operation, suspension: &Suspension| {
        let change = Change {
            operation,
            succeeded: true,
            who: suspension.by.clone(),
            role: "process",
            reason: suspension.reason.clone(),
            target: suspension.route.clone(),
            until: suspension.until,
            people: 0,
            network: None,
        };
        gateway.audit.changed(change, now);
    };
    for begun in present.iter().filter(|suspension| !known.contains(suspension)) {
        audit(Operation::Bypass, begun);
    }
    for ended in known.iter().filter(|suspension| !present.contains(suspension)) {
        audit(Operation::BypassEnd, ended);
    }
    if known.is_empty() != present.is_empty() {
        report(&Event::Bypass(!present.is_empty()));
    }
    present
}

fn in_force(file: &BypassFile) -> Bypass {
    let all = file.bypass.iter().filter(|suspension| suspension.route.is_none());
    let routes = file
        .bypass
        .iter()
        .filter_map(|suspension| Some((suspension.route.clone()?, suspension.until)));
    Bypass {
        all_until: all.map(|suspension| suspension.until).max().unwrap_or(0),
        routes: routes.collect(),
    }
}
