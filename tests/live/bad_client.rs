//! Hostile and broken clients: each row has a documented answer, is counted, and leaves the gateway well for others.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Notify, mpsc};

use super::process::{CONDITION_TIME_MAX, Tidegate, eventually};
use crate::support::client::{get, http1};
use crate::support::origin::{Answer, Origin, Step};
use crate::support::people::{Format, body};

/// A gateway with short patience before this origin.
async fn gateway(origin: SocketAddr, limits: &str) -> Tidegate {
    let config = format!(
        "[listen.http]\naddress = \"127.0.0.1:0\"\n[limits]\n{limits}\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{origin}\"]\n\
         [[budget]]\nname = \"day\"\nper = \"address\"\npeople = 100\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n"
    );
    Tidegate::start(&config).await
}

async fn well() -> Origin {
    Origin::serve(|_| Answer::new("text/plain", "well")).await
}

async fn still_serves(gateway: &Tidegate, after: &str) {
    let reply = get(gateway.address("http"), "/", "").await;
    assert_eq!(
        (reply.status, reply.body.as_slice()),
        (200, b"well".as_slice()),
        "after {after}"
    );
}

fn limit_hits(limit: &str) -> String {
    format!("tidegate_limit_hits_total{{limit=\"{limit}\"}}")
}

/// Heads that two readers could read differently, and the fault that is told.
const AMBIGUOUS: &[(&str, &str)] = &[
    (
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "length_and_coding",
    ),
    (
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "content_length_twice",
    ),
    (
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
        "content_length",
    ),
    (
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "transfer_encoding",
    ),
    (
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "transfer_encoding",
    ),
    (
        "GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "coding_in_http_10",
    ),
    ("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "bare_lf"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", "bare_cr"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", "nul"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", "obs_fold"),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "space_before_colon"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX y\r\n\r\n", "field_name"),
    ("GET / HTTP/1.1\r\n\r\n", "host_missing"),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "host_twice"),
    ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "host"),
    ("GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", "target"),
    ("GET /\r\n\r\n", "http_09"),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "version"),
    ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", "method"),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "start_line"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ambiguous_head_is_refused_after_the_good_request_before_it() {
    let origin = well().await;
    let gateway = gateway(origin.address, "").await;
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200));
    let sized = [
        (large.as_str(), "head_too_large", 431),
        (many.as_str(), "too_many_fields", 431),
    ];
    let ambiguous = AMBIGUOUS.iter().map(|(head, fault)| (*head, *fault, 400));
    for (head, fault, status) in ambiguous.chain(sized) {
        let metric = format!("tidegate_heads_refused_total{{leg=\"downstream\",fault=\"{fault}\"}}");
        let before = gateway.metric(&metric).await;
        let request = format!("GET /good HTTP/1.1\r\nHost: a\r\n\r\n{head}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        let reply = http1(gateway.address("http"), request.as_bytes()).await;
        let wire = String::from_utf8_lossy(&reply.wire);
        assert_eq!(reply.status, 200, "the good one before {fault}: {wire}");
        let (_, refusal) = wire.split_once("well").unwrap_or_else(|| panic!("{fault}: {wire}"));
        assert!(refusal.starts_with(&format!("HTTP/1.1 {status} ")), "{fault}: {wire}");
        assert!(
            refusal.contains("content-type: application/problem+json"),
            "{fault}: {wire}"
        );
        assert!(
            refusal.ends_with(&format!("\"fault\":\"{fault}\"}}")),
            "{fault}: {wire}"
        );
        gateway.metric_is(&metric, before + 1.0).await;
        still_serves(&gateway, fault).await;
    }
    assert!(!origin.seen().iter().any(|seen| seen.uri.path() == "/smuggled"));
}

