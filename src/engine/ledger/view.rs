//! What the ledger tells people about its keys and holds.

use super::{BudgetId, Dimension, KeyId, RevokedBy};

/// One key, as `/api/v1/keys` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyView {
    /// The key.
    pub key: KeyId,
    /// Its dimension.
    pub dimension: Dimension,
    /// Distinct subjects per window (seconds) that some budget names.
    pub people: Vec<(u32, u32)>,
    /// Subjects reserved and not yet handed over.
    pub pending: u32,
    /// The newest sighting, unix second.
    pub last_seen: u32,
    /// Until when the key is held, unix second; 0 when it is not.
    pub held_until: u32,
}

/// One hold, as `/api/v1/holds` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldView {
    /// The held key.
    pub key: KeyId,
    /// Its dimension.
    pub dimension: Dimension,
    /// When the hold began, unix second.
    pub since: u32,
    /// When it ends by itself, unix second.
    pub until: u32,
    /// The budget that set it, `removed` if it is no more, or `manual`.
    pub cause: String,
}

/// One hold, as the ledger knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldKey {
    /// The held key.
    pub key: KeyId,
    /// Its dimension.
    pub dimension: Dimension,
    /// When the hold began, unix second.
    pub since: u32,
    /// When it ends by itself, unix second.
    pub until: u32,
    /// The budget that set it; `None` when a person did.
    pub cause: Option<BudgetId>,
}

/// One revocation, as the ledger knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokedKey {
    /// The key that may not be used any more.
    pub key: KeyId,
    /// Its dimension.
    pub dimension: Dimension,
    /// When it was revoked, unix second.
    pub since: u32,
    /// When it may be used again by itself, unix second; `u32::MAX` without an end.
    pub until: u32,
    /// Who said so.
    pub by: RevokedBy,
}
