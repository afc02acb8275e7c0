//! SQL dumps: each tuple of an `INSERT` and each line of a `COPY` is a row, under the columns that the statement or the
//! `CREATE TABLE` before it names. Memory per stream: a segment and 1,024 column names of 64 bytes, twice.

mod comments;

use std::sync::Arc;

use hashbrown::HashMap;
use memchr::{memchr, memchr2};

use super::cells::{Carry, CellForm, CellSettings};
use super::name::Name;
use super::{Container, Sink};

/// Columns remembered, of all tables together and of the statement under way.
const COLUMNS_MAX: usize = 1024;
/// How a dump begins, upper case.
const BEGINNINGS: [&[u8]; 13] = [
    b"INSERT INTO ",
    b"INSERT [",
    b"REPLACE INTO ",
    b"CREATE TABLE ",
    b"DROP TABLE ",
    b"BEGIN TRANSACTION;",
    b"PRAGMA FOREIGN_KEYS",
    b"-- MYSQL DUMP",
    b"-- MARIADB DUMP",
    b"-- POSTGRESQL",
    b"-- PHPMYADMIN",
    b"/*!",
    b"COPY PUBLIC.",
];
/// Words at the beginning of a table's part that is no column.
const NO_COLUMNS: [&[u8]; 8] = [
    b"PRIMARY",
    b"KEY",
    b"UNIQUE",
    b"CONSTRAINT",
    b"INDEX",
    b"FOREIGN",
    b"CHECK",
    b"FULLTEXT",
];

