//! PDF (ISO 32000-2): its objects as text, and behind `stream` what is packed with `FlateDecode`. Streams that are packed in
//! another way and are no image cannot be read.

use super::bytes::{Word, take};
use super::pdf_text::PageText;
use super::steps::Steps;
use super::{Fault, Told};
use crate::engine::decode::{Coding, Decoder};
use crate::engine::structure::Declared;

/// Bytes before a stream that tell how it is packed: a longer dictionary is not read.
const DICTIONARY_BYTES: usize = 4096;
/// Bytes unpacked at once.
const UNPACKED_AT_ONCE_BYTES: usize = 4096;
/// The filter that is undone (section 7.4), and those whose results are pixels.
const FLATE: [&[u8]; 2] = [b"FlateDecode", b"Fl"];
const PIXELS: [&[u8]; 6] = [
    b"DCTDecode",
    b"DCT",
    b"JPXDecode",
    b"CCITTFaxDecode",
    b"CCF",
    b"JBIG2Decode",
];
/// Bytes that end a name (section 7.2.3).
const DELIMITERS: &[u8] = b" \t\r\n\x0c\0()<>[]{}/%";

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

impl Steps for Pdf {
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
        let from = memchr::memmem::rfind(&last, b"obj");
        let before = last.strip_suffix(b"stream").unwrap_or(&last).trim_ascii_end();
        if from.is_none() && last.len() >= DICTIONARY_BYTES && before.ends_with(b">>") {
            return Err(Fault::Unreadable);
        }
        let dictionary = names_as_read(last.get(from.unwrap_or_default()..).unwrap_or_default());
        let has = |name: &[u8]| memchr::memmem::find(&dictionary, name).is_some();
        let is_image = values(&dictionary, b"/Subtype").any(|value| is_name(value, b"Image"));
        let mut is_flate = false;
        for value in values(&dictionary, b"/Filter") {
            is_flate = match filters(value).ok_or(Fault::Unreadable)?.as_slice() {
                [] => is_flate,
                [one] if FLATE.contains(one) => true,
                [.., last] if is_image && PIXELS.contains(last) => false,
                _ => return Err(Fault::Unreadable),
            };
        }
        let Some(decoder) = Decoder::new(Coding::Deflate).filter(|_| is_flate) else {
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

/// A dictionary with the escapes of its names undone (section 7.3.5).
fn names_as_read(dictionary: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(dictionary.len());
    let mut rest = dictionary;
    while let Some((byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| *byte == b'#');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(escaped.unwrap_or(*byte));
        rest = behind.get(if escaped.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    out
}

/// What stands behind each `key`.
fn values<'d>(dictionary: &'d [u8], key: &'static [u8]) -> impl Iterator<Item = &'d [u8]> {
    memchr::memmem::find_iter(dictionary, key).filter_map(move |at| {
        let behind = dictionary.get(at + key.len()..)?;
        let is_whole = behind.first().is_none_or(|byte| DELIMITERS.contains(byte));
        is_whole.then(|| behind.trim_ascii_start())
    })
}

/// The name that `value` begins with behind its slash, and the rest.
fn name(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let value = value.strip_prefix(b"/")?;
    let end = value.iter().position(|byte| DELIMITERS.contains(byte));
    value.split_at_checked(end.unwrap_or(value.len()))
}

fn is_name(value: &[u8], expected: &[u8]) -> bool {
    name(value).is_some_and(|(name, _)| name == expected)
}

/// The filters that `value` names; none if it does not name them here.
fn filters(value: &[u8]) -> Option<Vec<&[u8]>> {
    let Some(mut rest) = value.strip_prefix(b"[") else {
        return name(value).map(|(name, _)| vec![name]);
    };
    let mut names = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.starts_with(b"]") {
            return Some(names);
        }
        let (name, behind) = name(rest)?;
        names.push(name);
        rest = behind;
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
