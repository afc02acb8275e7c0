//! `tidegate exposure`: whom one key was shown, from the journal; with a file of customers, who has to be told.

mod csv;
mod join;
mod key;

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::json;

use super::args::ExposureArgs;
use super::audit::{refused, whole};
use super::report::counted;
use super::scan::load_rules;
use super::{Exit, Failed};
use crate::clock::Clock;
use crate::run::known_secret;
use crate::store::journal::{Asked, Exposure, expose, key_id};
use join::Joined;

/// Seconds before the end, where no beginning is named.
const SECONDS_BY_DEFAULT: u32 = 30 * 86_400;

/// Answers.
///
/// # Errors
/// What was typed has no meaning, the journal cannot be read, or not all of it.
pub(super) fn execute(args: &ExposureArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let dir = args.journal.journal_dir()?;
    let state_dir = args.journal.state_dir();
    if args
        .journal
        .tenants()
        .is_some_and(|tenants| !tenants.contains(&args.tenant))
    {
        let message = format!("--tenant: no route names the tenant `{}`", args.tenant);
        return Err(Failed::new(Exit::Usage, message));
    }
    let secret = known_secret(&state_dir);
    let key_id = secret.as_ref().ok().map(key_id);
    let secret = secret.map(|secret| secret.of_tenant(&args.tenant));
    let key = key::read(&args.key, &secret)?;
    let to = match &args.to {
        Some(text) => moment(text, true)?,
        None => Clock::start().now().second(),
    };
    let from = match &args.from {
        Some(text) => moment(text, false)?,
        None => to.saturating_sub(SECONDS_BY_DEFAULT),
    };
    let asked = Asked { key, from, to, key_id };
    let found = expose(&dir, asked).map_err(refused)?;
    let joined = match (&args.join, secret) {
        (None, _) => None,
        (Some(_), Err(error)) => return Err(Failed::new(Exit::Permission, error)),
        (Some(customers), Ok(secret)) => {
            let rules = load_rules(args.journal.rules_dir().as_deref(), out)?;
            Some(join::join(customers, args, &found.shown, (&secret, &rules))?)
        }
    };
    if args.json {
        writeln!(out, "{}", as_json(args, asked, &found, joined.as_ref()))?;
    } else {
        tell(asked, &found, out)?;
        if let Some(joined) = &joined {
            tell_joined(joined, &found, out)?;
        }
        let subjects = found.shown.iter().filter(|_| args.subjects);
        for subject in subjects {
            writeln!(out, "{subject:016x}")?;
        }
    }
    whole(&found.damaged)
}

/// The unix second of a day or a moment; of a day its first, or its last.
fn moment(text: &str, is_end: bool) -> Result<u32, Failed> {
    let day = text.parse::<jiff::civil::Date>().ok();
    let second = match day.and_then(|day| day.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()) {
        Some(day) => day.timestamp().as_second() + if is_end { 86_399 } else { 0 },
        None => text
            .parse::<jiff::Timestamp>()
            .map_err(|_| {
                let message = format!("`{text}` is no time: 2026-11-01, or 2026-11-01T08:30:00Z");
                Failed::new(Exit::Usage, message)
            })?
            .as_second(),
    };
    u32::try_from(second).map_err(|_| Failed::new(Exit::Usage, format!("`{text}` is not between 1970 and 2106")))
}

fn time(second: u32) -> String {
    super::listing::moment(u64::from(second))
}

/// People who came masked and never otherwise.
fn masked_only(found: &Exposure) -> usize {
    let is_shown = |subject: &u64| found.shown.binary_search(subject).is_ok();
    found.masked.iter().filter(|subject| !is_shown(subject)).count()
}

fn tell(asked: Asked, found: &Exposure, out: &mut dyn Write) -> Result<(), Failed> {
    writeln!(out, "key          {}", asked.key)?;
    writeln!(out, "between      {} and {}", time(asked.from), time(asked.to))?;
    writeln!(
        out,
        "people       {} shown, {} more only masked",
        found.shown.len(),
        masked_only(found)
    )?;
    if let Some([first, last]) = found.seconds {
        writeln!(out, "first, last  {}, {}", time(first), time(last))?;
    }
    writeln!(out, "classes      {}", listed(&found.classes, ""))?;
    writeln!(out, "routes       {}", listed(&found.routes, ""))?;
    writeln!(out, "uninspected  {}", listed(&found.uninspected, " bytes"))?;
    let [all, read] = found.segments;
    writeln!(
        out,
        "journal      {read} of {} read",
        counted(all as u64, "segment", "segments")
    )?;
    if found.of_other_key > 0 {
        let others = counted(found.of_other_key as u64, "segment was", "segments were");
        writeln!(
            out,
            "             {others} written with another hash key: this key is not looked for there"
        )?;
    }
    Ok(())
}

/// `email 12, phone 9`, the most first.
fn listed(counts: &BTreeMap<String, u64>, unit: &str) -> String {
    let mut counts: Vec<(&String, &u64)> = counts.iter().collect();
    counts.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
    let parts: Vec<String> = counts
        .iter()
        .map(|(name, count)| format!("{name} {count}{unit}"))
        .collect();
    if parts.is_empty() {
        "none".to_owned()
    } else {
        parts.join(", ")
    }
}

fn tell_joined(joined: &Joined, found: &Exposure, out: &mut dyn Write) -> Result<(), Failed> {
    writeln!(
        out,
        "customers    {} read; {} for sure, {} by what several have; {} shown are none of them",
        joined.rows, joined.sure, joined.shared, joined.unknown
    )?;
    writeln!(
        out,
        "to be told   at least {}, at most {}{}",
        joined.sure,
        joined.at_most(),
        if found.uninspected.is_empty() {
            ""
        } else {
            ", and whoever was in the uninspected bytes"
        }
    )?;
    if joined.short > 0 {
        let short = counted(joined.short, "row has", "rows have");
        writeln!(out, "             {short} not all of the columns")?;
    }
    Ok(())
}

fn as_json(args: &ExposureArgs, asked: Asked, found: &Exposure, joined: Option<&Joined>) -> serde_json::Value {
    let subjects = found.shown.iter().map(|subject| format!("{subject:016x}"));
    let [segments, read] = found.segments;
    json!({
        "key": asked.key.to_string(),
        "from": time(asked.from),
        "to": time(asked.to),
        "people": found.shown.len(),
        "masked_only": masked_only(found),
        "first": found.seconds.map(|[first, _]| time(first)),
        "last": found.seconds.map(|[_, last]| time(last)),
        "classes": found.classes,
        "routes": found.routes,
        "uninspected_bytes": found.uninspected,
        "segments": segments,
        "segments_read": read,
        "segments_of_other_key": found.of_other_key,
        "damaged": found.damaged.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "subjects": args.subjects.then(|| subjects.collect::<Vec<_>>()),
        "join": joined.map(|joined| json!({
            "rows": joined.rows,
            "sure": joined.sure,
            "shared": joined.shared,
            "unknown_people": joined.unknown,
            "at_least": joined.sure,
            "at_most": joined.at_most(),
            "short_rows": joined.short,
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_days_or_moments() {
        for (text, is_end, expected) in [
            ("1970-01-02", false, Some(86_400)),
            ("1970-01-02", true, Some(2 * 86_400 - 1)),
            ("1970-01-01T00:01:00Z", true, Some(60)),
            ("yesterday", false, None),
            ("1969-12-31", false, None),
        ] {
            assert_eq!(moment(text, is_end).ok(), expected, "{text}");
        }
        assert_eq!(time(60), "1970-01-01T00:01:00Z");
    }
}
