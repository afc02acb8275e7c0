//! Which keys an exchange counts under: every dimension, condition and sum that a budget can name.

mod reused;
mod tenants;

use super::*;
use crate::engine::detect::RuleSet;
use crate::engine::ledger::{Counted, Dimension, KeyId};

#[derive(serde::Deserialize)]
struct File {
    budget: Vec<BudgetSyntax>,
}

/// The policy of these `[[budget]]` tables over two routes of one service, or the codes of its problems.
fn policy(text: &str) -> Result<Policy, Vec<&'static str>> {
    let File { budget } = toml::from_str(text).unwrap();
    let route = |name: &str| RoutePolicy {
        name: name.to_owned(),
        service: "shop".to_owned(),
        ..RoutePolicy::default()
    };
    let routes = [route("shop.example/"), route("shop.example/stores")];
    let written = Written {
        budgets: &budget,
        routes: &routes,
        exact_elements_max: 100_000,
        rules: Some(&RuleSet::builtin()),
        ..Written::default()
    };
    let mut problems = Vec::new();
    let policy = Policy::compile(&written, HashKey::new([1; 32]), Now::from_millis(0), &mut problems);
    policy.ok_or_else(|| problems.iter().map(|problem| problem.code).collect())
}

fn budget(name: &str, rest: &str) -> String {
    format!("[[budget]]\nname = \"{name}\"\nwindow = \"1d\"\naction = \"alert\"\n{rest}\n")
}

fn facts() -> Facts<'static> {
    Facts {
        session: Some(b"s"),
        principal: Some(b"shop\0p"),
        group: Some("agent"),
        address: b"a",
        network: b"n",
        kid: Some(b"k"),
        issuer: Some(b"i"),
        destination: Some(b"d"),
        place: Some(b"branch"),
        ja4: Some(b"t13d"),
        headers: Some(b"h1_03"),
        http2: Some(b"s2_03"),
        certificate: Some(b"CN=c"),
        ..Facts::default()
    }
}

fn keys(policy: &Policy, facts: &Facts<'_>) -> Vec<(Dimension, KeyId)> {
    let plan = policy.plan(facts, Now::from_millis(0));
    plan.keys.iter().map(|used| (used.dimension, used.key)).collect()
}

#[test]
fn a_dimension_that_the_exchange_does_not_show_is_not_counted_under() {
    for (per, without) in [
        ("kid", Facts { kid: None, ..facts() }),
        (
            "issuer",
            Facts {
                issuer: None,
                ..facts()
            },
        ),
        ("place", Facts { place: None, ..facts() }),
        (
            "destination",
            Facts {
                destination: None,
                ..facts()
            },
        ),
        ("kid + network", Facts { kid: None, ..facts() }),
        (
            "certificate",
            Facts {
                certificate: None,
                ..facts()
            },
        ),
        ("ja4", Facts { ja4: None, ..facts() }),
        ("ja4 + network", Facts { ja4: None, ..facts() }),
        (
            "headers + network",
            Facts {
                headers: None,
                ..facts()
            },
        ),
        ("http2", Facts { http2: None, ..facts() }),
    ] {
        let policy = policy(&budget("b", &format!("per = \"{per}\"\npeople = 9"))).unwrap();
        let dimension = Dimension::parse(per).unwrap();
        assert_eq!(
            keys(&policy, &facts()).first().map(|(found, _)| *found),
            Some(dimension)
        );
        assert!(keys(&policy, &without).is_empty(), "{per}");
    }
}

#[test]
fn a_combination_is_one_key_of_all_its_values() {
    let policy = policy(&budget("b", "per = \"kid + network\"\npeople = 9")).unwrap();
    let one = keys(&policy, &facts());
    let other = |facts: Facts<'_>| assert_ne!(keys(&policy, &facts), one);
    other(Facts {
        kid: Some(b"l"),
        ..facts()
    });
    other(Facts {
        network: b"m",
        ..facts()
    });
    // No two pairs of values run together.
    other(Facts {
        kid: Some(b"kn"),
        network: b"",
        ..facts()
    });
    assert_eq!(
        keys(
            &policy,
            &Facts {
                session: None,
                ..facts()
            }
        ),
        one
    );
}

