//! Tunnels out that are open while something changes, and names of which there is no origin.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use rustls::pki_types::ServerName;
use tidegate::run::{Origin as Configuration, load};
use tidegate::tls::client_config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::forward::{LOOPBACK, Way, listener};
use crate::support::client::H2;
use crate::support::gateway::{quoted, until};

/// Puts a listener with these settings and this port of origins in force, as a reload does.
fn reload(way: &Way, port: u16, rest: &str) {
    let authority = format!(
        "authority = {}\n{LOOPBACK}\n{rest}",
        quoted(&way.dir.path().join("ours"))
    );
    let state = format!("[state]\ndir = {}\n", quoted(way.gateway.state()));
    let origin = Configuration {
        path: None,
        text: listener(way.dir.path(), port, &authority) + &state,
        variables: Vec::new(),
    };
    let generation = way.gateway.shared().set().generation + 1;
    let loaded = load(&origin, way.gateway.shared().clock.now(), generation).unwrap_or_else(|error| panic!("{error}"));
    way.gateway.shared().replace(loaded.set);
}

#[tokio::test]
async fn a_reload_that_closes_the_way_is_seen_inside_a_tunnel() {
    for (rest, other_port) in [
        ("refuse = [\"localhost\"]", false),
        ("pass = [\"localhost\"]", false),
        ("", true),
    ] {
        let way = Way::opened("").await;
        let tls = way.tls("localhost", "ours", &[b"h2"]).await.unwrap();
        let h2 = H2::over(way.origin.address, tls).await;
        let get = || Request::get(format!("https://localhost:{}/", way.port())).body(Full::new(Bytes::new()));
        assert_eq!(h2.send(get().unwrap()).await.status, 200, "{rest}");
        reload(&way, if other_port { 1 } else { way.port() }, rest);
        assert_eq!(h2.send(get().unwrap()).await.status, 403, "{rest}");
        assert_eq!(way.origin.seen().len(), 1, "{rest}");
    }
}

#[tokio::test]
async fn a_reload_that_closes_the_way_ends_what_passes_unread() {
    let way = Way::opened("pass = [\"localhost\"]").await;
    for (rest, is_open) in [("pass = [\"localhost\", \"b.example\"]", true), ("", false)] {
        let mut stream = way.tls("localhost", "origins", &[b"http/1.1"]).await.unwrap();
        reload(&way, way.port(), rest);
        tokio::time::sleep(Duration::from_millis(400)).await;
        let get = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut told = Vec::new();
        let sent = stream.write_all(get).await;
        let read = stream.read_to_end(&mut told).await;
        assert_eq!(told.starts_with(b"HTTP/1.1 200"), is_open, "{rest}: {sent:?} {read:?}");
    }
    assert_eq!(way.origin.seen().len(), 1);
}

#[tokio::test]
async fn nothing_is_signed_for_a_name_of_which_there_is_no_origin() {
    let way = Way::opened("").await;
    let stream = way.tunnel("nowhere.invalid").await;
    let config = client_config(Some(&way.dir.path().join("ours/authority.pem"))).unwrap();
    let name = ServerName::try_from("nowhere.invalid").unwrap();
    assert!(TlsConnector::from(config).connect(name, stream).await.is_err());
    drop(way.tls("localhost", "ours", &[]).await.unwrap());
    let lines = || std::fs::read_to_string(way.dir.path().join("audit.jsonl")).unwrap_or_default();
    until("the other name is told", async || lines().contains("localhost")).await;
    assert!(!lines().contains("nowhere"), "{}", lines());
}
