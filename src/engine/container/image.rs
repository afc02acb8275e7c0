//! Images: the texts between their pixels, and what follows their end. What is no text by its place, packed pixels included, is
//! searched as it stands, as any body is that nobody knows.

use super::bytes::{big, gather, part, take};
use super::steps::Steps;
use super::unpack::Unpacker;
use super::{Fault, Told};
use crate::engine::decode::{Coding, Decoder};
use crate::engine::structure::Declared;

/// Before the first chunk (PNG 3, section 5.2).
const SIGNATURE_BYTES: u64 = 8;
/// A chunk's length and type, and its sum (section 5.3).
const CHUNK_HEAD_BYTES: usize = 8;
const CHUNK_SUM_BYTES: u64 = 4;
/// Chunks of pixels and colours, which are no entries.
const PIXELS: [&[u8]; 8] = [b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"gAMA", b"cHRM", b"pHYs", b"fdAT"];
/// Bytes of the fields before a text; their keyword has 79 at most (section 11.3.3).
const FIELDS_BYTES_MAX: usize = 512;
/// Bytes unpacked at once.
const UNPACKED_AT_ONCE_BYTES: usize = 4096;

/// The reader of a PNG.
pub(super) struct Png {
    level: u32,
    head: Vec<u8>,
    /// Only the sum of the last chunk is to come.
    has_ended: bool,
    state: PngState,
}

enum PngState {
    /// So many bytes that say nothing.
    Pass(u64),
    Head,
    /// A text, with so many bytes left.
    Text(u64, Chunk),
    Tail(Box<Unpacker>),
}

/// A chunk of text.
enum Chunk {
    /// As it stands.
    Pixels,
    Plain,
    /// The fields before the text so far; of `iTXt` more of them.
    Fields(Vec<u8>, bool),
    Packed(Box<Decoder>),
}

impl Steps for Png {
    fn step(&mut self, bytes: &mut &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        match &mut self.state {
            PngState::Pass(left) => {
                *left -= take(bytes, *left).len() as u64;
                if *left == 0 {
                    self.state = self.behind_sum();
                }
            }
            PngState::Head => {
                if gather(&mut self.head, CHUNK_HEAD_BYTES, bytes) {
                    self.begin(told)?;
                }
            }
            PngState::Text(left, chunk) => {
                let data = take(bytes, *left);
                *left -= data.len() as u64;
                chunk.push(data, told)?;
                if *left == 0 {
                    self.state = PngState::Pass(CHUNK_SUM_BYTES);
                }
            }
            PngState::Tail(tail) => tail.push(take(bytes, u64::MAX), told)?,
        }
        Ok(())
    }
}

impl Png {
    pub(super) fn new(level: u32) -> Self {
        Self {
            level,
            head: Vec::new(),
            has_ended: false,
            state: PngState::Pass(SIGNATURE_BYTES),
        }
    }

    pub(super) fn is_drained(&self) -> bool {
        match &self.state {
            PngState::Text(_, Chunk::Fields(fields, _)) => fields.is_empty(),
            PngState::Text(..) | PngState::Pass(_) | PngState::Head => true,
            PngState::Tail(tail) => tail.is_drained(),
        }
    }

    pub(super) fn finish(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        match &mut self.state {
            PngState::Tail(tail) => tail.finish(told),
            PngState::Pass(_) | PngState::Head | PngState::Text(..) => Ok(()),
        }
    }

    /// Behind the sum of a chunk.
    fn behind_sum(&self) -> PngState {
        if self.has_ended {
            PngState::Tail(Box::new(Unpacker::new(self.level)))
        } else {
            PngState::Head
        }
    }

    fn begin(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        let head = std::mem::take(&mut self.head);
        let (left, name) = (big(part(&head, 0, 4)), part(&head, 4, 4));
        if name == b"IEND" {
            // It has no data: what it says it has is a part of the tail.
            self.has_ended = true;
            self.state = PngState::Pass(CHUNK_SUM_BYTES);
            return Ok(());
        }
        if left == 0 {
            self.state = PngState::Pass(CHUNK_SUM_BYTES);
            return Ok(());
        }
        if !PIXELS.contains(&name) {
            told.meter().entry()?;
        }
        told.begin(Declared::Lines);
        let chunk = match name {
            name if PIXELS.contains(&name) => Chunk::Pixels,
            b"zTXt" => Chunk::Fields(Vec::new(), false),
            b"iTXt" => Chunk::Fields(Vec::new(), true),
            _ => Chunk::Plain,
        };
        self.state = PngState::Text(left, chunk);
        Ok(())
    }
}

impl Chunk {
    fn push(&mut self, mut bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        while let Self::Fields(fields, is_international) = self {
            let [byte, rest @ ..] = bytes else { return Ok(()) };
            fields.push(*byte);
            bytes = rest;
            let is_packed = is_packed(fields, *is_international);
            if is_packed.is_none() && fields.len() < FIELDS_BYTES_MAX {
                continue;
            }
            lines(fields, told)?;
            *self = match Decoder::new(Coding::Deflate).filter(|_| is_packed == Some(true)) {
                Some(decoder) => Self::Packed(Box::new(decoder)),
                None => Self::Plain,
            };
        }
        match self {
            Self::Pixels => told.text(bytes),
            Self::Packed(decoder) => unpack(decoder, bytes, told),
            Self::Plain | Self::Fields(..) => lines(bytes, told),
        }
    }
}

