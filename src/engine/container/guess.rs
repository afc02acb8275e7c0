//! Whether a body that nothing names is in a coding that has no magic: it is decoded as if it were, beside the text that it is else.
//!
//! ```text
//!   name,phone\n              a text by its first FIRST_BYTES: no guess
//!   ed bd 09 80 24 57 ...     decoded, until that breaks; random bytes break it within some sixteen
//! ```
//! A guess that breaks was none, unless what came of it by then is a text, or a container. Each takes the memory of one decoder: 32 KiB of
//! deflate, 8 MiB of zstd, 16 MiB of br, as far as the body writes it.

use memchr::memmem;
use smallvec::SmallVec;

use super::unpack::Unpacker;
use super::{Fault, Told};
use crate::engine::decode::{Coding, Decoder, Inflate};

/// First bytes that show a text: seven in a million that are packed begin so.
pub(in crate::engine) const FIRST_BYTES: usize = 16;
/// And those that say more than that it is none.
const HEADER_BYTES: usize = 2;
/// Coded bytes within which a guess breaks by chance.
const CHANCE_BYTES: u64 = 256;
/// Decoded bytes that show that it is none, and how many different ones: a code of few letters may come about by chance.
const SURE_BYTES: usize = 256;
const SURE_LETTERS: usize = 16;
/// Decoded bytes that are looked for among the coded ones: what is stored is its own text, and says nothing of a coding.
const STORED_BYTES: usize = 32;
/// Decoded bytes at once.
const OUTPUT_BYTES: usize = 4096;
/// What is in the coding is the second level of containers.
const INNER_LEVEL: u32 = 2;

/// What the first bytes of a body say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Opening {
    /// As far as they go, they are a text.
    More,
    Text,
    Other,
}

/// Looks at the first bytes of a body, of which no more than [`FIRST_BYTES`] count.
pub(in crate::engine) fn opening(first: &[u8]) -> Opening {
    let first = first.get(..FIRST_BYTES).unwrap_or(first);
    match (is_text(first), first.len()) {
        (true, FIRST_BYTES) => Opening::Text,
        (false, HEADER_BYTES..) => Opening::Other,
        _ => Opening::More,
    }
}

/// Whether it is in UTF-8, but for a letter that its end cuts, and has no control characters.
fn is_text(bytes: &[u8]) -> bool {
    let is_control = |byte: &u8| *byte == 0x7f || (*byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c));
    let is_broken = std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some());
    !is_broken && !bytes.iter().any(is_control)
}

/// A coding that a body may be in.
#[derive(Clone, Copy)]
enum Tried {
    Zlib,
    Raw,
    Br,
    /// Behind a frame that is skipped.
    Zstd,
}

impl Tried {
    fn decoder(self) -> Option<Decoder> {
        match self {
            Self::Zlib => Decoder::new(Coding::Deflate),
            Self::Raw => Some(Decoder::Inflate(Box::new(Inflate::raw()))),
            Self::Br => Decoder::new(Coding::Br),
            Self::Zstd => Decoder::new(Coding::Zstd),
        }
    }
}

/// One coding, tried.
pub(in crate::engine) struct Guess {
    tried: Tried,
    decoder: Decoder,
    inner: Unpacker,
    /// Whether that was told its end.
    has_ended: bool,
    /// Bytes of a piece that is not whole.
    left: SmallVec<[u8; 16]>,
    /// Coded bytes that were read, and the first that came of what is not stored.
    coded: u64,
    head: Vec<u8>,
}

impl Guess {
    /// The guesses for a body that begins so.
    pub(in crate::engine) fn of(first: &[u8]) -> SmallVec<[Self; 3]> {
        let tried: &[Tried] = match first {
            // RFC 8878, section 3.1.2.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => &[Tried::Zstd],
            // RFC 1950, section 2.2; it may be stored bytes of raw deflate all the same.
            [first, second, ..]
                if first & 0x0f == 8 && first >> 4 <= 7 && u16::from_be_bytes([*first, *second]).is_multiple_of(31) =>
            {
                &[Tried::Zlib, Tried::Raw, Tried::Br]
            }
            _ => &[Tried::Raw, Tried::Br],
        };
        tried.iter().filter_map(|tried| Self::new(*tried)).collect()
    }

