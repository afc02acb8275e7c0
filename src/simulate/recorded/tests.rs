//! Records of which it can be told beforehand who is stopped, where and after how many people.

#![expect(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "a record is written as it is read"
)]

use std::sync::Arc;

use super::*;
use crate::engine::ledger::{self, BudgetId};
use crate::engine::policy::{BudgetSyntax, Policy, RoutePolicy, Written};
use crate::engine::secret::HashKey;
use crate::engine::time::Now;

fn policy(budgets: &str) -> Simulation {
    #[derive(serde::Deserialize)]
    struct File {
        budget: Vec<BudgetSyntax>,
    }
    let File { budget } = toml::from_str(budgets).unwrap();
    let routes = ["shop/", "shop/orders"].map(|name| RoutePolicy {
        name: name.to_owned(),
        ..RoutePolicy::default()
    });
    let written = Written {
        budgets: &budget,
        routes: &routes,
        exact_elements_max: 100_000,
        ..Written::default()
    };
    let compiled = Policy::compile(&written, HashKey::new([1; 32]), Now::from_millis(0), &mut Vec::new());
    Simulation {
        policy: Arc::new(compiled.unwrap()),
        ledger: ledger::Settings::default(),
        secret: HashKey::new([2; 32]),
    }
}

fn budget(per: &str, people: u32, mode: &str) -> String {
    format!(
        "[[budget]]\nname = \"{per}\"\nper = \"{per}\"\npeople = {people}\nwindow = \"1d\"\naction = \"block\"\nmode = \"{mode}\"\n"
    )
}

fn log<'t>(columns: &str, text: &'t str) -> AccessLog<&'t [u8]> {
    let routes = ["shop/", "shop/orders"].into_iter();
    AccessLog::new(
        text.as_bytes(),
        Columns::parse(columns).unwrap(),
        routes,
        HashKey::new([1; 32]),
    )
}

fn run(simulation: &Simulation, source: &mut (dyn Source + Send)) -> Outcome {
    simulate(simulation, source, &Watch::default()).unwrap()
}

const START: u64 = 1_700_000_000;

#[test]
fn a_greedy_session_is_given_exactly_the_limit() {
    let text: String = (0..50)
        .map(|n| format!("{},greedy,p{n}\n{},good,p1\n", START + n, START + n))
        .collect();
    let outcome = run(
        &policy(&budget("session", 7, "enforce")),
        &mut log("time,session,subject", &text),
    );
    assert_eq!((outcome.sightings, outcome.refused), (100, 43));
    // Seven of one, and one of the other who looks again and again.
    assert_eq!(outcome.given, 7 + 50);
    let [stopped] = &outcome.stopped[..] else {
        panic!("one is stopped")
    };
    assert_eq!((stopped.line, stopped.people, stopped.times), (15, 7, 43));
    assert_eq!((stopped.first_ms, stopped.is_refused), ((START + 7) * 1000, true));
    assert_eq!(
        (outcome.sessions, outcome.sessions_refused, outcome.ordinary_refused),
        (2, 1, 0)
    );
    assert_eq!(outcome.days.iter().map(|day| day.incidents).collect::<Vec<_>>(), [1]);
}

#[test]
fn in_monitor_nobody_is_refused_and_everybody_over_is_told() {
    let text: String = (0..50).map(|n| format!("{},greedy,p{n}\n", START + n)).collect();
    let outcome = run(
        &policy(&budget("session", 7, "monitor")),
        &mut log("time,session,subject", &text),
    );
    assert_eq!((outcome.refused, outcome.given), (0, 50));
    let [told] = &outcome.stopped[..] else {
        panic!("one is told of")
    };
    assert_eq!((told.is_refused, told.times, told.line), (false, 43, 8));
}

#[test]
fn who_pays_for_a_shared_address_is_an_ordinary_session() {
    let crawl: String = (0..20)
        .map(|n| format!("{}\tcrawler\t192.0.2.1\tp{n}\n", START + n))
        .collect();
    let other: String = (0..5)
        .map(|n| format!("{}\ts{n}\t192.0.2.1\tq{n}\n", START + 100))
        .collect();
    let elsewhere = format!("{}\tt\t198.51.100.1\tq9\n", START + 100);
    let text = format!("{crawl}{other}{elsewhere}");
    let outcome = run(
        &policy(&budget("address", 10, "enforce")),
        &mut log("time,session,address,subject", &text),
    );
    assert_eq!(
        (outcome.refused, outcome.sessions, outcome.sessions_refused),
        (15, 7, 6)
    );
    assert_eq!(outcome.ordinary_refused, 5, "all but the crawler");
}

