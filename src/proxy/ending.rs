//! How an exchange ended, told once: to metrics, to the audit trail, and to the holds that a refusal sets.

use std::sync::Arc;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::asked::{Asked, failed};
use super::driver::Driver;
use super::fail::Reason;
use super::fuse;
use super::gateway::{Gateway, Set};
use super::outcome::{Denial, Outcome};
use super::shadow::Recording;
use super::upstream::UpstreamErrorKind;
use crate::audit::Sighting;
use crate::engine::detect::ClassId;
use crate::engine::inspect::{Content, Failure};
use crate::engine::ledger::{Account, BudgetId, Dimension, KeyId};
use crate::engine::policy::{Action, Direction};
use crate::events::{Crossed, Crossing, Event, Part, report};
use crate::identity::network_of;

/// How long a session that was cut mid-stream is asked to log in again on its next request, in seconds.
const REAUTH_MARK_SECONDS: u32 = 3600;

/// Reports one exchange when its body is dropped.
pub(super) struct Ending {
    gateway: Arc<Gateway>,
    set: Arc<Set>,
    route: usize,
    network: IpNet,
    /// The first key of the exchange that is not shared: an incident is about it.
    keys: SmallVec<[(KeyId, Dimension); 6]>,
    /// Whose refusal by a budget on a shared key counts.
    honest: Option<u64>,
    /// Of which side of the exchange this is the end: that of the response is the exchange's own.
    pub(super) direction: Direction,
    /// The copy of its body, where other rules are tried on it.
    recording: Option<Recording>,
    /// One side of an exchange whose end is reported elsewhere: with the other side.
    pub(super) is_beside: bool,
    /// A bypass suspends its budgets.
    is_bypassed: bool,
    /// So many of the budgets that told, and that masked, were reported with a message before.
    met: [usize; 2],
}

impl Ending {
    pub(super) fn new(gateway: &Arc<Gateway>, asked: &Asked, account: &Account) -> Self {
        let keys = account.keys().iter().map(|used| (used.key, used.dimension)).collect();
        Self {
            gateway: Arc::clone(gateway),
            set: Arc::clone(&asked.set),
            route: asked.route,
            network: network_of(asked.actor.address),
            keys,
            honest: asked.honest,
            direction: Direction::Response,
            is_bypassed: asked.is_bypassed,
            recording: None,
            is_beside: false,
            met: [0; 2],
        }
    }

    /// Other rules are tried on its body, if there are any and it is its turn.
    pub(super) fn tried_in_shadow(mut self, content: Content) -> Self {
        self.recording = self.gateway.shadows.begin(&self.set, content);
        self
    }

    /// The next chunk of its body as it came.
    pub(super) fn came(&mut self, chunk: &[u8]) {
        if let Some(recording) = &mut self.recording {
            recording.add(chunk);
        }
    }

    /// Who an incident is about: the actor's most specific key, for an exchange has no name.
    fn actor_key(&self, key: KeyId, dimension: Dimension, budget: BudgetId) -> (KeyId, Dimension) {
        let per_exchange = self
            .set
            .policy
            .get(budget)
            .is_some_and(|budget| budget.per == Dimension::Exchange);
        let own = self
            .keys
            .iter()
            .filter(|(_, dimension)| !dimension.is_shared())
            .min_by_key(|(_, dimension)| *dimension);
        if per_exchange {
            own.copied().unwrap_or((key, dimension))
        } else {
            (key, dimension)
        }
    }

    /// The client sees a truncated body from here on: who must log in again is asked to on the next request.
    pub(super) fn cut(&self, driver: &Driver) {
        let Some(Denial::Budget {
            budget, key, dimension, ..
        }) = driver.outcome().denial
        else {
            return;
        };
        if self
            .set
            .policy
            .get(budget)
            .is_some_and(|meant| meant.action == Action::Reauth)
        {
            let (key, dimension) = self.actor_key(key, dimension, budget);
            let (ledger, now) = (&self.gateway.ledger, self.gateway.clock.now());
            // The mark ends with the next request: it may not take the place of a hold.
            let mut others = driver.keys().iter().filter(|used| used.key == key);
            if others.all(|used| ledger.held(std::slice::from_ref(used), now).is_none()) {
                ledger.hold(key, dimension, REAUTH_MARK_SECONDS, Some(budget), now);
                self.gateway.store.hold_changed();
            }
        }
    }

