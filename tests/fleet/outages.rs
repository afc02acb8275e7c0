//! The store is killed, cut off, emptied, late, or full of what is not ours.

use std::time::Duration;

use tidegate::engine::ledger::Dimension;
use tidegate::fleet::OnStoreDown;

use super::member::{Member, key, settings, used};
use super::server::{Server, Wire, until};

fn elements(number: u8) -> String {
    format!("ZCARD tidegate:1:{{{}}}:e", key(number))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_killed_and_is_empty_is_filled_again() {
    let mut server = Server::start(&[]).await;
    let (one, other) = (
        Member::start(settings(&server.url())).await,
        Member::start(settings(&server.url())).await,
    );
    let keys: Vec<_> = (0..100).map(|number| used(number, 1_000, false)).collect();
    for (number, used) in keys.iter().enumerate() {
        let member = if number % 2 == 0 { &one } else { &other };
        member.exchange(std::slice::from_ref(used), &[1, 2, 3], false).await;
        if number == 50 {
            // In the middle of a round, most likely.
            server.kill();
        }
    }
    until("it is known to be down", async || {
        !one.fleet.is_up() && !other.fleet.is_up()
    })
    .await;
    one.exchange(&keys[..1], &[4], false).await;
    server.restart().await;
    for number in 0..100 {
        let expected = if number == 0 { 4 } else { 3 };
        until("the store knows it again", async || {
            server.ask::<u32>(&elements(number)).await == expected
        })
        .await;
    }
    let late = Member::start(settings(&server.url())).await;
    late.exchange(&keys[..1], &[5], false).await;
    until("a new gateway learns it", async || late.people(0) == 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_emptied_under_us_is_filled_again() {
    let server = Server::start(&[]).await;
    let one = Member::start(settings(&server.url())).await;
    one.exchange(&[used(1, 10, false)], &[1, 2, 3], false).await;
    until("it is told", async || server.ask::<u32>(&elements(1)).await == 3).await;
    server.ask::<String>("FLUSHALL").await;
    until("it is told again", async || server.ask::<u32>(&elements(1)).await == 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_was_cut_off_tells_and_learns_what_it_missed() {
    let server = Server::start(&[]).await;
    let wire = Wire::to(server.port).await;
    let with = |rule| tidegate::fleet::Settings {
        on_store_down: rule,
        wait_ms_max: 20,
        ..settings(&wire.url())
    };
    let one = Member::start(settings(&server.url())).await;
    let other = Member::start(with(OnStoreDown::Local)).await;
    let keys = [used(1, 100, true)];
    one.exchange(&keys, &[1, 2], false).await;
    wire.cut(true);
    let shown = other.exchange(&keys, &[10, 11, 12], false).await;
    assert_eq!(shown.people.len(), 3, "its own count decides");
    one.exchange(&keys, &[3], false).await;
    until("it is known to be down", async || !other.fleet.is_up()).await;
    wire.cut(false);
    until("all is told", async || server.ask::<u32>(&elements(1)).await == 6).await;
    until("all is learnt by who has the key in use", async || {
        one.exchange(&keys, &[1], false).await;
        other.exchange(&keys, &[1], false).await;
        one.people(1) == 6 && other.people(1) == 6
    })
    .await;
    let claims = format!("ZCARD tidegate:1:{{{}}}:c", key(1));
    until("no claim is left", async || server.ask::<u32>(&claims).await == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_down_the_declared_rule_holds() {
    let mut server = Server::start(&[]).await;
    let with = |rule| tidegate::fleet::Settings {
        on_store_down: rule,
        ..settings(&server.url())
    };
    let local = Member::start(with(OnStoreDown::Local)).await;
    let split = Member::start(with(OnStoreDown::Split)).await;
    let block = Member::start(with(OnStoreDown::Block)).await;
    let keys = [used(1, 9, true)];
    assert_eq!(block.exchange(&keys, &[1], false).await.people, [1]);
    until("everyone knows it", async || {
        local.exchange(&keys, &[1], false).await;
        split.exchange(&keys, &[1], false).await;
        split.people(1) == 1 && local.people(1) == 1
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.kill();
    let people: Vec<u64> = (1..20).collect();
    assert_eq!(
        local.exchange(&keys, &people, false).await.people.len(),
        9,
        "its own count"
    );
    assert_eq!(
        split.exchange(&keys, &people, false).await.people.len(),
        3,
        "a third of the limit"
    );
    let blocked = block.exchange(&keys, &people, false).await;
    assert_eq!((blocked.people, blocked.is_denied), (vec![1], true), "nobody new");
    until("it is known to be down", async || split.fleet.divided().is_some()).await;
    let unstrict = [used(2, 9, false)];
    assert_eq!(split.exchange(&unstrict, &people, false).await.people.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_store_that_does_not_answer() {
    let server = Server::start(&[]).await;
    let wire = Wire::to(server.port).await;
    let member = Member::start(tidegate::fleet::Settings {
        on_store_down: OnStoreDown::Local,
        wait_ms_max: 20,
        ..settings(&wire.url())
    })
    .await;
    wire.cut(true);
    let started = tokio::time::Instant::now();
    for person in 0..1_000 {
        member.exchange(&[used(1, 10_000, true)], &[person], false).await;
    }
    // Three wait 20 ms each, and then the breaker is open.
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_in_the_store_stops_nothing_and_is_left_alone() {
    let server = Server::start(&[]).await;
    server
        .ask::<String>(&format!("SET tidegate:1:{{{}}}:e garbage", key(1)))
        .await;
    server
        .ask::<i64>(&format!(
            "ZADD tidegate:1:{{{}}}:e 4000000000 short 4000000000 12345678",
            key(2)
        ))
        .await;
    server
        .ask::<i64>(&format!("ZADD tidegate:1:{{{}}}:s 5 abc", key(2)))
        .await;
    server.ask::<i64>("ZADD tidegate:1:hold 5 garbage").await;
    let one = Member::start(settings(&server.url())).await;
    for number in 1..4 {
        one.exchange(&[used(number, 10, false)], &[1, 2], false).await;
    }
    until("the key beside it is told", async || {
        server.ask::<u32>(&elements(3)).await == 2
    })
    .await;
    until("what is right of the other is told", async || {
        server.ask::<u32>(&elements(2)).await == 4
    })
    .await;
    assert_eq!(
        server.ask::<String>(&format!("GET tidegate:1:{{{}}}:e", key(1))).await,
        "garbage"
    );
    assert!(one.fleet.is_up());
    assert_eq!((one.people(1), one.people(3)), (2, 2), "nothing is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_from_the_future_is_clamped() {
    let server = Server::start(&[]).await;
    let one = Member::start(settings(&server.url())).await;
    let member = "abcdefgh";
    server
        .ask::<i64>(&format!("ZADD tidegate:1:{{{}}}:e 4000000000 {member}", key(1)))
        .await;
    one.exchange(&[used(1, 10, false)], &[1], false).await;
    until("it is taken in", async || one.people(1) == 2).await;
    let view = one.ledger.key(key(1), &|_| &[], one.clock.now()).unwrap();
    assert!(view.last_seen <= one.clock.now().second() + 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_estimated_here_is_estimated_there() {
    let server = Server::start(&[]).await;
    let (one, other) = (
        Member::start(settings(&server.url())).await,
        Member::start(settings(&server.url())).await,
    );
    let keys = [used(1, 1_000_000, false)].map(|mut used| {
        used.limits[0].excess = tidegate::engine::ledger::Excess::Told;
        used
    });
    // Their hashes are as even as those of subjects.
    let people: Vec<u64> = (1..20_000_u64)
        .map(|person| person.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .collect();
    for some in people.chunks(1_000) {
        one.exchange(&keys, some, false).await;
    }
    until("the sketch arrives", async || {
        other.exchange(&keys, &[1], false).await;
        let seen = f64::from(other.people(1));
        (seen / 20_000.0 - 1.0).abs() < 0.06
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_and_its_release_reach_the_others_within_a_second() {
    let server = Server::start(&[]).await;
    let (one, other) = (
        Member::start(settings(&server.url())).await,
        Member::start(settings(&server.url())).await,
    );
    let used = used(1, 10, false);
    let is_held = |member: &Member| {
        member
            .ledger
            .held(std::slice::from_ref(&used), member.clock.now())
            .is_some()
    };
    one.ledger
        .hold(used.key, Dimension::Session, 600, None, one.clock.now());
    let started = tokio::time::Instant::now();
    until("it is held there", async || is_held(&other)).await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    other
        .ledger
        .release(used.key, 5, other.clock.now().second() + 60, other.clock.now());
    until("it is released here", async || !is_held(&one)).await;
    let late = Member::start(settings(&server.url())).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!is_held(&late), "the later one wins");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_shown_last_is_told_before_the_end() {
    let server = Server::start(&[]).await;
    let one = Member::start(tidegate::fleet::Settings {
        flush_ms: 10_000,
        ..settings(&server.url())
    })
    .await;
    one.exchange(&[used(1, 10, false)], &[1, 2, 3], false).await;
    one.end().await;
    assert_eq!(server.ask::<u32>(&elements(1)).await, 3);
}
