//! Character sets: which one a body is in, and its bytes as UTF-8.
//!
//! A byte-order mark decides before what is declared (WHATWG Encoding, section 4.2). A body without either is read as
//! UTF-8, in which all that is ASCII in other character sets is found too.

use encoding_rs::{CoderResult, Decoder, Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE};
use smallvec::SmallVec;

/// The byte-order marks (Unicode 16, table 23-7), and what they are of; no reader is left for UTF-32.
const MARKS: [(&[u8], Option<&Encoding>); 5] = [
    (&[0xff, 0xfe, 0, 0], None),
    (&[0, 0, 0xfe, 0xff], None),
    (&[0xff, 0xfe], Some(UTF_16LE)),
    (&[0xfe, 0xff], Some(UTF_16BE)),
    (&[0xef, 0xbb, 0xbf], Some(UTF_8)),
];
/// Bytes of the longest.
const MARK_BYTES_MAX: usize = 4;

/// The character set that a head declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8, or none that says more than it.
    #[default]
    Utf8,
    /// Another one.
    Other(&'static Encoding),
}

impl Charset {
    /// From a `Content-Type` value: its parameter `charset` (RFC 9110, section 8.3.2), by the labels of the WHATWG.
    pub fn from_content_type(value: &[u8]) -> Self {
        let parameters = value.split(|byte| *byte == b';').skip(1).map(<[u8]>::trim_ascii);
        let mut labels = parameters.filter_map(|parameter| {
            let (name, label) = parameter.split_at_checked("charset=".len())?;
            name.eq_ignore_ascii_case(b"charset=").then_some(label)
        });
        let label = labels.next().unwrap_or_default();
        let label = label.strip_prefix(b"\"").unwrap_or(label);
        let label = label.strip_suffix(b"\"").unwrap_or(label);
        match Encoding::for_label_no_replacement(label) {
            Some(encoding) if encoding != UTF_8 => Self::Other(encoding),
            _ => Self::Utf8,
        }
    }

    /// Whether a body that begins with `first` may yet be in one character set or another.
    fn is_open(self, first: &[u8]) -> bool {
        let goes_on = |mark: &[u8]| mark.len() > first.len() && mark.starts_with(first);
        let is_doubted = self.is_utf16() && first.len() < MARK_BYTES_MAX;
        is_doubted || MARKS.iter().any(|(mark, _)| goes_on(mark))
    }

    fn is_utf16(self) -> bool {
        self == Self::Other(UTF_16LE) || self == Self::Other(UTF_16BE)
    }
}

/// A body cannot be read: it is in UTF-32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Reads the text of one body.
pub(super) struct Reader {
    declared: Charset,
    state: State,
}

enum State {
    /// The bytes so far may be the beginning of a mark.
    Undecided(SmallVec<[u8; MARK_BYTES_MAX]>),
    /// The bytes are the text.
    Same,
    Other(Box<Other>),
}

/// A text in another character set.
struct Other {
    encoding: &'static Encoding,
    decoder: Decoder,
    /// Bytes read, and the last two of them: whether a character ends there is seen from these.
    read: u64,
    last: [u8; 2],
}

/// What the next bytes are.
pub(super) enum Text {
    /// Text themselves.
    Same,
    /// Text themselves, and behind these that were kept.
    Behind(SmallVec<[u8; MARK_BYTES_MAX]>),
    /// Kept until it is known.
    Kept,
    /// To be read with [`Reader::read`], behind these that were kept.
    Other(SmallVec<[u8; MARK_BYTES_MAX]>),
}

impl Reader {
    /// One for a body that is declared so.
    pub(super) fn new(declared: Charset) -> Self {
        Self {
            declared,
            state: State::Undecided(SmallVec::new()),
        }
    }

    /// One for a body of bytes: no mark in it means anything.
    pub(super) fn bytes() -> Self {
        Self {
            declared: Charset::Utf8,
            state: State::Same,
        }
    }

    /// Whether the bytes of the body are not its text.
    pub(super) fn is_other(&self) -> bool {
        matches!(self.state, State::Other(_))
    }

