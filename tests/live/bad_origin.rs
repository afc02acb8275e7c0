//! Hostile and broken origins: each row has a documented answer, is counted, and leaves the gateway well.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

use super::process::{CONDITION_TIME_MAX, Tidegate};
use crate::support::client::{End, H2, RawReply, get};
use crate::support::coding::Coding;
use crate::support::origin::{Answer, Origin, Step};

/// Stands in everything that a bad origin sends; no answer of the gateway's own may hold it.
const PLANTED: &str = "PLANTED-BY-THE-ORIGIN";
/// Bytes that the bomb decodes to.
const BOMB_BYTES: usize = 16 << 20;

/// What a client is to see.
enum Expected {
    /// An answer of the gateway: its status, and the error in `Proxy-Status`.
    Refused(u16, Option<&'static str>),
    /// The head and some of the body, visibly not whole.
    Truncated,
    /// All that the origin gave.
    Given,
}
use Expected::{Given, Refused, Truncated};

/// One origin, and what comes of it: where nothing is enforced, and where a budget is and the route fails closed.
struct Row {
    name: &'static str,
    steps: Vec<Step>,
    in_monitor: Expected,
    in_enforce: Expected,
    /// The kind of the failure of the upstream, if it counts as one.
    kind: Option<&'static str>,
    /// The metric that moves in both modes beside it, with its labels.
    counts: Option<&'static str>,
}

fn row(name: &'static str, sent: impl Into<Bytes>, in_monitor: Expected, in_enforce: Expected) -> Row {
    Row {
        name,
        steps: vec![Step::Write(sent.into())],
        in_monitor,
        in_enforce,
        kind: None,
        counts: None,
    }
}

impl Row {
    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn kind(mut self, kind: &'static str) -> Self {
        self.kind = Some(kind);
        self
    }

