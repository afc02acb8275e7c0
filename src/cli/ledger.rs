//! `tidegate ledger`: the ledger on disk of a gateway that does not run.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::args::{LedgerCommand, StateArgs};
use super::text_file::or_stdin;
use super::{Exit, Failed};
use crate::clock::Clock;
use crate::engine::ledger::{KeyFrame, KeyId, Mark, Tag};
use crate::engine::time::Now;
use crate::run::people::Other;
use crate::run::{dir_of, is_read, journal_of, known_secret};
use crate::store::{KeyMark, Lines, LinesError, StoreError, StoreFile, write_frame, write_head};

/// Faults that are told one by one; the others are a number.
const FAULTS_TOLD_MAX: usize = 20;

/// Does what was asked with the ledger.
///
/// # Errors
/// A ledger that cannot be used; of `verify` one in which something is wrong.
pub(super) fn execute(command: &LedgerCommand, out: &mut dyn Write) -> Result<(), Failed> {
    match command {
        LedgerCommand::Verify { state } => verify(&dir(state)?, out),
        LedgerCommand::Export { state, to } => export(&dir(state)?, to.as_deref(), out),
        LedgerCommand::Import { state, from } => import(&dir(state)?, from, out),
        LedgerCommand::Issued { config, from } => super::issued::take_in(&config.config, from, out),
        LedgerCommand::Rotate {
            state, switch: true, ..
        } => super::rotate::switch(&dir(state)?, out),
        LedgerCommand::Rotate {
            state,
            end: true,
            leave_journal,
            ..
        } => {
            let dir = dir(state)?;
            let journal = if *leave_journal { None } else { journal(state, &dir)? };
            super::rotate::forget(&dir, (Other::Old, journal.as_deref()), out)
        }
        LedgerCommand::Rotate {
            state, abandon: true, ..
        } => super::rotate::forget(&dir(state)?, (Other::Next, None), out),
        LedgerCommand::Rotate { state, .. } => super::rotate::begin(&dir(state)?, out),
        LedgerCommand::Compact { state } => compact(&dir(state)?, out),
    }
}

/// What a ledger that cannot be used comes to.
pub(super) fn refused(error: &StoreError) -> Failed {
    let exit = match error {
        StoreError::Io(_, error) if error.kind() == std::io::ErrorKind::PermissionDenied => Exit::Permission,
        StoreError::Io(..) | StoreError::Full(..) | StoreError::Missing(_) => Exit::Io,
        StoreError::Locked(_) => Exit::Unavailable,
        StoreError::Corrupt(..)
        | StoreError::Foreign(_)
        | StoreError::Version(..)
        | StoreError::OtherKey(_)
        | StoreError::OtherPeople(_)
        | StoreError::NoBeside(_)
        | StoreError::OtherTenant(..)
        | StoreError::Row(..) => Exit::Failure,
    };
    Failed::new(exit, error)
}

fn dir(state: &StateArgs) -> Result<PathBuf, Failed> {
    let dir = state
        .state_dir
        .clone()
        .unwrap_or_else(|| dir_of(&super::run::origin_of(&state.config.config)));
    super::bypass::existing(dir)
}

/// The journal of the gateway with this state directory, if it keeps one; that it keeps none is said by its own configuration alone.
fn journal(state: &StateArgs, dir: &Path) -> Result<Option<PathBuf>, Failed> {
    let origin = super::run::origin_of(&state.config.config);
    let journal = journal_of(&origin);
    let is_its_own = || {
        let [named, given] = [&dir_of(&origin), dir].map(|dir| std::fs::canonicalize(dir).ok());
        state.state_dir.is_none() || named == given
    };
    if journal.is_none() && !(is_read(&origin) && is_its_own()) {
        let message = format!(
            "{} is no configuration of {}, so that whether a journal needs the old key is not known: say --config, or \
             --leave-journal",
            state.config.config.display(),
            dir.display()
        );
        return Err(Failed::new(Exit::Config, message));
    }
    Ok(journal)
}

fn open(dir: &Path) -> Result<StoreFile, Failed> {
    StoreFile::open(dir).map_err(|error| refused(&error))
}

/// What a ledger holds.
#[derive(Default)]
struct Sum {
    rows: u64,
    row_bytes: u64,
    keys: u64,
    elements: u64,
    holds: u64,
    /// The key whose rows are being read, and what was decided last about it: a release may be in another row than the hold.
    last: Option<(KeyId, Option<Mark>)>,
}

impl Sum {
    fn add(&mut self, frame: &KeyFrame, now: Now) {
        self.elements += (frame.elements.len() + frame.registers.len()) as u64;
        match &mut self.last {
            Some((key, mark)) if *key == frame.key => *mark = (*mark).max(frame.mark),
            Some(_) | None => {
                self.end_key(now);
                self.keys += 1;
                self.last = Some((frame.key, frame.mark));
            }
        }
    }

