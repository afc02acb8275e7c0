//! A text inside a container, read in the character set that its byte-order mark, the document itself or its bytes tell, and in each
//! other that these say.

use super::{Fault, Told};
use crate::engine::charset::{Charset, Reader, Text, Unreadable};

/// Bytes of text that are read at once.
const TEXT_BYTES: usize = 4096;

/// The reader of one.
pub(super) struct Wide(Reader);

impl Wide {
    pub(super) fn new() -> Self {
        Self(Reader::new(Charset::Utf8).hearing(true).watching(true).rough())
    }

    pub(super) fn is_drained(&self) -> bool {
        self.0.is_between_characters()
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let (text, length) = self.0.next(bytes)?;
            let (part, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
            self.tell(text, part, told)?;
            bytes = rest;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        loop {
            let text = self.0.end()?;
            let is_all = !matches!(text, Text::Again(_));
            self.tell(text, &[], told)?;
            if is_all {
                return self.read(&[], true, told);
            }
        }
    }

    fn tell(&mut self, text: Text, part: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        match text {
            Text::Same(kept) => {
                for bytes in [&kept[..], part] {
                    told.text(bytes)?;
                    told.texts.bytes(bytes);
                }
            }
            Text::Again(kept) => self.push(&kept, told)?,
            Text::Kept => {}
            Text::Beside(another) => told.texts.beside(another),
            Text::Other(kept) => {
                for bytes in [&kept[..], part] {
                    self.read(bytes, false, told)?;
                    told.texts.bytes(bytes);
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, mut bytes: &[u8], last: bool, told: &mut Told<'_>) -> Result<(), Fault> {
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

impl From<Unreadable> for Fault {
    fn from(_: Unreadable) -> Self {
        Self::Unreadable
    }
}
