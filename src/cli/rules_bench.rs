//! `tidegate rules bench`: what each rule costs, as the time that goes when it goes, on given files or on invented ones.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::time::Instant;

use super::args::BenchArgs;
use super::report::{Format, counted};
use super::rules::{read_sources, report};
use super::{Exit, Failed, samples, scan};
use crate::engine::detect::{RuleId, RuleSet, RuleSource};
use crate::engine::inspect::{Bounds, Content, Inspector, Mode, Resolution, Step};
use crate::engine::secret::HashKey;

/// Bytes that are read of all files together: each is searched some hundred times.
const BYTES_MAX: usize = 4 << 20;
/// Bytes pushed at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Rounds in which every set is measured once; the least of them counts.
const ROUNDS_MAX: u32 = 25;
const ROUNDS_MIN: u32 = 2;
/// No further round begins after so long.
const ROUNDS_TIME_MAX: Duration = Duration::from_secs(3);
/// An expression that searches so many of a hundred bytes saves little by its keywords: half of a body are names and marks.
const AWAKE_PERCENT_MAX: f64 = 25.0;

/// One body to search.
pub(super) struct Sample {
    pub(super) content: Content,
    pub(super) bytes: Bytes,
}

/// A set of rules, and the least time that it took.
struct Measured {
    /// The rule that it lacks; none for the whole set.
    without: Option<RuleId>,
    rules: Arc<RuleSet>,
    time: Duration,
    findings: Option<u64>,
}

/// What one rule costs.
struct Cost {
    rule: String,
    class: String,
    /// Findings that are lost without it.
    findings: i64,
    ns_per_kb: f64,
    /// Of the time that the whole set takes, from 0 to 1.
    share: f64,
    /// Of an expression: the part of the bytes that it searched.
    searched: Option<f64>,
}

/// Measures and prints.
///
/// # Errors
/// Rules or files that cannot be read, rules that do not load, a rule that does not exist.
pub(super) fn execute(args: &BenchArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let sources = read_sources(args.rules_dir.as_deref())?;
    let whole = match RuleSet::load(&sources) {
        Ok((rules, _)) => Arc::new(rules),
        Err(problems) => {
            report(&problems, &sources, Format::Text, out)?;
            return Err(Failed::new(Exit::Config, "the rules are wrong; nothing was measured"));
        }
    };
    let samples = if args.files.is_empty() {
        samples::all()
    } else {
        read(&args.files)?
    };
    let bytes: usize = samples.iter().map(|sample| sample.bytes.len()).sum();
    if bytes == 0 {
        return Err(Failed::new(Exit::Usage, "the files are empty"));
    }
    let mut sets = sets(&whole, &sources, &args.rules)?;
    let rounds = measure(&mut sets, &samples)?;
    let searched = searched(&whole, &samples)?;
    let (noise, costs) = costs(&sets, bytes, &searched);
    let all = nanoseconds(&sets) / kilobytes(bytes);
    match args.format {
        Format::Text => {
            let bytes = counted(bytes as u64, "byte", "bytes");
            let of = if args.files.is_empty() {
                "invented ones"
            } else {
                "those given"
            };
            writeln!(
                out,
                "{bytes} ({of}), the least of {rounds} rounds; all rules {all:.0} ns/KB\n"
            )?;
            print_text(&costs, noise, out)?;
        }
        Format::Json => writeln!(out, "{}", document(&costs, noise, (all, rounds, bytes)))?,
    }
    Ok(())
}

/// The files, the first [`BYTES_MAX`] bytes of them.
fn read(files: &[std::path::PathBuf]) -> Result<Vec<Sample>, Failed> {
    let mut left = BYTES_MAX;
    let one = |path: &Path, left: &mut usize| -> io::Result<Sample> {
        let mut bytes = Vec::new();
        File::open(path)?.take(*left as u64).read_to_end(&mut bytes)?;
        *left -= bytes.len();
        let (coding, declared) = scan::told_by_name(&path.display().to_string());
        let content = Content {
            coding: Some(coding),
            ..Content::from(declared)
        };
        let bytes = Bytes::from(bytes);
        Ok(Sample { content, bytes })
    };
    let read = files.iter().map(|path| {
        one(path, &mut left).map_err(|error| {
            let error = io::Error::new(error.kind(), format!("{}: {error}", path.display()));
            Failed::from(error)
        })
    });
    read.collect()
}

