//! `tidegate sizing`: which cores, memory, disk and Redis so much traffic takes, from what was measured and what is guessed.

mod plan;

use std::io::Write;

use super::args::SizingArgs;
use super::listing::table;
use super::report::grouped;
use super::{Exit, Failed, check};
use crate::clock::Clock;
use crate::engine::ledger::{Dimension, Settings};
use crate::engine::policy::{Budget, Condition, Enforcement};
use crate::run::{Loaded, look};
use crate::store::journal;
use plan::{Asked, Family, GIVEN, Sizing};

/// Prints what it takes, and from what that was worked out.
///
/// # Errors
/// A configuration that does not load.
pub(super) fn execute(args: &SizingArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let loaded = args.config.as_ref().map(|path| {
        let origin = super::run::origin_of(path);
        look(&origin, Clock::start().now()).map_err(|error| check::refused(error, "nothing was sized", &mut *out))
    });
    let loaded = loaded.transpose()?;
    let asked = asked(args, loaded.as_ref());
    if asked.families.is_empty() {
        return Err(Failed::new(
            Exit::Failure,
            "no budget counts people, so that no key takes any room",
        ));
    }
    let bytes_max = loaded.map_or_else(Settings::default, |loaded| loaded.ledger).bytes_max as u64;
    for line in lines(&asked, &plan::plan(&asked), bytes_max) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// What is sized: the kinds of keys under which budgets count people.
fn asked(args: &SizingArgs, loaded: Option<&Loaded>) -> Asked {
    let usual = |dimension: Dimension| Family {
        name: dimension.name().to_string(),
        dimension,
        window_s: 86_400,
        exact_people: 100,
    };
    let usual_days = || journal::Settings::default().retention_days;
    let families = loaded.map_or_else(
        || vec![usual(Dimension::Session), usual(Dimension::Principal)],
        |loaded| families(loaded.set.policy.budgets()),
    );
    Asked {
        rps: args.rps,
        mau: args.mau,
        journal_days: loaded
            .map_or_else(usual_days, |loaded| loaded.journal.retention_days)
            .into(),
        routes: loaded.map_or(1, |loaded| loaded.set.routes.len() as u64),
        families,
    }
}

fn families(budgets: &[Budget]) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    let counting = budgets.iter().filter(|budget| {
        budget.enforcement != Enforcement::Off && budget.counted.is_none() && budget.per != Dimension::Exchange
    });
    for budget in counting {
        let conditions: Vec<String> = budget.when.iter().map(Condition::text).collect();
        let name = std::iter::once(budget.per.name().to_string())
            .chain(conditions)
            .collect::<Vec<_>>()
            .join(", ");
        let exact_people = if budget.refuses() { budget.people } else { 0 };
        match families.iter_mut().find(|family| family.name == name) {
            Some(family) => {
                family.window_s = family.window_s.max(budget.window);
                family.exact_people = family.exact_people.max(exact_people);
            }
            None => families.push(Family {
                name,
                dimension: budget.per,
                window_s: budget.window,
                exact_people,
            }),
        }
    }
    families
}

fn lines(asked: &Asked, sizing: &Sizing, bytes_max: u64) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{} exchanges a second at most, {} people a month:",
            grouped(asked.rps),
            grouped(asked.mau)
        ),
        format!("  cores   {}", grouped(sizing.cores)),
        format!(
            "  memory  {} for each gateway, of which the ledger {}",
            sized(sizing.memory_bytes),
            sized(sizing.ledger_bytes)
        ),
        format!(
            "  disk    {} for the ledger, {} for a journal of {} days",
            sized(sizing.store_bytes),
            sized(sizing.journal_bytes),
            asked.journal_days
        ),
        format!(
            "  Redis   {}, where several gateways count together",
            sized(sizing.redis_bytes)
        ),
    ];
    // Sessions that nobody knows fill three quarters.
    let needed = sizing.ledger_bytes.saturating_mul(4) / 3;
    let enough = if needed > bytes_max {
        "too little: raise it"
    } else {
        "enough"
    };
    let (needed, bytes_max) = (sized(needed), sized(bytes_max));
    lines.push(format!(
        "`ledger.bytes_max` is {bytes_max}, and {needed} leaves a quarter free: {enough}"
    ));
    lines.push("These are a beginning, not a promise: measure with your own pages. TLS is not in it.".to_owned());
    lines.push(String::new());
    let rows = sizing.keys.iter().map(|keys| {
        vec![
            keys.name.clone(),
            grouped(keys.count),
            grouped(keys.people),
            sized(keys.bytes),
        ]
    });
    lines.extend(table(
        &["keys by (guessed)", "how many", "people under each", "memory"],
        &rows.collect::<Vec<_>>(),
    ));
    lines.push(String::new());
    let rows = GIVEN.map(|given| {
        let value = format!("{} {}", grouped(given.value), given.unit).trim().to_owned();
        let from = given.measured.unwrap_or("a guess").to_owned();
        vec![given.what.to_owned(), value, from]
    });
    lines.extend(table(&["worked out from", "figure", "measured where"], &rows));
    lines
}

/// Bytes as one buys them.
fn sized(bytes: u64) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB")];
    let large = units.into_iter().find(|(unit, _)| bytes >= *unit);
    large.map_or_else(
        || "less than 1 MB".to_owned(),
        |(unit, name)| format!("{}.{} {name}", grouped(bytes / unit), bytes % unit * 10 / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!(
            [5, 1_500_000, 2_340_000_000].map(sized),
            ["less than 1 MB", "1.5 MB", "2.3 GB"]
        );
    }
}
