//! Finds the end of a journal after any end of the process: a torn tail is cut at the last whole frame, nothing before it is lost.

use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::path::Path;

use super::append::Open;
use super::frame::{Chain, HEADER_BYTES, JournalError, Kind, NoFrame};
use super::seal::Signer;
use super::segment::{Segment, list, outline};
use super::tables::Sum;
use crate::events::{Event, JournalFact, report};

/// A segment that nothing is added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) sequence: u64,
    pub(super) bytes: u64,
    /// The last second of its entries.
    pub(super) last: u32,
}

/// Where a journal ends.
#[derive(Default)]
pub(super) struct Found {
    /// The oldest first.
    pub(super) closed: VecDeque<Closed>,
    /// The number of the newest; 0 if there is none.
    pub(super) sequence: u64,
    /// The hash at its end.
    pub(super) chain: Chain,
}

/// Looks through `dir`, and closes the segment that the process before did not.
pub(super) fn recover(dir: &Path, signer: &Signer) -> Result<Found, JournalError> {
    let mut found = Found::default();
    for (sequence, path) in list(dir)? {
        let length = fs::metadata(&path).map_err(JournalError::io(&path))?.len();
        if length < HEADER_BYTES as u64 {
            // Begun and nothing more: it holds nobody.
            report(&Event::Journal(JournalFact::Torn { bytes: length }));
            fs::remove_file(&path).map_err(JournalError::io(&path))?;
            continue;
        }
        let outline = outline(&path)?;
        if outline.header.sequence != sequence {
            return Err(JournalError::Damaged {
                path,
                offset: 0,
                what: "the number in its header is not that of its name",
            });
        }
        let (bytes, last, chain) = match outline.closed {
            Some((index, chain)) => (outline.bytes, outline.header.second.max(index.seconds[1]), chain),
            None => close(dir, &path, signer)?,
        };
        found.closed.push_back(Closed { sequence, bytes, last });
        found.sequence = sequence;
        found.chain = chain;
    }
    Ok(found)
}

/// Cuts what is torn and closes the segment; one that is damaged stays as it is, for whoever looks into it. Gives its bytes, its
/// last second and the hash at its end.
fn close(dir: &Path, path: &Path, signer: &Signer) -> Result<(u64, u32, Chain), JournalError> {
    let mut segment = Segment::open(path, Vec::new())?;
    let (mut sum, mut chain, mut rows) = (Sum::new(), segment.begun, Vec::new());
    let why = loop {
        let Ok(frame) = segment.next() else {
            break segment.why_no_frame();
        };
        if frame.kind == Kind::Entries && sum.add(frame.content, &mut rows).is_none() {
            break NoFrame::Damaged("its entries are none");
        }
        chain = frame.chain();
    };
    let (length, left) = (segment.offset(), segment.left());
    let second = segment.header.second.max(sum.seconds[1]);
    if let NoFrame::Damaged(what) = why {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        report(&Event::Journal(JournalFact::Damaged {
            segment: &name,
            offset: length,
            what,
        }));
        return Ok((length + left, second, chain));
    }
    let file = OpenOptions::new()
        .append(true)
        .open(path)
        .map_err(JournalError::io(path))?;
    if left > 0 {
        report(&Event::Journal(JournalFact::Torn { bytes: left }));
        file.set_len(length).map_err(JournalError::io(path))?;
    }
    let mut open = Open::over(file, segment.header, length, chain).of_entries(sum.seconds, sum.entries);
    open.seal(&sum.keys(), dir, signer, second)
        .map_err(JournalError::io(path))?;
    let (chain, bytes) = open.end();
    Ok((bytes, second, chain))
}
