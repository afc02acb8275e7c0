//! The metrics of the process: which event moves which of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::ArcSwap;
use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::family::{ADDED_SECONDS, Family, Maker, OTHER, PerLeg};
use super::help::HELP;
use super::journal::JournalMeters;
use super::names::{NameTables, Names};
use super::revocation::RevocationMeters;
use super::{Event, fleet, identity, process};

/// Log lines that clients can cause between two upkeeps: a flood of bad requests must not fill a disk.
const LOG_LINES_MAX: u32 = 200;
/// Those about rules in shadow: they may not use up the lines of refusals.
const SHADOW_LINES_MAX: u32 = 10;

/// Where the gateway spends the time that it adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Bytes waited for the record around them.
    Holdback,
    /// Decoding and searching.
    Scan,
    /// Reserving and counting.
    Ledger,
    /// Waiting until who was shown is on disk.
    Store,
    /// Working out who asks.
    Identity,
}

/// All metrics of the process.
pub(super) struct Meters {
    make: Maker,
    handle: PrometheusHandle,
    names: ArcSwap<NameTables>,
    log_lines_left: AtomicU32,
    shadow_lines_left: AtomicU32,
    shadow_bodies: Family,
    shadow_people: Family,
    would_fail: Family,
    heads_refused: PerLeg,
    tls_failures: PerLeg,
    limit_hits: Family,
    identity: identity::IdentityMeters,
    audit_dropped: Family,
    store_failures: Family,
    clock_offset: Gauge,
    journal: JournalMeters,
    revocation: RevocationMeters,
    admin_changes: Family,
    admin_denied: Family,
    retries: Counter,
    tunnel_bytes: Counter,
    ledger_full: Counter,
    log_lines_dropped: Counter,
    connections: Gauge,
    held_bytes: Gauge,
    ledger_keys: Gauge,
    ledger_spilled: Gauge,
    ledger_dropped: Counter,
    ledger_read_back: Counter,
    store_bytes: Gauge,
    store_staleness: Gauge,
    store_flush: Histogram,
    reload_ok: Gauge,
    generation: Gauge,
    bypass: Gauge,
    added: Added,
    fleet: fleet::FleetMeters,
}

impl Meters {
    /// All handles, with no configured name yet.
    pub(super) fn new() -> Self {
        let builder = PrometheusBuilder::new()
            .set_buckets(&ADDED_SECONDS)
            .expect("the buckets are not empty");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let make = Maker(Arc::new(recorder));
        for (name, help) in HELP {
            make.describe(name, help);
        }
        handle.run_upkeep(); // publishes the descriptions
        make.gauge("build_info", Some(("version", env!("CARGO_PKG_VERSION"))))
            .set(1.0);
        Self {
            handle,
            names: ArcSwap::from_pointee(NameTables::new(&make, &Names::default())),
            log_lines_left: AtomicU32::new(LOG_LINES_MAX),
            shadow_lines_left: AtomicU32::new(SHADOW_LINES_MAX),
            shadow_bodies: make.family("tidegate_shadow_bodies_total", "outcome", None),
            shadow_people: make.family("tidegate_shadow_people_total", "only", None),
            would_fail: make.family("tidegate_would_fail_total", "reason", None),
            heads_refused: PerLeg::new(&make, "tidegate_heads_refused_total", "fault"),
            tls_failures: PerLeg::new(&make, "tidegate_tls_failures_total", "kind"),
            limit_hits: make.family("tidegate_limit_hits_total", "limit", None),
            identity: identity::IdentityMeters::new(&make),
            store_failures: make.family("tidegate_store_failures_total", "reason", None),
            audit_dropped: make.family("tidegate_audit_dropped_total", "reason", None),
            clock_offset: make.gauge("tidegate_clock_offset_seconds", None),
            journal: JournalMeters::new(&make),
            revocation: RevocationMeters::new(&make),
            admin_changes: make.family("tidegate_admin_changes_total", "operation", None),
            admin_denied: make.family("tidegate_admin_denied_total", "reason", None),
            retries: make.counter("tidegate_upstream_retries_total", None),
            tunnel_bytes: make.counter("tidegate_tunnel_bytes_total", None),
            ledger_full: make.counter("tidegate_ledger_full_total", None),
            log_lines_dropped: make.counter("tidegate_log_lines_dropped_total", None),
            connections: make.gauge("tidegate_connections", None),
            held_bytes: make.gauge("tidegate_held_bytes", None),
            ledger_keys: make.gauge("tidegate_ledger_keys", None),
            ledger_spilled: make.gauge("tidegate_ledger_spilled_keys", None),
            ledger_dropped: make.counter("tidegate_ledger_dropped_keys_total", None),
            ledger_read_back: make.counter("tidegate_ledger_read_back_keys_total", None),
            store_bytes: make.gauge("tidegate_store_bytes", None),
            store_staleness: make.gauge("tidegate_store_staleness_seconds", None),
            store_flush: make.histogram("tidegate_store_flush_seconds", None),
            reload_ok: make.gauge("tidegate_config_last_reload_successful", None),
            generation: make.gauge("tidegate_config_generation", None),
            bypass: make.gauge("tidegate_bypass_active", None),
            added: Added::new(&make),
            fleet: fleet::FleetMeters::new(&make),
            make,
        }
    }

