//! The house rules, read from the sources: imports point down, the engine stays pure, every file says what it is for.

#![expect(
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "the sources are ours: a place that is missing fails the test"
)]

mod code;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use code::Code;

/// The floor of every room, from the bottom. A file names modules of its own room and of lower floors only.
const FLOORS: [(&str, u8); 19] = [
    ("engine", 0),
    ("events", 1),
    ("clock", 1),
    ("confinement", 1),
    ("tls", 2),
    ("identity", 2),
    ("audit", 2),
    ("store", 2),
    ("fleet", 2),
    ("isolation", 2),
    ("simulate", 3),
    ("proxy", 3),
    ("admin", 3),
    ("icap", 4),
    ("ext_proc", 4),
    ("cli", 5),
    ("config", 5),
    ("run", 5),
    ("main", 5),
];
/// The rooms of this floor are the wiring: they know one another.
const WIRING: u8 = 5;

/// All crates that the engine names. None of them does I/O, waits or reads a clock.
const ENGINE_CRATES: [&str; 22] = [
    "aho_corasick",
    "blake3",
    "brotli_decompressor",
    "bytes",
    "chardetng",
    "crc32fast",
    "encoding_rs",
    "flate2",
    "hashbrown",
    "jiff",
    "lz4_flex",
    "memchr",
    "psl",
    "regex_automata",
    "regex_syntax",
    "schemars",
    "serde",
    "serde_json",
    "smallvec",
    "toml",
    "zeroize",
    "zstd",
];
/// What of these crates and of `std` the engine does not name.
const IMPURE: [&str; 12] = [
    "jiff::Timestamp",
    "jiff::Zoned",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::sync::mpsc",
    "std::time::Instant",
    "std::time::SystemTime",
];
/// The crates of logs and metrics, and their macros: named by `events` alone.
const REPORTING_CRATES: [&str; 4] = [
    "tracing",
    "tracing_subscriber",
    "metrics",
    "metrics_exporter_prometheus",
];
const REPORTING_MACROS: [&str; 10] = [
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "event",
    "span",
    "counter",
    "gauge",
    "histogram",
];

const LINES_MAX: usize = 500;
/// A fuzz target only calls a check that the gate also runs.
const FUZZ_TARGET_LINES_MAX: usize = 30;
/// Marks of unfinished work, in two halves so that this file does not hold them.
const UNFINISHED: [(&str, &str); 4] = [("TO", "DO"), ("FIX", "ME"), ("to", "do!("), ("unimple", "mented!(")];

#[test]
fn the_house_rules_hold() {
    let files = sources();
    assert!(files.len() > 50, "the sources were found");
    let test_only = test_only_modules(&files);
    let mut broken = Vec::new();
    let mut engine_crates = BTreeSet::new();
    for (path, text) in &files {
        broken.extend(check_text(path, text));
        if path.starts_with("src/") && !test_only.iter().any(|module| is_inside(path, module)) {
            let code = Code::read(text);
            broken.extend(check_floors(path, &code));
            broken.extend(check_reporting(path, &code));
            if room(path) == "engine" {
                broken.extend(check_engine(path, &code));
                engine_crates.extend(crates(&code));
            }
        }
    }
    assert!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
    assert_eq!(
        engine_crates,
        ENGINE_CRATES.into(),
        "the engine's crates, outside tests"
    );
}

