//! A problem in a file that a person wrote: where it stands, what is wrong, what was probably meant.

use std::ops::Range;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The set loads, but probably not as meant.
    Warning,
    /// The set is refused.
    Error,
}

/// One problem of a rule file or a configuration. Rendered by `cli/report.rs` with file, line and column.
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
