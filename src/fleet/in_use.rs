//! A key that is in use here: what a frame of it says, and when it was last pulled.

use super::names::{Names, Place};
use crate::engine::ledger::{Dimension, KeyId, Kind};

/// A key in use is pulled whole so often, in seconds: what a gateway that was cut off tells late is found so.
pub(super) const WHOLE_SECONDS: u32 = 60;

/// What is known of a key in use.
#[derive(Clone, Copy)]
pub(super) struct InUse {
    /// Its dimension, and the rest of what a frame of it says.
    pub(super) dimension: Dimension,
    pub(super) enforced: bool,
    pub(super) kind: Kind,
    pub(super) window: u32,
    pub(super) has_sums: bool,
    /// The second of the last pull, of the last that was whole, and of the last change here.
    pub(super) pulled: u32,
    pub(super) whole: u32,
    pub(super) changed: u32,
}

impl InUse {
    /// Where its people are, or what it has instead.
    pub(super) fn place(&self, names: &Names, key: KeyId) -> Place {
        names.place(key, self.kind, self.has_sums)
    }
}

/// Whether all of a key is to be asked again.
pub(super) fn is_due(key: &InUse, second: u32) -> bool {
    second.saturating_sub(key.whole) >= WHOLE_SECONDS
}
