//! Files, by Landlock (landlock(7)): where something may be written, and what may be started.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope, make_bitflags, path_beneath_rules,
};

use super::{FULL, NONE, PARTIAL, Places};

/// The newest of Landlock's versions of which something is asked; where a kernel has an older one, so much less holds.
const VERSION: ABI = ABI::V6;

/// What a directory of its own takes.
const OWN: BitFlags<AccessFs> =
    make_bitflags!(AccessFs::{WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir});
/// What one of evidence takes.
const EVIDENCE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{WriteFile | MakeReg});

/// Reads anywhere, writes in `places` alone, and starts what runs already.
pub(super) fn of_gateway(places: &Places) -> &'static str {
    enforced(&restrict_gateway(places))
}

/// Touches no path, no port, and no process outside.
pub(super) fn of_reader() -> &'static str {
    enforced(&restrict_reader())
}

fn enforced(status: &Result<RulesetStatus, RulesetError>) -> &'static str {
    match status {
        Ok(RulesetStatus::FullyEnforced) => FULL,
        Ok(RulesetStatus::PartiallyEnforced) => PARTIAL,
        Ok(RulesetStatus::NotEnforced) | Err(_) => NONE,
    }
}

fn restrict_gateway(places: &Places) -> Result<RulesetStatus, RulesetError> {
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_write(VERSION) | AccessFs::Execute)?
        .create()?
        .add_rules(path_beneath_rules(&places.own, OWN))?
        .add_rules(path_beneath_rules(&places.evidence, EVIDENCE))?
        // Where what a reader says is not heard.
        .add_rules(path_beneath_rules(["/dev/null"], AccessFs::WriteFile))?
        // The file that runs, though another took its place; a loader and libraries may be renewed while it does.
        .add_rules(path_beneath_rules(["/proc/self/exe"], AccessFs::Execute))?
        .add_rules(path_beneath_rules(libraries(), AccessFs::Execute))?
        .restrict_self()?;
    Ok(restricted.ruleset)
}

fn restrict_reader() -> Result<RulesetStatus, RulesetError> {
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(VERSION))?
        .handle_access(AccessNet::from_all(VERSION))?
        .scope(Scope::from_all(VERSION))?
        .create()?
        .restrict_self()?;
    Ok(restricted.ruleset)
}

/// Where the loader and the libraries of this process are (proc(5), `/proc/PID/maps`).
fn libraries() -> BTreeSet<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mapped = maps.lines().filter_map(|line| {
        let (head, path) = line.split_once('/')?;
        let is_library = head.split(' ').nth(1)?.contains('x') && path.contains(".so");
        is_library.then(|| PathBuf::from(format!("/{path}")))
    });
    mapped.filter_map(|path| Some(path.parent()?.to_owned())).collect()
}
