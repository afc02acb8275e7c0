//! Signing keys as they come and go: since when each is known, how long it may still sign, and those that have gone.
//!
//! A key that has gone from its set is remembered: what it signs from then on proves that somebody has it who should not.

use std::sync::Arc;

use hashbrown::HashSet;
use jsonwebtoken::jwk::Jwk;
use serde::{Deserialize, Serialize};

use super::identify::Identity;
use super::token::{kid_of, signing_key};
use crate::engine::ledger::{Dimension, KeyId};
use crate::engine::policy::people_key;
use crate::engine::time::Now;

/// Keys of one issuer that have gone; the oldest are forgotten first.
const RETIRED_KEYS_MAX: usize = 64;
const DAY_S: u32 = 86_400;

/// One key that was seen in a key set. All of it is public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownKey {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// Its id.
    pub kid: String,
    /// When it was first seen, unix second.
    pub since: u32,
    /// When it had gone, unix second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<u32>,
    /// The key as its set had it.
    pub jwk: Jwk,
}

/// The key of an issuer that was seen first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldestKey {
    /// The issuer's name in the configuration.
    pub issuer: Arc<str>,
    /// Its id.
    pub kid: String,
    /// How many days are left of `key_days_max`; below zero it should have gone.
    pub days_left: i64,
}

/// What is known of keys.
#[derive(Default)]
pub(super) struct KeyMemory {
    keys: Vec<KnownKey>,
    /// The names of those that have gone, as [`super::Named`] has them.
    retired: HashSet<KeyId>,
}

impl OldestKey {
    /// Whether it is to be told: thirty days ahead.
    pub const fn is_old(&self) -> bool {
        self.days_left <= 30
    }
}

impl Identity {
    /// Takes in which keys were `known` before this configuration: those that are in no set any more have gone at `now`.
    pub fn remember_keys(&mut self, known: &[KnownKey], now: Now) {
        let mut memory = KeyMemory::default();
        for issuer in &mut self.issuers {
            let of_issuer = || known.iter().filter(|known| known.issuer == *issuer.name);
            let present = issuer.keys.iter().filter_map(|key| {
                let kid = key.id.clone()?;
                let same = of_issuer().find(|known| known.kid == kid && known.jwk == key.written);
                Some(KnownKey {
                    issuer: issuer.name.to_string(),
                    since: same.map_or_else(|| now.second(), |known| known.since),
                    retired: None,
                    jwk: key.written.clone(),
                    kid,
                })
            });
            memory.keys.extend(present);
            // A set that could not be fetched says of no key that it has gone.
            let is_unknown = issuer.keys.is_empty();
            memory.keys.extend(
                of_issuer()
                    .filter(|known| is_unknown && known.retired.is_none())
                    .cloned(),
            );
            let is_gone = |known: &&KnownKey| {
                let is_present = issuer.keys.iter().any(|key| key.id.as_ref() == Some(&known.kid));
                !is_present && (!is_unknown || known.retired.is_some())
            };
            let mut gone: Vec<KnownKey> = of_issuer().filter(is_gone).cloned().collect();
            for known in &mut gone {
                known.retired.get_or_insert_with(|| now.second());
            }
            gone.sort_by_key(|known| std::cmp::Reverse(known.retired));
            gone.truncate(RETIRED_KEYS_MAX);
            issuer.retired = gone
                .iter()
                .filter_map(|known| signing_key(&known.jwk).ok().flatten())
                .collect();
            let names = gone.iter().map(|known| kid_of(&issuer.name, &known.kid));
            let names = names.map(|kid| people_key(&self.key, Dimension::Kid, &kid));
            memory.retired.extend(names);
            memory.keys.extend(gone);
        }
        self.key_memory = memory;
    }

    /// The keys that are known now, those that have gone included.
    pub fn known_keys(&self) -> &[KnownKey] {
        &self.key_memory.keys
    }

    /// Whether this is the name of a key that has gone.
    pub fn is_retired(&self, key: KeyId) -> bool {
        self.key_memory.retired.contains(&key)
    }

    /// The key of each issuer that was seen first, and how long it may still sign.
    pub fn oldest_keys(&self, now: Now) -> impl Iterator<Item = OldestKey> {
        self.issuers.iter().filter_map(move |issuer| {
            let present = self.key_memory.keys.iter();
            let present = present.filter(|known| known.issuer == *issuer.name && known.retired.is_none());
            let oldest = present.min_by_key(|known| known.since)?;
            let age = i64::from(now.second().saturating_sub(oldest.since) / DAY_S);
            Some(OldestKey {
                issuer: Arc::clone(&issuer.name),
                kid: oldest.kid.clone(),
                days_left: i64::from(issuer.key_days_max) - age,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::{compile_with, key_set, now};

    #[test]
    fn keys_are_known_since_they_came_and_those_that_go_are_not_forgotten() {
        let mut first = compile_with(&key_set(&["k1"]));
        first.remember_keys(&[], now());
        let later = now().after(86_400_000);
        let mut second = compile_with(&key_set(&["k1", "k2"]));
        second.remember_keys(first.known_keys(), later);
        let since = |identity: &Identity| {
            let keys = identity.known_keys().iter();
            keys.map(|known| (known.kid.clone(), known.since, known.retired))
                .collect::<Vec<_>>()
        };
        let (first_s, later_s) = (now().second(), later.second());
        assert_eq!(
            since(&second),
            [("k1".into(), first_s, None), ("k2".into(), later_s, None)]
        );
        let mut third = compile_with(&key_set(&["k2"]));
        third.remember_keys(second.known_keys(), later);
        assert_eq!(
            since(&third),
            [("k2".into(), later_s, None), ("k1".into(), first_s, Some(later_s))]
        );
        let name = |identity: &Identity, kid: &str| people_key(&identity.key, Dimension::Kid, &kid_of("shop", kid));
        assert!(third.is_retired(name(&third, "k1")) && !third.is_retired(name(&third, "k2")));
        let mut back = compile_with(&key_set(&["k1"]));
        back.remember_keys(third.known_keys(), later);
        assert!(!back.is_retired(name(&back, "k1")), "it is in the set again");
        assert!(back.is_retired(name(&back, "k2")));
        let written = serde_json::to_string(back.known_keys()).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Vec<KnownKey>>(&written).expect("keys"),
            back.known_keys()
        );
    }

    #[test]
    fn the_oldest_key_of_an_issuer_has_its_days() {
        let mut identity = compile_with(&key_set(&["k1"]));
        identity.remember_keys(&[], now());
        let left = |days: u64| {
            identity
                .oldest_keys(now().after(days * 86_400_000))
                .next()
                .unwrap()
                .days_left
        };
        assert_eq!([left(0), left(336), left(365), left(400)], [365, 29, 0, -35]);
    }

    #[test]
    fn the_keys_that_have_gone_are_bounded() {
        let known = |number: u32| KnownKey {
            issuer: "shop".into(),
            kid: format!("old-{number}"),
            since: 1,
            retired: Some(number),
            jwk: serde_json::from_value(key_set(&["k"])["keys"][0].clone()).expect("a key"),
        };
        let known: Vec<KnownKey> = (0..200).map(known).collect();
        let mut identity = compile_with(&key_set(&["k1"]));
        identity.remember_keys(&known, now());
        assert_eq!(identity.known_keys().len(), 1 + RETIRED_KEYS_MAX);
        assert_eq!(identity.known_keys()[1].kid, "old-199", "the newest stay");
    }
}
