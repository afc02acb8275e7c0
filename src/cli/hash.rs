//! `tidegate hash`: the line by which a file knows a secret, so that no file holds one.

use std::io::{Read as _, Write};
use std::path::Path;

use super::args::HashKind;
use super::{Exit, Failed};
use crate::admin::token_hash;
use crate::identity::{listed_key_hash, password_hash};
use crate::run::{StateError, key_of};

/// A shorter token can be guessed. A partner's key is what it is, but an empty one is a broken pipe.
const TOKEN_BYTES_MIN: usize = 16;
/// A secret is at most so long.
const SECRET_BYTES_MAX: u64 = 4096;

/// Reads a secret from standard input and prints its line.
///
/// # Errors
/// A state directory that cannot be used, or that is no gateway's.
pub(super) fn execute(config: &Path, kind: &HashKind, out: &mut dyn Write) -> Result<(), Failed> {
    let mut secret = zeroize::Zeroizing::new(Vec::new());
    std::io::stdin()
        .lock()
        .take(SECRET_BYTES_MAX)
        .read_to_end(&mut secret)?;
    let secret = secret.trim_ascii_end();
    let least = match kind {
        HashKind::AdminToken { .. } => TOKEN_BYTES_MIN,
        HashKind::ApiKey { .. } | HashKind::ProxyUser { .. } => 1,
    };
    if secret.len() < least {
        let message = format!("the secret, read from standard input, has at least {least} bytes");
        return Err(Failed::new(Exit::Usage, message));
    }
    match kind {
        HashKind::ProxyUser { name } => {
            if name.contains(':') {
                return Err(Failed::new(Exit::Usage, "a name has no colon (RFC 7617 section 2)"));
            }
            let hash = password_hash(secret).ok_or_else(|| Failed::new(Exit::Io, "no random salt can be had"))?;
            writeln!(out, "{name}:{hash}")?;
        }
        HashKind::AdminToken { name, role } => writeln!(out, "{name} {role} {}", token_hash(secret))?,
        HashKind::ApiKey { name } => {
            let origin = super::run::origin_of(config);
            let (key, made) = key_of(&origin).map_err(refused)?;
            if let Some(path) = made {
                let said = "made, the key by which the gateway of this configuration will know this line";
                writeln!(std::io::stderr(), "tidegate: {}: {said}", path.display())?;
            }
            writeln!(out, "{} {name}", listed_key_hash(&key, secret))?;
        }
    }
    Ok(())
}

/// What is wrong with the files of the keys.
pub(super) fn refused(error: StateError) -> Failed {
    let exit = match error {
        StateError::NoGateway(..) => Exit::Io,
        StateError::Io(..) | StateError::Permissions(_) | StateError::KeyLength(_) | StateError::Rotating(_) => {
            Exit::Permission
        }
    };
    Failed::new(exit, error)
}
