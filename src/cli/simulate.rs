//! `tidegate simulate`: recorded sightings before a policy that is not in force yet, or limits proposed from them.

mod print;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::args::SimulateArgs;
use super::report::{self, Format};
use super::text_file::{named, read_at_most};
use super::{Exit, Failed, audit, progress};
use crate::clock::Clock;
use crate::config::{self, CONFIG_BYTES_MAX, ConfigSyntax};
use crate::engine::detect::place_of;
use crate::engine::policy::Policy;
use crate::engine::problem::{Problem, Severity};
use crate::engine::secret::HashKey;
use crate::simulate::recorded::{
    AccessLog, Events, Journal, Simulation, Source, SourceError, Watch, simulate, suggest,
};

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// Simulates, or proposes, and prints.
///
/// # Errors
/// A record or a policy that cannot be read or is wrong.
pub(super) fn execute(args: &SimulateArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let secret = HashKey::passing();
    let tried = match &args.policy {
        Some(path) => Some(policy(path, &secret, args.format, out)?),
        None => None,
    };
    let routes = tried.iter().flat_map(|(written, _)| &written.route);
    let routes: Vec<&str> = routes.map(|route| route.pattern.get_ref().as_str()).collect();
    let (name, length, mut source) = open(args, &routes, secret)?;
    let watch = Watch::default();
    let bar = progress::bar(length, "{bytes}/{total_bytes} {eta} left");
    let read = || watch.bytes.load(Ordering::Relaxed);
    if let Some((written, policy)) = tried {
        let simulation = Simulation {
            policy: Arc::clone(&policy),
            ledger: written.ledger,
            secret: super::scan::passing_key()?,
        };
        let started = Instant::now();
        let outcome = progress::watched(&bar, read, || simulate(&simulation, &mut *source, &watch));
        let outcome = outcome.map_err(|error| refused(&name, error))?;
        print::outcome(&policy, &outcome, started.elapsed(), args.format, out)?;
    } else {
        let suggested = progress::watched(&bar, read, || suggest(&mut *source, &watch));
        let suggested = suggested.map_err(|error| refused(&name, error))?;
        print::suggestions(&suggested, args.format, out)?;
    }
    audit::whole(source.damaged())
}

/// A record with its name and, where it is known, its length in bytes.
type Opened = (String, Option<u64>, Box<dyn Source + Send>);

/// The record that was named.
fn open(args: &SimulateArgs, routes: &[&str], secret: HashKey) -> Result<Opened, Failed> {
    let routes = routes.iter().copied();
    if let Some(dir) = &args.journal {
        let journal = Journal::open(dir, routes).map_err(audit::refused)?;
        return Ok((dir.display().to_string(), None, Box::new(journal)));
    }
    let path = args.access_log.as_deref().or(args.events.as_deref());
    let path = path.unwrap_or_else(|| Path::new("-"));
    let (length, input): (Option<u64>, Box<dyn Read + Send>) = if path == Path::new("-") {
        (None, Box::new(io::stdin()))
    } else {
        let file = File::open(path).map_err(|error| named(path.display(), &error))?;
        (file.metadata().ok().map(|metadata| metadata.len()), Box::new(file))
    };
    let input = BufReader::with_capacity(READ_BYTES, input);
    let source: Box<dyn Source + Send> = match &args.columns {
        Some(columns) => Box::new(AccessLog::new(input, columns.clone(), routes, secret)),
        None => Box::new(Events::new(input)),
    };
    Ok((path.display().to_string(), length, source))
}

/// What the policy's file says, and what it means.
fn policy(
    path: &Path,
    secret: &HashKey,
    format: Format,
    out: &mut dyn Write,
) -> Result<(ConfigSyntax, Arc<Policy>), Failed> {
    let name = path.display().to_string();
    let text = read_at_most(path, CONFIG_BYTES_MAX)?;
    let mut problems = Vec::new();
    let compiled = config::read(&name, &text).map(|written| {
        problems.extend(bounds(&name, &text, &written));
        let now = Clock::start().now();
        let policy = config::policy(&written, &name, (secret, None, None), now, &mut problems);
        let is_right = problems.iter().all(|problem| problem.severity < Severity::Error);
        policy.filter(|_| is_right).map(|policy| (written, Arc::new(policy)))
    });
    let compiled = compiled.unwrap_or_else(|found| {
        problems.extend(found);
        None
    });
    report::render(&problems, |_| Some(&text), format, out)?;
    compiled.ok_or_else(|| {
        let message = format!("{name}: {}; nothing was simulated", report::summary(&problems));
        Failed::new(Exit::Config, message)
    })
}

/// Numbers of `[ledger]` that are out of their bounds.
fn bounds(file: &str, text: &str, written: &ConfigSyntax) -> Vec<Problem> {
    let numbers = written.ledger.bounded();
    let wrong = numbers
        .iter()
        .filter_map(|number| Some((number.name, number.problem()?)));
    let problems = wrong.map(|(name, message)| Problem {
        code: "C015",
        severity: Severity::Error,
        file: file.to_owned(),
        span: place_of(text, "ledger", name),
        message,
        help: None,
    });
    problems.collect()
}

fn refused(name: &str, error: SourceError) -> Failed {
    match error {
        SourceError::Wrong { line, message } => Failed::new(Exit::Usage, format!("{name}:{line}: {message}")),
        SourceError::Io(error) => Failed::from(named(name, &error)),
    }
}
