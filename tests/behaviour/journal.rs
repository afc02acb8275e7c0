//! Who was shown to whom is in the journal, and can be asked for.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use http::header;
use tidegate::cli::args::Cli;
use tidegate::cli::demo::people::person;
use tidegate::cli::{Exit, Failed};
use tidegate::engine::ledger::{Dimension, KeyId};
use tidegate::engine::policy::people_key;
use tidegate::identity::{principal_of, session_of};
use tidegate::store::journal::{Asked, Exposure, expose, key_id};

use crate::support::client::get;
use crate::support::coding::Coding;
use crate::support::export::Export;
use crate::support::gateway::{Gateway, quoted, until};
use crate::support::origin::{Answer, Origin};
use crate::support::people::Format;
use crate::support::shop::{identity, token};

/// A gateway with a journal in its state directory; the fourth person of a session meets `action`.
async fn gateway(origin: &Origin, action: &str, route: &str) -> (Gateway, PathBuf) {
    let state = tempfile::tempdir().expect("a directory");
    let dir = state.path().join("journal");
    let text = format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[journal]\ndir = {}\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n{route}\n\
         [[budget]]\nname = \"limit\"\nper = \"session\"\npeople = 3\nwindow = \"1d\"\naction = \"{action}\"\nmode = \"enforce\"\n",
        quoted(&dir),
        origin.address
    );
    (Gateway::start_in(state, &text).await, dir)
}

fn session(gateway: &Gateway, name: &str) -> KeyId {
    let value = session_of("cookie:sid", name.as_bytes());
    people_key(&gateway.shared().secret, Dimension::Session, &value)
}

fn exposure(gateway: &Gateway, dir: &Path, key: KeyId) -> Exposure {
    let asked = Asked {
        key,
        from: 0,
        to: u32::MAX,
        key_id: Some(key_id(&gateway.shared().secret)),
    };
    expose(dir, asked).expect("a journal")
}

/// What a command says.
fn told(gateway: &Gateway, dir: &Path, words: &[&str]) -> Result<String, String> {
    let places = [
        "--journal".as_ref(),
        dir.as_os_str(),
        "--state-dir".as_ref(),
        gateway.state().as_os_str(),
    ];
    let words = words.iter().map(AsRef::as_ref).chain(places);
    let mut out = Vec::new();
    let done = tidegate::cli::execute(
        Cli::parse_from(std::iter::once("tidegate".as_ref()).chain(words)),
        &mut out,
    );
    let out = String::from_utf8(out).expect("text");
    done.map(|()| out).map_err(|failed| failed.message)
}

