//! A text in one of several character sets, read letter by letter, so that it is known where each of its letters stands.

use encoding_rs::{Decoder, EUC_KR, Encoding, ISO_2022_JP};

use super::spelled::{CodePage, Spelled, Utf7};

/// Bytes of ASCII behind one that is none, behind which no letter goes on: a letter of GB18030 may have a digit second, but is over
/// or broken with the next.
const PLAIN_BYTES: u8 = 2;
/// Bytes of text that come of one byte, with all that waited for it: three of a replacement for each of four.
const TEXT_BYTES: usize = 16;
/// What shifts a text in ISO-2022-KR to letters of two bytes and back (RFC 1557), which each end of a line does too.
const SHIFT_OUT: u8 = 0x0e;
const SHIFT_IN: u8 = 0x0f;

/// Another character set in which a text is read, beside the one in which it is read first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Another {
    /// As its bytes are: in UTF-8.
    AsItIs,
    /// In this one.
    In(&'static Encoding),
    /// In ISO-2022-KR, which the WHATWG has no reader for: EUC-KR in seven bits.
    Iso2022Kr,
    /// As its bytes are, where the first reading has several for a letter of ASCII: zeros may be strewn into a text.
    Strewn,
    /// In UTF-7.
    Utf7,
    /// In a code page of EBCDIC.
    Ebcdic(CodePage),
}

impl Another {
    /// Whether a letter means another one behind an escape, so that no mask can be written among them.
    pub(in crate::engine) fn has_escapes(self) -> bool {
        self == Self::Iso2022Kr || self == Self::In(ISO_2022_JP)
    }

    /// Whether it is not asked where its letters stand in the first reading: none of them can be masked.
    pub(in crate::engine) const fn is_rough(self) -> bool {
        matches!(self, Self::Strewn | Self::Utf7 | Self::Ebcdic(_))
    }

    /// What reads it, if it is read byte by byte.
    const fn spelled(self) -> Option<Spelled> {
        match self {
            Self::AsItIs | Self::In(_) | Self::Iso2022Kr | Self::Strewn => None,
            Self::Utf7 => Some(Spelled::Utf7(Utf7::new())),
            Self::Ebcdic(page) => Some(Spelled::Ebcdic(page)),
        }
    }
}

/// Where a letter ends: so many bytes of text come of so many that were read.
#[derive(Clone, Copy)]
pub(in crate::engine) struct LetterEnd {
    pub(in crate::engine) text: usize,
    pub(in crate::engine) read: usize,
}

/// Reads one text.
pub(in crate::engine) struct Letters {
    /// None as its bytes are, or where they are spelled.
    decoder: Option<Box<Decoder>>,
    spelled: Option<Spelled>,
    another: Another,
    /// Of ISO-2022-KR.
    is_shifted: bool,
    /// Bytes of ASCII since the last that was none, up to so many as say that nothing waits.
    plain: u8,
}

impl Letters {
    pub(in crate::engine) fn new(another: Another) -> Self {
        let encoding = match another {
            Another::AsItIs | Another::Strewn | Another::Utf7 | Another::Ebcdic(_) => None,
            Another::In(encoding) => Some(encoding),
            Another::Iso2022Kr => Some(EUC_KR),
        };
        Self {
            decoder: encoding.map(|encoding| Box::new(encoding.new_decoder_without_bom_handling())),
            spelled: another.spelled(),
            another,
            is_shifted: false,
            plain: PLAIN_BYTES,
        }
    }

    /// Whether the text is its bytes.
    pub(in crate::engine) const fn are_bytes(&self) -> bool {
        self.decoder.is_none() && self.spelled.is_none()
    }

    /// The text of `bytes`, and where in both its letters end, one of ASCII but for those that others of ASCII stand behind. What only
    /// says how to read a letter belongs to that.
    pub(in crate::engine) fn read(&mut self, bytes: &[u8]) -> (Vec<u8>, Vec<LetterEnd>) {
        let mut text = Vec::with_capacity(bytes.len());
        let mut ends = Vec::new();
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let known = text.len();
            at += self.read_some(rest, &mut text);
            if text.len() > known {
                ends.push(LetterEnd {
                    text: text.len(),
                    read: at,
                });
            }
        }
        (text, ends)
    }

    /// Reads some of `bytes`, of which there are some, to the end of `text`; how many.
    fn read_some(&mut self, bytes: &[u8], text: &mut Vec<u8>) -> usize {
        if let (Some(spelled), Some(byte)) = (&mut self.spelled, bytes.first()) {
            spelled.byte(*byte, text);
            return 1;
        }
        let has_escapes = self.another.has_escapes();
        let Some(decoder) = &mut self.decoder else {
            text.extend_from_slice(bytes);
            return bytes.len();
        };
        let plain = if has_escapes || self.plain < PLAIN_BYTES {
            0
        } else {
            Encoding::ascii_valid_up_to(bytes)
        };
        if plain > 0 {
            text.extend_from_slice(bytes.get(..plain).unwrap_or_default());
            return plain;
        }
        let Some(byte) = bytes.first() else { return 0 };
        self.plain = if byte.is_ascii() {
            self.plain.saturating_add(1)
        } else {
            0
        };
        let byte = match (self.another, *byte) {
            (Another::Iso2022Kr, SHIFT_OUT | SHIFT_IN | b'\n') => {
                self.is_shifted = *byte == SHIFT_OUT;
                *byte
            }
            (Another::Iso2022Kr, low @ b'!'..=b'~') if self.is_shifted => low | 0x80,
            (_, byte) => byte,
        };
        let mut letter = [0; TEXT_BYTES];
        let (.., written, _) = decoder.decode_to_utf8(&[byte], &mut letter, false);
        text.extend_from_slice(letter.get(..written).unwrap_or_default());
        1
    }
}
