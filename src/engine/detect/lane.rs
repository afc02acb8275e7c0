//! The operator's own expressions: judged at load, and run only on cells in which one of their keywords is near.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use regex_automata::meta::Regex;
use regex_automata::{Input, util::syntax};
use regex_syntax::hir::Hir;
use toml::Spanned;

use super::hint::error;
use super::{Category, Normal, RuleId, Usage};
use crate::engine::problem::{Problem, Severity};

/// Bytes that an expression may match; no more than a segment shows after `within`.
pub(super) const MATCH_BYTES_MAX: usize = 256;
/// Bytes of an expression as written.
pub(super) const REGEX_BYTES_MAX: usize = 1024;
/// Bytes of its compiled form, and of the cache of each thread that runs it.
const REGEX_COMPILED_BYTES_MAX: usize = 1 << 20;
/// Compiled bytes of all expressions of a set; one that is refused for its size counts as the largest that is not. It bounds
/// what a load takes: a MiB is compiled within 10 ms, so a set within a third of a second.
const SET_COMPILED_BYTES_MAX: usize = 32 << 20;
/// Brackets within brackets.
const REGEX_NESTING_MAX: u32 = 32;

/// An expression and the words that wake it.
pub(super) struct Expression {
    /// The expression, compiled.
    pub(super) regex: Regex,
    /// The words, as written.
    pub(super) keywords: Vec<String>,
}

/// What the expressions of a set may still compile to, in bytes.
pub(super) struct CompileRoom(usize);

impl Default for CompileRoom {
    fn default() -> Self {
        Self(SET_COMPILED_BYTES_MAX)
    }
}

impl CompileRoom {
    /// Takes the room of one expression; `false` where there is none any more.
    fn take(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or_default();
        left.is_some()
    }
}

/// All expressions of a set behind one automaton of their keywords.
pub(super) struct Lane {
    keywords: AhoCorasick,
    /// For each keyword, the indices in `expressions` that it wakes.
    wakes: Vec<Vec<usize>>,
    expressions: Vec<(RuleId, Regex)>,
}

impl Lane {
    /// The lane of `expressions`; `None` where there is none, so that a set without expressions pays nothing.
    pub(super) fn new<'a>(expressions: impl Iterator<Item = (RuleId, &'a Expression)>) -> Option<Self> {
        let (mut words, mut wakes, mut regexes) = (Vec::new(), Vec::new(), Vec::new());
        for (rule, expression) in expressions {
            for word in &expression.keywords {
                words.push(word.as_str());
                wakes.push(vec![regexes.len()]);
            }
            regexes.push((rule, expression.regex.clone()));
        }
        if regexes.is_empty() {
            return None;
        }
        let keywords = AhoCorasick::builder().ascii_case_insensitive(true).build(&words).ok()?;
        Some(Self {
            keywords,
            wakes,
            expressions: regexes,
        })
    }

    /// Whether the expression of this rule is one of them.
    pub(super) fn has(&self, rule: RuleId) -> bool {
        self.expressions
            .binary_search_by_key(&rule, |(known, _)| *known)
            .is_ok()
    }

    /// Runs the expressions whose keyword is in `haystack` or `key` and whose budget is not spent, and hands on what they match
    /// within `reach`, of which `bytes` are counted.
    pub(super) fn run(
        &self,
        (haystack, key): (&[u8], &[u8]),
        (reach, bytes): (Range<usize>, usize),
        usage: &mut Usage,
        mut take: impl FnMut(RuleId, Range<usize>),
    ) {
        let mut awake = smallvec::SmallVec::<[usize; 16]>::new();
        for text in [key, haystack] {
            for found in self.keywords.find_overlapping_iter(text) {
                let woken = self.wakes.get(found.pattern().as_usize()).into_iter().flatten();
                awake.extend(woken.copied());
            }
            awake.sort_unstable();
            awake.dedup();
        }
        if awake.is_empty() {
            return;
        }
        usage.begin(self.expressions.iter().map(|(rule, _)| *rule));
        let before = awake.len();
        awake.retain(|index| usage.may_search(*index, bytes as u64));
        if awake.len() < before {
            usage.skipped(bytes as u64);
        }
        for (rule, regex) in awake.iter().filter_map(|index| self.expressions.get(*index)) {
            let input = Input::new(haystack).range(reach.clone());
            for found in regex.find_iter(input) {
                take(*rule, found.range());
            }
        }
    }
}

/// The normal form of an expression's match: letter case, blanks and punctuation do not tell two people apart
/// (punctuation does in an e-mail address).
pub(super) fn normal(category: Category, text: &[u8]) -> Normal {
    let kept = |byte: &u8| category == Category::Email || byte.is_ascii_alphanumeric() || !byte.is_ascii();
    let bytes: smallvec::SmallVec<[u8; 64]> = text
        .iter()
        .filter(|byte| kept(byte))
        .map(u8::to_ascii_lowercase)
        .collect();
    Normal::new(&bytes)
}

