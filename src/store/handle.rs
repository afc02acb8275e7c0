//! The store as the rest of the gateway uses it: loaded, then asked, then stopped.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Settings;
use super::births::News;
use super::error::StoreError;
use super::file::{KeyMark, StoreFile};
use super::orders::Orders;
use super::writer::Writer;
use crate::clock::Clock;
use crate::engine::births::Births;
use crate::engine::ledger::{Carrier, KeyId, Ledger};
use crate::engine::secret::HashKey;
use crate::events::{Event, report};

/// A ledger file that is open and whose writer does not run yet.
pub struct Loaded {
    file: StoreFile,
    dir: std::path::PathBuf,
    newest: u32,
    births: Option<Arc<Births>>,
    news: News,
}

impl Loaded {
    /// Opens the file in `dir`, or makes one, and has `ledger` take in all that is in it.
    ///
    /// # Errors
    /// When the file cannot be used, or a row of it cannot be read: nothing is passed over.
    pub fn load(dir: &Path, secret: &HashKey, ledger: &Ledger, clock: Clock) -> Result<Self, StoreError> {
        let started = Instant::now();
        let now = clock.now();
        let mut file = StoreFile::open_or_create(dir, KeyMark::of(secret), now)?;
        ledger.began_beside(file.since);
        let (mut fault, mut keys, mut last, mut newest) = (None, 0, None::<KeyId>, 0);
        file.each(|row| match row.frame {
            Ok(frame) => {
                ledger.load(&frame, now);
                newest = newest.max(frame.newest());
                keys += u64::from(last.replace(frame.key) != Some(frame.key));
            }
            Err(found) => {
                fault.get_or_insert(found);
            }
        })?;
        if let Some(fault) = fault {
            return Err(StoreError::Row(file.path().to_owned(), fault));
        }
        report(&Event::StoreLoaded {
            keys,
            seconds: started.elapsed().as_secs_f64(),
        });
        let dir = dir.to_owned();
        Ok(Self {
            file,
            dir,
            newest,
            births: None,
            news: News::new(0),
        })
    }

    /// The file counts the data of these tenants from now on.
    ///
    /// # Errors
    /// When it counts someone else's, or cannot be written.
    pub fn admit(&mut self, tenants: &[String]) -> Result<(), StoreError> {
        self.file.admit(tenants)
    }

    /// Has `births` take in all that is in the file, which is kept up to them from now on.
    ///
    /// # Errors
    /// When what is in it cannot be read.
    pub fn recall(&mut self, births: &Arc<Births>, clock: Clock) -> Result<(), StoreError> {
        let now = clock.now();
        let (known, since) = self.file.births()?;
        births.carry(Carrier::Store);
        for (id, birth) in known {
            births.merge(id, birth, Carrier::Store, now);
        }
        births.began(since);
        (self.births, self.news) = (Some(Arc::clone(births)), News::new(since));
        Ok(())
    }

    /// The second of the newest sighting in it; 0 if there is none.
    pub fn newest(&self) -> u32 {
        self.newest
    }

    /// Starts the writer, which keeps the file up to `ledger`.
    ///
    /// # Errors
    /// Those of starting a thread.
    pub fn start(self, settings: Settings, ledger: Arc<Ledger>, clock: Clock) -> io::Result<Store> {
        let orders = Arc::new(Orders::default());
        let writer = Writer {
            mark: self.file.mark(),
            file: Some(self.file),
            dir: self.dir,
            ledger,
            clock,
            orders: Arc::clone(&orders),
            flush_ms_max: settings.flush_ms_max,
            frames: Vec::new(),
            unneeded: Vec::new(),
            births: self.births,
            news: self.news,
            swept: None,
        };
        let thread = thread::Builder::new()
            .name("store".into())
            .spawn(move || writer.run())?;
        Ok(Store {
            orders,
            wait: Duration::from_millis(settings.wait_ms_max),
            held: AtomicU64::new(0),
            thread: Mutex::new(Some(thread)),
        })
    }
}

