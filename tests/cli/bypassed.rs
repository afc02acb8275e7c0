//! What a bypass wants to be told, and what it refuses.

use super::{GOOD, dir, tidegate, write};

#[test]
fn bypass() {
    let dir = dir();
    write(&dir, "tidegate.toml", GOOD);
    let said = tidegate(dir.path(), &["bypass", "--all", "--reason", "a drill"]);
    assert!(
        said.code == Some(74) && said.text.contains("tidegate-state: "),
        "no gateway ran here: {}",
        said.text
    );
    write(&dir, "tidegate-state/hash.key", "");
    let mut all = String::new();
    for (arguments, code) in [
        (
            ["bypass", "--route", "*/", "--for", "15m", "--reason", "a drill"].as_slice(),
            0,
        ),
        (&["bypass", "--all", "--for", "2d", "--reason", "a drill"], 2),
        (&["bypass", "--all", "--reason", " "], 2),
        (&["bypass", "--all", "--reason", "for ann@mail.example"], 2),
        (&["bypass", "--route", "shop.example/", "--reason", "a drill"], 2),
        (&["bypass", "--end"], 0),
    ] {
        let said = tidegate(dir.path(), arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {}", said.text);
        all.extend(["$ tidegate ", &arguments.join(" "), "\n", &said.text, "\n"]);
    }
    insta::assert_snapshot!(all);
}
