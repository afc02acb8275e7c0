//! All rules, compiled: layers of files in, one immutable set out, which has passed its own examples.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::context::{Meaning, Words};
use super::hint::{Named as _, error, is_error};
use super::key::Memory;
use super::lane::{CompileRoom, Lane};
use super::matcher::Builtin;
use super::rule::{Matcher, Rule, check_list};
use super::syntax::{RuleFileSyntax, WordLists};
use super::{Category, ClassId, Context, RuleId, syntax};
use crate::engine::problem::{Problem, Severity};

/// Rules of one set, built-in ones included.
pub const RULES_MAX: usize = 512;
/// Classes of one set: each is a metric label and a bit in tallies.
pub const CLASSES_MAX: usize = 64;
/// Context and veto words of all rules; a list counts as often as it is named. Against: a few names of long lists, which become
/// millions of words.
const SET_WORDS_MAX: usize = 1 << 16;
/// Bytes of one rule file.
pub const RULE_FILE_BYTES_MAX: usize = 1 << 20;

/// The rule files that are compiled in.
const BUILTIN: [(&str, &str); 12] = [
    ("rules/email.toml", include_str!("../../../rules/email.toml")),
    ("rules/phone.toml", include_str!("../../../rules/phone.toml")),
    ("rules/card.toml", include_str!("../../../rules/card.toml")),
    ("rules/rrn.toml", include_str!("../../../rules/rrn.toml")),
    ("rules/ssn.toml", include_str!("../../../rules/ssn.toml")),
    ("rules/iban.toml", include_str!("../../../rules/iban.toml")),
    ("rules/words.toml", include_str!("../../../rules/words.toml")),
    (
        "rules/national-id.toml",
        include_str!("../../../rules/national-id.toml"),
    ),
    ("rules/account.toml", include_str!("../../../rules/account.toml")),
    ("rules/address.toml", include_str!("../../../rules/address.toml")),
    ("rules/person.toml", include_str!("../../../rules/person.toml")),
    ("rules/credential.toml", include_str!("../../../rules/credential.toml")),
];

/// Which files may replace the rules of which: the later layer wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// Compiled in.
    Builtin,
    /// The operator's `rules.d/`.
    Overlay,
}

/// One rule file. Reading it is the caller's work: the engine does no I/O.
#[derive(Clone, Debug)]
pub struct RuleSource {
    /// The file, as the user named it.
    pub name: String,
    /// What it holds.
    pub text: String,
    /// Which layer it belongs to.
    pub layer: Layer,
}

/// All rules, compiled; immutable and shared.
///
/// ```
/// use tidegate::engine::detect::{Context, RuleSet};
///
/// let rules = RuleSet::builtin();
/// let cell = "문의: kim@example.com입니다".as_bytes();
/// let mut found = Vec::new();
/// rules.scan(cell, 0..cell.len(), Context::default(), &mut found);
/// assert_eq!(found.len(), 1);
/// assert_eq!(rules.class_name(found[0].class), "email");
/// assert_eq!(found[0].normal.as_bytes(), b"kim@example.com");
/// ```
pub struct RuleSet {
    pub(super) rules: Vec<Rule>,
    /// The class of each rule, in the order of `rules`.
    pub(super) class_of: Vec<ClassId>,
    classes: Vec<(String, Category)>,
    /// The rule that drives each built-in matcher.
    drivers: [Option<RuleId>; Builtin::COUNT],
    pub(super) words: Words,
    /// The field names of credentials, plain.
    credentials: HashSet<Vec<u8>>,
    pub(super) lane: Option<Lane>,
    pub(super) memory: Memory,
    hash: [u8; 32],
}

impl RuleSet {
    /// The rules that are compiled in.
    ///
    /// # Panics
    /// Never: a test loads them.
    pub fn builtin() -> Self {
        match Self::load(&builtin_sources()) {
            Ok((set, _)) => set,
            Err(problems) => {
                let first = problems.first().map(|problem| (problem.code, problem.file.as_str()));
                unreachable!("the rules that are compiled in pass their own test: {first:?}")
            }
        }
    }