/// Neither origin is told of a failure that is not its own: after a failure each would be out for `eject_ms`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_chunk_of_a_request_is_the_clients_fault() {
    let long = format!("1;{}\r\nz\r\n0\r\n\r\n", "x".repeat(20_000));
    let rows = [
        ("ZZ\r\nz\r\n0\r\n\r\n", "chunk_size"),
        ("1\r\nz\r\n0\r\nHost: b\r\n\r\n", "trailer_field"),
        (long.as_str(), "chunk_size"),
    ];
    let origins = [
        Origin::serve(|_| Answer::new("text/plain", "one")).await,
        Origin::serve(|_| Answer::new("text/plain", "two")).await,
    ];
    for scheme in ["http", "h2c"] {
        let upstream = origins
            .each_ref()
            .map(|origin| format!("{scheme}://{}", origin.address));
        let config = format!(
            "[listen.http]\naddress = \"127.0.0.1:0\"\n[limits]\neject_after = 1\n\
             [[route]]\nmatch = \"*/\"\nupstream = {upstream:?}\n"
        );
        let gateway = Tidegate::start(&config).await;
        for ((body, fault), times) in rows.iter().zip(1..) {
            let metric = format!("tidegate_heads_refused_total{{leg=\"downstream\",fault=\"{fault}\"}}");
            let before = gateway.metric(&metric).await;
            let request = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            let reply = http1(gateway.address("http"), request.as_bytes()).await;
            let told = String::from_utf8_lossy(&reply.body);
            assert_eq!(reply.status, 400, "{scheme} {fault}: {}", reply.head);
            assert_eq!(reply.header("content-type"), Some("application/problem+json"));
            assert!(told.ends_with(&format!("\"fault\":\"{fault}\"}}")), "{scheme}: {told}");
            gateway.metric_is(&metric, before + 1.0).await;
            let verdict = "tidegate_exchanges_total{route=\"*/\",verdict=\"request_body\"}";
            gateway.metric_is(verdict, f64::from(times)).await;
        }
        let mut served = Vec::new();
        for _ in 0..4 {
            served.push(get(gateway.address("http"), "/", "").await.body);
        }
        assert!(
            served.contains(&b"one".to_vec()) && served.contains(&b"two".to_vec()),
            "{scheme}: {served:?}"
        );
        let metrics = gateway.admin("/metrics").await;
        let metrics = String::from_utf8(metrics.body).expect("text");
        assert!(
            !metrics.contains("tidegate_upstream_failures_total{"),
            "{scheme}: {metrics}"
        );
    }
}

