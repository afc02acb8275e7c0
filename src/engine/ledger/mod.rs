//! Distinct subjects per key: who has been given whose data, in every window at once.
//!
//! A [`Ledger`] is shared by all exchanges. Each exchange opens an [`Account`] under its keys, reserves what it is about
//! to show, and hands over what left; what it does not hand over is forgotten when the account is dropped.

mod account;
mod actors;
mod carry;
mod entry;
mod estimate;
mod few;
mod folded;
mod frame;
mod holds;
mod index;
mod key;
mod keys;
mod limit;
mod locked;
mod public;
mod reserve;
mod revocations;
mod ring;
mod room;
mod seen;
mod shards;
mod sketch;
mod slot;
mod spill;
mod strict;
mod subject_hash;
mod sums;
mod tally;
#[cfg(test)]
mod tests;
mod view;
mod young;

/// The coarsest bucket of time in which bytes and records are summed.
const BUCKET_SECONDS_MAX: u32 = 3600;

pub use account::{Account, Answer, Handed, Next, REFUSING_KEYS_MAX, Told};
pub use actors::Meeting;
pub use carry::{Carrier, PARTS};
pub use estimate::{RANK_MAX, REGISTERS};
pub use frame::{FrameError, KeyFrame, Mark, Sum, Tag};
pub use key::{BudgetId, Dimension, KeyId, Parts};
pub use limit::{Allowed, Ask, Elements, Excess, KeyUse, Kind, Limit};
pub use public::{PublicPeople, not_public};
pub use revocations::{REVOCATIONS_MAX, RevokedBy};
pub use shards::{Ledger, Settings};
pub use strict::{Claim, Confirmation, Over};
pub use tally::{Amounts, Counted, OverSum, SumLimit, SumUse};
pub use view::{HeldKey, HoldView, KeyView, RevokedKey};