    /// Compiles `sources`, a rule of a later layer replacing that of the same name, and runs every rule's examples.
    ///
    /// # Errors
    /// All problems, if one of them is an error; `rules/README.md` lists the codes. Else the warnings come with the set.
    pub fn load(sources: &[RuleSource]) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut problems = Vec::new();
        let rules = read(sources, &mut problems);
        let set = Self::compile(rules, hash(sources), &mut problems);
        if let Some(set) = set.filter(|_| !problems.iter().any(is_error)) {
            problems.extend(set.test_all());
            if !problems.iter().any(is_error) {
                return Ok((set, problems));
            }
        }
        Err(problems)
    }

    /// What the same files make without the rule of this name; no example is run. For what a rule costs: the whole set has passed
    /// its examples before. `None` if they make no set.
    pub fn without(sources: &[RuleSource], rule: &str) -> Option<Self> {
        let mut problems = Vec::new();
        let mut rules = read(sources, &mut problems);
        rules.retain(|known| known.name != rule);
        let hash = *blake3::hash(&[&hash(sources), rule.as_bytes()].concat()).as_bytes();
        let set = Self::compile(rules, hash, &mut problems);
        set.filter(|_| !problems.iter().any(is_error))
    }

    /// The name of a class; empty for a number that is not of this set.
    pub fn class_name(&self, class: ClassId) -> &str {
        self.classes.get(usize::from(class.0)).map_or("", |(name, _)| name)
    }

    /// The name of a rule; empty for a number that is not of this set.
    pub fn rule_name(&self, rule: RuleId) -> &str {
        self.rules.get(usize::from(rule.0)).map_or("", |rule| &rule.name)
    }

    /// Every class with its name and what it may stand for.
    pub fn classes(&self) -> impl Iterator<Item = (ClassId, &str, Category)> {
        let numbers = (0..=u8::MAX).map(ClassId);
        numbers
            .zip(&self.classes)
            .map(|(class, (name, category))| (class, name.as_str(), *category))
    }

    /// Every rule with its name and class.
    pub fn rules(&self) -> impl Iterator<Item = (RuleId, &str, ClassId)> {
        let numbers = (0..=u16::MAX).map(RuleId);
        numbers
            .zip(&self.rules)
            .zip(&self.class_of)
            .map(|((id, rule), class)| (id, rule.name.as_str(), *class))
    }

    /// The rules that are the operator's own expressions, with their names.
    pub fn expressions(&self) -> impl Iterator<Item = (RuleId, &str)> {
        let numbered = (0..=u16::MAX).map(RuleId).zip(&self.rules);
        let expressions = numbered.filter(|(_, rule)| matches!(rule.matcher, Matcher::Regex(_)));
        expressions.map(|(id, rule)| (id, rule.name.as_str()))
    }

    /// A hash of the files that the set was made from: two sets of one hash find the same.
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Runs the examples and counter-examples of every rule: `R016` and `R017` for one that fails, `R020` for a rule
    /// that has none. A problem names an example by its number and never quotes it.
    pub fn test_all(&self) -> Vec<Problem> {
        self.rules
            .iter()
            .zip(&self.class_of)
            .flat_map(|(rule, class)| self.test(rule, *class))
            .collect()
    }

    /// Whether what stands under a field name is a credential. The whole name must be a word of the rule with the matcher `token`
    /// (`access_token`, `accessToken`): other tokens, such as `push_token`, are chosen by clients, or let nobody in.
    pub fn is_credential(&self, name: &[u8]) -> bool {
        self.credentials.contains(&plain(name))
    }

    /// The rule that drives a built-in matcher.
    pub(super) fn driver(&self, builtin: Builtin) -> Option<RuleId> {
        self.drivers.get(builtin as usize).copied().flatten()
    }

    /// The keyed matchers and the rules that drive them.
    pub(super) fn keyed_rules(&self) -> impl Iterator<Item = (Builtin, RuleId)> {
        let all = Builtin::ALL.iter().map(|(_, builtin)| *builtin);
        all.filter(|builtin| builtin.is_keyed())
            .filter_map(|builtin| Some((builtin, self.driver(builtin)?)))
    }

    /// The rules that search a cell, rather than read all of it.
    pub(super) fn searching_rules(&self) -> impl Iterator<Item = RuleId> {
        let is_keyed = |rule: &Rule| matches!(rule.matcher, Matcher::Builtin(builtin) if builtin.is_keyed());
        let numbered = (0..=u16::MAX).map(RuleId).zip(&self.rules);
        numbered.filter(move |(_, rule)| !is_keyed(rule)).map(|(id, _)| id)
    }

    fn test(&self, rule: &Rule, class: ClassId) -> Vec<Problem> {
        let at_name = |code, message, help: &str| {
            let name = rule.origin.name.clone();
            error(code, &rule.origin.file, name, message, help.to_owned())
        };
        let mut problems = Vec::new();
        if rule.examples.is_empty() {
            let message = format!("rule `{}` has no example, so nothing shows that it works", rule.name);
            problems.push(Problem {
                severity: Severity::Warning,
                ..at_name(
                    "R020",
                    message,
                    "add `examples = [\"...\"]`: they run whenever the rules are loaded",
                )
            });
        }
        for (number, _) in (1..)
            .zip(&rule.examples)
            .filter(|(_, example)| !self.finds(class, example))
        {
            let message = format!("rule `{}` finds nothing in its example {number}", rule.name);
            let help =
                "is a keyword or a needed context word in it, does its validator take it, does a heavier rule win?";
            problems.push(at_name("R016", message, help));
        }
        for (number, _) in (1..)
            .zip(&rule.counter_examples)
            .filter(|(_, example)| self.finds(class, example))
        {
            let message = format!(
                "class `{}` is found in counter-example {number} of rule `{}`",
                rule.class, rule.name
            );
            let help = "any rule of that class may have found it: make the expression narrower, or add a `veto` word";
            problems.push(at_name("R017", message, help));
        }
        problems
    }

    /// Whether a value of `class` is found in an example, written `text` or `key => text`.
    fn finds(&self, class: ClassId, example: &str) -> bool {
        let (key, text) = example.split_once(" => ").unwrap_or(("", example));
        if self
            .classes
            .get(usize::from(class.0))
            .is_some_and(|(_, category)| *category == Category::Credential)
        {
            return self.is_credential(key.as_bytes());
        }
        let number = !key.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let mut found = Vec::new();
        let key = self.key(key.as_bytes());
        let context = Context {
            key: &key,
            number,
            column: false,
        };
        self.scan(text.as_bytes(), 0..text.len(), context, &mut found);
        found.iter().any(|finding| finding.class == class)
    }

    fn compile(rules: Vec<Rule>, hash: [u8; 32], problems: &mut Vec<Problem>) -> Option<Self> {
        let (classes, class_of) = number_classes(&rules, problems);
        let drivers = drivers(&rules, problems);
        let numbered = || (0..=u16::MAX).map(RuleId).zip(&rules);
        let (credential, others): (Vec<_>, Vec<_>) =
            numbered().partition(|(_, rule)| rule.category == Category::Credential);
        let words = others.into_iter().flat_map(|(id, rule)| {
            let context = rule
                .context
                .iter()
                .map(move |word| (word.as_str(), id, Meaning::Context));
            context.chain(rule.veto.iter().map(move |word| (word.as_str(), id, Meaning::Veto)))
        });
        let words = Words::new(words).ok()?;
        let names = credential.into_iter().flat_map(|(_, rule)| &rule.context);
        let credentials = names.map(|name| plain(name.as_bytes())).collect();
        let lane = Lane::new(numbered().filter_map(|(id, rule)| match &rule.matcher {
            Matcher::Regex(expression) => Some((id, expression)),
            Matcher::Builtin(_) => None,
        }));
        Some(Self {
            rules,
            class_of,
            classes,
            drivers,
            words,
            credentials,
            lane,
            memory: Memory::default(),
            hash,
        })
    }
}

