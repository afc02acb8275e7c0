//! Clients that go out and say they are others, or mean other hosts: by a field, a name or a spelling.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use rustls::pki_types::ServerName;
use tidegate::engine::ledger::Dimension;
use tidegate::tls::{Authority, client_config};
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsConnector;

use super::forward::{BUDGET, LOOPBACK, Way, answer, connect, listener, origin_at};
use super::pinned::{digest, exception};
use super::tunnels_out::reload;
use crate::support::client::{H2, Tls, exchange};
use crate::support::gateway::{Gateway, quoted, until};
use crate::support::origin::Origin;
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
        let ours = Tls::trusting(&dir.path().join("ours/authority.pem"));
        let tls = ours.over(stream, "localhost").await.unwrap();
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

/// What a list says of `a.example`, and a budget of ten people that binds what goes to some places alone.
fn bound(dir: &Path, category: &str, when: &str) -> String {
    let list = dir.join("hosts.list");
    std::fs::write(&list, format!("a.example {category}\n")).unwrap();
    format!(
        "[[budget]]\nname = \"out\"\nper = \"address\"\ndirection = \"requests\"\nwhen = \"{when}\"\npeople = 10\n\
         window = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n[rules]\ndestinations = {}\n",
        quoted(&list)
    )
}

/// A request inside a tunnel to an address, for which `name` is claimed.
async fn post(way: &Way, name: &str, sent: &[u8]) -> u16 {
    let tunnel = way.tunnel("127.0.0.1").await;
    let tls = way.tls_in(tunnel, name, "ours", &[b"http/1.1"]).await.unwrap();
    let head = format!(
        "POST /in HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        way.port(),
        sent.len()
    );
    exchange(tls, &[head.as_bytes(), sent].concat()).await.status
}

#[tokio::test]
async fn what_goes_to_an_address_counts_by_the_name_that_its_origin_proves() {
    let dir = tempfile::tempdir().unwrap();
    let origins = Origins::create(&dir.path().join("origins"));
    let origin = origin_at(&origins, &["a.example", "b.example", "127.0.0.1"]).await;
    let bound = bound(dir.path(), "paste", "category:paste");
    let way = Way::before(origin, dir, &bound).await;
    let sent = body(Format::Json, 0..30);
    for (name, status) in [
        ("a.example", 403),
        ("A.Example", 403),
        ("b.example", 200),
        ("127.0.0.1", 200),
    ] {
        assert_eq!(post(&way, name, &sent).await, status, "{name}");
    }
}

/// A name by which fewer budgets bind, of whoever is at that address.
#[tokio::test]
async fn a_name_that_no_origin_proves_counts_for_nothing() {
    let sent = body(Format::Json, 0..30);
    for is_proved in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let origins = Origins::create(&dir.path().join("origins"));
        let leaf = if is_proved {
            origins.leaf(&["a.example"])
        } else {
            origins.self_signed("a.example")
        };
        let bound = bound(dir.path(), "ours", "!category:ours");
        let certificate = digest(&leaf);
        let way = Way::before(Origin::serve_tls(leaf, answer).await, dir, &bound).await;
        let status = if is_proved { 200 } else { 502 };
        assert_eq!(post(&way, "a.example", &sent).await, status, "proved: {is_proved}");
        let believed = exception(&format!(
            "hosts = [\"127.0.0.1\"]\ncertificate = \"{certificate}\"\nexpires = \"2099-01-01\""
        ));
        reload(&way, way.port(), &(believed + &bound));
        let status = if is_proved { 200 } else { 403 };
        assert_eq!(
            post(&way, "a.example", &sent).await,
            status,
            "believed, proved: {is_proved}"
        );
        assert_eq!(post(&way, "a.example", &body(Format::Json, 0..5)).await, 200);
    }
}

#[tokio::test]
async fn a_rule_on_the_name_of_an_address_closes_what_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let origins = Origins::create(&dir.path().join("origins"));
    let origin = origin_at(&origins, &["a.example"]).await;
    let way = Way::before(origin, dir, "").await;
    let tunnel = way.tunnel("127.0.0.1").await;
    let tls = way.tls_in(tunnel, "a.example", "ours", &[b"h2"]).await.unwrap();
    let h2 = H2::over(way.origin.address, tls).await;
    let get = || Request::get(format!("https://127.0.0.1:{}/", way.port())).body(Full::new(Bytes::new()));
    assert_eq!(h2.send(get().unwrap()).await.status, 200);
    let rule = "[[listen.out.forward.rule]]\naction = \"refuse\"\ncategories = [\"paste\"]\n";
    reload(
        &way,
        way.port(),
        &(rule.to_owned() + &bound(way.dir.path(), "paste", "category:paste")),
    );
    assert_eq!(h2.send(get().unwrap()).await.status, 403);
}
