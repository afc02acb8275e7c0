//! What all exchanges share: the set in force, the ledger, the clock, and what is counted over all streams.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, Guard};
use ipnet::IpNet;
use tokio::sync::Notify;

use super::fuse::Fuse;
use super::introspection::Introspections;
use super::pace::Paces;
use super::route::Route;
use super::shadow::{Shadow, Shadows};
use super::terms::HeldTotal;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::engine::detect::RuleSet;
use crate::engine::inspect::Bounds;
use crate::engine::ledger::{KeyId, Ledger};
use crate::engine::policy::Policy;
use crate::engine::secret::HashKey;
use crate::engine::time::Now;
use crate::events::Names;
use crate::fleet::Fleet;
use crate::identity::{AddressKey, Identity};
use crate::store::Store;
use crate::store::journal::Journal;

/// What refuses without being a budget: a fail mode, and a hold set by a person.
const OWN_CAUSES: [&str; 2] = ["fail_mode", "manual"];

/// Networks whose look-ups are paced.
const NETWORKS_MAX: usize = 65_536;
/// Issuers whose logins are paced; there are fewer.
const ISSUERS_MAX: usize = 64;

/// One configuration, compiled; replaced whole on reload.
pub struct Set {
    /// Its number, from 1.
    pub generation: u64,
    /// Routes in the order of the configuration; their numbers are the policy's.
    pub routes: Vec<Route>,
    /// Budgets, exceptions, allowances.
    pub policy: Arc<Policy>,
    /// Detection rules.
    pub rules: Arc<RuleSet>,
    /// Detection rules that are tried beside them, if there are any.
    pub shadow: Option<Shadow>,
    /// Who is asking.
    pub identity: Identity,
    /// Bounds of one body.
    pub bounds: Bounds,
    /// Bytes that all streams hold together.
    pub held_total_bytes_max: u64,
    /// The longest wait of a throttled stream, in milliseconds.
    pub throttle_wait_ms_max: u64,
}

impl Set {
    /// The names that may become labels of metrics.
    pub fn names(&self) -> Names {
        let budgets = self.policy.budgets().iter().map(|budget| budget.name.clone());
        Names {
            routes: self.routes.iter().map(|route| route.name.clone()).collect(),
            budgets: budgets.chain(OWN_CAUSES.map(str::to_owned)).collect(),
            classes: self.rules.classes().map(|(_, name, _)| name.to_owned()).collect(),
            shadow_classes: self.shadow_classes(),
            rules: self.rules.expressions().map(|(_, name)| name.to_owned()).collect(),
        }
    }
}

impl Set {
    /// The classes of both sets of rules, where some are tried.
    fn shadow_classes(&self) -> Vec<String> {
        let Some(shadow) = &self.shadow else {
            return Vec::new();
        };
        let sets = [&self.rules, &shadow.rules];
        let names = sets.into_iter().flat_map(|rules| rules.classes());
        let names: BTreeSet<String> = names.map(|(_, name, _)| name.to_owned()).collect();
        names.into_iter().collect()
    }
}

/// Where budgets are suspended, and until when (unix second); holds stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bypass {
    /// Everywhere.
    pub all_until: u32,
    /// On these routes.
    pub routes: Vec<(String, u32)>,
}

impl Bypass {
    /// Whether budgets are suspended on `route`.
    pub fn covers(&self, route: &str, now: Now) -> bool {
        let second = now.second();
        self.all_until > second || self.routes.iter().any(|(name, until)| name == route && *until > second)
    }

    /// Whether nothing is suspended any more.
    pub fn is_over(&self, now: Now) -> bool {
        let second = now.second();
        self.all_until <= second && self.routes.iter().all(|(_, until)| *until <= second)
    }
}

/// One gateway.
pub struct Gateway {
    set: ArcSwap<Set>,
    bypass: ArcSwap<Bypass>,
    /// All keys.
    pub ledger: Arc<Ledger>,
    /// The same on disk.
    pub store: Store,
    /// The gateways that count together with this one, if there are any.
    pub fleet: Option<Arc<Fleet>>,
    /// The clock.
    pub clock: Clock,
    /// Keys all hashes.
    pub secret: HashKey,
    /// Where incidents go.
    pub audit: Audit,
    /// Who was shown to whom.
    pub journal: Journal,
    /// Bytes held over all streams.
    pub held: Arc<HeldTotal>,
    /// Wakes the streams that wait when a hold began or ended.
    pub holds_told: Arc<Notify>,
    pub(super) shadows: Shadows,
    /// What budgets on shared keys refused to honest people.
    pub(super) fuse: Fuse,
    /// Who is asked to log in again, by the issuer.
    pub(super) reauths: Paces<Option<Arc<str>>>,
    /// Who asks for credentials that only the store that gateways share may know, by network.
    pub(super) look_ups: Paces<AddressKey>,
    /// Who shows tokens of which their issuer is asked, by network; and the questions.
    pub(super) introspection_pace: Paces<AddressKey>,
    pub(super) introspections: Introspections,
    draining: AtomicBool,
}

impl Gateway {
    /// A gateway with its first set in force.
    pub fn new(
        set: Set,
        (ledger, store): (Arc<Ledger>, Store),
        clock: Clock,
        secret: HashKey,
        (audit, journal): (Audit, Journal),
    ) -> Self {
        Self {
            set: ArcSwap::from_pointee(set),
            bypass: ArcSwap::from_pointee(Bypass::default()),
            ledger,
            store,
            fleet: None,
            clock,
            secret,
            audit,
            journal,
            held: Arc::default(),
            holds_told: Arc::default(),
            shadows: Shadows::default(),
            fuse: Fuse::default(),
            reauths: Paces::new(ISSUERS_MAX),
            look_ups: Paces::new(NETWORKS_MAX),
            introspection_pace: Paces::new(NETWORKS_MAX),
            introspections: Introspections::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// The set in force.
    pub fn set(&self) -> Guard<Arc<Set>> {
        self.set.load()
    }

    /// Puts another set in force; exchanges under way end under the old one.
    pub fn replace(&self, set: Set) {
        self.set.store(Arc::new(set));
    }

    /// Has those of `keys` that are on disk alone read back. Those that are not in time count as without room.
    pub async fn read_back<'k>(&self, keys: impl Iterator<Item = &'k KeyId>) {
        let spilled = self.ledger.spilled(keys);
        if !spilled.is_empty() {
            self.store.read_back(&spilled).await;
        }
    }

    /// The bypass in force.
    pub fn bypass(&self) -> Guard<Arc<Bypass>> {
        self.bypass.load()
    }

    /// Puts a bypass in force; returns whether that changed anything.
    pub fn set_bypass(&self, bypass: Bypass) -> bool {
        let changed = **self.bypass.load() != bypass;
        if changed {
            self.bypass.store(Arc::new(bypass));
        }
        changed
    }

    /// Whether the gateway is ending.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The gateway ends: `/readyz` says so.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// What a listener says about its clients.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// The listener's name.
    pub name: String,
    /// Whose `Forwarded` and `X-Forwarded-For` are believed.
    pub trusted: Vec<IpNet>,
    /// Whether clients come over TLS.
    pub tls: bool,
    /// Whether each connection begins with a header of the PROXY protocol, from one of the trusted.
    pub proxy_protocol: bool,
}
