//! `tidegate keys`: who was shown the most people, by a running gateway.

use std::io::Write;

use super::args::KeysArgs;
use super::gateway::{Gateway, run};
use super::{Failed, listing};

/// Lists keys, those with the most people first.
///
/// # Errors
/// A gateway that cannot be asked, or refuses.
pub(super) fn execute(args: &KeysArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let gateway = Gateway::of(&args.gateway)?;
    // A plus is a blank in a query.
    let dimension = args
        .dimension
        .map(|dimension| format!("&dimension={}", dimension.name().replace('+', "%2B")));
    let path = format!("/api/v1/keys?limit={}{}", args.limit, dimension.unwrap_or_default());
    let answer = run(gateway.get(&path, "keys"))?;
    Ok(listing::print(&answer, args.json, listing::keys, out)?)
}
