//! The closed list of facts the process reports; the only place with log macros and metric handles. No event holds personal data.
//!
//! Fields are numbers, `&'static str` from fixed sets, or names of the configuration. A name that is not registered
//! ([`Handle::register`]) is reported as `other`, in metrics and in logs alike, so that nothing that a client sent can
//! become a label or a log line.

mod baseline;
mod clock;
mod crossing;
mod family;
mod fleet;
mod help;
mod identity;
mod install;
mod journal;
mod meters;
mod names;
mod process;
mod revocation;

use std::net::SocketAddr;
use std::sync::OnceLock;

use tracing::{debug, error, info, warn};

pub use baseline::BaselineFact;
pub use clock::ClockFact;
pub use crossing::{Crossed, Crossing};
pub use fleet::Fact;
pub use identity::IdentityFact;
pub use install::{BadFilter, Handle, LogFormat, install};
pub use journal::JournalFact;
pub use meters::Part;
pub use names::Names;
pub use revocation::RevocationFact;

use meters::{Kind, Meters};

/// Which leg of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leg {
    /// The side of the client.
    Downstream,
    /// The side of the origin.
    Upstream,
}

impl Leg {
    /// The value of the label `leg`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Downstream => "downstream",
            Self::Upstream => "upstream",
        }
    }
}

/// Where something is wrong in what a person wrote; what is not known is left out of the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The file, as the user named it.
    pub file: Option<&'a str>,
    /// Its line, from 1.
    pub line: Option<u64>,
    /// The letter on that line, from 1.
    pub column: Option<u64>,
}

