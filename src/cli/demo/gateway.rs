//! The demo's gateway: the real one, with the built-in rules and two budgets in force.

use std::io::{self, IsTerminal as _, Write};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::signal::unix::{SignalKind, signal};

use super::table::Budget;
use super::{GatewayHandle, Options, SessionCount, run};
use crate::cli::{Exit, Failed};
use crate::engine::ledger::{Dimension, KeyId};
use crate::events;
use crate::identity::{Peer, address_key, network_key};
use crate::proxy::Gateway;
use crate::run::{Origin, StartError, start};

/// How long a visitor looks at a page: the whole demo takes about fifteen seconds.
const THINK_TIME: Duration = Duration::from_millis(100);

/// Runs the demo, until SIGTERM or SIGINT if it is to serve.
///
/// # Errors
/// When the table is not what the clients counted, something could not be started, or a signal came before the end.
pub(in crate::cli) fn execute(serve: bool, metrics: events::Handle, out: &mut dyn Write) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let options = Options {
        serve,
        is_terminal: io::stderr().is_terminal(),
        think_time: THINK_TIME,
    };
    runtime.block_on(async {
        // Before there is anything that a signal could leave behind.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let dir = Scratch::new()?;
        tokio::select! {
            result = run(async |shop| open(shop, dir.path(), metrics).await, out, options) => {
                return result.map_err(|error| Failed::new(Exit::Failure, error));
            }
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if serve {
            Ok(())
        } else {
            Err(Failed::new(Exit::Failure, "the demo was ended"))
        }
    })
}

/// A directory that goes when the demo ends.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("tidegate-demo-{}", std::process::id()));
        // Ours alone, and new: whoever else may write there could put a key of theirs into it.
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What the demo leaves behind is of no use to anyone; a failure to remove it harms nobody.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

async fn open(shop: SocketAddr, dir: &Path, metrics: events::Handle) -> Result<GatewayHandle, StartError> {
    let quoted = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
    let text = format!(
        "[listen.shop]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"127.0.0.1:0\"\n\
         [state]\ndir = {}\n[audit]\nfile = {}\n{}",
        quoted(dir),
        quoted(&dir.join("audit.jsonl")),
        include_str!("demo.toml").replace("SHOP", &shop.to_string())
    );
    let running = start(
        Origin {
            path: None,
            text,
            variables: Vec::new(),
            reader: None,
        },
        metrics,
    )
    .await?;
    let address = running.listeners.first().map_or(shop, |(_, address)| *address);
    let gateway = Arc::clone(&running.gateway);
    let audit = dir.join("audit.jsonl");
    Ok(GatewayHandle {
        address,
        admin: running.admin,
        audit_file: audit.clone(),
        session: Box::new(move |sid| {
            // The gateway lives as long as this closure.
            let _alive = &running;
            count(&gateway, &audit, sid)
        }),
    })
}

/// What the ledger says about the session with this cookie, and what stopped it.
fn count(gateway: &Gateway, audit: &Path, sid: &str) -> Option<SessionCount> {
    let set = gateway.set();
    let now = gateway.clock.now();
    let (head, ()) = Request::builder()
        .header("cookie", format!("sid={sid}"))
        .body(())
        .ok()?
        .into_parts();
    let client = std::net::Ipv4Addr::LOCALHOST.into();
    let actor = set.identity.identify(&head, &Peer::at(client), now);
    let (address, network) = (address_key(client), network_key(client));
    let facts = actor.facts(&address, &network, 0);
    let plan = set.policy.plan(&facts, now);
    let key = plan.keys.iter().find(|used| used.dimension == Dimension::Session)?.key;
    let view = gateway
        .ledger
        .key(key, &|dimension| set.policy.windows(dimension), now)?;
    let people = view.people.iter().map(|(_, people)| *people).max().unwrap_or(0);
    Some(SessionCount {
        people,
        stopped_by: stopped_by(key, audit),
    })
}

/// The budget that refused this session something first, as the audit trail has it.
fn stopped_by(key: KeyId, audit: &Path) -> Option<Budget> {
    let text = std::fs::read_to_string(audit).ok()?;
    let events = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut incidents = events.filter_map(|mut event| event.get_mut("unmapped").map(serde_json::Value::take));
    let key = key.to_string();
    let incident = incidents.find(|incident| {
        incident.get("key").and_then(serde_json::Value::as_str) == Some(&key)
            && incident.get("mode").and_then(serde_json::Value::as_str) == Some("enforce")
            && incident.get("action").and_then(serde_json::Value::as_str) != Some("alert")
    })?;
    let people_max = incident.get("limit")?.as_u64()?.try_into().ok()?;
    Some(Budget {
        name: incident.get("budget")?.as_str()?.to_owned(),
        people_max,
    })
}
