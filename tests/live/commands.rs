//! The commands that ask a running gateway, as a person types them.

use std::net::SocketAddr;
use std::process::Output;
use std::sync::Arc;

use super::process::{Tidegate, command, output};
use crate::support::client::get;
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body};

/// A token of each role, for the name of that role.
const ROLES: [&str; 4] = ["viewer", "analyst", "releaser", "policy"];

fn token(role: &str) -> String {
    format!("a-token-of-a-test-for-{role}")
}

/// A gateway that holds a session after two people, and who may ask it what.
async fn start(origin: SocketAddr) -> Tidegate {
    let dir = Arc::new(tempfile::tempdir().expect("a directory"));
    let lines = ROLES.map(|role| {
        std::fs::write(dir.path().join(role), format!("{}\n", token(role))).expect("ours");
        format!(
            "{role} {role} {}\n",
            tidegate::admin::token_hash(token(role).as_bytes())
        )
    });
    std::fs::write(dir.path().join("tokens"), lines.concat()).expect("ours");
    let config = format!(
        "[listen.http]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"127.0.0.1:0\"\ntokens = \"tokens\"\n\
         [identity]\nsources = [\"cookie:sid\"]\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{origin}\"]\n\
         [[budget]]\nname = \"burst\"\nper = \"session\"\npeople = 2\nwindow = \"1m\"\naction = \"hold\"\nmode = \"enforce\"\n"
    );
    std::fs::write(dir.path().join("tidegate.toml"), config).expect("ours");
    Tidegate::launch(dir, &["run", "--config", "tidegate.toml"], "info").await
}

/// What a command said to standard output or error, and its exit code.
async fn said(gateway: &Tidegate, role: &str, arguments: &[&str]) -> (String, i32) {
    let mut typed = command(gateway.dir.path());
    typed.args(arguments);
    typed.args(["--admin", &gateway.address("admin").to_string(), "--token-file", role]);
    let Output { status, stdout, stderr } = output(typed).await;
    let text = [stdout, stderr]
        .map(|text| String::from_utf8(text).expect("text"))
        .concat();
    (text, status.code().expect("it ends by itself"))
}

async fn status(gateway: &Tidegate) -> u16 {
    let reply = get(gateway.address("http"), "/", "Cookie: sid=one\r\n").await;
    if reply.is_whole { reply.status } else { 0 }
}

