//! HTML: table rows are records, headers and labels are keys, and what stands near together belongs together.

use smallvec::SmallVec;

use super::cells::CellForm;
use super::name::{Name, Names, is_data};
use super::page::Page;
use super::plain_names::PlainNames;
use super::{Container, Sink};

/// Columns of a table whose header is kept.
const COLUMNS_MAX: usize = 128;
/// A longer text is no label, in bytes.
const LABEL_BYTES_MAX: usize = 48;
/// What a link to a phone begins with.
const TEL: &[u8] = b"tel:";

/// What an HTML page has told so far.
#[derive(Default)]
pub(super) struct Html {
    table: Table,
    /// A text that names the next one.
    label: Name,
    /// What the attributes of the element say about its text.
    hint: Name,
    pending_hint: Name,
    /// Whether the element's text is a label, or that of a link, which is none.
    is_label: bool,
    is_link: bool,
    /// Whether the tag under way is a script or style.
    is_script: bool,
    names: Names,
    plain: PlainNames,
}

#[derive(Default)]
struct Table {
    headers: Vec<Name>,
    /// Whether its head is under way, and the first row of that, if some of its names are of several columns.
    part: Part,
    wide: Vec<Heading>,
    /// What the row under way would be as a header.
    row: Vec<Heading>,
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

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Body,
    Head,
}

/// A cell of a row that may name columns: so many, and whether the next row has cells under it.
struct Heading {
    name: Name,
    columns: usize,
    is_open: bool,
}

impl Table {
    /// A row of names. Those under a name of several columns are names of these.
    fn learn(&mut self, row: Vec<Heading>) {
        let wide = std::mem::take(&mut self.wide);
        if self.headers.is_empty() {
            self.headers = row.iter().map(|cell| cell.name.clone()).collect();
            if self.part == Part::Head && row.iter().any(|cell| cell.columns > 1) {
                self.wide = row;
            }
            return;
        }
        let mut names = row.into_iter().map(|cell| cell.name);
        let columns = wide.iter().flat_map(|cell| std::iter::repeat_n(cell, cell.columns));
        let mut name = |cell: &Heading| {
            let below = names.next().filter(|_| cell.columns > 1);
            below.unwrap_or_else(|| cell.name.clone())
        };
        let headers = columns
            .take(COLUMNS_MAX)
            .map(|cell| if cell.is_open { name(cell) } else { cell.name.clone() });
        self.headers = headers.collect();
    }

