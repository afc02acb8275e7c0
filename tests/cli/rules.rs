//! Every problem of a rule file is shown where it is, with a hint.

use super::{dir, tidegate, write};

#[test]
fn every_problem_of_a_rule_is_shown_where_it_is() {
    let dir = dir();
    let said = tidegate(dir.path(), &["rules", "test"]);
    assert!(
        said.code == Some(0) && said.text.contains("hold their examples: 0 errors, 0 warnings"),
        "{}",
        said.text
    );
    let rule =
        |lines: &str| format!("[[rule]]\nname = \"staff\"\nclass = \"staff\"\ncategory = \"account\"\n{lines}\n");
    let rows = [
        (
            "syntax",
            rule("regex = 'EMP-[0-9'\nkeywords = [\"EMP-\"]\nexamples = [\"EMP-1\"]"),
        ),
        (
            "unbounded",
            rule("regex = 'EMP-[0-9]+'\nkeywords = [\"EMP-\"]\nexamples = [\"EMP-1\"]"),
        ),
        (
            "empty",
            rule("regex = '[0-9]{0,9}'\nkeywords = [\"EMP-\"]\nexamples = [\"EMP-1\"]"),
        ),
        (
            "example",
            rule("regex = 'EMP-[0-9]{6}'\nkeywords = [\"EMP-\"]\nexamples = [\"EMP-1\"]"),
        ),
        (
            "counter-example",
            rule(
                "regex = 'EMP-[0-9]{6}'\nkeywords = [\"EMP-\"]\nexamples = [\"EMP-000001\"]\ncounter_examples = [\"EMP-123456\"]",
            ),
        ),
        (
            "same name",
            rule("regex = 'EMP-[0-9]{6}'\nkeywords = [\"EMP-\"]\nexamples = [\"EMP-000001\"]").repeat(2),
        ),
        ("unknown field", rule("regexp = 'EMP-[0-9]{6}'")),
        (
            "anchored",
            rule("regex = '^EMP-[0-9]{6}'\nkeywords = [\"EMP-\"]\nexamples = [\"EMP-000001\"]"),
        ),
        (
            "catastrophic",
            rule("regex = '((a{1,200}){1,200})'\nkeywords = [\"aa\"]\nexamples = [\"aaaa\"]"),
        ),
        (
            "too large",
            rule("regex = '(\\w{4}){1,15}'\nkeywords = [\"id\"]\nexamples = [\"id 12345678\"]"),
        ),
        (
            "no keywords",
            rule("regex = 'EMP-[0-9]{6}'\nexamples = [\"EMP-000001\"]"),
        ),
        (
            "no category of that name",
            rule("regex = 'EMP-[0-9]{6}'\nkeywords = [\"EMP-\"]").replace("\"account\"", "\"acount\""),
        ),
        (
            "a class of another category",
            rule("regex = 'EMP-[0-9]{6}'\nkeywords = [\"EMP-\"]").replace("class = \"staff\"", "class = \"email\""),
        ),
        ("no matcher", rule("keywords = [\"EMP-\"]")),
        ("no TOML", "[[rule]\n".to_owned()),
    ];
    let mut all = String::new();
    for (what, text) in rows {
        write(&dir, "rules.d/staff.toml", &text);
        let said = tidegate(dir.path(), &["rules", "test", "--rules-dir", "rules.d"]);
        assert_eq!(said.code, Some(78), "{what}: {}", said.text);
        assert!(said.text.contains("--> rules.d/staff.toml:"), "{what} has no place");
        assert!(said.text.contains("= help: "), "{what} has no hint");
        all.extend(["# ", what, "\n", &said.text, "\n"]);
    }
    insta::assert_snapshot!(all);
    let said = tidegate(dir.path(), &["rules", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&said.text).expect("a schema is JSON");
    assert!(said.code == Some(0) && schema["$schema"].is_string());
}
