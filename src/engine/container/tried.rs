//! Whether a body that nothing names, and no magic tells, is in zlib, raw deflate or br: it is tried out, byte by byte, so that no
//! chunk's end matters.
//!
//! ```text
//!   name,phone\n              a text after its first line, or PLAIN_BYTES of it: it waits for no more
//!   ed bd 09 80 24 57 ...     tried, until nothing can be made of it, or SURVIVED_BYTES went in and enough came out
//! ```
//! Random bytes break raw deflate and br within some sixteen bytes, half as many of them with each eight that follow.

use smallvec::SmallVec;

use super::unpack::{Kind, Seen, is_container};
use crate::engine::charset::is_wide;
use crate::engine::decode::{Coding, Decoder};

/// First bytes in UTF-8 that show a text, where no line ends before: seven in a million that are packed begin so.
const PLAIN_BYTES: usize = 16;
/// Bytes of a line that shows one: a shorter one may be the size of what is packed. And what no text in UTF-8 begins with, and br does.
const LINE_BYTES: usize = 8;
const ESCAPE: u8 = 0x1b;
/// Bytes without a control character that show a text in whatever character set: fewer than one in a million that are packed have none.
const CONTROL_BYTES: usize = 128;
/// Coded bytes that do not break it by chance: of raw deflate and br, and of zlib behind its header.
const SURVIVED_BYTES: usize = 128;
const SURVIVED_ZLIB_BYTES: usize = 64;
/// Bytes that come of them at least, but of zlib: a block of br that is not packed has its own bytes, and shows nothing but a container.
const UNPACKED_BYTES_MIN: usize = 64;
/// Bytes of which more is not needed to know a bomb, which is then read as one. Against: bombs, of which a few bytes may be megabytes.
const UNPACKED_BYTES_MAX: usize = 64 << 10;
/// Coded bytes that wait at most until it is known: the codes of br's letters, which stand before them, are shorter by far.
const TRIED_BYTES_MAX: usize = 4096;
/// Bytes unpacked at once.
const OUTPUT_BYTES: usize = 256;

/// What the first bytes of one body say so far.
#[derive(Default)]
pub(super) struct Tried {
    tries: Vec<Try>,
    /// Bytes that were tried, and whether one of them is a control character.
    bytes: usize,
    has_control: bool,
    seen: Option<Seen>,
}

impl Tried {
    /// What begins with `first`, which goes on from the last time. `ends`: there is no more of it.
    pub(super) fn look(&mut self, first: &[u8], ends: bool) -> Seen {
        if self.seen.is_none() {
            self.seen = self.tried(first, ends);
        }
        self.seen.unwrap_or(Seen::More)
    }

    fn tried(&mut self, first: &[u8], ends: bool) -> Option<Seen> {
        if is_text(first, ends) || is_wide(first) {
            return Some(Seen::Text);
        }
        for byte in first.iter().skip(self.bytes) {
            let seen = self.byte(*byte);
            if seen.is_some() {
                return seen;
            }
        }
        let whole = self.tries.iter().find(|tried| tried.is_whole());
        ends.then(|| whole.map_or(Seen::Text, Try::seen))
    }

    fn byte(&mut self, byte: u8) -> Option<Seen> {
        if self.bytes == 0 {
            self.tries = [Coding::Deflate, Coding::Br].into_iter().filter_map(Try::new).collect();
        }
        self.bytes += 1;
        self.has_control |= is_control(byte);
        self.tries.retain_mut(|tried| tried.byte(byte).is_some());
        let is_over = self.tries.is_empty() || self.bytes == TRIED_BYTES_MAX;
        if is_over || (self.bytes == CONTROL_BYTES && !self.has_control) {
            return Some(Seen::Text);
        }
        let is_sure = |tried: &&Try| tried.has_ended() || (self.has_control && tried.is_sure(self.bytes));
        self.tries.iter().find(is_sure).map(Try::seen)
    }
}

/// One coding that it may be in.
struct Try {
    coding: Coding,
    decoder: Decoder,
    /// First bytes, which may be the header of zlib (RFC 1950, section 2.2).
    header: SmallVec<[u8; 2]>,
    /// Bytes that came of it, and the first of them.
    unpacked: usize,
    head: SmallVec<[u8; PLAIN_BYTES]>,
}

