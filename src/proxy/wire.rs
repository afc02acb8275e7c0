//! What the socket, the watch and the exchanges of one connection share: phase, progress, and a few requests to the socket.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::flush::Flushes;
use super::framing::{Asked, Fault};
use super::limits::{Limits, ms};

/// Where a connection stands, as its socket last saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Between messages.
    Idle,
    /// In the head of a request.
    Head,
    /// A request was sent, its answer is awaited.
    Awaiting,
    /// In the body of a message.
    Body,
    /// HTTP/2, or bytes without framing.
    Open,
    /// A switch of protocols is offered.
    Undecided,
    /// Closing: the rest is read and dropped.
    Closing,
}

/// The shared state of one connection. Everything in it is a hint or a flag: relaxed atomics suffice.
#[derive(Debug)]
pub(super) struct Wire {
    phase: AtomicU8,
    /// Whether bytes moved, and whether the phase changed, since the watch last looked: the times are the watch's, so
    /// that no read or write asks a clock.
    moved: AtomicBool,
    changed: AtomicBool,
    /// Whether the last read, or write, found the socket not ready.
    pub(super) reading: AtomicBool,
    pub(super) writing: AtomicBool,
    in_flight: AtomicU32,
    exchanges_seen: AtomicBool,
    cut: AtomicBool,
    pub(super) flushes: Flushes,
    /// The fingerprint of how a client opened HTTP/2.
    pub(super) http2: OnceLock<Arc<str>>,
    /// 0 nothing; downstream 1 tunnel, 2 no tunnel; upstream 1 + `Asked`.
    told: AtomicU8,
    reader: Mutex<Option<Waker>>,
    fault: OnceLock<Fault>,
    expired: OnceLock<&'static str>,
}

impl Wire {
    pub(super) fn new() -> Self {
        Self {
            phase: AtomicU8::new(Phase::Idle as u8),
            moved: AtomicBool::new(false),
            changed: AtomicBool::new(false),
            reading: AtomicBool::new(false),
            writing: AtomicBool::new(false),
            in_flight: AtomicU32::new(0),
            exchanges_seen: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            flushes: Flushes::default(),
            http2: OnceLock::new(),
            told: AtomicU8::new(0),
            reader: Mutex::new(None),
            fault: OnceLock::new(),
            expired: OnceLock::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        const PHASES: [Phase; 7] = [
            Phase::Idle,
            Phase::Head,
            Phase::Awaiting,
            Phase::Body,
            Phase::Open,
            Phase::Undecided,
            Phase::Closing,
        ];
        PHASES
            .get(usize::from(self.phase.load(Relaxed)))
            .copied()
            .unwrap_or(Phase::Closing)
    }

    /// Bytes moved.
    pub(super) fn progress(&self) {
        self.moved.store(true, Relaxed);
    }

    pub(super) fn enter(&self, phase: Phase) {
        // One writer at a time: the socket, or the exchange that is about to write to it.
        if self.phase.load(Relaxed) != phase as u8 {
            self.phase.store(phase as u8, Relaxed);
            self.changed.store(true, Relaxed);
        }
    }

    pub(super) fn begin_exchange(&self) {
        self.exchanges_seen.store(true, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(super) fn end_exchange(&self) {
        if self.in_flight.fetch_sub(1, Relaxed) == 1 {
            self.progress();
        }
    }

    /// Asks the socket to fail as soon as what was written so far has been flushed.
    pub(super) fn cut(&self) {
        self.cut.store(true, Relaxed);
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }

    /// Answers an offered switch of protocols, if one is open.
    pub(super) fn answer_upgrade(&self, tunnel: bool) {
        if self.phase() == Phase::Undecided {
            self.told.store(if tunnel { 1 } else { 2 }, Relaxed);
            let waiting = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(reader) = waiting {
                reader.wake();
            }
        }
    }

    /// The answer to an offered switch; `reader` is woken when there is one.
    pub(super) fn upgrade_answer(&self, reader: &Waker) -> Option<bool> {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader.clone());
        match self.told.swap(0, Relaxed) {
            0 => None,
            told => Some(told == 1),
        }
    }

    /// Tells the framing of an upstream connection what is about to be asked.
    pub(super) fn ask(&self, asked: Asked) {
        self.told.store(1 + asked as u8, Relaxed);
        self.progress();
        self.enter(Phase::Awaiting);
    }

    pub(super) fn asked(&self) -> Option<Asked> {
        if self.told.load(Relaxed) == 0 {
            return None;
        }
        match self.told.swap(0, Relaxed) {
            1 => Some(Asked::Content),
            2 => Some(Asked::Head),
            3 => Some(Asked::Upgrade),
            4 => Some(Asked::Connect),
            _ => None,
        }
    }

    pub(super) fn set_fault(&self, fault: Fault) {
        // Only the first fault counts.
        self.fault.get_or_init(|| fault);
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.get().copied()
    }

    /// The limit that ended the connection.
    pub(super) fn expired(&self) -> Option<&'static str> {
        self.expired.get().copied()
    }

    /// Returns when a downstream limit is passed, with its name.
    pub(super) async fn watch_downstream(&self, limits: &Limits) -> &'static str {
        let shortest = limits
            .header_ms_max
            .min(limits.body_idle_ms_max)
            .min(limits.idle_ms_max);
        self.watch(shortest, |since| self.downstream_limit_passed(limits, since))
            .await
    }

