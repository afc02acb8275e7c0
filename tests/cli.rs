//! What people read on the command line: help, errors and answers, with the exit codes of scripts.

#![allow(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::unwrap_used,
    clippy::excessive_nesting,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::too_many_lines,
    clippy::similar_names,
    reason = "a test says what went wrong where it went wrong, helpers included"
)]

#[path = "cli/bypassed.rs"]
mod bypassed;
#[path = "cli/checked.rs"]
mod checked;
#[path = "cli/compared.rs"]
mod compared;
#[path = "cli/documents.rs"]
mod documents;
#[path = "cli/going_out.rs"]
mod going_out;
#[path = "cli/ledger.rs"]
mod ledger;
#[path = "cli/loading.rs"]
mod loading;
#[path = "cli/rules.rs"]
mod rules;
#[path = "cli/service.rs"]
mod service;
#[path = "cli/sizing.rs"]
mod sizing;
#[path = "cli/typed.rs"]
mod typed;
#[path = "cli/what_if.rs"]
mod what_if;

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What a command said, and how it ended.
struct Said {
    text: String,
    code: Option<i32>,
}

/// The binary in `dir`, with nothing of ours in its environment.
fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIDEGATE") || name == "STATE_DIRECTORY" || name == "COLUMNS" {
            command.env_remove(name);
        }
    }
    command.current_dir(dir);
    command
}

fn tidegate(dir: &Path, arguments: &[&str]) -> Said {
    said(command(dir).args(arguments))
}

fn said(command: &mut Command) -> Said {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Said {
        text: format!("{out}{err}"),
        code: output.status.code(),
    }
}

fn dir() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn write(dir: &TempDir, name: &str, text: &str) {
    let path = dir.path().join(name);
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("ours");
    std::fs::write(path, text).expect("ours");
}

/// A configuration in which nothing is wrong, before the lines of a test.
const GOOD: &str =
    "[listen.http]\naddress = \"127.0.0.1:8080\"\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://127.0.0.1:9000\"]\n";

/// `check` of [`GOOD`] with these lines after it.
fn check(lines: &str) -> Said {
    let dir = dir();
    write(&dir, "tidegate.toml", &format!("{GOOD}{lines}"));
    tidegate(dir.path(), &["check"])
}

fn budget(lines: &str) -> String {
    format!("[[budget]]\nname = \"b\"\n{lines}\n")
}

