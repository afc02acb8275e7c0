//! The structure of a body: where objects, rows and cells begin and end, found while the body streams past.
//!
//! A [`Structure`] is told the decoded bytes chunk by chunk and tells a [`Sink`] what it saw. What it tells depends on
//! the bytes alone and never on how they were cut into chunks.

mod cells;
mod delimited;
mod json;
mod marks;
mod text;

use delimited::Delimited;
use json::Json;
use text::Text;

pub use cells::{Cell, CellForm, CellSettings};

use memchr::memchr;

/// A longer first line is text, not a header.
const FIRST_LINE_BYTES_MAX: usize = 4096;

/// What a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// A JSON object.
    Object,
    /// A JSON array.
    Array,
    /// A row of a table, a line: one record by itself.
    Row,
}

/// Who listens to a structure. Offsets count decoded bytes from the start of the body.
pub trait Sink {
    /// A container begins at `at`.
    fn open(&mut self, container: Container, at: u64);
    /// The innermost container ends; `end` is one past its last byte.
    fn close(&mut self, end: u64);
    /// A member of the innermost object begins, or a cell of the innermost row is about to come under this header. Returns
    /// whether its value is wanted even if nothing in it wakes a search.
    fn key(&mut self, key: &Cell<'_>) -> bool;
    /// Text to search: a scalar value, or one segment of a long one. `last` segments end the value. A value that is not
    /// wanted and in which nothing wakes a search need not be told.
    fn cell(&mut self, cell: &Cell<'_>);
    /// Free text ended at `end`: what stood on the line before does not belong to what comes after.
    fn line(&mut self, end: u64);
}

/// What the head of the message says about the body's structure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Declared {
    /// Nothing that helps: the first bytes decide between JSON, a table and text.
    #[default]
    Unknown,
    /// JSON, NDJSON and their kin.
    Json,
    /// A table with one row a line.
    Table,
    /// Text in which a line is one thing: plain text, event streams, logs.
    Lines,
    /// Text in which line ends mean nothing: HTML, XML, scripts.
    Markup,
}

impl Declared {
    /// From a `Content-Type` value (RFC 9110, section 8.3); parameters are ignored.
    pub fn from_content_type(value: &[u8]) -> Self {
        let essence = value
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii()
            .to_ascii_lowercase();
        match essence.as_slice() {
            b"text/csv" | b"text/tab-separated-values" | b"application/csv" => Self::Table,
            b"text/html"
            | b"application/xhtml+xml"
            | b"text/xml"
            | b"application/xml"
            | b"text/css"
            | b"text/javascript"
            | b"application/javascript"
            | b"image/svg+xml" => Self::Markup,
            b"text/event-stream" => Self::Lines,
            b"application/x-ndjson" | b"application/jsonl" | b"application/json" => Self::Json,
            other if other.ends_with(b"+json") => Self::Json,
            other if other.ends_with(b"+xml") => Self::Markup,
            _ => Self::Unknown,
        }
    }
}

/// The structure of one body.
pub struct Structure {
    declared: Declared,
    settings: CellSettings,
    /// Blanks before the first byte that tells, and how many bytes they are.
    skipped: u64,
    form: Form,
}

enum Form {
    /// Only blanks so far.
    Undecided,
    /// The first line, until it tells whether it is a header.
    FirstLine(Vec<u8>),
    Json(Json),
    Delimited(Delimited),
    Text(Text),
}

impl Structure {
    /// A structure for one body.
    pub fn new(declared: Declared, settings: CellSettings) -> Self {
        Self {
            declared,
            settings,
            skipped: 0,
            form: Form::Undecided,
        }
    }

