//! Appends to the journal: fills frames, closes segments, signs checkpoints, removes what is too old or too much.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::block::{BLOCK_ENTRIES_MAX, Builder};
use super::entry::Page;
use super::frame::{Chain, Header, JournalError, Kind, SEGMENT_BYTES_MAX, frame};
use super::index::Index;
use super::memory::Memory;
use super::recover::{Closed, recover};
use super::seal::{HEAD_FILE, Signer, Statement};
use super::segment::{self, Segment};
use super::settings::Settings;
use crate::engine::ledger::KeyId;
use crate::engine::secret::DEFAULT_TENANT;
use crate::events::{Event, JournalFact, report};

/// Between two checkpoints, and so between two writes that wait for the disk, at most.
const CHECKPOINT_SECONDS: u32 = 60;
pub(super) const SECONDS_AN_HOUR: u32 = 3600;
const SECONDS_A_DAY: u32 = 86_400;

/// The end of the journal, where entries are added.
pub(super) struct Appender {
    dir: PathBuf,
    /// Locked while this process writes the journal: another would cut what is being written.
    _lock: File,
    retention_s: u32,
    bytes_max: u64,
    signer: Signer,
    key_id: u64,
    /// Whose data it names, a tenant a line; empty where that is the default one's alone.
    tenants: String,
    /// Closed segments, the oldest first.
    closed: VecDeque<Closed>,
    /// The number of the newest segment, and the hash at its end if it is closed.
    sequence: u64,
    chain: Chain,
    open: Option<Open>,
    memory: Memory,
    /// A frame that the disk did not take: it is tried again, and what comes meanwhile is lost.
    stuck: Option<(Vec<u8>, [u32; 2], u64)>,
    is_failing: bool,
}

/// Refuses a segment that names data of anyone but these tenants.
fn refuse_others(path: &Path, tenants: &[String]) -> Result<(), JournalError> {
    let mut segment = Segment::open(path, Vec::new())?;
    let first = segment.next().ok().filter(|frame| frame.kind == Kind::Tenants);
    let names = first.map_or(DEFAULT_TENANT.as_bytes(), |frame| frame.content);
    let names = String::from_utf8_lossy(names);
    match names.lines().find(|name| !tenants.iter().any(|tenant| tenant == name)) {
        Some(other) => Err(JournalError::OtherTenant(path.to_owned(), other.to_owned())),
        None => Ok(()),
    }
}

/// A segment that is being written.
pub(super) struct Open {
    file: File,
    header: Header,
    /// Bytes that were written whole; the file may be longer after a failure.
    length: u64,
    is_torn: bool,
    chain: Chain,
    /// The first and the last second of its entries.
    seconds: [u32; 2],
    entries: u64,
    builder: Builder,
    /// When it was last signed, and how long it was then.
    signed: (u32, u64),
}

