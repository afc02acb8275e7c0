//! Bytes written in letters and digits: hex, base32 and base64 (RFC 4648), found in a text and read back one by one.

use std::ops::Range;

use super::Unescaped;
use crate::engine::block::RUN_BYTES_MIN;

/// Decoded bytes that are looked at to tell what a run is.
const TOLD_BYTES: usize = 24;
/// Characters that they are written in, at most: two for each of hex, before a line may end.
const TOLD_CHARACTERS: usize = 64;
/// Decoded bytes that must be text, at least: eleven digits are as many.
const TEXT_BYTES_MIN: usize = 7;
/// Characters of a line that the next goes on with: MIME writes 76, PEM 64 (RFC 2045, section 6.8; RFC 7468, section 2).
const LINE_CHARACTERS_MIN: u32 = 60;
/// How bodies begin that are no text and are looked into all the same: gzip, zlib, ZIP, PNG, `SQLite`, Parquet.
const MAGICS: [&[u8]; 9] = [
    &[0x1f, 0x8b, 8],
    &[0x78, 0x01],
    &[0x78, 0x5e],
    &[0x78, 0x9c],
    &[0x78, 0xda],
    b"PK\x03\x04",
    b"\x89PNG",
    b"SQLite format 3",
    b"PAR1",
];

/// What stands in the tables of values for what is no character of the alphabet.
const NONE: u8 = u8::MAX;
const HEX: [u8; 256] = either_case(values([NONE; 256], b"0123456789abcdef", 0));
const BASE32: [u8; 256] = either_case(values([NONE; 256], b"abcdefghijklmnopqrstuvwxyz234567", 0));
const BASE64: [u8; 256] = {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    values(values([NONE; 256], letters, 0), b"-_", 62)
};

/// `table` with the values of `characters`, the first of which stands for `first`.
#[expect(clippy::indexing_slicing, reason = "a byte into 256 values, as it is compiled")]
const fn values(mut table: [u8; 256], mut characters: &[u8], first: u8) -> [u8; 256] {
    let mut value = first;
    while let [character, rest @ ..] = characters {
        table[*character as usize] = value;
        value += 1;
        characters = rest;
    }
    table
}

/// `table` with what its small letters stand for under the large ones as well.
#[expect(clippy::indexing_slicing, reason = "a byte into 256 values, as it is compiled")]
const fn either_case(mut table: [u8; 256]) -> [u8; 256] {
    let mut letter = b'a';
    while letter <= b'z' {
        table[letter.to_ascii_uppercase() as usize] = table[letter as usize];
        letter += 1;
    }
    table
}

/// An alphabet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// Either case.
    Hex,
    /// Either case.
    Base32,
    /// Its own two further characters or those of its form for URLs, mixed at will.
    Base64,
}

impl Alphabet {
    /// The value of a character.
    fn value(self, byte: u8) -> Option<u8> {
        let values = match self {
            Self::Hex => &HEX,
            Self::Base32 => &BASE32,
            Self::Base64 => &BASE64,
        };
        values.get(usize::from(byte)).copied().filter(|value| *value != NONE)
    }

    /// The value of a character of base64 (RFC 4648, section 4), and none of its form for URLs.
    pub(crate) fn base64(byte: u8) -> Option<u8> {
        Self::Base64.value(byte).filter(|_| !matches!(byte, b'-' | b'_'))
    }

    const fn bits(self) -> u32 {
        match self {
            Self::Hex => 4,
            Self::Base32 => 5,
            Self::Base64 => 6,
        }
    }
}

/// Reads characters of an alphabet.
#[derive(Clone, Copy)]
pub(crate) struct Reader {
    alphabet: Alphabet,
    bits: u32,
    held: u32,
    /// Only more padding may follow.
    is_padded: bool,
    /// Characters of the line so far.
    line: u32,
}

impl Reader {
    pub(crate) const fn new(alphabet: Alphabet) -> Self {
        Self {
            alphabet,
            bits: 0,
            held: 0,
            is_padded: false,
            line: 0,
        }
    }

    /// Whether `byte` goes on with the run.
    fn goes_on(self, byte: u8) -> bool {
        match byte {
            b'=' => true,
            b'\r' | b'\n' => self.line >= LINE_CHARACTERS_MIN,
            _ => !self.is_padded && self.alphabet.value(byte).is_some(),
        }
    }

    /// How many characters at the front of `text` go on with the run, without a line's end behind them.
    pub(crate) fn length(self, text: &[u8]) -> usize {
        let mut reader = self;
        let goes_on = |byte: &&u8| {
            let goes_on = reader.goes_on(**byte);
            reader.pass(**byte);
            goes_on
        };
        let length = text.iter().take_while(goes_on).count();
        text.get(..length).map_or(0, |run| run.trim_ascii_end().len())
    }

