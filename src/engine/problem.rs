//! A problem in a file that a person wrote: where it stands, what is wrong, what was probably meant.

use std::ops::{Range, RangeInclusive};

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The set loads, but probably not as meant.
    Warning,
    /// The set is refused.
    Error,
}

/// One problem of a rule file or a configuration. Rendered by `cli/report.rs` with file, line and column, and told by a reload
/// with the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A stable code, such as `R003`, that documentation and tests name.
    pub code: &'static str,
    /// Whether the set is refused for it.
    pub severity: Severity,
    /// The file, as the user named it.
    pub file: String,
    /// Byte offsets in the file; `None` where the whole file is meant.
    pub span: Option<Range<usize>>,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What was probably meant, or what to do.
    pub help: Option<String>,
}

impl Problem {
    /// Line and column (in letters) where it begins in `source`, the text of its file; both from 1.
    pub fn place(&self, source: &str) -> Option<(usize, usize)> {
        let before = source.get(..self.span.as_ref()?.start)?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..)?.chars().count() + 1;
        Some((before.matches('\n').count() + 1, column))
    }
}

/// A number that a person set, and the bounds within which the program works as it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounded {
    /// The setting's name, as it is written.
    pub name: &'static str,
    /// What was written.
    pub value: u64,
    /// What may be.
    pub bounds: RangeInclusive<u64>,
}

impl Bounded {
    /// A number with its bounds.
    pub fn new(name: &'static str, value: impl TryInto<u64>, bounds: RangeInclusive<u64>) -> Self {
        let value = value.try_into().unwrap_or(u64::MAX);
        Self { name, value, bounds }
    }

    /// What is wrong with it, if anything.
    pub fn problem(&self) -> Option<String> {
        let Self { name, value, bounds } = self;
        let (least, most) = (bounds.start(), bounds.end());
        (!bounds.contains(value)).then(|| format!("`{name}` is {value}, and must be from {least} to {most}"))
    }
}

/// Every field of some settings with its bounds: a field without any does not compile.
macro_rules! bounded {
    ($settings:expr => Self { $($field:ident: $bounds:expr),+ $(; $($free:ident),+)? $(,)? }) => {{
        let Self { $($field,)+ $($($free: _,)+)? } = $settings;
        vec![$($crate::engine::problem::Bounded::new(stringify!($field), *$field, $bounds)),+]
    }};
}
pub(crate) use bounded;
