//! Births between gateways: a score for each credential in one of 256 sets, raised and never lowered; asked for where it is missed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use redis::{Value, cmd};
use tokio::sync::watch;

use super::gateways::Fleet;
use super::link::{Commands, Fault, Link};
use super::names::Names;
use super::push::{raise, trim};
use super::reply::{ignored, number};
use super::{Heard, LookingUp, Telling};
use crate::engine::births::{Birth, CredentialId};
use crate::events::{Event, Fact, report};

/// A look-up takes at most so long.
const LOOK_UP_MS_MAX: Duration = Duration::from_millis(20);
/// A login waits at most so long until the others know of it: else who uses it there at once is unissued.
const TELL_MS_MAX: Duration = Duration::from_secs(5);
/// Look-ups under way at most; past it nobody can say.
const UNDER_WAY_MAX: usize = 10_000;
/// Sets that births are spread over.
const SETS: usize = 256;

/// The look-ups under way, by credential: whoever asks for the same waits for the same answer.
#[derive(Default)]
pub(super) struct LookUps(Mutex<HashMap<CredentialId, watch::Receiver<Option<Heard>>>>);

impl LookUps {
    fn done(&self, id: CredentialId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

/// Raises the scores of `births`, a group of commands for each set; the oldest of more than `births_max` go.
fn tell(names: &Names, births: &[(CredentialId, Birth)], births_max: usize) -> Vec<Commands> {
    let mut sets: HashMap<u8, Vec<([u8; 16], u64)>> = HashMap::new();
    for (id, birth) in births {
        sets.entry(set_of(*id)).or_default().push((id.0, birth.rank()));
    }
    // A quarter more than the mean: hashes do not fill all sets alike.
    let set_max = births_max / SETS + births_max / SETS / 4 + 64;
    let groups = sets.into_iter().map(|(set, births)| {
        let (name, mut commands) = (names.births(set), Commands::new());
        raise(&name, &births, &mut commands);
        commands.push(trim(&name, set_max));
        commands
    });
    groups.collect()
}

fn set_of(id: CredentialId) -> u8 {
    let [first, ..] = id.0;
    first
}

/// Tells all `births` over `link`.
pub(super) async fn tell_over(
    fleet: &Fleet,
    link: &Link,
    births: &[(CredentialId, Birth)],
    within: Duration,
) -> Result<(), Fault> {
    let groups = tell(&fleet.names, births, fleet.births.known_max());
    for answer in link.ask(groups, within).await {
        match answer {
            Ok(_) => {}
            Err(Fault::Foreign) => ignored("foreign", 1),
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}

async fn look_up(fleet: &Fleet, id: CredentialId) -> Heard {
    let Some(link) = fleet.link() else {
        return Heard::Late;
    };
    let score = cmd("ZMSCORE")
        .arg(fleet.names.births(set_of(id)))
        .arg(id.0.as_slice())
        .clone();
    let mut answers = link.ask(vec![vec![score]], LOOK_UP_MS_MAX).await;
    match answers.pop() {
        Some(Ok(values)) => heard(values.first()),
        Some(Err(Fault::Foreign)) => {
            ignored("foreign", 1);
            Heard::Late
        }
        Some(Err(_)) | None => Heard::Late,
    }
}

/// What an answer says of the one credential that was asked for.
fn heard(value: Option<&Value>) -> Heard {
    let score = match value {
        Some(Value::Array(scores)) => scores.first(),
        _ => None,
    };
    match score {
        Some(Value::Nil) => Heard::Nothing,
        Some(score) if let Some(birth) = number(score).and_then(Birth::from_rank) => Heard::Said(birth),
        _ => {
            ignored("reply", 1);
            Heard::Late
        }
    }
}

impl Fleet {
    /// What the store knows of a credential; at once where it is being asked for already, and within 20 ms.
    pub fn look_up(self: &Arc<Self>, id: CredentialId) -> LookingUp {
        let mut under_way = self.look_ups.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = under_way.get(&id).cloned();
        let mut heard = match known {
            Some(known) => known,
            None if under_way.len() >= UNDER_WAY_MAX => {
                report(&Event::Fleet(Fact::LookedUp { result: "crowded" }));
                return Box::pin(std::future::ready(Heard::Crowded));
            }
            None => {
                let (tell, heard) = watch::channel(None);
                under_way.insert(id, heard.clone());
                let fleet = Arc::clone(self);
                // Whoever asked first may go away: the others wait for it all the same.
                tokio::spawn(async move {
                    let heard = look_up(&fleet, id).await;
                    report(&Event::Fleet(Fact::LookedUp { result: heard.name() }));
                    fleet.look_ups.done(id);
                    tell.send_replace(Some(heard));
                });
                heard
            }
        };
        drop(under_way);
        Box::pin(async move {
            let told = heard.wait_for(Option::is_some).await;
            told.ok().and_then(|heard| *heard).unwrap_or(Heard::Late)
        })
    }

    /// Tells the store of births; whether it said that it knows, within five seconds. At once not, while it is down.
    pub fn tell_births(self: &Arc<Self>, births: Vec<(CredentialId, Birth)>) -> Telling {
        let fleet = Arc::clone(self);
        Box::pin(async move {
            let Some(link) = fleet.link() else { return false };
            tell_over(&fleet, &link, &births, TELL_MS_MAX).await.is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::births::Tag;

    #[test]
    fn garbage_is_no_birth_and_no_absence() {
        let score = |score: Value| heard(Some(&Value::Array(vec![score])));
        let birth = Birth {
            second: 7,
            tag: Tag::Issued,
        };
        let rank = birth.rank().to_string().into_bytes();
        assert_eq!(score(Value::BulkString(rank)), Heard::Said(birth));
        assert_eq!(score(Value::Nil), Heard::Nothing);
        for garbage in [
            Value::BulkString(b"x".to_vec()),
            Value::Int(-1),
            Value::Double(f64::MAX),
            Value::Okay,
        ] {
            assert_eq!(score(garbage), Heard::Late);
        }
        assert_eq!((heard(None), heard(Some(&Value::Nil))), (Heard::Late, Heard::Late));
    }

    #[test]
    fn births_are_told_by_set_in_bounded_commands() {
        let birth = Birth {
            second: 7,
            tag: Tag::Issued,
        };
        let births: Vec<_> = (0..5_000_u32)
            .map(|number| {
                let mut id = [0; 16];
                id[0] = u8::from(number >= 4_500);
                id[4..8].copy_from_slice(&number.to_le_bytes());
                (CredentialId(id), birth)
            })
            .collect();
        let mut groups: Vec<usize> = tell(&Names::new("t"), &births, 1_000_000)
            .iter()
            .map(Vec::len)
            .collect();
        groups.sort_unstable();
        assert_eq!(groups, [2, 6], "each set is trimmed behind its members");
    }
}
