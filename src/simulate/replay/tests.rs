//! Small scenarios whose figures can be told beforehand.

use std::sync::atomic::Ordering;

use super::*;

/// A shop of a thousand customers, and a thief of three thousand people in three days; `lines` change what is asked.
fn scenario(changes: &[(&str, &str)]) -> Scenario {
    let mut text = SMALL.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    Scenario::read("small.toml", &text).expect("it is a scenario")
}

fn run(changes: &[(&str, &str)], threads: usize) -> Report {
    let ready = prepare("small.toml", scenario(changes), &mut Vec::new());
    let ready = ready.unwrap_or_else(|problems| panic!("{problems:?}"));
    let progress = Progress::default();
    let report = ready.run(World::Rare, threads, &progress);
    assert_eq!(progress.days.load(Ordering::Relaxed), ready.scenario().time.days);
    report
}

fn exposed(report: &Report) -> Vec<(Means, u64)> {
    let outcomes = report.outcomes.iter();
    outcomes
        .map(|outcome| (outcome.means, outcome.counts.exposed))
        .collect()
}

const SMALL: &str = r#"
title = "small"
[time]
start = "2025-01-01"
days = 5
seed = 1
[honest]
sample = 1
customers = 1_000
visits_a_month = 30
views_a_visit = 2
others_percent = 0
carrier_percent = 0
customers_a_carrier_address = 100
office_percent = 0
customers_an_office_address = 10
pooled_percent = 0
browser_percent = 50
agents = 2
people_an_agent = 40
partners = 1
people_a_partner = 100
bots = 1
requests_a_bot = 14_400
deploy_days = 2
key_days = 3
idp_outage = { day = 1, minutes = 60 }
store_outage = { day = 2, minutes = 60 }
[breach]
day = 1
days = 3
people = 3_000
views = 9_000
misses = 0
addresses = 10
shared_percent = 0
credential = "forged"
accounts = 0
[[route]]
match = "shop/"
[[route]]
match = "shop/export"
allow = { group = "partner", people_per_day = 1_000 }
[[budget]]
name = "address"
per = "address"
people = 1
window = "30d"
action = "block"
mode = "enforce"
[sweep]
budget = "address"
people = [7, 30, 1_000]
[beside]
requests_a_minute = [60, 1]
people_a_session = [2]
people_in_the_log = [50]
"#;

#[test]
fn a_greedy_thief_is_given_exactly_the_limit_of_each_key() {
    // Ten addresses with a budget that no window ends within the breach.
    let report = run(&[], 2);
    assert_eq!(
        exposed(&report),
        [
            (Means::Gateway(7), 70),
            (Means::Gateway(30), 300),
            // A hundred people a day and address for three days: the limit is never met.
            (Means::Gateway(1_000), 3_000),
            (Means::RateLimit(60), 3_000),
            // Two requests in three are too many where one a minute passes, and a person takes three.
            (Means::RateLimit(1), report.outcomes[4].counts.exposed),
            // Each token shows one person.
            (Means::SessionCount(2), 3_000),
            (Means::LogCounter(50), report.outcomes[6].counts.exposed),
        ]
    );
    let log = report.outcomes[6].counts.exposed;
    // Fifty and one more a day, what came within the minute, then nothing for a day.
    assert!((10 * 51..=10 * 160).contains(&log), "{log}");
}

#[test]
fn one_account_is_given_exactly_its_limit_a_day() {
    let issued = [
        (
            "credential = \"forged\"\naccounts = 0",
            "credential = \"issued\"\naccounts = 2",
        ),
        (
            "per = \"address\"\npeople = 1\nwindow = \"30d\"",
            "per = \"principal\"\npeople = 1\nwindow = \"30d\"",
        ),
    ];
    let report = run(&issued, 2);
    assert_eq!(
        exposed(&report)[..2],
        [(Means::Gateway(7), 14), (Means::Gateway(30), 60)]
    );
    let [first, ..] = &report.outcomes[..] else {
        panic!("there is a gateway")
    };
    // The fifteenth of a thousand a day is the first that is refused.
    let noticed_s = (first.counts.first_ms.unwrap_or_default() - report.breach_ms) / 1_000;
    assert!((14 * 86..=16 * 87).contains(&noticed_s), "{noticed_s}");
    assert!(first.counts.contained_after_minutes.is_some_and(|minutes| minutes < 30));
}

