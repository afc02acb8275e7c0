//! What is loaded beside the text of a file: variables over it, numbers within bounds, and files that are not whole.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{GOOD, budget, check, dir, tidegate, write};

#[test]
fn half_a_file_is_no_configuration() {
    let dir = dir();
    for (text, words) in [
        ("", "nothing listens"),
        (
            "[listen.http]\naddress = \"127.0.0.1:8080\"\n",
            "no request leads anywhere",
        ),
        (&format!("{GOOD}{}", "#".repeat(4 << 20)), "larger than 4194304 bytes"),
    ] {
        write(&dir, "tidegate.toml", text);
        let said = tidegate(dir.path(), &["check"]);
        assert!(
            said.code > Some(1) && said.text.contains(words),
            "{:?} {}",
            said.code,
            said.text
        );
    }
}

/// What a `check` tells, in the order of its places: file, line (0 for the whole file) and code.
fn told(dir: &tempfile::TempDir) -> Vec<(String, u64, String)> {
    let said = tidegate(dir.path(), &["check", "--format", "json"]);
    assert_eq!(said.code, Some(78), "{}", said.text);
    let problems = said.text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let of = |problem: serde_json::Value| {
        let text = |field: &str| problem[field].as_str().expect("a text").to_owned();
        (text("file"), problem["line"].as_u64().unwrap_or_default(), text("code"))
    };
    let mut told: Vec<_> = problems.map(of).collect();
    told.sort();
    told
}

#[test]
fn a_fault_hides_no_other() {
    let dir = dir();
    let expect = |lines: &str, expected: &[(&str, u64, &str)]| {
        write(&dir, "tidegate.toml", &format!("{GOOD}{lines}"));
        let told = told(&dir);
        let told: Vec<_> = told
            .iter()
            .map(|(file, line, code)| (file.as_str(), *line, code.as_str()))
            .collect();
        assert_eq!(told, expected, "{lines}");
    };
    let (file, rule_file) = ("tidegate.toml", "rules.d/staff.toml");
    // What is written in the wrong way: the names, types and tables of one item, and of the next.
    expect(
        "[[budget]]\nname = 1\npeeple = 5\naction = \"block\"\n[[budget]]\nname = \"b\"\naction = \"alert\"\npeople = \"many\"\n[lmits]\n",
        &[
            (file, 7, "C001"),
            (file, 8, "C002"),
            (file, 10, "C001"),
            (file, 13, "C001"),
            (file, 14, "C002"),
        ],
    );
    // What is meant in the wrong way, of one item, of its siblings, and of what other modules read.
    let rule = "[[rule]]\nname = \"staff\"\nclass = \"Staff\"\nregex = 'EMP-[0-9'\nweight = 2\n";
    write(&dir, "rules.d/staff.toml", rule);
    expect(
        "[rules]\ndir = \"rules.d\"\n[audit]\non_audit_full = \"block\"\n[admin]\ntokens = \"nowhere\"\n\
         [[budget]]\nname = \"b\"\nper = \"sesion\"\nwindow = \"90d\"\naction = \"blok\"\nmode = \"on\"\n\
         [[exception]]\nbudget = \"c\"\nprincipal = \"agent:1\"\npeople = 5\nowner = \"o\"\nreason = \"r\"\nexpires = \"soon\"\n",
        &[
            (rule_file, 2, "R010"),
            (rule_file, 3, "R013"),
            (rule_file, 4, "R006"),
            (rule_file, 5, "R015"),
            (file, 0, "C000"),
            (file, 11, "A002"),
            (file, 13, "P004"),
            (file, 14, "P001"),
            (file, 15, "P003"),
            (file, 16, "P001"),
            (file, 17, "P001"),
            (file, 19, "P009"),
            (file, 20, "P015"),
            (file, 24, "P010"),
        ],
    );
}

