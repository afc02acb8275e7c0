//! `[fleet]` as the operator wrote it.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::problem::{Bounded, bounded};

/// Longer prefixes cost memory with every key.
const PREFIX_BYTES_MAX: usize = 64;
/// Servers of a cluster that are named: the others are learnt from them.
const SERVERS_MAX: usize = 64;

/// `[fleet]`: the Redis (6.2 or later) or Valkey over which gateways count together.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `redis://host:6379` or `rediss://user@host:6380` (TLS); of a cluster a list of some of its servers. Default: none, and
    /// each gateway counts for itself.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "Servers")]
    pub url: Vec<String>,
    /// Whether the servers are a Redis Cluster. Default false.
    pub cluster: bool,
    /// A file with the password, which then is not in `url`; its last line break does not count.
    pub password_file: Option<PathBuf>,
    /// A PEM file of the authorities that sign the server's certificate, in the place of the system's.
    pub ca: Option<PathBuf>,
    /// What the names of all keys begin with. Default `tidegate`. Gateways that count together have the same one.
    pub prefix: String,
    /// How often changes are exchanged, in milliseconds, give or take a fifth. Default 250. What a gateway does not know yet
    /// is at most two of these and a round trip old.
    pub flush_ms: u64,
    /// How long an exchange waits for a `strict` confirmation, in milliseconds; then the store is down for it. Default 20.
    pub wait_ms_max: u64,
    /// What holds while the store is down. Default `local`.
    pub on_store_down: OnStoreDown,
}

/// What holds while the store cannot be reached, or does not answer in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnStoreDown {
    /// Each gateway counts for itself, from what was known: with n gateways up to n times the limit.
    #[default]
    Local,
    /// Each gateway has the n-th part of every refusing limit, by the last known number of gateways: never more than the
    /// limit together, and refused early where they are used unevenly.
    Split,
    /// A `strict` budget shows nobody new.
    Block,
}

/// One server or several, as they may be written.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Servers {
    One(String),
    Many(Vec<String>),
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Servers::deserialize(deserializer)? {
        Servers::One(url) => vec![url],
        Servers::Many(urls) => urls,
    })
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: Vec::new(),
            cluster: false,
            password_file: None,
            ca: None,
            prefix: "tidegate".to_owned(),
            flush_ms: 250,
            wait_ms_max: 20,
            on_store_down: OnStoreDown::Local,
        }
    }
}

impl Settings {
    /// Its numbers with their bounds.
    pub fn bounded(&self) -> Vec<Bounded> {
        bounded!(self => Self {
            flush_ms: 50..=10_000,
            wait_ms_max: 1..=1_000;
            url,
            cluster,
            password_file,
            ca,
            prefix,
            on_store_down
        })
    }

    /// The same with its files below `base`, where they are relative.
    #[must_use]
    pub fn below(mut self, base: &Path) -> Self {
        for file in [&mut self.password_file, &mut self.ca].into_iter().flatten() {
            *file = base.join(&file);
        }
        self
    }

    /// Whether gateways share a store.
    pub fn is_shared(&self) -> bool {
        !self.url.is_empty()
    }

    /// What is wrong with it beside its numbers: the setting, and why.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.is_shared() && !cfg!(feature = "fleet") {
            problems.push((
                "url",
                "this build has no fleet: it was made without the feature `fleet`".to_owned(),
            ));
        }
        let is_server = |url: &String| url.starts_with("redis://") || url.starts_with("rediss://");
        if !self.url.iter().all(is_server) {
            let message = "a server is named by a URL that begins with redis:// or rediss://";
            problems.push(("url", message.to_owned()));
        }
        let servers_max = if self.cluster { SERVERS_MAX } else { 1 };
        if self.url.len() > servers_max {
            let message =
                format!("at most {servers_max} of them: several servers are those of one cluster (`cluster`)");
            problems.push(("url", message));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
        if self.prefix.is_empty() || self.prefix.len() > PREFIX_BYTES_MAX || !self.prefix.bytes().all(is_plain) {
            let message = format!("the prefix has 1 to {PREFIX_BYTES_MAX} letters, digits and any of `-_.:`");
            problems.push(("prefix", message));
        }
        problems
    }
}

/// A URL as it may be shown: with `***` where a password is.
pub fn without_password(url: &str) -> String {
    let place = url.split_once("://");
    let credentials = place.and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)));
    match credentials {
        Some((scheme, (credentials, host))) => {
            let user = credentials.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{host}")
        }
        None => url.to_owned(),
    }
}

/// Why a gateway cannot count together with others.
#[derive(Debug)]
pub enum FleetError {
    /// The settings, or a file that they name.
    Settings(String),
    /// The store is another fleet's: what is different there.
    Refused(String),
}

impl fmt::Display for FleetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(why) => write!(f, "[fleet]: {why}"),
            Self::Refused(why) => write!(f, "this gateway cannot join the others of [fleet]: {why}"),
        }
    }
}

impl std::error::Error for FleetError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("redis://10.0.0.5:6379", "redis://10.0.0.5:6379"),
            (
                "rediss://gateway:s3cret@host:6380/0",
                "rediss://gateway:***@host:6380/0",
            ),
            ("redis://:s3@cret@host", "redis://:***@host"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn settings_that_cannot_work_are_told() {
        let with = |change: fn(&mut Settings)| {
            let mut settings = Settings {
                url: vec!["redis://a".to_owned()],
                ..Settings::default()
            };
            change(&mut settings);
            settings.problems().iter().map(|(name, _)| *name).collect::<Vec<_>>()
        };
        assert!(with(|_| ()).is_empty() || cfg!(not(feature = "fleet")));
        assert!(with(|settings| settings.url[0] = "http://a".to_owned()).contains(&"url"));
        assert!(with(|settings| settings.url.push("redis://b".to_owned())).contains(&"url"));
        assert!(with(|settings| settings.prefix = "{a}".to_owned()).contains(&"prefix"));
    }
}
