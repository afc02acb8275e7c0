//! The thread that appends audit lines to a file. It never makes the data path wait: a full queue drops and counts.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::change::Change;
use super::incident::Report;
use super::ocsf;
use crate::engine::time::Now;
use crate::events::{Event, report};

/// Owner reads and writes, the group reads: a collector needs no more.
const MODE: u32 = 0o640;

/// What the queue carries.
pub(super) enum Message {
    Incident(Box<Report>),
    Change(Box<Change>, Now),
    Stop,
}

/// How the writer is doing.
#[derive(Default)]
struct Health {
    dropped: AtomicU64,
    is_failing: AtomicBool,
    /// Asked for by [`Writer::reopen`]; a flag, since a message could be lost in a full queue.
    must_reopen: AtomicBool,
}

impl Health {
    fn drop_line(&self, reason: &'static str) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        report(&Event::AuditDropped { reason });
    }
}

/// The queue to the writer thread.
pub(super) struct Writer {
    queue: SyncSender<Message>,
    health: Arc<Health>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Opens the file for appending, and starts the thread.
    ///
    /// # Errors
    ///
    /// Those of opening the file and of starting a thread.
    pub(super) fn start(path: PathBuf, queue_lines_max: usize) -> io::Result<Self> {
        let file = open(&path)?;
        let (queue, messages) = sync_channel(queue_lines_max);
        let health = Arc::new(Health::default());
        let appender = Appender {
            path,
            file: Some(file),
            is_torn: false,
            health: Arc::clone(&health),
        };
        let thread = thread::Builder::new()
            .name("audit".into())
            .spawn(move || appender.run(&messages))?;
        Ok(Self {
            queue,
            health,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Queues a message, or counts it as lost.
    pub(super) fn send(&self, message: Message) {
        match self.queue.try_send(message) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.health.drop_line("queue"),
        }
    }

    /// Has the file opened anew before the next line.
    pub(super) fn reopen(&self) {
        self.health.must_reopen.store(true, Ordering::Relaxed);
    }

    /// Lines lost since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.health.dropped.load(Ordering::Relaxed)
    }

    /// Whether the last line could not be written.
    pub(super) fn is_failing(&self) -> bool {
        self.health.is_failing.load(Ordering::Relaxed)
    }

    /// Waits until all that is queued is written, and ends the thread. Blocks; a second call does nothing.
    pub(super) fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The queue is emptied before the thread ends, so this may wait for room. If the thread is gone already,
            // there is nothing to stop.
            if self.queue.send(Message::Stop).is_ok() && thread.join().is_err() {
                self.health.drop_line("disk");
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

/// The thread's own state.
struct Appender {
    path: PathBuf,
    /// `None` after a failure, until it can be opened again.
    file: Option<File>,
    /// Whether a write may have left half a line.
    is_torn: bool,
    health: Arc<Health>,
}

impl Appender {
    fn run(mut self, messages: &Receiver<Message>) {
        for message in messages {
            match message {
                Message::Incident(report) => self.append(&ocsf::finding(&report)),
                Message::Change(change, now) => self.append(&ocsf::activity(&change, now)),
                Message::Stop => break,
            }
        }
        if let Some(file) = &self.file
            && file.sync_data().is_err()
        {
            self.health.drop_line("disk");
        }
    }

    /// Appends one line; a failure is counted, and the next line tries again with the file opened anew.
    fn append(&mut self, record: &serde_json::Value) {
        let failed_before = self.health.is_failing.load(Ordering::Relaxed);
        let result = self.try_append(&ocsf::line(record));
        self.health.is_failing.store(result.is_err(), Ordering::Relaxed);
        match result {
            Ok(()) if failed_before => report(&Event::AuditRecovered),
            Ok(()) => {}
            Err(_) => {
                self.file = None;
                self.is_torn = true;
                self.health.drop_line("disk");
            }
        }
    }

    fn try_append(&mut self, line: &[u8]) -> io::Result<()> {
        let must_reopen = self.health.must_reopen.swap(false, Ordering::Relaxed);
        let mut file = match self.file.take() {
            Some(file) if !must_reopen => file,
            Some(_) | None => open(&self.path)?,
        };
        if self.is_torn {
            file.write_all(b"\n")?;
            self.is_torn = false;
        }
        file.write_all(line)?;
        self.file = Some(file);
        Ok(())
    }
}
