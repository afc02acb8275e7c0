//! `tidegate scan`: the engine without a socket. What is in a file, per class, how many people, how fast; never a value.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::args::ScanArgs;
use super::report::counted;
use super::rules::{read_sources, report};
use super::text_file::named;
use super::{Exit, Failed, progress};
use crate::engine::decode::Coding;
use crate::engine::detect::{ClassId, RuleSet};
use crate::engine::inspect::{Bounds, Content, Failure, Inspector, Mode, Resolution, Step};
use crate::engine::secret::{HashKey, Subject};
use crate::engine::structure::Declared;

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// What was found in one file.
#[derive(Default)]
struct Found {
    bytes: u64,
    classes: BTreeMap<String, u64>,
    records: u64,
    people: HashSet<Subject>,
    failure: Option<Failure>,
    time: Duration,
}

/// Scans the files and prints what is in them.
///
/// # Errors
/// Files or rules that cannot be read.
pub(super) fn execute(args: &ScanArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let rules = load_rules(args.rules_dir.as_deref(), out)?;
    let mut results = Vec::new();
    for path in &args.files {
        let name = path.display().to_string();
        let found = if name == "-" {
            scan(&mut io::stdin().lock(), None, &name, &rules)
        } else {
            let mut file = File::open(path).map_err(|error| named(&name, &error))?;
            let length = file.metadata().ok().map(|metadata| metadata.len());
            scan(&mut file, length, &name, &rules)
        };
        results.push((name.clone(), found.map_err(|error| named(&name, &error))?));
    }
    if args.json {
        print_json(&results, out)?;
    } else {
        print_text(&results, out)?;
    }
    let failed = results.iter().find(|(_, found)| found.failure.is_some());
    failed.map_or(Ok(()), |(name, _)| {
        Err(Failed::new(Exit::Failure, format!("{name}: not read to its end")))
    })
}

/// The rules with those of a directory over them; problems are printed.
pub(super) fn load_rules(dir: Option<&Path>, out: &mut dyn Write) -> Result<Arc<RuleSet>, Failed> {
    let sources = read_sources(dir)?;
    match RuleSet::load(&sources) {
        Ok((rules, _)) => Ok(Arc::new(rules)),
        Err(problems) => {
            report(&problems, &sources, super::report::Format::Text, out)?;
            Err(Failed::new(Exit::Config, "the rules are wrong; nothing was scanned"))
        }
    }
}

/// A key for this run only: nothing it hashes is kept.
pub(super) fn passing_key() -> Result<HashKey, Failed> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| Failed::new(Exit::Failure, error))?;
    Ok(HashKey::new(key))
}

/// The coding and structure that a file's name tells.
pub(super) fn told_by_name(name: &str) -> (Coding, Declared) {
    let lower = name.to_ascii_lowercase();
    let (coding, stem) = match lower.rsplit_once('.') {
        Some((stem, "gz")) => (Coding::Gzip, stem),
        Some((stem, "br")) => (Coding::Br, stem),
        Some((stem, "zst")) => (Coding::Zstd, stem),
        _ => (Coding::Identity, lower.as_str()),
    };
    let declared = match stem.rsplit_once('.').map(|(_, ending)| ending) {
        Some("csv" | "tsv") => Declared::Table,
        Some("json" | "ndjson" | "jsonl") => Declared::Json,
        Some("html" | "htm" | "xhtml") => Declared::Markup,
        Some("xml" | "svg" | "rss" | "atom") => Declared::Xml,
        Some("js" | "mjs" | "css") => Declared::Script,
        Some("sql") => Declared::Sql,
        Some("log") => Declared::Lines,
        _ => Declared::Unknown,
    };
    (coding, declared)
}

fn scan(input: &mut dyn Read, length: Option<u64>, name: &str, rules: &Arc<RuleSet>) -> io::Result<Found> {
    let (coding, declared) = told_by_name(name);
    let secret = passing_key().map_err(|failed| io::Error::other(failed.message))?;
    let content = Content {
        coding: Some(coding),
        ..Content::from(declared)
    };
    // A person who scans a file waits for it.
    let bounds = Bounds {
        rule_searched_bytes_max: u64::MAX,
        ..Bounds::default()
    };
    let mut inspector = Inspector::new(Mode::Watch, bounds, content, Arc::clone(rules), secret);
    let mut found = Found::default();
    let bar = progress::bar(length, "{bytes}/{total_bytes} {bytes_per_sec}");
    let mut buffer = vec![0; READ_BYTES];
    let mut step = Step::More;
    let mut ended = false;
    loop {
        step = match step {
            Step::More if ended => break,
            Step::More => {
                let read = input.read(&mut buffer)?;
                bar.inc(read as u64);
                found.bytes += read as u64;
                ended = read == 0;
                let chunk = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
                let started = Instant::now();
                let step = if ended {
                    inspector.finish()
                } else {
                    inspector.push(&chunk)
                };
                found.time += started.elapsed();
                step
            }
            Step::Settle => {
                found.people.extend(inspector.asks().iter().flat_map(|ask| &ask.people));
                inspector.resolve(usize::MAX, Resolution::Granted)
            }
            Step::Release { .. } => inspector.step(),
            Step::Fail(failure) => {
                found.failure = Some(failure);
                inspector.pass_blind()
            }
            Step::Stopped | Step::Done => break,
        };
    }
    bar.finish_and_clear();
    let tally = inspector.tally();
    found.records = tally.records;
    for (class, count) in &tally.findings {
        *found
            .classes
            .entry(rules.class_name(ClassId(*class)).to_owned())
            .or_default() += u64::from(*count);
    }
    Ok(found)
}

fn print_text(results: &[(String, Found)], out: &mut dyn Write) -> Result<(), Failed> {
    for (name, found) in results {
        writeln!(
            out,
            "{name}: {} in {}, {}",
            counted(found.people.len() as u64, "person", "people"),
            counted(found.records, "record", "records"),
            counted(found.bytes, "byte", "bytes")
        )?;
        for (class, count) in &found.classes {
            writeln!(out, "  {class:<12} {count:>10}")?;
        }
        if let Some(failure) = found.failure {
            writeln!(out, "  not read to its end: {}", failure.name())?;
        }
        let seconds = found.time.as_secs_f64();
        if seconds > 0.0 {
            writeln!(out, "  {:.0} MB/s", found.bytes as f64 / 1e6 / seconds)?;
        }
    }
    Ok(())
}

fn print_json(results: &[(String, Found)], out: &mut dyn Write) -> Result<(), Failed> {
    let files: Vec<_> = results
        .iter()
        .map(|(name, found)| {
            serde_json::json!({
                "file": name,
                "bytes": found.bytes,
                "people": found.people.len(),
                "records": found.records,
                "classes": found.classes,
                "uninspected": found.failure.map(Failure::name),
                "seconds": found.time.as_secs_f64(),
            })
        })
        .collect();
    writeln!(out, "{}", serde_json::json!({ "files": files }))?;
    Ok(())
}
