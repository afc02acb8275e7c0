//! What a client is told whose request is not passed on: always a problem, and never by the library underneath.

use crate::support::client::{H2, RawReply, get};
use crate::support::gateway::Gateway;
use crate::support::origin::{Answer, Origin};

async fn gateway(origin: &Origin) -> Gateway {
    Gateway::start(&format!(
        "[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n",
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
