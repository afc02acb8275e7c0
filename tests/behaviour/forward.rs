//! Clients that go out: who may, where to, and what of their TLS is looked into.

use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use rustls::HandshakeKind;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tidegate::engine::ledger::Dimension;
use tidegate::tls::{Authority, client_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::client::{H2, RawReply, Tls, exchange, http1};
use crate::support::gateway::{Gateway, quoted, until};
use crate::support::origin::{Answer, Origin};
use crate::support::origin_certificates::Origins;
use crate::support::people::{Format, body, cut_body};

/// L.
const PEOPLE_MAX: u32 = 20;
pub(crate) const LOOPBACK: &str = "reaches = [\"127.0.0.0/8\", \"::1/128\"]";
pub(crate) const BUDGET: &str = "[[budget]]\nname = \"out\"\nper = \"address\"\npeople = 20\nwindow = \"1d\"\naction = \"block\"\n\
                      mode = \"enforce\"\n";

/// An origin, its authority, the organisation's, and a gateway between.
pub(crate) struct Way {
    pub(crate) origin: Origin,
    pub(crate) gateway: Gateway,
    pub(crate) dir: TempDir,
}

pub(crate) async fn origin_at(origins: &Origins, names: &[&str]) -> Origin {
    Origin::serve_tls(origins.leaf(names), answer).await
}

pub(crate) fn answer(seen: &crate::support::origin::Seen) -> Answer {
    match seen.uri.path() {
        "/people" => Answer::new("application/json", body(Format::Json, 0..60)),
        "/alt" => Answer::new("text/plain", "here").header(http::header::ALT_SVC, "h3=\":443\""),
        _ => Answer::new("text/plain", "thank you"),
    }
}

/// The settings of a forward listener before an origin at `port`, whose certificates are trusted.
pub(crate) fn listener(dir: &Path, port: u16, rest: &str) -> String {
    format!(
        "[listen.out]\naddress = \"127.0.0.1:0\"\n[listen.out.forward]\nports = [{port}]\nca = {}\n{rest}\n",
        quoted(&dir.join("origins/authority.pem"))
    )
}

impl Way {
    /// To an origin that is `localhost`, over TLS that is opened; `rest` are settings of the listener and what follows it.
    pub(crate) async fn opened(rest: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let origins = Origins::create(&dir.path().join("origins"));
        Self::before(origin_at(&origins, &["localhost"]).await, dir, rest).await
    }

    pub(crate) async fn before(origin: Origin, dir: TempDir, rest: &str) -> Self {
        Authority::create(&dir.path().join("ours")).unwrap();
        let authority = format!("authority = {}\n{LOOPBACK}\n{rest}", quoted(&dir.path().join("ours")));
        let audit = format!("\n[audit]\nfile = {}\n", quoted(&dir.path().join("audit.jsonl")));
        let text = listener(dir.path(), origin.address.port(), &authority) + &audit;
        let gateway = Gateway::start(&text).await;
        Self { origin, gateway, dir }
    }

    pub(crate) fn proxy(&self) -> SocketAddr {
        self.gateway.listener("out")
    }

    pub(crate) fn port(&self) -> u16 {
        self.origin.address.port()
    }

    /// A tunnel to `host` that was granted.
    pub(crate) async fn tunnel(&self, host: &str) -> TcpStream {
        let (status, stream) = connect(self.proxy(), &format!("{host}:{}", self.port()), "").await;
        assert_eq!(status, 200);
        stream
    }

    /// TLS inside a tunnel to localhost, as `name`, by whoever trusts the certificate in `trusted`.
    pub(crate) async fn tls(&self, name: &str, trusted: &str, alpn: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
        self.tls_in(self.tunnel("localhost").await, name, trusted, alpn).await
    }

    /// The same inside this tunnel.
    pub(crate) async fn tls_in(
        &self,
        tunnel: TcpStream,
        name: &str,
        trusted: &str,
        alpn: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let ca = self.dir.path().join(trusted).join("authority.pem");
        Tls::trusting(&ca).offering(alpn).over(tunnel, name).await
    }

    /// One request over HTTP/1.1 inside TLS that is opened.
    async fn ask(&self, request: &str, sent: &[u8]) -> RawReply {
        let stream = self
            .tls("localhost", "ours", &[b"http/1.1"])
            .await
            .expect("a leaf of ours");
        let head = request.replace("HOST", &format!("localhost:{}", self.port()));
        exchange(stream, &[head.as_bytes(), sent].concat()).await
    }

    async fn get(&self, path: &str) -> RawReply {
        self.ask(
            &format!("GET {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n"),
            b"",
        )
        .await
    }
}

/// The status of CONNECT, and the stream behind its head.
pub(crate) async fn connect(proxy: SocketAddr, target: &str, fields: &str) -> (u16, TcpStream) {
    let mut stream = TcpStream::connect(proxy).await.expect("a proxy");
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    let status = String::from_utf8_lossy(&head)[9..12].parse().expect("a status");
    (status, stream)
}

/// A request to a proxy, in the clear.
pub(crate) async fn plain(proxy: SocketAddr, method: &str, url: &str, fields: &str, sent: &[u8]) -> RawReply {
    let host = url.split('/').nth(2).unwrap_or_default();
    let head = format!(
        "{method} {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n{fields}\r\n",
        sent.len()
    );
    http1(proxy, &[head.as_bytes(), sent].concat()).await
}

/// Whether a body ends at the first byte of the first person too many.
fn is_cut(shown: &[u8]) -> bool {
    let granted = cut_body(Format::Json, 0..PEOPLE_MAX);
    shown.strip_prefix(&granted[..]).is_some_and(|rest| rest == b",\n")
}

fn text(reply: &RawReply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

#[tokio::test]
async fn in_the_clear_both_directions_are_counted_each_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::serve(answer).await;
    Origins::create(&dir.path().join("origins"));
    let rest = format!("{LOOPBACK}\n{BUDGET}");
    let gateway = Gateway::start(&listener(dir.path(), origin.address.port(), &rest)).await;
    let (proxy, url) = (
        gateway.listener("out"),
        format!("http://LOCALHOST:{}", origin.address.port()),
    );
    let sent = body(Format::Json, 100..100 + PEOPLE_MAX);
    let json = "Content-Type: application/json\r\nX-Forwarded-For: 192.0.2.9\r\n";
    assert_eq!(
        plain(proxy, "POST", &format!("{url}/in"), json, &sent).await.status,
        200
    );
    // What was sent leaves what may be shown as it was.
    let shown = plain(proxy, "GET", &format!("{url}/people"), "", b"").await;
    assert_eq!((shown.status, shown.is_whole), (200, false));
    assert!(is_cut(&shown.body));
    let more = plain(proxy, "POST", &format!("{url}/in"), json, &body(Format::Json, 500..501)).await;
    assert_eq!(
        (more.status, text(&more).contains("The request was blocked")),
        (403, true)
    );
    let seen = origin.seen();
    assert_eq!(
        (seen.len(), seen[0].uri.path(), &seen[0].body[..]),
        (2, "/in", &sent[..])
    );
    let has = |name: &str| seen[0].headers.contains_key(name);
    // Who goes out is no origin's business; what the client says of itself it may say.
    assert!(!has("x-forwarded-host") && !has("x-request-id") && has("via"));
    assert_eq!(seen[0].headers["x-forwarded-for"], "192.0.2.9");
    let people: Vec<u32> = gateway
        .keys(Dimension::Address)
        .iter()
        .map(|key| key.people[0].1)
        .collect();
    assert_eq!(people, [PEOPLE_MAX, PEOPLE_MAX]);
    // It serves nothing itself.
    assert_eq!(
        http1(proxy, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await
            .status,
        404
    );
    let none = plain(proxy, "GET", "http://localhost:9/", "", b"").await;
    assert_eq!(
        (none.status, text(&none).contains("not-reached")),
        (403, true),
        "no such port"
    );
}

#[tokio::test]
async fn what_is_inside_is_not_reached_however_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::serve(answer).await;
    Origins::create(&dir.path().join("origins"));
    let gateway = Gateway::start(&listener(dir.path(), origin.address.port(), "")).await;
    let (proxy, port) = (gateway.listener("out"), origin.address.port());
    for host in [
        "localhost",
        "127.0.0.1",
        "127.1.2.3",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "0.0.0.0",
    ] {
        let reply = plain(proxy, "GET", &format!("http://{host}:{port}/"), "", b"").await;
        assert_eq!(reply.status, 403, "{host}");
        assert!(text(&reply).contains("may not be reached from here"), "{host}");
        assert_eq!(
            reply.header("proxy-status"),
            Some("tidegate; error=destination_ip_prohibited")
        );
        assert_eq!(connect(proxy, &format!("{host}:{port}"), "").await.0, 403, "{host}");
    }
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn who_is_asked_for_a_name_says_it_and_counts_under_it() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::serve(answer).await;
    Origins::create(&dir.path().join("origins"));
    let hash = tidegate::identity::password_hash(b"secret").unwrap();
    std::fs::write(dir.path().join("users"), format!("ann:{hash}\n")).unwrap();
    let budget = BUDGET.replace("address", "principal");
    let rest = format!("{LOOPBACK}\nusers = {}\n{budget}", quoted(&dir.path().join("users")));
    let gateway = Gateway::start(&listener(dir.path(), origin.address.port(), &rest)).await;
    let (proxy, url) = (
        gateway.listener("out"),
        format!("http://localhost:{}", origin.address.port()),
    );
    for fields in ["", "Proxy-Authorization: Basic YW5uOndyb25n\r\n"] {
        let reply = plain(proxy, "GET", &format!("{url}/"), fields, b"").await;
        assert_eq!(
            (reply.status, reply.header("proxy-authenticate")),
            (407, Some("Basic realm=\"tidegate\""))
        );
        assert_eq!(connect(proxy, "localhost:443", fields).await.0, 407);
    }
    let ann = "Proxy-Authorization: Basic YW5uOnNlY3JldA==\r\n";
    let json = format!("{ann}Content-Type: application/json\r\n");
    let sent = body(Format::Json, 0..3);
    assert_eq!(
        plain(proxy, "POST", &format!("{url}/in"), &json, &sent).await.status,
        200
    );
    assert_eq!(gateway.keys(Dimension::Principal)[0].people[0].1, 3);
    assert!(!origin.seen()[0].headers.contains_key("proxy-authorization"));
    gateway.revoke("principal", "proxy-user:ann").await;
    assert_eq!(plain(proxy, "GET", &format!("{url}/"), ann, b"").await.status, 403);
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_guesses_passwords_is_slowed_with_its_network_and_who_is_known_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::serve(answer).await;
    Origins::create(&dir.path().join("origins"));
    let hash = tidegate::identity::password_hash(b"secret").unwrap();
    std::fs::write(dir.path().join("users"), format!("ann:{hash}\n")).unwrap();
    let rest = format!("{LOOPBACK}\nusers = {}\n{BUDGET}", quoted(&dir.path().join("users")));
    let gateway = Gateway::start(&listener(dir.path(), origin.address.port(), &rest)).await;
    let proxy = gateway.listener("out");
    let url = format!("http://localhost:{}/", origin.address.port());
    let ann = "Proxy-Authorization: Basic YW5uOnNlY3JldA==\r\n";
    assert_eq!(plain(proxy, "GET", &url, ann, b"").await.status, 200);
    let mut guesses = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let url = url.clone();
        guesses.spawn(async move {
            plain(proxy, "GET", &url, "Proxy-Authorization: Basic YW5uOndyb25n\r\n", b"")
                .await
                .status
        });
    }
    let statuses = guesses.join_all().await;
    let late = statuses.iter().filter(|status| **status == 429).count();
    assert!(
        late >= 20 && statuses.iter().all(|status| matches!(status, 407 | 429)),
        "{statuses:?}"
    );
    assert_eq!(plain(proxy, "GET", &url, ann, b"").await.status, 200, "who is known");
    assert!(gateway.metrics().await.contains("passwords_per_s_max"));
}

