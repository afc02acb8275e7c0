//! The name that a mail address is shown with: `"Kim Minsu" <kim@mail.example>` (RFC 5322, section 3.4).

use super::super::Candidate;
use super::NameKey;

/// Bytes before an address in which its name is looked for.
const BEFORE_BYTES_MAX: usize = 104;

/// The name before the address that begins at `mail`, if it is one that is known for a person's.
pub(in crate::engine::detect) fn find(haystack: &[u8], mail: usize) -> Option<Candidate> {
    let from = mail.saturating_sub(BEFORE_BYTES_MAX);
    let text = haystack.get(from..mail)?.strip_suffix(b"<")?.trim_ascii_end();
    let name = if let Some(quoted) = text.strip_suffix(b"\"") {
        quoted.get(memchr::memrchr(b'"', quoted)? + 1..)?
    } else {
        let is_mark = |byte: &u8| b":,;\"=<>".contains(byte) || byte.is_ascii_control();
        let mark = text.iter().rposition(is_mark);
        // What may be cut is no name.
        let begin = match mark {
            Some(mark) => mark + 1,
            None if from == 0 => 0,
            None => return None,
        };
        text.get(begin..)?
    };
    let behind = text.len() - usize::from(text.ends_with(b"\""));
    let (end, name) = (from + behind, name.trim_ascii_start());
    Some(Candidate {
        start: end - name.len(),
        end,
        normal: super::normal(NameKey::Bare, name)?,
        weak: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_mail_addresses_are_found() {
        for (text, expected) in [
            ("From: \"Oliver Morris\" <x@mail.example>", Some("Oliver Morris")),
            ("Oliver Morris <x@mail.example>", Some("Oliver Morris")),
            ("To: a@b.example, Oliver Morris <x@mail.example>", Some("Oliver Morris")),
            ("From: \"변선미\" <x@mail.example>", Some("변선미")),
            ("To: Support <x@mail.example>", None),
            ("Oliver Morris x@mail.example", None),
            ("<x@mail.example>", None),
        ] {
            let mail = text.find("x@").expect("an address");
            let found = find(text.as_bytes(), mail).map(|found| text.get(found.start..found.end).unwrap_or_default());
            assert_eq!(found, expected, "{text}");
        }
    }
}
