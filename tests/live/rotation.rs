//! Another key for people, by the commands that an operator types: what was counted before counts after.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tidegate::clock::Clock;
use tidegate::engine::time::Now;
use tidegate::store::StoreFile;

use super::process::{Tidegate, command, output};
use crate::support::client::{RawReply, get};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body, count_serials};

/// People that one address may be shown in a day.
const LIMIT: u32 = 30;
const DAY_MS: u64 = 86_400_000;

fn serials(reply: &RawReply) -> BTreeSet<u32> {
    count_serials(&reply.wire).into_iter().collect()
}

/// Shows the people from `from` on, up to `to`; who was.
async fn shown(gateway: &Tidegate, from: u32, to: u32) -> usize {
    serials(&get(gateway.address("http"), &format!("/{from}-{to}"), "").await).len()
}

/// Runs `tidegate ledger rotate`; whether it did, and what it said.
async fn rotate(dir: &TempDir, step: &[&str]) -> (bool, String) {
    let mut command = command(dir.path());
    command
        .args(["ledger", "rotate", "--config", "tidegate.toml"])
        .args(step);
    let output = output(command).await;
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

async fn stop(mut gateway: Tidegate) {
    gateway.signal("TERM").await;
    assert!(gateway.ended().await.success());
}

fn key_files(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir.join("tidegate-state")).expect("the state");
    let names = names.map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names
        .filter(|name| name.split('.').next_back() == Some("key"))
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_people_is_replaced_and_every_limit_goes_on() {
    let origin = Origin::serve(|request| {
        let range = request.uri.path().trim_start_matches('/');
        let (from, to) = range.split_once('-').unwrap_or(("0", "1"));
        let people = from.parse().expect("a number")..to.parse().expect("a number");
        Answer::new("application/json", body(Format::Json, people))
    })
    .await;
    let config = format!(
        "[journal]\ndir = \"journal\"\n[listen.http]\naddress = \"127.0.0.1:0\"\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n\
         [[budget]]\nname = \"day\"\nper = \"address\"\npeople = {LIMIT}\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n",
        origin.address
    );
    let dir = Arc::new(tempfile::tempdir().expect("a directory"));
    let start = async || Tidegate::start_in(Arc::clone(&dir), &config).await;
    let gateway = start().await;
    assert_eq!(shown(&gateway, 0, 10).await, 10);
    stop(gateway).await;

    let (is_done, said) = rotate(&dir, &["--switch"]).await;
    assert!(!is_done && said.contains("no next key"), "{said}");
    assert!(rotate(&dir, &[]).await.0);
    let (is_done, said) = rotate(&dir, &["--switch"]).await;
    assert!(!is_done && said.contains("no gateway has hashed people"), "{said}");
    assert!(!rotate(&dir, &[]).await.0, "one at a time");
    let gateway = start().await;
    assert_eq!(shown(&gateway, 0, 10).await, 10, "they are known");
    assert_eq!(shown(&gateway, 10, 20).await, 10);
    // Killed, it goes on with both.
    drop(gateway);
    let gateway = start().await;
    assert_eq!(shown(&gateway, 0, 20).await, 20);
    for step in ["--switch", "--abandon"] {
        let (is_done, said) = rotate(&dir, &[step]).await;
        assert!(!is_done && said.contains("open in another process"), "{said}");
    }
    stop(gateway).await;
    let (is_done, said) = rotate(&dir, &["--switch"]).await;
    assert!(!is_done && said.contains("would be new"), "{said}");

    // Both have been written for a day; what was shown in it is what was shown in the last minute.
    let state = dir.path().join("tidegate-state");
    let mut file = StoreFile::open(&state).expect("the ledger");
    let before = Now::from_millis(Clock::start().now().millis() - DAY_MS);
    file.begin_beside(before).expect("it is written");
    drop(file);
    let (is_done, said) = rotate(&dir, &["--switch"]).await;
    assert!(is_done, "{said}");
    let (is_done, said) = rotate(&dir, &["--switch"]).await;
    assert!(!is_done && said.contains("no next key"), "it is made once: {said}");
    assert_eq!(
        key_files(dir.path()),
        ["hash.key", "journal.key", "people.key", "people.old.key"]
    );
    let gateway = start().await;
    assert_eq!(shown(&gateway, 0, 20).await, 20, "they are known by the new key");
    assert_eq!(shown(&gateway, 20, 25).await, 5);
    stop(gateway).await;

    let (is_done, said) = rotate(&dir, &["--end"]).await;
    assert!(
        !is_done && said.contains("--leave-journal"),
        "who was shown before the switch is in it: {said}"
    );
    assert!(rotate(&dir, &["--end", "--leave-journal"]).await.0);
    assert!(!rotate(&dir, &["--end"]).await.0, "it is gone");
    assert_eq!(key_files(dir.path()), ["hash.key", "journal.key", "people.key"]);
    let gateway = start().await;
    assert_eq!(shown(&gateway, 0, 25).await, 25);
    let mut all = BTreeSet::new();
    for person in 25..LIMIT * 2 {
        all.extend(serials(
            &get(gateway.address("http"), &format!("/{person}-{}", person + 1), "").await,
        ));
    }
    assert_eq!(all.len(), 5, "the limit is what it was");
}
