//! Clients that go out and say they are others, or mean other hosts: by a field, a name or a spelling.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tidegate::engine::ledger::Dimension;
use tidegate::tls::{Authority, client_config};
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsConnector;

use super::forward::{BUDGET, LOOPBACK, Way, connect, listener, origin_at};
use crate::support::client::exchange;
use crate::support::gateway::{Gateway, quoted, until};
use crate::support::origin_certificates::Origins;
use crate::support::people::{Format, body};

/// In front of clients that a trusted proxy forwards.
#[tokio::test]
async fn inside_a_tunnel_nobody_is_believed_about_who_asks() {
    let dir = tempfile::tempdir().unwrap();
    let origins = Origins::create(&dir.path().join("origins"));
    let origin = origin_at(&origins, &["localhost"]).await;
    Authority::create(&dir.path().join("ours")).unwrap();
    let settings = format!("authority = {}\n{LOOPBACK}\n{BUDGET}", quoted(&dir.path().join("ours")));
    let text = listener(dir.path(), origin.address.port(), &settings);
    let trusted = "address = \"127.0.0.1:0\"\ntrusted = [\"127.0.0.1/32\"]\n";
    let text = text.replacen("address = \"127.0.0.1:0\"\n", trusted, 1);
    let gateway = Gateway::start(&text).await;
    for (number, forged) in ["198.51.100.1", "198.51.100.2"].into_iter().enumerate() {
        let target = format!("localhost:{}", origin.address.port());
        let (status, stream) = connect(gateway.listener("out"), &target, "X-Forwarded-For: 192.0.2.7\r\n").await;
        assert_eq!(status, 200);
        let mut config = (*client_config(Some(&dir.path().join("ours/authority.pem"))).unwrap()).clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let tls = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap();
        let start = 100 + 10 * u32::try_from(number).unwrap();
        let sent = body(Format::Json, start..start + 10);
        let head = format!(
            "POST /in HTTP/1.1\r\nHost: {target}\r\nX-Forwarded-For: {forged}\r\nContent-Type: application/json\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n",
            sent.len()
        );
        assert_eq!(exchange(tls, &[head.as_bytes(), &sent].concat()).await.status, 200);
    }
    let people: Vec<u32> = gateway
        .keys(Dimension::Address)
        .iter()
        .map(|key| key.people.first().map_or(0, |people| people.1))
        .filter(|people| *people > 0)
        .collect();
    assert_eq!(people, [20], "one client, by the address of who asked for the tunnels");
}

#[tokio::test]
async fn whoever_is_in_the_name_of_a_host_counts_before_it_is_looked_up() {
    let budget = BUDGET.replace("people = 20", "people = 1");
    let way = Way::opened(&budget).await;
    let host = |name: &str| format!("{name}.localhost:{}", way.port());
    let first = host("4111111111111111");
    for _ in 0..2 {
        assert_eq!(
            connect(way.proxy(), &first, "").await.0,
            200,
            "who was sent may be again"
        );
    }
    let second = host("5555555555554444");
    assert_eq!(connect(way.proxy(), &second, "").await.0, 403);
}

#[tokio::test]
async fn a_tunnel_that_passes_unread_tells_and_holds() {
    let budget = |name: &str, rest: &str| {
        format!(
            "[[budget]]\nname = \"{name}\"\nper = \"address\"\nuninspected = \"100KB\"\nwindow = \"1h\"\n\
             direction = \"requests\"\n{rest}\n"
        )
    };
    let settings = [
        "pass = [\"localhost\"]\n".to_owned(),
        budget("seen", "action = \"block\"\nmode = \"monitor\""),
        budget("kept", "action = \"hold\"\nmode = \"enforce\""),
    ];
    let way = Way::opened(&settings.concat()).await;
    let mut stream = way.tls("localhost", "origins", &[b"http/1.1"]).await.unwrap();
    let head = b"POST /in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    stream.write_all(&vec![b'x'; 200_000]).await.unwrap();
    stream.flush().await.unwrap();
    until("it is held", async || way.gateway.holds().len() == 1).await;
    until("it is told", async || {
        let metrics = way.gateway.metrics().await;
        metrics.contains("tidegate_would_refuse_total{budget=\"seen\"}")
    })
    .await;
    let target = format!("localhost:{}", way.port());
    assert_eq!(connect(way.proxy(), &target, "").await.0, 403);
}

#[tokio::test]
async fn a_refused_host_is_not_reached_by_another_spelling() {
    let way = Way::opened("refuse = [\"127.0.0.1\", \"[::1]\", \"other.example\"]").await;
    for host in [
        "127.0.0.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.1..",
        "127.000.000.001",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:7f00:1]",
    ] {
        let target = format!("{host}:{}", way.port());
        assert_eq!(connect(way.proxy(), &target, "").await.0, 403, "{host}");
    }
    assert_eq!(
        connect(way.proxy(), &format!("localhost:{}", way.port()), "").await.0,
        200
    );
}

/// To an address, a name that is claimed in the hello is asked of the origin.
#[tokio::test]
async fn a_refused_name_is_not_claimed_of_an_address() {
    let dir = tempfile::tempdir().unwrap();
    let origins = Origins::create(&dir.path().join("origins"));
    let origin = origin_at(&origins, &["a.example", "b.example"]).await;
    let way = Way::before(origin, dir, "refuse = [\"b.example\"]").await;
    for (name, is_served) in [("a.example", true), ("b.example", false), ("B.EXAMPLE", false)] {
        let stream = way.tunnel("127.0.0.1").await;
        let config = (*client_config(Some(&way.dir.path().join("ours/authority.pem"))).unwrap()).clone();
        let claimed = ServerName::try_from(name).unwrap();
        let tls = TlsConnector::from(Arc::new(config)).connect(claimed, stream).await;
        assert_eq!(tls.is_ok(), is_served, "{name}");
    }
}
