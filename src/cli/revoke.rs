//! `tidegate revoke`: has a running gateway let a credential in no more.

use std::io::Write;

use serde_json::json;

use super::Failed;
use super::args::RevokeArgs;
use super::gateway::{Gateway, run};
use super::listing::{moment, number, text};
use super::text_file::typed;

/// A name has at most so many bytes: as many as the body of a request may have, with room for the rest.
const NAME_BYTES_MAX: u64 = 12 << 10;

/// Revokes.
///
/// # Errors
/// A gateway that cannot be asked, or refuses.
pub(super) fn execute(args: &RevokeArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let gateway = Gateway::of(&args.gateway)?;
    let name = typed(&args.name, NAME_BYTES_MAX)?;
    let mut body = json!({ "what": args.what, "name": name, "reason": args.reason });
    if let (Some(duration), Some(body)) = (&args.duration, body.as_object_mut()) {
        body.insert("for".to_owned(), json!(duration));
    }
    let revoked = run(gateway.post("/api/v1/revocations", &body, "key"))?;
    write!(out, "{} is revoked", text(&revoked, "key"))?;
    match number(&revoked, "until") {
        0 => writeln!(out, " until it is reinstated")?,
        until => writeln!(out, " until {}", moment(until))?,
    }
    if revoked.get("written").and_then(serde_json::Value::as_bool) == Some(false) {
        writeln!(out, "it is in force, and not on disk: the ledger cannot be written")?;
    }
    Ok(())
}
