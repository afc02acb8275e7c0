//! E-mail addresses: a dot-atom and a domain (RFC 5321, 4.1.2), without the letters that only make false matches.
//!
//! A pipe and an asterisk are legal in a local part, but taking them swallows rows of pipe-separated files and
//! masked addresses (`ab***@example.com`).

use smallvec::SmallVec;

use super::super::Normal;
use super::super::bytes::{at, before};
use super::Candidate;

/// Octets of a local part (RFC 5321, 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// Octets of a domain: 255 with its length prefixes (RFC 5321, 4.5.3.1.2), 253 as written.
const DOMAIN_BYTES_MAX: usize = 253;
/// Octets of a label (RFC 1035, 2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// Letters of a top-level domain; the longest in the root zone has 24.
const TLD_BYTES_MAX: usize = 24;

/// Endings of file names that are no top-level domain: `icon@2x.png` is a picture.
const FILE_ENDINGS: [&[u8]; 47] = [
    b"avif", b"bmp", b"cjs", b"class", b"conf", b"css", b"csv", b"dll", b"docx", b"eot", b"exe", b"gif", b"gz", b"htm",
    b"html", b"ico", b"jar", b"jpeg", b"jpg", b"js", b"json", b"jsx", b"less", b"lock", b"log", b"map", b"mjs", b"mp3",
    b"mp4", b"otf", b"pdf", b"php", b"png", b"scss", b"svg", b"tar", b"tiff", b"toml", b"tsx", b"ttf", b"txt", b"wasm",
    b"webp", b"woff", b"xlsx", b"xml", b"yaml",
];

/// The address around the `@` at `sign`.
pub(in crate::engine::detect) fn find(haystack: &[u8], sign: usize) -> Option<Candidate> {
    let start = local_start(haystack, sign)?;
    let end = domain_end(haystack, sign + 1)?;
    let text = haystack.get(start..end)?;
    if text.starts_with(b"git@") {
        return None;
    }
    let normal: SmallVec<[u8; 64]> = text.iter().map(u8::to_ascii_lowercase).collect();
    Some(Candidate {
        start,
        end,
        normal: Normal::new(&normal),
        weak: false,
    })
}

/// Where the local part that ends at `sign` begins.
fn local_start(haystack: &[u8], sign: usize) -> Option<usize> {
    let limit = sign.saturating_sub(LOCAL_BYTES_MAX);
    let window = haystack.get(limit..sign)?;
    let len = window.iter().rev().take_while(|byte| is_local(**byte)).count();
    let local = window.get(window.len() - len..)?;
    // Quotes and other marks before the first letter belong to the text around it.
    let marks = local
        .iter()
        .take_while(|byte| !byte.is_ascii_alphanumeric() && **byte != b'_')
        .count();
    let local = local.get(marks..)?;
    let start = sign - local.len();
    let too_long = marks == 0 && len == LOCAL_BYTES_MAX && is_local(before(haystack, start));
    let masked = matches!(before(haystack, start), b'*' | b'@');
    let dotted = local.last() == Some(&b'.') || local.windows(2).any(|pair| pair == b"..");
    (!local.is_empty() && !too_long && !masked && !dotted).then_some(start)
}

const fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'%' | b'\'' | b'&')
}

/// Where the domain that begins at `start` ends; `None` if it is no domain that mail could reach.
fn domain_end(haystack: &[u8], start: usize) -> Option<usize> {
    let rest = haystack.get(start..)?;
    let window = rest.get(..rest.len().min(DOMAIN_BYTES_MAX + 1))?;
    let len = window
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        .count();
    let walked = window.get(..len).filter(|_| len <= DOMAIN_BYTES_MAX)?;
    let kept = walked
        .iter()
        .rev()
        .skip_while(|byte| !byte.is_ascii_alphanumeric())
        .count();
    let domain = walked.get(..kept)?;
    let mut labels = domain.rsplit(|byte| *byte == b'.');
    labels.next().filter(|top| is_top_level(top))?;
    let mut names = labels.peekable();
    let qualified = names.peek().is_some() && names.all(is_label);
    let (next, after) = (at(haystack, start + kept), at(haystack, start + kept + 1));
    // `scp user@host.name:file` and a second `@` are no addresses; `address:password` of a dump is.
    let broken = next == b'@' || (next == b'_' && after.is_ascii_alphanumeric());
    (qualified && !broken).then_some(start + kept)
}

fn is_label(label: &[u8]) -> bool {
    let inner = label.first() != Some(&b'-') && label.last() != Some(&b'-');
    inner && (1..=LABEL_BYTES_MAX).contains(&label.len())
}

fn is_top_level(label: &[u8]) -> bool {
    let puny = label.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"xn--"));
    let letters = (2..=TLD_BYTES_MAX).contains(&label.len()) && label.iter().all(u8::is_ascii_alphabetic);
    (puny && is_label(label)) || (letters && !FILE_ENDINGS.iter().any(|ending| ending.eq_ignore_ascii_case(label)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let long = format!("{}@example.com", "a".repeat(65));
        let rows: &[(&str, Option<&str>)] = &[
            ("kim@example.com", Some("kim@example.com")),
            ("메일은 kim@example.co.kr입니다", Some("kim@example.co.kr")),
            ("<Kim.Lee+tag@Example.COM>", Some("kim.lee+tag@example.com")),
            ("'kim@example.com'", Some("kim@example.com")),
            ("a|kim@example.com|b", Some("kim@example.com")),
            ("kim@example.com.", Some("kim@example.com")),
            ("kim@example.com:secret", Some("kim@example.com")),
            (
                "kim@xn--9t4b11yi5a.xn--3e0b707e",
                Some("kim@xn--9t4b11yi5a.xn--3e0b707e"),
            ),
            ("ab***@example.com", None),
            ("k**m@example.com", None),
            ("icon@2x.png", None),
            ("left-pad@1.3.0", None),
            ("user@host", None),
            ("git@github.com:org/repo", None),
            ("a@b@example.com", None),
            ("kim..lee@example.com", None),
            ("kim.@example.com", None),
            ("kim@-example.com", None),
            ("kim@example..com", None),
            ("@example.com", None),
            ("kim@", None),
            (&long, None),
        ];
        for (text, expected) in rows {
            let sign = text.rfind('@').expect("an @");
            let found = find(text.as_bytes(), sign);
            let normal = found
                .as_ref()
                .map(|found| String::from_utf8_lossy(found.normal.as_bytes()).into_owned());
            assert_eq!(normal.as_deref(), *expected, "{text}");
        }
    }
}
