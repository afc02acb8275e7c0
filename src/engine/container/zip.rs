//! ZIP (APPNOTE 6.3.10), by its local headers as they pass: the directory at its end comes too late.
//!
//! What stands between two entries is told as text and searched for the next header, so that an archive behind something else
//! and a hidden entry are read all the same. A stored entry of unknown size ends where the next record begins. A header inside an entry that is no
//! archive itself would be an entry to those who ask the directory, and is refused.

use super::bytes::{Word, gather, little, part, take};
use super::office::Office;
use super::sheet::{Book, Sheet, Strings};
use super::steps::Steps;
use super::unpack::Unpacker;
use super::{Fault, Told};
use crate::engine::decode::Inflate;
use crate::engine::structure::Declared;

/// A local header's first bytes (section 4.3.7), and the length of its fixed part without them.
const HEADER: &[u8] = b"PK\x03\x04";
const HEADER_BYTES: usize = 26;
/// How every record begins, and what tells which one it is (sections 4.3.7 to 4.3.16).
const RECORD: &[u8] = b"PK";
const RECORDS: [&[u8]; 8] = [
    HEADER,
    b"PK\x07\x08",
    b"PK\x01\x02",
    b"PK\x05\x05",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"PK\x06\x08",
];
const RECORD_BYTES: usize = 4;
/// Flags: encrypted, and sizes behind the data (section 4.4.4).
const ENCRYPTED: u64 = 1;
const SIZES_BEHIND: u64 = 1 << 3;
/// A size that stands in an extra field (section 4.5.3).
const SIZE_ELSEWHERE: u64 = 0xffff_ffff;
/// Methods (section 4.4.5).
const STORED: u64 = 0;
const DEFLATED: u64 = 8;
/// Bytes unpacked at once.
const UNPACKED_AT_ONCE_BYTES: usize = 4096;

/// The reader of one archive.
pub(super) struct Zip {
    level: u32,
    header: Vec<u8>,
    word: Word,
    is_telling: bool,
    /// What must come next: behind an entry without data, another record.
    expected: &'static [u8],
    state: State,
    book: Book,
}

enum State {
    /// Between entries.
    Outside,
    Header,
    Entry(Box<Entry>),
}

/// An entry under way.
struct Entry {
    /// Bytes left of its data, if that is known.
    left: Option<u64>,
    inflate: Option<Inflate>,
    part: Part,
    /// Looks for a header in its data.
    word: Word,
    hides_header: bool,
    /// Of a stored entry whose size stands behind it: the bytes that may begin the next record.
    ending: Option<Vec<u8>>,
}

/// What an entry is.
enum Part {
    File(Box<Unpacker>),
    Office(Box<Office>),
    Sheet(Box<Sheet>),
    Strings(Box<Strings>),
    /// A part by its name, whose first byte must tell that it is one.
    Named(Named, u32),
}

/// What the name of a part of Office Open XML says that it is.
#[derive(Clone, Copy)]
enum Named {
    Office,
    Sheet,
    Strings,
}

impl Steps for Zip {
    fn step(&mut self, bytes: &mut &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        match &mut self.state {
            State::Outside => self.outside(bytes, told)?,
            State::Header => {
                // Once its fixed part is there, it says how long its names are.
                let is_fixed = gather(&mut self.header, HEADER_BYTES, bytes);
                let length = HEADER_BYTES + names_bytes(&self.header);
                if is_fixed && gather(&mut self.header, length, bytes) {
                    self.begin(told)?;
                }
            }
            State::Entry(entry) => {
                if !entry.push(bytes, &mut self.book, told)? {
                    return Ok(());
                }
                let record = entry.ending.take().unwrap_or_default();
                self.state = State::Outside;
                if !record.is_empty() {
                    self.outside(&mut record.as_slice(), told)?;
                }
            }
        }
        Ok(())
    }
}

impl Zip {
    pub(super) fn new(level: u32) -> Self {
        Self {
            level,
            header: Vec::new(),
            word: Word::new(HEADER),
            is_telling: false,
            expected: b"",
            state: State::Outside,
            book: Book::default(),
        }
    }

    pub(super) fn is_drained(&self) -> bool {
        match &self.state {
            State::Outside => true,
            State::Header => self.header.is_empty(),
            State::Entry(entry) => entry.is_drained(),
        }
    }

