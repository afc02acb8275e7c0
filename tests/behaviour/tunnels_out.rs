//! Tunnels out that are open while something changes, and names of which there is no origin.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::HandshakeKind;
use rustls::pki_types::ServerName;
use tidegate::run::{Origin as Configuration, load};
use tidegate::tls::{Authority, client_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::forward::{LOOPBACK, Way, listener};
use crate::support::client::{H2, Tls, exchange};
use crate::support::gateway::{quoted, until};

/// How long a tunnel may go on that was closed; a test that gets here has failed.
const ENDS_MAX: Duration = Duration::from_secs(20);

/// Puts a listener with these settings and this port of origins in force, as a reload does.
pub(crate) fn reload(way: &Way, port: u16, rest: &str) {
    reload_all(way, port, &format!("{LOOPBACK}\n{rest}"));
}

/// The same, which may not reach this machine unless the settings say so.
fn reload_all(way: &Way, port: u16, rest: &str) {
    let authority = format!("authority = {}\n{rest}", quoted(&way.dir.path().join("ours")));
    let state = format!("[state]\ndir = {}\n", quoted(way.gateway.state()));
    let origin = Configuration {
        path: None,
        text: listener(way.dir.path(), port, &authority) + &state,
        variables: Vec::new(),
        reader: None,
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
async fn a_reload_keeps_leaves_and_sessions_of_an_authority_that_stays() {
    let way = Way::opened("").await;
    let authority = way.dir.path().join("ours");
    let config = || client_config(Some(&authority.join("authority.pem"))).unwrap();
    let shake = async |config: &Arc<rustls::ClientConfig>| {
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::clone(config));
        let mut stream = connector.connect(name, way.tunnel("localhost").await).await.unwrap();
        let get = format!("GET / HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", way.port());
        stream.write_all(get.as_bytes()).await.unwrap();
        // Tickets come before the answer.
        stream.read_u8().await.unwrap();
        let session = stream.get_ref().1;
        let leaf = session.peer_certificates().unwrap()[0].as_ref().to_vec();
        (leaf, session.handshake_kind())
    };
    let (first, leaf) = (config(), shake(&config()).await.0);
    assert_eq!(shake(&first).await, (leaf.clone(), Some(HandshakeKind::Full)));
    reload(&way, way.port(), "pass = [\"other.example\"]");
    assert_eq!(shake(&first).await, (leaf.clone(), Some(HandshakeKind::Resumed)));
    assert_eq!(shake(&config()).await, (leaf.clone(), Some(HandshakeKind::Full)));
    std::fs::remove_dir_all(&authority).unwrap();
    Authority::create(&authority).unwrap();
    reload(&way, way.port(), "");
    assert_ne!(shake(&config()).await.0, leaf, "another authority signs anew");
}

#[tokio::test]
async fn a_reload_by_which_somebody_must_say_a_name_is_seen_inside_a_tunnel() {
    for rest in ["", "pass = [\"localhost\"]"] {
        let way = Way::opened(rest).await;
        let users = way.dir.path().join("users");
        let hash = tidegate::identity::password_hash(b"secret").unwrap();
        std::fs::write(&users, format!("ann:{hash}\n")).unwrap();
        let trusted = if rest.is_empty() { "ours" } else { "origins" };
        let mut stream = way.tls("localhost", trusted, &[b"http/1.1"]).await.unwrap();
        reload(&way, way.port(), &format!("users = {}\n{rest}", quoted(&users)));
        let mut told = Vec::new();
        if rest.is_empty() {
            let get = format!(
                "GET / HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
                way.port()
            );
            stream.write_all(get.as_bytes()).await.unwrap();
        }
        let ended = tokio::time::timeout(ENDS_MAX, stream.read_to_end(&mut told)).await;
        assert!(
            ended.is_ok() && (told.is_empty() || told.starts_with(b"HTTP/1.1 403")),
            "{rest}"
        );
        assert!(way.origin.seen().is_empty(), "{rest}");
    }
}

#[tokio::test]
async fn a_reload_that_closes_an_address_is_seen_by_connections_that_are_open() {
    let way = Way::opened("").await;
    let tls = way.tls("localhost", "ours", &[b"h2"]).await.unwrap();
    let h2 = H2::over(way.origin.address, tls).await;
    let get = || Request::get(format!("https://localhost:{}/", way.port())).body(Full::new(Bytes::new()));
    assert_eq!(h2.send(get().unwrap()).await.status, 200);
    reload(&way, way.port(), "");
    assert_eq!(
        h2.send(get().unwrap()).await.status,
        200,
        "by the rules that are in force now"
    );
    reload_all(&way, way.port(), "");
    assert_eq!(h2.send(get().unwrap()).await.status, 403, "inside");
    assert_eq!(way.origin.seen().len(), 2);
}

#[tokio::test]
async fn a_reload_that_closes_the_way_ends_what_passes_unread() {
    let way = Way::opened("pass = [\"localhost\"]").await;
    let mut stream = way.tls("localhost", "origins", &[b"http/1.1"]).await.unwrap();
    reload(&way, way.port(), "pass = [\"localhost\", \"b.example\"]");
    // Longer than between two looks.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let get = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut told = Vec::new();
    stream.write_all(get).await.unwrap();
    stream.read_to_end(&mut told).await.ok();
    assert!(told.starts_with(b"HTTP/1.1 200"), "another host's way is no matter");

    let mut stream = way.tls("localhost", "origins", &[b"http/1.1"]).await.unwrap();
    reload(&way, way.port(), "");
    let ended = tokio::time::timeout(ENDS_MAX, stream.read_to_end(&mut told)).await;
    assert!(ended.is_ok(), "it is ended though nobody writes");
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

#[tokio::test]
async fn a_tunnel_is_asked_for_over_http2_as_well() {
    for (rest, trusted) in [("", "ours"), ("pass = [\"localhost\"]", "origins")] {
        let way = Way::opened(rest).await;
        let stream = TcpStream::connect(way.proxy()).await.unwrap();
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.unwrap();
        tokio::spawn(connection);
        let authority = format!("localhost:{}", way.port());
        let request = Request::connect(&authority).body(Full::new(Bytes::new())).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200, "{rest}");
        let inside = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        let ca = way.dir.path().join(trusted).join("authority.pem");
        let tls = Tls::trusting(&ca).over(inside, "localhost").await.unwrap();
        let get = format!("GET / HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        assert_eq!(exchange(tls, get.as_bytes()).await.status, 200, "{rest}");
        // Where it may not lead it is refused, and the connection goes on.
        let other = Request::connect("localhost:1").body(Full::new(Bytes::new())).unwrap();
        assert_eq!(sender.send_request(other).await.unwrap().status(), 403, "{rest}");
    }
}
