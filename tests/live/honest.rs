//! Honest traffic is untouched: what real clients are given through the gateway is what they are given without it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::process::{Tidegate, command, output};
use super::tools::{self, Asked, Given, Way, curl, h2load, multiset, nghttp};
use crate::support::coding::Coding;
use crate::support::origin::{Answer, Origin, Seen};
use crate::support::people::{Format, body};

/// What honest people ask for. The people in it stay under every limit.
const EXCHANGES: &[Asked] = &[
    get("/profile", &[]),
    get("/orders?page=2&q=%EA%B9%80", &[("cookie", "sid=honest")]),
    get("/text", &[("accept-language", "ko, en;q=0.5")]),
    get("/large", &[]),
    get("/coded/gzip", &[("accept-encoding", "gzip, br")]),
    get("/coded/deflate", &[("accept-encoding", "deflate")]),
    get("/coded/br", &[("accept-encoding", "br")]),
    get("/coded/zstd", &[("accept-encoding", "zstd, gzip;q=0.2")]),
    get("/chunked", &[]),
    get("/trailers", &[("te", "trailers")]),
    get("/events", &[("accept", "text/event-stream")]),
    get("/cookies", &[]),
    get("/empty", &[]),
    get("/moved", &[]),
    get("/missing", &[("accept", "text/html")]),
    get("/broken", &[]),
    get("/cached", &[("if-none-match", "\"v1\"")]),
    Asked {
        method: "HEAD",
        path: "/large",
        fields: &[],
        body: None,
    },
    Asked {
        method: "OPTIONS",
        path: "/text",
        fields: &[],
        body: None,
    },
];

/// What only some clients can ask for.
const WITH_BODIES: &[Asked] = &[
    Asked {
        method: "POST",
        path: "/echo",
        fields: &[("content-type", "text/plain")],
        body: Some("a question"),
    },
    Asked {
        method: "PUT",
        path: "/echo",
        fields: &[("expect", "100-continue")],
        body: Some("a change"),
    },
    Asked {
        method: "DELETE",
        path: "/text",
        fields: &[],
        body: None,
    },
];

/// What is only untouched where nothing is enforced: a part of a body has no whole records.
const PARTS: &[Asked] = &[get("/part", &[("range", "bytes=5-9")])];

const fn get(path: &'static str, fields: &'static [(&'static str, &'static str)]) -> Asked {
    Asked {
        method: "GET",
        path,
        fields,
        body: None,
    }
}

fn answer(seen: &Seen) -> Answer {
    let coded = |coding: Coding| Answer::new("application/json", body(Format::Json, 0..30)).coded(coding, 2_000);
    let text = || Answer::new("text/plain; charset=utf-8", "nothing about anybody\n".repeat(40));
    let answer = match seen.uri.path() {
        "/profile" => Answer::new("application/json", body(Format::Json, 7..8)).header(header::ETAG, "\"p7\""),
        "/orders" => Answer::new("application/x-ndjson", body(Format::Ndjson, 7..8)),
        // hyper does not withhold the body of an answer to HEAD over HTTP/2.
        "/large" if seen.method == Method::HEAD => {
            Answer::new("application/octet-stream", "").header(header::CONTENT_LENGTH, "400000")
        }
        "/large" => Answer::new("application/octet-stream", large()),
        "/coded/gzip" => coded(Coding::Gzip),
        "/coded/deflate" => coded(Coding::DeflateZlib),
        "/coded/br" => coded(Coding::Br),
        "/coded/zstd" => coded(Coding::Zstd),
        "/chunked" => Answer::new("text/csv", body(Format::Csv, 0..40)).chunked(100),
        "/trailers" => text().chunked(64).trailer(&CHECKSUM, "abc"),
        "/events" => Answer::new("text/event-stream", "data: tick\n\n".repeat(20)).chunked(12),
        "/cookies" => text()
            .header(header::SET_COOKIE, "a=1; Path=/")
            .header(header::SET_COOKIE, "b=2; HttpOnly"),
        "/empty" => Answer::new("text/plain", "").status(StatusCode::NO_CONTENT),
        // HTTP/1.1 says that a body is empty, HTTP/2 need not: here both do.
        "/moved" => Answer::new("text/plain", "")
            .status(StatusCode::FOUND)
            .header(header::CONTENT_LENGTH, "0")
            .header(header::LOCATION, "/text"),
        "/missing" => text().status(StatusCode::NOT_FOUND),
        "/broken" => text().status(StatusCode::INTERNAL_SERVER_ERROR),
        "/cached" => Answer::new("text/plain", "")
            .status(StatusCode::NOT_MODIFIED)
            .header(header::ETAG, "\"v1\""),
        "/part" => Answer::new("text/plain", "56789")
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_RANGE, "bytes 5-9/40")
            .header(header::ACCEPT_RANGES, "bytes"),
        "/echo" => Answer::new("text/plain", seen.body.clone()),
        _ => text(),
    };
    // hyper would put the second of each fetch here.
    answer.header(header::DATE, "Tue, 15 Nov 1994 08:12:31 GMT")
}

