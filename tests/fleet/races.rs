//! Gateways race for the last places of a limit.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidegate::engine::ledger::{Ask, KeyUse};
use tokio::time::Instant;

use super::member::{Member, Shown, key, settings, used};
use super::server::{Server, until};

const LIMIT: u32 = 500;
const EXCHANGES: usize = 10_000;
/// Exchanges of one gateway at the same time.
const AT_ONCE: usize = 32;

async fn three(server: &Server) -> [Arc<Member>; 3] {
    let start = || async { Arc::new(Member::start(settings(&server.url())).await) };
    [start().await, start().await, start().await]
}

/// All exchanges over all gateways as fast as they go: each shows up to three of 3,000 people under the common key and one of
/// its own, and one in ten breaks off.
async fn race(members: &[Arc<Member>], keys: impl Fn(usize) -> Vec<KeyUse> + Send + Sync + 'static) -> Vec<Shown> {
    let (next, keys) = (Arc::new(AtomicUsize::new(0)), Arc::new(keys));
    let mut racing = tokio::task::JoinSet::new();
    for number in 0..members.len() * AT_ONCE {
        let member = Arc::clone(&members[number % members.len()]);
        let (next, keys) = (Arc::clone(&next), Arc::clone(&keys));
        racing.spawn(async move {
            let mut shown = Vec::new();
            loop {
                let exchange = next.fetch_add(1, Ordering::Relaxed);
                if exchange >= EXCHANGES {
                    return shown;
                }
                let people: Vec<u64> = (0..=exchange % 3)
                    .map(|at| (exchange * 7 + at * 1_013) as u64 % 3_000)
                    .collect();
                shown.push(member.exchange(&keys(exchange), &people, exchange % 10 == 9).await);
            }
        });
    }
    racing.join_all().await.into_iter().flatten().collect()
}

fn distinct(shown: &[Shown]) -> usize {
    let people = shown.iter().flat_map(|shown| &shown.people);
    people.collect::<BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_racing_exchanges_are_granted_exactly_the_limit() {
    let server = Server::start(&[]).await;
    let members = three(&server).await;
    let shown = race(&members, |_| vec![used(1, LIMIT, true)]).await;
    assert_eq!(shown.len(), EXCHANGES);
    assert_eq!(distinct(&shown), LIMIT as usize);
    assert!(shown.iter().any(|shown| shown.is_denied));
    let elements = format!("ZCARD tidegate:1:{{{}}}:e", key(1));
    until("all that was shown is an element", async || {
        server.ask::<u32>(&elements).await == LIMIT
    })
    .await;
    let claims = format!("ZCARD tidegate:1:{{{}}}:c", key(1));
    until("no claim is left", async || server.ask::<u32>(&claims).await == 0).await;
    let someone = shown.iter().find_map(|shown| shown.people.first()).copied().unwrap();
    for member in &members {
        let key = used(1, LIMIT, true);
        until("all gateways know all people", async || {
            member.people_when_used(&key, someone).await == LIMIT
        })
        .await;
    }
}

/// The mutant: the race is one that would be lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_strict_the_same_race_goes_past_the_limit() {
    let server = Server::start(&[]).await;
    let members = three(&server).await;
    let shown = race(&members, |_| vec![used(1, LIMIT, false)]).await;
    assert!(distinct(&shown) > LIMIT as usize);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_is_confirmed_under_all_its_keys_or_leaves_no_mark() {
    let server = Server::start(&[]).await;
    let members = three(&server).await;
    // Fifty sessions of ten people each share a limit of 300.
    let keys = |exchange: usize| vec![used(100 + (exchange % 50) as u8, 10, true), used(1, 300, true)];
    let shown = race(&members, keys).await;
    assert_eq!(
        distinct(&shown),
        300,
        "what a session was refused takes no place of the others"
    );
    let someone = shown.iter().find_map(|shown| shown.people.first()).copied().unwrap();
    for member in &members {
        let key = used(1, 300, true);
        until("all gateways know all people", async || {
            member.people_when_used(&key, someone).await == 300
        })
        .await;
    }
    for session in 100..150 {
        let elements: u32 = server.ask(&format!("ZCARD tidegate:1:{{{}}}:e", key(session))).await;
        assert!(elements <= 10, "session {session} was shown {elements}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_of_a_gateway_that_was_killed_count_until_the_window_ends() {
    let server = Server::start(&[]).await;
    let (one, other) = (
        Member::start(settings(&server.url())).await,
        Member::start(settings(&server.url())).await,
    );
    let keys = [used(1, 10, true)];
    let mut account = one.ledger.open(keys.to_vec(), None, one.clock.now());
    let asks: Vec<_> = (0..6)
        .map(|subject| Ask::from_iter([tidegate::engine::secret::Subject(subject)]))
        .collect();
    assert_eq!(account.reserve(&asks, one.clock.now()).granted, 0);
    let mut claimant = one.fleet.claimant();
    let confirmation = claimant.ask(account.claims()).await;
    claimant.came(&confirmation);
    one.kill();
    std::mem::forget(claimant);
    let shown = other.exchange(&keys, &[10, 11, 12, 13, 14, 15], false).await;
    assert_eq!((shown.people.len(), shown.is_denied), (4, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_strict_no_more_is_shown_than_the_limit_and_what_others_have_not_heard_of() {
    const PACE: Duration = Duration::from_millis(5);
    let server = Server::start(&[]).await;
    let members = three(&server).await;
    let (limit, started) = (200, Instant::now());
    let mut racing = tokio::task::JoinSet::new();
    for (number, member) in members.iter().enumerate() {
        let member = Arc::clone(member);
        racing.spawn(async move {
            let mut pace = tokio::time::interval(PACE);
            let mut shown = Vec::new();
            for turn in 0..400_u64 {
                pace.tick().await;
                let person = turn * 3 + number as u64;
                shown.push((
                    Instant::now(),
                    member.exchange(&[used(1, limit, false)], &[person], false).await,
                ));
            }
            shown
        });
    }
    let shown: Vec<(Instant, Shown)> = racing.join_all().await.into_iter().flatten().collect();
    let granted: Vec<&(Instant, Shown)> = shown.iter().filter(|(_, shown)| !shown.is_denied).collect();
    let last = granted.iter().map(|(at, _)| *at).max().unwrap();
    let rate = granted.len() as f64 / last.duration_since(started).as_secs_f64();
    // Two rounds of at most 60 ms, and room for a round trip on a machine that others use.
    let staleness = 2.0 * 0.06 + 0.25;
    let bound = f64::from(limit) + rate * staleness + 3.0;
    assert!(granted.len() >= limit as usize);
    assert!(
        (granted.len() as f64) <= bound,
        "{} of {bound:.0} at {rate:.0}/s",
        granted.len()
    );
}
