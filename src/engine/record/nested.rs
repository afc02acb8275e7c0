//! JSON in a string that shows several people: a body of its own, read as one.
//!
//! ```text
//!   {"Type":"Notification","Message":"[{\"name\":\"Kim\",\"tel\":\"010...\"},{\"name\":\"Lee\",\"tel\":\"010...\"}]"}
//! ```
//! One that shows one person says more of whom the record around it is about.

use super::assembler::Assembler;
use crate::engine::decode::Unescaped;
use crate::engine::structure::{Cell, CellForm, Declared};

/// Bytes before the first quote of JSON.
const FRONT_BYTES_MAX: usize = 32;

impl Assembler {
    /// Reads a whole cell as such a body, if it may be one, and settles who is in it: if as much is found as the `found` identifiers
    /// of its text. Answers whether it did.
    pub(super) fn settle_nested(&mut self, cell: &Cell<'_>, found: usize) -> bool {
        let Some(layers) = self.layers.checked_sub(1) else {
            return false;
        };
        if self.fault.is_some() || !may_be_json(cell) {
            return false;
        }
        let mut view = Unescaped::default();
        if cell.is_escaped() {
            cell.unescape(&mut view);
        } else {
            view.plain(cell.raw);
        }
        let mut inner = self.inner(layers, cell.at).of_text(Declared::Json);
        let places = view.parts();
        let places = places.map(|(end, raw)| (end, cell.at + raw as u64));
        inner.read_whole(self, &view.text, places);
        let is_all = inner.assembler().findings() >= found as u64;
        if is_all {
            self.take(&mut inner, true);
        }
        is_all
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
