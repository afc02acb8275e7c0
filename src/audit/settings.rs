//! `[audit]` as the operator wrote it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::problem::{Bounded, bounded};

/// `[audit]`: where the audit lines go, and how many incidents are followed at once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The file that lines are appended to (mode 0640). Default: none, and nothing is audited.
    pub file: Option<PathBuf>,
    /// Incidents followed at once; past it, those of one budget become one. About 500 bytes each. Default 10,000.
    pub incidents_max: usize,
    /// A growing incident is reported again after this many seconds, or when its count has doubled. Default 60.
    pub update_s: u32,
    /// An incident with nothing new for this many seconds is closed. Default 3,600.
    pub quiet_s: u32,
    /// Lines that may wait for the disk; past it they are dropped and counted. About 1 KiB each. Default 4,096.
    pub queue_lines_max: usize,
    /// What happens when the queue is full. Default `drop`.
    pub on_audit_full: OnFull,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            file: None,
            incidents_max: 10_000,
            update_s: 60,
            quiet_s: 3_600,
            queue_lines_max: 4_096,
            on_audit_full: OnFull::Drop,
        }
    }
}

impl Settings {
    /// Its numbers with their bounds.
    pub fn bounded(&self) -> Vec<Bounded> {
        bounded!(self => Self {
            incidents_max: 1..=1_000_000,
            update_s: 1..=86_400,
            quiet_s: 1..=30 * 86_400,
            queue_lines_max: 1..=1_000_000;
            file,
            on_audit_full
        })
    }
}

/// What happens to exchanges while the audit queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFull {
    /// They go on; the lost lines are counted and `/readyz` says so.
    Drop,
    /// They wait. Not in this version.
    Block,
}
