//! Each row of the table of actions, as a client sees it: what is given, what is refused, and in which words.

use bytes::Bytes;
use tidegate::engine::ledger::Dimension;
use tidegate::run::{BypassFile, Suspension, secret, write_bypass};
use tokio::sync::mpsc;

use crate::support::client::{End, H2, RawReply, get, http1};
use crate::support::coding::Coding;
use crate::support::export::Export;
use crate::support::gateway::{Gateway, quoted, until};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, count_serials};

/// Two people are let through, whatever the action.
pub(super) const PEOPLE_MAX: u32 = 2;

fn route(origin: &Origin) -> String {
    format!(
        "[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nreads = [\"POST /search\"]\n",
        origin.address
    )
}

fn budget(per: &str, action: &str) -> String {
    let window = if per == "exchange" { "" } else { "window = \"1d\"\n" };
    format!(
        "[[budget]]\nname = \"limit\"\nper = \"{per}\"\npeople = {PEOPLE_MAX}\n{window}mode = \"enforce\"\naction = \"{action}\"\n"
    )
}

/// A gateway with one budget per session.
pub(super) async fn gateway(origin: &Origin, action: &str, more: &str) -> Gateway {
    let (route, budget) = (route(origin), budget("session", action));
    Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n{route}{budget}{more}"
    ))
    .await
}

pub(super) fn page(people: std::ops::Range<u32>) -> Export {
    Export::new(Format::Ndjson, Coding::Identity, people)
}

/// These people, asked for by this session.
async fn ask(gateway: &Gateway, session: &str, people: std::ops::Range<u32>) -> RawReply {
    let path = format!("/{}", page(people).path());
    get(gateway.address, &path, &format!("Cookie: sid={session}\r\n")).await
}

pub(super) fn people_in(body: &[u8]) -> Vec<u32> {
    count_serials(body).into_iter().collect()
}

#[tokio::test]
async fn an_alert_changes_nothing_and_counts() {
    let origin = Export::origin().await;
    let gateway = gateway(&origin, "alert", "").await;
    for coding in Coding::ALL {
        let export = Export::new(Format::Json, coding, 0..10);
        let path = format!("/{}", export.path());
        let reply = get(gateway.address, &path, "Cookie: sid=a\r\nAccept-Encoding: br\r\n").await;
        assert!(
            reply.status == 200 && reply.is_whole && reply.body == export.wire(),
            "{coding:?}"
        );
        assert_eq!(reply.header("content-encoding"), coding.name());
        assert_eq!(reply.header("cache-control"), None);
    }
    assert_eq!(gateway.keys(Dimension::Session)[0].people, [(86_400, 10)]);
}

#[tokio::test]
async fn a_throttle_is_free_then_paced_and_known_people_cost_nothing() {
    let origin = Export::origin().await;
    let slow = gateway(&origin, "throttle", "to = \"1/h\"\n").await;
    // Two are free, a third is the burst.
    for person in 0..3 {
        assert_eq!(ask(&slow, "s", person..person + 1).await.status, 200, "{person}");
    }
    let refused = ask(&slow, "s", 3..4).await;
    assert_eq!(
        (refused.status, refused.header("content-type")),
        (429, Some("application/problem+json"))
    );
    let seconds: u32 = refused
        .header("retry-after")
        .and_then(|s| s.parse().ok())
        .expect("seconds");
    assert!((1..=3_600).contains(&seconds), "{seconds}");
    let known = ask(&slow, "s", 0..3).await;
    assert!(known.status == 200 && known.is_whole && known.body == page(0..3).plain());
    // After the head the wait is a visible truncation.
    let cut = ask(&slow, "s", 1..5).await;
    assert_eq!(
        (cut.status, cut.is_whole, people_in(&cut.body)),
        (200, false, vec![1, 2])
    );

    let paced = gateway(&origin, "throttle", "to = \"50/s\"\n").await;
    let whole = ask(&paced, "s", 0..12).await;
    assert!(
        whole.status == 200 && whole.is_whole && whole.body == page(0..12).plain(),
        "a short wait is waited"
    );
}