#[test]
fn who_shows_themselves_as_two_has_the_keys_of_both_and_the_stricter_limits() {
    let text = budget("a", "per = \"principal\"\npeople = 9")
        + &budget("b", "per = \"network\"\npeople = 8")
        + &budget("c", "per = \"session\"\nbytes = \"1KiB\"");
    let policy = policy(&text).unwrap();
    let plan = |facts: &Facts<'_>| policy.plan(facts, Now::from_millis(0));
    let other = Facts {
        session: Some(b"t"),
        principal: Some(b"shop\0q"),
        lowered_percent: Some(50),
        ..facts()
    };
    let mut both = plan(&facts());
    both.join(plan(&other));
    let limits: Vec<_> = both
        .keys
        .iter()
        .map(|used| (used.dimension, used.limits[0].people))
        .collect();
    assert_eq!(
        limits,
        [
            (Dimension::Principal, 9),
            (Dimension::Network, 8),
            (Dimension::Principal, 4)
        ]
    );
    assert_eq!(both.keys[0].key, plan(&facts()).keys[0].key);
    assert_eq!(both.keys[2].key, plan(&other).keys[0].key);
    assert_eq!(both.sums.len(), 2);
    let lowered = Facts {
        lowered_percent: Some(50),
        ..facts()
    };
    let mut stricter = plan(&facts());
    stricter.join(plan(&lowered));
    let limits: Vec<_> = stricter.keys.iter().map(|used| used.limits[0].people).collect();
    assert_eq!(
        (limits, stricter.sums[0].limits[0].amount),
        (vec![4, 8], 512),
        "whoever is asked first"
    );
}

#[test]
fn routes_of_one_service_share_its_key_and_not_their_own() {
    let text = budget("a", "per = \"service\"\npeople = 9") + &budget("b", "per = \"route\"\npeople = 9");
    let policy = policy(&text).unwrap();
    let (one, other) = (keys(&policy, &facts()), keys(&policy, &Facts { route: 1, ..facts() }));
    assert_eq!(one[0], other[0]);
    assert_ne!(one[1], other[1]);
}

#[test]
fn a_condition_binds_whom_it_names_under_a_key_of_its_own() {
    let text = budget("all", "per = \"session\"\npeople = 9")
        + &budget("agents", "per = \"session\"\npeople = 5\nwhen = \"group:agent\"")
        + &budget(
            "watched",
            "per = \"session\"\npeople = 1\nwhen = \"watched + group:agent\"",
        )
        + &budget(
            "stores",
            "per = \"session\"\npeople = 7\nwhen = \"route:shop.example/stores\"",
        );
    let policy = policy(&text).unwrap();
    let count = |facts: &Facts<'_>| keys(&policy, facts).len();
    assert_eq!(count(&facts()), 2);
    assert_eq!(count(&Facts { group: None, ..facts() }), 1);
    let unissued = Facts {
        standing: Standing::Unissued,
        ..facts()
    };
    assert_eq!(count(&unissued), 1, "whoever forges a token writes any group into it");
    assert_eq!(
        count(&Facts {
            is_watched: true,
            ..facts()
        }),
        3
    );
    assert_eq!(count(&Facts { route: 1, ..facts() }), 3);
    let own = keys(&policy, &facts());
    assert_ne!(own[0].1, own[1].1, "what is counted under a condition is counted apart");
}

#[test]
fn unissued_credentials_are_bound_and_never_favoured() {
    let text = budget("kid", "per = \"kid\"\npeople = 9\nwhen = \"unissued\"")
        + &budget("all", "per = \"anonymous\"\npeople = 9")
        + &budget("both", "per = \"anonymous + kid\"\npeople = 9");
    let policy = policy(&text).unwrap();
    let unissued = Facts {
        standing: Standing::Unissued,
        ..facts()
    };
    let own = keys(&policy, &unissued);
    assert_eq!(own.len(), 3);
    for standing in [Standing::Issued, Standing::Unknown] {
        assert!(keys(&policy, &Facts { standing, ..facts() }).is_empty());
    }
    let of_another = keys(
        &policy,
        &Facts {
            session: Some(b"another"),
            address: b"another",
            ..unissued
        },
    );
    assert_eq!(own, of_another, "a fresh value buys nothing");
}

#[test]
fn who_is_unissued_is_asked_to_log_in_again_where_nothing_else_is_said() {
    let silent = |when: &str| {
        let budget = "[[budget]]\nname = \"b\"\nper = \"kid\"\npeople = 20\nwindow = \"30d\"\n";
        policy(&format!("{budget}when = \"{when}\"\n"))
    };
    assert_eq!(silent("unissued").unwrap().budgets()[0].action, Action::Reauth);
    assert_eq!(silent("new + unissued").unwrap().budgets()[0].action, Action::Reauth);
    assert!(silent("new").is_err());
}

