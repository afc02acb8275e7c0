//! `tidegate recertify`: tells a running gateway that an account which had been idle is in use again, by its owner's word.

use std::io::Write;

use serde_json::json;

use super::Failed;
use super::args::RecertifyArgs;
use super::gateway::{Gateway, run};

/// Recertifies.
///
/// # Errors
/// A gateway that cannot be asked, or refuses.
pub(super) fn execute(args: &RecertifyArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let gateway = Gateway::of(&args.gateway)?;
    let path = format!("/api/v1/keys/{}/recertify", args.key);
    run(gateway.post(&path, &json!({ "reason": args.reason }), "key"))?;
    writeln!(out, "{} is in use again", args.key)?;
    Ok(())
}
