//! Escapes of JSON strings and quoted CSV cells, undone with a map back, so that what is found can be masked in place.

/// A text without its escapes, and where each of its bytes stood.
#[derive(Default)]
pub struct Unescaped {
    /// The text a reader sees.
    pub text: Vec<u8>,
    /// For each byte of `text`, the offset in the raw text at which its escape (or itself) began; one more for the end.
    offsets: Vec<u32>,
}

impl Unescaped {
    /// The raw range of `start..end` of the text.
    pub fn raw(&self, start: usize, end: usize) -> (usize, usize) {
        let raw = |at: usize| {
            self.offsets
                .get(at)
                .or_else(|| self.offsets.last())
                .copied()
                .unwrap_or_default() as usize
        };
        (raw(start), raw(end))
    }

    /// The first byte of the text that began at or after `raw`.
    pub fn from_raw(&self, raw: usize) -> usize {
        self.offsets
            .partition_point(|offset| (*offset as usize) < raw)
            .min(self.text.len())
    }

    /// Undoes JSON escapes (RFC 8259, section 7). What is no valid escape stays as it is.
    pub fn json(&mut self, raw: &[u8]) {
        self.clear();
        let mut at = 0;
        while let Some(byte) = raw.get(at) {
            let (length, value) = if *byte == b'\\' {
                json_escape(raw.get(at..).unwrap_or_default())
            } else {
                (1, None)
            };
            match value {
                Some(value) => {
                    let mut utf8 = [0; 4];
                    value.encode_utf8(&mut utf8).bytes().for_each(|byte| self.put(byte, at));
                }
                None => raw
                    .get(at..at + length)
                    .unwrap_or_default()
                    .iter()
                    .for_each(|byte| self.put(*byte, at)),
            }
            at += length;
        }
        self.offsets.push(raw.len() as u32);
    }

    /// Undoes doubled quotes of a quoted CSV cell (RFC 4180, section 2.7).
    pub fn quotes(&mut self, raw: &[u8]) {
        self.clear();
        let mut at = 0;
        while let Some(byte) = raw.get(at) {
            self.put(*byte, at);
            let doubled = *byte == b'"' && raw.get(at + 1) == Some(&b'"');
            at += if doubled { 2 } else { 1 };
        }
        self.offsets.push(raw.len() as u32);
    }

    fn clear(&mut self) {
        self.text.clear();
        self.offsets.clear();
    }

    fn put(&mut self, byte: u8, raw: usize) {
        self.text.push(byte);
        self.offsets.push(raw as u32);
    }
}

/// The length of the escape at the start of `raw` and the character it stands for.
fn json_escape(raw: &[u8]) -> (usize, Option<char>) {
    let simple = |character| (2, Some(character));
    match raw.get(1) {
        Some(b'n') => simple('\n'),
        Some(b't') => simple('\t'),
        Some(b'r') => simple('\r'),
        Some(b'b') => simple('\u{8}'),
        Some(b'f') => simple('\u{c}'),
        Some(byte @ (b'"' | b'\\' | b'/')) => simple(char::from(*byte)),
        Some(b'u') => match (hex(raw, 2), raw.get(6..8), hex(raw, 8)) {
            (Some(high @ 0xd800..=0xdbff), Some(b"\\u"), Some(low @ 0xdc00..=0xdfff)) => {
                (12, char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)))
            }
            (Some(code), _, _) => match char::from_u32(code) {
                Some(character) => (6, Some(character)),
                None => (6, None),
            },
            (None, _, _) => (1, None),
        },
        _ => (1, None),
    }
}

fn hex(raw: &[u8], at: usize) -> Option<u32> {
    let digits = raw.get(at..at + 4)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_escapes_are_undone_and_mapped_back() {
        for (raw, text) in [
            (r"kim\u0040mail.example", "kim@mail.example"),
            (r#"a\"b\\c\/d"#, r#"a"b\c/d"#),
            (r"\uD83D\uDE00x", "😀x"),
            (r"\u12", r"\u12"),
            (r"\ud800", r"\ud800"),
            (r"end\", r"end\"),
        ] {
            let mut out = Unescaped::default();
            out.json(raw.as_bytes());
            assert_eq!(String::from_utf8_lossy(&out.text), text, "{raw}");
            assert_eq!(out.raw(0, out.text.len()), (0, raw.len()), "{raw}");
        }
        let mut out = Unescaped::default();
        out.json(br"kim\u0040x");
        assert_eq!(out.raw(3, 4), (3, 9));
        assert_eq!(out.from_raw(9), 4);
    }

    #[test]
    fn doubled_quotes_are_one() {
        let mut out = Unescaped::default();
        out.quotes(br#"say ""hi"" now"#);
        assert_eq!(out.text, br#"say "hi" now"#);
        assert_eq!(out.raw(4, 8), (4, 10));
    }
}
