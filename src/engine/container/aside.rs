//! What of an XML part stands outside the texts it is made of: texts of other elements, and the values of attributes.

use super::{Fault, Told};

/// Bytes of such texts that wait for a place between two lines of the part.
const WAITING_BYTES_MAX: usize = 16 << 10;
/// Digits of a value that may be somebody's number whatever is around them.
const DIGITS_MIN: usize = 9;

/// Such texts, each a line.
#[derive(Default)]
pub(super) struct Aside {
    waiting: Vec<u8>,
    /// In a text.
    is_open: bool,
    /// That text outgrew its room and is told as it comes.
    is_long: bool,
}

impl Aside {
    pub(super) const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// More of a text. One that is blank is none.
    pub(super) fn text(&mut self, text: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        if self.is_long {
            return told.text(text);
        }
        let text = if self.is_open { text } else { text.trim_ascii_start() };
        self.is_open |= !text.is_empty();
        self.waiting.extend_from_slice(text);
        if self.waiting.len() < WAITING_BYTES_MAX {
            return Ok(());
        }
        self.is_long = true;
        told.text(b"\n")?;
        told.text(&std::mem::take(&mut self.waiting))
    }

    /// A tag ends a text, and has its own.
    pub(super) fn tag(&mut self, tag: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        self.end(told)?;
        let mut rest = tag;
        while let Some((quote, value)) = memchr::memchr2(b'"', b'\'', rest).and_then(|at| rest.get(at..)?.split_first())
        {
            let end = memchr::memchr(*quote, value).unwrap_or(value.len());
            rest = value.get(end + 1..).unwrap_or_default();
            let value = value.get(..end).unwrap_or_default();
            if may_be_said(value) {
                self.text(value, told)?;
                self.end(told)?;
            }
        }
        Ok(())
    }

    /// Tells what waits, between two lines of the part.
    pub(super) fn tell(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        self.end(told)?;
        told.text(&std::mem::take(&mut self.waiting))
    }

    fn end(&mut self, told: &mut Told<'_>) -> Result<(), Fault> {
        if std::mem::take(&mut self.is_long) {
            self.is_open = false;
            return told.text(b"\n");
        }
        if std::mem::take(&mut self.is_open) {
            self.waiting.push(b'\n');
        }
        Ok(())
    }
}

/// Whether the value of an attribute may be that of somebody: names of fonts, of schemas and of columns are none.
fn may_be_said(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_sign = |byte: &u8| matches!(byte, b'@' | b'&' | b'%');
    let is_written = |byte: &u8| !byte.is_ascii() || *byte == b' ';
    digits >= DIGITS_MIN || value.iter().any(is_sign) || (digits > 0 && value.iter().any(is_written))
}
