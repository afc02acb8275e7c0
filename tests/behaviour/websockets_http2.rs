//! WebSocket over HTTP/2 (RFC 8441): an extended CONNECT is inspected message by message as over HTTP/1.1, or refused and counted.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper::ext::Protocol;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::fail_modes::counted;
use super::websockets::{
    ARRIVAL_MAX, Chat, PEOPLE_MAX, counted_under_the_session, fragment, gateway, people_of, read_to_close, record, text,
};
use crate::support::gateway::{Gateway, quoted, until};
use crate::support::origin::{Answer, Origin};
use crate::support::origin_certificates::Origins;

/// How often it is looked whether the settings of the gateway have come.
const LOOK_EVERY: Duration = Duration::from_millis(10);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A connection on which the gateway has said that extended CONNECT may be used.
async fn connect(gateway: &Gateway) -> http2::SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(gateway.address).await.expect("it listens");
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, mut connection) = handshake.expect("an HTTP/2 peer");
    let (told, hears) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        while !connection.is_extended_connect_protocol_enabled() {
            if tokio::time::timeout(LOOK_EVERY, &mut connection).await.is_ok() {
                return;
            }
        }
        told.send(()).ok();
        connection.await.ok();
    });
    sender.ready().await.expect("an open connection");
    tokio::time::timeout(ARRIVAL_MAX, hears)
        .await
        .expect("it is offered")
        .expect("the connection lives");
    sender
}

/// Asks for `protocol` under the session `s`: the status, and the way to what is behind it.
async fn ask(
    gateway: &Gateway,
    sender: &mut http2::SendRequest<Empty<Bytes>>,
    protocol: &'static str,
) -> (StatusCode, OnUpgrade) {
    let request = Request::connect(format!("http://{}/chat", gateway.address))
        .extension(Protocol::from_static(protocol))
        .header("sec-websocket-version", "13")
        .header("sec-websocket-extensions", "permessage-deflate")
        .header("cookie", "sid=s")
        .body(Empty::new())
        .expect("a request");
    let mut answer = sender.send_request(request).await.expect("an answer");
    for name in ["connection", "upgrade", "sec-websocket-accept"] {
        assert!(!answer.headers().contains_key(name), "{name} is none of HTTP/2");
    }
    (answer.status(), hyper::upgrade::on(&mut answer))
}

async fn open(gateway: &Gateway, sender: &mut http2::SendRequest<Empty<Bytes>>) -> Socket {
    let (status, upgrade) = ask(gateway, sender, "websocket").await;
    assert_eq!(status, StatusCode::OK);
    let io = TokioIo::new(upgrade.await.expect("a stream"));
    WebSocketStream::from_raw_socket(io, Role::Client, None).await
}

/// Several on one connection: each is closed alone, under one limit, and the connection lives on.
#[tokio::test]
async fn a_server_that_says_too_much_is_closed_with_1008_and_the_connection_lives_on() {
    let chat = Chat::serve((0..60).map(text).collect()).await;
    let gateway = gateway(&chat, "block", "enforce").await;
    let mut sender = connect(&gateway).await;
    for _ in 0..2 {
        let mut socket = open(&gateway, &mut sender).await;
        let (messages, code) = read_to_close(&mut socket).await;
        assert_eq!((people_of(&messages), code), (vec![0, 1, 2], Some(CloseCode::Policy)));
    }
    assert_eq!(counted_under_the_session(&gateway), PEOPLE_MAX);
    let heads = chat.heads.lock().expect("no test panics while it looks").clone();
    assert!(heads.iter().all(|head| !head.contains_key("sec-websocket-extensions")));
    until("the origin is told", async || {
        chat.closed_with() == Some(CloseCode::Policy)
    })
    .await;
}

