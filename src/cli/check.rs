//! `tidegate check`: what is wrong with configuration and rules, where, and what was meant.

use std::io::{self, Write};
use std::path::Path;

use super::report::{self, Format};
use super::{Exit, Failed};
use crate::clock::Clock;
use crate::engine::policy::Budget;
use crate::engine::problem::Problem;
use crate::run::{LoadError, Loaded, look};

/// Checks and reports.
///
/// # Errors
/// When something is wrong, or is a warning and warnings are denied.
pub(super) fn execute(path: &Path, format: Format, deny_warnings: bool, out: &mut dyn Write) -> Result<(), Failed> {
    let origin = super::run::origin_of(path);
    match look(&origin, Clock::start().now()) {
        Ok(loaded) => {
            render(&loaded.warnings, &loaded.texts, format, out)?;
            summarise(path, &loaded, format, out)?;
            if deny_warnings && !loaded.warnings.is_empty() {
                return Err(Failed::new(Exit::Config, ""));
            }
            Ok(())
        }
        Err(LoadError::Problems(problems, texts)) => {
            render(&problems, &texts, format, out)?;
            if format == Format::Text {
                writeln!(out, "{}: {}", path.display(), report::summary(&problems))?;
            }
            Err(Failed::new(Exit::Config, ""))
        }
        Err(error) => Err(refused(error, "", out)),
    }
}

/// The last line about a configuration that loads.
fn summarise(path: &Path, loaded: &Loaded, format: Format, out: &mut dyn Write) -> io::Result<()> {
    let (routes, budgets) = (loaded.set.routes.len(), loaded.set.policy.budgets().len());
    match format {
        Format::Text => {
            let routes = report::counted(routes as u64, "route", "routes");
            let budgets = report::counted(budgets as u64, "budget", "budgets");
            for (budget, trips) in round_trips(loaded) {
                let many = trips * KEYS_AT_ONCE;
                let name = &budget.name;
                let (people, window) = (budget.people, budget.window);
                writeln!(
                    out,
                    "strict `{name}`: at most {trips:.4} round trips a second for each key, {many:.0} for a million keys at their \
                     limit ({people} people in {window} s, one at a time; more in one response are one round trip)"
                )?;
            }
            let summary = report::summary(&loaded.warnings);
            writeln!(out, "{}: {routes}, {budgets}: {summary}", path.display())
        }
        Format::Json => {
            let summary = serde_json::json!({
                "file": path.display().to_string(),
                "routes": routes,
                "budgets": budgets,
                "strict": strict(loaded),
                "errors": 0,
                "warnings": loaded.warnings.len(),
            });
            writeln!(out, "{summary}")
        }
    }
}

/// So many keys at their limit at once: what a large shop has.
const KEYS_AT_ONCE: f64 = 1e6;

/// What each strict budget costs at most: whoever is new under a key is confirmed once, and no more than the limit are.
fn round_trips(loaded: &Loaded) -> impl Iterator<Item = (&Budget, f64)> {
    let budgets = loaded.set.policy.budgets().iter();
    let strict = budgets.filter(|budget| budget.strict && budget.refuses());
    strict.map(|budget| (budget, f64::from(budget.people) / f64::from(budget.window.max(1))))
}

fn strict(loaded: &Loaded) -> Vec<serde_json::Value> {
    let costs = round_trips(loaded);
    let costs =
        costs.map(|(budget, trips)| serde_json::json!({ "budget": budget.name, "round_trips_per_key_s": trips }));
    costs.collect()
}

/// What a command says that needs a configuration which does not load; its problems are rendered to `out` first.
pub(super) fn refused(error: LoadError, in_vain: &str, out: &mut dyn Write) -> Failed {
    match error {
        LoadError::Problems(problems, texts) => match render(&problems, &texts, Format::Text, out) {
            Ok(()) => Failed::new(Exit::Config, format!("the configuration is wrong; {in_vain}")),
            Err(error) => error.into(),
        },
        LoadError::Io(path, error) => Failed {
            message: format!("{}: {error}", path.display()),
            ..Failed::from(error)
        },
        error @ LoadError::State(_) => Failed::new(Exit::Permission, error),
    }
}

/// Renders problems over the texts they point into.
pub(super) fn render(
    problems: &[Problem],
    texts: &[(String, String)],
    format: Format,
    out: &mut dyn Write,
) -> io::Result<()> {
    let text_of = |file: &str| {
        texts
            .iter()
            .find(|(name, _)| name == file)
            .map(|(_, text)| text.as_str())
    };
    report::render(problems, text_of, format, out)
}
