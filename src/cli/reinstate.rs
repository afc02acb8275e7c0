//! `tidegate reinstate`: has a running gateway let in again what was revoked.

use std::io::Write;

use serde_json::json;

use super::Failed;
use super::args::ReinstateArgs;
use super::gateway::{Gateway, run};

/// Reinstates.
///
/// # Errors
/// A gateway that cannot be asked, or refuses.
pub(super) fn execute(args: &ReinstateArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let gateway = Gateway::of(&args.gateway)?;
    let path = format!("/api/v1/revocations/{}/reinstate", args.key);
    run(gateway.post(&path, &json!({ "reason": args.reason }), "key"))?;
    writeln!(out, "{} may be used again", args.key)?;
    Ok(())
}