/// A field name without letter case and what parts its words.
fn plain(name: &[u8]) -> Vec<u8> {
    let letters = name.iter().filter(|byte| !b"_-. ".contains(byte));
    letters.map(u8::to_ascii_lowercase).collect()
}

/// The rule files that are compiled in, as sources.
pub fn builtin_sources() -> Vec<RuleSource> {
    let source = |(name, text): (&str, &str)| RuleSource {
        name: name.into(),
        text: text.into(),
        layer: Layer::Builtin,
    };
    BUILTIN.into_iter().map(source).collect()
}

/// Reads all sources, layer by layer; duplicates within a layer are `R003`, too much of anything is `R018`.
fn read(sources: &[RuleSource], problems: &mut Vec<Problem>) -> Vec<Rule> {
    let mut rules: Vec<(Layer, Rule)> = Vec::new();
    let mut index = HashMap::<String, usize>::new();
    let mut ordered: Vec<&RuleSource> = sources.iter().collect();
    ordered.sort_by_key(|source| source.layer);
    let files: Vec<_> = ordered
        .into_iter()
        .filter_map(|source| Some((source, read_one(source, problems)?)))
        .collect();
    let lists = word_lists(&files, problems);
    let mut room = Room::default();
    for (source, file) in files {
        for syntax in file.rule {
            let name = syntax.name.span();
            let full = |(message, help)| error("R018", &source.name, name, message, Some(help));
            if let Err(full) = room.one_more(source.layer).map_err(full) {
                problems.push(full);
                return Vec::new();
            }
            let Some(rule) = Rule::from_syntax(&source.name, syntax, &lists, &mut room.compiled, problems) else {
                continue;
            };
            room.words += rule.context.len() + rule.veto.len();
            let Some(place) = index.get(&rule.name).copied() else {
                index.insert(rule.name.clone(), rules.len());
                rules.push((source.layer, rule));
                continue;
            };
            match rules.get_mut(place) {
                Some((layer, first)) if *layer == source.layer => problems.push(duplicate(&rule, first)),
                Some(replaced) => *replaced = (source.layer, rule),
                None => {}
            }
        }
    }
    if let Some((_, rule)) = rules.get(RULES_MAX) {
        let (file, name) = (&rule.origin.file, rule.origin.name.clone());
        let message = format!("there are more than {RULES_MAX} rules, with those that are compiled in");
        let help = "one expression with `|` does the work of several".to_owned();
        problems.push(error("R018", file, name, message, help));
        rules.truncate(RULES_MAX);
    }
    rules.into_iter().map(|(_, rule)| rule).collect()
}