#[test]
fn separators_and_quotes_tell_the_same() {
    let sightings = |text: &str| {
        let mut log = log("time,-,session,route,subject", text);
        let mut read = Vec::new();
        while let Some(sighting) = log.next().unwrap() {
            let people: Vec<_> = sighting.people.to_vec();
            let session = sighting.value(Dimension::Session).map(<[u8]>::to_vec);
            read.push((sighting.at_ms, session, sighting.route, people));
        }
        assert_eq!(log.skipped().count(), 0, "{text}");
        read
    };
    let expected = sightings("1700000000\tx y\ts1\t/orders/7\tp1\n1700000000\tx\t-\t/a\t\n");
    assert_eq!(expected.len(), 2);
    assert_eq!((expected[0].2, expected[1].2), (1, 0));
    assert_eq!((expected[1].1.as_ref(), expected[1].3.len()), (None, 0));
    for text in [
        "1700000000,\"x y\",s1,/orders/7,p1\n1700000000,x,-,/a,\n",
        "1700000000 \"x y\" s1 /orders/7 p1\r\n1700000000  x -  /a -\n",
        "1700000000 \"x, like\ty\" s1 /orders/7 p1\n1700000000 x - /a -\n",
        "1700000000,\"x\ty\",s1,/orders/7,p1\n1700000000,x,-,/a,\n",
        "[14/Nov/2023:22:13:20 +0000] \"x y\" s1 \"GET /orders/7 HTTP/1.1\" p1\n[14/Nov/2023:22:13:20 +0000] x - /a -",
    ] {
        assert_eq!(sightings(text), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_counted_by_reason_with_its_first_line() {
    let long = "x".repeat(70_000);
    let text = format!(
        "1700000000,s,192.0.2.1,p\ntime,session,address,subject\n1700000001,s\n{long}\n1700000001,s,home,p\n\n1700000002,s,192.0.2.1,q\n\u{0}\u{1}"
    );
    let mut source = log("time,session,address,subject", &text);
    let outcome = run(&policy(&budget("session", 7, "enforce")), &mut source);
    assert_eq!(outcome.sightings, 2);
    let skipped: Vec<_> = outcome.skipped.each().collect();
    let expected = [
        (Skip::Short, 2, 3),
        (Skip::Time, 1, 2),
        (Skip::Address, 1, 5),
        (Skip::Long, 1, 4),
    ];
    assert_eq!(skipped, expected);
    assert_eq!(source.bytes(), text.len() as u64);
}

#[test]
fn columns_in_another_order_are_an_error_with_line_and_field() {
    let text = "s1,1700000000,p1\n".repeat(3);
    let mut wrong = log("time,session,subject", &text);
    let error = simulate(&policy(&budget("session", 7, "enforce")), &mut wrong, &Watch::default());
    let error = error.err().unwrap().to_string();
    assert!(error.starts_with("line 1: field 1 is no time"), "{error}");
    let mut more = log("time,session,subject,-,-", &text);
    let error = suggest(&mut more, &Watch::default()).err().unwrap().to_string();
    assert!(error.contains("fewer fields than the 5"), "{error}");
}

#[test]
fn columns_say_what_is_wrong_with_them() {
    for (text, part) in [
        ("time,sesion,subject", "there is no column `sesion`"),
        ("time,session", "`subject` is missing"),
        ("session,subject", "`time` is missing"),
        ("time,subject", "who asks is missing"),
        ("time,time,session,subject", "named twice"),
        ("", "there is no column ``"),
    ] {
        let error = Columns::parse(text).err().unwrap_or_default();
        assert!(error.contains(part), "{text}: {error}");
    }
    assert!(Columns::parse("time, -, -, session, subject").is_ok());
}

#[test]
fn a_line_of_an_hour_ago_does_not_turn_the_clock_back() {
    let day = 86_400;
    let text = format!("{},s,p1\n{},s,p2\n{},s,p3\n", START, START + 2 * day, START);
    let outcome = run(
        &policy(&budget("session", 1, "enforce")),
        &mut log("time,session,subject", &text),
    );
    // The first has left the window when the second comes; the third does not come back into its own day.
    assert_eq!((outcome.late, outcome.refused, outcome.given), (1, 1, 2));
}

#[test]
fn budgets_of_which_the_record_tells_nothing_are_not_asked() {
    let cards = budget("session", 9, "enforce")
        .replace("name = \"session\"", "name = \"cards\"\nclass = \"card\"")
        .replace("people", "values");
    let budgets = [budget("session", 9, "enforce"), budget("network", 1, "monitor"), cards].concat();
    let text: String = (0..5).map(|n| format!("{},s{n},p{n}\n", START + n)).collect();
    let outcome = run(&policy(&budgets), &mut log("time,session,subject", &text));
    assert_eq!(outcome.asked, [BudgetId::of("session", None)].into_iter().collect());
    assert_eq!(outcome.stopped, []);
}

#[test]
fn a_budget_that_binds_nobody_of_the_record_was_not_asked() {
    let orders = budget("session", 1, "enforce")
        .replace("name = \"session\"", "name = \"orders\"\nwhen = \"route:shop/orders\"");
    let budgets = format!("{}{orders}", budget("session", 9, "enforce"));
    let text: String = (0..5).map(|n| format!("{},s,p{n}\n", START + n)).collect();
    let outcome = run(&policy(&budgets), &mut log("time,session,subject", &text));
    assert_eq!((outcome.asked.len(), outcome.given), (1, 5));
}

#[test]
fn a_key_that_is_told_of_and_then_stopped_was_stopped() {
    let told = budget("session", 3, "monitor").replace("mode = \"monitor\"", "mode = \"enforce:50%\"");
    let text = |session: &str| -> String {
        let crawl = (0..5).map(|n| format!("{},{session},s{session},p{n}\n", START + n));
        crawl.collect()
    };
    let simulation = policy(&told);
    let is_refused = |principal: &str| {
        let outcome = run(
            &simulation,
            &mut log("time,principal,session,subject", &text(principal)),
        );
        outcome.stopped.iter().any(|stopped| stopped.is_refused)
    };
    let names: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let (stopped, told): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| is_refused(name));
    // One session that a told principal began and a stopped one goes on with.
    let line = |principal: &str, n: u64| format!("{},{principal},shared,p{n}\n", START + n);
    let text: String = (0..9)
        .map(|n| line(if n < 6 { told[0] } else { stopped[0] }, n))
        .collect();
    let outcome = run(&simulation, &mut log("time,principal,session,subject", &text));
    let over: Vec<_> = outcome
        .stopped
        .iter()
        .map(|stopped| (stopped.is_refused, stopped.line))
        .collect();
    assert_eq!(over, [(true, 4)]);
}

fn finding(key: &str, dimension: &str, second: u64, people: u64) -> String {
    let unmapped = serde_json::json!({
        "key": key, "dimension": dimension, "counted": "people", "people": people, "limit": 5, "budget": "old"
    });
    let line = serde_json::json!({ "class_uid": 2006, "time": second * 1000, "unmapped": unmapped });
    format!("{line}\n")
}

/// An API activity as `audit` writes it: its `unmapped` has other members.
const CHANGE: &str =
    r#"{"class_uid":6003,"time":1,"unmapped":{"reason":"x","role":"releaser","until":null,"people":7}}"#;

#[test]
fn an_audit_file_tells_after_how_many_people_a_key_would_have_been_stopped() {
    let key = "ab".repeat(12);
    let text = [
        finding(&key, "session", START, 60),
        finding(&key, "session", START + 60, 120),
        // What does not grow adds nobody.
        finding(&key, "session", START + 120, 120),
        format!("{CHANGE}\n"),
        "garbage\n".to_owned(),
        finding("short", "session", START, 9),
        finding(&"cd".repeat(12), "address", START + 130, 70),
        // Bytes are no people, and no second is so late.
        finding(&key, "session", START + 140, 9_000).replace("\"people\",", "\"bytes\","),
        finding(&key, "session", 1 << 32, 9_000),
    ];
    let text = text.concat();
    let outcome = run(
        &policy(&budget("session", 100, "enforce")),
        &mut Events::new(text.as_bytes()),
    );
    let [stopped] = &outcome.stopped[..] else {
        panic!("one is stopped")
    };
    assert_eq!(
        (stopped.key.as_str(), stopped.people, stopped.line),
        (key.as_str(), 100, 2)
    );
    // No budget asks for addresses: those seventy are all given.
    assert_eq!(outcome.given, 100 + 70);
    let skipped: Vec<_> = outcome.skipped.each().collect();
    assert_eq!(skipped, [(Skip::Time, 1, 9), (Skip::Json, 1, 5), (Skip::Other, 3, 4)]);
    let error = simulate(
        &policy(&budget("session", 100, "enforce")),
        &mut Events::new(&b"no audit file\n"[..]),
        &Watch::default(),
    );
    assert!(error.err().unwrap().to_string().contains("line 1: no json"));
}

#[test]
fn proposals_are_for_the_dimensions_of_the_record() {
    let days = (0..3).flat_map(|day| (0..200).map(move |n| (day, n)));
    let mut text: String = days
        .map(|(day, n)| format!("{},s{n},192.0.2.{n},p{n}\n", START + day * 86_400))
        .collect();
    for person in 0..500 {
        text.push_str(&format!("{},thief,198.51.100.7,q{person}\n", START + 2 * 86_400));
    }
    let mut source = log("time,session,address,subject", &text);
    let suggested = suggest(&mut source, &Watch::default()).unwrap();
    let found: Vec<_> = suggested
        .proposals
        .iter()
        .map(|found| (found.dimension, found.people, found.most))
        .collect();
    // All of the shop's customers come from one network.
    assert_eq!(
        found,
        [
            (Dimension::Session, 10, 500),
            (Dimension::Address, 10, 500),
            (Dimension::Network, 500, 500),
        ]
    );
    assert_eq!(suggested.proposals[0].alerts_a_month, 10, "one in three days");
    assert_eq!(suggested.sightings, 1_100);
}

#[test]
fn a_key_that_is_told_is_not_what_a_quick_hash_made_of_a_value() {
    let lines: String = (0..5).map(|person| format!("{START},s,{person}\n")).collect();
    let told = |secret: u8| {
        let simulation = Simulation {
            secret: HashKey::new([secret; 32]),
            ..policy(&budget("session", 3, "enforce"))
        };
        let outcome = run(&simulation, &mut log("time,session,subject", &lines));
        outcome.stopped[0].key.clone()
    };
    assert_eq!(told(2), told(2));
    assert_ne!(told(2), told(3));
}
