//! The life of the process: it starts or says why not, follows its files, and ends without cutting anyone.

use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::process::{CONDITION_TIME_MAX, Tidegate, command, eventually, output, send};
use super::tools::{self, Asked, Way, curl};
use crate::support::client::get;
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body};

/// 1 if the last reload came into force.
const RELOADED: &str = "tidegate_config_last_reload_successful";
/// The number of the set in force.
const GENERATION: &str = "tidegate_config_generation";

/// A gateway that lets one exchange show so many people.
fn config(origin: SocketAddr, people: u32) -> String {
    format!(
        "[listen.http]\naddress = \"127.0.0.1:0\"\n[rules]\ndir = \"rules.d\"\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{origin}\"]\n\
         [[budget]]\nname = \"bulk\"\nper = \"exchange\"\npeople = {people}\naction = \"block\"\nmode = \"enforce\"\n"
    )
}

fn with_rules() -> Arc<tempfile::TempDir> {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("rules.d")).expect("the directory is ours");
    Arc::new(dir)
}

async fn ten_people() -> Origin {
    Origin::serve(|_| Answer::new("application/json", body(Format::Json, 0..10))).await
}

async fn status(gateway: &Tidegate) -> u16 {
    let reply = get(gateway.address("http"), "/", "").await;
    if reply.is_whole { reply.status } else { 0 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_finishes_a_stream_and_takes_no_new_connection() {
    let (sender, fed) = mpsc::channel(1);
    let fed = Mutex::new(Some(fed));
    let answer = move |_: &_| {
        Answer::fed(
            "text/event-stream",
            fed.lock().expect("no panic").take().expect("one request"),
        )
    };
    let origin = Origin::serve(answer).await;
    let mut gateway = Tidegate::start_in(with_rules(), &config(origin.address, 60)).await;
    let address = gateway.address("http");

    let mut stream = TcpStream::connect(address).await.expect("a listening peer");
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("an open peer");
    sender
        .send(Bytes::from("data: one\n\n"))
        .await
        .expect("the gateway asks");
    let mut wire = Vec::new();
    eventually("the first event arrives", async || {
        stream.read_buf(&mut wire).await.expect("an open peer");
        String::from_utf8_lossy(&wire).contains("data: one").then_some(())
    })
    .await;

    gateway.signal("TERM").await;
    eventually("it drains", async || gateway.has_said("draining").then_some(())).await;
    eventually("no new connection", async || {
        TcpStream::connect(address).await.is_err().then_some(())
    })
    .await;
    sender
        .send(Bytes::from("data: two\n\n"))
        .await
        .expect("the stream lives");
    drop(sender);
    let rest = tokio::time::timeout(CONDITION_TIME_MAX, stream.read_to_end(&mut wire)).await;
    rest.expect("an end").expect("no reset");
    let wire = String::from_utf8_lossy(&wire);
    assert!(wire.contains("data: two") && wire.ends_with("0\r\n\r\n"), "{wire}");
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.written());
    assert!(gateway.has_said("stopped"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once() {
    let (sender, fed) = mpsc::channel(1);
    let fed = Mutex::new(Some(fed));
    let answer = move |_: &_| {
        Answer::fed(
            "text/event-stream",
            fed.lock().expect("no panic").take().expect("one request"),
        )
    };
    let origin = Origin::serve(answer).await;
    let mut gateway = Tidegate::start_in(with_rules(), &config(origin.address, 60)).await;
    let mut stream = TcpStream::connect(gateway.address("http"))
        .await
        .expect("a listening peer");
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("an open peer");
    sender
        .send(Bytes::from("data: one\n\n"))
        .await
        .expect("the gateway asks");
    gateway.signal("TERM").await;
    eventually("it drains", async || gateway.has_said("draining").then_some(())).await;
    gateway.signal("TERM").await;
    // The stream never ends: only the second signal can end the process before `drain_ms_max` does.
    assert_eq!(gateway.ended().await.code(), Some(0));
    assert!(!gateway.has_said("stopped"), "{}", gateway.written());
    drop((sender, stream));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_that_is_ended_leaves_nothing_behind() {
    for signal in ["TERM", "INT"] {
        let dir = tempfile::tempdir().expect("a directory");
        let mut demo = command(dir.path());
        demo.args(["demo", "--serve"]).env("TMPDIR", dir.path());
        let mut demo = demo.stdout(Stdio::null()).spawn().expect("the binary starts");
        let left = || std::fs::read_dir(dir.path()).expect("the directory is ours").count();
        eventually("it keeps something", async || (left() > 0).then_some(())).await;
        send(signal, &demo).await;
        let status = eventually("it ends", async || demo.try_wait().expect("our child")).await;
        assert_eq!((status.code(), left()), (Some(0), 0), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_file_comes_into_force_and_a_broken_one_does_not() {
    let origin = ten_people().await;
    let gateway = Tidegate::start_in(with_rules(), &config(origin.address, 60)).await;
    assert_eq!(status(&gateway).await, 200);

    gateway.rewrite(&config(origin.address, 5));
    gateway.metric_is(GENERATION, 2.0).await;
    assert_ne!(status(&gateway).await, 200, "the new budget is in force");

    gateway.rewrite(&config(origin.address, 60).replace("people =", "peeple ="));
    gateway.metric_is(RELOADED, 0.0).await;
    assert!(gateway.has_said("configuration refused, the old one stays"));
    let problem = gateway
        .lines()
        .into_iter()
        .find(|line| line["message"].as_str().is_some_and(|text| text.contains("peeple")));
    assert_eq!(problem.expect("it says why")["code"], "C002");
    assert_ne!(status(&gateway).await, 200, "the old budget is in force");
    assert!(String::from_utf8_lossy(&gateway.admin("/readyz").await.body).contains("last reload was refused"));

    gateway.rewrite(&config(origin.address, 60));
    gateway.metric_is(RELOADED, 1.0).await;
    gateway.metric_is(GENERATION, 3.0).await;
    assert_eq!(status(&gateway).await, 200);
}

/// What is written between the reading of the configuration and the first look at its files is a change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_at_the_start_is_not_missed() {
    let origin = ten_people().await;
    for _ in 0..5 {
        let gateway = Tidegate::start_in(with_rules(), &config(origin.address, 60)).await;
        gateway.rewrite(&config(origin.address, 5));
        gateway.metric_is(GENERATION, 2.0).await;
        assert_ne!(status(&gateway).await, 200, "the new budget is in force");
    }
}

/// An audit file beside the configuration is written all the time, and an editor may write in several steps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_directory_hides_no_change_and_half_a_file_is_waited_for() {
    let origin = ten_people().await;
    let gateway = Tidegate::start_in(with_rules(), &config(origin.address, 60)).await;
    let busy = gateway.file("audit.jsonl");
    let writer = tokio::spawn(async move {
        loop {
            std::fs::write(&busy, "a line\n").expect("the directory is ours");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    // As a shell does: first nothing is left of the old file, then the new one comes.
    let path = gateway.file("tidegate.toml");
    let text = std::fs::read_to_string(&path)
        .expect("ours")
        .replace("people = 60", "people = 5");
    std::fs::write(&path, "").expect("ours");
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    std::fs::write(&path, text).expect("ours");
    gateway.metric_is(GENERATION, 2.0).await;
    assert_ne!(status(&gateway).await, 200, "the new budget is in force");
    writer.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admin_tokens_are_followed_and_what_needs_a_restart_is_said() {
    let origin = ten_people().await;
    let dir = with_rules();
    let write_tokens = |dir: &Path, token: &str| {
        let line = format!("kim viewer {}\n", tidegate::admin::token_hash(token.as_bytes()));
        std::fs::write(dir.join("who.may"), line).expect("ours");
    };
    write_tokens(dir.path(), "the first token");
    let with_tokens = |text: &str| format!("{text}\n[admin]\naddress = \"127.0.0.1:0\"\ntokens = \"who.may\"\n");
    std::fs::write(
        dir.path().join("tidegate.toml"),
        with_tokens(&config(origin.address, 60)),
    )
    .expect("ours");
    let gateway = Tidegate::launch(dir, &["run", "--config", "tidegate.toml"], "info").await;
    let ask = async |token: &str| {
        let lines = format!("Authorization: Bearer {token}\r\n");
        get(gateway.address("admin"), "/api/v1/keys", &lines).await.status
    };
    assert_eq!(
        (ask("the first token").await, ask("the second token").await),
        (200, 401)
    );
    write_tokens(gateway.dir.path(), "the second token");
    eventually("the second token is known", async || {
        (ask("the second token").await == 200).then_some(())
    })
    .await;
    assert_eq!(ask("the first token").await, 401);

    let more = format!(
        "{}[ledger]\nbytes_max = 1048576\n",
        with_tokens(&config(origin.address, 60))
    );
    std::fs::write(gateway.file("tidegate.toml"), more).expect("ours");
    let said = eventually("it says what it did not take up", async || {
        gateway.lines().into_iter().find(|line| line["code"] == "C016")
    })
    .await;
    assert!(
        said["level"] == "WARN" && said.to_string().contains("[ledger]"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_reloads_what_did_not_change() {
    let origin = ten_people().await;
    let gateway = Tidegate::start_in(with_rules(), &config(origin.address, 60)).await;
    gateway.signal("HUP").await;
    gateway.metric_is(GENERATION, 2.0).await;
    assert_eq!(status(&gateway).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_whose_example_fails_leave_the_old_set() {
    let origin = Origin::serve(|_| Answer::new("text/plain", "badge EMP-123456\nbadge EMP-123457\n")).await;
    let gateway = Tidegate::start_in(with_rules(), &config(origin.address, 1)).await;
    assert_eq!(status(&gateway).await, 200, "nobody knows this identifier yet");
    let rule = |example: &str| {
        format!(
            "[[rule]]\nname = \"badge\"\nclass = \"badge\"\ncategory = \"account\"\nregex = 'EMP-[0-9]{{6}}'\nkeywords = [\"EMP-\"]\n\
             examples = [\"{example}\"]\ncounter_examples = [\"EMP-12\"]\n"
        )
    };
    std::fs::write(gateway.file("rules.d/badge.toml"), rule("EMP-1")).expect("the directory is ours");
    gateway.metric_is(RELOADED, 0.0).await;
    assert_eq!(status(&gateway).await, 200, "{}", gateway.written());
    std::fs::write(gateway.file("rules.d/badge.toml"), rule("EMP-123456")).expect("the directory is ours");
    gateway.metric_is(RELOADED, 1.0).await;
    assert_ne!(
        status(&gateway).await,
        200,
        "two badges are two people: {}",
        gateway.written()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_reload_says_where() {
    let origin = ten_people().await;
    let gateway = Tidegate::start_in(with_rules(), &config(origin.address, 1)).await;
    let rule = "[[rule]]\nname = \"badge\"\nclass = \"badge\"\ncategory = \"account\"\nregex = 'EMP-['\nkeywords = [\"EMP-\"]\n";
    std::fs::write(gateway.file("rules.d/badge.toml"), rule).expect("the directory is ours");
    gateway.metric_is(RELOADED, 0.0).await;
    let lines = gateway.lines();
    let problem = lines.iter().find(|line| line["code"] == "R006").expect("it says why");
    let file = problem["file"].as_str().unwrap_or_default();
    assert!(file.ends_with("rules.d/badge.toml"), "{problem}");
    assert_eq!(
        (&problem["line"], &problem["column"]),
        (&5.into(), &9.into()),
        "{problem}"
    );
}

async fn authority(dir: &Path, arguments: &[&str]) {
    let mut make = command(dir);
    make.arg("authority").args(arguments);
    let told = output(make).await;
    assert!(told.status.success(), "{}", said(&told));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_followed() {
    tools::require();
    let dir = with_rules();
    authority(dir.path(), &["new"]).await;
    authority(dir.path(), &["leaf", "localhost"]).await;
    let origin = ten_people().await;
    let tls = "address = \"127.0.0.1:0\"\ntls = { cert = \"certs/localhost.pem\", key = \"certs/localhost.key\" }";
    let config = config(origin.address, 60).replace("address = \"127.0.0.1:0\"", tls);
    let gateway = Tidegate::start_in(dir, &config).await;
    let asked = Asked {
        method: "GET",
        path: "/",
        fields: &[],
        body: None,
    };
    let way = |authority: &str| Way {
        address: gateway.address("http"),
        authority: Some(gateway.file(authority)),
        is_http2: true,
    };
    assert_eq!(curl(&way("certs/authority.pem"), &asked).await.status, 200);

    // Another authority signs the next leaf: only who trusts it can shake hands from then on.
    authority(gateway.dir.path(), &["new", "--dir", "next"]).await;
    authority(gateway.dir.path(), &["leaf", "--dir", "next", "localhost"]).await;
    for name in ["localhost.key", "localhost.pem"] {
        std::fs::rename(gateway.file("next").join(name), gateway.file("certs").join(name)).expect("ours");
    }
    gateway.metric_grows(GENERATION, 1.0).await;
    gateway.metric_is(RELOADED, 1.0).await;
    assert_eq!(curl(&way("next/authority.pem"), &asked).await.status, 200);

    std::fs::write(gateway.file("certs/localhost.pem"), "no certificate").expect("ours");
    gateway.metric_is(RELOADED, 0.0).await;
    assert_eq!(
        curl(&way("next/authority.pem"), &asked).await.status,
        200,
        "the old one stays"
    );
    assert!(
        gateway.written().contains("localhost.pem"),
        "it says which: {}",
        gateway.written()
    );
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs with this configuration, which must end by itself.
async fn refused(dir: &Path, config: &str) -> (Option<i32>, String) {
    std::fs::write(dir.join("tidegate.toml"), config).expect("the directory is ours");
    let mut run = command(dir);
    run.args(["run", "--config", "tidegate.toml"]);
    let ended = output(run).await;
    (ended.status.code(), said(&ended))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_start_says_why() {
    let origin = ten_people().await;
    let gateway = Tidegate::start_in(with_rules(), &config(origin.address, 60)).await;
    let dir = with_rules();
    let admin = "[admin]\naddress = \"127.0.0.1:0\"\n";
    let good = format!("{}{admin}", config(origin.address, 60));
    let on = |address: SocketAddr| good.replacen("127.0.0.1:0", &address.to_string(), 1);
    let rows = [
        (
            "a taken port",
            on(gateway.address("http")),
            69,
            "cannot listen on 127.0.0.1:",
        ),
        (
            "a taken admin port",
            good.replace(admin, &format!("[admin]\naddress = \"{}\"", gateway.address("admin"))),
            69,
            "(admin)",
        ),
        (
            "a wrong word",
            good.replace("people =", "peeple ="),
            78,
            "tidegate.toml:11:1",
        ),
        ("no TOML", good.replace("[rules]", "[rules"), 78, "tidegate.toml:3:7"),
        ("no rules", good.replace("rules.d", "nowhere"), 74, "nowhere"),
        (
            "no key",
            on(SocketAddr::from(([127, 0, 0, 1], 0))).replacen(
                "[rules]",
                "tls = { cert = \"c.pem\", key = \"c.key\" }\n[rules]",
                1,
            ),
            78,
            "c.pem",
        ),
    ];
    for (what, config, code, words) in rows {
        let (ended, said) = refused(dir.path(), &config).await;
        assert!(ended == Some(code) && said.contains(words), "{what}: {ended:?} {said}");
    }
    assert_eq!(status(&gateway).await, 200, "the first one is not disturbed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hash_key_is_guarded() {
    let origin = ten_people().await;
    let gateway = Tidegate::start_in(with_rules(), &config(origin.address, 60)).await;
    let key = gateway.file("tidegate-state/hash.key");
    let metadata = std::fs::metadata(&key).expect("made at first start");
    assert_eq!((metadata.mode() & 0o777, metadata.len()), (0o600, 32));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("ours");
    let (ended, said) = refused(gateway.dir.path(), &config(origin.address, 60)).await;
    assert!(ended == Some(77) && said.contains("0600"), "{ended:?} {said}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("ours");
    std::fs::write(&key, "short").expect("ours");
    let (ended, said) = refused(gateway.dir.path(), &config(origin.address, 60)).await;
    assert!(
        ended.is_some_and(|code| code != 0) && said.contains("32 bytes"),
        "{ended:?} {said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_upstream_and_nothing_else_is_watched() {
    let origin = Origin::serve(|_| Answer::new("application/json", body(Format::Json, 0..500))).await;
    let upstream = format!("http://{}", origin.address);
    let arguments = [
        "run",
        "--upstream",
        &upstream,
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ];
    let dir = Arc::new(tempfile::tempdir().expect("a directory"));
    let gateway = Tidegate::launch(dir, &arguments, "info").await;
    let reply = get(gateway.address("http"), "/", "").await;
    assert!(reply.is_whole && reply.body == body(Format::Json, 0..500));
    gateway.metric_is("tidegate_people_total{route=\"*/\"}", 500.0).await;
    gateway
        .metric_is("tidegate_exchanges_total{route=\"*/\",verdict=\"alert\"}", 1.0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bypass_works_through_its_file_and_ends() {
    let origin = ten_people().await;
    let gateway = Tidegate::start_in(with_rules(), &config(origin.address, 5)).await;
    assert_ne!(status(&gateway).await, 200);
    let bypass = |arguments: &'static [&'static str]| {
        let mut bypass: Command = command(gateway.dir.path());
        bypass.arg("bypass").args(arguments);
        output(bypass)
    };
    assert!(
        bypass(&["--all", "--for", "15m", "--reason", "a drill"])
            .await
            .status
            .success()
    );
    gateway.metric_is("tidegate_bypass_active", 1.0).await;
    assert_eq!(status(&gateway).await, 200);
    assert!(bypass(&["--end"]).await.status.success());
    gateway.metric_is("tidegate_bypass_active", 0.0).await;
    assert_ne!(status(&gateway).await, 200);
}
