//! One request, one host: the one that chose the route is the one that the origin is told.

use http::Request;
use http_body_util::Full;

use crate::support::client::{H2, http1};
use crate::support::gateway::Gateway;
use crate::support::origin::{Answer, Origin};

async fn gateway(origin: &Origin) -> Gateway {
    Gateway::start(&format!(
        "[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n",
        origin.address
    ))
    .await
}

#[tokio::test]
async fn over_http2_a_second_host_is_refused() {
    let origin = Origin::serve(|_| Answer::new("text/plain", "well")).await;
    let gateway = gateway(&origin).await;
    let h2 = H2::connect(gateway.address).await;
    let cases: [(&str, &[&str], &str); 4] = [
        ("http://stores.example/", &["shop.example"], "host"),
        (
            "http://stores.example/",
            &["stores.example", "stores.example"],
            "host_twice",
        ),
        ("http://stores.example@shop.example/", &[], "host"),
        ("http://stores.example:80/", &["stores.example"], "host"),
    ];
    for (uri, hosts, fault) in cases {
        let request = hosts
            .iter()
            .fold(Request::get(uri), |request, host| request.header("host", *host));
        let reply = h2.send(request.body(Full::default()).expect("a request")).await;
        assert_eq!(reply.status, 400, "{uri} {hosts:?}");
        let problem: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!(
            (&problem["type"], &problem["fault"]),
            (&"urn:tidegate:problem:framing".into(), &fault.into()),
            "{uri} {hosts:?}"
        );
    }
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn the_origin_is_told_the_host_that_chose_the_route() {
    let origin = Origin::serve(|_| Answer::new("text/plain", "well")).await;
    let gateway = gateway(&origin).await;
    let h2 = H2::connect(gateway.address).await;
    for hosts in [&[][..], &["STORES.example"]] {
        let request = Request::get("http://stores.example/");
        let request = hosts
            .iter()
            .fold(request, |request, host| request.header("host", *host));
        assert_eq!(
            h2.send(request.body(Full::default()).expect("a request")).await.status,
            200
        );
    }
    for head in ["HTTP/1.1\r\nHost: STORES.example\r\n", "HTTP/1.0\r\n"] {
        let request = format!("GET http://stores.example/ {head}Connection: close\r\n\r\n");
        assert_eq!(http1(gateway.address, request.as_bytes()).await.status, 200, "{head}");
    }
    let told: Vec<_> = origin.seen().iter().map(|seen| seen.headers["host"].clone()).collect();
    assert_eq!(told, ["stores.example"; 4]);
}
