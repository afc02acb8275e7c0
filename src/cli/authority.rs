//! `tidegate authority`: development certificates.

use std::io::Write;

use super::args::AuthorityCommand;
use super::{Exit, Failed};
use crate::tls::{Authority, AuthorityError};

/// Makes an authority or a leaf and says where it is.
///
/// # Errors
/// Files that exist, or cannot be read or written.
pub(super) fn execute(command: &AuthorityCommand, out: &mut dyn Write) -> Result<(), Failed> {
    let failed = |error: AuthorityError| {
        let exit = match error {
            AuthorityError::BadName(_) | AuthorityError::NoName => Exit::Usage,
            AuthorityError::Readable(_) => Exit::Permission,
            AuthorityError::File(..)
            | AuthorityError::Exists(_)
            | AuthorityError::Tls(_)
            | AuthorityError::Certificate(_) => Exit::Io,
        };
        Failed::new(exit, error)
    };
    match command {
        AuthorityCommand::New { dir } => {
            let authority = Authority::create(dir).map_err(failed)?;
            writeln!(out, "authority: {}", authority.certificate().display())?;
            writeln!(
                out,
                "clients trust it with: curl --cacert {}",
                authority.certificate().display()
            )?;
        }
        AuthorityCommand::Export { dir, out: path } => {
            let fingerprint = Authority::open(dir).export(path).map_err(failed)?;
            writeln!(out, "certificate: {}", path.display())?;
            writeln!(out, "sha-256: {fingerprint}")?;
        }
        AuthorityCommand::Leaf { dir, names } => {
            let (cert, key) = Authority::open(dir).leaf(names).map_err(failed)?;
            writeln!(
                out,
                "tls = {{ cert = \"{}\", key = \"{}\" }}",
                cert.display(),
                key.display()
            )?;
        }
    }
    Ok(())
}
