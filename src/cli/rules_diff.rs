//! `tidegate rules diff`: what another set of rules would say of recorded files. Offsets and numbers, never a value.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::args::DiffArgs;
use super::report::{Format, counted};
use super::rules::{read_sources, report};
use super::{Exit, Failed, scan};
use crate::engine::compare::{Both, Comparison, Counts, Difference, Side};
use crate::engine::detect::RuleSet;
use crate::engine::inspect::{Content, Failure};
use crate::engine::record::BULK_PEOPLE;

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;
/// Places that are shown of a file; `--format json` has up to a thousand.
const PLACES_SHOWN_MAX: usize = 20;

/// Compares and prints. Different files are exit code 1, as with `diff`; what cannot be read is 2.
///
/// # Errors
/// Rules or files that cannot be read, and files of which the sets say different things.
pub(super) fn execute(args: &DiffArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let old = load(&args.old, out)?;
    let new = load(&args.new, out)?;
    let mut files = Vec::new();
    for path in &args.files {
        let difference = compare(path, &old, &new).map_err(|why| bad(&path.display(), &why))?;
        files.push((path.display().to_string(), difference));
    }
    let totals = Totals::of(&files);
    let printed = match args.format {
        Format::Text => print_text(&files, &totals, out),
        Format::Json => print_json(&files, &totals, out),
    };
    printed?;
    if totals.different > 0 {
        return Err(Failed::new(Exit::Failure, ""));
    }
    Ok(())
}

/// The rules of a directory over those that are compiled in, or these alone.
fn load(dir: &Path, out: &mut dyn Write) -> Result<Arc<RuleSet>, Failed> {
    let is_builtin = dir == Path::new("-") || dir == Path::new("builtin");
    let sources = read_sources(Some(dir).filter(|_| !is_builtin)).map_err(|why| Failed::new(Exit::Usage, why))?;
    match RuleSet::load(&sources) {
        Ok((rules, _)) => Ok(Arc::new(rules)),
        Err(problems) => {
            report(&problems, &sources, Format::Text, out)?;
            Err(bad(&dir.display(), &"the rules are wrong; nothing was compared"))
        }
    }
}

fn bad(what: &dyn std::fmt::Display, why: &dyn std::fmt::Display) -> Failed {
    Failed::new(Exit::Usage, format!("{what}: {why}"))
}

fn compare(path: &Path, old: &Arc<RuleSet>, new: &Arc<RuleSet>) -> io::Result<Difference> {
    let (coding, declared) = scan::told_by_name(&path.display().to_string());
    let content = Content {
        coding: Some(coding),
        ..Content::from(declared)
    };
    let secret = scan::passing_key().map_err(|failed| io::Error::other(failed.message))?;
    let mut comparison = Comparison::new(old, new, content, &secret);
    let mut input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path)?)
    };
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = input.read(&mut buffer)?;
        if read == 0 {
            return Ok(comparison.finish());
        }
        comparison.push(&Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default()));
    }
}

/// All files together.
#[derive(Default)]
struct Totals {
    different: usize,
    classes: BTreeMap<String, Counts>,
    people: Counts,
    records: Both<u64>,
    /// Files called bulk.
    bulk: Both<u64>,
}

impl Totals {
    fn of(files: &[(String, Difference)]) -> Self {
        let mut totals = Self::default();
        for (_, file) in files {
            totals.different += usize::from(!file.is_same());
            for (class, counts) in &file.classes {
                *totals.classes.entry(class.clone()).or_default() += *counts;
            }
            totals.people += file.people;
            totals.records += file.records;
            let bulk = bulk(file);
            totals.bulk += Both {
                old: u64::from(bulk.old),
                new: u64::from(bulk.new),
            };
        }
        totals
    }
}

/// The verdicts of `scan --manifest`.
fn bulk(file: &Difference) -> Both<bool> {
    Both {
        old: file.crowd.old >= BULK_PEOPLE,
        new: file.crowd.new >= BULK_PEOPLE,
    }
}

