//! Baselines as they are kept over a restart: JSON, with what is usual in hexadecimal digits.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::history::{BYTES, History};
use super::{Account, Baselines, GROUPS_MAX, Group, KEYS_MAX, SHARDS, lock};
use crate::engine::ledger::KeyId;

/// The version of the encoding; another is refused.
const VERSION: u32 = 1;

/// All that is known.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    version: u32,
    groups: Vec<SavedGroup>,
    accounts: Vec<SavedAccount>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedGroup {
    name: String,
    medians: String,
    deviations: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedAccount {
    key: String,
    group: u16,
    people: String,
}

impl Saved {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

/// Why what was saved is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedError {
    /// A version that is not known here.
    Version(u32),
    /// There are more groups or accounts than are followed.
    Size,
    /// Something in it is no history, no key or of no group.
    Content,
}

impl fmt::Display for SavedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "version {version} of baselines is not known; this is {VERSION}"),
            Self::Size => f.write_str("there are more groups or accounts than are followed"),
            Self::Content => f.write_str("what it says is not possible"),
        }
    }
}

impl std::error::Error for SavedError {}

impl Baselines {
    /// All that is known.
    pub fn save(&self) -> Saved {
        let groups = self.groups();
        let groups = groups.iter().map(|group| SavedGroup {
            name: group.name.to_string(),
            medians: hex(&group.medians),
            deviations: hex(&group.deviations),
        });
        let mut saved = Saved {
            version: VERSION,
            groups: groups.collect(),
            accounts: Vec::new(),
        };
        for shard in &self.shards {
            saved
                .accounts
                .extend(lock(shard).iter().map(|(key, account)| SavedAccount {
                    key: key.to_string(),
                    group: account.group,
                    people: hex(&account.history),
                }));
        }
        saved
    }

    /// Of what was saved.
    ///
    /// # Errors
    /// When it cannot have been saved by this version.
    pub fn load(saved: &Saved) -> Result<Self, SavedError> {
        if saved.version != VERSION {
            return Err(SavedError::Version(saved.version));
        }
        if saved.groups.len() > GROUPS_MAX || saved.accounts.len() > KEYS_MAX {
            return Err(SavedError::Size);
        }
        let baselines = Self::default();
        for group in &saved.groups {
            let (medians, deviations) = (history(&group.medians), history(&group.deviations));
            let (medians, deviations) = medians.zip(deviations).ok_or(SavedError::Content)?;
            baselines.groups().push(Group {
                name: group.name.as_str().into(),
                medians,
                deviations,
            });
        }
        for account in &saved.accounts {
            let read = KeyId::parse(&account.key).zip(history(&account.people));
            let (key, history) = read.ok_or(SavedError::Content)?;
            if usize::from(account.group) >= saved.groups.len() {
                return Err(SavedError::Content);
            }
            let mut accounts = baselines.shard(key);
            if accounts.len() >= KEYS_MAX / SHARDS {
                return Err(SavedError::Size);
            }
            let group = account.group;
            accounts.insert(
                key,
                Account {
                    group,
                    history,
                    is_over: false,
                },
            );
        }
        Ok(baselines)
    }
}

fn hex(history: &History) -> String {
    use std::fmt::Write as _;

    let mut text = String::with_capacity(BYTES * 2);
    for byte in history.bytes() {
        // Writing to a string does not fail.
        _ = write!(text, "{byte:02x}");
    }
    text
}

fn history(text: &str) -> Option<History> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let is_hex = rest.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes = pairs
        .iter()
        .filter(|_| is_hex)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    History::of_bytes(&bytes.collect::<Option<Vec<u8>>>()?)
}