impl Appender {
    /// Goes on where the journal in `dir` ends.
    ///
    /// # Errors
    /// When the directory or a segment in it cannot be used, or the last one names another tenant's data.
    pub(super) fn start(
        dir: &Path,
        settings: &Settings,
        signer: Signer,
        (key_id, tenants): (u64, &[String]),
    ) -> Result<Self, JournalError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(JournalError::io(dir))?;
        let lock = lock(dir).map_err(JournalError::io(dir))?;
        let found = recover(dir, &signer)?;
        if found.sequence > 0 {
            refuse_others(&segment::path(dir, found.sequence), tenants)?;
        }
        let is_default = tenants.iter().all(|tenant| tenant == DEFAULT_TENANT);
        Ok(Self {
            dir: dir.to_owned(),
            _lock: lock,
            retention_s: settings.retention_days.saturating_mul(SECONDS_A_DAY),
            bytes_max: settings.journal_bytes_max,
            signer,
            key_id,
            tenants: if is_default { String::new() } else { tenants.join("\n") },
            closed: found.closed,
            sequence: found.sequence,
            chain: found.chain,
            open: None,
            memory: Memory::default(),
            stuck: None,
            is_failing: false,
        })
    }

    /// Writes to this file from now on; gives the other.
    #[cfg(test)]
    pub(super) fn swap(&mut self, file: File) -> File {
        let open = self.open.as_mut().expect("a segment is being written");
        std::mem::replace(&mut open.file, file)
    }

    /// Whether the last write failed.
    pub(super) fn is_failing(&self) -> bool {
        self.is_failing
    }

    /// Takes in one page; what is news of it is written with the next frame.
    pub(super) fn add(&mut self, page: &Page) {
        self.turn(page.second);
        if self.stuck.is_some() || self.opened(page.second).is_err() {
            return self.lose(page.entries() as u64);
        }
        let Some(open) = &mut self.open else { return };
        let exchange = &page.exchange;
        for person in &page.people {
            if let Some(verdict) = self.memory.news(exchange, person, page.second) {
                let names = person.classes.names(&exchange.rules);
                let what = (Some(verdict), person.subject.0);
                open.builder.add(exchange, page.second, names, what);
            }
        }
        for (reason, bytes) in &page.uninspected {
            let names = std::iter::once(*reason);
            open.builder.add(exchange, page.second, names, (None, *bytes));
        }
        if open.builder.len() >= BLOCK_ENTRIES_MAX {
            let done = self.flush();
            self.told(&done);
        }
    }

    /// Writes what waits, and does what is due: once a second or so.
    pub(super) fn tick(&mut self, second: u32) {
        self.turn(second);
        let done = self.flush().and_then(|()| self.upkeep(second));
        self.told(&done);
    }

    /// Writes what waits, and closes the segment.
    pub(super) fn finish(&mut self, second: u32) {
        let done = self.flush().and_then(|()| self.close(second));
        self.told(&done);
        if let Some((_, _, entries)) = self.stuck.take() {
            self.lose(entries);
        }
    }

    /// Closes the segment where its hour or its room is over.
    fn turn(&mut self, second: u32) {
        let is_over = |open: &Open| {
            open.length >= SEGMENT_BYTES_MAX || second / SECONDS_AN_HOUR > open.header.second / SECONDS_AN_HOUR
        };
        if self.open.as_ref().is_some_and(is_over) {
            let done = self.flush().and_then(|()| self.close(second));
            self.told(&done);
        }
    }

    fn upkeep(&mut self, second: u32) -> io::Result<()> {
        if self.is_failing {
            // Where a route is closed without a journal nothing comes that would try it.
            self.opened(second)?;
        }
        self.remove_old(second)?;
        let is_due =
            |open: &Open| open.length > open.signed.1 && second.saturating_sub(open.signed.0) >= CHECKPOINT_SECONDS;
        if let Some(open) = self.open.as_mut().filter(|open| is_due(open)) {
            open.sign(&self.dir, &self.signer, second)?;
        }
        report(&Event::Journal(JournalFact::Size(self.bytes())));
        Ok(())
    }

    /// Bytes on disk.
    fn bytes(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.length);
        self.closed.iter().map(|closed| closed.bytes).sum::<u64>() + open
    }

    /// Begins a segment, if none is being written.
    fn opened(&mut self, second: u32) -> io::Result<()> {
        if self.open.is_none() {
            let header = Header {
                key_id: self.key_id,
                sequence: self.sequence + 1,
                second,
                previous: self.chain,
            };
            let opened = Open::new(&self.dir, header);
            self.told(&opened);
            let open = self.open.insert(opened?);
            self.sequence += 1;
            if !self.tenants.is_empty() {
                open.append(Kind::Tenants, self.tenants.as_bytes())?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if self.stuck.is_none() && open.builder.len() > 0 {
            self.stuck = Some(open.builder.take());
        }
        let Some((content, seconds, entries)) = &self.stuck else {
            return Ok(());
        };
        let before = open.length;
        open.append(Kind::Entries, content)?;
        open.seconds = [open.seconds[0].min(seconds[0]), open.seconds[1].max(seconds[1])];
        open.entries += *entries;
        report(&Event::Journal(JournalFact::Written {
            entries: *entries,
            bytes: open.length - before,
        }));
        self.stuck = None;
        Ok(())
    }

    fn close(&mut self, second: u32) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let keys: Vec<KeyId> = open.builder.keys().map(|key| key.id).collect();
        let statement = open.seal(&keys, &self.dir, &self.signer, second)?;
        report(&Event::Journal(JournalFact::Closed {
            sequence: statement.sequence,
            length: statement.length,
            chain: &blake3::Hash::from_bytes(statement.chain).to_hex(),
        }));
        self.chain = open.chain;
        self.closed.push_back(Closed {
            sequence: open.header.sequence,
            bytes: open.length,
            last: open.header.second.max(open.seconds[1]),
        });
        self.open = None;
        Ok(())
    }

    /// Removes what is too old or too much, after the journal says so.
    fn remove_old(&mut self, second: u32) -> io::Result<()> {
        let oldest = second.saturating_sub(self.retention_s);
        let is_old = |closed: &Closed| closed.last < oldest;
        let old = self.closed.iter().take_while(|closed| is_old(closed)).count();
        let mut bytes = self.bytes() - self.closed.iter().take(old).map(|closed| closed.bytes).sum::<u64>();
        let mut too_much = 0;
        for closed in self.closed.iter().skip(old) {
            if bytes <= self.bytes_max {
                break;
            }
            bytes -= closed.bytes;
            too_much += 1;
        }
        if old + too_much == 0 {
            return Ok(());
        }
        let first = self.closed.get(old + too_much).map(|closed| closed.sequence);
        self.opened(second)?;
        if let Some(open) = &mut self.open {
            let first = first.unwrap_or(open.header.sequence);
            open.append(
                Kind::Removed,
                &[&first.to_le_bytes()[..], &second.to_le_bytes()].concat(),
            )?;
            open.sign(&self.dir, &self.signer, second)?;
        }
        for (reason, segments) in [("age", old), ("cap", too_much)] {
            self.remove_oldest(segments)?;
            if segments > 0 {
                let segments = segments as u64;
                report(&Event::Journal(JournalFact::Removed { reason, segments }));
            }
        }
        Ok(())
    }

    fn remove_oldest(&mut self, segments: usize) -> io::Result<()> {
        for _ in 0..segments {
            let oldest = self
                .closed
                .front()
                .map(|closed| segment::path(&self.dir, closed.sequence));
            oldest.as_deref().map_or(Ok(()), remove)?;
            // Only what is gone is forgotten.
            self.closed.pop_front();
        }
        Ok(())
    }

    fn lose(&mut self, entries: u64) {
        // They are not on the disk: whoever comes again is written again.
        self.memory.forget();
        let reason = "disk";
        report(&Event::Journal(JournalFact::Lost { reason, entries }));
    }

    fn told<T>(&mut self, done: &Result<T, impl Sized>) {
        let failed_before = std::mem::replace(&mut self.is_failing, done.is_err());
        if failed_before != self.is_failing {
            report(&Event::Journal(JournalFact::Failing(self.is_failing)));
        }
    }
}

