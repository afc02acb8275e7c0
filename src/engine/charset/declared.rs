//! The character set that a head declares.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::utf32::may_have_zeros;
use super::{MARKS, PAIRS_BYTES, Set};

/// What a `Content-Type` says that a body is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8, or none that says more than it.
    #[default]
    Utf8,
    /// Another one.
    Other(&'static Encoding),
}

impl Charset {
    /// Whether a `Content-Type` value has the parameter `charset`.
    pub fn is_said(value: &[u8]) -> bool {
        let mut parameters = value.split(|byte| *byte == b';').skip(1).map(<[u8]>::trim_ascii);
        parameters.any(|parameter| {
            parameter
                .get(..8)
                .is_some_and(|name| name.eq_ignore_ascii_case(b"charset="))
        })
    }

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
    pub(super) fn is_open(self, first: &[u8]) -> bool {
        let goes_on = |mark: &[u8]| mark.len() > first.len() && mark.starts_with(first);
        let is_doubted = self.is_utf16() && first.len() < PAIRS_BYTES;
        is_doubted || may_have_zeros(first) || MARKS.iter().any(|(mark, _)| goes_on(mark))
    }

    pub(super) fn named(self) -> Option<Set> {
        match self {
            Self::Utf8 => None,
            Self::Other(encoding) => Some(Set::Named(encoding)),
        }
    }

    pub(super) fn is_utf16(self) -> bool {
        self == Self::Other(UTF_16LE) || self == Self::Other(UTF_16BE)
    }
}