impl Try {
    fn new(coding: Coding) -> Option<Self> {
        Some(Self {
            coding,
            decoder: Decoder::new(coding)?,
            header: SmallVec::new(),
            unpacked: 0,
            head: SmallVec::new(),
        })
    }

    const fn seen(&self) -> Seen {
        Seen::File(Kind::Coded(self.coding))
    }

    /// Reads one more byte; none if the coding breaks there.
    fn byte(&mut self, byte: u8) -> Option<()> {
        if self.header.len() < 2 {
            self.header.push(byte);
        }
        let mut input: &[u8] = &[byte];
        let mut output = [0; OUTPUT_BYTES];
        loop {
            let progress = self.decoder.step(input, &mut output).ok()?;
            input = input.get(progress.read..).unwrap_or_default();
            let text = output.get(..progress.written).unwrap_or_default();
            let wanted = PLAIN_BYTES - self.head.len();
            self.head.extend_from_slice(text.get(..wanted).unwrap_or(text));
            // What is not packed is read as it stands too. In deflate sixteen bits say so twice, in br a few.
            if self.coding == Coding::Deflate || text != [byte] {
                self.unpacked += text.len();
            }
            let is_drained = input.is_empty() && progress.written < output.len();
            if is_drained || self.unpacked >= UNPACKED_BYTES_MAX {
                return Some(());
            }
        }
    }

    /// Whether it has the header of zlib, without a dictionary.
    fn is_zlib(&self) -> bool {
        let [first, second] = self.header.as_slice() else {
            return false;
        };
        let is_method = first & 0x0f == 8 && first >> 4 <= 7 && second & 0x20 == 0;
        self.coding == Coding::Deflate && is_method && u16::from_be_bytes([*first, *second]).is_multiple_of(31)
    }

    /// Whether a stream ended whose checksum is right.
    fn has_ended(&self) -> bool {
        self.is_zlib() && self.decoder.has_ended()
    }

    /// Whether so many bytes of what is not in it would have broken it, or a file is in it.
    fn is_sure(&self, bytes: usize) -> bool {
        let is_sure = if self.is_zlib() {
            bytes >= SURVIVED_ZLIB_BYTES
        } else {
            bytes >= SURVIVED_BYTES && self.unpacked >= UNPACKED_BYTES_MIN && is_read(&self.head)
        };
        is_sure || self.unpacked >= UNPACKED_BYTES_MAX || is_container(&self.head)
    }

    /// Whether a body that ends here is in it: all of one, or so much of zlib as shows something.
    fn is_whole(&self) -> bool {
        self.unpacked > 0 && (self.is_zlib() || self.decoder.finish().is_ok())
    }
}

/// Whether what came of it may be a text, in whatever character set.
fn is_read(head: &[u8]) -> bool {
    is_wide(head) || !head.iter().copied().any(is_control)
}

/// Whether what begins so is a text: its first line, or as much of it as shows that, is in UTF-8.
fn is_text(first: &[u8], ends: bool) -> bool {
    let head = first.get(..PLAIN_BYTES).unwrap_or(first);
    let mut lines = memchr::memchr_iter(b'\n', head).filter_map(|end| head.get(..=end));
    let line = lines.find(|line| line.len() >= LINE_BYTES || is_event(line));
    let is_whole = line.is_some() || head.len() == PLAIN_BYTES || ends;
    let head = line.unwrap_or(head);
    // The last letter may be cut.
    let is_broken = std::str::from_utf8(head).is_err_and(|error| error.error_len().is_some());
    is_whole && !is_broken && !head.iter().any(|byte| is_control(*byte) || *byte == ESCAPE)
}

/// Whether a line may be the first of a stream of events (HTML Living Standard, section 9.2.5), of which none waits.
fn is_event(line: &[u8]) -> bool {
    let fields: [&[u8]; 5] = [b":", b"data", b"event", b"id", b"retry"];
    line.trim_ascii().is_empty() || fields.iter().any(|field| line.starts_with(field))
}

