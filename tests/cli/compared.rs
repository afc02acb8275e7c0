//! Rules that are tried: what another set would find in files, and what each rule costs.

use super::{dir, tidegate, write};

fn rule(digits: u32) -> String {
    format!(
        "[[rule]]\nname = \"staff\"\nclass = \"staff\"\ncategory = \"account\"\nregex = '(?-u:\\b)EMP-[0-9]{{{digits}}}(?-u:\\b)'\n\
         keywords = [\"EMP-\"]\nexamples = [\"EMP-{}\"]\n",
        &"123456789"[..digits as usize]
    )
}

#[test]
fn rules_diff() {
    let dir = dir();
    write(&dir, "old/staff.toml", &rule(6));
    write(&dir, "new/staff.toml", &rule(4));
    let line =
        |n: u32| format!("{{\"badge\":\"EMP-{n:06}\",\"to\":\"p{n}@example.com\"}}\n{{\"badge\":\"EMP-{n:04}\"}}\n");
    let lines: Vec<String> = (0..12).map(line).collect();
    write(&dir, "badges.ndjson", &lines.concat());
    write(
        &dir,
        "people.csv",
        "name,email\nKim,kim@example.com\nLee,lee@example.org\n",
    );
    let diff = |arguments: &[&str]| tidegate(dir.path(), &[&["rules", "diff"], arguments].concat());
    let mut all = String::new();
    for (arguments, code) in [
        (["old", "old", "badges.ndjson", "people.csv"].as_slice(), 0),
        (&["builtin", "-", "people.csv"], 0),
        (&["old", "new", "badges.ndjson", "people.csv"], 1),
        (&["builtin", "new", "badges.ndjson"], 1),
        (&["old", "nowhere", "people.csv"], 2),
        (&["old", "new", "nowhere.csv"], 2),
        (&["old", "new"], 2),
    ] {
        let said = diff(arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {}", said.text);
        assert!(
            !said.text.contains("EMP-0") && !said.text.contains("@example"),
            "a value is told"
        );
        if arguments.len() > 2 {
            all.extend(["$ tidegate rules diff ", &arguments.join(" "), "\n", &said.text, "\n"]);
        }
    }
    write(&dir, "broken/staff.toml", &rule(6).replace("keywords", "keyword"));
    let said = diff(&["old", "broken", "people.csv"]);
    assert!(
        said.code == Some(2) && said.text.contains("broken/staff.toml:6:1"),
        "{}",
        said.text
    );
    insta::assert_snapshot!(all);

    let said = diff(&["old", "new", "badges.ndjson", "people.csv", "--format", "json"]);
    assert_eq!(said.code, Some(1));
    let found: serde_json::Value = serde_json::from_str(&said.text).expect("JSON");
    let staff = &found["files"][0]["classes"]["staff"];
    let expected = serde_json::json!({ "old": 12, "new": 12, "only_old": 12, "only_new": 12 });
    assert_eq!(*staff, expected);
    assert_eq!(found["files"][0]["places"].as_array().map(Vec::len), Some(24));
    assert_eq!(
        (&found["files"][1]["same"], &found["totals"]["different"]),
        (&true.into(), &1.into())
    );
}

#[test]
fn rules_bench() {
    let dir = dir();
    write(&dir, "rules.d/staff.toml", &rule(6));
    let common = rule(4)
        .replace("\"staff\"", "\"common\"")
        .replace("[\"EMP-\"]", "[\"badge\"]")
        .replace("EMP-1234", "badge => EMP-1234");
    write(&dir, "rules.d/common.toml", &common);
    let line = |n: u32| {
        format!(
            "{{\"badge\":\"EMP-{n:06}\",\"to\":\"p{n}@example.com\"}}\n{{\"badge\":\"only words, many of them\"}}\n"
        )
    };
    let lines: Vec<String> = (0..200).map(line).collect();
    write(&dir, "badges.ndjson", &lines.concat());
    let bench = |arguments: &[&str]| {
        let said = tidegate(
            dir.path(),
            &[&["rules", "bench", "--rules-dir", "rules.d"], arguments].concat(),
        );
        assert!(
            !said.text.contains("EMP-0") && !said.text.contains("@example"),
            "a value is told"
        );
        said
    };
    let of = [
        "--rule",
        "staff",
        "--rule",
        "common",
        "--rule",
        "email",
        "badges.ndjson",
    ];
    let said = bench(&of);
    assert_eq!(said.code, Some(0), "{}", said.text);
    for words in [
        "without rule",
        "share",
        "warning: `common` searched",
        "its keywords are too common",
    ] {
        assert!(said.text.contains(words), "{words}: {}", said.text);
    }
    assert!(!said.text.contains("warning: `staff`"), "{}", said.text);
    let said = bench(&[of.as_slice(), &["--format", "json"]].concat());
    let document: serde_json::Value = serde_json::from_str(&said.text).expect("JSON");
    let rules = document["rules"].as_array().expect("a list");
    let of = |name: &str| {
        rules
            .iter()
            .find(|rule| rule["rule"] == name)
            .expect("it was asked for")
    };
    assert_eq!(
        (rules.len(), &of("staff")["findings"], &of("email")["findings"]),
        (3, &200.into(), &200.into())
    );
    assert_eq!(
        (&of("staff")["builtin"], &of("email")["builtin"]),
        (&false.into(), &true.into())
    );
    assert_eq!(
        (&of("staff")["too_common"], &of("common")["too_common"]),
        (&false.into(), &true.into())
    );
    assert!(document["ns_per_kb"].as_f64().is_some_and(|cost| cost > 0.0));

    // Without files: invented people, of whom most rules know something.
    let said = bench(&["--rule", "email", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&said.text).expect("JSON");
    assert!(
        document["rules"][0]["findings"]
            .as_u64()
            .is_some_and(|found| found > 1_000),
        "{}",
        said.text
    );

    for (arguments, code, words) in [
        (["--rule", "stafff"].as_slice(), 2, "there is no rule `stafff`"),
        (&["nowhere.json"], 74, "nowhere.json"),
    ] {
        let said = bench(arguments);
        assert!(
            said.code == Some(code) && said.text.contains(words),
            "{:?} {}",
            said.code,
            said.text
        );
    }
    write(&dir, "rules.d/staff.toml", &rule(6).replace("keywords", "keyword"));
    let said = bench(&[]);
    assert!(
        said.code == Some(78) && said.text.contains("rules.d/staff.toml:6:1"),
        "{}",
        said.text
    );
}
