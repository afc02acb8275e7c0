//! The name of a tag: what it is made of, where it ends.

use crate::engine::byte_set::ByteSet;
use crate::engine::decode::is_inline;

/// Bytes of a tag's name and what stands before it; what is longer is text.
pub(super) const BYTES_MAX: usize = 64;

pub(super) const fn is_name_byte(byte: u8) -> bool {
    NAME_BYTES.has(byte) || !byte.is_ascii()
}

const NAME_BYTES: ByteSet = ByteSet::alphanumeric_and(b":-_.");

/// Whether a name of a tag or an attribute ends before it.
pub(super) const fn ends_name(byte: u8) -> bool {
    matches!(byte, b'>' | b'/') || is_blank(byte)
}

/// Whether it parts what stands in a tag.
pub(super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'\x0c')
}

/// The tag that stands whole at the front of `bytes`, if it may stand inside a value.
pub(super) fn inline(bytes: &[u8]) -> Option<&[u8]> {
    let (name, rest) = split_name(bytes)?;
    let tag = bytes.get(..bytes.len() - rest.len() + 1)?;
    (rest.first() == Some(&b'>') && is_inline(name)).then_some(tag)
}

/// `<` and the name of a tag that stands whole at the front of `bytes`, unless the tag may stand inside a value.
pub(super) fn whole_name(bytes: &[u8]) -> Option<&[u8]> {
    let (name, rest) = split_name(bytes)?;
    let ends = match rest.first() {
        Some(b'>') => !is_inline(name),
        Some(byte) => ends_name(*byte),
        None => false,
    };
    let whole = bytes.get(..bytes.len() - rest.len())?;
    (ends && whole.len() < BYTES_MAX).then_some(whole)
}

/// The name of the tag at the front of `bytes`, and what comes after it.
fn split_name(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = usize::from(bytes.get(1) == Some(&b'/'));
    let name = bytes.get(1 + slash..)?;
    let length = name.iter().take(BYTES_MAX).position(|byte| !is_name_byte(*byte))?;
    let begins = matches!(name.first(), Some(b'_' | b'a'..=b'z' | b'A'..=b'Z' | 0x80..));
    begins.then(|| name.split_at(length))
}
