//! Tells the journal who was in what left of one exchange.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::gateway::{Gateway, Set};
use crate::engine::ledger::{Account, Dimension, KeyUse};
use crate::engine::policy::{Direction, Facts};
use crate::engine::record::Record;
use crate::engine::secret::Subject;
use crate::engine::time::Now;
use crate::identity::{Actor, Provenance, address_key, network_key};
use crate::store::journal::{self, Exchange, Key, Page, Person, Verdict};

/// The witness of one exchange. Without a journal, and where nobody is counted, it sees nothing and costs nothing.
pub(super) struct Witness {
    scene: Option<Scene>,
    /// Granted and not yet left: the number of the ask, and who is in it.
    waiting: VecDeque<(u64, Person)>,
}

/// What an exchange is told from, made into what the journal keeps when there is something to tell.
struct Scene {
    gateway: Arc<Gateway>,
    set: Arc<Set>,
    route: usize,
    actor: Actor,
    keys: SmallVec<[Key; 6]>,
    /// Where what it sends goes; none where it is shown something.
    destination: Option<Arc<str>>,
    told: Option<Arc<Exchange>>,
}

impl Witness {
    /// `keys`: those under which the exchange counts.
    pub(super) fn new(gateway: &Arc<Gateway>, set: &Arc<Set>, route: usize, actor: &Actor, keys: &[KeyUse]) -> Self {
        let scene = gateway.journal.is_on().then(|| Scene {
            gateway: Arc::clone(gateway),
            set: Arc::clone(set),
            route,
            actor: actor.clone(),
            keys: keys.iter().map(|used| Key::new(used.dimension, used.key)).collect(),
            destination: None,
            told: None,
        });
        Self {
            scene,
            waiting: VecDeque::new(),
        }
    }

    /// It sees what is sent to `destination`, under the keys of requests.
    #[must_use]
    pub(super) fn of_upload(mut self, destination: &Arc<str>) -> Self {
        if let Some(scene) = &mut self.scene {
            scene.destination = Some(Arc::clone(destination));
        }
        self
    }

    /// Whether what it tells would not be written.
    pub(super) fn is_blind(&self) -> bool {
        let scene = self.scene.as_ref();
        scene.is_some_and(|scene| scene.gateway.journal.is_failing())
    }

    /// The ask with this number was granted: it is about `record`.
    pub(super) fn granted(&mut self, ask: u64, record: &Record) {
        if self.scene.is_some() {
            let people = people(record, Verdict::Granted);
            self.waiting.extend(people.map(|person| (ask, person)));
        }
    }

    /// Everything in `record` is masked.
    pub(super) fn masked(&mut self, record: &Record, now: Now) {
        if let Some(scene) = &mut self.scene {
            scene.tell(people(record, Verdict::Masked).collect(), SmallVec::new(), now);
        }
    }

    /// The first `asks` asks that `account` granted leave now.
    pub(super) fn left(&mut self, asks: u64, account: &Account, now: Now) {
        let Some(scene) = &mut self.scene else { return };
        let count = self.waiting.partition_point(|(ask, _)| *ask < asks);
        if count == 0 {
            return;
        }
        let allowed: SmallVec<[Subject; 4]> = account.allowed(asks).collect();
        let people = self.waiting.drain(..count).map(|(_, person)| Person {
            verdict: if allowed.contains(&person.subject) {
                Verdict::Allowance
            } else {
                person.verdict
            },
            ..person
        });
        scene.tell(people.collect(), SmallVec::new(), now);
    }

    /// So many bytes left that nobody looked into, for this reason.
    pub(super) fn uninspected(&mut self, reason: &'static str, bytes: u64, now: Now) {
        if let Some(scene) = self.scene.as_mut().filter(|_| bytes > 0) {
            scene.tell(SmallVec::new(), smallvec![(reason, bytes)], now);
        }
    }
}

/// The people of one record.
fn people(record: &Record, verdict: Verdict) -> impl Iterator<Item = Person> {
    let classes = record.classes();
    record.subjects.iter().map(move |subject| Person {
        subject: *subject,
        classes,
        verdict,
    })
}

impl Scene {
    fn tell(&mut self, people: SmallVec<[Person; 4]>, uninspected: SmallVec<[(&'static str, u64); 1]>, now: Now) {
        let exchange = match &self.told {
            Some(told) => Arc::clone(told),
            None => Arc::clone(self.told.insert(Arc::new(self.exchange()))),
        };
        // Nobody is counted on a public route, so that there is nobody to ask about.
        if exchange.actor.keys.is_empty() || (people.is_empty() && uninspected.is_empty()) {
            return;
        }
        self.gateway.journal.record(Page {
            exchange,
            second: now.second(),
            people,
            uninspected,
        });
    }

    fn exchange(&self) -> Exchange {
        let (actor, policy) = (&self.actor, &self.set.policy);
        let (address, network) = (address_key(actor.address), network_key(actor.address));
        let direction = match self.destination {
            Some(_) => Direction::Request,
            None => Direction::Response,
        };
        let facts = Facts {
            direction,
            destination: self.destination.as_deref().map(str::as_bytes),
            ..actor.facts(&address, &network, self.route)
        };
        let known = policy.actor_keys(&facts);
        let mut keys: SmallVec<[Key; 6]> = known.iter().map(|(dimension, id)| Key::new(*dimension, *id)).collect();
        let route = Dimension::Route;
        // The exchange's own key is nobody's, and that of the route stands with the route.
        let is_meant = |key: &&Key| !matches!(key.dimension(), Some(Dimension::Exchange | Dimension::Route));
        // As whom else it shows itself is asked about as well.
        let others = actor.facts_of_others(facts).flat_map(|facts| policy.actor_keys(&facts));
        let others: SmallVec<[Key; 6]> = others.map(|(dimension, id)| Key::new(dimension, id)).collect();
        for key in others.iter().chain(self.keys.iter().filter(is_meant)) {
            if !known.is_empty() && !keys.contains(key) {
                keys.push(*key);
            }
        }
        let name = self.set.routes.get(self.route).map_or("", |route| route.name.as_str());
        Exchange {
            actor: Arc::new(journal::Actor {
                keys,
                group: actor.group.clone(),
                is_known: actor.is_known,
                is_issued: actor.provenance == Provenance::Issued,
            }),
            route: name.into(),
            // The key of the route is that of what is shown there.
            route_key: policy
                .route_key(self.route)
                .filter(|_| direction == Direction::Response)
                .map(|id| Key::new(route, id)),
            rules: Arc::clone(&self.set.rules),
        }
    }
}
