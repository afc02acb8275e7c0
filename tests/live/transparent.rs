//! Clients that know of no proxy, led to it by the kernel: REDIRECT and TPROXY, over IPv4 and IPv6, in the clear and over TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use tempfile::TempDir;
use tidegate::tls::Authority;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::namespaces::{Host, Namespaces};
use super::process::{Tidegate, command_of, eventually};
use crate::support::client::{RawReply, Tls, exchange};
use crate::support::origin::{Answer, Origin};
use crate::support::origin_certificates::Origins;
use crate::support::people::{Format, body, cut_body};

/// L.
const PEOPLE_MAX: u32 = 20;
/// The origin's addresses, and one behind which nobody is.
const ORIGIN: [&str; 2] = ["192.0.2.2", "[2001:db8::2]"];
const NOBODY: [&str; 2] = ["192.0.2.9", "[2001:db8::9]"];
/// Ports in the clear and over TLS of what REDIRECT leads and of what TPROXY leads.
const LED: [(u16, u16); 2] = [(80, 443), (8080, 8443)];
/// A port of which our own connections are led back.
const LOOP: u16 = 8081;

const CONFIG: &str = "[listen.redirected]\naddress = \"[::]:3129\"\n[listen.redirected.forward]\ntransparent = \"redirect\"\nSAME\n\
    [listen.given]\naddress = \"[::]:3130\"\n[listen.given.forward]\ntransparent = \"tproxy\"\nSAME\n\
    [[budget]]\nname = \"out\"\nper = \"address\"\npeople = 20\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n";
const SAME: &str = "clients = [\"198.51.100.0/24\", \"2001:db8:1::/64\", \"192.0.2.1/32\"]\nports = [80, 443, 8080, 8443, 8081]\n\
    ca = \"origins/authority.pem\"\nauthority = \"ours\"\npass = [\"pass.example\"]\nrefuse = [\"refused.example\"]\n";
const HOSTS: &str = "127.0.0.1 localhost inside.example\n192.0.2.2 origin.example pass.example refused.example\n\
                     2001:db8::2 six.example\n10.1.1.1 private.example\n";

/// Both families: what the kernel is told on the gateway.
const RULES: &str = "for tables in iptables ip6tables; do\n\
    $tables -t nat -A PREROUTING -i client -p tcp -m multiport --dports 80,443,8081 -j REDIRECT --to-ports 3129\n\
    $tables -t nat -A OUTPUT -p tcp --dport 8081 -j REDIRECT --to-ports 3129\n\
    $tables -t mangle -A PREROUTING -i client -p tcp -m multiport --dports 8080,8443 -j TPROXY --on-port 3130 --tproxy-mark 1\n\
    done\n\
    for family in -4 -6; do ip $family rule add fwmark 1 lookup 100; done\n\
    ip route add local 0.0.0.0/0 dev lo table 100\n\
    ip -6 route add local ::/0 dev lo table 100\n";

struct Network {
    namespaces: Namespaces,
    dir: Arc<TempDir>,
    gateway: Tidegate,
    _origins: Vec<Origin>,
}

impl Network {
    async fn create() -> Option<Self> {
        let namespaces = Namespaces::create()?;
        namespaces.resolve(HOSTS);
        namespaces.shell(Host::Gateway, RULES);
        let dir = Arc::new(tempfile::tempdir().expect("a directory"));
        Authority::create(&dir.path().join("ours")).expect("an authority");
        let certificates = Origins::create(&dir.path().join("origins"));
        let names = [
            "origin.example",
            "six.example",
            "pass.example",
            ORIGIN[0],
            "2001:db8::2",
        ];
        let mut origins = Vec::new();
        for host in ORIGIN {
            for (clear, tls) in LED {
                let listener = namespaces.listen(&format!("{host}:{clear}"));
                origins.push(Origin::serve_at(listener, answer));
                let listener = namespaces.listen(&format!("{host}:{tls}"));
                origins.push(Origin::serve_tls_at(listener, certificates.leaf(&names), answer));
            }
        }
        std::fs::write(dir.path().join("tidegate.toml"), config()).expect("the directory is ours");
        let mut command = command_of("ip", dir.path());
        command.args(["netns", "exec", &namespaces.name(Host::Gateway)]);
        let gateway = Tidegate::launch_under(command, Arc::clone(&dir)).await;
        Some(Self {
            namespaces,
            dir,
            gateway,
            _origins: origins,
        })
    }

    fn connect(&self, host: &str, port: u16) -> TcpStream {
        let to: SocketAddr = format!("{host}:{port}").parse().expect("an address");
        self.namespaces
            .connect(Host::Client, to)
            .expect("it is led to the gateway")
    }

    /// A request in the clear to `address`, for `host`.
    async fn get(&self, address: &str, port: u16, host: &str, path: &str) -> RawReply {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
        exchange(self.connect(address, port), request.as_bytes()).await
    }

    /// TLS to `address` as `name`, by who trusts the certificate in `trusted`.
    async fn tls(&self, address: &str, port: u16, name: &str, trusted: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let ca = self.dir.path().join(trusted).join("authority.pem");
        Tls::trusting(&ca).over(self.connect(address, port), name).await
    }

