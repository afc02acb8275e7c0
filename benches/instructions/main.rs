//! Does the engine still take as few instructions as it did, and is its innermost loop still free of inserts?
//!
//! `cargo test --release --bench instructions` asks both; the figures are in `benches/instructions.toml`, which
//! `cargo test --release --bench instructions -- --renew` writes anew. Callgrind counts, so other work on the machine
//! changes nothing, and it counts within one function only, for what a program takes to start differs from run to run.
//! The figures are those of AVX2: the valgrind of Debian 12 knows no AVX-512 and shows the program a processor without.
//! On another processor or under another valgrind this says that nothing was checked.

#![expect(clippy::print_stdout, reason = "it says what it counted")]

#[path = "../corpus/mod.rs"]
#[expect(dead_code, reason = "of the corpora, only four are counted here")]
mod corpus;

mod assembly;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tidegate::engine::detect::RuleSet;
use tidegate::engine::inspect::{Bounds, Content, Inspector, Mode, Resolution, Step};
use tidegate::engine::secret::HashKey;

use corpus::bulk::{self, Bulk};
use corpus::pages;

type Fault = Box<dyn Error + Send + Sync>;

/// The first argument of the program that is counted; then the number of a body.
const COUNTED: &str = "--counted";
/// The only argument of the program in which the views of the first body are counted.
const VIEWS: &str = "--views";
/// What asks of a text whether another reader would undo something in it: all that the views cost where nothing is escaped.
const ASKING: [&str; 2] = ["*forms*hides*", "*is_escaped*"];
/// So many instructions for a hundred of all others are too many for it.
const VIEWS_PERCENT_MAX: u64 = 15;
/// The argument that writes the figures.
const RENEW: &str = "--renew";
/// Times that a body is read while instructions are counted.
const TIMES: u64 = 8;
/// Bytes of each body but the first, which is a small page.
const BYTES: usize = 64 << 10;
const PAGE_BYTES: usize = 10 << 10;
/// So many instructions for a hundred of the figure are too many.
const PERCENT_MAX: u64 = 110;
/// So few are worth a new figure.
const PERCENT_WON: u64 = 90;

/// `benches/instructions.toml`.
#[derive(Serialize, Deserialize)]
struct Figures {
    /// The vector instructions that the figures are of.
    vectors: String,
    /// By body, for one reading of it.
    instructions: BTreeMap<String, u64>,
}

fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, body] = arguments.as_slice()
        && first == COUNTED
    {
        return count_one(body.parse()?);
    }
    if arguments.iter().any(|argument| argument == VIEWS) {
        let [clean, ..] = bodies();
        read_times(&clean, &Arc::new(RuleSet::builtin()));
        return Ok(());
    }
    assembly::check(env!("CARGO_BIN_EXE_tidegate").as_ref())?;
    let (vectors, counted) = count_all()?;
    if arguments.iter().any(|argument| argument == RENEW) {
        return renew(vectors, counted);
    }
    let figures: Figures = toml::from_str(&fs::read_to_string(file())?)?;
    if vectors != figures.vectors {
        println!(
            "instructions: NOT CHECKED: the figures are of {}, and under this valgrind the processor has {vectors}",
            figures.vectors
        );
        return Ok(());
    }
    check(&counted, &figures.instructions)?;
    let [clean, ..] = bodies();
    check_views(counted.get(clean.name).copied().unwrap_or_default())
}

/// What it costs to ask for escapes in clean JSON, of which a reading takes `total` instructions.
fn check_views(total: u64) -> Result<(), Fault> {
    let (_, views) = end(start(&ASKING, &[VIEWS])?)?;
    let views = views / TIMES;
    let percent = views * 100 / total.saturating_sub(views).max(1);
    println!("instructions: the views of clean JSON: {views}, {percent} % of the rest");
    if views == 0 || percent > VIEWS_PERCENT_MAX {
        return Err(format!("views take {views} instructions, {percent} % of the rest of {total}").into());
    }
    Ok(())
}

fn file() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "benches", "instructions.toml"]
        .iter()
        .collect()
}

fn renew(vectors: String, instructions: BTreeMap<String, u64>) -> Result<(), Fault> {
    let figures = toml::to_string(&Figures { vectors, instructions })?;
    let head = "# What one reading of each body takes the engine, in instructions: the gate fails above 110 % of a figure.\n\
                # Written by `cargo test --release --bench instructions -- --renew`.\n\n";
    Ok(fs::write(file(), format!("{head}{figures}"))?)
}

