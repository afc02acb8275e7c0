//! What a gateway still knows after it was killed: every hold that was seen, and whoever counts towards a limit.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Tidegate, bound_files, bounded_command, eventually};
use crate::support::client::{RawReply, get, try_get};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body, count_serials};

/// People that one address may be shown.
const LIMIT: u32 = 300;
/// From so many on, nobody leaves who is not on disk.
const NEAR: u32 = LIMIT * 4 / 5;
/// Kills while people near the limit are being read.
const KILLS: u32 = 10;
/// A crash loses what changed within so many milliseconds.
const FLUSH_MS: u64 = 200;

/// An origin that shows the people of `/…/FROM-TO`.
async fn origin() -> Origin {
    Origin::serve(|request| {
        let range = request.uri.path().rsplit('/').next().unwrap_or_default();
        let (from, to) = range.split_once('-').unwrap_or(("0", "1"));
        let people = from.parse().expect("a number")..to.parse().expect("a number");
        Answer::new("application/json", body(Format::Json, people))
    })
    .await
}

fn config(origin: SocketAddr, people: u32) -> String {
    let route = |path: &str, fail: &str| {
        format!("[[route]]\nmatch = \"*/{path}\"\nupstream = [\"http://{origin}\"]\nfail = \"{fail}\"\n")
    };
    format!(
        "[listen.http]\naddress = \"127.0.0.1:0\"\n[identity]\nsources = [\"cookie:sid\"]\n{}{}\
         [[budget]]\nname = \"day\"\nper = \"address\"\npeople = {people}\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n\
         [[budget]]\nname = \"burst\"\nper = \"session\"\npeople = 2\nwindow = \"1m\"\naction = \"hold\"\nhold_for = \"1h\"\nmode = \"off\"\n\
         [store]\nflush_ms_max = {FLUSH_MS}\n",
        route("", "closed"),
        route("open/", "open"),
    )
}

async fn start(dir: &Arc<TempDir>, config: &str) -> Tidegate {
    Tidegate::start_in(Arc::clone(dir), config).await
}

/// A chance that every run has the same of.
struct Chance(u32);

impl Chance {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) % bound
    }
}

/// The people whom the address of the tests counts, as the admin address tells it.
async fn counted(gateway: &Tidegate) -> u64 {
    let reply = gateway.admin("/api/v1/keys?dimension=address").await;
    let keys: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    let text = keys.to_string();
    let people = text.split("\"people\":").skip(1).filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    people.max().unwrap_or(0)
}

