//! E-mail addresses: a dot-atom and a domain (RFC 5321, 4.1.2; RFC 6531 for other scripts), without the letters that
//! only make false matches.
//!
//! A pipe and an asterisk are legal in a local part, but taking them swallows rows of pipe-separated files and
//! masked addresses (`ab***@example.com`). Scripts that are written without blanks or with particles (Hangul, Han, kana)
//! end an ASCII word: `메일은kim@example.com입니다` holds `kim@example.com`.

use super::super::Normal;
use super::super::bytes::{at, before};
use super::Candidate;
use super::tld;
use crate::engine::byte_set::ByteSet;

/// Octets of a local part (RFC 5321, 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// Octets of a domain that are looked at: 253 are legal, those of people are shorter.
const DOMAIN_BYTES_MAX: usize = 128;
/// Octets of a label (RFC 1035, 2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// How far before a local part the `://` of its URL may stand.
const USERINFO_BYTES_MAX: usize = 48;

/// Accounts of machines: `git@github.com:org/repo.git` is a place, not a person.
const MACHINES: [&[u8]; 6] = [b"git", b"hg", b"svn", b"root", b"ec2-user", b"ubuntu"];

/// The address around the `@` at `sign`.
pub(in crate::engine::detect) fn find(haystack: &[u8], sign: usize) -> Option<Candidate> {
    let start = local_start(haystack, sign)?;
    let end = domain_end(haystack, sign + 1)?;
    let (text, local) = (haystack.get(start..end)?, haystack.get(start..sign)?);
    if is_uuid(local) || is_place(haystack, start, end, local) {
        return None;
    }
    Some(Candidate {
        start,
        end,
        normal: Normal::lower(text),
        weak: false,
    })
}

/// Whether a local part is a UUID (RFC 9562, section 4): events of calendars and messages are called so, no person is.
fn is_uuid(local: &[u8]) -> bool {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    local.len() == 36
        && local.split(|byte| *byte == b'-').map(<[u8]>::len).eq(GROUPS)
        && local.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
}

/// Whether the text is a place on a machine: `ssh://deploy@host.example.com`, `user@host.example.com:/var`, `git@…:…`.
fn is_place(haystack: &[u8], start: usize, end: usize, local: &[u8]) -> bool {
    let behind = haystack.get(end..).unwrap_or_default();
    let path = behind.strip_prefix(b":").and_then(|path| path.first());
    if matches!(path, Some(b'/' | b'~')) || MACHINES.contains(&local) {
        return true;
    }
    let before = haystack
        .get(start.saturating_sub(USERINFO_BYTES_MAX)..start)
        .unwrap_or_default();
    let word = before
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'"' | b'\'' | b'<' | b'?' | b'='));
    let len = word.count();
    before
        .get(..before.len() - len)
        .is_some_and(|head| head.ends_with(b"://"))
}

/// Where the local part that ends at `sign` begins.
fn local_start(haystack: &[u8], sign: usize) -> Option<usize> {
    let limit = sign.saturating_sub(LOCAL_BYTES_MAX);
    let window = haystack.get(limit..sign)?;
    let len = local_len(window);
    let local = window.get(window.len() - len..)?;
    // Quotes, other marks and what is left of a percent escape before the first letter belong to the text around it.
    let escaped = match local {
        [b'%', b'2' | b'3', low, ..] if low.is_ascii_hexdigit() => 3,
        _ => 0,
    };
    let is_mark = |byte: &&u8| byte.is_ascii() && !byte.is_ascii_alphanumeric() && **byte != b'_';
    let marks = escaped + local.get(escaped..)?.iter().take_while(is_mark).count();
    let local = local.get(marks..)?;
    let start = sign - local.len();
    let too_long = marks == 0 && len == LOCAL_BYTES_MAX && is_local(before(haystack, start));
    let masked = matches!(before(haystack, start), b'*' | b'@');
    let dotted = local.last() == Some(&b'.') || local.windows(2).any(|pair| pair == b"..");
    (!local.is_empty() && !too_long && !masked && !dotted).then_some(start)
}

