//! Where metric handles come from, and the counters whose label values the code itself names.

use std::sync::Arc;

use arc_swap::ArcSwap;
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _, SharedString};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::Leg;

/// The bounds of `tidegate_added_seconds`, in seconds: from a look-up to a full time-out.
pub(super) const ADDED_SECONDS: [f64; 16] = [
    1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 1e-2, 0.1, 0.5, 1.0, 5.0,
];

/// Values that one label may take; past it, they are counted as [`OTHER`]. Bounds the memory and the size of a scrape.
pub(super) const LABEL_VALUES_MAX: usize = 1_000;

/// The value of a label whose real value is not one we know.
pub(super) const OTHER: &str = "other";

const METADATA: Metadata<'static> = Metadata::new("tidegate", Level::INFO, None);

/// Makes handles. The recorder is ours and not the global one of the `metrics` crate: no dependency can add a metric
/// that we have not looked at. Making a handle twice gives the same counter.
#[derive(Clone)]
pub(super) struct Maker(pub(super) Arc<PrometheusRecorder>);

impl Maker {
    pub(super) fn describe(&self, name: &'static str, help: &'static str) {
        // The kind does not matter to the text format: one table of descriptions serves all.
        self.0
            .describe_counter(name.into(), None, SharedString::const_str(help));
    }

    pub(super) fn counter(&self, name: &'static str, label: Option<(&'static str, &str)>) -> Counter {
        self.0
            .register_counter(&Key::from_parts(name, labels(label)), &METADATA)
    }

    pub(super) fn gauge(&self, name: &'static str, label: Option<(&'static str, &str)>) -> Gauge {
        self.0.register_gauge(&Key::from_parts(name, labels(label)), &METADATA)
    }

    pub(super) fn histogram(&self, name: &'static str, label: Option<(&'static str, &str)>) -> Histogram {
        self.0
            .register_histogram(&Key::from_parts(name, labels(label)), &METADATA)
    }

    /// A family of counters `name{fixed, label}`.
    pub(super) fn family(
        &self,
        name: &'static str,
        label: &'static str,
        fixed: Option<(&'static str, &str)>,
    ) -> Family {
        Family {
            name,
            label,
            fixed: labels(fixed),
            make: self.clone(),
            seen: ArcSwap::default(),
        }
    }
}

fn labels(label: Option<(&'static str, &str)>) -> Vec<Label> {
    label
        .into_iter()
        .map(|(name, value)| Label::new(name, value.to_owned()))
        .collect()
}

/// One counter per value of a label whose values are constants of the code, made when a value is first seen.
pub(super) struct Family {
    name: &'static str,
    label: &'static str,
    fixed: Vec<Label>,
    make: Maker,
    /// A handful, so that a look at each costs less than a hash.
    seen: ArcSwap<Vec<(&'static str, Counter)>>,
}

impl Family {
    /// Adds `count` to the counter of `value`.
    pub(super) fn add(&self, value: &'static str, count: u64) {
        let seen = self.seen.load();
        if let Some((_, counter)) = seen.iter().find(|(known, _)| *known == value) {
            return counter.increment(count);
        }
        let value = if seen.len() < LABEL_VALUES_MAX { value } else { OTHER };
        let mut labels = self.fixed.clone();
        labels.push(Label::from_static_parts(self.label, value));
        let counter = self
            .make
            .0
            .register_counter(&Key::from_parts(self.name, labels), &METADATA);
        counter.increment(count);
        self.seen.rcu(|seen| {
            let mut seen = Vec::clone(seen);
            // Another thread may have been first: then both have the same counter.
            seen.push((value, counter.clone()));
            seen
        });
    }
}

/// A family of counters for each leg.
pub(super) struct PerLeg {
    downstream: Family,
    upstream: Family,
}

impl PerLeg {
    pub(super) fn new(make: &Maker, name: &'static str, label: &'static str) -> Self {
        let family = |leg: Leg| make.family(name, label, Some(("leg", leg.name())));
        Self {
            downstream: family(Leg::Downstream),
            upstream: family(Leg::Upstream),
        }
    }

    pub(super) fn of(&self, leg: Leg) -> &Family {
        match leg {
            Leg::Downstream => &self.downstream,
            Leg::Upstream => &self.upstream,
        }
    }
}
