//! Wiring: from a configuration to a running gateway, and down again.

mod baselines;
mod desk;
mod fleet;
mod key_sets;
mod load;
mod outside;
pub mod people;
mod polling;
mod reload;
mod signing_keys;
mod state;
mod tasks;
mod watch;

pub use load::{LoadError, Loaded, Origin, load, look};
pub use state::{
    BYPASS_FILE, BypassFile, StateError, Suspension, dir_of, is_read, journal_of, key_of, known_secret, places,
    read_bypass, rules_of, secret, state_dir, tenants_named, write_bypass,
};

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, Admin};
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::OpenDoor;
use crate::engine::apart::Apart;
use crate::engine::ledger::{self, Carrier, Ledger};
use crate::engine::secret::HashKey;
use crate::engine::time::Now;
use crate::events::{self, ClockFact, Event, report};
use crate::ext_proc::Processor;
use crate::fleet::FleetError;
use crate::icap;
use crate::isolation;
use crate::proxy::{Door, Exchanges, Gateway, Limits, Listener, Set};
use crate::store::journal::{self, Journal, JournalError};
use crate::store::{self, Store, StoreError};
use crate::tls::Acceptor;

/// A running gateway.
pub struct Running {
    /// What its exchanges share.
    pub gateway: Arc<Gateway>,
    /// Where each listener listens.
    pub listeners: Vec<(String, SocketAddr)>,
    /// Where the admin API listens.
    pub admin: SocketAddr,
    /// The audit file, if there is one.
    pub audit_file: Option<PathBuf>,
    stop: CancellationToken,
    /// Everything but the admin address has ended.
    ended: CancellationToken,
    tasks: TaskTracker,
    audit: Audit,
    journal: Journal,
    /// What exchanges with other gateways.
    fleet: Option<fleet::Exchanging>,
}

