//! What a request sends is counted as what an answer shows is: nobody beyond the limit reaches the origin.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tidegate::engine::ledger::Dimension;

use crate::support::client::{H2, RawReply, http1};
use crate::support::coding::Coding;
use crate::support::gateway::Gateway;
use crate::support::origin::{Answer, Origin, Seen};
use crate::support::people::{FORMATS, Format, body, count_serials, cut_body};

/// L.
const PEOPLE_MAX: u32 = 20;
/// How many are in a file that is too large.
const PEOPLE: u32 = 60;

async fn origin() -> Origin {
    Origin::serve(|_| Answer::new("text/plain", "thank you")).await
}

/// In front of `origin`, by HTTP/1.1 and below `/h2c` by HTTP/2, with one budget of requests; `rest` are its other settings.
async fn gateway(origin: &Origin, rest: &str) -> Gateway {
    let address = origin.address;
    Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{address}\"]\nfail = \"closed\"\n\
         [[route]]\nmatch = \"*/h2c\"\nupstream = [\"h2c://{address}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"uploads\"\nper = \"session\"\npeople = {PEOPLE_MAX}\nwindow = \"1d\"\n\
         direction = \"requests\"\n{rest}\n"
    ))
    .await
}

const BLOCK: &str = "action = \"block\"\nmode = \"enforce\"";

/// `POST` of this body, whole or in chunks of so many bytes.
async fn post(gateway: &Gateway, path: &str, fields: &str, body: &[u8], chunk_bytes: Option<usize>) -> RawReply {
    let mut request = format!("POST {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{fields}");
    let Some(chunk_bytes) = chunk_bytes else {
        request += &format!("Content-Length: {}\r\n\r\n", body.len());
        return http1(gateway.address, &[request.as_bytes(), body].concat()).await;
    };
    request += "Transfer-Encoding: chunked\r\n\r\n";
    let mut wire = request.into_bytes();
    for chunk in body.chunks(chunk_bytes) {
        wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    http1(gateway.address, &wire).await
}

/// A form for each of them, as a browser sends it: `number` stands for the serial.
fn form(people: std::ops::Range<u32>) -> Vec<u8> {
    let pairs: Vec<String> = people
        .map(|number| format!("name[{number}]=Customer+{number}&email[{number}]=customer{number}%40example.com"))
        .collect();
    pairs.join("&").into_bytes()
}

fn multipart(file: &[u8]) -> Vec<u8> {
    let head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"customers.csv\"\r\n\
                Content-Type: text/csv\r\n\r\n";
    [head.as_bytes(), file, b"\r\n--b--\r\n"].concat()
}

/// How many people the one session has sent.
fn people(gateway: &Gateway) -> u32 {
    let keys = gateway.keys(Dimension::Session);
    keys.first().map_or(0, |key| key.people[0].1)
}

/// What the origin was sent in all.
fn arrived(seen: &[Seen]) -> Vec<u8> {
    seen.iter().flat_map(|seen| seen.body.to_vec()).collect()
}

#[tokio::test]
async fn the_origin_is_sent_exactly_the_limit_whatever_the_format_and_the_chunks() {
    for format in FORMATS {
        for (path, chunk_bytes) in [
            ("/", None),
            ("/", Some(1)),
            ("/", Some(700)),
            ("/h2c/", None),
            ("/h2c/", Some(5_000)),
        ] {
            let origin = origin().await;
            let gateway = gateway(&origin, BLOCK).await;
            let fields = format!("Cookie: sid=a\r\nContent-Type: {}\r\n", format.media_type());
            let small = post(&gateway, path, &fields, &body(format, 0..PEOPLE_MAX / 2), chunk_bytes).await;
            assert_eq!(small.status, 200, "{format:?}: {}", small.head);
            let reply = post(&gateway, path, &fields, &body(format, 0..PEOPLE), chunk_bytes).await;
            assert_eq!(reply.status, 403, "{format:?} {path} {chunk_bytes:?}: {}", reply.head);
            assert!(String::from_utf8_lossy(&reply.body).contains("The request was blocked"));
            let seen = origin.seen();
            let (whole, cut): (Vec<_>, Vec<_>) = seen.into_iter().partition(|seen| seen.is_whole);
            assert_eq!(
                (whole.len(), cut.len() <= 1),
                (1, true),
                "{format:?} {path} {chunk_bytes:?}"
            );
            assert_eq!(arrived(&whole), body(format, 0..PEOPLE_MAX / 2));
            // A reset may overtake what was let through; nothing else can be there.
            assert!(
                cut_body(format, 0..PEOPLE_MAX).starts_with(&arrived(&cut)),
                "{format:?} {path} {chunk_bytes:?}"
            );
            assert_eq!(people(&gateway), PEOPLE_MAX);
        }
    }
}

#[tokio::test]
async fn forms_files_and_codings_are_read() {
    let file = body(Format::Csv, 0..PEOPLE);
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("application/x-www-form-urlencoded", form(0..PEOPLE), ""),
        ("multipart/form-data; boundary=b", multipart(&file), ""),
        (
            "text/csv",
            Coding::Gzip.encode(&file, 500),
            "Content-Encoding: gzip\r\n",
        ),
        (
            "text/csv",
            Coding::Zstd.encode(&file, 500),
            "Content-Encoding: zstd\r\n",
        ),
    ];
    for (media_type, sent, coding) in cases {
        let origin = origin().await;
        let gateway = gateway(&origin, BLOCK).await;
        let fields = format!("Cookie: sid=a\r\nContent-Type: {media_type}\r\n{coding}Expect: 100-continue\r\n");
        let reply = post(&gateway, "/", &fields, &sent, Some(300)).await;
        assert_eq!(reply.status, 403, "{media_type} {coding}: {}", reply.head);
        let arrived = arrived(&origin.seen());
        assert!(
            sent.starts_with(&arrived) && arrived.len() < sent.len(),
            "{media_type} {coding}"
        );
        let people = people(&gateway);
        assert!(
            people <= PEOPLE_MAX && (people == PEOPLE_MAX || !coding.is_empty()),
            "{media_type} {people}"
        );
    }
}

