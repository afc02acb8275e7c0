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
