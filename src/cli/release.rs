//! `tidegate release`: ends the hold of a key of a running gateway, and allows it more people if that is said.

use std::io::Write;

use serde_json::json;

use super::Failed;
use super::args::ReleaseArgs;
use super::gateway::{Gateway, run};
use super::listing::{moment, number};

/// Releases a key.
///
/// # Errors
/// A gateway that cannot be asked, or refuses.
pub(super) fn execute(args: &ReleaseArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let gateway = Gateway::of(&args.gateway)?;
    let mut body = json!({ "reason": args.reason });
    if let (Some(people), Some(duration), Some(body)) = (args.people, &args.duration, body.as_object_mut()) {
        body.extend([
            ("people".to_owned(), json!(people)),
            ("for".to_owned(), json!(duration)),
        ]);
    }
    let released = run(gateway.post(&format!("/api/v1/holds/{}/release", args.key), &body, "until"))?;
    write!(out, "{} is released", args.key)?;
    if let Some(people) = args.people {
        let until = moment(number(&released, "until"));
        write!(out, ", and may be shown {people} people more until {until}")?;
    }
    writeln!(out)?;
    Ok(())
}
