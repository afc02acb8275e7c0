//! The structure of a body: where objects, rows and cells begin and end, found while the body streams past.
//!
//! A [`Structure`] is told the decoded bytes chunk by chunk and tells a [`Sink`] what it saw. What it tells depends on
//! the bytes alone and never on how they were cut into chunks.

mod balance;
mod bars;
mod calm;
mod cells;
mod columns;
mod delimited;
mod form;
mod grpc;
mod html;
mod json;
mod keyed;
mod labels;
mod marks;
mod markup;
mod multipart;
mod name;
mod nesting;
mod page;
mod pairs;
mod plain_names;
mod protobuf;
mod quoted;
mod script;
mod sniff;
mod spaced;
mod sql;
mod tag;
mod xml;

use delimited::Delimited;
use form::Form;
use grpc::Grpc;
use html::Html;
use json::Json;
use keyed::Lines;
use markup::Markup;
use multipart::Multipart;
use protobuf::Protobuf;
use quoted::Quoted;
use script::Script;
use sql::Sql;
use xml::Xml;

pub(in crate::engine) use balance::Balance;
pub use cells::{Cell, CellForm, CellSettings};
pub use multipart::{BOUNDARY_BYTES_MAX, Boundary};

use memchr::memchr;
use smallvec::SmallVec;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

/// A longer first line is text, not a header.
const FIRST_LINE_BYTES_MAX: usize = 4096;
/// Bytes at the front of JSON that tell how its strings are quoted.
const BRACKETS_MAX: usize = 64;
/// The byte-order mark of UTF-8 (Unicode 16, table 23-7). Letters of the full width begin with its first byte.
const MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// What a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// A JSON object.
    Object,
    /// A JSON array.
    Array,
    /// A row of a table, a line: one record by itself.
    Row,
    /// An element of XML: a record if it comes again beside its like, else part of the element around it.
    Element,
    /// Text with names for its parts: what stands near together is a record, until the same kind comes again.
    Flow,
}

/// Who listens to a structure. Offsets count decoded bytes from the start of the body.
pub trait Sink {
    /// A container begins at `at`.
    fn open(&mut self, container: Container, at: u64);
    /// The innermost container ends; `end` is one past its last byte.
    fn close(&mut self, end: u64);
    /// A member of the innermost object begins, or a cell of the innermost row is about to come under this header. Answers
    /// whether the value is wanted even if nothing in it wakes a search.
    fn key(&mut self, key: &Cell<'_>) -> bool;
    /// A member called `name` of the innermost object begins, of which another member has said this label. Answers as [`Sink::key`]
    /// does.
    fn label(&mut self, _label: &Cell<'_>, name: &Cell<'_>) -> bool {
        self.key(name)
    }
    /// A number for a member's name that says nothing, which need not be told where nothing is told of its value.
    fn plain(&mut self, name: &[u8]) -> Option<u64>;
    /// So many members of the innermost object were passed over, whose names are plain; `names` is the sum of their numbers.
    fn passed(&mut self, names: u64, count: u32);
    /// Whether each member of the innermost object is a record by itself, so that none may be passed over.
    fn is_map(&self) -> bool;
    /// Text to search: a scalar value, or one segment of a long one. `last` segments end the value. A value that is not
    /// wanted and in which nothing wakes a search need not be told.
    fn cell(&mut self, cell: &Cell<'_>);
    /// So many bytes of running text were passed over: they stand between what was told before and what comes after.
    fn skipped(&mut self, bytes: u64);
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
    /// Text in which a line is one thing: plain text, logs.
    Lines,
    /// An event stream.
    Events,
    /// HTML.
    Markup,
    /// XML.
    Xml,
    /// Code in which line ends mean nothing: scripts, style sheets.
    Script,
    /// An SQL dump.
    Sql,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// Messages of gRPC, or of gRPC-Web, behind their lengths.
    Grpc,
    /// One message of Protocol Buffers.
    Protobuf,
    /// `multipart/form-data` and its kin, with the boundary of their parts.
    Multipart(Boundary),
}

impl Declared {
    /// Each form of text that needs no parameter.
    pub const ALL: [Self; 10] = [
        Self::Unknown,
        Self::Json,
        Self::Table,
        Self::Lines,
        Self::Events,
        Self::Markup,
        Self::Xml,
        Self::Script,
        Self::Sql,
        Self::Form,
    ];

    /// From a `Content-Type` value (RFC 9110, section 8.3); of its parameters only `boundary` is read.
    pub fn from_content_type(value: &[u8]) -> Self {
        let essence = value
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii()
            .to_ascii_lowercase();
        match essence.as_slice() {
            b"text/csv" | b"text/tab-separated-values" | b"application/csv" | b"application/vnd.ms-excel" => {
                Self::Table
            }
            b"text/html" | b"application/xhtml+xml" => Self::Markup,
            b"text/xml" | b"application/xml" | b"image/svg+xml" => Self::Xml,
            b"text/css" | b"text/javascript" | b"application/javascript" | b"application/x-javascript" => Self::Script,
            b"application/sql" | b"application/x-sql" | b"text/sql" | b"text/x-sql" => Self::Sql,
            b"application/x-www-form-urlencoded" => Self::Form,
            b"application/protobuf" | b"application/x-protobuf" | b"application/vnd.google.protobuf" => Self::Protobuf,
            grpc if is_grpc(grpc) => Self::Grpc,
            b"text/event-stream" => Self::Events,
            b"text/vcard"
            | b"text/x-vcard"
            | b"text/directory"
            | b"text/calendar"
            | b"text/yaml"
            | b"text/x-yaml"
            | b"application/yaml"
            | b"application/x-yaml"
            | b"text/markdown" => Self::Lines,
            b"application/x-ndjson" | b"application/jsonl" | b"application/json" => Self::Json,
            other if other.ends_with(b"+json") => Self::Json,
            other if other.ends_with(b"+xml") => Self::Xml,
            other if other.starts_with(b"multipart/") => {
                Boundary::from_content_type(value).map_or(Self::Lines, Self::Multipart)
            }
            _ => Self::Unknown,
        }
    }
}

impl Declared {
    /// Whether the body is bytes, in no character set.
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::Grpc | Self::Protobuf)
    }
}

