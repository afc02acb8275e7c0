//! Clients that other people wrote: curl, nghttp and h2load, and what they were given.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use socket2::{Domain, Socket, Type};

use super::process::output;

/// The clients, from the Debian packages `curl` and `nghttp2-client`.
const TOOLS: [&str; 3] = ["curl", "nghttp", "h2load"];

/// Makes sure that the clients are there: installs them as root, else fails and says what is missing.
pub(crate) fn require() {
    static THERE: OnceLock<()> = OnceLock::new();
    THERE.get_or_init(|| {
        if missing().is_empty() {
            return;
        }
        let is_root = Command::new("id")
            .arg("-u")
            .output()
            .is_ok_and(|id| id.stdout == b"0\n");
        if is_root {
            let mut install = Command::new("apt-get");
            install.args(["install", "--yes", "--no-install-recommends", "curl", "nghttp2-client"]);
            install.status().expect("apt-get runs");
        }
        let missing = missing();
        assert!(
            missing.is_empty(),
            "not installed: {}; apt-get install curl nghttp2-client",
            missing.join(", ")
        );
    });
}

/// Programs of packages of `PyPI`, which are installed for the tests once: where they are. The same name means the same packages.
pub(crate) fn venv(name: &str, packages: &[&str]) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let (programs, whole) = (dir.join("bin"), dir.join("whole"));
    // Half of it may be there where somebody stopped the tests.
    if !whole.is_file() {
        let run = |program: &Path, arguments: &[&str]| {
            let status = Command::new(program).args(arguments).status();
            let is_done = status.is_ok_and(|status| status.success());
            assert!(is_done, "{} {arguments:?}", program.display());
        };
        run(
            Path::new("python3"),
            &["-m", "venv", "--clear", &dir.display().to_string()],
        );
        run(&programs.join("pip"), &[&["install", "--quiet"], packages].concat());
        std::fs::write(whole, "").expect("the directory is ours");
    }
    programs
}

/// What a program printed.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A port on which a program of the test's may listen, and nobody else while the socket is kept: both share it (`SO_REUSEPORT`, or
/// `SO_REUSEADDR` of a socket that never listens).
pub(crate) fn reserved_port() -> (Socket, u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("an option");
    socket.set_reuse_port(true).expect("an option");
    let any: SocketAddr = ([0, 0, 0, 0], 0).into();
    socket.bind(&any.into()).expect("a port");
    let address = socket.local_addr().expect("an address").as_socket();
    (socket, address.expect("of IPv4").port())
}

fn missing() -> Vec<&'static str> {
    let is_there = |tool: &&str| Command::new(tool).arg("--version").output().is_ok();
    TOOLS.into_iter().filter(|tool| !is_there(tool)).collect()
}

/// What a client was given. Fields have lower-case names and are sorted: a multiset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
}

/// Fields that the gateway adds to a response, as its README says.
const ADDED: [&str; 2] = ["via", "x-request-id"];

/// Fields as a sorted multiset with lower-case names, without those that the gateway adds.
pub(crate) fn multiset<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let mut fields: Vec<_> = fields
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .filter(|(name, _)| !ADDED.contains(&name.as_str()))
        .collect();
    fields.sort();
    fields
}

/// One exchange that a client is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) fields: &'static [(&'static str, &'static str)],
    pub(crate) body: Option<&'static str>,
}

/// A way in which a tool talks to `address`: over TLS if there is an authority to trust.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    pub(crate) authority: Option<PathBuf>,
    pub(crate) is_http2: bool,
}

impl Way {
    fn url(&self, path: &str) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        // A name, for certificates and for Host.
        format!("{scheme}://localhost:{}{path}", self.address.port())
    }
}