#[test]
fn what_is_unissued_and_cannot_be_verified_counts_under_one_key_and_one_issuer() {
    let when = "people = 9\nwhen = \"unissued\"";
    let text = budget("kid", &format!("per = \"kid\"\n{when}"))
        + &budget("issuer", &format!("per = \"issuer\"\n{when}"))
        + &budget("both", &format!("per = \"kid + network\"\n{when}"));
    let policy = policy(&text).unwrap();
    let bare = |standing| Facts {
        standing,
        kid: None,
        issuer: None,
        ..facts()
    };
    let unverified = keys(&policy, &bare(Standing::Unissued));
    assert_eq!(unverified.len(), 3);
    let another = Facts {
        session: Some(b"another"),
        address: b"another",
        ..bare(Standing::Unissued)
    };
    assert_eq!(unverified, keys(&policy, &another));
    let verified = Facts {
        standing: Standing::Unissued,
        ..facts()
    };
    assert_ne!(unverified, keys(&policy, &verified));
    assert!(keys(&policy, &bare(Standing::Unknown)).is_empty());
}

#[test]
fn one_scope_is_one_key_however_it_is_written() {
    let text = budget("a", "per = \"session\"\npeople = 9\nwhen = \"watched+group:agent\"")
        + &budget("b", "per = \"session\"\npeople = 5\nwhen = \"group:agent + watched\"");
    let plan = policy(&text).unwrap().plan(
        &Facts {
            is_watched: true,
            ..facts()
        },
        Now::from_millis(0),
    );
    assert_eq!(plan.keys.iter().map(|used| used.limits.len()).collect::<Vec<_>>(), [2]);
}

#[test]
fn sums_are_counted_beside_people() {
    let text = budget("a", "per = \"session\"\npeople = 9")
        + &budget("b", "per = \"session\"\nbytes = \"20MiB\"")
        + &budget("c", "per = \"session\"\nuninspected = \"1GiB\"")
        + &budget("d", "per = \"address\"\nnot_found = \"50%\"")
        + &budget("e", "per = \"session\"\nbytes = \"1MiB\"");
    let plan = policy(&text).unwrap().plan(&facts(), Now::from_millis(0));
    assert_eq!(plan.keys.len(), 1);
    let sums: Vec<_> = plan.sums.iter().map(|used| (used.counted, used.limits.len())).collect();
    assert_eq!(
        sums,
        [(Counted::Bytes, 2), (Counted::Uninspected, 1), (Counted::NotFound, 1)]
    );
    assert_eq!(plan.sums[0].limits[0].amount, 20 << 20);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let block = |rest: &str| {
        budget("b", rest)
            .replace("alert", "block")
            .replace("[[budget]]", "[[budget]]\nmode = \"enforce\"")
    };
    for (text, code) in [
        (budget("b", "per = \"kid+nothing\"\npeople = 9"), "P001"),
        (budget("b", "per = \"session\"\npeople = 9\nwhen = \"issued\""), "P016"),
        (budget("b", "per = \"session\"\nbytes = \"many\""), "P017"),
        (budget("b", "per = \"session\"\nnot_found = \"101%\""), "P017"),
        (budget("b", "per = \"session\"\npeople = 9\nbytes = \"1MiB\""), "P018"),
        (
            block("per = \"session\"\nbytes = \"1MiB\"").replace("block", "redact"),
            "P018",
        ),
        (budget("b", "per = \"session\"\nclass = \"card\""), "P020"),
        (budget("b", "per = \"session\"\nvalues = 9"), "P020"),
        (budget("b", "per = \"session\"\nclass = \"cart\"\nvalues = 9"), "P020"),
        (budget("b", "per = \"session\"\nclass = \"person\"\nvalues = 9"), "P020"),
        (
            budget("b", "per = \"session\"\nclass = \"card\"\nvalues = 9\npeople = 9"),
            "P018",
        ),
        (block("per = \"kid + network\"\npeople = 9"), "P005"),
        (block("per = \"ja4\"\npeople = 9"), "P005"),
        (block("per = \"headers\"\npeople = 9"), "P005"),
        (block("per = \"http2 + network\"\npeople = 9"), "P005"),
        (block("per = \"session\"\npeople = 100001"), "P006"),
    ] {
        assert_eq!(policy(&text).err(), Some(vec![code]), "{text}");
    }
    for spared in [
        "per = \"session\"\npeople = 100001\nestimated = true",
        "per = \"kid\"\npeople = 20\nwhen = \"unissued\"",
        "per = \"ja4\"\npeople = 20\nwhen = \"unissued\"",
        "per = \"anonymous\"\npeople = 20",
        "per = \"anonymous + kid\"\npeople = 20",
    ] {
        assert!(policy(&block(spared)).is_ok(), "{spared}");
    }
    assert!(policy(&budget("b", "per = \"session\"\nclass = \"card\"\nvalues = 9")).is_ok());
    let refusing = |count: usize| {
        let one = |at| format!("per = \"session\"\npeople = 9\nwhen = \"route:r{at}\"");
        let budgets = (0..count).map(|at| block(&one(at)).replace("\"b\"", &format!("\"b{at}\"")));
        policy(&budgets.collect::<String>()).err()
    };
    assert_eq!(refusing(62), None);
    assert_eq!(
        refusing(63),
        Some(vec!["P008"]),
        "the 63rd would count, and refuse nobody"
    );
}

