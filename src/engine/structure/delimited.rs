//! Tables with one row a line: CSV (RFC 4180) and its kin with semicolons, tabs or bars.
//!
//! Separators come from bit masks, 64 bytes at a time; a cell in which nothing wakes a search, under a header that wants
//! nothing, is passed over without a look. A cell that is cut by a chunk's end is carried.

use std::ops::Range;

use memchr::memchr2;

use super::cells::{Carry, Cell, CellForm, CellSettings};
use super::name;
use super::{Container, Sink};
use crate::engine::block::{Blocks, CHUNK_BLOCKS, Texts};

/// Columns whose header is kept; those beyond have none.
const COLUMNS_MAX: usize = 256;
/// A longer header is cut for the purpose of context.
const HEADER_BYTES_MAX: usize = 64;

/// Lines that may stand before the header, the blank one among them.
const PREAMBLE_LINES_MAX: usize = 8;

/// The reader of one table. The first row is the header.
pub(super) struct Delimited {
    at: u64,
    delimiter: u8,
    state: State,
    column: usize,
    row: Row,
    columns: Vec<Column>,
    in_header: bool,
    /// Lines to come that stand before the header.
    preamble: usize,
    all: bool,
    carry: Carry,
}

/// One column, by its header.
struct Column {
    header: Vec<u8>,
    /// Whether its cells are told even if nothing in them wakes a search; not known before the first.
    wanted: Option<bool>,
}

/// The row under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    None,
    /// It began here, and the sink need not know yet.
    Begun(u64),
    Told,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    CellStart,
    Plain,
    Quoted,
    /// After a quote inside a quoted cell: it ended, or a second quote follows.
    QuoteSeen,
    /// After such a quote and a carriage return: a line feed ends the row.
    ReturnSeen,
}

/// The delimiters and line ends of one chunk.
struct Separators<'c> {
    blocks: Blocks<'c, CHUNK_BLOCKS>,
    texts: Texts,
    /// The first byte of the block under way, and those of its separators that were not given yet.
    at: usize,
    left: u64,
}

impl<'c> Separators<'c> {
    fn new(chunk: &'c [u8], delimiter: u8) -> Self {
        Self {
            blocks: Blocks::new(chunk, delimiter),
            texts: Texts::default(),
            at: 0,
            left: 0,
        }
    }

    /// The next one at or after `from`, and whether the text from there to it may hold an identifier.
    fn next(&mut self, from: usize) -> Option<(usize, bool)> {
        loop {
            while self.left == 0 {
                let (at, masks) = self.blocks.next()?;
                self.at = at;
                self.left = masks.delimiter | masks.newline;
                self.texts.enter(at, masks, self.left);
            }
            let at = self.at + self.left.trailing_zeros() as usize;
            let bit = self.left & self.left.wrapping_neg();
            self.left ^= bit;
            if at >= from {
                return Some((at, self.texts.wakes(bit, at - from) || self.texts.is_veiled(bit)));
            }
        }
    }
}

/// The delimiter of `line` if it looks like a table's header: no digit run, no `@`, and cells that are short; of two, both
/// are words.
pub(super) fn header_delimiter(line: &[u8]) -> Option<u8> {
    let text = line.trim_ascii_end();
    // `dn: uid=kim,ou=people,dc=example` is a value with a name.
    let is_named = memchr::memchr(b'=', text).is_some() || memchr::memmem::find(text, b": ").is_some();
    if name::is_data(text) || is_named {
        return None;
    }
    let count = |delimiter: u8| memchr::memchr_iter(delimiter, text).count();
    let (best, columns) = [b',', b';', b'\t', b'|']
        .map(|delimiter| (delimiter, count(delimiter)))
        .into_iter()
        .max_by_key(|(_, n)| *n)?;
    // Prose has commas too, but long stretches between them and spaces after them.
    let is_dense =
        text.len() <= (columns + 1) * 32 && (best == b'|' || !text.windows(2).any(|pair| pair == [best, b' ']));
    let is_name = |cell: &[u8]| {
        let cell = cell.trim_ascii();
        let is_letter =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'"') || !byte.is_ascii();
        !cell.is_empty() && cell.iter().all(is_letter)
    };
    let is_pair = || columns == 1 && text.split(|byte| *byte == best).all(is_name);
    ((columns >= 2 || is_pair()) && is_dense).then_some(best)
}

