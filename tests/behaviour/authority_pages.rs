//! The authority by which TLS is opened: how clients get it, how another takes its place, and what it may not sign.

use std::path::Path;

use rustls::pki_types::ServerName;
use tidegate::tls::{Authority, client_config};
use tokio_rustls::TlsConnector;

use super::forward::{LOOPBACK, Way, listener, origin_at, plain};
use super::tunnels_out::reload;
use crate::support::client::get;
use crate::support::gateway::{Gateway, quoted};
use crate::support::origin_certificates::Origins;

#[tokio::test]
async fn clients_get_the_authority_and_its_digest_from_the_listener_alone() {
    let way = Way::opened("").await;
    let file = |name: &str| std::fs::read(way.dir.path().join("ours").join(name)).unwrap();
    for (url, of_proxy) in [
        ("/authority.pem", true),
        ("http://tidegate.internal/authority.pem", false),
    ] {
        let reply = if of_proxy {
            get(way.proxy(), url, "").await
        } else {
            plain(way.proxy(), "GET", url, "", b"").await
        };
        assert_eq!((reply.status, &reply.body), (200, &file("authority.pem")), "{url}");
    }
    let der = get(way.proxy(), "/authority.crt", "").await;
    assert_eq!(der.header("content-type"), Some("application/x-x509-ca-cert"));
    let out = way.dir.path().join("out.crt");
    let digest = Authority::open(&way.dir.path().join("ours")).export(&out).unwrap();
    assert_eq!(der.body, std::fs::read(&out).unwrap());
    let page = get(way.proxy(), "/", "").await;
    let text = String::from_utf8(page.body).unwrap();
    for part in [
        digest.as_str(),
        "certutil -addstore",
        "update-ca-certificates",
        "add-trusted-cert",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains("The next one"));
    // Its key is nobody's, and what it does not have it does not ask another for.
    for url in ["/authority.key", "/next.crt", "/../authority.key"] {
        assert_eq!(get(way.proxy(), url, "").await.status, 404, "{url}");
    }
    assert!(way.origin.seen().is_empty());
}

async fn is_trusted(way: &Way, ca: &Path) -> bool {
    let config = client_config(Some(ca)).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = way.tunnel("localhost").await;
    TlsConnector::from(config).connect(name, stream).await.is_ok()
}

#[tokio::test]
async fn the_next_authority_is_handed_out_before_it_signs() {
    let way = Way::opened("").await;
    let ours = way.dir.path().join("ours");
    let before = way.dir.path().join("before.pem");
    std::fs::copy(ours.join("authority.pem"), &before).unwrap();
    let authority = Authority::open(&ours);
    let next = authority.prepare(None).unwrap();
    reload(&way, way.port(), "");
    let handed = get(way.proxy(), "/next.pem", "").await;
    assert_eq!(handed.body, std::fs::read(next.certificate()).unwrap());
    assert!(
        String::from_utf8(get(way.proxy(), "/", "").await.body)
            .unwrap()
            .contains("The next one")
    );
    let after = way.dir.path().join("after.pem");
    std::fs::copy(next.certificate(), &after).unwrap();
    assert!(is_trusted(&way, &before).await && !is_trusted(&way, &after).await);
    authority.switch().unwrap();
    reload(&way, way.port(), "");
    assert!(!is_trusted(&way, &before).await && is_trusted(&way, &after).await);
}

#[tokio::test]
async fn what_the_authority_may_not_sign_is_not_opened_and_not_passed() {
    let dir = tempfile::tempdir().unwrap();
    let origins = Origins::create(&dir.path().join("origins"));
    let origin = origin_at(&origins, &["localhost", "127.0.0.1"]).await;
    let narrow = dir.path().join("narrow");
    Authority::create_for(&narrow, None, &["corp.example".to_owned()]).unwrap();
    let way = Way::before(origin, dir, "").await;
    let settings = format!("authority = {}\n{LOOPBACK}", quoted(&narrow));
    let text = listener(way.dir.path(), way.port(), &settings);
    let gateway = Gateway::start(&text).await;
    let target = format!("localhost:{}", way.port());
    let (status, stream) = super::forward::connect(gateway.listener("out"), &target, "").await;
    assert_eq!(status, 200);
    let config = client_config(Some(&narrow.join("authority.pem"))).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    assert!(TlsConnector::from(config).connect(name, stream).await.is_err());
    assert!(way.origin.seen().is_empty());
}
