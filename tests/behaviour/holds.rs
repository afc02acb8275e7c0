//! A hold reaches every exchange under its key, whatever it is doing: within a second, and under a bypass too.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate::engine::ledger::Dimension;
use tidegate::run::{BypassFile, Suspension, write_bypass};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::enforcement::{PEOPLE_MAX, gateway, page};
use crate::support::client::{RawReply, get};
use crate::support::export::Export;
use crate::support::gateway::{Gateway, until};
use crate::support::origin::{Origin, Step};

/// Far longer than a hold may take to arrive, far shorter than any other limit.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

/// A gateway with a holding budget before an origin of exports and, under `/raw`, one that does these steps.
async fn holding(steps: Vec<Step>) -> (Gateway, [Origin; 2]) {
    let (exports, raw) = (Export::origin().await, Origin::raw(steps).await);
    let route = format!(
        "[[route]]\nmatch = \"*/raw\"\nupstream = [\"http://{}\"]\n",
        raw.address
    );
    (gateway(&exports, "hold", &route).await, [exports, raw])
}

/// Asks for more people than the budget allows.
async fn be_held(gateway: &Gateway) {
    for people in [0..PEOPLE_MAX, PEOPLE_MAX..PEOPLE_MAX + 1] {
        get(
            gateway.address,
            &format!("/{}", page(people).path()),
            "Cookie: sid=s\r\n",
        )
        .await;
    }
    assert_eq!(gateway.holds().len(), 1);
}

fn never() -> Step {
    Step::Wait(Arc::new(Notify::new()))
}

fn is_held(reply: &RawReply) -> bool {
    reply.status == 403 && String::from_utf8_lossy(&reply.body).contains("problem:held")
}

fn offer() -> &'static [u8] {
    b"GET /raw HTTP/1.1\r\nHost: a\r\nCookie: sid=s\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n"
}

fn switch(fields: &str) -> Step {
    let head = format!("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n{fields}\r\n");
    Step::Write(Bytes::from(head))
}

/// Offers to switch; the connection, behind the first line of the answer.
async fn switching(address: SocketAddr) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.expect("a listening peer");
    stream.write_all(offer()).await.expect("an open peer");
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.expect("a head"));
    }
    (stream, String::from_utf8_lossy(&line).into_owned())
}

#[tokio::test]
async fn a_hold_ends_a_tunnel() {
    let (gateway, _origins) = holding(vec![switch(""), never()]).await;
    let (mut stream, line) = switching(gateway.address).await;
    assert!(line.starts_with("HTTP/1.1 101 "), "{line}");
    be_held(&gateway).await;
    let end = tokio::time::timeout(ARRIVAL_MAX, stream.read_to_end(&mut Vec::new())).await;
    assert!(end.is_ok(), "the tunnel ends");
}

#[tokio::test]
async fn a_hold_answers_who_waits_for_a_head_or_for_the_first_byte() {
    let begun = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"a\":";
    for steps in [vec![never()], vec![Step::Write(Bytes::from_static(begun)), never()]] {
        let (gateway, origins) = holding(steps).await;
        let address = gateway.address;
        let waiting = tokio::spawn(async move { get(address, "/raw", "Cookie: sid=s\r\n").await });
        until("the origin is asked", async || !origins[1].raw_heads().is_empty()).await;
        be_held(&gateway).await;
        let reply = tokio::time::timeout(ARRIVAL_MAX, waiting).await.expect("an end");
        let reply = reply.expect("an answer");
        assert!(is_held(&reply), "{}", reply.head);
    }
}

#[tokio::test]
async fn people_in_the_head_of_a_switch_count() {
    for (fields, status, people) in [
        ("X-A: ann@mail.example\r\nX-B: bob@mail.example\r\n", 101, 2),
        (
            "X-A: ann@mail.example\r\nX-B: bob@mail.example\r\nX-C: cid@mail.example\r\n",
            403,
            0,
        ),
    ] {
        let (gateway, _origins) = holding(vec![switch(fields)]).await;
        let (_stream, line) = switching(gateway.address).await;
        assert!(line.starts_with(&format!("HTTP/1.1 {status} ")), "{line}");
        let [session] = gateway.keys(Dimension::Session).try_into().expect("one session");
        assert_eq!(
            session.people.first().map_or(0, |(_, people)| *people),
            people,
            "{fields}"
        );
    }
}

/// A bypass turns budgets off; a hold stays until it ends or is released.
#[tokio::test]
async fn a_hold_stays_under_a_bypass() {
    let (gateway, _origins) = holding(vec![never()]).await;
    be_held(&gateway).await;
    let suspension = Suspension {
        route: None,
        until: gateway.shared().clock.now().second() + 60,
        reason: "the shop is on fire".to_owned(),
        by: "carol".to_owned(),
    };
    let file = BypassFile {
        bypass: vec![suspension],
    };
    write_bypass(gateway.state(), &file).expect("a file");
    let all = format!("/{}", page(0..5).path());
    // Who asks too early is held: another session each time.
    let mut session = 0;
    until("the bypass is in force", async || {
        session += 1;
        let reply = get(gateway.address, &all, &format!("Cookie: sid=t{session}\r\n")).await;
        reply.status == 200 && reply.is_whole
    })
    .await;
    assert!(is_held(&get(gateway.address, &all, "Cookie: sid=s\r\n").await));
}
