//! Who shares the fingerprint of a TLS hello: a budget per `ja4` bounds forged credentials from any number of addresses, and
//! spares honest people with the same browser.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tidegate::engine::ledger::Dimension;
use tidegate::engine::policy::people_key;
use tidegate::tls::Authority;
use tokio::task::JoinSet;

use crate::support::client::{RawReply, Tls, get, https_from};
use crate::support::gateway::{Gateway, quoted};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body, count_serials};
use crate::support::shop::{forged, identity, login, session, shop};

/// People whom forged credentials are shown under one fingerprint.
const LIMIT: usize = 20;
const STRANGERS: u32 = 100_000;
/// A fingerprint that a proxy may tell.
const TOLD: &str = "t13d1516h2_8daaf6152771_e5627efa2ab1";

/// A gateway that ends TLS, and the authority that signed its certificate.
async fn gateway(more: impl FnOnce(&std::path::Path) -> String) -> (Gateway, Authority) {
    let state = tempfile::tempdir().expect("a directory");
    let authority = Authority::create(&state.path().join("authority")).expect("an authority");
    let (cert, key) = authority.leaf(&["localhost".into()]).expect("a leaf");
    let listener = format!(
        "[listen.edge]\naddress = \"127.0.0.1:0\"\ntls = {{ cert = {}, key = {} }}\n",
        quoted(&cert),
        quoted(&key)
    );
    let text = listener + &more(state.path());
    (Gateway::start_in(state, &text).await, authority)
}

fn route(origin: &Origin) -> String {
    format!(
        "[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n",
        origin.address
    )
}

fn unissued(per: &str) -> String {
    format!(
        "[[budget]]\nname = \"stolen\"\nper = \"{per}\"\nwhen = \"unissued\"\npeople = {LIMIT}\nwindow = \"30d\"\n\
         action = \"reauth\"\nmode = \"enforce\"\n"
    )
}

fn told(per: &str) -> String {
    format!("[[budget]]\nname = \"told\"\nper = \"{per}\"\npeople = 9\nwindow = \"1d\"\naction = \"alert\"\n")
}

fn me(header_lines: &str) -> String {
    format!("GET /me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header_lines}\r\n")
}

fn people(reply: &RawReply) -> BTreeSet<u32> {
    count_serials(&reply.body).into_iter().collect()
}