#[test]
fn rules_in_shadow_are_checked_as_those_in_force_are() {
    let dir = dir();
    let rule = "[[rule]]\nname = \"staff\"\nclass = \"staff\"\ncategory = \"account\"\nregex = 'EMP-['\nkeywords = [\"EMP-\"]\n";
    write(
        &dir,
        "tidegate.toml",
        &format!("{GOOD}[rules]\nshadow_dir = \"tried.d\"\n"),
    );
    assert_eq!(told(&dir), [("tidegate.toml".to_owned(), 7, "C017".to_owned())]);
    write(&dir, "tried.d/staff.toml", rule);
    assert_eq!(told(&dir), [("tried.d/staff.toml".to_owned(), 5, "R006".to_owned())]);
    let text = tidegate(dir.path(), &["check"]).text;
    assert!(text.contains("--> tried.d/staff.toml:5:9"), "{text}");
    write(&dir, "tried.d/staff.toml", &rule.replace("EMP-[", "EMP-[0-9]{6}"));
    let said = tidegate(dir.path(), &["check"]);
    assert!(
        said.code == Some(0) && said.text.contains("warning[R020]"),
        "{}",
        said.text
    );
}

#[test]
fn numbers_with_which_nothing_works_are_refused() {
    for (line, is_refused) in [
        ("[limits]\nidle_ms_max = 0", true),
        ("[limits]\nidle_ms_max = 100", false),
        ("[limits]\nh2_stream_window_bytes = 4000000000", true),
        ("[limits]\nexchange_ms_max = 18446744073709551615", true),
        ("[body]\nheld_bytes_max = 0", true),
        ("[body]\nheld_bytes_max = 1000000000", true),
        (
            "[body]\nheld_bytes_max = 1000000\nheld_total_bytes_max = 1000000",
            false,
        ),
        ("[body]\ndecoded_ratio_max = 0", true),
        ("[ledger]\nbytes_max = 0", true),
        ("[ledger]\nexact_elements_max = 10", true),
        ("[audit]\nqueue_lines_max = 0", true),
    ] {
        let said = check(line);
        assert_eq!(said.text.contains("error[C015]"), is_refused, "{line}: {}", said.text);
        assert_eq!(
            said.code,
            Some(if is_refused { 78 } else { 0 }),
            "{line}: {}",
            said.text
        );
    }
}

#[test]
fn variables_lie_over_the_file_and_problems_show_what_came_of_it() {
    let dir = dir();
    let check = |text: &str, (name, value): (&str, &str)| {
        write(&dir, "tidegate.toml", text);
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        let command = command.arg("check").current_dir(dir.path()).env(name, value);
        let output = command.output().expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    let (code, text) = check(GOOD, ("TIDEGATE__LIMITS__HEADER_BYTES_MAXX", "1"));
    assert_eq!(code, Some(78));
    assert!(
        text.contains("header_bytes_maxx = 1") && text.contains("did you mean"),
        "it shows the line: {text}"
    );
    // A warning points into the same text as an error, and its name says that this is not the file.
    let old = "[[exception]]\nbudget = \"b\"\nprincipal = \"a\"\npeople = 5\nowner = \"o\"\nreason = \"r\"\nexpires = \"2020-01-01\"\n";
    let strict = "per = \"session\"\npeople = 1\nwindow = \"1d\"\naction = \"block\"";
    let text = format!("# a comment\n# moves lines\n{GOOD}{}{old}", budget(strict));
    let (code, text) = check(&text, ("TIDEGATE__LIMITS__HEADERS_MAX", "50"));
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("tidegate.toml with TIDEGATE__ variables:") && text.contains("| expires = \"2020-01-01\""),
        "{text}"
    );
}

#[test]
fn an_exception_that_somebody_can_meet_is_no_warning() {
    let group = "[identity.group]\nagent = { claim = \"role=agent\" }\n";
    let strict = budget("per = \"principal\"\npeople = 1\nwindow = \"1d\"\naction = \"block\"");
    for principal in [
        "1",
        "agent:1",
        "api-key:acme",
        "certificate:CN=acme",
        "proxy-user:ann",
        r"shop\u0000system:serviceaccount:1",
    ] {
        let exception = format!(
            "[[exception]]\nbudget = \"b\"\nprincipal = \"{principal}\"\npeople = 5\nowner = \"o\"\nreason = \"r\"\nexpires = \"2099-12-01\"\n"
        );
        let said = check(&format!("{group}{strict}{exception}"));
        assert!(said.text.contains("0 errors, 0 warnings"), "{}", said.text);
    }
}

