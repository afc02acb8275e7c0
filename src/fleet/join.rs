//! Joining the others: what all gateways of a fleet must agree on, and what of the store its operator should know.

use std::time::Duration;

use redis::{Cmd, Value, cmd};

use super::cycle::GATEWAY_SECONDS;
use super::gateways::{Fleet, NotJoined, warn};
use super::link::{Fault, Link};
use super::names::PRECISION;
use super::people::Written;
use super::reply::{number, text};
use crate::engine::policy::WINDOW_SECONDS_MAX;
use crate::engine::secret::HashKey;

/// Joining takes at most so long.
const JOIN_MS_MAX: Duration = Duration::from_secs(1);
/// A clock that is further from the store's is told.
pub(super) const SKEW_MS_MAX: i64 = 2_000;
/// The field with the names of hash keys: two while the key is being replaced.
const HASH_KEYS: &str = "hash_keys";

/// Gateways that are looked at, at most.
const GATEWAYS_MAX: usize = 1024;

/// The field with the second since which births are told.
const BIRTHS_SINCE: &str = "births_since";

/// What all gateways must agree on, by the name of its field.
pub(super) struct Agreed(Vec<(&'static str, String)>);

impl Agreed {
    pub(super) fn new(secret: &HashKey, exact_elements_max: usize) -> Self {
        // It names the key and tells nothing of it.
        let hash_key = secret.hash64("tidegate fleet 1", &[]);
        Self(vec![
            ("precision", PRECISION.to_string()),
            ("exact_elements_max", exact_elements_max.to_string()),
            ("window_max", WINDOW_SECONDS_MAX.to_string()),
            (HASH_KEYS, format!("{hash_key:016x}")),
        ])
    }

    /// What is different in `fields`.
    fn difference(&self, fields: &[(String, String)]) -> Option<String> {
        self.0.iter().find_map(|(name, here)| {
            let there = fields.iter().find(|(field, _)| field == name).map(|(_, there)| there);
            let there = there.map_or("", String::as_str);
            match *name {
                HASH_KEYS if there.split(' ').any(|known| known == here) => None,
                HASH_KEYS => Some(format!(
                    "its hash key is `{here}`, and theirs is `{there}`: give every gateway the same `hash.key`"
                )),
                _ if there == here => None,
                _ => Some(format!("`{name}` is {here} here and `{there}` there")),
            }
        })
    }
}

/// What is known of the store once this gateway has joined.
pub(super) struct Joined {
    /// The store's own name, made when it was empty.
    pub(super) born: Vec<u8>,
}

/// Joins over `link`.
pub(super) async fn join(fleet: &Fleet, link: &Link) -> Result<Joined, NotJoined> {
    let meta = fleet.names.meta();
    let set = |field: &str, value: &str| cmd("HSETNX").arg(&meta).arg(field).arg(value).clone();
    let mut commands: Vec<Cmd> = fleet.agreed.0.iter().map(|(name, value)| set(name, value)).collect();
    commands.push(set(
        "born",
        &format!("{:016x}-{}", fleet.id, fleet.clock.now().millis()),
    ));
    let since = fleet.births.since();
    if since != 0 {
        commands.push(set(BIRTHS_SINCE, &since.to_string()));
    }
    commands.push(cmd("HGETALL").arg(&meta).clone());
    let info = vec![cmd("INFO").arg("memory").clone()];
    let there = vec![who_is_there(fleet)];
    let mut answers = link.ask(vec![commands, info, there], JOIN_MS_MAX).await.into_iter();
    let answers = (answers.next(), answers.next(), answers.next());
    let fields = match answers.0 {
        Some(Ok(answers)) => texts(answers.last()),
        Some(Err(Fault::Foreign)) => {
            return Err(NotJoined::Refused(format!("`{meta}` is somebody else's in this store")));
        }
        Some(Err(fault)) => return Err(fault.into()),
        None => return Err(Fault::Late.into()),
    };
    if let Some(difference) = fleet.agreed.difference(&fields) {
        return Err(NotJoined::Refused(difference));
    }
    if let Some(Ok(there)) = answers.2 {
        meets_all(fleet, there.first()).map_err(NotJoined::Refused)?;
    }
    let since = fields.iter().find(|(name, _)| name == BIRTHS_SINCE);
    if let Some(since) = since.and_then(|(_, since)| since.parse().ok()) {
        // Whoever joined before has told of all births since then.
        fleet.births.joined(since);
    }
    tell_eviction(answers.1.and_then(Result::ok).as_deref());
    let born = fields.into_iter().find(|(name, _)| name == "born");
    Ok(Joined {
        born: born.map(|(_, value)| value.into_bytes()).unwrap_or_default(),
    })
}

/// Asks which gateways told of themselves lately.
pub(super) fn who_is_there(fleet: &Fleet) -> Cmd {
    let since = u64::from(fleet.clock.now().second()).saturating_sub(GATEWAY_SECONDS);
    let mut range = cmd("ZRANGE");
    range.arg(fleet.names.nodes()).arg(since).arg("+inf").arg("BYSCORE");
    range.arg("LIMIT").arg(0).arg(GATEWAYS_MAX).clone()
}

/// Whether all that are there hash people so that this gateway can count with them; else why not.
fn meets_all(fleet: &Fleet, there: Option<&Value>) -> Result<(), String> {
    let Some(Value::Array(there)) = there else {
        return Ok(());
    };
    let other = there.iter().filter_map(text).filter_map(Written::read);
    match other.into_iter().find(|other| !fleet.written.meets(other)) {
        Some(_) => Err(format!(
            "a gateway that told of itself in the last {GATEWAY_SECONDS} s does not hash people with the key that decides \
             here, or decides by one that is not here, or has another next one: while keys of people are replaced, all \
             gateways have the same `people.next.key` and take one step of `tidegate ledger rotate` before any takes the \
             next"
        )),
        None => Ok(()),
    }
}

/// A store that evicts forgets people without a word.
fn tell_eviction(info: Option<&[Value]>) {
    let text = info.and_then(<[Value]>::first).and_then(text).unwrap_or_default();
    let policy = text.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"));
    match policy.map(str::trim) {
        Some("noeviction") => {}
        Some(policy) => {
            let message =
                format!("the store's `maxmemory-policy` is `{policy}`: set it to `noeviction`, or it forgets people");
            warn("F001", &message);
        }
        None => warn(
            "F001",
            "the store does not tell its `maxmemory-policy`, which must be `noeviction`",
        ),
    }
}

/// Names and values of a hash.
fn texts(value: Option<&Value>) -> Vec<(String, String)> {
    let text = |value: &Value| text(value).unwrap_or_default().to_owned();
    match value {
        Some(Value::Array(items)) => {
            let pairs = items.chunks_exact(2);
            pairs
                .filter_map(|pair| match pair {
                    [name, value] => Some((text(name), text(value))),
                    _ => None,
                })
                .collect()
        }
        Some(Value::Map(pairs)) => pairs.iter().map(|(name, value)| (text(name), text(value))).collect(),
        _ => Vec::new(),
    }
}

/// The store's clock, in unix milliseconds.
pub(super) fn server_millis(value: Option<&Value>) -> Option<u64> {
    let Some(Value::Array(parts)) = value else {
        return None;
    };
    let (seconds, micros) = (number(parts.first()?)?, number(parts.get(1)?)?);
    Some(seconds.saturating_mul(1000).saturating_add(micros / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(agreed: &Agreed) -> Vec<(String, String)> {
        let fields = agreed.0.iter();
        fields
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }

    #[test]
    fn a_gateway_that_differs_says_in_what() {
        let (one, other) = (HashKey::new([1; 32]), HashKey::new([2; 32]));
        let here = Agreed::new(&one, 100_000);
        assert_eq!(here.difference(&fields(&here)), None);
        let there = fields(&Agreed::new(&one, 5_000));
        let told = here.difference(&there).unwrap();
        assert!(told.contains("exact_elements_max") && told.contains("5000"), "{told}");
        let told = here.difference(&fields(&Agreed::new(&other, 100_000))).unwrap();
        assert!(told.contains("hash.key"), "{told}");
        assert!(here.difference(&[]).is_some());
    }

    #[test]
    fn two_hash_keys_are_admitted_while_one_replaces_the_other() {
        let (old, new) = (HashKey::new([1; 32]), HashKey::new([2; 32]));
        let mut there = fields(&Agreed::new(&old, 9_000));
        let new = Agreed::new(&new, 9_000);
        let replacing = format!("{} {}", there[3].1, new.0[3].1);
        there[3].1 = replacing;
        assert_eq!(new.difference(&there), None);
        assert_eq!(Agreed::new(&old, 9_000).difference(&there), None);
    }
}
