//! Other proxies ask over ICAP: the same people are counted, cut and masked as in what crosses the gateway itself.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tidegate::engine::ledger::Dimension;
use tidegate::tls::client_config;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::gateway::{Gateway, quoted};
use crate::support::icap::{Icap, Question};
use crate::support::origin_certificates::Origins;
use crate::support::people::{FORMATS, Format, body, count_serials, cut_body};

/// L.
const PEOPLE_MAX: u32 = 20;
const BLOCK: &str = "action = \"block\"\nmode = \"enforce\"";
const TARGET: &str = "https://crm.example/export";
const UPLOAD: &str = "POST https://paste.example/new HTTP/1.1\r\nHost: paste.example\r\nAccept-Encoding: identity\r\n";

/// With one budget per address, both ways; `rest` are settings of the listener, and `budget` those of the budget.
async fn gateway(rest: &str, budget: &str) -> Gateway {
    Gateway::start(&format!(
        "[[route]]\nmatch = \"*/\"\nupstream = [\"http://127.0.0.1:9\"]\n\
         [listen.squid]\naddress = \"127.0.0.1:0\"\n{rest}\n[listen.squid.icap]\nfail = \"closed\"\n\
         [[budget]]\nname = \"icap\"\nper = \"address\"\npeople = {PEOPLE_MAX}\nwindow = \"1d\"\n{budget}\n"
    ))
    .await
}

fn address(gateway: &Gateway) -> SocketAddr {
    gateway.listener("squid")
}

async fn connect(gateway: &Gateway) -> Icap<TcpStream> {
    Icap::connect(address(gateway)).await
}

/// Whether these are the first bytes of `people`, all of them, and of nobody behind them.
fn is_cut_behind(body: &[u8], format: Format, people: std::ops::Range<u32>) -> bool {
    let behind = body.strip_prefix(cut_body(format, people).as_slice());
    behind.is_some_and(|behind| !behind.iter().any(u8::is_ascii_alphanumeric))
}

/// How many people the one address has sent and been shown.
fn people(gateway: &Gateway) -> Vec<u32> {
    let keys = gateway.keys(Dimension::Address);
    let mut people: Vec<u32> = keys.iter().map(|key| key.people[0].1).collect();
    people.sort_unstable();
    people
}

/// The fields of a request to upload something of this kind.
fn upload(media_type: &str, length: usize) -> String {
    format!("{UPLOAD}Content-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n")
}

