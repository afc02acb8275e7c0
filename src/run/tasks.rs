//! What runs beside the exchanges: upkeep of reports, the bypass file, and reload.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::{RecursiveMode, Watcher as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::load::{LoadError, Origin, load};
use super::state::{BypassFile, Suspension, read_bypass};
use crate::admin::Access;
use crate::audit::{Change, Operation};
use crate::events::{self, Event, report};
use crate::proxy::{Bypass, Gateway};
use crate::tls::Acceptor;

/// How often the bypass file is looked at: a bypass works within five seconds.
const BYPASS_LOOK: Duration = Duration::from_secs(2);
/// How often metrics are kept up.
const METRICS_UPKEEP_TICKS: u32 = 5;
/// After the last change of a file, before it is read: editors and orchestrators write in several steps.
const CHANGE_SETTLES: Duration = Duration::from_millis(250);
/// How often files are looked at although no change was told: some file systems tell none.
const CHANGE_POLL: Duration = Duration::from_secs(30);

/// Looks after reports and the bypass until `stop`.
pub(super) async fn upkeep(
    gateway: Arc<Gateway>,
    state_dir: PathBuf,
    metrics: events::Handle,
    stop: CancellationToken,
) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let mut look = tokio::time::interval(BYPASS_LOOK);
    let mut ticks = 0_u32;
    let mut known = Vec::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = second.tick() => {
                ticks = ticks.wrapping_add(1);
                let now = gateway.clock.now();
                gateway.audit.tick(now);
                report(&Event::HeldBytes(gateway.held.bytes()));
                report(&Event::LedgerKeys(gateway.ledger.len() as u64));
                if ticks.is_multiple_of(METRICS_UPKEEP_TICKS) {
                    metrics.upkeep();
                }
            }
            _ = look.tick() => {
                // A file that cannot be read changes nothing: what was in force ends by itself.
                let file = read_bypass(&state_dir).unwrap_or_else(|_| BypassFile { bypass: known.clone() });
                gateway.set_bypass(in_force(&file));
                known = follow(&gateway, &known, file);
            }
        }
    }
}

/// Tells and audits which suspensions began and which ended since `known`; gives those that are in force.
fn follow(gateway: &Gateway, known: &[Suspension], file: BypassFile) -> Vec<Suspension> {
    let now = gateway.clock.now();
    let mut present = file.bypass;
    present.retain(|suspension| suspension.until > now.second());
    let audit = |operation, suspension: &Suspension| {
        let change = Change {
            operation,
            succeeded: true,
            who: suspension.by.clone(),
            role: "process",
            reason: suspension.reason.clone(),
            target: suspension.route.clone(),
            until: suspension.until,
            people: 0,
            network: None,
        };
        gateway.audit.changed(change, now);
    };
    for begun in present.iter().filter(|suspension| !known.contains(suspension)) {
        audit(Operation::Bypass, begun);
    }
    for ended in known.iter().filter(|suspension| !present.contains(suspension)) {
        audit(Operation::BypassEnd, ended);
    }
    if known.is_empty() != present.is_empty() {
        report(&Event::Bypass(!present.is_empty()));
    }
    present
}

fn in_force(file: &BypassFile) -> Bypass {
    let all = file.bypass.iter().filter(|suspension| suspension.route.is_none());
    let routes = file
        .bypass
        .iter()
        .filter_map(|suspension| Some((suspension.route.clone()?, suspension.until)));
    Bypass {
        all_until: all.map(|suspension| suspension.until).max().unwrap_or(0),
        routes: routes.collect(),
    }
}

/// Reloads the configuration on SIGHUP, on a change of its files, and when asked.
pub(super) struct Reloader {
    origin: Origin,
    gateway: Arc<Gateway>,
    acceptors: Vec<Arc<Acceptor>>,
    /// Directories of files that the configuration in force names.
    named: Vec<PathBuf>,
    metrics: events::Handle,
    state: Arc<ReloadState>,
}

/// How reloading went.
pub(super) struct ReloadState {
    pub(super) failed: AtomicBool,
    /// The configuration in force, as it was read.
    pub(super) effective: ArcSwap<serde_json::Value>,
    /// Who may do what on the admin address.
    pub(super) access: Arc<ArcSwap<Access>>,
    generation: AtomicU64,
    asked: Notify,
}

impl ReloadState {
    pub(super) fn new(effective: serde_json::Value, access: Access) -> Arc<Self> {
        Arc::new(Self {
            failed: AtomicBool::new(false),
            effective: ArcSwap::from_pointee(effective),
            access: Arc::new(ArcSwap::from_pointee(access)),
            generation: AtomicU64::new(1),
            asked: Notify::new(),
        })
    }
}

impl Reloader {
    pub(super) fn new(
        origin: Origin,
        gateway: Arc<Gateway>,
        acceptors: Vec<Arc<Acceptor>>,
        named: Vec<PathBuf>,
        metrics: events::Handle,
        state: Arc<ReloadState>,
    ) -> Self {
        report(&Event::Reloaded {
            ok: true,
            generation: 1,
        });
        Self {
            origin,
            gateway,
            acceptors,
            named,
            metrics,
            state,
        }
    }

