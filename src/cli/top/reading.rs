//! The numbers of a gateway at one moment, read from its metrics, and what they came to since an earlier one.

use std::collections::HashMap;
use std::time::Duration;

/// Metrics by their names; the series of one are added up.
pub(super) struct Reading(HashMap<String, f64>);

impl Reading {
    /// Reads the text format of Prometheus. What is no number is left out: it is a histogram's or a comment.
    pub(super) fn of(text: &str) -> Self {
        let mut sums = HashMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let name = name.split_once('{').map_or(name, |(name, _)| name);
            if let Ok(value) = value.parse::<f64>() {
                *sums.entry(name.to_owned()).or_default() += value;
            }
        }
        Self(sums)
    }

    fn of_name(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }

    /// What is shown of it; rates only beside an `earlier` one.
    pub(super) fn lines(&self, earlier: Option<(&Self, Duration)>) -> Vec<String> {
        let rate = |name: &str| {
            let (earlier, passed) = earlier?;
            let passed = passed.as_secs_f64().max(0.001);
            // A gateway that was started anew counts from nothing.
            Some((self.of_name(name) - earlier.of_name(name)).max(0.0) / passed)
        };
        let a_second = |name: &str| rate(name).map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
        let bytes = |name: &str| rate(name).map_or_else(|| "-".to_owned(), sized);
        let processor = rate("process_cpu_seconds_total");
        let processor = processor.map_or_else(|| "-".to_owned(), |rate| format!("{:.0} %", rate * 100.0));
        vec![
            format!(
                "a second: {} exchanges, {} new people, {} refused, {} would be refused, {} read, {} unread",
                a_second("tidegate_exchanges_total"),
                a_second("tidegate_people_total"),
                a_second("tidegate_refusals_total"),
                a_second("tidegate_would_refuse_total"),
                bytes("tidegate_inspected_bytes_total"),
                bytes("tidegate_uninspected_bytes_total"),
            ),
            format!(
                "now: {} connections, {} keys, {} held back, {} of memory, {processor} of a processor",
                self.of_name("tidegate_connections"),
                self.of_name("tidegate_ledger_keys"),
                sized(self.of_name("tidegate_held_bytes")),
                sized(self.of_name("process_resident_memory_bytes")),
            ),
        ]
    }
}

/// Bytes as people read them.
fn sized(bytes: f64) -> String {
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "KB")];
    let large = units.into_iter().find(|(unit, _)| bytes >= *unit);
    large.map_or_else(
        || format!("{bytes:.0} B"),
        |(unit, name)| format!("{:.1} {name}", bytes / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLIER: &str = "# HELP tidegate_people_total x\ntidegate_people_total{route=\"*/\"} 10\n\
        tidegate_exchanges_total{route=\"a b\",verdict=\"allow\"} 5\n";

    #[test]
    fn series_are_added_up_and_rates_are_those_between_two_looks() {
        let later = format!(
            "{EARLIER}tidegate_people_total{{route=\"two\"}} 20\ntidegate_connections 7\nprocess_resident_memory_bytes 52428800\nno number\n"
        );
        let (earlier, later) = (Reading::of(EARLIER), Reading::of(&later));
        let lines = later.lines(Some((&earlier, Duration::from_secs(2)))).join("\n");
        assert!(lines.contains("0.0 exchanges, 10.0 new people"), "{lines}");
        assert!(
            lines.contains("7 connections, 0 keys, 0 B held back, 52.4 MB of memory"),
            "{lines}"
        );
        assert!(earlier.lines(None).join("\n").contains("a second: - exchanges"));
        let anew = earlier.lines(Some((&later, Duration::from_secs(1)))).join("\n");
        assert!(anew.contains("0.0 new people"), "{anew}");
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [(0.0, "0 B"), (999.0, "999 B"), (1_500.0, "1.5 KB"), (2e9, "2.0 GB")] {
            assert_eq!(sized(bytes), text);
        }
    }
}