#[tokio::test]
async fn tls_is_opened_over_both_versions_and_both_directions_are_counted() {
    let way = Way::opened(BUDGET).await;
    let shown = way.get("/people").await;
    assert_eq!((shown.status, shown.is_whole), (200, false));
    assert!(is_cut(&shown.body));
    let sent = body(Format::Ndjson, 0..60);
    let post = format!(
        "POST /in HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n",
        sent.len()
    );
    let refused = way.ask(&post, &sent).await;
    assert_eq!(
        (refused.status, text(&refused).contains("The request was blocked")),
        (403, true)
    );
    assert_eq!(way.get("/alt").await.header("alt-svc"), None);

    let tls = way.tls("localhost", "ours", &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let h2 = H2::over(way.origin.address, tls).await;
    let uri = format!("https://localhost:{}/people", way.port());
    let request = |uri: &str| Request::get(uri).body(Full::new(Bytes::new())).unwrap();
    let known = h2.send(request(&uri)).await;
    assert_eq!(known.status, 200);
    assert!(is_cut(&known.body), "whoever was shown is known");
    let version = way.origin.seen().last().expect("a request").version;
    assert_eq!(
        version,
        http::Version::HTTP_2,
        "the origin speaks what the client speaks"
    );
    // Another host inside the tunnel is not what was asked for.
    let other = h2
        .send(request(&format!("https://other.example:{}/", way.port())))
        .await;
    assert_eq!(other.status, 421);

    let lines = || std::fs::read_to_string(way.dir.path().join("audit.jsonl")).unwrap_or_default();
    until("the name that was minted is told", async || {
        lines().contains("\"mint\"") && lines().contains("localhost")
    })
    .await;
    assert_eq!(lines().matches("\"mint\"").count(), 1, "{}", lines());
}

#[tokio::test]
async fn a_session_is_resumed_through_a_tunnel() {
    let way = Way::opened("").await;
    let config = client_config(Some(&way.dir.path().join("ours/authority.pem"))).unwrap();
    let connector = TlsConnector::from(config);
    let get = format!(
        "GET / HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
        way.port()
    );
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, way.tunnel("localhost").await).await.unwrap();
        stream.write_all(get.as_bytes()).await.unwrap();
        // Tickets come before the answer.
        stream.read_u8().await.unwrap();
        kinds.push(stream.get_ref().1.handshake_kind());
    }
    assert_eq!(kinds, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
}

