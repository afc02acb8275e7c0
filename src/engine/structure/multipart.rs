//! `multipart/form-data` (RFC 7578): each field is a value under its name, each file a body of its own.

use memchr::{memchr, memmem};
use smallvec::SmallVec;

use super::cells::{Carry, CellForm, CellSettings};
use super::name::{Name, Names};
use super::{Container, Declared, Sink, Structure};

/// Bytes of a boundary (RFC 2046, section 5.1.1).
pub const BOUNDARY_BYTES_MAX: usize = 70;
/// Bytes of a part's head line that are looked at; the rest is searched all the same.
const HEAD_LINE_BYTES_MAX: usize = 512;

/// The boundary of a multipart body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Boundary {
    bytes: [u8; BOUNDARY_BYTES_MAX],
    length: u8,
}

impl Boundary {
    /// From a `Content-Type` value; none if it has no boundary, or one longer than RFC 2046 allows.
    pub fn from_content_type(value: &[u8]) -> Option<Self> {
        let lower = value.to_ascii_lowercase();
        let at = memmem::find(&lower, b"boundary=")? + b"boundary=".len();
        let rest = value.get(at..)?;
        let text = match rest.strip_prefix(b"\"") {
            Some(quoted) => quoted.get(..memchr(b'"', quoted)?)?,
            None => rest.split(|byte| matches!(byte, b';' | b' ' | b',')).next()?,
        };
        let mut bytes = [0; BOUNDARY_BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        (!text.is_empty()).then_some(Self {
            bytes,
            length: text.len() as u8,
        })
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl std::fmt::Debug for Boundary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Boundary({} bytes)", self.length)
    }
}

/// The reader of one multipart body.
pub(super) struct Multipart {
    at: u64,
    state: State,
    /// `--boundary`.
    delimiter: SmallVec<[u8; 72]>,
    /// A line end and the beginning of what may be a delimiter.
    withheld: SmallVec<[u8; 80]>,
    /// How much of the delimiter was read; none if the line is another one.
    matched: Option<usize>,
    /// The head line under way.
    line: Vec<u8>,
    name: Name,
    declared: Declared,
    is_file: bool,
    names: Names,
    in_row: bool,
    file: Option<Box<Structure>>,
    settings: CellSettings,
    carry: Carry,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first delimiter, or after the last.
    Outside,
    /// The rest of a delimiter's line.
    Delimiter,
    Head,
    Field,
    File,
}

impl Multipart {
    pub(super) fn new(at: u64, settings: CellSettings, boundary: &Boundary) -> Self {
        let mut carry = Carry::new(settings);
        carry.begin(at);
        let mut delimiter = SmallVec::from_slice(b"--");
        delimiter.extend_from_slice(boundary.as_slice());
        Self {
            at,
            state: State::Outside,
            delimiter,
            withheld: SmallVec::new(),
            matched: Some(0),
            line: Vec::new(),
            name: Name::default(),
            declared: Declared::Unknown,
            is_file: false,
            names: Names::default(),
            in_row: false,
            file: None,
            settings,
            carry,
        }
    }

    pub(super) fn decided_to(&self) -> u64 {
        match &self.file {
            Some(file) => file.decided_to(),
            None => self.carry.searched_to(),
        }
    }

    pub(super) fn push(&mut self, mut chunk: &[u8], sink: &mut impl Sink) {
        while let Some(byte) = chunk.first() {
            let taken = match (self.state, self.matched) {
                (State::Delimiter | State::Head, _) => self.head(chunk, sink),
                (_, Some(matched)) => self.delimiter(*byte, matched, sink),
                (_, None) => self.body(chunk, sink),
            };
            chunk = chunk.get(taken..).unwrap_or_default();
        }
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        self.give_back(sink);
        self.end_part(sink);
        self.close_row(sink);
    }

    /// At the beginning of a line: is it the delimiter?
    fn delimiter(&mut self, byte: u8, matched: usize, sink: &mut impl Sink) -> usize {
        if self.delimiter.get(matched) != Some(&byte) {
            self.give_back(sink);
            self.matched = None;
            return 0;
        }
        self.withheld.push(byte);
        self.at += 1;
        self.matched = Some(matched + 1);
        if matched + 1 == self.delimiter.len() {
            self.end_part(sink);
            self.withheld.clear();
            self.matched = None;
            self.begin(State::Delimiter);
        }
        1
    }

    /// What was withheld belongs to the part.
    fn give_back(&mut self, sink: &mut impl Sink) {
        let withheld = std::mem::take(&mut self.withheld);
        self.at -= withheld.len() as u64;
        self.more(&withheld, sink);
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.carry.begin(self.at);
    }

    fn more(&mut self, part: &[u8], sink: &mut impl Sink) {
        self.at += part.len() as u64;
        if let Some(file) = &mut self.file {
            file.push(part, sink);
            return;
        }
        self.carry
            .extend_long(part, CellForm::Plain, &mut |cell| sink.cell(cell));
    }