    /// Moves the metrics of one event.
    pub(super) fn count(&self, event: &Event<'_>) {
        match *event {
            Event::Connection(true) => self.connections.increment(1.0),
            Event::Connection(false) => self.connections.decrement(1.0),
            Event::HeadRefused { leg, fault } => self.heads_refused.of(leg).add(fault, 1),
            Event::TlsFailed { leg, kind } => self.tls_failures.of(leg).add(kind, 1),
            Event::LimitHit { limit } => self.limit_hits.add(limit, 1),
            Event::UpstreamFailed { route, kind } => self.names.load().route(route).failures.add(kind, 1),
            Event::UpstreamRetried => self.retries.increment(1),
            Event::TunnelBytes(bytes) => self.tunnel_bytes.increment(bytes),
            Event::CredentialsDisagree { .. } | Event::Identity(_) | Event::Baseline(_) => self.identity.count(event),
            Event::ExchangeEnded { route, verdict } => self.names.load().route(route).exchanges.add(verdict, 1),
            Event::Crossed(crossing) => super::crossing::count(&self.names.load(), crossing),
            Event::Findings { class, count } => self.names.load().class(class).increment(count),
            Event::RuleRan {
                rule,
                searched_bytes,
                skipped_bytes,
                findings,
            } => {
                let names = self.names.load();
                let meters = names.rule(rule);
                meters.searched.increment(searched_bytes);
                meters.skipped.increment(skipped_bytes);
                meters.findings.increment(findings);
            }
            Event::Shadowed { outcome } => self.shadow_bodies.add(outcome, 1),
            Event::ShadowFindings { class, only, count } => self.names.load().shadow(class).add(only, count),
            Event::ShadowPeople { only, count } => self.shadow_people.add(only, count),
            Event::Refused { budget, action } => self.names.load().budget(budget).refusals.add(action, 1),
            Event::FuseBlown { budget } | Event::WouldRefuse { budget } => self.names.load().budget(budget).told(event),
            Event::WouldFail { reason } => self.would_fail.add(reason, 1),
            Event::AddedSeconds { part, seconds } => self.added.of(part).record(seconds),
            Event::HeldBytes(bytes) => self.held_bytes.set(approximate(bytes)),
            Event::LedgerKeys { keys, spilled, dropped } => {
                self.ledger_keys.set(approximate(keys));
                self.ledger_spilled.set(approximate(spilled));
                self.ledger_dropped.absolute(dropped);
            }
            Event::KeysReadBack(keys) => self.ledger_read_back.increment(keys),
            Event::LedgerFull => self.ledger_full.increment(1),
            Event::StoreWritten { seconds } => self.store_flush.record(seconds),
            Event::StoreBytes(bytes) => self.store_bytes.set(approximate(bytes)),
            Event::StoreStale { seconds } => self.store_staleness.set(seconds),
            Event::StoreFailed { reason } => self.store_failures.add(reason, 1),
            Event::Fleet(ref fact) => self.fleet.count(fact),
            Event::Reloaded { ok, generation } => {
                self.reload_ok.set(f64::from(u8::from(ok)));
                self.generation.set(approximate(generation));
            }
            Event::Bypass(on) => self.bypass.set(f64::from(u8::from(on))),
            Event::AuditDropped { reason } => self.audit_dropped.add(reason, 1),
            Event::Clock(fact) => super::clock::count(&self.clock_offset, fact),
            Event::Journal(fact) => self.journal.count(fact),
            Event::Revocation(fact) => self.revocation.count(fact),
            Event::AdminChanged { operation } => self.admin_changes.add(operation, 1),
            Event::AdminDenied { reason } => self.admin_denied.add(reason, 1),
            Event::Listening { .. }
            | Event::Problem { .. }
            | Event::Warning { .. }
            | Event::ShadowDiffered { .. }
            | Event::Confined { .. }
            | Event::Draining
            | Event::Stopped
            | Event::AuditRecovered
            | Event::StoreBeside
            | Event::StoreLoaded { .. }
            | Event::StoreRecovered => {}
        }
    }