    /// The same for an upstream connection over HTTP/1.
    pub(super) async fn watch_upstream(&self, limits: &Limits) -> &'static str {
        let shortest = limits
            .response_head_ms_max
            .min(limits.response_idle_ms_max)
            .min(limits.upstream_idle_ms_max);
        self.watch(shortest, |since| self.upstream_limit_passed(limits, since.moved))
            .await
    }

    /// Looks four times within the shortest limit. What began is seen one look late, and its end too, so a limit comes at
    /// most half of the shortest late; between looks it costs a flag for each read and write, and no clock.
    async fn watch(&self, shortest: u64, passed: impl Fn(Since) -> Option<&'static str>) -> &'static str {
        let tick = ms((shortest / 4).max(1));
        let mut moved = Instant::now();
        let mut changed = moved;
        loop {
            tokio::time::sleep(tick).await;
            let now = Instant::now();
            if self.moved.swap(false, Relaxed) {
                moved = now;
            }
            if self.changed.swap(false, Relaxed) {
                changed = now;
            }
            let since = Since {
                moved: now - moved,
                changed: now - changed,
            };
            if let Some(limit) = passed(since) {
                self.expired.get_or_init(|| limit);
                return limit;
            }
        }
    }

    fn downstream_limit_passed(&self, limits: &Limits, since: Since) -> Option<&'static str> {
        let in_flight = self.in_flight.load(Relaxed) > 0;
        let phase = self.phase();
        let new = !self.exchanges_seen.load(Relaxed);
        let waits = self.writing.load(Relaxed) || (phase == Phase::Body && self.reading.load(Relaxed));
        let idles = !in_flight && matches!(phase, Phase::Idle | Phase::Open);
        if phase == Phase::Closing {
            // The socket times it itself.
            None
        } else if waits {
            (since.moved > ms(limits.body_idle_ms_max)).then_some("body_idle_ms_max")
        } else if (phase == Phase::Head && !in_flight) || (idles && new) {
            (since.changed > ms(limits.header_ms_max)).then_some("header_ms_max")
        } else {
            (idles && since.moved > ms(limits.idle_ms_max)).then_some("idle_ms_max")
        }
    }

    fn upstream_limit_passed(&self, limits: &Limits, still: Duration) -> Option<&'static str> {
        let waits = self.reading.load(Relaxed) || self.writing.load(Relaxed);
        match self.phase() {
            Phase::Idle => (still > ms(limits.upstream_idle_ms_max)).then_some("upstream_idle_ms_max"),
            Phase::Awaiting => (waits && still > ms(limits.response_head_ms_max)).then_some("response_head_ms_max"),
            Phase::Head | Phase::Body | Phase::Open | Phase::Undecided | Phase::Closing => {
                (waits && still > ms(limits.response_idle_ms_max)).then_some("response_idle_ms_max")
            }
        }
    }
}

/// How long ago bytes last moved, and the phase last changed, as the watch saw it.
#[derive(Clone, Copy)]
struct Since {
    moved: Duration,
    changed: Duration,
}
