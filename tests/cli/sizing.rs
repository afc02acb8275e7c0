//! `tidegate sizing`, and what is typed to speak to a running gateway that is not there.

use super::{GOOD, budget, dir, tidegate, write};

#[test]
fn every_figure_says_where_it_is_from() {
    let dir = dir();
    let day = "people = 100\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"";
    let month = "people = 5000\nwindow = \"30d\"\naction = \"alert\"";
    let budgets = [
        budget(&format!("per = \"session\"\n{day}")),
        budget(&format!("per = \"principal\"\n{day}")).replace("\"b\"", "\"c\""),
        budget(&format!("per = \"principal\"\n{month}")).replace("\"b\"", "\"d\""),
        budget(&format!("per = \"global\"\n{month}")).replace("\"b\"", "\"e\""),
        budget("per = \"exchange\"\npeople = 60\naction = \"block\"").replace("\"b\"", "\"f\""),
    ];
    write(&dir, "tidegate.toml", &format!("{GOOD}{}", budgets.concat()));
    let arguments = ["sizing", "--rps", "2000", "--mau", "1000000"];
    let said = tidegate(dir.path(), &[&arguments[..], &["--config", "tidegate.toml"]].concat());
    assert_eq!(said.code, Some(0), "{}", said.text);
    insta::assert_snapshot!(said.text);
    assert_eq!(
        tidegate(dir.path(), &arguments).code,
        Some(0),
        "without a configuration"
    );
    assert_eq!(
        std::fs::read_dir(dir.path()).expect("ours").count(),
        1,
        "it leaves nothing behind"
    );
}

#[test]
fn what_cannot_be_sized_is_refused() {
    let dir = dir();
    write(&dir, "tidegate.toml", GOOD);
    for (arguments, code, words) in [
        (["--rps", "0", "--mau", "1"].as_slice(), 2, "0 is not in 1..=10000000"),
        (&["--rps", "1"], 2, "--mau <MAU>"),
        (
            &["--rps", "1", "--mau", "1", "--config", "nowhere.toml"],
            74,
            "nowhere.toml",
        ),
        (
            &["--rps", "1", "--mau", "1", "--config", "tidegate.toml"],
            1,
            "no budget counts people",
        ),
    ] {
        let said = tidegate(dir.path(), &[&["sizing"][..], arguments].concat());
        assert!(
            said.code == Some(code) && said.text.contains(words),
            "{:?}: {}",
            said.code,
            said.text
        );
    }
}

#[test]
fn who_is_not_there_or_not_meant_is_told() {
    let dir = dir();
    write(&dir, "good.toml", "[admin]\naddress = \"127.0.0.1:0\"");
    let key = "01".repeat(12);
    for (arguments, code, words) in [
        (["keys"].as_slice(), 74, "tidegate.toml: No such file"),
        (&["holds", "--config", "good.toml"], 2, "say --admin"),
        (&["top", "--admin", "127.0.0.1:1"], 69, "is the gateway running?"),
        (&["clock", "--admin", "localhost"], 2, "invalid socket address"),
        (&["clock", "accept"], 2, "--reason"),
        (&["keys", "--dimension", "shoe"], 2, "it is one of"),
        (&["keys", "--limit", "1001"], 2, "1001 is not in 1..=1000"),
        (&["hold", "abc", "--reason", "x"], 2, "a key has 24 hexadecimal digits"),
        (
            &["hold", &key, "--for", "soon", "--reason", "x"],
            2,
            "it is a time of at most 30d",
        ),
        (&["hold", &key], 2, "--reason"),
        (&["release", &key, "--people", "5", "--reason", "x"], 2, "--for"),
        (&["release", &key, "--for", "1h", "--reason", "x"], 2, "--people"),
    ] {
        let said = tidegate(dir.path(), arguments);
        assert!(
            said.code == Some(code) && said.text.contains(words),
            "{arguments:?}: {:?}: {}",
            said.code,
            said.text
        );
    }
}
