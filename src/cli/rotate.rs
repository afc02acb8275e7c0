//! `tidegate ledger rotate`: another key takes the place of the one that people are hashed with.

use std::io::Write;
use std::path::Path;

use super::hash::refused as of_state;
use super::ledger::refused;
use super::listing::moment;
use super::{Exit, Failed, audit};
use crate::clock::Clock;
use crate::engine::time::Now;
use crate::run::people::{self, Other};
use crate::store::journal::Reader;
use crate::store::{KeyMark, StoreError, StoreFile, Switch};

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
/// When it has not been written for as long as the longest window, there is none, or ledger and keys do not belong together;
/// then nothing has changed.
pub(super) fn switch(dir: &Path, out: &mut dyn Write) -> Result<(), Failed> {
    let now = Clock::start().now();
    let nothing = || {
        Failed::new(
            Exit::Failure,
            "there is no next key to be switched to: `tidegate ledger rotate` makes one",
        )
    };
    let switching = people::switching(dir).map_err(of_state)?.ok_or_else(nothing)?;
    let [before, after] = [&switching.before, &switching.after].map(KeyMark::of);
    let mut file = StoreFile::open(dir).map_err(|error| refused(&error))?;
    let mark = file.mark();
    let [is_before, is_after] = [before, after].map(|side| file.check(side).is_ok());
    // Of a switch that was cut short, or of a ledger that was put back, one half is done.
    if mark == before {
        change_places(&mut file, now)?;
    } else if is_after && !switching.is_ahead {
        return Err(nothing());
    } else if is_before && switching.is_ahead {
        return Err(not_begun());
    } else if mark != after {
        let message =
            "the ledger and the keys of people beside it are of no one step: put back those that were there together";
        return Err(Failed::new(Exit::Failure, message));
    }
    people::switch(dir).map_err(of_state)?;
    writeln!(
        out,
        "the next key decides; the one before is kept up until `tidegate ledger rotate --end`"
    )?;
    Ok(())
}

fn not_begun() -> Failed {
    let message = "no gateway has hashed people with the next key on this ledger: restart it, and once the longest window has \
                   passed, switch";
    Failed::new(Exit::Failure, message)
}

fn change_places(file: &mut StoreFile, now: Now) -> Result<(), Failed> {
    match file.switch_people(now).map_err(|error| refused(&error))? {
        Switch::Done => Ok(()),
        Switch::NotBegun => Err(not_begun()),
        Switch::Before(until) => {
            let message = format!(
                "the longest window reaches back to before people were hashed with both keys, until {}: who was shown \
                 before would be new",
                moment(until.into())
            );
            Err(Failed::new(Exit::Failure, message))
        }
    }
}

/// One of the two keys goes, and what was hashed with it; a `journal` must not need it any more.
///
/// # Errors
/// When it is not the one that goes in this step, there is none, the journal has people from before the switch, or the ledger
/// cannot be used.
pub(super) fn forget(dir: &Path, (other, journal): (Other, Option<&Path>), out: &mut dyn Write) -> Result<(), Failed> {
    let (not_this, why) = match other {
        Other::Next => (
            Other::Old,
            "the switch was made, or cut short: `--switch` and `--end` end it",
        ),
        Other::Old => (
            Other::Next,
            "it has not taken its place: `--switch` has it do so, `--abandon` gives it up",
        ),
    };
    if not_this.is_in(dir).map_err(of_state)? {
        return Err(Failed::new(
            Exit::Failure,
            format!("{} is there: {why}", not_this.path(dir).display()),
        ));
    }
    let file = match StoreFile::open(dir) {
        Err(StoreError::Missing(_)) => None,
        file => Some(file.map_err(|error| refused(&error))?),
    };
    if let Some(journal) = journal
        && other.is_in(dir).map_err(of_state)?
    {
        let switched = file.as_ref().map(StoreFile::switched).transpose();
        let switched = switched.map_err(|error| refused(&error))?.flatten();
        is_joined_by_the_new_key(journal, switched)?;
    }
    let mark = KeyMark::of(&crate::run::known_secret(dir).map_err(of_state)?);
    // The ledger first: one that keeps up a key that is gone does not start.
    let is_kept = file.map(|mut file| file.drop_beside(mark, Clock::start().now()));
    let is_kept = is_kept.transpose().map_err(|error| refused(&error))?.unwrap_or(false);
    let is_there = other.remove(dir).map_err(of_state)?;
    let path = other.path(dir);
    if !is_kept && !is_there {
        return Err(Failed::new(
            Exit::Failure,
            format!("{}: there is no such key", path.display()),
        ));
    }
    writeln!(out, "gone: {}, and what was hashed with it", path.display())?;
    Ok(())
}

/// Whether nobody is in the journal from before the second of the switch, or nobody at all where that is not known: with one key
/// only none of them is found in a list of customers.
fn is_joined_by_the_new_key(journal: &Path, switched: Option<u32>) -> Result<(), Failed> {
    // A run with an earlier clock may have written behind a later one, so that the first entry does not say it; and of the
    // second of the switch nobody can tell who was shown before it.
    let until = switched.unwrap_or(u32::MAX);
    let entry = Reader::open(journal).and_then(|reader| reader.between(0, until).next().transpose());
    let found = match entry {
        Ok(None) => return Ok(()),
        Ok(Some(entry)) => Failed::new(
            Exit::Failure,
            format!(
                "the journal has people of {}, and the next key decides since {}: whoever was shown before is found by \
                 `exposure --join` with the old key only; wait until they have left the journal",
                moment(entry.second.into()),
                switched.map_or_else(
                    || "a second that the ledger does not know".to_owned(),
                    |switched| moment(switched.into())
                )
            ),
        ),
        Err(error) => audit::refused(error),
    };
    let message = format!("{}, or say --leave-journal", found.message);
    Err(Failed { message, ..found })
}

#[cfg(test)]
mod tests;
