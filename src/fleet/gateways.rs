//! The other gateways, as one of them knows them: whether the store answers, how many there are, and what holds if not.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio_util::sync::CancellationToken;

use super::births::LookUps;
use super::claim::longest;
use super::claimant::{Claimant, Claims};
use super::cycle::Round;
use super::join::{Agreed, Joined};
use super::link::{Fault, Link, Server};
use super::names::Names;
use super::people::Written;
use super::settings::{FleetError, OnStoreDown, Settings};
use crate::clock::Clock;
use crate::engine::births::Births;
use crate::engine::ledger::{Carrier, Claim, Confirmation, Dimension, KeyId, Ledger};
use crate::engine::secret::HashKey;
use crate::events::{Event, Fact, Place, report};

/// Failures in a row after which nobody waits for the store.
const FAILURES_MAX: u32 = 3;
/// Between two attempts to reach a store that is down, at first and at last.
const PROBE_MS_MIN: u64 = 1_000;
const PROBE_MS_MAX: u64 = 10_000;
/// Keys that are pulled soon although nothing was shown under them; past it they are pulled when something is.
const TOUCHED_MAX: usize = 10_000;

/// A key that is in use here, and the longest window that is asked of it, in seconds.
pub(super) type Touched = (KeyId, Dimension, u32);

/// The gateways that count together with this one.
pub struct Fleet {
    pub(super) names: Names,
    pub(super) settings: Settings,
    pub(super) server: Server,
    /// What all of them must agree on.
    pub(super) agreed: Agreed,
    /// The keys of people that it writes with.
    pub(super) written: Written,
    /// This start of this gateway.
    pub(super) id: u64,
    pub(super) ledger: Arc<Ledger>,
    pub(super) births: Arc<Births>,
    pub(super) look_ups: LookUps,
    pub(super) clock: Clock,
    /// For confirmations; none while the store is down.
    link: ArcSwapOption<Link>,
    failures: AtomicU32,
    gateways: AtomicU32,
    touched: Mutex<Vec<Touched>>,
    claimants: AtomicU64,
    pub(super) claims: Claims,
}