fn serials(reply: &RawReply) -> BTreeSet<u32> {
    count_serials(&reply.wire).into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_no_hold_and_no_limit_is_lost() {
    let origin = origin().await;
    let dir = Arc::new(tempfile::tempdir().expect("a directory"));
    let config = config(origin.address, LIMIT);
    let gateway = start(&dir, &config).await;
    let mut shown = serials(&get(gateway.address("http"), &format!("/0-{NEAR}"), "").await);
    assert_eq!(shown.len(), NEAR as usize);
    drop(gateway);

    let mut chance = Chance(4);
    let mut refused = false;
    for kill in 0..KILLS {
        let gateway = start(&dir, &config).await;
        assert!(counted(&gateway).await >= shown.len() as u64, "kill {kill}");
        let address = gateway.address("http");
        let reading = tokio::spawn(async move {
            let mut seen = BTreeSet::new();
            for number in NEAR..LIMIT * 2 {
                let Some(reply) = try_get(address, &format!("/{number}-{}", number + 1)).await else {
                    return (seen, false);
                };
                seen.extend(serials(&reply));
                if reply.status != 200 {
                    return (seen, reply.status == 403);
                }
            }
            (seen, false)
        });
        tokio::time::sleep(Duration::from_millis(u64::from(chance.below(150)))).await;
        drop(gateway);
        let (seen, was_refused) = reading.await.expect("no panic");
        shown.extend(seen);
        refused |= was_refused;
        assert!(shown.len() <= LIMIT as usize, "{} after kill {kill}", shown.len());
    }
    let gateway = start(&dir, &config).await;
    let all = get(gateway.address("http"), &format!("/0-{}", LIMIT * 2), "").await;
    shown.extend(serials(&all));
    assert!(!all.is_whole || all.status == 403, "the limit is in force");
    assert!(shown.len() <= LIMIT as usize, "{}", shown.len());
    assert!(
        refused || shown.len() > NEAR as usize,
        "somebody near the limit was read"
    );
    let known = get(gateway.address("http"), &format!("/0-{NEAR}"), "").await;
    assert_eq!(
        serials(&known).len(),
        NEAR as usize,
        "those who were shown before cost nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_was_seen_outlives_a_kill_at_once() {
    let origin = origin().await;
    let dir = Arc::new(tempfile::tempdir().expect("a directory"));
    let config = config(origin.address, 100_000).replace("mode = \"off\"", "mode = \"enforce\"");
    for round in 0..6 {
        let gateway = start(&dir, &config).await;
        let cookie = format!("Cookie: sid=client-{round}\r\n");
        let refused = get(gateway.address("http"), "/0-9", &cookie).await;
        assert!(refused.status == 403 || !refused.is_whole, "{}", refused.head);
        let held = get(gateway.address("http"), "/0-1", &cookie).await;
        assert_eq!(held.status, 403, "{}", held.head);
        drop(gateway);
        let gateway = start(&dir, &config).await;
        for known in 0..=round {
            let cookie = format!("Cookie: sid=client-{known}\r\n");
            let held = get(gateway.address("http"), "/0-1", &cookie).await;
            assert_eq!(held.status, 403, "round {round}, session {known}: {}", held.head);
        }
        let other = get(gateway.address("http"), "/0-1", "Cookie: sid=other\r\n").await;
        assert_eq!(other.status, 200, "{}", other.head);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_follows_the_fail_mode_and_heals() {
    let origin = origin().await;
    let dir = Arc::new(tempfile::tempdir().expect("a directory"));
    let config = config(origin.address, 5_000);
    // The state directory and the file of the configuration are made by this one.
    drop(start(&dir, &config).await);
    let arguments = ["run", "--config", "tidegate.toml"];
    let bounded = bounded_command(dir.path());
    let gateway = Tidegate::launch_by(bounded, Arc::clone(&dir), &arguments, "info").await;
    let address = gateway.address("http");
    bound_files(gateway.id(), "4096").await;

    let open = get(address, "/open/0-4500", "").await;
    assert!(open.is_whole && serials(&open).len() == 4_500, "{}", open.head);
    eventually("it says so", async || {
        gateway
            .has_said("the ledger cannot be written, tried again")
            .then_some(())
    })
    .await;
    assert!(gateway.metric("tidegate_store_failures_total{reason=\"full\"}").await >= 1.0);
    let open = get(address, "/open/0-4550", "").await;
    assert!(open.is_whole, "open lets it pass");
    let passed = "tidegate_partly_inspected_bytes_total{route=\"*/open/\",reason=\"store_down\"}";
    gateway.metric_grows(passed, 0.0).await;
    let closed = get(address, "/0-4600", "").await;
    assert!(closed.status == 502 || !closed.is_whole, "{}", closed.head);
    // A denial in the same body lets nobody leave who is not on disk.
    let denied = get(address, "/0-6000", "").await;
    assert!(denied.status == 502 || !denied.is_whole, "{}", denied.head);
    assert!(serials(&denied).is_empty(), "{}", serials(&denied).len());
    let ready = gateway.admin("/readyz").await;
    assert!(String::from_utf8_lossy(&ready.body).contains("the ledger cannot be written"));

    bound_files(gateway.id(), "unlimited").await;
    eventually("it is written again", async || {
        gateway.has_said("the ledger is written again").then_some(())
    })
    .await;
    let closed = get(address, "/0-4600", "").await;
    assert!(closed.is_whole && serials(&closed).len() == 4_600, "{}", closed.head);
    drop(gateway);
    let gateway = start(&dir, &config).await;
    let people = counted(&gateway).await;
    assert!(people >= 4_600, "nobody was lost: {people}");
}