fn is_grpc(essence: &[u8]) -> bool {
    essence.starts_with(b"application/grpc")
}

/// Whether a `Content-Type` is that of gRPC-Web in base64.
pub fn is_grpc_text(content_type: &[u8]) -> bool {
    const TEXT: &[u8] = b"application/grpc-web-text";
    let essence = content_type.get(..TEXT.len());
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case(TEXT))
}

/// The structure of one body.
pub struct Structure {
    declared: Declared,
    settings: CellSettings,
    /// Blanks before the first byte that tells, and how many bytes they are.
    skipped: u64,
    /// How many bytes of a byte-order mark the last of these are; < `MARK.len()`.
    marked: usize,
    reader: Reader,
}

enum Reader {
    /// Only blanks so far.
    Undecided,
    /// The first line, until it tells what the body is.
    FirstLine(Vec<u8>),
    /// The front of JSON.
    Brackets(SmallVec<[u8; BRACKETS_MAX]>),
    Json(Box<Json>),
    Quoted(Box<Quoted>),
    Delimited(Box<Delimited>),
    Lines(Box<Lines>),
    Html(Box<Markup<Html>>),
    Xml(Box<Markup<Xml>>),
    Script(Box<Script>),
    Sql(Box<Sql>),
    Form(Box<Form>),
    Multipart(Box<Multipart>),
    Grpc(Box<Grpc>),
    Protobuf(Box<Protobuf>),
}

impl Structure {
    /// A structure for one body.
    pub fn new(declared: Declared, settings: CellSettings) -> Self {
        Self::at(0, declared, settings)
    }

    /// A structure for a body that begins at offset `at` of another.
    pub(in crate::engine) fn at(at: u64, declared: Declared, settings: CellSettings) -> Self {
        // No byte of these is a blank.
        let reader = if declared == Declared::Grpc {
            Reader::Grpc(Box::new(Grpc::new(at, settings)))
        } else if declared == Declared::Protobuf {
            Reader::Protobuf(Box::new(Protobuf::new(at, None, settings)))
        } else {
            Reader::Undecided
        };
        Self {
            declared,
            settings,
            skipped: at,
            marked: 0,
            reader,
        }
    }

    /// What it was declared to be.
    pub(in crate::engine) const fn declared(&self) -> Declared {
        self.declared
    }

    /// Reads the next decoded bytes.
    pub fn push(&mut self, mut chunk: &[u8], sink: &mut impl Sink) {
        if matches!(self.reader, Reader::Undecided) {
            let held = self.decide(&mut chunk);
            if !held.is_empty() {
                self.push(held, sink);
            }
        }
        if matches!(self.reader, Reader::FirstLine(_)) {
            chunk = self.first_line(chunk, sink);
        }
        if matches!(self.reader, Reader::Brackets(_)) {
            chunk = self.brackets(chunk, sink);
        }
        match &mut self.reader {
            Reader::Undecided | Reader::FirstLine(_) | Reader::Brackets(_) => {}
            Reader::Json(json) => json.push(chunk, sink),
            Reader::Quoted(json) => json.push(chunk, sink),
            Reader::Delimited(table) => table.push(chunk, sink),
            Reader::Lines(lines) => lines.push(chunk, sink),
            Reader::Html(html) => html.push(chunk, sink),
            Reader::Xml(xml) => xml.push(chunk, sink),
            Reader::Script(script) => {
                script.push(chunk, sink);
            }
            Reader::Sql(sql) => sql.push(chunk, sink),
            Reader::Form(form) => form.push(chunk, sink),
            Reader::Multipart(parts) => parts.push(chunk, sink),
            Reader::Grpc(messages) => messages.push(chunk, sink),
            Reader::Protobuf(message) => message.push(chunk, sink),
        }
    }