async fn nine_people() -> Origin {
    Origin::serve(|_| Answer::new("application/json", body(Format::Json, 0..9))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_key_is_found_released_and_held_again_by_hand() {
    let origin = nine_people().await;
    let gateway = start(origin.address).await;
    assert_eq!(
        said(&gateway, "viewer", &["holds"]).await,
        ("no key is held\n".to_owned(), 0)
    );
    assert_eq!(
        said(&gateway, "viewer", &["keys"]).await,
        ("nobody was shown to anyone\n".to_owned(), 0)
    );
    assert_ne!(status(&gateway).await, 200);

    let (keys, code) = said(&gateway, "viewer", &["keys", "--dimension", "session"]).await;
    assert!(code == 0 && keys.contains("  2 in 1m  "), "{keys}");
    let (json, code) = said(&gateway, "viewer", &["holds", "--json"]).await;
    let holds: serde_json::Value = serde_json::from_str(&json).expect("one object");
    assert_eq!((code, &holds["holds"][0]["cause"]), (0, &"burst".into()), "{json}");
    let key = holds["holds"][0]["key"].as_str().expect("a key").to_owned();
    let (holds, _) = said(&gateway, "viewer", &["holds"]).await;
    assert!(holds.contains(&key) && holds.contains("burst"), "{holds}");

    let release = ["release", &key, "--reason", "a false alarm"];
    let (text, code) = said(&gateway, "analyst", &release).await;
    assert!(code == 77 && text.contains("this needs the role releaser"), "{text}");
    let allowed = [&release[..], &["--people", "9", "--for", "1h"]].concat();
    let (text, code) = said(&gateway, "releaser", &allowed).await;
    assert!(
        code == 0 && text.starts_with(&format!("{key} is released, and may be shown 9 people more")),
        "{text}"
    );
    assert_eq!(status(&gateway).await, 200);

    let (text, code) = said(
        &gateway,
        "analyst",
        &["hold", &key, "--for", "10m", "--reason", "a drill"],
    )
    .await;
    assert!(
        code == 0 && text.starts_with(&format!("{key} is held until ")),
        "{text}"
    );
    assert_eq!(status(&gateway).await, 403);
    let (text, code) = said(&gateway, "releaser", &release).await;
    assert_eq!((text, code), (format!("{key} is released\n"), 0));

    let unknown = "00".repeat(12);
    for arguments in [
        ["release", &unknown, "--reason", "x"].as_slice(),
        &["hold", &unknown, "--reason", "x"],
    ] {
        let (text, code) = said(&gateway, "policy", arguments).await;
        assert!(
            code == 1 && text.contains("this key is not known, not held, not revoked"),
            "{text}"
        );
    }
    let planted = ["release", &key, "--reason", "asked for by ann@mail.test.example"];
    let (text, code) = said(&gateway, "policy", &planted).await;
    assert!(
        code == 2 && text.contains("must not identify anyone") && !text.contains("ann@"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_right_or_asks_nobody_is_told_so() {
    let origin = nine_people().await;
    let gateway = start(origin.address).await;
    std::fs::write(gateway.file("wrong"), "a-token-that-nobody-knows").expect("ours");
    let (text, code) = said(&gateway, "wrong", &["keys"]).await;
    assert!(code == 77 && text.contains("this token is not known"), "{text}");
    let (text, code) = said(&gateway, "nowhere", &["keys"]).await;
    assert!(code == 74 && text.contains("nowhere: "), "{text}");

    let address = gateway.address("admin").to_string();
    let mut without = command(gateway.dir.path());
    without.args(["holds", "--admin", &address]);
    let refused = output(without).await;
    let text = String::from_utf8(refused.stderr).expect("text");
    assert!(
        refused.status.code() == Some(77) && text.contains("TIDEGATE_TOKEN"),
        "{text}"
    );
    let mut by_variable = command(gateway.dir.path());
    by_variable.args(["holds", "--admin", &address]);
    by_variable.env("TIDEGATE_TOKEN", token("viewer"));
    assert_eq!(output(by_variable).await.status.code(), Some(0));

    // Whatever else answers there is no admin address.
    let mut elsewhere = command(gateway.dir.path());
    elsewhere.args(["clock", "--admin", &origin.address.to_string()]);
    let other = output(elsewhere).await;
    let text = String::from_utf8(other.stderr).expect("text");
    assert!(
        other.status.code() == Some(69) && text.contains("that is no admin address"),
        "{text}"
    );
    drop(gateway);
    let nobody = tempfile::tempdir().expect("a directory");
    let mut asked = command(nobody.path());
    asked.args(["top", "--admin", &address]);
    let refused = output(asked).await;
    let text = String::from_utf8(refused.stderr).expect("text");
    assert!(
        refused.status.code() == Some(69) && text.contains("is the gateway running?"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn top_is_printed_once_where_there_is_no_terminal_and_ends_at_q_where_there_is_one() {
    let origin = nine_people().await;
    let gateway = start(origin.address).await;
    status(&gateway).await;
    let (text, code) = said(&gateway, "viewer", &["top"]).await;
    assert_eq!(code, 0, "{text}");
    for shown in ["ready", "a second: ", " exchanges", "2 in 1m", "burst"] {
        assert!(text.contains(shown), "{shown}:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");

    let binary = command(gateway.dir.path()).get_program().to_string_lossy().into_owned();
    let top = format!("{binary} top --admin {} --token-file viewer", gateway.address("admin"));
    let mut script = std::process::Command::new("sh");
    script.current_dir(gateway.dir.path());
    script.args([
        "-c",
        "(sleep 3; printf q; sleep 2) | script -qec \"$0\" /dev/null",
        &top,
    ]);
    let ended = output(script).await;
    let screen = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{screen}");
    assert!(screen.contains("q ends") && screen.contains("burst"), "{screen}");
    assert!(
        screen.trim_end().ends_with("\u{1b}[?1049l"),
        "the terminal is given back: {screen:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_is_level_and_nothing_is_accepted() {
    let origin = nine_people().await;
    let gateway = start(origin.address).await;
    let (text, code) = said(&gateway, "viewer", &["clock"]).await;
    assert!(
        code == 0 && text.contains("the gateway's time is 20") && !text.contains("follows"),
        "{text}"
    );
    let accept = ["clock", "accept", "--reason", "the host was suspended"];
    let (text, code) = said(&gateway, "policy", &accept).await;
    assert!(code == 1 && text.contains("the clock waits for nothing"), "{text}");
    let (text, code) = said(&gateway, "releaser", &accept).await;
    assert!(code == 77 && text.contains("this needs the role policy"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_behind_the_ledger_is_told_at_the_start() {
    let origin = nine_people().await;
    let mut gateway = start(origin.address).await;
    status(&gateway).await;
    let dir = Arc::clone(&gateway.dir);
    gateway.signal("TERM").await;
    assert!(gateway.ended().await.success());
    let arguments = ["ledger", "export", "--to", "all.jsonl"];
    let mut export = command(dir.path());
    export.args(arguments);
    assert!(output(export).await.status.success());
    // A day later, as a clock that is a day ahead had it.
    let lines = std::fs::read_to_string(dir.path().join("all.jsonl")).expect("lines");
    let later = lines.lines().map(|line| {
        let mut line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let elements = line.get_mut("elements").and_then(serde_json::Value::as_array_mut);
        for element in elements.into_iter().flatten() {
            element[1] = (element[1].as_u64().expect("a second") + 86_400).into();
        }
        format!("{line}\n")
    });
    std::fs::write(dir.path().join("all.jsonl"), later.collect::<String>()).expect("ours");
    let mut import = command(dir.path());
    import.args(["ledger", "import", "all.jsonl"]);
    let imported = output(import).await;
    assert!(
        imported.status.success(),
        "{}",
        String::from_utf8_lossy(&imported.stderr)
    );

    let again = Tidegate::launch(dir, &["run", "--config", "tidegate.toml"], "info").await;
    assert!(
        again.has_said("the system's clock is behind the ledger: it was set back"),
        "{}",
        again.written()
    );
    let ready = again.admin("/readyz").await;
    let text = String::from_utf8_lossy(&ready.body).into_owned();
    assert!(ready.status == 200 && text.contains("the clock was set back"), "{text}");
    let (keys, _) = said(&again, "viewer", &["keys", "--dimension", "session"]).await;
    assert!(keys.contains("  2 in 1m  "), "nobody is forgotten: {keys}");
    let (clock, _) = said(&again, "viewer", &["clock"]).await;
    assert!(clock.contains("the clock was set back"), "{clock}");
}
