//! Bodies that cannot be looked into: open lets them pass and counts, closed refuses, monitor does neither.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::LazyLock;

use http::header;
use tokio::net::TcpSocket;

use crate::support::client::{H2, get, http1};
use crate::support::coding::Coding;
use crate::support::gateway::{Gateway, until};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body, count_serials};

/// Coded bytes that may wait in these tests.
const HELD_CODED_BYTES_MAX: usize = 2_048;

/// What an origin sends, and why it cannot be inspected.
const CASES: [(&str, &str); 5] = [
    ("unknown", "unknown_coding"),
    ("stacked", "unknown_coding"),
    ("lying", "undecodable"),
    ("bomb", "ratio"),
    ("block", "holdback_exhausted"),
];

/// The body of a case and its `Content-Encoding`.
fn case(name: &str) -> (Vec<u8>, &'static str) {
    let people = body(Format::Json, 0..3);
    match name {
        "unknown" => (people, "x-tide"),
        "stacked" => (
            (0..6).fold(people, |body, _| Coding::Gzip.encode(&body, usize::MAX)),
            "gzip, gzip, gzip, gzip, gzip, gzip",
        ),
        "lying" => (people, "gzip"),
        "bomb" => (Coding::Gzip.encode(&vec![b' '; 4 << 20], usize::MAX), "gzip"),
        // Text that hardly compresses, in one block.
        "block" => (Coding::Zstd.encode(&noise(60_000), usize::MAX), "zstd"),
        other => panic!("{other}"),
    }
}

/// Letters without people.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'a' + (state >> 24) as u8 % 26
    };
    (0..length).map(|_| letter()).collect()
}

async fn origin() -> Origin {
    Origin::serve(|request| {
        let (body, coding) = case(request.uri.path().rsplit('/').next().unwrap_or_default());
        Answer::new("application/json", body)
            .header(header::CONTENT_ENCODING, coding)
            .chunked(1_500)
    })
    .await
}

async fn gateway(origin: &Origin, mode: &str) -> Gateway {
    let route = |path: &str, fail: &str| {
        format!(
            "[[route]]\nmatch = \"*/{path}\"\nupstream = [\"http://{}\"]\n{fail}\n",
            origin.address
        )
    };
    let one = "fail_on = { unknown_coding = \"closed\" }";
    let routes = [
        route("open", ""),
        route("closed", "fail = \"closed\""),
        route("one", one),
    ]
    .concat();
    Gateway::start(&format!(
        "{routes}[body]\nheld_coded_bytes_max = {HELD_CODED_BYTES_MAX}\n\
         [[budget]]\nname = \"limit\"\nper = \"address\"\npeople = 500\nwindow = \"1d\"\naction = \"block\"\nmode = \"{mode}\"\n"
    ))
    .await
}

/// Bytes that passed uninspected for this reason. Metrics are the process's: other tests' routes are among them.
pub(super) async fn uninspected(gateway: &Gateway, reason: &str) -> u64 {
    counted(gateway, "tidegate_uninspected_bytes_total", reason).await
}

