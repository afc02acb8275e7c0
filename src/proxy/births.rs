//! What an answer issues: remembered before anything of it leaves.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, response};
use http_body::Body;
use hyper::body::Incoming;
use smallvec::SmallVec;

use super::answer::{OriginBody, UpstreamBody};
use super::asked::Asked;
use super::content::{coding, content_type};
use super::foretold::Foretold;
use super::forward::Sent;
use super::gateway::Gateway;
use super::provenance::ask;
use super::tokens::{Unread, refresh_tokens, tokens};
use crate::engine::births::{Birth, CredentialId, Tag};
use crate::engine::time::Now;
use crate::events::{Event, IdentityFact, report};
use crate::fleet::Fleet;
use crate::identity::{Identity, Provenance};

/// Bytes of an answer that issues tokens that are read ahead; in those behind no token is looked for.
const AHEAD_BYTES_MAX: usize = 64 << 10;

/// Looks for the credential that the body of a request sends to be renewed, for which it is read ahead until the moment `until`.
/// A body that cannot be read counts as one that was never issued.
pub(super) async fn sent(
    gateway: &Gateway,
    asked: &mut Asked,
    headers: &HeaderMap,
    (body, until): (Incoming, Now),
) -> Sent {
    let mut body = Foretold::new(body);
    let (identity, now) = (&asked.set.identity, gateway.clock.now());
    if asked.is_outward || !identity.renews(&asked.method, asked.path()) {
        return body;
    }
    let found = ahead(&mut body, left(now, until), |read| {
        refresh_tokens(read, coding(headers), &asked.set.rules)
    });
    asked.renewed = match found.await {
        Some(tokens) => worst(gateway, identity, &tokens, now).await,
        // Whoever hides what is renewed may not have it pass for what else the request shows.
        None => Some((None, Provenance::Unissued)),
    };
    body
}

/// The tokens in a body that is read ahead within this time; none where it cannot be read, which is reported.
async fn ahead<B: Body<Data = Bytes> + Unpin>(
    body: &mut Foretold<B>,
    within: Duration,
    look: impl FnOnce(&[u8]) -> Result<Vec<String>, Unread>,
) -> Option<Vec<String>> {
    let read = body.read(AHEAD_BYTES_MAX, within).await.ok_or(Unread::Large);
    let found = read.and_then(|read| look(&read));
    found
        .inspect_err(|unread| report(&Event::Identity(IdentityFact::Unread { reason: unread.name() })))
        .ok()
}

/// Of the tokens that a request sends the one of which the worst is known: the origin may go by any.
async fn worst(
    gateway: &Gateway,
    identity: &Identity,
    tokens: &[String],
    now: Now,
) -> Option<(Option<CredentialId>, Provenance)> {
    let shown: Vec<_> = tokens
        .iter()
        .map(|token| identity.in_body(token.as_bytes(), now))
        .collect();
    let ids: Vec<_> = shown.iter().flat_map(|shown| shown.ids.iter().copied()).collect();
    ask(gateway, identity.births(), &ids, now).await;
    let known = shown
        .iter()
        .map(|shown| (shown.ids.first().copied(), identity.provenance_of(shown, now)));
    known.max_by_key(|(_, provenance)| *provenance)
}

fn left(now: Now, until: Now) -> Duration {
    Duration::from_millis(until.millis().saturating_sub(now.millis()))
}

/// Remembers the credentials that an answer issues, in its head and, on routes that issue them there, in its body, for which
/// it is read ahead until the moment `until`. They are on disk, and known to the other gateways, when it returns; where store
/// or fleet do not take them, the answer leaves all the same.
pub(super) async fn remember(
    gateway: &Gateway,
    asked: &Asked,
    head: &response::Parts,
    (body, until): (OriginBody, Now),
) -> UpstreamBody {
    let mut body = Foretold::new(body);
    let (identity, now) = (&asked.set.identity, gateway.clock.now());
    let renewed = asked.renewed.map(|(_, provenance)| provenance);
    let route = (&asked.method, asked.path());
    // What strangers issue to who goes out is nothing that a route here would be shown.
    let tag = identity.passes_on(route, head.status, &asked.actor, renewed);
    let Some(tag) = tag.filter(|_| !asked.is_outward) else {
        return body;
    };
    let mut issued = identity.issued_in_head(&head.headers, now);
    if identity.issues_in_body(&asked.method, asked.path()) && is_json(content_type(&head.headers)) {
        let found = ahead(&mut body, left(now, until), |read| {
            tokens(read, coding(&head.headers), &asked.set.rules)
        });
        let found = found.await.unwrap_or_default();
        issued.extend(
            found
                .iter()
                .flat_map(|token| identity.in_body(token.as_bytes(), now).ids),
        );
    }
    if tag == Tag::Unissued {
        // Only what was issued before is marked: it may have been by another gateway.
        ask(gateway, identity.births(), &issued, now).await;
    }
    let news = note(asked, (tag, head.status), issued, now);
    if !news.is_empty() {
        make_durable(gateway, news).await;
    }
    body
}

/// Has store and fleet take births, at the same time.
async fn make_durable(gateway: &Gateway, news: Vec<(CredentialId, Birth)>) {
    let told = gateway.fleet.as_ref().map(|fleet: &Arc<Fleet>| fleet.tell_births(news));
    let told = async {
        match told {
            Some(told) => told.await,
            None => true,
        }
    };
    let (is_written, is_told) = tokio::join!(gateway.store.written(), told);
    for (place, is_there) in [("store", is_written), ("fleet", is_told)] {
        if !is_there {
            report(&Event::Identity(IdentityFact::Undurable { place }));
        }
    }
}

/// Puts the marks of what was issued in memory; those that are news.
fn note(
    asked: &Asked,
    (tag, status): (Tag, StatusCode),
    issued: SmallVec<[CredentialId; 2]>,
    now: Now,
) -> Vec<(CredentialId, Birth)> {
    let identity = &asked.set.identity;
    let sender = asked.actor.credential.or_else(|| asked.renewed.and_then(|(id, _)| id));
    let sender = sender.filter(|_| !identity.logged_in((&asked.method, asked.path()), status));
    let births = identity.births();
    let news = issued
        .into_iter()
        .filter_map(|id| Some((id, births.issue(id, tag, sender, now)?)));
    let news: Vec<_> = news.collect();
    if !news.is_empty() {
        let provenance = match tag {
            Tag::Issued => "issued",
            Tag::Unissued => "unissued",
            Tag::Unknown => "unknown",
        };
        report(&Event::Identity(IdentityFact::Issued { provenance }));
    }
    news
}

/// `application/json`, `application/problem+json` and their like.
fn is_json(media_type: &[u8]) -> bool {
    let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii().to_ascii_lowercase();
    essence == b"application/json" || essence.ends_with(b"+json")
}
