//! Upstreams over real sockets: reuse, retry, health, and every kind of failure with its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::proxy::limits::Limits;
use crate::proxy::testing::{forward, gateway, origin, read_head, talk};

const GET: &str = "GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n";
const LAST_GET: &str = "GET /b HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok";

fn url(address: std::net::SocketAddr) -> String {
    format!("http://{address}")
}

/// Answers heads with these bytes for as long as they are `good`.
async fn answer_while(stream: &mut TcpStream, good: impl Fn(&str) -> bool, bytes: &[u8]) {
    loop {
        let head = read_head(stream).await;
        if head.is_empty() || !good(&head) {
            return;
        }
        stream.write_all(bytes).await.unwrap();
    }
}

async fn answer(mut stream: TcpStream, bytes: &'static [u8]) {
    answer_while(&mut stream, |_| true, bytes).await;
}

/// What a client gets from a gateway before an origin that answers one request with these bytes and closes.
async fn through(bytes: &'static [u8], limits: Limits) -> String {
    let origin = origin(move |_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(bytes).await.unwrap();
        if bytes.is_empty() {
            // Silent, not gone.
            drop(stream.read_u8().await);
        }
    })
    .await;
    let limits = Arc::new(limits);
    let gateway = gateway(&limits, None, forward(&[url(origin)], &limits));
    talk(
        gateway.address,
        b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    )
    .await
}

#[tokio::test]
async fn one_connection_serves_many_exchanges_and_the_host_stays() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let origin = origin(move |_, mut stream| {
        counted.fetch_add(1, Relaxed);
        async move {
            answer_while(&mut stream, |head| head.contains("host: shop.example\r\n"), OK).await;
        }
    })
    .await;
    let limits = Arc::new(Limits::default());
    let gateway = gateway(&limits, None, forward(&[url(origin)], &limits));
    let answers = talk(gateway.address, [GET, GET, GET, LAST_GET].concat().as_bytes()).await;
    assert_eq!(answers.matches("\r\n\r\nok").count(), 4, "{answers}");
    assert!(!answers.contains("Fine"), "a reason phrase was passed on");
    assert_eq!(connections.load(Relaxed), 1);
}

