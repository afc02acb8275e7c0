//! What a client is told whose request is not passed on: always a problem, and never by the library underneath.

use http::Request;
use http_body_util::Full;

use crate::support::client::{End, H2, RawReply, get, http1};
use crate::support::gateway::Gateway;
use crate::support::origin::{Answer, Origin};

/// A gateway before this origin, over HTTP/2, which bounds no number of fields.
async fn gateway(origin: &Origin) -> Gateway {
    Gateway::start(&format!(
        "[[route]]\nmatch = \"*/\"\nupstream = [\"h2c://{}\"]\n",
        origin.address
    ))
    .await
}

async fn well() -> Origin {
    Origin::serve(|_| Answer::new("text/plain", "well")).await
}

/// The slug of the problem, where the answer is one.
fn problem(reply: &RawReply) -> String {
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json"),
        "{}",
        reply.head
    );
    let problem: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(problem["status"], reply.status);
    let urn = problem["type"].as_str().expect("a URN");
    urn.strip_prefix("urn:tidegate:problem:").expect("our URN").to_owned()
}

#[tokio::test]
async fn an_expectation_that_cannot_be_met_is_417() {
    let origin = well().await;
    let gateway = gateway(&origin).await;
    let h2 = H2::connect(gateway.address).await;
    for (expected, status) in [
        ("100-continue", 200),
        ("100-Continue", 200),
        ("a-pony", 417),
        ("100-continue, a-pony", 417),
    ] {
        let reply = get(gateway.address, "/", &format!("Expect: {expected}\r\n")).await;
        assert_eq!(reply.status, status, "{expected}");
        assert!(status == 200 || problem(&reply) == "expectation", "{expected}");
        assert_eq!(h2.get("/", &[("expect", expected)]).await.status, status, "{expected}");
    }
    assert_eq!(origin.seen().len(), 4, "no other request is passed on");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431_and_says_so() {
    let origin = well().await;
    let gateway = gateway(&origin).await;
    let long = "x".repeat(70_000);
    for request in [
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{long}: x\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(100)),
    ] {
        let reply = http1(gateway.address, request.as_bytes()).await;
        assert_eq!(
            (reply.status, problem(&reply).as_str()),
            (431, "framing"),
            "{}",
            reply.head
        );
        assert_eq!(
            reply.header("proxy-status"),
            Some("tidegate; error=http_request_error"),
            "{}",
            reply.head
        );
        assert_eq!(reply.header("connection"), Some("close"));
    }
    assert!(origin.seen().is_empty());
}

/// The one answer that is the library's own; the number of fields is not bounded there.
#[tokio::test]
async fn over_http2_a_head_that_is_too_large_is_431_without_a_body() {
    let origin = well().await;
    let gateway = gateway(&origin).await;
    let h2 = H2::connect(gateway.address).await;
    let uri = format!("http://{}/", gateway.address);
    let large = Request::get(&uri).header("x", "x".repeat(70_000));
    let reply = h2.send(large.body(Full::default()).expect("a request")).await;
    assert_eq!((reply.status, reply.body.len(), &reply.end), (431, 0, &End::Whole));
    let many = (0..200).fold(Request::get(&uri), |request, _| request.header("x", "y"));
    let reply = h2.send(many.body(Full::default()).expect("a request")).await;
    assert_eq!(reply.status, 200);
}
