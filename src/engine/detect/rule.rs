//! A rule as meant: names resolved, expressions judged, limits held. `syntax.rs` has it as written.

use std::ops::Range;

use toml::Spanned;

use super::Category;
use super::hint::{Named, closest, did_you_mean, error, is_error};
use super::lane::{self, CompileRoom, Expression};
use super::matcher::Builtin;
use super::syntax::{RuleSyntax, WordLists};
use super::validate::Validator;
use crate::engine::problem::Problem;

/// Letters of a rule's or class's name: it becomes a metric label.
pub(super) const NAME_BYTES_MAX: usize = 32;
/// Bytes of a keyword, context word or veto word.
pub(super) const WORD_BYTES_MAX: usize = 64;
/// Keywords, context words and veto words that one rule writes, together; and the words of one list.
pub(super) const RULE_WORDS_MAX: usize = 256;
/// The weight of a rule that states none, in thousandths.
const WEIGHT_DEFAULT: u16 = 500;

/// A rule as meant. Its class is a name until the set gives it a number.
pub(super) struct Rule {
    /// The stable name.
    pub(super) name: String,
    /// The name of its class.
    pub(super) class: String,
    /// What the class may stand for.
    pub(super) category: Category,
    /// How values are found.
    pub(super) matcher: Matcher,
    /// A test of the normal form besides.
    pub(super) validator: Option<Validator>,
    /// Words that speak for a value.
    pub(super) context: Vec<String>,
    /// Whether every value needs one of them.
    pub(super) context_required: bool,
    /// Words that speak against it.
    pub(super) veto: Vec<String>,
    /// Thousandths, 0 to 1000.
    pub(super) weight: u16,
    /// Cells in which it must find something.
    pub(super) examples: Vec<String>,
    /// Cells in which it must find nothing.
    pub(super) counter_examples: Vec<String>,
    /// Where it was written.
    pub(super) origin: Origin,
}

/// How a rule's values are found.
pub(super) enum Matcher {
    /// By a matcher that is compiled in.
    Builtin(Builtin),
    /// By the operator's own expression, where a keyword is near.
    Regex(Expression),
}

/// Where a rule was written: problems point at its name, so that no report quotes an example.
#[derive(Clone)]
pub(super) struct Origin {
    /// The file, as the user named it.
    pub(super) file: String,
    /// The rule's name in it.
    pub(super) name: Range<usize>,
    /// The rule's class in it.
    pub(super) class: Range<usize>,
}

impl Rule {
    /// What `syntax` means; every problem found goes to `problems`. `None` if one of them is an error.
    pub(super) fn from_syntax(
        file: &str,
        syntax: RuleSyntax,
        lists: &WordLists,
        room: &mut CompileRoom,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let errors_before = problems.len();
        check_names(file, &syntax, problems);
        check_words(file, &syntax, problems);
        let weight = weight(file, syntax.weight.as_ref(), problems);
        let validator = named(file, "R005", "validator", syntax.validator.as_ref(), problems);
        let matcher = matcher(file, &syntax, room, problems);
        let context = expanded(file, &syntax.context, lists, problems);
        let veto = expanded(file, &syntax.veto, lists, problems);
        let category = matcher
            .as_ref()
            .and_then(|matcher| category(file, &syntax, matcher, problems));
        let failed = problems.iter().skip(errors_before).any(is_error);
        let (matcher, category) = (matcher.filter(|_| !failed)?, category?);
        let origin = Origin {
            file: file.to_owned(),
            name: syntax.name.span(),
            class: syntax.class.span(),
        };
        Some(Self {
            name: syntax.name.into_inner(),
            class: syntax.class.into_inner(),
            category,
            matcher,
            validator,
            context,
            context_required: syntax.context_required,
            veto,
            weight,
            examples: syntax.examples,
            counter_examples: syntax.counter_examples,
            origin,
        })
    }
}

/// The words, each `@name` replaced by its list; `R021` for a list that does not exist.
fn expanded(file: &str, words: &[Spanned<String>], lists: &WordLists, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut all = Vec::with_capacity(words.len());
    for word in words {
        let Some(name) = word.get_ref().strip_prefix('@') else {
            all.push(word.get_ref().clone());
            continue;
        };
        if let Some(list) = lists.get(name) {
            all.extend(list.iter().map(|word| word.get_ref().clone()));
        } else {
            let message = format!("there is no list of words `{name}`");
            let known = || lists.keys().map(String::as_str);
            let all = || format!("known lists: {}", known().collect::<Vec<_>>().join(", "));
            let help = closest(name, known()).map_or_else(all, did_you_mean);
            problems.push(error("R021", file, word.span(), message, help));
        }
    }
    all
}

/// `R013`: names become labels of metrics and keys of policies.
fn check_names(file: &str, syntax: &RuleSyntax, problems: &mut Vec<Problem>) {
    for (what, name) in [("rule", &syntax.name), ("class", &syntax.class)] {
        let text = name.get_ref();
        let good = text.len() <= NAME_BYTES_MAX
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !good {
            let help = format!("use up to {NAME_BYTES_MAX} lower-case letters, digits and hyphens, a letter first");
            problems.push(error(
                "R013",
                file,
                name.span(),
                format!("a {what} cannot have this name"),
                help,
            ));
        }
    }
}

