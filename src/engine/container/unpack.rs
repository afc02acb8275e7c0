//! What a file is, and the reader for it.

use smallvec::SmallVec;

use super::image::{Jpeg, Png};
use super::pdf::Pdf;
use super::sqlite::Sqlite;
use super::steps::Steps as _;
use super::tar::Tar;
use super::zip::Zip;
use super::{Fault, Told};
use crate::engine::decode::{Coding, Decoder};
use crate::engine::structure::Declared;

/// Bytes that tell what a body is; the longest name of a format.
const FIRST_BYTES: usize = 16;
/// Bytes that tell what is inside another file: a TAR archive says so late (POSIX.1-2001, "ustar Interchange Format").
const INNER_FIRST_BYTES: usize = 262;
const TAR: &[u8] = b"ustar";
const TAR_AT: usize = 257;
/// Bytes unpacked at once.
const UNPACKED_AT_ONCE_BYTES: usize = 4096;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Gzip,
    Zip,
    Pdf,
    Png,
    Jpeg,
    Sqlite,
    Tar,
}

/// How a file of each begins.
const MAGICS: [(&[u8], Kind); 7] = [
    (&[0x1f, 0x8b, 8], Kind::Gzip),
    (b"PK\x03\x04", Kind::Zip),
    (b"PK\x07\x08PK\x03\x04", Kind::Zip),
    (b"%PDF-", Kind::Pdf),
    (b"\x89PNG\r\n\x1a\n", Kind::Png),
    (&[0xff, 0xd8, 0xff], Kind::Jpeg),
    (b"SQLite format 3\0", Kind::Sqlite),
];

/// What the first bytes of a body say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Look {
    /// More of them are needed.
    More,
    /// It is a text, as far as this can be seen.
    Text,
    /// It is a container.
    Container,
}

/// Looks at the first bytes of a body, however few they are.
pub(in crate::engine) fn look(first: &[u8]) -> Look {
    match kind(first) {
        Seen::File(_) => Look::Container,
        Seen::Text => Look::Text,
        Seen::More => Look::More,
    }
}

/// What begins so.
enum Seen {
    More,
    Text,
    File(Kind),
}

fn kind(first: &[u8]) -> Seen {
    if let Some((_, kind)) = MAGICS.iter().find(|(magic, _)| first.starts_with(magic)) {
        return Seen::File(*kind);
    }
    let may_be = first.len() < FIRST_BYTES && MAGICS.iter().any(|(magic, _)| magic.starts_with(first));
    if may_be { Seen::More } else { Seen::Text }
}

/// The reader of one file.
pub(in crate::engine) struct Unpacker {
    /// How many containers are around what it reads, and itself.
    level: u32,
    reader: Reader,
}

enum Reader {
    /// The first bytes.
    Undecided(SmallVec<[u8; FIRST_BYTES]>),
    Text,
    Gzip(Box<Decoder>, Box<Unpacker>),
    Zip(Box<Zip>),
    Tar(Box<Tar>),
    Pdf(Box<Pdf>),
    Png(Box<Png>),
    Jpeg(Box<Jpeg>),
    Sqlite(Box<Sqlite>),
}

impl Unpacker {
    /// The reader of a body, or at a further level that of a file inside it.
    pub(in crate::engine) fn new(level: u32) -> Self {
        Self {
            level,
            reader: Reader::Undecided(SmallVec::new()),
        }
    }

    /// Whether it reads a ZIP archive.
    pub(super) fn is_zip(&self) -> bool {
        matches!(self.reader, Reader::Undecided(_) | Reader::Zip(_))
    }

    /// Whether all that was read was told, or says nothing: what comes next needs none of it.
    pub(in crate::engine) fn is_drained(&self) -> bool {
        match &self.reader {
            Reader::Undecided(first) => first.is_empty(),
            Reader::Text => true,
            Reader::Pdf(pdf) => pdf.is_drained(),
            Reader::Gzip(_, inner) => inner.is_drained(),
            Reader::Zip(zip) => zip.is_drained(),
            Reader::Tar(tar) => tar.is_drained(),
            Reader::Png(png) => png.is_drained(),
            Reader::Jpeg(jpeg) => jpeg.is_drained(),
            Reader::Sqlite(sqlite) => sqlite.is_drained(),
        }
    }

    /// How many bytes more it is drained behind, where that is known.
    pub(in crate::engine) fn wanted(&self) -> Option<usize> {
        if let Reader::Sqlite(sqlite) = &self.reader {
            return Some(sqlite.wanted());
        }
        None
    }

