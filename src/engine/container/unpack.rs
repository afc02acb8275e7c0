//! What a file is, and the reader for it.

use smallvec::SmallVec;

use super::apart::{Foreign, Order};
use super::image::{Jpeg, Png};
use super::magic::{FIRST_BYTES, Kind, Seen, magic};
use super::parquet::Parquet;
use super::pdf::Pdf;
use super::sqlite::Sqlite;
use super::steps::Steps as _;
use super::tar::Tar;
use super::wide::Wide;
use super::zip::Zip;
use super::zlib::zlib;
use super::{Fault, Told};
use crate::engine::decode::Decoder;
use crate::engine::structure::Declared;

/// Bytes that tell what is no other file: a TAR archive says so late (POSIX.1-2001, "ustar Interchange Format").
const INNER_FIRST_BYTES: usize = 262;
const TAR: &[u8] = b"ustar";
const TAR_AT: usize = 257;
/// Bytes of the name that it begins with.
const TAR_NAME_BYTES: usize = 100;
/// Bytes unpacked at once.
const UNPACKED_AT_ONCE_BYTES: usize = 4096;

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
    match kind(first, false) {
        Seen::File(_) => Look::Container,
        Seen::Text if is_tar(first) => Look::Container,
        Seen::Text if may_be_tar(first) && is_name(first) => Look::More,
        Seen::Text => Look::Text,
        Seen::More => Look::More,
    }
}

/// Whether a body that is no longer than `first` is a container.
pub(in crate::engine) fn is_container(first: &[u8]) -> bool {
    matches!(kind(first, true), Seen::File(_))
}

/// `ends`: there is no more of it.
fn kind(first: &[u8], ends: bool) -> Seen {
    zlib(first, ends).unwrap_or_else(|| magic(first, ends))
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
    Text(Box<Wide>),
    Coded(Box<Decoder>, Box<Unpacker>),
    Zip(Box<Zip>),
    Tar(Box<Tar>),
    Pdf(Box<Pdf>),
    Png(Box<Png>),
    Jpeg(Box<Jpeg>),
    Sqlite(Box<Sqlite>),
    Parquet(Box<Parquet>),
    /// One that is read apart.
    Apart(Foreign),
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

    /// Whether it reads more than a text.
    pub(super) const fn is_container(&self) -> bool {
        !matches!(self.reader, Reader::Undecided(_) | Reader::Text(_))
    }

    /// Whether all that was read was told, or says nothing: what comes next needs none of it.
    pub(in crate::engine) fn is_drained(&self) -> bool {
        match &self.reader {
            Reader::Undecided(first) => first.is_empty(),
            Reader::Text(text) => text.is_drained(),
            Reader::Pdf(pdf) => pdf.is_drained(),
            Reader::Coded(decoder, inner) => decoder.is_checkpoint() && inner.is_drained(),
            Reader::Zip(zip) => zip.is_drained(),
            Reader::Tar(tar) => tar.is_drained(),
            Reader::Png(png) => png.is_drained(),
            Reader::Jpeg(jpeg) => jpeg.is_drained(),
            Reader::Sqlite(sqlite) => sqlite.is_drained(),
            Reader::Parquet(parquet) => parquet.is_drained(),
            Reader::Apart(file) => file.is_drained(),
        }
    }

    /// How many bytes more it is drained behind, where that is known.
    pub(in crate::engine) fn wanted(&self) -> Option<usize> {
        match &self.reader {
            Reader::Sqlite(sqlite) => Some(sqlite.wanted()),
            Reader::Parquet(parquet) => Some(parquet.wanted()),
            Reader::Coded(decoder, _) => decoder.wanted(),
            Reader::Apart(file) => file.wanted(),
            Reader::Undecided(_)
            | Reader::Text(_)
            | Reader::Zip(_)
            | Reader::Tar(_)
            | Reader::Pdf(_)
            | Reader::Png(_)
            | Reader::Jpeg(_) => None,
        }
    }

    /// More of the file.
    ///
    /// # Errors
    /// When it cannot be read further.
    pub(in crate::engine) fn push(&mut self, mut bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        loop {
            let unread = self.part(bytes, told)?;
            if unread == 0 {
                return Ok(());
            }
            // Behind a stream of zlib comes another, or a text.
            self.finish(told)?;
            told.meter().entry()?;
            self.reader = Reader::Undecided(SmallVec::new());
            bytes = bytes.get(bytes.len().saturating_sub(unread)..).unwrap_or_default();
        }
    }

    /// More of the file, up to the end of a stream of zlib: how many bytes stand behind that.
    fn part(&mut self, bytes: &[u8], told: &mut Told<'_>) -> Result<usize, Fault> {
        if let Reader::Undecided(first) = &mut self.reader {
            first.extend_from_slice(bytes);
            // Of a TAR archive it is known late; what is a text at its first byte is none of the others.
            let is_open = match kind(first, false) {
                Seen::More => true,
                Seen::Text => may_be_tar(first),
                Seen::File(_) => false,
            };
            return if is_open { Ok(0) } else { self.decide(told) };
        }
        self.read(bytes, told)
    }

    /// The file ended.
    ///
    /// # Errors
    /// When it is not whole.
    pub(in crate::engine) fn finish(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        if matches!(self.reader, Reader::Undecided(_)) && self.decide(told)? > 0 {
            return Err(Fault::Unreadable);
        }
        match &mut self.reader {
            Reader::Undecided(_) => Ok(()),
            Reader::Text(text) => text.finish(told),
            Reader::Coded(decoder, inner) => {
                inner.finish(told)?;
                decoder.finish().map_err(|_| Fault::Unreadable)
            }
            Reader::Zip(zip) => zip.finish(told),
            Reader::Tar(tar) => tar.finish(told),
            Reader::Pdf(pdf) => pdf.finish(told),
            Reader::Png(png) => png.finish(told),
            Reader::Jpeg(jpeg) => jpeg.finish(told),
            Reader::Sqlite(sqlite) => sqlite.finish(told),
            Reader::Parquet(parquet) => parquet.finish(told),
            Reader::Apart(file) => file.ask(Order::Finish, told),
        }
    }

    fn decide(&mut self, told: &mut Told<'_>) -> Result<usize, Fault> {
        let Reader::Undecided(first) = &mut self.reader else {
            return Ok(0);
        };
        let first = std::mem::take(first);
        let is_tar = is_tar(&first);
        let kind = match kind(&first, true) {
            Seen::File(kind) => Some(kind),
            Seen::Text | Seen::More => is_tar.then_some(Kind::Tar),
        };
        if kind.is_some() {
            told.meter().level(self.level)?;
        }
        let apart = match kind {
            Some(kind) if kind.is_fragile() => told.meter().open(self.level)?,
            Some(_) | None => None,
        };
        if let Some(session) = apart {
            self.reader = Reader::Apart(Foreign::new(session));
            return self.read(&first, told);
        }
        let inner = self.level + 1;
        self.reader = match kind {
            None => {
                told.begin(Declared::Unknown);
                Reader::Text(Box::new(Wide::new()))
            }
            Some(Kind::Coded(coding)) => match Decoder::new(coding) {
                Some(decoder) => Reader::Coded(Box::new(decoder), Box::new(Self::new(inner))),
                None => Reader::Text(Box::new(Wide::new())),
            },
            Some(Kind::Unread) => return Err(Fault::Unreadable),
            Some(Kind::Zip) => Reader::Zip(Box::new(Zip::new(inner))),
            Some(Kind::Tar) => Reader::Tar(Box::new(Tar::new(inner))),
            Some(Kind::Pdf) => Reader::Pdf(Box::new(Pdf::new())),
            Some(Kind::Png) => Reader::Png(Box::new(Png::new(inner))),
            Some(Kind::Jpeg) => Reader::Jpeg(Box::new(Jpeg::new(inner))),
            Some(Kind::Sqlite) => Reader::Sqlite(Box::new(Sqlite::new())),
            Some(Kind::Parquet) => Reader::Parquet(Box::new(Parquet::new())),
        };
        self.read(&first, told)
    }

    fn read(&mut self, bytes: &[u8], told: &mut Told<'_>) -> Result<usize, Fault> {
        let read = match &mut self.reader {
            Reader::Undecided(_) => Ok(()),
            Reader::Text(text) => text.push(bytes, told),
            Reader::Coded(decoder, inner) => return unpack(decoder, inner, bytes, told),
            Reader::Zip(zip) => zip.push(bytes, told),
            Reader::Tar(tar) => tar.push(bytes, told),
            Reader::Pdf(pdf) => pdf.push(bytes, told),
            Reader::Png(png) => png.push(bytes, told),
            Reader::Jpeg(jpeg) => jpeg.push(bytes, told),
            Reader::Sqlite(sqlite) => sqlite.push(bytes, told),
            Reader::Parquet(parquet) => parquet.push(bytes, told),
            Reader::Apart(_) if bytes.is_empty() => Ok(()),
            Reader::Apart(file) => file.ask(Order::Push(bytes), told),
        };
        read.map(|()| 0)
    }
}

