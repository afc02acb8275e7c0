//! WebSocket: messages of both sides count, however they are framed, and a limit ends with a close frame of code 1008.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Request};
use tidegate::cli::demo::people::{count_serials, person};
use tidegate::engine::ledger::Dimension;
use tidegate::tls::{Acceptor, CertificateFiles};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::server::{Request as Asked, Response as Answered};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

use super::fail_modes::counted;
use crate::support::client::http1;
use crate::support::gateway::{Gateway, until};
use crate::support::origin::{Origin, Step};
use crate::support::people::Format;

/// People that a session may see.
pub(super) const PEOPLE_MAX: u32 = 3;
/// How long a peer may wait for what surely comes.
pub(super) const ARRIVAL_MAX: Duration = Duration::from_secs(20);

/// An origin that sends what it was given to each who connects, and keeps what it is sent.
pub(super) struct Chat {
    pub(super) address: std::net::SocketAddr,
    heard: Arc<Mutex<Vec<Message>>>,
    pub(super) heads: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Chat {
    pub(super) async fn serve(says: Vec<Message>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let chat = Self {
            address: listener.local_addr().expect("an address"),
            heard: Arc::default(),
            heads: Arc::default(),
        };
        let (heard, heads) = (Arc::clone(&chat.heard), Arc::clone(&chat.heads));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, says.clone(), Arc::clone(&heard), Arc::clone(&heads)));
            }
        });
        chat
    }

    /// The same over TLS, with a certificate for `name`, to those who agree on HTTP/1.1.
    pub(super) async fn serve_tls(says: Vec<Message>, files: Vec<CertificateFiles>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let chat = Self {
            address: listener.local_addr().expect("an address"),
            heard: Arc::default(),
            heads: Arc::default(),
        };
        let (heard, heads) = (Arc::clone(&chat.heard), Arc::clone(&chat.heads));
        let acceptor = Acceptor::new(files).expect("certificates");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok((stream, facts, ..)) = acceptor.accept(stream).await else {
                    continue;
                };
                if !facts.is_h2 {
                    tokio::spawn(converse(stream, says.clone(), Arc::clone(&heard), Arc::clone(&heads)));
                }
            }
        });
        chat
    }

    pub(super) fn heard_people(&self) -> usize {
        let heard = self.heard.lock().expect("no test panics while it looks");
        let texts: Vec<u8> = heard.iter().flat_map(|message| message.clone().into_data()).collect();
        count_serials(&texts).len()
    }

    pub(super) fn closed_with(&self) -> Option<CloseCode> {
        let heard = self.heard.lock().expect("no test panics while it looks");
        let frames = heard.iter().filter_map(|message| {
            let Message::Close(frame) = message else { return None };
            frame.as_ref()
        });
        frames.map(|frame| frame.code).next()
    }
}

async fn converse<S>(stream: S, says: Vec<Message>, heard: Arc<Mutex<Vec<Message>>>, heads: Arc<Mutex<Vec<HeaderMap>>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    #[expect(clippy::result_large_err, reason = "the library's callback")]
    let note = |asked: &Asked, answer: Answered| {
        heads
            .lock()
            .expect("no test panics while it looks")
            .push(asked.headers().clone());
        Ok(answer)
    };
    let Ok(mut socket) = accept_hdr_async(stream, note).await else {
        return;
    };
    for message in says {
        if socket.send(message).await.is_err() {
            break;
        }
    }
    while let Some(Ok(message)) = socket.next().await {
        heard.lock().expect("no test panics while it looks").push(message);
    }
}

pub(super) async fn gateway(chat: &Chat, action: &str, mode: &str) -> Gateway {
    gateway_with(chat, action, mode, "").await
}

/// The same with other settings of the one budget.
pub(super) async fn gateway_with(chat: &Chat, action: &str, mode: &str, rest: &str) -> Gateway {
    Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n\
         [[budget]]\nname = \"limit\"\nper = \"session\"\npeople = {PEOPLE_MAX}\nwindow = \"1d\"\naction = \"{action}\"\n\
         mode = \"{mode}\"\n{rest}\n",
        chat.address
    ))
    .await
}

type Socket = WebSocketStream<TcpStream>;

async fn connect(gateway: &Gateway) -> Socket {
    let stream = TcpStream::connect(gateway.address).await.expect("it listens");
    let request = Request::get(format!("ws://{}/chat", gateway.address))
        .header("host", "shop.example")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("cookie", "sid=s")
        .body(())
        .expect("a request");
    client_async(request, stream).await.expect("a handshake").0
}

