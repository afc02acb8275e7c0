//! What passed between gateways: its facts, their metrics and their log lines.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use metrics::{Counter, Gauge, Histogram};
use tracing::{info, warn};

use super::family::{Family, Maker};
use super::meters::{Meters, approximate};

/// What passed between gateways.
#[derive(Clone, Debug)]
pub enum Fact<'a> {
    /// The store answers (`true`), or does not, and the rule for that holds.
    Up(bool),
    /// How old the last round is with all that the store knew, in seconds.
    Staleness {
        /// Seconds.
        seconds: f64,
    },
    /// Keys with changes that the store was not told of.
    DirtyKeys(u64),
    /// A round was done.
    Flushed {
        /// How long it took, in seconds.
        seconds: f64,
    },
    /// A round was not done.
    Failed {
        /// The code of the server's error, or what went wrong.
        code: &'a str,
    },
    /// A strict confirmation was asked for.
    Checked {
        /// `confirmed`, `denied`, `timeout`, `failed`, `down`, `moving`, `garbage` or `crowded`.
        result: &'static str,
    },
    /// Something that came from the store, or was meant for it, was left out or corrected.
    Ignored {
        /// `reply`, `member`, `foreign`, `future`, `keys_max` or `claims_max`.
        reason: &'static str,
        /// How many.
        count: u64,
    },
    /// A credential was looked up.
    LookedUp {
        /// `found`, `absent`, `late`, `crowded` or `limited`.
        result: &'static str,
    },
    /// How far this gateway's clock is before the store's.
    Skew {
        /// Milliseconds.
        millis: i64,
    },
    /// Gateways that count together now.
    Gateways(u64),
}

/// The metrics of the fleet, made with the first fact: a gateway that counts for itself has none of them.
pub(super) struct FleetMeters {
    make: Maker,
    handles: OnceLock<Handles>,
}

impl FleetMeters {
    pub(super) fn new(make: &Maker) -> Self {
        Self {
            make: make.clone(),
            handles: OnceLock::new(),
        }
    }

    pub(super) fn count(&self, fact: &Fact<'_>) {
        self.handles.get_or_init(|| Handles::new(&self.make)).count(fact);
    }
}

/// The handles of all of them.
struct Handles {
    up: Gauge,
    breaker_open: Gauge,
    staleness: Gauge,
    dirty_keys: Gauge,
    flush: Histogram,
    failures: Counter,
    checks: Family,
    ignored: Family,
    look_ups: Family,
    skew: Gauge,
    gateways: Gauge,
}

impl Handles {
    fn new(make: &Maker) -> Self {
        Self {
            up: make.gauge("tidegate_fleet_up", None),
            breaker_open: make.gauge("tidegate_fleet_breaker_open", None),
            staleness: make.gauge("tidegate_fleet_staleness_seconds", None),
            dirty_keys: make.gauge("tidegate_fleet_dirty_keys", None),
            flush: make.histogram("tidegate_fleet_flush_duration_seconds", None),
            failures: make.counter("tidegate_fleet_failures_total", None),
            checks: make.family("tidegate_fleet_sync_checks_total", "result", None),
            ignored: make.family("tidegate_fleet_ignored_total", "reason", None),
            look_ups: make.family("tidegate_fleet_lookups_total", "result", None),
            skew: make.gauge("tidegate_fleet_clock_skew_seconds", None),
            gateways: make.gauge("tidegate_fleet_gateways", None),
        }
    }

    fn count(&self, fact: &Fact<'_>) {
        match *fact {
            Fact::Up(is_up) => {
                self.up.set(f64::from(u8::from(is_up)));
                self.breaker_open.set(f64::from(u8::from(!is_up)));
            }
            Fact::Staleness { seconds } => self.staleness.set(seconds),
            Fact::DirtyKeys(keys) => self.dirty_keys.set(approximate(keys)),
            Fact::Flushed { seconds } => self.flush.record(seconds),
            Fact::Failed { .. } => self.failures.increment(1),
            Fact::Checked { result } => self.checks.add(result, 1),
            Fact::Ignored { reason, count } => self.ignored.add(reason, count),
            Fact::LookedUp { result } => self.look_ups.add(result, 1),
            Fact::Skew { millis } => self.skew.set(millis as f64 / 1000.0),
            Fact::Gateways(gateways) => self.gateways.set(approximate(gateways)),
        }
    }
}

/// Whether the store answered when that was last told: not known, no, yes.
static WAS_UP: AtomicU8 = AtomicU8::new(0);

pub(super) fn log(meters: &Meters, fact: &Fact<'_>) {
    match *fact {
        Fact::Up(is_up) => {
            let before = WAS_UP.swap(1 + u8::from(is_up), Ordering::Relaxed);
            match (before, is_up) {
                (0 | 1, true) => info!("the store of the fleet answers"),
                (0 | 2, false) => warn!("the store of the fleet does not answer: `on_store_down` holds"),
                _ => {}
            }
        }
        Fact::Failed { code } => {
            if meters.may_log() {
                warn!(code, "a round with the store of the fleet failed");
            }
        }
        Fact::Staleness { .. }
        | Fact::DirtyKeys(_)
        | Fact::Flushed { .. }
        | Fact::Checked { .. }
        | Fact::Ignored { .. }
        | Fact::LookedUp { .. }
        | Fact::Skew { .. }
        | Fact::Gateways(_) => {}
    }
}

/// One of each that moves a metric, for tests.
#[cfg(test)]
pub(super) const EVENTS: &[super::Event<'static>] = &[
    super::Event::Fleet(Fact::Up(true)),
    super::Event::Fleet(Fact::Staleness { seconds: 0.2 }),
    super::Event::Fleet(Fact::DirtyKeys(3)),
    super::Event::Fleet(Fact::Flushed { seconds: 0.01 }),
    super::Event::Fleet(Fact::Failed { code: "LOADING" }),
    super::Event::Fleet(Fact::Checked { result: "denied" }),
    super::Event::Fleet(Fact::Ignored {
        reason: "member",
        count: 2,
    }),
    super::Event::Fleet(Fact::LookedUp { result: "absent" }),
    super::Event::Fleet(Fact::Skew { millis: -1500 }),
    super::Event::Fleet(Fact::Gateways(3)),
];