    /// Makes the handles of a configuration's names; those of the previous one are no longer found, and keep their counts.
    pub(super) fn register(&self, names: &Names) {
        self.names.store(Arc::new(NameTables::new(&self.make, names)));
    }

    /// The name if it is configured, or `other`.
    pub(super) fn known<'a>(&self, kind: Kind, name: &'a str) -> &'a str {
        let names = self.names.load();
        let known = match kind {
            Kind::Route => names.routes.contains_key(name),
            Kind::Budget => names.budgets.contains_key(name),
        };
        if known { name } else { OTHER }
    }

    /// Whether one more line of the kind that clients can cause may be written before the next upkeep.
    pub(super) fn may_log(&self) -> bool {
        self.may_take(&self.log_lines_left)
    }

    /// The same for a line about rules in shadow.
    pub(super) fn may_log_shadow(&self) -> bool {
        self.may_take(&self.shadow_lines_left)
    }

    fn may_take(&self, lines_left: &AtomicU32) -> bool {
        let left = lines_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_err() {
            self.log_lines_dropped.increment(1);
        }
        left.is_ok()
    }

    /// Moves recorded times into their buckets; without it they pile up until the next scrape.
    pub(super) fn upkeep(&self) {
        self.handle.run_upkeep();
        self.log_lines_left.store(LOG_LINES_MAX, Ordering::Relaxed);
        self.shadow_lines_left.store(SHADOW_LINES_MAX, Ordering::Relaxed);
    }

    /// The Prometheus text format, 0.0.4.
    pub(super) fn render(&self) -> String {
        let mut text = self.handle.render();
        process::render(&mut text);
        text
    }
}

/// Whose name it is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Route,
    Budget,
}

/// Gauges are floats in the format; above 2^53 the last digits do not matter.
#[expect(clippy::cast_precision_loss, reason = "a gauge that large needs no last digit")]
pub(super) fn approximate(value: u64) -> f64 {
    value as f64
}

/// The histograms of added time.
struct Added {
    holdback: Histogram,
    scan: Histogram,
    ledger: Histogram,
    store: Histogram,
    identity: Histogram,
}

impl Added {
    fn new(make: &Maker) -> Self {
        let part = |part| make.histogram("tidegate_added_seconds", Some(("part", part)));
        Self {
            holdback: part("holdback"),
            scan: part("scan"),
            ledger: part("ledger"),
            store: part("store"),
            identity: part("identity"),
        }
    }