/// Whether no text has this byte, in none of the character sets that are of ASCII.
const fn is_control(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn is_coded(body: &[u8], chunk: usize) -> Option<Coding> {
        let mut tried = Tried::default();
        let mut ends = (chunk..body.len())
            .step_by(chunk)
            .map(|end| tried.look(&body[..end], false));
        let seen = ends.find(|seen| !matches!(seen, Seen::More));
        match seen.unwrap_or_else(|| tried.look(body, true)) {
            Seen::File(Kind::Coded(coding)) => Some(coding),
            Seen::File(_) | Seen::Text | Seen::More => None,
        }
    }

    fn raw(text: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn br(text: &[u8], quality: u32) -> Vec<u8> {
        let mut coded = Vec::new();
        brotli::CompressorWriter::new(&mut coded, 4096, quality, 22)
            .write_all(text)
            .unwrap();
        coded
    }

    /// Bytes that look like chance, others for each seed.
    fn noise(seed: u64, bytes: usize) -> Vec<u8> {
        let mut noise = vec![0; bytes];
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).finalize_xof().fill(&mut noise);
        noise
    }

    #[test]
    fn a_coded_text_is_told_however_it_is_cut_and_however_short_it_is() {
        let rows = (0..400).map(|n| format!("{n},kim{n}@mail.example,010-0000-{n:04}\n"));
        let rows: Vec<u8> = rows.flat_map(String::into_bytes).collect();
        let texts = [20, 60, 200, 1_000, rows.len()].map(|length| &rows[..length]);
        let coded = texts.into_iter().flat_map(|text| {
            let bodies = [
                (raw(text), Coding::Deflate),
                (br(text, 1), Coding::Br),
                (br(text, 5), Coding::Br),
                (br(text, 11), Coding::Br),
            ];
            bodies.map(|(body, coding)| (text, body, coding))
        });
        // What is too short to be packed stands in it as it is.
        for (text, body, coding) in coded.filter(|(text, body, _)| memchr::memmem::find(body, text).is_none()) {
            for chunk in [1, 7, 100, body.len()] {
                let found = is_coded(&body, chunk);
                assert_eq!(found, Some(coding), "{}, {chunk}, {:?}", text.len(), body.get(..8));
            }
        }
    }

    /// What no coding has made is none: a text in any character set at once, and what is neither within a few bytes.
    #[test]
    fn what_is_not_coded_is_not_taken_for_it() {
        let korean = encoding_rs::EUC_KR
            .encode("이름,전화번호\n김민수,010-0000-0000\n")
            .0
            .into_owned();
        let wide: Vec<u8> = "name,phone\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let message = [&[8, 0xac, 2, 0x12, 0x7f][..], &[b'a'; 600]].concat();
        let texts: [&[u8]; 8] = [
            b"\n",
            b"data: 1\n",
            b"{\"a\":[1,2,3,4,5]",
            &korean,
            &wide,
            &message,
            b"\x03\0",
            &[0; 5_000],
        ];
        for text in texts {
            for chunk in [1, text.len()] {
                assert_eq!(is_coded(text, chunk), None, "{:?}", text.get(..8));
            }
        }
        for line in [&b"\n"[..], b"data: 1\n", b"{\"a\":[1,2,3,4,5]"] {
            assert!(
                matches!(Tried::default().look(line, false), Seen::Text),
                "it waits for nothing"
            );
        }
        let coded = (0..3_000).filter(|seed| is_coded(&noise(*seed, 5_000), 5_000).is_some());
        assert_eq!(coded.count(), 0);
    }

    /// The size of what is packed stands in the first bytes, and may look like a short line.
    #[test]
    fn a_coded_text_of_any_length_is_told() {
        let rows = (0..400).map(|n| format!("{n},kim{n}@mail.example,010-0000-{n:04}\n"));
        let rows: Vec<u8> = rows.flat_map(String::into_bytes).collect();
        for length in 1_000..1_520 {
            let body = br(&rows[..length], 5);
            assert_eq!(
                is_coded(&body, body.len()),
                Some(Coding::Br),
                "{length}, {:?}",
                body.get(..8)
            );
        }
    }

    #[test]
    fn a_bomb_is_known_for_one_before_it_is_unpacked() {
        for body in [raw(&vec![b' '; 8 << 20]), br(&vec![b' '; 8 << 20], 5)] {
            assert!(is_coded(&body, body.len()).is_some());
        }
    }
}