fn print_text(files: &[(String, Difference)], totals: &Totals, out: &mut dyn Write) -> io::Result<()> {
    for (name, file) in files.iter().filter(|(_, file)| !file.is_same()) {
        writeln!(out, "{name}")?;
        print_table(&file.classes, file.people, file.records, out)?;
        let verdict = |bulk: bool| if bulk { "bulk" } else { "not bulk" };
        let bulk = bulk(file);
        if !bulk.is_same() {
            writeln!(out, "  verdict: {}, now {}", verdict(bulk.old), verdict(bulk.new))?;
        }
        if !file.failure.is_same() {
            let read = |failure: Option<Failure>| failure.map_or("read to its end", Failure::name);
            writeln!(out, "  {}, now {}", read(file.failure.old), read(file.failure.new))?;
        }
        for place in file.places.iter().take(PLACES_SHOWN_MAX) {
            let (start, end) = (place.span.start, place.span.end);
            writeln!(out, "  {} {} at {start}..{end}", sign(place.side), place.class)?;
        }
        let only: u64 = file
            .classes
            .values()
            .map(|counts| counts.only.old + counts.only.new)
            .sum();
        let more = only.saturating_sub(PLACES_SHOWN_MAX as u64);
        if more > 0 {
            writeln!(out, "  and {more} more")?;
        }
        writeln!(out)?;
    }
    let same = files.len() - totals.different;
    if files.len() > 1 && totals.different > 0 {
        writeln!(out, "all files")?;
        print_table(&totals.classes, totals.people, totals.records, out)?;
        writeln!(out, "  bulk: {}, now {}\n", totals.bulk.old, totals.bulk.new)?;
    }
    let files = counted(files.len() as u64, "file", "files");
    writeln!(out, "{files}: {same} the same, {} different", totals.different)
}

fn sign(side: Side) -> char {
    match side {
        Side::Old => '-',
        Side::New => '+',
    }
}

/// The classes that differ, and people and records.
fn print_table(
    classes: &BTreeMap<String, Counts>,
    people: Counts,
    records: Both<u64>,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(
        out,
        "  {:<20} {:>9} {:>9} {:>9} {:>9}",
        "", "old", "new", "only old", "only new"
    )?;
    let differ = classes.iter().filter(|(_, counts)| counts.only != Both::default());
    let people = ("people".to_owned(), people);
    for (name, counts) in differ.chain(std::iter::once((&people.0, &people.1))) {
        let Counts { all, only } = counts;
        writeln!(
            out,
            "  {name:<20} {:>9} {:>9} {:>9} {:>9}",
            all.old, all.new, only.old, only.new
        )?;
    }
    writeln!(out, "  {:<20} {:>9} {:>9}", "records", records.old, records.new)
}

fn print_json(files: &[(String, Difference)], totals: &Totals, out: &mut dyn Write) -> io::Result<()> {
    let described: Vec<Value> = files.iter().map(|(name, file)| described(name, file)).collect();
    let all = json!({
        "files": described,
        "totals": {
            "same": files.len() - totals.different,
            "different": totals.different,
            "classes": classes(&totals.classes),
            "people": counts(totals.people),
            "records": both(totals.records),
            "bulk": both(totals.bulk),
        },
    });
    writeln!(out, "{all}")
}

fn described(name: &str, file: &Difference) -> Value {
    let places = file.places.iter().map(|place| {
        let only = match place.side {
            Side::Old => "old",
            Side::New => "new",
        };
        json!({ "class": place.class, "start": place.span.start, "end": place.span.end, "only": only })
    });
    let failure = Both {
        old: file.failure.old.map(Failure::name),
        new: file.failure.new.map(Failure::name),
    };
    json!({
        "file": name,
        "same": file.is_same(),
        "classes": classes(&file.classes),
        "people": counts(file.people),
        "records": both(file.records),
        "bulk": both(bulk(file)),
        "uninspected": both(failure),
        "places": places.collect::<Vec<_>>(),
    })
}

fn classes(of: &BTreeMap<String, Counts>) -> Value {
    of.iter().map(|(name, each)| (name.clone(), counts(*each))).collect()
}

fn counts(of: Counts) -> Value {
    let Counts { all, only } = of;
    json!({ "old": all.old, "new": all.new, "only_old": only.old, "only_new": only.new })
}

fn both<T: serde::Serialize + Copy>(of: Both<T>) -> Value {
    json!({ "old": of.old, "new": of.new })
}
