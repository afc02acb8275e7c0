//! `Basic` credentials as they are written (RFC 7617): base64, read and written.

use zeroize::Zeroizing;

/// What stands in base64 (RFC 4648, section 4), with or without padding: how it is spelt says nothing of the user.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let text = text
        .strip_suffix(b"==")
        .or_else(|| text.strip_suffix(b"="))
        .unwrap_or(text);
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::with_capacity(text.len() * 3 / 4));
    for letter in text {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// The value of `Authorization` of `user:password` (RFC 7617).
pub fn encode_basic(whole: &str) -> Zeroizing<String> {
    let mut value = Zeroizing::new("Basic ".to_owned());
    value.push_str(&encode_base64(whole.as_bytes()));
    value
}

/// Bytes in base64 (RFC 4648, section 4).
pub fn encode_base64(bytes: &[u8]) -> Zeroizing<String> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut value = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let letters = (0..4).map(|at| LETTERS.get((bits >> (18 - 6 * at) & 0x3f) as usize));
        value.extend(
            letters
                .flatten()
                .take(group.len() + 1)
                .map(|letter| char::from(*letter)),
        );
        (group.len()..3).for_each(|_| value.push('='));
    }
    value
}
