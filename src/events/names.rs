//! The metric handles of names that a configuration brings, and what becomes of all other names.

use hashbrown::HashMap;
use metrics::Counter;

use super::Event;
use super::family::{Family, LABEL_VALUES_MAX, Maker, OTHER};
use crate::engine::policy::Direction;

/// The names of a configuration that may become label values. Everything else is `other`.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Routes, at most 1,000.
    pub routes: Vec<String>,
    /// Budgets, at most 1,000.
    pub budgets: Vec<String>,
    /// Classes of identifier, at most 1,000.
    pub classes: Vec<String>,
    /// Rules that are the operator's expressions, at most 512.
    pub rules: Vec<String>,
    /// Classes of the rules in force and of those in shadow, where there are any.
    pub shadow_classes: Vec<String>,
}

/// The handles of configured names, replaced as a whole on reload.
pub(super) struct NameTables {
    pub(super) routes: HashMap<String, RouteMeters>,
    pub(super) budgets: HashMap<String, BudgetMeters>,
    classes: HashMap<String, Counter>,
    rules: HashMap<String, RuleMeters>,
    shadow_classes: HashMap<String, Family>,
    other: Other,
}

/// The handles of all names that are not configured.
struct Other {
    route: RouteMeters,
    budget: BudgetMeters,
    class: Counter,
    rule: RuleMeters,
    shadow_class: Family,
}

impl NameTables {
    pub(super) fn new(make: &Maker, names: &Names) -> Self {
        fn table<T>(names: &[String], meters: impl Fn(&str) -> T) -> HashMap<String, T> {
            names
                .iter()
                .take(LABEL_VALUES_MAX)
                .map(|name| (name.clone(), meters(name)))
                .collect()
        }
        let route = |name: &str| RouteMeters::new(make, name);
        let budget = |name: &str| BudgetMeters::new(make, name);
        let class = |name: &str| make.counter("tidegate_findings_total", Some(("class", name)));
        let rule = |name: &str| RuleMeters::new(make, name);
        let shadow = |name: &str| make.family("tidegate_shadow_findings_total", "only", Some(("class", name)));
        Self {
            routes: table(&names.routes, route),
            budgets: table(&names.budgets, budget),
            classes: table(&names.classes, class),
            rules: table(&names.rules, rule),
            shadow_classes: table(&names.shadow_classes, shadow),
            other: Other {
                route: route(OTHER),
                budget: budget(OTHER),
                class: class(OTHER),
                rule: rule(OTHER),
                shadow_class: shadow(OTHER),
            },
        }
    }

    pub(super) fn route(&self, name: &str) -> &RouteMeters {
        self.routes.get(name).unwrap_or(&self.other.route)
    }

    pub(super) fn budget(&self, name: &str) -> &BudgetMeters {
        self.budgets.get(name).unwrap_or(&self.other.budget)
    }

    pub(super) fn rule(&self, name: &str) -> &RuleMeters {
        self.rules.get(name).unwrap_or(&self.other.rule)
    }

    pub(super) fn shadow(&self, class: &str) -> &Family {
        self.shadow_classes.get(class).unwrap_or(&self.other.shadow_class)
    }

    pub(super) fn class(&self, name: &str) -> &Counter {
        self.classes.get(name).unwrap_or(&self.other.class)
    }
}

pub(super) struct RouteMeters {
    pub(super) exchanges: Family,
    pub(super) failures: Family,
    shown: CrossingMeters,
    uploaded: CrossingMeters,
}

/// What crossed in one direction.
pub(super) struct CrossingMeters {
    pub(super) people: Counter,
    pub(super) inspected: Counter,
    pub(super) partly: Family,
    pub(super) uninspected: Family,
    pub(super) bypassed: Counter,
}

impl RouteMeters {
    fn new(make: &Maker, name: &str) -> Self {
        let route = Some(("route", name));
        Self {
            exchanges: make.family("tidegate_exchanges_total", "verdict", route),
            failures: make.family("tidegate_upstream_failures_total", "kind", route),
            shown: CrossingMeters {
                people: make.counter("tidegate_people_total", route),
                inspected: make.counter("tidegate_inspected_bytes_total", route),
                partly: make.family("tidegate_partly_inspected_bytes_total", "reason", route),
                uninspected: make.family("tidegate_uninspected_bytes_total", "reason", route),
                bypassed: make.counter("tidegate_bypassed_bytes_total", route),
            },
            uploaded: CrossingMeters {
                people: make.counter("tidegate_upload_people_total", route),
                inspected: make.counter("tidegate_upload_inspected_bytes_total", route),
                partly: make.family("tidegate_upload_partly_inspected_bytes_total", "reason", route),
                uninspected: make.family("tidegate_upload_uninspected_bytes_total", "reason", route),
                bypassed: make.counter("tidegate_upload_bypassed_bytes_total", route),
            },
        }
    }

    pub(super) fn crossing(&self, direction: Direction) -> &CrossingMeters {
        match direction {
            Direction::Response => &self.shown,
            Direction::Request => &self.uploaded,
        }
    }
}

pub(super) struct BudgetMeters {
    pub(super) refusals: Family,
    pub(super) fuse_blown: Counter,
    pub(super) would_refuse: Counter,
}

impl BudgetMeters {
    fn new(make: &Maker, name: &str) -> Self {
        let budget = Some(("budget", name));
        Self {
            refusals: make.family("tidegate_refusals_total", "action", budget),
            fuse_blown: make.counter("tidegate_fuse_blown_total", budget),
            would_refuse: make.counter("tidegate_would_refuse_total", budget),
        }
    }

    /// What it did not refuse was told: it is in monitor, or its fuse has blown.
    pub(super) fn told(&self, event: &Event<'_>) {
        if matches!(event, Event::FuseBlown { .. }) {
            self.fuse_blown.increment(1);
        } else {
            self.would_refuse.increment(1);
        }
    }
}

pub(super) struct RuleMeters {
    pub(super) searched: Counter,
    pub(super) skipped: Counter,
    pub(super) findings: Counter,
}

impl RuleMeters {
    fn new(make: &Maker, name: &str) -> Self {
        let rule = Some(("rule", name));
        Self {
            searched: make.counter("tidegate_rule_searched_bytes_total", rule),
            skipped: make.counter("tidegate_rule_skipped_bytes_total", rule),
            findings: make.counter("tidegate_rule_findings_total", rule),
        }
    }
}
