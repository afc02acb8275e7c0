//! Walks the chain of a journal, and names every place at which it is not as it was written.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::bytes::Cursor;
use super::frame::{Chain, JournalError, Kind, NoFrame};
use super::index::Index;
use super::seal::{HEAD_FILE, Statement, Verifier, signature_of};
use super::segment::{Segment, list};
use super::tables::{Row, Sum};

/// Faults that are told at most; whoever has more has to start anew anyhow.
const FAULTS_MAX: usize = 100;

/// A place at which the journal is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The segment, or the directory.
    pub path: PathBuf,
    /// The first byte of the frame.
    pub offset: u64,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: at byte {}: {}", self.path.display(), self.offset, self.what)
    }
}

/// What a walk along the chain found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Segments, frames and entries that were read.
    pub segments: u64,
    /// Frames.
    pub frames: u64,
    /// Entries.
    pub entries: u64,
    /// Checkpoints whose signature holds.
    pub checkpoints: u64,
    /// Frames after the newest of them: only their hashes hold, so that these could be cut off unseen.
    pub unsigned_frames: u64,
    /// The newest checkpoint, to be compared with what a collector has of the log.
    pub newest: Option<Statement>,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Verifies the journal in `dir`.
///
/// # Errors
/// When the directory or a file in it cannot be read.
pub fn verify(dir: &Path, verifier: &Verifier) -> Result<Verified, JournalError> {
    let head = head(dir, verifier)?;
    let mut walk = Walk {
        verifier,
        head: head.as_ref().ok().copied().flatten(),
        is_head_met: false,
        chain: None,
        sequence: None,
        first: None,
        begins_at: 1,
        found: Verified::default(),
        rows: Vec::new(),
    };
    let (mut buffer, mut last) = (Vec::new(), dir.to_owned());
    for (sequence, path) in list(dir)? {
        buffer = walk.segment(sequence, &path, buffer)?;
        last = path;
    }
    match (head, walk.first) {
        (Err(what), _) => walk.fault(&dir.join(HEAD_FILE), 0, what),
        (Ok(None), _) if walk.found.checkpoints > 0 => {
            walk.fault(&dir.join(HEAD_FILE), 0, "the file of the newest checkpoint is missing");
        }
        (Ok(Some(head)), _) if !walk.is_head_met => {
            let what = format!(
                "it ends before the newest checkpoint, which stands in segment {} at byte {}",
                head.sequence, head.length
            );
            walk.fault(&last, 0, what);
        }
        (Ok(_), _) => {}
    }
    if walk.first.is_some_and(|first| first > walk.begins_at) {
        let what = format!("the segments from {} on are missing at its beginning", walk.begins_at);
        walk.fault(dir, 0, what);
    }
    Ok(walk.found)
}

/// The newest checkpoint, as its file has it; or what is wrong with that.
fn head(dir: &Path, verifier: &Verifier) -> Result<Result<Option<Statement>, &'static str>, JournalError> {
    let path = dir.join(HEAD_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ok(None)),
        Err(error) => return Err(JournalError::Io(path, error)),
    };
    let head = Statement::of_head(&bytes, verifier);
    Ok(head
        .map(Some)
        .ok_or("the newest checkpoint is not signed with this key"))
}

struct Walk<'a> {
    verifier: &'a Verifier,
    head: Option<Statement>,
    is_head_met: bool,
    /// The hash at the end of what was read; none where that is not known.
    chain: Option<Chain>,
    /// The number of the segment before.
    sequence: Option<u64>,
    /// The number of the first segment.
    first: Option<u64>,
    /// The first segment that must be there.
    begins_at: u64,
    found: Verified,
    rows: Vec<Row>,
}

