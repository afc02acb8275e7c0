//! Character sets that the WHATWG has no reader for: UTF-7 (RFC 2152) and EBCDIC, read byte by byte.

use crate::engine::decode::Alphabet;

/// The end of a line in EBCDIC, beside that of ASCII.
const NEXT_LINE: u8 = 0x85;

/// A code page of EBCDIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodePage {
    /// Of the United States, and with the euro sign.
    Ibm037,
    /// International.
    Ibm500,
    /// Of open systems.
    Ibm1047,
}

/// The letters of Latin-1 that IBM037 writes as 0, 1 and so on (The Unicode Consortium, `VENDORS/MICSFT/EBCDIC/CP037.TXT`).
#[rustfmt::skip]
const IBM037: [u8; 256] = [
    0x00, 0x01, 0x02, 0x03, 0x9c, 0x09, 0x86, 0x7f, 0x97, 0x8d, 0x8e, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
    0x10, 0x11, 0x12, 0x13, 0x9d, 0x85, 0x08, 0x87, 0x18, 0x19, 0x92, 0x8f, 0x1c, 0x1d, 0x1e, 0x1f,
    0x80, 0x81, 0x82, 0x83, 0x84, 0x0a, 0x17, 0x1b, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x05, 0x06, 0x07,
    0x90, 0x91, 0x16, 0x93, 0x94, 0x95, 0x96, 0x04, 0x98, 0x99, 0x9a, 0x9b, 0x14, 0x15, 0x9e, 0x1a,
    0x20, 0xa0, 0xe2, 0xe4, 0xe0, 0xe1, 0xe3, 0xe5, 0xe7, 0xf1, 0xa2, 0x2e, 0x3c, 0x28, 0x2b, 0x7c,
    0x26, 0xe9, 0xea, 0xeb, 0xe8, 0xed, 0xee, 0xef, 0xec, 0xdf, 0x21, 0x24, 0x2a, 0x29, 0x3b, 0xac,
    0x2d, 0x2f, 0xc2, 0xc4, 0xc0, 0xc1, 0xc3, 0xc5, 0xc7, 0xd1, 0xa6, 0x2c, 0x25, 0x5f, 0x3e, 0x3f,
    0xf8, 0xc9, 0xca, 0xcb, 0xc8, 0xcd, 0xce, 0xcf, 0xcc, 0x60, 0x3a, 0x23, 0x40, 0x27, 0x3d, 0x22,
    0xd8, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0xab, 0xbb, 0xf0, 0xfd, 0xfe, 0xb1,
    0xb0, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0xaa, 0xba, 0xe6, 0xb8, 0xc6, 0xa4,
    0xb5, 0x7e, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0xa1, 0xbf, 0xd0, 0xdd, 0xde, 0xae,
    0x5e, 0xa3, 0xa5, 0xb7, 0xa9, 0xa7, 0xb6, 0xbc, 0xbd, 0xbe, 0x5b, 0x5d, 0xaf, 0xa8, 0xb4, 0xd7,
    0x7b, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0xad, 0xf4, 0xf6, 0xf2, 0xf3, 0xf5,
    0x7d, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50, 0x51, 0x52, 0xb9, 0xfb, 0xfc, 0xf9, 0xfa, 0xff,
    0x5c, 0xf7, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0xb2, 0xd4, 0xd6, 0xd2, 0xd3, 0xd5,
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0xb3, 0xdb, 0xdc, 0xd9, 0xda, 0x9f,
];
/// Where the other pages have another letter (`CP500.TXT`; IBM, Code Page Identification 01047).
#[rustfmt::skip]
const IBM500: [(u8, u8); 7] = [
    (0x4a, b'['), (0x4f, b'!'), (0x5a, b']'), (0x5f, b'^'), (0xb0, 0xa2), (0xba, 0xac), (0xbb, b'|'),
];
#[rustfmt::skip]
const IBM1047: [(u8, u8); 6] = [
    (0x5f, b'^'), (0xad, b'['), (0xb0, 0xac), (0xba, 0xdd), (0xbb, 0xa8), (0xbd, b']'),
];