#[tokio::test]
async fn fragments_and_what_a_client_says_count() {
    let says = (0..2).flat_map(|number| {
        let record = record(number);
        let last = record.len() - 1;
        let pieces = record.into_bytes().into_iter().enumerate();
        pieces
            .map(move |(at, byte)| fragment(&[byte], at == 0, at == last))
            .collect::<Vec<_>>()
    });
    let chat = Chat::serve(says.collect()).await;
    let gateway = gateway(&chat, "block", "enforce").await;
    let mut sender = connect(&gateway).await;
    let mut socket = open(&gateway, &mut sender).await;
    for _ in 0..2 {
        socket.next().await.expect("a message").expect("a message");
    }
    for number in 10..20 {
        // It may be closed already.
        socket.send(text(number)).await.ok();
    }
    assert_eq!(read_to_close(&mut socket).await.1, Some(CloseCode::Policy));
    until("the origin is told", async || {
        chat.closed_with() == Some(CloseCode::Policy)
    })
    .await;
    assert_eq!(chat.heard_people(), 1, "two were shown, and one more may be");
    assert_eq!(counted_under_the_session(&gateway), PEOPLE_MAX);
}

#[tokio::test]
async fn in_monitor_messages_pass_and_count_and_a_close_is_passed_on() {
    let chat = Chat::serve((0..10).map(text).collect()).await;
    let gateway = gateway(&chat, "block", "monitor").await;
    let mut sender = connect(&gateway).await;
    let mut socket = open(&gateway, &mut sender).await;
    let mut messages = Vec::new();
    for _ in 0..10 {
        messages.push(socket.next().await.expect("a message").expect("a message"));
    }
    assert_eq!(people_of(&messages), (0..10).collect::<Vec<_>>());
    socket.send(Message::text("thank you")).await.expect("it is open");
    socket.close(None).await.expect("it is open");
    read_to_close(&mut socket).await;
    until("all are counted", async || counted_under_the_session(&gateway) == 10).await;
}

/// Any other success would be taken for a switch: it is refused; another status is told as it is.
#[tokio::test]
async fn an_origin_that_does_not_switch_opens_nothing() {
    let origin = Origin::serve(|seen| {
        let answer = Answer::new("text/plain", "no");
        let is_upgrade = seen.headers.contains_key("upgrade");
        answer.status(if is_upgrade {
            StatusCode::OK
        } else {
            StatusCode::NOT_FOUND
        })
    })
    .await;
    for (scheme, expected) in [("http", StatusCode::BAD_GATEWAY), ("h2c", StatusCode::NOT_FOUND)] {
        let gateway = Gateway::start(&format!(
            "[[route]]\nmatch = \"*/\"\nupstream = [\"{scheme}://{}\"]\n",
            origin.address
        ))
        .await;
        let mut sender = connect(&gateway).await;
        assert_eq!(ask(&gateway, &mut sender, "websocket").await.0, expected, "{scheme}");
    }
}

#[tokio::test]
async fn another_protocol_is_refused_and_counted() {
    let chat = Chat::serve(vec![text(0)]).await;
    for mode in ["enforce", "monitor"] {
        let gateway = gateway(&chat, "block", mode).await;
        let mut sender = connect(&gateway).await;
        let heads = chat.heads.lock().expect("no test panics while it looks").len();
        let before = counted(&gateway, "tidegate_heads_refused_total", "connect_protocol").await;
        let (status, _) = ask(&gateway, &mut sender, "webtransport").await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let after = counted(&gateway, "tidegate_heads_refused_total", "connect_protocol").await;
        assert!(after > before);
        assert_eq!(chat.heads.lock().expect("no test panics while it looks").len(), heads);
    }
}

/// An origin that agrees on HTTP/2 is asked for HTTP/1.1 where a WebSocket is wanted.
#[tokio::test]
async fn an_origin_that_speaks_both_versions_is_asked_over_the_one_that_switches() {
    let dir = tempfile::tempdir().expect("a directory");
    let origins = Origins::create(dir.path());
    let chat = Chat::serve_tls((0..60).map(text).collect(), origins.leaf(&["127.0.0.1"])).await;
    let gateway = Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[[route]]\nmatch = \"*/\"\nupstream = [\"https://{}\"]\nca = {}\n\
         [[budget]]\nname = \"limit\"\nper = \"session\"\npeople = {PEOPLE_MAX}\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n",
        chat.address,
        quoted(&origins.ca()),
    ))
    .await;
    let mut sender = connect(&gateway).await;
    let mut socket = open(&gateway, &mut sender).await;
    let (messages, code) = read_to_close(&mut socket).await;
    assert_eq!((people_of(&messages), code), (vec![0, 1, 2], Some(CloseCode::Policy)));
}
