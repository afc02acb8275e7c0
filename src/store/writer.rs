//! The thread that writes what changed: at the latest when `flush_ms_max` is over, at once when someone waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::births::News;
use super::error::StoreError;
use super::file::{KeyMark, StoreFile};
use super::orders::{Done, Orders};
use super::rows::{RowKey, key_and_part};
use crate::clock::Clock;
use crate::engine::births::Births;
use crate::engine::ledger::{Carrier, KeyFrame, KeyId, Ledger};
use crate::engine::time::Now;
use crate::events::{Event, report};

/// Rows that are looked at after each write for whether someone still needs them.
const SWEPT_ROWS: usize = 1_000;
/// After a failure the file is tried again after so long, then after twice as long, up to the second number.
const RETRY_MS: u64 = 1_000;
const RETRY_MS_MAX: u64 = 10_000;
/// Rows that are dropped together at most, as many as are swept together.
const UNNEEDED_ROWS_MAX: usize = SWEPT_ROWS;

/// The writer's own state.
pub(super) struct Writer {
    pub(super) file: Option<StoreFile>,
    pub(super) dir: std::path::PathBuf,
    pub(super) mark: KeyMark,
    pub(super) ledger: Arc<Ledger>,
    pub(super) clock: Clock,
    pub(super) orders: Arc<Orders>,
    pub(super) flush_ms_max: u64,
    /// What was taken from the ledger and is not on disk yet. While it is not empty nothing more is taken: the ledger
    /// itself is the queue.
    pub(super) frames: Vec<KeyFrame>,
    pub(super) unneeded: Vec<RowKey>,
    /// The credentials that were seen being issued, if they are remembered; and what is not on disk yet.
    pub(super) births: Option<Arc<Births>>,
    pub(super) news: News,
    /// Where the sweep goes on.
    pub(super) swept: Option<RowKey>,
}

impl Writer {
    /// Writes until it is asked to end.
    pub(super) fn run(mut self) {
        let mut done = Done::default();
        let mut retry_ms = 0;
        let mut written_at = self.clock.now();
        loop {
            // Whoever asks while it is down is told so; only time brings the next try.
            let (behind, pause_ms) = if done.is_down {
                (u64::MAX, retry_ms)
            } else {
                (done.served, self.flush_ms_max)
            };
            let asked = self.orders.next(behind, Duration::from_millis(pause_ms));
            let began = self.clock.now();
            let nobody_waits = asked.ask <= done.served && !asked.stop;
            // Only then: what was taken from the ledger and not written yet is in no row.
            let written = self.flush(nobody_waits).and_then(|()| self.read_back(&asked.wanted));
            report_change(done.is_down, &written);
            if written.is_ok() {
                done.served = asked.ask;
                written_at = began;
                retry_ms = 0;
            } else {
                // Opened again before the next try: after a failed write redb refuses all others.
                self.file = None;
                retry_ms = (retry_ms * 2).clamp(RETRY_MS, RETRY_MS_MAX);
            }
            done.is_down = written.is_err();
            self.orders.tell(done);
            self.report(written_at);
            if asked.stop {
                return self.end(done);
            }
        }
    }

    /// The last write was made: nobody waits any more, so there is time to give back what the file no longer needs.
    fn end(mut self, done: Done) {
        if let Some(file) = self.file.as_mut().filter(|_| !done.is_down) {
            report_change(false, &file.compact_if_bloated());
        }
    }

    /// Puts all that changed on disk; where nobody waits for it, some rows are looked at as well.
    fn flush(&mut self, nobody_waits: bool) -> Result<(), StoreError> {
        self.reopen()?;
        let now = self.clock.now();
        // Another gateway may have begun with the next key of people later than this one. Behind a switch no window waits for it.
        let since = self.ledger.beside_since();
        if let Some(file) = self.file.as_mut().filter(|file| (1..since).contains(&file.since)) {
            file.begin_beside(Now::from_millis(u64::from(since) * 1000))?;
        }
        // What an earlier try left over; what is asked for now may not be in it.
        self.write(now)?;
        self.ledger.drain(Carrier::Store, &mut self.frames);
        if let Some(births) = &self.births {
            self.news.take(births);
        }
        if nobody_waits {
            self.sweep(now)?;
        }
        self.write(now)
    }

    fn write(&mut self, now: Now) -> Result<(), StoreError> {
        let Some(file) = self.file.as_mut() else {
            return Ok(());
        };
        if self.frames.is_empty() && self.unneeded.is_empty() && self.news.is_empty() {
            return Ok(());
        }
        // In the order of the file: neighbours share a page.
        self.frames.sort_unstable_by_key(|frame| frame.key);
        let started = Instant::now();
        file.write_all(&self.frames, &self.unneeded, &self.news, now)?;
        report(&Event::StoreWritten {
            seconds: started.elapsed().as_secs_f64(),
        });
        // Nearly always nothing is on disk alone.
        let mut keys: Vec<KeyId> = self.unneeded.iter().map(|row| key_and_part(row).0).collect();
        keys.dedup();
        let spilled = self.ledger.spilled(keys.iter());
        if !spilled.is_empty() {
            let mut gone = Vec::new();
            file.keys(&spilled, |key, frame| gone.extend(frame.is_none().then_some(key)))?;
            for key in gone {
                self.ledger.unspill(key, None, now);
            }
        }
        self.frames.clear();
        self.unneeded.clear();
        self.news.written();
        Ok(())
    }

    /// Has the ledger take back keys that are on disk alone.
    fn read_back(&self, wanted: &[KeyId]) -> Result<(), StoreError> {
        let Some(file) = self.file.as_ref() else {
            return Ok(());
        };
        if wanted.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        file.keys(wanted, |key, frame| self.ledger.unspill(key, frame, now))?;
        report(&Event::KeysReadBack(wanted.len() as u64));
        Ok(())
    }

    /// Looks for rows that nobody needs any more.
    fn sweep(&mut self, now: Now) -> Result<(), StoreError> {
        if let Some(file) = &self.file {
            let (unneeded, next) = file.unneeded(self.swept, SWEPT_ROWS, now)?;
            self.unneeded.extend(unneeded);
            self.unneeded.truncate(UNNEEDED_ROWS_MAX);
            self.swept = next;
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        if self.file.is_none() {
            // If someone has moved it away meanwhile, a new one would hold only what changes from now on.
            let mut file = StoreFile::open(&self.dir)?;
            if file.mark() != self.mark {
                return Err(StoreError::OtherKey(file.path().to_owned()));
            }
            file.each(drop)?;
            self.file = Some(file);
        }
        Ok(())
    }

    fn report(&self, written_at: Now) {
        if let Some(file) = &self.file {
            report(&Event::StoreBytes(file.bytes()));
        }
        let stale_ms = self.clock.now().millis().saturating_sub(written_at.millis());
        report(&Event::StoreStale {
            seconds: Duration::from_millis(stale_ms).as_secs_f64(),
        });
    }
}

/// Tells of a failure, or that there is none any more.
fn report_change(was_down: bool, written: &Result<(), StoreError>) {
    match written {
        Ok(()) if was_down => report(&Event::StoreRecovered),
        Ok(()) => {}
        Err(error) => report(&Event::StoreFailed { reason: error.reason() }),
    }
}