impl CodePage {
    /// By a label of IANA's, or as files and programs call it.
    pub(super) fn for_label(label: &[u8]) -> Option<Self> {
        match label.to_ascii_lowercase().as_slice() {
            b"ibm037" | b"ibm-037" | b"ibm-37" | b"cp037" | b"csibm037" | b"ebcdic-cp-us" | b"ebcdic-cp-ca"
            | b"ebcdic-cp-wt" | b"ebcdic-cp-nl" | b"ibm01140" | b"ibm-1140" | b"cp1140" | b"cp01140"
            | b"ccsid01140" | b"ebcdic-us-37+euro" => Some(Self::Ibm037),
            b"ibm500"
            | b"ibm-500"
            | b"cp500"
            | b"csibm500"
            | b"ebcdic-cp-be"
            | b"ebcdic-cp-ch"
            | b"ibm01148"
            | b"ibm-1148"
            | b"cp1148"
            | b"cp01148"
            | b"ccsid01148"
            | b"ebcdic-international-500+euro" => Some(Self::Ibm500),
            b"ibm1047" | b"ibm-1047" | b"cp1047" => Some(Self::Ibm1047),
            _ => None,
        }
    }

    fn letter(self, byte: u8) -> char {
        let others: &[(u8, u8)] = match self {
            Self::Ibm037 => &[],
            Self::Ibm500 => &IBM500,
            Self::Ibm1047 => &IBM1047,
        };
        let other = others.iter().find(|(at, _)| *at == byte).map(|(_, letter)| *letter);
        match other.or_else(|| IBM037.get(usize::from(byte)).copied()) {
            Some(NEXT_LINE) | None => '\n',
            Some(letter) => char::from(letter),
        }
    }
}

/// Reads one text.
pub(super) enum Spelled {
    Utf7(Utf7),
    Ebcdic(CodePage),
}

impl Spelled {
    /// Reads one more byte, to the end of `text`.
    pub(super) fn byte(&mut self, byte: u8, text: &mut Vec<u8>) {
        match self {
            Self::Utf7(utf7) => utf7.byte(byte, text),
            Self::Ebcdic(page) => put(page.letter(byte), text),
        }
    }
}

/// The units of UTF-16 as letters: the first of two that are one.
struct Pairs(Option<u16>);

impl Pairs {
    fn unit(&mut self, unit: u16, text: &mut Vec<u8>) {
        if let Some(first) = self.0.take() {
            match char::decode_utf16([first, unit]).next() {
                Some(Ok(letter)) if u32::from(letter) > 0xffff => return put(letter, text),
                _ => put(char::REPLACEMENT_CHARACTER, text),
            }
        }
        match char::from_u32(u32::from(unit)) {
            Some(letter) => put(letter, text),
            None if unit < 0xdc00 => self.0 = Some(unit),
            None => put(char::REPLACEMENT_CHARACTER, text),
        }
    }
}

/// UTF-7: behind a `+`, up to what is no letter of base64, UTF-16 in base64.
pub(super) struct Utf7 {
    is_coded: bool,
    /// Nothing stands behind the `+` yet.
    is_first: bool,
    /// Bits of a unit so far, and how many.
    bits: u32,
    held: u8,
    pairs: Pairs,
}

impl Utf7 {
    pub(super) const fn new() -> Self {
        Self {
            is_coded: false,
            is_first: false,
            bits: 0,
            held: 0,
            pairs: Pairs(None),
        }
    }

    fn byte(&mut self, byte: u8, text: &mut Vec<u8>) {
        let is_first = std::mem::take(&mut self.is_first);
        if !self.is_coded {
            return self.plain(byte, text);
        }
        let Some(value) = Alphabet::base64(byte) else {
            self.is_coded = false;
            return match byte {
                b'-' if is_first => text.push(b'+'),
                b'-' => {}
                _ => self.plain(byte, text),
            };
        };
        self.bits = self.bits << 6 | u32::from(value);
        self.held += 6;
        if self.held >= 16 {
            self.held -= 16;
            self.pairs.unit((self.bits >> self.held & 0xffff) as u16, text);
        }
    }

    fn plain(&mut self, byte: u8, text: &mut Vec<u8>) {
        match byte {
            b'+' => {
                *self = Self {
                    is_coded: true,
                    is_first: true,
                    ..Self::new()
                }
            }
            byte if byte.is_ascii() => text.push(byte),
            _ => put(char::REPLACEMENT_CHARACTER, text),
        }
    }
}

fn put(letter: char, text: &mut Vec<u8>) {
    text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}