/// Runs the binary in `dir` with this on its standard input.
fn fed(dir: &std::path::Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(arguments)
        .current_dir(dir)
        .env_remove("STATE_DIRECTORY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_hashed_secret_is_known_by_its_line() {
    let dir = dir();
    let token = fed(
        dir.path(),
        &["hash", "admin-token", "kim", "viewer"],
        "a secret of many bytes\n",
    );
    // The BLAKE3 hash of its bytes, as any tool for it prints.
    let hash = blake3::hash(b"a secret of many bytes").to_hex();
    assert_eq!(token, format!("kim viewer {hash}\n"));
    write(&dir, "tidegate.toml", GOOD);
    let key = fed(dir.path(), &["hash", "api-key", "acme"], "a secret of many bytes");
    let (hash, name) = key.trim().split_once(' ').expect("two words");
    assert!(name == "acme" && hash.len() == 64, "{key}");
    assert_eq!(
        fed(dir.path(), &["hash", "api-key", "acme"], "a secret of many bytes"),
        key,
        "one key, one hash"
    );
    assert!(
        dir.path().join("tidegate-state/hash.key").is_file(),
        "the key that the gateway will use"
    );
    write(&dir, "partners.keys", &key);
    write(&dir, "admin.tokens", &token);
    let identity =
        "[identity]\nsources = [\"header:x-api-key\"]\n[identity.group]\npartner = { api_keys = \"partners.keys\" }\n";
    write(
        &dir,
        "tidegate.toml",
        &format!("{GOOD}{identity}[admin]\ntokens = \"admin.tokens\"\n"),
    );
    let said = tidegate(dir.path(), &["check", "--deny-warnings"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    let asked = [
        "explain",
        "--url",
        "http://a/",
        "-H",
        "X-Api-Key: a secret of many bytes",
    ];
    let said = tidegate(dir.path(), &asked);
    assert!(said.text.contains("group      partner"), "{}", said.text);
}

#[test]
fn a_key_is_made_beside_a_configuration_only_and_said() {
    let dir = dir();
    let hash = |dir: &std::path::Path| {
        let command = "echo a secret of many bytes | \"$0\" hash api-key acme";
        let output = Command::new("sh")
            .args(["-c", command, env!("CARGO_BIN_EXE_tidegate")])
            .current_dir(dir)
            .env_remove("STATE_DIRECTORY")
            .output()
            .expect("a shell");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, said) = hash(dir.path());
    assert!(
        code == Some(74) && said.contains("no configuration tidegate.toml"),
        "{code:?} {said}"
    );
    assert_eq!(
        std::fs::read_dir(dir.path()).expect("ours").count(),
        0,
        "nothing is left"
    );
    write(&dir, "tidegate.toml", GOOD);
    let (code, said) = hash(dir.path());
    assert!(
        code == Some(0) && said.contains("tidegate-state/hash.key: made"),
        "{code:?} {said}"
    );
    assert_eq!(hash(dir.path()), (Some(0), String::new()), "there is one now");
}

#[test]
fn the_example_that_is_shipped_checks() {
    let dir = dir();
    let example = include_str!("../../deploy/tidegate.toml").replace("/var/lib/tidegate", "state");
    write(&dir, "tidegate.toml", &example);
    for arguments in [&["authority", "new"][..], &["authority", "leaf", "shop.example.com"]] {
        assert_eq!(tidegate(dir.path(), arguments).code, Some(0));
    }
    let token = fed(
        dir.path(),
        &["hash", "admin-token", "kim", "policy"],
        "a secret of many bytes",
    );
    write(&dir, "admin.tokens", &token);
    let said = tidegate(dir.path(), &["check", "--deny-warnings"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
}