fn check(counted: &BTreeMap<String, u64>, figures: &BTreeMap<String, u64>) -> Result<(), Fault> {
    let mut above = Vec::new();
    for (body, count) in counted {
        let figure = figures
            .get(body)
            .copied()
            .ok_or_else(|| format!("no figure of {body}"))?;
        let percent = count * 100 / figure.max(1);
        let note = if percent < PERCENT_WON {
            ": renew it, to keep what was won"
        } else {
            ""
        };
        println!("instructions: {body}: {count}, {percent} % of the figure{note}");
        if percent > PERCENT_MAX {
            above.push(format!(
                "{body}: {count} instructions, {percent} % of the figure {figure}"
            ));
        }
    }
    if above.is_empty() {
        return Ok(());
    }
    let renewal = "if it must be so: cargo test --release --bench instructions -- --renew";
    Err(format!("more than {PERCENT_MAX} %: {}; {renewal}", above.join("; ")).into())
}

/// The bodies: a clean page, dense JSON, dense CSV, and a page of HTML.
fn bodies() -> [Bulk; 4] {
    [
        bulk::clean(PAGE_BYTES),
        bulk::dense_json(BYTES),
        bulk::dense_csv(BYTES),
        pages::pages(BYTES),
    ]
}

/// The vector instructions that the counted program finds, and the instructions of one reading by body.
fn count_all() -> Result<(String, BTreeMap<String, u64>), Fault> {
    let bodies = bodies();
    // All at once: other work changes no count.
    let runs: Vec<Child> = (0..bodies.len())
        .map(|body| start(&["*read_times*"], &[COUNTED, &body.to_string()]))
        .collect::<Result<_, _>>()?;
    let (mut vectors, mut counted) = (String::new(), BTreeMap::new());
    for (body, run) in bodies.iter().zip(runs) {
        let (found, total) = end(run)?;
        vectors = found;
        counted.insert(body.name.to_owned(), total / TIMES);
    }
    Ok((vectors, counted))
}

/// Starts this program under callgrind, which counts while one of these functions runs.
fn start(functions: &[&str], arguments: &[&str]) -> Result<Child, Fault> {
    let toggles = functions.iter().map(|function| format!("--toggle-collect={function}"));
    let child = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(toggles)
        .arg(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    child.map_err(|error| format!("valgrind: {error}; apt-get install valgrind").into())
}

/// What the counted program said of its processor, and how many instructions it took.
fn end(mut child: Child) -> Result<(String, u64), Fault> {
    let (mut output, mut errors) = (String::new(), String::new());
    if let (Some(stdout), Some(stderr)) = (&mut child.stdout, &mut child.stderr) {
        stdout.read_to_string(&mut output)?;
        stderr.read_to_string(&mut errors)?;
    }
    if !child.wait()?.success() {
        return Err(format!("the counted program failed:\n{errors}").into());
    }
    let collected = errors.rsplit("Collected :").next().unwrap_or_default();
    let count = collected.split_whitespace().next().unwrap_or_default().parse();
    Ok((
        output.trim().to_owned(),
        count.map_err(|_| "callgrind counted nothing")?,
    ))
}

/// The counted program: every body once, so that names are known, and then one of them in the function that is counted.
fn count_one(body: usize) -> Result<(), Fault> {
    println!("{}", vectors());
    let rules = Arc::new(RuleSet::builtin());
    let bodies = bodies();
    for body in &bodies {
        read(body, &rules);
    }
    read_times(bodies.get(body).ok_or("there is no such body")?, &rules);
    Ok(())
}

#[inline(never)]
fn read_times(body: &Bulk, rules: &Arc<RuleSet>) {
    (0..TIMES).for_each(|_| read(body, rules));
}

/// The widest vector instructions that the engine has a way for.
fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") {
            return "AVX-512";
        }
        if is_x86_feature_detected!("avx2") {
            return "AVX2";
        }
    }
    "no AVX2"
}

/// Reads a body as `tidegate scan` does, and fails unless it finds everyone in it.
fn read(body: &Bulk, rules: &Arc<RuleSet>) {
    let content = Content::from(body.declared);
    let secret = HashKey::new([7; 32]);
    let mut inspector = Inspector::new(Mode::Watch, Bounds::default(), content, Arc::clone(rules), secret);
    let mut people = 0;
    let mut chunk: Option<Bytes> = Some(body.bytes.clone());
    let mut step = Step::More;
    loop {
        step = match step {
            Step::More => match chunk.take() {
                Some(chunk) => inspector.push(&chunk),
                None => inspector.finish(),
            },
            Step::Settle => {
                people += inspector.asks().iter().flat_map(|ask| &ask.people).count();
                inspector.resolve(usize::MAX, Resolution::Granted)
            }
            Step::Release { .. } => inspector.step(),
            Step::Fail(_) | Step::Stopped | Step::Done => break,
        };
    }
    assert_eq!(people, body.people, "{}: people", body.name);
}