/// Why a gateway did not start.
#[derive(Debug)]
pub enum StartError {
    /// The configuration, or something it names.
    Load(LoadError),
    /// An address cannot be bound.
    Bind(String, std::io::Error),
    /// The audit file cannot be opened.
    Audit(std::io::Error),
    /// The ledger on disk cannot be used.
    Store(StoreError),
    /// No thread can be started.
    Thread(std::io::Error),
    /// The system gives no random numbers.
    Random(std::io::Error),
    /// The journal cannot be gone on with.
    Journal(JournalError),
    /// A certificate or key cannot be read.
    Tls(String),
    /// This gateway cannot count together with others.
    Fleet(FleetError),
    /// The process cannot listen to its signals.
    Signals(std::io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Load(error) => write!(f, "{error}"),
            Self::Bind(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Audit(error) => write!(f, "cannot open the audit file: {error}"),
            Self::Store(error) => write!(f, "{error}"),
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
            Self::Random(error) => write!(f, "the system gives no random numbers: {error}"),
            Self::Journal(error) => write!(f, "cannot go on with the journal: {error}"),
            Self::Tls(error) => write!(f, "{error}"),
            Self::Fleet(error) => write!(f, "{error}"),
            Self::Signals(error) => write!(f, "cannot listen to signals: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Starts a gateway: binds everything first, so that a second one on the same address fails at once.
///
/// # Errors
/// When the configuration does not load, or something it names cannot be had.
pub async fn start(origin: Origin, metrics: events::Handle) -> Result<Running, StartError> {
    start_over(origin, metrics, Ledger::new).await
}

/// The same over a ledger that the caller makes: a test's mutant.
///
/// # Errors
/// As [`start`].
pub async fn start_over(
    origin: Origin,
    metrics: events::Handle,
    ledger: impl FnOnce(ledger::Settings) -> Ledger,
) -> Result<Running, StartError> {
    let clock = Clock::start();
    let signals = reload::Signals::listen().map_err(StartError::Signals)?;
    let mut loaded = load(&origin, clock.now(), 1).map_err(StartError::Load)?;
    if key_sets::fetch_missing(&loaded.set.identity, &loaded.state_dir, clock).await {
        loaded = load(&origin, clock.now(), 1).map_err(StartError::Load)?;
    }
    signing_keys::recall(&mut loaded.set.identity, &loaded.state_dir, clock.now());
    let audit = Audit::start(&loaded.audit).map_err(StartError::Audit)?;
    metrics.register(&loaded.set.names());
    let (ledger, store, newest) = remember(&loaded, ledger(loaded.ledger), clock)?;
    let doors = open(loaded.doors, &loaded.limits)?;
    let (admin_socket, admin) = bind_admin(loaded.admin).await?;

    let tenants = tenants_of(&loaded.set);
    let journal = journal(&loaded.journal, (&loaded.state_dir, &loaded.secret, &tenants), clock)?;
    let evidence = (audit.clone(), journal.clone());
    let mut gateway = Gateway::new(loaded.set, (ledger, store), clock, loaded.secret, evidence);
    gateway.baselines = baselines::recall(&loaded.state_dir);
    gateway.apart = readers(origin.reader.as_deref(), &loaded.limits);
    let fleet = fleet::join(loaded.fleet, loaded.ledger.exact_elements_max, &mut gateway).await?;
    let gateway = Arc::new(gateway);
    let (stop, ended, tasks) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
    let (listeners, acceptors) = serve(doors, &gateway, &loaded.limits, &stop, &tasks);
    report(&Event::Listening {
        listener: "admin",
        address: admin,
    });
    let state = reload::ReloadState::new(loaded.effective, loaded.access);
    reload::began(&loaded.warnings, &loaded.texts);
    let reloader = reload::Reloader {
        origin,
        gateway: Arc::clone(&gateway),
        acceptors,
        sources: loaded.sources,
        state_dir: loaded.state_dir.clone(),
        metrics,
        state: Arc::clone(&state),
        signals,
    };
    let dir = loaded.state_dir;
    let desk = desk::GatewayDesk::new(
        Arc::clone(&gateway),
        Arc::clone(&state),
        dir.clone(),
        stop.clone(),
        newest,
    );
    let desk = Admin {
        desk: Arc::new(desk),
        access: Arc::clone(&state.access),
        audit: audit.clone(),
        reports: metrics,
    };
    // The admin address answers to the end: `/readyz` says that the gateway ends.
    tokio::spawn(admin::serve(admin_socket, Arc::new(desk), ended.clone()));
    tasks.spawn(reloader.run(stop.clone()));
    tasks::start(&tasks, &gateway, dir, metrics, &stop);
    tasks.close();
    Ok(Running {
        gateway,
        listeners,
        admin,
        audit_file: loaded.audit.file,
        stop,
        ended,
        tasks,
        audit,
        journal,
        fleet,
    })
}

/// Those who read fragile formats in processes of their own.
fn readers(program: Option<&Path>, limits: &Limits) -> Option<Arc<dyn Apart>> {
    let program = program.map_or_else(this_program, |program| Ok(program.to_owned()));
    let settings = isolation::Settings {
        // Without a name nothing is started, and what it would read is counted as unread.
        program: program.unwrap_or_default(),
        processes_max: limits.isolated_max,
        ms_max: limits.isolated_ms_max,
        cpu_s_max: limits.isolated_cpu_s_max,
        memory_bytes_max: limits.isolated_memory_bytes_max,
    };
    (limits.isolated_max > 0).then(|| Arc::new(isolation::Workers::new(settings)) as Arc<dyn Apart>)
}

/// This program as it runs, so that an upgrade in its place puts no other version behind the pipes.
fn this_program() -> std::io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        Ok(PathBuf::from("/proc/self/exe"))
    } else {
        std::env::current_exe()
    }
}

/// The ledger with all that is on disk, the store that keeps it there, and the second of its newest sighting. Before a
/// port opens: nobody is served by a gateway that has forgotten whom it showed.
fn remember(loaded: &Loaded, mut ledger: Ledger, clock: Clock) -> Result<(Arc<Ledger>, Store, u32), StartError> {
    ledger.carry(Carrier::Store);
    // Each start counts bytes in a series of its own, or two would pass for one.
    let mut start = [0; 8];
    getrandom::fill(&mut start).map_err(|error| StartError::Random(std::io::Error::other(error)))?;
    ledger.count_as(u64::from_le_bytes(start));
    if loaded.fleet.is_shared() {
        ledger.carry(Carrier::Fleet);
    }
    ledger.keep_beside(&loaded.secret);
    let (dir, identity) = (&loaded.state_dir, &loaded.set.identity);
    let mut stored = store::Loaded::load(dir, &loaded.secret, &ledger, clock).map_err(StartError::Store)?;
    stored.admit(&tenants_of(&loaded.set)).map_err(StartError::Store)?;
    stored.recall(identity.births(), clock).map_err(StartError::Store)?;
    identity.remember_births(clock.now());
    let (newest, ledger) = (stored.newest(), Arc::new(ledger));
    // A second in which a next key began is as little in the future as a sighting is.
    let seconds = set_back(newest.max(ledger.beside_since()), clock.now());
    if seconds > 0 {
        report(&Event::Clock(ClockFact::SetBack { seconds }));
    }
    let store = stored.start(loaded.store, Arc::clone(&ledger), clock);
    Ok((ledger, store.map_err(StartError::Thread)?, newest))
}

async fn bind_admin(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |error| StartError::Bind(format!("{address} (admin)"), error);
    let socket = TcpListener::bind(address).await.map_err(failed)?;
    let bound = socket.local_addr().map_err(failed)?;
    Ok((socket, bound))
}

/// Whose data a set serves.
fn tenants_of(set: &Set) -> Vec<String> {
    set.policy.tenants().map(str::to_owned).collect()
}

/// A ledger is at most so far ahead of the system's clock, in seconds: what was slewed when the process before ended is
/// silent up to as much.
const AHEAD_S_MAX: u32 = 5;

/// By how many seconds a clock that says `now` was set back since the `newest` sighting in the ledger on disk; 0 if it
/// was not. Nobody is forgotten by it: who was shown then counts that much longer.
fn set_back(newest: u32, now: Now) -> u32 {
    let ahead = newest.saturating_sub(now.second());
    if ahead > AHEAD_S_MAX { ahead } else { 0 }
}

/// Listeners by their names, and the acceptors of those that have TLS.
type Served = (Vec<(String, SocketAddr)>, Vec<(String, Arc<Acceptor>)>);

/// Answers at every door.
fn serve(
    doors: Vec<Opened>,
    gateway: &Arc<Gateway>,
    limits: &Arc<Limits>,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> Served {
    let (mut listeners, mut acceptors) = (Vec::new(), Vec::new());
    for opened in doors {
        let (door, address) = (opened.door, opened.address);
        report(&Event::Listening {
            listener: &door.name,
            address,
        });
        listeners.push((door.name.clone(), address));
        acceptors.extend(opened.acceptor.map(|acceptor| (door.name.clone(), acceptor)));
        let (is_icap, is_ext_proc) = (door.is_icap, door.is_ext_proc);
        let exchanges = Exchanges::new(Arc::clone(gateway), door, Arc::clone(limits), stop.clone());
        let (listener, stop) = (opened.listener, stop.clone());
        if is_icap {
            tasks.spawn(listener.speak(Arc::new(icap::Server::new(exchanges)), stop));
        } else if is_ext_proc {
            tasks.spawn(listener.serve(Arc::new(Processor::new(exchanges)), stop));
        } else {
            tasks.spawn(listener.serve(Arc::new(exchanges), stop));
        }
    }
    (listeners, acceptors)
}

/// The journal that the settings name, if they name one.
fn journal(
    settings: &journal::Settings,
    (state_dir, secret, tenants): (&Path, &HashKey, &[String]),
    clock: Clock,
) -> Result<Journal, StartError> {
    let Some(dir) = &settings.dir else {
        return Ok(Journal::off());
    };
    Journal::start(dir, settings, (state_dir, secret, tenants), clock).map_err(StartError::Journal)
}

/// A listener that is bound.
struct Opened {
    door: Door,
    listener: Listener,
    address: SocketAddr,
    acceptor: Option<Arc<Acceptor>>,
}

fn open(doors: Vec<OpenDoor>, limits: &Arc<Limits>) -> Result<Vec<Opened>, StartError> {
    doors
        .into_iter()
        .map(|OpenDoor { door, address, tls }| {
            let acceptor = tls
                .map(Acceptor::new)
                .transpose()
                .map_err(|error| StartError::Tls(error.to_string()))?
                .map(Arc::new);
            let bind = |error| StartError::Bind(address.to_string(), error);
            let mut listener = Listener::bind(address, Arc::clone(limits), acceptor.clone()).map_err(bind)?;
            if door.proxy_protocol {
                listener = listener.behind(&door.trusted);
            }
            if let Some(how) = door.transparent {
                listener = listener.transparent(how).map_err(bind)?;
            }
            let address = listener.local_addr().map_err(bind)?;
            Ok(Opened {
                door,
                listener,
                address,
                acceptor,
            })
        })
        .collect()
}

impl Running {
    /// Ends gracefully: `/readyz` fails, listeners close, exchanges finish within `drain_ms_max`, the audit is written.
    pub async fn drain(self) {
        report(&Event::Draining);
        self.gateway.drain();
        self.stop.cancel();
        self.tasks.wait().await;
        self.ended.cancel();
        if let Some(fleet) = self.fleet {
            fleet.end().await;
        }
        let (audit, journal, gateway) = (self.audit.clone(), self.journal.clone(), Arc::clone(&self.gateway));
        // The last lines and the last people wait for the disk, off the runtime.
        let stop = move || {
            gateway.store.stop();
            journal.stop();
            audit.stop();
        };
        if tokio::task::spawn_blocking(stop).await.is_err() {
            report(&Event::AuditDropped { reason: "queue" });
        }
        report(&Event::Stopped);
    }

    /// Resolves when the admin API asked for a drain.
    pub async fn asked_to_drain(&self) {
        self.stop.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_set_back_where_the_ledger_knows_of_later_moments() {
        let now = Now::from_millis(1_780_000_000_000);
        for (newest, seconds) in [
            (0, 0),
            (now.second() - 86_400, 0),
            (now.second() + 5, 0),
            (now.second() + 6, 6),
            (now.second() + 86_400, 86_400),
        ] {
            assert_eq!(set_back(newest, now), seconds);
        }
    }
}
