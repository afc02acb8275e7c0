//! The client's address from the PROXY protocol: believed of a trusted load balancer, and nothing else is let in there.

use tidegate::engine::ledger::Dimension;

use crate::support::client::http1;
use crate::support::gateway::Gateway;
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";

async fn gateway(origin: &Origin, trusted: &str) -> Gateway {
    Gateway::start(&format!(
        "[listen.behind]\naddress = \"127.0.0.1:0\"\ntrusted = [\"{trusted}\"]\nproxy_protocol = true\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n\
         [[budget]]\nname = \"address\"\nper = \"address\"\npeople = 9\nwindow = \"1d\"\naction = \"alert\"\n",
        origin.address
    ))
    .await
}

#[tokio::test]
async fn clients_are_told_apart_by_what_their_load_balancer_says() {
    let origin = Origin::serve(|_| Answer::new("application/json", body(Format::Json, 0..1))).await;
    let behind = gateway(&origin, "127.0.0.0/8").await;
    for number in 1..=3 {
        let header = format!("PROXY TCP4 203.0.113.{number} 192.0.2.1 5000 443\r\n");
        let reply = http1(behind.address, format!("{header}{REQUEST}").as_bytes()).await;
        assert_eq!(reply.status, 200, "{}", reply.head);
    }
    assert_eq!(behind.keys(Dimension::Address).len(), 3);
    let forwarded = origin.seen();
    let named = |seen: &crate::support::origin::Seen| seen.headers.get("x-forwarded-for").cloned();
    let names: Vec<_> = forwarded.iter().filter_map(named).collect();
    assert_eq!(names, ["203.0.113.1", "203.0.113.2", "203.0.113.3"]);
    for bytes in [REQUEST.to_owned(), format!("PROXY TCP4 here there 1 2\r\n{REQUEST}")] {
        assert!(http1(behind.address, bytes.as_bytes()).await.wire.is_empty(), "{bytes}");
    }
    let elsewhere = gateway(&origin, "10.0.0.0/8").await;
    let header = "PROXY TCP4 203.0.113.9 192.0.2.1 5000 443\r\n";
    let reply = http1(elsewhere.address, format!("{header}{REQUEST}").as_bytes()).await;
    assert!(reply.wire.is_empty(), "who is no load balancer says nothing of clients");
    assert_eq!(origin.seen().len(), 3);
}