    /// The cell under way spans so many columns or rows, as its attribute `name` says.
    fn span(&mut self, name: &[u8], value: &[u8]) {
        let number = std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let Some(number @ 2..=COLUMNS_MAX) = number.filter(|_| self.in_cell && !self.in_row) else {
            return;
        };
        match self.row.last_mut() {
            Some(cell) if name.eq_ignore_ascii_case(b"colspan") => cell.columns = number,
            Some(cell) => cell.is_open = false,
            None => {}
        }
    }
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
        if !self.table.headers.is_empty() && self.table.wide.is_empty() {
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
                self.table.learn(row);
            } else {
                self.table.wide.clear();
            }
            self.section(end, sink);
        }
        if cells > 0 {
            self.label.clear();
        }
    }

    /// The head of the table is over.
    fn end_head(&mut self, at: u64, sink: &mut impl Sink) {
        self.end_row(at, sink);
        self.table.part = Part::Body;
        self.table.wide.clear();
    }

    fn begin_cell(&mut self, title: bool) {
        let table = &mut self.table;
        table.cells += 1;
        table.titles += usize::from(title);
        table.in_cell = true;
        if table.row.len() < COLUMNS_MAX && !table.in_row {
            table.row.push(Heading {
                name: Name::default(),
                columns: 1,
                is_open: true,
            });
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
    fn is_plain(&mut self, sink: &mut impl Sink) -> bool {
        let mut plain = std::mem::take(&mut self.plain);
        let is_plain = plain.is_plain(self.key(), sink);
        self.plain = plain;
        is_plain
    }

    /// Whether the attributes of the element say what its text is, and the text before does not.
    fn hint_says_more(&mut self, sink: &mut impl Sink) -> bool {
        self.plain.is_plain(&self.label, sink) && !self.plain.is_plain(&self.hint, sink)
    }

    /// Takes `text` for the label of what comes after it, if it looks like one.
    fn learn_label(&mut self, bytes: &[u8], at: u64, sink: &mut impl Sink) {
        let title = bytes.strip_suffix(b":").or_else(|| bytes.strip_suffix("：".as_bytes()));
        let is_label = bytes.len() <= LABEL_BYTES_MAX && !is_data(bytes) && !self.is_link;
        let is_said = title.is_some() || self.is_label;
        self.label.set(if is_label { title.unwrap_or(bytes) } else { b"" });
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
        let element = Element::of(name);
        self.pending_hint.clear();
        self.is_script = element == Element::Script;
        self.is_label = matches!(element, Element::Label | Element::Title);
        let is_table = element == Element::Table;
        match element {
            // A form or a list in a cell does not end the row.
            _ if self.table.in_row && self.table.in_cell && (element.is_section() || self.table.nested > 0) => {
                self.table.nested += u32::from(is_table);
            }
            Element::Row => self.begin_row(at, sink),
            Element::Cell | Element::Title => self.begin_cell(element == Element::Title),
            Element::Section | Element::Group | Element::Table => {
                self.end_row(at, sink);
                self.section(at, sink);
                if is_table {
                    self.table = Table::default();
                }
            }
            Element::Head => self.table.part = Part::Head,
            Element::Body => self.end_head(at, sink),
            Element::Script | Element::Label | Element::Other => {}
        }
        self.is_link = name.eq_ignore_ascii_case(b"a");
    }

    fn attribute(&mut self, name: &[u8], value: &[u8]) -> bool {
        let attribute = Attribute::of(name);
        if matches!(attribute, Attribute::Hint | Attribute::Class) && !is_data(value) {
            // Style sheets call a box a card.
            let words = value.split(u8::is_ascii_whitespace);
            for word in words.filter(|word| !word.starts_with(b"card")) {
                self.pending_hint.extend(b" ");
                self.pending_hint.extend(word);
            }
            self.is_label |= attribute == Attribute::Class && says_label(value);
        }
        if attribute == Attribute::Span {
            self.table.span(name, value);
        }
        if attribute == Attribute::Link && is_tel(value) {
            self.pending_hint.extend(b" tel");
        }
        attribute == Attribute::Value || name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"data-"))
    }

    fn attribute_key(&mut self, name: &[u8], at: u64, sink: &mut impl Sink) {
        let is_value = Attribute::of(name) == Attribute::Value;
        // `<label>Phone</label><input id="p">`: an id of one letter says less than the label.
        let says_more = self.pending_hint.as_slice().trim_ascii().len() > 1 || self.label.is_empty();
        if is_value && !self.pending_hint.is_empty() && says_more {
            self.pending_hint.tell_as(CellForm::Markup, at, sink);
        } else if is_value && !self.label.is_empty() {
            self.label.tell_as(CellForm::Markup, at, sink);
        } else {
            Name::of(name).tell_as(CellForm::Markup, at, sink);
        }
    }

    fn tag_ends(&mut self, _closed: bool, _end: u64, _sink: &mut impl Sink) -> bool {
        if !self.pending_hint.is_empty() {
            self.hint = std::mem::take(&mut self.pending_hint);
        }
        self.is_script
    }

    fn close(&mut self, name: &[u8], end: u64, sink: &mut impl Sink) {
        let element = Element::of(name);
        self.hint.clear();
        self.is_label = false;
        self.is_link = false;
        if self.table.in_row && self.table.nested > 0 {
            self.table.nested -= u32::from(element == Element::Table);
            return;
        }
        match element {
            Element::Row => self.end_row(end, sink),
            Element::Cell | Element::Title => self.table.in_cell = false,
            Element::Head => self.end_head(end, sink),
            Element::Table => {
                self.end_row(end, sink);
                self.table = Table::default();
                self.section(end, sink);
            }
            Element::Section if !(self.table.in_row && self.table.in_cell) => {
                self.end_row(end, sink);
                self.section(end, sink);
            }
            // Labels and fields may come in groups of their own.
            Element::Section | Element::Group | Element::Body | Element::Label | Element::Script | Element::Other => {}
        }
    }

    fn text(&mut self, bytes: &[u8], at: u64, wakes: bool, sink: &mut impl Sink) -> bool {
        if self.table.in_cell && !self.table.in_row {
            self.table.has_data |= is_data(bytes);
            if let Some(cell) = self.table.row.last_mut() {
                cell.name.extend(bytes);
            }
        }
        if !self.label.is_empty() && !self.hint.is_empty() && self.header().is_none() && self.hint_says_more(sink) {
            self.label.clear();
        }
        let inline = self.key().is_empty().then(|| inline_label(bytes)).flatten();
        if let Some(label) = inline {
            let is_plain = label.is_empty() || sink.plain(label.as_slice()).is_some();
            if self.names.begins_another(&label) {
                sink.line(at);
            }
            if wakes || !is_plain {
                label.tell_as(CellForm::Markup, at, sink);
            }
            return wakes || !is_plain;
        }
        let key = (wakes || !self.is_plain(sink)).then(|| self.key().clone());
        self.learn_label(bytes, at, sink);
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

/// Whether a link leads to a phone (RFC 3966).
fn is_tel(link: &[u8]) -> bool {
    const DIGITS_MIN: usize = 7;
    let (scheme, number) = link.split_at_checked(TEL.len()).unwrap_or_default();
    let digits = number.iter().filter(|byte| byte.is_ascii_digit()).count();
    scheme.eq_ignore_ascii_case(TEL) && digits >= DIGITS_MIN
}

/// The label that begins a text and names the rest of it: `<b>Phone:</b> 010...`, `Phone: 010...`.
fn inline_label(text: &[u8]) -> Option<Name> {
    const WORDS_MAX: usize = 4;
    let (mut label, mut in_tag) = (SmallVec::<[u8; LABEL_BYTES_MAX]>::new(), false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'<' => in_tag = true,
            b'>' if in_tag => in_tag = false,
            _ if in_tag => {}
            b':' => {
                let words = label
                    .split(|byte| *byte == b' ')
                    .filter(|word| !word.is_empty())
                    .count();
                let has_value = text.get(at + 1..).is_some_and(|rest| !rest.trim_ascii().is_empty());
                let is_label = (1..=WORDS_MAX).contains(&words) && has_value && !is_data(&label);
                return is_label.then(|| Name::of(&label));
            }
            _ if label.len() == LABEL_BYTES_MAX => return None,
            _ => label.push(*byte),
        }
    }
    None
}