/// How many of these lines, which are whole, stand before the header of a table, and its delimiter: what is exported says of itself
/// what it is, and then leaves a line blank.
pub(super) fn preamble(text: &[u8]) -> Option<(usize, u8)> {
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    let blank = lines.iter().position(|line| line.is_empty())?;
    let behind = lines.get(blank..)?.iter().position(|line| !line.is_empty())?;
    let header = lines.get(blank + behind)?;
    let delimiter = header_delimiter(header)?;
    let columns = |line: &[u8]| memchr::memchr_iter(delimiter, line).count();
    // Rows before it are rows, and a quoted cell may have lines of its own.
    let is_row = |line: &&[u8]| columns(line) >= columns(header) || line.contains(&b'"');
    (!lines.get(..blank)?.iter().any(is_row)).then_some((blank + behind, delimiter))
}

/// Whether the header of a table may yet come behind these lines, which are whole.
pub(super) fn awaits_header(lines: &[u8]) -> bool {
    let first = lines.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    header_delimiter(first).is_none()
        && memchr::memchr_iter(b'\n', lines).count() <= PREAMBLE_LINES_MAX
        && preamble(lines).is_none()
}

/// Whether a cell is no header: an `@` in it, or seven digits.
fn is_data(cell: &[u8]) -> bool {
    let at = memchr::memchr(b'@', cell);
    at.is_some_and(|at| at > 0) || cell.iter().filter(|byte| byte.is_ascii_digit()).count() >= 7
}

/// The delimiter of a first line that is no header: of a table by its declaration what stands most often, of other text bars
/// or tabs.
pub(super) fn data_delimiter(line: &[u8], is_table: bool) -> Option<u8> {
    let text = line.trim_ascii_end();
    // Behind the commas of an address or a name stand blanks.
    let is_close = |at: &usize| text.get(at + 1) != Some(&b' ');
    let count = |delimiter: u8| memchr::memchr_iter(delimiter, text).filter(is_close).count();
    let candidates: &[u8] = if is_table { b",;\t|" } else { b"\t|" };
    let best = candidates
        .iter()
        .copied()
        .map(|delimiter| (delimiter, count(delimiter)));
    let (best, columns) = best.max_by_key(|(_, n)| *n)?;
    let begins = text
        .first()
        .is_some_and(|first| *first != best && !first.is_ascii_whitespace());
    (is_table || (columns >= 2 && begins && text.split(|byte| *byte == best).any(is_data))).then_some(best)
}

impl Delimited {
    pub(super) fn new(at: u64, settings: CellSettings, delimiter: u8) -> Self {
        Self {
            at,
            delimiter,
            state: State::CellStart,
            column: 0,
            row: Row::None,
            columns: Vec::new(),
            in_header: true,
            preamble: 0,
            all: settings.all,
            carry: Carry::new(settings),
        }
    }

    /// The header stands behind so many lines.
    pub(super) fn behind(mut self, preamble: usize) -> Self {
        self.preamble = preamble;
        self
    }

    pub(super) fn decided_to(&self) -> u64 {
        if self.state == State::CellStart {
            self.at
        } else {
            self.carry.searched_to()
        }
    }