/// How many bytes at the end of `window` may be a local part. Letters with blanks between words (Latin, Cyrillic, Greek
/// and others) go on; those of scripts without end an ASCII word, and make a local part only by themselves.
fn local_len(window: &[u8]) -> usize {
    let ascii = window.iter().rev().take_while(|byte| is_local(**byte)).count();
    let rest = window.get(..window.len() - ascii).unwrap_or_default();
    if rest.last().is_none_or(u8::is_ascii) {
        return ascii;
    }
    let mut len = ascii;
    while let Some(letter) = last_char(window.get(..window.len() - len).unwrap_or_default()) {
        let goes_on = if letter.is_ascii() {
            letter.len_utf8() == 1 && u8::try_from(letter).is_ok_and(is_local)
        } else {
            letter.is_alphabetic() && (ascii == 0 || !is_dense(letter))
        };
        if !goes_on {
            break;
        }
        len += letter.len_utf8();
    }
    len
}

/// Whether `letter` belongs to a script in which words follow one another, or particles follow words, without a blank.
const fn is_dense(letter: char) -> bool {
    matches!(letter, '\u{e00}'..='\u{eff}' | '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}')
}

/// The last character of `bytes`, if they end in one.
fn last_char(bytes: &[u8]) -> Option<char> {
    let tail = bytes.get(bytes.len().saturating_sub(4)..)?;
    let continued = tail.iter().rev().take_while(|byte| **byte & 0xc0 == 0x80).count();
    let from = tail.len().checked_sub(continued + 1)?;
    std::str::from_utf8(tail.get(from..)?).ok()?.chars().next()
}

const fn is_local(byte: u8) -> bool {
    LOCAL.has(byte)
}

const LOCAL: ByteSet = ByteSet::alphanumeric_and(b"._-+%'&");

/// Where the domain that begins at `start` ends; `None` if it is no domain that mail could reach.
fn domain_end(haystack: &[u8], start: usize) -> Option<usize> {
    let rest = haystack.get(start..)?;
    let window = rest.get(..rest.len().min(DOMAIN_BYTES_MAX))?;
    let is_domain = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | 0x80..);
    let walked = window.get(..window.iter().take_while(is_domain).count())?;
    let (mut end, mut offset) = (None, 0);
    for (index, label) in walked.split(|byte| *byte == b'.').enumerate() {
        let (len, last) = label_len(label);
        let name = label.get(..len)?;
        if !is_label(name) || (index == 0 && is_scale(name)) {
            break;
        }
        let top = match (index, last) {
            (0, _) => None,
            (_, true) => top_level_len(name),
            (_, false) => tld::is_top_level(name).then_some(len),
        };
        match top {
            Some(top) => end = Some(offset + top),
            // A sentence may begin without a blank; a file name goes on in lower case.
            _ if index > 1 && name.first().is_some_and(u8::is_ascii_lowercase) => return None,
            _ => {}
        }
        if last {
            break;
        }
        offset += label.len() + 1;
    }
    let end = start + end?;
    let (next, after) = (at(haystack, end), at(haystack, end + 1));
    // A second `@` and a longer word are no addresses; `address:password` of a dump is.
    let broken = next == b'@' || (matches!(next, b'_' | b'-') && after.is_ascii_alphanumeric());
    (!broken).then_some(end)
}

/// How much of `label` may be a label, and whether the domain must end in it: a particle (`com입니다`) or a mark of
/// punctuation follows.
fn label_len(label: &[u8]) -> (usize, bool) {
    let ascii = label.iter().take_while(|byte| byte.is_ascii()).count();
    let kept = label.get(..ascii).unwrap_or_default();
    if ascii == label.len() {
        let hyphens = kept.iter().rev().take_while(|byte| **byte == b'-').count();
        return (ascii - hyphens, hyphens > 0);
    }
    if tld::is_top_level(kept) {
        return (ascii, true);
    }
    let text = label.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let is_letter = |letter: &char| letter.is_alphanumeric() || *letter == '-';
    let len: usize = text.chars().take_while(is_letter).map(char::len_utf8).sum();
    (len, tld::prefix_len(label).is_some() || len < label.len())
}

