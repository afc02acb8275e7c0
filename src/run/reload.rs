//! Reload: another set in force on SIGHUP and when the files change, or the old one and the reason why not.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::load::{LoadError, Loaded, Origin, load_again};
use super::signing_keys;
use super::watch::Sources;
use crate::admin::Access;
use crate::audit::{Change, Operation};
use crate::config::OpenDoor;
use crate::engine::problem::{Problem, Severity};
use crate::engine::secret::DEFAULT_TENANT;
use crate::events::{self, Event, Place, report};
use crate::proxy::{Gateway, Set};
use crate::tls::Acceptor;

/// How often files are looked at although no change was told: some file systems tell none.
const CHANGE_POLL: Duration = Duration::from_secs(30);
/// Problems of one refused set that are told.
const PROBLEMS_TOLD_MAX: usize = 8;

/// Reloads the configuration on SIGHUP, and on a change of its files.
pub(super) struct Reloader {
    pub(super) origin: Origin,
    pub(super) gateway: Arc<Gateway>,
    /// The TLS of each listener that has it, by the listener's name.
    pub(super) acceptors: Vec<(String, Arc<Acceptor>)>,
    /// The files of the set in force, as they were read.
    pub(super) sources: Sources,
    pub(super) state_dir: PathBuf,
    pub(super) metrics: events::Handle,
    pub(super) state: Arc<ReloadState>,
    pub(super) signals: Signals,
}

/// The signals of an operator. They are listened to before anything listens for clients: unheard, they end the process.
pub(super) struct Signals {
    hangup: Signal,
    reopen: Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
        })
    }
}

/// How reloading went.
pub(super) struct ReloadState {
    pub(super) failed: AtomicBool,
    /// The configuration in force, as it was read.
    pub(super) effective: ArcSwap<Value>,
    /// Who may do what on the admin address.
    pub(super) access: Arc<ArcSwap<Access>>,
    generation: AtomicU64,
}

impl ReloadState {
    pub(super) fn new(effective: Value, access: Access) -> Arc<Self> {
        Arc::new(Self {
            failed: AtomicBool::new(false),
            effective: ArcSwap::from_pointee(effective),
            access: Arc::new(ArcSwap::from_pointee(access)),
            generation: AtomicU64::new(1),
        })
    }
}

