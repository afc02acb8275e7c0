//! Switching reports on: the metric table of the process and the writer of log lines.

use std::fmt;
use std::io::{self, IsTerminal as _};

use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

use super::METERS;
use super::meters::Meters;
use super::names::Names;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text if standard error is a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One line a person reads.
    Text,
    /// One JSON object a line.
    Json,
}

/// The log filter does not parse.
#[derive(Debug)]
pub struct BadFilter(tracing_subscriber::filter::ParseError);

impl fmt::Display for BadFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the log filter does not parse: {}", self.0)
    }
}

impl std::error::Error for BadFilter {}

/// What the process needs of its reports after they are switched on.
#[derive(Clone, Copy)]
pub struct Handle(&'static Meters);

impl Handle {
    /// The metrics in the Prometheus text format (`text/plain; version=0.0.4`).
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// To be called every 5 seconds: moves recorded times into their buckets and renews the budget of log lines.
    pub fn upkeep(&self) {
        self.0.upkeep();
    }

    /// Makes the names of a configuration known; call it before each configuration comes into force.
    pub fn register(&self, names: &Names) {
        self.0.register(names);
    }
}

/// Switches reports on: metrics from now on, log lines to standard error. `filter` has the syntax of
/// `tracing_subscriber::EnvFilter`, such as `info`. A second call keeps the log of the first.
///
/// # Errors
///
/// [`BadFilter`] if `filter` does not parse; metrics are on nevertheless.
pub fn install(format: LogFormat, filter: &str) -> Result<Handle, BadFilter> {
    let handle = Handle(METERS.get_or_init(Meters::new));
    let filter = EnvFilter::try_new(filter).map_err(BadFilter)?;
    let json = match format {
        LogFormat::Auto => !io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let lines = tracing_subscriber::fmt::layer().with_timer(Utc).with_writer(io::stderr);
    let lines = if json {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed()
    } else {
        lines.with_ansi(io::stderr().is_terminal()).with_target(false).boxed()
    };
    // The first subscriber of the process stays: tests and embedders may have their own.
    drop(
        tracing_subscriber::registry()
            .with(filter)
            .with(lines.with_filter(own_events()))
            .try_init(),
    );
    Ok(handle)
}

/// Only our own closed events are written: a dependency at trace level would print heads and frames, hence personal data.
fn own_events() -> FilterFn {
    filter_fn(|metadata| {
        let inside = metadata.target().strip_prefix("tidegate::events");
        inside.is_some_and(|inside| inside.is_empty() || inside.starts_with("::"))
    })
}

/// RFC 3339 in UTC with milliseconds.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{:.3}", jiff::Timestamp::now())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::{ClockFact, Event, report};
    use super::*;

    #[test]
    fn a_second_install_is_harmless() {
        let first = install(LogFormat::Json, "error").expect("the filter parses");
        let second = install(LogFormat::Text, "info").expect("the filter parses");
        report(&Event::Draining);
        second.upkeep();
        assert!(first.render().contains("build_info{version="));
    }

    /// Log lines, as a subscriber wrote them.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no test panics with it").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_planted_value_reaches_no_line() {
        let handle = install(LogFormat::Json, "off").expect("the filter parses");
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer()
            .json()
            .with_timer(Utc)
            .with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(own_events()));
        let planted = "hong@example.com";
        tracing::subscriber::with_default(subscriber, || {
            handle.upkeep();
            report(&Event::UpstreamFailed {
                route: planted,
                kind: "reset",
            });
            report(&Event::Refused {
                budget: planted,
                action: "block",
            });
            report(&Event::Clock(ClockFact::Level));
            tracing::warn!(target: "h2::frame", value = planted, "a dependency says too much");
        });
        let lines = String::from_utf8(lines.0.lock().expect("no test panics with it").clone()).expect("text");
        assert_eq!(
            lines.lines().count(),
            3,
            "each fact, whichever room reports it: {lines}"
        );
        assert!(
            !lines.contains(planted) && lines.contains("\"route\":\"other\""),
            "{lines}"
        );
        let line: serde_json::Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
        let time = line["timestamp"].as_str().expect("a time");
        assert!(
            time.len() == "2026-01-01T00:00:00.000Z".len() && time.ends_with('Z'),
            "{time}"
        );
    }

    #[test]
    fn a_filter_that_does_not_parse_is_refused() {
        let error = install(LogFormat::Auto, "tidegate=louder=still")
            .err()
            .expect("it does not parse");
        assert!(error.to_string().starts_with("the log filter does not parse"));
    }
}
