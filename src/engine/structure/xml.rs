//! XML: elements are named values, and the nearest element that comes again beside its like is a record.

use super::cells::CellForm;
use super::name::{Name, is_full};
use super::page::Page;
use super::{Container, Sink};
use crate::engine::detect::names_mail;

/// Columns of a sheet whose header is kept.
const COLUMNS_MAX: usize = 256;
/// Deeper elements are read as part of the one at this depth. Against: `<a><a><a>...` that costs a frame each.
const DEPTH_MAX: usize = 128;

/// The open elements of an XML document.
#[derive(Default)]
pub(super) struct Xml {
    /// The open elements, the innermost last.
    stack: Vec<Open>,
    /// Elements open beyond [`DEPTH_MAX`].
    beyond: u64,
    /// The element whose tag is under way, until the sink knows of it: its key, its name's number, its place.
    pending: Option<(Name, u64, u64)>,
    /// The name of the text that comes.
    key: Name,
    /// What the element that ended last says the next is: `<key>phone</key><string>010...</string>`.
    said: Name,
    sheet: Sheet,
}

/// A table whose first row names its columns: `<Row><Cell><Data>name</Data></Cell>...</Row>` of a sheet.
#[derive(Default)]
struct Sheet {
    headers: Vec<Name>,
    /// What the first row would be as a header; `None` once it has something that none has, or there is a header.
    first: Option<Vec<Name>>,
    /// Cells of the row under way.
    cells: usize,
    /// How many elements are around its rows.
    depth: usize,
}

#[derive(Clone, Copy)]
struct Open {
    name: u64,
    /// Whether it is a table's row: what is in it is told as its cells.
    is_row: bool,
    /// Whether it lies in a row, and so is no container.
    in_row: bool,
}

impl Xml {
    /// Tells the sink of the element whose tag is under way.
    fn open(&mut self, sink: &mut impl Sink) {
        let Some((name, tag, at)) = self.pending.take() else {
            return;
        };
        let is_inside = self.stack.last().is_some_and(|parent| parent.is_row || parent.in_row);
        let is_row = !is_inside
            && [&b"row"[..], b"tr", b"record"]
                .iter()
                .any(|row| row.eq_ignore_ascii_case(name.as_slice()));
        name.tell_as(CellForm::Markup, at, sink);
        if is_row {
            self.sheet.begin_row(self.stack.len());
        } else if is_inside && is_cell(name.as_slice()) {
            self.sheet.cells += 1;
        }
        if !is_inside {
            sink.open(if is_row { Container::Row } else { Container::Element }, at);
        }
        self.stack.push(Open {
            name: tag,
            is_row,
            in_row: is_inside,
        });
        self.key = name;
    }

    fn pop(&mut self, end: u64, sink: &mut impl Sink) {
        if let Some(open) = self.stack.pop().filter(|open| !open.in_row) {
            if open.is_row {
                self.sheet.end_row(sink);
            } else if self.stack.len() < self.sheet.depth {
                self.sheet = Sheet::default();
            }
            sink.close(end);
        }
        self.key.clear();
    }
}

impl Sheet {
    fn begin_row(&mut self, depth: usize) {
        (self.cells, self.depth) = (0, depth);
        self.first = self.headers.is_empty().then(Vec::new);
    }

    fn end_row(&mut self, sink: &mut impl Sink) {
        let names = self
            .first
            .take()
            .filter(|names| names.len() > 1 && names.len() == self.cells);
        // What says nothing of any column is a row like the others.
        let mut says = |name: &Name| sink.plain(name.as_slice()).is_none();
        if let Some(names) = names.filter(|names| names.iter().any(&mut says)) {
            self.headers = names;
        }
    }

    /// The header of the cell that has this text, if there is one.
    fn header(&mut self, text: &[u8]) -> Option<&Name> {
        let column = self.cells.checked_sub(1)?;
        self.first = self
            .first
            .take()
            .filter(|names| names.len() == column && column < COLUMNS_MAX && is_word(text));
        if let Some(names) = &mut self.first {
            names.push(Name::of(text));
        }
        self.headers.get(column)
    }
}

impl Page for Xml {
    fn begin(&mut self, at: u64, sink: &mut impl Sink) {
        sink.open(Container::Element, at);
    }