/// The ledger on disk. None of its calls waits for the disk but [`Store::stop`].
pub struct Store {
    orders: Arc<Orders>,
    wait: Duration,
    /// The ask of the last hold.
    held: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Has all that changed by now written at once: true when it is on disk, false when it is not within `wait_ms_max`
    /// or the disk fails.
    pub fn written(&self) -> impl Future<Output = bool> + Send + 'static {
        self.within_wait(self.orders.ask())
    }

    /// Has keys that are on disk alone read back into the ledger: true when they are there, false when they are not within
    /// `wait_ms_max`, too many wait for theirs, or the disk fails.
    pub fn read_back(&self, keys: &[KeyId]) -> impl Future<Output = bool> + Send + 'static {
        let read = self.orders.want(keys).map(|ask| self.within_wait(ask));
        async move {
            match read {
                Some(read) => read.await,
                None => false,
            }
        }
    }

    /// A hold began or ended: it is written at once.
    pub fn hold_changed(&self) {
        self.held.fetch_max(self.orders.ask(), Ordering::AcqRel);
    }

    /// Resolves when the holds that began by now are on disk, or as [`Store::written`].
    pub fn holds_written(&self) -> impl Future<Output = bool> + Send + 'static {
        self.within_wait(self.held.load(Ordering::Acquire))
    }

    /// Whether the last write failed.
    pub fn is_down(&self) -> bool {
        self.orders.done().is_down
    }

    /// Writes what changed, ends the thread and closes the file. Blocks for the disk: call it off the runtime.
    pub fn stop(&self) {
        self.orders.stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            report(&Event::StoreFailed { reason: "thread" });
        }
    }

    fn within_wait(&self, ask: u64) -> impl Future<Output = bool> + Send + 'static {
        let (served, wait) = (self.orders.served(ask), self.wait);
        async move { timeout(wait, served).await.unwrap_or(false) }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Without a stop: the thread writes once more, and nobody waits for it.
        self.orders.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::{Carrier, Dimension, KeyFrame, RevokedBy, Settings as Bounds};

    #[test]
    fn the_newest_sighting_is_known_once_it_is_loaded() {
        let (dir, secret, clock) = (tempfile::tempdir().unwrap(), HashKey::new([7; 32]), Clock::start());
        let load = || Loaded::load(dir.path(), &secret, &Ledger::new(Bounds::default()), clock);
        assert_eq!(load().unwrap().newest(), 0);
        let later = clock.now().second() + 86_400;
        let mut file = StoreFile::open(dir.path()).unwrap();
        let frame = KeyFrame {
            window_max: 60,
            elements: vec![(1, later - 9), (2, later), (3, later - 1)],
            ..KeyFrame::new(KeyId([1; 12]), Dimension::Session)
        };
        let frames = [Ok::<_, StoreError>(frame)];
        file.import(frames.into_iter(), clock.now()).unwrap();
        drop(file);
        assert_eq!(load().unwrap().newest(), later);
    }

    #[tokio::test]
    async fn a_revocation_and_its_end_outlive_a_crash() {
        let (dir, secret, clock) = (tempfile::tempdir().unwrap(), HashKey::new([7; 32]), Clock::start());
        let open = |dir: &Path| {
            let mut ledger = Ledger::new(Bounds::default());
            ledger.carry(Carrier::Store);
            let loaded = Loaded::load(dir, &secret, &ledger, clock).unwrap();
            let ledger = Arc::new(ledger);
            let store = loaded.start(Settings::default(), Arc::clone(&ledger), clock).unwrap();
            (ledger, store)
        };
        let (ledger, store) = open(dir.path());
        let (now, keys) = (clock.now(), [KeyId([1; 12]), KeyId([2; 12])]);
        for key in keys {
            assert!(ledger.revoke(key, Dimension::Principal, u32::MAX, RevokedBy::Event, now));
        }
        store.hold_changed();
        assert!(store.holds_written().await);
        assert!(ledger.reinstate(keys[1], now));
        store.hold_changed();
        assert!(store.holds_written().await);
        let crashed = tempfile::tempdir().unwrap();
        std::fs::copy(StoreFile::path_in(dir.path()), StoreFile::path_in(crashed.path())).unwrap();
        let (again, _store) = open(crashed.path());
        assert_eq!(keys.map(|key| again.revoked(key, now).is_some()), [true, false]);
        let [revoked] = again.revocations(now, 9).try_into().unwrap();
        assert_eq!((revoked.until, revoked.by), (u32::MAX, RevokedBy::Event));
    }
}
