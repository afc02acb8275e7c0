//! Births in the file of the ledger: a table of their own, of one number for each credential.

use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable as _, TableDefinition, TableError, WriteTransaction};

use super::fault::Fault;
use crate::engine::births::{Birth, Births, CredentialId};
use crate::engine::ledger::Carrier;

/// By credential, the rank of what was last said of it.
const BIRTHS: TableDefinition<'_, &[u8; 16], u64> = TableDefinition::new("births");
/// Since which second they are remembered.
const SINCE: TableDefinition<'_, (), u32> = TableDefinition::new("births_since");

/// What is to be written of births.
#[derive(Default)]
pub(super) struct News {
    said: Vec<(CredentialId, Birth)>,
    forgotten: Vec<CredentialId>,
    /// The second that is on disk, and the one that is to be.
    since: (u32, u32),
}

impl News {
    /// Nothing, of a file that says this.
    pub(super) fn new(since: u32) -> Self {
        Self {
            since: (since, since),
            ..Self::default()
        }
    }

    /// These, for a file that says that births are remembered `since` then.
    pub(super) fn of(said: Vec<(CredentialId, Birth)>, since: u32) -> Self {
        Self {
            said,
            ..Self::new(since)
        }
    }

    /// Takes what changed.
    pub(super) fn take(&mut self, births: &Arc<Births>) {
        self.said.extend(births.drain(Carrier::Store));
        self.forgotten.extend(births.take_dropped());
        self.since.1 = births.since();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.said.is_empty() && self.forgotten.is_empty() && self.since.0 == self.since.1
    }

    /// All of it is on disk.
    pub(super) fn written(&mut self) {
        *self = Self::new(self.since.1);
    }

    /// Merges it into the tables. What is forgotten goes first: it may have been seen again.
    pub(super) fn put(&self, writing: &WriteTransaction) -> Result<(), Fault> {
        if self.is_empty() {
            return Ok(());
        }
        let mut table = writing.open_table(BIRTHS)?;
        for id in &self.forgotten {
            table.remove(&id.0)?;
        }
        for (id, birth) in &self.said {
            let known = table.get(&id.0)?.map_or(0, |known| known.value());
            if known < birth.rank() {
                table.insert(&id.0, birth.rank())?;
            }
        }
        writing.open_table(SINCE)?.insert((), self.since.1)?;
        Ok(())
    }
}

/// Births, and the second since which they are remembered.
pub(super) type Said = (Vec<(CredentialId, Birth)>, u32);

/// What the tables say: all births, the oldest first, and since when they are remembered. A number that is none is a fault.
pub(super) fn read(reading: &ReadTransaction) -> Result<Option<Said>, Fault> {
    let table = match reading.open_table(BIRTHS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(Some((Vec::new(), 0))),
        table => table?,
    };
    let mut births = Vec::new();
    for row in table.iter()? {
        let (id, rank) = row?;
        let Some(birth) = Birth::from_rank(rank.value()) else {
            return Ok(None);
        };
        births.push((CredentialId(*id.value()), birth));
    }
    births.sort_unstable_by_key(|(_, birth)| birth.rank());
    let since = reading.open_table(SINCE)?.get(())?.map_or(0, |since| since.value());
    Ok(Some((births, since)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clock::Clock;
    use crate::engine::births::{Look, Tag};
    use crate::engine::ledger::{Ledger, Settings as Bounds};
    use crate::engine::secret::HashKey;
    use crate::store::{Loaded, Settings, Store, StoreFile};

    fn open(dir: &Path, births_max: usize) -> (Arc<Births>, Store, Clock) {
        let (clock, births) = (Clock::start(), Arc::new(Births::new(births_max)));
        let ledger = Arc::new(Ledger::new(Bounds::default()));
        let mut loaded = Loaded::load(dir, &HashKey::new([5; 32]), &ledger, clock).unwrap();
        loaded.recall(&births, clock).unwrap();
        births.begin(clock.now());
        // Nothing is written but for those who ask.
        let settings = Settings {
            flush_ms_max: 60_000,
            wait_ms_max: 20_000,
        };
        (births, loaded.start(settings, ledger, clock).unwrap(), clock)
    }

    fn id(number: u16) -> CredentialId {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_le_bytes());
        CredentialId(id)
    }

    #[tokio::test]
    async fn births_outlive_the_process_and_so_does_the_warm_up() {
        let dir = tempfile::tempdir().unwrap();
        let (births, store, clock) = open(dir.path(), 1_000);
        births.began(clock.now().second() - 500);
        births.issue(id(1), Tag::Issued, None, clock.now());
        births.issue(id(2), Tag::Unknown, Some(id(9)), clock.now());
        assert!(store.written().await);
        let since = births.since();
        // As if it were killed: nothing is written that was not asked for.
        let kept = std::fs::read(StoreFile::path_in(dir.path())).unwrap();
        store.stop();
        std::fs::write(StoreFile::path_in(dir.path()), kept).unwrap();

        let (births, store, clock) = open(dir.path(), 1_000);
        let now = clock.now();
        assert_eq!(births.since(), since);
        assert_eq!(births.look(id(1), now), Look::Said(Tag::Issued));
        assert_eq!(births.look(id(2), now), Look::Said(Tag::Unknown));
        assert_eq!(births.look(id(3), now), Look::Absent);
        births.issue(id(1), Tag::Unissued, Some(id(9)), now);
        store.stop();
        let (births, _store, clock) = open(dir.path(), 1_000);
        assert_eq!(births.look(id(1), clock.now()), Look::Said(Tag::Unissued));
    }

    #[tokio::test]
    async fn what_is_forgotten_takes_no_room_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let (births, store, clock) = open(dir.path(), 100);
        for number in 0..1_000 {
            births.issue(id(number), Tag::Issued, None, clock.now());
        }
        store.stop();
        let rows = || StoreFile::open(dir.path()).unwrap().births().unwrap().0.len();
        assert_eq!(rows(), births.len());
        assert!(rows() <= 100);
        // A smaller memory sorts out the rest as it starts.
        let (births, store, _) = open(dir.path(), 20);
        store.stop();
        assert_eq!(rows(), births.len());
        assert!(rows() <= 20);
    }
}
