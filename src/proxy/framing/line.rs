//! Lines: finding their ends strictly, and reading the tokens and numbers on them.

use super::Fault;

/// Bytes of a line end.
pub(super) const END: usize = 2;

/// The first line of `bytes` without its CRLF; `None` while it is not whole. The line and its end must fit in `room`.
/// Other control characters may be left in it: [`control_in`] finds them.
pub(crate) fn whole(bytes: &[u8], room: usize, too_large: Fault) -> Result<Option<&[u8]>, Fault> {
    let searched = bytes.get(..room).unwrap_or(bytes);
    let Some(end) = memchr::memchr(b'\n', searched) else {
        return if bytes.len() < room { Ok(None) } else { Err(too_large) };
    };
    let line = searched.get(..end).unwrap_or_default();
    line.strip_suffix(b"\r").map(Some).ok_or(Fault::BareLf)
}

/// The control characters of these bytes, but for the tab: a whole head is counted in one pass, in which its line ends
/// are expected. Counting bytes in bytes, without an early exit, compiles to full vector instructions.
pub(super) fn controls(bytes: &[u8]) -> usize {
    let is_control = |byte: u8| u8::from(byte < b' ') & u8::from(byte != b'\t') | u8::from(byte == 0x7f);
    let count = |chunk: &[u8]| {
        chunk
            .iter()
            .fold(0_u8, |count, byte| count.wrapping_add(is_control(*byte)))
    };
    // So many fit in a byte.
    bytes.chunks(255).map(|chunk| usize::from(count(chunk))).sum()
}

/// Which fault the control characters of a line are.
pub(super) fn control_in(line: &[u8]) -> Option<Fault> {
    if controls(line) == 0 {
        None
    } else if line.contains(&0) {
        Some(Fault::Nul)
    } else if line.contains(&b'\r') {
        Some(Fault::BareCr)
    } else {
        Some(Fault::ControlInValue)
    }
}

/// A chunk size with optional extensions. More is refused than RFC 9112 section 7.1 asks: blanks around the size.
pub(crate) fn chunk_size(line: &[u8]) -> Result<u64, Fault> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (hex, extensions) = line.split_at_checked(digits).ok_or(Fault::ChunkSize)?;
    let plain = extensions.is_empty() || extensions.first() == Some(&b';');
    if hex.is_empty() || hex.len() > 16 || !plain || controls(extensions) > 0 {
        return Err(Fault::ChunkSize);
    }
    Ok(hex.iter().fold(0, |size, byte| size << 4 | u64::from(hex_value(*byte))))
}

fn hex_value(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    }
}

/// A decimal length: digits only, at most 19, so that it cannot overflow.
pub(super) fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0')))
}

/// Whether these bytes are a token (RFC 9110 section 5.6.2), and not empty.
pub(super) fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| is_token_byte(*byte))
}

#[expect(clippy::indexing_slicing, reason = "the table has a place for every byte")]
pub(super) const fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        let is_mark = matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        );
        table[byte as usize] = is_mark || byte.is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

/// A field value without the optional white space around it: space and tab only.
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether a comma list has this token, ignoring case.
pub(crate) fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|byte| *byte == b',')
        .any(|item| trim(item).eq_ignore_ascii_case(token))
}
