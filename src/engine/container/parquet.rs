//! Parquet files (Apache Parquet Format 2.11), page by page as they pass: the texts of dictionaries and of plain pages, each a line,
//! and what describes them. Which codec a page is packed by stands at the end of the file: it is tried out, and what unpacks to
//! exactly what the page's header states was packed so.
//!
//! ```text
//!   PAR1 │ header, page │ header, page │ ... │ indexes, description, its length, PAR1
//! ```

use super::bytes::{gather, little, part, take};
use super::steps::Steps;
use super::thrift::{Numbers, Short};
use super::{Fault, Told, delta, lz4, snappy};
use crate::engine::decode::{Coding, Decoder};
use crate::engine::structure::Declared;

/// What a file begins and ends with; the latter if even its description is encrypted ("Parquet Modular Encryption").
const MAGIC: &[u8; 4] = b"PAR1";
const ENCRYPTED_MAGIC: &[u8; 4] = b"PARE";
pub(super) const MAGICS: [&[u8]; 2] = [MAGIC, ENCRYPTED_MAGIC];
/// Bytes of a page's header: numbers, and the smallest and largest value of the page.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// Bytes that a header is first looked for in.
const HEADER_BYTES: usize = 32;
/// Bytes of a page, and those it unpacks to: writers begin another at a MiB.
const PAGE_BYTES_MAX: usize = 2 << 20;
const UNPACKED_BYTES_MAX: usize = 4 << 20;
/// How values are written ("Encodings"): as they are, in a dictionary too; as numbers of a dictionary's, or of no text; as texts
/// behind all their lengths, or as what tells each from the one before. Others may hold texts in pieces.
const PLAIN: i64 = 0;
const PLAIN_DICTIONARY: i64 = 2;
const RLE: i64 = 3;
const BIT_PACKED: i64 = 4;
const DELTA_NUMBERS: i64 = 5;
const DELTA_LENGTHS: i64 = 6;
const DELTA_TEXTS: i64 = 7;
const RLE_DICTIONARY: i64 = 8;
/// Pages (`PageType`).
const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_2: i64 = 3;

/// The reader of one file.
pub(super) struct Parquet {
    /// What was read of the file and not yet told; < `wanted` bytes between two steps.
    kept: Vec<u8>,
    wanted: usize,
    state: State,
    /// The last bytes of the file so far.
    last: [u8; 4],
}

enum State {
    Magic,
    Header,
    Page(Page),
    /// So many bytes of an index that holds hashes alone (a Bloom filter).
    Hashes(u64),
    /// Behind the last page.
    Rest,
}

/// What a page's header says.
#[derive(Clone, Copy)]
struct Page {
    /// Bytes behind the header, and what they unpack to.
    length: usize,
    unpacked: usize,
    /// Bytes before the values that are never packed.
    levels: usize,
    is_packed: bool,
    kind: i64,
    values: usize,
    encoding: i64,
}

impl Steps for Parquet {
    fn step(&mut self, bytes: &mut &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        match &mut self.state {
            State::Hashes(left) if self.kept.is_empty() => {
                *left -= take(bytes, *left).len() as u64;
                if *left == 0 {
                    self.expect(State::Header, HEADER_BYTES);
                }
            }
            State::Rest => self.rest(take(bytes, u64::MAX), told)?,
            State::Magic | State::Header | State::Page(_) | State::Hashes(_) => {
                gather(&mut self.kept, self.wanted, bytes);
                while self.kept.len() >= self.wanted && !matches!(self.state, State::Rest) {
                    self.advance(false, told)?;
                }
            }
        }
        Ok(())
    }
}

impl Parquet {
    pub(super) fn new() -> Self {
        Self {
            kept: Vec::new(),
            wanted: MAGIC.len(),
            state: State::Magic,
            last: [0; 4],
        }
    }