    /// The body ended.
    pub fn finish(&mut self, sink: &mut impl Sink) {
        self.end_first_line(sink);
        self.end_brackets(sink);
        match &mut self.reader {
            Reader::Undecided | Reader::FirstLine(_) | Reader::Brackets(_) => {}
            Reader::Json(json) => json.finish(sink),
            Reader::Quoted(json) => json.finish(sink),
            Reader::Delimited(table) => table.finish(sink),
            Reader::Lines(lines) => lines.finish(sink),
            Reader::Html(html) => html.finish(sink),
            Reader::Xml(xml) => xml.finish(sink),
            Reader::Script(script) => script.finish(sink),
            Reader::Sql(sql) => sql.finish(sink),
            Reader::Form(form) => form.finish(sink),
            Reader::Multipart(parts) => parts.finish(sink),
            Reader::Grpc(messages) => messages.finish(sink),
            Reader::Protobuf(message) => message.finish(sink),
        }
    }

    /// Whether the body is text in which a line is one thing.
    pub fn is_lines(&self) -> bool {
        matches!(self.reader, Reader::Undecided | Reader::FirstLine(_) | Reader::Lines(_))
    }

    /// Everything before this offset was told to the sink in full: nothing found later begins before it.
    pub fn decided_to(&self) -> u64 {
        match &self.reader {
            Reader::Undecided | Reader::FirstLine(_) | Reader::Brackets(_) => self.skipped - self.marked as u64,
            Reader::Json(json) => json.decided_to(),
            Reader::Quoted(json) => json.decided_to(),
            Reader::Delimited(table) => table.decided_to(),
            Reader::Lines(lines) => lines.decided_to(),
            Reader::Html(html) => html.decided_to(),
            Reader::Xml(xml) => xml.decided_to(),
            Reader::Script(script) => script.decided_to(),
            Reader::Sql(sql) => sql.decided_to(),
            Reader::Form(form) => form.decided_to(),
            Reader::Multipart(parts) => parts.decided_to(),
            Reader::Grpc(messages) => messages.decided_to(),
            Reader::Protobuf(message) => message.decided_to(),
        }
    }