    /// Reads the next decoded bytes.
    pub fn push(&mut self, mut chunk: &[u8], sink: &mut impl Sink) {
        if matches!(self.form, Form::Undecided) {
            chunk = self.decide(chunk);
        }
        if matches!(self.form, Form::FirstLine(_)) {
            chunk = self.first_line(chunk, sink);
        }
        match &mut self.form {
            Form::Undecided | Form::FirstLine(_) => {}
            Form::Json(json) => json.push(chunk, sink),
            Form::Delimited(table) => table.push(chunk, sink),
            Form::Text(text) => text.push(chunk, sink),
        }
    }

    /// The body ended.
    pub fn finish(&mut self, sink: &mut impl Sink) {
        self.end_first_line(sink);
        match &mut self.form {
            Form::Undecided | Form::FirstLine(_) => {}
            Form::Json(json) => json.finish(sink),
            Form::Delimited(table) => table.finish(sink),
            Form::Text(text) => text.finish(sink),
        }
    }

    /// Whether the body is text in which a line is one thing.
    pub fn is_lines(&self) -> bool {
        match &self.form {
            Form::Undecided | Form::FirstLine(_) => true,
            Form::Text(text) => text.is_lines(),
            Form::Json(_) | Form::Delimited(_) => false,
        }
    }

    /// Everything before this offset was told to the sink in full: nothing found later begins before it.
    pub fn decided_to(&self) -> u64 {
        match &self.form {
            Form::Undecided | Form::FirstLine(_) => self.skipped,
            Form::Json(json) => json.decided_to(),
            Form::Delimited(table) => table.decided_to(),
            Form::Text(text) => text.decided_to(),
        }
    }

    /// Skips blanks and a byte-order mark, then lets the first byte choose the form; returns what is left of `chunk`.
    fn decide<'c>(&mut self, chunk: &'c [u8]) -> &'c [u8] {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf);
        let blanks = chunk.iter().take_while(|byte| is_blank(byte)).count();
        let rest = chunk.get(blanks..).unwrap_or_default();
        self.skipped += blanks as u64;
        let Some(first) = rest.first() else { return rest };
        let at = self.skipped;
        self.form = match (self.declared, first) {
            (_, b'{' | b'[') | (Declared::Json, b'"' | b'-' | b'0'..=b'9') => Form::Json(Json::new(at, self.settings)),
            (Declared::Unknown, b'<') | (Declared::Markup, _) => Form::Text(Text::new(at, self.settings, false)),
            (Declared::Unknown | Declared::Json | Declared::Table, _) => Form::FirstLine(Vec::new()),
            (Declared::Lines, _) => Form::Text(Text::new(at, self.settings, true)),
        };
        rest
    }

    /// Collects the first line; returns what of `chunk` comes after it.
    fn first_line<'c>(&mut self, chunk: &'c [u8], sink: &mut impl Sink) -> &'c [u8] {
        let Form::FirstLine(line) = &mut self.form else {
            return chunk;
        };
        let room = FIRST_LINE_BYTES_MAX - line.len();
        let looked_at = chunk.get(..room.min(chunk.len())).unwrap_or_default();
        let taken = memchr(b'\n', looked_at).map_or(looked_at.len(), |at| at + 1);
        line.extend_from_slice(chunk.get(..taken).unwrap_or_default());
        if line.last() == Some(&b'\n') || line.len() >= FIRST_LINE_BYTES_MAX {
            self.end_first_line(sink);
        }
        chunk.get(taken..).unwrap_or_default()
    }

    /// The first line is known: it is a table's header or the first line of text.
    fn end_first_line(&mut self, sink: &mut impl Sink) {
        let Form::FirstLine(line) = &mut self.form else { return };
        let line = std::mem::take(line);
        let delimiter = delimited::header_delimiter(&line);
        let delimiter = if self.declared == Declared::Table {
            delimiter.or(Some(b','))
        } else {
            delimiter
        };
        self.form = match delimiter {
            Some(delimiter) => Form::Delimited(Delimited::new(self.skipped, self.settings, delimiter)),
            None => Form::Text(Text::new(self.skipped, self.settings, true)),
        };
        self.push(&line, sink);
    }
}
