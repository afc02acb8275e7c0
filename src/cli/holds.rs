//! `tidegate holds`: which keys a running gateway refuses for a time.

use std::io::Write;

use super::args::ListArgs;
use super::gateway::{Gateway, run};
use super::{Failed, listing};

/// Lists holds.
///
/// # Errors
/// A gateway that cannot be asked, or refuses.
pub(super) fn execute(args: &ListArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let gateway = Gateway::of(&args.gateway)?;
    let answer = run(gateway.get(&format!("/api/v1/holds?limit={}", args.limit), "holds"))?;
    Ok(listing::print(&answer, args.json, listing::holds, out)?)
}
