//! The real gateway, started in this process in front of a test's origin.

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;
use tidegate::engine::ledger::{Dimension, HeldKey, KeyView};
use tidegate::events::{self, LogFormat};
use tidegate::proxy;
use tidegate::run::{Origin, Running, start};

/// A running gateway on loopback ports of the system's choice; its state goes when it is dropped.
pub(crate) struct Gateway {
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// Where operators connect.
    pub(crate) admin: SocketAddr,
    running: Running,
    _state: TempDir,
}

impl Gateway {
    /// The token of an operator who may release.
    pub(crate) const RELEASER: &str = "releaser-of-the-tests-0123456789abcdef";

    /// A gateway with this configuration after its addresses and directories.
    pub(crate) async fn start(text: &str) -> Self {
        Self::start_in(tempfile::tempdir().expect("a directory"), text).await
    }

    /// The same over a state directory that was prepared.
    pub(crate) async fn start_in(state: TempDir, text: &str) -> Self {
        let tokens = state.path().join("admin.tokens");
        let hash = tidegate::admin::token_hash(Self::RELEASER.as_bytes());
        std::fs::write(&tokens, format!("carol releaser {hash}\n")).expect("a file of tokens");
        let text = format!(
            "[listen.shop]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"127.0.0.1:0\"\ntokens = {}\n[state]\ndir = {}\n{text}",
            quoted(&tokens),
            quoted(state.path()),
        );
        let origin = Origin {
            path: None,
            text,
            variables: Vec::new(),
        };
        let metrics = events::install(LogFormat::Text, "off").expect("`off` is a filter");
        let running = start(origin, metrics).await.unwrap_or_else(|error| panic!("{error}"));
        let (_, address) = running.listeners.first().expect("one listener");
        Self {
            address: *address,
            admin: running.admin,
            running,
            _state: state,
        }
    }

    /// What its exchanges share.
    pub(crate) fn shared(&self) -> &proxy::Gateway {
        &self.running.gateway
    }

    /// The keys of one dimension, those with most people first.
    pub(crate) fn keys(&self, dimension: Dimension) -> Vec<KeyView> {
        let now = self.shared().clock.now();
        self.shared().ledger.keys(Some(dimension), 1_000, now)
    }

    /// The holds in force.
    pub(crate) fn holds(&self) -> Vec<HeldKey> {
        self.shared().ledger.holds(self.shared().clock.now(), 1_000)
    }
}

/// A path as TOML writes it.
pub(crate) fn quoted(path: &Path) -> String {
    toml::Value::String(path.display().to_string()).to_string()
}
