//! The peer: what a good general regex engine does with the same classes over the same bytes, without structure,
//! people, carry or hold-back. All patterns in one automaton, each match validated.

use regex_automata::meta::Regex;

/// Whether a match is valid.
type Validator = fn(&[u8]) -> bool;

/// One pattern a class, and what a match must pass.
const RULES: [(&str, Validator); 6] = [
    (
        r"(?-u)[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,6}",
        any,
    ),
    (r"(?-u)\b(?:\+82[ -]?|0)1[016-9][ -]?[0-9]{3,4}[ -]?[0-9]{4}\b", any),
    (
        r"(?-u)(?:\+1[ .-]?|\b)(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[.-])[2-9][0-9]{2}[.-][0-9]{4}\b",
        any,
    ),
    (r"(?-u)\b[3-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}\b", luhn),
    (
        r"(?-u)\b[0-9]{6}-[1-8][0-9]{6}\b|\b[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}\b",
        any,
    ),
    (
        r"(?-u)\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b",
        mod97,
    ),
];

/// All patterns in one.
pub(crate) fn compile() -> Regex {
    let patterns = RULES.map(|(pattern, _)| pattern);
    Regex::builder()
        .syntax(regex_automata::util::syntax::Config::new().utf8(false))
        .build_many(&patterns)
        .expect("the patterns are well formed")
}

/// How many valid matches there are.
pub(crate) fn count(regex: &Regex, haystack: &[u8]) -> u64 {
    let valid = |found: &regex_automata::Match| {
        let text = haystack.get(found.range()).unwrap_or_default();
        RULES
            .get(found.pattern().as_usize())
            .is_some_and(|(_, is_valid)| is_valid(text))
    };
    regex.find_iter(haystack).filter(valid).count() as u64
}

fn any(_: &[u8]) -> bool {
    true
}

/// ISO/IEC 7812-1, annex B.
fn luhn(text: &[u8]) -> bool {
    let digits = text
        .iter()
        .rev()
        .filter(|byte| byte.is_ascii_digit())
        .map(|byte| u32::from(byte - b'0'));
    let doubled = digits
        .zip([false, true].into_iter().cycle())
        .map(|(digit, is_second)| match digit * 2 {
            _ if !is_second => digit,
            double => double % 10 + double / 10,
        });
    doubled.sum::<u32>() % 10 == 0
}

/// ISO 7064, mod 97-10, with the first four characters moved to the end.
fn mod97(text: &[u8]) -> bool {
    let plain: Vec<u8> = text.iter().copied().filter(|byte| *byte != b' ').collect();
    let moved = plain.iter().cycle().skip(4).take(plain.len());
    moved.fold(0, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        _ => (sum * 100 + u32::from(byte.wrapping_sub(b'A')) + 10) % 97,
    }) == 1
}
