//! The file of the ledger: one redb database of rows, with a word about itself.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{
    Builder, Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TransactionError, WriteTransaction,
};

use super::births::{self, News};
use super::error::{RowFault, StoreError};
use super::fault::{Fault, guarded};
use super::people;
use super::rows::{LargeKeys, ROWS, RowKey, Rows, decode, is_needed, key_and_part, note, row_key};
use crate::engine::births::{Birth, CredentialId};
use crate::engine::ledger::{KeyFrame, KeyId};
use crate::engine::secret::{DEFAULT_TENANT, HashKey, PeopleMark};
use crate::engine::time::Now;
use crate::events::{Event, report};

/// Its name in the state directory.
const FILE: &str = "ledger.redb";
/// A new one is made under this name, so that half a file is never taken for one.
const NEW_FILE: &str = ".ledger.redb.new";
/// Who asked is nobody else's business, even as hashes.
const MODE: u32 = 0o600;
/// The version of tables and rows; another is refused.
pub(super) const FORMAT: u32 = 2;
/// That of a ledger whose people are hashed with the hash key alone, which gateways of before there were others read too.
pub(super) const FORMAT_ONE_KEY: u32 = 1;
/// Bytes of the file that redb keeps in memory: the ledger is there already, this is for the way to a row.
const CACHE_BYTES_MAX: usize = 64 << 20;

/// A file of so many bytes that is so many times as large as its rows is compacted at an orderly stop. Pages are used
/// again, so that it is large only after there were many more keys.
const BLOATED_BYTES_MIN: u64 = 64 << 20;
const BLOATED_TIMES: u64 = 4;

/// What the file says of itself.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// The format, four bytes.
pub(super) const META_FORMAT: &str = "format";
/// Which hash key.
const META_KEY: &str = "hash_key";
/// Whose data it counts, a name a line. A file without it is of the default tenant; a new one is nobody's yet.
const META_TENANTS: &str = "tenants";
/// The unix second in which it was made, four bytes.
const META_CREATED: &str = "created";

/// Which hash key a ledger was written under, and which are those of people, without saying anything of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyMark {
    /// The hash key.
    pub key: [u8; 16],
    /// That of people by whom is decided.
    pub people: PeopleMark,
    /// The other one of people, while one takes the place of the other.
    pub beside: Option<PeopleMark>,
}

impl KeyMark {
    /// The mark of `secret`.
    pub fn of(secret: &HashKey) -> Self {
        let mut key = [0; 16];
        let hash = secret.hash("tidegate ledger 1", &[]);
        key.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self {
            key,
            people: secret.people_mark(),
            beside: secret.beside_mark(),
        }
    }
}

/// An open ledger file; nobody else opens it meanwhile.
pub struct StoreFile {
    pub(super) path: PathBuf,
    pub(super) database: Database,
    pub(super) mark: KeyMark,
    /// Since which unix second what is kept up beside is; 0 where nothing is.
    pub(super) since: u32,
    large: LargeKeys,
}

/// One row as it was found.
pub struct Row {
    /// Its bytes, all parts of a key follow one another.
    pub bytes: usize,
    /// What it says, or why it cannot be read.
    pub frame: Result<KeyFrame, RowFault>,
}

impl StoreFile {
    /// The path of the ledger in a state directory.
    pub fn path_in(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// Opens the ledger of `dir`. Every page of it is looked at, and what an unclean stop left undone is done.
    ///
    /// # Errors
    /// When there is none, or it is open elsewhere, damaged, of another version, or no ledger at all.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = Self::path_in(dir);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|error| StoreError::of_disk(&path, error))?;
        if file.metadata().is_ok_and(|about| about.len() == 0) {
            // redb would make a new one of it, and everything would be forgotten.
            return Err(StoreError::Corrupt(path, "it is empty".to_owned()));
        }
        let database = guarded(&path, || Ok(builder().create_with_backend(FileBackend::new(file)?)?))?;
        Self::over(path, database)
    }