#[tokio::test]
async fn reauth_asks_for_a_login_and_expires_the_cookie() {
    let origin = Export::origin().await;
    let gateway = gateway(&origin, "reauth", "").await;
    let assert_asked = |reply: &RawReply| {
        assert_eq!(reply.status, 401, "{}", reply.head);
        assert_eq!(reply.header("set-cookie"), Some("sid=; Max-Age=0; Path=/"));
        assert!(reply.header("www-authenticate").is_some());
        assert!(people_in(&reply.body).is_empty());
    };
    assert!(ask(&gateway, "before", 0..2).await.is_whole);
    assert_asked(&ask(&gateway, "before", 2..3).await);
    // Asked in the answer itself, so not once more.
    assert_eq!(ask(&gateway, "before", 0..1).await.status, 200);

    let cut = ask(&gateway, "after", 0..5).await;
    assert_eq!(
        (cut.status, cut.is_whole, people_in(&cut.body)),
        (200, false, vec![0, 1])
    );
    assert_asked(&ask(&gateway, "after", 0..1).await);
    assert_eq!(ask(&gateway, "after", 0..1).await.status, 200, "asked once");

    let h2 = H2::connect(gateway.address).await;
    let path = format!("/{}", page(0..5).path());
    let cut = h2.get(&path, &[("cookie", "sid=after-h2")]).await;
    assert_eq!((cut.status, cut.end), (200, End::Reset(h2::Reason::CANCEL)));
    assert_asked(&ask(&gateway, "after-h2", 0..1).await);
}

#[tokio::test]
async fn a_block_before_the_head_speaks_the_language_of_the_client() {
    let origin = Export::origin().await;
    let gateway = gateway(&origin, "block", "").await;
    assert!(ask(&gateway, "s", 0..2).await.is_whole);
    for format in crate::support::people::FORMATS {
        let path = format!("/{}", Export::new(format, Coding::Identity, 2..9).path());
        let problem = get(gateway.address, &path, "Cookie: sid=s\r\n").await;
        assert_eq!(problem.status, 403, "{format:?}");
        assert_eq!(problem.header("content-type"), Some("application/problem+json"));
        assert_eq!(problem.header("cache-control"), Some("no-store"));
        let body: serde_json::Value = serde_json::from_slice(&problem.body).expect("JSON");
        assert_eq!(
            (&body["status"], &body["type"]),
            (&403.into(), &"urn:tidegate:problem:blocked".into())
        );
    }
    let path = format!("/{}", page(2..3).path());
    let html = get(gateway.address, &path, "Cookie: sid=s\r\nAccept: text/html, */*\r\n").await;
    assert_eq!(
        (html.status, html.header("content-type")),
        (403, Some("text/html; charset=utf-8"))
    );
    assert!(html.body.starts_with(b"<!doctype html>") && people_in(&html.body).is_empty());
    let h2 = H2::connect(gateway.address).await;
    let grpc = h2
        .get(&path, &[("cookie", "sid=s"), ("content-type", "application/grpc")])
        .await;
    assert_eq!((grpc.status, grpc.headers["grpc-status"].as_bytes()), (200, &b"7"[..]));
    assert!(grpc.body.is_empty() && grpc.end == End::Whole);
}

/// An origin that feeds `/live` from the test and answers exports.
async fn live_origin() -> (Origin, mpsc::Sender<Bytes>) {
    let (chunks, fed) = mpsc::channel(4);
    let fed = std::sync::Mutex::new(Some(fed));
    let origin = Origin::serve(move |request| {
        if request.uri.path() == "/live" {
            let fed = fed.lock().expect("no panic").take().expect("asked once");
            return Answer::fed("application/x-ndjson", fed);
        }
        Export::of_path(request.uri.path()).answer()
    })
    .await;
    (origin, chunks)
}

