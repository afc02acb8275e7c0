//! Who logs in at one gateway is issued at all of them; and what holds while their store does not say.

use std::sync::Arc;

use tidegate::engine::ledger::Dimension;
use tokio::task::JoinSet;

use super::gateways::state;
use super::server::{Server, until};
use crate::support::client::{RawReply, get, http1};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::people::count_serials;
use crate::support::shop::{forged, identity, login, session, shop};

/// A gateway that shows unissued credentials so many people.
async fn gateway(origin: &Origin, store: &str, more: &str, people: u32) -> Arc<Gateway> {
    let state = state(7);
    let text = format!(
        "{}[fleet]\nurl = \"{store}\"\nflush_ms = 50\nwait_ms_max = 1000\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"unissued\"\nper = \"service\"\nwhen = \"unissued\"\npeople = {people}\nwindow = \"30d\"\n\
         action = \"reauth\"\nmode = \"enforce\"\n",
        identity(state.path(), &format!("warm_up_s = 0\nreauth_per_s_max = 1000\n{more}")),
        origin.address,
    );
    let gateway = Gateway::start_in(state, &text).await;
    let shared = gateway.shared().fleet.clone().expect("it is configured");
    until("the store answers", async || shared.is_up()).await;
    Arc::new(gateway)
}

async fn log_in(gateway: &Gateway, customer: u32) -> RawReply {
    http1(gateway.address, login(customer).as_bytes()).await
}

fn bearer(login: &RawReply) -> String {
    session(login).bearer
}

/// The value of a metric of this process, by its name and labels.
async fn metric(gateway: &Gateway, name_and_labels: &str) -> f64 {
    let text = gateway.metrics().await;
    let line = text.lines().find_map(|line| line.strip_prefix(name_and_labels));
    line.map_or(0.0, |value| value.trim().parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_logs_in_at_one_gateway_is_issued_at_the_other_at_once() {
    const CUSTOMERS: u32 = 1_000;
    let (server, origin) = (Server::start(&[]).await, shop().await);
    let more = "lookups_per_s_max = 1000000";
    let (one, other) = (
        gateway(&origin, &server.url(), more, 5).await,
        gateway(&origin, &server.url(), more, 5).await,
    );
    let mut asking = JoinSet::new();
    for customer in 0..CUSTOMERS {
        let (one, other) = (Arc::clone(&one), Arc::clone(&other));
        asking.spawn(async move {
            let login = log_in(&one, customer).await;
            let reply = get(other.address, "/me", &bearer(&login)).await;
            (
                reply.status,
                count_serials(&reply.body).into_iter().collect::<Vec<u32>>() == [customer],
            )
        });
    }
    let answers = asking.join_all().await;
    assert!(answers.iter().all(|answer| *answer == (200, true)), "{answers:?}");
    assert!(other.keys(Dimension::Service).is_empty(), "nobody was unissued");
    // A forger is, at every gateway, under one limit of each.
    for customer in 5_000..5_010 {
        let reply = get(other.address, "/me", &forged(customer)).await;
        assert_eq!(reply.status, if customer < 5_005 { 200 } else { 401 });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_asks_for_too_many_is_asked_to_log_in() {
    let (server, origin) = (Server::start(&[]).await, shop().await);
    let gateway = gateway(&origin, &server.url(), "lookups_per_s_max = 1", 100).await;
    let login = log_in(&gateway, 1).await;
    let mut statuses = Vec::new();
    for customer in 5_000..5_010 {
        statuses.push(get(gateway.address, "/me", &forged(customer)).await.status);
    }
    assert!(statuses.contains(&401), "{statuses:?}");
    assert_eq!(
        get(gateway.address, "/me", &bearer(&login)).await.status,
        200,
        "it is known here"
    );
    assert_eq!(log_in(&gateway, 2).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_down_nobody_is_unissued_and_logins_are_released() {
    let (mut server, origin) = (Server::start(&[]).await, shop().await);
    let (one, other) = (
        gateway(&origin, &server.url(), "", 1).await,
        gateway(&origin, &server.url(), "", 1).await,
    );
    let early = log_in(&one, 1).await;
    let forger = get(one.address, "/me", &forged(5_000)).await.status;
    let caught = get(one.address, "/me", &forged(5_001)).await.status;
    assert_eq!((forger, caught), (200, 401));
    server.kill();
    for gateway in [&one, &other] {
        let shared = gateway.shared().fleet.clone().expect("it is configured");
        until("it is known to be down", async || !shared.is_up()).await;
    }
    let unknown = "tidegate_unknown_credentials_total{reason=\"outage\"}";
    let undurable = "tidegate_births_undurable_total{place=\"fleet\"}";
    let before = (metric(&one, unknown).await, metric(&one, undurable).await);
    for customer in 6_000..6_010 {
        assert_eq!(get(other.address, "/me", &forged(customer)).await.status, 200);
    }
    assert!(metric(&one, unknown).await >= before.0 + 10.0, "it is counted");
    let late = log_in(&one, 2).await;
    assert_eq!(late.status, 200);
    assert!(metric(&one, undurable).await > before.1, "it is counted");
    for (gateway, login) in [(&one, &early), (&one, &late), (&other, &late)] {
        assert_eq!(get(gateway.address, "/me", &bearer(login)).await.status, 200);
    }
    assert_eq!(
        get(one.address, "/me", &forged(5_001)).await.status,
        200,
        "also who was before"
    );
    // Empty, as after a crash: what each gateway knows comes back, and until then nobody is unissued.
    server.restart().await;
    for gateway in [&one, &other] {
        let shared = gateway.shared().fleet.clone().expect("it is configured");
        until("the store answers", async || shared.is_up()).await;
    }
    let members = async || {
        let mut births = 0;
        for set in 0..256 {
            births += server
                .ask::<u64>(&format!("ZCARD tidegate:1:{{birth:{set:02x}}}"))
                .await;
        }
        births
    };
    until("births are told again", async || members().await >= 4).await;
    assert_eq!(get(other.address, "/me", &bearer(&early)).await.status, 200);
    assert_eq!(
        get(other.address, "/me", &forged(7_000)).await.status,
        200,
        "for a minute more"
    );
}
