//! Fetching security events where a transmitter does not push them (RFC 8936).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hashbrown::HashMap;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::outside;
use crate::events::{Event, RevocationFact, report};
use crate::identity::{Poll, SignalError};
use crate::proxy::Gateway;
use crate::proxy::fetch::{self, request};

/// How often it is looked who is to be asked.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes of an answer: a hundred tokens of eight KiB, and what stands around them.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Tokens of one answer.
const EVENTS_MAX: usize = 100;
/// Answers in a row, where there are more tokens than in one.
const ROUNDS_MAX: usize = 10;

/// Who was asked when, and what they are told next.
#[derive(Default)]
struct Asked {
    at: Option<Instant>,
    /// Tokens that are on disk.
    done: Vec<String>,
    /// Tokens that were refused.
    errors: Vec<(String, SignalError)>,
}

/// Asks all transmitters that are polled, until `stop`.
pub(super) async fn run(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut asked: HashMap<Box<str>, Asked> = HashMap::new();
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {}
        }
        let set = Arc::clone(&gateway.set());
        asked.retain(|name, _| set.identity.polls().iter().any(|poll| poll.transmitter == *name));
        for poll in set.identity.polls() {
            let known = asked.entry(poll.transmitter.clone()).or_default();
            let every = Duration::from_secs(u64::from(poll.every_s));
            if known.at.is_some_and(|at| at.elapsed() < every) {
                continue;
            }
            known.at = Some(Instant::now());
            let asking = rounds(&gateway, poll, known);
            let is_done = tokio::select! {
                () = stop.cancelled() => return,
                is_done = asking => is_done.is_some(),
            };
            let result = if is_done { "done" } else { "failed" };
            report(&Event::Revocation(RevocationFact::Polled { result }));
        }
    }
}

/// Asks one transmitter until it has no more; `None` where it does not answer properly.
async fn rounds(gateway: &Gateway, poll: &Poll, asked: &mut Asked) -> Option<()> {
    for _ in 0..ROUNDS_MAX {
        let answer = ask(poll, asked).await?;
        // It has heard of these.
        (asked.done, asked.errors) = (Vec::new(), Vec::new());
        let has_more = answer.more_available && !answer.sets.is_empty();
        for (jti, token) in answer.sets.into_iter().take(EVENTS_MAX) {
            match outside::signal(gateway, token.as_str().unwrap_or_default().as_bytes()) {
                Ok(true) => asked.done.push(jti),
                Ok(false) => {}
                Err(error) => asked.errors.push((jti, error)),
            }
        }
        if !gateway.store.holds_written().await {
            // They come again.
            asked.done.clear();
        }
        if !has_more {
            return Some(());
        }
    }
    Some(())
}

/// What a transmitter answers (RFC 8936, section 2.5).
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    sets: Map<String, Value>,
    #[serde(default, rename = "moreAvailable")]
    more_available: bool,
}

async fn ask(poll: &Poll, asked: &Asked) -> Option<Answer> {
    let told = |error: &SignalError| json!({ "err": error.code, "description": error.description });
    let errors = asked.errors.iter().map(|(jti, error)| (jti.clone(), told(error)));
    let errors: Map<String, Value> = errors.collect();
    let mut body = json!({ "maxEvents": EVENTS_MAX, "returnImmediately": true, "ack": asked.done });
    if let (false, Some(body)) = (errors.is_empty(), body.as_object_mut()) {
        body.insert("setErrs".to_owned(), errors.into());
    }
    let mut request = request(Method::POST, &poll.url)
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json");
    if let Some(token) = &poll.token {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.as_str())).ok()?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_string()))).ok()?;
    let response = fetch::ask(&poll.url, request, ANSWER_BYTES_MAX).await.ok()?;
    let is_answer = response.status() == StatusCode::OK;
    is_answer.then(|| serde_json::from_slice(response.body()).ok())?
}
