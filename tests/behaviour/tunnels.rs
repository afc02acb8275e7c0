//! What crosses a tunnel unread is bounded while it lasts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::fail_modes::counted;
use crate::support::client::http1;
use crate::support::gateway::{Gateway, until};
use crate::support::origin::{Origin, Step};

/// How long a peer may wait for what surely comes.
const ARRIVAL_MAX: Duration = Duration::from_secs(20);

/// An offer of another protocol is taken out where the route is closed, and a tunnel is counted where it is open.
#[tokio::test]
async fn another_protocol_is_refused_or_counted() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\nkim@mail.example";
    let cases = [
        ("open", "responses", 101),
        ("closed", "responses", 502),
        ("open", "requests", 101),
        ("closed", "requests", 502),
    ];
    for (fail, direction, status) in cases {
        let origin = Origin::raw(vec![Step::Write(Bytes::from_static(answer.as_bytes()))]).await;
        let gateway = Gateway::start(&format!(
            "[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail_on = {{ tunnel = \"{fail}\" }}\n[[budget]]\n\
             name = \"limit\"\nper = \"address\"\npeople = 3\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\ndirection = \"{direction}\"\n",
            origin.address
        ))
        .await;
        let before = counted(&gateway, "tidegate_uninspected_bytes_total", "tunnel").await;
        let request = "GET /raw HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: raw\r\n\r\n";
        let reply = http1(gateway.address, request.as_bytes()).await;
        assert_eq!(reply.status, status, "{fail}");
        let asked = String::from_utf8_lossy(&origin.raw_heads()[0]).into_owned();
        assert_eq!(asked.contains("upgrade: raw"), status == 101, "{asked}");
        if status == 101 {
            until("it is counted", async || {
                counted(&gateway, "tidegate_uninspected_bytes_total", "tunnel").await >= before + 16
            })
            .await;
        }
    }
}

/// What is summed of a tunnel is looked at while it lasts, whichever way it crosses.
#[tokio::test]
async fn a_tunnel_of_another_protocol_is_cut_at_a_sum() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n";
    let dark = vec![b'x'; 60_000];
    for direction in ["responses", "requests"] {
        let shown = if direction == "responses" { &dark[..] } else { b"" };
        let never = Arc::new(Notify::new());
        let says = Bytes::from([answer.as_bytes(), shown].concat());
        let origin = Origin::raw(vec![Step::Write(says), Step::Wait(never)]).await;
        let gateway = Gateway::start(&format!(
            "[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n[[budget]]\nname = \"dark\"\nper = \"address\"\n\
             uninspected = \"20KB\"\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\ndirection = \"{direction}\"\n",
            origin.address
        ))
        .await;
        let mut stream = TcpStream::connect(gateway.address).await.expect("it listens");
        let request = "GET /raw HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut line = [0; 13];
        stream.read_exact(&mut line).await.expect("a head");
        assert_eq!(&line, b"HTTP/1.1 101 ", "{direction}");
        if direction == "requests" {
            stream.write_all(&dark).await.expect("it reads");
        }
        let mut rest = Vec::new();
        let read = tokio::time::timeout(ARRIVAL_MAX, stream.read_to_end(&mut rest)).await;
        // It may be reset, too.
        read.expect("the tunnel is cut").ok();
        let again = request.replace("Connection: Upgrade", "Connection: Upgrade, close");
        let again = http1(gateway.address, again.as_bytes()).await;
        assert_eq!(again.status, 403, "{direction}");
    }
}

/// Where people are not counted frames that break the protocol pass, up to what may pass unread.
#[tokio::test]
async fn broken_frames_are_cut_at_a_sum() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let says = [head.as_bytes(), &vec![0xff; 2_000_000]].concat();
    let origin = Origin::raw(vec![Step::Write(Bytes::from(says))]).await;
    let gateway = Gateway::start(&format!(
        "[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n[[budget]]\nname = \"dark\"\nper = \"address\"\n\
         uninspected = \"20KB\"\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n",
        origin.address
    ))
    .await;
    let request = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let reply = http1(gateway.address, request.as_bytes()).await;
    assert_eq!(reply.status, 101, "{}", reply.head);
    assert!(reply.wire.len() < 100_000, "{}", reply.wire.len());
}