    fn of(&self, part: Part) -> &Histogram {
        match part {
            Part::Holdback => &self.holdback,
            Part::Scan => &self.scan,
            Part::Ledger => &self.ledger,
            Part::Store => &self.store,
            Part::Identity => &self.identity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Crossed, Crossing, Leg, crossing, journal, revocation};
    use super::*;
    use crate::engine::policy::Direction;

    fn names() -> Names {
        Names {
            routes: vec!["shop".into()],
            budgets: vec!["bulk".into()],
            classes: vec!["email".into()],
            rules: vec!["staff".into()],
            shadow_classes: vec!["badge".into()],
        }
    }

    /// One event of each kind that moves a metric.
    const EVENTS: &[Event<'static>] = &[
        Event::Connection(true),
        Event::HeadRefused {
            leg: Leg::Upstream,
            fault: "two-lengths",
        },
        Event::TlsFailed {
            leg: Leg::Downstream,
            kind: "alpn",
        },
        Event::LimitHit {
            limit: "header_bytes_max",
        },
        Event::UpstreamFailed {
            route: "shop",
            kind: "reset",
        },
        Event::UpstreamRetried,
        Event::TunnelBytes(7),
        Event::ExchangeEnded {
            route: "shop",
            verdict: "block",
        },
        Event::Findings {
            class: "email",
            count: 50,
        },
        Event::RuleRan {
            rule: "staff",
            searched_bytes: 700,
            skipped_bytes: 30,
            findings: 2,
        },
        Event::Shadowed { outcome: "different" },
        Event::ShadowFindings {
            class: "badge",
            only: "shadow",
            count: 3,
        },
        Event::ShadowPeople {
            only: "active",
            count: 4,
        },
        Event::Refused {
            budget: "bulk",
            action: "block",
        },
        Event::WouldRefuse { budget: "bulk" },
        Event::WouldFail { reason: "coding" },
        Event::AddedSeconds {
            part: Part::Identity,
            seconds: 3e-6,
        },
        Event::HeldBytes(4096),
        Event::LedgerKeys {
            keys: 12,
            spilled: 5,
            dropped: 2,
        },
        Event::KeysReadBack(3),
        Event::LedgerFull,
        Event::StoreWritten { seconds: 0.003 },
        Event::StoreBytes(8192),
        Event::StoreStale { seconds: 0.5 },
        Event::StoreFailed { reason: "full" },
        Event::Reloaded {
            ok: true,
            generation: 2,
        },
        Event::Bypass(false),
        Event::AuditDropped { reason: "queue" },
        Event::AdminChanged { operation: "release" },
        Event::AdminDenied { reason: "role" },
    ];

    #[test]
    fn every_described_metric_is_rendered_with_its_help() {
        let meters = Meters::new();
        meters.register(&names());
        for event in EVENTS
            .iter()
            .chain(&journal::FACTS)
            .chain(&revocation::FACTS)
            .chain(fleet::EVENTS)
            .chain(identity::FACTS)
        {
            meters.count(event);
        }
        crossing::facts().for_each(|event| meters.count(&event));
        let text = meters.render();
        for (name, help) in HELP {
            assert!(
                text.contains(&format!("# HELP {name} {help}\n")),
                "{name} has no help in\n{text}"
            );
            assert!(text.contains(&format!("\n# TYPE {name} ")), "{name} is not rendered");
        }
        for line in [
            "tidegate_exchanges_total{route=\"shop\",verdict=\"block\"} 1",
            "tidegate_heads_refused_total{leg=\"upstream\",fault=\"two-lengths\"} 1",
            "tidegate_findings_total{class=\"email\"} 50",
            "tidegate_rule_searched_bytes_total{rule=\"staff\"} 700",
            "tidegate_rule_skipped_bytes_total{rule=\"staff\"} 30",
            "tidegate_rule_findings_total{rule=\"staff\"} 2",
            "tidegate_shadow_findings_total{class=\"badge\",only=\"shadow\"} 3",
            "tidegate_shadow_people_total{only=\"active\"} 4",
            "tidegate_refusals_total{budget=\"bulk\",action=\"block\"} 1",
            "tidegate_added_seconds_bucket{part=\"identity\",le=\"0.000002\"} 0",
            "tidegate_added_seconds_bucket{part=\"identity\",le=\"0.000005\"} 1",
            "tidegate_held_bytes 4096",
            "tidegate_config_generation 2",
        ] {
            assert!(text.contains(line), "no line {line} in\n{text}");
        }
    }

    #[test]
    fn a_value_that_is_no_configured_name_becomes_other() {
        let meters = Meters::new();
        meters.register(&names());
        let planted = "hong@example.com";
        meters.count(&Event::ExchangeEnded {
            route: planted,
            verdict: "allow",
        });
        meters.count(&Event::Refused {
            budget: planted,
            action: "block",
        });
        meters.count(&Event::Findings {
            class: planted,
            count: 1,
        });
        meters.count(&Event::RuleRan {
            rule: planted,
            searched_bytes: 1,
            skipped_bytes: 0,
            findings: 0,
        });
        let text = meters.render();
        assert!(!text.contains(planted));
        assert!(text.contains("tidegate_exchanges_total{route=\"other\",verdict=\"allow\"} 1"));
        assert_eq!(meters.known(Kind::Route, planted), OTHER);
        assert_eq!(meters.known(Kind::Budget, "bulk"), "bulk");
    }

    #[test]
    fn counts_survive_a_reload() {
        let meters = Meters::new();
        let people = |count| {
            Event::Crossed(Crossing {
                route: "shop",
                direction: Direction::Response,
                what: Crossed::People(count),
            })
        };
        meters.register(&names());
        meters.count(&people(2));
        meters.register(&names());
        meters.count(&people(3));
        assert!(meters.render().contains("tidegate_people_total{route=\"shop\"} 5"));
    }

    #[test]
    fn a_flood_of_log_lines_is_cut_until_upkeep() {
        let meters = Meters::new();
        let written = (0..LOG_LINES_MAX * 3).filter(|_| meters.may_log()).count();
        assert_eq!(written, LOG_LINES_MAX as usize);
        meters.upkeep();
        assert!(meters.may_log());
        assert!(meters.render().contains("tidegate_log_lines_dropped_total 400"));
    }
}
