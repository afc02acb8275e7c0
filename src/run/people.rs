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
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::state::{KEY_FILE, StateError, random_key, read_key};
use crate::engine::secret::HashKey;

/// The key that decides.
const DECIDES: &str = "people.key";
/// The one that is to take its place.
const NEXT: &str = "people.next.key";
/// The one that had it.
const OLD: &str = "people.old.key";

/// What of the keys of people is in a state directory.
struct Files {
    own: HashKey,
    decides: Option<HashKey>,
    next: Option<HashKey>,
    old: Option<HashKey>,
}

impl Files {
    /// Those beside the hash key of this directory.
    fn of(dir: &Path) -> Result<Self, StateError> {
        Self::read(dir, read_key(&dir.join(KEY_FILE))?)
    }

    fn read(dir: &Path, own: HashKey) -> Result<Self, StateError> {
        let files = Self {
            own,
            decides: read(dir, DECIDES)?,
            next: read(dir, NEXT)?,
            old: read(dir, OLD)?,
        };
        // Both are there only where a switch was cut short behind its last decision.
        let is_cut_short = files
            .old
            .as_ref()
            .is_none_or(|old| old.bytes() == files.deciding().bytes());
        if files.next.is_some() && !is_cut_short {
            return Err(StateError::Rotating(dir.join(OLD)));
        }
        Ok(files)
    }

    fn deciding(&self) -> &HashKey {
        self.decides.as_ref().unwrap_or(&self.own)
    }
}

/// `own`, and with what it hashes people in the state directory `dir`.
pub(super) fn with_people(dir: &Path, own: HashKey) -> Result<HashKey, StateError> {
    let Files {
        own,
        decides,
        next,
        old,
    } = Files::read(dir, own)?;
    let (decides, beside) = if next.is_some() && old.is_some() {
        (next, old)
    } else {
        (decides, next.or(old))
    };
    Ok(own.hashing_people(decides, beside))
}

/// The keys on both sides of a switch.
pub struct Switching {
    /// Before it.
    pub before: HashKey,
    /// After it.
    pub after: HashKey,
    /// Whether the files are those before it still, or of one that was cut short.
    pub is_ahead: bool,
}

/// The switch that the files of `dir` are on either side of, if of any.
///
/// # Errors
/// When a file cannot be read, or the other keys are of two rotations.
pub fn switching(dir: &Path) -> Result<Option<Switching>, StateError> {
    let files = Files::of(dir)?;
    let (from, to) = match (&files.next, &files.old) {
        (Some(next), _) => (files.deciding(), next),
        (None, Some(old)) => (old, files.deciding()),
        (None, None) => return Ok(None),
    };
    let hashing = |people: &HashKey, beside: &HashKey| {
        let own = files.own.clone();
        own.hashing_people(Some(people.clone()), Some(beside.clone()))
    };
    Ok(Some(Switching {
        before: hashing(from, to),
        after: hashing(to, from),
        is_ahead: files.next.is_some(),
    }))
}

/// A key that people are hashed with as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// That which is to take the place of the one that decides.
    Next,
    /// That which had it.
    Old,
}

impl Other {
    /// Its file in the state directory `dir`.
    pub fn path(self, dir: &Path) -> PathBuf {
        dir.join(match self {
            Self::Next => NEXT,
            Self::Old => OLD,
        })
    }

    /// Whether its file is in `dir`.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn is_in(self, dir: &Path) -> Result<bool, StateError> {
        let path = self.path(dir);
        path.try_exists().map_err(|error| StateError::Io(path, error))
    }

    /// Its file in `dir` goes; whether there was one.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(self, dir: &Path) -> Result<bool, StateError> {
        let path = self.path(dir);
        match fs::remove_file(&path) {
            Ok(()) => sync(dir).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StateError::Io(path, error)),
        }
    }
}

/// Makes the key that is to take the place of the one of people; its file.
///
/// # Errors
/// When one does already or had it, or the directory has no hash key or cannot be written.
pub fn prepare(dir: &Path) -> Result<PathBuf, StateError> {
    read_key(&dir.join(KEY_FILE))?;
    for other in [Other::Next, Other::Old] {
        if other.is_in(dir)? {
            return Err(StateError::Rotating(other.path(dir)));
        }
    }
    let path = Other::Next.path(dir);
    let key = random_key(&path)?;
    write(dir, NEXT, &key)?;
    Ok(path)
}