/// What `simulate --journal` makes of the policy in `new.toml`.
fn simulated(gateway: &Gateway, dir: &Path) -> (serde_json::Value, Result<(), Failed>) {
    let policy = gateway.state().join("new.toml");
    let words = ["simulate", "--format", "json", "--journal"].map(AsRef::as_ref);
    let words = words
        .into_iter()
        .chain([dir.as_os_str(), "--policy".as_ref(), policy.as_os_str()]);
    let mut out = Vec::new();
    let cli = Cli::parse_from(std::iter::once("tidegate".as_ref()).chain(words));
    let done = tidegate::cli::execute(cli, &mut out);
    (serde_json::from_slice(&out).expect("one object"), done)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_is_tried_on_the_journal_stops_whom_it_would_have_stopped() {
    let origin = Export::origin().await;
    let (gateway, dir) = gateway(&origin, "alert", "").await;
    let ask = async |name: &str, people: std::ops::Range<u32>| {
        let path = format!("/{}", Export::new(Format::Ndjson, Coding::Identity, people).path());
        get(gateway.address, &path, &format!("Cookie: sid={name}\r\n")).await
    };
    for (name, people) in [("thief", 0..8), ("other", 3..5), ("honest", 2..3)] {
        assert_eq!(ask(name, people).await.status, 200, "an alert refuses nobody");
    }
    let last = session(&gateway, "honest");
    until("the last page is on the disk", async || {
        exposure(&gateway, &dir, last).entries > 0
    })
    .await;

    let budget = |name: &str, per: &str| {
        format!(
            "[[budget]]\nname = \"{name}\"\nper = \"{per}\"\npeople = 5\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n"
        )
    };
    let policy = format!("{}{}", budget("tight", "session"), budget("by-signer", "kid+session"));
    std::fs::write(gateway.state().join("new.toml"), policy).expect("a directory of ours");
    let (answer, done) = simulated(&gateway, &dir);
    assert!(done.is_ok());
    let counts = [
        "sightings",
        "refused",
        "people_shown",
        "sessions",
        "sessions_refused",
        "ordinary_sessions_refused",
    ];
    assert_eq!(
        counts.map(|count| answer[count].as_u64()),
        [11, 3, 8, 3, 1, 0].map(Some),
        "{answer}"
    );
    let over = &answer["over"];
    assert_eq!((over[0]["people"].as_u64(), over[1].is_null()), (Some(5), true));
    assert_eq!(
        over[0]["key"],
        session(&gateway, "thief").to_string(),
        "as the gateway calls it"
    );
    assert_eq!(answer["budgets_not_asked"], serde_json::json!(["by-signer"]));

    // What is not as it was written, before something that is, is damage and not a torn end.
    let files = std::fs::read_dir(&dir).expect("a journal");
    let segments = files.map(|file| file.expect("a file").path());
    let length = |path: &PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
    let segment = segments.max_by_key(length).expect("a segment");
    let end = std::fs::read(&segment).expect("a segment").len();
    assert_eq!(ask("late", 9..10).await.status, 200);
    let late = session(&gateway, "late");
    until("it is on the disk", async || exposure(&gateway, &dir, late).entries > 0).await;
    let mut bytes = std::fs::read(&segment).expect("a segment");
    bytes[end - 20] ^= 1;
    std::fs::write(&segment, bytes).expect("it is ours");
    let failed = simulated(&gateway, &dir)
        .1
        .expect_err("a part is missing from the answer");
    assert_eq!(failed.exit, Exit::Failure);
    assert!(
        failed.message.contains("missing from the answer") && failed.message.contains("at byte"),
        "{}",
        failed.message
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_were_shown_to_a_session_are_found_by_exposure() {
    let origin = Export::origin().await;
    let (gateway, dir) = gateway(&origin, "redact", "").await;
    let ask = async |name: &str, people: std::ops::Range<u32>| {
        let path = format!("/{}", Export::new(Format::Ndjson, Coding::Identity, people).path());
        get(gateway.address, &path, &format!("Cookie: sid={name}\r\n")).await
    };
    for _ in 0..2 {
        assert_eq!(ask("thief", 0..8).await.status, 200);
    }
    assert_eq!(ask("honest", 2..3).await.status, 200);
    let honest = session(&gateway, "honest");
    until("the last page is on the disk", async || {
        exposure(&gateway, &dir, honest).entries > 0
    })
    .await;

    let found = exposure(&gateway, &dir, session(&gateway, "thief"));
    assert_eq!((found.shown.len(), found.masked.len()), (3, 5));
    assert_eq!(found.entries, 8, "who is shown again adds nothing");
    assert_eq!(found.routes.keys().collect::<Vec<_>>(), ["*/"]);
    assert!(found.classes.contains_key("email"), "{:?}", found.classes);
    let everybody = people_key(&gateway.shared().secret, Dimension::Address, &[127, 0, 0, 1]);
    assert_eq!(exposure(&gateway, &dir, everybody).shown, found.shown);
    assert!(found.shown.contains(&exposure(&gateway, &dir, honest).shown[0]));

    let customers = gateway.state().join("customers.csv");
    let rows = (0..20).map(|number| format!("{number},{}\n", person(number).email));
    std::fs::write(&customers, format!("id,email\n{}", rows.collect::<String>())).expect("a file");
    let list = gateway.state().join("list.csv");
    let told_of = told(
        &gateway,
        &dir,
        &[
            "exposure",
            "--key",
            "session=cookie:sid=thief",
            "--join",
            customers.to_str().expect("text"),
            "--column",
            "email",
            "--out",
            list.to_str().expect("text"),
            "--subjects",
        ],
    );
    let told_of = told_of.expect("an answer");
    for line in [
        "people       3 shown, 5 more only masked\n",
        "to be told   at least 3, at most 3\n",
    ] {
        assert!(told_of.contains(line), "{line} in\n{told_of}");
    }
    assert_eq!(told_of.lines().filter(|line| line.len() == 16).count(), 3);
    let list = std::fs::read_to_string(list).expect("the list");
    assert_eq!(list, "id,shown\n0,sure\n1,sure\n2,sure\n");
    let verified = told(&gateway, &dir, &["audit", "verify"]).expect("nothing is wrong");
    assert!(verified.starts_with("9 entries in 1 segment"), "{verified}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_shown_to_two_accounts_at_once_is_found_by_either() {
    let origin = Export::origin().await;
    let state = tempfile::tempdir().expect("a directory");
    let dir = state.path().join("journal");
    let text = format!(
        "{}[journal]\ndir = {}\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n\
         [[budget]]\nname = \"limit\"\nper = \"session\"\npeople = 9\nwindow = \"1d\"\naction = \"alert\"\n",
        identity(state.path(), ""),
        quoted(&dir),
        origin.address
    );
    let gateway = Gateway::start_in(state, &text).await;
    let path = format!("/{}", Export::new(Format::Ndjson, Coding::Identity, 0..2).path());
    let shown = format!(
        "Authorization: Bearer {}\r\nCookie: token={}\r\n",
        token(100, "own"),
        token(7, "stolen")
    );
    assert_eq!(get(gateway.address, &path, &shown).await.status, 200);
    for account in ["100", "7"] {
        let key = people_key(
            &gateway.shared().secret,
            Dimension::Principal,
            &principal_of(&format!("shop:{account}")),
        );
        until("it is on the disk", async || exposure(&gateway, &dir, key).entries > 0).await;
        assert_eq!(exposure(&gateway, &dir, key).shown.len(), 2, "{account}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_nobody_looked_into_are_found_by_exposure() {
    let origin =
        Origin::serve(|_| Answer::new("text/plain", "x".repeat(1_000)).header(header::CONTENT_ENCODING, "odd")).await;
    let (gateway, dir) = gateway(&origin, "block", "").await;
    assert_eq!(get(gateway.address, "/", "Cookie: sid=s\r\n").await.body.len(), 1_000);
    let key = session(&gateway, "s");
    until("they are on the disk", async || {
        exposure(&gateway, &dir, key).entries > 0
    })
    .await;
    let found = exposure(&gateway, &dir, key);
    assert_eq!(found.uninspected["unknown_coding"], 1_000);
    assert_eq!(found.shown.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_journal_a_closed_route_shows_nobody_until_it_is_written_again() {
    let origin = Export::origin().await;
    let (gateway, dir) = gateway(&origin, "block", "fail_on = { journal_full = \"closed\" }").await;
    let path = format!("/{}", Export::new(Format::Ndjson, Coding::Identity, 0..2).path());
    let ask = async || get(gateway.address, &path, "Cookie: sid=s\r\n").await.status;
    std::fs::remove_dir_all(&dir).expect("it is there");
    assert_eq!(ask().await, 200, "nothing was written so far");
    until("it is noticed", async || ask().await != 200).await;
    std::fs::create_dir(&dir).expect("it can be made");
    until("it is written again", async || ask().await == 200).await;
}
