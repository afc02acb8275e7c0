//! The bytes of a segment: a header, and frames that each name the hash of all before them.
//!
//! ```text
//! header  0..7     7        8..16   16..24    24..28        28..60     60..64
//!         TGJRNL.  version  key id  sequence  first second  hash before  crc32
//!
//! frame   0     1..5    5..37        37..41  41..
//!         kind  length  hash before  crc32   content
//! ```
//!
//! The hash after a header or a frame is the BLAKE3 hash of all of its bytes; since these hold the hash before, it stands for
//! everything up to there, through all segments. The checksum tells bytes that a disk lost from those that someone changed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::bytes::Cursor;

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 64;
/// Bytes of a frame before its content.
pub(super) const FRAME_HEAD_BYTES: usize = 41;
/// Bytes of the content of one frame; a longer one is damage.
pub(super) const CONTENT_BYTES_MAX: usize = 16 << 20;
/// Bytes after which a segment is closed.
pub(super) const SEGMENT_BYTES_MAX: u64 = 32 << 20;

const MAGIC: &[u8; 7] = b"TGJRNL\0";
const VERSION: u8 = 1;

/// A hash of everything up to some place.
pub(super) type Chain = [u8; 32];

/// Why a journal cannot be read or written.
#[derive(Debug)]
pub enum JournalError {
    /// A file or the directory cannot be used.
    Io(PathBuf, io::Error),
    /// A segment is not as it was written, from this byte on.
    Damaged {
        /// The segment.
        path: PathBuf,
        /// The first byte of the frame that is not as it was.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A file that is no segment, or one of another version.
    Foreign(PathBuf),
    /// A segment whose hashes were made with another hash key.
    OtherKey(PathBuf),
    /// A segment that names the data of this tenant, which is none of those that are served.
    OtherTenant(PathBuf, String),
    /// The signing key is not one, or can be read by others.
    Signer(PathBuf, &'static str),
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Damaged { path, offset, what } => write!(f, "{}: at byte {offset}: {what}", path.display()),
            Self::Foreign(path) => write!(f, "{}: no segment of a journal that this version reads", path.display()),
            Self::OtherKey(path) => write!(f, "{}: its hashes were made with another hash key", path.display()),
            Self::OtherTenant(path, tenant) => write!(
                f,
                "{}: it names the data of the tenant `{tenant}`, which no route names: name it, or keep another journal",
                path.display()
            ),
            Self::Signer(path, what) => write!(f, "{}: {what}", path.display()),
        }
    }
}

impl std::error::Error for JournalError {}

impl JournalError {
    /// Names the file of an error.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io(path, error)
    }
}

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Names the hash key under which subjects and keys are hashed.
    pub(super) key_id: u64,
    /// Its number in the journal, from 1.
    pub(super) sequence: u64,
    /// When it was begun, unix second.
    pub(super) second: u32,
    /// The hash at the end of the segment before it.
    pub(super) previous: Chain,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.key_id.to_le_bytes());
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.second.to_le_bytes());
        bytes.extend_from_slice(&self.previous);
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header at the front of `bytes`, with the hash after it; `None` if there is none of this version.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, Chain)> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        let (content, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(content) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut cursor = Cursor(content);
        if cursor.array::<7>()? != *MAGIC || cursor.byte()? != VERSION {
            return None;
        }
        let header = Self {
            key_id: cursor.u64()?,
            sequence: cursor.u64()?,
            second: cursor.u32()?,
            previous: cursor.array()?,
        };
        Some((header, *blake3::hash(bytes).as_bytes()))
    }
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Entries, with the names, keys and actors that they are the first to need.
    Entries,
    /// A signature under everything before it.
    Checkpoint,
    /// The index of a segment that is closed; a checkpoint follows and nothing else.
    Index,
    /// Older segments were removed.
    Removed,
    /// Whose data the segment names, a tenant a line, if it is not the default one's alone; the first frame.
    Tenants,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Entries,
        Self::Checkpoint,
        Self::Index,
        Self::Removed,
        Self::Tenants,
    ];

    const fn code(self) -> u8 {
        match self {
            Self::Entries => 1,
            Self::Checkpoint => 2,
            Self::Index => 3,
            Self::Removed => 4,
            Self::Tenants => 5,
        }
    }
}

/// A frame as its bytes, and the hash after it.
pub(super) fn frame(kind: Kind, previous: &Chain, content: &[u8]) -> (Vec<u8>, Chain) {
    let mut bytes = Vec::with_capacity(FRAME_HEAD_BYTES + content.len());
    bytes.push(kind.code());
    bytes.extend_from_slice(&(content.len() as u32).to_le_bytes());
    bytes.extend_from_slice(previous);
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes);
    crc.update(content);
    bytes.extend_from_slice(&crc.finalize().to_le_bytes());
    bytes.extend_from_slice(content);
    let chain = *blake3::hash(&bytes).as_bytes();
    (bytes, chain)
}

/// A segment as someone would forge it: frames of entries with any content, under checksums and hashes that are right. For those
/// who look for content that a reader cannot take.
pub fn forge<'c>(contents: impl IntoIterator<Item = &'c [u8]>) -> Vec<u8> {
    let header = Header {
        key_id: 1,
        sequence: 1,
        second: 0,
        previous: [0; 32],
    };
    let mut bytes = header.encode();
    let mut chain = *blake3::hash(&bytes).as_bytes();
    for content in contents {
        let (frame, after) = frame(Kind::Entries, &chain, content);
        bytes.extend(frame);
        chain = after;
    }
    bytes
}

/// One frame as it was read.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    /// The hash before it, as it says.
    pub(super) previous: Chain,
    pub(super) content: &'a [u8],
    /// All of its bytes.
    pub(super) whole: &'a [u8],
}

impl Frame<'_> {
    /// The hash after it.
    pub(super) fn chain(&self) -> Chain {
        *blake3::hash(self.whole).as_bytes()
    }
}

/// Why there is no frame at some place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoFrame {
    /// Nothing more follows.
    End,
    /// It was not written to its end, or its last bytes are lost: whatever the reason, nothing whole follows.
    Torn,
    /// It is not as it was written, though something follows.
    Damaged(&'static str),
}

/// The frame at the front of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Frame<'_>, NoFrame> {
    if bytes.is_empty() {
        return Err(NoFrame::End);
    }
    let (kind, previous, crc, length) = head(bytes).ok_or(NoFrame::Torn)?;
    if length > CONTENT_BYTES_MAX {
        return Err(NoFrame::Damaged("a frame of an impossible length"));
    }
    let whole = bytes.get(..FRAME_HEAD_BYTES + length).ok_or(NoFrame::Torn)?;
    let (head, content) = whole.split_at(FRAME_HEAD_BYTES);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head.get(..FRAME_HEAD_BYTES - 4).unwrap_or_default());
    hasher.update(content);
    if hasher.finalize() != crc {
        let is_last = bytes.len() == whole.len();
        return Err(if is_last {
            NoFrame::Torn
        } else {
            NoFrame::Damaged("its checksum is wrong")
        });
    }
    let kind = Kind::ALL.into_iter().find(|known| known.code() == kind);
    let kind = kind.ok_or(NoFrame::Damaged("a frame of an unknown kind"))?;
    Ok(Frame {
        kind,
        previous,
        content,
        whole,
    })
}

fn head(bytes: &[u8]) -> Option<(u8, Chain, u32, usize)> {
    let mut cursor = Cursor(bytes);
    let (kind, length) = (cursor.byte()?, cursor.u32()?);
    Some((kind, cursor.array()?, cursor.u32()?, length as usize))
}
