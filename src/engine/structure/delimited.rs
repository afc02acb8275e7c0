//! Tables with one row a line: CSV (RFC 4180) and its kin with semicolons, tabs or bars.

use memchr::memchr2;

use super::cells::{Carry, Cell, CellForm, CellSettings};
use super::{Container, Sink};

/// Columns whose header is kept; those beyond have none.
const COLUMNS_MAX: usize = 256;
/// A longer header is cut for the purpose of context.
const HEADER_BYTES_MAX: usize = 64;

/// The reader of one table. The first row is the header.
pub(super) struct Delimited {
    at: u64,
    delimiter: u8,
    state: State,
    column: usize,
    in_row: bool,
    headers: Vec<Vec<u8>>,
    in_header: bool,
    carry: Carry,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    CellStart,
    Plain,
    Quoted,
    /// After a quote inside a quoted cell: it ended, or a second quote follows.
    QuoteSeen,
}

/// The delimiter of `line` if it looks like a table's header: two or more delimiters, no digit run, no `@`.
pub(super) fn header_delimiter(line: &[u8]) -> Option<u8> {
    let text = line.trim_ascii_end();
    let looks_like_data = text.contains(&b'@') || text.windows(4).any(|run| run.iter().all(u8::is_ascii_digit));
    if looks_like_data {
        return None;
    }
    let count = |delimiter: u8| memchr::memchr_iter(delimiter, text).count();
    let (best, columns) = [b',', b';', b'\t', b'|']
        .map(|delimiter| (delimiter, count(delimiter)))
        .into_iter()
        .max_by_key(|(_, n)| *n)?;
    // Prose has commas too, but long stretches between them and spaces after them.
    let is_dense = text.len() <= (columns + 1) * 32 && !text.windows(2).any(|pair| pair == [best, b' ']);
    (columns >= 2 && is_dense).then_some(best)
}

impl Delimited {
    pub(super) fn new(at: u64, settings: CellSettings, delimiter: u8) -> Self {
        let (state, carry) = (State::CellStart, Carry::new(settings));
        Self {
            at,
            delimiter,
            state,
            column: 0,
            in_row: false,
            headers: Vec::new(),
            in_header: true,
            carry,
        }
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
                State::CellStart => self.start(chunk, sink),
                State::Plain => self.plain(chunk, sink),
                State::Quoted => self.quoted(chunk, sink),
                State::QuoteSeen => self.after_quote(chunk, sink),
            };
            self.at += taken as u64;
            chunk = chunk.get(taken..).unwrap_or_default();
        }
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        match self.state {
            State::CellStart => {}
            State::Plain => self.end_cell(&[], CellForm::Plain, sink),
            State::Quoted | State::QuoteSeen => self.end_cell(&[], CellForm::Quoted, sink),
        }
        self.end_row(self.at, sink);
    }

    fn start(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        if !self.in_row {
            self.in_row = true;
            sink.open(Container::Row, self.at);
        }
        if !self.in_header {
            let raw = self.headers.get(self.column).map_or(&[][..], Vec::as_slice);
            sink.key(&Cell {
                raw,
                at: self.at,
                within: (0, 0),
                form: CellForm::Plain,
                last: true,
            });
        }
        let quoted = chunk.first() == Some(&b'"');
        self.carry.begin(self.at + u64::from(quoted));
        self.state = if quoted { State::Quoted } else { State::Plain };
        usize::from(quoted)
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
            // Text after a closing quote (or the carriage return of a row end): a reader may take it all the same.
            _ => {
                self.more(b"\"", CellForm::Quoted, sink);
                self.state = State::Plain;
                0
            }
        }
    }

    fn separator(&mut self, byte: Option<u8>, end: u64, sink: &mut impl Sink) {
        self.state = State::CellStart;
        self.column += 1;
        if byte != Some(self.delimiter) {
            self.end_row(end, sink);
        }
    }

    fn end_row(&mut self, end: u64, sink: &mut impl Sink) {
        if std::mem::take(&mut self.in_row) {
            sink.close(end);
            self.in_header &= self.headers.is_empty();
        }
        self.column = 0;
    }

    /// More of the cell under way.
    fn more(&mut self, part: &[u8], form: CellForm, sink: &mut impl Sink) {
        for bite in part.chunks(4096) {
            self.carry.extend(bite, form, &mut |cell| sink.cell(cell));
        }
    }

    fn end_cell(&mut self, part: &[u8], form: CellForm, sink: &mut impl Sink) {
        let headers = &mut self.headers;
        let collects = self.in_header && headers.len() < COLUMNS_MAX;
        self.carry.end(part, form, &mut |cell| {
            if collects && cell.last {
                let name = cell.raw.get(cell.within()).unwrap_or_default().trim_ascii();
                headers.push(
                    name.get(..name.len().min(HEADER_BYTES_MAX))
                        .unwrap_or_default()
                        .to_vec(),
                );
            }
            sink.cell(cell);
        });
    }
}
