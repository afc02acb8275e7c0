//! What operators and monitoring speak to: health, metrics, keys, holds.

mod access;
mod api;
mod baselines;
mod changes;
mod desk;
mod fault;
mod pinned;
mod public;
mod reason;
mod revocations;
mod scim;
mod serve;
mod settings;
mod signals;

#[cfg(test)]
mod tests;

pub use access::{Access, Role, token_hash};
pub use api::{Admin, router};
pub use desk::{BypassView, ClockView, Desk, DeskError, Readiness, Release, RevocationView};
pub use reason::judge_reason;
pub use serve::serve;
pub use settings::Settings;