    /// Opens the ledger of `dir`, or makes one; it must be of this hash key and of this key of people. What is kept up beside the
    /// latter begins now, if nothing was.
    ///
    /// # Errors
    /// As [`StoreFile::open`], and when it was written under another hash key or another key of people, or something else is
    /// kept up in it: that would be lost.
    pub fn open_or_create(dir: &Path, mark: KeyMark, now: Now) -> Result<Self, StoreError> {
        let mut opened = match Self::open(dir) {
            Err(StoreError::Missing(path)) => {
                create(dir, &path, mark, now)?;
                Self::open(dir)
            }
            opened => opened,
        }?;
        opened.check(mark)?;
        match (opened.mark.beside, mark.beside) {
            (Some(_), other) if other != opened.mark.beside => return Err(StoreError::NoBeside(opened.path)),
            (None, Some(_)) => {
                opened.keep_beside(mark.beside, now)?;
                report(&Event::StoreBeside);
            }
            (Some(_) | None, _) => {}
        }
        Ok(opened)
    }

    /// Whether it is of this hash key and of this key of people, whatever is kept up beside.
    ///
    /// # Errors
    /// When it is of others.
    pub fn check(&self, mark: KeyMark) -> Result<(), StoreError> {
        if self.mark.key != mark.key {
            return Err(StoreError::OtherKey(self.path.clone()));
        }
        if self.mark.people != mark.people {
            return Err(StoreError::OtherPeople(self.path.clone()));
        }
        Ok(())
    }