/// A fact. Every `&'static str` field takes values from a fixed, small set: it becomes a metric label.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    // Transport.
    /// A downstream connection opened (`true`) or closed.
    Connection(bool),
    /// An ambiguous or malformed head, chunk or trailer was refused.
    HeadRefused {
        /// On which leg.
        leg: Leg,
        /// Which rule of framing it broke.
        fault: &'static str,
    },
    /// A named limit refused something.
    LimitHit {
        /// The limit's name, as in the configuration.
        limit: &'static str,
    },
    /// An exchange with an upstream failed.
    UpstreamFailed {
        /// The route's name.
        route: &'a str,
        /// `connect`, `timeout`, `reset`, `framing`, `tls`, `dns`, ...
        kind: &'static str,
    },
    /// An idempotent request was sent a second time.
    UpstreamRetried,
    /// A TLS handshake failed.
    TlsFailed {
        /// On which leg.
        leg: Leg,
        /// Why, from a fixed set.
        kind: &'static str,
    },
    /// Bytes that crossed a tunnel uninspected.
    TunnelBytes(u64),

    // Identity.
    /// One request carried credentials that name different actors.
    CredentialsDisagree {
        /// `principals`, `duplicate`, `forwarded` or `ja4`.
        kind: &'static str,
    },
    /// Something about credentials.
    Identity(IdentityFact),

    /// Something about what is revoked.
    Revocation(RevocationFact),

    // Exchanges.
    /// An exchange ended, whichever way.
    ExchangeEnded {
        /// The route's name.
        route: &'a str,
        /// The hardest verdict that it met: `allow`, `alert`, `redact`, ...
        verdict: &'static str,
    },
    /// People, or bytes that were searched or were not, crossed.
    Crossed(Crossing<'a>),
    /// Identifiers were found.
    Findings {
        /// The class's name, as the rules have it.
        class: &'a str,
        /// How many.
        count: u64,
    },
    /// An expression of the operator's was woken in a body.
    RuleRan {
        /// The rule's name.
        rule: &'a str,
        /// Bytes that it searched.
        searched_bytes: u64,
        /// Bytes that it did not search, as its budget was spent.
        skipped_bytes: u64,
        /// What it found.
        findings: u64,
    },
    /// A body was read by the rules that are tried, or should have been.
    Shadowed {
        /// `same`, `different`, `memory`, `queue` or `fault`.
        outcome: &'static str,
    },
    /// Identifiers that only the rules in force found, or only those that are tried.
    ShadowFindings {
        /// The class's name.
        class: &'a str,
        /// `active` or `shadow`.
        only: &'static str,
        /// How many.
        count: u64,
    },
    /// People whom only the rules in force counted, or only those that are tried.
    ShadowPeople {
        /// `active` or `shadow`.
        only: &'static str,
        /// How many.
        count: u64,
    },
    /// What both sets of rules made of a body differs, in sum.
    ShadowDiffered {
        /// Findings that only the rules in force made.
        findings_active: u64,
        /// Findings that only those that are tried made.
        findings_shadow: u64,
        /// People whom only the rules in force counted.
        people_active: u64,
        /// People whom only those that are tried counted.
        people_shadow: u64,
    },
    /// A budget refused.
    Refused {
        /// The budget's name.
        budget: &'a str,
        /// What was done: `redact`, `throttle`, `reauth`, `block`, `hold`.
        action: &'static str,
    },
    /// A budget on a shared key refused as many honest people as it may, and stops acting on them.
    FuseBlown {
        /// The budget's name.
        budget: &'a str,
    },
    /// A budget in monitor would have refused.
    WouldRefuse {
        /// The budget's name.
        budget: &'a str,
    },
    /// A fail mode that was not applied because nothing is enforced here.
    WouldFail {
        /// The reason of the fail mode.
        reason: &'static str,
    },
    /// Time that the gateway added to an exchange.
    AddedSeconds {
        /// In which part.
        part: Part,
        /// How long, in seconds.
        seconds: f64,
    },
    /// Bytes that hold-backs hold now, over all streams.
    HeldBytes(u64),
    /// The keys of the ledger now.
    LedgerKeys {
        /// In memory.
        keys: u64,
        /// On disk alone.
        spilled: u64,
        /// Those of budgets that only tell, dropped to make room since the start.
        dropped: u64,
    },
    /// A new key found no room in the ledger.
    LedgerFull,
    /// What passed between gateways.
    Fleet(Fact<'a>),

    // The ledger on disk.
    /// The ledger was read from disk before the port opened.
    StoreLoaded {
        /// How many keys.
        keys: u64,
        /// How long it took, in seconds.
        seconds: f64,
    },
    /// From now on the ledger keeps up a second key of people.
    StoreBeside,
    /// What changed is on disk.
    StoreWritten {
        /// How long the write took, in seconds.
        seconds: f64,
    },
    /// So many keys that were on disk alone were read back.
    KeysReadBack(u64),
    /// Bytes of the file of the ledger.
    StoreBytes(u64),
    /// How old the last moment is of which everything is on disk.
    StoreStale {
        /// In seconds.
        seconds: f64,
    },
    /// The ledger could not be written; it is tried again.
    StoreFailed {
        /// `full`, `io`, `locked`, `damaged` or `thread`.
        reason: &'static str,
    },
    /// The ledger is written again after a failure.
    StoreRecovered,

    /// Something about what is usual for accounts.
    Baseline(BaselineFact<'a>),
    /// Something about the clock.
    Clock(ClockFact),
    /// Something about the journal.
    Journal(JournalFact<'a>),

    // The process.
    /// A listener is ready.
    Listening {
        /// The listener's name in the configuration.
        listener: &'a str,
        /// Where.
        address: SocketAddr,
    },
    /// A configuration came into force, or was refused and the old one stays.
    Reloaded {
        /// Whether it is in force.
        ok: bool,
        /// The number of the set in force, from 1.
        generation: u64,
    },
    /// One thing that is wrong with a configuration that was refused; the message quotes no data, only names.
    Problem {
        /// Its stable code.
        code: &'static str,
        /// What is wrong.
        message: &'a str,
        /// Where.
        place: Place<'a>,
    },
    /// One thing that is probably not meant in a configuration that is in force.
    Warning {
        /// Its stable code.
        code: &'static str,
        /// What it is.
        message: &'a str,
        /// Where.
        place: Place<'a>,
    },
    /// The process gave up what it does not need: how much of it the system enforces, `full`, `partial` or `none`.
    Confined {
        /// Where it writes and what it starts.
        files: &'static str,
        /// Calls of the system.
        calls: &'static str,
        /// Whether no picture of its memory is left.
        memory: &'static str,
    },
    /// A bypass began (`true`) or ended.
    Bypass(bool),
    /// The drain began: no new connections.
    Draining,
    /// The process is about to end.
    Stopped,

    // Audit and administration.
    /// An audit line was lost.
    AuditDropped {
        /// `queue` (the writer is behind) or `disk` (it cannot write).
        reason: &'static str,
    },
    /// The audit file works again after a failure.
    AuditRecovered,
    /// A person changed something through the admin address.
    AdminChanged {
        /// `hold`, `release`, `drain`, ...
        operation: &'static str,
    },
    /// The admin address refused a caller.
    AdminDenied {
        /// `token`, `role`, `host`.
        reason: &'static str,
    },
}

/// The metrics of this process; absent until [`install`], so that a tool that never installs pays nothing.
static METERS: OnceLock<Meters> = OnceLock::new();

/// Reports one fact. The events of the hot path cost a table look-up and an atomic addition each.
pub fn report(event: &Event<'_>) {
    if let Some(meters) = METERS.get() {
        meters.count(event);
        log(meters, event);
    }
}

/// Writes the log line of an event that has one.
fn log(meters: &Meters, event: &Event<'_>) {
    match *event {
        Event::Listening { listener, address } => info!(listener, %address, "listening"),
        Event::Reloaded { ok: true, generation } => info!(generation, "configuration in force"),
        Event::Reloaded { ok: false, generation } => error!(generation, "configuration refused, the old one stays"),
        Event::Problem { code, message, place } => {
            let Place { file, line, column } = place;
            error!(code, message, file, line, column, "configuration problem");
        }
        Event::Warning { code, message, place } => {
            let Place { file, line, column } = place;
            warn!(code, message, file, line, column, "configuration warning");
        }
        Event::Confined { files, calls, memory } => info!(files, calls, memory, "confined"),
        Event::Bypass(true) => warn!("bypass in force: nothing is enforced where it reaches"),
        Event::Bypass(false) => info!("bypass ended"),
        Event::Draining => info!("draining"),
        Event::Stopped => info!("stopped"),
        Event::AdminChanged { operation } => info!(operation, "administrative change"),
        Event::Fleet(ref fact) => fleet::log(meters, fact),
        Event::AuditRecovered => info!("audit file works again"),
        Event::StoreLoaded { keys, seconds } => info!(keys, seconds, "ledger loaded"),
        Event::StoreBeside => info!("people are hashed with a second key from now on: the longest window begins"),
        Event::StoreFailed { reason } => error!(reason, "the ledger cannot be written, tried again"),
        Event::StoreRecovered => info!("the ledger is written again"),
        Event::Baseline(fact) => baseline::log(fact),
        Event::Clock(fact) => clock::log(fact),
        Event::Journal(fact) => journal::log(meters, fact),
        Event::Revocation(fact) => revocation::log(meters, fact),
        Event::Identity(fact) => identity::log(fact),
        Event::UpstreamFailed { .. }
        | Event::Refused { .. }
        | Event::FuseBlown { .. }
        | Event::AuditDropped { .. }
        | Event::AdminDenied { .. }
        | Event::LedgerFull
        | Event::LimitHit { .. } => log_bounded(meters, event),
        Event::ShadowDiffered { .. } => log_shadow(meters, event),
        Event::HeadRefused { leg, fault } => debug!(leg = leg.name(), fault, "head refused"),
        Event::TlsFailed { leg, kind } => debug!(leg = leg.name(), kind, "handshake failed"),
        Event::CredentialsDisagree { kind } => debug!(kind, "credentials disagree"),
        Event::UpstreamRetried => debug!("sent a second time"),
        Event::Connection(_)
        | Event::TunnelBytes(_)
        | Event::ExchangeEnded { .. }
        | Event::Crossed(_)
        | Event::Findings { .. }
        | Event::RuleRan { .. }
        | Event::Shadowed { .. }
        | Event::ShadowFindings { .. }
        | Event::ShadowPeople { .. }
        | Event::WouldRefuse { .. }
        | Event::WouldFail { .. }
        | Event::AddedSeconds { .. }
        | Event::HeldBytes(_)
        | Event::LedgerKeys { .. }
        | Event::KeysReadBack(_)
        | Event::StoreWritten { .. }
        | Event::StoreBytes(_)
        | Event::StoreStale { .. } => {}
    }
}

/// What differs between two sets of rules, as long as there are lines for it.
fn log_shadow(meters: &Meters, event: &Event<'_>) {
    let Event::ShadowDiffered {
        findings_active,
        findings_shadow,
        people_active,
        people_shadow,
    } = *event
    else {
        return;
    };
    if meters.may_log_shadow() {
        info!(
            findings_active,
            findings_shadow, people_active, people_shadow, "rules in shadow differ"
        );
    }
}

/// The lines at info level and above that a client can cause: at most a fixed number between two upkeeps, since a flood must not fill a disk.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "its one caller, `log`, names every variant"
)]
fn log_bounded(meters: &Meters, event: &Event<'_>) {
    if !meters.may_log() {
        return;
    }
    match *event {
        Event::UpstreamFailed { route, kind } => {
            warn!(route = meters.known(Kind::Route, route), kind, "upstream failed");
        }
        Event::FuseBlown { budget } => {
            let budget = meters.known(Kind::Budget, budget);
            error!(
                budget,
                "fuse blown: too many honest people refused, the budget only tells"
            );
        }
        Event::Refused { budget, action } => warn!(budget = meters.known(Kind::Budget, budget), action, "refused"),
        Event::AuditDropped { reason } => error!(reason, "audit line lost"),
        Event::AdminDenied { reason } => warn!(reason, "admin request refused"),
        Event::LedgerFull => warn!("ledger full"),
        Event::LimitHit { limit } => warn!(limit, "limit hit"),
        _ => {}
    }
}
