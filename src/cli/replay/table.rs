//! The figures of a replay as a table and as JSON: those of the sample multiplied, with the factor beside them.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Cost;
use crate::cli::report::grouped;
use crate::simulate::replay::{Counts, Means, Outcome, Ready, Report, World};

/// What protects, in words.
pub(super) fn name(ready: &Ready, means: Means) -> String {
    let number = grouped(u64::from(means.limit()));
    match means {
        Means::Gateway(_) => format!("{} = {number}", ready.scenario().sweep.budget.get_ref()),
        Means::RateLimit(_) => format!("rate limit {number}/min"),
        Means::SessionCount(_) => format!("per session {number}/day"),
        Means::LogCounter(_) => format!("log counter {number}/day"),
    }
}

/// Honest principals refused, those of the sample multiplied.
pub(super) fn honest(report: &Report, counts: &Counts) -> u64 {
    let [customers, agents, _] = report.kept;
    scaled(counts.customers, customers) + scaled(counts.agents, agents) + counts.partners
}

fn scaled(count: u64, (kept, all): (u64, u64)) -> u64 {
    (u128::from(count) * u128::from(all) / u128::from(kept.max(1))) as u64
}

/// How many of `whole`, in percent with two digits behind the point.
fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

const fn world(world: World) -> &'static str {
    match world {
        World::Rare => "a client that nobody honest has",
        World::Browser => "the most usual browser",
    }
}

/// The columns: their two lines of heading, and their width.
const COLUMNS: [(&str, &str, usize); 13] = [
    ("", "what protects", 26),
    ("people", "exposed", 12),
    ("of the", "breach", 8),
    ("customers", "refused", 11),
    ("agents", "refused", 8),
    ("partners", "refused", 9),
    ("bots", "hit", 6),
    ("honest visits", "refused/day", 14),
    ("incidents", "a day", 10),
    ("of these", "honest's", 10),
    ("first", "noticed", 9),
    ("contained", "after", 10),
    ("ledger", "MB", 8),
];

/// Prints one run.
pub(super) fn print(ready: &Ready, report: &Report, out: &mut dyn Write) -> io::Result<()> {
    print_head(ready, report, out)?;
    print_row(&COLUMNS.map(|(first, ..)| first.to_owned()), out)?;
    print_row(&COLUMNS.map(|(_, second, _)| second.to_owned()), out)?;
    for outcome in &report.outcomes {
        print_row(&cells(ready, report, outcome), out)?;
    }
    writeln!(out)?;
    print_accounts(ready, report, out)?;
    print_signals(report, out)
}

fn print_row(cells: &[String; 13], out: &mut dyn Write) -> io::Result<()> {
    for (number, (cell, (.., width))) in cells.iter().zip(COLUMNS).enumerate() {
        if number == 0 {
            write!(out, "{cell:<width$}")?;
        } else {
            write!(out, "{cell:>width$}")?;
        }
    }
    writeln!(out)
}

fn print_head(ready: &Ready, report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let scenario = ready.scenario();
    let breach = &scenario.breach;
    writeln!(out, "{}\n", scenario.title)?;
    writeln!(
        out,
        "The thief asks for {} people in {} days ({} views, {} misses) from {} addresses, and looks like {}.",
        grouped(breach.people),
        breach.days,
        grouped(breach.views),
        grouped(breach.misses),
        grouped(breach.addresses),
        world(report.world),
    )?;
    if ready.worlds().len() == 1 {
        let other = world(World::Browser);
        writeln!(
            out,
            "No budget asks for a fingerprint: like {other} the thief would get the same."
        )?;
    }
    let [(customers, all), ..] = report.kept;
    let sample = scenario.honest.sample;
    writeln!(
        out,
        "Honest: {} of {} customers are simulated, by whole addresses; their figures are multiplied by {sample}. A ledger's size is\n\
         that of what is simulated.\n",
        grouped(customers),
        grouped(all),
    )
}

fn cells(ready: &Ready, report: &Report, outcome: &Outcome) -> [String; 13] {
    let scenario = ready.scenario();
    let counts = &outcome.counts;
    let [customers, agents, bots] = report.kept;
    let days = scenario.time.days;
    let visits = scaled(counts.customer_visits_refused, customers) + counts.staff_visits_refused;
    // Incidents of carriers and offices are the sample's as well.
    let of_others = scaled(counts.incidents_of_others, customers);
    [
        name(ready, outcome.means),
        grouped(counts.exposed),
        format!("{:.2}%", percent(counts.exposed, scenario.breach.people)),
        grouped(scaled(counts.customers, customers)),
        grouped(scaled(counts.agents, agents)),
        grouped(counts.partners),
        grouped(scaled(counts.bots, bots)),
        grouped(visits / days),
        grouped((counts.incidents_of_thief + of_others) / days),
        grouped(of_others / days),
        after(counts.first_ms.map(|first| (first - report.breach_ms) / 60_000)),
        after(counts.contained_after_minutes),
        grouped(counts.ledger_bytes_max / 1_000_000),
    ]
}

