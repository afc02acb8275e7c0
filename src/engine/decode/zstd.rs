//! zstd (RFC 8878), one frame or many, with its block ends known: a block is readable before it is complete only to a
//! reader who decodes literals by hand, so coded bytes are let go at block ends alone.

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::coding::{DecodeError, Progress};

/// 8 MiB, the window that RFC 9659 allows on the web.
const WINDOW_LOG_MAX: u32 = 23;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A zstd decoder for one body.
pub struct Zstd {
    decoder: Option<Decoder<'static>>,
    frames: Frames,
}

impl Zstd {
    pub(super) fn new() -> Self {
        let decoder = Decoder::new().and_then(|mut decoder| {
            decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
            Ok(decoder)
        });
        // Only an allocation failure can make it absent; the body is then refused as undecodable.
        Self {
            decoder: decoder.ok(),
            frames: Frames::default(),
        }
    }

    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, DecodeError> {
        let decoder = self.decoder.as_mut().ok_or(DecodeError::Corrupt)?;
        // Not past the next block end, so that the decoder can be drained there.
        let until = self.frames.next_end(input)?;
        let mut input = InBuffer::around(input.get(..until).unwrap_or_default());
        let mut output = OutBuffer::around(output);
        decoder.run(&mut input, &mut output).map_err(|_| DecodeError::Corrupt)?;
        let progress = Progress {
            read: input.pos(),
            written: output.pos(),
        };
        self.frames
            .advance(input.src.get(..progress.read).unwrap_or_default())?;
        Ok(progress)
    }

    pub(super) fn is_checkpoint(&self) -> bool {
        self.frames.at_end()
    }

    pub(super) fn wanted(&self) -> usize {
        match self.frames.part {
            Part::Content { left, .. } => usize::try_from(left).unwrap_or(usize::MAX),
            // A header is followed byte by byte: what it says comes behind it.
            Part::Magic | Part::SkippableSize | Part::FrameHeader | Part::BlockHeader => 1,
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        matches!(self.frames.part, Part::Magic) && self.frames.seen.is_empty()
    }
}

/// Follows frames and blocks by their headers alone.
#[derive(Default)]
struct Frames {
    part: Part,
    /// Bytes of the header under way, at most 14 (RFC 8878, section 3.1.1.1).
    seen: smallvec::SmallVec<[u8; 16]>,
    checksum: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Magic,
    SkippableSize,
    FrameHeader,
    BlockHeader,
    /// So many bytes are left of a block, a checksum or a skippable frame.
    Content {
        left: u64,
        then: Then,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Block,
    Checksum,
    Frame,
    /// A frame that is skipped: nothing comes of it.
    Skipped,
}

impl Frames {
    /// Whether everything so far is a whole number of blocks, or stands in what is skipped.
    fn at_end(&self) -> bool {
        let is_skipped = matches!(
            self.part,
            Part::Content {
                then: Then::Skipped,
                ..
            }
        );
        self.seen.is_empty() && (is_skipped || matches!(self.part, Part::Magic | Part::BlockHeader))
    }

    /// How much of `input` reaches to the next block end, at most all of it.
    fn next_end(&self, input: &[u8]) -> Result<usize, DecodeError> {
        let mut ahead = Self {
            part: self.part,
            seen: self.seen.clone(),
            checksum: self.checksum,
        };
        let mut at = 0;
        while at < input.len() {
            at += ahead.take(input.get(at..).unwrap_or_default())?;
            if ahead.at_end() {
                break;
            }
        }
        Ok(at)
    }

    fn advance(&mut self, mut bytes: &[u8]) -> Result<(), DecodeError> {
        while !bytes.is_empty() {
            let taken = self.take(bytes)?;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Takes one byte of a header, or as much content as there is.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, DecodeError> {
        if let Part::Content { left, then } = self.part {
            let taken = left.min(bytes.len() as u64);
            let left = left - taken;
            self.part = if left > 0 {
                Part::Content { left, then }
            } else {
                Self::after(then)
            };
            return Ok(taken as usize);
        }
        self.seen.extend(bytes.first().copied());
        let le = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let next = match (self.part, self.seen.as_slice()) {
            (Part::Magic, magic) if *magic == MAGIC => Part::FrameHeader,
            (Part::Magic, [low, 0x2a, 0x4d, 0x18]) if *low & 0xf0 == 0x50 => Part::SkippableSize,
            (Part::Magic, magic) if magic.len() == 4 => return Err(DecodeError::Corrupt),
            (Part::SkippableSize, size) if size.len() == 4 => Self::content(le(size), Then::Skipped),
            (Part::FrameHeader, [descriptor, rest @ ..]) => {
                if rest.len() < frame_header_bytes(*descriptor) {
                    return Ok(1);
                }
                self.checksum = descriptor & 4 != 0;
                Part::BlockHeader
            }
            (Part::BlockHeader, header) if header.len() == 3 => self.block(le(header))?,
            // A header that is not whole yet.
            (Part::Magic | Part::SkippableSize | Part::BlockHeader | Part::FrameHeader | Part::Content { .. }, _) => {
                return Ok(1);
            }
        };
        self.seen.clear();
        self.part = next;
        Ok(1)
    }

    /// A block header: last, type, size (RFC 8878, section 3.1.1.2).
    fn block(&self, header: u64) -> Result<Part, DecodeError> {
        let size = header >> 3;
        let last = header & 1 == 1;
        let left = match header >> 1 & 3 {
            0 | 2 => size,
            1 => 1,
            _ => return Err(DecodeError::Corrupt),
        };
        let then = match (last, self.checksum) {
            (false, _) => Then::Block,
            (true, true) => Then::Checksum,
            (true, false) => Then::Frame,
        };
        Ok(Self::content(left, then))
    }

    fn content(left: u64, then: Then) -> Part {
        if left > 0 {
            Part::Content { left, then }
        } else {
            Self::after(then)
        }
    }

    fn after(then: Then) -> Part {
        match then {
            Then::Block => Part::BlockHeader,
            Then::Checksum => Part::Content {
                left: 4,
                then: Then::Frame,
            },
            Then::Frame | Then::Skipped => Part::Magic,
        }
    }
}

/// Bytes of a frame header after its descriptor: window, dictionary id, content size (RFC 8878, section 3.1.1.1.1).
fn frame_header_bytes(descriptor: u8) -> usize {
    let single_segment = descriptor & 0x20 != 0;
    let window = usize::from(!single_segment);
    let dictionary = match descriptor & 3 {
        0 => 0,
        1 => 1,
        2 => 2,
        _ => 4,
    };
    let size = match descriptor >> 6 {
        0 => usize::from(single_segment),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    window + dictionary + size
}
