//! The files of the keys that people are hashed with, once theirs is another than the hash key.
//!
//! ```text
//!  hash.key                                      people have no key of their own
//!  hash.key  [people.key]  people.next.key       another is kept up beside it
//!  hash.key   people.key   people.old.key        it has taken the place of the other, which is kept up still
//!  hash.key   people.key                         the other is gone
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::state::{KEY_FILE, StateError, read_key};
use crate::engine::secret::HashKey;

/// The key that decides.
const DECIDES: &str = "people.key";
/// The one that is to take its place.
const NEXT: &str = "people.next.key";
/// The one that had it.
const OLD: &str = "people.old.key";

/// `own`, and with what it hashes people in the state directory `dir`.
pub(super) fn with_people(dir: &Path, own: HashKey) -> Result<HashKey, StateError> {
    let (decides, beside) = match (read(dir, NEXT)?, read(dir, OLD)?) {
        // The switch was cut short behind its last decision.
        (Some(next), Some(old)) => (Some(next), Some(old)),
        (next, old) => (read(dir, DECIDES)?, next.or(old)),
    };
    Ok(own.hashing_people(decides, beside))
}

/// Makes the key that is to take the place of the one of people; its file.
///
/// # Errors
/// When one does already or had it, or the directory has no hash key or cannot be written.
pub fn prepare(dir: &Path) -> Result<PathBuf, StateError> {
    read_key(&dir.join(KEY_FILE))?;
    if let Some(other) = [NEXT, OLD]
        .map(|name| dir.join(name))
        .into_iter()
        .find(|path| path.exists())
    {
        return Err(StateError::Rotating(other));
    }
    let path = dir.join(NEXT);
    let mut key = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(|error| StateError::Io(path.clone(), io::Error::other(error)))?;
    write(dir, NEXT, &key)?;
    Ok(path)
}

/// The next key decides from now on and the one before is kept up beside it; to be called again where it was cut short.
///
/// # Errors
/// When a file cannot be read or written.
pub fn switch(dir: &Path) -> Result<(), StateError> {
    if read(dir, NEXT)?.is_none() {
        return Ok(());
    }
    if read(dir, OLD)?.is_none() {
        let old = match read(dir, DECIDES)? {
            Some(old) => old,
            None => read_key(&dir.join(KEY_FILE))?,
        };
        write(dir, OLD, old.bytes())?;
    }
    let next = dir.join(NEXT);
    fs::rename(&next, dir.join(DECIDES)).map_err(|error| StateError::Io(next, error))?;
    sync(dir)
}

/// The old key goes; its file, if it was there.
///
/// # Errors
/// When it cannot be removed.
pub fn drop_old(dir: &Path) -> Result<Option<PathBuf>, StateError> {
    let old = dir.join(OLD);
    if !old.exists() {
        return Ok(None);
    }
    switch(dir)?;
    fs::remove_file(&old).map_err(|error| StateError::Io(old.clone(), error))?;
    sync(dir)?;
    Ok(Some(old))
}

fn read(dir: &Path, name: &str) -> Result<Option<HashKey>, StateError> {
    let path = dir.join(name);
    path.exists().then(|| read_key(&path)).transpose()
}

/// Writes a key whole, or not at all.
fn write(dir: &Path, name: &str, key: &[u8; 32]) -> Result<(), StateError> {
    let (path, temporary) = (dir.join(name), dir.join(format!(".{name}.new")));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(key)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    });
    written.map_err(|error| StateError::Io(path, error))?;
    sync(dir)
}

fn sync(dir: &Path) -> Result<(), StateError> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|error| StateError::Io(dir.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::super::state::{known_secret, secret};
    use super::*;

    #[test]
    fn keys_change_places_and_the_old_one_goes() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert!(matches!(prepare(dir), Err(StateError::Io(..))), "there is no gateway");
        let before = secret(dir).unwrap();
        let next = prepare(dir).unwrap();
        assert!(matches!(prepare(dir), Err(StateError::Rotating(path)) if path == next));
        let begun = known_secret(dir).unwrap();
        let (people, beside) = (before.people_mark(), begun.beside_mark());
        assert!(begun.people_mark() == people && beside.is_some_and(|beside| beside != people));
        assert!(drop_old(dir).unwrap().is_none(), "nothing was switched");

        // Cut short between its two steps it is as if it were done, and can be done again.
        write(dir, OLD, before.bytes()).unwrap();
        for _ in 0..2 {
            let switched = known_secret(dir).unwrap();
            assert_eq!(
                (Some(switched.people_mark()), switched.beside_mark()),
                (beside, Some(people))
            );
            switch(dir).unwrap();
        }
        assert!(
            matches!(prepare(dir), Err(StateError::Rotating(_))),
            "the old one is there still"
        );
        assert!(drop_old(dir).unwrap().is_some());
        let after = known_secret(dir).unwrap();
        assert_eq!((Some(after.people_mark()), after.beside_mark()), (beside, None));
        assert_eq!(
            after.hash64("x", &[]),
            before.hash64("x", &[]),
            "all else stays as it was"
        );
        prepare(dir).unwrap();
        switch(dir).unwrap();
        assert_eq!(known_secret(dir).unwrap().beside_mark(), beside);
    }
}