impl Walk<'_> {
    fn fault(&mut self, path: &Path, offset: u64, what: impl Into<String>) {
        if self.found.faults.len() < FAULTS_MAX {
            self.found.faults.push(Fault {
                path: path.to_owned(),
                offset,
                what: what.into(),
            });
        }
    }

    fn segment(&mut self, sequence: u64, path: &Path, buffer: Vec<u8>) -> Result<Vec<u8>, JournalError> {
        self.first.get_or_insert(sequence);
        self.found.segments += 1;
        let before = self.sequence.replace(sequence);
        if let Some(missing) = before.map(|before| before + 1).filter(|next| *next != sequence) {
            self.fault(
                path,
                0,
                format!("the segments from {missing} to {} are missing", sequence - 1),
            );
            self.chain = None;
        }
        let mut segment = match Segment::open(path, buffer) {
            Ok(segment) => segment,
            Err(JournalError::Foreign(_)) => {
                self.fault(path, 0, "its header is not as it was written");
                self.chain = None;
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let header = segment.header;
        if header.sequence != sequence {
            self.fault(path, 0, format!("it is segment {} under another name", header.sequence));
        }
        let is_first = sequence == 1 && before.is_none();
        let expected = if is_first { Some([0; 32]) } else { self.chain };
        if expected.is_some_and(|chain| chain != header.previous) {
            self.fault(path, 0, "it does not follow the segment before it");
        }
        let mut sum = Sum::new();
        self.chain = Some(segment.begun);
        while self.frame(&mut segment, &mut sum) {}
        Ok(segment.into_buffer())
    }

    /// Walks one frame on; false where there is none.
    fn frame(&mut self, segment: &mut Segment, sum: &mut Sum) -> bool {
        let (offset, header, path) = (segment.offset(), segment.header, segment.path.clone());
        let frame = match segment.next() {
            Ok(frame) => frame,
            Err(NoFrame::End) => return false,
            Err(why) => {
                let what = match why {
                    NoFrame::Damaged(what) => what,
                    NoFrame::Torn | NoFrame::End => "the last frame is not whole",
                };
                self.fault(&path, offset, what);
                self.chain = None;
                return false;
            }
        };
        if self.chain != Some(frame.previous) {
            self.fault(&path, offset, "what stands before it is not what was written");
        }
        let statement = Statement {
            key_id: header.key_id,
            sequence: header.sequence,
            length: offset,
            chain: frame.previous,
            second: 0,
        };
        let fault = match frame.kind {
            Kind::Entries => self.entries(frame.content, sum).err(),
            Kind::Checkpoint => self.checkpoint(frame.content, statement).err(),
            Kind::Index => is_index(sum, frame.content).err(),
            Kind::Removed => self.removed(frame.content).err(),
            Kind::Tenants => None,
        };
        self.chain = Some(frame.chain());
        self.found.frames += 1;
        if let Some(what) = fault {
            self.fault(&path, offset, what);
        }
        true
    }

    fn entries(&mut self, content: &[u8], sum: &mut Sum) -> Result<(), &'static str> {
        self.found.unsigned_frames += 1;
        sum.add(content, &mut self.rows).ok_or("its entries are none")?;
        self.found.entries += self.rows.len() as u64;
        Ok(())
    }

    fn checkpoint(&mut self, content: &[u8], statement: Statement) -> Result<(), &'static str> {
        let (second, signature) = signature_of(content).ok_or("a checkpoint of another length")?;
        let statement = Statement { second, ..statement };
        if !self.verifier.holds(&statement, signature) {
            return Err("its signature is not under what stands before it");
        }
        self.is_head_met |= self.head == Some(statement);
        self.found.checkpoints += 1;
        self.found.unsigned_frames = 0;
        self.found.newest = Some(statement);
        Ok(())
    }

    fn removed(&mut self, content: &[u8]) -> Result<(), &'static str> {
        let first = Cursor(content).u64().ok_or("it does not say what was removed")?;
        self.begins_at = self.begins_at.max(first);
        Ok(())
    }
}

/// Whether `content` is the index of what was summed.
fn is_index(sum: &Sum, content: &[u8]) -> Result<(), &'static str> {
    let index = Index::new(sum.seconds, sum.entries, sum.keys().iter());
    if Index::decode(content) == Some(index) {
        Ok(())
    } else {
        Err("its index is not that of its entries")
    }
}
