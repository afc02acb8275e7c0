//! The authority by which TLS is opened, and what is wrong with how clients go out.

use super::{check, dir, tidegate};

#[test]
fn authority() {
    let dir = dir();
    let mut all = String::new();
    let import = |cert: &'static str, key: &'static str| {
        ["authority", "import", "--dir", "theirs", "--cert", cert, "--key", key]
    };
    for (arguments, code) in [
        (["authority", "leaf", "localhost"].as_slice(), 74),
        (&["authority", "new"], 0),
        (&["authority", "new"], 74),
        (&["authority", "leaf", "localhost", "127.0.0.1"], 0),
        (&["authority", "leaf", "no name"], 2),
        (&["authority", "leaf", "*.shop.example"], 0),
        (&["authority", "new", "--dir", "ours", "--permit", "corp example"], 2),
        (
            &[
                "authority",
                "new",
                "--dir",
                "ours",
                "--name",
                "Ours",
                "--permit",
                "corp.example",
                "--permit",
                "10.0.0.0/8",
            ],
            0,
        ),
        (&import("certs/localhost.pem", "certs/localhost.key"), 74),
        (&import("ours/authority.pem", "certs/authority.key"), 74),
        (&import("ours/authority.pem", "ours/authority.key"), 0),
        (&["authority", "rotate", "--dir", "theirs", "--switch"], 74),
        (&["authority", "rotate", "--dir", "theirs"], 0),
        (&["authority", "rotate", "--dir", "theirs"], 74),
        (
            &[
                "authority",
                "rotate",
                "--dir",
                "theirs",
                "--cert",
                "certs/authority.pem",
            ],
            2,
        ),
    ] {
        let said = tidegate(dir.path(), arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {}", said.text);
        all.extend(["$ tidegate ", &arguments.join(" "), "\n", &said.text, "\n"]);
    }
    insta::assert_snapshot!(all);
}

#[test]
fn every_problem_of_a_way_out_is_shown_where_it_is() {
    let rows = [
        (
            "C026 no proxy in the clear",
            "[listen.out.forward.parent]\nurl = \"https://proxy.example:3128\"\n".to_owned(),
        ),
        (
            "C026 no credentials",
            "[listen.out.forward.parent]\nurl = \"http://proxy.example:3128\"\ncredentials = \"nowhere\"\n".to_owned(),
        ),
        (
            "C026 no host and port",
            "[listen.out.forward.pac]\nproxy = \"proxy.example\"\n".to_owned(),
        ),
        (
            "C027 no day, no digest",
            "[[listen.out.forward.exception]]\nname = \"a\"\nhosts = [\"a.example\"]\nowner = \"o\"\nreason = \"\"\n\
             expires = \"soon\"\n[[listen.out.forward.exception]]\nname = \"b\"\nhosts = [\"b.example\"]\nowner = \"o\"\n\
             reason = \"\"\ncertificate = \"ab\"\nexpires = \"2099-01-01\"\n"
                .to_owned(),
        ),
    ];
    let mut all = String::new();
    for (what, lines) in rows {
        let said = check(&lines);
        assert_eq!(said.code, Some(78), "{what}: {}", said.text);
        all.extend(["# ", what, "\n", &said.text, "\n"]);
    }
    insta::assert_snapshot!(all);
}
