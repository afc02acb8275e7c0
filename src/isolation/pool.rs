//! The processes that read, and who asks them.

use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;
use tokio::time::Instant;

use super::SUBCOMMAND;
use super::frame::{self, FINISH, FRAME_BYTES_MAX, OPEN, PUSH, Told, USED_BYTES};
use crate::engine::apart::{Apart, Fault, Hears, Limits, Order, Session, Standing, Used};

/// Files that one process reads before another takes its place: what a file leaves behind in it does not last.
const FILES_MAX: u32 = 100;

/// How many processes there may be, and what each may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The program: this one.
    pub program: PathBuf,
    /// Processes at once.
    pub processes_max: u32,
    /// Milliseconds that an order may take.
    pub ms_max: u64,
    /// Seconds of processor time that a file may take.
    pub cpu_s_max: u64,
    /// Bytes of memory that a process may have.
    pub memory_bytes_max: u64,
}

/// The processes that read.
pub struct Workers(Arc<Pool>);

struct Pool {
    settings: Settings,
    /// Those that read nothing now.
    idle: Mutex<Vec<Worker>>,
    /// All of them.
    live: AtomicU32,
}

impl Workers {
    /// Of these settings; processes are started as files come.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Pool {
            settings,
            idle: Mutex::default(),
            live: AtomicU32::new(0),
        }))
    }
}

impl Apart for Workers {
    fn open(&self, level: u32, limits: Limits) -> Result<Box<dyn Session>, Fault> {
        aside(|| {
            let idle = self.0.take_idle();
            let mut worker = match idle {
                Some(worker) => worker,
                None => self.0.start().map_err(|_| Fault::Isolation)?,
            };
            worker.files += 1;
            let mut lease = Lease {
                worker: Some(worker),
                pool: Arc::clone(&self.0),
            };
            lease.order(OPEN, &frame::open(level, limits))?;
            Ok(Box::new(lease) as Box<dyn Session>)
        })
    }
}

/// Waits for a process while other threads take over the tasks of this one, where a runtime has others: a file that takes
/// its reader long keeps nobody else waiting.
fn aside<T>(wait: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    if matches!(flavor, Ok(RuntimeFlavor::MultiThread)) {
        block_in_place(wait)
    } else {
        wait()
    }
}

impl Pool {
    /// One that reads nothing now, of those that live.
    fn take_idle(&self) -> Option<Worker> {
        loop {
            let mut worker = self.idle().pop()?;
            if matches!(worker.child.try_wait(), Ok(None)) {
                return Some(worker);
            }
            self.end(worker);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        // Nothing panics under it; a list of processes is one all the same.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts one more, if there may be more.
    fn start(&self) -> io::Result<Worker> {
        let most = self.settings.processes_max;
        let counted = self
            .live
            .fetch_update(Relaxed, Relaxed, |live| (live < most).then_some(live + 1));
        counted.map_err(|_| io::Error::from(io::ErrorKind::QuotaExceeded))?;
        Worker::start(&self.settings).inspect_err(|_| {
            self.live.fetch_sub(1, Relaxed);
        })
    }

    fn end(&self, worker: Worker) {
        drop(worker);
        self.live.fetch_sub(1, Relaxed);
    }
}

/// One process, and the pipes to and from it.
struct Worker {
    child: Child,
    orders: BufWriter<UnixStream>,
    answers: BufReader<UnixStream>,
    /// Files it has read, and reads.
    files: u32,
}

impl Worker {
    fn start(settings: &Settings) -> io::Result<Self> {
        let wait = Some(Duration::from_millis(settings.ms_max.max(1)));
        let ((orders, theirs), (answers, told)) = (UnixStream::pair()?, UnixStream::pair()?);
        orders.set_write_timeout(wait)?;
        answers.set_read_timeout(wait)?;
        let child = Command::new(&settings.program)
            .arg(SUBCOMMAND)
            .args(["--memory-bytes", &settings.memory_bytes_max.to_string()])
            .args(["--cpu-s", &settings.cpu_s_max.to_string()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(OwnedFd::from(told)))
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            child,
            orders: BufWriter::with_capacity(FRAME_BYTES_MAX, orders),
            answers: BufReader::with_capacity(FRAME_BYTES_MAX, answers),
            files: 0,
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is waited for, or it would stay in the system's table.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A process while it reads one file.
struct Lease {
    /// None when it is gone.
    worker: Option<Worker>,
    pool: Arc<Pool>,
}

impl Lease {
    fn order(&mut self, tag: u8, bytes: &[u8]) -> Result<(), Fault> {
        let worker = self.worker.as_mut().ok_or(Fault::Isolation)?;
        let sent = frame::write(&mut worker.orders, tag, bytes).and_then(|()| worker.orders.flush());
        sent.map_err(|_| self.lose())
    }

    /// What is told until the order is carried out.
    fn answer(&mut self, hears: Hears<'_>) -> Result<Standing, Fault> {
        let until = Instant::now() + Duration::from_millis(self.pool.settings.ms_max);
        let mut bytes = Vec::new();
        loop {
            let worker = self.worker.as_mut().ok_or(Fault::Isolation)?;
            let told = Told::read(&mut worker.answers, &mut bytes).map_err(|_| self.lose())?;
            let passed = match told {
                Told::Done(ended) => return ended,
                Told::Said(_) if Instant::now() > until => Err(Fault::Isolation),
                Told::Said(said) => hears(said),
            };
            // It tells more than is wanted: whatever it would still say is not waited for.
            passed.inspect_err(|_| {
                self.lose();
            })?;
        }
    }

    /// The process is of no more use.
    fn lose(&mut self) -> Fault {
        if let Some(worker) = self.worker.take() {
            self.pool.end(worker);
        }
        Fault::Isolation
    }
}

impl Session for Lease {
    fn ask(&mut self, order: Order<'_>, used: Used, hears: Hears<'_>) -> Result<Standing, Fault> {
        aside(|| match order {
            Order::Finish => {
                self.order(FINISH, &frame::used(used))?;
                self.answer(hears)
            }
            Order::Push(bytes) => {
                let mut standing = Standing {
                    used,
                    ..Standing::default()
                };
                for part in bytes.chunks(FRAME_BYTES_MAX - USED_BYTES) {
                    self.order(PUSH, &[&frame::used(standing.used), part].concat())?;
                    standing = self.answer(&mut *hears)?;
                }
                Ok(standing)
            }
        })
    }
}

impl Drop for Lease {
    /// It stands between two orders, and the next file finds it as new.
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            if worker.files < FILES_MAX {
                self.pool.idle().push(worker);
            } else {
                self.pool.end(worker);
            }
        }
    }
}
