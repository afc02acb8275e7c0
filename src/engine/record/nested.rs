//! JSON in a string that shows several people: a body of its own, read as one.
//!
//! ```text
//!   {"Type":"Notification","Message":"[{\"name\":\"Kim\",\"tel\":\"010...\"},{\"name\":\"Lee\",\"tel\":\"010...\"}]"}
//! ```
//! One that shows one person says more of whom the record around it is about. A string that is longer than a cell is read cell by
//! cell, as long as nothing is missed that its cells show.

use super::assembler::Assembler;
use super::layers::repeats;
use super::stream::{Form, Stream};
use crate::engine::decode::Unescaped;
use crate::engine::detect::Finding;
use crate::engine::structure::{Balance, Cell, CellForm, Declared};

/// Bytes before the first quote of JSON.
const FRONT_BYTES_MAX: usize = 32;
/// Identifiers at the end of a cell that the body inside it has not told yet.
const UNTOLD_MAX: usize = 4;

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
        let view = view_of(cell);
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

    /// Reads one cell of a string that is longer, in which this was `found`, if that is such a body. Answers whether it was read.
    pub(super) fn go_on_nested(&mut self, cell: &Cell<'_>, found: &[Finding]) -> bool {
        let begin = cell.at + cell.within.0 as u64;
        let is_json = |stream: &mut Box<Stream>| stream.json().is_some();
        let going = self.stream.take_if(|stream| is_json(stream) && stream.next == begin);
        if self.stream.as_mut().is_some_and(is_json) {
            self.end_stream();
        }
        let may_begin = cell.within.0 == 0 && !cell.last && self.stream.is_none() && self.fault.is_none();
        let Some(mut stream) = going.or_else(|| {
            let layers = self.layers.checked_sub(1).filter(|_| may_begin && repeats(found))?;
            let inner = || self.inner(layers, begin).of_text(Declared::Json);
            may_be_json(cell).then(|| Box::new(Stream::new(inner(), Form::Json(Values::default()), begin)))
        }) else {
            return false;
        };
        let view = view_of(cell);
        let [from, to] = [cell.within.0, cell.within.1].map(|at| view.from_raw(at));
        stream.next = cell.at + cell.within.1 as u64;
        let text = view.text.get(from..to).unwrap_or_default();
        let raw = |at: usize| cell.at + view.raw(at, at).0 as u64;
        let parts = view.parts().filter(|(end, _)| (from + 1..to).contains(end));
        let parts = parts.map(|(end, raw)| (end - from, cell.at + raw as u64));
        let places = [(0, raw(from))].into_iter().chain(parts).chain([(to - from, raw(to))]);
        let before = stream.inner.assembler().findings();
        stream.inner.read(self, text, places);
        let told = (stream.inner.assembler().findings() - before) as usize;
        let is_read = stream
            .json()
            .is_some_and(|values| values.go_on(text, told, found.len()));
        if is_read && !cell.last {
            self.stream = Some(stream);
        } else {
            self.end(*stream);
        }
        is_read
    }
}

/// What of JSON in a string was read.
#[derive(Default)]
pub(super) struct Values {
    balance: Balance,
    /// Whether a bracket was seen: what stands before the first may number it.
    is_begun: bool,
    /// Identifiers that it told, and those of its cells that it did not.
    told: usize,
    untold: usize,
}

impl Values {
    /// `text` was read, which told so many identifiers, of which its cell shows `found`. Answers whether it is read as what it is.
    fn go_on(&mut self, text: &[u8], told: usize, found: usize) -> bool {
        // A name may say that a number is nobody's; that most of them are is a sign that nothing is read as what it is.
        self.told += told;
        self.untold += found.saturating_sub(told);
        self.takes(text) && told * 2 + UNTOLD_MAX >= found && self.untold * 2 <= self.told + 2 * UNTOLD_MAX
    }

    /// Whether `text` goes on with values of JSON, and has nothing beside them.
    fn takes(&mut self, text: &[u8]) -> bool {
        let is_nothing = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
        let mut left = text;
        while !left.is_empty() {
            let bracket = || memchr::memchr2(b'{', b'[', left).unwrap_or(left.len());
            let between = if self.balance.is_closed() { bracket() } else { 0 };
            let (between, value) = left.split_at(between);
            if self.is_begun && !between.iter().all(is_nothing) {
                return false;
            }
            self.is_begun |= !value.is_empty();
            let Some(end) = self.balance.end(value) else { break };
            left = value.get(end..).unwrap_or_default();
        }
        true
    }
}

fn view_of(cell: &Cell<'_>) -> Unescaped {
    let mut view = Unescaped::default();
    if cell.is_escaped() {
        cell.unescape(&mut view);
    } else {
        view.plain(cell.raw);
    }
    view
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
