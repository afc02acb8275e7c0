//! One gateway of a fleet without its sockets: a ledger, what carries it, and exchanges on it.

use std::path::Path;
use std::sync::Arc;

use smallvec::smallvec;
use tidegate::clock::Clock;
use tidegate::engine::births::Births;
use tidegate::engine::ledger::{
    Ask, BudgetId, Carrier, Confirmation, Dimension, Elements, Excess, KeyId, KeyUse, Ledger, Limit, Next, Settings,
};
use tidegate::engine::secret::{HashKey, PeopleMark, Subject};
use tidegate::fleet::{self, Fleet, FleetError, OnStoreDown};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::server::until;

/// One gateway.
pub(crate) struct Member {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) clock: Clock,
    secret: HashKey,
    running: JoinHandle<()>,
    stop: CancellationToken,
}

/// What an exchange came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) people: Vec<u64>,
    pub(crate) is_denied: bool,
}

pub(crate) fn settings(url: &str) -> fleet::Settings {
    fleet::Settings {
        url: vec![url.to_owned()],
        flush_ms: 50,
        // Other tests share the machine: an answer that is late is none.
        wait_ms_max: 1_000,
        on_store_down: OnStoreDown::Block,
        ..fleet::Settings::default()
    }
}

pub(crate) fn key(number: u8) -> KeyId {
    KeyId([number; 12])
}

/// A key of an hour under which so many people may be shown.
pub(crate) fn used(number: u8, people: u32, strict: bool) -> KeyUse {
    KeyUse {
        key: key(number),
        dimension: Dimension::Session,
        elements: Elements::People,
        fallback: None,
        limits: smallvec![Limit {
            budget: BudgetId(u64::from(number)),
            people,
            window: 3_600,
            excess: Excess::Refused,
            strict,
        }],
    }
}

impl Member {
    /// Joined, and exchanging.
    pub(crate) async fn start(settings: fleet::Settings) -> Self {
        Self::start_with(settings, HashKey::new([7; 32])).await
    }

    /// The same with another hash key, or other keys of people.
    pub(crate) async fn start_with(settings: fleet::Settings, secret: HashKey) -> Self {
        let member = Self::begin_with(settings, secret).unwrap_or_else(|error| panic!("{error}"));
        until("the store answers", async || member.fleet.is_up()).await;
        member
    }

    /// Whether or not the store answers.
    pub(crate) fn begin(settings: fleet::Settings) -> Result<Self, FleetError> {
        Self::begin_with(settings, HashKey::new([7; 32]))
    }

    pub(crate) fn begin_with(settings: fleet::Settings, secret: HashKey) -> Result<Self, FleetError> {
        let bounds = Settings::default();
        let mut ledger = Ledger::new(bounds);
        ledger.carry(Carrier::Fleet);
        ledger.keep_beside(&secret);
        let (ledger, clock) = (Arc::new(ledger), Clock::start());
        let read = |path: &Path| std::fs::read(path);
        let exact = bounds.exact_elements_max;
        let shared = (Arc::clone(&ledger), Arc::new(Births::new(1_000)));
        let fleet = Fleet::new(settings, &read, shared, clock, &secret, exact)?;
        let stop = CancellationToken::new();
        let running = tokio::spawn(Arc::clone(&fleet).run(stop.clone()));
        Ok(Self {
            ledger,
            fleet,
            clock,
            secret,
            running,
            stop,
        })
    }

    /// In good order: what was shown is told.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.running.await.expect("no panic");
    }

    /// As if it were killed: what it claims stays claimed.
    pub(crate) fn kill(self) {
        self.running.abort();
    }

    /// An exchange that shows these people one after another, and leaves at the first that is refused; where `breaks` it
    /// ends before anything left.
    pub(crate) async fn exchange(&self, keys: &[KeyUse], people: &[u64], breaks: bool) -> Shown {
        let mut account = self.ledger.open(keys.to_vec(), None, self.clock.now());
        if let Some(gateways) = self.fleet.divided() {
            account.divide(gateways);
        }
        let mut claimant = account.is_strict().then(|| self.fleet.claimant());
        let asks: Vec<Ask> = people.iter().map(|one| self.ask(*one)).collect();
        let (mut granted, mut is_denied) = (0, false);
        loop {
            let answer = account.reserve(&asks[granted..], self.clock.now());
            granted += answer.granted;
            match (answer.next, &mut claimant) {
                (Next::Done, _) => break,
                (Next::Confirm, Some(claimant)) => {
                    let confirmation = claimant.ask(account.claims()).await;
                    claimant.came(&confirmation);
                    account.confirm(confirmation);
                }
                (Next::Confirm, None) => account.confirm(Confirmation::Own),
                (Next::Denied { .. }, _) => {
                    is_denied = true;
                    break;
                }
                (other, _) => panic!("{other:?}"),
            }
        }
        tokio::task::yield_now().await;
        if breaks {
            granted = 0;
        } else {
            let now = self.clock.now();
            let handed = account.hand_over(account.asks_granted(), now);
            let entering = claimant
                .as_mut()
                .and_then(|claimant| claimant.shown(&handed.claimed, now));
            if let Some(entering) = entering {
                entering.await;
            }
        }
        Shown {
            people: people[..granted].to_vec(),
            is_denied,
        }
    }

    /// One person, hashed as this gateway does.
    fn ask(&self, person: u64) -> Ask {
        let hashed = |secret: &HashKey| match secret.people_mark() {
            mark if mark == PeopleMark::default() => Subject(person),
            _ => Subject(secret.people().hash64("subject", &[&person.to_le_bytes()])),
        };
        let beside = self
            .secret
            .beside()
            .map(|beside| self.secret.clone().hashing_people(Some(beside.clone()), None));
        Ask {
            beside: beside.map(|beside| Box::new(Ask::from(hashed(&beside)))),
            ..Ask::from(hashed(&self.secret))
        }
    }

    /// Shows `person`, who is known, once more: then what others showed under the key is pulled. How many people count here.
    pub(crate) async fn people_when_used(&self, used: &KeyUse, person: u64) -> u32 {
        self.exchange(std::slice::from_ref(used), &[person], false).await;
        let view = self.ledger.key(used.key, &|_| &[3_600], self.clock.now());
        view.map_or(0, |view| view.people[0].1)
    }

    /// How many people count under a key here.
    pub(crate) fn people(&self, number: u8) -> u32 {
        let view = self.ledger.key(key(number), &|_| &[3_600], self.clock.now());
        view.map_or(0, |view| view.people[0].1)
    }
}
