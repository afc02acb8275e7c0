//! What the first line of a body that nothing was said about tells of it.

use memchr::memmem;

/// Whether a line begins a JSON array, rather than a log's time or a section of settings.
pub(super) fn is_array(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"[") else {
        return false;
    };
    // `[[person]]` is a section of settings too.
    let brackets = rest
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace() || **byte == b'[')
        .count();
    let rest = rest.get(brackets..).unwrap_or_default().trim_ascii();
    let is_literal = |word: &[u8]| {
        let is_number = word.iter().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte));
        is_number || matches!(word, b"true" | b"false" | b"null")
    };
    match rest.first() {
        None | Some(b'{' | b'"' | b']') => true,
        Some(_) => rest.split(|byte| b", []".contains(byte)).all(is_literal),
    }
}

/// Whether what was declared as JSON begins with code: a call (`callback({`), or what keeps a page from running it
/// (`)]}'`, `while(1);`, `for(;;);`).
pub(super) fn is_guarded(line: &[u8]) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.');
    let call = || {
        let word = line.iter().take_while(|byte| is_word(byte)).count();
        word > 0 && line.get(word) == Some(&b'(')
    };
    line.starts_with(b")]}'") || line.starts_with(b"/*") || call()
}

/// Whether a line begins with a tag, a comment or a declaration, rather than a log's priority (`<165>1 2026-...`).
pub(super) fn is_markup(line: &[u8]) -> bool {
    let first = line.strip_prefix(b"<").and_then(<[u8]>::first);
    first.is_some_and(|first| {
        first.is_ascii_alphabetic() || matches!(first, b'!' | b'?' | b'/' | b'_') || !first.is_ascii()
    })
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
    fn guards_and_calls_stand_before_json() {
        for (line, expected) in [
            (")]}'\n", true),
            ("while(1);{\"a\":1}", true),
            ("/**/ jQuery1_2({\"a\":1});", true),
            ("user_id,name\n", false),
            ("hello (there)\n", false),
        ] {
            assert_eq!(is_guarded(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn arrays_are_told_from_logs_and_html_from_xml() {
        for (line, expected) in [
            ("[{\"a\":1}]", true),
            ("[", true),
            ("[1, 2.5, null]", true),
            ("[2024-01-01 10:00] started", false),
            ("[section]", false),
            ("[user.0]", false),
            ("[[person]]", false),
            ("[ [1, 2], [3, 4]]", true),
            ("[1, true]", true),
            ("[{'a': 1}]", true),
            ("['users']", false),
        ] {
            assert_eq!(is_array(line.as_bytes()), expected, "{line}");
        }
        for (line, expected) in [
            ("<a:b>", true),
            ("<!-- x", true),
            ("<165>1 2026-11-28T", false),
            ("< 5", false),
        ] {
            assert_eq!(is_markup(line.as_bytes()), expected, "{line}");
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
