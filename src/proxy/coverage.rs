//! How far the body of an answer is looked into, as a response field that helps whoever sets a gateway up.

use http::{HeaderName, HeaderValue};

use super::driver::Driver;
use super::fail::Reason;
use crate::engine::inspect::{Inspector, Mode};

/// On routes with `coverage_header`.
pub(super) const FIELD: HeaderName = HeaderName::from_static("tidegate-coverage");

/// What is known when the head leaves: a body may yet turn out to be one that cannot be read to its end, which metrics tell.
pub(super) fn value(driver: &Driver, mode: Mode) -> HeaderValue {
    let mode = match mode {
        Mode::Watch => "watch",
        Mode::Guard => "guard",
        Mode::Rewrite => "rewrite",
    };
    let passed = driver.outcome().passed.first().map(|(reason, _)| *reason);
    let is_blind = driver.inspector().is_none_or(Inspector::is_blind);
    let state = match passed {
        Some(reason) if is_blind || !reason.is_partial() => "uninspected",
        Some(_) => "partly-inspected",
        None => "inspected",
    };
    let reason = passed.map(Reason::name);
    let reason = reason.map_or_else(String::new, |reason| format!("; reason={reason}"));
    HeaderValue::try_from(format!("{state}; mode={mode}{reason}")).unwrap_or(HeaderValue::from_static("unknown"))
}