impl Reloader {
    /// Runs until `stop`. Without a file there is nothing to reload.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let started = self.state.effective.load_full();
        let changed = Arc::new(Notify::new());
        let mut watcher = self.watch(&changed);
        let mut poll = tokio::time::interval(CHANGE_POLL);
        loop {
            let is_asked = tokio::select! {
                () = stop.cancelled() => return,
                _ = self.signals.hangup.recv() => true,
                _ = self.signals.reopen.recv() => {
                    self.gateway.audit.reopen();
                    continue;
                }
                () = changed.notified() => false,
                _ = poll.tick() => false,
            };
            let has_changed = is_asked
                || tokio::select! {
                    () = stop.cancelled() => return,
                    settled = self.sources.settled() => settled != self.sources,
                };
            if !has_changed {
                continue;
            }
            let before = self.sources.directories();
            self.reload(&started);
            if self.sources.directories() != before {
                // Another set may name files elsewhere. A change before this watch is seen by the next look.
                drop(std::mem::replace(&mut watcher, self.watch(&changed)));
                changed.notify_one();
            }
        }
    }

    /// Puts the new set in force, or leaves the old one and says so. `started` is the configuration of the start.
    fn reload(&mut self, started: &Value) {
        if self.origin.path.is_none() {
            return;
        }
        let generation = self.state.generation.load(Ordering::Relaxed) + 1;
        // Taken before anything is read: what changes from now on is another change.
        let sources = self.sources.now();
        let loaded = load_again(&self.origin, self.gateway.clock.now(), generation, &self.gateway.secret);
        let doors = loaded.as_ref().map_or(&[][..], |loaded| loaded.doors.as_slice());
        let certificates = self.renew(doors);
        match loaded {
            Ok(loaded) if certificates && serves_known(started, &loaded.set) => {
                self.put_in_force(loaded, generation, started);
            }
            Ok(_) => self.refused(sources, generation - 1),
            Err(error) => {
                tell_all(&error);
                self.refused(sources, generation - 1);
            }
        }
    }

    /// Reads the certificates again: those that `doors` names, else those that were in force, since a certificate expires
    /// whether or not the rest loads.
    fn renew(&self, doors: &[OpenDoor]) -> bool {
        let mut is_renewed = true;
        for (name, acceptor) in &self.acceptors {
            let door = doors.iter().find(|door| door.door.name == *name);
            let named = door.and_then(|door| door.tls.as_ref());
            if let Err(error) = acceptor.reload(named) {
                tell("C012", &error.to_string());
                is_renewed = false;
            }
        }
        // Live streams look whether their certificates are still good.
        self.gateway.ledger.tell_holds();
        is_renewed
    }

    fn put_in_force(&mut self, mut loaded: Loaded, generation: u64, started: &Value) {
        let (before, now) = (self.gateway.set(), self.gateway.clock.now());
        loaded.set.identity.inherit_births(&before.identity, now);
        let known = before.identity.known_keys();
        signing_keys::renew(&mut loaded.set.identity, known, &self.state_dir, now);
        signing_keys::tell(&loaded.set.identity, now, true);
        self.metrics.register(&loaded.set.names());
        self.state.generation.store(generation, Ordering::Relaxed);
        self.state.failed.store(false, Ordering::Relaxed);
        self.gateway.replace(loaded.set);
        // Live streams look whether the new list revokes them.
        self.gateway.ledger.tell_holds();
        for name in needs_restart(started, &loaded.effective) {
            warn(&format!(
                "{name} changed, and is read at a start only: restart to put it in force"
            ));
        }
        tell_warnings(&loaded.warnings, &loaded.texts);
        self.state.effective.store(Arc::new(loaded.effective));
        self.state.access.store(Arc::new(loaded.access));
        self.sources = loaded.sources;
        self.audit(true);
        report(&Event::Reloaded { ok: true, generation });
    }

    fn audit(&self, succeeded: bool) {
        let change = Change {
            operation: Operation::Reload,
            succeeded,
            who: "reload".to_owned(),
            role: "process",
            reason: "its files changed, or it was told to".to_owned(),
            target: None,
            until: 0,
            people: 0,
            network: None,
        };
        self.gateway.audit.changed(change, self.gateway.clock.now());
    }

    fn refused(&mut self, sources: Sources, generation: u64) {
        self.sources = sources;
        self.audit(false);
        self.state.failed.store(true, Ordering::Relaxed);
        report(&Event::Reloaded { ok: false, generation });
    }

    fn watch(&self, changed: &Arc<Notify>) -> Option<notify::RecommendedWatcher> {
        let told = Arc::clone(changed);
        self.sources.watch(move || told.notify_one())
    }
}

/// What differs between two configurations and does not come into force by a reload.
fn needs_restart(started: &Value, now: &Value) -> Vec<String> {
    let sections = ["ledger", "store", "fleet", "audit", "journal", "state", "limits"];
    let sections = sections.map(|name| (format!("[{name}]"), vec![name]));
    let address = ("`address` of [admin]".to_owned(), vec!["admin", "address"]);
    let parts = sections.into_iter().chain([address]);
    let at = |value: &Value, path: &[&str]| {
        path.iter()
            .try_fold(value.clone(), |value, key| value.get(key).cloned())
    };
    let parts = parts.filter(|(_, path)| at(started, path) != at(now, path));
    let listeners = (listeners(started) != listeners(now)).then(|| "[listen]".to_owned());
    parts.map(|(name, _)| name).chain(listeners).collect()
}

/// Whether the set serves nobody's data but the tenants' of the start: what is on disk is theirs alone until the next one.
fn serves_known(started: &Value, set: &Set) -> bool {
    let new = new_tenant(started, set.policy.tenants());
    if let Some(new) = new {
        let message = format!("the tenant `{new}` is new: a gateway that runs does not begin to count another's data");
        tell("C016", &message);
    }
    new.is_none()
}

/// The first of `tenants` that no route named at the start.
fn new_tenant<'t>(started: &Value, mut tenants: impl Iterator<Item = &'t str>) -> Option<&'t str> {
    let routes = started.get("route").and_then(Value::as_array);
    let routes = routes.map(Vec::as_slice).unwrap_or_default();
    let named = |route: &Value| {
        route
            .get("tenant")
            .and_then(Value::as_str)
            .unwrap_or(DEFAULT_TENANT)
            .to_owned()
    };
    let known: Vec<String> = routes.iter().map(named).collect();
    tenants.find(|tenant| !known.iter().any(|known| known == tenant))
}