/// Everything until the end, and the code of the close frame.
pub(super) async fn read_to_close<S>(socket: &mut WebSocketStream<S>) -> (Vec<Message>, Option<CloseCode>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut read = Vec::new();
    let all = async {
        while let Some(message) = socket.next().await {
            match message {
                Ok(Message::Close(frame)) => return frame.map(|frame| frame.code),
                Ok(message) => read.push(message),
                Err(Error::ConnectionClosed) => return None,
                Err(error) => panic!("{error}"),
            }
        }
        None
    };
    let code = tokio::time::timeout(ARRIVAL_MAX, all).await.expect("an end");
    (read, code)
}

pub(super) fn record(number: u32) -> String {
    Format::Ndjson.record(&person(number), true)
}

pub(super) fn text(number: u32) -> Message {
    Message::text(record(number))
}

pub(super) fn people_of(messages: &[Message]) -> Vec<u32> {
    let texts: Vec<u8> = messages
        .iter()
        .flat_map(|message| message.clone().into_data())
        .collect();
    count_serials(&texts).into_iter().collect()
}

pub(super) fn counted_under_the_session(gateway: &Gateway) -> u32 {
    gateway.keys(Dimension::Session)[0].people[0].1
}

pub(super) fn fragment(bytes: &[u8], is_first: bool, is_last: bool) -> Message {
    let kind = if is_first { Data::Text } else { Data::Continue };
    Message::Frame(Frame::message(
        Bytes::copy_from_slice(bytes),
        OpCode::Data(kind),
        is_last,
    ))
}

/// 60 people, one a message, and nobody after the limit; the same people again cost nothing.
#[tokio::test]
async fn a_server_that_says_too_much_is_closed_with_1008() {
    let chat = Chat::serve((0..60).map(text).collect()).await;
    let gateway = gateway(&chat, "block", "enforce").await;
    for _ in 0..2 {
        let mut socket = connect(&gateway).await;
        let (messages, code) = read_to_close(&mut socket).await;
        assert_eq!((people_of(&messages), code), (vec![0, 1, 2], Some(CloseCode::Policy)));
    }
    assert_eq!(counted_under_the_session(&gateway), PEOPLE_MAX);
    until("the origin is told", async || {
        chat.closed_with() == Some(CloseCode::Policy)
    })
    .await;
}

/// A message of many people is cut at the last who is allowed, between two frames.
#[tokio::test]
async fn a_message_of_many_people_is_cut_at_the_limit() {
    let all: String = (0..60).map(record).collect();
    for message in [Message::text(all.clone()), Message::binary(all.clone())] {
        let chat = Chat::serve(vec![message]).await;
        let gateway = gateway(&chat, "block", "enforce").await;
        let mut stream = TcpStream::connect(gateway.address).await.expect("it listens");
        let offer = "GET /chat HTTP/1.1\r\nHost: shop.example\r\nCookie: sid=s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(offer.as_bytes()).await.expect("it reads");
        let mut wire = Vec::new();
        let read = tokio::time::timeout(ARRIVAL_MAX, stream.read_to_end(&mut wire)).await;
        read.expect("an end").expect("no reset");
        assert_eq!(count_serials(&wire).len(), PEOPLE_MAX as usize);
        let close = [&[0x88, 37, 3, 0xf0][..], b"refused by a data protection policy"].concat();
        assert!(wire.ends_with(&close), "{:?}", wire.escape_ascii().to_string());
    }
}

/// One byte a frame, with pings between them.
#[tokio::test]
async fn a_value_in_fragments_counts() {
    let mut says = Vec::new();
    for number in 0..10 {
        let record = record(number);
        for at in 0..record.len() {
            says.push(fragment(&record.as_bytes()[at..=at], at == 0, at + 1 == record.len()));
            if at % 50 == 7 {
                says.push(Message::Ping(Bytes::from_static(b"are you there")));
            }
        }
    }
    let chat = Chat::serve(says).await;
    let gateway = gateway(&chat, "block", "enforce").await;
    let (messages, code) = read_to_close(&mut connect(&gateway).await).await;
    assert_eq!((people_of(&messages), code), (vec![0, 1, 2], Some(CloseCode::Policy)));
    assert!(messages.iter().any(Message::is_ping), "control frames pass between");
}

/// What a client sends counts under the same keys.
#[tokio::test]
async fn a_client_that_says_too_much_is_closed_too() {
    let chat = Chat::serve(vec![text(0)]).await;
    let gateway = gateway(&chat, "redact", "enforce").await;
    let mut socket = connect(&gateway).await;
    for number in 0..10 {
        // It may be closed already.
        socket.send(text(number)).await.ok();
    }
    let (messages, code) = read_to_close(&mut socket).await;
    assert_eq!((people_of(&messages), code), (vec![0], Some(CloseCode::Policy)));
    until("the origin is told", async || {
        chat.closed_with() == Some(CloseCode::Policy)
    })
    .await;
    assert_eq!(chat.heard_people(), PEOPLE_MAX as usize);
    assert_eq!(counted_under_the_session(&gateway), PEOPLE_MAX);
}

