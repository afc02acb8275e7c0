//! What a simulation came to, as a table and as JSON.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::report::{Format, counted, grouped};
use crate::engine::policy::{Enforcement, Policy};
use crate::simulate::recorded::{ORDINARY_PEOPLE_MAX, Outcome, Proposal, Skipped, Stopped, Suggestions};

/// Keys that are listed for people; `--format json` has all.
const LISTED_MAX: usize = 20;

/// Prints what a policy would have done.
pub(super) fn outcome(
    policy: &Policy,
    outcome: &Outcome,
    spent: Duration,
    format: Format,
    out: &mut dyn Write,
) -> io::Result<()> {
    if format == Format::Json {
        return writeln!(out, "{}", outcome_json(policy, outcome, spent));
    }
    print_head(outcome, out)?;
    if !outcome.stopped.is_empty() {
        writeln!(
            out,
            "\n{:<20} {:<10} {:<24} {:<20} {:>10} {:>8} {:>8} {:>9}",
            "first over", "dimension", "key", "budget", "line", "after", "times", ""
        )?;
    }
    for stopped in outcome.stopped.iter().take(LISTED_MAX) {
        let Stopped {
            key,
            dimension,
            people,
            times,
            line,
            ..
        } = stopped;
        writeln!(
            out,
            "{:<20} {:<10} {key:<24} {:<20} {line:>10} {people:>8} {times:>8} {:>9}",
            moment(stopped.first_ms),
            dimension.name(),
            name(policy, stopped),
            if stopped.is_refused { "stopped" } else { "told" },
        )?;
    }
    let unlisted = outcome.stopped.len().saturating_sub(LISTED_MAX) as u64 + outcome.stopped_more;
    if unlisted > 0 {
        writeln!(
            out,
            "and {} more; --format json has them",
            counted(unlisted, "key", "keys")
        )?;
    }
    writeln!(out)?;
    notes(policy, outcome, out)?;
    writeln!(
        out,
        "{} in the ledger; {:.1} s, {} sightings a second",
        counted(outcome.keys, "key", "keys"),
        spent.as_secs_f64(),
        grouped(outcome.sightings * 1_000 / (spent.as_millis() as u64).max(1))
    )
}

fn print_head(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let days = outcome.days.len().max(1) as u64;
    let incidents: u64 = outcome.days.iter().map(|day| day.incidents).sum();
    let most = outcome.days.iter().map(|day| day.incidents).max().unwrap_or(0);
    let refused = outcome.stopped.iter().filter(|stopped| stopped.is_refused).count() as u64;
    writeln!(
        out,
        "{} in {}: {} refused, {} shown",
        counted(outcome.sightings, "sighting", "sightings"),
        counted(days, "day", "days"),
        grouped(outcome.refused),
        counted(outcome.given, "person", "people"),
    )?;
    writeln!(
        out,
        "{} over a budget, {} of them stopped; alerts a day: {} on average, {} at most",
        counted(outcome.stopped.len() as u64 + outcome.stopped_more, "key", "keys"),
        grouped(refused),
        tenths(incidents, days),
        grouped(most),
    )?;
    writeln!(
        out,
        "of {}, {} refused something; {} of these are ordinary ({ORDINARY_PEOPLE_MAX} people at most in all of the record): \
         honest, as far as a record tells",
        counted(outcome.sessions, "session", "sessions"),
        counted(outcome.sessions_refused, "was", "were"),
        grouped(outcome.ordinary_refused),
    )
}

/// What was not asked, not read or not counted.
fn notes(policy: &Policy, outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    for budget in policy.budgets().iter().filter(|budget| budget.is_about_destinations()) {
        writeln!(
            out,
            "simulate cannot judge {}: no record tells what is where data goes",
            budget.name
        )?;
    }
    for budget in unasked(policy, outcome) {
        writeln!(
            out,
            "not asked: {budget}, since the record tells nothing of its dimension, of what it counts, or of whom it binds"
        )?;
    }
    skipped(&outcome.skipped, out)?;
    for (count, what) in [
        (
            outcome.late,
            "more than an hour behind the line before; taken as if they had just come",
        ),
        (
            outcome.uncounted,
            "not counted under some key, since the ledger had no room ([ledger] bytes_max)",
        ),
        (
            outcome.sessions_unseen,
            "of sessions past those whose people are told apart",
        ),
    ] {
        if count > 0 {
            writeln!(out, "{}: {what}", counted(count, "sighting", "sightings"))?;
        }
    }
    Ok(())
}

fn skipped(skipped: &Skipped, out: &mut dyn Write) -> io::Result<()> {
    for (why, count, line) in skipped.each() {
        let lines = counted(count, "line", "lines");
        writeln!(
            out,
            "passed over: {lines}, {} (the first is line {line})",
            why.name().replace('_', " ")
        )?;
    }
    Ok(())
}

