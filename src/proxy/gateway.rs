//! What all exchanges share: the set in force, the ledger, the clock, and what is counted over all streams.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, Guard};
use http::HeaderName;
use ipnet::IpNet;
use smallvec::SmallVec;
use tokio::sync::Notify;

use super::connection::ConnState;
use super::fuse::Fuse;
use super::introspection::Introspections;
use super::pace::Paces;
use super::route::Route;
use super::shadow::{Shadow, Shadows};
use super::terms::HeldTotal;
use super::transparent::Transparent;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::engine::apart::Apart;
use crate::engine::baseline::{Baselines, Deviation, WINDOW_SECONDS};
use crate::engine::detect::RuleSet;
use crate::engine::inspect::{Bounds, Content, Inspector, Mode};
use crate::engine::ledger::{Account, BudgetId, KeyId, KeyUse, Ledger, PublicPeople};
use crate::engine::pinned::PinnedHosts;
use crate::engine::policy::{Facts, Plan, Policy, Question};
use crate::engine::proposed::Proposed;
use crate::engine::record::Details;
use crate::engine::secret::HashKey;
use crate::engine::time::Now;
use crate::events::{Event, Names, report};
use crate::fleet::Fleet;
use crate::identity::{Actor, AddressKey, Certificate, Identity, Peer, Provenance};
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
    /// People who are declared public.
    pub public: Arc<PublicPeople>,
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
    /// Who looks into a body on this route: fragile formats are read `apart`, where there are processes for them.
    pub(super) fn inspector(
        &self,
        route: usize,
        apart: Option<&Arc<dyn Apart>>,
        (mode, content): (Mode, Content),
        details: Details,
    ) -> Inspector {
        let (rules, secret) = (Arc::clone(&self.rules), self.policy.secret_of(route).clone());
        let inspector = Inspector::new(mode, self.bounds, content, rules, secret);
        inspector.reading_apart(apart).details(details)
    }

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
    /// Who lends readers of fragile formats that run apart; without it they are read here.
    pub apart: Option<Arc<dyn Apart>>,
    /// Bytes held over all streams.
    pub held: Arc<HeldTotal>,
    /// Wakes the streams that wait when a hold began or ended.
    pub holds_told: Arc<Notify>,
    /// What is usual for accounts.
    pub baselines: Baselines,
    /// Who stands in the way of many accounts.
    pub proposed: Proposed,
    /// Hosts whose clients pin certificates.
    pub pinned: PinnedHosts,
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
    /// Who tries passwords to go out, by network.
    pub(super) passwords: Paces<AddressKey>,
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
            apart: None,
            held: Arc::default(),
            holds_told: Arc::default(),
            baselines: Baselines::default(),
            proposed: Proposed::default(),
            pinned: PinnedHosts::default(),
            shadows: Shadows::default(),
            fuse: Fuse::default(),
            reauths: Paces::new(ISSUERS_MAX),
            look_ups: Paces::new(NETWORKS_MAX),
            introspection_pace: Paces::new(NETWORKS_MAX),
            introspections: Introspections::default(),
            passwords: Paces::new(NETWORKS_MAX),
            draining: AtomicBool::new(false),
        }
    }

    /// The set in force.
    pub fn set(&self) -> Guard<Arc<Set>> {
        self.set.load()
    }

    /// Puts another set in force; exchanges under way end under the old one.
    pub fn replace(&self, mut set: Set) {
        set.keep_leaves(&self.set());
        self.set.store(Arc::new(set));
    }

    /// Has those of `keys` that are on disk alone read back. Those that are not in time count as without room.
    pub async fn read_back<'k>(&self, keys: impl Iterator<Item = &'k KeyId>) {
        let spilled = self.ledger.spilled(keys);
        if !spilled.is_empty() {
            self.store.read_back(&spilled).await;
        }
    }

    /// The budgets whose condition only the ledger can answer, and does with yes.
    pub(super) async fn answered(&self, policy: &Policy, facts: &Facts<'_>, now: Now) -> SmallVec<[BudgetId; 2]> {
        let questions = policy.questions(facts);
        let keys: SmallVec<[KeyId; 4]> = questions.iter().flat_map(Question::keys).collect();
        self.read_back(keys.iter()).await;
        Policy::answer(&questions, &self.ledger, now)
    }

    /// The account of an exchange that counts under `plan`, whose keys go to it.
    pub(super) async fn open_account(&self, set: &Set, plan: &mut Plan, now: Now) -> Account {
        self.read_back(keys_of(plan)).await;
        let keys = std::mem::take(&mut plan.keys);
        let account = self.ledger.open(keys, plan.allowance.take(), now);
        let account = account.allowing(std::mem::take(&mut plan.allowed)).sparing(&set.public);
        let mut account = account.summing(std::mem::take(&mut plan.sums));
        if let Some(gateways) = self.fleet.as_ref().and_then(|fleet| fleet.divided()) {
            account.divide(gateways);
        }
        account
    }

    /// Follows the account that asks, where what is usual for its group is learnt: under the key of what the group declares.
    pub(super) fn follow(&self, set: &Set, actor: &Actor, plan: &Plan) {
        let group = actor.group.as_deref().filter(|group| set.identity.learns(group));
        let Some(group) = group.filter(|_| actor.provenance != Provenance::Unissued) else {
            return;
        };
        let declared = BudgetId::of("", Some(group));
        let is_declared = |used: &&KeyUse| used.limits.iter().any(|limit| limit.budget == declared);
        let used = plan.keys.iter().find(is_declared);
        if used.is_some_and(|used| !self.baselines.follow(used.key, group)) {
            report(&Event::LimitHit { limit: "baselines" });
        }
    }

    /// An hour is over: notes what each account that is followed was shown, and says what is far above what is usual. An account
    /// that is on disk alone counts as one that was shown nobody.
    pub fn look_at_baselines(&self) -> Vec<Deviation> {
        let now = self.clock.now();
        let people = |key| {
            let view = self.ledger.key(key, &|_| &[WINDOW_SECONDS], now);
            view.and_then(|view| Some(view.people.first()?.1)).unwrap_or(0)
        };
        self.baselines.look(now, &people)
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

/// All that an exchange counts under, or may come to.
fn keys_of(plan: &Plan) -> impl Iterator<Item = &KeyId> {
    let used = plan.keys.iter().chain(&plan.allowance);
    let keys = used.flat_map(|used| std::iter::once(&used.key).chain(&used.fallback));
    keys.chain(plan.sums.iter().map(|used| &used.key))
}

/// What a listener says about its clients.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one listener")]
pub struct Door {
    /// The listener's name.
    pub name: String,
    /// The proxies that are believed about their clients.
    pub trusted: Vec<IpNet>,
    /// Where they write a client's address, if not in `Forwarded` or `X-Forwarded-For`.
    pub address_header: Option<HeaderName>,
    /// Where they write the fingerprint of a client's TLS hello, if they do.
    pub ja4_header: Option<HeaderName>,
    /// Whether clients come over TLS.
    pub tls: bool,
    /// Whether they are asked for a certificate.
    pub client_certificates: bool,
    /// Whether each connection begins with a header of the PROXY protocol, from one of the trusted.
    pub proxy_protocol: bool,
    /// Whether clients go out through it.
    pub is_forward: bool,
    /// Whether other proxies ask there, over ICAP.
    pub is_icap: bool,
    /// How clients are led to it that do not know of it.
    pub transparent: Option<Transparent>,
    /// Whether Envoy asks there.
    pub is_ext_proc: bool,
}

impl Door {
    /// Who is at the other end of a connection that came through it.
    pub(super) fn peer<'a>(&'a self, connection: &'a ConnState) -> Peer<'a> {
        let tls = connection.tls.as_ref();
        let certificate = tls.and_then(|tls| tls.certificate.as_deref());
        Peer {
            address: connection.peer.ip(),
            certificate: certificate.map(|shown| Certificate {
                spiffe: shown.spiffe(),
                subject: shown.subject(),
                digest: shown.digest(),
            }),
            ja4: tls.map(|tls| &tls.ja4),
            http2: connection.http2(),
            trusted: &self.trusted,
            address_header: self.address_header.as_ref(),
            ja4_header: self.ja4_header.as_ref(),
        }
    }
}
