//! Reads a journal from its oldest entry to its newest, one segment in memory at a time.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::entry::Entry;
use super::frame::{JournalError, Kind, NoFrame};
use super::segment::{Segment, list, outline};
use super::tables::{Row, Tables};

/// The entries of a journal in the order of time, within each run of the gateway: after one that began with an earlier clock it
/// goes on from there. Takes the memory of one segment, whatever the journal holds.
///
/// A segment that cannot be read whole is an error with its place, after which the next segment follows. A frame that is being
/// written, or was not written to its end, is the end of its segment.
pub struct Reader {
    segments: VecDeque<PathBuf>,
    from: u32,
    to: u32,
    key_id: Option<u64>,
    segment: Option<Segment>,
    tables: Tables,
    /// The rows of the frame that is told, the next one last.
    rows: Vec<Row>,
    buffer: Vec<u8>,
}

impl Reader {
    /// The journal in `dir`.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let segments = list(dir)?.into_iter().map(|(_, path)| path).collect();
        Ok(Self::over(segments, None))
    }

    /// One segment in memory.
    ///
    /// # Errors
    /// When it has no header that this version reads.
    pub fn of_segment(bytes: Vec<u8>) -> Result<Self, JournalError> {
        let segment = Segment::of(Path::new("memory"), bytes)?;
        Ok(Self::over(VecDeque::new(), Some(segment)))
    }

    fn over(segments: VecDeque<PathBuf>, segment: Option<Segment>) -> Self {
        Self {
            segments,
            from: 0,
            to: u32::MAX,
            key_id: None,
            segment,
            tables: Tables::default(),
            rows: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// Only entries between these unix seconds, both included.
    #[must_use]
    pub fn between(mut self, from: u32, to: u32) -> Self {
        (self.from, self.to) = (from, to);
        self
    }

    /// Refuses segments whose hashes were made with another hash key than the one of this [`key_id`](super::key_id).
    #[must_use]
    pub fn of_key(mut self, key_id: u64) -> Self {
        self.key_id = Some(key_id);
        self
    }

    /// The next segment that has something to tell; false if there is none.
    fn turn(&mut self) -> Result<bool, JournalError> {
        while let Some(path) = self.segments.pop_front() {
            let closed = outline(&path)?.closed;
            if closed.is_some_and(|(index, _)| !index.meets(self.from, self.to)) {
                continue;
            }
            let segment = Segment::open(&path, std::mem::take(&mut self.buffer))?;
            if self.key_id.is_some_and(|key_id| key_id != segment.header.key_id) {
                return Err(JournalError::OtherKey(path));
            }
            self.segment = Some(segment);
            self.tables = Tables::default();
            return Ok(true);
        }
        Ok(false)
    }

    /// Fills `rows` from the next frame of the segment; false at its end.
    fn fill(&mut self) -> Result<bool, JournalError> {
        let Some(segment) = &mut self.segment else {
            return Ok(false);
        };
        loop {
            let offset = segment.offset();
            let frame = match segment.next() {
                Ok(frame) => frame,
                Err(NoFrame::End | NoFrame::Torn) => return Ok(false),
                Err(NoFrame::Damaged(what)) => return Err(segment.damaged(offset, what)),
            };
            if frame.kind != Kind::Entries {
                continue;
            }
            if self.tables.rows(frame.content, &mut self.rows).is_none() {
                return Err(segment.damaged(offset, "its entries are none"));
            }
            let (from, to) = (self.from, self.to);
            self.rows.retain(|row| (from..=to).contains(&row.second));
            self.rows.reverse();
            if !self.rows.is_empty() {
                return Ok(true);
            }
        }
    }

    fn entry(&mut self) -> Result<Option<Entry>, JournalError> {
        loop {
            if let Some(row) = self.rows.pop() {
                // It was found in the tables when it was read.
                return Ok(self.tables.entry(row));
            }
            if self.fill()? {
                continue;
            }
            if let Some(segment) = self.segment.take() {
                self.buffer = segment.into_buffer();
            }
            if !self.turn()? {
                return Ok(None);
            }
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Entry, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.entry() {
            Ok(entry) => entry.map(Ok),
            Err(error) => {
                // What is left of a segment that is not as it was written cannot be trusted to mean what it says.
                self.segment = None;
                self.rows.clear();
                Some(Err(error))
            }
        }
    }
}