/// What a family of counters sums to, of those with this value of a label.
pub(super) async fn counted(gateway: &Gateway, family: &str, value: &str) -> u64 {
    let text = gateway.metrics().await;
    let lines = text
        .lines()
        .filter(|line| line.starts_with(&format!("{family}{{")) && line.contains(&format!("\"{value}\"")));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_passes_and_counts_closed_refuses_and_monitor_does_neither() {
    let origin = origin().await;
    let (enforcing, watching) = (gateway(&origin, "enforce").await, gateway(&origin, "monitor").await);
    let h2 = H2::connect(enforcing.address).await;
    for (name, reason) in CASES {
        let (body, coding) = case(name);
        let before = uninspected(&enforcing, reason).await;
        let open = get(enforcing.address, &format!("/open/{name}"), "").await;
        assert!(
            open.status == 200 && open.is_whole && open.body == body,
            "{name}: {}",
            open.head
        );
        assert_eq!(open.header("content-encoding"), Some(coding));
        until(name, async || uninspected(&enforcing, reason).await > before).await;

        let closed = get(enforcing.address, &format!("/closed/{name}"), "").await;
        assert_eq!(
            (closed.status, closed.header("content-type")),
            (502, Some("application/problem+json")),
            "{name}"
        );
        let problem: serde_json::Value = serde_json::from_slice(&closed.body).expect("JSON");
        assert_eq!(problem["type"], "urn:tidegate:problem:uninspectable");
        assert!(count_serials(&closed.wire).is_empty() && closed.header("content-encoding").is_none());
        let closed = h2.get(&format!("/closed/{name}"), &[]).await;
        assert_eq!(
            (closed.status, closed.headers[header::CONTENT_TYPE].as_bytes()),
            (502, &b"application/problem+json"[..])
        );

        let one = get(enforcing.address, &format!("/one/{name}"), "").await;
        assert_eq!(one.status, if reason == "unknown_coding" { 502 } else { 200 }, "{name}");

        let watched = get(watching.address, &format!("/closed/{name}"), "").await;
        assert!(
            watched.status == 200 && watched.is_whole && watched.body == body,
            "{name} in monitor"
        );
    }
}

/// Who shows a credential of which nobody can say: a token whose key set is nowhere, and one whose issuer does not answer.
const UNIDENTIFIED: [(&str, &str, &str); 2] = [
    (
        "jwt",
        "jwks_down",
        "eyJhbGciOiJFZERTQSIsImtpZCI6ImsxIn0.eyJzdWIiOiJraW0ifQ.AAAA",
    ),
    ("introspect", "identity_unknown", "opaque-token"),
];

/// An address that refuses connections, and that no other test is given: it is bound, and nobody listens.
fn nowhere() -> SocketAddr {
    static BOUND: LazyLock<TcpSocket> = LazyLock::new(|| {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        socket
    });
    BOUND.local_addr().expect("an address")
}

/// A gateway whose login service is not there, with what its route says.
async fn without_login_service(origin: &Origin, source: &str, fail: &str, mode: &str) -> Gateway {
    let nowhere = nowhere();
    let text = format!(
        "[identity]\nsources = [\"{source}:authorization\"]\nlogs_in_at = [\"POST /login\"]\n\
         [identity.issuer.shop]\njwks = \"http://{nowhere}/jwks\"\nalgorithms = [\"EdDSA\"]\n\
         [identity.introspection]\nurl = \"http://{nowhere}/introspect\"\n\
         [[route]]\nmatch = \"*/who/{source}\"\nupstream = [\"http://{0}\"]\n{fail}\n\
         [[route]]\nmatch = \"*/login\"\nupstream = [\"http://{0}\"]\n{fail}\n\
         [[budget]]\nname = \"limit\"\nper = \"address\"\npeople = 500\nwindow = \"1d\"\naction = \"block\"\nmode = \"{mode}\"\n",
        origin.address
    );
    Gateway::start(&text).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_known_passes_and_is_counted_unless_the_route_says_otherwise() {
    let origin = Origin::serve(|_| Answer::new("application/json", body(Format::Json, 0..3))).await;
    for (source, reason, token) in UNIDENTIFIED {
        let path = format!("/who/{source}");
        let bearer = format!("Authorization: Bearer {token}\r\n");
        let closed = format!("fail_on = {{ {reason} = \"closed\" }}");
        let open = without_login_service(&origin, source, "fail = \"closed\"", "enforce").await;
        // Not by the name of its route, which the gateway of another test in this process may replace.
        let partly = async || counted(&open, "tidegate_partly_inspected_bytes_total", reason).await;
        let before = partly().await;
        let passed = get(open.address, &path, &bearer).await;
        assert_eq!(
            (passed.status, count_serials(&passed.body).len()),
            (200, 3),
            "{reason}: nobody is punished for an outage"
        );
        until(reason, async || partly().await > before).await;

        let enforcing = without_login_service(&origin, source, &closed, "enforce").await;
        let seen = origin.seen().len();
        let refused = get(enforcing.address, &path, &bearer).await;
        assert_eq!(
            (refused.status, refused.header("retry-after")),
            (503, Some("5")),
            "{reason}: {}",
            refused.head
        );
        let problem: serde_json::Value = serde_json::from_slice(&refused.body).expect("JSON");
        assert_eq!(problem["type"], "urn:tidegate:problem:unidentified");
        assert_eq!(origin.seen().len(), seen, "{reason}: the origin is not asked");
        let refusals = counted(&enforcing, "tidegate_refusals_total", reason).await;
        assert!(refusals >= 1, "{reason}");
        assert_eq!(
            get(enforcing.address, &path, "").await.status,
            200,
            "{reason}: who shows nothing is known by the address"
        );
        let login = format!(
            "POST /login HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nContent-Length: 0\r\n{bearer}\r\n"
        );
        let login = http1(enforcing.address, login.as_bytes()).await;
        assert_eq!(login.status, 200, "{reason}: who logs in is not refused");

        let watching = without_login_service(&origin, source, &closed, "monitor").await;
        let before = counted(&watching, "tidegate_would_fail_total", reason).await;
        assert_eq!(
            get(watching.address, &path, &bearer).await.status,
            200,
            "{reason} in monitor"
        );
        until(reason, async || {
            counted(&watching, "tidegate_would_fail_total", reason).await > before
        })
        .await;
    }
}

#[tokio::test]
async fn who_is_revoked_is_refused_also_while_no_token_can_be_verified() {
    let origin = Origin::serve(|_| Answer::new("text/plain", "here")).await;
    let (source, _, token) = UNIDENTIFIED[0];
    let gateway = without_login_service(&origin, source, "", "enforce").await;
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(get(gateway.address, "/who/jwt", &bearer).await.status, 200);
    let key = gateway.revoke("principal", "shop:kim").await;
    assert_eq!(get(gateway.address, "/who/jwt", &bearer).await.status, 403);
    gateway.reinstate(&key).await;
    gateway.revoke("kid", "shop:k1").await;
    assert_eq!(get(gateway.address, "/who/jwt", &bearer).await.status, 401);
}
