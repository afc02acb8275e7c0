//! A ledger without room for one more key: that key alone goes uncounted, and everything else holds as ever.

use std::collections::BTreeSet;

use http::HeaderName;
use smallvec::smallvec;
use tidegate::engine::ledger::{Ask, BudgetId, Dimension, Elements, Excess, KeyId, KeyUse, Limit};
use tidegate::engine::secret::Subject;

use super::fail_modes::counted;
use crate::support::client::{RawReply, get};
use crate::support::coding::Coding;
use crate::support::export::Export;
use crate::support::gateway::{Gateway, until};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, count_serials};

/// Each budget's limit.
const SESSION_MAX: usize = 5;
const ADDRESS_MAX: usize = 20;

/// A gateway with a small ledger, two budgets that block, and a trusted peer.
async fn gateway(origin: &Origin, route: &str) -> Gateway {
    let budget = |per: &str, people: usize| {
        format!(
            "[[budget]]\nname = \"per-{per}\"\nper = \"{per}\"\npeople = {people}\nwindow = \"1d\"\n\
             action = \"block\"\nmode = \"enforce\"\n"
        )
    };
    Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[ledger]\nbytes_max = 1048576\nyoung_sessions_max = 0\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n{route}\n{}{}",
        origin.address,
        budget("session", SESSION_MAX),
        budget("address", ADDRESS_MAX)
    ))
    .await
}

async fn ask(gateway: &Gateway, session: &str, people: std::ops::Range<u32>) -> RawReply {
    let path = format!("/{}", Export::new(Format::Ndjson, Coding::Identity, people).path());
    get(gateway.address, &path, &format!("Cookie: sid={session}\r\n")).await
}

/// More keys in every shard than a ledger of 1 MiB has room for: as a client with a fresh cookie for each request leaves
/// them if they may be made up, else nothing is left for anyone.
fn fill(gateway: &Gateway, fallback: Option<KeyId>) {
    let (ledger, now) = (&gateway.shared().ledger, gateway.shared().clock.now());
    for first in 0..=255 {
        for last in 0..64 {
            let mut id = [0xee; 12];
            (id[0], id[11]) = (first, last);
            let limit = Limit {
                budget: BudgetId(0),
                people: 5,
                window: 86_400,
                excess: Excess::Refused,
                strict: false,
            };
            let minted = KeyUse {
                key: KeyId(id),
                dimension: Dimension::Session,
                elements: Elements::People,
                fallback,
                limits: smallvec![limit],
            };
            let mut account = ledger.open(vec![minted], None, now);
            account.reserve(&[Ask::from_iter([Subject(1)])], now);
            account.hand_over(1, now);
        }
    }
}

const PARTLY: &str = "tidegate_partly_inspected_bytes_total";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_ledger_leaves_the_budget_of_the_address_in_force() {
    let origin = Export::origin().await;
    let gateway = gateway(&origin, "").await;
    assert!(ask(&gateway, "first", 0..1).await.is_whole);
    fill(&gateway, None);
    let before = counted(&gateway, PARTLY, "ledger_full").await;
    let mut people = BTreeSet::new();
    for session in ["a", "b", "c"] {
        people.extend(count_serials(&ask(&gateway, session, 0..1_000).await.body));
    }
    assert_eq!(people.len(), ADDRESS_MAX);
    until("the bytes are told", async || {
        counted(&gateway, PARTLY, "ledger_full").await > before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fresh_cookies_fill_no_ledger_that_others_need() {
    let origin = Export::origin().await;
    let gateway = gateway(&origin, "fail = \"closed\"").await;
    assert!(ask(&gateway, "first", 0..1).await.is_whole);
    fill(&gateway, Some(KeyId([0xdd; 12])));
    let mut people = BTreeSet::new();
    for fresh in 0..8 {
        let reply = ask(&gateway, &format!("fresh-{fresh}"), fresh * 2..fresh * 2 + 2).await;
        people.extend(count_serials(&reply.body));
    }
    assert_eq!(
        people.len(),
        SESSION_MAX,
        "all of them are one session of their address"
    );
    let honest = ask(&gateway, "honest", 0..2).await;
    assert!(honest.status == 200 && honest.is_whole, "{}", honest.head);
    let known = ask(&gateway, "first", 20..24).await;
    assert!(
        known.status == 200 && known.is_whole,
        "a session that counts already goes on"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_with_people_in_heads() {
    let origin = Origin::serve(|request| {
        let person = request.uri.path().trim_start_matches('/').to_owned();
        Answer::new("text/plain", "fine").header(HeaderName::from_static("x-user"), &person)
    })
    .await;
    let gateway = gateway(&origin, "").await;
    let show = async |person: usize| {
        let (path, cookie) = (
            format!("/customer{person}@example.com"),
            format!("Cookie: sid={person}\r\n"),
        );
        get(gateway.address, &path, &cookie).await.status
    };
    assert_eq!(show(0).await, 200);
    fill(&gateway, None);
    let mut given = 1;
    for person in 1..ADDRESS_MAX + 5 {
        given += usize::from(show(person).await == 200);
    }
    assert_eq!(given, ADDRESS_MAX);
}