    /// Looks at the first bytes of the body, so that it may be known what they are before they are read.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        let first = bytes.get(..MARK_BYTES_MAX).unwrap_or(bytes);
        match &self.state {
            State::Undecided(kept) if kept.is_empty() && !self.declared.is_open(first) => self.decide(first),
            State::Undecided(_) | State::Same | State::Other(_) => Ok(()),
        }
    }

    /// What `bytes`, which are next, are.
    ///
    /// # Errors
    /// If they cannot be read.
    #[inline]
    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<Text, Unreadable> {
        match &mut self.state {
            State::Same => Ok(Text::Same),
            State::Other(_) => Ok(Text::Other(SmallVec::new())),
            State::Undecided(_) if bytes.is_empty() => Ok(Text::Kept),
            State::Undecided(kept) => {
                let mut first = kept.clone();
                first.extend_from_slice(bytes.get(..MARK_BYTES_MAX - kept.len()).unwrap_or(bytes));
                if self.declared.is_open(&first) {
                    *kept = first;
                    return Ok(Text::Kept);
                }
                let kept = std::mem::take(kept);
                self.decide(&first).map(|()| match self.state {
                    State::Other(_) => Text::Other(kept),
                    State::Same | State::Undecided(_) => Text::Behind(kept),
                })
            }
        }
    }

    /// The body ends: the bytes that were kept, if it was not decided what they are.
    pub(super) fn end(&mut self) -> SmallVec<[u8; MARK_BYTES_MAX]> {
        match &mut self.state {
            State::Undecided(kept) => std::mem::take(kept),
            State::Same | State::Other(_) => SmallVec::new(),
        }
    }

    fn decide(&mut self, first: &[u8]) -> Result<(), Unreadable> {
        let marked = MARKS.iter().find(|(mark, _)| first.starts_with(mark));
        let encoding = match (marked, self.declared) {
            (Some((_, None)), _) => return Err(Unreadable),
            (Some((_, marked)), _) => *marked,
            // What is declared to be UTF-16 and begins in ASCII is read as ASCII by those who ask no head.
            (None, charset) if charset.is_utf16() && first.is_ascii() && !first.contains(&0) => None,
            (None, Charset::Other(encoding)) => Some(encoding),
            (None, Charset::Utf8) => None,
        };
        self.state = encoding
            .filter(|encoding| *encoding != UTF_8)
            .map_or(State::Same, |encoding| {
                State::Other(Box::new(Other {
                    encoding,
                    decoder: encoding.new_decoder(),
                    read: 0,
                    last: [0; 2],
                }))
            });
        Ok(())
    }

    /// Reads from the front of `bytes` into `out`: how many were read, how many written, and whether that was all of them.
    /// `last`: nothing comes behind them. What is malformed becomes a replacement character, as readers show it.
    pub(super) fn read(&mut self, bytes: &[u8], out: &mut [u8], last: bool) -> (usize, usize, bool) {
        let State::Other(other) = &mut self.state else {
            return (bytes.len(), 0, true);
        };
        let (result, read, written, _) = other.decoder.decode_to_utf8(bytes, out, last);
        other.read += read as u64;
        let taken = bytes.get(..read).unwrap_or_default();
        for byte in taken.iter().skip(read.saturating_sub(2)) {
            other.last = [other.last[1], *byte];
        }
        (read, written, result == CoderResult::InputEmpty)
    }

    /// How many bytes at the front of `part` end with a whole character, if that can be seen; else all of them.
    pub(super) fn whole(&self, part: &[u8]) -> usize {
        let State::Other(other) = &self.state else {
            return part.len();
        };
        let is_wide = other.encoding == UTF_16LE || other.encoding == UTF_16BE;
        let whole = if is_wide {
            Some(part.len() - (other.read as usize + part.len()) % 2)
        } else {
            part.iter().rposition(|byte| *byte < b'0').map(|last| last + 1)
        };
        whole.filter(|whole| *whole > 0).unwrap_or(part.len())
    }

    /// Whether all that was read are whole characters, as far as the last byte tells: so that what comes next can be cut
    /// off without a byte of it having left.
    pub(super) fn is_between_characters(&self) -> bool {
        let State::Other(other) = &self.state else { return true };
        let [before, last] = other.last;
        let is_half = |high: u8| matches!(high, 0xd8..=0xdb);
        if other.encoding == UTF_16LE {
            other.read.is_multiple_of(2) && !is_half(last)
        } else if other.encoding == UTF_16BE {
            other.read.is_multiple_of(2) && !is_half(before)
        } else if other.encoding == ISO_2022_JP {
            last == b'\n'
        } else {
            // No second byte of a character is so low, in none of them.
            other.encoding.is_single_byte() || last < b'0'
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `bytes` to their end.
    fn put(reader: &mut Reader, mut bytes: &[u8], last: bool, text: &mut Vec<u8>) {
        let mut out = [0; 16];
        let mut done = false;
        while !done {
            let (read, written, all) = reader.read(bytes, &mut out, last);
            text.extend_from_slice(&out[..written]);
            bytes = &bytes[read..];
            done = all;
        }
    }

    fn read(declared: Charset, body: &[u8], chunk: usize) -> Result<String, Unreadable> {
        let mut reader = Reader::new(declared);
        let mut text = Vec::new();
        for part in body.chunks(chunk) {
            match reader.next(part)? {
                Text::Same => text.extend_from_slice(part),
                Text::Behind(kept) => text.extend(kept.iter().chain(part)),
                Text::Kept => {}
                Text::Other(kept) => {
                    put(&mut reader, &kept, false, &mut text);
                    put(&mut reader, part, false, &mut text);
                }
            }
        }
        text.extend(reader.end());
        put(&mut reader, &[], true, &mut text);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    #[test]
    fn a_text_is_read_in_its_character_set_however_it_is_cut() {
        let utf16 = |text: &str| text.encode_utf16().collect::<Vec<_>>();
        let little: Vec<u8> = utf16("\u{feff}이름 😀")
            .iter()
            .flat_map(|unit| unit.to_le_bytes())
            .collect();
        let big: Vec<u8> = utf16("\u{feff}이름 😀")
            .iter()
            .flat_map(|unit| unit.to_be_bytes())
            .collect();
        let declared = |label: &str| Charset::from_content_type(format!("text/csv; charset={label}").as_bytes());
        let rows: [(Charset, &[u8], Result<&str, Unreadable>); 13] = [
            (declared("iso-8859-1"), "\u{feff}é".as_bytes(), Ok("\u{feff}é")),
            (declared("utf-16"), b"a\0b\0", Ok("ab")),
            (declared("utf-16"), b"{\"a\":1}", Ok("{\"a\":1}")),
            (declared("utf-16"), b"{}", Ok("{}")),
            (declared("utf-16"), &little, Ok("이름 😀")),
            (declared("utf-8"), &big, Ok("이름 😀")),
            (declared("\"EUC-KR\""), b"\xb1\xe8,1", Ok("김,1")),
            (declared("Shift_JIS"), b"\x8e\x52;2", Ok("山;2")),
            (declared("iso-8859-1"), b"Ren\xe9", Ok("René")),
            (declared("nonsense"), "é".as_bytes(), Ok("é")),
            (Charset::Utf8, b"\xff", Ok("\u{fffd}")),
            (Charset::Utf8, b"\xff\xfe\0\0a\0\0\0", Err(Unreadable)),
            (Charset::Utf8, b"\0\0\xfe\xff\0\0\0a", Err(Unreadable)),
        ];
        for (charset, body, expected) in rows {
            for chunk in 1..=body.len() {
                let expected = expected.map(str::to_owned);
                assert_eq!(read(charset, body, chunk), expected, "{charset:?}, {chunk}");
            }
        }
    }

    #[test]
    fn characters_end_where_the_last_byte_says_so() {
        let declared = |label: &str| Charset::from_content_type(format!("a/b; charset={label}").as_bytes());
        for (charset, body, expected) in [
            (declared("euc-kr"), &b"\xb1\xe8,"[..], true),
            (declared("euc-kr"), b"a\xb1", false),
            (declared("gb18030"), b"\x810", false),
            (declared("iso-2022-jp"), b"a,", false),
            (declared("utf-16le"), b"a\0b\0c", false),
            (declared("utf-16le"), b"a\0=\xd8", false),
            (declared("utf-16le"), b"a\0b\0", true),
            (declared("windows-1252"), b"\xe9", true),
        ] {
            let mut reader = Reader::new(charset);
            let kept = match reader.next(body) {
                Ok(Text::Other(kept)) => kept,
                _ => SmallVec::new(),
            };
            assert!(kept.is_empty());
            reader.read(body, &mut [0; 32], false);
            assert_eq!(reader.is_between_characters(), expected, "{charset:?}");
        }
    }
}
