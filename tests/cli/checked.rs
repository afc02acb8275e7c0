//! What `tidegate check` leaves, and says to programs.

use super::*;

#[test]
fn a_check_leaves_nothing_behind() {
    let dir = dir();
    write(&dir, "tidegate.toml", GOOD);
    let said = tidegate(dir.path(), &["check"]);
    assert_eq!(
        (said.code, said.text.as_str()),
        (Some(0), "tidegate.toml: 1 route, 0 budgets: 0 errors, 0 warnings\n")
    );
    assert_eq!(std::fs::read_dir(dir.path()).expect("ours").count(), 1);
    let said = tidegate(dir.path(), &["check", "--config", "nowhere.toml"]);
    assert!(
        said.code == Some(74) && said.text.starts_with("tidegate: nowhere.toml: "),
        "{}",
        said.text
    );
}

#[test]
fn problems_as_json() {
    let dir = dir();
    write(
        &dir,
        "tidegate.toml",
        &format!(
            "{GOOD}{}",
            budget("per = \"sesion\"\npeople = 1\nwindow = \"1d\"\naction = \"block\"")
        ),
    );
    let said = tidegate(dir.path(), &["check", "--format", "json"]);
    assert_eq!(said.code, Some(78));
    let problem: serde_json::Value = serde_json::from_str(said.text.trim()).expect("one object a line");
    let place = (&problem["file"], &problem["line"], &problem["column"], &problem["code"]);
    assert_eq!(place, (&"tidegate.toml".into(), &8.into(), &7.into(), &"P001".into()));
}
