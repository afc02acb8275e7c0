//! People in every part of a head count, what no client needs of it is dropped, and what two readers could read differently is
//! refused.

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode};
use tidegate::cli::demo::people::person;

use super::evasions::{PEOPLE, PEOPLE_MAX, ask, csv, gateway, people_in};
use super::fail_modes::counted;
use crate::support::client::http1;
use crate::support::origin::{Answer, Origin, Step};
use crate::support::people::count_serials;

/// Sixty fields, or one of each kind: who is over the limit is refused with the whole head.
#[tokio::test]
async fn people_in_any_part_of_a_head_count() {
    let value = |number: u32| format!("{} {}", person(number).serial, person(number).email);
    let origin = Origin::serve(move |seen| {
        let name: HeaderName = seen.uri.path()[1..].parse().expect("a name");
        let range = seen
            .uri
            .query()
            .and_then(|range| range.split_once('-'))
            .expect("a range");
        let [from, to] = [range.0, range.1].map(|number| number.parse::<u32>().expect("a number"));
        let status = seen
            .headers
            .get("x-status")
            .map_or(200, |status| status.to_str().unwrap().parse().unwrap());
        let answer = Answer::new("text/plain", "").status(StatusCode::from_u16(status).expect("a status"));
        (from..to).fold(answer, |answer, number| {
            let value = match name.as_str() {
                "set-cookie" => format!("c{number}={}", value(number).replace(' ', "|")),
                "etag" => format!("\"{}\"", value(number)),
                "location" => format!("/p?{}", value(number).replace(' ', "+")),
                _ => value(number),
            };
            answer.header(name.clone(), &value)
        })
    })
    .await;
    let gateway = gateway(&origin, "closed", "enforce").await;
    let names = [
        "x-any",
        "set-cookie",
        "location",
        "etag",
        "link",
        "content-disposition",
        "cache-control",
        "expires",
    ];
    let methods = ["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT", "SEARCH"]
        .map(|name| name.parse::<Method>().expect("a method"));
    for (name, status) in names
        .into_iter()
        .flat_map(|name| [200, 302, 304, 404, 500].map(|status| (name, status)))
    {
        let fields = format!("X-Status: {status}\r\n");
        let session = format!("{name}-{status}");
        for method in &methods {
            let given = ask(&gateway, method, &format!("/{name}?0-{PEOPLE_MAX}"), &session, &fields).await;
            assert_eq!(
                (given.status, count_serials(&given.wire).len()),
                (status, PEOPLE_MAX),
                "{method} {name}"
            );
            let refused = ask(
                &gateway,
                method,
                &format!("/{name}?{PEOPLE_MAX}-{PEOPLE}"),
                &session,
                &fields,
            )
            .await;
            assert_eq!(
                (refused.status, count_serials(&refused.wire).len()),
                (403, 0),
                "{method} {name} {status}"
            );
        }
    }
}

/// What stands where a client hardly looks: nothing of it leaves.
#[tokio::test]
async fn interim_answers_and_reason_phrases_are_dropped() {
    let who = format!("{} {}", person(0).serial, person(0).email);
    let interim = |status: &str| format!("HTTP/1.1 {status}\r\nLink: <{who}>\r\nX-Who: {who}\r\n\r\n");
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let cases = [
        format!("{}{head}", interim("103 Early Hints")),
        format!("{}{head}", interim("102 Processing")),
        format!("{}{}{head}", interim("100 Continue"), interim("199 Odd")),
        format!("HTTP/1.1 200 {who}\r\nContent-Length: 2\r\n\r\nok"),
    ];
    for sent in cases {
        let origin = Origin::raw(vec![Step::Write(Bytes::from(sent.clone()))]).await;
        let gateway = gateway(&origin, "closed", "enforce").await;
        let reply = ask(&gateway, &Method::GET, "/", "s", "").await;
        let wire = String::from_utf8_lossy(&reply.wire).into_owned();
        assert_eq!((reply.status, reply.body.as_slice()), (200, &b"ok"[..]), "{sent}");
        assert!(
            wire.starts_with("HTTP/1.1 200 OK\r\n") && !wire.contains("@mail.example") && !wire.contains("S-0"),
            "{wire}"
        );
    }
}