    pub(super) fn push(&mut self, mut chunk: &[u8], sink: &mut impl Sink) {
        while !chunk.is_empty() {
            let taken = match self.state {
                State::CellStart => self.cells(chunk, sink),
                State::Plain => self.plain(chunk, sink),
                State::Quoted => self.quoted(chunk, sink),
                State::QuoteSeen => self.after_quote(chunk, sink),
                State::ReturnSeen => self.after_return(chunk, sink),
            };
            self.at += taken as u64;
            chunk = chunk.get(taken..).unwrap_or_default();
        }
        // What is not whole may be held back from its first byte.
        self.tell_row(sink);
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        match self.state {
            State::CellStart => {}
            State::Plain => self.end_cell(&[], CellForm::Plain, sink),
            State::Quoted | State::QuoteSeen | State::ReturnSeen => self.end_cell(&[], CellForm::Quoted, sink),
        }
        self.end_row(self.at, sink);
    }

    /// Reads whole plain cells up to one that is quoted or cut by the chunk's end, which it begins.
    fn cells(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let mut separators = Separators::new(chunk, self.delimiter);
        let mut from = 0;
        while let Some((end, worth)) = separators.next(from) {
            let next = if chunk.get(from) == Some(&b'"') {
                self.quoted_cell(chunk, from, sink)
            } else {
                Ok(self.plain_cell(chunk, from..end, worth, sink))
            };
            from = match next {
                Ok(next) => next,
                Err(begun) => return begun,
            };
        }
        if from < chunk.len() {
            return self.begin_cell(chunk, from, sink);
        }
        from
    }

    /// Reads a whole cell without quotes and the separator behind it, if it is `worth` a search or wanted; returns where the
    /// next begins.
    fn plain_cell(&mut self, chunk: &[u8], range: Range<usize>, worth: bool, sink: &mut impl Sink) -> usize {
        let end = range.end;
        if worth || self.in_header || self.wants() {
            self.begin_cell(chunk, range.start, sink);
            self.end_cell(chunk.get(range).unwrap_or_default(), CellForm::Plain, sink);
        } else if self.row == Row::None {
            self.row = Row::Begun(self.at + range.start as u64);
        }
        self.separator(chunk.get(end).copied(), self.at + end as u64 + 1, sink);
        end + 1
    }

    /// Reads a quoted cell and the separator behind it; returns where the next begins.
    ///
    /// # Errors
    /// One that is not whole, which is begun: the bytes up to its first.
    fn quoted_cell(&mut self, chunk: &[u8], from: usize, sink: &mut impl Sink) -> Result<usize, usize> {
        let begun = self.begin_cell(chunk, from, sink);
        let rest = chunk.get(begun..).unwrap_or_default();
        let taken = self.whole_quoted(rest, self.at + begun as u64, sink).ok_or(begun)?;
        Ok(begun + taken)
    }

    fn wants(&self) -> bool {
        self.all
            || self
                .columns
                .get(self.column)
                .is_none_or(|column| column.wanted != Some(false))
    }

    /// A cell begins at `from`, with a quote or without; returns the bytes up to its first.
    fn begin_cell(&mut self, chunk: &[u8], from: usize, sink: &mut impl Sink) -> usize {
        let at = self.at + from as u64;
        if self.row == Row::None {
            self.row = Row::Begun(at);
        }
        self.tell_row(sink);
        if !self.in_header {
            let column = self.columns.get_mut(self.column);
            let raw = column.as_ref().map_or(&[][..], |column| column.header.as_slice());
            let wanted = sink.key(&Cell {
                raw,
                at,
                within: (0, 0),
                form: CellForm::Plain,
                last: true,
            });
            if let Some(column) = column {
                column.wanted = Some(wanted);
            }
        }
        let quoted = chunk.get(from) == Some(&b'"');
        self.carry.begin(at + u64::from(quoted));
        self.state = if quoted { State::Quoted } else { State::Plain };
        from + usize::from(quoted)
    }

    fn plain(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let Some(at) = memchr2(self.delimiter, b'\n', chunk) else {
            self.more(chunk, CellForm::Plain, sink);
            return chunk.len();
        };
        self.end_cell(chunk.get(..at).unwrap_or_default(), CellForm::Plain, sink);
        self.separator(chunk.get(at).copied(), self.at + at as u64 + 1, sink);
        at + 1
    }

