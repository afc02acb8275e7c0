//! `tidegate revocations`: what may not be used any more at a running gateway.

use std::io::Write;

use super::args::ListArgs;
use super::gateway::{Gateway, run};
use super::{Failed, listing};

/// Lists revocations.
///
/// # Errors
/// A gateway that cannot be asked, or refuses.
pub(super) fn execute(args: &ListArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let gateway = Gateway::of(&args.gateway)?;
    let path = format!("/api/v1/revocations?limit={}", args.limit);
    let answer = run(gateway.get(&path, "revocations"))?;
    Ok(listing::print(&answer, args.json, listing::revocations, out)?)
}