/// The whole set three times, which tells what is noise, and the set without each rule that is asked for.
fn sets(whole: &Arc<RuleSet>, sources: &[RuleSource], asked: &[String]) -> Result<Vec<Measured>, Failed> {
    if let Some(unknown) = asked
        .iter()
        .find(|name| whole.rules().all(|(_, known, _)| known != *name))
    {
        return Err(Failed::new(Exit::Usage, format!("there is no rule `{unknown}`")));
    }
    let measured = |without, rules| Measured {
        without,
        rules,
        time: Duration::MAX,
        findings: None,
    };
    let mut sets = vec![measured(None, Arc::clone(whole))];
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    for (id, name, _) in whole.rules().filter(|(_, name, _)| is_asked(name)) {
        // What has just loaded loads without one rule too, unless it is the last.
        sets.extend(RuleSet::without(sources, name).map(|rules| measured(Some(id), Arc::new(rules))));
    }
    // First, in the middle and last: so far apart are the sets that are compared with it.
    sets.insert(sets.len().div_ceil(2), measured(None, Arc::clone(whole)));
    sets.push(measured(None, Arc::clone(whole)));
    Ok(sets)
}

/// Rounds until they took long enough: each searches all samples with every set.
fn measure(sets: &mut [Measured], samples: &[Sample]) -> Result<u32, Failed> {
    let (secret, started) = (scan::passing_key()?, Instant::now());
    for round in 1..=ROUNDS_MAX {
        for set in &mut *sets {
            let begun = Instant::now();
            let found: u64 = samples.iter().map(|sample| search(&set.rules, sample, &secret).0).sum();
            set.time = set.time.min(begun.elapsed());
            if set.findings.replace(found).is_some_and(|before| before != found) {
                return Err(Failed::new(
                    Exit::Failure,
                    "one set found different things in two rounds",
                ));
            }
        }
        if round >= ROUNDS_MIN && started.elapsed() > ROUNDS_TIME_MAX {
            return Ok(round);
        }
    }
    Ok(ROUNDS_MAX)
}

/// What each expression searched of the samples, in bytes.
fn searched(rules: &Arc<RuleSet>, samples: &[Sample]) -> Result<Vec<(RuleId, u64)>, Failed> {
    let secret = scan::passing_key()?;
    let mut all: Vec<(RuleId, u64)> = rules.expressions().map(|(rule, _)| (rule, 0)).collect();
    for sample in samples {
        for (rule, bytes) in search(rules, sample, &secret).1 {
            if let Some((_, sum)) = all.iter_mut().find(|(known, _)| *known == rule) {
                *sum += bytes;
            }
        }
    }
    Ok(all)
}

/// Findings in one sample, and what the expressions searched.
fn search(rules: &Arc<RuleSet>, sample: &Sample, secret: &HashKey) -> (u64, Vec<(RuleId, u64)>) {
    let bounds = Bounds {
        rule_searched_bytes_max: u64::MAX,
        ..Bounds::default()
    };
    let mut inspector = Inspector::new(Mode::Watch, bounds, sample.content, Arc::clone(rules), secret.clone());
    let mut rest = sample.bytes.clone();
    let mut step = Step::More;
    loop {
        step = match step {
            Step::More if rest.is_empty() => inspector.finish(),
            Step::More => inspector.push(&rest.split_to(rest.len().min(CHUNK_BYTES))),
            Step::Settle => inspector.resolve(usize::MAX, Resolution::Granted),
            Step::Release { .. } => inspector.step(),
            Step::Fail(_) => inspector.pass_blind(),
            Step::Stopped | Step::Done => break,
        };
    }
    let findings = inspector
        .tally()
        .findings
        .iter()
        .map(|(_, count)| u64::from(*count))
        .sum();
    let searched = inspector.usage().rules().map(|used| (used.rule, used.searched_bytes));
    (findings, searched.collect())
}

