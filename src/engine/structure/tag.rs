//! The name of a tag: what it is made of, where it ends.

use crate::engine::decode::is_inline;

/// Bytes of a tag's name and what stands before it; what is longer is text.
pub(super) const BYTES_MAX: usize = 64;

pub(super) const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_' | b'.')
}

/// Whether a name of a tag or an attribute ends before it.
pub(super) const fn ends_name(byte: u8) -> bool {
    matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n' | b'\x0c')
}

/// `<` and the name of a tag that stands whole at the front of `bytes`, unless the tag may stand inside a value.
pub(super) fn whole_name(bytes: &[u8]) -> Option<&[u8]> {
    let slash = usize::from(bytes.get(1) == Some(&b'/'));
    let name = bytes.get(1 + slash..)?;
    let length = name.iter().take(BYTES_MAX).position(|byte| !is_name_byte(*byte))?;
    let (name, rest) = name.split_at(length);
    let begins = matches!(name.first(), Some(b'_' | b'a'..=b'z' | b'A'..=b'Z'));
    let ends = match rest.first() {
        Some(b'>') => !is_inline(name),
        Some(byte) => ends_name(*byte),
        None => false,
    };
    let is_whole = begins && ends && length + slash + 1 < BYTES_MAX;
    bytes.get(..1 + slash + length).filter(|_| is_whole)
}
