//! The messages of gRPC, each of which may be compressed by itself, and their base64 in gRPC-Web's text form: coded bytes in, the
//! same messages uncompressed out.
//!
//! ```text
//!   coded:    flags, length, message | flags=compressed, length, gzip of a message | ...
//!   decoded:  the same               | flags=continues, length, piece | flags=0, length 0 | ...
//! ```

use smallvec::SmallVec;

use super::alphabet::Alphabet;
use super::coding::{DecodeError, Progress};
use super::deflate::Inflate;

/// Bytes before each message: flags, and its length in four bytes (gRPC over HTTP/2, "Length-Prefixed-Message").
pub(crate) const PREFIX_BYTES: usize = 5;
/// The flag of a compressed message.
const COMPRESSED: u8 = 1;
/// The flag of the trailers of gRPC-Web.
pub(crate) const TRAILERS: u8 = 0x80;
/// Only in what is decoded: the message goes on behind the next prefix.
pub(crate) const CONTINUES: u8 = 0x40;

/// The flags and the length in a whole prefix.
pub(crate) fn prefix(bytes: &[u8]) -> Option<(u8, u32)> {
    let (flags, length) = bytes.split_first()?;
    Some((*flags, u32::from_be_bytes(*length.first_chunk::<4>()?)))
}

/// How a body of gRPC is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrpcForm {
    /// How messages with the flag are compressed.
    pub compression: Compression,
    /// Whether all of it is in base64 (`application/grpc-web-text`).
    pub text: bool,
}

/// A compression of messages, `grpc-encoding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// None, or one that cannot be read: no message may have the flag.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 1950.
    Deflate,
}

impl Compression {
    /// From the value of `grpc-encoding`.
    pub fn from_header(value: &[u8]) -> Self {
        match value.trim_ascii() {
            b"gzip" => Self::Gzip,
            b"deflate" => Self::Deflate,
            _ => Self::None,
        }
    }

    fn inflate(self) -> Option<Inflate> {
        match self {
            Self::None => None,
            Self::Gzip => Some(Inflate::gzip()),
            Self::Deflate => Some(Inflate::deflate()),
        }
    }
}

/// The decoder of one body.
pub struct Messages {
    form: GrpcForm,
    base64: Base64,
    /// Bytes out of base64 that were not read yet.
    plain: Vec<u8>,
    head: SmallVec<[u8; PREFIX_BYTES]>,
    /// Bytes of the message under way.
    left: u32,
    inflate: Option<Box<Inflate>>,
}

/// Room that a piece needs at least.
const ROOM_BYTES: usize = 2 * PREFIX_BYTES;

impl Messages {
    /// A decoder of a body in this form.
    pub(crate) fn new(form: GrpcForm) -> Self {
        Self {
            form,
            base64: Base64::default(),
            plain: Vec::new(),
            head: SmallVec::new(),
            left: 0,
            inflate: None,
        }
    }

    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, DecodeError> {
        if !self.form.text {
            return self.messages(input, output);
        }
        for byte in input {
            self.base64.push(*byte, &mut self.plain)?;
        }
        let plain = std::mem::take(&mut self.plain);
        let next = self.messages(&plain, output)?;
        self.plain = Vec::from(plain.get(next.read..).unwrap_or_default());
        Ok(Progress {
            read: input.len(),
            written: next.written,
        })
    }

    /// Whether a reader of the coded bytes so far can have no more than was decoded.
    pub(super) fn is_checkpoint(&self) -> bool {
        self.plain.is_empty() && self.base64.is_between()
    }

    /// Whether more can be decoded of what was read.
    pub(super) fn has_more(&self) -> bool {
        !self.plain.is_empty()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.is_between() && self.is_checkpoint()
    }

    /// Whether no message is under way.
    fn is_between(&self) -> bool {
        self.left == 0 && self.head.is_empty() && self.inflate.is_none()
    }

