//! `tidegate ledger rotate`: another key takes the place of the one that people are hashed with.

use std::io::Write;
use std::path::Path;

use super::ledger::refused;
use super::{Exit, Failed};
use crate::clock::Clock;
use crate::run::{StateError, people};
use crate::store::{KeyMark, StoreFile, Switch};

/// What is wrong with the files of the keys.
fn of_state(error: StateError) -> Failed {
    Failed::new(Exit::Permission, error)
}

/// Makes the next key.
///
/// # Errors
/// When a rotation is under way, or the state directory cannot be used.
pub(super) fn begin(dir: &Path, out: &mut dyn Write) -> Result<(), Failed> {
    let next = people::prepare(dir).map_err(of_state)?;
    writeln!(out, "next: {}", next.display())?;
    writeln!(
        out,
        "copy it into the state directory of every gateway that counts with this one, and restart each: people are then \
         hashed with both keys"
    )?;
    writeln!(
        out,
        "once the longest window has passed since the last of them started, on each: stop it, `tidegate ledger rotate \
         --switch`, start it"
    )?;
    Ok(())
}

/// The next key decides from now on.
///
/// # Errors
/// When it has not been written for as long as the longest window, or the ledger cannot be used.
pub(super) fn switch(dir: &Path, out: &mut dyn Write) -> Result<(), Failed> {
    let now = Clock::start().now();
    let mark = KeyMark::of(&crate::run::known_secret(dir).map_err(of_state)?);
    let mut file = StoreFile::open(dir).map_err(|error| refused(&error))?;
    let changed = KeyMark {
        people: mark.beside.unwrap_or_default(),
        beside: Some(mark.people),
        ..mark
    };
    // Cut short before, only the files of the keys are left to do.
    if mark.beside.is_none() || file.mark() != changed {
        match file.switch_people(now).map_err(|error| refused(&error))? {
            Switch::Done => {}
            Switch::NotBegun => {
                let message = "no gateway has hashed people with a second key on this ledger: `tidegate ledger rotate`, then \
                               restart it";
                return Err(Failed::new(Exit::Failure, message));
            }
            Switch::Before(until) => {
                let message = format!(
                    "the longest window reaches back to before people were hashed with both keys, until {}: who was shown \
                     before would be new",
                    super::listing::moment(until.into())
                );
                return Err(Failed::new(Exit::Failure, message));
            }
        }
    }
    people::switch(dir).map_err(of_state)?;
    writeln!(
        out,
        "the next key decides; the one before is kept up until `tidegate ledger rotate --end`"
    )?;
    Ok(())
}

/// The old key goes.
///
/// # Errors
/// When there is none, or its file cannot be removed.
pub(super) fn end(dir: &Path, out: &mut dyn Write) -> Result<(), Failed> {
    let Some(old) = people::drop_old(dir).map_err(of_state)? else {
        let message =
            "there is no old key: it goes once `tidegate ledger rotate --switch` has put the next in its place";
        return Err(Failed::new(Exit::Failure, message));
    };
    writeln!(
        out,
        "removed: {}; what was hashed with it goes at the next start",
        old.display()
    )?;
    Ok(())
}