    pub(super) const fn is_drained(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many bytes more it is drained behind, as far as it is known: those to the end of a page, or of what tells its length.
    pub(super) fn wanted(&self) -> usize {
        match self.state {
            State::Rest => usize::MAX,
            State::Hashes(left) if self.kept.is_empty() => usize::try_from(left).unwrap_or(usize::MAX),
            State::Magic | State::Header | State::Page(_) | State::Hashes(_) => {
                self.wanted.saturating_sub(self.kept.len()).max(1)
            }
        }
    }

    pub(super) fn finish(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        while !matches!(self.state, State::Rest) {
            self.advance(true, told)?;
        }
        if self.last == *MAGIC {
            Ok(())
        } else {
            Err(Fault::Unreadable)
        }
    }

    fn expect(&mut self, state: State, wanted: usize) {
        self.state = state;
        self.wanted = wanted;
    }

    /// Takes one part of the file off the front of what was kept, or asks for more of it; `ends`: there is no more.
    fn advance(&mut self, ends: bool, told: &mut Told<'_>) -> Result<(), Fault> {
        match self.state {
            State::Magic => {
                if self.kept.starts_with(ENCRYPTED_MAGIC) {
                    return Err(Fault::Encrypted);
                }
                self.forget(MAGIC.len());
                self.expect(State::Header, HEADER_BYTES);
            }
            State::Header => match header(&self.kept)? {
                None if ends || self.wanted >= HEADER_BYTES_MAX => return Err(Fault::Unreadable),
                None => self.wanted *= 2,
                Some((found, length)) => self.begin(&found, length, told)?,
            },
            State::Page(page) => {
                let whole = self.kept.get(..page.length).ok_or(Fault::Unreadable)?;
                tell(&page, whole, told)?;
                self.forget(page.length);
                self.expect(State::Header, HEADER_BYTES);
            }
            State::Hashes(left) => {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.kept.len());
                self.forget(here);
                self.wanted = 1;
                self.state = match left - here as u64 {
                    0 => State::Header,
                    _ if ends => return Err(Fault::Unreadable),
                    left => State::Hashes(left),
                };
            }
            State::Rest => {}
        }
        Ok(())
    }

    /// A header is whole, or something else stands in its place.
    fn begin(&mut self, found: &Found, length: usize, told: &mut Told<'_>) -> Result<(), Fault> {
        told.begin(Declared::Lines);
        match found {
            Found::Page(page) => {
                self.describe(length, told)?;
                self.expect(State::Page(*page), page.length);
            }
            Found::Hashes(bytes) => {
                self.forget(length);
                self.expect(State::Hashes(*bytes), 1);
            }
            Found::Rest => {
                self.state = State::Rest;
                let kept = std::mem::take(&mut self.kept);
                self.rest(&kept, told)?;
            }
        }
        Ok(())
    }

    /// Tells the texts of a header: values that are in the page too, if its writer is honest.
    fn describe(&mut self, length: usize, told: &mut Told<'_>) -> Result<(), Fault> {
        let header = self.kept.get(..length).unwrap_or_default();
        for text in runs(header) {
            told.line(text)?;
        }
        self.forget(length);
        Ok(())
    }

    /// What describes the file, each text of it a line.
    fn rest(&mut self, bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        for byte in bytes.iter().skip(bytes.len().saturating_sub(self.last.len())) {
            self.last.rotate_left(1);
            self.last[3] = *byte;
        }
        let lines: Vec<u8> = bytes
            .iter()
            .map(|byte| if *byte < b' ' { b'\n' } else { *byte })
            .collect();
        told.text(&lines)
    }

    fn forget(&mut self, length: usize) {
        self.kept.drain(..length.min(self.kept.len()));
    }
}

/// What stands where a page may begin.
enum Found {
    Page(Page),
    Hashes(u64),
    Rest,
}

/// What `bytes` begin with, and the length of its header; none if there are too few of them to tell.
fn header(bytes: &[u8]) -> Result<Option<(Found, usize)>, Fault> {
    // A description begins with its version and a list, an index with a list.
    let is_rest = match bytes {
        [0x19, ..] | [0x15, _, 0x19, ..] => true,
        [] | [0x15] | [0x15, _] => return Ok(None),
        _ => false,
    };
    if is_rest {
        return Ok(Some((Found::Rest, 0)));
    }
    let (numbers, length) = match Numbers::read(bytes) {
        Ok(read) => read,
        Err(Short::More) => return Ok(None),
        Err(Short::Broken) => return Err(Fault::Unreadable),
    };
    let size = |outer, field| numbers.get(outer, field).and_then(|size| usize::try_from(size).ok());
    // Its length, then what the hashes are.
    if numbers.has(2) {
        let bytes = size(0, 1).ok_or(Fault::Unreadable)?;
        return Ok(Some((Found::Hashes(bytes as u64), length)));
    }
    let kind = numbers.get(0, 1).ok_or(Fault::Unreadable)?;
    let (inner, encoding) = match kind {
        DATA => (5, 2),
        DICTIONARY => (7, 2),
        DATA_2 => (8, 4),
        _ => return Err(Fault::Unreadable),
    };
    let levels = if kind == DATA_2 {
        let both = size(inner, 5).zip(size(inner, 6));
        both.map(|(one, other)| one.saturating_add(other))
    } else {
        Some(0)
    };
    let page = Page {
        length: size(0, 3).ok_or(Fault::Unreadable)?,
        unpacked: size(0, 2).ok_or(Fault::Unreadable)?,
        levels: levels.ok_or(Fault::Unreadable)?,
        is_packed: kind != DATA_2 || numbers.get(inner, 7) != Some(0),
        kind,
        values: size(inner, 1).ok_or(Fault::Unreadable)?,
        encoding: numbers.get(inner, encoding).ok_or(Fault::Unreadable)?,
    };
    if page.length > PAGE_BYTES_MAX || page.unpacked > UNPACKED_BYTES_MAX {
        return Err(Fault::Limit);
    }
    Ok(Some((Found::Page(page), length)))
}

