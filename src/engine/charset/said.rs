//! What a page or an XML document says of its own character set (WHATWG HTML, section 13.2.3.2; XML 1.0, appendix F).

use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE};

/// Bytes within which it is said, if it is.
pub(super) const DOCUMENT_BYTES_MAX: usize = 1024;

/// What a document begins with that may say it.
const OPENINGS: [&[u8]; 7] = [b"<?xml", b"<!doctype", b"<html", b"<head", b"<meta", b"<title", b"<!--"];

/// What is known from the first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// More of them may say it.
    More,
    /// It says nothing, or nothing but UTF-8.
    Nothing,
    This(&'static Encoding),
}

/// What the document that begins so says.
pub(super) fn said(first: &[u8]) -> Said {
    let text = first.trim_ascii_start();
    let begins = |opening: &[u8]| {
        let length = opening.len().min(text.len());
        let is_same = text
            .get(..length)
            .is_some_and(|text| text.eq_ignore_ascii_case(opening.get(..length).unwrap_or_default()));
        is_same.then_some(length == opening.len())
    };
    // A fragment of a page says nothing.
    let begun: Vec<bool> = OPENINGS.iter().filter_map(|opening| begins(opening)).collect();
    if begun.is_empty() {
        return Said::Nothing;
    }
    if !begun.contains(&true) {
        return if first.len() < DOCUMENT_BYTES_MAX {
            Said::More
        } else {
            Said::Nothing
        };
    }
    let label = if text.starts_with(b"<?xml") {
        match find(text, b"?>") {
            Some(end) => named(attribute(text.get(..end).unwrap_or_default(), b"encoding")),
            None => Label::Open,
        }
    } else {
        in_page(text)
    };
    match label {
        Label::Open if first.len() < DOCUMENT_BYTES_MAX => Said::More,
        Label::Open | Label::None => Said::Nothing,
        // What says so in ASCII is in neither of the two; and where ASCII may mean other letters, a document's word is not enough.
        Label::This(encoding) if [UTF_8, UTF_16LE, UTF_16BE, ISO_2022_JP].contains(&encoding) => Said::Nothing,
        Label::This(encoding) => Said::This(encoding),
    }
}

enum Label {
    Open,
    None,
    This(&'static Encoding),
}

/// The first `meta` of a page that says it, before its body begins.
fn in_page(text: &[u8]) -> Label {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'<', rest) {
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix(b"!--") {
            let Some(end) = find(comment, b"-->") else {
                return Label::Open;
            };
            rest = comment.get(end..).unwrap_or_default();
            continue;
        }
        let begins = |name: &[u8]| rest.get(..name.len()).is_some_and(|tag| tag.eq_ignore_ascii_case(name));
        if begins(b"body") || begins(b"/head") {
            return Label::None;
        }
        let Some(end) = memchr::memchr(b'>', rest) else {
            return Label::Open;
        };
        if begins(b"meta") {
            let tag = rest.get(..end).unwrap_or_default();
            if let Label::This(encoding) = in_meta(tag) {
                return Label::This(encoding);
            }
        }
    }
    Label::Open
}

/// What a `meta` says: its attribute `charset`, or its `content` where that stands for a field of the head.
fn in_meta(tag: &[u8]) -> Label {
    if let Some(label) = attribute(tag, b"charset") {
        return named(Some(label));
    }
    let content = attribute(tag, b"http-equiv").and_then(|_| attribute(tag, b"content"));
    let value = content.and_then(|content| {
        let lower = content.to_ascii_lowercase();
        let at = find(&lower, b"charset")? + b"charset".len();
        content.get(at..)?.trim_ascii_start().strip_prefix(b"=")
    });
    let is_label = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.');
    named(value.map(|value| {
        let value = value.trim_ascii_start();
        let value = value.strip_prefix(b"'").unwrap_or(value);
        let end = value.iter().position(|byte| !is_label(byte));
        value.get(..end.unwrap_or(value.len())).unwrap_or_default()
    }))
}

fn named(label: Option<&[u8]>) -> Label {
    let encoding = label.and_then(Encoding::for_label_no_replacement);
    encoding.map_or(Label::None, Label::This)
}

/// The value of an attribute of a tag.
fn attribute<'t>(tag: &'t [u8], wanted: &[u8]) -> Option<&'t [u8]> {
    let is_between = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'/';
    let mut rest = tag.get(tag.iter().position(is_between)?..)?;
    loop {
        rest = rest.get(rest.iter().position(|byte| !is_between(byte))?..)?;
        let is_end = |byte: &u8| is_between(byte) || *byte == b'=';
        // A name may begin with the sign behind which others have their value.
        let length = rest.iter().skip(1).position(is_end).map_or(rest.len(), |end| end + 1);
        let (name, behind) = rest.split_at_checked(length)?;
        let value;
        (value, rest) = match behind.trim_ascii_start().strip_prefix(b"=") {
            Some(value) => quoted(value.trim_ascii_start()),
            None => (&[][..], behind),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
    }
}

/// A value, and what stands behind it.
fn quoted(value: &[u8]) -> (&[u8], &[u8]) {
    let (value, end) = match value {
        [quote @ (b'"' | b'\''), value @ ..] => (value, memchr::memchr(*quote, value)),
        value => (value, value.iter().position(u8::is_ascii_whitespace)),
    };
    let (value, behind) = value
        .split_at_checked(end.unwrap_or(value.len()))
        .unwrap_or((value, &[]));
    (value, behind.get(1..).unwrap_or_default())
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, word)
}
