//! The ledger between gateways: what each has shown, merged over a Redis or Valkey that they share.
//!
//! What is known of a key is a map of element to second, merged by maximum, which `ZADD GT` does on the server: so no
//! script, no lock and no order is needed, and whatever is repeated changes nothing. Budgets that are `strict` claim everyone
//! who is new in a set beside it ([`Claimant`]); all others never wait for the store.
//!
//! ```text
//!  PREFIX:1:{KEY}:e   ZSET   subject, 8 bytes                 -> second
//!  PREFIX:1:{KEY}:s   ZSET   register and rank, 3 bytes       -> second
//!  PREFIX:1:{KEY}:n   ZSET   node and bucket, 12 bytes        -> amount
//!  PREFIX:1:{KEY}:c   ZSET   subject and claimant, 16 bytes   -> second; never merged
//!  PREFIX:1:hold      ZSET   a frame with a mark              -> second
//!  PREFIX:1:revoked   ZSET   the same of revocations          -> second
//!  PREFIX:1:{birth:XX}  ZSET  credential, 16 bytes; XX is its first -> rank of what was said of it
//!  PREFIX:1:nodes     ZSET   gateway                          -> second
//!  PREFIX:1:beside    ZSET   two keys of people, by their marks -> second since which the last gateway hashes with both
//!  PREFIX:1:meta      HASH   what all gateways must agree on
//! ```

#[cfg(not(feature = "fleet"))]
mod absent;
#[cfg(feature = "fleet")]
mod births;
#[cfg(feature = "fleet")]
mod claim;
#[cfg(feature = "fleet")]
mod claimant;
#[cfg(feature = "fleet")]
mod cycle;
#[cfg(feature = "fleet")]
mod gateways;
#[cfg(feature = "fleet")]
mod in_use;
#[cfg(feature = "fleet")]
mod join;
#[cfg(feature = "fleet")]
mod link;
#[cfg(feature = "fleet")]
mod marks;
#[cfg(feature = "fleet")]
mod names;
#[cfg(feature = "fleet")]
mod people;
#[cfg(feature = "fleet")]
mod pull;
#[cfg(feature = "fleet")]
mod push;
#[cfg(feature = "fleet")]
mod reply;
mod settings;

#[cfg(not(feature = "fleet"))]
pub use absent::{Claimant, Fleet};
#[cfg(feature = "fleet")]
pub use claimant::Claimant;
#[cfg(feature = "fleet")]
pub use gateways::Fleet;
pub use settings::{FleetError, OnStoreDown, Settings, without_password};

use crate::engine::births::Birth;

/// A confirmation on its way.
pub type Confirming = std::pin::Pin<Box<dyn Future<Output = crate::engine::ledger::Confirmation> + Send>>;

/// People who leave, on their way to the other gateways.
pub type Entering = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// A look-up of a credential on its way.
pub type LookingUp = std::pin::Pin<Box<dyn Future<Output = Heard> + Send>>;

/// Births on their way to the other gateways: whether they arrived.
pub type Telling = std::pin::Pin<Box<dyn Future<Output = bool> + Send>>;

/// What the store said of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// This was said of it.
    Said(Birth),
    /// Nothing was.
    Nothing,
    /// It did not say in time.
    Late,
    /// It was not asked: too many look-ups are under way.
    Crowded,
}

impl Heard {
    /// The value of the label `result`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Said(_) => "found",
            Self::Nothing => "absent",
            Self::Late => "late",
            Self::Crowded => "crowded",
        }
    }
}
