//! A cluster of three servers, of which one slot moves while gateways race for its key.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use redis::cmd;
use tidegate::fleet::Settings;
use tokio::time::Instant;

use super::member::{Member, key, settings, used};
use super::server::{Server, until};

const SLOTS: u16 = 16_384;

async fn three_servers() -> [Server; 3] {
    let start = || Server::start(&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]);
    let servers = [start().await, start().await, start().await];
    for (number, server) in (0..).zip(&servers) {
        let (first, next) = (number * SLOTS / 3, (number + 1) * SLOTS / 3);
        server
            .ask::<String>(&format!("CLUSTER ADDSLOTSRANGE {first} {}", next - 1))
            .await;
        server
            .ask::<String>(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1))
            .await;
    }
    for server in &servers[1..] {
        server
            .ask::<String>(&format!("CLUSTER MEET 127.0.0.1 {}", servers[0].port))
            .await;
    }
    for server in &servers {
        until("the cluster is whole", async || {
            let info: String = server.ask("CLUSTER INFO").await;
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        })
        .await;
    }
    servers
}

/// Moves the slot of `name` from one server to another with what is in it, as `redis-cli --cluster reshard` does.
async fn move_slot(from: &Server, to: &Server, slot: u16) {
    let (from_id, to_id): (String, String) = (from.ask("CLUSTER MYID").await, to.ask("CLUSTER MYID").await);
    to.ask::<String>(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}"))
        .await;
    from.ask::<String>(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}"))
        .await;
    let mut connection = from.connection().await;
    loop {
        let names: Vec<Vec<u8>> = from.ask(&format!("CLUSTER GETKEYSINSLOT {slot} 100")).await;
        if names.is_empty() {
            break;
        }
        let mut migrate = cmd("MIGRATE");
        migrate
            .arg("127.0.0.1")
            .arg(to.port)
            .arg("")
            .arg(0)
            .arg(1_000)
            .arg("KEYS")
            .arg(names);
        migrate.query_async::<String>(&mut connection).await.expect("it moves");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for server in [to, from] {
        server
            .ask::<String>(&format!("CLUSTER SETSLOT {slot} NODE {to_id}"))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_holds_while_its_slot_moves() {
    const LIMIT: u32 = 200;
    const RACE_TIME: Duration = Duration::from_secs(4);
    let servers = three_servers().await;
    let settings = |server: &Server| Settings {
        cluster: true,
        ..settings(&server.url())
    };
    let members = [
        Arc::new(Member::start(settings(&servers[0])).await),
        Arc::new(Member::start(settings(&servers[1])).await),
    ];
    let elements = format!("tidegate:1:{{{}}}:e", key(1));
    let slot: u16 = servers[0].ask(&format!("CLUSTER KEYSLOT {elements}")).await;
    let owner = usize::from(slot) * 3 / usize::from(SLOTS);
    let mut racing = tokio::task::JoinSet::new();
    for racer in 0..8_u64 {
        let member = Arc::clone(&members[racer as usize % 2]);
        racing.spawn(async move {
            let (mut people, started) = (BTreeSet::new(), Instant::now());
            for turn in 0.. {
                let person = turn * 8 + racer;
                people.extend(member.exchange(&[used(1, LIMIT, true)], &[person], false).await.people);
                tokio::time::sleep(Duration::from_millis(5)).await;
                if started.elapsed() > RACE_TIME {
                    break;
                }
            }
            people
        });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (from, to) = (&servers[owner], &servers[(owner + 1) % 3]);
    move_slot(from, to, slot).await;
    let people: BTreeSet<u64> = racing.join_all().await.into_iter().flatten().collect();
    assert_eq!(people.len(), LIMIT as usize);
    until("all that was shown is where the slot is", async || {
        to.ask::<u32>(&format!("ZCARD {elements}")).await == LIMIT
    })
    .await;
    for member in &members {
        let (key, someone) = (used(1, LIMIT, true), *people.first().unwrap());
        until("all gateways know all people", async || {
            member.people_when_used(&key, someone).await == LIMIT
        })
        .await;
    }
}
