//! Whose token is that? Its issuer is asked, once for all who wait for the same, and never waited for for long.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::Full;
use tokio::sync::watch;
use tokio::time::timeout;

use super::fetch;
use super::gateway::{Gateway, Set};
use crate::engine::births::CredentialId;
use crate::engine::time::Now;
use crate::events::{Event, IdentityFact, report};
use crate::identity::{ANSWER_BYTES_MAX, Actor, Introspection, Unanswered, network_key};

/// Questions under way at most; past it nobody can say.
const UNDER_WAY_MAX: usize = 64;
/// Failures in a row after which the issuer is not asked for a while.
const FAILURES_MAX: u32 = 5;
/// For so long; then one question is tried, in milliseconds.
const REST_MS: u64 = 5_000;

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Learned {
    /// Whatever was answered is known now.
    Asked,
    /// The network of the client asks too often.
    Limited,
}

/// The questions under way, and whether there are answers at all.
#[derive(Default)]
pub(super) struct Introspections(Mutex<State>);

#[derive(Default)]
struct State {
    /// By token: whoever asks for the same waits for the same answer.
    under_way: HashMap<CredentialId, watch::Receiver<bool>>,
    /// In a row.
    failures: u32,
    /// Nothing is asked before this unix millisecond.
    rests_until: u64,
}

/// How a question is to be answered.
enum Asking {
    /// By whoever asks already.
    Known(watch::Receiver<bool>),
    /// By asking now.
    New(watch::Sender<bool>, watch::Receiver<bool>),
    /// Not: the value of the label `result`.
    Not(&'static str),
}

impl Introspections {
    fn begin(&self, id: CredentialId, now: Now) -> Asking {
        let mut state = self.lock();
        if let Some(known) = state.under_way.get(&id) {
            return Asking::Known(known.clone());
        }
        if state.under_way.len() >= UNDER_WAY_MAX {
            return Asking::Not("crowded");
        }
        if now.millis() < state.rests_until {
            return Asking::Not("open");
        }
        if state.failures >= FAILURES_MAX {
            // One tries; the others go on without until it is answered.
            state.rests_until = now.millis() + REST_MS;
        }
        let (tell, told) = watch::channel(false);
        state.under_way.insert(id, told.clone());
        Asking::New(tell, told)
    }

    fn end(&self, id: CredentialId, is_answered: bool, now: Now) {
        let mut state = self.lock();
        state.under_way.remove(&id);
        let was_failing = state.failures >= FAILURES_MAX;
        state.failures = if is_answered {
            0
        } else {
            state.failures.saturating_add(1)
        };
        let is_failing = state.failures >= FAILURES_MAX;
        state.rests_until = if is_failing { now.millis() + REST_MS } else { 0 };
        drop(state);
        if is_failing != was_failing {
            report(&Event::Identity(IdentityFact::Introspects(!is_failing)));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the issuer for the actor's tokens of which it said nothing lately, as often as its network may.
pub(super) async fn learn(gateway: &Arc<Gateway>, set: &Arc<Set>, actor: &Actor, now: Now) -> Learned {
    let Some(introspection) = set.identity.introspection() else {
        return Learned::Asked;
    };
    let network = network_key(actor.address);
    for asked in &actor.unanswered {
        if !gateway
            .introspection_pace
            .take(network.clone(), introspection.asks_per_s_max, now)
        {
            tell("limited");
            return Learned::Limited;
        }
        let wait = Duration::from_millis(u64::from(introspection.wait_ms_max));
        let mut told = match gateway.introspections.begin(asked.id, now) {
            Asking::Not(result) => {
                tell(result);
                continue;
            }
            Asking::Known(told) => told,
            Asking::New(tell, told) => {
                let (gateway, set, asked) = (Arc::clone(gateway), Arc::clone(set), asked.clone());
                // Whoever asked first may go away: the others wait for it all the same.
                tokio::spawn(async move {
                    let result = ask(&gateway, &set, &asked).await;
                    self::tell(result);
                    let is_answered = matches!(result, "active" | "inactive");
                    gateway.introspections.end(asked.id, is_answered, gateway.clock.now());
                    tell.send_replace(true);
                });
                told
            }
        };
        if timeout(wait, told.wait_for(|is_told| *is_told)).await.is_err() {
            tell("late");
        }
    }
    Learned::Asked
}

fn tell(result: &'static str) {
    report(&Event::Identity(IdentityFact::Introspected { result }));
}

/// Asks for one token; what came of it.
async fn ask(gateway: &Gateway, set: &Set, asked: &Unanswered) -> &'static str {
    let Some(introspection) = set.identity.introspection() else {
        return "garbage";
    };
    match answer(introspection, asked).await {
        Ok(answer) => match set.identity.answered(asked, &answer, gateway.clock.now()) {
            Some(true) => "active",
            Some(false) => "inactive",
            None => "garbage",
        },
        Err(why) => why,
    }
}

async fn answer(introspection: &Introspection, asked: &Unanswered) -> Result<bytes::Bytes, &'static str> {
    let mut request = fetch::request(Method::POST, &introspection.url)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json");
    if let Some(authorization) = &introspection.authorization {
        let mut value = HeaderValue::from_str(authorization).map_err(|_| "http")?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let question = introspection.question(&asked.token);
    let request = request.body(Full::new(question)).map_err(|_| "http")?;
    let answer = fetch::ask(&introspection.url, request, ANSWER_BYTES_MAX).await?;
    if answer.status() != StatusCode::OK {
        return Err("status");
    }
    Ok(answer.into_body())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Now {
        Now::from_millis(1_790_000_000_000 + millis)
    }

    fn id(number: usize) -> CredentialId {
        let mut bytes = [0; 16];
        bytes
            .iter_mut()
            .zip(number.to_le_bytes())
            .for_each(|(to, from)| *to = from);
        CredentialId(bytes)
    }

    fn is_new(asking: &Asking) -> bool {
        matches!(asking, Asking::New(..))
    }

    #[test]
    fn who_asks_for_the_same_waits_for_the_same_and_not_all_may_ask() {
        let asked = Introspections::default();
        let first = asked.begin(id(0), at(0));
        assert!(is_new(&first) && matches!(asked.begin(id(0), at(0)), Asking::Known(_)));
        for number in 1..UNDER_WAY_MAX {
            assert!(is_new(&asked.begin(id(number), at(0))), "{number}");
        }
        assert!(matches!(asked.begin(id(1_000), at(0)), Asking::Not("crowded")));
        asked.end(id(0), true, at(1));
        assert!(is_new(&asked.begin(id(1_000), at(1))));
    }

    #[test]
    fn an_issuer_that_fails_is_left_alone_and_tried_by_one() {
        let asked = Introspections::default();
        for number in 0..FAILURES_MAX as usize {
            assert!(is_new(&asked.begin(id(number), at(0))), "{number}");
            asked.end(id(number), false, at(0));
        }
        assert!(matches!(asked.begin(id(9), at(REST_MS - 1)), Asking::Not("open")));
        assert!(is_new(&asked.begin(id(9), at(REST_MS))), "one tries");
        assert!(
            matches!(asked.begin(id(8), at(REST_MS)), Asking::Not("open")),
            "and no other"
        );
        asked.end(id(9), false, at(REST_MS));
        assert!(matches!(asked.begin(id(8), at(2 * REST_MS - 1)), Asking::Not("open")));
        assert!(is_new(&asked.begin(id(8), at(2 * REST_MS))));
        asked.end(id(8), true, at(2 * REST_MS));
        assert!(is_new(&asked.begin(id(7), at(2 * REST_MS))), "all do again");
    }
}
