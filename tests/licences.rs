//! What may be in the dependency graph: the lists of `deny.toml`, held here for people and machines without cargo-deny.
//!
//! The graph is `cargo tree`'s: `cargo metadata` also lists packages that no feature turns on, such as ring.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the files are ours: a key that is missing fails the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// One package of the graph.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: [u64; 3],
    licence: String,
    features: BTreeSet<String>,
}

/// What `deny.toml` says.
struct Rules {
    licences: BTreeSet<String>,
    /// Name, and the version below which the ban holds; none bans all.
    bans: Vec<(String, Option<[u64; 3]>)>,
    /// Name and the leading parts of a version that may stand beside another.
    skips: Vec<(String, Vec<u64>)>,
}

#[test]
fn the_graph_keeps_the_rules() {
    let (packages, rules) = (graph(), rules());
    assert!(packages.len() > 100, "the graph was read");
    assert!(
        rules.licences.len() > 10 && rules.bans.len() > 10,
        "the rules were read"
    );
    let broken = check(&packages, &rules);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn rustls_has_one_provider() {
    let packages = graph();
    let rustls: Vec<_> = packages.iter().filter(|package| package.name == "rustls").collect();
    let [rustls] = rustls.as_slice() else {
        panic!("one rustls, not {}", rustls.len())
    };
    let has = |feature: &str| rustls.features.contains(feature);
    assert!(
        has("aws_lc_rs") && !has("ring") && !has("custom-provider"),
        "{:?}",
        rustls.features
    );
}

#[test]
fn planted_packages_are_caught() {
    let licences = "MIT OR Apache-2.0";
    let mut packages = vec![
        package("plain", [1, 0, 0], licences),
        package("rustls", [0, 23, 45], licences),
    ];
    assert_eq!(check(&packages, &rules_without_skips()), Vec::<String>::new());
    packages.extend([
        package("copyleft", [1, 0, 0], "MPL-2.0"),
        package("unlicensed", [1, 0, 0], ""),
        package("rsa", [0, 10, 0], licences),
        package("ring", [0, 17, 14], licences),
        package("openssl", [0, 10, 0], licences),
        package("rustls-webpki", [0, 103, 14], licences),
        package("plain", [2, 0, 0], licences),
    ]);
    let broken = check(&packages, &rules_without_skips());
    for name in [
        "copyleft",
        "unlicensed",
        "rsa",
        "ring",
        "openssl",
        "rustls-webpki",
        "plain",
    ] {
        assert_eq!(
            broken
                .iter()
                .filter(|line| line.starts_with(&format!("{name} ")))
                .count(),
            1,
            "{name}: {broken:?}"
        );
    }
    assert_eq!(broken.len(), 7, "{broken:?}");
    let stale = Rules {
        skips: vec![("plain".to_owned(), vec![9])],
        ..rules_without_skips()
    };
    assert_eq!(check(&packages[..1], &stale).len(), 1, "a skip that nothing needs");
}

#[test]
fn licence_expressions() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]
        .map(str::to_owned)
        .into();
    for (expression, expected) in [
        ("MIT", true),
        ("MIT/GPL-3.0", true),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("MIT AND (GPL-3.0 OR ISC)", true),
        ("(GPL-3.0 OR ISC) AND GPL-3.0", false),
        ("MIT OR GPL-3.0 AND GPL-2.0", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("", false),
        ("MIT OR", false),
        ("MIT ISC", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

/// One line for each package that breaks a rule, and for each skip that nothing needs.
fn check(packages: &[Package], rules: &Rules) -> Vec<String> {
    let mut broken = Vec::new();
    let mut versions = BTreeMap::<&str, Vec<[u64; 3]>>::new();
    for package in packages {
        let Package {
            name, version, licence, ..
        } = package;
        versions.entry(name).or_default().push(*version);
        if !is_allowed(licence, &rules.licences) {
            broken.push(format!("{name} {version:?}: licence `{licence}` is not on the list"));
        }
        let ban = rules
            .bans
            .iter()
            .find(|(banned, below)| banned == name && below.is_none_or(|below| *version < below));
        if let Some((_, below)) = ban {
            broken.push(format!("{name} {version:?}: banned below {below:?}"));
        }
    }
    let is_skipped = |name: &str, version: &[u64; 3]| {
        rules
            .skips
            .iter()
            .any(|(skipped, start)| skipped == name && version.starts_with(start))
    };
    for (name, versions) in &versions {
        if versions.iter().filter(|version| !is_skipped(name, version)).count() > 1 {
            broken.push(format!(
                "{name} has the versions {versions:?}: give a reason in `skip`, or have one"
            ));
        }
    }
    for (name, start) in &rules.skips {
        let versions = versions.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        if versions.len() < 2 || !versions.iter().any(|version| version.starts_with(start)) {
            broken.push(format!("{name} {start:?}: the skip is not needed"));
        }
    }
    broken
}

/// Whether an SPDX expression can be met from the list; `/` is the old spelling of `OR`, `AND` binds tighter.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    any_of(&mut words, allowed) == Some(true) && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> Option<bool> {
    let mut met = all_of(words, allowed)?;
    while words.next_if_eq(&"OR").is_some() {
        met |= all_of(words, allowed)?;
    }
    Some(met)
}

fn all_of(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> Option<bool> {
    let mut met = one(words, allowed)?;
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed)?;
    }
    Some(met)
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> Option<bool> {
    match words.next()? {
        "(" => {
            let met = any_of(words, allowed)?;
            words.next_if_eq(&")").map(|_| met)
        }
        name => {
            let exception = words.next_if_eq(&"WITH").and_then(|_| words.next());
            let name = exception.map_or_else(|| name.to_owned(), |exception| format!("{name} WITH {exception}"));
            Some(allowed.contains(&name))
        }
    }
}

/// Every package that the binary is built from, build scripts included.
fn graph() -> Vec<Package> {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}\t{l}\t{f}",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).expect("names are UTF-8");
    let packages: BTreeSet<Package> = text.lines().map(read_package).collect();
    packages.into_iter().collect()
}

/// `name v1.2.3 (place)<tab>licence<tab>feature,feature (*)`; the star says that its subtree was shown before.
fn read_package(line: &str) -> Package {
    let mut columns = line.trim_end_matches(" (*)").split('\t');
    let mut column = || columns.next().unwrap_or_default();
    let mut words = column().split(' ');
    let name = words.next().unwrap_or_default().to_owned();
    let version = words.next().unwrap_or_default().trim_start_matches('v');
    Package {
        name,
        version: full(&version_parts(version)),
        licence: column().to_owned(),
        features: column()
            .split(',')
            .filter(|feature| !feature.is_empty())
            .map(str::to_owned)
            .collect(),
    }
}

fn package(name: &str, version: [u64; 3], licence: &str) -> Package {
    Package {
        name: name.to_owned(),
        version,
        licence: licence.to_owned(),
        features: BTreeSet::new(),
    }
}

fn version_parts(text: &str) -> Vec<u64> {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    core.split('.')
        .map(|part| part.parse().unwrap_or_else(|_| panic!("no version: {text}")))
        .collect()
}

fn full(parts: &[u64]) -> [u64; 3] {
    [0, 1, 2].map(|at| parts.get(at).copied().unwrap_or_default())
}

fn rules_without_skips() -> Rules {
    Rules {
        skips: Vec::new(),
        ..rules()
    }
}

fn rules() -> Rules {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml")).expect("deny.toml");
    let file: toml::Table = toml::from_str(&text).expect("TOML");
    let list = |table: &str, key: &str| file[table][key].as_array().expect("a list").clone();
    let crates = |key: &str| -> Vec<String> {
        let entry = |entry: &toml::Value| {
            assert!(
                entry["reason"].as_str().is_some_and(|reason| reason.len() > 10),
                "a reason: {entry}"
            );
            entry["crate"].as_str().expect("a name").to_owned()
        };
        list("bans", key).iter().map(entry).collect()
    };
    let ban = |spec: String| match spec.split_once("@<") {
        Some((name, below)) => (name.to_owned(), Some(full(&version_parts(below)))),
        None => (spec, None),
    };
    let skip = |spec: String| {
        let (name, version) = spec.split_once('@').expect("a version");
        (name.to_owned(), version_parts(version))
    };
    Rules {
        licences: list("licenses", "allow")
            .iter()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect(),
        bans: crates("deny").into_iter().map(ban).collect(),
        skips: crates("skip").into_iter().map(skip).collect(),
    }
}