    /// Reads on to the end of a message, or of what there is.
    fn messages(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, DecodeError> {
        let mut progress = Progress::default();
        while let Some(room) = output
            .get_mut(progress.written..)
            .filter(|room| room.len() >= ROOM_BYTES)
        {
            let next = self.piece(input.get(progress.read..).unwrap_or_default(), room)?;
            progress.read += next.read;
            progress.written += next.written;
            if next == Progress::default() || self.is_between() {
                break;
            }
        }
        Ok(progress)
    }

    /// Reads a prefix or a piece of a message. Nothing read and nothing written asks for more.
    fn piece(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, DecodeError> {
        if self.inflate.is_some() {
            return self.inflate(input, output);
        }
        if self.left > 0 {
            let length = (self.left as usize).min(input.len()).min(output.len());
            let (from, to) = (input.get(..length), output.get_mut(..length));
            if let (Some(from), Some(to)) = (from, to) {
                to.copy_from_slice(from);
            }
            self.left -= length as u32;
            return Ok(Progress {
                read: length,
                written: length,
            });
        }
        let wanted = PREFIX_BYTES - self.head.len();
        let part = input.get(..wanted.min(input.len())).unwrap_or_default();
        self.head.extend_from_slice(part);
        let Some((flags, length)) = prefix(&self.head) else {
            return Ok(Progress {
                read: part.len(),
                written: 0,
            });
        };
        let head = std::mem::take(&mut self.head);
        self.left = length;
        if flags & !(COMPRESSED | TRAILERS) != 0 {
            return Err(DecodeError::Corrupt);
        }
        let mut written = 0;
        if flags & COMPRESSED != 0 {
            let inflate = self.form.compression.inflate().ok_or(DecodeError::Corrupt)?;
            self.inflate = Some(Box::new(inflate));
        } else if let Some(to) = output.get_mut(..PREFIX_BYTES) {
            to.copy_from_slice(&head);
            written = PREFIX_BYTES;
        }
        Ok(Progress {
            read: part.len(),
            written,
        })
    }

    /// Inflates a piece of a message, behind a prefix of its own.
    fn inflate(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, DecodeError> {
        let Some(inflate) = &mut self.inflate else {
            return Ok(Progress::default());
        };
        let part = input.get(..input.len().min(self.left as usize)).unwrap_or_default();
        let room = output.get_mut(PREFIX_BYTES..).unwrap_or_default();
        let next = inflate.step(part, room)?;
        self.left -= next.read as u32;
        // An empty message of no bytes may have none of its coding either.
        let is_ended = self.left == 0 && next.written < room.len();
        if is_ended && !inflate.is_complete() {
            return Err(DecodeError::Truncated);
        }
        if next == Progress::default() && !is_ended {
            return Ok(next);
        }
        let mut written = 0;
        if next.written > 0 || is_ended {
            let flags = if is_ended { 0 } else { CONTINUES };
            let length = u32::try_from(next.written).map_err(|_| DecodeError::Corrupt)?;
            let head = output.get_mut(..PREFIX_BYTES).and_then(<[u8]>::split_first_mut);
            if let Some((first, rest)) = head {
                *first = flags;
                rest.copy_from_slice(&length.to_be_bytes());
            }
            written = PREFIX_BYTES + next.written;
        }
        if is_ended {
            self.inflate = None;
        }
        Ok(Progress {
            read: next.read,
            written,
        })
    }
}

/// Base64 (RFC 4648, section 4) as it streams past; it may be padded wherever its sender flushed.
#[derive(Default)]
struct Base64 {
    bits: u32,
    digits: u8,
    pads: u8,
}

impl Base64 {
    fn is_between(&self) -> bool {
        self.digits == 0 && self.pads == 0
    }

    fn push(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let value = match byte {
            b'=' if self.digits + self.pads >= 2 => {
                self.pads += 1;
                return self.end(out);
            }
            b'\r' | b'\n' => return Ok(()),
            _ => Alphabet::base64(byte).ok_or(DecodeError::Corrupt)?,
        };
        if self.pads > 0 {
            return Err(DecodeError::Corrupt);
        }
        self.bits = self.bits << 6 | u32::from(value);
        self.digits += 1;
        self.end(out)
    }

    /// Gives the bytes of a group once it is whole.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        if self.digits + self.pads < 4 {
            return Ok(());
        }
        let bits = self.bits << (6 * u32::from(self.pads));
        let [_, bytes @ ..] = bits.to_be_bytes();
        let length = usize::from(3_u8.checked_sub(self.pads).ok_or(DecodeError::Corrupt)?);
        out.extend_from_slice(bytes.get(..length).unwrap_or_default());
        *self = Self::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::Decoder;
    use super::*;

    fn message(flags: u8, bytes: &[u8]) -> Vec<u8> {
        [&[flags][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// The messages in what is decoded, joined where they go on.
    fn decode(form: GrpcForm, body: &[u8], cut: usize) -> Result<Vec<Vec<u8>>, DecodeError> {
        let (mut decoder, mut bytes) = (Decoder::grpc(form), Vec::new());
        body.chunks(cut)
            .try_for_each(|part| decode_part(&mut decoder, part, &mut bytes))?;
        decoder.finish()?;
        let (mut messages, mut rest, mut continues) = (Vec::<Vec<u8>>::new(), &bytes[..], false);
        while let Some((flags, length)) = prefix(rest) {
            let (bytes, after) = rest[PREFIX_BYTES..].split_at(length as usize);
            if continues {
                messages.last_mut().unwrap().extend_from_slice(bytes);
            } else {
                messages.push(bytes.to_vec());
            }
            continues = flags & CONTINUES != 0;
            rest = after;
        }
        Ok(messages)
    }

    fn decode_part(decoder: &mut Decoder, mut part: &[u8], bytes: &mut Vec<u8>) -> Result<(), DecodeError> {
        let mut output = vec![0; 4_096];
        loop {
            let progress = decoder.step(part, &mut output)?;
            bytes.extend_from_slice(&output[..progress.written]);
            part = &part[progress.read..];
            if part.is_empty() && progress.written < output.len() && !decoder.has_more() {
                return Ok(());
            }
        }
    }

    fn base64(bytes: &[u8]) -> Vec<u8> {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let group = |bytes: &[u8]| {
            let bits =
                bytes.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - bytes.len()));
            let mut group = [b'='; 4];
            for (place, digit) in group.iter_mut().take(bytes.len() + 1).enumerate() {
                *digit = DIGITS[bits >> (18 - 6 * place) & 0x3f];
            }
            group
        };
        bytes.chunks(3).flat_map(group).collect()
    }

    #[test]
    fn messages_are_read_compressed_or_not_however_they_are_cut() {
        let long: Vec<u8> = (0..20_000_u32)
            .flat_map(|n| (n * 7_919 % 1_000).to_be_bytes())
            .collect();
        let texts = [b"first".to_vec(), Vec::new(), long];
        let plain: Vec<u8> = texts.iter().flat_map(|text| message(0, text)).collect();
        let compressed: Vec<u8> = texts.iter().flat_map(|text| message(1, &gzip(text))).collect();
        let empty = [message(1, b""), plain.clone()].concat();
        let gzipped = GrpcForm {
            compression: Compression::Gzip,
            text: false,
        };
        let text = GrpcForm { text: true, ..gzipped };
        for cut in [1, 3, 512, 100_000] {
            assert!(decode(GrpcForm::default(), &plain, cut).unwrap() == texts);
            assert!(decode(gzipped, &compressed, cut).unwrap() == texts);
            assert!(decode(gzipped, &empty, cut).unwrap()[1..] == texts);
            assert!(decode(text, &base64(&compressed), cut).unwrap() == texts);
            // Each flush of a sender may be padded.
            let flushed: Vec<u8> = texts.iter().flat_map(|text| base64(&message(0, text))).collect();
            assert!(decode(text, &flushed, cut).unwrap() == texts);
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let gzipped = GrpcForm {
            compression: Compression::Gzip,
            text: false,
        };
        let form = GrpcForm::default();
        let whole = message(1, &gzip(b"text"));
        let junk = message(1, &[&gzip(b"text")[..], b"junk"].concat());
        let short = message(1, &gzip(b"text")[..10]);
        for cut in [1, 100] {
            assert_eq!(
                decode(form, &whole, cut),
                Err(DecodeError::Corrupt),
                "nothing was said of it"
            );
            assert_eq!(decode(form, &message(2, b"text"), cut), Err(DecodeError::Corrupt));
            assert_eq!(
                decode(form, &message(CONTINUES, b"text"), cut),
                Err(DecodeError::Corrupt)
            );
            assert_eq!(
                decode(gzipped, &whole[..whole.len() - 1], cut),
                Err(DecodeError::Truncated)
            );
            assert_eq!(decode(gzipped, &short, cut), Err(DecodeError::Truncated));
            assert_eq!(decode(gzipped, &junk, cut), Err(DecodeError::Corrupt));
            let text = GrpcForm { text: true, ..form };
            assert_eq!(decode(text, b"AAAA*", cut), Err(DecodeError::Corrupt));
            assert_eq!(decode(text, b"AAAAAAA", cut), Err(DecodeError::Truncated));
        }
    }
}
