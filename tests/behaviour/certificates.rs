//! Certificates of clients: who shows one is known by it, one that is not good is refused with its reason, and one that is
//! revoked is so at once, on connections that stand too.

use std::net::Ipv4Addr;
use std::path::Path;

use bytes::Bytes;
use rustls::HandshakeKind;
use rustls::client::Resumption;
use tidegate::engine::ledger::Dimension;
use tidegate::engine::policy::people_key;
use tidegate::tls::{Authority, ClientCertificate};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::client::TlsStream;

use crate::support::certificates::{ClientAuthority, Shown};
use crate::support::client::{RawReply, Tls, https_from};
use crate::support::gateway::{Gateway, quoted, until};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body};

const BILLING: &str = "spiffe://shop.example/billing";
const HOME: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A gateway that asks clients for certificates, whom they trust, and who signs for them.
struct Place {
    gateway: Gateway,
    clients: ClientAuthority,
    plain: Tls,
    own: Authority,
}

impl Place {
    /// `client_certificates` has `more`, and the configuration after it `rest`.
    async fn start(origin: &Origin, more: &str, rest: &str) -> Self {
        let state = tempfile::tempdir().expect("a directory");
        let own = Authority::create(&state.path().join("authority")).expect("an authority");
        let (cert, key) = own.leaf(&["localhost".into()]).expect("a leaf");
        let clients = ClientAuthority::new();
        let write = |name: &str, text: &str| std::fs::write(state.path().join(name), text).expect("a file");
        write("clients.pem", &clients.pem);
        write("clients.crl", &clients.revoke(&[], 2099));
        let text = format!(
            "[listen.edge]\naddress = \"127.0.0.1:0\"\ntls = {{ cert = {}, key = {} }}\n\
             client_certificates = {{ ca = {}, crls = [{}]{more} }}\n\
             [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n{rest}",
            quoted(&cert),
            quoted(&key),
            quoted(&state.path().join("clients.pem")),
            quoted(&state.path().join("clients.crl")),
            origin.address
        );
        let plain = Tls::trusting(&own.certificate());
        let gateway = Gateway::start_watched(state, &text).await;
        Self {
            gateway,
            clients,
            plain,
            own,
        }
    }

    async fn ask(&self, tls: &Tls, path: &str, header_lines: &str) -> RawReply {
        https_from(HOME, self.gateway.address, tls, request(path, header_lines).as_bytes()).await
    }

    /// The status for whoever shows this.
    async fn status(&self, shown: &Shown) -> u16 {
        self.ask(&self.plain.showing(shown), "/0", "").await.status
    }

    /// Another revocation list is in force from now on.
    fn publish(&self, list: &str) {
        write_whole(&self.gateway.state().join("clients.crl"), list);
    }
}

/// As an operator does: nobody reads half of it.
fn write_whole(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("a file");
    std::fs::rename(&new, path).expect("it takes its place");
}

fn request(path: &str, header_lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header_lines}\r\n")
}

/// `/N` shows person `N`.
async fn one_each() -> Origin {
    Origin::serve(|request| {
        let number = request.uri.path().trim_start_matches('/').parse().unwrap_or(0);
        Answer::new("application/json", body(Format::Json, number..number + 1))
    })
    .await
}