/// The reader of one dump.
pub(super) struct Sql {
    at: u64,
    state: State,
    statement: Statement,
    /// Parentheses open.
    depth: u32,
    /// Names of the columns that the statement says.
    columns: Vec<Name>,
    /// Those of its table, if it says none.
    recalled: Option<Arc<[Name]>>,
    /// Columns of the tables created so far, by a number for the table's name.
    tables: HashMap<u64, Arc<[Name]>>,
    /// How many columns these are together.
    tables_columns: usize,
    /// Whether the next word names a column.
    expects_column: bool,
    /// The word under way and the last one that was no keyword.
    word: Name,
    in_word: bool,
    last: Name,
    column: usize,
    previous: u8,
    begun: bool,
    carry: Carry,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    Quoted(u8),
    /// After a backslash inside quotes.
    Escaped(u8),
    /// After a quote inside quotes: the string ended, or a second quote follows.
    QuoteSeen(u8),
    /// After bytes that may begin a comment, held until that is known.
    Mark(&'static [u8]),
    Comment,
    /// In a comment between `/*` and `*/`; `star`: its last byte may begin the end.
    Block {
        star: bool,
    },
    /// At the beginning of a line of `COPY`, and within one.
    CopyStart,
    CopyLine,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Statement {
    /// Its first word is still to come.
    None,
    Insert,
    Create,
    Copy,
    /// After `VALUES`.
    Values,
    Other,
}

/// What words of code are of.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

/// Whether `line` is how a dump begins.
pub(super) fn is_sql(line: &[u8]) -> bool {
    let upper = line.trim_ascii_start().to_ascii_uppercase();
    BEGINNINGS.iter().any(|beginning| upper.starts_with(beginning)) || upper.trim_ascii_end() == b"--"
}

impl Sql {
    pub(super) fn new(at: u64, settings: CellSettings) -> Self {
        let mut carry = Carry::new(settings);
        carry.begin(at);
        Self {
            at,
            state: State::Code,
            statement: Statement::None,
            depth: 0,
            columns: Vec::new(),
            recalled: None,
            tables: HashMap::new(),
            tables_columns: 0,
            expects_column: false,
            word: Name::default(),
            in_word: false,
            last: Name::default(),
            column: 0,
            previous: 0,
            begun: false,
            carry,
        }
    }

    pub(super) fn decided_to(&self) -> u64 {
        self.carry.searched_to()
    }

    pub(super) fn push(&mut self, mut chunk: &[u8], sink: &mut impl Sink) {
        if !std::mem::replace(&mut self.begun, true) {
            sink.open(Container::Flow, self.at);
        }
        while !chunk.is_empty() {
            let taken = match self.state {
                State::Code => self.code(chunk, sink),
                State::Quoted(quote) => self.quoted(chunk, quote, sink),
                State::Escaped(quote) => {
                    self.more(chunk.get(..1).unwrap_or_default(), CellForm::SqlString, sink);
                    self.state = State::Quoted(quote);
                    1
                }
                State::QuoteSeen(quote) => self.after_quote(chunk, quote, sink),
                State::Mark(held) => {
                    let byte = chunk.first().copied().unwrap_or_default();
                    self.mark(held, byte, sink)
                }
                State::Comment => self.comment(chunk, sink),
                State::Block { star } => self.block(chunk, star, sink),
                State::CopyStart => self.copy_start(sink),
                State::CopyLine => self.copy_line(chunk, sink),
            };
            chunk = chunk.get(taken..).unwrap_or_default();
        }
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        if !self.begun {
            return;
        }
        if let State::Mark(held) = self.state {
            self.more(held, self.code_form(), sink);
        }
        let form = match self.state {
            State::Code | State::Mark(_) | State::Comment | State::Block { .. } | State::CopyStart => CellForm::Plain,
            State::Quoted(_) | State::Escaped(_) | State::QuoteSeen(_) | State::CopyLine => CellForm::SqlString,
        };
        self.end(form, sink);
        if self.in_row() || self.state == State::CopyLine {
            sink.close(self.at);
        }
        sink.close(self.at);
    }

    fn in_row(&self) -> bool {
        self.statement == Statement::Values && self.depth > 0
    }

    fn more(&mut self, part: &[u8], form: CellForm, sink: &mut impl Sink) {
        self.carry.extend_long(part, form, &mut |cell| sink.cell(cell));
        self.at += part.len() as u64;
    }

    /// The text or value under way ends here.
    fn end(&mut self, form: CellForm, sink: &mut impl Sink) {
        self.carry.end(&[], form, &mut |cell| {
            if cell
                .raw
                .get(cell.within())
                .is_some_and(|text| !text.trim_ascii().is_empty())
            {
                sink.cell(cell);
            }
        });
    }

    /// Goes on after `taken` bytes that belong to no value.
    fn skip(&mut self, taken: u64, state: State) {
        self.at += taken;
        self.state = state;
        self.carry.begin(self.at);
    }

    /// What code outside strings is: a number or word in a tuple, else running text.
    fn code_form(&self) -> CellForm {
        if self.in_row() { CellForm::Bare } else { CellForm::Plain }
    }

    fn code(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let mut place = 0;
        while let Some(byte) = chunk.get(place) {
            let rest = chunk.get(place..).unwrap_or_default();
            let word = rest.iter().take_while(|byte| is_word(**byte)).count();
            if let Some((word, last)) = rest.get(..word).and_then(|word| Some((word, word.last()?))) {
                self.word_goes_on(word);
                self.previous = *last;
                place += word.len();
                continue;
            }
            let previous = std::mem::replace(&mut self.previous, *byte);
            if std::mem::take(&mut self.in_word) {
                self.word_ends();
            }
            let is_data = *byte == b'\n' && self.statement == Statement::Copy && previous != b',' && self.depth == 0;
            if !(is_data || matches!(byte, b'\'' | b'"' | b'`' | b'(' | b')' | b',' | b';' | b'-' | b'/')) {
                place += 1;
                continue;
            }
            self.more(chunk.get(..place).unwrap_or_default(), self.code_form(), sink);
            match byte {
                b'-' => self.state = State::Mark(b"-"),
                b'/' => self.state = State::Mark(b"/"),
                _ => self.special(*byte, sink),
            }
            return place + 1;
        }
        self.more(chunk, self.code_form(), sink);
        chunk.len()
    }

    fn word_goes_on(&mut self, bytes: &[u8]) {
        if !std::mem::replace(&mut self.in_word, true) {
            self.word.clear();
        }
        self.word.extend(bytes);
    }

    /// A byte of code that ends what stands before it.
    fn special(&mut self, byte: u8, sink: &mut impl Sink) {
        self.end(self.code_form(), sink);
        match byte {
            b'\'' | b'"' | b'`' => {
                self.word.clear();
                if !self.in_row() {
                    self.last.tell(self.at, sink);
                }
                self.skip(1, State::Quoted(byte));
            }
            b'(' => self.open(sink),
            b')' => self.close(sink),
            b',' => {
                self.skip(1, State::Code);
                self.expects_column = self.statement == Statement::Create && self.depth == 1;
                if self.in_row() && self.depth == 1 {
                    self.column += 1;
                    self.tell_column(sink);
                }
            }
            b';' if self.statement == Statement::Copy => {
                // `FROM stdin;`: the data begins on the next line.
                self.skip(1, State::Code);
            }
            b';' => {
                self.skip(1, State::Code);
                self.end_statement(sink);
            }
            _ => {
                self.skip(1, State::CopyStart);
            }
        }
    }

    fn end_statement(&mut self, sink: &mut impl Sink) {
        if self.in_row() {
            sink.close(self.at);
        }
        self.statement = Statement::None;
        self.depth = 0;
        self.columns.clear();
        self.recalled = None;
        self.last.clear();
        sink.line(self.at);
    }

    fn open(&mut self, sink: &mut impl Sink) {
        if self.statement == Statement::Values && self.depth == 0 {
            sink.open(Container::Row, self.at);
            self.column = 0;
            self.depth = 1;
            self.skip(1, State::Code);
            self.tell_column(sink);
            return;
        }
        self.depth = self.depth.saturating_add(1);
        if self.depth == 1 {
            self.columns.clear();
            self.expects_column = self.statement == Statement::Create;
        }
        self.skip(1, State::Code);
    }

    fn close(&mut self, sink: &mut impl Sink) {
        let was_row = self.in_row();
        self.depth = self.depth.saturating_sub(1);
        self.skip(1, State::Code);
        if was_row && self.depth == 0 {
            sink.close(self.at);
        } else if self.statement == Statement::Create && self.depth == 0 {
            self.remember_table();
            self.statement = Statement::Other;
        }
    }

    fn tell_column(&mut self, sink: &mut impl Sink) {
        let columns = self.recalled.as_deref().unwrap_or(&self.columns);
        match columns.get(self.column) {
            Some(name) => name.tell(self.at, sink),
            None => Name::default().tell(self.at, sink),
        }
    }

    /// A word of code ended: a keyword, a column or a table.
    fn word_ends(&mut self) {
        let word = self.word.as_slice();
        let is_any = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()));
        match self.statement {
            Statement::None if is_any(&["INSERT", "REPLACE"]) => self.statement = Statement::Insert,
            Statement::None if is_any(&["CREATE"]) => self.statement = Statement::Create,
            Statement::None if is_any(&["COPY"]) => self.statement = Statement::Copy,
            Statement::None => {
                self.statement = Statement::Other;
                self.last = self.word.clone();
            }
            Statement::Insert if self.depth == 0 && is_any(&["VALUES", "VALUE"]) => {
                if self.columns.is_empty() {
                    self.recalled = self.tables.get(&self.last.hash()).map(Arc::clone);
                }
                self.statement = Statement::Values;
            }
            Statement::Copy if is_any(&["FROM", "STDIN"]) => {}
            Statement::Insert | Statement::Copy | Statement::Create | Statement::Values | Statement::Other => {
                self.identifier();
            }
        }
    }

