//! The tools of the other tests are tested first: a client that lost a byte would make every bound look kept.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header;
use tokio::sync::{Notify, mpsc};

use crate::support::client::{End, H2, get, http1};
use crate::support::coding::Coding;
use crate::support::origin::{Answer, Origin, Step};
use crate::support::people::{FORMATS, Format, body, count_serials, cut_body};

#[test]
fn bodies_carry_the_people_asked_for() {
    for format in FORMATS {
        assert!(count_serials(&body(format, 100..600)).into_iter().eq(100..600));
        assert!(body(format, 0..600).starts_with(&cut_body(format, 0..500)));
        assert!(count_serials(&cut_body(format, 0..500)).into_iter().eq(0..500));
    }
}

#[test]
fn a_cut_coded_body_is_decoded_as_far_as_it_goes() {
    let plain = body(Format::Csv, 0..300);
    for coding in Coding::ALL {
        for flush_bytes in [1_000, usize::MAX] {
            let coded = coding.encode(&plain, flush_bytes);
            assert_eq!(coding.decode_prefix(&coded), plain, "{coding:?}");
            let mut longest = 0;
            for cut in (0..coded.len()).step_by(97) {
                let decoded = coding.decode_prefix(&coded[..cut]);
                assert!(
                    plain.starts_with(&decoded) && decoded.len() >= longest,
                    "{coding:?} cut at {cut}"
                );
                longest = decoded.len();
            }
            // All but the last pieces can be read before the last byte is there.
            assert!(
                flush_bytes == usize::MAX || longest + 3_000 > plain.len(),
                "{coding:?}: {longest}"
            );
        }
    }
}

/// What was flushed can be read in full without anything that comes after it.
#[test]
fn everything_before_a_flush_is_decoded() {
    let plain = body(Format::Json, 0..20);
    for coding in Coding::ALL {
        let flushed = coding.encode(&plain, 1_000);
        let until_flush = (0..=flushed.len()).find(|cut| coding.decode_prefix(&flushed[..*cut]).len() >= 1_000);
        let decoded = coding.decode_prefix(&flushed[..until_flush.expect("the whole decodes")]);
        assert!(
            decoded.len() < 2_000 && plain.starts_with(&decoded),
            "{coding:?}: {}",
            decoded.len()
        );
    }
}

#[tokio::test]
async fn the_origin_says_what_it_was_told_over_both_protocols() {
    for format in FORMATS {
        for coding in Coding::ALL {
            serve_and_compare(format, coding).await;
        }
    }
}

async fn serve_and_compare(format: Format, coding: Coding) {
    let plain = body(format, 0..40);
    let wire = coding.encode(&plain, 1_000);
    let served = plain.clone();
    let origin = Origin::serve(move |request| {
        let chunk_bytes = request
            .uri
            .query()
            .and_then(|chunk| chunk.parse().ok())
            .unwrap_or(usize::MAX);
        Answer::new(format.media_type(), served.clone())
            .coded(coding, 1_000)
            .chunked(chunk_bytes)
    })
    .await;
    let h2 = H2::connect(origin.address).await;
    for path in ["/?1", "/?1000", "/?65536"] {
        let reply = get(origin.address, path, "").await;
        assert!(
            reply.status == 200 && reply.is_whole && reply.body == wire,
            "{format:?} {coding:?} {path}"
        );
        assert_eq!(reply.header("content-encoding"), coding.name());
        let reply = h2.get(path, &[]).await;
        assert!(
            reply.status == 200 && reply.end == End::Whole && reply.body == wire,
            "{format:?} {coding:?} {path}"
        );
        assert_eq!(coding.decode_prefix(&reply.body), plain);
    }
}

