//! Documents and slides of Office Open XML (ECMA-376): the texts of their paragraphs, whose values are often split over runs.

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
}

impl Office {
    pub(super) fn new(told: &mut Told<'_>) -> Self {
        told.begin(Declared::Lines);
        Self {
            tags: Tags::default(),
            in_text: false,
            cells: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        let (in_text, cells) = (&mut self.in_text, &mut self.cells);
        self.tags.push(bytes, |token| match token {
            Token::Text(text) if *in_text => told.text(text),
            Token::Text(_) => Ok(()),
            Token::Tag(tag) => {
                let (is_closing, name) = name(tag);
                let is_empty = tag.ends_with(b"/");
                match name {
                    b"t" | b"delText" | b"instrText" => *in_text = !is_closing && !is_empty,
                    b"tc" if is_empty => {}
                    b"tc" if is_closing => *cells = cells.saturating_sub(1),
                    b"tc" => *cells += 1,
                    _ => {}
                }
                told.text(mark(is_closing, name, *cells > 0))
            }
        })
    }

    pub(super) fn finish(told: &mut Told<'_>) -> Result<(), Fault> {
        told.text(b"\n")
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