    fn over(path: PathBuf, database: Database) -> Result<Self, StoreError> {
        let meta = guarded(&path, || {
            let reading = database.begin_read()?;
            let meta = reading.open_table(META)?;
            let read = |name| Ok::<_, Fault>(meta.get(name)?.map(|value| value.value().to_vec()));
            Ok((read(META_FORMAT)?, read(META_KEY)?, people::read(&meta)?))
        })?;
        let (Some(format), Some(key), people) = meta else {
            return Err(StoreError::Foreign(path));
        };
        if ![FORMAT, FORMAT_ONE_KEY]
            .iter()
            .any(|known| format == known.to_le_bytes())
        {
            let found = <[u8; 4]>::try_from(format.as_slice()).map_or(0, u32::from_le_bytes);
            return Err(StoreError::Version(path, found.to_string()));
        }
        let (Ok(key), Some(people)) = (key.try_into(), people) else {
            return Err(StoreError::Foreign(path));
        };
        Ok(Self {
            path,
            database,
            mark: KeyMark {
                key,
                people: people.people,
                beside: people.beside.map(|(beside, _)| beside),
            },
            since: people.beside.map_or(0, |(_, since)| since),
            large: LargeKeys::new(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The hash key that it was written under.
    pub fn mark(&self) -> KeyMark {
        self.mark
    }

    /// Whose data it counts; of nobody yet where it is new.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn tenants(&self) -> Result<Vec<String>, StoreError> {
        let names = guarded(&self.path, || {
            let reading = self.database.begin_read()?;
            let names = reading.open_table(META)?.get(META_TENANTS)?;
            Ok(names.map(|names| names.value().to_vec()))
        })?;
        let names = names.unwrap_or_else(|| DEFAULT_TENANT.into());
        let names = String::from_utf8(names).map_err(|_| StoreError::Foreign(self.path.clone()))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// From now on it counts the data of these `tenants`, whose it must be already, as far as it is somebody's.
    ///
    /// # Errors
    /// When it counts someone else's, and those of the disk.
    pub fn admit(&mut self, tenants: &[String]) -> Result<(), StoreError> {
        let known = self.tenants()?;
        if let Some(other) = known.iter().find(|known| !tenants.contains(known)) {
            return Err(StoreError::OtherTenant(self.path.clone(), other.clone()));
        }
        if known.len() == tenants.len() {
            return Ok(());
        }
        guarded(&self.path, || {
            let writing = begin(&self.database)?;
            writing
                .open_table(META)?
                .insert(META_TENANTS, tenants.join("\n").as_bytes())?;
            writing.commit()?;
            Ok(())
        })
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |about| about.len())
    }

    /// Shows every row, those of one key after one another; to be called before the first write.
    ///
    /// # Errors
    /// When the file cannot be read. A row that is no frame is shown as such.
    pub fn each(&mut self, mut show: impl FnMut(Row)) -> Result<(), StoreError> {
        let large = &mut self.large;
        large.clear();
        guarded(&self.path, || {
            let reading = self.database.begin_read()?;
            for row in reading.open_table(ROWS)?.iter()? {
                let (name, bytes) = row?;
                let (name, bytes) = (name.value(), bytes.value());
                let (key, part) = key_and_part(name);
                note(large, key, part, bytes.len());
                show(Row {
                    bytes: bytes.len(),
                    frame: decode(name, bytes),
                });
            }
            Ok(())
        })
    }

    /// Shows all that the rows say of each of `keys`; none where there is none of it.
    pub(super) fn keys(
        &self,
        keys: &[KeyId],
        mut show: impl FnMut(KeyId, Option<&KeyFrame>),
    ) -> Result<(), StoreError> {
        guarded(&self.path, || {
            let reading = self.database.begin_read()?;
            let rows = reading.open_table(ROWS)?;
            for key in keys {
                let of_key = rows.range::<&RowKey>(&row_key(*key, 0)..=&row_key(*key, u32::MAX))?;
                show(*key, joined(of_key)?.as_ref());
            }
            Ok(())
        })
    }

    /// All births, the oldest first, and the second since which they are remembered; 0 if they are not.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn births(&self) -> Result<(Vec<(CredentialId, Birth)>, u32), StoreError> {
        let births = guarded(&self.path, || births::read(&self.database.begin_read()?))?;
        births.ok_or_else(|| StoreError::Corrupt(self.path.clone(), "a birth is none".to_owned()))
    }

    /// Merges `frames` into the rows and drops the rows `unneeded`, and the `news` of births, all or nothing; on disk when it
    /// returns.
    ///
    /// # Errors
    /// When the disk refuses or what is there cannot be read. The file must then be opened again.
    pub(super) fn write_all(
        &mut self,
        frames: &[KeyFrame],
        unneeded: &[RowKey],
        news: &News,
        now: Now,
    ) -> Result<(), StoreError> {
        let changed = guarded(&self.path, || {
            let writing = begin(&self.database)?;
            news.put(&writing)?;
            let mut rows = Rows::new(writing.open_table(ROWS)?, &self.large, now.second());
            for row in unneeded {
                rows.remove(row)?;
            }
            for frame in frames {
                rows.put(frame)?;
            }
            let changed = rows.changed();
            writing.commit()?;
            Ok(changed)
        })?;
        for (key, large) in changed {
            match large {
                Some(large) => self.large.insert(key, large),
                None => self.large.remove(&key),
            };
        }
        Ok(())
    }

    /// [`StoreFile::write_all`] without births.
    #[cfg(test)]
    pub(super) fn write(&mut self, frames: &[KeyFrame], unneeded: &[RowKey], now: Now) -> Result<(), StoreError> {
        self.write_all(frames, unneeded, &News::default(), now)
    }

    /// Merges all `frames` into the rows, all or nothing.
    ///
    /// # Errors
    /// Those of `frames`, and those of the disk: then nothing has changed.
    pub fn import<E: From<StoreError>>(
        &mut self,
        mut frames: impl Iterator<Item = Result<KeyFrame, E>>,
        now: Now,
    ) -> Result<(), E> {
        self.each(drop)?;
        guarded(&self.path, || {
            let writing = begin(&self.database)?;
            let mut rows = Rows::new(writing.open_table(ROWS)?, &self.large, now.second());
            for frame in &mut frames {
                match frame {
                    Ok(frame) => rows.put(&frame)?,
                    Err(error) => return Ok(Err(error)),
                }
            }
            drop(rows.changed());
            writing.commit()?;
            Ok(Ok(()))
        })?
    }

    /// Merges `births` into the rows, all or nothing.
    ///
    /// # Errors
    /// Those of the disk: then nothing has changed.
    pub fn import_births(&mut self, births: Vec<(CredentialId, Birth)>) -> Result<(), StoreError> {
        let (_, since) = self.births()?;
        guarded(&self.path, || {
            let writing = begin(&self.database)?;
            News::of(births, since).put(&writing)?;
            writing.commit()?;
            Ok(())
        })
    }

    /// Of the next `count` rows behind `from`, those that nobody needs any more; and where to go on, if there are more.
    pub(super) fn unneeded(
        &self,
        from: Option<RowKey>,
        count: usize,
        now: Now,
    ) -> Result<(Vec<RowKey>, Option<RowKey>), StoreError> {
        guarded(&self.path, || {
            let reading = self.database.begin_read()?;
            let start = from.unwrap_or_else(|| row_key(KeyId([0; 12]), 0));
            let (mut unneeded, mut last, mut seen) = (Vec::new(), None, 0);
            for row in reading.open_table(ROWS)?.range::<&RowKey>(&start..)?.take(count) {
                let (name, bytes) = row?;
                seen += 1;
                last = Some(*name.value());
                let is_unneeded = !is_needed(&mut decode(name.value(), bytes.value())?, now.second());
                unneeded.extend(is_unneeded.then_some(*name.value()));
            }
            Ok((unneeded, last.filter(|_| seen == count)))
        })
    }

    /// [`StoreFile::compact`], where that gives back much.
    pub(super) fn compact_if_bloated(&mut self) -> Result<(), StoreError> {
        let bytes = self.bytes();
        if bytes < BLOATED_BYTES_MIN {
            return Ok(());
        }
        let mut row_bytes = 0;
        self.each(|row| row_bytes += row.bytes as u64)?;
        if bytes / BLOATED_TIMES > row_bytes {
            self.compact()?;
        }
        Ok(())
    }

    /// Gives room that no row takes back to the disk; bytes of the file before and after.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn compact(&mut self) -> Result<(u64, u64), StoreError> {
        let before = self.bytes();
        guarded(&self.path, || {
            self.database.compact()?;
            Ok(())
        })?;
        Ok((before, self.bytes()))
    }
}

/// Rows of one key as one.
fn joined(rows: redb::Range<'_, &'static RowKey, &'static [u8]>) -> Result<Option<KeyFrame>, Fault> {
    let mut whole: Option<KeyFrame> = None;
    for row in rows {
        let (name, bytes) = row?;
        let frame = decode(name.value(), bytes.value())?;
        match &mut whole {
            Some(whole) => whole.join(&frame),
            None => whole = Some(frame),
        }
    }
    Ok(whole)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES_MAX);
    // A file that was closed in order is otherwise believed, and a flipped bit in it panics much later.
    builder.set_check_integrity_on_open(true);
    builder
}

