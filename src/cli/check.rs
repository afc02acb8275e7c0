//! `tidegate check`: what is wrong with configuration and rules, where, and what was meant.

use std::io::{self, Write};
use std::path::Path;

use super::report::{self, Format};
use super::{Exit, Failed};
use crate::clock::Clock;
use crate::engine::problem::Problem;
use crate::run::{LoadError, Loaded, Origin, look};

/// Checks and reports.
///
/// # Errors
/// When something is wrong, or is a warning and warnings are denied.
pub(super) fn execute(path: &Path, format: Format, deny_warnings: bool, out: &mut dyn Write) -> Result<(), Failed> {
    let origin = Origin {
        path: Some(path.to_owned()),
        text: String::new(),
        variables: super::run::variables(),
    };
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
            let summary = report::summary(&loaded.warnings);
            writeln!(out, "{}: {routes}, {budgets}: {summary}", path.display())
        }
        Format::Json => {
            let summary = serde_json::json!({
                "file": path.display().to_string(),
                "routes": routes,
                "budgets": budgets,
                "errors": 0,
                "warnings": loaded.warnings.len(),
            });
            writeln!(out, "{summary}")
        }
    }
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
