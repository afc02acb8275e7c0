//! JSON inside a text: a string that holds an object (`"body":"{\"name\":\"Kim\"}"`), an attribute (`data-props='{...}'`), an
//! object of a script (`{name: 'Kim'}`), of YAML, Ruby (`{:name=>"Kim"}`) or Clojure (`{:name "Kim"}`). Its names say what its values
//! are, as in any other.

use std::ops::Range;

use crate::engine::decode::Unescaped;
use crate::engine::detect::{Context, Finding, RuleSet, Usage, is_data};
use crate::engine::structure::{Cell, CellForm};

/// A longer name is none, in bytes.
const NAME_BYTES_MAX: usize = 48;

/// Whether the value that `cell` begins looks like an object or a list of objects.
pub(super) fn may_begin(cell: &Cell<'_>) -> bool {
    let text = cell.raw.get(cell.within()).unwrap_or_default().trim_ascii_start();
    let text = text.strip_prefix(b"- ").unwrap_or(text);
    cell.form != CellForm::Bare && matches!(text.first(), Some(b'{' | b'[' | b'('))
}

/// Searches the strings of the JSON or code that `cell` holds, each under its own name, and adds to `found` what stands
/// apart from all that was found. `unescaped`: what it is without escapes, if it has any. What expressions search of it counts
/// once more: they have searched it as a part of the cell.
pub(super) fn search(
    rules: &RuleSet,
    cell: &Cell<'_>,
    unescaped: &Unescaped,
    usage: &mut Usage,
    found: &mut Vec<Finding>,
) {
    let escaped = cell.is_escaped();
    let (text, within) = if escaped {
        let within = unescaped.from_raw(cell.within.0)..unescaped.from_raw(cell.within.1);
        (unescaped.text.as_slice(), within)
    } else {
        (cell.raw, cell.within())
    };
    let mut more = Vec::new();
    for (name, value) in pairs(text).filter(|(_, value)| within.contains(&value.start)) {
        let name = text.get(name).unwrap_or_default();
        if is_data(name) || rules.plain(name).is_some() {
            continue;
        }
        let string = text.get(value.clone()).unwrap_or_default();
        let key = rules.key(name);
        let context = Context {
            key: &key,
            ..Context::default()
        };
        let first = more.len();
        rules.scan_within_budget(string, 0..string.len(), context, usage, &mut more);
        for finding in more.get_mut(first..).unwrap_or_default() {
            finding.span.start += value.start as u64;
            finding.span.end += value.start as u64;
        }
    }
    let is_apart =
        |one: &Finding, other: &Finding| one.span.end <= other.span.start || other.span.end <= one.span.start;
    more.retain(|new| found.iter().all(|known| is_apart(new, known)));
    found.append(&mut more);
    found.sort_by_key(|finding| finding.span);
}

/// Each name of `text` with its string, in order: ranges without quotes.
pub(super) fn pairs(text: &[u8]) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    memchr::memchr2_iter(b':', b'=', text).filter_map(|at| {
        let behind = match text.get(at..at + 2)? {
            b"=>" => at + 2,
            [b':', _] => at + 1,
            _ => return None,
        };
        let pair = || Some((name(text, at)?, string(text, behind)?));
        pair().or_else(|| keyword(text, at))
    })
}

/// The word behind the colon at `colon`, and the quoted string behind it.
fn keyword(text: &[u8], colon: usize) -> Option<(Range<usize>, Range<usize>)> {
    let rest = text.get(colon + 1..).filter(|_| text.get(colon) == Some(&b':'))?;
    let is_word =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/' | b'.') || !byte.is_ascii();
    let length = rest
        .iter()
        .take(NAME_BYTES_MAX)
        .take_while(|byte| is_word(byte))
        .count();
    let end = colon + 1 + length;
    let is_apart = length > 0 && text.get(end) == Some(&b' ');
    Some((colon + 1..end, string(text, end).filter(|_| is_apart)?))
}

/// The name that ends before the colon: quoted, or a bare word behind a brace, a comma or a blank.
fn name(text: &[u8], colon: usize) -> Option<Range<usize>> {
    let before = text.get(colon.saturating_sub(NAME_BYTES_MAX)..colon)?;
    let before = before.trim_ascii_end();
    let end = colon - (text.get(..colon)?.len() - text.get(..colon)?.trim_ascii_end().len());
    if let [rest @ .., quote @ (b'"' | b'\'')] = before {
        let begin = memchr::memrchr(*quote, rest)?;
        return Some(end - (rest.len() - begin)..end - 1).filter(|name| !name.is_empty());
    }
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii();
    let length = before.iter().rev().take_while(|byte| is_word(byte)).count();
    (length > 0).then_some(end - length..end)
}

/// The quoted string that begins behind blanks at `from`, if it ends.
fn string(text: &[u8], from: usize) -> Option<Range<usize>> {
    let rest = text.get(from..)?;
    let blanks = rest.len() - rest.trim_ascii_start().len();
    let (quote, _) = rest
        .get(blanks..)?
        .split_first()
        .filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    let start = from + blanks + 1;
    let length = memchr::memchr2(*quote, b'\\', text.get(start..)?)?;
    (text.get(start + length) == Some(quote)).then_some(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_strings_are_found_in_json_and_in_code() {
        let read = |text: &str| {
            let found = pairs(text.as_bytes()).map(|(name, value)| {
                [text.get(name), text.get(value)]
                    .map(Option::unwrap_or_default)
                    .join("=")
            });
            found.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(read(r#"{"name": "Kim", "n":1,"tel":"010"}"#), "name=Kim tel=010");
        assert_eq!(
            read("[{name: 'Kim Lee', 성명:\"김\", 'a b':'c'}]"),
            "name=Kim Lee 성명=김 a b=c"
        );
        assert_eq!(read("at 10:30 he said: \"no\" and: 'open"), "said=no");
        assert_eq!(
            read(r#"{:id=>1, :name=>"Kim", "tel"=>"010"} {:mail "k" :user/tel "02"}"#),
            "name=Kim tel=010 mail=k user/tel=02"
        );
        assert_eq!(read("a == \"b\" : c = \"d\""), "");
    }
}
