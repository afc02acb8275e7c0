//! A budget in monitor never changes a byte: what comes through the gateway equals what comes from the origin directly.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;

use crate::support::client::{H2, http1};
use crate::support::coding::Coding;
use crate::support::export::Export;
use crate::support::gateway::Gateway;
use crate::support::origin::{Answer, Origin, Seen};
use crate::support::people::FORMATS;

/// Every action there is, over its limit from the second person on.
fn all_in_monitor(origin: &Origin) -> String {
    let budget = |name: &str, per: &str, action: &str| {
        let window = if per == "exchange" { "" } else { "window = \"1d\"\n" };
        let pace = if action == "throttle" { "to = \"1/h\"\n" } else { "" };
        format!("[[budget]]\nname = \"{name}\"\nper = \"{per}\"\npeople = 1\n{window}{pace}action = \"{action}\"\n")
    };
    let budgets = [
        budget("bulk", "exchange", "block"),
        budget("session", "session", "redact"),
        budget("crawl", "principal", "throttle"),
        budget("login", "session", "reauth"),
        budget("held", "address", "hold"),
        budget("told", "global", "alert"),
    ];
    format!(
        "[identity]\nsources = [\"cookie:sid\"]\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{0}\"]\nfail = \"closed\"\n\
         [[route]]\nmatch = \"*/h2c\"\nupstream = [\"h2c://{0}\"]\nfail = \"closed\"\n{1}",
        origin.address,
        budgets.concat()
    )
}

/// Exports by path, and what else an origin may say.
async fn origin() -> Origin {
    Origin::serve(|request: &Seen| {
        let path = request.uri.path();
        let json = "application/json";
        let person = "{\"name\":\"Kim\",\"email\":\"kim@example.com\"}";
        match path.rsplit('/').next().unwrap_or_default() {
            "none" => Answer::new(json, "").status(StatusCode::NO_CONTENT),
            "same" => Answer::new(json, "")
                .status(StatusCode::NOT_MODIFIED)
                .header(header::ETAG, "\"1\""),
            "part" if request.headers.contains_key(header::RANGE) => Answer::new(json, &person[10..30])
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, "bytes 10-29/40"),
            "trailed" => Answer::new(json, person).chunked(7).trailer(&header::ETAG, "\"7\""),
            "marked" => Answer::new(json, person)
                .header(header::ETAG, "\"2\"")
                .header(header::ACCEPT_RANGES, "bytes")
                .header(header::CACHE_CONTROL, "max-age=60")
                .header(header::SET_COOKIE, "a=1")
                .header(header::SET_COOKIE, "b=2"),
            "odd" => Answer::new(json, person).header(header::CONTENT_ENCODING, "x-tide"),
            "lying" => Answer::new(json, person).header(header::CONTENT_ENCODING, "gzip"),
            "cut" => Answer::new(json, person).chunked(8).broken(),
            "failed" => Answer::new("text/plain", "no").status(StatusCode::INTERNAL_SERVER_ERROR),
            _ => Export::of_path(path).answer(),
        }
    })
    .await
}

/// Everything that a client may see.
#[derive(Debug, PartialEq, Eq)]
struct View {
    status: u16,
    fields: BTreeMap<(String, String), usize>,
    body: Vec<u8>,
    trailers: BTreeMap<(String, String), usize>,
    end: String,
}

/// Fields as a multiset without regard to case. `Via` is documented to differ, `Date` is the second of the answer.
fn multiset<'f>(fields: impl Iterator<Item = (&'f str, &'f [u8])>) -> BTreeMap<(String, String), usize> {
    let mut set = BTreeMap::new();
    for (name, value) in fields {
        let name = name.trim().to_ascii_lowercase();
        let value = if name == "date" {
            String::new()
        } else {
            String::from_utf8_lossy(value).trim().to_owned()
        };
        if name != "via" {
            *set.entry((name, value)).or_insert(0) += 1;
        }
    }
    set
}

fn lines(text: &str) -> BTreeMap<(String, String), usize> {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    multiset(fields.map(|(name, value)| (name, value.as_bytes())))
}

async fn over_http1(address: std::net::SocketAddr, ask: &Ask) -> View {
    let Ask { method, path, fields } = ask;
    let fields: String = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let request = format!("{method} /{path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{fields}\r\n");
    let reply = http1(address, request.as_bytes()).await;
    let (_, head) = reply.head.split_once("\r\n").expect("a head");
    View {
        status: reply.status,
        fields: lines(head),
        trailers: lines(&reply.trailers),
        end: reply.is_whole.to_string(),
        body: reply.body,
    }
}