/// Tells the texts of a page.
fn tell(page: &Page, bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
    match (page.kind, page.encoding) {
        (_, PLAIN) | (DICTIONARY, PLAIN_DICTIONARY) | (DATA | DATA_2, DELTA_LENGTHS | DELTA_TEXTS) => {}
        (DATA | DATA_2, PLAIN_DICTIONARY | RLE | BIT_PACKED | DELTA_NUMBERS | RLE_DICTIONARY) => return Ok(()),
        _ => return Err(Fault::Unreadable),
    }
    let packed = bytes.get(page.levels..).ok_or(Fault::Unreadable)?;
    let length = page.unpacked.checked_sub(page.levels).ok_or(Fault::Unreadable)?;
    let values = if page.is_packed {
        told.meter().unpacked(length as u64)?;
        unpack(packed, length)?.ok_or(Fault::Unreadable)?
    } else {
        packed.to_vec()
    };
    told.begin(Declared::Lines);
    // Before the values of a page of the first version stand levels, of which nothing says how many there are.
    let behind_levels = |from: usize| from + 4 + little(part(&values, from, 4)) as usize;
    let starts = [0, behind_levels(0), behind_levels(behind_levels(0))];
    if let DELTA_LENGTHS | DELTA_TEXTS = page.encoding {
        for start in starts {
            let values = values.get(start..).unwrap_or_default();
            if delta::tell(values, page.encoding == DELTA_TEXTS, told)? {
                return Ok(());
            }
        }
        return Err(Fault::Unreadable);
    }
    let texts = starts
        .iter()
        .find_map(|start| texts(values.get(*start..)?, page.values));
    for text in texts.unwrap_or_else(|| runs(&values)) {
        told.line(text)?;
    }
    Ok(())
}

/// Texts with their lengths before them, if that is what `values` are to the last byte.
fn texts(mut values: &[u8], most: usize) -> Option<Vec<&[u8]>> {
    let mut texts = Vec::new();
    while !values.is_empty() {
        let (length, rest) = values.split_at_checked(4)?;
        let (text, rest) = rest.split_at_checked(little(length) as usize)?;
        values = rest;
        texts.push(text);
        if texts.len() > most {
            return None;
        }
    }
    (!texts.is_empty()).then_some(texts)
}

/// What may be text in values of another kind.
fn runs(values: &[u8]) -> Vec<&[u8]> {
    let parts = values.split(|byte| *byte < b' ');
    parts.filter(|part| !part.is_empty()).collect()
}

/// What a page unpacks to: exactly `length` bytes, by the one codec that gives so many.
fn unpack(packed: &[u8], length: usize) -> Result<Option<Vec<u8>>, Fault> {
    let by = |coding| decode(coding, packed, length);
    Ok(match packed {
        [0x1f, 0x8b, ..] => by(Coding::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => by(Coding::Zstd),
        // Stored or packed: which of them is read, its bytes do not tell.
        _ if packed.len() == length && lz4::unpack(packed, length).is_some_and(|text| text != packed) => {
            return Err(Fault::Unreadable);
        }
        _ => snappy::unpack(packed, length)
            .or_else(|| (packed.len() == length).then(|| packed.to_vec()))
            .or_else(|| lz4::unpack(packed, length))
            .or_else(|| by(Coding::Br)),
    })
}

fn decode(coding: Coding, packed: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut decoder = Decoder::new(coding)?;
    // One byte more than it may be, so that what is longer shows.
    let mut text = vec![0; length + 1];
    let (mut read, mut written) = (0, 0);
    loop {
        let progress = decoder.step(packed.get(read..)?, text.get_mut(written..)?).ok()?;
        (read, written) = (read + progress.read, written + progress.written);
        if written > length || (progress.read == 0 && progress.written == 0) || read == packed.len() {
            break;
        }
    }
    decoder.finish().ok()?;
    text.truncate(written);
    (read == packed.len() && written == length).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_stored_or_packed_is_refused() {
        // A letter, a copy of four from one before the end, and five letters ("LZ4 Block Format Description").
        let both = [0x10, b'a', 1, 0, 0x50, b'v', b'w', b'x', b'y', b'z'];
        assert_eq!(lz4::unpack(&both, both.len()).as_deref(), Some(&b"aaaaavwxyz"[..]));
        assert_eq!(unpack(&both, both.len()), Err(Fault::Unreadable));
        for stored in [&b""[..], b"\x03\0\0\0kim", b"aaaaavwxyz"] {
            assert_eq!(unpack(stored, stored.len()), Ok(Some(stored.to_vec())));
        }
    }
}