/// Accounts that the thief registered, of a group; what bounds them, and how many people each is worth under a limit of seven
/// and of thirty.
#[test]
fn an_account_that_a_thief_buys_is_worth_what_the_budgets_of_its_group_address_and_newness_say() {
    const PRINCIPAL: &str = "per = \"principal\"\nwhen = \"group:partner\"\npeople = 1\nwindow = \"1d\"";
    // Three on an account's first day, in a budget of its own.
    let newcomers = format!(
        "{PRINCIPAL}\naction = \"block\"\nmode = \"enforce\"\n[[budget]]\nname = \"newcomers\"\nper = \"principal\"\n\
         when = \"new + group:partner\"\npeople = 3\nwindow = \"1d\""
    );
    for (bounded_by, days, worth) in [
        (PRINCIPAL, 3, [3 * 7, 3 * 30]),
        // Two accounts from ten addresses.
        ("per = \"address\"\npeople = 1\nwindow = \"30d\"", 3, [5 * 7, 5 * 30]),
        (&newcomers, 3, [3 + 2 * 7, 3 + 2 * 30]),
        // All accounts that came today share it, and nobody else.
        (
            "per = \"service\"\nwhen = \"new + group:partner\"\npeople = 1\nwindow = \"30d\"",
            1,
            [7, 30].map(|shared| shared / 2),
        ),
    ] {
        let lasts = format!("day = 2\ndays = {days}\npeople");
        let changes = [
            ("per = \"address\"\npeople = 1\nwindow = \"30d\"", bounded_by),
            (
                "credential = \"forged\"\naccounts = 0",
                "credential = \"issued\"\naccounts = 2\ngroup = \"partner\"",
            ),
            ("day = 1\ndays = 3\npeople", &lasts),
            ("allow = { group = \"partner\", people_per_day = 1_000 }", ""),
            // The only partner is honest, and is shown fewer people than any limit here.
            ("people_a_partner = 100", "people_a_partner = 1"),
        ];
        let report = run(&changes, 2);
        for (outcome, worth) in report.outcomes.iter().zip(worth) {
            assert_eq!(
                outcome.counts.people_an_account(2),
                Some(worth),
                "{bounded_by}, {:?}",
                outcome.means
            );
            assert_eq!(
                (outcome.counts.customers, outcome.counts.partners),
                (0, 0),
                "{bounded_by}"
            );
        }
    }
}

#[test]
fn tokens_that_nobody_issued_are_given_the_limit_together_and_nobody_honest_is_refused() {
    let unissued = [
        (
            "per = \"address\"\npeople = 1\nwindow = \"30d\"\naction = \"block\"",
            "per = \"kid\"\nwhen = \"unissued\"\npeople = 1\nwindow = \"30d\"\naction = \"reauth\"",
        ),
        // From carriers that honest customers share, and under a key that signs theirs.
        ("carrier_percent = 0", "carrier_percent = 100"),
        ("shared_percent = 0", "shared_percent = 100"),
        ("key_days = 3", "key_days = 366"),
    ];
    let report = run(&unissued, 2);
    for outcome in &report.outcomes[..3] {
        let Counts {
            exposed,
            customers,
            agents,
            partners,
            ..
        } = outcome.counts;
        assert_eq!(exposed, u64::from(outcome.means.limit()), "of 3,000 people");
        assert_eq!((customers, agents, partners), (0, 0, 0), "{:?}", outcome.means);
    }
}

#[test]
fn a_run_is_the_same_on_one_thread_and_on_many() {
    let (one, many) = (run(&[], 1), run(&[], 7));
    assert_eq!(one.outcomes, many.outcomes);
    assert_eq!(one.signals, many.signals);
    let other = run(&[("seed = 1", "seed = 2")], 2);
    assert_ne!(one.outcomes, other.outcomes, "another seed is another month");
}

#[test]
fn nobody_honest_is_refused_under_a_limit_that_is_their_own() {
    let report = run(&[], 2);
    for outcome in &report.outcomes[..3] {
        let counts = &outcome.counts;
        // Agents share an address and look up eighty people a day; customers are two at home.
        assert_eq!(
            (counts.customers, counts.partners, counts.bots),
            (0, 0, 0),
            "{:?}",
            outcome.means
        );
    }
    assert_eq!(report.outcomes[0].counts.agents, 2, "both are behind one address");
    let crawler = &report.outcomes[4];
    assert_eq!((crawler.means, crawler.counts.bots), (Means::RateLimit(1), 1));
}

#[test]
fn many_behind_one_address_pay_for_it() {
    let carriers = [("carrier_percent = 0", "carrier_percent = 100")];
    let report = run(&carriers, 2);
    let refused: Vec<u64> = report.outcomes[..3]
        .iter()
        .map(|outcome| outcome.counts.customers)
        .collect();
    // Ten addresses for a thousand customers.
    assert!(
        refused[0] > 900 && refused[0] > refused[1] && refused[2] == 0,
        "{refused:?}"
    );
}

