//! PDF (ISO 32000-2): its objects as text, and behind `stream` what is packed with `FlateDecode`. Streams that are packed in
//! another way and are no image cannot be read.

use super::bytes::{Word, take};
use super::pdf_text::PageText;
use super::{Fault, Told};
use crate::engine::decode::{Coding, Decoder};
use crate::engine::structure::Declared;

/// Bytes before a stream that tell how it is packed: a dictionary has fewer.
const DICTIONARY_BYTES: usize = 1024;
/// Bytes unpacked at once.
const UNPACKED_AT_ONCE_BYTES: usize = 4096;
/// Filters that are not undone (section 7.4).
const OTHER_FILTERS: [&[u8]; 5] = [
    b"/LZWDecode",
    b"/ASCII85Decode",
    b"/ASCIIHexDecode",
    b"/RunLengthDecode",
    b"/Crypt",
];

/// The reader of one file.
pub(super) struct Pdf {
    /// The last bytes of the objects so far.
    last: Vec<u8>,
    stream: Word,
    encrypt: Word,
    is_begun: bool,
    state: State,
}

enum State {
    Objects,
    /// Behind `stream`: the line's end comes first.
    Begin,
    Packed(Box<Decoder>, Kind),
}

/// What is in a stream.
enum Kind {
    /// Objects, or anything that is no page.
    Text,
    Page(Box<PageText>),
}

impl Pdf {
    pub(super) const fn new() -> Self {
        Self {
            last: Vec::new(),
            stream: Word::new(b"stream"),
            encrypt: Word::new(b"/Encrypt"),
            is_begun: false,
            state: State::Objects,
        }
    }

    pub(super) fn is_drained(&self) -> bool {
        match &self.state {
            State::Packed(_, Kind::Page(page)) => page.is_drained(),
            State::Packed(_, Kind::Text) | State::Objects | State::Begin => true,
        }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        while !bytes.is_empty() {
            self.step(&mut bytes, told)?;
        }
        Ok(())
    }

    /// Reads what `bytes` begin with.
    fn step(&mut self, bytes: &mut &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        match &mut self.state {
            State::Objects => self.objects(bytes, told)?,
            State::Begin => {
                if matches!(bytes.first(), Some(b'\r' | b'\n' | b' ')) {
                    take(bytes, 1);
                } else {
                    self.begin(told)?;
                }
            }
            State::Packed(decoder, kind) => {
                if unpack(decoder, kind, bytes, told)? {
                    self.state = State::Objects;
                    self.is_begun = false;
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        match &mut self.state {
            State::Packed(_, Kind::Page(page)) => page.finish(told),
            State::Packed(_, Kind::Text) | State::Objects | State::Begin => Ok(()),
        }
    }

    fn objects(&mut self, bytes: &mut &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        let end = self.stream.find(bytes);
        let text = take(bytes, end.map_or(u64::MAX, |end| end as u64));
        if self.encrypt.find(text).is_some() {
            return Err(Fault::Encrypted);
        }
        if !std::mem::replace(&mut self.is_begun, true) {
            told.begin(Declared::Lines);
        }
        told.text(text)?;
        self.last.extend_from_slice(text);
        let old = self.last.len().saturating_sub(DICTIONARY_BYTES);
        self.last.drain(..old);
        if end.is_some() && !self.last.ends_with(b"endstream") {
            self.state = State::Begin;
        }
        Ok(())
    }

    /// A stream begins.
    fn begin(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        let last = std::mem::take(&mut self.last);
        // The dictionary of this object alone.
        let from = memchr::memmem::rfind(&last, b"obj").unwrap_or_default();
        let dictionary = last.get(from..).unwrap_or_default();
        let has = |name: &[u8]| memchr::memmem::find(dictionary, name).is_some();
        let is_image = has(b"/Image");
        if OTHER_FILTERS.iter().any(|filter| has(filter)) && !is_image {
            return Err(Fault::Unreadable);
        }
        let is_flate = has(b"/FlateDecode") || has(b"/Fl ") || has(b"/Fl/");
        let decoder = Decoder::new(Coding::Deflate).filter(|_| is_flate && !has(b"/DCTDecode"));
        let Some(decoder) = decoder else {
            self.state = State::Objects;
            return Ok(());
        };
        told.meter().entry()?;
        // Pages, forms and patterns have no type, or the one of a form.
        let is_page = !has(b"/Type") || has(b"/XObject");
        told.begin(Declared::Lines);
        let kind = if is_page && !is_image && !has(b"/Length1") {
            Kind::Page(Box::new(PageText::new()))
        } else {
            Kind::Text
        };
        self.state = State::Packed(Box::new(decoder), kind);
        Ok(())
    }
}

/// Unpacks of `bytes` what belongs to the stream; whether it ended.
fn unpack(decoder: &mut Decoder, kind: &mut Kind, bytes: &mut &[u8], told: &mut Told<'_>) -> Result<bool, Fault> {
    let mut output = [0; UNPACKED_AT_ONCE_BYTES];
    loop {
        let progress = decoder.step(bytes, &mut output).map_err(|_| Fault::Unreadable)?;
        take(bytes, progress.read as u64);
        let text = output.get(..progress.written).unwrap_or_default();
        told.meter().unpacked(text.len() as u64)?;
        match kind {
            Kind::Text => told.text(text)?,
            Kind::Page(page) => page.push(text, told)?,
        }
        if decoder.finish().is_ok() {
            if let Kind::Page(page) = kind {
                page.finish(told)?;
            }
            return Ok(true);
        }
        if bytes.is_empty() && progress.written < output.len() {
            return Ok(false);
        }
    }
}