#[tokio::test]
async fn a_block_half_way_is_seen_and_ends_one_stream_only() {
    let (origin, chunks) = live_origin().await;
    let gateway = gateway(&origin, "block", "").await;
    let cut = ask(&gateway, "h1", 0..5).await;
    assert_eq!(
        (cut.status, cut.is_whole, people_in(&cut.body)),
        (200, false, vec![0, 1])
    );
    assert!(
        cut.wire.ends_with(b"\n\r\n") && !cut.wire.ends_with(b"0\r\n\r\n"),
        "no last chunk"
    );

    let h2 = H2::connect(gateway.address).await;
    let other = h2.clone();
    let live = tokio::spawn(async move { other.get("/live", &[("cookie", "sid=h2")]).await });
    let first = Bytes::from_static(b"{\"tide\":\"in\"}\n");
    chunks.send(first.clone()).await.expect("asked");
    let path = format!("/{}", page(0..5).path());
    let cut = h2.get(&path, &[("cookie", "sid=h2")]).await;
    assert_eq!(
        (cut.status, cut.end, people_in(&cut.body)),
        (200, End::Reset(h2::Reason::CANCEL), vec![0, 1])
    );
    chunks.send(first.clone()).await.expect("the other stream lives");
    drop(chunks);
    let live = live.await.expect("an answer");
    assert_eq!(
        (live.status, live.end, live.body),
        (200, End::Whole, [first.clone(), first].concat())
    );
    let known = h2
        .get(&format!("/{}", page(0..2).path()), &[("cookie", "sid=h2")])
        .await;
    assert_eq!(
        (known.status, known.end),
        (200, End::Whole),
        "the connection lives, and known people may be read"
    );
}

/// A body that ends with its connection has no other way to show that it is not whole.
#[tokio::test]
async fn over_http10_a_cut_is_a_reset() {
    let (origin, chunks) = live_origin().await;
    let gateway = gateway(&origin, "block", "").await;
    let request = "GET /live HTTP/1.0\r\nHost: shop.example\r\nCookie: sid=s\r\n\r\n";
    let address = gateway.address;
    let asking = tokio::spawn(async move { http1(address, request.as_bytes()).await });
    chunks.send(page(0..5).plain().into()).await.expect("asked");
    let reply = asking.await.expect("an answer");
    assert_eq!(
        (reply.status, reply.is_whole, reply.header("content-length")),
        (200, false, None)
    );
    assert_eq!(people_in(&reply.body), [0, 1]);
}

#[tokio::test]
async fn a_hold_refuses_everything_until_it_is_released() {
    let (origin, chunks) = live_origin().await;
    let gateway = gateway(&origin, "hold", "hold_for = \"15m\"\n").await;
    let h2 = H2::connect(gateway.address).await;
    let other = h2.clone();
    let live = tokio::spawn(async move { other.get("/live", &[("cookie", "sid=held")]).await });
    chunks
        .send(Bytes::from_static(b"{\"tide\":\"in\"}\n"))
        .await
        .expect("asked");

    assert!(ask(&gateway, "held", 0..2).await.is_whole);
    assert_eq!(ask(&gateway, "held", 2..3).await.status, 403);
    let live = live.await.expect("an answer");
    assert_eq!(live.end, End::Reset(h2::Reason::CANCEL), "a live stream is cut");
    let seen = origin.seen().len();
    for people in [0..1, 7..8] {
        let refused = ask(&gateway, "held", people).await;
        assert_eq!(refused.status, 403);
        assert!(String::from_utf8_lossy(&refused.body).contains("problem:held"));
    }
    assert_eq!(origin.seen().len(), seen, "refused before it reaches the upstream");
    assert_eq!(ask(&gateway, "free", 0..1).await.status, 200);

    let [hold] = gateway.holds().try_into().expect("one hold");
    let body = r#"{"people":3,"for":"1h","reason":"recall of lot 7"}"#;
    let post = format!(
        "POST /api/v1/holds/{}/release HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        hold.key,
        gateway.admin,
        Gateway::RELEASER,
        body.len(),
    );
    let released = http1(gateway.admin, post.as_bytes()).await;
    assert_eq!(released.status, 200, "{}", String::from_utf8_lossy(&released.body));
    let reply = ask(&gateway, "held", 0..5).await;
    assert!(
        reply.is_whole && people_in(&reply.body) == [0, 1, 2, 3, 4],
        "two and the three that were allowed"
    );
    assert_eq!(ask(&gateway, "held", 5..6).await.status, 403);
    assert_eq!(gateway.holds().len(), 1, "and the next is held again");
}