#[tokio::test]
async fn a_front_is_refused_and_so_is_what_is_no_tls() {
    let way = Way::opened("").await;
    assert!(way.tls("other.example", "ours", &[]).await.is_err());
    let mut stream = way.tunnel("localhost").await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut told = Vec::new();
    stream.read_to_end(&mut told).await.ok();
    assert!(!told.starts_with(b"HTTP"));
    let misdirected = "GET / HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n";
    assert_eq!(way.ask(misdirected, b"").await.status, 421);
    assert!(way.origin.seen().is_empty());
}

#[tokio::test]
async fn an_origin_that_is_not_to_be_trusted_is_refused_with_a_page_that_says_why() {
    type Make = fn(&Origins) -> Vec<tidegate::tls::CertificateFiles>;
    let cases: [(Make, &str); 3] = [
        (|origins| origins.expired("localhost"), "has expired"),
        (
            |origins| origins.self_signed("localhost"),
            "signed by nobody who is trusted here",
        ),
        (|origins| origins.leaf(&["other.example"]), "is another host's"),
    ];
    for (make, why) in cases {
        let dir = tempfile::tempdir().unwrap();
        let origins = Origins::create(&dir.path().join("origins"));
        let origin = Origin::serve_tls(make(&origins), answer).await;
        let way = Way::before(origin, dir, "").await;
        let page = "GET / HTTP/1.1\r\nHost: HOST\r\nAccept: text/html\r\nConnection: close\r\n\r\n";
        let reply = way.ask(page, b"").await;
        assert_eq!(
            (reply.status, text(&reply).contains(why)),
            (502, true),
            "{why}: {}",
            text(&reply)
        );
        assert_eq!(
            reply.header("proxy-status"),
            Some("tidegate; error=tls_certificate_error")
        );
        assert!(way.origin.seen().is_empty());
    }
}

