//! Files that hold texts: packed, listed, or laid out for a page. Each is read as it passes, without a seek, and tells its texts
//! one after another to a [`Texts`]; what they are is for that to see.
//!
//! ```text
//!   bytes ─▶ Unpacker ─ gzip, TAR, ZIP ─▶ Unpacker ─ ... at most `container_depth_max` deep
//!                     ─ sheets, documents, PDF, images, databases, Parquet ─▶ texts
//! ```
//!
//! Readers of fragile formats may run [`apart`]. What cannot be read is a [`Fault`]: nothing is passed over in silence. All that is kept of a file is bounded.

pub mod apart;
mod aside;
mod bytes;
mod delta;
mod guess;
mod image;
mod lz4;
mod magic;
mod meter;
mod office;
mod parquet;
mod pdf;
mod pdf_text;
mod sheet;
mod snappy;
mod sqlite;
mod steps;
mod tags;
mod tar;
mod thrift;
mod unpack;
mod wide;
mod zip;
mod zlib;

pub(in crate::engine) use guess::{FIRST_BYTES, Guess, Opening, opening};
pub(in crate::engine) use meter::{Fault, Limits, Meter};
pub(in crate::engine) use unpack::{Look, Unpacker, is_container, look};

use crate::engine::charset::Another;
use crate::engine::structure::Declared;

/// Who is told the texts.
pub(in crate::engine) trait Texts {
    /// Another text begins.
    fn begin(&mut self, declared: Declared);
    /// More of it.
    fn text(&mut self, text: &[u8]);
    /// From here on the text is read so too; whoever reads texts in one way alone needs none of it.
    fn beside(&mut self, _another: Another) {}
    /// The bytes of which what was told last came, all of it since the last of them.
    fn bytes(&mut self, _bytes: &[u8]) {}
    /// What came of all containers of the body so far.
    fn meter(&mut self) -> &mut Meter;
}

/// Texts, as containers tell them.
pub(in crate::engine) struct Told<'t> {
    pub(in crate::engine) texts: &'t mut dyn Texts,
}

impl Told<'_> {
    fn begin(&mut self, declared: Declared) {
        self.texts.begin(declared);
    }

    fn meter(&mut self) -> &mut Meter {
        self.texts.meter()
    }

    /// Tells a text, and the end of its line.
    ///
    /// # Errors
    /// When more was told than may be.
    fn line(&mut self, text: &[u8]) -> Result<(), Fault> {
        self.text(text)?;
        self.text(b"\n")
    }

    /// # Errors
    /// When more was told than may be.
    fn text(&mut self, text: &[u8]) -> Result<(), Fault> {
        self.meter().unpacked(text.len() as u64)?;
        self.texts.text(text);
        Ok(())
    }
}
