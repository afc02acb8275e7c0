//! Objects as programs print them, with single quotes (`[{'name': 'Kim', 'tel': '010...'}]`): read as JSON with its quotes.

use super::Sink;
use super::cells::CellSettings;
use super::json::Json;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 4096;

/// JSON whose strings stand between single quotes, or between either.
pub(super) struct Quoted {
    json: Json,
    quote: Quote,
    is_escaped: bool,
}

/// The quote of the string under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

impl Quoted {
    pub(super) fn new(at: u64, settings: CellSettings) -> Self {
        Self {
            json: Json::new(at, settings),
            quote: Quote::None,
            is_escaped: false,
        }
    }

    pub(super) fn decided_to(&self) -> u64 {
        self.json.decided_to()
    }

    pub(super) fn push(&mut self, chunk: &[u8], sink: &mut impl Sink) {
        let mut piece = [0; PIECE_BYTES];
        for part in chunk.chunks(PIECE_BYTES) {
            for (to, from) in piece.iter_mut().zip(part) {
                *to = self.byte(*from);
            }
            self.json.push(piece.get(..part.len()).unwrap_or_default(), sink);
        }
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        self.json.finish(sink);
    }

    /// What `byte` is in JSON. Within single quotes a double one is a letter.
    fn byte(&mut self, byte: u8) -> u8 {
        if std::mem::take(&mut self.is_escaped) {
            return byte;
        }
        let (quote, read) = match (self.quote, byte) {
            (Quote::None, b'\'') => (Quote::Single, b'"'),
            (Quote::None, b'"') => (Quote::Double, byte),
            (Quote::Single, b'\'') => (Quote::None, b'"'),
            (Quote::Single, b'"') => (Quote::Single, b'\''),
            (Quote::Double, b'"') => (Quote::None, byte),
            (quote, _) => (quote, byte),
        };
        self.is_escaped = byte == b'\\' && quote != Quote::None;
        self.quote = quote;
        read
    }
}

/// Whether what begins so has its names between single quotes: brackets, and a name with a colon behind it. `None`: it is too early to
/// say.
pub(super) fn is_quoted(front: &[u8]) -> Option<bool> {
    let is_bracket = |byte: &u8| matches!(byte, b'{' | b'[') || byte.is_ascii_whitespace();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-. ".contains(byte) || !byte.is_ascii();
    let behind = |text: &[u8], is_such: &dyn Fn(&u8) -> bool| text.iter().take_while(|byte| is_such(byte)).count();
    let text = front.get(behind(front, &is_bracket)..)?;
    let Some(text) = text.strip_prefix(b"'") else {
        return text.first().map(|_| false);
    };
    let text = text.get(behind(text, &is_name)..)?;
    let Some(text) = text.strip_prefix(b"'") else {
        return text.first().map(|_| false);
    };
    text.trim_ascii_start().first().map(|byte| *byte == b':')
}
