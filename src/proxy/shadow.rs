//! Rules that are tried beside those in force: a part of the bodies is copied, and read by both sets behind everybody's back.
//!
//! ```text
//!   upstream frame ─▶ Driver ─▶ downstream         what the client is given depends on nothing here
//!          └─ copy ─▶ Recording ─▶ queue ─▶ Comparison, one at a time, off the streams ─▶ metrics
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::gateway::{Gateway, Set};
use crate::engine::compare::{Both, Comparison, Difference, TURN_BYTES};
use crate::engine::detect::RuleSet;
use crate::engine::inspect::Content;
use crate::engine::secret::HashKey;
use crate::events::{Event, report};

/// Copies of bodies that are being recorded or wait, in bytes: a body that finds no room goes untried, and is counted.
const SHADOW_TOTAL_BYTES_MAX: u64 = 64 << 20;
/// Bodies that wait for their turn.
const SHADOW_BODIES_MAX: usize = 1_024;

/// Rules that are tried.
pub struct Shadow {
    /// The set.
    pub rules: Arc<RuleSet>,
    /// Of a hundred bodies, how many are read with it.
    pub percent: u64,
    /// Bytes of one body that are.
    pub bytes_max: u64,
}

/// What all exchanges share for it.
pub(super) struct Shadows {
    /// Bodies that could have been recorded so far.
    seen: AtomicU64,
    bytes: Arc<AtomicU64>,
    sender: mpsc::Sender<Recording>,
    receiver: Mutex<mpsc::Receiver<Recording>>,
}

impl Default for Shadows {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(SHADOW_BODIES_MAX);
        Self {
            seen: AtomicU64::new(0),
            bytes: Arc::default(),
            sender,
            receiver: Mutex::new(receiver),
        }
    }
}

impl Shadows {
    /// A recording of the next body, if rules are tried and this is one of the bodies on which they are.
    pub(super) fn begin(&self, set: &Arc<Set>, content: Content) -> Option<Recording> {
        let shadow = set.shadow.as_ref()?;
        let copy = self.is_turn(shadow.percent).then(|| self.copy(shadow.bytes_max))?;
        Some(Recording {
            set: Arc::clone(set),
            content,
            copy,
        })
    }

    /// Whether it is the turn of the next body. Spread evenly: of each hundred as many as were asked for.
    fn is_turn(&self, percent: u64) -> bool {
        let turn = self.seen.fetch_add(1, Relaxed) % 100;
        (turn + 1) * percent / 100 > turn * percent / 100
    }

    fn copy(&self, bytes_max: u64) -> Copied {
        Copied {
            body: Vec::new(),
            taken: 0,
            room: bytes_max,
            total: Arc::clone(&self.bytes),
            is_lost: false,
        }
    }

    /// The body ended, whichever way: its recording waits for its turn.
    pub(super) fn end(&self, recording: Recording) {
        if recording.copy.is_lost {
            return told("memory");
        }
        if recording.copy.body.is_empty() {
            return;
        }
        if self.sender.try_send(recording).is_err() {
            told("queue");
        }
    }
}

/// One body on which rules are tried.
pub(super) struct Recording {
    set: Arc<Set>,
    content: Content,
    copy: Copied,
}

impl Recording {
    /// Copies a chunk.
    pub(super) fn add(&mut self, chunk: &[u8]) {
        self.copy.add(chunk);
    }

    /// What both sets make of it, unless `stop` comes first: a process does not end before its threads.
    fn compared(mut self, secret: &HashKey, stop: &CancellationToken) -> Option<Difference> {
        let shadow = self.set.shadow.as_ref()?;
        let (active, tried) = (&self.set.rules, &shadow.rules);
        let mut comparison = Comparison::new(active, tried, self.content, secret);
        let mut rest = Bytes::from(std::mem::take(&mut self.copy.body));
        while !rest.is_empty() {
            if stop.is_cancelled() {
                return None;
            }
            comparison.push(&rest.split_to(rest.len().min(TURN_BYTES)));
        }
        Some(comparison.finish())
    }
}

/// The first bytes of a body, within a bound of their own and one that all share.
struct Copied {
    body: Vec<u8>,
    /// What it takes of the total.
    taken: u64,
    /// Bytes that may still be copied.
    room: u64,
    /// What all recordings take.
    total: Arc<AtomicU64>,
    /// There was no room for it.
    is_lost: bool,
}

impl Copied {
    fn add(&mut self, chunk: &[u8]) {
        let length = chunk.len().min(usize::try_from(self.room).unwrap_or(usize::MAX));
        let chunk = chunk.get(..length).unwrap_or_default();
        if chunk.is_empty() || self.is_lost {
            return;
        }
        if !self.has_capacity(length) {
            self.is_lost = true;
            self.let_go();
            return;
        }
        self.room -= length as u64;
        self.body.extend_from_slice(chunk);
    }

