//! `tidegate bypass`: suspends enforcement through a file, so that it works when the admin address does not.

use std::io::Write;
use std::path::PathBuf;

use super::args::BypassArgs;
use super::{Exit, Failed};
use crate::admin::judge_reason;
use crate::clock::Clock;
use crate::engine::detect::RuleSet;
use crate::engine::policy::units;
use crate::run::{BYPASS_FILE, Suspension, dir_of, read_bypass, write_bypass};

/// A bypass lasts at most a day; who needs more changes the configuration.
const SECONDS_MAX: u32 = 86_400;

/// Writes the bypass file; a running gateway follows within five seconds.
///
/// # Errors
/// A time that is none, or a state directory that cannot be written.
pub(super) fn execute(args: &BypassArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let origin = super::run::origin_of(&args.config.config);
    let text = std::fs::read_to_string(&args.config.config).unwrap_or_default();
    // Only the state directory matters, and it must be found even in a configuration that no longer loads.
    let configured = toml::from_str::<toml::Table>(&text).ok();
    if let (Some(route), Some(table)) = (&args.route, &configured) {
        known_route(route, table)?;
    }
    let dir = existing(dir_of(&origin))?;
    let now = Clock::start().now();
    let mut file = read_bypass(&dir)?;
    file.bypass.retain(|suspension| suspension.until > now.second());
    if args.end {
        file.bypass.clear();
        write_bypass(&dir, &file)?;
        writeln!(out, "no bypass is in force any more")?;
        return Ok(());
    }
    let seconds = units::seconds(&args.duration).filter(|seconds| (1..=SECONDS_MAX).contains(seconds));
    let Some(seconds) = seconds else {
        return Err(Failed::new(Exit::Usage, "--for is a time of at most 24h, such as 15m"));
    };
    let reason = args.reason.as_deref().unwrap_or_default().trim();
    // The rules that are compiled in: a bypass works where the configuration does not load.
    judge_reason(reason, &RuleSet::builtin()).map_err(|fault| Failed::new(Exit::Usage, format!("--reason {fault}")))?;
    let by = super::run::environment()
        .find(|(name, _)| name == "SUDO_USER" || name == "USER")
        .map(|(_, value)| value);
    file.bypass.push(Suspension {
        route: args.route.clone(),
        until: now.second().saturating_add(seconds),
        reason: reason.to_owned(),
        by: by.unwrap_or_else(|| "unknown".to_owned()),
    });
    write_bypass(&dir, &file)?;
    let what = args.route.as_deref().unwrap_or("all routes");
    writeln!(
        out,
        "{what}: no budget is enforced for {}; holds stay ({})",
        args.duration,
        dir.join(BYPASS_FILE).display()
    )?;
    Ok(())
}

/// A state directory that a gateway has run with.
pub(super) fn existing(dir: PathBuf) -> Result<PathBuf, Failed> {
    if dir.is_dir() {
        return Ok(dir);
    }
    let message = format!("{}: no gateway has run with this state directory", dir.display());
    Err(Failed::new(Exit::Io, message))
}

/// A bypass of a route that does not exist would look like one and do nothing.
fn known_route(route: &str, table: &toml::Table) -> Result<(), Failed> {
    let routes = table.get("route").and_then(toml::Value::as_array).into_iter().flatten();
    let names: Vec<&str> = routes.filter_map(|route| route.get("match")?.as_str()).collect();
    if names.contains(&route) {
        return Ok(());
    }
    let known = names.join("`, `");
    Err(Failed::new(
        Exit::Usage,
        format!("there is no route `{route}`; there is: `{known}`"),
    ))
}