/// The stream for which a key is held ends as with a block: what was granted arrives, to the byte.
#[tokio::test]
async fn the_stream_that_is_held_for_is_given_its_limit() {
    let origin = Export::origin().await;
    let gateway = gateway(&origin, "hold", "").await;
    let first = ask(&gateway, "s", 0..5).await;
    assert_eq!(
        (first.status, first.is_whole, people_in(&first.body)),
        (200, false, vec![0, 1])
    );
    assert_eq!(ask(&gateway, "s", 0..1).await.status, 403, "and then it is held");
    let [session] = gateway.keys(Dimension::Session).try_into().expect("one session");
    assert_eq!(session.people.as_slice(), &[(86_400, PEOPLE_MAX)]);
}

/// The hold begins while the origin still thinks: the stream must not slip past both looks.
#[tokio::test]
async fn a_hold_that_begins_before_the_head_is_not_missed() {
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let body = page(0..1).plain();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let answer = [head.into_bytes(), body].concat();
    let steps = vec![
        crate::support::origin::Step::Wait(std::sync::Arc::clone(&gate)),
        crate::support::origin::Step::Write(answer.into()),
    ];
    let (slow, quick) = (Origin::raw(steps).await, Export::origin().await);
    let slow_route = format!(
        "[[route]]\nmatch = \"*/slow\"\nupstream = [\"http://{}\"]\n",
        slow.address
    );
    let gateway = gateway(&quick, "hold", &slow_route).await;
    let address = gateway.address;
    let waiting = tokio::spawn(async move { get(address, "/slow", "Cookie: sid=s\r\n").await });
    until("the slow origin is asked", async || !slow.raw_heads().is_empty()).await;
    assert_eq!(ask(&gateway, "s", 0..2).await.status, 200);
    assert_eq!(ask(&gateway, "s", 2..3).await.status, 403);
    gate.notify_one();
    let reply = waiting.await.expect("an answer");
    assert!(
        people_in(&reply.body).is_empty() && (reply.status == 403 || !reply.is_whole),
        "{}",
        reply.head
    );
}

/// Keys that a file lists, under the hash key of the gateway.
fn partners(names: &[&str]) -> (tempfile::TempDir, String) {
    let state = tempfile::tempdir().expect("a directory");
    let key = secret(state.path()).expect("a hash key");
    let lines = names.iter().map(|name| {
        let hash = tidegate::identity::listed_key_hash(&key, format!("key-of-{name}").as_bytes());
        format!("{hash} {name}\n")
    });
    let file = state.path().join("partners.keys");
    std::fs::write(&file, lines.collect::<String>()).expect("a file of keys");
    let identity = format!(
        "[identity]\nsources = [\"cookie:sid\", \"header:x-api-key\"]\n[identity.group]\npartner = {{ api_keys = {} }}\n",
        quoted(&file)
    );
    (state, identity)
}