#[tokio::test]
async fn a_service_says_what_it_does() {
    let gateway = gateway("", BLOCK).await;
    let mut proxy = connect(&gateway).await;
    let mut tags = Vec::new();
    for (service, method) in [("reqmod", "REQMOD"), ("respmod?x=y", "RESPMOD")] {
        let ask = format!("OPTIONS icap://127.0.0.1/{service} ICAP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
        proxy.send(ask.as_bytes()).await;
        let reply = proxy.reply().await;
        assert_eq!((reply.status, reply.field("methods")), (200, Some(method)));
        assert_eq!(
            (reply.field("allow"), reply.field("preview")),
            (Some("204, 206"), Some("4096"))
        );
        assert_eq!(reply.field("encapsulated"), Some("null-body=0"));
        tags.push(reply.field("istag").unwrap().to_owned());
    }
    let question = Question::request(&format!("{UPLOAD}\r\n")).with("Allow: 204");
    tags.push(proxy.ask(&question).await.0.field("istag").unwrap().to_owned());
    assert!(
        tags[0].len() == 34 && tags.iter().all(|tag| *tag == tags[0]),
        "{tags:?}"
    );
}

#[tokio::test]
async fn a_response_shows_exactly_the_limit_whatever_its_chunks_and_preview() {
    for format in FORMATS {
        for (chunk_bytes, preview) in [
            (0, None),
            (1, None),
            (700, Some(0)),
            (5_000, Some(300)),
            (0, Some(60_000)),
        ] {
            let gateway = gateway("", BLOCK).await;
            let mut proxy = connect(&gateway).await;
            let sent = body(format, 0..60);
            let question = Question::response(TARGET, format.media_type(), &sent).in_chunks_of(chunk_bytes);
            let question = Question { preview, ..question };
            let (reply, _) = proxy.ask(&question).await;
            assert_eq!(
                (reply.status, reply.http_status()),
                (200, 200),
                "{format:?} {chunk_bytes} {preview:?}"
            );
            let is_cut = is_cut_behind(&reply.body, format, 0..PEOPLE_MAX);
            assert!(is_cut, "{format:?} {chunk_bytes} {preview:?}");
            assert!(
                !reply.is_whole && proxy.is_closed().await,
                "the proxy must see that it is cut"
            );
            assert_eq!(people(&gateway), [PEOPLE_MAX]);
            // Whoever was shown before is shown again, and nobody else, in the place of which a page is.
            let mut proxy = connect(&gateway).await;
            let again = Question::response(TARGET, format.media_type(), &body(format, 5..10)).with("Allow: 204");
            assert_eq!(proxy.ask(&again.previewed(60_000)).await.0.status, 204);
            let more = Question::response(TARGET, format.media_type(), &body(format, 70..75));
            let (reply, _) = proxy.ask(&more).await;
            assert_eq!((reply.status, reply.http_status(), reply.is_whole), (200, 403, true));
            assert!(reply.field("encapsulated").unwrap().starts_with("res-hdr=0, res-body="));
            assert!(count_serials(&reply.body).is_empty() && String::from_utf8_lossy(&reply.body).contains("blocked"));
            assert_eq!(people(&gateway), [PEOPLE_MAX]);
        }
    }
}

#[tokio::test]
async fn an_upload_sends_exactly_the_limit_whatever_its_chunks_and_preview() {
    for (chunk_bytes, preview) in [
        (0, None),
        (1, None),
        (700, Some(0)),
        (5_000, Some(300)),
        (0, Some(60_000)),
    ] {
        let gateway = gateway("", &format!("direction = \"requests\"\n{BLOCK}")).await;
        let mut proxy = connect(&gateway).await;
        let ask = |people| {
            let sent = body(Format::Csv, people);
            let question = Question::request(&upload("text/csv", sent.len())).body(&sent);
            let preview = preview.map(|bytes: usize| bytes);
            Question {
                preview,
                ..question.in_chunks_of(chunk_bytes)
            }
        };
        let (reply, _) = proxy.ask(&ask(0..60)).await;
        assert_eq!(reply.status, 200, "{chunk_bytes} {preview:?}");
        assert!(reply.field("encapsulated").unwrap().starts_with("req-hdr=0, req-body="));
        let is_cut = is_cut_behind(&reply.body, Format::Csv, 0..PEOPLE_MAX);
        assert!(is_cut, "{chunk_bytes} {preview:?}");
        assert!(!reply.is_whole && proxy.is_closed().await);
        let mut proxy = connect(&gateway).await;
        let (reply, is_continued) = proxy.ask(&ask(70..75)).await;
        assert_eq!((reply.status, people(&gateway)), (200, vec![PEOPLE_MAX]));
        assert!(count_serials(&reply.body).is_empty(), "{chunk_bytes} {preview:?}");
        // A heading may have gone on before anybody was met.
        if chunk_bytes > 0 && !reply.is_whole {
            continue;
        }
        assert_eq!(
            (reply.http_status(), reply.is_whole),
            (403, true),
            "{chunk_bytes} {preview:?}"
        );
        assert!(reply.field("encapsulated").unwrap().starts_with("res-hdr=0, res-body="));
        // The connection is in step, whether or not the rest was sent.
        assert!(!is_continued || preview.is_some());
        let clean = Question::request(&format!("{UPLOAD}\r\n")).with("Allow: 204");
        assert_eq!(proxy.ask(&clean).await.0.status, 204, "{chunk_bytes} {preview:?}");
    }
}

#[tokio::test]
async fn people_over_the_limit_are_masked_on_their_way() {
    let gateway = gateway("", "action = \"redact\"\nmode = \"enforce\"").await;
    let sent = body(Format::Json, 0..60);
    for (preview, clean) in [(None, "clean"), (Some(500), "clean"), (Some(60_000), "clean")] {
        let mut proxy = connect(&gateway).await;
        let question = Question::response(TARGET, "application/json", &sent).with("Allow: 204, 206");
        let (reply, is_continued) = proxy.ask(&Question { preview, ..question }).await;
        assert_eq!(
            (reply.status, reply.http_status(), reply.is_whole),
            (200, 200, true),
            "{preview:?}"
        );
        assert_eq!(is_continued, preview == Some(500));
        assert_eq!(reply.body.len(), sent.len());
        assert!(reply.body.starts_with(&cut_body(Format::Json, 0..PEOPLE_MAX)));
        assert!(reply.http.contains("cache-control: no-store"), "{}", reply.http);
        assert!(String::from_utf8_lossy(&reply.body).contains("~*"));
        // Of what is clean the head alone changes: the client goes on with its own copy, or is given it.
        let question = Question::response(TARGET, "text/plain", clean.as_bytes()).with("Allow: 206");
        let (reply, _) = proxy.ask(&Question { preview, ..question }).await;
        if preview.is_some() {
            assert_eq!((reply.status, reply.goes_on, reply.body.len()), (206, true, 0));
        } else {
            assert_eq!(
                (reply.status, reply.body.as_slice(), reply.is_whole),
                (200, clean.as_bytes(), true)
            );
        }
    }
    assert_eq!(people(&gateway), [PEOPLE_MAX]);
}

#[tokio::test]
async fn what_does_not_change_goes_back_as_it_came_or_is_left_to_the_client() {
    for mode in ["monitor", "enforce"] {
        let gateway = gateway("", &format!("action = \"block\"\nmode = \"{mode}\"")).await;
        let mut proxy = connect(&gateway).await;
        let clean = b"nobody is in this text".repeat(500);
        for (preview, allow, status) in [
            (None, "", 200),
            (None, "Allow: 204", 200),
            (Some(100), "", 200),
            (Some(20_000), "", 204),
        ] {
            let mut question = Question::response(TARGET, "text/plain", &clean);
            question.preview = preview;
            if !allow.is_empty() {
                question = question.with(allow);
            }
            let (reply, _) = proxy.ask(&question).await;
            assert_eq!(
                (reply.status, reply.is_whole),
                (status, true),
                "{mode} {preview:?} {allow}"
            );
            if status == 200 {
                assert_eq!(Some(&reply.http), question.response.as_ref(), "{mode}");
                assert_eq!(reply.body, clean, "{mode}");
            }
        }
        let head = format!("{UPLOAD}\r\n");
        let (reply, _) = proxy.ask(&Question::request(&head)).await;
        assert_eq!((reply.status, &reply.http), (200, &head), "{mode}");
        assert!(reply.field("encapsulated").unwrap().contains("null-body="));
    }
    let gateway = gateway("", "action = \"block\"\nmode = \"monitor\"").await;
    let mut proxy = connect(&gateway).await;
    let sent = body(Format::Csv, 0..60);
    let (reply, _) = proxy.ask(&Question::response(TARGET, "text/csv", &sent)).await;
    assert_eq!((reply.body, reply.is_whole), (sent, true));
    assert_eq!(people(&gateway), [60]);
}

#[tokio::test]
async fn the_rest_of_a_body_is_asked_for_once_and_only_where_it_is_needed() {
    let gateway = gateway("", BLOCK).await;
    let mut proxy = connect(&gateway).await;
    let clean = b"nobody is in this text".repeat(500);
    let question = Question::response(TARGET, "text/plain", &clean);
    for (preview, is_needed) in [(0, true), (1, true), (clean.len() - 1, true), (clean.len(), false)] {
        let (reply, is_continued) = proxy.ask(&question.clone().previewed(preview)).await;
        assert_eq!(
            (is_continued, reply.status),
            (is_needed, if is_needed { 200 } else { 204 }),
            "{preview}"
        );
    }
    // Who is refused by the head is refused before the rest is sent.
    let sent = body(Format::Csv, 0..60);
    proxy.ask(&Question::response(TARGET, "text/csv", &sent)).await;
    let mut proxy = connect(&gateway).await;
    let target = "POST https://paste.example/mail/customer77@example.com HTTP/1.1\r\nHost: paste.example\r\n\r\n";
    let full: Vec<_> = (0..21)
        .map(|number| format!("GET https://a.example/customer{number}@example.com HTTP/1.1\r\nHost: a.example\r\n\r\n"))
        .collect();
    for head in &full {
        proxy.ask(&Question::request(head).with("Allow: 204")).await;
    }
    let (reply, is_continued) = proxy.ask(&Question::request(target).body(&clean).previewed(10)).await;
    assert_eq!((reply.status, reply.http_status(), is_continued), (200, 403, false));
    let next = Question::request(&format!("{UPLOAD}\r\n")).with("Allow: 204");
    assert_eq!(proxy.ask(&next).await.0.status, 204, "the connection is in step");
}

#[tokio::test]
async fn questions_that_are_sent_ahead_are_answered_in_their_order() {
    let gateway = gateway("", BLOCK).await;
    let mut proxy = connect(&gateway).await;
    let clean = b"nobody".repeat(2_000);
    let request = Question::request(&format!("{UPLOAD}\r\n")).with("Allow: 204");
    let response = Question::response(TARGET, "text/plain", &clean);
    let last = request.clone().with("Connection: close");
    let wire = [request.wire(), response.wire(), request.wire(), last.wire()].concat();
    proxy.send(&wire).await;
    for status in [204, 200, 204, 204] {
        let reply = proxy.reply().await;
        assert_eq!((reply.status, reply.is_whole), (status, true));
        assert!(status != 200 || reply.body == clean);
    }
    assert!(proxy.is_closed().await);
}

#[tokio::test]
async fn a_body_streams_both_ways() {
    let gateway = gateway("", BLOCK).await;
    let mut proxy = connect(&gateway).await;
    let question = Question::response(TARGET, "text/plain", b"");
    let mut question = Question {
        response: Some("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n".to_owned()),
        ..question
    };
    question.body = Some(Vec::new());
    proxy.send(&question.heads()).await;
    let line = "this line is clean and ends\n".repeat(400);
    for turn in 0..20 {
        proxy.send(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).await;
        // What was sent so far comes back before anything more is sent, but for what is held.
        let least = if turn == 0 { 100 } else { line.len() / 2 };
        assert!(proxy.bytes(least).await.len() >= least, "turn {turn}");
    }
    proxy.send(b"0\r\n\r\n").await;
    let mut end = Vec::new();
    while !end.ends_with(b"0\r\n\r\n") {
        end.extend(proxy.bytes(1).await);
    }
}

#[tokio::test]
async fn a_trusted_proxy_says_who_is_behind_it_and_no_other() {
    let clients = [("X-Client-IP: 192.0.2.1", 8), ("X-Client-IP: 192.0.2.2", 9)];
    for (trusted, counted) in [("trusted = [\"127.0.0.1\"]", vec![8, 9]), ("", vec![17])] {
        let gateway = gateway(trusted, BLOCK).await;
        let mut proxy = connect(&gateway).await;
        let mut first = 0;
        for (field, count) in clients {
            let sent = body(Format::Csv, first..first + count);
            first += count;
            let question = Question::response(TARGET, "text/csv", &sent).with(field);
            let (reply, _) = proxy.ask(&question.with("X-Authenticated-User: YW5u")).await;
            assert!(reply.is_whole);
        }
        assert_eq!(people(&gateway), counted);
        let users = gateway.keys(Dimension::Principal).len();
        assert_eq!(users, 0, "no budget asks for them");
    }
}

#[tokio::test]
async fn a_user_counts_wherever_they_sit_and_may_be_revoked() {
    let text = "[[route]]\nmatch = \"*/\"\nupstream = [\"http://127.0.0.1:9\"]\n\
         [listen.squid]\naddress = \"127.0.0.1:0\"\ntrusted = [\"127.0.0.1\"]\n\
         [listen.squid.icap]\nuser_header = \"x-client-username\"\nuser_is_coded = false\n\
         [[budget]]\nname = \"user\"\nper = \"principal\"\npeople = 20\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n";
    let gateway = Gateway::start(text).await;
    let mut proxy = connect(&gateway).await;
    let of = |address: &str, people| {
        let question = Question::response(TARGET, "text/csv", &body(Format::Csv, people));
        question
            .with(&format!("X-Client-IP: {address}"))
            .with("X-Client-Username: ann")
    };
    assert!(proxy.ask(&of("192.0.2.1", 0..15)).await.0.is_whole);
    let (reply, _) = proxy.ask(&of("192.0.2.2", 15..30)).await;
    assert!(!reply.is_whole && is_cut_behind(&reply.body, Format::Csv, 15..20));
    gateway.revoke("principal", "proxy-user:ann").await;
    let mut proxy = connect(&gateway).await;
    let request = Question::request(&format!("{UPLOAD}\r\n")).with("X-Client-Username: ann");
    let (reply, _) = proxy.ask(&request).await;
    assert_eq!((reply.status, reply.http_status()), (200, 403));
    let other = Question::request(&format!("{UPLOAD}\r\n")).with("X-Client-Username: bob");
    assert_eq!(proxy.ask(&other.with("Allow: 204")).await.0.status, 204);
}

#[tokio::test]
async fn what_breaks_a_rule_is_told_its_status_counted_and_hung_up_on() {
    let gateway = gateway("trusted = [\"127.0.0.1\"]", BLOCK).await;
    let good = "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n";
    let about = |fields: &str, http: &str| {
        format!("REQMOD icap://127.0.0.1/reqmod ICAP/1.0\r\nHost: a\r\n{fields}\r\n\r\n{http}")
    };
    let null = |length: usize| format!("Encapsulated: req-hdr=0, null-body={length}");
    let with_body = |body: &str, preview: &str| {
        about(
            &format!("{preview}Encapsulated: req-hdr=0, req-body={}", good.len()),
            good,
        ) + body
    };
    for (wire, status, fault) in [
        (
            "REQMOD icap://a/reqmod ICAP/1.1\r\n\r\n".to_owned(),
            505,
            "icap_version",
        ),
        ("GET icap://a/reqmod ICAP/1.0\r\n\r\n".to_owned(), 501, "icap_method"),
        (
            "RESPMOD icap://a/reqmod ICAP/1.0\r\n\r\n".to_owned(),
            405,
            "icap_method_not_allowed",
        ),
        (
            "OPTIONS icap://a/avscan ICAP/1.0\r\n\r\n".to_owned(),
            404,
            "icap_service",
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 505, "icap_version"),
        (about("Allow: 204", ""), 400, "icap_encapsulated"),
        (about(&null(good.len() - 1), good), 400, "start_line"),
        (about(&null(70_000), ""), 400, "icap_encapsulated_too_large"),
        (
            about(&null(26), "GET / HTTP/1.1\r\nX: a.b\r\n\r\n"),
            400,
            "host_missing",
        ),
        (
            about(&format!("X-Client-IP: x\r\n{}", null(good.len())), good),
            400,
            "icap_client_address",
        ),
        (
            about(&format!("X-Authenticated-User: !\r\n{}", null(good.len())), good),
            400,
            "icap_user",
        ),
        (
            with_body("5\r\nabcde\r\n0\r\n\r\n", "Preview: 4\r\n"),
            400,
            "icap_preview_exceeded",
        ),
        (with_body("0; ieof\r\n\r\n", ""), 400, "icap_ieof"),
        (with_body("0\r\na: b\r\n\r\n", "Preview: 0\r\n"), 400, "icap_trailer"),
        (with_body("x\r\n", "Preview: 0\r\n"), 400, "chunk_size"),
        (about(&format!("A: {}", "b".repeat(70_000)), ""), 400, "head_too_large"),
    ] {
        let mut proxy = connect(&gateway).await;
        proxy.send(wire.as_bytes()).await;
        let reply = proxy.reply().await;
        assert_eq!(
            (reply.status, reply.field("connection")),
            (status, Some("close")),
            "{fault}"
        );
        assert!(proxy.is_closed().await, "{fault}");
        let metrics = gateway.metrics().await;
        let counted = format!("tidegate_heads_refused_total{{leg=\"downstream\",fault=\"{fault}\"}}");
        assert!(metrics.contains(&counted), "{fault} is not counted");
    }
}

#[tokio::test]
async fn tls_is_ended_where_the_listener_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let origins = Origins::create(dir.path());
    let files = origins.leaf(&["localhost"]);
    let tls = format!(
        "tls = {{ cert = {}, key = {} }}",
        quoted(&files[0].cert),
        quoted(&files[0].key)
    );
    let gateway = gateway(&tls, BLOCK).await;
    let config = client_config(Some(&dir.path().join("authority.pem"))).unwrap();
    let stream = TcpStream::connect(address(&gateway)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::clone(&config))
        .connect(name, stream)
        .await
        .unwrap();
    let mut proxy = Icap::over(stream);
    let sent = body(Format::Csv, 0..60);
    let (reply, _) = proxy.ask(&Question::response(TARGET, "text/csv", &sent)).await;
    assert!(!reply.is_whole && is_cut_behind(&reply.body, Format::Csv, 0..PEOPLE_MAX));
}
