//! `tidegate ledger issued`: credentials that were issued before the gateway saw logins, of which it keeps hashes alone.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::path::Path;

use super::ledger::refused;
use super::run::origin_of;
use super::text_file::or_stdin;
use super::{Exit, Failed};
use crate::clock::Clock;
use crate::engine::births::{Birth, Tag};
use crate::run::{known_secret, look};
use crate::store::{KeyMark, StoreFile};

/// A credential is at most so long: a head with it is no larger.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// Takes in the credentials of `from`, all or none.
///
/// # Errors
/// A configuration, a ledger or a file that cannot be used; a line that is too long; more lines than are remembered.
pub(super) fn take_in(config: &Path, from: &Path, out: &mut dyn Write) -> Result<(), Failed> {
    let now = Clock::start().now();
    let loaded = look(&origin_of(config), now).map_err(|error| Failed::new(Exit::Config, error))?;
    let key = known_secret(&loaded.state_dir).map_err(|error| Failed::new(Exit::Permission, error))?;
    let (identity, dir) = (&loaded.set.identity, &loaded.state_dir);
    if !identity.sees_logins() {
        let message = "no `logs_in_at` says where credentials are issued: nothing would ask for these";
        return Err(Failed::new(Exit::Config, message));
    }
    let told = |error: std::io::Error| Failed::new(Exit::Io, format!("{}: {error}", from.display()));
    let mut lines = BufReader::new(File::open(or_stdin(from)).map_err(told)?);
    let (mut issued, mut count, mut number) = (Vec::new(), 0_u64, 0_u64);
    let birth = Birth {
        second: now.second(),
        tag: Tag::Issued,
    };
    loop {
        let mut line = zeroize::Zeroizing::new(Vec::new());
        let read = lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if read.map_err(told)? == 0 {
            break;
        }
        number += 1;
        let is_cut = line.len() as u64 == LINE_BYTES_MAX && !line.ends_with(b"\n");
        if is_cut || issued.len() >= identity.births().known_max() {
            let why = if is_cut {
                "the line is longer than 64 KiB"
            } else {
                "there are more than `issued_tokens_max`"
            };
            let message = format!("{}: line {number}: {why}; nothing was taken in", from.display());
            return Err(Failed::new(Exit::Failure, message));
        }
        let credential = line.trim_ascii();
        if !credential.is_empty() {
            count += 1;
            issued.extend(identity.in_body(credential, now).ids.into_iter().map(|id| (id, birth)));
        }
    }
    let file = StoreFile::open_or_create(dir, KeyMark::of(&key), now);
    let mut file = file.map_err(|error| refused(&error))?;
    file.import_births(issued).map_err(|error| refused(&error))?;
    writeln!(out, "{}: {count} credentials are issued", file.path().display())?;
    Ok(())
}