#[tokio::test]
async fn what_is_refused_at_once_is_not_sent_at_all() {
    let origin = origin().await;
    let gateway = gateway(&origin, BLOCK).await;
    let json = "Cookie: sid=a\r\nContent-Type: application/json\r\n";
    assert_eq!(
        post(&gateway, "/", json, &body(Format::Json, 0..PEOPLE_MAX), None)
            .await
            .status,
        200
    );
    let more = body(Format::Json, 50..51);
    assert_eq!(post(&gateway, "/", json, &more, None).await.status, 403);
    // Known people cost nothing, and another session has a limit of its own.
    assert_eq!(
        post(&gateway, "/", json, &body(Format::Json, 3..9), None).await.status,
        200
    );
    let other = "Cookie: sid=b\r\nContent-Type: application/json\r\n";
    assert_eq!(post(&gateway, "/", other, &more, None).await.status, 200);
    assert_eq!(origin.seen().len(), 3);
    // What is shown counts for itself: there is no budget of it.
    assert!(
        gateway
            .keys(Dimension::Session)
            .iter()
            .all(|key| key.people[0].1 <= PEOPLE_MAX)
    );
}

#[tokio::test]
async fn the_target_and_the_fields_of_a_request_count() {
    let origin = origin().await;
    let rest = format!(
        "{BLOCK}\n[[budget]]\nname = \"one\"\nper = \"exchange\"\npeople = 1\ndirection = \"requests\"\n{BLOCK}"
    );
    let gateway = gateway(&origin, &rest).await;
    let get = async |target: &str, fields: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n{fields}\r\n");
        http1(gateway.address, request.as_bytes()).await.status
    };
    assert_eq!(get("/find?email=ann%40example.com", "").await, 200);
    assert_eq!(
        get("/find?email=ann%40example.com&email=bob@example.com", "").await,
        403
    );
    assert_eq!(get("/ann@example.com/bob%40example.com", "").await, 403);
    assert_eq!(
        get("/", "X-One: ann@example.com\r\nX-Two: bob@example.com\r\n").await,
        403
    );
    assert_eq!(
        get("/?to=ann@example.com", "X-Request-Id: bob@example.com\r\n").await,
        403
    );
    assert_eq!(origin.seen().len(), 1, "nothing of what was refused was sent");
    assert_eq!(people(&gateway), 1);
}

#[tokio::test]
async fn over_http2_an_upload_is_cut_and_its_neighbours_live_on() {
    let origin = origin().await;
    let gateway = gateway(&origin, BLOCK).await;
    let connection = H2::connect(gateway.address).await;
    let request = |people: std::ops::Range<u32>| {
        let request = Request::post(format!("http://{}/h2c/", gateway.address))
            .header("cookie", "sid=a")
            .header("content-type", "application/x-ndjson");
        let body = Full::new(Bytes::from(body(Format::Ndjson, people)));
        request.body(body).expect("a request")
    };
    let (large, small) = tokio::join!(connection.send(request(0..5_000)), connection.send(request(3..5)));
    assert_eq!((large.status, small.status), (403, 200));
    assert_eq!(
        connection.send(request(3..5)).await.status,
        200,
        "the connection lives on"
    );
    let arrived = arrived(&origin.seen());
    let serials: BTreeSet<u32> = count_serials(&arrived);
    assert!(serials.len() <= PEOPLE_MAX as usize, "{}", serials.len());
}

