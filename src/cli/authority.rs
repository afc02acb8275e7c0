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
            AuthorityError::BadName(_) | AuthorityError::NoName | AuthorityError::BadConstraint(_) => Exit::Usage,
            AuthorityError::Readable(_) => Exit::Permission,
            AuthorityError::File(..)
            | AuthorityError::Exists(_)
            | AuthorityError::Tls(_)
            | AuthorityError::Unfit(..)
            | AuthorityError::Constrained
            | AuthorityError::Certificate(_) => Exit::Io,
        };
        Failed::new(exit, error)
    };
    match command {
        AuthorityCommand::New { dir, name, permit } => {
            let authority = Authority::create_for(dir, name.as_deref(), permit).map_err(failed)?;
            writeln!(out, "authority: {}", authority.certificate().display())?;
            writeln!(
                out,
                "clients trust it with: curl --cacert {}",
                authority.certificate().display()
            )?;
        }
        AuthorityCommand::Import { dir, cert, key } => {
            let authority = Authority::import(dir, cert, key).map_err(failed)?;
            writeln!(out, "authority: {}", authority.certificate().display())?;
        }
        AuthorityCommand::Rotate { dir, switch: true, .. } => {
            let kept = Authority::open(dir).switch().map_err(failed)?;
            writeln!(out, "the next authority signs from the next reload on: send SIGHUP")?;
            writeln!(out, "the one before: {}", kept.display())?;
        }
        AuthorityCommand::Rotate { dir, cert, key, .. } => {
            let from = cert.as_deref().zip(key.as_deref());
            let next = Authority::open(dir).prepare(from).map_err(failed)?;
            writeln!(out, "next: {}", next.certificate().display())?;
            writeln!(out, "when all clients trust it: tidegate authority rotate --switch")?;
        }
        AuthorityCommand::Export { dir, out: path, next } => {
            let authority = Authority::open(dir);
            let authority = if *next { authority.next() } else { authority };
            let fingerprint = authority.export(path).map_err(failed)?;
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
