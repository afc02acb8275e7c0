//! `tidegate hold`: has a running gateway refuse a key for a time.

use std::io::Write;

use serde_json::json;

use super::Failed;
use super::args::HoldArgs;
use super::gateway::{Gateway, run};
use super::listing::{moment, number};

/// Holds a key.
///
/// # Errors
/// A gateway that cannot be asked, or refuses.
pub(super) fn execute(args: &HoldArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let gateway = Gateway::of(&args.gateway)?;
    let body = json!({ "key": args.key.to_string(), "for": args.duration, "reason": args.reason });
    let held = run(gateway.post("/api/v1/holds", &body, "until"))?;
    writeln!(out, "{} is held until {}", args.key, moment(number(&held, "until")))?;
    Ok(())
}
