//! Finding identifiers in text: rules as written, the compiled set, the built-in matchers and their validators.

mod class;
mod finding;

pub use class::{Category, ClassId};
pub use finding::{Context, Finding, Normal, Span};

/// The number of a rule inside a [`RuleSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u16);

/// All rules, compiled; immutable and shared.
pub struct RuleSet {}

impl RuleSet {
    /// Finds every identifier whose first byte lies in `within` and appends it to `found`, ordered by start and not
    /// overlapping. `haystack` is one cell or one segment of a long cell: up to 64 bytes before `within` and 256 after
    /// it are there for boundaries and context. Spans are offsets in `haystack`. Linear in `haystack.len()`; never panics.
    pub fn scan(
        &self,
        haystack: &[u8],
        within: std::ops::Range<usize>,
        context: Context<'_>,
        found: &mut Vec<Finding>,
    ) {
        let _ = (haystack, within, context, found);
    }
}