/// The next key decides from now on and the one before is kept up beside it; to be called again where it was cut short.
///
/// # Errors
/// When a file cannot be read or written.
pub fn switch(dir: &Path) -> Result<(), StateError> {
    let files = Files::of(dir)?;
    if files.next.is_none() {
        return Ok(());
    }
    if files.old.is_none() {
        write(dir, OLD, files.deciding().bytes())?;
    }
    let next = dir.join(NEXT);
    fs::rename(&next, dir.join(DECIDES)).map_err(|error| StateError::Io(next, error))?;
    sync(dir)
}

/// The key in the file `name`; none only where there is no such file, since without it the people of a month would be new.
fn read(dir: &Path, name: &str) -> Result<Option<HashKey>, StateError> {
    match read_key(&dir.join(name)) {
        Err(StateError::Io(_, error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        key => key.map(Some),
    }
}

/// Writes a key whole, or not at all, for whoever owns the hash key: another user may run this command than the gateway.
fn write(dir: &Path, name: &str, key: &[u8; 32]) -> Result<(), StateError> {
    let (path, temporary) = (dir.join(name), dir.join(format!(".{name}.new")));
    let write = || {
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&temporary)?;
        let (owner, own) = (fs::metadata(dir.join(KEY_FILE))?, file.metadata()?);
        if owner.uid() != own.uid() {
            fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        file.write_all(key)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    };
    write().map_err(|error| StateError::Io(path.clone(), error))?;
    sync(dir)
}

fn sync(dir: &Path) -> Result<(), StateError> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|error| StateError::Io(dir.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::super::state::{known_secret, secret};
    use super::*;

    #[test]
    fn keys_change_places_and_the_old_one_goes() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert!(matches!(prepare(dir), Err(StateError::Io(..))), "there is no gateway");
        let before = secret(dir).unwrap();
        assert!(switching(dir).unwrap().is_none());
        let next = prepare(dir).unwrap();
        assert!(matches!(prepare(dir), Err(StateError::Rotating(path)) if path == next));
        let begun = known_secret(dir).unwrap();
        let (people, beside) = (before.people_mark(), begun.beside_mark());
        assert!(begun.people_mark() == people && beside.is_some_and(|beside| beside != people));

        // Cut short between its two steps it is as if it were done, and can be done again.
        write(dir, OLD, before.bytes()).unwrap();
        for is_ahead in [true, false] {
            let switched = known_secret(dir).unwrap();
            assert_eq!(
                (Some(switched.people_mark()), switched.beside_mark()),
                (beside, Some(people))
            );
            let sides = switching(dir).unwrap().unwrap();
            assert_eq!(sides.after.people_mark(), switched.people_mark());
            assert_eq!((sides.before.people_mark(), sides.is_ahead), (people, is_ahead));
            switch(dir).unwrap();
        }
        assert!(
            matches!(prepare(dir), Err(StateError::Rotating(_))),
            "the old one is there still"
        );
        assert!(Other::Old.remove(dir).unwrap() && !Other::Old.remove(dir).unwrap());
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
        // A next one that comes from elsewhere before the old one went belongs to another rotation.
        write(dir, NEXT, &[7; 32]).unwrap();
        assert!(matches!(known_secret(dir), Err(StateError::Rotating(path)) if path == Other::Old.path(dir)));
    }

    #[test]
    fn a_key_that_cannot_be_looked_at_is_an_error_and_not_none() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        secret(dir).unwrap();
        let next = prepare(dir).unwrap();
        fs::remove_file(&next).unwrap();
        symlink(&next, &next).unwrap();
        assert!(matches!(known_secret(dir), Err(StateError::Io(path, _)) if path == next));
        assert!(matches!(prepare(dir), Err(StateError::Io(path, _)) if path == next));
    }

    #[test]
    fn a_key_is_its_gateways_alone() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        secret(dir).unwrap();
        let hash_key = dir.join(KEY_FILE);
        // Who is not root can give nothing away, and has no gateway of another's either.
        let is_given = chown(&hash_key, Some(4_242), Some(4_242)).is_ok();
        let left = dir.join(format!(".{NEXT}.new"));
        fs::write(&left, "left behind").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o644)).unwrap();
        let next = fs::metadata(prepare(dir).unwrap()).unwrap();
        assert_eq!((next.mode() & 0o777, next.len()), (0o600, 32));
        let owner = fs::metadata(&hash_key).unwrap();
        assert_eq!((next.uid(), next.gid()), (owner.uid(), owner.gid()));
        assert_eq!(owner.uid() == 4_242, is_given);
    }
}
