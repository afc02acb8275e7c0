//! The unit for systemd: systemd understands all of it, and what it hands over is what the program reads.

use std::process::Command;

use super::{GOOD, command, dir, said, tidegate, write};

const UNIT: &str = include_str!("../../deploy/tidegate.service");
/// Where the unit finds the program.
const PROGRAM: &str = "/usr/bin/tidegate";
/// How exposed systemd may find a service, in tenths; what is above is not "OK".
const EXPOSURE_MAX: &str = "20";

/// The unit with what it only proposes.
fn whole() -> String {
    let proposed = |line: &str| line.starts_with("# Environment=") || line.starts_with("# LoadCredential=");
    let lines = UNIT
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|_| proposed(line)).unwrap_or(line));
    lines.map(|line| line.to_owned() + "\n").collect()
}

/// The values of a setting, in order.
fn values(name: &str) -> Vec<String> {
    let of = |line: &str| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned());
    whole().lines().filter_map(of).collect()
}

/// Its only value.
fn value(name: &str) -> String {
    let values = values(name);
    assert_eq!(values.len(), 1, "{name}");
    values[0].clone()
}

#[test]
fn systemd_understands_all_of_the_unit_and_finds_it_hardened() {
    let dir = dir();
    for unit in [UNIT, &whole()] {
        // It looks whether the program is there.
        write(
            &dir,
            "tidegate.service",
            &unit.replace(PROGRAM, env!("CARGO_BIN_EXE_tidegate")),
        );
        let analyze = |arguments: &[&str]| {
            let mut analyze = Command::new("systemd-analyze");
            said(
                analyze
                    .current_dir(dir.path())
                    .args(arguments)
                    .arg("./tidegate.service"),
            )
        };
        let verified = analyze(&["verify", "--man=no"]);
        // What it does not know it ignores, and says so.
        assert!(
            verified.code == Some(0) && !verified.text.contains("tidegate.service"),
            "{}",
            verified.text
        );
        let rated = analyze(&["security", "--offline=true", "--threshold", EXPOSURE_MAX]);
        assert_eq!(rated.code, Some(0), "{}", rated.text);
    }
}

#[test]
fn the_program_takes_the_line_that_starts_it() {
    let dir = dir();
    write(&dir, "tidegate.toml", "nothing = \"listens\"\n");
    let line = value("ExecStart");
    let configured = format!("/etc/{}/", value("ConfigurationDirectory"));
    assert!(
        line.starts_with(&format!("{PROGRAM} ")) && line.contains(&configured),
        "{line}"
    );
    let line = line.replace(&configured, "./");
    let (name, confined) = value("Environment")
        .split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .unwrap();
    let start = |confined: &str| {
        let mut start = command(dir.path());
        said(start.args(line.split(' ').skip(1)).env(&name, confined))
    };
    // It reads the file, and ends as what is not started again.
    let told = start(&confined);
    assert!(told.text.contains("./tidegate.toml:1"), "{}", told.text);
    assert_eq!(
        told.code.map(|code| code.to_string()),
        Some(value("RestartPreventExitStatus")),
        "{}",
        told.text
    );
    assert_eq!(start("as it likes").code, Some(2), "the variable is read");
    let drain = std::time::Duration::from_millis(tidegate::proxy::Limits::default().drain_ms_max);
    assert!(
        value("TimeoutStopSec").parse::<u64>().unwrap() > drain.as_secs(),
        "a drain ends by itself"
    );
}

#[test]
fn the_program_reads_what_the_unit_hands_over() {
    let dir = dir();
    assert_eq!(
        tidegate(dir.path(), &["authority", "new", "--dir", "ours"]).code,
        Some(0)
    );
    let credential = value("LoadCredential");
    let (name, _) = credential.split_once(':').unwrap();
    std::fs::create_dir(dir.path().join("handed")).unwrap();
    std::fs::rename(
        dir.path().join("ours/authority.key"),
        dir.path().join("handed").join(name),
    )
    .unwrap();
    let forward = "[listen.out]\naddress = \"127.0.0.1:3128\"\n[listen.out.forward]\nauthority = \"ours\"\n";
    write(&dir, "tidegate.toml", &format!("{GOOD}{forward}"));
    assert_ne!(tidegate(dir.path(), &["check"]).code, Some(0), "there is no key");
    let checked = said(
        command(dir.path())
            .arg("check")
            .env("CREDENTIALS_DIRECTORY", dir.path().join("handed")),
    );
    assert_eq!(checked.code, Some(0), "{}", checked.text);
    write(&dir, "state/hash.key", "");
    let bypassed = said(
        command(dir.path())
            .args(["bypass", "--end"])
            .env("STATE_DIRECTORY", dir.path().join("state")),
    );
    assert_eq!(bypassed.code, Some(0), "{}", bypassed.text);
}

/// Nothing else may be written: `ProtectSystem=strict`.
#[test]
fn what_is_written_is_written_where_the_unit_lets_it() {
    let example: toml::Table = toml::from_str(include_str!("../../deploy/tidegate.toml")).unwrap();
    for (section, setting, place) in [
        ("state", "dir", format!("/var/lib/{}", value("StateDirectory"))),
        ("audit", "file", format!("/var/log/{}", value("LogsDirectory"))),
    ] {
        let written = example[section][setting].as_str().unwrap();
        assert!(std::path::Path::new(written).starts_with(&place), "{written}");
    }
    assert_eq!(value("ProtectSystem"), "strict");
}

/// By which the program gives up what the unit leaves it.
#[test]
fn the_unit_lets_the_program_confine_itself() {
    let allowed = values("SystemCallFilter").join(" ");
    for call in [
        "landlock_create_ruleset",
        "landlock_add_rule",
        "landlock_restrict_self",
        "seccomp",
    ] {
        assert!(allowed.split(' ').any(|name| name == call), "{call}");
    }
    assert_eq!(
        values("SystemCallErrorNumber"),
        ["EPERM"],
        "a call that is not allowed ends nothing"
    );
    assert!(value("ExecReload").contains("-HUP"));
}
