//! What the first line of a body that nothing was said about tells of it.

use memchr::memmem;

/// Whether a line begins a JSON array, rather than a log's time or a section of settings.
pub(super) fn is_array(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"[").map(<[u8]>::trim_ascii) else {
        return false;
    };
    let literal = |byte: &u8| byte.is_ascii_digit() || b"+-.eE, []truefalsn".contains(byte);
    match rest.first() {
        None | Some(b'{' | b'[' | b'"' | b']') => true,
        Some(_) => rest.iter().all(literal),
    }
}

/// Whether a line that begins with `<` is HTML rather than XML.
pub(super) fn is_html(line: &[u8]) -> bool {
    let lower = line.to_ascii_lowercase();
    let Some(tag) = lower.strip_prefix(b"<") else {
        return false;
    };
    let name = tag
        .split(|byte| !byte.is_ascii_alphanumeric())
        .next()
        .unwrap_or_default();
    let known: [&[u8]; 22] = [
        b"html", b"head", b"body", b"div", b"table", b"tr", b"p", b"ul", b"ol", b"dl", b"span", b"script", b"style",
        b"meta", b"title", b"section", b"article", b"main", b"form", b"a", b"h1", b"nav",
    ];
    let is_doctype = tag.starts_with(b"!doctype html") || tag.starts_with(b"!--");
    is_doctype || known.contains(&name) || memmem::find(&lower, b"<html").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_told_from_logs_and_html_from_xml() {
        for (line, expected) in [
            ("[{\"a\":1}]", true),
            ("[", true),
            ("[1, 2.5, null]", true),
            ("[2024-01-01 10:00] started", false),
            ("[section]", false),
        ] {
            assert_eq!(is_array(line.as_bytes()), expected, "{line}");
        }
        for (line, expected) in [
            ("<!DOCTYPE html>", true),
            ("<?xml version=\"1.0\"?><html xmlns=\"x\">", true),
            ("<table><tr>", true),
            ("<?xml version=\"1.0\"?>", false),
            ("<rss version=\"2.0\">", false),
            ("text <b>", false),
        ] {
            assert_eq!(is_html(line.as_bytes()), expected, "{line}");
        }
    }
}