/// What an element is to a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Element {
    Script,
    Table,
    Row,
    Cell,
    /// A cell that is a header.
    Title,
    /// The rows of a table that name its columns, and the others.
    Head,
    Body,
    Label,
    /// A record ends at its beginning and its end.
    Section,
    /// A record ends at its beginning.
    Group,
    Other,
}

impl Element {
    /// By its name in either case.
    fn of(name: &[u8]) -> Self {
        let is = |known: &[&[u8]]| known.iter().any(|known| known.eq_ignore_ascii_case(name));
        match name.len() {
            2 if is(&[b"tr"]) => Self::Row,
            2 if is(&[b"td"]) => Self::Cell,
            2 if is(&[b"th"]) => Self::Title,
            2 if is(&[b"dt"]) => Self::Label,
            2 if is(&[b"hr"]) => Self::Section,
            2 if is(&[b"dl", b"ul"]) => Self::Group,
            3 if is(&[b"nav"]) => Self::Section,
            4 if is(&[b"form", b"main"]) => Self::Section,
            5 if is(&[b"table"]) => Self::Table,
            5 if is(&[b"thead"]) => Self::Head,
            5 if is(&[b"tbody", b"tfoot"]) => Self::Body,
            5 if is(&[b"label"]) => Self::Label,
            5 if is(&[b"style"]) => Self::Script,
            5 if is(&[b"aside"]) => Self::Section,
            6 if is(&[b"script"]) => Self::Script,
            6 if is(&[b"legend"]) => Self::Label,
            6 if is(&[b"dialog", b"footer", b"header"]) => Self::Section,
            7 if is(&[b"article", b"address", b"section"]) => Self::Section,
            8 if is(&[b"fieldset"]) => Self::Group,
            10 if is(&[b"blockquote"]) => Self::Section,
            _ => Self::Other,
        }
    }

    /// Whether a record ends at its beginning.
    fn is_section(self) -> bool {
        matches!(self, Self::Section | Self::Group | Self::Table)
    }
}

/// What an attribute is to its element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attribute {
    /// It says what the element's text or value is.
    Hint,
    /// So it does, and whether that is a label.
    Class,
    /// It is the element's value.
    Value,
    /// It says where the element leads.
    Link,
    /// It says how many columns or rows a cell spans.
    Span,
    Other,
}

impl Attribute {
    /// By its name in either case.
    fn of(name: &[u8]) -> Self {
        let is = |known: &[&[u8]]| known.iter().any(|known| known.eq_ignore_ascii_case(name));
        match name.len() {
            2 if is(&[b"id"]) => Self::Hint,
            4 if is(&[b"name"]) => Self::Hint,
            4 if is(&[b"href"]) => Self::Link,
            5 if is(&[b"class"]) => Self::Class,
            5 if is(&[b"value"]) => Self::Value,
            7 if is(&[b"headers"]) => Self::Hint,
            7 if is(&[b"colspan", b"rowspan"]) => Self::Span,
            7 if is(&[b"content"]) => Self::Value,
            8 if is(&[b"itemprop", b"property"]) => Self::Hint,
            10 if is(&[b"data-label", b"data-field", b"data-title"]) => Self::Hint,
            _ => Self::Other,
        }
    }
}

/// Whether a class is called `label`, `title` or `term`.
fn says_label(class: &[u8]) -> bool {
    let says = |(at, byte): (usize, &u8)| {
        let rest = class.get(at..).unwrap_or_default();
        match byte {
            b'l' => rest.starts_with(b"label"),
            b't' => rest.starts_with(b"title") || rest.starts_with(b"term"),
            _ => false,
        }
    };
    class.iter().enumerate().any(says)
}