fn lock(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another process writes this journal")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl Open {
    fn new(dir: &Path, header: Header) -> io::Result<Self> {
        let path = segment::path(dir, header.sequence);
        let bytes = header.encode();
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create_new(true).mode(0o600).open(&path)?;
        if let Err(error) = file.write_all(&bytes) {
            // Without a header it is no segment.
            fs::remove_file(&path)?;
            return Err(error);
        }
        let chain = *blake3::hash(&bytes).as_bytes();
        Ok(Self::over(file, header, bytes.len() as u64, chain))
    }

    /// Goes on in a file that has `length` bytes.
    pub(super) fn over(file: File, header: Header, length: u64, chain: Chain) -> Self {
        Self {
            file,
            header,
            length,
            is_torn: false,
            chain,
            seconds: [u32::MAX, 0],
            entries: 0,
            builder: Builder::default(),
            signed: (header.second, length),
        }
    }

    /// What its entries say in sum, for one that another process wrote.
    pub(super) fn of_entries(mut self, seconds: [u32; 2], entries: u64) -> Self {
        self.seconds = seconds;
        self.entries = entries;
        self
    }

    /// The hash at its end, and its bytes.
    pub(super) fn end(&self) -> (Chain, u64) {
        (self.chain, self.length)
    }

    /// Appends one frame; after a failure the file is cut to what was whole before the next.
    fn append(&mut self, kind: Kind, content: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.length)?;
            self.is_torn = false;
        }
        let (bytes, chain) = frame(kind, &self.chain, content);
        if let Err(error) = self.file.write_all(&bytes) {
            self.is_torn = true;
            return Err(error);
        }
        self.length += bytes.len() as u64;
        self.chain = chain;
        Ok(())
    }

    /// Signs everything so far, in the segment and beside it.
    fn sign(&mut self, dir: &Path, signer: &Signer, second: u32) -> io::Result<Statement> {
        let statement = Statement {
            key_id: self.header.key_id,
            sequence: self.header.sequence,
            length: self.length,
            chain: self.chain,
            second,
        };
        let signature = signer
            .sign(&statement)
            .ok_or_else(|| io::Error::other("the key cannot sign"))?;
        self.append(Kind::Checkpoint, &[&second.to_le_bytes()[..], &signature].concat())?;
        // What is signed is on the disk before anything says so.
        self.file.sync_data()?;
        let (new, head) = (dir.join("head.new"), dir.join(HEAD_FILE));
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&statement.head(&signature))?;
        file.sync_all()?;
        fs::rename(new, head)?;
        self.signed = (second, self.length);
        Ok(statement)
    }

    /// Appends the index and the last checkpoint: nothing comes after.
    pub(super) fn seal(&mut self, keys: &[KeyId], dir: &Path, signer: &Signer, second: u32) -> io::Result<Statement> {
        let before = self.end();
        let index = Index::new(self.seconds, self.entries, keys.iter());
        let sealed = self
            .append(Kind::Index, &index.encode())
            .and_then(|()| self.sign(dir, signer, second));
        if sealed.is_err() {
            // Each try begins where this one did, or every page would leave another index.
            (self.chain, self.length) = before;
            self.is_torn = true;
        }
        sealed
    }
}