    /// Tells what was read of the body, or of one message where the exchange carries more than one, and which budgets it met.
    pub(super) fn tell_body(&mut self, driver: &mut Driver) {
        self.journal(driver);
        self.report_body(self.route_name(), driver);
        self.tell_met(driver);
    }

    /// Tells which budgets were met since it last was.
    pub(super) fn tell_met(&mut self, driver: &mut Driver) {
        let met = self.met(driver);
        if met.is_empty() {
            return;
        }
        let (route, classes) = (self.route_name(), self.classes(driver));
        for (budget, key, people, done) in met {
            self.sighted(budget, key, people, done, route, &classes);
        }
        drop(classes);
        self.met = [driver.outcome().told.len(), driver.outcome().masked.len()];
    }

    fn route_name(&self) -> &str {
        self.set.routes.get(self.route).map_or("", |route| route.name.as_str())
    }

    /// Tells everything. `failure`: how the upstream failed within its body.
    pub(super) fn report(mut self, driver: &mut Driver, failure: Option<UpstreamErrorKind>) {
        if let Some(recording) = self.recording.take() {
            self.gateway.shadows.end(recording);
        }
        self.tell_body(driver);
        let (route, outcome) = (self.route_name(), driver.outcome());
        let failed = failure.map(|kind| failed(route, kind));
        let verdict = failed
            .filter(|_| outcome.denial.is_none())
            .unwrap_or_else(|| self.verdict(outcome));
        if !self.is_beside {
            report(&Event::ExchangeEnded { route, verdict });
        }
        match outcome.denial {
            Some(Denial::Budget {
                budget, key, people, ..
            }) => {
                let action = self
                    .set
                    .policy
                    .get(budget)
                    .map_or(Action::Block, |budget| budget.action);
                self.sighted(budget, key, people, Some(action.name()), route, &self.classes(driver));
            }
            Some(Denial::Throttled { budget, .. }) => {
                if let Some((key, _)) = self.keys.first() {
                    self.sighted(budget, *key, 0, Some("throttle"), route, &self.classes(driver));
                }
            }
            Some(Denial::Revoked(name)) => self.gateway.tell_revoked(name, self.network, route),
            Some(Denial::Fail(_) | Denial::Held) | None => {}
        }
    }

    /// The bytes that nobody looked into, for whoever asks later what may have been in them.
    fn journal(&self, driver: &mut Driver) {
        let passed = driver.outcome().passed.clone();
        for (reason, _) in passed {
            if !reason.is_inspected() {
                let bytes = passed_bytes(driver, reason);
                let now = self.gateway.clock.now();
                driver.witness().uninspected(reason.name(), bytes, now);
            }
        }
    }

    /// The budgets that told or masked, with the people who count under each by now.
    fn met(&self, driver: &mut Driver) -> Vec<(BudgetId, KeyId, u32, Option<&'static str>)> {
        let outcome = driver.outcome();
        if self.met == [outcome.told.len(), outcome.masked.len()] {
            return Vec::new();
        }
        let now = self.gateway.clock.now();
        let [told_before, masked_before] = self.met;
        let told = outcome
            .told
            .iter()
            .skip(told_before)
            .map(|(budget, key, people)| (*budget, *key, *people, None));
        let masked = outcome
            .masked
            .iter()
            .skip(masked_before)
            .map(|(budget, key, people)| (*budget, *key, *people, Some("redact")));
        let mut met: Vec<_> = told.chain(masked).collect();
        for (budget, key, people, _) in &mut met {
            let window = self.set.policy.get(*budget).map_or(0, |budget| budget.window);
            *people = driver.account().people_under(*key, window, now).max(*people);
        }
        met
    }