fn budget(per: &str, people: u32) -> String {
    format!(
        "[[budget]]\nname = \"{per}\"\nper = \"{per}\"\npeople = {people}\nwindow = \"1d\"\naction = \"block\"\n\
         mode = \"enforce\"\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_out_is_known_by_a_certificate() {
    let origin = one_each().await;
    let port = origin.address.port();
    let rest = format!(
        "[listen.edge.forward]\nports = [{port}]\nreaches = [\"127.0.0.0/8\"]\n\
         [[listen.edge.forward.rule]]\naction = \"refuse\"\nprincipals = [\"certificate:CN=batch\"]\n"
    );
    let place = Place::start(&origin, "", &(rest + &budget("principal", 2))).await;
    let billing = place.plain.showing(&place.clients.sign("one", &[BILLING]));
    let batch = place.plain.showing(&place.clients.sign("batch", &[]));
    let mut statuses = Vec::new();
    for (number, tls) in [&billing, &billing, &billing, &batch, &place.plain]
        .into_iter()
        .enumerate()
    {
        let host = format!("127.0.0.1:{port}");
        let get = format!("GET http://{host}/{number} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        statuses.push(
            https_from(HOME, place.gateway.address, tls, get.as_bytes())
                .await
                .status,
        );
    }
    assert_eq!(statuses, [200, 200, 403, 403, 200]);
    assert!(
        place
            .gateway
            .keys(Dimension::Principal)
            .iter()
            .any(|key| key.people[0].1 == 2)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_a_certificate_is_known_by_it_and_counts_under_it() {
    let origin = one_each().await;
    let rest = "[identity]\nsources = [\"certificate:spiffe\", \"certificate:subject\", \"cookie:sid\"]\n".to_owned()
        + &budget("certificate", 3)
        + &budget("principal", 100);
    let place = Place::start(&origin, "", &rest).await;
    let first = place.plain.showing(&place.clients.sign("one", &[BILLING]));
    let renewed = place.plain.showing(&place.clients.sign("two", &[BILLING]));
    let other = place.plain.showing(&place.clients.sign("batch", &[]));
    let mut statuses = Vec::new();
    for (number, tls) in [&first, &renewed, &first, &renewed, &other, &place.plain]
        .into_iter()
        .enumerate()
    {
        // The cookie is one's own choice, the certificate is not.
        let cookie = format!("Cookie: sid={number}\r\n");
        statuses.push(place.ask(tls, &format!("/{number}"), &cookie).await.status);
    }
    assert_eq!(
        statuses,
        [200, 200, 200, 403, 200, 200],
        "a renewed certificate is the same client"
    );
    let people = |dimension, name: &str| {
        let key = people_key(&place.gateway.shared().secret, dimension, name.as_bytes());
        let view = place.gateway.keys(dimension).into_iter().find(|view| view.key == key);
        view.and_then(|view| view.people.first().map(|(_, people)| *people))
    };
    assert_eq!(people(Dimension::Certificate, BILLING), Some(3));
    assert_eq!(people(Dimension::Certificate, "CN=batch"), Some(1));
    assert_eq!(
        people(Dimension::Principal, &format!("certificate\0{BILLING}")),
        Some(3)
    );
    assert_eq!(people(Dimension::Principal, "certificate\0CN=batch"), Some(1));
    assert_eq!(
        place.gateway.keys(Dimension::Certificate).len(),
        2,
        "who shows none has none"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_may_be_whom_certificates_name() {
    let origin = one_each().await;
    let rest = format!(
        "[identity]\nsources = [\"certificate:spiffe\", \"certificate:subject\"]\n\
         [identity.group]\nservice = {{ certificates = [\"spiffe://shop.example/*\"] }}\n\
         partner = {{ certificates = [\"CN=acme\", \"CN=known\"] }}\n\
         {}when = \"group:service\"\n{}when = \"group:partner\"\n\
         [[exception]]\nbudget = \"partner\"\nprincipal = \"certificate:CN=known\"\npeople = 3\nowner = \"o\"\nreason = \"r\"\n\
         expires = \"2099-01-01\"\n",
        budget("principal", 2),
        budget("principal", 1).replace("name = \"principal\"", "name = \"partner\""),
    );
    let place = Place::start(&origin, "", &rest).await;
    for (name, ids, people) in [
        ("one", &[BILLING][..], 2),
        ("acme", &[], 1),
        ("known", &[], 3),
        // Its subject is that of the partner, but a SPIFFE ID is what the sources read first.
        ("acme", &["spiffe://other.example/web"], 4),
        ("batch", &[], 4),
        ("batch", &["spiffe://shop.example.evil/web"], 4),
    ] {
        let tls = place.plain.showing(&place.clients.sign(name, ids));
        let mut served = 0;
        for number in 0..4 {
            served += u32::from(place.ask(&tls, &format!("/{number}"), "").await.status == 200);
        }
        assert_eq!(served, people, "{name} {ids:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_not_good_is_refused_and_counted_with_its_reason() {
    let origin = one_each().await;
    let place = Place::start(&origin, ", required = true", "").await;
    let (good, revoked) = (place.clients.sign("good", &[]), place.clients.sign("revoked", &[]));
    assert_eq!([place.status(&good).await, place.status(&revoked).await], [200, 200]);
    place.publish(&place.clients.revoke(&[&revoked], 2099));
    until("the list is in force", async || place.status(&revoked).await == 0).await;
    let foreign = ClientAuthority::new().sign("good", &[]);
    let expired = place.clients.sign_until("old", &[], 2020);
    assert_eq!([place.status(&foreign).await, place.status(&expired).await], [0, 0]);
    assert_eq!(place.ask(&place.plain, "/0", "").await.status, 0, "nor without one");
    assert_eq!(place.status(&good).await, 200);
    place.publish(&place.clients.revoke(&[&revoked], 2021));
    until("a list past its next update lets nobody in", async || {
        place.status(&good).await == 0
    })
    .await;
    let metrics = place.gateway.metrics().await;
    for kind in ["revoked", "unknown_issuer", "expired", "missing", "crl_expired"] {
        let counted = format!("tidegate_tls_failures_total{{leg=\"downstream\",kind=\"certificate_{kind}\"}}");
        assert!(metrics.contains(&counted), "{counted}");
    }
    place.publish("no list");
    let refused = "tidegate_config_last_reload_successful 0";
    until("it is refused", async || {
        place.gateway.metrics().await.contains(refused)
    })
    .await;
    assert_eq!(place.status(&revoked).await, 0, "the list before it stays in force");
}

/// What comes next on a connection that stays open, up to `end`.
async fn next(stream: &mut TlsStream<TcpStream>, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        read.push(stream.read_u8().await.expect("more of the answer"));
    }
    String::from_utf8_lossy(&read).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_list_reaches_connections_that_stand_and_streams_under_way() {
    let (chunks, fed) = mpsc::channel(4);
    let fed = std::sync::Mutex::new(Some(fed));
    let origin = Origin::serve(move |request| match request.uri.path() {
        "/stream" => Answer::fed("text/plain", fed.lock().unwrap().take().expect("once")),
        _ => Answer::new("text/plain", "hello"),
    })
    .await;
    let place = Place::start(&origin, "", "").await;
    let (good, revoked) = (place.clients.sign("good", &[]), place.clients.sign("revoked", &[]));
    let mut standing = Vec::new();
    for shown in [&good, &revoked, &revoked] {
        let tls = place.plain.showing(shown);
        standing.push(
            tls.connect_from(HOME, place.gateway.address)
                .await
                .expect("a handshake"),
        );
    }
    let [good, idle, streaming] = &mut standing[..] else {
        panic!("three connections")
    };
    let plain = "GET /0 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for stream in [&mut *good, &mut *idle] {
        stream.write_all(plain.as_bytes()).await.unwrap();
        assert!(next(stream, "hello").await.starts_with("HTTP/1.1 200"));
    }
    streaming.write_all(request("/stream", "").as_bytes()).await.unwrap();
    chunks.send(Bytes::from("begun\n")).await.unwrap();
    next(streaming, "begun\n").await;

    place.publish(&place.clients.revoke(&[&revoked], 2099));
    let mut rest = Vec::new();
    let cut = tokio::time::timeout(std::time::Duration::from_secs(30), streaming.read_to_end(&mut rest)).await;
    assert!(cut.is_ok(), "the stream ends while its origin goes on");
    assert!(!rest.ends_with(b"0\r\n\r\n"), "and the cut shows");
    idle.write_all(plain.as_bytes()).await.unwrap();
    assert!(next(idle, "}").await.starts_with("HTTP/1.1 403"));
    good.write_all(plain.as_bytes()).await.unwrap();
    assert!(next(good, "hello").await.starts_with("HTTP/1.1 200"));
    let metrics = place.gateway.metrics().await;
    assert!(metrics.contains("tidegate_revoked_uses_total{what=\"certificate\"}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_that_showed_a_certificate_is_resumed() {
    let origin = one_each().await;
    let place = Place::start(&origin, "", "").await;
    let resuming = Tls::resuming(&place.own.certificate(), Resumption::in_memory_sessions(8));
    let resuming = resuming.showing(&place.clients.sign("one", &[]));
    for _ in 0..3 {
        let mut stream = resuming
            .connect_from(HOME, place.gateway.address)
            .await
            .expect("a handshake");
        stream.write_all(request("/0", "").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_revoked_by_their_names_and_by_their_digest() {
    let origin = one_each().await;
    let place = Place::start(&origin, "", "[identity]\nsources = [\"certificate:subject\"]\n").await;
    let (one, renewed) = (
        place.clients.sign("one", &[BILLING]),
        place.clients.sign("one", &[BILLING]),
    );
    let digest = printed_digest(&one);
    for (what, name, statuses) in [
        ("certificate", BILLING, [403, 403]),
        ("certificate", "CN=one", [403, 403]),
        ("certificate", digest.as_str(), [403, 200]),
        ("principal", "certificate:CN=one", [403, 403]),
    ] {
        let key = place.gateway.revoke(what, name).await;
        assert_eq!(
            [place.status(&one).await, place.status(&renewed).await],
            statuses,
            "{what} {name}"
        );
        place.gateway.reinstate(&key).await;
        assert_eq!([place.status(&one).await, place.status(&renewed).await], [200, 200]);
    }
}

/// The SHA-256 of a certificate, as `openssl x509 -fingerprint -sha256` prints it.
fn printed_digest(shown: &Shown) -> String {
    let digits = ClientCertificate::digest_of(&shown.der).to_uppercase();
    let pairs: Vec<&str> = (0..32).map(|at| &digits[2 * at..2 * at + 2]).collect();
    pairs.join(":")
}
