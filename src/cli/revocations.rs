//! `tidegate revocations`: what may not be used any more at a running gateway.

use std::io::Write;

use super::args::RevocationsArgs;
use super::gateway::{Gateway, run};
use super::{Failed, listing};

/// Lists revocations.
///
/// # Errors
/// A gateway that cannot be asked, or refuses.
pub(super) fn execute(args: &RevocationsArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let gateway = Gateway::of(&args.gateway)?;
    let path = format!("/api/v1/revocations?limit={}", args.limit);
    let answer = run(gateway.get(&path, "revocations"))?;
    if args.json {
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    for line in listing::revocations(&answer) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}