/// Where a budget counts requests, what a client sends counts under it, and what it is shown does not.
#[tokio::test]
async fn what_a_client_says_counts_under_budgets_of_requests() {
    let chat = Chat::serve((100..110).map(text).collect()).await;
    for action in ["block", "redact"] {
        let gateway = gateway_with(&chat, action, "enforce", "direction = \"requests\"").await;
        let mut socket = connect(&gateway).await;
        let mut shown = Vec::new();
        for _ in 0..10 {
            shown.push(socket.next().await.expect("a message").expect("a message"));
        }
        assert_eq!(people_of(&shown), (100..110).collect::<Vec<_>>());
        for number in 0..10 {
            // It may be closed already.
            socket.send(text(number)).await.ok();
        }
        let (_, code) = read_to_close(&mut socket).await;
        assert_eq!(code, Some(CloseCode::Policy), "{action}");
        until("the origin is told", async || {
            chat.closed_with() == Some(CloseCode::Policy)
        })
        .await;
        assert_eq!(chat.heard_people(), PEOPLE_MAX as usize, "{action}");
        assert_eq!(counted_under_the_session(&gateway), PEOPLE_MAX);
        chat.heard.lock().expect("no test panics while it looks").clear();
    }
}

/// However WebSocket is offered, it alone is: an origin that picks it from a list is not left unread.
#[tokio::test]
async fn websocket_in_a_list_of_protocols_is_read() {
    for offer in ["websocket, raw", "h2c, WebSocket", "raw\r\nUpgrade: websocket"] {
        let chat = Chat::serve((0..60).map(text).collect()).await;
        let gateway = gateway(&chat, "block", "enforce").await;
        let mut stream = TcpStream::connect(gateway.address).await.expect("it listens");
        let head = format!(
            "GET /chat HTTP/1.1\r\nHost: shop.example\r\nCookie: sid=s\r\nConnection: Upgrade\r\nUpgrade: {offer}\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("it reads");
        let mut wire = Vec::new();
        let read = tokio::time::timeout(ARRIVAL_MAX, stream.read_to_end(&mut wire)).await;
        read.expect("an end").expect("no reset");
        assert!(wire.starts_with(b"HTTP/1.1 101 "), "{offer}");
        assert_eq!(count_serials(&wire).len(), PEOPLE_MAX as usize, "{offer}");
        let heads = chat.heads.lock().expect("no test panics while it looks").clone();
        assert_eq!(heads[0]["upgrade"], "websocket");
    }
    // Nor is one that switches to it unasked.
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let origin = Origin::raw(vec![Step::Write(Bytes::from_static(answer.as_bytes()))]).await;
    let chat = Chat {
        address: origin.address,
        heard: Arc::default(),
        heads: Arc::default(),
    };
    let gateway = gateway(&chat, "block", "monitor").await;
    let request = "GET /raw HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: raw\r\n\r\n";
    assert_eq!(http1(gateway.address, request.as_bytes()).await.status, 502);
}

#[tokio::test]
async fn control_frames_carry_people_too() {
    let ping = |name: &str| Message::Ping(Bytes::from(format!("{name}@mail.example")));
    let close = CloseFrame {
        code: CloseCode::Normal,
        reason: "bye eve@mail.example".into(),
    };
    let says = vec![ping("ann"), ping("bob"), ping("cid"), Message::Close(Some(close))];
    let chat = Chat::serve(says).await;
    let gateway = gateway(&chat, "block", "enforce").await;
    let (messages, code) = read_to_close(&mut connect(&gateway).await).await;
    assert_eq!((messages.len(), code), (3, Some(CloseCode::Policy)));
}

#[tokio::test]
async fn where_identifiers_are_masked_they_are_in_messages_too() {
    let chat = Chat::serve((0..10).map(text).collect()).await;
    let gateway = gateway(&chat, "redact", "enforce").await;
    let mut socket = connect(&gateway).await;
    for number in 0..10 {
        let message = socket.next().await.expect("a message").expect("a message");
        let (given, sent) = (message.into_text().expect("text"), record(number));
        assert_eq!(
            (given.len(), given == sent),
            (sent.len(), number < PEOPLE_MAX),
            "{number}"
        );
        assert_eq!(given.contains(&person(number).email), number < PEOPLE_MAX);
    }
    socket.close(None).await.expect("it is open");
    assert_eq!(read_to_close(&mut socket).await.0.len(), 0);
}

/// In monitor extensions are agreed on and bytes pass as they came, and yet people count.
#[tokio::test]
async fn in_monitor_nothing_is_changed_and_people_count() {
    let deflate = "permessage-deflate; client_max_window_bits";
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let mut deflater = flate2::Compress::new(flate2::Compression::default(), false);
    let mut frames = Vec::new();
    for number in 0..10 {
        let mut out = Vec::with_capacity(4_096);
        deflater
            .compress_vec(record(number).as_bytes(), &mut out, flate2::FlushCompress::Sync)
            .expect("room");
        out.truncate(out.len() - 4);
        let length = u16::try_from(out.len()).expect("a short message").to_be_bytes();
        if out.len() > 125 {
            frames.extend([0xc1, 126, length[0], length[1]]);
        } else {
            frames.extend([0xc1, length[1]]);
        }
        frames.extend(out);
    }
    let steps = vec![Step::Write(Bytes::from([head.as_bytes(), &frames].concat()))];
    let origin = Origin::raw(steps).await;
    let chat = Chat {
        address: origin.address,
        heard: Arc::default(),
        heads: Arc::default(),
    };
    let gateway = gateway(&chat, "block", "monitor").await;
    let request = format!(
        "GET /chat HTTP/1.1\r\nHost: a\r\nCookie: sid=s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: {deflate}\r\n\r\n"
    );
    let reply = http1(gateway.address, request.as_bytes()).await;
    assert_eq!(reply.status, 101, "{}", reply.head);
    assert!(reply.wire.ends_with(&frames), "every byte as it came");
    let asked = String::from_utf8_lossy(&origin.raw_heads()[0]).into_owned();
    assert!(asked.contains(deflate), "{asked}");
    until("they count", async || counted_under_the_session(&gateway) == 10).await;

    // What is none of WebSocket passes too, and is counted.
    let before = counted(&gateway, "tidegate_uninspected_bytes_total", "frames").await;
    let broken = Origin::raw(vec![Step::Write(Bytes::from([head.as_bytes(), &[0xff; 100]].concat()))]).await;
    let chat = Chat {
        address: broken.address,
        ..chat
    };
    let gateway = self::gateway(&chat, "block", "monitor").await;
    let reply = http1(gateway.address, request.as_bytes()).await;
    assert!(reply.wire.ends_with(&[0xff; 100]));
    until("it is counted", async || {
        counted(&gateway, "tidegate_uninspected_bytes_total", "frames").await >= before + 100
    })
    .await;
}

#[tokio::test]
async fn an_offer_to_deflate_is_taken_out_where_something_is_enforced() {
    let request = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    for direction in ["responses", "requests"] {
        let chat = Chat::serve(vec![text(0)]).await;
        let counts = format!("direction = \"{direction}\"");
        let gateway = gateway_with(&chat, "block", "enforce", &counts).await;
        let mut stream = TcpStream::connect(gateway.address).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut line = [0; 13];
        stream.read_exact(&mut line).await.expect("a head");
        assert_eq!(&line, b"HTTP/1.1 101 ");
        let heads = chat.heads.lock().expect("no test panics while it looks").clone();
        assert!(!heads[0].contains_key("sec-websocket-extensions"), "{:?}", heads[0]);
    }
}

#[tokio::test]
async fn what_is_no_handshake_is_refused_and_counted() {
    let accepts = |accept: &str| {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        )
    };
    let good_key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let right = accepts("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let extended = right.replace(
        "Upgrade: web",
        "Sec-WebSocket-Extensions: permessage-deflate\r\nUpgrade: web",
    );
    let cases = [
        ("no key", "Sec-WebSocket-Version: 13\r\n", right.clone(), 400),
        (
            "another version",
            "Sec-WebSocket-Version: 777\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            right.clone(),
            400,
        ),
        ("another answer", good_key, accepts("dGhlIHNhbXBsZSBub25jZQ=="), 502),
        (
            "another protocol",
            good_key,
            right.replace("websocket\r\n", "raw\r\n"),
            502,
        ),
        ("an extension nobody offered", good_key, extended, 502),
        ("a good one", good_key, right, 101),
    ];
    for (what, fields, answer, status) in cases {
        let origin = Origin::raw(vec![Step::Write(Bytes::from(answer))]).await;
        let chat = Chat {
            address: origin.address,
            heard: Arc::default(),
            heads: Arc::default(),
        };
        let gateway = gateway(&chat, "block", "enforce").await;
        let before = counted(&gateway, "tidegate_heads_refused_total", "websocket_handshake").await;
        let request = format!(
            "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n{fields}\r\n"
        );
        let reply = http1(gateway.address, request.as_bytes()).await;
        assert_eq!(reply.status, status, "{what}");
        let after = counted(&gateway, "tidegate_heads_refused_total", "websocket_handshake").await;
        assert!(status == 101 || after > before, "{what} is counted");
    }
}
