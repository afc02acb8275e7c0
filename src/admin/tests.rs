//! The admin address over real sockets, with a gateway that only remembers what it was asked.

mod fake;
mod revocations;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use fake::FakeDesk;

use super::serve::{Limits, serve_within};
use super::{Access, Admin, Settings, token_hash};
use crate::audit::{self, Audit};
use crate::events::{self, LogFormat};

const NOW_S: u32 = 1_700_000_000;
const HELD: &str = "0101010101010101abababab";

/// A running admin address.
struct Running {
    address: SocketAddr,
    desk: Arc<FakeDesk>,
    audit: Audit,
    folder: TempDir,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

async fn start_with(desk: FakeDesk, with_tokens: bool, limits: Limits) -> Running {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = audit::Settings {
        file: Some(folder.path().join("audit.jsonl")),
        ..audit::Settings::default()
    };
    let audit = Audit::start(&settings).expect("it starts");
    let config = if with_tokens { "tokens = \"tokens\"" } else { "" };
    let settings: Settings = toml::from_str(config).expect("it parses");
    let read = |_: &Path| {
        let line = |role: &str| format!("{role}-name {role} {}\n", token_hash(role.as_bytes()));
        Ok(["viewer", "analyst", "releaser", "policy"]
            .map(line)
            .concat()
            .into_bytes())
    };
    let access = Access::compile(&settings, "tidegate.toml", &read).expect("the tokens are good");
    let desk = Arc::new(desk);
    let reports = events::install(LogFormat::Json, "off").expect("the filter parses");
    let admin = Admin {
        desk: Arc::<FakeDesk>::clone(&desk),
        access: Arc::new(arc_swap::ArcSwap::from_pointee(access)),
        audit: audit.clone(),
        reports,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve_within(limits, listener, Arc::new(admin), stop.clone()));
    Running {
        address,
        desk,
        audit,
        folder,
        stop,
        server,
    }
}

async fn start(with_tokens: bool) -> Running {
    start_with(FakeDesk::default(), with_tokens, Limits::default()).await
}

impl Running {
    /// Sends these bytes and reads until the connection ends.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = Vec::new();
        // A refused connection may be reset: what came before it is the answer.
        drop(stream.read_to_end(&mut answer).await);
        String::from_utf8(answer).expect("text")
    }