#[test]
fn every_room_has_a_floor() {
    let rooms: BTreeSet<String> = sources()
        .keys()
        .filter(|path| path.starts_with("src/"))
        .map(|path| room(path))
        .collect();
    let known: BTreeSet<String> = FLOORS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .chain(["lib".to_owned()])
        .collect();
    assert_eq!(rooms, known);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn planted_violations_are_caught() {
    let floors = |path: &str, text: &str| check_floors(path, &Code::read(text)).len();
    for (path, text, broken, why) in [
        (
            "src/engine/x.rs",
            "use crate::events::Event;",
            1,
            "the engine reports nothing",
        ),
        (
            "src/engine/x.rs",
            "use crate::engine::time::Now; use super::y;",
            0,
            "its own room",
        ),
        (
            "src/engine/a/x.rs",
            "use super::super::super::proxy::body;",
            1,
            "a climb out of the room",
        ),
        (
            "src/engine/a/mod.rs",
            "use super::time; use super::super::proxy;",
            1,
            "a door is its folder",
        ),
        (
            "src/audit/x.rs",
            "use crate::{engine::a::{B, c::D}, events::Event, identity::Actor};",
            1,
            "rooms of one floor",
        ),
        (
            "src/tls/mod.rs",
            "fn f(x: &crate::identity::Actor) {}",
            1,
            "a path without `use`",
        ),
        (
            "src/proxy/x.rs",
            "use crate::identity::Actor; use crate::clock::Clock;",
            0,
            "lower floors",
        ),
        ("src/proxy/x.rs", "use crate::admin::Token;", 1, "rooms of one floor"),
        ("src/proxy/x.rs", "use crate::run::State;", 1, "upwards"),
        ("src/clock.rs", "use super::events::report;", 1, "rooms of one floor"),
        (
            "src/run/x.rs",
            "use crate::config::Compiled; use crate::cli::report;",
            0,
            "the wiring knows itself",
        ),
        ("src/engine/x.rs", "use crate::*;", 1, "a glob hides its floor"),
        ("src/engine/x.rs", "use crate::shop::Cart;", 1, "a room without a floor"),
        (
            "src/engine/x.rs",
            "/* crate::proxy::a */ // crate::proxy::b\nconst C: &str = r#\"crate::proxy::c\"#;",
            0,
            "no code",
        ),
        (
            "src/engine/x.rs",
            "#[cfg(test)]\nmod tests { use crate::proxy::x; fn f() { '{'; } }\n",
            0,
            "a test may",
        ),
        (
            "src/engine/x.rs",
            "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::proxy::x;",
            1,
            "after a test",
        ),
    ] {
        assert_eq!(floors(path, text), broken, "{why}: {text}");
    }
    let engine = |text: &str| check_engine("src/engine/x.rs", &Code::read(text)).len();
    for (text, broken) in [
        ("use tokio::sync::Mutex;", 1),
        ("fn f(request: hyper::Request<()>) {}", 1),
        ("use std::{fs, net::TcpStream, sync::Arc};", 2),
        ("use std::time::{Duration, Instant};", 1),
        ("let now = std::time::SystemTime::now();", 1),
        ("use bytes::Bytes; use std::sync::Arc; use std::time::Duration;", 0),
        ("fn random() -> u64 { rand::random() }", 1),
    ] {
        assert_eq!(engine(text), broken, "{text}");
    }
    let reporting = |path: &str, text: &str| check_reporting(path, &Code::read(text)).len();
    assert_eq!(
        reporting("src/proxy/x.rs", "use tracing::info; fn f() { info!(\"x\"); }"),
        2
    );
    assert_eq!(
        reporting("src/run/x.rs", "fn f() { metrics::counter!(\"x\").increment(1); }"),
        2
    );
    assert_eq!(
        reporting("src/proxy/x.rs", "fn f() { error(\"x\"); let info = 1; info != 2; }"),
        0
    );
    assert_eq!(
        reporting("src/events/x.rs", "use tracing::info; fn f() { info!(\"x\"); }"),
        0
    );
}

#[test]
fn planted_texts_are_caught() {
    let long = format!("//! Long.\n{}", "\n".repeat(LINES_MAX));
    let unfinished = UNFINISHED.map(|(left, right)| format!("//! Holds a mark.\n// {left}{right}\n"));
    for (path, text, broken) in [
        ("src/a.rs", "//! Says what it is for.\n", 0),
        ("src/a.rs", "\n//! Too late.\n", 1),
        ("src/a.rs", "use std::fs;\n", 1),
        ("src/a.rs", "//!\n", 1),
        ("tests/a.rs", long.as_str(), 1),
        ("fuzz/fuzz_targets/a.rs", long.as_str(), 1),
        ("fuzz/fuzz_targets/a.rs", &long[..45], 1),
    ] {
        assert_eq!(
            check_text(path, text).len(),
            broken,
            "{path}: {:?}",
            &text[..text.len().min(40)]
        );
    }
    for text in unfinished {
        assert_eq!(check_text("benches/a.rs", &text).len(), 1, "{text}");
    }
    let files = BTreeMap::from([(
        "src/proxy/mod.rs".to_owned(),
        "#[cfg(test)]\nmod testing;\nmod wire;\n".to_owned(),
    )]);
    assert_eq!(test_only_modules(&files), ["src/proxy/testing"]);
}

/// A header, a size, no unfinished work.
fn check_text(path: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    if text.lines().next().is_none_or(|line| !line.starts_with("//! ")) {
        broken.push(format!(
            "{path}: the first line does not say what the file is for (`//! `)"
        ));
    }
    let is_fuzz_target = path.starts_with("fuzz/fuzz_targets/");
    let lines_max = if is_fuzz_target {
        FUZZ_TARGET_LINES_MAX
    } else {
        LINES_MAX
    };
    let lines = text.lines().count();
    if lines > lines_max {
        broken.push(format!(
            "{path}: {lines} lines, more than {lines_max}: it probably holds two ideas"
        ));
    }
    for (left, right) in UNFINISHED {
        let mark = format!("{left}{right}");
        if let Some((number, _)) = (1..).zip(text.lines()).find(|(_, line)| line.contains(&mark)) {
            broken.push(format!("{path}:{number}: unfinished work ({mark})"));
        }
    }
    broken
}

fn check_floors(path: &str, code: &Code) -> Vec<String> {
    let own = room(path);
    let mut broken = Vec::new();
    for (line, named) in &code.paths {
        let Some(target) = target_room(path, named) else {
            continue;
        };
        let allowed = match (floor(&own), floor(&target)) {
            _ if own == "lib" || own == target => true,
            (Some(own), Some(target)) => target < own || (own, target) == (WIRING, WIRING),
            _ => false,
        };
        if !allowed {
            broken.push(format!("{path}:{line}: `{own}` may not name `{target}`"));
        }
    }
    broken
}

fn check_engine(path: &str, code: &Code) -> Vec<String> {
    let mut broken = Vec::new();
    for (line, named) in &code.paths {
        let joined = named.join("::");
        let is_impure = IMPURE.iter().any(|impure| is_at_or_below(&joined, impure));
        let is_foreign = named
            .first()
            .is_some_and(|first| dependencies().contains(first) && !ENGINE_CRATES.contains(&first.as_str()));
        if is_impure || is_foreign {
            broken.push(format!("{path}:{line}: the engine may not name `{joined}`"));
        }
    }
    broken
}

fn check_reporting(path: &str, code: &Code) -> Vec<String> {
    if room(path) == "events" {
        return Vec::new();
    }
    let crates = code
        .paths
        .iter()
        .filter(|(_, named)| REPORTING_CRATES.contains(&named[0].as_str()));
    let crates = crates.map(|(line, named)| (line, named.join("::")));
    let macros = code
        .macros
        .iter()
        .filter(|(_, name)| REPORTING_MACROS.contains(&name.as_str()));
    let macros = macros.map(|(line, name)| (line, format!("{name}!")));
    crates
        .chain(macros)
        .map(|(line, what)| format!("{path}:{line}: `{what}` outside `events`"))
        .collect()
}

fn crates(code: &Code) -> BTreeSet<&'static str> {
    let firsts = code.paths.iter().filter_map(|(_, named)| named.first());
    let known = firsts.filter(|first| dependencies().contains(*first));
    known
        .filter_map(|first| ENGINE_CRATES.into_iter().find(|name| name == first))
        .collect()
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn is_at_or_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The room of a file: the first module of its path.
fn room(path: &str) -> String {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    inner.split('/').next().unwrap_or_default().to_owned()
}

/// The room that a path in `file` leads to; none for paths that stay inside or leave the crate.
fn target_room(file: &str, named: &[String]) -> Option<String> {
    let inner = file
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    let depth = if matches!(inner, "lib" | "main") {
        0
    } else {
        inner.split('/').count()
    };
    let supers = named.iter().take_while(|segment| *segment == "super").count();
    match named.first().map(String::as_str) {
        Some("crate" | "tidegate") => Some(named.get(1).cloned().unwrap_or_default()),
        Some("super") if supers == depth => Some(named.get(supers).cloned().unwrap_or_default()),
        _ => None,
    }
}

/// Whether `path` is the file of `module` or lies in its folder.
fn is_inside(path: &str, module: &str) -> bool {
    path.strip_prefix(module)
        .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Modules that exist in tests only (`#[cfg(test)] mod x;`), as paths without an ending.
fn test_only_modules(files: &BTreeMap<String, String>) -> Vec<String> {
    let of_file = |(path, text): (&String, &String)| {
        let folder = path.trim_end_matches(".rs").trim_end_matches("/mod").to_owned();
        Code::read(text)
            .test_modules
            .into_iter()
            .map(move |name| format!("{folder}/{name}"))
            .collect::<Vec<_>>()
    };
    files.iter().flat_map(of_file).collect()
}

/// The names of `[dependencies]`, as the code writes them, and of crates that nobody should add.
fn dependencies() -> &'static BTreeSet<String> {
    static NAMES: std::sync::OnceLock<BTreeSet<String>> = std::sync::OnceLock::new();
    NAMES.get_or_init(|| {
        let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).expect("cargo has read it");
        let named = manifest["dependencies"].as_table().expect("a table").keys();
        named
            .map(|name| name.replace('-', "_"))
            .chain(["rand", "chrono", "log"].map(str::to_owned))
            .collect()
    })
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file of the repository")
}

/// Every Rust file of the repository with its text.
fn sources() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut folders: Vec<String> = ["src", "tests", "benches", "fuzz/fuzz_targets"]
        .map(str::to_owned)
        .into();
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder)).expect("a folder of the repository")
        {
            let entry = entry.expect("a readable entry");
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            match entry.file_type().expect("a type") {
                kind if kind.is_dir() => folders.push(path),
                _ if Path::new(&path).extension().is_some_and(|ending| ending == "rs") => {
                    drop(files.insert(path.clone(), read(&path)));
                }
                _ => {}
            }
        }
    }
    files
}
