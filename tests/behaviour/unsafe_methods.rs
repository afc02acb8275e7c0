//! The order has been placed: over a limit, the answer to an unsafe method is masked and never refused on its way back.

use http::{Method, header};

use super::enforcement::{PEOPLE_MAX, gateway, page, people_in};
use crate::support::client::http1;
use crate::support::export::Export;
use crate::support::origin::{Answer, Origin};

#[tokio::test]
async fn the_answer_to_an_unsafe_method_is_masked_and_not_refused() {
    let origin = Origin::serve(|request| {
        let answer = Answer::new("application/x-ndjson", page(0..5).plain());
        match request.uri.path() {
            "/lying" => answer.header(header::CONTENT_ENCODING, "gzip"),
            "/unknown" => answer.header(header::CONTENT_ENCODING, "gzip, gzip"),
            _ => answer,
        }
    })
    .await;
    let gateway = gateway(&origin, "block", "").await;
    let post = async |path: &str, session: &str| {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nCookie: sid={session}\r\n\
             Content-Length: 4\r\n\r\ntide"
        );
        http1(gateway.address, request.as_bytes()).await
    };
    let masked = post("/order", "a").await;
    assert!(masked.status == 200 && masked.is_whole && masked.body.len() == page(0..5).plain().len());
    let text = String::from_utf8_lossy(&masked.body).into_owned();
    for number in 0..5 {
        let person = tidegate::cli::demo::people::person(number);
        assert_eq!(text.contains(&person.email), number < PEOPLE_MAX, "{number}");
        assert_eq!(text.contains(&person.phone), number < PEOPLE_MAX, "{number}");
    }
    assert_eq!(masked.header("cache-control"), Some("no-store"));
    for path in ["/lying", "/unknown"] {
        let unreadable = post(path, "c").await;
        assert_eq!(
            (unreadable.status, unreadable.is_whole, unreadable.body.len()),
            (200, true, 0),
            "{path}"
        );
    }
    let seen = origin.seen();
    assert_eq!(
        (seen.len(), &seen[0].method, seen[0].body.as_ref()),
        (3, &Method::POST, &b"tide"[..])
    );

    let read = post("/search", "b").await;
    assert_eq!(
        (read.is_whole, people_in(&read.body)),
        (false, vec![0, 1]),
        "a POST that reads is refused like GET"
    );
}

/// The order that made the actor one to hold has been placed too.
#[tokio::test]
async fn an_unsafe_method_is_masked_whatever_the_action_is() {
    let origin = Export::origin().await;
    for (action, then) in [("hold", 403), ("reauth", 200)] {
        let gateway = gateway(&origin, action, "").await;
        for status in [200, then] {
            let request = format!(
                "POST /{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: sid=s\r\nContent-Length: 0\r\n\r\n",
                page(0..5).path()
            );
            let reply = http1(gateway.address, request.as_bytes()).await;
            assert_eq!(
                (reply.status, reply.is_whole),
                (status, true),
                "{action}: {}",
                reply.head
            );
            let text = String::from_utf8_lossy(&reply.body).into_owned();
            for number in 0..5 {
                let email = tidegate::cli::demo::people::person(number).email;
                assert_eq!(
                    text.contains(&email),
                    status == 200 && number < PEOPLE_MAX,
                    "{action} {number}"
                );
            }
        }
    }
}

/// The status and the head of what cannot be read go to the client, and so do the people in that head.
#[tokio::test]
async fn people_in_the_head_of_what_cannot_be_read_count() {
    let origin = Origin::serve(|request| {
        let owner = format!("{}@mail.example", request.uri.path().trim_start_matches('/'));
        let answer = Answer::new("application/json", "{}");
        let answer = answer.header(header::HeaderName::from_static("x-owner"), &owner);
        answer.header(header::CONTENT_ENCODING, "x-tide")
    })
    .await;
    let gateway = gateway(&origin, "block", "").await;
    let post = async |path: &str| {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nCookie: sid=a\r\nContent-Length: 0\r\n\r\n"
        );
        http1(gateway.address, request.as_bytes()).await
    };
    for (path, is_shown) in [("/ann", true), ("/bob", true), ("/cid", false), ("/ann", true)] {
        let reply = post(path).await;
        assert_eq!(
            (reply.status, reply.header("x-owner").is_some()),
            (200, is_shown),
            "{path}"
        );
    }
}
