//! `[store]` as the operator wrote it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::problem::{Bounded, bounded};

/// `[store]`: how the ledger is kept on disk, in `ledger.redb` of the state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What changed is on disk after so many milliseconds. Default 1,000. What a crash loses at most; a smaller number
    /// costs as many more writes.
    pub flush_ms_max: u64,
    /// People within a fifth of a limit leave only when they are on disk; after so many milliseconds without, the fail
    /// mode `store_down` applies. Default 5,000: two writes of a hundred thousand keys.
    pub wait_ms_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            flush_ms_max: 1_000,
            wait_ms_max: 5_000,
        }
    }
}

impl Settings {
    /// Its numbers with their bounds.
    pub fn bounded(&self) -> Vec<Bounded> {
        bounded!(self => Self {
            flush_ms_max: 10..=60_000,
            wait_ms_max: 1..=60_000,
        })
    }
}
