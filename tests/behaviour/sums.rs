//! Budgets on bytes, records and answers: what they refuse, and that what they count is told.

use http::StatusCode;
use tidegate::run::{BypassFile, Suspension, write_bypass};

use super::fail_modes::counted;
use crate::support::client::{RawReply, get};
use crate::support::gateway::{Gateway, until};
use crate::support::origin::{Answer, Origin};

/// Bytes of the page that nobody is in.
const PAGE_BYTES: usize = 150_000;

async fn gateway(origin: &Origin, budget: &str) -> Gateway {
    gateway_with(origin, &format!("action = \"block\"\nmode = \"enforce\"\n{budget}")).await
}

async fn gateway_with(origin: &Origin, budget: &str) -> Gateway {
    Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n\
         [[budget]]\nname = \"sum\"\nper = \"session\"\nwindow = \"1h\"\n{budget}\n",
        origin.address
    ))
    .await
}

async fn origin() -> Origin {
    Origin::serve(|request| match request.uri.path() {
        "/page" => Answer::new("text/plain", "tide ".repeat(PAGE_BYTES / 5)),
        "/picture" => {
            let mut noise = vec![0; PAGE_BYTES];
            blake3::Hasher::new().finalize_xof().fill(&mut noise);
            Answer::new("text/plain", noise)
        }
        "/coded" => Answer::new("text/plain", vec![0x1f; 50_000]).header(http::header::CONTENT_ENCODING, "rot13"),
        _ => Answer::new("text/plain", "nothing").status(StatusCode::NOT_FOUND),
    })
    .await
}

async fn ask(gateway: &Gateway, path: &str, session: &str) -> RawReply {
    get(gateway.address, path, &format!("Cookie: sid={session}\r\n")).await
}

#[tokio::test]
async fn a_stream_over_its_bytes_is_cut_and_the_next_is_refused() {
    let origin = origin().await;
    let gateway = gateway(&origin, "bytes = \"200KB\"").await;
    assert!(ask(&gateway, "/page", "a").await.is_whole);
    let second = ask(&gateway, "/page", "a").await;
    assert!(!second.is_whole, "it is over in the middle");
    let given = PAGE_BYTES + second.body.len();
    assert!((200_000..200_000 + (64 << 10) + (64 << 10)).contains(&given), "{given}");
    assert_eq!(ask(&gateway, "/page", "a").await.status, 403);
    assert!(ask(&gateway, "/page", "b").await.is_whole, "another session");
    assert_eq!(
        origin.seen().len(),
        3,
        "what is refused before it is asked for is not asked for"
    );
}

#[tokio::test]
async fn uninspected_bytes_are_a_budget_too() {
    let origin = origin().await;
    let gateway = gateway(&origin, "uninspected = \"90KB\"").await;
    for _ in 0..2 {
        assert_eq!(
            ask(&gateway, "/page", "a").await.status,
            200,
            "what is looked into is free"
        );
        let picture = ask(&gateway, "/picture", "a").await;
        assert!(
            picture.status == 200 && picture.is_whole,
            "what is served may say nothing"
        );
        assert_eq!(ask(&gateway, "/coded", "a").await.status, 200);
    }
    assert_eq!(ask(&gateway, "/coded", "a").await.status, 403);
}

#[tokio::test]
async fn who_guesses_numbers_is_stopped() {
    let origin = origin().await;
    let gateway = gateway(&origin, "not_found = \"50%\"").await;
    for number in 0..20 {
        assert_eq!(ask(&gateway, &format!("/{number}"), "a").await.status, 404);
    }
    assert_eq!(ask(&gateway, "/20", "a").await.status, 403);
    for number in 0..30 {
        let path = if number % 4 == 0 { "/nothing" } else { "/page" };
        assert_ne!(
            ask(&gateway, path, "b").await.status,
            403,
            "honest people meet a dead link now and then"
        );
    }
}

#[tokio::test]
async fn a_sum_that_holds_holds_the_session_on_every_route() {
    let origin = origin().await;
    let budget = "action = \"hold\"\nmode = \"enforce\"\nbytes = \"200KB\"";
    let gateway = gateway_with(&origin, budget).await;
    assert!(ask(&gateway, "/page", "a").await.is_whole);
    assert!(!ask(&gateway, "/page", "a").await.is_whole);
    assert_eq!(gateway.holds().len(), 1);
    let held = ask(&gateway, "/0", "a").await;
    assert!(
        held.status == 403 && String::from_utf8_lossy(&held.body).contains("problem:held"),
        "{}",
        held.head
    );
    assert!(ask(&gateway, "/page", "b").await.is_whole, "another session");
}

#[tokio::test]
async fn a_sum_in_monitor_is_told_and_a_bypass_suspends_one_that_refuses() {
    let origin = origin().await;
    let watched = gateway_with(&origin, "action = \"block\"\nbytes = \"200KB\"").await;
    for _ in 0..4 {
        assert!(ask(&watched, "/page", "a").await.is_whole);
    }
    until("each exchange over it is told", async || {
        counted(&watched, "tidegate_would_refuse_total", "sum").await >= 3
    })
    .await;
    let enforced = gateway(&origin, "bytes = \"200KB\"").await;
    let suspension = Suspension {
        route: None,
        until: enforced.shared().clock.now().second() + 600,
        reason: "the shop is on fire".to_owned(),
        by: "carol".to_owned(),
    };
    let bypass = vec![suspension];
    write_bypass(enforced.state(), &BypassFile { bypass }).expect("a file");
    until("the bypass is in force", async || {
        enforced.shared().bypass().covers("*/", enforced.shared().clock.now())
    })
    .await;
    for _ in 0..4 {
        assert!(ask(&enforced, "/page", "a").await.is_whole);
    }
}