/// Budgets in force that nothing in the record had asked.
fn unasked<'p>(policy: &'p Policy, outcome: &Outcome) -> Vec<&'p str> {
    let in_force = policy.budgets().iter();
    let in_force = in_force.filter(|budget| outcome.sightings > 0 && budget.enforcement != Enforcement::Off);
    let unasked = in_force.filter(|budget| !outcome.asked.contains(&budget.id));
    unasked.map(|budget| budget.name.as_str()).collect()
}

fn name<'p>(policy: &'p Policy, stopped: &Stopped) -> &'p str {
    policy.get(stopped.budget).map_or("allowance", |budget| &budget.name)
}

fn moment(millis: u64) -> String {
    let moment = i64::try_from(millis / 1000)
        .ok()
        .and_then(|second| jiff::Timestamp::from_second(second).ok());
    moment.map_or_else(|| millis.to_string(), |moment| moment.to_string())
}

/// A quotient with one digit behind the point.
fn tenths(part: u64, whole: u64) -> String {
    format!("{:.1}", part as f64 / whole.max(1) as f64)
}

fn skipped_json(skipped: &Skipped) -> Value {
    skipped
        .each()
        .map(|(why, count, line)| (why.name().to_owned(), json!({ "lines": count, "first_line": line })))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn outcome_json(policy: &Policy, outcome: &Outcome, spent: Duration) -> Value {
    let stopped = outcome.stopped.iter().map(|stopped| {
        json!({
            "budget": name(policy, stopped),
            "dimension": stopped.dimension.name(),
            "key": stopped.key,
            "first": moment(stopped.first_ms),
            "line": stopped.line,
            "people": stopped.people,
            "times": stopped.times,
            "stopped": stopped.is_refused,
        })
    });
    let days = outcome.days.iter().map(|day| {
        json!({
            "day": moment(day.day * 86_400_000),
            "alerts": day.incidents,
            "sightings": day.sightings,
        })
    });
    json!({
        "sightings": outcome.sightings,
        "refused": outcome.refused,
        "people_shown": outcome.given,
        "over": stopped.collect::<Vec<_>>(),
        "over_unlisted": outcome.stopped_more,
        "sessions": outcome.sessions,
        "sessions_refused": outcome.sessions_refused,
        "ordinary_sessions_refused": outcome.ordinary_refused,
        "sessions_unseen": outcome.sessions_unseen,
        "days": days.collect::<Vec<_>>(),
        "budgets_not_asked": unasked(policy, outcome),
        "passed_over": skipped_json(&outcome.skipped),
        "late": outcome.late,
        "uncounted": outcome.uncounted,
        "keys": outcome.keys,
        "seconds": spent.as_secs_f64(),
    })
}

/// Prints limits with what they rest on.
pub(super) fn suggestions(suggested: &Suggestions, format: Format, out: &mut dyn Write) -> io::Result<()> {
    if format == Format::Json {
        let proposals: Vec<Value> = suggested.proposals.iter().map(proposal_json).collect();
        let whole = json!({
            "sightings": suggested.sightings,
            "proposals": proposals,
            "passed_over": skipped_json(&suggested.skipped),
        });
        return writeln!(out, "{whole}");
    }
    for proposal in &suggested.proposals {
        let Proposal {
            dimension,
            people,
            median,
            deviation,
            most,
            ..
        } = proposal;
        let dimension = dimension.name();
        writeln!(
            out,
            "[[budget]]\nname = \"{dimension}-day\"\nper = \"{dimension}\"\npeople = {people}\nwindow = \"1d\""
        )?;
        writeln!(out, "action = \"alert\"")?;
        writeln!(
            out,
            "# {} a month. In {}, {} of a day were given people: half of them at most {median}, and half within {deviation} of \
             that;\n# 99 % at most {}, 99.9 % at most {}, the most {}.",
            counted(proposal.alerts_a_month, "alert", "alerts"),
            counted(proposal.days, "day", "days"),
            counted(proposal.key_days, "key", "keys"),
            grouped(u64::from(proposal.p99)),
            grouped(u64::from(proposal.p999)),
            grouped(u64::from(*most)),
        )?;
        writeln!(
            out,
            "# {people} is the lowest of 1, 2, 5, 10, ... that is six such distances above {median} and calls at most once a day.\n"
        )?;
    }
    if suggested.proposals.is_empty() {
        writeln!(out, "# nobody was shown anybody: there is nothing to propose")?;
    }
    skipped(&suggested.skipped, out)
}

fn proposal_json(proposal: &Proposal) -> Value {
    json!({
        "dimension": proposal.dimension.name(),
        "people": proposal.people,
        "window": "1d",
        "alerts_a_month": proposal.alerts_a_month,
        "days": proposal.days,
        "keys": proposal.key_days,
        "median": proposal.median,
        "median_absolute_deviation": proposal.deviation,
        "p99": proposal.p99,
        "p999": proposal.p999,
        "most": proposal.most,
    })
}
