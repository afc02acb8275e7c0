//! Who claims people in the store for one exchange, and what becomes of the claims: elements, or nothing.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use hashbrown::HashMap;
use redis::{Cmd, cmd};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::claim::{Found, Look, Unclear, longest};
use super::gateways::Fleet;
use super::link::{Commands, Fault};
use super::names::{claim as member, element};
use super::push::{expire, stay};
use super::reply::ignored;
use super::{Confirming, Entering};
use crate::engine::ledger::{Claim, Confirmation, KeyId};
use crate::engine::time::Now;
use crate::events::{Event, Fact, report};

/// Claims that wait to become elements, or nothing, at most; past it they count until the window ends.
const ENDED_MAX: usize = 100_000;
/// Keys of one round trip.
const BATCH_KEYS_MAX: usize = 500;
/// It takes at most so long.
const END_MS_MAX: Duration = Duration::from_secs(1);
/// Between two looks of a claim that older claims keep out.
const LOOK_PAUSE: Duration = Duration::from_millis(2);
/// Between two attempts while the store is down.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Why a confirmation failed that may come soon.
const MOVING: &str = "moving";
/// Claims of an exchange that still waits are renewed so often, in seconds: a window is at least four times as long.
const RENEW_SECONDS: u64 = 15;

/// Who claims people for one exchange; what it did not show is given back when it is dropped.
pub struct Claimant {
    fleet: Arc<Fleet>,
    id: u64,
    /// What the store is being asked, and the number of the claim: each batch has another, so that nothing that ends takes a
    /// later claim with it.
    asked: (u64, Vec<Claim>),
    held: Arc<Mutex<Vec<Held>>>,
}

/// People whom the store confirmed under one key, and who were not shown yet.
struct Held {
    key: KeyId,
    window: u32,
    claimant: u64,
    subjects: Vec<u64>,
}

/// Claims under one key that end.
struct Ended {
    claim: Held,
    /// The second in which they were shown; none if they were not.
    shown: Option<u32>,
    /// Whoever waits is told by its end.
    #[expect(dead_code, reason = "to drop it tells")]
    pending: Option<mpsc::Sender<()>>,
}

/// All claims of this gateway.
#[derive(Default)]
pub(super) struct Claims {
    ended: Mutex<Vec<Ended>>,
    live: Mutex<HashMap<u64, Weak<Mutex<Vec<Held>>>>>,
    told: Notify,
}

impl Claims {
    pub(super) fn wake(&self) {
        self.told.notify_one();
    }

    /// Some of those that are to end.
    fn take_some(&self) -> Vec<Ended> {
        let mut ended = lock(&self.ended);
        let rest = ended.len().saturating_sub(BATCH_KEYS_MAX);
        ended.split_off(rest)
    }

