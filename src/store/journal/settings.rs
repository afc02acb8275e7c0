//! `[journal]` as the operator wrote it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::problem::{Bounded, bounded};

/// `[journal]`: who was shown to whom, kept for the day on which someone has to know.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The directory of the segments (mode 0700), not on the disk or in the backup of the state directory: with the hash
    /// key beside it, it would be a list of customers. Default: none, and nothing is kept.
    pub dir: Option<PathBuf>,
    /// Segments whose last entry is older are removed. Default 35: the longest window, and time to ask.
    pub retention_days: u32,
    /// Bytes on disk; past it the oldest segment goes before its time, which is counted and told. Default 17,179,869,184.
    pub journal_bytes_max: u64,
    /// Entries that may wait for the disk; past it they are lost and counted. About 100 bytes each. Default 65,536.
    pub queue_sightings_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dir: None,
            retention_days: 35,
            journal_bytes_max: 16 << 30,
            queue_sightings_max: 65_536,
        }
    }
}

impl Settings {
    /// Its numbers with their bounds.
    pub fn bounded(&self) -> Vec<Bounded> {
        bounded!(self => Self {
            retention_days: 1..=3_660,
            journal_bytes_max: 256 << 20..=1 << 50,
            queue_sightings_max: 1_024..=16_000_000;
            dir
        })
    }
}