/// The answer is cut with its request, and the origin is blamed for neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_chunk_behind_an_early_answer_is_the_clients_fault() {
    let early = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n";
    let steps = vec![Step::Write(early.into()), Step::Wait(Arc::new(Notify::new()))];
    let origin = Origin::raw(steps).await;
    let gateway = Tidegate::start(&format!(
        "[listen.http]\naddress = \"127.0.0.1:0\"\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n",
        origin.address
    ))
    .await;
    let mut stream = TcpStream::connect(gateway.address("http"))
        .await
        .expect("a listening peer");
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n";
    stream.write_all(head).await.expect("an open peer");
    let mut wire = Vec::new();
    eventually("the answer begins", async || {
        stream.read_buf(&mut wire).await.expect("an open peer");
        String::from_utf8_lossy(&wire).contains("early").then_some(())
    })
    .await;
    stream.write_all(b"ZZ\r\n").await.expect("an open peer");
    let rest = tokio::time::timeout(CONDITION_TIME_MAX, stream.read_to_end(&mut wire)).await;
    rest.expect("an end").ok();
    assert!(!wire.ends_with(b"0\r\n\r\n"), "visibly not whole");
    let verdict = "tidegate_exchanges_total{route=\"*/\",verdict=\"request_body\"}";
    gateway.metric_is(verdict, 1.0).await;
    let metrics = gateway.admin("/metrics").await;
    let metrics = String::from_utf8(metrics.body).expect("text");
    assert!(!metrics.contains("tidegate_upstream_failures_total{"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stalls_is_closed() {
    let origin = well().await;
    let limits = "handshake_ms_max = 200\nheader_ms_max = 200\nbody_idle_ms_max = 200\nidle_ms_max = 200";
    let gateway = gateway(origin.address, limits).await;
    let rows = [
        ("", "handshake_ms_max", 0),
        ("PRI * HT", "handshake_ms_max", 0),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ", "header_ms_max", 0),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
            "body_idle_ms_max",
            0,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            "body_idle_ms_max",
            0,
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "idle_ms_max", 200),
    ];
    for (sent, limit, status) in rows {
        let before = gateway.metric(&limit_hits(limit)).await;
        let reply = http1(gateway.address("http"), sent.as_bytes()).await;
        assert_eq!(reply.status, status, "{sent:?}");
        gateway.metric_grows(&limit_hits(limit), before).await;
        still_serves(&gateway, sent).await;
    }
}

/// A byte of a head at a time, until the peer has closed.
async fn drip(mut writer: OwnedWriteHalf) {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Drip: "
        .iter()
        .chain(std::iter::repeat(&b'x'));
    let mut pace = tokio::time::interval(std::time::Duration::from_millis(10));
    for byte in head {
        pace.tick().await;
        if writer.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_drips_is_closed_though_it_always_moves() {
    let origin = well().await;
    let gateway = gateway(origin.address, "header_ms_max = 300").await;
    let stream = TcpStream::connect(gateway.address("http"))
        .await
        .expect("a listening peer");
    let (mut reader, writer) = stream.into_split();
    let drip = tokio::spawn(drip(writer));
    let mut wire = Vec::new();
    // Closed or reset: a reset ends the reading with an error.
    drop(
        tokio::time::timeout(CONDITION_TIME_MAX, reader.read_to_end(&mut wire))
            .await
            .expect("an end"),
    );
    drip.abort();
    assert_eq!(wire, b"");
    gateway.metric_is(&limit_hits("header_ms_max"), 1.0).await;
    still_serves(&gateway, "a drip").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_closed() {
    let origin = Origin::serve(|seen| match seen.uri.path() {
        "/large" => Answer::new("application/octet-stream", vec![7; 32 << 20]),
        _ => Answer::new("text/plain", "well"),
    });
    let origin = origin.await;
    let gateway = gateway(origin.address, "body_idle_ms_max = 300").await;
    let mut stream = TcpStream::connect(gateway.address("http"))
        .await
        .expect("a listening peer");
    stream
        .write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("an open peer");
    gateway.metric_is(&limit_hits("body_idle_ms_max"), 1.0).await;
    still_serves(&gateway, "a client that does not read").await;
    drop(stream);
}

/// Its end of stream is taken for its end, as most gateways take it: what waits for nobody is let go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_closed_client_is_taken_for_gone() {
    let origin = Origin::serve(|_| Answer::new("text/plain", "well")).await;
    let gateway = gateway(origin.address, "").await;
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost",
    ] {
        let mut stream = TcpStream::connect(gateway.address("http"))
            .await
            .expect("a listening peer");
        stream.write_all(request.as_bytes()).await.expect("an open peer");
        stream.shutdown().await.expect("an open peer");
        let mut wire = String::new();
        let read = tokio::time::timeout(CONDITION_TIME_MAX, stream.read_to_string(&mut wire));
        read.await.expect("an end").expect("no reset");
        // An answer that was faster than the end of stream is whole.
        assert!(wire.is_empty() || wire.ends_with("well"), "{request:?}: {wire}");
        still_serves(&gateway, request).await;
    }
    gateway.metric_is("tidegate_connections", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_vanishes_loses_no_count_and_keeps_nothing_busy() {
    let (sender, fed) = mpsc::channel(1);
    let fed = Mutex::new(Some(fed));
    let origin = Origin::serve(move |seen| match seen.uri.path() {
        "/fed" => Answer::fed(
            "application/x-ndjson",
            fed.lock().expect("no panic").take().expect("one request"),
        ),
        _ => Answer::new("text/plain", "well"),
    })
    .await;
    let gateway = gateway(origin.address, "").await;

    // In the middle of its request: nothing is answered, the upstream's connection is not used again.
    let mut stream = TcpStream::connect(gateway.address("http"))
        .await
        .expect("a listening peer");
    let half = b"POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc";
    stream.write_all(half).await.expect("an open peer");
    drop(stream);

    // In the middle of its answer: who was shown is counted, and the upstream is let go.
    let mut stream = TcpStream::connect(gateway.address("http"))
        .await
        .expect("a listening peer");
    stream
        .write_all(b"GET /fed HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("an open peer");
    sender
        .send(Bytes::from(body(Format::Ndjson, 0..3)))
        .await
        .expect("the gateway asks");
    let mut seen = Vec::new();
    eventually("three people arrive", async || {
        stream.read_buf(&mut seen).await.expect("an open peer");
        (crate::support::people::count_serials(&seen).len() == 3).then_some(())
    })
    .await;
    drop(stream);
    tokio::time::timeout(CONDITION_TIME_MAX, sender.closed())
        .await
        .expect("the upstream is let go");
    gateway.metric_is("tidegate_people_total{route=\"*/\"}", 3.0).await;
    gateway.metric_is("tidegate_connections", 0.0).await;
    gateway.metric_is("tidegate_held_bytes", 0.0).await;
    still_serves(&gateway, "a client vanished").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_connections_meets_its_limit_and_passes() {
    let origin = well().await;
    let gateway = gateway(origin.address, "connections_max = 4").await;
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(gateway.address("http"))
            .await
            .expect("a listening peer");
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .expect("an open peer");
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.expect("an answer");
        open.push(stream);
    }
    for times in 1..=3 {
        let reply = get(gateway.address("http"), "/", "").await;
        assert_eq!(reply.status, 0, "closed at once");
        gateway
            .metric_is(&limit_hits("connections_max"), f64::from(times))
            .await;
    }
    drop(open);
    eventually("there is room again", async || {
        (get(gateway.address("http"), "/", "").await.status == 200).then_some(())
    })
    .await;
}

/// `GET /` on a stream, and its reset at once (CVE-2023-44487).
fn rapid_reset(stream: u32) -> Vec<u8> {
    // Indexed :method, :scheme and :path, then :authority `a` as a literal (RFC 7541).
    let block = [0x82, 0x86, 0x84, 0x41, 1, b'a'];
    let [a, b, c, d] = stream.to_be_bytes();
    let mut frames = vec![0, 0, 6, 1, 5, a, b, c, d];
    frames.extend(block);
    frames.extend([0, 0, 4, 3, 0, a, b, c, d, 0, 0, 0, 8]);
    frames
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_end_their_connection_and_no_other() {
    let origin = well().await;
    let gateway = gateway(origin.address, "").await;
    let mut flood = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    flood.extend((0..2_000).flat_map(|number| rapid_reset(number * 2 + 1)));
    let reply = http1(gateway.address("http"), &flood).await;
    // GOAWAY with ENHANCE_YOUR_CALM (RFC 9113 section 7), then the end.
    let calm = [0, 0, 0, 0x0b];
    assert!(reply.wire.windows(4).any(|window| window == calm), "{:?}", reply.wire);
    still_serves(&gateway, "rapid resets").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_body_that_ends_early_is_the_clients_fault() {
    let origin = well().await;
    for announced in [
        "Content-Length: 100\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let gateway = gateway(origin.address, "").await;
        let stream = TcpStream::connect(gateway.address("http")).await;
        let mut stream = stream.expect("a listening peer");
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{announced}");
        stream.write_all(head.as_bytes()).await.expect("an open peer");
        stream.shutdown().await.expect("an open peer");
        let mut wire = String::new();
        let answer = tokio::time::timeout(CONDITION_TIME_MAX, stream.read_to_string(&mut wire)).await;
        answer.expect("an end").ok();
        assert!(wire.starts_with("HTTP/1.1 400 "), "{announced}: {wire}");
        assert!(wire.contains("urn:tidegate:problem:framing"), "{announced}: {wire}");
        assert!(wire.ends_with("\"fault\":\"body_incomplete\"}"), "{announced}: {wire}");
        gateway
            .metric_is("tidegate_exchanges_total{route=\"*/\",verdict=\"request_body\"}", 1.0)
            .await;
    }
}