    /// Runs until `stop`. Without a file there is nothing to reload.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else {
            return;
        };
        let Ok(mut reopen) = signal(SignalKind::user_defined1()) else {
            return;
        };
        let changed = Arc::new(Notify::new());
        let mut watcher = self.watch(&changed);
        let mut seen = self.content();
        let mut poll = tokio::time::interval(CHANGE_POLL);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => {}
                () = self.state.asked.notified() => {}
                _ = reopen.recv() => {
                    self.gateway.audit.reopen();
                    continue;
                }
                () = changed.notified() => {
                    // The trailing edge: read only once nothing has changed for a while.
                    while tokio::time::timeout(CHANGE_SETTLES, changed.notified()).await.is_ok() {}
                    if self.content() == seen {
                        continue;
                    }
                }
                _ = poll.tick() => {
                    if self.content() == seen {
                        continue;
                    }
                }
            }
            seen = self.content();
            let before = self.directories();
            self.reload();
            if self.directories() != before {
                // Another set may name files elsewhere. The old watch ends only now, so that no change falls between.
                drop(std::mem::replace(&mut watcher, self.watch(&changed)));
                seen = self.content();
            }
        }
    }

    /// Puts the new set in force, or leaves the old one and says so.
    fn reload(&mut self) {
        if self.origin.path.is_none() {
            return;
        }
        let generation = self.state.generation.load(Ordering::Relaxed) + 1;
        let loaded = load(&self.origin, self.gateway.clock.now(), generation);
        let certificates = self.acceptors.iter().try_for_each(|acceptor| acceptor.reload());
        if let Err(error) = &certificates {
            tell("C012", &error.to_string());
        }
        match loaded {
            Ok(mut loaded) if certificates.is_ok() => {
                loaded.set.identity.inherit_births(&self.gateway.set().identity);
                self.metrics.register(&loaded.set.names());
                self.state.generation.store(generation, Ordering::Relaxed);
                self.state.failed.store(false, Ordering::Relaxed);
                self.gateway.replace(loaded.set);
                self.state.effective.store(Arc::new(loaded.effective));
                self.state.access.store(Arc::new(loaded.access));
                self.named = loaded.directories;
                self.audit(true);
                report(&Event::Reloaded { ok: true, generation });
            }
            Ok(_) => self.refused(generation - 1),
            Err(error) => {
                tell_all(&error);
                self.refused(generation - 1);
            }
        }
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

    fn refused(&self, generation: u64) {
        self.audit(false);
        self.state.failed.store(true, Ordering::Relaxed);
        report(&Event::Reloaded { ok: false, generation });
    }

    /// Watches the directories, not the files: orchestrators replace files by renaming.
    fn watch(&self, changed: &Arc<Notify>) -> Option<notify::RecommendedWatcher> {
        let told = Arc::clone(changed);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                told.notify_one();
            }
        })
        .ok()?;
        for dir in self.directories() {
            // What cannot be watched is polled.
            drop(watcher.watch(&dir, RecursiveMode::NonRecursive));
        }
        Some(watcher)
    }

    fn directories(&self) -> Vec<PathBuf> {
        let Some(path) = &self.origin.path else {
            return Vec::new();
        };
        let base = path
            .parent()
            .filter(|base| !base.as_os_str().is_empty())
            .unwrap_or_else(|| Path::new("."));
        let mut dirs = vec![base.to_owned()];
        dirs.extend(self.acceptors.iter().flat_map(|acceptor| acceptor.directories()));
        dirs.extend(self.named.iter().cloned());
        dirs.retain(|dir| dir.is_dir());
        dirs.sort();
        dirs.dedup();
        dirs
    }

    /// A hash of everything that a reload would read.
    fn content(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for dir in self.directories() {
            let mut files: Vec<PathBuf> = std::fs::read_dir(&dir)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .take(4096)
                .collect();
            files.sort();
            for file in files.iter().filter(|file| is_ours(file)) {
                hasher.update(file.as_os_str().as_encoded_bytes());
                hasher.update(&std::fs::read(file).unwrap_or_default());
            }
        }
        *hasher.finalize().as_bytes()
    }
}

/// Says why a reload was refused.
fn tell_all(error: &LoadError) {
    match error {
        LoadError::Problems(problems, _) => {
            problems
                .iter()
                .take(8)
                .for_each(|problem| tell(problem.code, &problem.message));
        }
        LoadError::Io(..) | LoadError::State(_) => tell("C011", &error.to_string()),
    }
}

fn tell(code: &'static str, message: &str) {
    report(&Event::Problem { code, message });
}

/// What a configuration is made of, by its ending.
fn is_ours(file: &Path) -> bool {
    let ending = file.extension().and_then(std::ffi::OsStr::to_str);
    matches!(ending, Some("toml" | "pem" | "crt" | "key" | "json" | "keys"))
        && file
            .metadata()
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() < (8 << 20))
}
