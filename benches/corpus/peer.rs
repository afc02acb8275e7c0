//! The peers' eight kinds of identifiers, and the first peer: what a good general regex engine does with them, without
//! structure, people, carry or hold-back. All patterns in one automaton, each match validated.

use regex_automata::meta::Regex;

/// Whether a match is valid.
type Validator = fn(&[u8]) -> bool;

/// One kind: its name, the pattern, the pattern for an engine that cannot have what stands before the `@`, and what a
/// match must pass.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) pattern: &'static str,
    /// Without what stands before the last byte before the `@`: a bounded repeat there costs Vectorscan nearly all its
    /// speed, and keeps it from telling where a match starts.
    pub(crate) relaxed: Option<&'static str>,
    pub(crate) is_valid: Validator,
}

/// How many of each kind, in the order of [`KINDS`].
pub(crate) type Counts = [u64; KINDS.len()];

/// Without `(?-u)`, which the regex engine needs: all are ASCII.
pub(crate) const KINDS: [Kind; 8] = [
    Kind {
        relaxed: Some(r"[A-Za-z0-9._%+-]@[A-Za-z0-9.-]+\.[A-Za-z]{2,}\b"),
        ..kind("e-mail", r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]+\.[A-Za-z]{2,}\b", any)
    },
    kind("phone KR", r"\b01[016789][ -]?[0-9]{3,4}[ -]?[0-9]{4}\b", any),
    kind(
        "phone US",
        r"(?:\([0-9]{3}\) ?|\b[0-9]{3}[-. ])[0-9]{3}[-. ][0-9]{4}\b",
        numbering_plan,
    ),
    kind("E.164", r"\+[1-9](?:[ -]?[0-9]){7,14}\b", any),
    kind("SSN", r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b", area),
    kind("RRN", r"\b[0-9]{6}-?[1-8][0-9]{6}\b", birth_date),
    kind("card", r"\b(?:[0-9][ -]?){12,18}[0-9]\b", luhn),
    kind("IBAN", r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b", mod97),
];

const fn kind(name: &'static str, pattern: &'static str, is_valid: Validator) -> Kind {
    Kind {
        name,
        pattern,
        relaxed: None,
        is_valid,
    }
}

/// All patterns in one.
pub(crate) fn compile() -> Regex {
    let patterns = KINDS.map(|kind| format!("(?-u){}", kind.pattern));
    Regex::builder()
        .syntax(regex_automata::util::syntax::Config::new().utf8(false))
        .build_many(&patterns)
        .expect("the patterns are well formed")
}

/// How many valid matches there are.
pub(crate) fn count(regex: &Regex, haystack: &[u8]) -> Counts {
    let mut counts = Counts::default();
    for found in regex.find_iter(haystack) {
        note(found.pattern().as_usize(), haystack.get(found.range()), &mut counts);
    }
    counts
}

/// Counts a match of this kind if it is valid.
pub(crate) fn note(kind: usize, text: Option<&[u8]>, counts: &mut Counts) {
    if let (Some(kind), Some(text), Some(count)) = (KINDS.get(kind), text, counts.get_mut(kind))
        && (kind.is_valid)(text)
    {
        *count += 1;
    }
}

fn any(_: &[u8]) -> bool {
    true
}

fn digits(text: &[u8]) -> impl DoubleEndedIterator<Item = u32> {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit());
    digits.map(|byte| u32::from(byte - b'0'))
}

/// The number that the digits from `first` to before `end` are.
fn number(text: &[u8], first: usize, end: usize) -> u32 {
    let part = digits(text).skip(first).take(end - first);
    part.fold(0, |number, digit| number * 10 + digit)
}

/// North American area and exchange codes begin with 2 to 9.
fn numbering_plan(text: &[u8]) -> bool {
    number(text, 0, 1) >= 2 && number(text, 3, 4) >= 2
}

/// Areas, groups and serials that the Social Security Administration never gave.
fn area(text: &[u8]) -> bool {
    let area = number(text, 0, 3);
    area != 0 && area != 666 && area < 900 && number(text, 3, 5) != 0 && number(text, 5, 9) != 0
}

/// A date of birth; the check digit went with the numbers of October 2020.
fn birth_date(text: &[u8]) -> bool {
    (1..=12).contains(&number(text, 2, 4)) && (1..=31).contains(&number(text, 4, 6))
}

/// ISO/IEC 7812-1, annex B.
fn luhn(text: &[u8]) -> bool {
    let doubled = digits(text)
        .rev()
        .zip([false, true].into_iter().cycle())
        .map(|(digit, is_second)| match digit * 2 {
            _ if !is_second => digit,
            double => double % 10 + double / 10,
        });
    doubled.sum::<u32>().is_multiple_of(10)
}

/// ISO 7064, mod 97-10, with the first four characters moved to the end.
fn mod97(text: &[u8]) -> bool {
    let (head, rest) = text.split_at(text.len().min(4));
    let moved = rest.iter().chain(head).filter(|byte| **byte != b' ');
    moved.fold(0, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        _ => (sum * 100 + u32::from(byte.wrapping_sub(b'A')) + 10) % 97,
    }) == 1
}