#[tokio::test]
async fn in_monitor_an_upload_passes_as_it_came_and_is_told() {
    let origin = origin().await;
    let gateway = gateway(&origin, "action = \"block\"\nmode = \"monitor\"").await;
    let sent = body(Format::Json, 0..PEOPLE);
    let fields = "Cookie: sid=a\r\nContent-Type: application/json\r\nContent-MD5: x\r\n";
    for chunk_bytes in [None, Some(9)] {
        assert_eq!(post(&gateway, "/", fields, &sent, chunk_bytes).await.status, 200);
    }
    for seen in origin.seen() {
        assert_eq!((&seen.body[..], seen.is_whole), (&sent[..], true));
        assert_eq!(seen.headers["content-md5"], "x");
    }
    assert_eq!(people(&gateway), PEOPLE);
}

#[tokio::test]
async fn where_identifiers_are_masked_an_upload_goes_on_without_them() {
    let origin = origin().await;
    let gateway = gateway(&origin, "action = \"redact\"\nmode = \"enforce\"").await;
    let plain = body(Format::Json, 0..PEOPLE);
    let json = "Cookie: sid=a\r\nContent-Type: application/json\r\nContent-MD5: x\r\n";
    assert_eq!(post(&gateway, "/", json, &plain, None).await.status, 200);
    let coded = Coding::Gzip.encode(&plain, 500);
    let fields = format!("{json}Content-Encoding: gzip\r\n");
    assert_eq!(post(&gateway, "/", &fields, &coded, None).await.status, 200);
    let header = "Cookie: sid=a\r\nX-Who: stranger@example.com\r\n";
    assert_eq!(post(&gateway, "/", header, b"", None).await.status, 200);
    let seen = origin.seen();
    let within = cut_body(Format::Json, 0..PEOPLE_MAX);
    for seen in &seen[..2] {
        assert_eq!((seen.body.len(), seen.is_whole), (plain.len(), true));
        assert!(seen.body.starts_with(&within) && !seen.headers.contains_key("content-md5"));
        let text = String::from_utf8_lossy(&seen.body[within.len()..]).into_owned();
        assert!(text.contains("~*") && !text.contains("@example"), "{text}");
    }
    assert!(!seen[1].headers.contains_key("content-encoding") && !seen[2].headers.contains_key("x-who"));
}

#[tokio::test]
async fn a_hold_of_an_upload_refuses_everything_of_its_session() {
    let origin = origin().await;
    let gateway = gateway(&origin, "action = \"hold\"\nmode = \"enforce\"").await;
    let json = "Cookie: sid=a\r\nContent-Type: application/json\r\n";
    assert_eq!(
        post(&gateway, "/", json, &body(Format::Json, 0..PEOPLE), None)
            .await
            .status,
        403
    );
    let before = origin.seen().len();
    let get = b"GET / HTTP/1.1\r\nHost: a.example\r\nCookie: sid=a\r\nConnection: close\r\n\r\n";
    let reply = http1(gateway.address, get).await;
    assert_eq!(reply.status, 403);
    assert!(String::from_utf8_lossy(&reply.body).contains("on hold"));
    assert_eq!(origin.seen().len(), before);
}

#[tokio::test]
async fn an_upload_that_cannot_be_read_meets_the_fail_mode() {
    let origin = origin().await;
    let gateway = gateway(&origin, BLOCK).await;
    let fields = "Cookie: sid=a\r\nContent-Type: text/csv\r\nContent-Encoding: compress\r\n";
    let reply = post(&gateway, "/", fields, b"anything", None).await;
    assert_eq!(reply.status, 403);
    assert!(String::from_utf8_lossy(&reply.body).contains("The request could not be inspected"));
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn bytes_that_are_sent_are_a_budget_too() {
    let origin = origin().await;
    let gateway = gateway(
        &origin,
        &format!(
            "action = \"alert\"\n[[budget]]\nname = \"volume\"\nper = \"session\"\nbytes = \"10KiB\"\n\
             window = \"1h\"\ndirection = \"requests\"\n{BLOCK}"
        ),
    )
    .await;
    let fields = "Cookie: sid=a\r\nContent-Type: text/plain\r\n";
    assert_eq!(post(&gateway, "/", fields, &[b'x'; 9_000], None).await.status, 200);
    assert_eq!(
        post(&gateway, "/", fields, &vec![b'x'; 400_000], Some(4_000))
            .await
            .status,
        403
    );
    assert_eq!(post(&gateway, "/", fields, b"x", None).await.status, 403);
    // As of answers: to within 64 KiB and what was read at once.
    assert!(arrived(&origin.seen()).len() < 200_000);
}

#[tokio::test]
async fn without_a_budget_of_requests_nothing_is_read() {
    let origin = origin().await;
    let gateway = Gateway::start(&format!(
        "[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n[[budget]]\nname = \"shown\"\nper = \"address\"\n\
         people = 1\nwindow = \"1d\"\n{BLOCK}\n",
        origin.address
    ))
    .await;
    let sent = body(Format::Json, 0..PEOPLE);
    let reply = post(&gateway, "/", "Content-Type: application/json\r\n", &sent, None).await;
    assert_eq!((reply.status, &origin.seen()[0].body[..]), (200, &sent[..]));
    assert!(gateway.keys(Dimension::Address).is_empty());
}