    /// More of the file.
    ///
    /// # Errors
    /// When it cannot be read further.
    pub(in crate::engine) fn push(&mut self, bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        if let Reader::Undecided(first) = &mut self.reader {
            first.extend_from_slice(bytes);
            // Of a body within one it may be known late; what is a text at its first byte is none of the others.
            let is_open = match kind(first) {
                Seen::More => true,
                Seen::Text => self.level > 1 && may_be_tar(first),
                Seen::File(_) => false,
            };
            return if is_open { Ok(()) } else { self.decide(told) };
        }
        self.read(bytes, told)
    }

    /// The file ended.
    ///
    /// # Errors
    /// When it is not whole.
    pub(in crate::engine) fn finish(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        if matches!(self.reader, Reader::Undecided(_)) {
            self.decide(told)?;
        }
        match &mut self.reader {
            Reader::Undecided(_) | Reader::Text => Ok(()),
            Reader::Gzip(decoder, inner) => {
                inner.finish(told)?;
                decoder.finish().map_err(|_| Fault::Unreadable)
            }
            Reader::Zip(zip) => zip.finish(told),
            Reader::Tar(tar) => tar.finish(told),
            Reader::Pdf(pdf) => pdf.finish(told),
            Reader::Png(png) => png.finish(told),
            Reader::Jpeg(jpeg) => jpeg.finish(told),
            Reader::Sqlite(sqlite) => sqlite.finish(told),
        }
    }

    fn decide(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        let Reader::Undecided(first) = &mut self.reader else {
            return Ok(());
        };
        let first = std::mem::take(first);
        let is_tar = self.level > 1 && first.get(TAR_AT..).is_some_and(|rest| rest.starts_with(TAR));
        let kind = match kind(&first) {
            Seen::File(kind) => Some(kind),
            Seen::Text | Seen::More => is_tar.then_some(Kind::Tar),
        };
        if kind.is_some() {
            told.meter().level(self.level)?;
        }
        let inner = self.level + 1;
        self.reader = match kind {
            None => {
                told.begin(Declared::Unknown);
                Reader::Text
            }
            Some(Kind::Gzip) => match Decoder::new(Coding::Gzip) {
                Some(decoder) => Reader::Gzip(Box::new(decoder), Box::new(Self::new(inner))),
                None => Reader::Text,
            },
            Some(Kind::Zip) => Reader::Zip(Box::new(Zip::new(inner))),
            Some(Kind::Tar) => Reader::Tar(Box::new(Tar::new(inner))),
            Some(Kind::Pdf) => Reader::Pdf(Box::new(Pdf::new())),
            Some(Kind::Png) => Reader::Png(Box::new(Png::new(inner))),
            Some(Kind::Jpeg) => Reader::Jpeg(Box::new(Jpeg::new(inner))),
            Some(Kind::Sqlite) => Reader::Sqlite(Box::new(Sqlite::new())),
        };
        self.read(&first, told)
    }

    fn read(&mut self, bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        match &mut self.reader {
            Reader::Undecided(_) => Ok(()),
            Reader::Text => told.text(bytes),
            Reader::Gzip(decoder, inner) => unpack(decoder, inner, bytes, told),
            Reader::Zip(zip) => zip.push(bytes, told),
            Reader::Tar(tar) => tar.push(bytes, told),
            Reader::Pdf(pdf) => pdf.push(bytes, told),
            Reader::Png(png) => png.push(bytes, told),
            Reader::Jpeg(jpeg) => jpeg.push(bytes, told),
            Reader::Sqlite(sqlite) => sqlite.push(bytes, told),
        }
    }
}

/// Whether what begins so may yet be a TAR archive, which begins with a name.
fn may_be_tar(first: &[u8]) -> bool {
    first.len() < INNER_FIRST_BYTES && !first.contains(&b'\n')
}

fn unpack(decoder: &mut Decoder, inner: &mut Unpacker, mut bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
    let mut output = [0; UNPACKED_AT_ONCE_BYTES];
    loop {
        let progress = decoder.step(bytes, &mut output).map_err(|_| Fault::Unreadable)?;
        bytes = bytes.get(progress.read..).unwrap_or_default();
        told.meter().unpacked(progress.written as u64)?;
        inner.push(output.get(..progress.written).unwrap_or_default(), told)?;
        if bytes.is_empty() && progress.written < output.len() {
            return Ok(());
        }
    }
}
