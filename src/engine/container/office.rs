//! Documents and slides of Office Open XML (ECMA-376): the texts of their paragraphs, whose values are often split over runs.
//! What stands elsewhere, in other elements or in attributes, is told behind its paragraph.

use super::aside::Aside;
use super::tags::{Tags, Token, name};
use super::{Fault, Told};
use crate::engine::structure::Declared;

/// The reader of one part.
pub(super) struct Office {
    tags: Tags,
    /// In an element that holds text.
    in_text: bool,
    /// Cells around the text.
    cells: u32,
    aside: Aside,
}

impl Office {
    pub(super) fn new(told: &mut Told<'_>) -> Self {
        told.begin(Declared::Lines);
        Self {
            tags: Tags::default(),
            in_text: false,
            cells: 0,
            aside: Aside::default(),
        }
    }

    pub(super) const fn is_drained(&self) -> bool {
        self.aside.is_empty()
    }

    pub(super) fn push(&mut self, bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        let mut tags = std::mem::take(&mut self.tags);
        let read = tags.push(bytes, |token| match token {
            Token::Text(text) if self.in_text => told.text(text),
            Token::Text(text) => self.aside.text(text, told),
            Token::Tag(tag) => self.tag(tag, told),
        });
        self.tags = tags;
        read
    }

    pub(super) fn finish(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        told.text(b"\n")?;
        self.aside.tell(told)
    }

    fn tag(&mut self, tag: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        let (is_closing, name) = name(tag);
        let is_empty = tag.ends_with(b"/");
        self.aside.tag(tag, told)?;
        match name {
            b"t" | b"delText" | b"instrText" => self.in_text = !is_closing && !is_empty,
            b"tc" if is_empty => {}
            b"tc" if is_closing => self.cells = self.cells.saturating_sub(1),
            b"tc" => self.cells += 1,
            _ => {}
        }
        let mark = mark(is_closing, name, self.cells > 0);
        told.text(mark)?;
        if mark == b"\n" { self.aside.tell(told) } else { Ok(()) }
    }
}

/// What a tag stands for in a line.
fn mark(is_closing: bool, name: &[u8], in_cell: bool) -> &'static [u8] {
    match (is_closing, name) {
        (true, b"p") if in_cell => b" ",
        (true, b"p" | b"tr") | (false, b"br" | b"cr") => b"\n",
        (true, b"tc") | (false, b"tab") => b"\t",
        _ => b"",
    }
}