    /// The same, and a request inside.
    async fn get_inside(&self, address: &str, port: u16, name: &str, path: &str) -> RawReply {
        let stream = self.tls(address, port, name, "ours").await.expect("a leaf of ours");
        let host = if name.contains("::") {
            format!("[{name}]")
        } else {
            name.to_owned()
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
        exchange(stream, request.as_bytes()).await
    }

    /// Heads that the gateway refused for this.
    async fn refused(&self, fault: &str) -> f64 {
        let admin: SocketAddr = self.gateway.address("admin");
        let stream = self.namespaces.connect(Host::Gateway, admin).expect("it listens there");
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
        let metrics = exchange(stream, request.as_bytes()).await.body;
        let name = format!("tidegate_heads_refused_total{{leg=\"downstream\",fault=\"{fault}\"}} ");
        let metrics = String::from_utf8(metrics).expect("text");
        let value = metrics.lines().find_map(|line| line.strip_prefix(name.as_str()));
        value.map_or(0.0, |value| value.parse().expect("a number"))
    }
}

fn config() -> String {
    CONFIG.replace("SAME\n", SAME) + "[admin]\naddress = \"127.0.0.1:0\"\n"
}

fn answer(seen: &crate::support::origin::Seen) -> Answer {
    match seen.uri.path() {
        "/people" => Answer::new("application/json", body(Format::Json, 0..60)),
        _ => Answer::new("text/plain", "thank you"),
    }
}

fn is_cut(reply: &RawReply) -> bool {
    let granted = cut_body(Format::Json, 0..PEOPLE_MAX);
    let rest = reply.body.strip_prefix(&granted[..]);
    reply.status == 200 && !reply.is_whole && rest == Some(b",\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knows_of_no_proxy_is_read_at_the_limit_and_led_astray_by_no_name() {
    let Some(network) = Network::create().await else { return };
    for (clear, tls) in LED {
        for (address, nobody, name) in [
            (ORIGIN[0], NOBODY[0], "origin.example"),
            (ORIGIN[1], NOBODY[1], "six.example"),
        ] {
            let what = format!("{address} {clear}");
            assert!(is_cut(&network.get(address, clear, name, "/people").await), "{what}");
            assert!(
                is_cut(&network.get_inside(address, tls, name, "/people").await),
                "{what}"
            );
            // The name is gone to, wherever the client meant to go; without one the address is.
            assert_eq!(network.get(nobody, clear, name, "/").await.status, 200, "{what}");
            assert_eq!(network.get_inside(nobody, tls, name, "/").await.status, 200, "{what}");
            let bare = address.trim_matches(['[', ']']);
            assert_eq!(network.get_inside(address, tls, bare, "/").await.status, 200, "{what}");
            let old = exchange(network.connect(address, clear), b"GET / HTTP/1.0\r\n\r\n").await;
            assert_eq!(old.status, 200, "{what}");
            // Who is passed unread reaches the host of that name alone.
            let passed = network.tls(nobody, tls, "pass.example", "origins").await;
            assert!(passed.is_ok(), "{what}: {passed:?}");
            let refused = network.tls(address, tls, "refused.example", "ours").await.err();
            let said = refused.map(|error| error.to_string()).unwrap_or_default();
            assert!(said.contains("AccessDenied"), "{what}: {said}");
            for inside in ["inside.example", "private.example", "refused.example"] {
                assert_eq!(
                    network.get(address, clear, inside, "/").await.status,
                    403,
                    "{what} {inside}"
                );
            }
            assert!(
                network.tls(address, tls, "private.example", "ours").await.is_err(),
                "{what}"
            );
            let tunnel =
                format!("CONNECT {name}:{clear} HTTP/1.1\r\nHost: {name}:{clear}\r\nConnection: close\r\n\r\n");
            let tunnel = exchange(network.connect(address, clear), tunnel.as_bytes()).await;
            assert_eq!(tunnel.status, 421, "{what}");
        }
    }
    // Its own address is nobody's to ask for, and its own port leads nowhere.
    assert_eq!(network.get("198.51.100.1", 80, "198.51.100.1", "/").await.status, 403);
    for port in [3129, 3130] {
        let direct = network.connect("198.51.100.1", port);
        assert_eq!(exchange(direct, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.status, 0);
    }
    assert!((network.refused("not_led").await - 2.0).abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_comes_back_is_refused_once_and_goes_round_no_more() {
    let Some(network) = Network::create().await else { return };
    for name in ["origin.example", "six.example"] {
        assert_eq!(network.get(ORIGIN[0], LOOP, name, "/").await.status, 502, "{name}");
        let page = network.tls(ORIGIN[0], LOOP, name, "ours").await;
        assert!(page.is_ok(), "it is told inside: {page:?}");
    }
    // A request in the clear may be tried once more; a handshake is not.
    eventually("every loop is told", async || {
        (network.refused("loop").await >= 4.0).then_some(())
    })
    .await;
    assert!(network.refused("loop").await <= 6.0);
}