#[test]
fn help() {
    let dir = dir();
    let commands = [
        "",
        "run",
        "check",
        "explain",
        "bypass",
        "rules",
        "scan",
        "replay",
        "simulate",
        "authority",
        "demo",
        "keys",
        "holds",
        "hold",
        "release",
        "top",
        "clock",
        "sizing",
    ];
    let text = commands.map(|command| {
        let arguments: Vec<&str> = [command, "--help"]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        let said = tidegate(dir.path(), &arguments);
        assert_eq!(said.code, Some(0), "{command}");
        format!("$ tidegate {}\n{}", arguments.join(" "), said.text)
    });
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_problem_of_a_configuration_is_shown_where_it_is() {
    let route = |lines: &str| {
        format!("[[route]]\nmatch = \"shop.example/\"\nupstream = [\"http://127.0.0.1:9000\"]\n{lines}\n")
    };
    let people = "people = 100\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"";
    let exception = |lines: &str| {
        format!(
            "{}[[exception]]\nprincipal = \"1\"\npeople = 5\nowner = \"o\"\nreason = \"r\"\n{lines}\n",
            budget(&format!("per = \"session\"\n{people}"))
        )
    };
    let rows = [
        ("C000 later", route("fail_enforce = true")),
        ("C001 no TOML", "[body\n".to_owned()),
        (
            "C002 unknown field",
            budget("per = \"session\"\npeeple = 100\nwindow = \"1d\"\naction = \"block\""),
        ),
        (
            "C001 wrong type",
            budget("per = \"session\"\npeople = \"many\"\nwindow = \"1d\"\naction = \"block\""),
        ),
        (
            "C004 no network",
            "[listen.two]\naddress = \"127.0.0.1:1\"\ntrusted = [\"10.0.0.0/40\"]\n".to_owned(),
        ),
        (
            "C004 nobody trusted",
            "[listen.two]\naddress = \"127.0.0.1:1\"\nja4_header = \"x-ja4\"\n".to_owned(),
        ),
        (
            "C004 no header",
            "[listen.two]\naddress = \"127.0.0.1:1\"\ntrusted = [\"10.0.0.0/8\"]\naddress_header = \"client ip\"\n"
                .to_owned(),
        ),
        (
            "C014 certificates of clients without TLS",
            "[listen.two]\naddress = \"127.0.0.1:1\"\nclient_certificates = { ca = \"clients.pem\" }\n".to_owned(),
        ),
        ("C004 no address", "[listen.two]\naddress = \"localhost\"\n".to_owned()),
        (
            "C006 same route",
            "[[route]]\nmatch = \"*/\"\nupstream = [\"http://127.0.0.1:9000\"]\n".to_owned(),
        ),
        (
            "C007 no pattern",
            "[[route]]\nmatch = \"shop.example\"\nupstream = [\"http://127.0.0.1:9000\"]\n".to_owned(),
        ),
        (
            "C008 no upstream",
            "[[route]]\nmatch = \"a.example/\"\nupstream = []\n".to_owned(),
        ),
        (
            "C008 no URL",
            "[[route]]\nmatch = \"a.example/\"\nupstream = [\"127.0.0.1:9000\"]\n".to_owned(),
        ),
        ("C009 no read", route("reads = [\"/search\"]")),
        (
            "C020 open to anybody",
            "[listen.out]\naddress = \"0.0.0.0:3128\"\n[listen.out.forward]\nports = [443]\n".to_owned(),
        ),
        (
            "C021 no users",
            "[listen.out.forward]\nusers = \"nowhere.users\"\n".to_owned(),
        ),
        (
            "C022 no host",
            "[listen.out.forward]\npass = [\"https://bank.example\"]\n".to_owned(),
        ),
        (
            "C022 a host with a port",
            "[listen.out.forward]\nrefuse = [\"paste.example:443\", \"*.paste.example\"]\n".to_owned(),
        ),
        (
            "C004 no address of a forward listener, told once",
            "[listen.out]\naddress = \"localhost\"\n[listen.out.forward]\nports = [443]\n".to_owned(),
        ),
        (
            "C025 nobody can say who it is",
            "[listen.out.forward]\ntransparent = \"redirect\"\nusers = \"tidegate.toml\"\n".to_owned(),
        ),
        (
            "C025 TLS that is meant for others",
            "[listen.out]\naddress = \"127.0.0.1:1\"\ntrusted = [\"10.0.0.0/8\"]\nproxy_protocol = true\n\
             [listen.out.forward]\ntransparent = \"tproxy\"\n"
                .to_owned(),
        ),
        (
            "C031 no list of destinations",
            "[rules]\ndestinations = \"nowhere.list\"\n".to_owned(),
        ),
        (
            "C032 nobody says who it is",
            "[[listen.out.forward.rule]]\naction = \"refuse\"\nprincipals = [\"ann\"]\n".to_owned(),
        ),
        (
            "C032 no category",
            "[[listen.out.forward.rule]]\naction = \"refuse\"\ncategories = [\"pasta\"]\n".to_owned(),
        ),
        (
            "C032 a certificate where users are asked for",
            "[listen.out.forward]\nusers = \"nowhere.users\"\n[[listen.out.forward.rule]]\naction = \"refuse\"\nprincipals = [\"ann\", \"certificate:CN=build\"]\n"
                .to_owned(),
        ),
        ("C010 no authority", route("ca = \"nowhere.pem\"")),
        ("C024 no name of a tenant", route("tenant = \"the shop\"")),
        (
            "P001 no direction",
            budget(&format!("per = \"session\"\ndirection = \"request\"\n{people}")),
        ),
        (
            "P016 no condition",
            budget(&format!("per = \"session\"\nwhen = \"issued\"\n{people}")),
        ),
        (
            "P017 no amount",
            budget("per = \"session\"\nbytes = \"many\"\nwindow = \"1d\"\naction = \"alert\""),
        ),
        (
            "P018 two things",
            budget(&format!("per = \"session\"\nbytes = \"1MiB\"\n{people}")),
        ),
        (
            "P020 no class",
            budget("per = \"session\"\nclass = \"cart\"\nvalues = 9\nwindow = \"1d\"\naction = \"alert\""),
        ),
        (
            "P020 no values",
            budget("per = \"session\"\nclass = \"card\"\nwindow = \"1d\"\naction = \"alert\""),
        ),
        (
            "P023 no category",
            budget(&format!("per = \"session\"\nwhen = \"category:pasta\"\n{people}")),
        ),
        (
            "P023 no workspace",
            budget(&format!("per = \"session\"\nwhen = \"!workspace:pastebin.com/acme\"\n{people}")),
        ),
        (
            "P016 no domain",
            budget(&format!("per = \"session\"\nwhen = \"!domain:www.example.com\"\n{people}")),
        ),
        (
            "P024 nobody, another's host and no field",
            "[[processor]]\nname = \"courier\"\nhosts = [\"courier.example\"]\npeople_per_day = 0\n\
             [[processor]]\nname = \"mail\"\nhosts = [\"Courier.example\"]\nfields = []\npeople_per_day = 5\n"
                .to_owned(),
        ),
        (
            "P024 no processor",
            "[[processor]]\nname = \"courier\"\nhosts = [\"*.courier.example\"]\nclasses = [\"emial\"]\n\
             fields = [\"to\", \"[0]\"]\npeople_per_day = 5\n"
                .to_owned(),
        ),
        ("P001 no dimension", budget(&format!("per = \"sesion\"\n{people}"))),
        (
            "P001 no action",
            budget("per = \"session\"\npeople = 1\nwindow = \"1d\"\naction = \"blok\""),
        ),
        (
            "P001 action missing",
            budget("per = \"session\"\npeople = 1\nwindow = \"1d\""),
        ),
        (
            "P001 no mode",
            budget("per = \"session\"\npeople = 1\nwindow = \"1d\"\naction = \"block\"\nmode = \"on\""),
        ),
        (
            "P002 no pace",
            budget("per = \"session\"\npeople = 1\nwindow = \"1d\"\naction = \"throttle\""),
        ),
        (
            "P002 no time",
            budget("per = \"session\"\npeople = 1\nwindow = \"1d\"\naction = \"hold\"\nhold_for = \"long\""),
        ),
        (
            "P003 no window",
            budget("per = \"session\"\npeople = 1\naction = \"block\""),
        ),
        (
            "P003 bad window",
            budget("per = \"session\"\npeople = 1\nwindow = \"90d\"\naction = \"block\""),
        ),
        (
            "P003 exchange",
            budget("per = \"exchange\"\npeople = 1\nwindow = \"1d\"\naction = \"block\""),
        ),
        (
            "P004 no limit",
            budget("per = \"session\"\nwindow = \"1d\"\naction = \"block\""),
        ),
        ("P005 shared", budget(&format!("per = \"network\"\n{people}"))),
        (
            "P006 inexact",
            budget("per = \"session\"\npeople = 200000\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\""),
        ),
        (
            "P007 same name",
            budget(&format!("per = \"session\"\n{people}")).repeat(2),
        ),
        ("P009 no budget", exception("budget = \"c\"\nexpires = \"2099-12-01\"")),
        ("P010 no date", exception("budget = \"b\"\nexpires = \"soon\"")),
        ("C015 no room", "[body]\nheld_total_bytes_max = 65536".to_owned()),
        ("C015 no time", "[limits]\nheader_ms_max = 0".to_owned()),
        (
            "P012 no group",
            route("allow = { group = \"partner\", people_per_day = 5 }"),
        ),
    ];
    let mut all = String::new();
    for (what, lines) in rows {
        let said = check(&lines);
        assert_eq!(said.code, Some(78), "{what}: {}", said.text);
        let code = what.split(' ').next().expect("a code");
        assert!(said.text.contains(&format!("error[{code}]")), "{what}: {}", said.text);
        all.extend(["# ", what, "\n", &said.text, "\n"]);
    }
    insta::assert_snapshot!(all);
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let strict = "per = \"session\"\npeople = 10\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"";
    let exception = |principal: &str, expires: &str| {
        format!(
            "{}[[exception]]\nbudget = \"b\"\nprincipal = \"{principal}\"\npeople = 50\nowner = \"o\"\nreason = \"r\"\nexpires = \"{expires}\"\n",
            budget(strict)
        )
    };
    let rows = [
        ("P011", exception("1", "2020-01-01")),
        (
            "P021",
            budget(&strict.replace("per = \"session\"", "per = \"kid\"\nwhen = \"unissued\"")),
        ),
        (
            "P022",
            budget(&strict.replace("per = \"session\"", "per = \"ja4 + session\"")),
        ),
        (
            "P022",
            budget(&strict.replace("per = \"session\"", "per = \"certificate\"")),
        ),
        (
            "P022",
            budget(strict) + "[[processor]]\nname = \"courier\"\nhosts = [\"courier.example\"]\npeople_per_day = 5\n",
        ),
        ("P015", exception("agent:1", "2099-12-01")),
        (
            "P015",
            format!(
                "{}[identity.group]\nagent = {{ claim = \"role=agent\" }}\n",
                exception("agnt:1", "2099-12-01")
            ),
        ),
        (
            "P013",
            format!(
                "{}{}",
                budget(strict),
                budget(&strict.replace("10", "100")).replace("\"b\"", "\"c\"")
            ),
        ),
    ];
    let mut all = String::new();
    for (code, lines) in &rows {
        let said = check(lines);
        assert!(
            said.code == Some(0) && said.text.contains(&format!("warning[{code}]")),
            "{}",
            said.text
        );
        all.push_str(&said.text);
    }
    let dir = dir();
    write(&dir, "tidegate.toml", &format!("{GOOD}{}", rows[0].1));
    assert_eq!(tidegate(dir.path(), &["check", "--deny-warnings"]).code, Some(78));
    insta::assert_snapshot!(all);
}

#[test]
fn explain() {
    let dir = dir();
    let budgets = "[identity]\nsources = [\"cookie:sid\"]\n\
        [[route]]\nmatch = \"*/stores\"\nupstream = [\"http://127.0.0.1:9000\"]\npublic = true\n\
        [[budget]]\nname = \"bulk\"\nper = \"exchange\"\npeople = 60\naction = \"block\"\nmode = \"enforce\"\n\
        [[budget]]\nname = \"day\"\nper = \"session\"\npeople = 100\nwindow = \"1d\"\naction = \"throttle\"\nto = \"6/h\"\nmode = \"enforce\"\n\
        [[budget]]\nname = \"crowd\"\nper = \"network\"\npeople = 500\nwindow = \"1h\"\naction = \"alert\"\n";
    write(&dir, "tidegate.toml", &format!("{GOOD}{budgets}"));
    let mut all = String::new();
    for arguments in [
        [
            "--url",
            "http://shop.example/profile",
            "-H",
            "Cookie: sid=planted-session",
        ]
        .as_slice(),
        &["--url", "http://shop.example/profile"],
        &["--url", "http://shop.example/stores"],
    ] {
        let said = tidegate(dir.path(), &[["explain"].as_slice(), arguments].concat());
        assert!(
            said.code == Some(0) && !said.text.contains("planted-session"),
            "{}",
            said.text
        );
        all.extend([
            "$ tidegate explain ",
            &arguments.join(" "),
            "\n",
            &without_keys(&said.text),
            "\n",
        ]);
    }
    insta::assert_snapshot!(all);
    for url in ["no url at all", "shop.example", "/profile"] {
        let said = tidegate(dir.path(), &["explain", "--url", url]);
        assert_eq!(said.code, Some(2), "{}", said.text);
    }
}

/// The text with every key, a hash under a key of this run, as `KEY`.
fn without_keys(text: &str) -> String {
    let is_key = |word: &str| word.len() >= 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let lines = text.lines().map(|line| {
        let words = line.split(' ').map(|word| if is_key(word) { "KEY" } else { word });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn scan() {
    let dir = dir();
    let csv = "name,email,phone\nKim,kim@example.com,+82 10-2345-6789\nLee,lee@example.org,+1 202-555-0143\nnobody,,\n";
    write(&dir, "people.csv", csv);
    let said = tidegate(dir.path(), &["scan", "people.csv"]);
    assert_eq!(said.code, Some(0));
    let lines: Vec<&str> = said.text.lines().filter(|line| !line.ends_with("MB/s")).collect();
    insta::assert_snapshot!(lines.join("\n"));
    let said = tidegate(dir.path(), &["scan", "--json", "people.csv"]);
    let mut found: serde_json::Value = serde_json::from_str(&said.text).expect("JSON");
    // It may have any digits.
    let seconds = found["files"][0]["seconds"].take();
    assert!(seconds.is_number(), "{seconds}");
    let file = &found["files"][0];
    assert_eq!((&file["people"], &file["records"]), (&2.into(), &2.into()));
    assert_eq!(file["classes"], serde_json::json!({ "email": 2, "phone": 2 }));
    for planted in ["kim@", "lee@", "2345", "555"] {
        assert!(!found.to_string().contains(planted), "never a raw value");
    }
    let said = tidegate(dir.path(), &["scan", "nowhere.csv"]);
    assert!(
        said.code == Some(74) && said.text.contains("nowhere.csv"),
        "{}",
        said.text
    );
}