    /// Skips blanks and a byte-order mark at the front of `chunk`, then lets the first byte choose the form; returns what only began as
    /// the mark does, and stands before `chunk`.
    fn decide(&mut self, chunk: &mut &[u8]) -> &'static [u8] {
        while let Some((first, rest)) = chunk.split_first() {
            if MARK.get(self.marked) == Some(first) {
                self.marked = (self.marked + 1) % MARK.len();
            } else if self.marked > 0 || !matches!(first, b' ' | b'\t' | b'\r' | b'\n') {
                break;
            }
            self.skipped += 1;
            *chunk = rest;
        }
        let Some(first) = chunk.first() else { return &[] };
        let held = MARK.get(..std::mem::take(&mut self.marked)).unwrap_or_default();
        self.skipped -= held.len() as u64;
        let first = held.first().unwrap_or(first);
        let (at, settings) = (self.skipped, self.settings);
        self.reader = match (self.declared, first) {
            (Declared::Multipart(boundary), _) => Reader::Multipart(Box::new(Multipart::new(at, settings, &boundary))),
            (_, b'{') | (Declared::Json, b'[') => Reader::Brackets(SmallVec::new()),
            (Declared::Json, b'"' | b'-' | b'0'..=b'9') => Reader::Json(Box::new(Json::new(at, settings))),
            (Declared::Markup, _) => Reader::Html(Box::new(Markup::new(at, settings, Html::default()))),
            (Declared::Xml, _) => Reader::Xml(Box::new(Markup::new(at, settings, Xml::default()))),
            (Declared::Script, _) => Reader::Script(Box::new(Script::new(at, settings, b""))),
            (Declared::Sql, _) => Reader::Sql(Box::new(Sql::new(at, settings))),
            (Declared::Form, _) => Reader::Form(Box::new(Form::new(at, settings))),
            (Declared::Events, _) => Reader::Lines(Box::new(Lines::new(at, settings, true))),
            (
                Declared::Unknown
                | Declared::Json
                | Declared::Table
                | Declared::Lines
                | Declared::Grpc
                | Declared::Protobuf,
                _,
            ) => Reader::FirstLine(Vec::new()),
        };
        held
    }

    /// Collects the first line; returns what of `chunk` comes after it.
    fn first_line<'c>(&mut self, chunk: &'c [u8], sink: &mut impl Sink) -> &'c [u8] {
        let Reader::FirstLine(line) = &mut self.reader else {
            return chunk;
        };
        let room = FIRST_LINE_BYTES_MAX - line.len();
        let looked_at = chunk.get(..room.min(chunk.len())).unwrap_or_default();
        let mut taken = 0;
        while let Some(end) = memchr(b'\n', looked_at.get(taken..).unwrap_or_default()) {
            line.extend_from_slice(looked_at.get(taken..=taken + end).unwrap_or_default());
            taken += end + 1;
            if self.declared != Declared::Table || !delimited::awaits_header(line) {
                self.end_first_line(sink);
                return chunk.get(taken..).unwrap_or_default();
            }
        }
        line.extend_from_slice(looked_at.get(taken..).unwrap_or_default());
        taken = looked_at.len();
        if line.len() >= FIRST_LINE_BYTES_MAX {
            self.end_first_line(sink);
        }
        chunk.get(taken..).unwrap_or_default()
    }

    /// The first line is known: it tells what the body is.
    fn end_first_line(&mut self, sink: &mut impl Sink) {
        let Reader::FirstLine(line) = &mut self.reader else {
            return;
        };
        let line = std::mem::take(line);
        self.reader = self.reader_for(&line);
        self.push(&line, sink);
    }

    /// Collects the beginning of JSON until it tells how strings are quoted; returns what of `chunk` comes after it.
    fn brackets<'c>(&mut self, chunk: &'c [u8], sink: &mut impl Sink) -> &'c [u8] {
        let Reader::Brackets(front) = &mut self.reader else {
            return chunk;
        };
        let mut rest = chunk;
        while let Some((byte, behind)) = rest.split_first() {
            front.push(*byte);
            rest = behind;
            if front.len() == BRACKETS_MAX || quoted::is_quoted(front).is_some() {
                self.end_brackets(sink);
                break;
            }
        }
        rest
    }

    fn end_brackets(&mut self, sink: &mut impl Sink) {
        let Reader::Brackets(front) = &mut self.reader else {
            return;
        };
        let front = std::mem::take(front);
        let (at, settings) = (self.skipped, self.settings);
        self.reader = if quoted::is_quoted(&front) == Some(true) {
            Reader::Quoted(Box::new(Quoted::new(at, settings)))
        } else {
            Reader::Json(Box::new(Json::new(at, settings)))
        };
        self.push(&front, sink);
    }

    /// The reader for a body that begins with `line`.
    fn reader_for(&self, line: &[u8]) -> Reader {
        let (at, settings) = (self.skipped, self.settings);
        let first = memchr(b'\n', line).map_or(line, |end| line.get(..=end).unwrap_or_default());
        let header = delimited::header_delimiter(first);
        let may_be = self.declared != Declared::Lines && self.declared != Declared::Table;
        // Sheets are often tables of HTML or XML under the name of a sheet.
        let may_be_markup = self.declared != Declared::Lines;
        if self.declared == Declared::Json && sniff::is_guarded(line) {
            Reader::Script(Box::new(Script::new(at, settings, b"")))
        } else if sniff::is_array(line) {
            Reader::Brackets(SmallVec::new())
        } else if may_be_markup && sniff::is_html(line) {
            Reader::Html(Box::new(Markup::new(at, settings, Html::default())))
        } else if may_be && sniff::is_markup(line) || may_be_markup && line.starts_with(b"<?xml") {
            Reader::Xml(Box::new(Markup::new(at, settings, Xml::default())))
        } else if may_be && form::is_form(line) {
            Reader::Form(Box::new(Form::new(at, settings)))
        } else if may_be && sql::is_sql(line) {
            Reader::Sql(Box::new(Sql::new(at, settings)))
        } else if let Some((preamble, delimiter)) =
            delimited::preamble(line).filter(|_| self.declared == Declared::Table)
        {
            Reader::Delimited(Box::new(Delimited::new(at, settings, delimiter).behind(preamble)))
        } else if self.declared == Declared::Table {
            let delimiter = header.or_else(|| delimited::data_delimiter(first, true));
            Reader::Delimited(Box::new(Delimited::new(at, settings, delimiter.unwrap_or(b','))))
        } else if let Some(delimiter) = header
            .or_else(|| delimited::data_delimiter(first, false))
            .filter(|_| may_be)
        {
            Reader::Delimited(Box::new(Delimited::new(at, settings, delimiter)))
        } else {
            Reader::Lines(Box::new(Lines::new(at, settings, line.starts_with(b"data:"))))
        }
    }
}