    fn report_body(&self, route: &str, driver: &Driver) {
        let (tally, outcome) = (driver.tally(), driver.outcome());
        if self.is_bypassed {
            let read = tally.map_or(0, |tally| tally.inspected_bytes + tally.uninspected_bytes);
            let bytes = read + driver.unread_bytes();
            self.crossed(route, Crossed::Bypassed(bytes));
        }
        if let Some(tally) = tally.filter(|tally| tally.inspected_bytes > 0) {
            self.crossed(route, Crossed::Inspected(tally.inspected_bytes));
        }
        for (class, count) in tally.iter().flat_map(|tally| &tally.findings) {
            let class = self.set.rules.class_name(ClassId(*class));
            report(&Event::Findings {
                class,
                count: u64::from(*count),
            });
        }
        for used in driver
            .inspector()
            .into_iter()
            .flat_map(|inspector| inspector.usage().rules())
        {
            report(&Event::RuleRan {
                rule: self.set.rules.rule_name(used.rule),
                searched_bytes: used.searched_bytes,
                skipped_bytes: used.skipped_bytes,
                findings: used.findings,
            });
        }
        if outcome.new_people > 0 {
            self.crossed(route, Crossed::People(outcome.new_people));
        }
        self.report_passed(route, driver);
        if let Some(Denial::Fail(reason)) = outcome.denial {
            report(&Event::Refused {
                budget: "fail_mode",
                action: reason.name(),
            });
        }
        for (part, time) in [
            (Part::Scan, outcome.scan),
            (Part::Ledger, outcome.ledger),
            (Part::Store, outcome.store),
            (Part::Holdback, outcome.holdback),
        ] {
            // A part that the exchange did not have adds nothing, not even a nought.
            if time.is_zero() {
                continue;
            }
            report(&Event::AddedSeconds {
                part,
                seconds: time.as_secs_f64(),
            });
        }
    }

    fn crossed(&self, route: &str, what: Crossed) {
        report(&Event::Crossed(Crossing {
            route,
            direction: self.direction,
            what,
        }));
    }

    /// Tells what fail modes let pass.
    fn report_passed(&self, route: &str, driver: &Driver) {
        for (reason, would_refuse) in &driver.outcome().passed {
            let (bytes, name) = (passed_bytes(driver, *reason), reason.name());
            if *would_refuse {
                report(&Event::WouldFail { reason: name });
            }
            if *reason == Reason::LedgerFull {
                report(&Event::LedgerFull);
            }
            let what = if reason.is_partial() {
                Crossed::Partly { reason: name, bytes }
            } else {
                Crossed::Uninspected { reason: name, bytes }
            };
            self.crossed(route, what);
        }
    }

    fn verdict(&self, outcome: &Outcome) -> &'static str {
        match outcome.denial {
            Some(denial) => denial.verdict(&self.set.policy),
            None if outcome.switched => "tunnel",
            None if !outcome.masked.is_empty() => "redact",
            None if !outcome.told.is_empty() => "alert",
            None => "allow",
        }
    }

    fn classes(&self, driver: &Driver) -> SmallVec<[&str; 8]> {
        let findings = driver.tally().into_iter().flat_map(|tally| &tally.findings);
        findings
            .map(|(class, _)| self.set.rules.class_name(ClassId(*class)))
            .collect()
    }

    /// One budget was met: `done` is what was done, `None` when it only told.
    fn sighted(
        &self,
        budget: BudgetId,
        key: KeyId,
        people: u32,
        done: Option<&'static str>,
        route: &str,
        classes: &[&str],
    ) {
        let now = self.gateway.clock.now();
        let Some(meant) = self.set.policy.get(budget) else {
            return;
        };
        match done {
            Some(action) => {
                fuse::refused(&self.gateway, &self.set, self.honest, budget, now);
                report(&Event::Refused {
                    budget: &meant.name,
                    action,
                });
            }
            None if meant.action != Action::Alert => report(&Event::WouldRefuse { budget: &meant.name }),
            None => {}
        }
        self.gateway.audit.sighted(
            &Sighting {
                key: self.actor_key(key, meant.per, budget).0,
                dimension: meant.per,
                budget: &meant.name,
                route,
                action: done.unwrap_or_else(|| meant.action.name()),
                enforced: done.is_some(),
                unit: meant.unit(),
                people: u64::from(people),
                limit: meant.amount(),
                window_s: meant.window,
                classes,
                network: self.network,
            },
            now,
        );
    }
}

/// Bytes of the body that `reason` let pass: those that were not looked into, or not by every expression; or, where someone went
/// uncounted or is not on disk, those that were.
fn passed_bytes(driver: &Driver, reason: Reason) -> u64 {
    let Some(inspector) = driver.inspector() else {
        return driver.unread_bytes();
    };
    if reason.is_inspected() {
        return inspector.tally().inspected_bytes;
    }
    if matches!(reason, Reason::Tunnel | Reason::Frames) {
        return driver.unread_bytes();
    }
    if reason == Reason::Body(Failure::RuleBudget) {
        return inspector.usage().skipped_bytes();
    }
    inspector.tally().uninspected_bytes
}
