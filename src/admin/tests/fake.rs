//! A gateway that only remembers what it was asked.

use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::{Value, json};

use super::{HELD, NOW_S};
use crate::admin::{BypassView, ClockView, Desk, DeskError, Readiness, Release, RevocationView};
use crate::engine::baseline::Proposal;
use crate::engine::detect::RuleSet;
use crate::engine::ledger::{Dimension, HoldView, KeyId, KeyView};
use crate::engine::pinned::PinnedHost;
use crate::engine::proposed;
use crate::engine::time::Now;
use crate::identity::{NO_END, PersonKeys, SignalError, What};

/// A gateway with two keys, one of them held; it writes down what it is asked to change.
#[derive(Default)]
pub(super) struct FakeDesk {
    pub(super) blockers: Vec<&'static str>,
    pub(super) asked: Mutex<Vec<String>>,
}

impl FakeDesk {
    fn write_down(&self, what: String) {
        self.asked.lock().expect("no test panics with it").push(what);
    }
}

fn view(key: &str, dimension: Dimension, held_until: u32) -> KeyView {
    let key = KeyId::parse(key).expect("a key");
    KeyView {
        key,
        dimension,
        people: vec![(86_400, 100)],
        pending: 1,
        last_seen: NOW_S,
        held_until,
    }
}

fn revocation(until: u32) -> RevocationView {
    RevocationView {
        key: KeyId::parse(HELD).expect("a key"),
        dimension: Dimension::Principal,
        since: NOW_S,
        until,
        cause: "manual".to_owned(),
    }
}

impl Desk for FakeDesk {
    fn now(&self) -> Now {
        Now::from_millis(u64::from(NOW_S) * 1000)
    }

    fn ready(&self) -> Readiness {
        Readiness {
            blockers: self.blockers.clone(),
            notes: Vec::new(),
        }
    }

    fn keys(&self, dimension: Option<Dimension>, _limit: usize) -> Vec<KeyView> {
        let all = [
            view(HELD, Dimension::Session, NOW_S + 60),
            view(&"00".repeat(12), Dimension::Global, 0),
        ];
        all.into_iter()
            .filter(|view| dimension.is_none_or(|dimension| view.dimension == dimension))
            .collect()
    }

    fn key(&self, key: KeyId) -> Option<KeyView> {
        self.keys(None, 2).into_iter().find(|view| view.key == key)
    }

    fn holds(&self, _limit: usize) -> Vec<HoldView> {
        let (key, cause) = (KeyId::parse(HELD).expect("a key"), "bulk".to_owned());
        vec![HoldView {
            key,
            dimension: Dimension::Session,
            since: NOW_S,
            until: NOW_S + 60,
            cause,
        }]
    }

    fn hold(&self, key: KeyId, until: u32) -> Result<HoldView, DeskError> {
        self.write_down(format!("hold {key} {until}"));
        Ok(HoldView {
            key,
            dimension: Dimension::Session,
            since: NOW_S,
            until,
            cause: "manual".to_owned(),
        })
    }

    fn release(&self, key: KeyId, release: Release) -> Result<(), DeskError> {
        self.write_down(format!("release {key} {} {}", release.people, release.until));
        if key.to_string() == HELD {
            Ok(())
        } else {
            Err(DeskError::Unknown)
        }
    }

    fn baselines(&self) -> Vec<Proposal> {
        Vec::new()
    }

    fn pinned(&self, _limit: usize) -> Vec<PinnedHost> {
        Vec::new()
    }

    fn public(&self, _limit: usize) -> Vec<proposed::Proposal> {
        Vec::new()
    }

    fn recertify(&self, key: KeyId) -> Result<(), DeskError> {
        self.write_down(format!("recertify {key}"));
        if key.to_string() == HELD {
            Ok(())
        } else {
            Err(DeskError::Unknown)
        }
    }

    fn revocations(&self, _limit: usize) -> Vec<RevocationView> {
        vec![revocation(NO_END)]
    }

    fn revoke(&self, what: What, name: &str, until: u32) -> Result<RevocationView, DeskError> {
        self.write_down(format!("revoke {} {name} {until}", what.name()));
        if name == "shpo:4711" {
            return Err(DeskError::Name("is of none of `identity.issuer`"));
        }
        Ok(revocation(until))
    }

    fn reinstate(&self, key: KeyId) -> Result<(), DeskError> {
        self.write_down(format!("reinstate {key}"));
        if key.to_string() == HELD {
            Ok(())
        } else {
            Err(DeskError::Listed)
        }
    }

    fn at_hand(&self, _key: KeyId) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }

    fn signal(&self, token: &[u8]) -> Result<bool, SignalError> {
        self.write_down(format!("signal {}", token.len()));
        Ok(true)
    }

    fn person_keys(&self, issuer: &str, names: &[String]) -> PersonKeys {
        let known = names.iter().filter(|_| issuer == "shop").take(2);
        (1..).zip(known).map(|(number, _)| KeyId([number; 12])).collect()
    }

    fn set_person(&self, keys: &[KeyId], active: bool) -> bool {
        self.write_down(format!("{} names active {active}", keys.len()));
        true
    }

    fn is_shut_out(&self, keys: &[KeyId]) -> bool {
        let (asked, out) = (
            self.asked.lock().expect("no panic"),
            format!("{} names active false", keys.len()),
        );
        asked.contains(&out)
    }

    fn written(&self) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        self.write_down("written".to_owned());
        Box::pin(std::future::ready(true))
    }

    fn rules(&self) -> Arc<RuleSet> {
        static RULES: LazyLock<Arc<RuleSet>> = LazyLock::new(|| Arc::new(RuleSet::builtin()));
        Arc::clone(&RULES)
    }

    fn config(&self) -> Value {
        json!({ "listen": { "shop": { "tls": { "key": "***" } } } })
    }

    fn drain(&self) {
        self.write_down("drain".to_owned());
    }

    fn clock(&self) -> ClockView {
        ClockView {
            now: self.now(),
            offset_ms: 7_200_000,
            standing: "waiting",
            set_back_s: 0,
        }
    }

    fn accept_clock(&self) -> Result<ClockView, DeskError> {
        self.write_down("accept-clock".to_owned());
        Err(DeskError::Settled)
    }

    fn bypass(&self) -> Vec<BypassView> {
        vec![BypassView {
            route: None,
            reason: "outage".to_owned(),
            until: NOW_S + 900,
        }]
    }
}