/// How much of the last `label` is a top-level domain.
fn top_level_len(label: &[u8]) -> Option<usize> {
    if tld::is_top_level(label) {
        return Some(label.len());
    }
    tld::prefix_len(label)
}

fn is_label(label: &[u8]) -> bool {
    let inner = label.first() != Some(&b'-') && label.last() != Some(&b'-');
    inner && (1..=LABEL_BYTES_MAX).contains(&label.len())
}

/// Whether `label` is the scale of a picture, as in `icon@2x.zip`.
fn is_scale(label: &[u8]) -> bool {
    matches!(label, [b'1'..=b'9', b'x'] | [b'1'..=b'9', b'.', b'0'..=b'9', b'x'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[(&str, Option<&str>)]) {
        for (text, expected) in rows {
            let sign = text.rfind('@').expect("an @");
            let found = find(text.as_bytes(), sign);
            let normal = found
                .as_ref()
                .map(|found| String::from_utf8_lossy(found.normal.as_bytes()).into_owned());
            assert_eq!(normal.as_deref(), *expected, "{text}");
        }
    }

    #[test]
    fn addresses() {
        check(&[
            ("kim@example.com", Some("kim@example.com")),
            ("메일은 kim@example.co.kr입니다", Some("kim@example.co.kr")),
            ("<Kim.Lee+tag@Example.COM>", Some("kim.lee+tag@example.com")),
            ("'kim@example.com'", Some("kim@example.com")),
            ("a|kim@example.com|b", Some("kim@example.com")),
            ("kim@example.com.", Some("kim@example.com")),
            ("kim@example.com.Then", Some("kim@example.com")),
            ("kim@example.com:secret", Some("kim@example.com")),
            ("?to=%22kim@example.com", Some("kim@example.com")),
            ("mailto:kim@example.com", Some("kim@example.com")),
            ("https://example.com/?to=kim@example.com", Some("kim@example.com")),
            ("https://example.com/u/kim@example.com", Some("kim@example.com")),
            ("kim@sub-1.example.travel--", Some("kim@sub-1.example.travel")),
        ]);
    }

    #[test]
    fn other_scripts() {
        check(&[
            ("메일은kim@example.com입니다", Some("kim@example.com")),
            ("메일은kim@example.com,", Some("kim@example.com")),
            (
                "kim@xn--9t4b11yi5a.xn--3e0b707e",
                Some("kim@xn--9t4b11yi5a.xn--3e0b707e"),
            ),
            ("kim@예시.한국", Some("kim@예시.한국")),
            ("kim@예시.한국입니다", Some("kim@예시.한국")),
            ("문의: 홍길동@예시.한국", Some("홍길동@예시.한국")),
            ("müller@bücher.example", Some("müller@bücher.example")),
            ("почта: иван@пример.рф.", Some("иван@пример.рф")),
            ("“kim@example.com”", Some("kim@example.com")),
            ("kim@example.com。", Some("kim@example.com")),
            ("请联系kim@example.cn或者", Some("kim@example.cn")),
            ("kim@예시", None),
        ]);
    }

    #[test]
    fn what_is_no_address() {
        let long = format!("{}@example.com", "a".repeat(65));
        check(&[
            ("ab***@example.com", None),
            ("k**m@example.com", None),
            ("icon@2x.png", None),
            ("icon@2x.zip", None),
            ("left-pad@1.3.0", None),
            ("user@host", None),
            ("git@github.com:org/repo", None),
            ("deploy@web.example.com:/var/www", None),
            ("ssh://deploy@web.example.com/x", None),
            ("postgres://app:pw@db.example.com:5432/x", None),
            ("bundle@shop.com.js", None),
            ("UID:123e4567-e89b-12d3-a456-426614174000@cal.example.com", None),
            ("a@b@example.com", None),
            ("kim..lee@example.com", None),
            ("kim.@example.com", None),
            ("kim@-example.com", None),
            ("kim@example..com", None),
            ("@example.com", None),
            ("kim@", None),
            (&long, None),
        ]);
    }
}
