//! What a page or an XML document says of its own character set (WHATWG HTML, section 13.2.3.2; XML 1.0, appendix F).

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

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
            Some(end) => label(text.get(..end).unwrap_or_default(), b"encoding"),
            None => Label::Open,
        }
    } else {
        in_page(text)
    };
    match label {
        Label::Open if first.len() < DOCUMENT_BYTES_MAX => Said::More,
        Label::Open | Label::None => Said::Nothing,
        // What says so in ASCII is in neither of the two.
        Label::This(encoding) if [UTF_8, UTF_16LE, UTF_16BE].contains(&encoding) => Said::Nothing,
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
        let begins = |name: &[u8]| rest.get(..name.len()).is_some_and(|tag| tag.eq_ignore_ascii_case(name));
        if begins(b"body") || begins(b"/head") {
            return Label::None;
        }
        let Some(end) = memchr::memchr(b'>', rest) else {
            return Label::Open;
        };
        if begins(b"meta") {
            let tag = rest.get(..end).unwrap_or_default();
            if let Label::This(encoding) = label(tag, b"charset") {
                return Label::This(encoding);
            }
        }
    }
    Label::Open
}

/// The label behind `name=` in a tag.
fn label(tag: &[u8], name: &[u8]) -> Label {
    let lower = tag.to_ascii_lowercase();
    let Some(at) = find(&lower, name) else {
        return Label::None;
    };
    let rest = lower.get(at + name.len()..).unwrap_or_default().trim_ascii_start();
    let Some(rest) = rest.strip_prefix(b"=") else {
        return Label::None;
    };
    let rest = rest.trim_ascii_start();
    let rest = rest
        .strip_prefix(b"\"")
        .or_else(|| rest.strip_prefix(b"'"))
        .unwrap_or(rest);
    let is_label = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.');
    let length = rest.iter().take_while(is_label).count();
    Encoding::for_label_no_replacement(rest.get(..length).unwrap_or_default()).map_or(Label::None, Label::This)
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, word)
}
