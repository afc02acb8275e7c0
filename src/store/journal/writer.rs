//! The journal as the other rooms use it: pages in, and a thread that writes them. Nothing on the data path waits for it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::append::Appender;
use super::entry::Page;
use super::frame::JournalError;
use super::seal::Signer;
use super::settings::Settings;
use crate::clock::Clock;
use crate::engine::secret::HashKey;
use crate::events::{Event, JournalFact, report};

/// What waits for the disk is written at least so often: a killed process loses no more.
const FLUSH_MS: u64 = 1_000;

/// Names a hash key without telling it.
pub fn key_id(secret: &HashKey) -> u64 {
    secret.hash64("tidegate journal key 1", &[])
}

/// The journal; a clone is the same journal.
#[derive(Clone)]
pub struct Journal(Option<Arc<Writer>>);

struct Writer {
    queue: SyncSender<Message>,
    /// Entries in the queue; <= `entries_max`, or the page of the one that is over is lost.
    waiting: Arc<AtomicUsize>,
    entries_max: usize,
    is_failing: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Message {
    Page(Box<Page>),
    Stop,
}

impl Journal {
    /// A journal that keeps nothing.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Goes on with the journal in `dir`, or begins it, with the data of these tenants.
    ///
    /// # Errors
    /// When the directory, a segment in it or the signing key in `state_dir` cannot be used, the last segment is another
    /// tenant's, or no thread can be started.
    pub fn start(
        dir: &Path,
        settings: &Settings,
        (state_dir, secret, tenants): (&Path, &HashKey, &[String]),
        clock: Clock,
    ) -> Result<Self, JournalError> {
        let signer = Signer::open(state_dir)?;
        let appender = Appender::start(dir, settings, signer, (key_id(secret), tenants))?;
        let (queue, messages) = sync_channel(settings.queue_sightings_max);
        let waiting = Arc::new(AtomicUsize::new(0));
        let is_failing = Arc::new(AtomicBool::new(false));
        let work = Work {
            appender,
            clock,
            waiting: Arc::clone(&waiting),
            is_failing: Arc::clone(&is_failing),
        };
        let thread = thread::Builder::new()
            .name("journal".into())
            .spawn(move || work.run(&messages))
            .map_err(JournalError::io(dir))?;
        Ok(Self(Some(Arc::new(Writer {
            queue,
            waiting,
            entries_max: settings.queue_sightings_max,
            is_failing,
            thread: Mutex::new(Some(thread)),
        }))))
    }

    /// Whether anything is kept.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Keeps one page, or counts it as lost; never waits.
    pub fn record(&self, page: Page) {
        let Some(writer) = &self.0 else { return };
        let entries = page.entries();
        if entries == 0 {
            return;
        }
        let before = writer.waiting.fetch_add(entries, Relaxed);
        if before + entries > writer.entries_max || writer.queue.try_send(Message::Page(Box::new(page))).is_err() {
            writer.waiting.fetch_sub(entries, Relaxed);
            let entries = entries as u64;
            let reason = "queue";
            report(&Event::Journal(JournalFact::Lost { reason, entries }));
        }
    }

    /// Entries that wait for the disk.
    pub fn waiting(&self) -> usize {
        self.0.as_ref().map_or(0, |writer| writer.waiting.load(Relaxed))
    }

    /// Whether the disk took nothing the last time: the fail mode `journal_full`.
    pub fn is_failing(&self) -> bool {
        self.0.as_ref().is_some_and(|writer| writer.is_failing.load(Relaxed))
    }

    /// Writes all that is queued and closes the segment. Blocks for the disk: call it off the runtime, at the end of the process.
    pub fn stop(&self) {
        let Some(writer) = &self.0 else { return };
        let thread = writer.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The queue is emptied before the thread ends, so this may wait for room.
            if writer.queue.send(Message::Stop).is_err() || thread.join().is_err() {
                let entries = writer.waiting.load(Relaxed) as u64;
                let reason = "disk";
                report(&Event::Journal(JournalFact::Lost { reason, entries }));
            }
        }
    }
}

/// What the thread has.
struct Work {
    appender: Appender,
    clock: Clock,
    waiting: Arc<AtomicUsize>,
    is_failing: Arc<AtomicBool>,
}

impl Work {
    fn run(mut self, messages: &Receiver<Message>) {
        let mut ticked = self.clock.now();
        loop {
            let left = FLUSH_MS.saturating_sub(self.clock.now().millis().saturating_sub(ticked.millis()));
            match messages.recv_timeout(Duration::from_millis(left)) {
                Ok(Message::Page(page)) => {
                    self.waiting.fetch_sub(page.entries(), Relaxed);
                    self.appender.add(&page);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = self.clock.now();
            if now.millis() >= ticked.millis() + FLUSH_MS {
                self.appender.tick(now.second());
                ticked = now;
            }
            self.is_failing.store(self.appender.is_failing(), Relaxed);
        }
        self.appender.finish(self.clock.now().second());
    }
}
