//! Whole gateways with their sockets, and the binary itself, over one store.

use std::collections::BTreeSet;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;
use tidegate::engine::ledger::{Dimension, Meeting};
use tidegate::engine::time::Now;
use tidegate::fleet::Settings;
use tidegate::tls::Authority;

use super::member::{Member, key, settings, used};
use super::server::{Server, Wire, until};
use crate::support::client::get;
use crate::support::coding::Coding;
use crate::support::export::Export;
use crate::support::gateway::Gateway;
use crate::support::people::{Format, count_serials};

/// A directory with the hash key that all gateways of a fleet have.
pub(crate) fn state(key: u8) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), "hash.key", &[key; 32]);
    dir
}

fn write(dir: &Path, name: &str, bytes: &[u8]) {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(dir.join(name));
    file.and_then(|mut file| file.write_all(bytes))
        .expect("the directory is ours");
}

fn configuration(upstream: &str, store: &str, people: u32) -> String {
    format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[fleet]\nurl = \"{store}\"\nflush_ms = 50\nwait_ms_max = 1000\non_store_down = \"block\"\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"{upstream}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"session-day\"\nper = \"session\"\npeople = {people}\nwindow = \"1d\"\naction = \"block\"\n\
         mode = \"enforce\"\nstrict = true\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_over_three_gateways_is_shown_exactly_the_limit() {
    const LIMIT: u32 = 100;
    let (server, origin) = (Server::start(&[]).await, Export::origin().await);
    let text = configuration(&format!("http://{}", origin.address), &server.url(), LIMIT);
    let mut gateways = Vec::new();
    for _ in 0..3 {
        let gateway = Gateway::start_in(state(7), &text).await;
        let shared = gateway.shared().fleet.clone().expect("it is configured");
        until("the store answers", async || shared.is_up()).await;
        gateways.push(Arc::new(gateway));
    }
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..60_u32 {
        let gateway = Arc::clone(&gateways[number as usize % 3]);
        // Ten people each, and every second stream five of those of the one before.
        let start = number * 10 - 5 * (number % 2);
        let coding = if number % 4 == 0 {
            Coding::Gzip
        } else {
            Coding::Identity
        };
        let path = Export::new(Format::Ndjson, coding, start..start + 10).path();
        asking.spawn(async move {
            let reply = get(gateway.address, &format!("/{path}"), "Cookie: sid=one\r\n").await;
            assert!(matches!(reply.status, 200 | 403), "{}", reply.status);
            count_serials(&coding.decode_prefix(&reply.body))
        });
    }
    let received: BTreeSet<u32> = asking.join_all().await.into_iter().flatten().collect();
    // Who was shown by one gateway costs nothing at another, and nobody else is shown. Of what a gateway cuts the system may
    // have dropped the last bytes, so that somebody was granted and not received.
    let mut granted = BTreeSet::new();
    for someone in 0..600 {
        let path = Export::new(Format::Ndjson, Coding::Identity, someone..someone + 1).path();
        let gateway = &gateways[someone as usize % 3];
        let reply = get(gateway.address, &format!("/{path}"), "Cookie: sid=one\r\n").await;
        granted.extend((reply.status == 200).then_some(someone));
    }
    assert_eq!(granted.len(), LIMIT as usize);
    assert!(
        received.is_subset(&granted) && received.len() > 80,
        "{}",
        received.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_revoked_at_one_gateway_is_cut_and_refused_at_another() {
    use crate::support::origin::{Answer, Origin};
    let server = Server::start(&[]).await;
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let receiver = std::sync::Mutex::new(Some(receiver));
    let origin = Origin::serve(move |_| {
        let live = receiver.lock().expect("no panic").take();
        live.map_or_else(
            || Answer::new("text/plain", "here"),
            |live| Answer::fed("application/x-ndjson", live),
        )
    })
    .await;
    let text = configuration(&format!("http://{}", origin.address), &server.url(), 9);
    let (one, other) = (
        Gateway::start_in(state(7), &text).await,
        Gateway::start_in(state(7), &text).await,
    );
    for gateway in [&one, &other] {
        let shared = gateway.shared().fleet.clone().expect("it is configured");
        until("the store answers", async || shared.is_up()).await;
    }
    let address = other.address;
    let live = tokio::spawn(async move { get(address, "/live", "Cookie: sid=one\r\n").await });
    until("it is live", async || origin.seen().len() == 1).await;
    sender
        .send(bytes::Bytes::from_static(b"{\"a\":1}\n"))
        .await
        .expect("a live stream");
    let key = one.revoke("session", "cookie:sid=one").await;
    let live = live.await.expect("no panic");
    assert!(live.status == 401 || !live.is_whole, "{}", live.head);
    drop(sender);
    for gateway in [&one, &other] {
        assert_eq!(get(gateway.address, "/", "Cookie: sid=one\r\n").await.status, 401);
        assert_eq!(get(gateway.address, "/", "Cookie: sid=two\r\n").await.status, 200);
    }
    // A third that knows nothing yet hears of it, and of its end.
    let third = Gateway::start_in(state(7), &text).await;
    until("the third hears of it", async || {
        get(third.address, "/", "Cookie: sid=one\r\n").await.status == 401
    })
    .await;
    other.reinstate(&key).await;
    for gateway in [&one, &third] {
        until("it may be used again", async || {
            get(gateway.address, "/", "Cookie: sid=one\r\n").await.status == 200
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_in_the_head_are_confirmed_too() {
    use crate::support::origin::{Answer, Origin};
    let server = Server::start(&[]).await;
    let origin = Origin::serve(|request| {
        let person = format!("customer{}@example.com", request.uri.path().trim_start_matches('/'));
        Answer::new("text/plain", "nobody").header(http::HeaderName::from_static("x-customer"), &person)
    })
    .await;
    let text = configuration(&format!("http://{}", origin.address), &server.url(), 2);
    let (one, other) = (
        Gateway::start_in(state(7), &text).await,
        Gateway::start_in(state(7), &text).await,
    );
    let mut statuses = Vec::new();
    for (gateway, person) in [(&one, 1), (&other, 2), (&one, 3), (&other, 1)] {
        let shared = gateway.shared().fleet.clone().expect("it is configured");
        until("the store answers", async || shared.is_up()).await;
        let reply = get(gateway.address, &format!("/{person}"), "Cookie: sid=one\r\n").await;
        statuses.push(reply.status);
    }
    assert_eq!(statuses, [200, 200, 403, 200]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_with_another_hash_key_does_not_join() {
    let server = Server::start(&[]).await;
    let member = Member::start(settings(&server.url())).await;
    let output = run(&configuration("http://127.0.0.1:1", &server.url(), 9), &state(8)).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains("cannot join") && told.contains("hash.key"), "{told}");
    assert!(member.fleet.is_up());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_evicts_is_told_at_the_start() {
    let server = Server::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]).await;
    let output = run(&configuration("http://127.0.0.1:1", &server.url(), 9), &state(7)).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("F001") && told.contains("allkeys-lru"), "{told}");
}

/// What the binary says until it is asked to end, two seconds after it was started.
async fn run(config: &str, state: &TempDir) -> std::process::Output {
    let text = format!(
        "[listen.shop]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"127.0.0.1:0\"\n[state]\ndir = \".\"\n{config}"
    );
    write(state.path(), "tidegate.toml", text.as_bytes());
    let child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["--log-format", "json", "run", "--config", "tidegate.toml"])
        .current_dir(state.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let id = child.id();
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let mut kill = Command::new("sh");
    kill.args(["-c", &format!("kill -TERM {id} 2>/dev/null || true")]);
    kill.status().expect("a shell");
    ended.await.expect("no panic").expect("it ends")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_off_is_measured() {
    let server = Server::start(&[]).await;
    let wire = Wire::to(server.port).await;
    wire.skew(-10);
    let text = configuration("http://127.0.0.1:1", &wire.url(), 9);
    let gateway = Gateway::start_in(state(7), &text).await;
    let metric = "tidegate_fleet_clock_skew_seconds ";
    until("it is measured", async || {
        let text = gateway.metrics().await;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(metric)?.parse::<f64>().ok());
        value.is_some_and(|skew| (skew - 10.0).abs() < 1.0)
    })
    .await;
}

/// What README tells an operator to allow, and no more.
const ACL: &str = "~tidegate:1:* +zadd +zrange +zcount +zcard +zmscore +zrem +zremrangebyscore +zremrangebyrank +expire \
     +hsetnx +hget +hgetall +time +info +multi +exec";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_with_the_rights_that_the_readme_names() {
    let readme = include_str!("../../README.md");
    assert!(readme.contains(ACL), "README has this line:\n{ACL}");
    let dir = tempfile::tempdir().expect("a directory");
    let authority = Authority::create(dir.path()).expect("an authority");
    let (cert, private) = authority.leaf(&["127.0.0.1".to_owned()]).expect("a leaf");
    write(dir.path(), "password", b"s3cret\n");
    let acl = format!("user default off\nuser gateway on >s3cret {ACL}\n");
    write(dir.path(), "users.acl", acl.as_bytes());
    let port = super::server::free_port();
    let text = |path: &Path| path.display().to_string();
    let (port_text, users) = (port.to_string(), text(&dir.path().join("users.acl")));
    let (cert, private, ca) = (text(&cert), text(&private), text(&authority.certificate()));
    let arguments = [
        "--port",
        "0",
        "--tls-port",
        &port_text,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &private,
    ];
    let more = [
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "no",
        "--aclfile",
        &users,
    ];
    let _server = Server::start(&[arguments.as_slice(), more.as_slice()].concat()).await;
    let settings = Settings {
        password_file: Some(dir.path().join("password")),
        ca: Some(authority.certificate()),
        ..settings(&format!("rediss://gateway@127.0.0.1:{port}"))
    };
    let (one, other) = (
        Member::start(settings.clone()).await,
        Member::start(settings.clone()).await,
    );
    let keys = [used(1, 3, true)];
    assert_eq!(one.exchange(&keys, &[1, 2], false).await.people.len(), 2);
    assert_eq!(other.exchange(&keys, &[3, 4], false).await.people.len(), 1);
    one.ledger.hold(key(2), Dimension::Session, 60, None, one.clock.now());
    until("a hold arrives", async || {
        other.ledger.held(&[used(2, 1, false)], other.clock.now()).is_some()
    })
    .await;
    // Without the authority, or with another password, nothing is said.
    let stranger = Member::begin(Settings {
        ca: None,
        ..settings.clone()
    })
    .expect("settings that can be used");
    write(dir.path(), "password", b"wrong");
    let guesser = Member::begin(settings).expect("settings that can be used");
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(!stranger.fleet.is_up() && !guesser.fleet.is_up());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_there_before_or_was_idle_is_known_to_all_gateways() {
    const DAY_S: u32 = 86_400;
    let server = Server::start(&[]).await;
    let (one, other) = (
        Member::start(settings(&server.url())).await,
        Member::start(settings(&server.url())).await,
    );
    let now = one.clock.now();
    let before = |days: u64| Now::from_millis(now.millis() - days * u64::from(DAY_S) * 1000);
    for days in [2, 0] {
        one.ledger.meet(key(1), Dimension::Network, 7, before(days));
    }
    for days in [101, 100] {
        assert!(
            !one.ledger
                .is_idle(key(2), Dimension::Principal, 90 * DAY_S, before(days))
        );
    }
    until("the other gateway knows who was there before", async || {
        other.ledger.meet(key(1), Dimension::Network, 7, other.clock.now()) == Meeting::Known
    })
    .await;
    until("the other gateway knows who was idle", async || {
        other
            .ledger
            .is_idle(key(2), Dimension::Principal, 90 * DAY_S, other.clock.now())
    })
    .await;
    assert!(other.ledger.recertify(key(2), other.clock.now()));
    until("the first gateway knows that it is in use", async || {
        !one.ledger
            .is_idle(key(2), Dimension::Principal, 90 * DAY_S, one.clock.now())
    })
    .await;
    assert!(
        other.ledger.keys(None, 10, &|_| &[3_600], now).is_empty(),
        "actors are no people"
    );
    one.end().await;
    other.end().await;
}