    /// Makes room for so many bytes more, counted in what is allocated.
    fn has_capacity(&mut self, more: usize) -> bool {
        let (needed, capacity) = (self.body.len() + more, self.body.capacity());
        if needed <= capacity {
            return true;
        }
        let wanted = needed.max(2 * capacity);
        let grows_by = (wanted - capacity) as u64;
        let bounded = |total: u64| {
            total
                .checked_add(grows_by)
                .filter(|total| *total <= SHADOW_TOTAL_BYTES_MAX)
        };
        if self.total.fetch_update(Relaxed, Relaxed, bounded).is_err() {
            return false;
        }
        self.body.reserve_exact(wanted - self.body.len());
        // An allocator may give more than it was asked for.
        let given = (self.body.capacity() - capacity) as u64;
        self.total.fetch_add(given - grows_by, Relaxed);
        self.taken += given;
        true
    }

    fn let_go(&mut self) {
        self.body = Vec::new();
        self.total.fetch_sub(std::mem::take(&mut self.taken), Relaxed);
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Compares what waits, one body at a time, until `stop`. A fault in it ends one comparison and nothing else.
pub async fn try_in_shadow(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut receiver = gateway.shadows.receiver.lock().await;
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = receiver.recv() => next,
        };
        let Some(recording) = next else { return };
        let (secret, stop) = (gateway.secret.clone(), stop.clone());
        match apart(move || recording.compared(&secret, &stop)).await {
            Ok(Some(difference)) => tell(&difference),
            Ok(None) => {}
            Err(Fault) => told("fault"),
        }
    }
}

/// Something in a comparison was not as it must be.
#[derive(Debug, PartialEq, Eq)]
struct Fault;

/// Off the threads of the streams, which a fault does not reach.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Fault)
}

fn told(outcome: &'static str) {
    report(&Event::Shadowed { outcome });
}

fn tell(difference: &Difference) {
    if difference.is_same() {
        return told("same");
    }
    told("different");
    let mut findings = Both::default();
    for (class, counts) in &difference.classes {
        findings += counts.only;
        for (only, count) in sides(counts.only) {
            report(&Event::ShadowFindings { class, only, count });
        }
    }
    let people = difference.people.only;
    for (only, count) in sides(people) {
        report(&Event::ShadowPeople { only, count });
    }
    report(&Event::ShadowDiffered {
        findings_active: findings.old,
        findings_shadow: findings.new,
        people_active: people.old,
        people_shadow: people.new,
    });
}

/// What only one set has, by its name in labels.
fn sides(only: Both<u64>) -> impl Iterator<Item = (&'static str, u64)> {
    [("active", only.old), ("shadow", only.new)]
        .into_iter()
        .filter(|(_, count)| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_bodies_as_were_asked_for_are_recorded() {
        for percent in [0, 1, 10, 33, 100] {
            let shadows = Shadows::default();
            let turns = (0..1_000).filter(|_| shadows.is_turn(percent)).count();
            assert_eq!(turns as u64, 10 * percent, "{percent}");
        }
        let shadows = Shadows::default();
        let first: Vec<usize> = (0..100).filter(|_| shadows.is_turn(10)).collect();
        assert_eq!(first.len(), 10);
        assert!(
            first.windows(2).all(|pair| pair[1] - pair[0] == 10),
            "spread evenly: {first:?}"
        );
    }

    #[test]
    fn copies_are_bounded_each_and_together_and_give_their_room_back() {
        let shadows = Shadows::default();
        let taken = || shadows.bytes.load(Relaxed);
        let mut small = shadows.copy(1_000);
        for _ in 0..300 {
            small.add(b"0123456");
        }
        assert!(
            small.body.len() == 1_000 && (1_000..=2_100).contains(&taken()),
            "{}",
            taken()
        );
        let chunk = vec![b'x'; 1 << 20];
        let mut many: Vec<Copied> = (0..80).map(|_| shadows.copy(16 << 20)).collect();
        for copy in &mut many {
            copy.add(&chunk);
        }
        assert!(taken() <= SHADOW_TOTAL_BYTES_MAX, "{}", taken());
        let lost: Vec<&Copied> = many.iter().filter(|copy| copy.is_lost).collect();
        assert!((16..=18).contains(&lost.len()) && lost.iter().all(|copy| copy.body.is_empty()));
        drop(many);
        drop(small);
        assert_eq!(taken(), 0);
    }

    #[tokio::test]
    async fn a_fault_ends_one_comparison_and_nothing_else() {
        assert_eq!(
            apart(|| unreachable!("a fault that is meant")).await,
            Err::<(), _>(Fault)
        );
        assert_eq!(apart(|| 7).await, Ok(7));
    }
}