    fn pass(&mut self, byte: u8) {
        self.is_padded |= byte == b'=';
        self.line = if byte == b'\n' {
            0
        } else {
            self.line.saturating_add(u32::from(byte != b'\r'))
        };
    }

    /// The next character; the byte that it completes.
    pub(crate) fn read(&mut self, byte: u8) -> Option<u8> {
        self.pass(byte);
        let value = self.alphabet.value(byte)?;
        self.bits += self.alphabet.bits();
        self.held = self.held << self.alphabet.bits() | u32::from(value);
        self.bits = self.bits.checked_sub(8)?;
        Some((self.held >> self.bits) as u8)
    }
}

/// A run of an alphabet in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) alphabet: Alphabet,
    pub(crate) range: Range<usize>,
    /// Whether what it decodes to is no text.
    pub(crate) is_packed: bool,
}

/// The first run that begins at `from` or later and decodes to something that may be read. Its range may end with the text and
/// not with the run.
pub(crate) fn next(text: &[u8], from: usize) -> Option<Run> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
    // Where the characters of base64 around `at` begin, by what stands before `read`.
    let (mut began, mut read) = (from, from);
    let mut at = from;
    // A word that is long enough fills a window; what does not is jumped over.
    while let Some(window) = text.get(at..at + RUN_BYTES_MIN as usize) {
        if let Some(other) = window.iter().rposition(|byte| !is_word(byte)) {
            at += other + 1;
            continue;
        }
        let between = text.get(read..at)?.iter();
        let other = between.rev().position(|byte| Alphabet::Base64.value(*byte).is_none());
        began = other.map_or(began, |other| at - other);
        if let Some(run) = run(text, began, at) {
            return Some(run);
        }
        let rest = text.get(at..)?;
        at += rest.iter().position(|byte| !is_word(byte)).unwrap_or(rest.len());
        read = at;
    }
    None
}

/// The run of which letters and digits at `at` are a part, if it decodes to something; characters of base64 around them begin
/// at `began`.
fn run(text: &[u8], began: usize, at: usize) -> Option<Run> {
    let told = |alphabet, start: usize| {
        let run = text.get(start..)?;
        // Its first characters tell, and only of what they tell the length is asked: a long text is read once.
        let is_packed = tells(alphabet, run.get(..TOLD_CHARACTERS).unwrap_or(run))?;
        let length = Reader::new(alphabet).length(run);
        let range = start..start + length;
        Some(Run {
            alphabet,
            range,
            is_packed,
        })
    };
    // A slash may be a part of it, or stand before it; what begins where they do was tried already.
    let tried = usize::from(began == at);
    told(Alphabet::Hex, at)
        .or_else(|| told(Alphabet::Base32, at))
        .or_else(|| told(Alphabet::Base64, began))
        .or_else(|| (tried..4).find_map(|skip| told(Alphabet::Base64, at + skip)))
}

/// Whether the run at the front of `text` begins like something readable: a text, or (true) something else.
fn tells(alphabet: Alphabet, text: &[u8]) -> Option<bool> {
    let mut reader = Reader::new(alphabet);
    let mut bytes = [0; TOLD_BYTES];
    let mut length = 0;
    for character in text {
        if length == TOLD_BYTES || !reader.goes_on(*character) {
            break;
        }
        let Some(byte) = reader.read(*character) else { continue };
        if length == 0 && !may_be_first(byte) {
            return None;
        }
        *bytes.get_mut(length)? = byte;
        length += 1;
        // Most runs are names and numbers, and tell so at once: what a text or a magic begins with is one.
        let first = bytes.get(..length)?;
        if matches!(length, 2 | 4 | 8) && !is_text(first) && !may_be_magic(first) {
            return None;
        }
    }
    let bytes = bytes.get(..length)?;
    if MAGICS.iter().any(|magic| bytes.starts_with(magic)) {
        return Some(true);
    }
    (length >= TEXT_BYTES_MIN && is_text(bytes)).then_some(false)
}

/// Whether a text or a magic may begin with this byte: nearly half of them begin neither.
const fn may_be_first(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | 0x1f | b' '..=b'~' | 0x89 | 0xc2..=0xf4)
}

fn may_be_magic(first: &[u8]) -> bool {
    let mut magics = MAGICS.iter();
    magics.any(|magic| magic.starts_with(first) || first.starts_with(magic))
}

/// Whether it is text in UTF-8 that may be cut at its end.
fn is_text(bytes: &[u8]) -> bool {
    let is_seen = |byte: &u8| *byte >= b' ' && *byte != 0x7f || matches!(byte, b'\t' | b'\n' | b'\r');
    let whole = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    whole && bytes.iter().all(is_seen)
}

