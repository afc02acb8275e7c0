//! A rule as meant: names resolved, expressions judged, limits held. `syntax.rs` has it as written.

use std::ops::Range;

use toml::Spanned;

use super::Category;
use super::hint::{Named, error, is_error};
use super::lane::{self, Expression};
use super::matcher::Builtin;
use super::syntax::RuleSyntax;
use super::validate::Validator;
use crate::engine::problem::Problem;

/// Letters of a rule's or class's name: it becomes a metric label.
pub(super) const NAME_BYTES_MAX: usize = 32;
/// Bytes of a keyword, context word or veto word.
pub(super) const WORD_BYTES_MAX: usize = 64;
/// Keywords, context words and veto words of one rule, together.
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
    pub(super) fn from_syntax(file: &str, syntax: RuleSyntax, problems: &mut Vec<Problem>) -> Option<Self> {
        let errors_before = problems.len();
        check_names(file, &syntax, problems);
        check_words(file, &syntax, problems);
        let weight = weight(file, syntax.weight.as_ref(), problems);
        let validator = named(file, "R005", "validator", syntax.validator.as_ref(), problems);
        let matcher = matcher(file, &syntax, problems);
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
            context: inner(syntax.context),
            context_required: syntax.context_required,
            veto: inner(syntax.veto),
            weight,
            examples: syntax.examples,
            counter_examples: syntax.counter_examples,
            origin,
        })
    }
}

fn inner(words: Vec<Spanned<String>>) -> Vec<String> {
    words.into_iter().map(Spanned::into_inner).collect()
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
        problems.push(error("R018", file, syntax.name.span(), message, None));
    }
    for word in words().filter(|word| !(2..=WORD_BYTES_MAX).contains(&word.get_ref().len())) {
        let message = format!("a word has from 2 to {WORD_BYTES_MAX} bytes");
        problems.push(error("R018", file, word.span(), message, None));
    }
}

/// `R015`: a weight from 0 to 1, in thousandths.
fn weight(file: &str, written: Option<&Spanned<f64>>, problems: &mut Vec<Problem>) -> u16 {
    let Some(written) = written else {
        return WEIGHT_DEFAULT;
    };
    if !(0.0..=1.0).contains(written.get_ref()) {
        problems.push(error("R015", file, written.span(), "a weight is from 0 to 1", None));
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
fn matcher(file: &str, syntax: &RuleSyntax, problems: &mut Vec<Problem>) -> Option<Matcher> {
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
            lane::compile(file, regex, problems).map(|regex| Matcher::Regex(Expression { regex, keywords }))
        }
        (Some(_), Some(regex)) => {
            problems.push(error(
                "R014",
                file,
                regex.span(),
                "a rule has `builtin` or `regex`, not both",
                None,
            ));
            None
        }
        (None, None) => {
            problems.push(error(
                "R014",
                file,
                name,
                "the rule has neither `builtin` nor `regex`",
                None,
            ));
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
            written.map(|category| *category.get_ref())
        }
    }
}