const CHECKSUM: http::HeaderName = http::HeaderName::from_static("x-checksum");

/// 400 kB in which no byte repeats its neighbour.
fn large() -> Vec<u8> {
    (0..400_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// Two listeners, plain and TLS, before a route with these budgets.
async fn gateway(origin: SocketAddr, mode: &str) -> (Tidegate, PathBuf) {
    let dir = Arc::new(tempfile::tempdir().expect("a directory"));
    let authority = certificates(&dir).await;
    let config = format!(
        "[listen.plain]\naddress = \"127.0.0.1:0\"\n\
         [listen.tls]\naddress = \"127.0.0.1:0\"\n\
         tls = {{ cert = \"certs/localhost.pem\", key = \"certs/localhost.key\" }}\n\
         [identity]\nsources = [\"cookie:sid\"]\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{origin}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"bulk\"\nper = \"exchange\"\npeople = 60\naction = \"block\"\nmode = \"{mode}\"\n\
         [[budget]]\nname = \"day\"\nper = \"session\"\npeople = 100\nwindow = \"1d\"\naction = \"block\"\nmode = \"{mode}\"\n"
    );
    (Tidegate::start_in(dir, &config).await, authority)
}

pub(super) async fn certificates(dir: &TempDir) -> PathBuf {
    for arguments in [["authority", "new"].as_slice(), &["authority", "leaf", "localhost"]] {
        let mut make = command(dir.path());
        make.args(arguments);
        let told = output(make).await;
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    }
    dir.path().join("certs/authority.pem")
}

/// The ways of a tool to the origin, and through the gateway.
fn ways(origin: SocketAddr, gateway: &Tidegate, authority: &Path, is_http2: bool) -> (Way, [Way; 2]) {
    let way = |address, authority| Way {
        address,
        authority,
        is_http2,
    };
    let through = [
        way(gateway.address("plain"), None),
        way(gateway.address("tls"), Some(authority.to_owned())),
    ];
    (way(origin, None), through)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_curl_is_given_is_what_the_origin_gave() {
    tools::require();
    let origin = Origin::serve(answer).await;
    for (mode, parts) in [("monitor", PARTS), ("enforce", &[])] {
        let (gateway, authority) = gateway(origin.address, mode).await;
        for is_http2 in [false, true] {
            let (direct, through) = ways(origin.address, &gateway, &authority, is_http2);
            compare(&direct, &through, parts, mode).await;
        }
    }
}

async fn compare(direct: &Way, through: &[Way], parts: &[Asked], mode: &str) {
    for asked in EXCHANGES.iter().chain(WITH_BODIES).chain(parts) {
        let expected = documented(curl(direct, asked).await, asked, mode);
        for way in through {
            same(&curl(way, asked).await, &expected, asked, way);
        }
    }
}

/// How many exchanges are compared with a direct fetch: those of curl in both modes over two versions and two listeners,
/// of nghttp over two listeners, of the browser in both modes.
#[test]
fn two_hundred_exchanges_are_compared() {
    let gets = EXCHANGES.iter().filter(|asked| asked.method == "GET").count();
    let all = EXCHANGES.len() + WITH_BODIES.len();
    let compared = (all + PARTS.len() + all) * 4 + gets * 2 + all * 2;
    assert!(compared >= 200, "{compared}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nghttp_is_given_is_what_the_origin_gave() {
    tools::require();
    let origin = Origin::serve(answer).await;
    let (gateway, authority) = gateway(origin.address, "enforce").await;
    let (direct, through) = ways(origin.address, &gateway, &authority, true);
    for asked in EXCHANGES.iter().filter(|asked| asked.method == "GET") {
        let expected = nghttp(&direct, asked).await;
        for way in &through {
            same(&nghttp(way, asked).await, &expected, asked, way);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_of_h2load_are_all_answered() {
    tools::require();
    let origin = Origin::serve(answer).await;
    let (gateway, authority) = gateway(origin.address, "enforce").await;
    for is_http2 in [true, false] {
        let (_, through) = ways(origin.address, &gateway, &authority, is_http2);
        for way in &through {
            let told = h2load(way, "/profile", 1_000).await;
            assert!(
                told.contains("1000 succeeded, 0 failed, 0 errored, 0 timeout"),
                "{told}"
            );
            assert!(told.contains("status codes: 1000 2xx, 0 3xx, 0 4xx, 0 5xx"), "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_keeps_its_connection_sees_no_gateway() {
    let origin = Origin::serve(answer).await;
    for mode in ["monitor", "enforce"] {
        let (gateway, _) = gateway(origin.address, mode).await;
        let mut direct = Browser::open(origin.address).await;
        let mut through = Browser::open(gateway.address("plain")).await;
        for asked in EXCHANGES.iter().chain(WITH_BODIES) {
            let expected = documented(direct.fetch(asked).await, asked, mode);
            let given = through.fetch(asked).await;
            assert_eq!(given, expected, "{asked:?} in {mode}");
            let seen: Vec<_> = origin
                .seen()
                .iter()
                .rev()
                .take(2)
                .map(|seen| asked_of(seen, mode))
                .collect();
            assert_eq!(seen[0], seen[1], "{asked:?} in {mode}");
        }
    }
}

/// Where something is enforced, an answer to an unsafe method may be masked, and says so to caches.
fn documented(mut expected: Given, asked: &Asked, mode: &str) -> Given {
    if mode == "enforce" && matches!(asked.method, "POST" | "PUT" | "PATCH" | "DELETE") {
        expected
            .fields
            .push(("cache-control".to_owned(), "no-store".to_owned()));
        expected.fields.sort();
    }
    expected
}

fn same(given: &Given, expected: &Given, asked: &Asked, way: &Way) {
    assert!(
        given == expected,
        "{asked:?} {way:?}\n{}\ninstead of\n{}",
        told(given),
        told(expected)
    );
}

fn told(given: &Given) -> String {
    let Given {
        status,
        fields,
        body,
        trailers,
    } = given;
    format!("{status} {fields:?} {} bytes, then {trailers:?}", body.len())
}

/// What an origin saw, but for what a gateway adds.
fn asked_of(seen: &Seen, mode: &str) -> (Method, String, Vec<(String, String)>, Bytes) {
    let mut headers = seen.headers.clone();
    for added in ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "expect"] {
        headers.remove(added);
    }
    if mode == "enforce" {
        // Only codings that can be looked into are asked for.
        headers.remove(header::ACCEPT_ENCODING);
    }
    (
        seen.method.clone(),
        seen.uri.to_string(),
        fields(&headers),
        seen.body.clone(),
    )
}

fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    multiset(
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().expect("visible letters"))),
    )
}

/// What a browser sends with every request.
const BROWSER: [(&str, &str); 7] = [
    ("host", "shop.example"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    ("accept-language", "ko-KR,ko;q=0.9,en;q=0.8"),
    ("dnt", "1"),
    ("cookie", "theme=dark; sid=b0b"),
    ("sec-fetch-mode", "navigate"),
    ("priority", "u=0, i"),
];

/// A client with one connection that it keeps.
struct Browser(http1::SendRequest<Full<Bytes>>);

impl Browser {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a listening peer");
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("an HTTP/1.1 peer");
        tokio::spawn(connection);
        Self(sender)
    }

    async fn fetch(&mut self, asked: &Asked) -> Given {
        self.0.ready().await.expect("the connection is kept");
        let mut request = Request::builder().method(asked.method).uri(asked.path);
        for (name, value) in BROWSER {
            let is_own = asked.fields.iter().any(|(own, _)| *own == name);
            request = if is_own { request } else { request.header(name, value) };
        }
        for (name, value) in asked.fields {
            request = request.header(*name, *value);
        }
        let body = Full::from(asked.body.unwrap_or_default());
        let response = self.0.send_request(request.body(body).expect("a request")).await;
        let (head, body) = response.expect("an answer").into_parts();
        let body = body.collect().await.expect("a whole body");
        let trailers = body.trailers().map(fields).unwrap_or_default();
        Given {
            status: head.status.as_u16(),
            fields: fields(&head.headers),
            body: body.to_bytes().into(),
            trailers,
        }
    }
}