    fn end(&self, some: impl Iterator<Item = Ended>) {
        let mut ended = lock(&self.ended);
        for one in some.filter(|one| !one.claim.subjects.is_empty()) {
            if ended.len() < ENDED_MAX {
                ended.push(one);
            } else {
                ignored("claims_max", one.claim.subjects.len() as u64);
            }
        }
        drop(ended);
        self.told.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is under it is whole at every step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Claimant {
    pub(super) fn new(fleet: Arc<Fleet>, id: u64) -> Self {
        Self {
            fleet,
            id,
            asked: (id, Vec::new()),
            held: Arc::default(),
        }
    }

    /// Asks the store to confirm `claims`, within `wait_ms_max`; then [`Claimant::came`] with the answer.
    pub fn ask(&mut self, claims: &[Claim]) -> Confirming {
        let fleet = Arc::clone(&self.fleet);
        fleet.touch(claims);
        if !fleet.is_up() {
            report(&Event::Fleet(Fact::Checked { result: "down" }));
            return Box::pin(std::future::ready(fleet.rule()));
        }
        lock(&fleet.claims.live)
            .entry(self.id)
            .or_insert_with(|| Arc::downgrade(&self.held));
        let id = fleet.next_claim();
        self.asked = (id, claims.to_vec());
        let claims = claims.to_vec();
        Box::pin(async move { fleet.confirm(id, &claims).await })
    }

    /// What the store, or the rule for when it is down, said. What it does not confirm is given back.
    pub fn came(&mut self, confirmation: &Confirmation) {
        let until = confirmation.until();
        let (claimant, claims) = (self.asked.0, std::mem::take(&mut self.asked.1));
        let mut refused = Vec::new();
        let mut held = lock(&self.held);
        for claim in claims {
            let (key, window) = (claim.key, longest(&claim));
            let (granted, others): (Vec<_>, Vec<_>) = claim.subjects.into_iter().partition(|(ask, _)| *ask < until);
            let only = |subjects: Vec<(u32, u64)>| subjects.into_iter().map(|(_, subject)| subject).collect();
            let one = |subjects| Held {
                key,
                window,
                claimant,
                subjects: only(subjects),
            };
            refused.push(Ended::unshown(one(others)));
            held.push(one(granted));
        }
        held.retain(|claim| !claim.subjects.is_empty());
        drop(held);
        self.fleet.claims.end(refused.into_iter());
    }

    /// These people are shown at `now`: their claims become elements. Ready when they have, or after `wait_ms_max`: a claim
    /// counts as well. None if there is nothing to wait for.
    pub fn shown(&mut self, subjects: &[u64], now: Now) -> Option<Entering> {
        let (pending, mut done) = mpsc::channel(1);
        let mut held = lock(&self.held);
        let mut ended = Vec::new();
        for claim in held.iter_mut() {
            let (shown, left) = claim.subjects.drain(..).partition(|subject| subjects.contains(subject));
            claim.subjects = left;
            let shown = Held {
                subjects: shown,
                ..*claim
            };
            ended.push(Ended {
                claim: shown,
                shown: Some(now.second()),
                pending: Some(pending.clone()),
            });
        }
        held.retain(|claim| !claim.subjects.is_empty());
        drop((held, pending));
        ended.retain(|one| !one.claim.subjects.is_empty());
        let waits = !ended.is_empty() && self.fleet.is_up();
        self.fleet.claims.end(ended.into_iter());
        let wait = Duration::from_millis(self.fleet.settings.wait_ms_max);
        // Nothing is ever sent: it ends with the last claim that has.
        let entered = async move { drop(tokio::time::timeout(wait, done.recv()).await) };
        waits.then(|| Box::pin(entered) as Entering)
    }
}

impl Ended {
    fn unshown(claim: Held) -> Self {
        Self {
            claim,
            shown: None,
            pending: None,
        }
    }
}

impl Drop for Claimant {
    fn drop(&mut self) {
        let held = std::mem::take(&mut *lock(&self.held));
        let (claimant, claims) = (self.asked.0, std::mem::take(&mut self.asked.1));
        let asked = claims.into_iter().map(|claim| Held {
            key: claim.key,
            window: longest(&claim),
            claimant,
            subjects: claim.subjects.iter().map(|(_, subject)| *subject).collect(),
        });
        self.fleet.claims.end(asked.chain(held).map(Ended::unshown));
        lock(&self.fleet.claims.live).remove(&self.id);
    }
}

impl Fleet {
    /// What the store says of `claims`, or the rule for when it does not answer in time.
    async fn confirm(&self, claimant: u64, claims: &[Claim]) -> Confirmation {
        let answer = self.answer(claimant, claims).await;
        let result = match &answer {
            Ok(Confirmation::Confirmed(Some(_))) => "denied",
            Ok(_) => "confirmed",
            Err(reason) => reason,
        };
        report(&Event::Fleet(Fact::Checked { result }));
        answer.unwrap_or_else(|_| self.rule())
    }

    async fn answer(&self, claimant: u64, claims: &[Claim]) -> Result<Confirmation, &'static str> {
        let (now, started) = (self.clock.now().second(), Instant::now());
        let wait = Duration::from_millis(self.settings.wait_ms_max);
        let first_ask = claims.iter().filter_map(|claim| Some(claim.subjects.first()?.0)).min();
        let mut looks: Vec<Look<'_>> = claims.iter().map(|claim| Look::new(claim, claimant, now)).collect();
        loop {
            let is_over = started.elapsed() + LOOK_PAUSE > wait;
            match self.look(&mut looks, wait).await {
                Err(MOVING) if !is_over => {}
                Err(MOVING) => {
                    // Joining anew, the servers tell where the key is by now.
                    self.answered(false);
                    return Err(MOVING);
                }
                Err(reason) => return Err(reason),
                Ok(None) => return Ok(Confirmation::Confirmed(None)),
                Ok(Some(Found { over, .. })) if Some(over.ask) != first_ask => {
                    return Ok(Confirmation::Until(over.ask));
                }
                Ok(Some(found)) if found.is_final || is_over => return Ok(Confirmation::Confirmed(Some(found.over))),
                Ok(Some(_)) => {}
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// One look at all keys: the first ask that is over a limit of any.
    async fn look(&self, looks: &mut [Look<'_>], wait: Duration) -> Result<Option<Found>, &'static str> {
        let link = self.link().ok_or("down")?;
        let groups = looks.iter().map(|look| look.commands(&self.names)).collect();
        let answers = link.transact(groups, wait).await;
        let faults = || answers.iter().filter_map(|answer| answer.as_ref().err());
        if faults().all(|fault| *fault != Fault::Moving) {
            self.answered(!faults().any(Fault::is_of_link));
        }
        let mut first: Option<Found> = None;
        for (number, (look, answer)) in looks.iter_mut().zip(answers).enumerate() {
            let values = answer.map_err(|fault| match fault {
                Fault::Late => "timeout",
                Fault::Down(_) => "failed",
                Fault::Moving => MOVING,
                Fault::Foreign => "garbage",
            })?;
            let found = look.first_over(number, &values).map_err(|unclear| match unclear {
                Unclear::Garbage => "garbage",
                Unclear::Crowded => "crowded",
            })?;
            let order = |found: &Found| (found.over.ask, !found.is_final);
            first = first.into_iter().chain(found).min_by_key(order);
        }
        Ok(first)
    }
}

/// Makes elements of claims that were shown, and nothing of those that were not, until `stop`; renews those that wait.
pub(super) async fn keep(fleet: Arc<Fleet>, stop: CancellationToken) {
    let mut renewal = tokio::time::interval(Duration::from_secs(RENEW_SECONDS));
    loop {
        tokio::select! {
            () = stop.cancelled() => {}
            () = fleet.claims.told.notified() => {}
            _ = renewal.tick() => renew(&fleet).await,
        }
        while end_some(&fleet).await {}
        if stop.is_cancelled() {
            return;
        }
    }
}

/// Ends some of the claims that are to end; false if there are none, or the store is down.
async fn end_some(fleet: &Fleet) -> bool {
    let Some(link) = fleet.link() else { return false };
    let some = fleet.claims.take_some();
    if some.is_empty() {
        return false;
    }
    let groups = some.iter().map(|one| end(fleet, one)).collect();
    // Behind the claims on the same connection: one that comes late is ended all the same.
    let answers = link.transact(groups, END_MS_MAX).await;
    let failed = some.into_iter().zip(answers).filter(|(_, answer)| {
        let fault = answer.as_ref().err();
        fault.is_some_and(Fault::is_of_link)
    });
    let failed: Vec<Ended> = failed.map(|(one, _)| one).collect();
    if failed.is_empty() {
        return true;
    }
    fleet.claims.end(failed.into_iter());
    tokio::time::sleep(RETRY_PAUSE).await;
    false
}

/// The claims of `one` end; with them they become elements if they were shown.
fn end(fleet: &Fleet, one: &Ended) -> Commands {
    let mut commands = Commands::new();
    let Held {
        key,
        window,
        claimant,
        subjects,
    } = &one.claim;
    let place = fleet.names.people(*key);
    let (elements, claims) = (fleet.names.elements(place), fleet.names.claims(place));
    if let Some(second) = one.shown {
        let mut raise = cmd("ZADD");
        raise.arg(&elements).arg("GT");
        for subject in subjects {
            raise.arg(second).arg(element(*subject).as_slice());
        }
        commands.extend([raise, expire(&elements, stay(*window))]);
    }
    let mut remove = cmd("ZREM");
    remove.arg(&claims);
    for subject in subjects {
        remove.arg(member(*subject, *claimant).as_slice());
    }
    commands.push(remove);
    commands
}

/// Renews the claims of exchanges that still wait: none may leave its window before its people are shown.
async fn renew(fleet: &Fleet) {
    let Some(link) = fleet.link() else { return };
    let now = fleet.clock.now().second();
    let live: Vec<_> = lock(&fleet.claims.live)
        .iter()
        .filter_map(|(_, held)| held.upgrade())
        .collect();
    let mut groups: Vec<Vec<Cmd>> = Vec::new();
    for held in live {
        for claim in lock(&held).iter() {
            let mut raise = cmd("ZADD");
            // Only what is still claimed: a claim that ended meanwhile does not come back.
            raise
                .arg(fleet.names.claims(fleet.names.people(claim.key)))
                .arg("XX")
                .arg("GT");
            for subject in &claim.subjects {
                raise.arg(now).arg(member(*subject, claim.claimant).as_slice());
            }
            groups.push(vec![raise]);
        }
    }
    for some in groups.chunks(BATCH_KEYS_MAX) {
        drop(link.ask(some.to_vec(), END_MS_MAX).await);
    }
}