    fn new(tried: Tried) -> Option<Self> {
        Some(Self {
            tried,
            decoder: tried.decoder()?,
            inner: Unpacker::new(INNER_LEVEL),
            has_ended: false,
            left: SmallVec::new(),
            coded: 0,
            head: Vec::new(),
        })
    }

    /// Whether all that was read was told.
    pub(in crate::engine) fn is_drained(&self) -> bool {
        self.left.is_empty() && self.decoder.is_checkpoint() && self.inner.is_drained()
    }

    /// More of the body.
    ///
    /// # Errors
    /// When it is not in the coding, or what is in that cannot be read further.
    pub(in crate::engine) fn push(&mut self, mut bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let wanted = self.piece_bytes() - self.left.len();
            let (more, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
            bytes = rest;
            self.left.extend_from_slice(more);
            if self.left.len() >= self.piece_bytes() {
                let piece = std::mem::take(&mut self.left);
                self.decode(&piece, told)?;
            }
        }
        Ok(())
    }

    /// Bytes that are decoded at once, whatever the chunks are. What comes of a piece before it breaks is lost, so that they are short where
    /// most break.
    const fn piece_bytes(&self) -> usize {
        match self.coded {
            ..512 => 1,
            512..4096 => 16,
            _ => 512,
        }
    }

    fn decode(&mut self, mut bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        while !bytes.is_empty() {
            if self.decoder.has_ended() {
                // Behind a stream comes another, or what the first reading reads.
                self.end(told)?;
                told.meter().entry()?;
                *self = Self::new(self.tried).ok_or(Fault::Unreadable)?;
            }
            bytes = self.stream(bytes, told)?;
        }
        Ok(())
    }

    /// Decodes `bytes` up to the end of the stream: what stands behind that.
    fn stream<'b>(&mut self, mut bytes: &'b [u8], told: &mut Told<'_>) -> Result<&'b [u8], Fault> {
        let mut output = [0; OUTPUT_BYTES];
        loop {
            let progress = self.decoder.step(bytes, &mut output).map_err(|_| Fault::Unreadable)?;
            let (coded, rest) = bytes.split_at_checked(progress.read).unwrap_or((bytes, &[]));
            let text = output.get(..progress.written).unwrap_or_default();
            bytes = rest;
            self.weigh(coded, text);
            told.meter().unpacked(text.len() as u64)?;
            self.inner.push(text, told)?;
            if self.decoder.has_ended() || (bytes.is_empty() && text.len() < OUTPUT_BYTES) {
                return Ok(bytes);
            }
        }
    }

    /// The body ended, or the guess did.
    ///
    /// # Errors
    /// When it is not whole.
    pub(in crate::engine) fn finish(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        let left = std::mem::take(&mut self.left);
        self.decode(&left, told)?;
        self.end(told)?;
        self.decoder.finish().map_err(|_| Fault::Unreadable)
    }

    /// What is in it ended.
    fn end(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        if std::mem::replace(&mut self.has_ended, true) {
            return Ok(());
        }
        self.inner.finish(told)
    }

    /// Notes what came of `coded`.
    fn weigh(&mut self, coded: &[u8], text: &[u8]) {
        self.coded += coded.len() as u64;
        let first = text.get(..STORED_BYTES).unwrap_or(text);
        let wanted = SURE_BYTES - self.head.len();
        if wanted > 0 && memmem::find(coded, first).is_none() {
            self.head.extend_from_slice(text.get(..wanted).unwrap_or(text));
        }
    }

    /// Whether the body is in the coding, so that `fault` is one of it.
    pub(in crate::engine) fn is_sure(&self, fault: Fault) -> bool {
        let is_text = !self.head.is_empty() && is_text(&self.head);
        if fault == Fault::Limit {
            // What comes of a bomb is alike.
            return self.inner.is_container() || is_text;
        }
        let mut letters = self.head.clone();
        letters.sort_unstable();
        letters.dedup();
        let is_long = self.head.len() == SURE_BYTES && letters.len() >= SURE_LETTERS;
        self.coded >= CHANCE_BYTES && (self.inner.is_container() || (is_text && is_long))
    }
}
