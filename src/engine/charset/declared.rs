//! The character set that a head declares.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::spelled::CodePage;
use super::utf32::may_have_zeros;
use super::{Another, MARKS, PAIRS_BYTES, Set};

/// What a `Content-Type` says that a body is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8, or none that says more than it.
    #[default]
    Utf8,
    /// Another one.
    Other(&'static Encoding),
    /// UTF-7, which no browser reads, and programs do.
    Utf7,
    /// EBCDIC.
    Ebcdic(CodePage),
}

impl Charset {
    /// Whether a `Content-Type` value has the parameter `charset`.
    pub fn is_said(value: &[u8]) -> bool {
        label(value).is_some()
    }

    /// From a `Content-Type` value: its parameter `charset` (RFC 9110, section 8.3.2), by the labels of the WHATWG, and by those of IANA
    /// for what these do not know.
    pub fn from_content_type(value: &[u8]) -> Self {
        let label = label(value).unwrap_or_default();
        let label = label.strip_prefix(b"\"").unwrap_or(label);
        let label = label.strip_suffix(b"\"").unwrap_or(label);
        match Encoding::for_label_no_replacement(label) {
            Some(encoding) if encoding != UTF_8 => Self::Other(encoding),
            Some(_) => Self::Utf8,
            None if is_utf7(label) => Self::Utf7,
            None => CodePage::for_label(label).map_or(Self::Utf8, Self::Ebcdic),
        }
    }

    /// Whether a body that begins with `first` may yet be in one character set or another.
    pub(super) fn is_open(self, first: &[u8]) -> bool {
        let goes_on = |mark: &[u8]| mark.len() > first.len() && mark.starts_with(first);
        let is_doubted = self.is_utf16() && first.len() < PAIRS_BYTES;
        is_doubted || may_have_zeros(first) || MARKS.iter().any(|(mark, _)| goes_on(mark))
    }

    pub(super) fn named(self) -> Option<Set> {
        match self {
            Self::Utf8 | Self::Utf7 | Self::Ebcdic(_) => None,
            Self::Other(encoding) => Some(Set::Named(encoding)),
        }
    }

    /// What is read beside the text as if nothing were declared: no browser reads it, and programs do.
    pub(super) const fn spelled(self) -> Option<Another> {
        match self {
            Self::Utf8 | Self::Other(_) => None,
            Self::Utf7 => Some(Another::Utf7),
            Self::Ebcdic(page) => Some(Another::Ebcdic(page)),
        }
    }

    pub(super) fn is_utf16(self) -> bool {
        self == Self::Other(UTF_16LE) || self == Self::Other(UTF_16BE)
    }
}

/// The first parameter `charset`, as it is written.
fn label(value: &[u8]) -> Option<&[u8]> {
    let mut parameters = value.split(|byte| *byte == b';').skip(1).map(<[u8]>::trim_ascii);
    parameters.find_map(|parameter| {
        let (name, label) = parameter.split_at_checked("charset=".len())?;
        name.eq_ignore_ascii_case(b"charset=").then_some(label)
    })
}

fn is_utf7(label: &[u8]) -> bool {
    let labels: [&[u8]; 4] = [b"utf-7", b"utf7", b"csutf7", b"unicode-1-1-utf-7"];
    labels.iter().any(|known| label.eq_ignore_ascii_case(known))
}
