//! The real gateway, started in this process in front of a test's origin.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tidegate::engine::ledger::{Dimension, HeldKey, KeyView, Ledger, Settings};
use tidegate::events::{self, LogFormat};
use tidegate::proxy;
use tidegate::run::{Origin, Running, start_over};

use super::client::{RawReply, http1};

/// A running gateway on loopback ports of the system's choice; its state goes when it is dropped.
pub(crate) struct Gateway {
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// Where operators connect.
    pub(crate) admin: SocketAddr,
    running: Running,
    state: TempDir,
}

/// How often a condition is looked at, and for how long: a test that waits longer has failed.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const CONDITION_TIME_MAX: Duration = Duration::from_secs(20);

impl Gateway {
    /// The token of an operator who may release.
    pub(crate) const RELEASER: &str = "releaser-of-the-tests-0123456789abcdef";

    /// A gateway with this configuration after its addresses and directories.
    pub(crate) async fn start(text: &str) -> Self {
        Self::start_in(tempfile::tempdir().expect("a directory"), text).await
    }

    /// The same over a state directory that was prepared.
    pub(crate) async fn start_in(state: TempDir, text: &str) -> Self {
        Self::start_over(state, text, Ledger::new).await
    }

    /// The same with a ledger that does not count what is only about to leave.
    pub(crate) async fn start_mutant(text: &str) -> Self {
        let state = tempfile::tempdir().expect("a directory");
        Self::start_over(state, text, Ledger::without_reservations).await
    }

    /// The same with its configuration in a file of the state directory, which is watched.
    pub(crate) async fn start_watched(state: TempDir, text: &str) -> Self {
        let path = state.path().join("tidegate.toml");
        Self::start_from(state, text, Some(path), Ledger::new).await
    }

    async fn start_over(state: TempDir, text: &str, ledger: impl FnOnce(Settings) -> Ledger) -> Self {
        Self::start_from(state, text, None, ledger).await
    }

    async fn start_from(
        state: TempDir,
        text: &str,
        path: Option<PathBuf>,
        ledger: impl FnOnce(Settings) -> Ledger,
    ) -> Self {
        let tokens = state.path().join("admin.tokens");
        let hash = tidegate::admin::token_hash(Self::RELEASER.as_bytes());
        std::fs::write(&tokens, format!("carol releaser {hash}\n")).expect("a file of tokens");
        let text = format!(
            "[listen.shop]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"127.0.0.1:0\"\ntokens = {}\n[state]\ndir = {}\n{text}",
            quoted(&tokens),
            quoted(state.path()),
        );
        if let Some(path) = &path {
            std::fs::write(path, &text).expect("a configuration");
        }
        let origin = Origin {
            path,
            text,
            variables: Vec::new(),
            reader: Some(env!("CARGO_BIN_EXE_tidegate").into()),
        };
        let metrics = events::install(LogFormat::Text, "off").expect("`off` is a filter");
        let running = start_over(origin, metrics, ledger)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let (_, address) = running.listeners.first().expect("one listener");
        Self {
            address: *address,
            admin: running.admin,
            running,
            state,
        }
    }

    /// Where the listener of this name listens.
    #[allow(dead_code, reason = "one suite has several")]
    pub(crate) fn listener(&self, name: &str) -> SocketAddr {
        let mut listeners = self.running.listeners.iter();
        listeners.find(|(known, _)| known == name).expect("a listener").1
    }

    /// Its state directory.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// What its exchanges share.
    pub(crate) fn shared(&self) -> &proxy::Gateway {
        &self.running.gateway
    }

    /// What the admin address answers to this request of an operator who may release.
    pub(crate) async fn ask_admin(&self, line: &str, body: &str) -> RawReply {
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.admin,
            Self::RELEASER,
            body.len()
        );
        http1(self.admin, request.as_bytes()).await
    }

    /// All metrics of the process, which other tests move too.
    pub(crate) async fn metrics(&self) -> String {
        let reply = self.ask_admin("GET /metrics", "").await;
        assert_eq!(reply.status, 200, "{}", reply.head);
        String::from_utf8(reply.body).expect("text")
    }

    /// Has what is named revoked; its key.
    pub(crate) async fn revoke(&self, what: &str, name: &str) -> String {
        let body = serde_json::json!({ "what": what, "name": name, "reason": "a test" });
        let reply = self.ask_admin("POST /api/v1/revocations", &body.to_string()).await;
        let told: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!(
            (reply.status, &told["written"]),
            (201, &serde_json::json!(true)),
            "{told}"
        );
        told["key"].as_str().expect("a key").to_owned()
    }

    /// Lets it be used again.
    pub(crate) async fn reinstate(&self, key: &str) {
        let line = format!("POST /api/v1/revocations/{key}/reinstate");
        assert_eq!(self.ask_admin(&line, r#"{"reason":"a test"}"#).await.status, 200);
    }

    /// The keys of one dimension, those with most people first.
    pub(crate) fn keys(&self, dimension: Dimension) -> Vec<KeyView> {
        let now = self.shared().clock.now();
        let set = self.shared().set();
        let windows = |dimension| set.policy.windows(dimension);
        self.shared().ledger.keys(Some(dimension), 1_000, &windows, now)
    }

    /// The holds in force.
    pub(crate) fn holds(&self) -> Vec<HeldKey> {
        self.shared().ledger.holds(self.shared().clock.now(), 1_000)
    }
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let look = async {
        while !condition().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let seen = tokio::time::timeout(CONDITION_TIME_MAX, look).await;
    assert!(seen.is_ok(), "{what}: not within {CONDITION_TIME_MAX:?}");
}

/// A path as TOML writes it.
pub(crate) fn quoted(path: &Path) -> String {
    toml::Value::String(path.display().to_string()).to_string()
}