    fn body(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        // A line end before a delimiter belongs to the delimiter (RFC 2046, section 5.1.1).
        if self.withheld.first() == Some(&b'\r') && chunk.first() != Some(&b'\n') {
            self.give_back(sink);
        }
        let Some(to) = memchr::memchr2(b'\r', b'\n', chunk) else {
            self.more(chunk, sink);
            return chunk.len();
        };
        self.more(chunk.get(..to).unwrap_or_default(), sink);
        let newline = chunk.get(to) == Some(&b'\n');
        self.withheld.push(if newline { b'\n' } else { b'\r' });
        self.at += 1;
        if newline {
            self.matched = Some(0);
        }
        to + 1
    }

    /// The rest of a delimiter's line, and the head of a part, line by line.
    fn head(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let to = memchr(b'\n', chunk).map_or(chunk.len(), |at| at + 1);
        let part = chunk.get(..to).unwrap_or_default();
        let room = HEAD_LINE_BYTES_MAX.saturating_sub(self.line.len()).min(part.len());
        self.line.extend_from_slice(part.get(..room).unwrap_or_default());
        self.more(part, sink);
        if !part.ends_with(b"\n") {
            return to;
        }
        Name::default().tell(self.at, sink);
        self.carry.end(&[], CellForm::Plain, &mut |cell| sink.cell(cell));
        let line = std::mem::take(&mut self.line);
        let text = line.trim_ascii_end();
        if self.state == State::Delimiter {
            let state = if text == b"--" { State::Outside } else { State::Head };
            self.name.clear();
            self.declared = Declared::Unknown;
            self.is_file = false;
            self.begin(state);
        } else if text.is_empty() {
            self.begin_part(sink);
        } else {
            self.head_line(text);
            self.carry.begin(self.at);
        }
        to
    }

    fn head_line(&mut self, line: &[u8]) {
        let lower = line.to_ascii_lowercase();
        if lower.starts_with(b"content-disposition:") {
            self.name = parameter(line, b" name=").unwrap_or_default();
            self.is_file = memmem::find(&lower, b"filename").is_some();
        } else if let Some(value) = lower.strip_prefix(b"content-type:") {
            let declared = Declared::from_content_type(value.trim_ascii());
            // Parts of parts are read as lines: one level of nesting is enough for a form.
            let is_nested = matches!(declared, Declared::Multipart(_));
            self.declared = if is_nested { Declared::Lines } else { declared };
        }
    }

    fn begin_part(&mut self, sink: &mut impl Sink) {
        self.matched = Some(0);
        let structured = self.declared != Declared::Unknown && self.declared != Declared::Lines;
        if self.is_file || structured {
            self.close_row(sink);
            self.begin(State::File);
            self.file = Some(Box::new(Structure::at(self.at, self.declared, self.settings)));
            return;
        }
        self.begin(State::Field);
        if self.names.begins_another(&self.name) {
            self.close_row(sink);
            self.names.begins_another(&self.name);
        }
        if !std::mem::replace(&mut self.in_row, true) {
            sink.open(Container::Row, self.at);
        }
        self.name.tell(self.at, sink);
    }

    /// The part ends before what is withheld.
    fn end_part(&mut self, sink: &mut impl Sink) {
        if let Some(mut file) = self.file.take() {
            file.finish(sink);
            sink.line(self.at);
        } else {
            self.carry.end(&[], CellForm::Plain, &mut |cell| sink.cell(cell));
        }
        self.carry.begin(self.at);
    }

    fn close_row(&mut self, sink: &mut impl Sink) {
        self.names.clear();
        if std::mem::take(&mut self.in_row) {
            sink.close(self.at);
        }
    }
}

/// A quoted or bare parameter of a head line.
fn parameter(line: &[u8], name: &[u8]) -> Option<Name> {
    let at = memmem::find(line, name).or_else(|| memmem::find(line, &[&b";"[..], name.trim_ascii()].concat()))?;
    let rest = line.get(at + name.len()..)?;
    let value = match rest.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|byte| *byte == b'"').next(),
        None => rest.split(|byte| *byte == b';').next(),
    };
    value.map(Name::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_are_read_and_bounded() {
        let read = |value: &str| Boundary::from_content_type(value.as_bytes()).map(|found| found.as_slice().to_vec());
        assert_eq!(read("multipart/form-data; boundary=abc"), Some(b"abc".to_vec()));
        assert_eq!(
            read("multipart/form-data; Boundary=\"a b\"; x=y"),
            Some(b"a b".to_vec())
        );
        assert_eq!(read("multipart/form-data"), None);
        assert_eq!(read(&format!("multipart/form-data; boundary={}", "x".repeat(71))), None);
    }

    #[test]
    fn names_are_read_quoted_or_bare() {
        let read = |line: &str| parameter(line.as_bytes(), b" name=").map(|name| name.as_slice().to_vec());
        assert_eq!(
            read("form-data; name=\"phone\"; filename=\"a\""),
            Some(b"phone".to_vec())
        );
        assert_eq!(read("form-data;name=phone"), Some(b"phone".to_vec()));
    }
}