#[tokio::test]
async fn lengths_trailers_and_requests_arrive() {
    let origin = Origin::serve(|request| match request.uri.path() {
        "/sized" => Answer::new("text/plain", "tide"),
        "/none" => Answer::new("text/plain", "").status(http::StatusCode::NO_CONTENT),
        _ => Answer::new("text/plain", "tide")
            .chunked(2)
            .trailer(&header::ETAG, "\"7\""),
    })
    .await;
    let sized = get(origin.address, "/sized", "X-Tide: in\r\n").await;
    assert_eq!(
        (sized.header("Content-Length"), sized.body.as_slice()),
        (Some("4"), b"tide".as_slice())
    );
    assert!(get(origin.address, "/none", "").await.is_whole);
    let head = http1(
        origin.address,
        b"HEAD /sized HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(head.is_whole && head.body.is_empty() && head.header("content-length") == Some("4"));
    let trailed = get(origin.address, "/", "TE: trailers\r\n").await;
    assert!(trailed.is_whole && trailed.wire.ends_with(b"\r\n\r\n"));
    assert_eq!(trailed.trailers.trim(), "etag: \"7\"");
    let trailed = H2::connect(origin.address)
        .await
        .get("/", &[("te", "trailers"), ("x-tide", "out")])
        .await;
    assert_eq!(
        (trailed.body.as_slice(), trailed.trailers.get(header::ETAG)),
        (b"tide".as_slice(), Some(&"\"7\"".parse().unwrap()))
    );
    assert_eq!(trailed.headers.get(header::CONTENT_TYPE).unwrap(), "text/plain");
    let tide = origin.seen().into_iter().filter_map(|seen| {
        Some((
            seen.version,
            seen.method,
            seen.headers.get("x-tide")?.clone(),
            seen.body,
        ))
    });
    let expected = [(http::Version::HTTP_11, "in"), (http::Version::HTTP_2, "out")]
        .map(|(version, tide)| (version, http::Method::GET, tide.parse().unwrap(), Bytes::new()));
    assert!(tide.eq(expected));
}

#[tokio::test]
async fn a_cut_is_told_from_an_end() {
    let origin = Origin::serve(|_| Answer::new("text/plain", "half a ti").chunked(3).broken()).await;
    let cut = get(origin.address, "/", "").await;
    assert_eq!((cut.is_whole, cut.body.as_slice()), (false, b"half a ti".as_slice()));
    let cut = H2::connect(origin.address).await.get("/", &[]).await;
    assert_eq!(
        (cut.end, cut.body.as_slice()),
        (End::Reset(h2::Reason::INTERNAL_ERROR), b"half a ti".as_slice())
    );

    let cases: [(&[u8], bool, &[u8]); 7] = [
        (b"HTTP/1.1 200 OK\r\n\r\ntide", true, b"tide"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntide", false, b"tide"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\ntide\r\n0\r\n\r\n",
            true,
            b"tide",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntide\r\n",
            false,
            b"tide",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ntid",
            false,
            b"tid",
        ),
        (
            b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            true,
            b"",
        ),
        (b"HTTP/1.1 200", false, b""),
    ];
    for (bytes, is_whole, body) in cases {
        let origin = Origin::raw(vec![Step::Write(Bytes::from_static(bytes))]).await;
        let reply = get(origin.address, "/x", "").await;
        assert_eq!(
            (reply.is_whole, reply.body.as_slice()),
            (is_whole, body),
            "{}",
            reply.head
        );
        assert!(
            origin
                .raw_heads()
                .iter()
                .all(|head| head.starts_with(b"GET /x HTTP/1.1\r\n"))
        );
    }
    let head = Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n");
    let reset = Origin::raw(vec![Step::Write(head), Step::Reset]).await;
    assert!(!get(reset.address, "/", "").await.is_whole);
}

#[tokio::test]
async fn a_test_can_hold_the_rest_of_an_answer_back() {
    let (chunks, fed) = mpsc::channel(1);
    let fed = Mutex::new(Some(fed));
    let origin = Origin::serve(move |_| {
        let fed = fed.lock().expect("no panic").take();
        fed.map_or_else(
            || Answer::new("text/plain", "again"),
            |fed| Answer::fed("text/plain", fed),
        )
    })
    .await;
    let answer = tokio::spawn(async move { get(origin.address, "/", "").await });
    for chunk in ["ti", "de"] {
        chunks.send(Bytes::from(chunk)).await.expect("the origin still answers");
    }
    assert!(!answer.is_finished());
    drop(chunks);
    assert_eq!(answer.await.expect("an answer").body, b"tide");

    let gate = Arc::new(Notify::new());
    let end = Bytes::from_static(b"HTTP/1.1 204 No Content\r\n\r\n");
    let origin = Origin::raw(vec![Step::Wait(Arc::clone(&gate)), Step::Write(end)]).await;
    let answer = tokio::spawn(async move { get(origin.address, "/", "").await });
    gate.notify_one();
    assert!(answer.await.expect("an answer").is_whole);
}
