//! `tidegate audit verify`: finds every place at which the journal is not as it was written.

use std::io::Write;
use std::path::PathBuf;

use super::args::JournalArgs;
use super::report::counted;
use super::{Exit, Failed};
use crate::run::{Origin, dir_of, journal_of, rules_of, tenants_named};
use crate::store::journal::{self, JournalError, Signer, Verified, Verifier};

/// Verifies, and prints what was found.
///
/// # Errors
/// A journal that cannot be read, or that is not as it was written.
pub(super) fn verify(args: &JournalArgs, public_key: Option<&str>, out: &mut dyn Write) -> Result<(), Failed> {
    let dir = args.journal_dir()?;
    let verifier = match public_key {
        Some(text) => {
            Verifier::parse(text).ok_or_else(|| Failed::new(Exit::Usage, "--public-key has 64 hexadecimal digits"))?
        }
        None => Signer::known(&args.state_dir()).map_err(refused)?.verifier(),
    };
    let found = journal::verify(&dir, &verifier).map_err(refused)?;
    tell(&found, &verifier, out)?;
    if found.faults.is_empty() {
        return Ok(());
    }
    let faults = counted(found.faults.len() as u64, "place is", "places are");
    Err(Failed::new(Exit::Failure, format!("{faults} not as it was written")))
}

fn tell(found: &Verified, verifier: &Verifier, out: &mut dyn Write) -> Result<(), Failed> {
    for fault in &found.faults {
        writeln!(out, "{fault}")?;
    }
    writeln!(
        out,
        "{} in {}, {}; signed {} with {}",
        counted(found.entries, "entry", "entries"),
        counted(found.segments, "segment", "segments"),
        counted(found.frames, "frame", "frames"),
        counted(found.checkpoints, "time", "times"),
        verifier.hex()
    )?;
    if let Some(newest) = &found.newest {
        writeln!(
            out,
            "the newest checkpoint: segment {}, byte {}, hash {}",
            newest.sequence,
            newest.length,
            blake3::Hash::from_bytes(newest.chain).to_hex()
        )?;
    }
    if found.unsigned_frames > 0 {
        writeln!(
            out,
            "behind it {}, held by hashes alone until the next",
            counted(found.unsigned_frames, "frame", "frames")
        )?;
    }
    Ok(())
}

impl JournalArgs {
    fn origin(&self) -> Origin {
        super::run::origin_of(&self.config.config)
    }

    /// Where the journal is.
    pub(super) fn journal_dir(&self) -> Result<PathBuf, Failed> {
        let named = self.journal.clone().or_else(|| journal_of(&self.origin()));
        named.ok_or_else(|| {
            let config = self.config.config.display();
            Failed::new(Exit::Usage, format!("{config} names no `journal.dir`; say --journal"))
        })
    }

    /// Where the operator's rules are, if there are any.
    pub(super) fn rules_dir(&self) -> Option<PathBuf> {
        rules_of(&self.origin())
    }

    /// Whose data the routes serve, where the configuration can be read.
    pub(super) fn tenants(&self) -> Option<Vec<String>> {
        tenants_named(&self.origin())
    }

    /// Where the hash key is.
    pub(super) fn state_dir(&self) -> PathBuf {
        self.state_dir.clone().unwrap_or_else(|| dir_of(&self.origin()))
    }
}

/// An answer from a journal is whole, or these segments of it are missing from the answer.
///
/// # Errors
/// When they are not as they were written.
pub(super) fn whole(damaged: &[JournalError]) -> Result<(), Failed> {
    if damaged.is_empty() {
        return Ok(());
    }
    let damaged: Vec<String> = damaged.iter().map(ToString::to_string).collect();
    let message = format!(
        "what these segments hold is missing from the answer:\n{}",
        damaged.join("\n")
    );
    Err(Failed::new(Exit::Failure, message))
}

/// A journal that cannot be read.
pub(super) fn refused(error: JournalError) -> Failed {
    let exit = match &error {
        JournalError::Signer(..) => Exit::Permission,
        JournalError::Io(..)
        | JournalError::Foreign(_)
        | JournalError::OtherKey(_)
        | JournalError::OtherTenant(..)
        | JournalError::Damaged { .. } => Exit::Io,
    };
    Failed::new(exit, error)
}
