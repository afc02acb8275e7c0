//! Sheets of Office Open XML (ECMA-376, section 18): rows of cells, as a table. What a cell says may stand in a list of all
//! strings, which most writers put behind the sheets: then a string is told where it first stands in them.

use super::aside::Aside;
use super::tags::{Tags, Token, attribute, name};
use super::{Fault, Told};
use crate::engine::structure::Declared;

/// Strings whose places are remembered; 8 bytes each. Later ones are told as they come.
const PLACES_MAX: usize = 1 << 20;
/// Columns that are told apart.
const COLUMNS_MAX: u32 = 256;
/// Bytes of a cell that are told at once: as many as it may have (ECMA-376, part 1, section 18.18).
const CELL_BYTES_MAX: usize = 32 << 10;
/// Strings between one whose place is known and a further one, whose place is remembered too.
const PLACES_APART_MAX: usize = 1 << 16;
const NOWHERE: (u32, u16) = (u32::MAX, 0);

/// What the parts of one file know of one another.
#[derive(Default)]
pub(super) struct Book {
    /// For each string of the list, its first row and column in the sheets that were read.
    places: Vec<(u32, u16)>,
    /// Rows of all of them.
    rows: u32,
}

/// A table that is told cell by cell.
#[derive(Default)]
struct Row {
    column: u32,
    is_begun: bool,
}

impl Row {
    /// Tells `text` in `column`.
    fn cell(&mut self, column: u32, text: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        while self.column < column.min(COLUMNS_MAX) {
            told.text(b"\t")?;
            self.column += 1;
        }
        self.is_begun = true;
        // A blank, a tab or a line's end in a cell parts no cells.
        for (number, part) in text.split(|byte| matches!(byte, b'\t' | b'\n' | b'\r')).enumerate() {
            told.text(if number > 0 { b" " } else { b"" })?;
            told.text(part)?;
        }
        Ok(())
    }

    fn end(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        if std::mem::take(&mut self.is_begun) {
            told.text(b"\n")?;
        }
        self.column = 0;
        Ok(())
    }
}

/// The reader of one sheet.
pub(super) struct Sheet {
    tags: Tags,
    row: Row,
    column: u32,
    is_shared: bool,
    in_value: bool,
    value: Vec<u8>,
    aside: Aside,
}

impl Sheet {
    pub(super) fn new(book: &mut Book, told: &mut Told<'_>) -> Self {
        told.begin(Declared::Table);
        book.rows = book.rows.saturating_add(1);
        Self {
            tags: Tags::default(),
            row: Row::default(),
            column: 0,
            is_shared: false,
            in_value: false,
            value: Vec::new(),
            aside: Aside::default(),
        }
    }

    pub(super) const fn is_drained(&self) -> bool {
        self.value.is_empty() && self.aside.is_empty()
    }

    pub(super) fn push(&mut self, bytes: &[u8], book: &mut Book, told: &mut Told<'_>) -> Result<(), Fault> {
        let mut tags = std::mem::take(&mut self.tags);
        let read = tags.push(bytes, |token| match token {
            Token::Text(text) if self.in_value => {
                let room = CELL_BYTES_MAX.saturating_sub(self.value.len()).min(text.len());
                let (kept, rest) = text.split_at(room);
                self.value.extend_from_slice(kept);
                if rest.is_empty() {
                    return Ok(());
                }
                self.tell(book, told)?;
                told.text(rest)
            }
            Token::Text(text) if text.trim_ascii().is_empty() => Ok(()),
            // Headers and footers of the page, formulas: texts like any other.
            Token::Text(text) => {
                self.row.cell(0, text, told)?;
                told.text(b" ")
            }
            Token::Tag(tag) => self.tag(tag, book, told),
        });
        self.tags = tags;
        read
    }

    pub(super) fn finish(&mut self, book: &mut Book, told: &mut Told<'_>) -> Result<(), Fault> {
        self.tell(book, told)?;
        self.row.end(told)?;
        self.aside.tell(told)
    }