#[test]
fn a_budget_is_known_by_its_name_wherever_it_stands() {
    let budget = |name: &str| {
        format!("[[budget]]\nname = '{name}'\nper = 'session'\npeople = 9\nwindow = '1d'\naction = 'alert'\n")
    };
    let compile = |names: &[&str]| {
        #[derive(serde::Deserialize)]
        struct File {
            budget: Vec<BudgetSyntax>,
        }
        let text: String = names.iter().map(|name| budget(name)).collect();
        let File { budget } = toml::from_str(&text).unwrap();
        let shape = GroupShape {
            name: "staff".to_owned(),
            people_per_day: 3,
        };
        let written = Written {
            budgets: &budget,
            groups: &[shape],
            exact_elements_max: 100,
            ..Written::default()
        };
        let mut problems = Vec::new();
        Policy::compile(&written, HashKey::new([1; 32]), Now::from_millis(0), &mut problems).ok_or(problems)
    };
    let (one, other) = (
        compile(&["a", "b", "group-staff"]).unwrap(),
        compile(&["group-staff", "b"]).unwrap(),
    );
    for budget in other.budgets() {
        let same = one.get(budget.id).unwrap();
        assert_eq!((&same.name, &same.group), (&budget.name, &budget.group));
    }
    let gone = one.budgets().first().unwrap().id;
    assert_eq!((one.cause(Some(gone)), one.cause(None)), ("a", "manual"));
    assert_eq!(other.cause(Some(gone)), "removed");
    let problems = compile(&["a", "b", "a"]).err().unwrap();
    assert_eq!(
        problems.iter().map(|problem| problem.code).collect::<Vec<_>>(),
        ["P007"]
    );
}

#[test]
fn who_leaves_has_a_part_of_what_is_theirs_alone() {
    let text = [
        budget("own", "per = \"principal\"\npeople = 9"),
        budget("all", "per = \"network\"\npeople = 9"),
        budget("bytes", "per = \"session\"\nbytes = \"1000\""),
        budget("guesses", "per = \"session\"\nnot_found = \"50%\""),
    ];
    let policy = policy(&text.concat()).unwrap();
    let limits = |lowered_percent| {
        let plan = policy.plan(
            &Facts {
                lowered_percent,
                ..facts()
            },
            Now::from_millis(0),
        );
        let people = plan
            .keys
            .iter()
            .flat_map(|used| &used.limits)
            .map(|limit| u64::from(limit.people));
        let sums = plan.sums.iter().flat_map(|used| &used.limits).map(|limit| limit.amount);
        people.chain(sums).collect::<Vec<_>>()
    };
    assert_eq!(limits(None), [9, 9, 1000, 50]);
    assert_eq!(limits(Some(20)), [1, 9, 200, 50]);
    assert_eq!(limits(Some(0)), [0, 9, 0, 50]);
}

#[test]
fn each_direction_is_a_key_of_its_own_and_forward_listeners_count_both() {
    let (plain, request) = ("per = \"session\"\npeople = 9", "direction = \"requests\"");
    let asked = |text: &str, is_forward: bool| {
        let policy = policy(&budget("b", text)).unwrap();
        let facts = Facts { is_forward, ..facts() };
        let upload = policy.plan_upload(&facts, Now::from_millis(0));
        let upload = upload.map(|plan| plan.keys.iter().map(|used| used.key).collect::<Vec<_>>());
        (keys(&policy, &facts).len(), upload.map(|keys| keys.len()))
    };
    assert_eq!(asked(plain, false), (1, None));
    assert_eq!(asked(plain, true), (1, Some(1)));
    for is_forward in [false, true] {
        assert_eq!(asked(&format!("{plain}\n{request}"), is_forward), (0, Some(1)));
        let responses = format!("{plain}\ndirection = \"responses\"");
        assert_eq!(asked(&responses, is_forward), (1, None));
    }
    let policy_of = policy(&budget("b", plain)).unwrap();
    let facts = Facts {
        is_forward: true,
        ..facts()
    };
    let upload = policy_of.plan_upload(&facts, Now::from_millis(0)).unwrap();
    assert_ne!(keys(&policy_of, &facts)[0].1, upload.keys[0].key);
    let of_answers = "per = \"session\"\nnot_found = \"50%\"";
    assert_eq!(
        asked(of_answers, true),
        (0, None),
        "no request says that there is nothing"
    );
    assert_eq!(
        policy(&budget("b", &format!("{of_answers}\n{request}"))).err(),
        Some(vec!["P018"])
    );
    assert_eq!(
        policy(&budget("b", &format!("{plain}\ndirection = \"up\""))).err(),
        Some(vec!["P001"])
    );
}