/// What of a set's bounds is used up while its rules are read: a file that is far too large is refused before it costs much.
#[derive(Default)]
struct Room {
    compiled: CompileRoom,
    layer: Option<Layer>,
    /// Rules written in this layer, good or bad.
    written: usize,
    /// Context and veto words, each list as often as it is named.
    words: usize,
}

impl Room {
    /// One more rule is written in `layer`: what there is too much of, and what to do.
    fn one_more(&mut self, layer: Layer) -> Result<(), (String, String)> {
        if self.layer.replace(layer) != Some(layer) {
            self.written = 0;
        }
        self.written += 1;
        if self.written > RULES_MAX {
            let help = "one expression with `|` does the work of several".to_owned();
            return Err((format!("there are more than {RULES_MAX} rules"), help));
        }
        if self.words > SET_WORDS_MAX {
            let message = format!("the rules before this one have more than {SET_WORDS_MAX} context and veto words");
            return Err((message, "a list counts as often as a rule names it".to_owned()));
        }
        Ok(())
    }
}

/// The lists of words of all files; one of a later file replaces that of its name.
fn word_lists(files: &[(&RuleSource, RuleFileSyntax)], problems: &mut Vec<Problem>) -> WordLists {
    let mut lists = WordLists::new();
    for (source, file) in files {
        for (name, words) in &file.words {
            check_list(&source.name, words, problems);
            lists.insert(name.clone(), words.clone());
        }
    }
    lists
}

