//! HTML: table rows are records, headers and labels are keys, and what stands near together belongs together.

use memchr::memmem;
use smallvec::SmallVec;

use super::cells::CellForm;
use super::name::{Name, Names};
use super::page::Page;
use super::plain_names::PlainNames;
use super::{Container, Sink};

/// Columns of a table whose header is kept.
const COLUMNS_MAX: usize = 128;
/// A longer text is no label, in bytes.
const LABEL_BYTES_MAX: usize = 48;

/// What an HTML page has told so far.
#[derive(Default)]
pub(super) struct Html {
    table: Table,
    /// A text that names the next one.
    label: Name,
    /// What the attributes of the element say about its text.
    hint: Name,
    pending_hint: Name,
    /// Whether the element's text is a label.
    is_label: bool,
    /// Whether the tag under way is a script or style.
    is_script: bool,
    names: Names,
    plain: PlainNames,
}

#[derive(Default)]
struct Table {
    headers: Vec<Name>,
    /// What the row under way would be as a header.
    row: Vec<Name>,
    /// Whether `row` has something that a header does not have.
    has_data: bool,
    /// Cells of the row under way, and how many of them are `th`.
    cells: usize,
    titles: usize,
    in_row: bool,
    /// Whether a cell is open.
    in_cell: bool,
    /// Tables open within a cell of the row under way: what is in them belongs to it.
    nested: u32,
}

impl Html {
    /// What came before is a record; the next begins.
    fn section(&mut self, at: u64, sink: &mut impl Sink) {
        self.names.clear();
        self.label.clear();
        sink.line(at);
    }

    fn begin_row(&mut self, at: u64, sink: &mut impl Sink) {
        self.end_row(at, sink);
        if !self.table.headers.is_empty() {
            self.table.in_row = true;
            sink.open(Container::Row, at);
        }
    }

    fn end_row(&mut self, end: u64, sink: &mut impl Sink) {
        let table = &mut self.table;
        let (cells, titles) = (table.cells, table.titles);
        let row = std::mem::take(&mut table.row);
        let has_data = std::mem::take(&mut table.has_data);
        (table.cells, table.titles, table.in_cell) = (0, 0, false);
        if std::mem::take(&mut table.in_row) {
            sink.close(end);
            self.names.clear();
        } else if cells > 2 || titles == cells && cells > 1 {
            // A row of three is a record by itself; two cells may be a label and its value.
            if !has_data && (titles == cells || titles == 0) {
                self.table.headers = row;
            }
            self.section(end, sink);
        }
        if cells > 0 {
            self.label.clear();
        }
    }

    fn begin_cell(&mut self, title: bool) {
        let table = &mut self.table;
        table.cells += 1;
        table.titles += usize::from(title);
        table.in_cell = true;
        if table.row.len() < COLUMNS_MAX && !table.in_row {
            table.row.push(Name::default());
        }
    }

    /// The header of the cell under way.
    fn header(&self) -> Option<&Name> {
        let table = &self.table;
        (table.in_row && table.in_cell)
            .then(|| table.headers.get(table.cells.checked_sub(1)?))
            .flatten()
    }

    /// The name of the text that comes.
    fn key(&self) -> &Name {
        let name = self.header().unwrap_or(&self.label);
        if name.is_empty() { &self.hint } else { name }
    }

    /// Whether that name says nothing.
    fn is_plain(&mut self, sink: &impl Sink) -> bool {
        let mut plain = std::mem::take(&mut self.plain);
        let key = self.key().as_slice();
        let is_plain = key.is_empty() || plain.find(key, &(0..key.len()), sink).is_some();
        self.plain = plain;
        is_plain
    }

    /// Takes `text` for the label of what comes after it, if it looks like one.
    fn learn_label(&mut self, text: &Name, at: u64, sink: &mut impl Sink) {
        let bytes = text.as_slice();
        let title = bytes.strip_suffix(b":").or_else(|| bytes.strip_suffix("：".as_bytes()));
        let is_label = bytes.len() <= LABEL_BYTES_MAX && !text.is_full() && !is_data(bytes);
        let is_said = title.is_some() || self.is_label;
        self.label = if is_label {
            Name::of(title.unwrap_or(bytes))
        } else {
            Name::default()
        };
        if is_label && is_said && !self.table.in_row && self.names.begins_another(&self.label) {
            sink.line(at);
        }
    }
}

impl Page for Html {
    fn begin(&mut self, at: u64, sink: &mut impl Sink) {
        sink.open(Container::Flow, at);
    }

