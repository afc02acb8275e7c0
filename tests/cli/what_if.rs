//! `simulate` and `replay` as they are typed: tables, JSON, and what is wrong where.

use super::{dir, tidegate, write};

const POLICY: &str = "[[budget]]\nname = \"session-day\"\nper = \"session\"\npeople = 3\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n";

/// The policy `new.toml` tried on the log `access.csv`.
const TRIED: [&str; 7] = [
    "simulate",
    "--access-log",
    "access.csv",
    "--columns",
    "time,session,subject",
    "--policy",
    "new.toml",
];

fn log() -> String {
    let lines = (0..9).map(|n| format!("{},thief,p{n}\n{},s{n},p{n}\n", 1_700_000_000 + n, 1_700_000_000 + n));
    lines.collect()
}

#[test]
fn a_simulation_says_who_would_have_been_stopped() {
    let dir = dir();
    write(&dir, "access.csv", &log());
    write(&dir, "new.toml", POLICY);
    let said = tidegate(dir.path(), &TRIED);
    assert_eq!(said.code, Some(0), "{}", said.text);
    for part in [
        "18 sightings in 1 day: 6 refused, 12 people shown",
        "1 key over a budget, 1 of them stopped",
        "2023-11-14T22:13:23Z",
        "session-day",
    ] {
        assert!(said.text.contains(part), "{part} in\n{}", said.text);
    }
    let said = tidegate(dir.path(), &[&TRIED[..], &["--format", "json"]].concat());
    let value: serde_json::Value = serde_json::from_str(&said.text).expect("one object");
    assert_eq!((&value["refused"], &value["over"][0]["line"]), (&6.into(), &7.into()));
    assert_eq!(value["over"][0]["people"], 3);
}

#[test]
fn limits_are_proposed_with_what_they_rest_on() {
    let dir = dir();
    write(&dir, "access.csv", &log());
    let arguments = [
        "simulate",
        "--access-log",
        "access.csv",
        "--columns",
        "time,session,subject",
        "--suggest",
    ];
    let said = tidegate(dir.path(), &arguments);
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(said.text.contains("per = \"session\"\npeople = 10\n"), "{}", said.text);
    // What is proposed is a configuration.
    write(&dir, "new.toml", &said.text);
    assert_eq!(tidegate(dir.path(), &TRIED).code, Some(0));
}

#[test]
fn a_budget_on_where_data_goes_is_not_judged() {
    let dir = dir();
    write(&dir, "access.csv", &log());
    write(&dir, "new.toml", &format!("{POLICY}when = \"!category:paste\"\n"));
    let said = tidegate(dir.path(), &TRIED);
    assert!(said.text.contains("simulate cannot judge session-day"), "{}", said.text);
}

#[test]
fn what_is_wrong_with_a_record_a_policy_or_a_scenario_is_told_with_its_place() {
    let dir = dir();
    write(&dir, "access.csv", &log());
    write(&dir, "new.toml", POLICY);
    write(
        &dir,
        "wrong.toml",
        &POLICY.replace("per = \"session\"", "per = \"sesion\""),
    );
    write(&dir, "x.toml", "title = 1\n");
    let simulate = |log: &str, columns: &str, policy: &str| {
        let arguments = [
            "simulate",
            "--access-log",
            log,
            "--columns",
            columns,
            "--policy",
            policy,
        ];
        tidegate(dir.path(), &arguments)
    };
    for (said, code, part) in [
        (
            simulate("access.csv", "session,time,subject", "new.toml"),
            2,
            "access.csv:1: field 2 is no time",
        ),
        (
            simulate("access.csv", "time,session", "new.toml"),
            2,
            "`subject` is missing",
        ),
        (
            simulate("access.csv", "time,session,subject", "wrong.toml"),
            78,
            "wrong.toml:3:7",
        ),
        (simulate("none.csv", "time,session,subject", "new.toml"), 74, "none.csv"),
        (
            tidegate(
                dir.path(),
                &["simulate", "--events", "access.csv", "--policy", "new.toml"],
            ),
            2,
            "no json",
        ),
        (
            tidegate(dir.path(), &["simulate", "--policy", "new.toml"]),
            2,
            "--access-log",
        ),
        (tidegate(dir.path(), &["replay", "x.toml"]), 78, "x.toml:1:9"),
        (tidegate(dir.path(), &["replay", "coupang"]), 74, "coupang-2025"),
    ] {
        assert_eq!(said.code, Some(code), "{part}: {}", said.text);
        assert!(said.text.contains(part), "{part} in\n{}", said.text);
    }
}

#[test]
fn a_replay_prints_a_table_a_chart_and_a_picture() {
    let dir = dir();
    let small = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/scenario/small"));
    write(&dir, "small.toml", &small.expect("a scenario of ours"));
    let said = tidegate(dir.path(), &["replay", "small.toml", "--svg", "curve.svg"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    for part in [
        "address = 7",
        "rate limit 60/min",
        "#",
        "1,000 of 1,000 customers",
        "multiplied by 1.",
    ] {
        assert!(said.text.contains(part), "{part} in\n{}", said.text);
    }
    let picture = std::fs::read_to_string(dir.path().join("curve.svg")).expect("a picture");
    assert!(picture.starts_with("<svg") && picture.contains("address = 30") && picture.ends_with("</svg>\n"));
    let said = tidegate(
        dir.path(),
        &["replay", "small.toml", "--format", "json", "--threads", "1"],
    );
    let value: serde_json::Value = serde_json::from_str(&said.text).expect("one object");
    assert_eq!(value["worlds"][0]["outcomes"][0]["people_exposed"], 70);
    assert!(
        value["worlds"][0]["outcomes"][0]["people_an_account"].is_null(),
        "it bought none"
    );
}

#[test]
fn the_leak_per_account_that_the_thief_of_dell_bought_is_printed() {
    let dir = dir();
    let dell = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/dell-2024.toml"));
    // The same budgets, thief and days, with a few of the people around.
    let mut dell = dell.expect("a scenario of ours");
    for (from, to) in [
        ("sample = 32", "sample = 1_000"),
        ("customers = 20_000_000", "customers = 20_000"),
        ("people = 49_000_000 ", "people = 105_000 "),
        ("views = 49_000_000", "views = 105_000"),
        ("misses = 102_200_000", "misses = 219_000"),
        ("partners = 3_000 ", "partners = 30 "),
    ] {
        assert!(dell.contains(from), "{from}");
        dell = dell.replace(from, to);
    }
    write(&dir, "dell.toml", &dell);
    let said = tidegate(dir.path(), &["replay", "dell.toml"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    let printed = said.text.split_once("each of the 5 accounts").expect("the figure").1;
    // Fifty on its first day, and as many as the limit on each of the twenty that follow.
    for (limit, worth) in [("50", "1,050"), ("200", "4,050"), ("500", "10,050")] {
        let line = printed
            .lines()
            .find(|line| line.contains(&format!("principal-day = {limit} ")));
        let line = line.unwrap_or_else(|| panic!("{limit} in\n{printed}"));
        assert_eq!(line.split_whitespace().last(), Some(worth), "{line}");
    }
}
