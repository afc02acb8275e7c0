//! What was probably meant: names that a file may use, and the nearest one to what was written.

use std::ops::Range;

use crate::engine::problem::{Problem, Severity};

/// A closed list of names that a file may use.
pub(super) trait Named: Copy + Sized + 'static {
    /// Every name and what it stands for.
    const ALL: &'static [(&'static str, Self)];

    /// What `name` stands for.
    fn by_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }

    /// "did you mean" for a name that is not on the list, else the list.
    fn help(name: &str) -> String {
        let names = Self::ALL.iter().map(|(known, _)| *known);
        closest(name, names.clone()).map_or_else(
            || format!("known: {}", names.collect::<Vec<_>>().join(", ")),
            did_you_mean,
        )
    }
}

/// The sentence that proposes `name`.
pub fn did_you_mean(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// The one of `known` that `written` most resembles: at most a third of its letters (at least one) typed differently.
pub fn closest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let bound = (written.len() / 3).clamp(1, 4);
    known
        .map(|name| (distance(written.as_bytes(), name.as_bytes()), name))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A TOML error as a problem: `unknown` is the code of an unknown field, `syntax` that of everything else.
pub fn toml_problem(file: &str, error: &toml::de::Error, syntax: &'static str, unknown: &'static str) -> Problem {
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let mut quoted = message.split('`').skip(1).step_by(2);
    let is_unknown = message.starts_with("unknown field");
    let has_list = is_unknown || message.starts_with("unknown variant");
    let what = if is_unknown { "known fields" } else { "known" };
    let help = quoted
        .next()
        .filter(|_| has_list)
        .map(|written| closest(written, quoted.clone()).map_or_else(|| known(what, quoted), did_you_mean));
    Problem {
        code: if is_unknown { unknown } else { syntax },
        severity: Severity::Error,
        file: file.to_owned(),
        span: error.span(),
        message: message
            .split(", expected")
            .next()
            .filter(|_| has_list)
            .unwrap_or(&message)
            .to_owned(),
        help,
    }
}

/// An error at `span` of `file`.
pub(super) fn error(
    code: &'static str,
    file: &str,
    span: Range<usize>,
    message: impl Into<String>,
    help: impl Into<Option<String>>,
) -> Problem {
    let (message, help) = (message.into(), help.into());
    Problem {
        code,
        severity: Severity::Error,
        file: file.to_owned(),
        span: Some(span),
        message,
        help,
    }
}

/// Whether the set is refused for `problem`.
pub(super) fn is_error(problem: &Problem) -> bool {
    problem.severity == Severity::Error
}

fn known<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> String {
    format!("{what}: {}", names.collect::<Vec<_>>().join(", "))
}

/// The number of letters to add, drop or change to make `left` into `right` (Levenshtein).
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, byte) in left.iter().enumerate() {
        let mut diagonal = index;
        let mut last = index + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(right) {
            let change = diagonal + usize::from(!byte.eq_ignore_ascii_case(other));
            diagonal = *cell;
            last = change.min(last + 1).min(*cell + 1);
            *cell = last;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or(left.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let rows = [
            ("", "abc", 3),
            ("abc", "", 3),
            ("luhn", "luhn", 0),
            ("lhun", "luhn", 2),
            ("Name", "name", 0),
        ];
        for (left, right, expected) in rows {
            assert_eq!(distance(left.as_bytes(), right.as_bytes()), expected, "{left} {right}");
        }
    }

    #[test]
    fn the_nearest_name_is_proposed_and_nonsense_is_not() {
        let known = ["context", "keywords", "weight"];
        assert_eq!(closest("wieght", known.into_iter()), Some("weight"));
        assert_eq!(closest("keyword", known.into_iter()), Some("keywords"));
        assert_eq!(closest("colour", known.into_iter()), None);
    }
}