    pub(super) fn finish(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        match &mut self.state {
            State::Outside => Ok(()),
            State::Header => Err(Fault::Unreadable),
            State::Entry(entry) => {
                entry.part.finish(&mut self.book, told)?;
                Err(Fault::Unreadable)
            }
        }
    }

    fn outside(&mut self, bytes: &mut &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        let end = self.word.find(bytes);
        let text = take(bytes, end.map_or(u64::MAX, |end| end as u64));
        let (expected, rest) = self.expected.split_at(self.expected.len().min(text.len()));
        if !text.starts_with(expected) {
            return Err(Fault::Unreadable);
        }
        self.expected = rest;
        if !std::mem::replace(&mut self.is_telling, true) {
            told.begin(Declared::Lines);
        }
        told.text(text)?;
        if end.is_some() {
            self.is_telling = false;
            self.header.clear();
            self.state = State::Header;
        }
        Ok(())
    }

    /// A header is whole.
    fn begin(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        told.meter().entry()?;
        let header = std::mem::take(&mut self.header);
        let (flags, method) = (little(part(&header, 2, 2)), little(part(&header, 4, 2)));
        let name_bytes = little(part(&header, 22, 2)) as usize;
        let name = part(&header, HEADER_BYTES, name_bytes);
        let extra = header.get(HEADER_BYTES + name_bytes..).unwrap_or_default();
        told.begin(Declared::Lines);
        told.text(name)?;
        told.text(b"\n")?;
        told.text(extra)?;
        if flags & ENCRYPTED != 0 {
            return Err(Fault::Encrypted);
        }
        let size = match little(part(&header, 14, 4)) {
            SIZE_ELSEWHERE => size_elsewhere(extra).ok_or(Fault::Unreadable)?,
            size => size,
        };
        let size = (size > 0 || flags & SIZES_BEHIND == 0).then_some(size);
        let inflate = match (method, size) {
            // It has nothing, which what follows must show.
            (_, Some(0)) => {
                self.expected = RECORD;
                self.state = State::Outside;
                return Ok(());
            }
            (STORED, _) => None,
            (DEFLATED, _) => Some(Inflate::raw()),
            _ => return Err(Fault::Unreadable),
        };
        self.state = State::Entry(Box::new(Entry {
            left: size,
            inflate,
            part: self.part(name),
            word: Word::new(HEADER),
            hides_header: false,
            ending: (method == STORED && size.is_none()).then(Vec::new),
        }));
        Ok(())
    }

    /// What an entry of this name is.
    fn part(&self, name: &[u8]) -> Part {
        let is_xml = name.ends_with(b".xml");
        if is_xml && name.starts_with(b"xl/worksheets/") {
            Part::Named(Named::Sheet, self.level)
        } else if name == b"xl/sharedStrings.xml" {
            Part::Named(Named::Strings, self.level)
        } else if is_xml && (name.starts_with(b"word/") || name.starts_with(b"ppt/")) {
            Part::Named(Named::Office, self.level)
        } else {
            Part::File(Box::new(Unpacker::new(self.level)))
        }
    }
}

/// The length of an entry's name and of its extra fields.
fn names_bytes(header: &[u8]) -> usize {
    (little(part(header, 22, 2)) + little(part(header, 24, 2))) as usize
}

/// The packed size in the field of ZIP64 among `extra` ones: behind the other.
fn size_elsewhere(mut extra: &[u8]) -> Option<u64> {
    while extra.len() >= 4 {
        let length = little(part(extra, 2, 2)) as usize;
        if little(part(extra, 0, 2)) == 1 {
            return Some(little(extra.get(12..20)?)).filter(|_| length >= 16);
        }
        extra = extra.get(4 + length..)?;
    }
    None
}

impl Entry {
    /// Reads what of the entry `bytes` begin with; whether it ended.
    fn push(&mut self, bytes: &mut &[u8], book: &mut Book, told: &mut Told<'_>) -> Result<bool, Fault> {
        if self.ending.is_some() {
            return self.push_unsized(bytes, book, told);
        }
        let whole = *bytes;
        let data = take(bytes, self.left.unwrap_or(u64::MAX));
        let read = match &mut self.inflate {
            None => {
                self.part.push(data, book, told)?;
                data.len()
            }
            Some(inflate) => unpack(inflate, &mut self.part, data, book, told)?,
        };
        let data = data.get(..read).unwrap_or_default();
        self.hides_header |= self.word.find(data).is_some();
        if let Some(left) = &mut self.left {
            *left -= read as u64;
        }
        let has_ended = match &self.inflate {
            Some(inflate) => inflate.has_ended(),
            None => self.left == Some(0),
        };
        if self.hides_header && !self.part.is_zip() {
            return Err(Fault::Unreadable);
        }
        if has_ended {
            self.part.finish(book, told)?;
            // What the entry has left behind its data is no data: it is looked at from there.
            *bytes = whole.get(read..).unwrap_or_default();
        } else if self.left == Some(0) {
            return Err(Fault::Unreadable);
        }
        Ok(has_ended)
    }

