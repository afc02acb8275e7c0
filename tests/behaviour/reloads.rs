//! Holds outlive what made them: a reload that moves, changes or removes budgets ends none, and a hold without room falls on a coarser key.

use tidegate::engine::ledger::Dimension;
use tidegate::run::{Origin as Configuration, load};

use crate::support::client::{RawReply, get};
use crate::support::coding::Coding;
use crate::support::export::Export;
use crate::support::gateway::{Gateway, quoted};
use crate::support::origin::Origin;
use crate::support::people::{Format, count_serials};

fn route(origin: &Origin, more: &str) -> String {
    format!(
        "[identity]\nsources = [\"cookie:sid\"]\n{more}\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n",
        origin.address
    )
}

fn budget(name: &str, action: &str) -> String {
    format!(
        "[[budget]]\nname = \"{name}\"\nper = \"session\"\npeople = 2\nwindow = \"1d\"\naction = \"{action}\"\nmode = \"enforce\"\n"
    )
}

async fn ask(gateway: &Gateway, session: &str, people: std::ops::Range<u32>) -> RawReply {
    let path = format!("/{}", Export::new(Format::Ndjson, Coding::Identity, people).path());
    get(gateway.address, &path, &format!("Cookie: sid={session}\r\n")).await
}

async fn is_held(gateway: &Gateway, session: &str) -> bool {
    let reply = ask(gateway, session, 0..1).await;
    reply.status == 403 && String::from_utf8_lossy(&reply.body).contains("problem:held")
}

/// Puts another configuration in force, as a reload does.
fn reload(gateway: &Gateway, text: &str) {
    let text = format!(
        "[listen.shop]\naddress = \"127.0.0.1:0\"\n[state]\ndir = {}\n{text}",
        quoted(gateway.state())
    );
    let origin = Configuration {
        path: None,
        text,
        variables: Vec::new(),
        reader: None,
    };
    let loaded = load(&origin, gateway.shared().clock.now(), 2).unwrap_or_else(|error| panic!("{error}"));
    gateway.shared().replace(loaded.set);
}

/// What the admin address says set the holds.
async fn causes(gateway: &Gateway) -> Vec<String> {
    let token = format!("Authorization: Bearer {}\r\n", Gateway::RELEASER);
    let reply = get(gateway.admin, "/api/v1/holds", &token).await;
    let holds: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    let holds = holds["holds"].as_array().expect("a list");
    let cause = |hold: &serde_json::Value| hold["cause"].as_str().expect("a name").to_owned();
    holds.iter().map(cause).collect()
}

#[tokio::test]
async fn a_reload_that_reorders_budgets_ends_no_hold() {
    let origin = Export::origin().await;
    let route = route(&origin, "");
    let held = budget("held", "hold");
    let gateway = Gateway::start(&format!("{route}{held}")).await;
    assert!(!ask(&gateway, "s", 0..5).await.is_whole);
    assert!(is_held(&gateway, "s").await);

    reload(&gateway, &format!("{route}{}{held}", budget("another", "reauth")));
    for _ in 0..2 {
        assert!(is_held(&gateway, "s").await);
    }
    assert_eq!(causes(&gateway).await, ["held"]);

    reload(&gateway, &format!("{route}{}", budget("another", "reauth")));
    for _ in 0..2 {
        assert!(is_held(&gateway, "s").await, "although its budget is no more");
    }
    assert_eq!(causes(&gateway).await, ["removed"]);
    assert_eq!(ask(&gateway, "free", 0..1).await.status, 200);
}

#[tokio::test]
async fn past_holds_max_a_hold_falls_on_the_address() {
    let origin = Export::origin().await;
    let route = route(&origin, "[ledger]\nholds_max = 1\n");
    let gateway = Gateway::start(&format!("{route}{}", budget("held", "hold"))).await;
    for session in ["a", "b"] {
        assert!(!is_held(&gateway, session).await);
        let cut = ask(&gateway, session, 0..5).await;
        assert_eq!((cut.is_whole, count_serials(&cut.body).len()), (false, 2), "{session}");
    }
    for session in ["a", "b", "c"] {
        assert!(is_held(&gateway, session).await, "{session}");
    }
    let dimensions: Vec<Dimension> = gateway.holds().iter().map(|held| held.dimension).collect();
    assert!(
        dimensions.len() == 2 && dimensions.contains(&Dimension::Address),
        "{dimensions:?}"
    );
    assert_eq!(causes(&gateway).await, ["held", "held"]);
    let token = format!("Authorization: Bearer {}\r\n", Gateway::RELEASER);
    let metrics = get(gateway.admin, "/metrics", &token).await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("tidegate_limit_hits_total{limit=\"holds_max\"}"));
}