/// The listeners without their certificates, which are renewed, and what is said of clients that go out, but with whether they
/// have any.
fn listeners(effective: &Value) -> Option<Value> {
    let mut listeners = effective.get("listen")?.clone();
    for listener in listeners.as_object_mut()?.values_mut().filter_map(Value::as_object_mut) {
        // They are read again with the certificates.
        listener.remove("client_certificates");
        let is_tls = [listener.remove("tls"), listener.remove("certificates")]
            .iter()
            .any(Option::is_some);
        listener.insert("tls".to_owned(), is_tls.into());
        // How clients are led there is a setting of its socket.
        let transparent = listener
            .get("forward")
            .and_then(|forward| forward.get("transparent").cloned());
        listener.insert("transparent".to_owned(), transparent.into());
        for own in ["forward", "icap", "ext_proc"] {
            let is_own = listener.remove(own).is_some_and(|said| !said.is_null());
            listener.insert(own.to_owned(), is_own.into());
        }
    }
    Some(listeners)
}

/// The first set is in force.
pub(super) fn began(warnings: &[Problem], texts: &[(String, String)]) {
    tell_warnings(warnings, texts);
    let (ok, generation) = (true, 1);
    report(&Event::Reloaded { ok, generation });
}

/// Tells what is probably not meant in a set that is in force.
fn tell_warnings(warnings: &[Problem], texts: &[(String, String)]) {
    for problem in warnings.iter().take(PROBLEMS_TOLD_MAX) {
        let Problem { code, message, .. } = problem;
        let place = place(problem, texts);
        report(&Event::Warning { code, message, place });
    }
}

fn warn(message: &str) {
    let place = Place::default();
    report(&Event::Warning {
        code: "C016",
        message,
        place,
    });
}

/// Where a problem is, as `check` says it.
fn place<'a>(problem: &'a Problem, texts: &[(String, String)]) -> Place<'a> {
    let text = texts.iter().find(|(name, _)| *name == problem.file);
    let place = text.and_then(|(_, text)| problem.place(text));
    Place {
        file: Some(&problem.file),
        line: place.map(|(line, _)| line as u64),
        column: place.map(|(_, column)| column as u64),
    }
}

/// Says why a reload was refused.
fn tell_all(error: &LoadError) {
    match error {
        LoadError::Problems(problems, texts) => {
            let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
            for problem in errors.take(PROBLEMS_TOLD_MAX) {
                let Problem { code, message, .. } = problem;
                let place = place(problem, texts);
                report(&Event::Problem { code, message, place });
            }
        }
        LoadError::Io(..) | LoadError::State(_) => tell("C011", &error.to_string()),
    }
}

fn tell(code: &'static str, message: &str) {
    let place = Place::default();
    report(&Event::Problem { code, message, place });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_that_no_route_named_at_the_start_is_new() {
        let started = serde_json::json!({ "route": [{ "match": "a/" }, { "match": "b/", "tenant": "acme" }] });
        assert_eq!(new_tenant(&started, ["default", "acme"].into_iter()), None);
        assert_eq!(
            new_tenant(&started, ["acme"].into_iter()),
            None,
            "one that goes is none"
        );
        assert_eq!(new_tenant(&started, ["acme", "other"].into_iter()), Some("other"));
        let acme = serde_json::json!({ "route": [{ "match": "b/", "tenant": "acme" }] });
        assert_eq!(new_tenant(&acme, ["acme", "default"].into_iter()), Some("default"));
    }

    #[test]
    fn what_only_a_start_reads_is_named() {
        let read = |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
        let started =
            "[listen.a]\naddress = \"127.0.0.1:1\"\ntls = { cert = \"a\", key = \"a\" }\n[admin]\ntokens = \"a\"\n";
        let cases: [(&str, &[&str]); 8] = [
            (started, &[]),
            (
                "[listen.a]\naddress = \"127.0.0.1:1\"\ntls = { cert = \"b\", key = \"b\" }\n[admin]\ntokens = \"b\"\n",
                &[],
            ),
            ("[listen.a]\naddress = \"127.0.0.1:1\"\n", &["[listen]"]),
            (&started.replace(":1", ":2"), &["[listen]"]),
            (&format!("{started}[listen.a.forward]\n"), &["[listen]"]),
            (
                &format!("{started}[listen.a.forward]\ntransparent = \"tproxy\"\n"),
                &["[listen]"],
            ),
            (
                &format!("{started}address = \"127.0.0.1:3\"\n"),
                &["`address` of [admin]"],
            ),
            (
                &format!("{started}[ledger]\nbytes_max = 5000000\n[audit]\nupdate_s = 1\n"),
                &["[ledger]", "[audit]"],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(needs_restart(&read(started), &read(text)), expected, "{text}");
        }
        let [narrow, wide] = ["80", "80, 443"].map(|ports| read(&format!("[listen.a.forward]\nports = [{ports}]\n")));
        assert!(needs_restart(&narrow, &wide).is_empty(), "it goes by the set in force");
    }
}