    fn tag(&mut self, tag: &[u8], book: &mut Book, told: &mut Told<'_>) -> Result<(), Fault> {
        let (is_closing, name) = name(tag);
        let is_empty = tag.ends_with(b"/");
        self.aside.tag(tag, told)?;
        match (name, is_closing) {
            (b"c", false) => {
                let stated = attribute(tag, b"r").and_then(column);
                self.column = stated.unwrap_or_else(|| self.row.column + u32::from(self.row.is_begun));
                self.is_shared = attribute(tag, b"t") == Some(b"s");
            }
            (b"c", true) => self.tell(book, told)?,
            (b"v" | b"t", _) => self.in_value = !is_closing && !is_empty,
            (b"row", true) => {
                book.rows = book.rows.saturating_add(1);
                self.row.end(told)?;
                self.aside.tell(told)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Tells the cell under way.
    fn tell(&mut self, book: &mut Book, told: &mut Told<'_>) -> Result<(), Fault> {
        let value = std::mem::take(&mut self.value);
        if value.is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.is_shared) {
            book.stands_at(&value, self.column);
            return Ok(());
        }
        self.row.cell(self.column, &value, told)
    }
}

impl Book {
    /// The string of this number stands in this column of the row under way.
    fn stands_at(&mut self, number: &[u8], column: u32) {
        let number = std::str::from_utf8(number)
            .ok()
            .and_then(|text| text.trim().parse::<usize>().ok());
        // What a few bytes say must not cost much memory.
        let max = PLACES_MAX.min(self.places.len() + PLACES_APART_MAX);
        let Some(number) = number.filter(|number| *number < max) else {
            return;
        };
        if self.places.len() <= number {
            self.places.resize(number + 1, NOWHERE);
        }
        if let Some(place) = self.places.get_mut(number).filter(|place| **place == NOWHERE) {
            *place = (self.rows, column.min(COLUMNS_MAX) as u16);
        }
    }
}

/// The column of a cell's name: `B12` is in 1.
fn column(name: &[u8]) -> Option<u32> {
    let letters = name.iter().take_while(|byte| byte.is_ascii_alphabetic()).take(3);
    let number = letters.fold(0, |sum, byte| {
        sum * 26 + u32::from(byte.to_ascii_uppercase() - b'A') + 1
    });
    number.checked_sub(1)
}

/// The reader of the list of all strings.
pub(super) struct Strings {
    tags: Tags,
    row: Row,
    /// The row under way, and the number of the string.
    at: u32,
    number: usize,
    in_text: bool,
    text: Vec<u8>,
    aside: Aside,
}

impl Strings {
    pub(super) fn new(book: &Book, told: &mut Told<'_>) -> Self {
        // Without the rows they stand in they are a text, in which they stand as they first come.
        told.begin(if book.places.is_empty() {
            Declared::Lines
        } else {
            Declared::Table
        });
        Self {
            tags: Tags::default(),
            row: Row::default(),
            at: 0,
            number: 0,
            in_text: false,
            text: Vec::new(),
            aside: Aside::default(),
        }
    }

    pub(super) const fn is_drained(&self) -> bool {
        self.text.is_empty() && self.aside.is_empty()
    }

    pub(super) fn push(&mut self, bytes: &[u8], book: &Book, told: &mut Told<'_>) -> Result<(), Fault> {
        let mut tags = std::mem::take(&mut self.tags);
        let read = tags.push(bytes, |token| match token {
            Token::Text(text) if self.in_text => {
                let room = CELL_BYTES_MAX.saturating_sub(self.text.len()).min(text.len());
                let (kept, rest) = text.split_at(room);
                self.text.extend_from_slice(kept);
                if rest.is_empty() {
                    return Ok(());
                }
                self.tell(book, told)?;
                told.text(rest)
            }
            Token::Text(text) => self.aside.text(text, told),
            Token::Tag(tag) => self.tag(tag, book, told),
        });
        self.tags = tags;
        read
    }

    pub(super) fn finish(&mut self, book: &Book, told: &mut Told<'_>) -> Result<(), Fault> {
        self.tell(book, told)?;
        told.text(b"\n")?;
        self.aside.tell(told)
    }

    fn tag(&mut self, tag: &[u8], book: &Book, told: &mut Told<'_>) -> Result<(), Fault> {
        self.aside.tag(tag, told)?;
        match name(tag) {
            (is_closing, b"t") => self.in_text = !is_closing && !tag.ends_with(b"/"),
            (true, b"si") => {
                self.tell(book, told)?;
                self.number += 1;
            }
            _ => {}
        }
        Ok(())
    }

    fn tell(&mut self, book: &Book, told: &mut Told<'_>) -> Result<(), Fault> {
        let text = std::mem::take(&mut self.text);
        if text.is_empty() {
            return Ok(());
        }
        let place = book.places.get(self.number).copied().unwrap_or(NOWHERE);
        if book.places.is_empty() {
            told.text(&text)?;
            return told.text(b"\t");
        }
        let (row, column) = if place == NOWHERE {
            (self.at.wrapping_add(1), 0)
        } else {
            place
        };
        if row != self.at || u32::from(column) < self.row.column {
            self.row.end(told)?;
            self.at = row;
        }
        self.row.cell(u32::from(column), &text, told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_number_costs_no_memory() {
        let mut book = Book::default();
        for (number, places) in [("70000", 0), ("65535", 65_536), ("x", 65_536), ("131071", 131_072)] {
            book.stands_at(number.as_bytes(), 1);
            assert_eq!(book.places.len(), places, "{number}");
        }
    }
}