/// Answers that end with the connection, of old origins and of odd methods.
#[tokio::test]
async fn answers_without_a_length_and_odd_methods_are_cut_at_the_limit() {
    let heads = [
        "HTTP/1.0 200 OK\r\nContent-Type: text/csv\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 207 Multi-Status\r\nContent-Type: text/csv\r\n\r\n",
    ];
    for head in heads {
        let origin = Origin::raw(vec![Step::Write(Bytes::from([head.as_bytes(), &csv()].concat()))]).await;
        let gateway = gateway(&origin, "closed", "enforce").await;
        for method in ["GET", "OPTIONS", "PROPFIND", "TRACE", "MKCOL"] {
            let method: Method = method.parse().expect("a method");
            let reply = ask(&gateway, &method, "/", "s", "").await;
            assert_eq!(people_in(&reply), PEOPLE_MAX, "{method} {head}");
            assert!(!reply.is_whole, "{method} {head}");
        }
    }
}

/// Published cases of desynchronisation, through sockets: a clear status, and a count under the fault.
#[tokio::test]
async fn malformed_framing_is_refused_and_counted() {
    let requests = [
        (
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
            "length_and_coding",
        ),
        ("Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", "transfer_encoding"),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
            "transfer_encoding",
        ),
        ("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "space_before_colon"),
        ("Content-Length:\r\n\r\n", "content_length"),
        ("Content-Length: +1\r\n\r\nx", "content_length"),
        ("X: a\rb\r\n\r\n", "bare_cr"),
        ("X: a\nb: c\r\n\r\n", "bare_lf"),
        ("X: a\0b\r\n\r\n", "nul"),
        ("Content_Length: 1\r\n\r\n", "lookalike_name"),
    ];
    let answers = [
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "length_and_coding",
        ),
        ("Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", "transfer_encoding"),
        ("Content-Length:\r\n\r\n", "content_length"),
        ("Transfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n", "chunk_size"),
        ("Transfer-Encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n", "chunk_size"),
        ("Transfer-Encoding: chunked\r\n\r\n1_0\r\nx\r\n0\r\n\r\n", "chunk_size"),
        ("X: a\rb\r\nContent-Length: 0\r\n\r\n", "bare_cr"),
        ("X: a\0b\r\nContent-Length: 0\r\n\r\n", "nul"),
    ];
    let refused = "tidegate_heads_refused_total";
    let quiet = Origin::serve(|_| Answer::new("text/plain", "ok")).await;
    let front = gateway(&quiet, "closed", "enforce").await;
    for (fields, fault) in requests {
        let before = counted(&front, refused, fault).await;
        let request = format!("POST / HTTP/1.1\r\nHost: shop.example\r\n{fields}");
        let reply = http1(front.address, request.as_bytes()).await;
        assert_eq!(reply.status, 400, "{fields:?}");
        assert!(counted(&front, refused, fault).await > before, "{fields:?}");
    }
    assert!(quiet.seen().is_empty(), "the origin heard nothing of it");
    for (fields, fault) in answers {
        let origin = Origin::raw(vec![Step::Write(Bytes::from(format!("HTTP/1.1 200 OK\r\n{fields}")))]).await;
        let gateway = gateway(&origin, "closed", "enforce").await;
        let before = counted(&gateway, refused, fault).await;
        assert_eq!(
            ask(&gateway, &Method::GET, "/", "s", "").await.status,
            502,
            "{fields:?}"
        );
        assert!(counted(&gateway, refused, fault).await > before, "{fields:?}");
    }
}