#[tokio::test]
async fn an_allowance_is_for_its_group_and_comes_first() {
    let origin = Export::origin().await;
    let (state, identity) = partners(&["acme"]);
    let text = format!(
        "{identity}{}[[route]]\nmatch = \"GET */nightly\"\nupstream = [\"http://{}\"]\n\
         allow = {{ group = \"partner\", people_per_day = 5 }}\n{}",
        route(&origin),
        origin.address,
        budget("session", "block")
    );
    let gateway = Gateway::start_in(state, &text).await;
    let nightly = format!("/nightly/{}", page(0..20).path());
    let partner = get(gateway.address, &nightly, "X-Api-Key: key-of-acme\r\n").await;
    assert_eq!(
        people_in(&partner.body),
        (0..7).collect::<Vec<_>>(),
        "five allowed, then its own two"
    );
    let stranger = get(gateway.address, &nightly, "X-Api-Key: key-of-nobody\r\n").await;
    assert_eq!(people_in(&stranger.body), [0, 1]);
    let elsewhere = get(
        gateway.address,
        &format!("/{}", page(30..40).path()),
        "X-Api-Key: key-of-acme\r\n",
    )
    .await;
    assert_eq!(elsewhere.status, 403, "the allowance is for one route");
}

#[tokio::test]
async fn an_exception_widens_one_budget_for_one_principal_until_it_expires() {
    let origin = Export::origin().await;
    let (state, identity) = partners(&["acme", "beta", "gone"]);
    let exception = |name: &str, expires: &str| {
        format!(
            "[[exception]]\nbudget = \"limit\"\nprincipal = \"api-key:{name}\"\npeople = 6\nowner = \"lead@shop.example\"\n\
             reason = \"recall\"\nexpires = \"{expires}\"\n"
        )
    };
    let (acme, gone) = (exception("acme", "2099-12-31"), exception("gone", "2020-01-01"));
    let text = format!(
        "{identity}{}{}{acme}{gone}",
        route(&origin),
        budget("principal", "block")
    );
    let gateway = Gateway::start_in(state, &text).await;
    for (name, people) in [("acme", 6), ("beta", 2), ("gone", 2), ("nobody", 2)] {
        let path = format!("/{}", page(0..20).path());
        let reply = get(gateway.address, &path, &format!("X-Api-Key: key-of-{name}\r\n")).await;
        assert_eq!(people_in(&reply.body).len(), people, "{name}");
    }
}

#[tokio::test]
async fn a_percentage_enforces_for_nobody_and_for_all() {
    let origin = Export::origin().await;
    for (percent, is_whole) in [("0", true), ("100", false)] {
        let budget = budget("session", "block").replace("\"enforce\"", &format!("\"enforce:{percent}%\""));
        let text = format!("[identity]\nsources = [\"cookie:sid\"]\n{}{budget}", route(&origin));
        let gateway = Gateway::start(&text).await;
        for session in 0..8 {
            let reply = ask(&gateway, &format!("s{session}"), 0..5).await;
            assert_eq!(reply.is_whole, is_whole, "{percent}");
        }
    }
}

#[tokio::test]
async fn a_bypass_suspends_enforcement_and_ends_by_itself() {
    let origin = Export::origin().await;
    let gateway = gateway(&origin, "block", "").await;
    assert!(!ask(&gateway, "s", 0..5).await.is_whole);
    let suspension = Suspension {
        route: Some("*/".to_owned()),
        until: gateway.shared().clock.now().second() + 4,
        reason: "the shop is on fire".to_owned(),
        by: "carol".to_owned(),
    };
    let file = BypassFile {
        bypass: vec![suspension],
    };
    write_bypass(gateway.state(), &file).expect("a file");
    until("the bypass is in force", async || {
        ask(&gateway, "s", 0..5).await.is_whole
    })
    .await;
    // Whoever was shown in the meantime is known: another session each time.
    let mut session = 0;
    until("the bypass is over", async || {
        session += 1;
        !ask(&gateway, &format!("t{session}"), 10..15).await.is_whole
    })
    .await;
}