    fn tag(&mut self, name: &[u8], at: u64, sink: &mut impl Sink) {
        if self.stack.len() >= DEPTH_MAX {
            self.beyond += 1;
            self.key = Name::of(local(name));
            return;
        }
        self.open(sink);
        let (mut name, said) = (Name::of(local(name)), std::mem::take(&mut self.said));
        let tag = name.hash();
        let mut says = || names_mail(said.as_slice()) || !said.is_empty() && sink.plain(said.as_slice()).is_none();
        if is_value(name.as_slice()) && says() {
            name = said;
        }
        self.pending = Some((name, tag, at));
    }

    fn attribute(&mut self, name: &[u8], value: &[u8]) -> bool {
        // `<field name="phone">`: the value says more than the element's name.
        let names = [&b"name"[..], b"key", b"id"].contains(&local(name));
        let is_word = is_word(value);
        if let Some((tag, _, _)) = self.pending.as_mut().filter(|_| names && is_word) {
            let generic = [
                &b"field"[..],
                b"property",
                b"entry",
                b"column",
                b"col",
                b"param",
                b"attribute",
                b"item",
                b"data",
            ];
            if generic.contains(&tag.as_slice()) {
                *tag = Name::of(value);
            }
        }
        true
    }

    fn attribute_key(&mut self, name: &[u8], at: u64, sink: &mut impl Sink) {
        self.open(sink);
        // `<family value="Kim"/>` of FHIR: the element says more than the attribute.
        if is_value(local(name)) {
            self.key.tell(at, sink);
        } else {
            Name::of(local(name)).tell(at, sink);
        }
    }

    fn tag_ends(&mut self, closed: bool, end: u64, sink: &mut impl Sink) -> bool {
        if self.beyond > 0 {
            self.beyond -= u64::from(closed);
            return false;
        }
        self.open(sink);
        if closed {
            self.pop(end, sink);
        }
        false
    }

    fn close(&mut self, name: &[u8], end: u64, sink: &mut impl Sink) {
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        // A closing tag closes what stands open inside its element, and one without an element closes nothing.
        let name = Name::of(local(name)).hash();
        let Some(place) = self.stack.iter().rposition(|open| open.name == name) else {
            return;
        };
        while self.stack.len() > place {
            self.pop(end, sink);
        }
    }

    fn text(&mut self, text: &[u8], at: u64, _wakes: bool, sink: &mut impl Sink) -> bool {
        self.said.set(if is_label(self.key.as_slice()) && is_word(text) {
            text
        } else {
            b""
        });
        // An element in a cell that has a name of its own says what its text is.
        let in_cell = self.stack.last().is_some_and(|open| open.in_row) && is_in_cell(self.key.as_slice());
        let header = in_cell.then(|| self.sheet.header(text)).flatten();
        header.unwrap_or(&self.key).tell_as(CellForm::Markup, at, sink);
        true
    }

    fn aside(&mut self, at: u64, sink: &mut impl Sink) {
        Name::default().tell(at, sink);
    }

    fn finish(&mut self, end: u64, sink: &mut impl Sink) {
        self.open(sink);
        while !self.stack.is_empty() {
            self.pop(end, sink);
        }
        sink.close(end);
    }
}

/// Whether a text may be a name: with more digits than those of `address1` it is a value.
fn is_word(text: &[u8]) -> bool {
    const DIGITS_MAX: usize = 2;
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    !is_full(text) && digits <= DIGITS_MAX && text.len() > digits
}

/// Whether an element of this name says what the next is, and whether one may be what that says.
fn is_label(name: &[u8]) -> bool {
    matches!(name, b"key" | b"Key" | b"label" | b"Label" | b"name" | b"Name")
}

/// Whether an element of this name is a cell, or what its text stands in, and says nothing of that.
fn is_in_cell(name: &[u8]) -> bool {
    is_cell(name) || matches!(name, b"Data" | b"data" | b"v" | b"t" | b"p")
}

/// Whether an element of this name is a cell of a row.
fn is_cell(name: &[u8]) -> bool {
    matches!(name, b"Cell" | b"cell" | b"c" | b"td" | b"th")
}

fn is_value(name: &[u8]) -> bool {
    matches!(
        name,
        b"string" | b"integer" | b"value" | b"Value" | b"val" | b"text" | b"content"
    )
}

/// A name without its namespace's prefix.
fn local(name: &[u8]) -> &[u8] {
    name.rsplit(|byte| *byte == b':').next().unwrap_or(name)
}