/// Judges and compiles an expression; every reason to refuse it goes to `problems`.
pub(super) fn compile(
    file: &str,
    written: &Spanned<String>,
    room: &mut CompileRoom,
    problems: &mut Vec<Problem>,
) -> Option<Regex> {
    let refuse = |code, message: String, help: &str| error(code, file, written.span(), message, help.to_owned());
    let pattern = written.get_ref();
    if pattern.len() > REGEX_BYTES_MAX {
        let message = format!("the expression is longer than {REGEX_BYTES_MAX} bytes");
        problems.push(refuse("R011", message, "split the rule"));
        return None;
    }
    let config = syntax::Config::new().utf8(false).nest_limit(REGEX_NESTING_MAX);
    let hir = match syntax::parse_with(pattern, &config) {
        Ok(hir) => hir,
        Err(reason) => {
            let reason = last_line(&reason.to_string());
            let help = "the syntax is that of the Rust `regex` crate, without look-around and back-references";
            problems.push(refuse("R006", format!("the expression does not parse: {reason}"), help));
            return None;
        }
    };
    let faults_before = problems.len();
    problems.extend(faults(&hir).map(|(code, message, help)| refuse(code, message, help)));
    if problems.len() > faults_before {
        return None;
    }
    if hir.properties().look_set().contains_word_unicode() {
        let message = "`\\b` is a Unicode word boundary here: a value with a Korean particle behind it is missed";
        let warning = refuse("R019", message.to_owned(), "write `(?-u:\\b)`");
        problems.push(Problem {
            severity: Severity::Warning,
            ..warning
        });
    }
    built(&hir, room)
        .map_err(|message| {
            let help = "make repetitions smaller, and classes: `[0-9A-Z]` is a hundredth of `\\w`";
            problems.push(refuse("R011", message, help));
        })
        .ok()
}

/// Compiles within the bounds of one expression and of all.
fn built(hir: &Hir, room: &mut CompileRoom) -> Result<Regex, String> {
    let no_room = || format!("the expressions of the set together compile to more than {SET_COMPILED_BYTES_MAX} bytes");
    if room.0 == 0 {
        return Err(no_room());
    }
    let config = Regex::config()
        .utf8_empty(false)
        .nfa_size_limit(Some(REGEX_COMPILED_BYTES_MAX))
        .onepass_size_limit(Some(REGEX_COMPILED_BYTES_MAX))
        .hybrid_cache_capacity(REGEX_COMPILED_BYTES_MAX);
    let regex = Regex::builder().configure(config).build_from_hir(hir);
    let bytes = regex.as_ref().map_or(REGEX_COMPILED_BYTES_MAX, Regex::memory_usage);
    let has_room = room.take(bytes);
    let regex =
        regex.map_err(|_| format!("the compiled expression is larger than {REGEX_COMPILED_BYTES_MAX} bytes"))?;
    if has_room { Ok(regex) } else { Err(no_room()) }
}

/// What makes an expression unfit for text that is read in pieces.
fn faults(hir: &Hir) -> impl Iterator<Item = (&'static str, String, &'static str)> {
    let properties = hir.properties();
    let long = match properties.maximum_len() {
        Some(len) if len <= MATCH_BYTES_MAX => None,
        Some(len) => Some(format!(
            "the expression can match {len} bytes, more than {MATCH_BYTES_MAX}"
        )),
        None => Some("the expression has no longest match".to_owned()),
    };
    let long = long.map(|message| ("R007", message, "bound every repetition, such as `{1,64}` for `+`"));
    let empty = properties.minimum_len().is_none_or(|len| len == 0);
    let help = "let something of it be there always, such as `{1,9}` for `{0,9}`";
    let empty = empty.then(|| ("R008", "the expression matches the empty text".to_owned(), help));
    let anchored = properties.look_set().contains_anchor();
    let help = "leave `^`, `$`, `\\A` and `\\z` out; `(?-u:\\b)` is a boundary";
    let anchored = anchored.then(|| {
        (
            "R009",
            "the expression is anchored, but a cell may come in pieces".to_owned(),
            help,
        )
    });
    [long, empty, anchored].into_iter().flatten()
}

/// The reason in a parse error of `regex-syntax`, without its drawing of the pattern.
fn last_line(text: &str) -> String {
    text.lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::hint::is_error;
    use super::*;

    fn codes(pattern: &str) -> Vec<&'static str> {
        let text = format!("regex = '{pattern}'");
        let table: std::collections::HashMap<String, Spanned<String>> = toml::from_str(&text).expect("one string");
        let mut problems = Vec::new();
        let compiled = compile("x.toml", &table["regex"], &mut CompileRoom::default(), &mut problems);
        assert_eq!(compiled.is_none(), problems.iter().any(is_error), "{pattern}");
        problems.iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn expressions_are_judged() {
        let rows: [(&str, &[&str]); 9] = [
            (r"(?-u:\b)EMP-[0-9]{6}(?-u:\b)", &[]),
            ("EMP-[0-9]+", &["R007"]),
            ("[0-9]{300}", &["R007"]),
            ("[0-9]{0,9}", &["R008"]),
            ("^EMP-[0-9]{6}$", &["R009"]),
            ("EMP-[0-9", &["R006"]),
            (r"\bEMP-[0-9]{6}", &["R019"]),
            (r"(\w{50}|\d{60}|\pL{60}){1}\w{4}", &["R011"]),
            (r"(x*)*", &["R007", "R008"]),
        ];
        for (pattern, expected) in rows {
            assert_eq!(codes(pattern), expected, "{pattern}");
        }
        assert_eq!(codes(&"x".repeat(REGEX_BYTES_MAX + 1)), ["R011"]);
    }

    #[test]
    fn normal_forms() {
        assert_eq!(normal(Category::NationalId, b"AB-12 34").as_bytes(), b"ab1234");
        assert_eq!(normal(Category::Email, b"A.b@X.kr").as_bytes(), b"a.b@x.kr");
    }
}
