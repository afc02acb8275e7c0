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
