//! What can be wrong with the ledger on disk; each says which file, and the way on.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::engine::ledger::{FrameError, KeyId};

/// Why the ledger on disk cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// The directory or the file cannot be read, made or written.
    Io(PathBuf, io::Error),
    /// The disk is full, or as full as this process may make it.
    Full(PathBuf, io::Error),
    /// There is no ledger.
    Missing(PathBuf),
    /// Another process has the file open.
    Locked(PathBuf),
    /// Some bytes are not what was written.
    Corrupt(PathBuf, String),
    /// It is a file of another kind.
    Foreign(PathBuf),
    /// Another version of this program wrote it.
    Version(PathBuf, String),
    /// It was written under another hash key.
    OtherKey(PathBuf),
    /// The people in it are hashed with another key of theirs.
    OtherPeople(PathBuf),
    /// The other key with which the people in it are hashed is not there.
    NoBeside(PathBuf),
    /// It counts the data of this tenant, which is none of those that are served.
    OtherTenant(PathBuf, String),
    /// One row is not readable, the others may be.
    Row(PathBuf, RowFault),
}

/// Which row of a ledger is not readable, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// The key that it is of.
    pub key: KeyId,
    /// Its part, from 0.
    pub part: u32,
    /// What is wrong.
    pub why: FrameError,
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}, part {}: {}", self.key, self.part, self.why)
    }
}

/// What helps against a file that cannot be read.
const WAY_ON: &str = "put a copy of it back, or move it away and `tidegate ledger import` the last export; a gateway that \
                      starts without it has forgotten all counts and holds";

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Full(path, error) => write!(f, "{}: there is no room to write it: {error}", path.display()),
            Self::Missing(path) => write!(f, "{}: there is no ledger", path.display()),
            Self::Locked(path) => write!(
                f,
                "{} is open in another process: a state directory belongs to one gateway, and `tidegate ledger` to one \
                 that does not run",
                path.display()
            ),
            Self::Corrupt(path, why) => write!(f, "{} is damaged ({why}); {WAY_ON}", path.display()),
            Self::Foreign(path) => write!(f, "{} is no ledger of Tidegate; {WAY_ON}", path.display()),
            Self::Version(path, found) => write!(
                f,
                "{} was written by another version of Tidegate (format {found}); export it with that version and import \
                 it with this one",
                path.display()
            ),
            Self::OtherKey(path) => write!(
                f,
                "{} was written under another hash key: nobody in it would be known again; put its `hash.key` back \
                 beside it, or move it away and lose all counts and holds",
                path.display()
            ),
            Self::OtherPeople(path) => write!(
                f,
                "{}: people in it are hashed with another key than `people.key`, or without one with `hash.key`: nobody in \
                 it would be known again; if the keys were being switched, `tidegate ledger rotate --switch` ends it, else \
                 put the key back",
                path.display()
            ),
            Self::NoBeside(path) => write!(
                f,
                "{}: people in it are hashed with a second key, whose file (`people.next.key` or `people.old.key`) is not \
                 there or another: put it back, or `tidegate ledger rotate --abandon` and lose what was counted with it",
                path.display()
            ),
            Self::OtherTenant(path, tenant) => write!(
                f,
                "{} counts the data of the tenant `{tenant}`, which no route names: name it, or move the file away and \
                 lose all counts and holds",
                path.display()
            ),
            Self::Row(path, fault) => write!(
                f,
                "{} is damaged ({fault}); `tidegate ledger verify` says where, `tidegate ledger export` saves all other \
                 rows, which `tidegate ledger import` reads into a new one",
                path.display()
            ),
        }
    }
}

impl std::error::Error for StoreError {}

impl StoreError {
    /// The reason in metrics and logs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Full(..) => "full",
            Self::Io(..) | Self::Missing(_) => "io",
            Self::Locked(_) => "locked",
            Self::Corrupt(..)
            | Self::Foreign(_)
            | Self::Version(..)
            | Self::OtherKey(_)
            | Self::OtherPeople(_)
            | Self::NoBeside(_)
            | Self::OtherTenant(..)
            | Self::Row(..) => "damaged",
        }
    }

    /// What the disk said of `path`.
    pub(super) fn of_disk(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        if error.kind() == ErrorKind::NotFound {
            Self::Missing(path)
        } else if matches!(
            error.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
        ) {
            Self::Full(path, error)
        } else {
            Self::Io(path, error)
        }
    }

    /// What redb said of `path`.
    #[expect(clippy::wildcard_enum_match_arm, reason = "redb may say more in a later version")]
    pub(super) fn of_redb(path: &Path, error: redb::Error) -> Self {
        let damaged = |why: String| Self::Corrupt(path.to_owned(), why);
        match error {
            redb::Error::Io(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
                damaged(error.to_string())
            }
            redb::Error::Io(error) => Self::of_disk(path, error),
            redb::Error::PreviousIo => Self::Io(path.to_owned(), io::Error::other("an earlier write failed")),
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::Locked(path.to_owned()),
            redb::Error::UpgradeRequired(version) => Self::Version(path.to_owned(), format!("redb {version}")),
            redb::Error::TableDoesNotExist(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableIsMultimap(_) => Self::Foreign(path.to_owned()),
            other => damaged(other.to_string()),
        }
    }
}
