//! New under a key that many share: a budget that binds those who came today, and nobody else.

use std::net::{IpAddr, Ipv4Addr};

use tidegate::engine::policy::{Facts, Policy, Standing};
use tidegate::engine::time::Now;
use tidegate::identity::{address_key, network_key};

use crate::support::client::http1_from;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::shop::{identity, login, session, shop};

/// People whom newcomers of one network are shown.
const LIMIT: usize = 5;
/// The first account that the thief registered; those before are honest.
const BOUGHT: u32 = 100_000;

async fn gateway(origin: &Origin, per: &str) -> Gateway {
    let state = tempfile::tempdir().expect("a directory");
    let text = format!(
        "{}[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"newcomers\"\nper = \"{per}\"\nwhen = \"new\"\npeople = {LIMIT}\nwindow = \"1d\"\n\
         action = \"block\"\nmode = \"enforce\"\n",
        identity(state.path(), "warm_up_s = 0"),
        origin.address,
    );
    Gateway::start_in(state, &text).await
}

/// An address of one network, which all here share.
fn address(customer: u32) -> Ipv4Addr {
    Ipv4Addr::new(127, 60, 0, customer.to_be_bytes()[3])
}

/// These customers were there two days ago.
fn came_before(gateway: &Gateway, customers: std::ops::Range<u32>) {
    let shared = gateway.shared();
    let earlier = Now::from_millis(shared.clock.now().millis() - 2 * 86_400_000);
    for customer in customers {
        let from = IpAddr::from(address(customer));
        let (principal, address, network) = (format!("shop\0{customer}"), address_key(from), network_key(from));
        let facts = Facts {
            principal: Some(principal.as_bytes()),
            address: &address,
            network: &network,
            standing: Standing::Issued,
            ..Facts::default()
        };
        let questions = shared.set().policy.questions(&facts);
        assert_eq!(questions.len(), 1);
        assert!(
            Policy::answer(&questions, &shared.ledger, earlier).is_empty(),
            "by no older memory"
        );
    }
}

/// Logs in, and looks at one's own page; the status.
async fn visit(gateway: &Gateway, customer: u32) -> u16 {
    let from = address(customer);
    let own = session(&http1_from(from, gateway.address, login(customer).as_bytes()).await);
    let request = format!(
        "GET /me HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{}\r\n",
        own.bearer
    );
    http1_from(from, gateway.address, request.as_bytes()).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_shared_network_those_who_came_today_share_a_budget_and_nobody_else_is_refused() {
    let origin = shop().await;
    let gateway = gateway(&origin, "network").await;
    came_before(&gateway, 0..10);
    let mut served = 0;
    for account in BOUGHT..BOUGHT + 20 {
        match visit(&gateway, account).await {
            200 => served += 1,
            status => assert_eq!(status, 403),
        }
    }
    assert_eq!(served, LIMIT, "of twenty accounts that were registered today");
    for customer in 0..10 {
        assert_eq!(
            visit(&gateway, customer).await,
            200,
            "customer {customer} was there before"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_memory_is_younger_than_a_day_nobody_is_new() {
    let origin = shop().await;
    let gateway = gateway(&origin, "network").await;
    for account in BOUGHT..BOUGHT + 3 * LIMIT as u32 {
        assert_eq!(visit(&gateway, account).await, 200);
    }
}