    /// Sends a request with a token (none if empty) and gives status and body.
    async fn ask(&self, token: &str, line: &str, body: Option<&Value>) -> (u16, String) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let authorization = if token.is_empty() {
            String::new()
        } else {
            format!("authorization: Bearer {token}\r\n")
        };
        let request = format!(
            "{line} HTTP/1.1\r\nhost: {}\r\n{authorization}content-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.address,
            body.len(),
        );
        let answer = self.raw(&request).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(
            !head.starts_with("HTTP/1.1 4") || head.contains("application/problem+json"),
            "{head}"
        );
        let status = head.split(' ').nth(1).expect("a status line");
        (status.parse().expect("a number"), body.to_owned())
    }

    async fn status(&self, token: &str, line: &str) -> u16 {
        self.ask(token, line, None).await.0
    }

    /// Stops everything and gives the audit lines.
    async fn audit_lines(self) -> Vec<Value> {
        self.stop.cancel();
        self.server.await.expect("it ends well");
        self.audit.stop();
        let text = std::fs::read_to_string(self.folder.path().join("audit.jsonl")).expect("the file is there");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

#[tokio::test]
async fn loopback_without_tokens_reads_and_changes_nothing() {
    let running = start(false).await;
    for line in [
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /api/v1/keys",
        "GET /api/v1/holds",
    ] {
        assert_eq!(running.status("", line).await, 200, "{line}");
    }
    let (_, metrics) = running.ask("", "GET /metrics", None).await;
    assert!(metrics.contains("build_info{version="));
    let body = json!({ "reason": "maintenance" });
    for line in [
        "POST /api/v1/drain",
        "POST /api/v1/holds",
        &format!("POST /api/v1/holds/{HELD}/release"),
    ] {
        assert_eq!(running.ask("", line, Some(&body)).await.0, 403, "{line}");
    }
    assert_eq!(
        running.status("viewer", "GET /api/v1/keys").await,
        401,
        "a token that nobody knows"
    );
    let rebound = running
        .raw("GET /api/v1/keys HTTP/1.1\r\nhost: evil.example\r\n\r\n")
        .await;
    assert!(rebound.starts_with("HTTP/1.1 403"), "{rebound}");
    assert!(running.desk.asked.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn tokens_have_roles() {
    let running = start(true).await;
    assert_eq!(
        running.status("", "GET /metrics").await,
        200,
        "monitoring on loopback needs none"
    );
    assert_eq!(running.status("", "GET /api/v1/keys").await, 401);
    assert_eq!(running.status("wrong", "GET /metrics").await, 401);
    let hold = json!({ "key": HELD, "for": "2h", "reason": "dumps" });
    let release = json!({ "people": 400, "for": "1d", "reason": "recall of lot 7" });
    let drain = json!({ "reason": "new version" });
    let release_line = format!("POST /api/v1/holds/{HELD}/release");
    let cases = [
        ("viewer", [200, 403, 403, 403]),
        ("analyst", [200, 201, 403, 403]),
        ("releaser", [200, 201, 200, 403]),
        ("policy", [200, 201, 200, 202]),
    ];
    for (token, [read, held, released, drained]) in cases {
        assert_eq!(running.status(token, "GET /api/v1/config").await, read, "{token} reads");
        assert_eq!(
            running.ask(token, "POST /api/v1/holds", Some(&hold)).await.0,
            held,
            "{token} holds"
        );
        assert_eq!(
            running.ask(token, &release_line, Some(&release)).await.0,
            released,
            "{token} releases"
        );
        assert_eq!(
            running.ask(token, "POST /api/v1/drain", Some(&drain)).await.0,
            drained,
            "{token} drains"
        );
    }
    let asked = running.desk.asked.lock().expect("no panic").clone();
    let asked_hold = format!("hold {HELD} {}", NOW_S + 7_200);
    let asked_release = format!("release {HELD} 400 {}", NOW_S + 86_400);
    let expected = [
        &asked_hold,
        &asked_hold,
        &asked_release,
        &asked_hold,
        &asked_release,
        "drain",
    ];
    assert_eq!(asked, expected);

    let lines = running.audit_lines().await;
    let who: Vec<_> = lines
        .iter()
        .map(|line| line["actor"]["user"]["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(
        who,
        [
            "analyst-name",
            "releaser-name",
            "releaser-name",
            "policy-name",
            "policy-name",
            "policy-name"
        ]
    );
    assert_eq!(lines[2]["api"]["operation"], "release");
    assert_eq!(lines[2]["unmapped"]["reason"], "recall of lot 7");
    assert_eq!(lines[2]["resources"][0]["uid"], HELD);
    assert_eq!(lines[2]["src_endpoint"]["name"], "127.0.0.0/24");
}

#[tokio::test]
async fn lists_and_views_are_as_documented() {
    let running = start(false).await;
    let read = async |line: &str| {
        let (status, body) = running.ask("", line, None).await;
        assert_eq!(status, 200, "{line}: {body}");
        serde_json::from_str::<Value>(&body).expect("JSON")
    };
    let keys = read("GET /api/v1/keys").await;
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        read("GET /api/v1/keys?limit=1").await["keys"].as_array().map(Vec::len),
        Some(1)
    );
    let sessions = read("GET /api/v1/keys?dimension=session&limit=10").await;
    let expected = json!({ "key": HELD, "dimension": "session", "people": [{ "window_s": 86_400, "people": 100 }],
        "pending": 1, "last_seen": NOW_S, "held_until": NOW_S + 60 });
    assert_eq!(sessions["keys"], json!([expected]));
    assert_eq!(read(&format!("GET /api/v1/keys/{HELD}")).await, expected);
    assert_eq!(read("GET /api/v1/holds").await["holds"][0]["cause"], "bulk");
    assert_eq!(read("GET /api/v1/config").await["listen"]["shop"]["tls"]["key"], "***");
    assert_eq!(read("GET /api/v1/bypass").await["bypass"][0]["reason"], "outage");
    assert_eq!(
        read("GET /readyz").await,
        json!({ "ready": true, "blockers": [], "notes": [] })
    );
}

#[tokio::test]
async fn what_is_wrong_is_a_problem_and_changes_nothing() {
    let running = start(true).await;
    for (line, status) in [
        ("GET /nothing", 404),
        ("DELETE /api/v1/keys", 405),
        ("GET /api/v1/keys?limit=0", 400),
        ("GET /api/v1/keys?limit=1001", 400),
        ("GET /api/v1/keys?limit=x", 400),
        ("GET /api/v1/keys?dimension=shoe", 400),
        ("GET /api/v1/keys?order=up", 400),
        ("GET /api/v1/keys/abc", 400),
        ("GET /api/v1/keys/+1+1+1+1+1+1+1+1+1+1+1+1", 400),
        ("GET /api/v1/keys/ffffffffffffffffffffffff", 404),
    ] {
        assert_eq!(running.status("policy", line).await, status, "{line}");
    }
    for (body, status) in [
        (json!({ "key": HELD, "for": "1h" }), 400),
        (json!({ "key": HELD, "for": "1h", "reason": " " }), 400),
        (json!({ "key": HELD, "for": "1h", "reason": "x".repeat(501) }), 400),
        (json!({ "key": HELD, "reason": "x" }), 400),
        (json!({ "key": HELD, "for": "31d", "reason": "x" }), 400),
        (json!({ "key": HELD, "until": NOW_S, "reason": "x" }), 400),
        (
            json!({ "key": HELD, "for": "1h", "until": NOW_S + 9, "reason": "x" }),
            400,
        ),
        (json!({ "key": "zz", "for": "1h", "reason": "x" }), 400),
        (json!({ "key": HELD, "for": "1h", "reason": "x", "force": true }), 400),
        (json!({ "key": HELD, "for": "1h", "reason": "x".repeat(20_000) }), 413),
    ] {
        assert_eq!(
            running.ask("policy", "POST /api/v1/holds", Some(&body)).await.0,
            status,
            "{body}"
        );
    }
    let form = "POST /api/v1/drain HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer policy\r\n\
        content-type: text/plain\r\ncontent-length: 14\r\n\r\n{\"reason\":\"x\"}";
    assert!(running.raw(form).await.starts_with("HTTP/1.1 415"));
    assert!(running.desk.asked.lock().expect("no panic").is_empty());

    let unknown = format!("POST /api/v1/holds/{}/release", "00".repeat(12));
    let body = json!({ "people": 1, "for": "1h", "reason": "x" });
    assert_eq!(running.ask("policy", &unknown, Some(&body)).await.0, 404);
    let lines = running.audit_lines().await;
    assert_eq!(
        lines.iter().map(|line| &line["status"]).collect::<Vec<_>>(),
        ["Failure"],
        "what failed is recorded too"
    );
}

#[tokio::test]
async fn a_reason_that_identifies_someone_is_refused_and_rests_nowhere() {
    let running = start(true).await;
    let line = format!("POST /api/v1/holds/{HELD}/release");
    for planted in ["+82 10-2345-6789", "ann@mail.example"] {
        let body = json!({ "people": 5, "for": "1h", "reason": format!("asked for by {planted}") });
        let (status, told) = running.ask("releaser", &line, Some(&body)).await;
        assert!(status == 400 && told.contains("must not identify anyone"), "{told}");
        assert!(!told.contains(planted), "{told}");
    }
    assert!(running.desk.asked.lock().expect("no panic").is_empty());
    assert!(running.audit_lines().await.is_empty());
}

#[tokio::test]
async fn readyz_says_why_not() {
    let desk = FakeDesk {
        blockers: vec!["draining"],
        ..FakeDesk::default()
    };
    let running = start_with(desk, false, Limits::default()).await;
    let (status, body) = running.ask("", "GET /readyz", None).await;
    assert_eq!(status, 503);
    assert!(body.contains("\"blockers\":[\"draining\"]"), "{body}");
    assert_eq!(running.status("", "GET /healthz").await, 200, "it lives");
}

#[tokio::test]
async fn a_caller_that_takes_its_time_or_too_much_is_cut() {
    let limits = Limits {
        header_ms_max: 50,
        request_ms_max: 50,
        ..Limits::default()
    };
    let running = start_with(FakeDesk::default(), true, limits).await;
    assert!(
        !running
            .raw("GET /healthz HTTP/1.1\r\nhost: local")
            .await
            .starts_with("HTTP/1.1 200")
    );
    let slow_body = "POST /api/v1/drain HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer policy\r\n\
        content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    assert!(running.raw(slow_body).await.starts_with("HTTP/1.1 408"));
    let long = format!(
        "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n",
        "y".repeat(40_000)
    );
    assert!(!running.raw(&long).await.starts_with("HTTP/1.1 200"));
    assert!(running.desk.asked.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn one_connection_more_than_allowed_is_closed() {
    let limits = Limits {
        connections_max: 1,
        ..Limits::default()
    };
    let running = start_with(FakeDesk::default(), false, limits).await;
    let mut first = TcpStream::connect(running.address).await.expect("it listens");
    // The accept queue is in order: when the second is closed, the first holds the only place.
    assert_eq!(
        running.raw("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await,
        ""
    );
    first
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .expect("it reads");
    let mut answer = String::new();
    first.read_to_string(&mut answer).await.expect("text");
    assert!(answer.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn the_clock_is_read_by_all_and_accepted_by_one_role() {
    let running = start(true).await;
    let (status, body) = running.ask("viewer", "GET /api/v1/clock", None).await;
    let view: Value = serde_json::from_str(&body).expect("JSON");
    let expected = json!({ "now": NOW_S, "offset_ms": 7_200_000, "standing": "waiting", "set_back_s": 0 });
    assert_eq!((status, view), (200, expected));
    let body = json!({ "reason": "the host was suspended" });
    let accept = "POST /api/v1/clock/accept";
    assert_eq!(running.ask("releaser", accept, Some(&body)).await.0, 403);
    assert_eq!(running.ask("policy", accept, None).await.0, 400, "without a reason");
    assert_eq!(
        running.ask("policy", accept, Some(&body)).await.0,
        409,
        "nothing waits any more"
    );
    let lines = running.audit_lines().await;
    assert_eq!(lines[0]["api"]["operation"], "accept-clock");
}

#[tokio::test]
async fn a_release_without_people_allows_nobody_more() {
    let running = start(true).await;
    let line = format!("POST /api/v1/holds/{HELD}/release");
    let body = json!({ "reason": "a false alarm" });
    assert_eq!(running.ask("releaser", &line, Some(&body)).await.0, 200);
    let body = json!({ "for": "1h", "reason": "a false alarm" });
    assert_eq!(
        running.ask("releaser", &line, Some(&body)).await.0,
        400,
        "of which allowance?"
    );
    let asked = running.desk.asked.lock().expect("no panic").clone();
    assert_eq!(asked, [format!("release {HELD} 0 {NOW_S}")]);
}
