//! The files of a journal: which there are, what one holds, and what is known of one without reading it.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::frame::{
    CONTENT_BYTES_MAX, Chain, FRAME_HEAD_BYTES, Frame, HEADER_BYTES, Header, JournalError, Kind, NoFrame,
    SEGMENT_BYTES_MAX, read,
};
use super::index::Index;
use super::seal::CHECKPOINT_BYTES;

const ENDING: &str = ".segment";
/// A segment is closed after [`SEGMENT_BYTES_MAX`], which one frame, its index and its last checkpoint may exceed.
const FILE_BYTES_MAX: u64 = SEGMENT_BYTES_MAX + 3 * CONTENT_BYTES_MAX as u64;
/// Bytes of possible frames that are looked at behind one that is torn.
const FOLLOWING_BYTES_MAX: usize = 256 << 20;
/// Bytes of the frame of a checkpoint.
const LAST_FRAME_BYTES: usize = FRAME_HEAD_BYTES + CHECKPOINT_BYTES;

/// The name of the segment with this number.
pub(super) fn path(dir: &Path, sequence: u64) -> PathBuf {
    dir.join(format!("{sequence:012}{ENDING}"))
}

/// The segments of a directory by their numbers, the oldest first.
pub(super) fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir).map_err(JournalError::io(dir))? {
        let path = entry.map_err(JournalError::io(dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let sequence = name.and_then(|name| name.strip_suffix(ENDING)?.parse().ok());
        segments.extend(sequence.map(|sequence| (sequence, path)));
    }
    segments.sort_unstable();
    Ok(segments)
}

/// A segment in memory; at most some 80 MiB.
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) header: Header,
    /// The hash after the header.
    pub(super) begun: Chain,
    bytes: Vec<u8>,
    /// Where the next frame begins; <= `bytes.len()`.
    at: usize,
}

impl Segment {
    /// Reads a segment into `buffer`, which is used again for the next.
    pub(super) fn open(path: &Path, mut buffer: Vec<u8>) -> Result<Self, JournalError> {
        buffer.clear();
        let file = File::open(path).map_err(JournalError::io(path))?;
        let length = file.metadata().map_err(JournalError::io(path))?.len();
        if length > FILE_BYTES_MAX {
            return Err(JournalError::Foreign(path.to_owned()));
        }
        buffer.reserve(length as usize);
        file.take(FILE_BYTES_MAX)
            .read_to_end(&mut buffer)
            .map_err(JournalError::io(path))?;
        Self::of(path, buffer)
    }

    /// A segment of these bytes.
    pub(super) fn of(path: &Path, bytes: Vec<u8>) -> Result<Self, JournalError> {
        let (header, begun) = Header::decode(&bytes).ok_or_else(|| JournalError::Foreign(path.to_owned()))?;
        Ok(Self {
            path: path.to_owned(),
            header,
            begun,
            bytes,
            at: HEADER_BYTES,
        })
    }

    /// Where the next frame begins.
    pub(super) fn offset(&self) -> u64 {
        self.at as u64
    }

    /// Bytes of it that were not read as frames.
    pub(super) fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    /// The next frame.
    pub(super) fn next(&mut self) -> Result<Frame<'_>, NoFrame> {
        let frame = read(self.bytes.get(self.at..).unwrap_or_default())?;
        self.at += frame.whole.len();
        Ok(frame)
    }

    /// Why there is no frame here. What looks torn but has a whole frame behind it is damaged: nothing of it may be cut.
    pub(super) fn why_no_frame(&self) -> NoFrame {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match read(rest) {
            Ok(_) => NoFrame::Damaged("its entries are none"),
            Err(NoFrame::Torn) if is_followed(rest) => NoFrame::Damaged("a frame whose length is wrong"),
            Err(why) => why,
        }
    }

    /// Damage at the frame that begins here.
    pub(super) fn damaged(&self, offset: u64, what: &'static str) -> JournalError {
        JournalError::Damaged {
            path: self.path.clone(),
            offset,
            what,
        }
    }

    /// Its memory, for the next one.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }
}

/// Whether a whole frame stands somewhere behind the first byte. Looks at [`FOLLOWING_BYTES_MAX`] bytes of frames that may be;
/// past it there is too much to be a torn one.
fn is_followed(rest: &[u8]) -> bool {
    let mut looked = 0;
    let mut next = rest.get(1..).unwrap_or_default();
    while next.len() > FRAME_HEAD_BYTES {
        let length = next.get(1..5).and_then(|length| length.try_into().ok());
        let length = length.map_or(0, |length| u32::from_le_bytes(length) as usize);
        if matches!(next.first(), Some(1..=4)) && length <= next.len() {
            looked += length;
            if looked > FOLLOWING_BYTES_MAX || read(next).is_ok() {
                return true;
            }
        }
        next = next.get(1..).unwrap_or_default();
    }
    false
}

/// What is known of a segment without reading it.
pub(super) struct Outline {
    pub(super) header: Header,
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// Of a closed segment: its index, and the hash at its end.
    pub(super) closed: Option<(Index, Chain)>,
}

/// Reads the header of a segment, and, if it is closed, its index.
pub(super) fn outline(path: &Path) -> Result<Outline, JournalError> {
    let mut file = File::open(path).map_err(JournalError::io(path))?;
    let bytes = file.metadata().map_err(JournalError::io(path))?.len();
    let mut header = Vec::new();
    file.by_ref()
        .take(HEADER_BYTES as u64)
        .read_to_end(&mut header)
        .map_err(JournalError::io(path))?;
    let (header, _) = Header::decode(&header).ok_or_else(|| JournalError::Foreign(path.to_owned()))?;
    let closed = index(&mut file, bytes).map_err(JournalError::io(path))?;
    Ok(Outline { header, bytes, closed })
}

/// The index before the last frame, if the last two frames are those of a closed segment.
fn index(file: &mut File, bytes: u64) -> io::Result<Option<(Index, Chain)>> {
    let tail = LAST_FRAME_BYTES as u64 + 4;
    let Some(start) = bytes.checked_sub(tail) else {
        return Ok(None);
    };
    let last = part(file, start, tail)?;
    let Some((whole, last)) = last.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let whole = u64::from(u32::from_le_bytes(*whole));
    let is_last = |frame: &Frame<'_>| frame.kind == Kind::Checkpoint;
    let Some(checkpoint) = read(last).ok().filter(is_last) else {
        return Ok(None);
    };
    let start = bytes.checked_sub(LAST_FRAME_BYTES as u64 + whole);
    let is_possible = whole as usize <= CONTENT_BYTES_MAX + FRAME_HEAD_BYTES;
    let Some(start) = start.filter(|start| is_possible && *start >= HEADER_BYTES as u64) else {
        return Ok(None);
    };
    let frame = part(file, start, whole)?;
    let index = read(&frame).ok().filter(|frame| frame.kind == Kind::Index);
    let index = index.and_then(|frame| Index::decode(frame.content));
    Ok(index.map(|index| (index, checkpoint.chain())))
}

fn part(file: &mut File, start: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::with_capacity(length as usize);
    file.by_ref().take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}