    fn quoted(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let to = memchr::memchr(b'"', chunk).unwrap_or(chunk.len());
        self.more(chunk.get(..to).unwrap_or_default(), CellForm::Quoted, sink);
        if to == chunk.len() {
            return to;
        }
        self.state = State::QuoteSeen;
        to + 1
    }

    /// Reads a quoted cell, its opening quote behind it at offset `at`, and its separator; `None` where it is not whole.
    fn whole_quoted(&mut self, text: &[u8], at: u64, sink: &mut impl Sink) -> Option<usize> {
        let to = memchr::memchr(b'"', text)?;
        let (next, length) = match text.get(to + 1..)? {
            [b'\r', b'\n', ..] => (b'\n', 3),
            [next, ..] if *next == self.delimiter || *next == b'\n' => (*next, 2),
            _ => return None,
        };
        self.end_cell(text.get(..to)?, CellForm::Quoted, sink);
        self.separator(Some(next), at + to as u64 + length, sink);
        Some(to + length as usize)
    }

    fn after_quote(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        match chunk.first() {
            Some(b'"') => {
                self.more(b"\"\"", CellForm::Quoted, sink);
                self.state = State::Quoted;
                1
            }
            Some(byte) if *byte == self.delimiter || *byte == b'\n' => {
                self.end_cell(&[], CellForm::Quoted, sink);
                self.separator(Some(*byte), self.at + 1, sink);
                1
            }
            Some(b'\r') => {
                self.state = State::ReturnSeen;
                1
            }
            // Text after a closing quote: a reader may take it all the same.
            _ => {
                self.more(b"\"", CellForm::Quoted, sink);
                self.state = State::Plain;
                0
            }
        }
    }

    fn after_return(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        if chunk.first() == Some(&b'\n') {
            self.end_cell(&[], CellForm::Quoted, sink);
            self.separator(Some(b'\n'), self.at + 1, sink);
            return 1;
        }
        self.more(b"\"\r", CellForm::Quoted, sink);
        self.state = State::Plain;
        0
    }

    fn separator(&mut self, byte: Option<u8>, end: u64, sink: &mut impl Sink) {
        self.state = State::CellStart;
        self.column += 1;
        if byte != Some(self.delimiter) {
            self.end_row(end, sink);
        }
    }

    fn tell_row(&mut self, sink: &mut impl Sink) {
        if let Row::Begun(at) = self.row {
            self.row = Row::Told;
            sink.open(Container::Row, at);
        }
    }

    fn end_row(&mut self, end: u64, sink: &mut impl Sink) {
        let ends_header = self.in_header && self.row != Row::None && !self.columns.is_empty();
        if self.row == Row::Told {
            sink.close(end);
        }
        if self.preamble > 0 {
            self.preamble -= 1;
        } else if self.row != Row::None {
            self.in_header &= self.columns.is_empty();
        }
        if ends_header && self.columns.iter().any(|column| is_data(&column.header)) {
            // The first row is one like the others: its columns have numbers for names.
            for (number, column) in self.columns.iter_mut().enumerate() {
                column.header = format!("col{number}").into_bytes();
            }
        }
        self.row = Row::None;
        self.column = 0;
    }

    /// More of the cell under way.
    fn more(&mut self, part: &[u8], form: CellForm, sink: &mut impl Sink) {
        self.carry.extend_long(part, form, &mut |cell| sink.cell(cell));
    }

    fn end_cell(&mut self, part: &[u8], form: CellForm, sink: &mut impl Sink) {
        let columns = &mut self.columns;
        let collects = self.in_header && self.preamble == 0 && columns.len() < COLUMNS_MAX;
        self.carry.end(part, form, &mut |cell| {
            if collects && cell.last {
                let name = cell.raw.get(cell.within()).unwrap_or_default().trim_ascii();
                let header = name.get(..name.len().min(HEADER_BYTES_MAX)).unwrap_or_default();
                columns.push(Column {
                    header: header.to_vec(),
                    wanted: None,
                });
            }
            sink.cell(cell);
        });
    }
}
