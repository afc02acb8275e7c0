//! JSON in a string that shows several people, or is long: a body of its own, read as one.
//!
//! ```text
//!   {"Type":"Notification","Message":"[{\"name\":\"Kim\",\"tel\":\"010...\"},{\"name\":\"Lee\",\"tel\":\"010...\"}]"}
//! ```
//! A short one that shows one person says more of whom the record around it is about.

use super::assembler::Assembler;
use super::stream::Stream;
use crate::engine::decode::Unescaped;
use crate::engine::structure::{Cell, CellForm, Declared};

/// Bytes before the first quote of JSON.
const FRONT_BYTES_MAX: usize = 32;

impl Assembler {
    /// Reads a cell that goes on with such a body, or begins a long one. Answers whether that is all that is in it.
    pub(super) fn read_nested(&mut self, cell: &Cell<'_>) -> bool {
        let at = cell.at + cell.within.0 as u64;
        let under_way = self
            .stream
            .take_if(|stream| stream.is_text() && stream.goes_on_at(at, false));
        let begins = under_way.is_none() && !cell.last && self.stream.is_none();
        let stream = under_way.or_else(|| begins.then(|| self.begin_nested(cell)).flatten());
        let Some(mut stream) = stream else { return false };
        self.go_on_nested(&mut stream, cell);
        if cell.last {
            self.end_nested(*stream);
        } else {
            self.stream = Some(stream);
        }
        true
    }

    /// Reads all of a cell that is such a body, if it may be one.
    pub(super) fn settle_nested(&mut self, cell: &Cell<'_>) -> bool {
        let Some(mut stream) = self.begin_nested(cell) else {
            return false;
        };
        self.go_on_nested(&mut stream, cell);
        self.end_nested(*stream);
        true
    }

    fn begin_nested(&self, cell: &Cell<'_>) -> Option<Box<Stream>> {
        let layers = self.layers.checked_sub(1)?;
        let may_begin = cell.within.0 == 0 && self.fault.is_none() && may_be_json(cell);
        let inner = may_begin.then(|| self.inner(layers, cell.at).of_text(Declared::Json))?;
        Some(Box::new(Stream::of_text(inner, cell.at)))
    }

    fn go_on_nested(&mut self, stream: &mut Stream, cell: &Cell<'_>) {
        let mut view = Unescaped::default();
        if cell.is_escaped() {
            cell.unescape(&mut view);
        } else {
            view.plain(cell.raw);
        }
        let range = view.from_raw(cell.within.0)..view.from_raw(cell.within.1);
        let text = view.text.get(range.clone()).unwrap_or_default();
        let parts = view.parts(range.clone());
        let places = parts.map(|(end, raw)| (end - range.start, cell.at + raw as u64));
        stream.inner.read(self, text, places);
        stream.next = cell.at + cell.within.1 as u64;
    }

    fn end_nested(&mut self, mut stream: Stream) {
        let next = stream.next;
        stream.inner.end(self, next);
    }
}

/// Whether a text may be JSON: brackets, and then a quote that is escaped where the text has escapes; `5:[...` of a stream of
/// components begins with a number.
fn may_be_json(cell: &Cell<'_>) -> bool {
    if matches!(cell.form, CellForm::Bare | CellForm::Event) {
        return false;
    }
    let front = cell.raw.get(..FRONT_BYTES_MAX).unwrap_or(cell.raw);
    let front = match memchr::memchr(b':', front) {
        Some(colon) if (1..=4).contains(&colon) && front.iter().take(colon).all(u8::is_ascii_alphanumeric) => {
            front.get(colon + 1..).unwrap_or_default()
        }
        _ => front,
    };
    let is_bracket = |byte: &u8| matches!(byte, b'{' | b'[') || byte.is_ascii_whitespace();
    let brackets = front.iter().take_while(|byte| is_bracket(byte)).count();
    let quote = front.get(brackets..).unwrap_or_default();
    let has_bracket = front.iter().take(brackets).any(|byte| matches!(byte, b'{' | b'['));
    has_bracket && (quote.starts_with(b"\"") || quote.starts_with(b"\\\"") || quote.starts_with(b"&quot;"))
}