/// `R018` for words that are too many, too long or too short to mean anything.
fn check_words(file: &str, syntax: &RuleSyntax, problems: &mut Vec<Problem>) {
    let words = || syntax.keywords.iter().chain(&syntax.context).chain(&syntax.veto);
    if words().count() > RULE_WORDS_MAX {
        let message = format!("the rule has more than {RULE_WORDS_MAX} keywords, context and veto words");
        let help = "share a list of [words] with `@name`, or split the rule".to_owned();
        problems.push(error("R018", file, syntax.name.span(), message, help));
    }
    check_lengths(file, words(), problems);
}

/// `R018` for a list of words that is too long, or holds words that are too long or too short to mean anything.
pub(super) fn check_list(file: &str, words: &[Spanned<String>], problems: &mut Vec<Problem>) {
    if let Some(word) = words.get(RULE_WORDS_MAX) {
        let message = format!("the list has more than {RULE_WORDS_MAX} words");
        let help = "divide it into two lists".to_owned();
        problems.push(error("R018", file, word.span(), message, help));
    }
    check_lengths(file, words.iter(), problems);
}

fn check_lengths<'w>(file: &str, words: impl Iterator<Item = &'w Spanned<String>>, problems: &mut Vec<Problem>) {
    for word in words.filter(|word| !(2..=WORD_BYTES_MAX).contains(&word.get_ref().len())) {
        let message = format!("a word has from 2 to {WORD_BYTES_MAX} bytes");
        let help = "a single letter is everywhere, and a sentence nowhere".to_owned();
        problems.push(error("R018", file, word.span(), message, help));
    }
}

/// `R015`: a weight from 0 to 1, in thousandths.
fn weight(file: &str, written: Option<&Spanned<f64>>, problems: &mut Vec<Problem>) -> u16 {
    let Some(written) = written else {
        return WEIGHT_DEFAULT;
    };
    if !(0.0..=1.0).contains(written.get_ref()) {
        let help = "0.5 is the weight of a rule that states none".to_owned();
        problems.push(error("R015", file, written.span(), "a weight is from 0 to 1", help));
        return WEIGHT_DEFAULT;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is from 0 to 1000"
    )]
    let thousandths = (written.get_ref() * 1000.0).round() as u16;
    thousandths
}

/// Looks a name up in a closed list.
fn named<T: Named>(
    file: &str,
    code: &'static str,
    what: &str,
    written: Option<&Spanned<String>>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let written = written?;
    let value = T::by_name(written.get_ref());
    if value.is_none() {
        let message = format!("there is no {what} `{}`", written.get_ref());
        problems.push(error(code, file, written.span(), message, T::help(written.get_ref())));
    }
    value
}

/// Exactly one of `builtin` and `regex` (`R014`), and keywords with the second only (`R010`, `R014`).
fn matcher(file: &str, syntax: &RuleSyntax, room: &mut CompileRoom, problems: &mut Vec<Problem>) -> Option<Matcher> {
    let name = syntax.name.span();
    match (&syntax.builtin, &syntax.regex) {
        (Some(builtin), None) => {
            if let Some(keyword) = syntax.keywords.first() {
                let help = "words that tell what a value is go into `context`".to_owned();
                problems.push(error(
                    "R014",
                    file,
                    keyword.span(),
                    "a built-in matcher takes no keywords",
                    help,
                ));
            }
            named(file, "R004", "built-in matcher", Some(builtin), problems).map(Matcher::Builtin)
        }
        (None, Some(regex)) => {
            if syntax.keywords.is_empty() {
                let help = "add `keywords = [...]`: words in the cell or its key without which the rule need not run";
                let message = "an expression without keywords would run on every byte";
                problems.push(error("R010", file, name, message, help.to_owned()));
            }
            let keywords = syntax.keywords.iter().map(|word| word.get_ref().clone()).collect();
            lane::compile(file, regex, room, problems).map(|regex| Matcher::Regex(Expression { regex, keywords }))
        }
        (Some(_), Some(regex)) => {
            let message = "a rule has `builtin` or `regex`, not both";
            let help = "make it two rules of one class".to_owned();
            problems.push(error("R014", file, regex.span(), message, help));
            None
        }
        (None, None) => {
            let help = "add `regex = '...'` with `keywords`, or `builtin = \"...\"`".to_owned();
            let message = "the rule has neither `builtin` nor `regex`";
            problems.push(error("R014", file, name, message, help));
            None
        }
    }
}

/// `R012`: a built-in matcher knows its category; with an expression it must be said.
fn category(file: &str, syntax: &RuleSyntax, matcher: &Matcher, problems: &mut Vec<Problem>) -> Option<Category> {
    let written = syntax.category.as_ref();
    match matcher {
        Matcher::Builtin(builtin) => {
            let own = builtin.category();
            if let Some(other) = written.filter(|written| *written.get_ref() != own) {
                let message = "the built-in matcher finds values of another category";
                problems.push(error(
                    "R012",
                    file,
                    other.span(),
                    message,
                    "leave `category` out".to_owned(),
                ));
            }
            Some(own)
        }
        Matcher::Regex(_) => {
            if written.is_none() {
                let help = "add `category`: national-id, email, phone, account, address, name or weak".to_owned();
                problems.push(error(
                    "R012",
                    file,
                    syntax.name.span(),
                    "a rule with `regex` needs a category",
                    help,
                ));
            }
            if let Some(credential) = written.filter(|written| *written.get_ref() == Category::Credential) {
                let message = "credentials are known by their field names alone";
                let help = "name the fields in `context` of the rule with `builtin = \"token\"`".to_owned();
                problems.push(error("R012", file, credential.span(), message, help));
            }
            written.map(|category| *category.get_ref())
        }
    }
}