async fn over_h2(connection: &H2, authority: std::net::SocketAddr, ask: &Ask) -> View {
    let Ask { method, path, fields } = ask;
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://{authority}/{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let reply = connection
        .send(request.body(Full::<Bytes>::default()).expect("a request"))
        .await;
    let view = |map: &http::HeaderMap| multiset(map.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
    View {
        status: reply.status,
        fields: view(&reply.headers),
        trailers: view(&reply.trailers),
        end: format!("{:?}", reply.end),
        body: reply.body,
    }
}

struct Ask {
    method: Method,
    path: String,
    fields: Vec<(&'static str, &'static str)>,
}

fn asks() -> Vec<Ask> {
    let common = [
        ("cookie", "sid=somebody"),
        ("accept-encoding", "zstd, x-tide;q=0.5"),
        ("te", "trailers"),
    ];
    let ask = |method: Method, path: &str| Ask {
        method,
        path: path.to_owned(),
        fields: common.to_vec(),
    };
    let mut asks: Vec<Ask> = ["none", "same", "part", "trailed", "marked", "odd", "lying", "failed"]
        .iter()
        .flat_map(|path| [ask(Method::GET, path), ask(Method::HEAD, path)])
        .collect();
    asks.push(ask(Method::POST, "marked"));
    asks.push(ask(Method::GET, "cut"));
    for ask in asks.iter_mut().filter(|ask| ask.path == "part") {
        ask.fields.push(("range", "bytes=10-29"));
    }
    for (format, coding) in FORMATS
        .into_iter()
        .flat_map(|format| Coding::ALL.map(|coding| (format, coding)))
    {
        let mut export = Export::new(format, coding, 0..80);
        asks.push(ask(Method::GET, &export.path()));
        asks.push(ask(Method::HEAD, &export.path()));
        (export.flush_bytes, export.chunk_bytes) = (700, 333);
        asks.push(ask(Method::GET, &export.path()));
    }
    asks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_monitor_every_byte_equals_a_direct_fetch() {
    let origin = origin().await;
    let gateway = Gateway::start(&all_in_monitor(&origin)).await;
    let (direct, through) = (H2::connect(origin.address).await, H2::connect(gateway.address).await);
    for ask in asks() {
        let named = format!("{} {}", ask.method, ask.path);
        let expected = over_http1(origin.address, &ask).await;
        assert_eq!(over_http1(gateway.address, &ask).await, expected, "{named}");
        let expected = over_h2(&direct, origin.address, &ask).await;
        let h2c = Ask {
            path: format!("h2c/{}", ask.path),
            ..ask
        };
        let given = over_h2(&through, gateway.address, &h2c).await;
        if h2c.path == "h2c/cut" {
            // What the origin's reset is called on the other side is the gateway's own, and a reset may overtake what was
            // sent before it (RFC 9113 section 5.4.2), in either fetch.
            let is_same = given.body.starts_with(&expected.body) || expected.body.starts_with(&given.body);
            assert!(is_same && given.end.starts_with("Reset"), "{given:?}");
        } else {
            assert_eq!(given, expected, "{named}");
        }
    }
    assert!(gateway.holds().is_empty());
    let people: Vec<u32> = gateway.keys(tidegate::engine::ledger::Dimension::Session)[0]
        .people
        .iter()
        .map(|(_, people)| *people)
        .collect();
    // Kim may be counted beside the eighty.
    assert!(people.iter().all(|people| *people >= 80), "{people:?}");
}

/// The origin sees what the client asked for, too.
#[tokio::test]
async fn in_monitor_the_origin_is_asked_the_same() {
    let origin = origin().await;
    let gateway = Gateway::start(&all_in_monitor(&origin)).await;
    for address in [origin.address, gateway.address] {
        for ask in asks() {
            over_http1(address, &ask).await;
        }
    }
    let asked = |seen: &Seen| {
        let fields = seen
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let mut fields = multiset(fields);
        fields
            .retain(|(name, _), _| !name.starts_with("x-forwarded-") && name != "x-request-id" && name != "connection");
        (seen.method.clone(), seen.uri.clone(), fields, seen.body.clone())
    };
    let seen = origin.seen();
    let (directly, through) = seen.split_at(seen.len() / 2);
    for (one, other) in directly.iter().zip(through) {
        assert_eq!(asked(one), asked(other));
    }
}