/// An address of its own on this machine's loopback network.
fn address(second: u8, number: u32) -> Ipv4Addr {
    let [.., third, fourth] = number.to_be_bytes();
    Ipv4Addr::new(127, second, third, fourth)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_credentials_of_one_fingerprint_share_a_budget_and_the_honest_of_it_are_spared() {
    const HONEST: u32 = 60;
    const FORGED: u32 = 200;
    let origin = shop().await;
    let (gateway, authority) =
        gateway(|dir| identity(dir, "warm_up_s = 0\nreauth_per_s_max = 1000") + &route(&origin) + &unissued("ja4"))
            .await;
    let gateway = Arc::new(gateway);
    let browser = Tls::trusting(&authority.certificate());
    let mut honest = JoinSet::new();
    for customer in 0..HONEST {
        let (gateway, browser) = (Arc::clone(&gateway), browser.clone());
        honest.spawn(async move {
            let from = address(10, customer);
            let own = session(&https_from(from, gateway.address, &browser, login(customer).as_bytes()).await);
            for shown in [&own.bearer, &own.cookie, &own.bearer] {
                let reply = https_from(from, gateway.address, &browser, me(shown).as_bytes()).await;
                assert_eq!(reply.status, 200, "customer {customer}: {}", reply.head);
                assert_eq!(people(&reply), BTreeSet::from([customer]));
            }
        });
    }
    let mut thief = JoinSet::new();
    for worker in 0..10 {
        let (gateway, browser) = (Arc::clone(&gateway), browser.clone());
        thief.spawn(async move {
            let mut seen = BTreeSet::new();
            for customer in (worker..FORGED).step_by(10) {
                let request = me(&forged(STRANGERS + customer));
                let from = address(20, customer * 256);
                let reply = https_from(from, gateway.address, &browser, request.as_bytes()).await;
                assert!(matches!(reply.status, 200 | 401), "{}", reply.head);
                seen.extend(people(&reply));
            }
            seen
        });
    }
    let stolen: BTreeSet<u32> = thief.join_all().await.into_iter().flatten().collect();
    honest.join_all().await;
    assert_eq!(stolen.len(), LIMIT, "from {FORGED} addresses and networks");
    assert_eq!(gateway.keys(Dimension::Ja4).len(), 1);

    // It is a hint: another program has another, and a budget of its own.
    let other = browser.offering(&[]);
    let reply = https_from(
        address(20, 0),
        gateway.address,
        &other,
        me(&forged(STRANGERS + FORGED)).as_bytes(),
    )
    .await;
    assert_eq!((reply.status, people(&reply).len()), (200, 1));
    assert_eq!(gateway.keys(Dimension::Ja4).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fingerprint_counts_together_with_a_network() {
    let origin = shop().await;
    let (gateway, authority) = gateway(|dir| {
        let identity = identity(dir, "warm_up_s = 0\nreauth_per_s_max = 1000");
        identity + &route(&origin) + &unissued("ja4 + network").replace("people = 20", "people = 3")
    })
    .await;
    let browser = Tls::trusting(&authority.certificate());
    for (network, client) in [(1, &browser), (2, &browser), (2, &browser.offering(&[]))] {
        let mut seen = BTreeSet::new();
        for stranger in 0..6 {
            let from = Ipv4Addr::new(127, 20, network, stranger);
            let request = me(&forged(STRANGERS + u32::from(stranger)));
            seen.extend(people(
                &https_from(from, gateway.address, client, request.as_bytes()).await,
            ));
        }
        assert_eq!(seen.len(), 3, "network {network}");
    }
    assert_eq!(
        gateway
            .keys(Dimension::parse("ja4 + network").expect("a dimension"))
            .len(),
        3
    );
}

/// The people that the gateway counted under a fingerprint.
fn counted(gateway: &Gateway, ja4: &str) -> Option<u32> {
    let key = people_key(&gateway.shared().secret, Dimension::Ja4, ja4.as_bytes());
    let view = gateway.keys(Dimension::Ja4).into_iter().find(|view| view.key == key)?;
    view.people.first().map(|(_, people)| *people)
}

#[tokio::test]
async fn a_hello_too_long_to_read_has_the_fingerprint_of_all_such() {
    let origin = Origin::serve(|_| Answer::new("application/json", body(Format::Json, 0..2))).await;
    let (gateway, authority) = gateway(|_| route(&origin) + &told("ja4")).await;
    let browser = Tls::trusting(&authority.certificate());
    // As protocols that nobody speaks, 20 KB of them, before the one that is spoken.
    let made_up: Vec<String> = (0..100).map(|number| format!("{number:0200}")).collect();
    let made_up = made_up.iter().map(String::as_bytes);
    let protocols: Vec<&[u8]> = made_up.chain([&b"http/1.1"[..]]).collect();
    for client in [browser.offering(&protocols), browser.offering(&protocols[1..])] {
        let reply = https_from(address(1, 1), gateway.address, &client, me("").as_bytes()).await;
        assert_eq!(reply.status, 200, "TLS and the client notice nothing");
    }
    assert_eq!(counted(&gateway, "unread"), Some(2));
    assert_eq!(gateway.keys(Dimension::Ja4).len(), 1);
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("tidegate_hellos_unread_total{reason=\"too_long\"}"));
}

#[tokio::test]
async fn what_a_trusted_proxy_tells_of_its_clients_counts_and_what_others_tell_does_not() {
    let origin = Origin::serve(|_| Answer::new("application/json", body(Format::Json, 0..2))).await;
    let listener = |trusted: &str| {
        format!(
            "[listen.behind]\naddress = \"127.0.0.1:0\"\ntrusted = [\"{trusted}\"]\n\
             address_header = \"True-Client-IP\"\nja4_header = \"X-JA4\"\n"
        )
    };
    let text = route(&origin) + &told("ja4") + &told("address").replace("told", "addresses");
    let sent = format!("True-Client-IP: 203.0.113.7\r\nX-JA4: {TOLD}\r\nX-Forwarded-For: 198.51.100.1\r\n");
    let behind = Gateway::start(&(listener("127.0.0.0/8") + &text)).await;
    assert_eq!(get(behind.address, "/", &sent).await.status, 200);
    assert_eq!(counted(&behind, TOLD), Some(2));
    let client = people_key(&behind.shared().secret, Dimension::Address, &[203, 0, 113, 7]);
    assert_eq!(
        behind.keys(Dimension::Address).first().map(|view| view.key),
        Some(client)
    );
    for made_up in [
        "X-JA4: anything\r\n".to_owned(),
        sent.replace("\r\nX-JA4", "\r\nX-JA4: t\r\nX-JA4"),
    ] {
        assert_eq!(get(behind.address, "/", &made_up).await.status, 200);
    }
    assert_eq!(behind.keys(Dimension::Ja4).len(), 1, "what is none is not believed");

    let elsewhere = Gateway::start(&(listener("10.0.0.0/8") + &text)).await;
    assert_eq!(get(elsewhere.address, "/", &sent).await.status, 200);
    assert_eq!(elsewhere.keys(Dimension::Ja4), []);
    let own = people_key(&elsewhere.shared().secret, Dimension::Address, &[127, 0, 0, 1]);
    assert_eq!(
        elsewhere.keys(Dimension::Address).first().map(|view| view.key),
        Some(own)
    );
}