#[tokio::test]
async fn an_idempotent_request_is_sent_again_and_only_once() {
    for (failures, status) in [(1, "200"), (2, "502")] {
        let origin = origin(move |number, mut stream| async move {
            answer_while(&mut stream, |_| number >= failures, OK).await;
        })
        .await;
        let limits = Arc::new(Limits::default());
        let gateway = gateway(&limits, None, forward(&[url(origin)], &limits));
        let answer = talk(gateway.address, LAST_GET.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

/// Answers without content, each with eight bytes of it all the same.
const SURPLUS: [(&str, &[u8]); 3] = [
    ("HEAD /h", b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsomebody"),
    ("GET /n", b"HTTP/1.1 204 No Content\r\n\r\nsomebody"),
    (
        "GET /m",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n\r\nsomebody",
    ),
];

/// Answers like one of [`SURPLUS`], or well; `apart`: what is too much comes a little later.
async fn answer_too_much(mut stream: TcpStream, apart: bool) {
    loop {
        let head = read_head(&mut stream).await;
        if head.is_empty() {
            return;
        }
        let known = SURPLUS.iter().find(|(start, _)| head.starts_with(start));
        let (answer, surplus) = known.map_or((OK, &b""[..]), |(_, answer)| answer.split_at(answer.len() - 8));
        stream.write_all(answer).await.unwrap();
        if apart {
            tokio::task::yield_now().await;
        }
        // The gateway may have closed at the first surplus byte.
        stream.write_all(surplus).await.ok();
    }
}

/// What an origin sends behind an answer without content must not become part of the next one.
#[tokio::test]
async fn bytes_that_answer_nothing_close_their_connection_and_spoil_no_exchange() {
    for apart in [false, true] {
        let origin = origin(move |_, stream| answer_too_much(stream, apart)).await;
        let limits = Arc::new(Limits::default());
        let gateway = gateway(&limits, None, forward(&[url(origin)], &limits));
        for (start, _) in SURPLUS.iter().cycle().take(30) {
            // The connection is kept for the second, which comes at once.
            let both = format!("{start} HTTP/1.1\r\nHost: a\r\n\r\n{LAST_GET}");
            let answers = talk(gateway.address, both.as_bytes()).await;
            assert!(!answers.contains("HTTP/1.1 502 "), "{start}: {answers}");
            assert!(
                !answers.contains("somebody") && answers.ends_with("\r\n\r\nok"),
                "{start}: {answers}"
            );
        }
    }
}

#[tokio::test]
async fn failures_have_their_answers() {
    let short = || Limits {
        response_head_ms_max: 10,
        ..Limits::default()
    };
    let cases: [(&[u8], &str, &str); 6] = [
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "502",
            "http_protocol_error",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
            "502",
            "http_protocol_error",
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "502",
            "http_protocol_error",
        ),
        (b"ICY 200 OK\r\n\r\n", "502", "http_protocol_error"),
        (b"HTTP/1.1 200 O", "502", "connection_terminated"),
        (b"", "504", "http_response_timeout"),
    ];
    for (bytes, status, error) in cases {
        let answer = through(bytes, short()).await;
        let shown = String::from_utf8_lossy(bytes);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}: {answer}");
        assert!(
            answer.contains(&format!("proxy-status: tidegate; error={error}\r\n")),
            "{shown}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_made_whole() {
    let cases: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0x1\r\nz\r\n0\r\n\r\n",
    ];
    for bytes in cases {
        let answer = through(bytes, Limits::default()).await;
        assert!(!answer.ends_with("0\r\n\r\n") && !answer.contains("okz"), "{answer}");
    }
}

#[tokio::test]
async fn interim_responses_are_passed_over_and_bodies_to_the_end_are_whole() {
    let early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.0 200 OK\r\n\r\nto the end";
    let answer = through(early, Limits::default()).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("to the end"),
        "{answer}"
    );
    assert!(!answer.contains("103"));
}

#[tokio::test]
async fn an_endpoint_that_fails_is_ejected_and_the_other_serves() {
    let bad = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&bad);
    let failing = origin(move |_, stream| {
        counted.fetch_add(1, Relaxed);
        answer(
            stream,
            b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        )
    })
    .await;
    let good = origin(|_, stream| answer(stream, OK)).await;
    let limits = Arc::new(Limits {
        eject_after: 2,
        eject_ms: 3_600_000,
        ..Limits::default()
    });
    let gateway = gateway(&limits, None, forward(&[url(failing), url(good)], &limits));
    for _ in 0..12 {
        talk(gateway.address, LAST_GET.as_bytes()).await;
    }
    assert_eq!(bad.load(Relaxed), 2);
}

#[tokio::test]
async fn a_name_is_looked_up_and_its_addresses_tried() {
    // It may have an address of each family; only one of them listens.
    let origin = origin(|_, stream| answer(stream, OK)).await;
    let limits = Arc::new(Limits::default());
    let by_name = gateway(
        &limits,
        None,
        forward(&[format!("http://localhost:{}", origin.port())], &limits),
    );
    assert!(talk(by_name.address, LAST_GET.as_bytes()).await.ends_with("ok"));
    // RFC 2606 keeps this name without an address.
    let nameless = gateway(&limits, None, forward(&["http://nowhere.invalid".to_owned()], &limits));
    let answer = talk(nameless.address, LAST_GET.as_bytes()).await;
    assert!(answer.contains("error=dns_"), "{answer}");
}

#[tokio::test]
async fn nobody_listening_is_502_and_no_place_is_503() {
    let gone = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let cases = [
        (Limits::default(), "502", "connection_refused"),
        (
            Limits {
                upstream_exchanges_max: 0,
                upstream_wait_ms_max: 1,
                ..Limits::default()
            },
            "503",
            "connection_limit_reached",
        ),
    ];
    for (limits, status, error) in cases {
        let limits = Arc::new(limits);
        let gateway = gateway(&limits, None, forward(&[url(gone)], &limits));
        let answer = talk(gateway.address, LAST_GET.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(error),
            "{answer}"
        );
    }
}

#[test]
fn endpoint_urls_are_an_authority_and_no_more() {
    use super::{EndpointUrl, InvalidUrl};
    let cases = [
        ("http://10.1.0.10:9000", Ok(("10.1.0.10", 9000))),
        ("https://shop.internal", Ok(("shop.internal", 443))),
        ("h2c://[::1]:50051/", Ok(("::1", 50051))),
        ("ftp://a", Err(InvalidUrl::Scheme)),
        ("10.1.0.10:9000", Err(InvalidUrl::Scheme)),
        ("http://a/b", Err(InvalidUrl::MoreThanAuthority)),
        ("http://u:p@a", Err(InvalidUrl::MoreThanAuthority)),
        ("http://", Err(InvalidUrl::Malformed)),
    ];
    for (text, expected) in cases {
        let parsed = text.parse::<EndpointUrl>();
        assert_eq!(
            parsed
                .as_ref()
                .map(|url| (&*url.host, url.port))
                .map_err(|error| *error),
            expected,
            "{text}"
        );
    }
}