/// A time in minutes, hours or days.
fn after(minutes: Option<u64>) -> String {
    match minutes {
        None => "never".to_owned(),
        Some(minutes) if minutes < 600 => format!("{minutes} min"),
        Some(minutes) if minutes < 14_400 => format!("{} h", minutes / 60),
        Some(minutes) => format!("{} days", minutes / 1_440),
    }
}

/// The leak per account, where the thief bought some.
fn print_accounts(ready: &Ready, report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let accounts = ready.scenario().breach.accounts;
    if accounts == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "People exposed for each of the {} accounts that the thief registered, all tokens of which were issued:",
        grouped(accounts)
    )?;
    for outcome in &report.outcomes {
        let worth = outcome.counts.people_an_account(accounts).unwrap_or_default();
        writeln!(out, "  {:<52} {:>12}", name(ready, outcome.means), grouped(worth))?;
    }
    writeln!(out)
}

fn print_signals(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let signals = &report.signals;
    writeln!(out, "What a budget could know, whether or not one of these asks:")?;
    let rows = [
        (
            "the thief's visits with a token nobody issued",
            signals.thief_unissued,
            signals.thief,
        ),
        (
            "  and after the signing key had been rotated",
            signals.thief_after_rotation,
            signals.thief,
        ),
        (
            "honest visits in an outage, so that nobody can say",
            signals.honest_unknown,
            signals.honest,
        ),
        (
            "honest visits from the most usual browser",
            signals.honest_usual,
            signals.honest,
        ),
    ];
    for (what, part, whole) in rows {
        writeln!(out, "  {what:<52} {:>12} ({:.2}%)", grouped(part), percent(part, whole))?;
    }
    writeln!(out)
}

/// Prints what the run itself took.
pub(super) fn print_cost(ready: &Ready, cost: &Cost, out: &mut dyn Write) -> io::Result<()> {
    let ledgers = ready.limits();
    writeln!(
        out,
        "{ledgers} side by side on {} in {:.0} s{}",
        crate::cli::report::counted(cost.threads as u64, "thread", "threads"),
        cost.seconds,
        cost.memory_bytes.map_or_else(String::new, |bytes| format!(
            "; memory of the process, all of them together: {} MB at most",
            grouped(bytes / 1_000_000)
        ))
    )
}

/// One JSON object.
pub(super) fn print_json(ready: &Ready, reports: &[Report], cost: &Cost, out: &mut dyn Write) -> io::Result<()> {
    let scenario = ready.scenario();
    let worlds: Vec<Value> = reports.iter().map(|report| world_json(ready, report)).collect();
    let whole = json!({
        "title": scenario.title,
        "days": scenario.time.days,
        "breach": {
            "people": scenario.breach.people,
            "views": scenario.breach.views,
            "misses": scenario.breach.misses,
            "addresses": scenario.breach.addresses,
            "days": scenario.breach.days,
        },
        "sample": scenario.honest.sample,
        "worlds": worlds,
        "seconds": cost.seconds,
        "threads": cost.threads,
        "memory_bytes": cost.memory_bytes,
    });
    writeln!(out, "{whole}")
}

fn world_json(ready: &Ready, report: &Report) -> Value {
    let outcomes = report.outcomes.iter().map(|outcome| {
        let counts = &outcome.counts;
        json!({
            "protects": name(ready, outcome.means),
            "limit": outcome.means.limit(),
            "people_exposed": counts.exposed,
            "people_an_account": counts.people_an_account(ready.scenario().breach.accounts),
            "honest_refused": honest(report, counts),
            "in_the_sample": {
                "customers_refused": counts.customers,
                "agents_refused": counts.agents,
                "partners_refused": counts.partners,
                "bots_refused": counts.bots,
                "customer_visits_refused": counts.customer_visits_refused,
                "staff_visits_refused": counts.staff_visits_refused,
                "incidents_of_others": counts.incidents_of_others,
            },
            "incidents_of_thief": counts.incidents_of_thief,
            "noticed_after_minutes": counts.first_ms.map(|first| (first - report.breach_ms) / 60_000),
            "contained_after_minutes": counts.contained_after_minutes,
            "ledger_keys_max": counts.keys_max,
            "ledger_bytes_max": counts.ledger_bytes_max,
            "uncounted_visits": counts.uncounted,
        })
    });
    let signals = &report.signals;
    let [customers, agents, bots] = report.kept;
    json!({
        "thief_looks_like": world(report.world),
        "simulated": { "customers": customers.0, "agents": agents.0, "bots": bots.0 },
        "of": { "customers": customers.1, "agents": agents.1, "bots": bots.1 },
        "outcomes": outcomes.collect::<Vec<_>>(),
        "signals": {
            "thief_visits": signals.thief,
            "thief_unissued": signals.thief_unissued,
            "thief_after_rotation": signals.thief_after_rotation,
            "honest_visits": signals.honest,
            "honest_unknown": signals.honest_unknown,
            "honest_usual_browser": signals.honest_usual,
            "requests": signals.requests,
        },
    })
}