    fn counts(mut self, metric: &'static str) -> Self {
        self.counts = Some(metric);
        self
    }
}

/// A head with these lines, then this body.
fn message(lines: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Note: {PLANTED}\r\n{lines}\r\n{body}")
}

fn never() -> Step {
    Step::Wait(Arc::new(Notify::new()))
}

/// Failures of the connection.
fn broken_connections() -> Vec<Row> {
    let terminated = || Refused(502, Some("connection_terminated"));
    let late = || Refused(504, Some("http_response_timeout"));
    let chunk = format!("15\r\n{PLANTED}\r\n");
    let chunked = message("Transfer-Encoding: chunked\r\n", &chunk);
    let short = message("Content-Length: 100\r\n", PLANTED);
    vec![
        row("slow_head", "", late(), late()).then(never()).kind("head_timeout"),
        row("half_a_head", "HTTP/1.1 200 OK\r\nX-", late(), late())
            .then(never())
            .kind("head_timeout"),
        row("closes", "", terminated(), terminated()).kind("reset"),
        row("resets", "", terminated(), terminated())
            .then(Step::Reset)
            .kind("reset"),
        row("short", short, Truncated, terminated()).kind("reset"),
        row("resets_mid_body", chunked.clone(), Truncated, terminated())
            .then(Step::Reset)
            .kind("reset"),
        row("silent_mid_body", chunked, Truncated, late())
            .then(never())
            .kind("head_timeout"),
    ]
}

/// Heads and chunks that say two things at once, or nothing.
fn garbage_framing() -> Vec<Row> {
    let protocol = || Refused(502, Some("http_protocol_error"));
    let garbage = |name, sent: String, fault| row(name, sent, protocol(), protocol()).kind("framing").counts(fault);
    let chunk = |name, body: &str, fault| {
        let sent = message("Transfer-Encoding: chunked\r\n", body);
        row(name, sent, Truncated, protocol()).kind("framing").counts(fault)
    };
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(200);
    vec![
        garbage("no_http", format!("{PLANTED}\r\n\r\n"), "version"),
        garbage("length_and_coding", message(both, "0\r\n\r\n"), "length_and_coding"),
        garbage(
            "two_lengths",
            message("Content-Length: 5\r\nContent-Length: 6\r\n", "12345"),
            "content_length_twice",
        ),
        garbage(
            "folded",
            message("X-A: b\r\n c\r\nContent-Length: 0\r\n", ""),
            "obs_fold",
        ),
        garbage(
            "odd_coding",
            message("Transfer-Encoding: gzip, chunked\r\n", ""),
            "transfer_encoding",
        ),
        garbage(
            "large_head",
            message(&format!("X-Large: {}\r\n", "x".repeat(70_000)), ""),
            "head_too_large",
        ),
        garbage("many_fields", message(&"X-A: b\r\n".repeat(200), ""), "too_many_fields"),
        garbage("endless_interim", interim, "unasked_response"),
        garbage(
            "switches",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n".to_owned(),
            "unasked_upgrade",
        ),
        chunk("chunk_prefix", &format!("0x15\r\n{PLANTED}\r\n0\r\n\r\n"), "chunk_size"),
        chunk("chunk_sign", &format!("+15\r\n{PLANTED}\r\n0\r\n\r\n"), "chunk_size"),
        chunk("chunk_huge", &format!("ffffffffffffffffff\r\n{PLANTED}"), "chunk_size"),
        chunk("chunk_end", &format!("15\r\n{PLANTED}x\r\n0\r\n\r\n"), "chunk_end"),
        chunk(
            "trailer",
            &format!("15\r\n{PLANTED}\r\n0\r\nContent-Length: 1\r\n\r\n"),
            "trailer_field",
        ),
    ]
}

/// Bodies that are not what their head says.
fn lies() -> Vec<Row> {
    let uninspectable = || Refused(502, None);
    let coded = |coding: &str, body: &[u8]| {
        let lines = format!("Content-Encoding: {coding}\r\nContent-Length: {}\r\n", body.len());
        [message(&lines, "").into_bytes(), body.to_vec()].concat()
    };
    let bomb = Coding::Gzip.encode(&vec![b'0'; BOMB_BYTES], usize::MAX);
    let long = message("Content-Length: 21\r\n", &PLANTED.repeat(3));
    vec![
        row("long", long, Given, Given),
        row("no_gzip", coded("gzip", PLANTED.as_bytes()), Given, uninspectable()).counts("undecodable"),
        row("no_zstd", coded("zstd", PLANTED.as_bytes()), Given, uninspectable()).counts("undecodable"),
        row(
            "unknown_coding",
            coded("rot13", PLANTED.as_bytes()),
            Given,
            uninspectable(),
        )
        .counts("unknown_coding"),
        row(
            "stacked",
            coded("gzip, rot13", PLANTED.as_bytes()),
            Given,
            uninspectable(),
        )
        .counts("unknown_coding"),
        // Its beginning shows nobody: the answer has not begun when it turns out what it is.
        row("bomb", coded("gzip", &bomb), Given, uninspectable()).counts("ratio"),
    ]
}

/// A gateway before all of these origins, one route each, and one that is well.
async fn gateway(mode: &str, origins: &[(&str, SocketAddr)]) -> Tidegate {
    let mut config = format!(
        "[listen.http]\naddress = \"127.0.0.1:0\"\n\
         [limits]\nresponse_head_ms_max = 300\nresponse_idle_ms_max = 300\n\
         [[budget]]\nname = \"bulk\"\nper = \"exchange\"\npeople = 60\naction = \"block\"\nmode = \"{mode}\"\n"
    );
    for (name, address) in origins {
        let route = writeln!(
            config,
            "[[route]]\nmatch = \"*/{name}\"\nupstream = [\"http://{address}\"]\nfail = \"closed\""
        );
        route.expect("memory takes it");
    }
    Tidegate::start(&config).await
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a loopback port");
    listener.local_addr().expect("a bound address")
}

async fn show(rows: Vec<Row>) {
    let mut origins = Vec::new();
    for row in &rows {
        origins.push(Origin::raw(row.steps.clone()).await);
    }
    let well = Origin::serve(|_| Answer::new("text/plain", "well")).await;
    let mut named: Vec<_> = rows
        .iter()
        .zip(&origins)
        .map(|(row, origin)| (row.name, origin.address))
        .collect();
    named.push(("well", well.address));
    for mode in ["monitor", "enforce"] {
        let gateway = gateway(mode, &named).await;
        let address = gateway.address("http");
        for row in &rows {
            let reply = get(address, &format!("/{}", row.name), "").await;
            let expected = if mode == "monitor" {
                &row.in_monitor
            } else {
                &row.in_enforce
            };
            check(&reply, expected, &format!("{} in {mode}", row.name));
            counted(&gateway, row, mode).await;
            let reply = get(address, "/well", "").await;
            assert_eq!(
                (reply.status, reply.body.as_slice()),
                (200, b"well".as_slice()),
                "after {}",
                row.name
            );
        }
    }
}

fn check(reply: &RawReply, expected: &Expected, what: &str) {
    let wire = String::from_utf8_lossy(&reply.wire);
    match expected {
        Refused(status, error) => {
            assert_eq!(reply.status, *status, "{what}: {wire}");
            assert!(reply.is_whole && !wire.contains(PLANTED), "{what}: {wire}");
            assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{what}");
            let error = error.map(|error| format!("tidegate; error={error}"));
            assert_eq!(reply.header("proxy-status"), error.as_deref(), "{what}");
        }
        Truncated => assert!(reply.status == 200 && !reply.is_whole, "{what}: {wire}"),
        Given => assert!(
            reply.status == 200 && reply.is_whole,
            "{what}: {} {}",
            reply.status,
            reply.body.len()
        ),
    }
}

/// Waits until `/metrics` says what happened: an exchange is counted when its body is dropped.
async fn counted(gateway: &Tidegate, row: &Row, mode: &str) {
    if let Some(kind) = row.kind {
        let metric = format!(
            "tidegate_upstream_failures_total{{route=\"*/{}\",kind=\"{kind}\"}}",
            row.name
        );
        gateway.metric_is(&metric, 1.0).await;
    }
    let Some(counts) = row.counts else { return };
    let metric = match (row.kind, mode) {
        (Some(_), _) => format!("tidegate_heads_refused_total{{leg=\"upstream\",fault=\"{counts}\"}}"),
        (None, "monitor") => format!("tidegate_would_fail_total{{reason=\"{counts}\"}}"),
        (None, _) => format!("tidegate_refusals_total{{budget=\"fail_mode\",action=\"{counts}\"}}"),
    };
    gateway.metric_grows(&metric, 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_connection_has_an_answer() {
    show(broken_connections()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_framing_is_refused_and_never_mended() {
    show(garbage_framing()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_not_what_its_head_says_meets_the_fail_mode() {
    show(lies()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_is_down_is_502_until_it_is_up() {
    let gateway = gateway("enforce", &[("down", nobody().await)]).await;
    for times in 1..=3 {
        let reply = get(gateway.address("http"), "/down", "").await;
        check(&reply, &Refused(502, Some("connection_refused")), "down");
        let metric = "tidegate_upstream_failures_total{route=\"*/down\",kind=\"connect\"}";
        gateway.metric_is(metric, f64::from(times)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http2_a_cut_is_a_reset_of_its_stream_alone() {
    let head = message("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n");
    let bad = Origin::raw(vec![Step::Write(head.into()), Step::Reset]).await;
    let well = Origin::serve(|_| Answer::new("text/plain", "well")).await;
    let gateway = gateway("monitor", &[("bad", bad.address), ("well", well.address)]).await;
    let client = H2::connect(gateway.address("http")).await;
    for _ in 0..3 {
        let reply = client.get("/bad", &[]).await;
        assert!(matches!(reply.end, End::Reset(_)), "{reply:?}");
        let reply = client.get("/well", &[]).await;
        assert_eq!((reply.status, reply.end), (200, End::Whole));
    }
}

/// Everything is patient here but the exchange as a whole.
async fn with_a_deadline(origin: SocketAddr) -> Tidegate {
    with_a_deadline_over("http", origin).await
}

async fn with_a_deadline_over(scheme: &str, origin: SocketAddr) -> Tidegate {
    Tidegate::start(&format!(
        "[listen.http]\naddress = \"127.0.0.1:0\"\n[limits]\nexchange_ms_max = 500\n\
         [[budget]]\nname = \"bulk\"\nper = \"exchange\"\npeople = 60\naction = \"block\"\nmode = \"enforce\"\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"{scheme}://{origin}\"]\n"
    ))
    .await
}

const LATE: &str = "tidegate_limit_hits_total{limit=\"exchange_ms_max\"}";
/// Between two drops of a body that never ends.
const DROP_EVERY: Duration = Duration::from_millis(50);

/// An origin whose answers come drop by drop, and never end.
async fn dripping(drop: &'static str) -> Origin {
    Origin::serve(move |_| {
        let (drops, fed) = mpsc::channel(1);
        tokio::spawn(async move {
            while drops.send(Bytes::from_static(drop.as_bytes())).await.is_ok() {
                tokio::time::sleep(DROP_EVERY).await;
            }
        });
        Answer::fed("text/plain", fed)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_never_ends_is_cut_at_the_deadline() {
    let origin = dripping("a line of nothing\n").await;
    let gateway = with_a_deadline(origin.address).await;
    let reply = get(gateway.address("http"), "/", "").await;
    check(&reply, &Truncated, "over HTTP/1.1");
    gateway.metric_is(LATE, 1.0).await;
    let reply = H2::connect(gateway.address("http")).await.get("/", &[]).await;
    assert_eq!((reply.status, reply.end), (200, End::Reset(h2::Reason::CANCEL)));
    gateway.metric_is(LATE, 2.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_head_or_a_byte_to_show_the_deadline_is_504() {
    let begun = message("Content-Length: 99\r\n", "Ann Lee,");
    for steps in [vec![never()], vec![Step::Write(begun.into()), never()]] {
        let origin = Origin::raw(steps).await;
        let gateway = with_a_deadline(origin.address).await;
        let late = Refused(504, Some("http_response_timeout"));
        check(&get(gateway.address("http"), "/", "").await, &late, "the answer");
        gateway.metric_is(LATE, 1.0).await;
    }
}

/// The origin reads what comes; the client never ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_never_ends_is_504_at_the_deadline() {
    let origin = Origin::serve(|_| Answer::new("text/plain", "well")).await;
    for scheme in ["http", "h2c"] {
        let gateway = with_a_deadline_over(scheme, origin.address).await;
        let stream = TcpStream::connect(gateway.address("http")).await;
        let (mut read, mut write) = stream.expect("a listening peer").into_split();
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        write.write_all(head).await.expect("an open peer");
        let dripping = tokio::spawn(async move {
            while write.write_all(b"1\r\nz\r\n").await.is_ok() {
                tokio::time::sleep(DROP_EVERY).await;
            }
        });
        let mut front = [0; 13];
        let head = tokio::time::timeout(CONDITION_TIME_MAX, read.read_exact(&mut front)).await;
        head.expect("an end").expect("an answer");
        assert_eq!(&front, b"HTTP/1.1 504 ", "{scheme}");
        gateway.metric_is(LATE, 1.0).await;
        drop(read);
        dripping.abort();
    }
}
