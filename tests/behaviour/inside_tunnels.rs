//! What clients speak inside a tunnel whose TLS is opened, beside requests: WebSocket; and what their TLS tells of them.

use http::Request;
use tidegate::engine::ledger::Dimension;
use tidegate::tls::Authority;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::forward::{BUDGET, LOOPBACK, Way, connect, listener};
use super::websockets::{Chat, PEOPLE_MAX, people_of, read_to_close, text};
use crate::support::client::{Tls, exchange};
use crate::support::gateway::{Gateway, quoted, until};
use crate::support::origin_certificates::Origins;
use crate::support::people::{Format, body};

#[tokio::test]
async fn a_websocket_inside_is_closed_at_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let origins = Origins::create(&dir.path().join("origins"));
    let chat = Chat::serve_tls((0..60).map(text).collect(), origins.leaf(&["localhost"])).await;
    Authority::create(&dir.path().join("ours")).unwrap();
    let budget = BUDGET.replace("people = 20", &format!("people = {PEOPLE_MAX}"));
    let settings = format!("authority = {}\n{LOOPBACK}\n{budget}", quoted(&dir.path().join("ours")));
    let gateway = Gateway::start(&listener(dir.path(), chat.address.port(), &settings)).await;
    let target = format!("localhost:{}", chat.address.port());
    let (status, tunnel) = connect(gateway.listener("out"), &target, "").await;
    assert_eq!(status, 200);
    let ours = Tls::trusting(&dir.path().join("ours/authority.pem"));
    let tls = ours.over(tunnel, "localhost").await.unwrap();
    let request = Request::get(format!("wss://{target}/chat"))
        .header("host", &target)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .unwrap();
    let (mut socket, _) = client_async(request, tls).await.unwrap();
    let (messages, code) = read_to_close(&mut socket).await;
    assert_eq!((people_of(&messages), code), (vec![0, 1, 2], Some(CloseCode::Policy)));
    until("the origin is told", async || {
        chat.closed_with() == Some(CloseCode::Policy)
    })
    .await;
}

/// By the fingerprint of its hello, which is read before anything is answered.
#[tokio::test]
async fn software_is_known_by_the_hello_that_it_sends_inside() {
    let budget = BUDGET.replace("per = \"address\"", "per = \"ja4\"\naccept_outage = true");
    let way = Way::opened(&budget).await;
    for protocols in [&[b"http/1.1".as_slice()][..], &[b"http/1.1".as_slice()], &[]] {
        let tls = way.tls("localhost", "ours", protocols).await.unwrap();
        let sent = body(Format::Json, 0..5);
        let head = format!(
            "POST /in HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            way.port(),
            sent.len()
        );
        assert_eq!(exchange(tls, &[head.as_bytes(), &sent].concat()).await.status, 200);
    }
    let keys = way.gateway.keys(Dimension::Ja4);
    let mut people: Vec<u32> = keys
        .iter()
        .map(|key| key.people.first().map_or(0, |one| one.1))
        .collect();
    people.retain(|people| *people > 0);
    assert_eq!(people, [5, 5], "two programs, of one of which two connections");
}
