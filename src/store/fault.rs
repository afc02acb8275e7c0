//! What goes wrong within one piece of work on the file, before it is said of which file.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::error::{RowFault, StoreError};

/// What went wrong.
pub(super) enum Fault {
    /// In redb, or on the disk below it.
    Redb(redb::Error),
    /// In a row.
    Row(RowFault),
}

impl From<RowFault> for Fault {
    fn from(fault: RowFault) -> Self {
        Self::Row(fault)
    }
}

/// Every error of redb is one of its general error.
macro_rules! from_redb {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for Fault {
            fn from(error: redb::$error) -> Self {
                Self::Redb(error.into())
            }
        }
    )*};
}

from_redb!(
    CommitError,
    CompactionError,
    DatabaseError,
    StorageError,
    TableError,
    TransactionError
);

/// Does some work on the file at `path`. redb asserts where a file says what it never wrote; such a panic is an error here.
pub(super) fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, StoreError> {
    // What the work leaves behind is dropped by the caller: nothing half done is used again.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(Fault::Redb(error))) => Err(StoreError::of_redb(path, error)),
        Ok(Err(Fault::Row(fault))) => Err(StoreError::Row(path.to_owned(), fault)),
        Err(_) => Err(StoreError::Corrupt(path.to_owned(), "it contradicts itself".to_owned())),
    }
}
