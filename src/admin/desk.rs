//! What the admin address asks of the gateway behind it.

use std::pin::Pin;
use std::sync::Arc;

use crate::engine::baseline::Proposal;
use crate::engine::detect::RuleSet;
use crate::engine::ledger::{Dimension, HoldView, KeyId, KeyView};
use crate::engine::pinned::PinnedHost;
use crate::engine::proposed;
use crate::engine::time::Now;
use crate::identity::{PersonKeys, SignalError, What};

/// The gateway, as the admin address sees it. `run` implements it over the ledger; calls return at once.
pub trait Desk: Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Now;

    /// Whether the gateway may be sent traffic.
    fn ready(&self) -> Readiness;

    /// At most `limit` keys, of one dimension if given, those with the most people first.
    fn keys(&self, dimension: Option<Dimension>, limit: usize) -> Vec<KeyView>;

    /// One key.
    fn key(&self, key: KeyId) -> Option<KeyView>;

    /// At most `limit` holds, the newest first.
    fn holds(&self, limit: usize) -> Vec<HoldView>;

    /// Holds a key until a unix second.
    ///
    /// # Errors
    ///
    /// [`DeskError`] says why not.
    fn hold(&self, key: KeyId, until: u32) -> Result<HoldView, DeskError>;

    /// Ends the hold of a key.
    ///
    /// # Errors
    ///
    /// [`DeskError`] says why not.
    fn release(&self, key: KeyId, release: Release) -> Result<(), DeskError>;

    /// What is usual in each group, and the limits that follow.
    fn baselines(&self) -> Vec<Proposal>;

    /// At most `limit` hosts whose clients refuse certificates, and that no listener passes.
    fn pinned(&self, limit: usize) -> Vec<PinnedHost>;

    /// At most `limit` people who are proposed as public and are not yet.
    fn public(&self, limit: usize) -> Vec<proposed::Proposal>;

    /// Has an account that was idle be in use again, by the key of its budget.
    ///
    /// # Errors
    ///
    /// [`DeskError`] says why not.
    fn recertify(&self, key: KeyId) -> Result<(), DeskError>;

    /// At most `limit` revocations in force.
    fn revocations(&self, limit: usize) -> Vec<RevocationView>;

    /// Revokes what is named until a unix second, or for ever with [`crate::identity::NO_END`].
    ///
    /// # Errors
    ///
    /// [`DeskError`] says why not.
    fn revoke(&self, what: What, name: &str, until: u32) -> Result<RevocationView, DeskError>;

    /// Lets what is revoked under a key be used again.
    ///
    /// # Errors
    ///
    /// [`DeskError`] says why not.
    fn reinstate(&self, key: KeyId) -> Result<(), DeskError>;

    /// Resolves when a key that is on disk alone is in memory, or is not going to be soon.
    fn at_hand(&self, key: KeyId) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Puts a token of security events in force; false where one found no room and must come again.
    ///
    /// # Errors
    ///
    /// What its sender is told.
    fn signal(&self, token: &[u8]) -> Result<bool, SignalError>;

    /// The keys of whom an issuer knows by these names; none if there is no such issuer.
    fn person_keys(&self, issuer: &str, names: &[String]) -> PersonKeys;

    /// Shuts out whoever these keys name, or lets them in; false where there is no room for one more revocation.
    fn set_person(&self, keys: &[KeyId], active: bool) -> bool;

    /// Whether one of these keys is revoked.
    fn is_shut_out(&self, keys: &[KeyId]) -> bool;

    /// Resolves when what was decided by now is on disk, true, or is not going to be soon.
    fn written(&self) -> Pin<Box<dyn Future<Output = bool> + Send>>;

    /// What identifies people, by the rules in force.
    fn rules(&self) -> Arc<RuleSet>;

    /// The configuration in force, with secrets masked.
    fn config(&self) -> serde_json::Value;

    /// Begins to drain: `/readyz` fails first, then listeners close.
    fn drain(&self);

    /// How its time stands to the system's clock.
    fn clock(&self) -> ClockView;

    /// Accepts the system's clock.
    ///
    /// # Errors
    ///
    /// [`DeskError::Settled`] if nothing waits for that.
    fn accept_clock(&self) -> Result<ClockView, DeskError>;

    /// The bypasses in force.
    fn bypass(&self) -> Vec<BypassView>;
}

/// Whether the gateway may be sent traffic, and what a person should know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Why not: `starting`, `draining`, `no valid rules`. Empty if ready.
    pub blockers: Vec<&'static str>,
    /// What is wrong although it is ready.
    pub notes: Vec<String>,
}

/// A release means forgiven: up to `people` more subjects until then, or the next record would hold the key again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// How many new subjects are allowed.
    pub people: u32,
    /// When the allowance ends, unix second.
    pub until: u32,
}

/// One revocation in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationView {
    /// The key of what is revoked.
    pub key: KeyId,
    /// Its dimension.
    pub dimension: Dimension,
    /// When it was revoked, unix second; 0 for a line of the list.
    pub since: u32,
    /// When it ends by itself, unix second; [`crate::identity::NO_END`] if it does not.
    pub until: u32,
    /// `manual`, `event`, `scim`, or the line of the list.
    pub cause: String,
}

/// One bypass in force.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BypassView {
    /// The route; `None` for all.
    pub route: Option<String>,
    /// Why.
    pub reason: String,
    /// When it ends by itself, unix second.
    pub until: u32,
}

/// The gateway's time, and the system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockView {
    /// The gateway's time.
    pub now: Now,
    /// Milliseconds by which the system's clock is ahead of it.
    pub offset_ms: i64,
    /// `level`, `slewing` or `waiting`.
    pub standing: &'static str,
    /// Seconds by which the newest sighting that was on disk at the start is ahead of it; 0 where it is not.
    pub set_back_s: u32,
}

/// Why the gateway did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeskError {
    /// It does not know this key, or the key is not held.
    Unknown,
    /// There is no room for one more.
    Full,
    /// What is named is not: this is wrong with it.
    Name(&'static str),
    /// The list of the configuration revokes it.
    Listed,
    /// The clock waits for nothing.
    Settled,
}
