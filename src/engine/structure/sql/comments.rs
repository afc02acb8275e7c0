//! Comments of SQL, in which a quotation mark opens no string: `-- ` to the end of the line, and `/* */`.
//!
//! ISO/IEC 9075-2, 5.2 has both. `MySQL` wants a blank behind the dashes (`5--1` is a sum there), so inside parentheses, where
//! values stand, dashes alone are code. What `MySQL` writes as `/*!40101 … */` is run by it and read as the code it is.
//! Comments are searched like running text.

use memchr::memchr;

use super::super::Sink;
use super::super::cells::CellForm;
use super::{Sql, State};

impl Sql {
    /// The byte behind `held`, which may begin a comment; the bytes taken.
    pub(super) fn mark(&mut self, held: &'static [u8], byte: u8, sink: &mut impl Sink) -> usize {
        match (held, byte) {
            (b"-", b'-') if self.depth > 0 => self.state = State::Mark(b"--"),
            (b"/", b'*') => self.state = State::Mark(b"/*"),
            (b"-", b'-') => {
                self.begin_comment(b"--", State::Comment, sink);
            }
            (b"--", b'-' | b' ' | b'\t' | b'\r' | b'\n') => {
                self.begin_comment(held, State::Comment, sink);
                return 0;
            }
            (b"/*", _) if byte != b'!' => {
                self.begin_comment(held, State::Block { star: false }, sink);
                return 0;
            }
            _ => {
                self.more(held, self.code_form(), sink);
                self.state = State::Code;
                return 0;
            }
        }
        1
    }

    fn begin_comment(&mut self, mark: &[u8], state: State, sink: &mut impl Sink) {
        if self.in_row() {
            self.end(self.code_form(), sink);
        }
        self.more(mark, CellForm::Plain, sink);
        self.state = state;
    }

    /// Up to the end of the line.
    pub(super) fn comment(&mut self, chunk: &[u8], sink: &mut impl Sink) -> usize {
        let end = memchr(b'\n', chunk);
        let to = end.map_or(chunk.len(), |at| at + 1);
        self.more(chunk.get(..to).unwrap_or_default(), CellForm::Plain, sink);
        if end.is_some() {
            self.end(CellForm::Plain, sink);
            self.state = State::Code;
            if self.depth == 0 {
                sink.line(self.at);
            }
        }
        to
    }

    /// Up to the next star, or the slash behind one.
    pub(super) fn block(&mut self, chunk: &[u8], star: bool, sink: &mut impl Sink) -> usize {
        if star && chunk.first() == Some(&b'/') {
            self.more(b"/", CellForm::Plain, sink);
            if self.in_row() {
                self.end(CellForm::Plain, sink);
            }
            self.state = State::Code;
            return 1;
        }
        let found = memchr(b'*', chunk);
        let to = found.map_or(chunk.len(), |at| at + 1);
        self.more(chunk.get(..to).unwrap_or_default(), CellForm::Plain, sink);
        self.state = State::Block { star: found.is_some() };
        to
    }
}