    /// Reads what of a stored entry of unknown size `bytes` begin with, one byte if it may begin a record; whether it ended. Its
    /// end is told by the record, which is left to be read.
    fn push_unsized(&mut self, bytes: &mut &[u8], book: &mut Book, told: &mut Told<'_>) -> Result<bool, Fault> {
        let Some(ending) = &mut self.ending else {
            return Ok(false);
        };
        if ending.is_empty() {
            let end = memchr::memchr(b'P', bytes).unwrap_or(bytes.len());
            self.part.push(take(bytes, end as u64), book, told)?;
        }
        ending.extend_from_slice(take(bytes, 1));
        while !ending.is_empty() && !RECORDS.iter().any(|record| record.starts_with(ending)) {
            // None: its first byte is data, and of the others one may be the first of another.
            let first = ending.remove(0);
            self.part.push(&[first], book, told)?;
        }
        if ending.len() < RECORD_BYTES {
            return Ok(false);
        }
        self.part.finish(book, told)?;
        Ok(true)
    }

    fn is_drained(&self) -> bool {
        self.part.is_drained() && self.ending.as_ref().is_none_or(Vec::is_empty)
    }
}

/// Inflates `data` into `part`; the bytes that were read.
fn unpack(
    inflate: &mut Inflate,
    part: &mut Part,
    data: &[u8],
    book: &mut Book,
    told: &mut Told<'_>,
) -> Result<usize, Fault> {
    let mut output = [0; UNPACKED_AT_ONCE_BYTES];
    let mut read = 0;
    loop {
        let rest = data.get(read..).unwrap_or_default();
        let progress = inflate.step(rest, &mut output).map_err(|_| Fault::Unreadable)?;
        read += progress.read;
        told.meter().unpacked(progress.written as u64)?;
        part.push(output.get(..progress.written).unwrap_or_default(), book, told)?;
        let is_drained = read == data.len() && progress.written < output.len();
        if is_drained || inflate.has_ended() {
            return Ok(read);
        }
    }
}

impl Part {
    fn is_zip(&self) -> bool {
        matches!(self, Self::File(file) if file.is_zip())
    }

    fn is_drained(&self) -> bool {
        match self {
            Self::File(file) => file.is_drained(),
            Self::Office(office) => office.is_drained(),
            Self::Named(..) => true,
            Self::Sheet(sheet) => sheet.is_drained(),
            Self::Strings(strings) => strings.is_drained(),
        }
    }

    fn push(&mut self, mut bytes: &[u8], book: &mut Book, told: &mut Told<'_>) -> Result<(), Fault> {
        if let Self::Named(named, level) = *self {
            bytes = bytes.trim_ascii_start();
            let Some(first) = bytes.first() else { return Ok(()) };
            *self = match named {
                // Neither a tag nor the first byte of a mark before one (UTF-8): whatever it is, it is not what its name says.
                _ if !matches!(first, b'<' | 0xef) => Self::File(Box::new(Unpacker::new(level))),
                Named::Office => Self::Office(Box::new(Office::new(told))),
                Named::Sheet => Self::Sheet(Box::new(Sheet::new(book, told))),
                Named::Strings => Self::Strings(Box::new(Strings::new(book, told))),
            };
        }
        match self {
            Self::Named(..) => Ok(()),
            Self::File(file) => file.push(bytes, told),
            Self::Office(office) => office.push(bytes, told),
            Self::Sheet(sheet) => sheet.push(bytes, book, told),
            Self::Strings(strings) => strings.push(bytes, book, told),
        }
    }

    fn finish(&mut self, book: &mut Book, told: &mut Told<'_>) -> Result<(), Fault> {
        match self {
            Self::File(file) => file.finish(told),
            Self::Office(office) => office.finish(told),
            Self::Named(..) => Ok(()),
            Self::Sheet(sheet) => sheet.finish(book, told),
            Self::Strings(strings) => strings.finish(book, told),
        }
    }
}