/// Makes an empty ledger at `path`.
fn create(dir: &Path, path: &Path, mark: KeyMark, now: Now) -> Result<(), StoreError> {
    let new = dir.join(NEW_FILE);
    // Where it is not found, the directory is what is missing.
    let of_disk = |error: io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            StoreError::Io(new.clone(), error)
        } else {
            StoreError::of_disk(&new, error)
        }
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true).mode(MODE);
    let file = options.open(&new).map_err(of_disk)?;
    guarded(&new, || {
        let database = builder().create_with_backend(FileBackend::new(file)?)?;
        let writing = database.begin_write()?;
        {
            let mut meta = writing.open_table(META)?;
            meta.insert(META_KEY, mark.key.as_slice())?;
            people::write(&mut meta, mark, now)?;
            meta.insert(META_TENANTS, [].as_slice())?;
            meta.insert(META_CREATED, now.second().to_le_bytes().as_slice())?;
            writing.open_table(ROWS)?;
        }
        writing.commit()?;
        database.close()?;
        Ok(())
    })?;
    fs::rename(&new, path)
        .and_then(|()| File::open(dir)?.sync_all())
        .map_err(of_disk)
}

/// One sync more than redb's default: what a crash left behind is otherwise taken for the write before where a bit in it is
/// wrong.
pub(super) fn begin(database: &Database) -> Result<WriteTransaction, TransactionError> {
    let mut writing = database.begin_write()?;
    writing.set_two_phase_commit(true);
    Ok(writing)
}