impl Unescaped {
    /// What a run of `text` decodes to.
    pub(crate) fn decoded(text: &Self, run: &Run) -> Self {
        let mut out = Self::default();
        let mut reader = Reader::new(run.alphabet);
        let mut unit = text.at(run.range.start);
        for (at, byte) in text.text.get(run.range.clone()).unwrap_or_default().iter().enumerate() {
            // Between units no bits are left.
            if reader.bits == 0 {
                unit = text.at(run.range.start + at);
            }
            if let Some(byte) = reader.read(*byte) {
                out.put(byte, unit);
            }
        }
        out.end_at(text.at(run.range.end));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Option<String> {
        let run = next(text.as_bytes(), 0)?;
        let mut view = Unescaped::default();
        view.plain(text.as_bytes());
        let out = Unescaped::decoded(&view, &run);
        Some(String::from_utf8_lossy(&out.text).into_owned())
    }

    #[test]
    fn runs_are_read_and_others_are_left_alone() {
        for (text, expected) in [
            ("a2ltQG1haWwuZXhhbXBsZQ==", Some("kim@mail.example")),
            ("x: a2ltQG1haWwuZXhhbXBsZQ.", Some("kim@mail.example")),
            ("/p/a2ltQG1haWwuZXhhbXBsZQ", Some("kim@mail.example")),
            ("MDEwMTIzNDU2Nzg=", Some("01012345678")),
            ("6b696d406d61696c2e6578616d706c65", Some("kim@mail.example")),
            ("6B696D406D61696C2E6578616D706C65", Some("kim@mail.example")),
            ("NNUW2QDNMFUWYLTFPBQW24DMMU======", Some("kim@mail.example")),
            ("nnuw2qdnmfuwyltfpbqw24dmmu", Some("kim@mail.example")),
            ("6rmA7LKg7IiYLDAxMC0xMjM0LTU2Nzg", Some("김철수,010-1234-5678")),
            ("507f1f77bcf86cd799439011", None),
            ("internationalization", None),
            ("blue-cotton-shirt-large-front", None),
            ("d41d8cd98f00b204e9800998ecf8427e", None),
            ("a2ltQG1haWw", None),
        ] {
            assert_eq!(decoded(text).as_deref(), expected, "{text}");
        }
        let packed = next(b"H4sIAAAAAAAAA8vOzAUA", 0).expect("gzip");
        assert!(packed.is_packed && packed.alphabet == Alphabet::Base64);
    }

    /// A run as it is found by looking at all of it from each word.
    fn slow(text: &[u8]) -> Option<(usize, Alphabet)> {
        let words = (0..text.len()).filter(|at| {
            let is_word = |at: usize| text.get(at).is_some_and(u8::is_ascii_alphanumeric);
            is_word(*at) && at.checked_sub(1).is_none_or(|before| !is_word(before))
        });
        let told = |alphabet, start: usize| {
            let run = text.get(start..)?;
            tells(alphabet, run.get(..Reader::new(alphabet).length(run))?).map(|_| (start, alphabet))
        };
        let mut words = words.filter(|at| {
            let word = text[*at..].iter().take_while(|byte| byte.is_ascii_alphanumeric());
            word.count() >= RUN_BYTES_MIN as usize
        });
        words.find_map(|at| {
            let letters = text[..at].iter().rev();
            let others = letters.take_while(|byte| Alphabet::Base64.value(**byte).is_some());
            let began = at - others.count();
            told(Alphabet::Hex, at)
                .or_else(|| told(Alphabet::Base32, at))
                .or_else(|| told(Alphabet::Base64, began))
                .or_else(|| (0..4).find_map(|skip| told(Alphabet::Base64, at + skip)))
        })
    }

    #[test]
    fn the_first_characters_of_a_run_tell_what_all_of_it_tells() {
        let long = "a2ltQG1haWwuZXhhbXBsZQ".repeat(9);
        let hex = "6b696d406d61696c2e6578616d706c65".repeat(9);
        let words = "blueblueblueblueblueblue-cottoncottoncottoncotton_".repeat(400);
        for text in [
            long.clone(),
            hex.clone(),
            format!("{words}{long}"),
            format!("{words} {hex}"),
            format!("--{words}=={long}\r\n{words}"),
            {
                let (line, rest) = long.split_at(76);
                format!("/{line}\r\n{rest}")
            },
            words,
        ] {
            let fast = next(text.as_bytes(), 0).map(|run| (run.range.start, run.alphabet));
            assert_eq!(fast, slow(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_value_is_masked_with_the_units_it_stands_in() {
        let text = b"-a2ltQG1haWwuZXhhbXBsZQ==-";
        let mut view = Unescaped::default();
        view.plain(text);
        let out = Unescaped::decoded(&view, &next(text, 0).expect("a run"));
        assert_eq!(out.raw(4, 8), (5, 13), "`mail` stands in the second unit and the third");
        assert_eq!(out.raw(0, out.text.len()), (1, 25));
    }
}
