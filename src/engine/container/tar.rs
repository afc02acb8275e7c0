//! TAR (POSIX.1-2001, "ustar Interchange Format"): headers of 512 bytes, each with a file behind it, filled up to 512 bytes.

use super::bytes::{gather, part, take};
use super::steps::Steps;
use super::unpack::Unpacker;
use super::{Fault, Told};
use crate::engine::structure::Declared;

/// Bytes of a block.
const BLOCK_BYTES: u64 = 512;

/// The reader of one archive.
pub(super) struct Tar {
    level: u32,
    header: Vec<u8>,
    state: State,
}

enum State {
    Header,
    /// A file, with so many bytes left of it and of what fills its last block.
    File {
        left: u64,
        fill: u64,
        file: Box<Unpacker>,
    },
    Fill(u64),
    /// Behind the archive.
    Rest(Box<Unpacker>),
}

impl Steps for Tar {
    fn step(&mut self, bytes: &mut &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        match &mut self.state {
            State::Header => {
                if gather(&mut self.header, BLOCK_BYTES as usize, bytes) {
                    self.begin(told)?;
                }
            }
            State::File { left, fill, file } => {
                let data = take(bytes, *left);
                *left -= data.len() as u64;
                file.push(data, told)?;
                if *left == 0 {
                    file.finish(told)?;
                    self.state = State::Fill(*fill);
                }
            }
            State::Fill(left) => *left -= take(bytes, *left).len() as u64,
            State::Rest(rest) => rest.push(take(bytes, u64::MAX), told)?,
        }
        if matches!(self.state, State::Fill(0)) {
            self.state = State::Header;
        }
        Ok(())
    }
}

impl Tar {
    pub(super) fn new(level: u32) -> Self {
        Self {
            level,
            header: Vec::new(),
            state: State::Header,
        }
    }

    pub(super) fn is_drained(&self) -> bool {
        match &self.state {
            State::Header | State::Fill(_) => self.header.is_empty(),
            State::File { file, .. } => file.is_drained(),
            State::Rest(rest) => rest.is_drained(),
        }
    }

    pub(super) fn finish(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        match &mut self.state {
            State::Header | State::Fill(_) => Ok(()),
            State::File { file, .. } => {
                file.finish(told)?;
                Err(Fault::Unreadable)
            }
            State::Rest(rest) => rest.finish(told),
        }
    }

    /// A header is whole.
    fn begin(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        let header = std::mem::take(&mut self.header);
        if header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        if !is_header(&header) {
            let mut rest = Unpacker::new(self.level);
            rest.push(&header, told)?;
            self.state = State::Rest(Box::new(rest));
            return Ok(());
        }
        told.meter().entry()?;
        let size = size(part(&header, 124, 12)).ok_or(Fault::Unreadable)?;
        told.begin(Declared::Lines);
        for (from, length) in [(0, 100), (157, 100), (265, 64), (345, 155)] {
            let name = part(&header, from, length);
            told.text(name.split(|byte| *byte == 0).next().unwrap_or_default())?;
            told.text(b"\n")?;
        }
        let fill = (BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES;
        if size > 0 {
            self.state = State::File {
                left: size,
                fill,
                file: Box::new(Unpacker::new(self.level)),
            };
        }
        Ok(())
    }
}

/// Whether the sum of a header's bytes is the one it states, blanks standing for the sum itself.
fn is_header(header: &[u8]) -> bool {
    let bytes = header.iter().enumerate();
    let sum: u64 = bytes
        .map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte }))
        .sum();
    size(part(header, 148, 8)) == Some(sum)
}

/// A number in octal, or with its high bit set in bytes.
fn size(field: &[u8]) -> Option<u64> {
    if let [first, rest @ ..] = field
        && first & 0x80 != 0
    {
        let (high, low) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
        let is_small = high.iter().all(|byte| *byte == 0) && first.trailing_zeros() >= 7;
        return is_small.then(|| super::bytes::big(low)).filter(|size| *size < 1 << 62);
    }
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches(|letter| letter == ' ' || letter == '\0');
    if digits.is_empty() {
        Some(0)
    } else {
        u64::from_str_radix(digits, 8).ok()
    }
}