fn kilobytes(bytes: usize) -> f64 {
    bytes as f64 / 1e3
}

/// The least time of the whole set.
fn nanoseconds(sets: &[Measured]) -> f64 {
    let whole = sets.iter().filter(|set| set.without.is_none());
    whole.map(|set| set.time.as_nanos() as f64).fold(f64::MAX, f64::min)
}

/// By how much the measurements of one set differ, as a share; and the costs, the dearest first.
fn costs(sets: &[Measured], bytes: usize, searched: &[(RuleId, u64)]) -> (f64, Vec<Cost>) {
    let least = nanoseconds(sets);
    let Some(whole) = sets.first() else {
        return (0.0, Vec::new());
    };
    let again = sets.iter().filter(|set| set.without.is_none());
    let most = again.map(|set| set.time.as_nanos() as f64).fold(0.0, f64::max);
    let signed = |findings: Option<u64>| findings.unwrap_or_default().cast_signed();
    let mut costs: Vec<Cost> = sets
        .iter()
        .filter_map(|set| {
            let rule = set.without?;
            let (_, name, class) = whole.rules.rules().find(|(id, ..)| *id == rule)?;
            let saved = (least - set.time.as_nanos() as f64).max(0.0);
            let searched = searched.iter().find(|(known, _)| *known == rule);
            Some(Cost {
                rule: name.to_owned(),
                class: whole.rules.class_name(class).to_owned(),
                findings: signed(whole.findings) - signed(set.findings),
                ns_per_kb: saved / kilobytes(bytes),
                share: saved / least,
                searched: searched.map(|(_, searched)| *searched as f64 / bytes as f64),
            })
        })
        .collect();
    costs.sort_by(|left, right| right.share.total_cmp(&left.share));
    ((most - least) / least, costs)
}

fn print_text(costs: &[Cost], noise: f64, out: &mut dyn Write) -> io::Result<()> {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    writeln!(
        out,
        "{:<24} {:<20} {:>8} {:>8} {:>8} {:>9}",
        "without rule", "class", "findings", "ns/KB", "share", "searched"
    )?;
    for cost in costs {
        let searched = cost.searched.map_or_else(|| "built in".to_owned(), percent);
        let shown = |text: String| if cost.share <= noise { "-".to_owned() } else { text };
        writeln!(
            out,
            "{:<24} {:<20} {:>8} {:>8} {:>8} {:>9}",
            cost.rule,
            cost.class,
            -cost.findings,
            shown(format!("{:.0}", cost.ns_per_kb)),
            shown(percent(cost.share)),
            searched
        )?;
    }
    let noise = percent(noise);
    writeln!(
        out,
        "\n-: no more than {noise}, by which the whole set differs from itself"
    )?;
    for cost in costs {
        let awake = 100.0 * cost.searched.unwrap_or_default();
        if awake > AWAKE_PERCENT_MAX {
            let rule = &cost.rule;
            writeln!(
                out,
                "warning: `{rule}` searched {awake:.0} % of the bytes: its keywords are too common"
            )?;
        }
    }
    Ok(())
}

fn document(costs: &[Cost], noise: f64, (all, rounds, bytes): (f64, u32, usize)) -> serde_json::Value {
    let rules = costs.iter().map(|cost| {
        json!({
            "rule": cost.rule,
            "class": cost.class,
            "builtin": cost.searched.is_none(),
            "findings": cost.findings,
            "ns_per_kb": cost.ns_per_kb,
            "share": cost.share,
            "searched_share": cost.searched,
            "too_common": 100.0 * cost.searched.unwrap_or_default() > AWAKE_PERCENT_MAX,
        })
    });
    let rules: Vec<_> = rules.collect();
    json!({ "bytes": bytes, "rounds": rounds, "ns_per_kb": all, "noise_share": noise, "rules": rules })
}
