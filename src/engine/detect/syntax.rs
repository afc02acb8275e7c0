//! A rule file as written: TOML to values with the places they stand at. What they mean is decided in `rule.rs`.

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue, Deserializer};

use super::Category;
use super::hint::toml_problem;
use crate::engine::problem::Problem;

/// A file of detection rules.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Tidegate detection rules")]
pub(super) struct RuleFileSyntax {
    /// Lists of words that several rules share: `context = ["@phone"]` takes the list `phone` of any file of the set.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub(super) words: WordLists,
    /// The rules, in any order.
    #[serde(default)]
    pub(super) rule: Vec<RuleSyntax>,
}

/// Lists of words by their names.
pub(super) type WordLists = BTreeMap<String, Vec<Spanned<String>>>;

/// Faults of a file that are looked for: each costs a reading of the whole file.
const FAULTS_MAX: usize = 100;

/// A name in a file, with its place.
type Name<'i> = Spanned<DeString<'i>>;

/// One rule: what it finds, how, and what shows that it does.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleSyntax {
    /// The stable name: lower-case letters, digits and hyphens. A rule of `rules.d/` replaces the built-in rule of its name.
    #[schemars(with = "String", regex(pattern = "^[a-z][a-z0-9-]{0,31}$"))]
    pub(super) name: Spanned<String>,
    /// The class of identifier that it finds, such as `email`; several rules may share one.
    #[schemars(with = "String", regex(pattern = "^[a-z][a-z0-9-]{0,31}$"))]
    pub(super) class: Spanned<String>,
    /// What an identifier of the class may stand for. Required with `regex`; a built-in matcher knows its own.
    #[schemars(with = "Option<Category>")]
    pub(super) category: Option<Spanned<Category>>,
    /// A matcher that is compiled in. Either this or `regex`.
    #[schemars(with = "Option<String>")]
    pub(super) builtin: Option<Spanned<String>>,
    /// A regular expression of bounded length (at most 256 bytes), not anchored, that does not match the empty text.
    #[schemars(with = "Option<String>")]
    pub(super) regex: Option<Spanned<String>>,
    /// With `regex`: it runs only on a cell that holds one of these, or whose key does. Letter case does not matter.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) keywords: Vec<Spanned<String>>,
    /// A test that the value must pass besides.
    #[schemars(with = "Option<String>")]
    pub(super) validator: Option<Spanned<String>>,
    /// Words that tell what a value is: in the key of its cell, or up to 48 bytes before it. In any language.
    /// `@name` stands for a list of `words`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) context: Vec<Spanned<String>>,
    /// Whether no value is taken without a context word. Without it, only weak spellings (bare digits) need one.
    #[serde(default)]
    pub(super) context_required: bool,
    /// Words in the key that say the value is something else, unless a context word comes after them. `@name` as in
    /// `context`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) veto: Vec<Spanned<String>>,
    /// How sure a finding is, from 0 to 1: of two that overlap, the heavier wins, then the longer, then the earlier.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 1.0))]
    pub(super) weight: Option<Spanned<f64>>,
    /// Cells in which the rule must find something, or the set is refused. `key => text` gives the cell a key.
    #[serde(default)]
    pub(super) examples: Vec<String>,
    /// Cells in which the rule must find nothing, or the set is refused. `key => text` gives the cell a key.
    #[serde(default)]
    pub(super) counter_examples: Vec<String>,
}

/// Reads one file.
///
/// # Errors
/// `R001` for what is not TOML or not of the expected type, `R002` for an unknown field.
pub(super) fn parse(file: &str, text: &str) -> Result<RuleFileSyntax, Vec<Problem>> {
    read_toml(file, text, "R001", "R002").map_err(|mut problems| {
        for problem in &mut problems {
            let help = "`tidegate rules schema` prints which fields a rule has, and of which type";
            problem.help.get_or_insert_with(|| help.to_owned());
        }
        problems
    })
}

/// Where the value of a setting stands in a TOML text, if it is written there.
pub fn place_of(text: &str, section: &str, name: &str) -> Option<Range<usize>> {
    let table = DeTable::parse(text).ok()?;
    let section = table.get_ref().get(section)?.get_ref().as_table()?;
    Some(section.get(name)?.span())
}