/// Fetches with curl.
pub(crate) async fn curl(way: &Way, asked: &Asked) -> Given {
    let dir = tempfile::tempdir().expect("a directory");
    let (head, body) = (dir.path().join("head"), dir.path().join("body"));
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--ipv4",
        "--max-time",
        "20",
        "--noproxy",
        "*",
    ]);
    curl.arg("--dump-header").arg(&head).arg("--output").arg(&body);
    curl.args(match (way.is_http2, &way.authority) {
        (false, _) => &["--http1.1"],
        (true, None) => &["--http2-prior-knowledge"],
        (true, Some(_)) => &["--http2"],
    });
    if let Some(authority) = &way.authority {
        curl.arg("--cacert").arg(authority);
    }
    for (name, value) in asked.fields {
        curl.args(["--header", &format!("{name}: {value}")]);
    }
    match (asked.method, asked.body) {
        ("HEAD", _) => drop(curl.arg("--head")),
        (method, body) => {
            curl.args(["--request", method]);
            if let Some(body) = body {
                curl.args(["--data-binary", body]);
            }
        }
    }
    curl.args(["--write-out", "%{http_version}"]).arg(way.url(asked.path));
    let told = output(curl).await;
    assert!(
        told.status.success(),
        "{asked:?} {way:?}: {}",
        String::from_utf8_lossy(&told.stderr)
    );
    let version = if way.is_http2 { b"2".as_slice() } else { b"1.1" };
    assert_eq!(told.stdout, version, "{asked:?} {way:?}");
    let head = std::fs::read_to_string(head).expect("curl wrote a head");
    let mut messages = head.split("\r\n\r\n").skip_while(|head| head.starts_with("HTTP/1.1 1"));
    let head = messages.next().expect("a head");
    let trailers = messages.next().unwrap_or_default();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    Given {
        status: status.expect("a status"),
        fields: multiset(lines.filter_map(|line| line.split_once(':'))),
        // A response without a body leaves no file.
        body: if asked.method == "HEAD" {
            Vec::new()
        } else {
            std::fs::read(body).unwrap_or_default()
        },
        trailers: multiset(trailers.lines().filter_map(|line| line.split_once(':'))),
    }
}

/// Fetches with nghttp, twice: for its head, and for its body.
pub(crate) async fn nghttp(way: &Way, asked: &Asked) -> Given {
    let run = |show: &str| {
        let mut nghttp = Command::new("nghttp");
        nghttp.args([show, "--timeout=20"]);
        nghttp.arg(format!("--header=:method: {}", asked.method));
        for (name, value) in asked.fields {
            nghttp.arg(format!("--header={name}: {value}"));
        }
        nghttp.arg(way.url(asked.path));
        output(nghttp)
    };
    let verbose = run("-nv").await;
    let quiet = run("--no-dep").await;
    assert!(verbose.status.success() && quiet.status.success(), "{asked:?} {way:?}");
    let verbose = String::from_utf8_lossy(&verbose.stdout).into_owned();
    let received = verbose
        .lines()
        .filter_map(|line| line.split_once("recv (stream_id=")?.1.split_once(") "));
    let received: Vec<(&str, &str)> = received.filter_map(|(_, field)| field.split_once(": ")).collect();
    let status = received.iter().find(|(name, _)| *name == ":status");
    Given {
        status: status.and_then(|(_, status)| status.parse().ok()).expect("a status"),
        fields: multiset(received.iter().copied()),
        body: quiet.stdout,
        // Verbose output tells head and trailers apart only by their order; both are in `fields`.
        trailers: Vec::new(),
    }
}

/// Loads with h2load and gives what it said.
pub(crate) async fn h2load(way: &Way, path: &str, requests: u32) -> String {
    let mut h2load = Command::new("h2load");
    h2load.args([
        "--clients=10",
        "--max-concurrent-streams=10",
        &format!("--requests={requests}"),
    ]);
    if !way.is_http2 {
        h2load.arg("--h1");
    }
    h2load.arg(way.url(path));
    let told = output(h2load).await;
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8_lossy(&told.stdout).into_owned()
}