    /// All rows of a key were read.
    fn end_key(&mut self, now: Now) {
        let mark = self.last.take().and_then(|(_, mark)| mark);
        let is_held = |mark: Mark| matches!(mark.tag, Tag::Held { until, .. } if until > now.second());
        self.holds += u64::from(mark.is_some_and(is_held));
    }
}

fn verify(dir: &Path, out: &mut dyn Write) -> Result<(), Failed> {
    let now = Clock::start().now();
    let mut file = open(dir)?;
    let (mut sum, mut faults, mut told) = (Sum::default(), 0_u64, Vec::new());
    let read = file.each(|row| {
        sum.rows += 1;
        sum.row_bytes += row.bytes as u64;
        match row.frame {
            Ok(frame) => sum.add(&frame, now),
            Err(fault) => {
                faults += 1;
                told.extend((told.len() < FAULTS_TOLD_MAX).then_some(fault));
            }
        }
    });
    read.map_err(|error| refused(&error))?;
    sum.end_key(now);
    let path = file.path().display();
    writeln!(
        out,
        "{path}: {} bytes, {} of them in {} rows",
        file.bytes(),
        sum.row_bytes,
        sum.rows
    )?;
    writeln!(
        out,
        "{} keys with {} elements, {} held",
        sum.keys, sum.elements, sum.holds
    )?;
    for fault in &told {
        writeln!(out, "damaged: {fault}")?;
    }
    if faults == 0 {
        writeln!(out, "nothing is wrong")?;
        return Ok(());
    }
    let message = format!("{faults} rows are damaged; `tidegate ledger export` saves the others");
    Err(Failed::new(Exit::Failure, message))
}

fn export(dir: &Path, to: Option<&Path>, out: &mut dyn Write) -> Result<(), Failed> {
    let mut file = open(dir)?;
    let Some(path) = to else {
        return export_into(&mut file, out);
    };
    // What is there may be the last backup.
    let options = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let new = options.map_err(|error| Failed::new(Exit::Io, format!("{}: {error}", path.display())))?;
    let mut lines = BufWriter::new(new);
    export_into(&mut file, &mut lines)?;
    lines
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?
        .sync_all()?;
    Ok(())
}

fn export_into(file: &mut StoreFile, out: &mut dyn Write) -> Result<(), Failed> {
    let tenants = file.tenants().map_err(|error| refused(&error))?;
    write_head(file.mark(), tenants, out)?;
    let (mut failed, mut faults) = (None, 0_u64);
    let read = file.each(|row| match row.frame {
        Ok(frame) if failed.is_none() => failed = write_frame(&frame, out).err(),
        Ok(_) => {}
        Err(_) => faults += 1,
    });
    read.map_err(|error| refused(&error))?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    out.flush()?;
    if faults == 0 {
        return Ok(());
    }
    let message = format!("{faults} damaged rows are not in the export; `tidegate ledger verify` names them");
    Err(Failed::new(Exit::Failure, message))
}

fn import(dir: &Path, from: &Path, out: &mut dyn Write) -> Result<(), Failed> {
    let now = Clock::start().now();
    let key = known_secret(dir).map_err(|error| Failed::new(Exit::Permission, error))?;
    let mark = KeyMark::of(&key);
    let lines =
        File::open(or_stdin(from)).map_err(|error| Failed::new(Exit::Io, format!("{}: {error}", from.display())))?;
    let told = |error| match error {
        LinesError::Store(error) => refused(&error),
        LinesError::Io(_) => Failed::new(Exit::Io, format!("{}: {error}", from.display())),
        LinesError::Line(..) | LinesError::OtherKey | LinesError::OtherTenant(_) => {
            Failed::new(Exit::Failure, format!("{}: {error}", from.display()))
        }
    };
    // Before a ledger is made that may be of no use.
    let mut lines = Lines::new(BufReader::new(lines), mark).map_err(told)?;
    let mut file = StoreFile::open_or_create(dir, mark, now).map_err(|error| refused(&error))?;
    let known = file.tenants().map_err(|error| refused(&error))?;
    let tenants = lines.tenants(&known).map_err(told)?;
    if lines.is_before() {
        // First, since cut short behind the import the next key would seem to know whom it never counted.
        file.begin_beside(now).map_err(|error| refused(&error))?;
    }
    file.import(&mut lines, now).map_err(told)?;
    file.admit(&tenants).map_err(|error| refused(&error))?;
    let count = lines.number().saturating_sub(1);
    writeln!(out, "{}: {count} lines merged", file.path().display())?;
    Ok(())
}

fn compact(dir: &Path, out: &mut dyn Write) -> Result<(), Failed> {
    let mut file = open(dir)?;
    let (before, after) = file.compact().map_err(|error| refused(&error))?;
    writeln!(out, "{}: {before} bytes, then {after}", file.path().display())?;
    Ok(())
}