#[tokio::test]
async fn an_origin_whose_certificate_is_revoked_is_refused_with_a_page_that_says_so() {
    for (is_listed, until, status) in [(true, 2_096, 502), (false, 2_096, 200), (false, 2_021, 502)] {
        let dir = tempfile::tempdir().unwrap();
        let origins = Origins::create(&dir.path().join("origins"));
        let (files, other) = (origins.leaf(&["localhost"]), origins.leaf(&["other.example"]));
        let list = origins.revoke(if is_listed { &files[0] } else { &other[0] }, until);
        let origin = Origin::serve_tls(files, answer).await;
        let way = Way::before(origin, dir, &format!("crls = [{}]", quoted(&list))).await;
        let page = "GET / HTTP/1.1\r\nHost: HOST\r\nAccept: text/html\r\nConnection: close\r\n\r\n";
        let reply = way.ask(page, b"").await;
        let says_so = text(&reply).contains("has been revoked");
        assert_eq!((reply.status, says_so), (status, status == 502), "{until}");
    }
}

#[tokio::test]
async fn hosts_are_passed_unread_or_refused_as_the_policy_says() {
    let budget = "[[budget]]\nname = \"dark\"\nper = \"address\"\nuninspected = \"100KB\"\nwindow = \"1h\"\naction = \"block\"\n\
                  mode = \"enforce\"\n";
    let way = Way::opened(&format!(
        "pass = [\"localhost\"]\nrefuse = [\"*.paste.example\"]\n{budget}"
    ))
    .await;
    assert_eq!(
        connect(way.proxy(), &format!("a.paste.example:{}", way.port()), "")
            .await
            .0,
        403
    );
    assert!(
        way.tls("localhost", "ours", &[]).await.is_err(),
        "the origin shows its own certificate"
    );
    let stream = way
        .tls("localhost", "origins", &[b"http/1.1"])
        .await
        .expect("a leaf of the origin's");
    let get = b"GET /people HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(exchange(stream, get).await.body, body(Format::Json, 0..60));
    let mut stream = way.tls("localhost", "origins", &[b"http/1.1"]).await.unwrap();
    let head = b"POST /in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let (chunk, mut sent) = (vec![b'x'; 16_384], 0);
    // Until the tunnel is cut: nothing else ends it.
    while stream.write_all(&chunk).await.is_ok() && stream.flush().await.is_ok() {
        sent += chunk.len();
        assert!(sent < 9_000_000, "it was not cut");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(
        connect(way.proxy(), &format!("localhost:{}", way.port()), "").await.0,
        403,
        "nothing is left"
    );
    let metrics = way.gateway.metrics().await;
    assert!(metrics.contains("tidegate_upload_uninspected_bytes_total{route=\"forward:out\",reason=\"host\"}"));
}

#[tokio::test]
async fn a_large_clean_upload_passes_whole_through_tls_that_is_opened() {
    let way = Way::opened(BUDGET).await;
    let sent = vec![b'x'; 12 << 20];
    let post = format!(
        "POST /in HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
        sent.len()
    );
    assert_eq!(way.ask(&post, &sent).await.status, 200);
    let seen = way.origin.seen();
    assert!(seen[0].is_whole && seen[0].body == sent);
    assert_eq!(way.gateway.shared().held.bytes(), 0);
}