    /// A name: of a column inside the parentheses, of a table before them.
    fn identifier(&mut self) {
        let word = self.word.clone();
        let is_column = match self.statement {
            Statement::Insert | Statement::Copy => self.depth == 1,
            Statement::Create => {
                let keyword = word.as_slice().to_ascii_uppercase();
                std::mem::take(&mut self.expects_column) && !NO_COLUMNS.contains(&keyword.as_slice())
            }
            Statement::None | Statement::Values | Statement::Other => false,
        };
        if is_column && self.columns.len() < COLUMNS_MAX {
            self.columns.push(word);
        } else if self.depth == 0 {
            self.last = word;
        }
    }

    /// Keeps the columns just read under the table's name, instead of those it had before.
    fn remember_table(&mut self) {
        let table = self.last.hash();
        let known = self.tables.remove(&table).map_or(0, |columns| columns.len());
        self.tables_columns -= known;
        let room = COLUMNS_MAX.saturating_sub(self.tables_columns);
        let columns: Arc<[Name]> = self.columns.drain(..).take(room).collect();
        if !columns.is_empty() {
            self.tables_columns += columns.len();
            self.tables.insert(table, columns);
        }
    }

    fn quoted(&mut self, chunk: &[u8], quote: u8, sink: &mut impl Sink) -> usize {
        let found = if quote == b'`' {
            memchr(quote, chunk)
        } else {
            memchr2(quote, b'\\', chunk)
        };
        let to = found.unwrap_or(chunk.len());
        let part = chunk.get(..to).unwrap_or_default();
        self.word.extend(part);
        self.more(part, CellForm::SqlString, sink);
        match chunk.get(to) {
            None => return to,
            Some(b'\\') => {
                self.more(b"\\", CellForm::SqlString, sink);
                self.state = State::Escaped(quote);
            }
            Some(_) => self.state = State::QuoteSeen(quote),
        }
        to + 1
    }

    fn after_quote(&mut self, chunk: &[u8], quote: u8, sink: &mut impl Sink) -> usize {
        if chunk.first() == Some(&quote) {
            self.more(&[quote, quote], CellForm::SqlString, sink);
            self.state = State::Quoted(quote);
            return 1;
        }
        self.end(CellForm::SqlString, sink);
        self.skip(1, State::Code);
        if quote != b'\'' && !self.in_row() {
            self.identifier();
        }
        0
    }

    fn copy_start(&mut self, sink: &mut impl Sink) -> usize {
        sink.open(Container::Row, self.at);
        self.column = 0;
        self.word.clear();
        self.skip(0, State::CopyLine);
        self.tell_column(sink);
        0
    }

    fn copy_line(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let to = memchr2(b'\t', b'\n', chunk).unwrap_or(chunk.len());
        let part = chunk.get(..to).unwrap_or_default();
        self.word.extend(part);
        self.more(part, CellForm::SqlString, sink);
        let Some(delimiter) = chunk.get(to) else { return to };
        self.end(CellForm::SqlString, sink);
        self.skip(1, State::CopyLine);
        self.column += 1;
        if *delimiter == b'\t' {
            self.tell_column(sink);
            return to + 1;
        }
        sink.close(self.at);
        self.state = State::CopyStart;
        if self.column == 1 && self.word.as_slice().trim_ascii_end() == b"\\." {
            self.state = State::Code;
            self.end_statement(sink);
        }
        to + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_are_told_by_their_first_line() {
        for (line, expected) in [
            ("-- MySQL dump 10.13", true),
            ("insert into t values (1);", true),
            ("--", true),
            ("-- \n", true),
            ("---", false),
            ("Insert the card", false),
        ] {
            assert_eq!(is_sql(line.as_bytes()), expected, "{line}");
        }
    }
}
