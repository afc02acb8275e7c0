//! What is typed wrong is exit code 2, with what was meant; what is right says so to machines too.

use super::{GOOD, dir, tidegate, write};

#[test]
fn what_is_typed_wrong() {
    let dir = dir();
    for (arguments, words) in [
        (["run"].as_slice(), "<--config <CONFIG>|--upstream <UPSTREAM>>"),
        (
            &["run", "--upstream", "127.0.0.1:9000"],
            "it begins with none of http://, https:// and h2c://",
        ),
        (
            &["run", "--upstream", "ftp://x"],
            "it begins with none of http://, https:// and h2c://",
        ),
        (
            &["run", "--upstream", "http://x/y"],
            "it has more than scheme, host and port",
        ),
        (
            &["run", "--upstream", "http://x", "--listen", "here"],
            "'--listen <LISTEN>'",
        ),
        (&["rum"], "'run'"),
        (&["check", "--formt", "json"], "'--format'"),
        (&["explain", "--url", "shop.example/x"], "http://shop.example/x"),
        (&["bypass", "--all"], "--reason"),
        (
            &["hash", "admin-token", "kim", "root"],
            "[possible values: viewer, analyst, releaser, policy]",
        ),
    ] {
        let said = tidegate(dir.path(), arguments);
        assert!(
            said.code == Some(2) && said.text.contains(words),
            "{arguments:?}: {}",
            said.text
        );
    }
}

#[test]
fn a_configuration_without_problems_is_a_document_too() {
    let dir = dir();
    write(&dir, "tidegate.toml", GOOD);
    let said = tidegate(dir.path(), &["check", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(said.text.trim()).expect("JSON");
    assert_eq!(
        (said.code, &document["errors"], &document["routes"]),
        (Some(0), &0.into(), &1.into())
    );
}

#[test]
fn a_manifest_that_is_wrong_is_named_with_its_line() {
    let dir = dir();
    for (line, code, named) in [
        (
            r#"{"doc_id":"1","file":"gone.csv","content_type":"text/csv"}"#,
            74,
            "gone.csv",
        ),
        ("{}", 78, "m.jsonl:1: not a document"),
    ] {
        write(&dir, "m.jsonl", line);
        let said = tidegate(dir.path(), &["scan", "--manifest", "m.jsonl"]);
        assert!(said.code == Some(code) && said.text.contains(named), "{}", said.text);
    }
}