    fn tag(&mut self, name: &[u8], at: u64, sink: &mut impl Sink) {
        let name = lower(name);
        let name = name.as_slice();
        self.pending_hint.clear();
        self.is_script = matches!(name, b"script" | b"style");
        let (is_table, is_section) = (name == b"table", is_section(name));
        if self.table.in_row && self.table.in_cell && (is_section || self.table.nested > 0) {
            // A form or a list in a cell does not end the row.
            self.table.nested += u32::from(is_table);
        } else if is_section {
            self.end_row(at, sink);
            self.section(at, sink);
            if is_table {
                self.table = Table::default();
            }
        } else if name == b"tr" {
            self.begin_row(at, sink);
        } else if matches!(name, b"td" | b"th") {
            self.begin_cell(name == b"th");
        }
        self.is_label = matches!(name, b"th" | b"dt" | b"label" | b"legend");
    }

    fn attribute(&mut self, name: &Name, value: &Name) -> bool {
        let name = lower(name.as_slice());
        if is_hint(&name) && !is_data(value.as_slice()) {
            let words = value.as_slice().split(u8::is_ascii_whitespace);
            // Style sheets call a box a card.
            for word in words.filter(|word| !word.starts_with(b"card")) {
                self.pending_hint.extend(b" ");
                self.pending_hint.extend(word);
            }
            let is_label = |word: &[u8]| memmem::find(value.as_slice(), word).is_some();
            self.is_label |=
                name.as_slice() == b"class" && (is_label(b"label") || is_label(b"title") || is_label(b"term"));
        }
        is_value(&name) || name.starts_with(b"data-")
    }

    fn attribute_key(&mut self, name: &Name, at: u64, sink: &mut impl Sink) {
        let is_value = is_value(&lower(name.as_slice()));
        if is_value && !self.pending_hint.is_empty() {
            self.pending_hint.tell_as(CellForm::Markup, at, sink);
        } else if is_value && !self.label.is_empty() {
            self.label.tell_as(CellForm::Markup, at, sink);
        } else {
            name.tell_as(CellForm::Markup, at, sink);
        }
    }

    fn tag_ends(&mut self, _closed: bool, _end: u64, _sink: &mut impl Sink) -> bool {
        if !self.pending_hint.is_empty() {
            self.hint = std::mem::take(&mut self.pending_hint);
        }
        self.is_script
    }

    fn close(&mut self, name: &[u8], end: u64, sink: &mut impl Sink) {
        let name = lower(name);
        self.hint.clear();
        self.is_label = false;
        if self.table.in_row && self.table.nested > 0 {
            self.table.nested -= u32::from(name.as_slice() == b"table");
            return;
        }
        match name.as_slice() {
            b"tr" => self.end_row(end, sink),
            b"td" | b"th" => self.table.in_cell = false,
            b"table" => {
                self.end_row(end, sink);
                self.table = Table::default();
                self.section(end, sink);
            }
            // Labels and fields may come in groups of their own.
            b"dl" | b"fieldset" | b"ul" => {}
            other if is_section(other) && !(self.table.in_row && self.table.in_cell) => {
                self.end_row(end, sink);
                self.section(end, sink);
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &Name, at: u64, wakes: bool, sink: &mut impl Sink) -> bool {
        let bytes = text.as_slice();
        if self.table.in_cell && !self.table.in_row {
            self.table.has_data |= is_data(bytes);
            if let Some(name) = self.table.row.last_mut() {
                name.extend(bytes);
            }
        }
        let key = (wakes || !self.is_plain(sink)).then(|| self.key().clone());
        self.learn_label(text, at, sink);
        if let Some(key) = &key {
            key.tell_as(CellForm::Markup, at, sink);
        }
        key.is_some()
    }

    fn aside(&mut self, at: u64, sink: &mut impl Sink) {
        Name::default().tell(at, sink);
    }

    fn finish(&mut self, end: u64, sink: &mut impl Sink) {
        self.end_row(end, sink);
        sink.close(end);
    }
}

/// Names of elements and attributes are written in either case.
fn lower(name: &[u8]) -> SmallVec<[u8; 32]> {
    let mut name = SmallVec::from_slice(name);
    name.make_ascii_lowercase();
    name
}

/// Whether a record ends at the beginning and the end of an element.
fn is_section(name: &[u8]) -> bool {
    matches!(
        name,
        b"article"
            | b"aside"
            | b"address"
            | b"blockquote"
            | b"dialog"
            | b"dl"
            | b"fieldset"
            | b"footer"
            | b"form"
            | b"header"
            | b"hr"
            | b"main"
            | b"nav"
            | b"section"
            | b"table"
            | b"ul"
    )
}

/// Whether an attribute says what the text or value of its element is.
fn is_hint(name: &[u8]) -> bool {
    matches!(
        name,
        b"class"
            | b"id"
            | b"name"
            | b"itemprop"
            | b"property"
            | b"headers"
            | b"data-label"
            | b"data-field"
            | b"data-title"
    )
}

/// Whether an attribute is the value of its element.
fn is_value(name: &[u8]) -> bool {
    name == b"value" || name == b"content"
}

/// Whether a text has what names do not have: an `@`, or four digits in a row.
fn is_data(text: &[u8]) -> bool {
    text.contains(&b'@') || text.windows(4).any(|run| run.iter().all(u8::is_ascii_digit))
}