fn read_one(source: &RuleSource, problems: &mut Vec<Problem>) -> Option<RuleFileSyntax> {
    if source.text.len() > RULE_FILE_BYTES_MAX {
        let message = format!("the file is larger than {RULE_FILE_BYTES_MAX} bytes");
        problems.push(Problem {
            span: None,
            ..error("R018", &source.name, 0..0, message, "divide it".to_owned())
        });
        return None;
    }
    syntax::parse(&source.name, &source.text)
        .map_err(|found| problems.extend(found))
        .ok()
}

fn duplicate(rule: &Rule, first: &Rule) -> Problem {
    let message = format!("rule `{}` exists already, in {}", rule.name, first.origin.file);
    let help = "give one of them another name; only a rule of `rules.d/` over a built-in one replaces it".to_owned();
    error("R003", &rule.origin.file, rule.origin.name.clone(), message, help)
}

/// Gives each class its number; `R012` where two rules of a class disagree on its category.
fn number_classes(rules: &[Rule], problems: &mut Vec<Problem>) -> (Vec<(String, Category)>, Vec<ClassId>) {
    let mut classes: Vec<(String, Category)> = Vec::new();
    let mut class_of = Vec::with_capacity(rules.len());
    for rule in rules {
        let known = classes.iter().position(|(name, _)| *name == rule.class);
        let refuse = |code, message, help: &str| {
            let class = rule.origin.class.clone();
            error(code, &rule.origin.file, class, message, help.to_owned())
        };
        match known.and_then(|index| classes.get(index)) {
            Some((name, category)) if *category != rule.category => {
                let message = format!("another rule of class `{name}` gives it another category");
                let help = "take that category, or give this rule a class of its own";
                problems.push(refuse("R012", message, help));
            }
            Some(_) => {}
            None if classes.len() == CLASSES_MAX => {
                let message = format!("there are more than {CLASSES_MAX} classes");
                problems.push(refuse("R018", message, "let several rules share a class"));
            }
            None => classes.push((rule.class.clone(), rule.category)),
        }
        let number = known.unwrap_or(classes.len() - 1);
        class_of.push(ClassId(u8::try_from(number).expect("CLASSES_MAX fits in a byte")));
    }
    (classes, class_of)
}

/// The rule that drives each built-in matcher; `R014` where two want one.
fn drivers(rules: &[Rule], problems: &mut Vec<Problem>) -> [Option<RuleId>; Builtin::COUNT] {
    let mut drivers = [None::<RuleId>; Builtin::COUNT];
    for (id, rule) in (0..=u16::MAX).map(RuleId).zip(rules) {
        let Matcher::Builtin(builtin) = rule.matcher else {
            continue;
        };
        let Some(driver) = drivers.get_mut(builtin as usize) else {
            continue;
        };
        match driver.and_then(|first| rules.get(usize::from(first.0))) {
            Some(first) => {
                let message = format!("the built-in matcher already belongs to rule `{}`", first.name);
                let help = format!("to change that rule, name this one `{}`", first.name);
                let span: Range<usize> = rule.origin.name.clone();
                problems.push(error("R014", &rule.origin.file, span, message, help));
            }
            None => *driver = Some(id),
        }
    }
    drivers
}

/// The hash of all files in the order given, with their layers.
fn hash(sources: &[RuleSource]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("tidegate rule set 1");
    for source in sources {
        hasher.update(&[u8::from(source.layer == Layer::Overlay)]);
        hasher.update(&(source.text.len() as u64).to_le_bytes());
        hasher.update(source.text.as_bytes());
    }
    *hasher.finalize().as_bytes()
}
