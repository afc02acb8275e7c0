//! Finding identifiers in text: rules as written, the compiled set, the built-in matchers and their validators.

mod bytes;
mod class;
mod context;
mod field_names;
mod finding;
mod fold;
mod hint;
mod key;
mod key_words;
mod lane;
mod lexicon;
mod matcher;
mod number;
mod part;
mod role;
mod rule;
mod scan;
mod set;
mod syntax;
mod usage;
mod validate;
mod vocabulary;

pub use class::{Category, ClassId, ClassSet};
pub use field_names::FieldNames;
pub use finding::{Context, Finding, Normal, Span};
pub use hint::{closest, did_you_mean, toml_problem};
pub use key::Key;
pub(super) use key::{is_carrier, is_contacts, names_mail};
pub(super) use part::Part;
pub use role::OrderSigns;
pub(super) use role::{Role, is_data};
pub use set::{CLASSES_MAX, Layer, RULE_FILE_BYTES_MAX, RULES_MAX, RuleSet, RuleSource, builtin_sources};
pub use syntax::{place_of, read_toml, schema};
pub use usage::{RuleUsage, Usage};

/// The number of a rule inside a [`RuleSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u16);