/// Reads a TOML file of any kind.
///
/// # Errors
/// Every fault up to a bound, as [`toml_problem`] has it: each is taken out of what was written, and what is left is read again. What
/// is no TOML is told alone.
pub fn read_toml<T: DeserializeOwned>(
    file: &str,
    text: &str,
    syntax: &'static str,
    unknown: &'static str,
) -> Result<T, Vec<Problem>> {
    let mut error = match toml::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let problem = |error: &toml::de::Error| toml_problem(file, error, syntax, unknown);
    let (mut document, broken) = DeTable::parse_recoverable(text);
    if !broken.is_empty() {
        return Err(broken.iter().map(problem).collect());
    }
    let (mut problems, mut taken) = (Vec::new(), Vec::new());
    loop {
        // A table misses what was taken out of it, which is no fault of its own.
        let missing = error.message().strip_prefix("missing field `");
        let missing = missing.and_then(|rest| rest.strip_suffix('`'));
        match taken.iter().position(|name: &String| Some(name.as_str()) == missing) {
            Some(told) => drop(taken.swap_remove(told)),
            None => problems.push(problem(&error)),
        }
        let (before, at) = (taken.len(), error.span().unwrap_or_default());
        take_out(document.get_mut(), &at, &mut taken);
        match T::deserialize(Deserializer::from(document.clone())) {
            Err(next) if taken.len() > before && problems.len() < FAULTS_MAX => error = next,
            Ok(_) | Err(_) => break,
        }
    }
    problems.sort_by_key(|problem: &Problem| problem.span.as_ref().map(|span| span.start));
    Err(problems)
}

/// Takes out of a table what stands `at`, as a name or a value; the names of what was go to `taken`.
fn take_out(table: &mut DeTable<'_>, at: &Range<usize>, taken: &mut Vec<String>) {
    let all = std::mem::take(table).into_iter();
    *table = all
        .filter_map(|(name, mut value)| is_kept(&name, &mut value, at, taken).then_some((name, value)))
        .collect();
}

fn is_kept(name: &Name<'_>, value: &mut Spanned<DeValue<'_>>, at: &Range<usize>, taken: &mut Vec<String>) -> bool {
    let before = taken.len();
    if let DeValue::Table(table) = value.get_mut() {
        take_out(table, at, taken);
    } else if let DeValue::Array(items) = value.get_mut() {
        let all = std::mem::replace(items, DeArray::new()).into_iter();
        *items = all
            .filter_map(|mut item| is_kept(name, &mut item, at, taken).then_some(item))
            .collect();
    }
    // The innermost: an array of tables stands where its first table does.
    let is_it = taken.len() == before && (name.span() == *at || value.span() == *at);
    if is_it {
        taken.push(name.get_ref().to_string());
    }
    !is_it
}

/// The JSON Schema of a rule file, as `rules/schema.json` holds it: pretty, with a last newline.
///
/// # Panics
/// Never: a schema is a JSON value.
pub fn schema() -> String {
    let schema = schemars::schema_for!(RuleFileSyntax);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is a JSON value");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_point_at_the_place_and_say_what_was_meant() {
        let text = "[[rule]]\nname = \"a\"\nclass = \"b\"\nwieght = 0.5\n";
        let [problem] = parse("x.toml", text)
            .err()
            .expect("an unknown field")
            .try_into()
            .expect("one");
        assert_eq!(
            (problem.code, problem.help.as_deref()),
            ("R002", Some("did you mean `weight`?"))
        );
        assert_eq!(problem.span.and_then(|span| text.get(span)), Some("wieght"));
        assert_eq!(problem.message, "unknown field `wieght`");
        for broken in ["[[rule]", "[[rule]]\nname = 3", "[[rule]]\nclass = \"b\""] {
            assert_eq!(parse("x.toml", broken).err().expect(broken)[0].code, "R001");
        }
        assert!(parse("x.toml", "").is_ok_and(|file| file.rule.is_empty()));
    }

    #[test]
    fn every_fault_is_told_once_and_at_its_place() {
        let text = "[[rule]]\nname = 3\nclass = \"b\"\nwieght = 1\nkeywords = [\"a\", 4, 5]\n\
                    [[rule]]\nname = \"x\"\n[[rule]]\nclass = \"y\"\n[wrods]\n";
        let problems = parse("x.toml", text).err().expect("faults");
        let told: Vec<_> = problems
            .iter()
            .map(|problem| {
                (
                    problem.code,
                    text.get(problem.span.clone().expect("a place")).expect("in it"),
                )
            })
            .collect();
        let expected = [
            ("R001", "3"),
            ("R002", "wieght"),
            ("R001", "4"),
            ("R001", "5"),
            ("R001", "[[rule]]"),
            ("R001", "[[rule]]"),
            ("R002", "wrods"),
        ];
        assert_eq!(told, expected, "{problems:?}");
    }
}