/// Whether the text behind these fields is packed; `None` if they go on (sections 11.3.3.3 and 11.3.3.4).
fn is_packed(fields: &[u8], is_international: bool) -> Option<bool> {
    let keyword = memchr::memchr(0, fields)?;
    let rest = fields.get(keyword + 1..)?;
    if !is_international {
        return rest.first().map(|_| true);
    }
    let [flag, _method, rest @ ..] = rest else { return None };
    let language = memchr::memchr(0, rest)?;
    memchr::memchr(0, rest.get(language + 1..)?).map(|_| *flag == 1)
}

/// Tells `bytes`, each part of them that ends with NUL as a line.
fn lines(bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
    for (number, part) in bytes.split(|byte| *byte == 0).enumerate() {
        told.text(if number > 0 { b"\n" } else { b"" })?;
        told.text(part)?;
    }
    Ok(())
}

fn unpack(decoder: &mut Decoder, mut bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
    let mut output = [0; UNPACKED_AT_ONCE_BYTES];
    loop {
        let progress = decoder.step(bytes, &mut output).map_err(|_| Fault::Unreadable)?;
        bytes = bytes.get(progress.read..).unwrap_or_default();
        lines(output.get(..progress.written).unwrap_or_default(), told)?;
        if bytes.is_empty() && progress.written < output.len() {
            return Ok(());
        }
    }
}

/// The reader of a JPEG (ITU-T T.81, annex B): segments, then pixels, up to the mark of its end.
pub(super) struct Jpeg {
    level: u32,
    head: Vec<u8>,
    state: JpegState,
}

enum JpegState {
    /// Two bytes of a mark, and two of a length where one follows.
    Mark,
    /// A segment, with so many bytes left.
    Segment(u64),
    /// Pixels; whether the last byte began a mark.
    Pixels(bool),
    Tail(Box<Unpacker>),
}

impl Steps for Jpeg {
    fn step(&mut self, bytes: &mut &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        match &mut self.state {
            JpegState::Mark => {
                self.head.extend_from_slice(take(bytes, 1));
                self.mark(told)?;
            }
            JpegState::Segment(left) => {
                let data = take(bytes, *left);
                *left -= data.len() as u64;
                lines(data, told)?;
                if *left == 0 {
                    self.state = JpegState::Mark;
                }
            }
            JpegState::Pixels(is_marked) => {
                // Behind other marks come more pixels, or a segment that is read like them.
                let end = bytes.iter().position(|byte| {
                    let was_marked = std::mem::replace(is_marked, *byte == 0xff);
                    was_marked && *byte == 0xd9
                });
                told.text(take(bytes, end.map_or(u64::MAX, |end| end as u64 + 1)))?;
                if end.is_some() {
                    self.state = JpegState::Tail(Box::new(Unpacker::new(self.level)));
                }
            }
            JpegState::Tail(tail) => tail.push(take(bytes, u64::MAX), told)?,
        }
        Ok(())
    }
}

impl Jpeg {
    pub(super) fn new(level: u32) -> Self {
        Self {
            level,
            head: Vec::new(),
            state: JpegState::Mark,
        }
    }

    pub(super) fn is_drained(&self) -> bool {
        match &self.state {
            JpegState::Mark | JpegState::Segment(_) | JpegState::Pixels(_) => true,
            JpegState::Tail(tail) => tail.is_drained(),
        }
    }

    pub(super) fn finish(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        match &mut self.state {
            JpegState::Tail(tail) => tail.finish(told),
            JpegState::Mark | JpegState::Segment(_) | JpegState::Pixels(_) => Ok(()),
        }
    }

    fn mark(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        let state = match self.head.as_slice() {
            // The image begins, or the mark is filled up.
            [0xff, 0xd8] => JpegState::Mark,
            [0xff, 0xff] => {
                self.head.truncate(1);
                return Ok(());
            }
            [0xff, 0xd9] => JpegState::Tail(Box::new(Unpacker::new(self.level))),
            [] | [0xff] | [0xff, _] | [0xff, _, _] => return Ok(()),
            [0xff, 0xda, ..] => {
                told.begin(Declared::Lines);
                JpegState::Pixels(false)
            }
            [0xff, mark, length @ ..] => {
                // Comments and what applications add are entries, tables of pixels and of codes none.
                if matches!(mark, 0xe0..=0xef | 0xfe) {
                    told.meter().entry()?;
                }
                told.begin(Declared::Lines);
                match big(length).saturating_sub(2) {
                    0 => JpegState::Mark,
                    left => JpegState::Segment(left),
                }
            }
            // No mark: what is here is no image, and is read for what it is.
            _ => {
                let mut tail = Unpacker::new(self.level);
                tail.push(&self.head, told)?;
                JpegState::Tail(Box::new(tail))
            }
        };
        self.head.clear();
        self.state = state;
        Ok(())
    }
}