/// Whether what begins so is a TAR archive.
fn is_tar(first: &[u8]) -> bool {
    first.get(TAR_AT..).is_some_and(|rest| rest.starts_with(TAR))
}

/// Whether what begins so may yet be a TAR archive, which begins with a name.
fn may_be_tar(first: &[u8]) -> bool {
    first.len() < INNER_FIRST_BYTES && !first.contains(&b'\n')
}

/// Whether what begins so may be the name of a file in a TAR archive, filled up with zeros, and the numbers behind it. A body may
/// wait for that to be known, so what begins as JSON, markup or an event does is taken for a text before.
fn is_name(first: &[u8]) -> bool {
    let is_text = matches!(first, [b'{' | b'[' | b'<' | b'"' | b' ', ..]) || first.starts_with(b"data:");
    let (name, numbers) = first.split_at_checked(TAR_NAME_BYTES).unwrap_or((first, &[]));
    let mut fill = name.iter().skip_while(|byte| **byte != 0);
    let is_number = |byte: &u8| matches!(byte, b'0'..=b'7' | b' ' | 0 | 0x80);
    !is_text && fill.all(|byte| *byte == 0) && numbers.first_chunk::<8>().is_none_or(|mode| mode.iter().all(is_number))
}

/// Unpacks `bytes`: how many of them stand behind a stream of zlib, whose end ends it.
fn unpack(decoder: &mut Decoder, inner: &mut Unpacker, mut bytes: &[u8], told: &mut Told<'_>) -> Result<usize, Fault> {
    let mut output = [0; UNPACKED_AT_ONCE_BYTES];
    loop {
        if decoder.has_ended() {
            return Ok(bytes.len());
        }
        let progress = decoder.step(bytes, &mut output).map_err(|_| Fault::Unreadable)?;
        bytes = bytes.get(progress.read..).unwrap_or_default();
        told.meter().unpacked(progress.written as u64)?;
        inner.push(output.get(..progress.written).unwrap_or_default(), told)?;
        if bytes.is_empty() && progress.written < output.len() {
            return Ok(0);
        }
    }
}