#[test]
fn what_a_budget_could_know_is_counted() {
    let Signals {
        thief,
        thief_unissued,
        thief_after_rotation,
        honest,
        honest_unknown,
        honest_usual,
        requests,
    } = run(&[], 1).signals;
    assert_eq!((thief, thief_unissued), (3_000, 3_000));
    assert_eq!(thief_after_rotation, 1_000, "the last of its days");
    // A thousand customers once a day, two agents at forty, a partner with two exports; for five days.
    assert_eq!(honest, 5 * (1_000 + 80 + 2));
    assert!(
        (20..200).contains(&honest_unknown),
        "two hours of five days: {honest_unknown}"
    );
    assert!((2_000..3_500).contains(&honest_usual), "{honest_usual}");
    assert!(requests > 9_000 + 5 * 14_400, "{requests}");
}

#[test]
fn the_scenarios_that_are_compiled_in_are_read_and_compiled() {
    for (name, text) in BUILT_IN {
        let scenario = Scenario::read(name, text).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        let mut problems = Vec::new();
        let ready = prepare(name, scenario, &mut problems).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        assert_eq!(problems, [], "{name}");
        assert_eq!(
            ready.worlds(),
            [World::Rare],
            "{name}: no budget asks for a fingerprint"
        );
    }
    assert!(built_in("coupang-2025").is_some() && built_in("none").is_none());
}

#[test]
fn what_is_wrong_with_a_scenario_is_told_with_its_place() {
    for (from, to, code, part) in [
        ("title = \"small\"", "title = ", "S001", ""),
        ("agents = 2", "agentz = 2", "S002", "agentz"),
        ("agents = 2", "", "S001", "agents"),
        ("days = 5", "days = 500", "S003", "`days` is 500"),
        ("start = \"2025-01-01\"", "start = \"soon\"", "S003", "no date"),
        ("days = 3\npeople", "days = 9\npeople", "S003", "longer than"),
        ("views = 9_000", "views = 9", "S003", "more people than views"),
        ("views = 9_000", "views = 9_000_000", "S003", "at most 1000 for each"),
        (
            "misses = 0",
            "misses = 9_000_000_000",
            "S003",
            "at most 1000000 for each",
        ),
        ("partners = 1", "partners = 65_537", "S003", "`partners` is 65537"),
        (
            "customers = 1_000",
            "customers = 2_000_000_000",
            "S003",
            "visits come in a minute",
        ),
        ("accounts = 0", "accounts = 3", "S003", "accounts go with"),
        ("addresses = 10", "addresses = 0", "S003", "`addresses` is 0"),
        ("sample = 1", "sample = 0", "S003", "`sample` is 0"),
        (
            "carrier_percent = 0",
            "carrier_percent = 101",
            "S003",
            "carrier_percent",
        ),
        ("minutes = 60 }\nstore", "minutes = 9999 }\nstore", "S003", "minutes"),
        ("budget = \"address\"", "budget = \"adress\"", "S004", "adress"),
        ("people = [7, 30, 1_000]", "people = []", "S004", "limits are tried"),
        ("people = 1\nw", "class = \"card\"\nvalues = 1\nw", "S004", "no people"),
    ] {
        assert!(SMALL.contains(from), "{from}");
        let text = SMALL.replacen(from, to, 1);
        let problems = Scenario::read("x.toml", &text)
            .err()
            .unwrap_or_else(|| panic!("{to} is wrong"));
        let found = problems
            .iter()
            .find(|problem| problem.code == code && problem.message.contains(part));
        let found = found.unwrap_or_else(|| panic!("{to}: {problems:?}"));
        let span = found.span.clone().unwrap_or_default();
        assert!(text.get(span).is_some(), "{to}");
    }
    let crowd = [
        ("customers = 1_000", "customers = 2_000_000_000"),
        ("sample = 1", "sample = 100_000"),
        ("carrier_percent = 0", "carrier_percent = 50"),
        ("office_percent = 0", "office_percent = 50"),
        ("customers_a_carrier_address = 100", "customers_a_carrier_address = 1"),
        ("customers_an_office_address = 10", "customers_an_office_address = 1"),
    ];
    let crowd = crowd
        .iter()
        .fold(SMALL.to_owned(), |text, (from, to)| text.replacen(from, to, 1));
    let problems = Scenario::read("x.toml", &crowd).expect_err("there are too many addresses");
    let of_one_kind = problems
        .iter()
        .filter(|problem| problem.message.contains("at most 268435456 of one kind"));
    assert_eq!((problems.len(), of_one_kind.count()), (2, 2), "{problems:?}");
    let wrong = SMALL.replace("per = \"address\"", "per = \"adress\"");
    let scenario = Scenario::read("x.toml", &wrong).expect("the policy is read later");
    let problems = prepare("x.toml", scenario, &mut Vec::new()).err().expect("it is wrong");
    assert_eq!(problems.first().map(|problem| problem.code), Some("P001"));
}
