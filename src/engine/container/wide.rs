//! A text inside a container that is in another character set than UTF-8, as its byte-order mark or the zeros in it say.

use super::{Fault, Told};
use crate::engine::charset::{Charset, Reader};

/// Bytes of text that are read at once.
const TEXT_BYTES: usize = 4096;

/// The reader of one.
pub(super) struct Marked(Reader);

impl Marked {
    /// One for a text that begins so, if it needs one.
    pub(super) fn of(first: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(Charset::Utf8);
        reader.look(first);
        reader.is_other().then_some(Self(reader))
    }

    pub(super) fn is_drained(&self) -> bool {
        self.0.is_between_characters()
    }

    pub(super) fn push(&mut self, bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        self.read(bytes, false, told)
    }

    pub(super) fn finish(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        self.0.end().map_err(|_| Fault::Unreadable)?;
        self.read(&[], true, told)
    }

    fn read(&mut self, mut bytes: &[u8], last: bool, told: &mut Told<'_>) -> Result<(), Fault> {
        self.0.next(bytes).map_err(|_| Fault::Unreadable)?;
        let mut text = [0; TEXT_BYTES];
        loop {
            let (read, written, done) = self.0.read(bytes, &mut text, last);
            told.text(text.get(..written).unwrap_or_default())?;
            bytes = bytes.get(read..).unwrap_or_default();
            if done {
                return Ok(());
            }
        }
    }
}