impl Fleet {
    /// A gateway that may join the others; nothing is connected yet. `read` reads a file that the settings name, and
    /// `exact_elements_max` is the ledger's.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn new(
        settings: Settings,
        read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
        (ledger, births): (Arc<Ledger>, Arc<Births>),
        clock: Clock,
        secret: &HashKey,
        exact_elements_max: usize,
    ) -> Result<Arc<Self>, FleetError> {
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(|error| FleetError::Settings(error.to_string()))?;
        births.carry(Carrier::Fleet);
        let written = Written::of(secret);
        Ok(Arc::new(Self {
            names: Names::new(&settings.prefix).of_people(written.people),
            written,
            server: Server::new(&settings, read)?,
            settings,
            agreed: Agreed::new(secret, exact_elements_max),
            id: u64::from_le_bytes(id),
            ledger,
            births,
            look_ups: LookUps::default(),
            clock,
            link: ArcSwapOption::empty(),
            failures: AtomicU32::new(0),
            gateways: AtomicU32::new(1),
            touched: Mutex::default(),
            claimants: AtomicU64::new(0),
            claims: Claims::default(),
        }))
    }

    /// Whether `settings` and the files that they name can be used.
    ///
    /// # Errors
    /// When they cannot.
    pub fn check(settings: &Settings, read: &dyn Fn(&Path) -> io::Result<Vec<u8>>) -> Result<(), FleetError> {
        Server::new(settings, read).map(|_| ())
    }

    /// Asks the store, if it can be reached, whether this gateway fits to the others.
    ///
    /// # Errors
    /// When it does not. A store that is down is none: the rule for that holds until it is back.
    pub async fn may_join(&self) -> Result<(), FleetError> {
        match self.join().await {
            Err(NotJoined::Refused(why)) => Err(FleetError::Refused(why)),
            Ok(_) | Err(NotJoined::Down(_)) => Ok(()),
        }
    }

    /// Exchanges what is known with the other gateways, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let keeping = tokio::spawn(super::claimant::keep(Arc::clone(&self), stop.clone()));
        let mut round = Round::new(Arc::clone(&self));
        let mut pause_ms = PROBE_MS_MIN;
        loop {
            match self.join().await {
                Ok((link, claims, joined)) => {
                    pause_ms = PROBE_MS_MIN;
                    round.joined(&joined);
                    self.up(claims);
                    self.exchange(&mut round, &link, &stop).await;
                    self.down();
                }
                Err(NotJoined::Refused(why)) => {
                    warn("F003", &format!("this gateway counts for itself: {why}"));
                    self.down();
                }
                Err(NotJoined::Down(fault)) => {
                    self.down();
                    report(&Event::Fleet(Fact::Failed {
                        code: &fault.to_string(),
                    }));
                }
            }
            round.tell_staleness();
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
            }
            pause_ms = (pause_ms * 2).min(PROBE_MS_MAX);
        }
        // Claims that ended with the last exchanges are told too.
        keeping.await.ok();
    }

    /// Rounds while the store answers. At `stop` a last one: nothing that was shown is lost.
    async fn exchange(&self, round: &mut Round, link: &Link, stop: &CancellationToken) {
        let mut failures = 0;
        loop {
            let is_last = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep(round.pause()) => false,
            };
            match round.go(link).await {
                Ok(()) => failures = 0,
                Err(fault) => {
                    failures += 1;
                    report(&Event::Fleet(Fact::Failed {
                        code: &fault.to_string(),
                    }));
                }
            }
            if is_last {
                round.leave(link).await;
            }
            if is_last || failures >= FAILURES_MAX || !self.is_up() {
                return;
            }
        }
    }

    async fn join(&self) -> Result<(Link, Link, Joined), NotJoined> {
        let link = self.server.connect().await?;
        let joined = super::join::join(self, &link).await?;
        // Confirmations have a connection of their own: behind a long answer they would come late.
        let claims = self.server.connect().await?;
        Ok((link, claims, joined))
    }

    fn up(&self, claims: Link) {
        self.failures.store(0, Ordering::Relaxed);
        self.link.store(Some(Arc::new(claims)));
        self.births.back(self.clock.now());
        report(&Event::Fleet(Fact::Up(true)));
        self.claims.wake();
    }

    fn down(&self) {
        self.link.store(None);
        self.births.out(self.clock.now());
        report(&Event::Fleet(Fact::Up(false)));
    }

    /// The connection for confirmations, if the store answers.
    pub(super) fn link(&self) -> Option<Arc<Link>> {
        self.link
            .load_full()
            .filter(|_| self.failures.load(Ordering::Relaxed) < FAILURES_MAX)
    }

    /// Whether the store answers.
    pub fn is_up(&self) -> bool {
        self.link().is_some()
    }

    /// The store answered a confirmation, or did not.
    pub(super) fn answered(&self, is_answered: bool) {
        if is_answered {
            if self.failures.swap(0, Ordering::Relaxed) >= FAILURES_MAX {
                self.births.back(self.clock.now());
            }
        } else if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES_MAX {
            self.births.out(self.clock.now());
        }
    }

    /// So many gateways told of themselves lately.
    pub(super) fn counted(&self, gateways: u64) {
        let gateways = u32::try_from(gateways.max(1)).unwrap_or(u32::MAX);
        self.gateways.store(gateways, Ordering::Relaxed);
        report(&Event::Fleet(Fact::Gateways(u64::from(gateways))));
    }

    /// Among so many gateways each limit is divided now, if it is.
    pub fn divided(&self) -> Option<u32> {
        let is_split = self.settings.on_store_down == OnStoreDown::Split;
        (is_split && !self.is_up()).then(|| self.gateways.load(Ordering::Relaxed))
    }

    /// What holds for a claim that the store did not answer.
    pub(super) fn rule(&self) -> Confirmation {
        match self.settings.on_store_down {
            OnStoreDown::Local => Confirmation::Own,
            OnStoreDown::Split => Confirmation::Share {
                gateways: self.gateways.load(Ordering::Relaxed),
            },
            OnStoreDown::Block => Confirmation::Refused,
        }
    }

    /// Who claims people for one exchange.
    pub fn claimant(self: &Arc<Self>) -> Claimant {
        Claimant::new(Arc::clone(self), self.next_claim())
    }

    /// A number that no other claim of any gateway has.
    pub(super) fn next_claim(&self) -> u64 {
        self.id.wrapping_add(self.claimants.fetch_add(1, Ordering::Relaxed))
    }

    /// Keys under which somebody is claimed: what others showed under them is pulled soon.
    pub(super) fn touch(&self, claims: &[Claim]) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        let room = TOUCHED_MAX.saturating_sub(touched.len());
        let keys = claims.iter().map(|claim| (claim.key, claim.dimension, longest(claim)));
        touched.extend(keys.take(room));
    }

    pub(super) fn take_touched(&self) -> Vec<Touched> {
        std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Why a gateway counts for itself.
pub(super) enum NotJoined {
    /// The store does not answer.
    Down(Fault),
    /// It is another fleet's, and this is what is different.
    Refused(String),
}

impl From<Fault> for NotJoined {
    fn from(fault: Fault) -> Self {
        Self::Down(fault)
    }
}

/// What an operator should know of the store.
pub(super) fn warn(code: &'static str, message: &str) {
    let place = Place::default();
    report(&Event::Warning { code, message, place });
}
