//! Out through another proxy, which here is a gateway too; and the file by which clients find theirs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

use super::forward::{BUDGET, LOOPBACK, Way, listener, origin_at, plain};
use super::tunnels_out::reload;
use crate::support::client::{RawReply, exchange, get};
use crate::support::gateway::{Gateway, quoted};
use crate::support::origin::Origin;
use crate::support::origin_certificates::Origins;
use crate::support::people::{Format, body, cut_body};

/// Two ways out: the nearer through the farther, which lets nobody out but `ann`.
struct Chain {
    near: Way,
    far: Gateway,
}

fn credentials(dir: &Path, text: &str) {
    let path = dir.join("credentials");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn parent(dir: &Path, far: &Gateway, rest: &str) -> String {
    format!(
        "[listen.out.forward.parent]\nurl = \"http://{}\"\ncredentials = {}\nexcept = [\"127.0.0.1/32\", \"*.local.example\"]\n{rest}",
        far.listener("out"),
        quoted(&dir.join("credentials"))
    )
}

async fn far(dir: &TempDir, port: u16) -> Gateway {
    let hash = tidegate::identity::password_hash(b"secret").unwrap();
    std::fs::write(dir.path().join("users"), format!("ann:{hash}\n")).unwrap();
    let users = format!(
        "{LOOPBACK}\nrefuse = [\"127.0.0.1\"]\nusers = {}",
        quoted(&dir.path().join("users"))
    );
    Gateway::start(&listener(dir.path(), port, &users)).await
}

impl Chain {
    async fn create(is_tls: bool, secret: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let origins = Origins::create(&dir.path().join("origins"));
        let origin = if is_tls {
            origin_at(&origins, &["localhost"]).await
        } else {
            Origin::serve(super::forward::answer).await
        };
        let far = far(&dir, origin.address.port()).await;
        credentials(dir.path(), secret);
        let rest = parent(dir.path(), &far, BUDGET);
        let near = Way::before(origin, dir, &rest).await;
        Self { near, far }
    }

    async fn ask(&self, host: &str, path: &str) -> RawReply {
        let url = format!("http://{host}:{}{path}", self.near.port());
        plain(self.near.proxy(), "GET", &url, "", b"").await
    }
}

fn is_cut(reply: &RawReply) -> bool {
    reply.status == 200 && !reply.is_whole && reply.body.starts_with(&cut_body(Format::Json, 0..20))
}

#[tokio::test]
async fn in_the_clear_the_parent_is_asked_in_full_and_told_who_we_are() {
    let chain = Chain::create(false, "ann:secret\n").await;
    assert!(is_cut(&chain.ask("LOCALHOST", "/people").await));
    let seen = chain.near.origin.seen();
    let vias: Vec<_> = seen[0].headers.get_all("via").iter().collect();
    assert_eq!(vias.len(), 2, "it passed both");
    assert!(!seen[0].headers.contains_key("proxy-authorization"));
    assert_eq!(
        seen[0].headers["host"],
        format!("localhost:{}", chain.near.port()).as_str()
    );
    // The parent would refuse it, and is not asked.
    assert_eq!(chain.ask("127.0.0.1", "/").await.status, 200);
    assert_eq!(chain.near.origin.seen()[1].headers.get_all("via").iter().count(), 1);
    // An address is one that may be reached from here, too.
    assert_eq!(chain.ask("10.0.0.1", "/").await.status, 403);
}

#[tokio::test]
async fn a_tunnel_through_the_parent_is_opened_and_read() {
    let chain = Chain::create(true, "ann:secret\n").await;
    let stream = chain.near.tls("localhost", "ours", &[b"http/1.1"]).await.unwrap();
    let request = format!(
        "GET /people HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
        chain.near.port()
    );
    assert!(is_cut(&exchange(stream, request.as_bytes()).await));
    assert_eq!(chain.near.origin.seen().len(), 1);
}

#[tokio::test]
async fn what_passes_unread_passes_through_the_parent() {
    let chain = Chain::create(true, "ann:secret\n").await;
    let rest = format!(
        "pass = [\"localhost\"]\n{}",
        parent(chain.near.dir.path(), &chain.far, "")
    );
    reload(&chain.near, chain.near.port(), &rest);
    let stream = chain.near.tls("localhost", "origins", &[b"http/1.1"]).await.unwrap();
    let reply = exchange(
        stream,
        b"GET /people HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(reply.body, body(Format::Json, 0..60));
}

#[tokio::test]
async fn a_parent_that_knows_us_not_is_no_business_of_who_asks() {
    for is_tls in [false, true] {
        let chain = Chain::create(is_tls, "ann:wrong").await;
        if is_tls {
            assert!(
                chain.near.tls("localhost", "ours", &[]).await.is_err(),
                "nothing is signed"
            );
        } else {
            let reply = chain.ask("localhost", "/").await;
            assert_eq!((reply.status, reply.header("proxy-authenticate")), (502, None));
        }
        assert!(chain.near.origin.seen().is_empty());
    }
}

#[tokio::test]
async fn who_is_its_own_parent_goes_round_once() {
    let way = Way::opened("").await;
    let rest = format!("[listen.out.forward.parent]\nurl = \"http://{}\"\n", way.proxy());
    reload(&way, way.port(), &rest);
    let url = format!("http://localhost:{}/", way.port());
    let reply = plain(way.proxy(), "GET", &url, "", b"").await;
    assert_eq!(reply.status, 508);
    assert!(way.tls("localhost", "ours", &[]).await.is_err());
    assert!(way.origin.seen().is_empty());
}

#[tokio::test]
async fn clients_are_told_where_the_proxy_is() {
    let pac = "[listen.out.forward.pac]\nproxy = \"proxy.corp.example:3128\"\n\
               direct = [\"Intra.example\", \"3m.example\", \"*.corp.example\", \"10.0.0.0/8\", \"192.0.2.7\"]\n";
    let way = Way::opened(pac).await;
    let expected = "function FindProxyForURL(url, host) {\n  host = host.toLowerCase();\n\
        \u{20} if (host === \"intra.example\") return \"DIRECT\";\n\
        \u{20} if (host === \"3m.example\") return \"DIRECT\";\n\
        \u{20} if (host.endsWith(\".corp.example\")) return \"DIRECT\";\n\
        \u{20} if (/^[0-9.]+$/.test(host) && isInNet(host, \"10.0.0.0\", \"255.0.0.0\")) return \"DIRECT\";\n\
        \u{20} if (/^[0-9.]+$/.test(host) && isInNet(host, \"192.0.2.7\", \"255.255.255.255\")) return \"DIRECT\";\n\
        \u{20} return \"PROXY proxy.corp.example:3128\";\n}\n";
    for path in ["/proxy.pac", "/wpad.dat"] {
        let reply = get(way.proxy(), path, "").await;
        assert_eq!(String::from_utf8_lossy(&reply.body), expected);
        assert_eq!(reply.header("content-type"), Some("application/x-ns-proxy-autoconfig"));
    }
    let none = Way::opened("").await;
    assert_eq!(get(none.proxy(), "/proxy.pac", "").await.status, 404);
}
