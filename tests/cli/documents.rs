//! README names every setting, limit, metric, problem and command, with the default that the program has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use serde_json::Value;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(path).expect("a file of ours")
}

/// Every name that the schema of the configuration has, at any depth.
fn names(schema: &Value, into: &mut BTreeSet<String>) {
    for (key, value) in schema.as_object().into_iter().flatten() {
        if let ("properties", Value::Object(properties)) = (key.as_str(), value) {
            into.extend(properties.keys().cloned());
        }
        names(value, into);
    }
    schema
        .as_array()
        .into_iter()
        .flatten()
        .for_each(|value| names(value, into));
}

#[test]
fn readme_names_every_setting() {
    let schema = schemars::schema_for!(tidegate::config::ConfigSyntax).to_value();
    let mut settings = BTreeSet::new();
    names(&schema, &mut settings);
    assert!(settings.len() > 90, "{}", settings.len());
    let readme = read("README.md");
    // `[section]`, `setting`, `section.setting`, or a word of code beside others.
    let is_told = |name: &str| {
        [
            format!("`{name}`"),
            format!(".{name}`"),
            format!("[{name}"),
            format!("`{name} = "),
            format!("`{{ {name}, "),
        ]
        .iter()
        .any(|form| readme.contains(form.as_str()))
    };
    let missing: Vec<_> = settings.iter().filter(|name| !is_told(name)).collect();
    assert!(missing.is_empty(), "README does not name {missing:?}");
}

/// The numbers of a table row, `| `name` | 65,536 | ...`.
fn default_of(readme: &str, name: &str) -> Option<u64> {
    let row = readme.lines().find(|line| line.starts_with(&format!("| `{name}` |")))?;
    let cell = row.split('|').nth(2)?;
    let number: String = cell.chars().filter(char::is_ascii_digit).collect();
    number.parse().ok()
}

#[test]
fn readme_states_the_defaults_that_are() {
    let readme = read("README.md");
    let config = tidegate::config::ConfigSyntax::default();
    let numbers = [config.limits.bounded(), config.body.bounded(), config.ledger.bounded()];
    for number in numbers.iter().flatten() {
        assert_eq!(number.problem(), None, "a default is within its bounds");
        assert_eq!(default_of(&readme, number.name), Some(number.value), "{}", number.name);
    }
    for number in config.rules.bounded() {
        let name = format!("rules.{}", number.name);
        assert_eq!(default_of(&readme, &name), Some(number.value), "{name}");
    }
    let sections = [
        ("store", config.store.bounded()),
        ("fleet", config.fleet.bounded()),
        ("audit", config.audit.bounded()),
        ("journal", config.journal.bounded()),
    ];
    for (section, numbers) in sections {
        for number in numbers {
            let name = format!("{section}.{}", number.name);
            assert_eq!(default_of(&readme, &name), Some(number.value), "{name}");
        }
    }
}

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

/// Every text in the sources that `is_one`.
fn literals(is_one: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut paths = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paths);
    let texts = paths.iter().map(|path| fs::read_to_string(path).expect("a source"));
    texts
        .flat_map(|text| {
            text.split('"')
                .filter(|word| is_one(word))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Whether `text` names `code`, by itself or inside `R001 to R020`.
fn tells_code(text: &str, code: &str) -> bool {
    text.contains(&format!("| {code}")) || text.contains(&format!(", {code}"))
}

#[test]
fn every_problem_and_metric_is_explained() {
    let (readme, rules) = (read("README.md"), read("rules/README.md"));
    let is_code = |word: &str| {
        word.len() == 4
            && word.starts_with(['A', 'C', 'I', 'P', 'R', 'S'])
            && word.bytes().skip(1).all(|b| b.is_ascii_digit())
    };
    let codes = literals(is_code);
    assert!(codes.len() > 40, "{codes:?}");
    for code in &codes {
        let place = if code.starts_with('R') { &rules } else { &readme };
        assert!(tells_code(place, code), "{code} is not explained");
    }
    let is_metric = |word: &str| {
        ["tidegate_", "process_", "build_info"]
            .iter()
            .any(|start| word.starts_with(start))
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let metrics = literals(is_metric);
    assert!(metrics.len() > 25, "{metrics:?}");
    for metric in &metrics {
        assert!(readme.contains(&format!("`{metric}`")), "{metric} is not explained");
    }
}

#[test]
fn every_command_is_in_the_table() {
    let readme = read("README.md");
    let (_, table) = readme.split_once("## Running it").expect("the section");
    // Those that the program runs itself are nobody's business.
    let commands = tidegate::cli::args::Cli::command();
    for command in commands.get_subcommands().filter(|command| !command.is_hide_set()) {
        assert!(
            table.contains(&format!("| `{}", command.get_name())),
            "{}",
            command.get_name()
        );
    }
}
