//! What an answer issues: remembered before anything of it leaves.

use std::time::Duration;

use http::{HeaderMap, response};
use hyper::body::Incoming;
use smallvec::SmallVec;

use super::answer::{OriginBody, UpstreamBody};
use super::asked::Asked;
use super::content::{coding, content_type};
use super::foretold::Foretold;
use super::tokens::{Unread, refresh_token, tokens};
use crate::engine::births::{CredentialId, Tag};
use crate::engine::decode::Coding;
use crate::engine::time::Now;
use crate::events::{Event, IdentityFact, report};

/// Bytes of an answer that issues tokens that are read ahead; in those behind no token is looked for.
const AHEAD_BYTES_MAX: usize = 64 << 10;

/// Looks for the credential that the body of a request sends to be renewed, for which it is read ahead until the moment `until`.
pub(super) async fn sent(
    asked: &mut Asked,
    headers: &HeaderMap,
    body: Incoming,
    now: Now,
    until: Now,
) -> Foretold<Incoming> {
    let mut body = Foretold::new(body);
    let identity = &asked.set.identity;
    if identity.renews(&asked.method, asked.path()) && coding(headers) == Some(Coding::Identity) {
        let read = body.read(AHEAD_BYTES_MAX, left(now, until)).await;
        let token = read.as_deref().and_then(refresh_token);
        asked.renewed = token.map(|token| identity.renewed(token.as_bytes(), now));
    }
    body
}

fn left(now: Now, until: Now) -> Duration {
    Duration::from_millis(until.millis().saturating_sub(now.millis()))
}

/// Remembers the credentials that an answer issues, in its head and, on routes that issue them there, in its body, for which
/// it is read ahead until the moment `until`.
pub(super) async fn remember(
    asked: &Asked,
    head: &response::Parts,
    body: OriginBody,
    now: Now,
    until: Now,
) -> UpstreamBody {
    let mut body = Foretold::new(body);
    let identity = &asked.set.identity;
    let renewed = asked.renewed.map(|(_, provenance)| provenance);
    let route = (&asked.method, asked.path());
    let Some(tag) = identity.passes_on(route, head.status, &asked.actor, renewed) else {
        return body;
    };
    let mut issued = identity.issued_in_head(&head.headers, now);
    if identity.issues_in_body(&asked.method, asked.path()) && is_json(content_type(&head.headers)) {
        let read = body.read(AHEAD_BYTES_MAX, left(now, until)).await;
        let found = read
            .ok_or(Unread::Large)
            .and_then(|read| tokens(&read, coding(&head.headers)));
        match found {
            Ok(found) => issued.extend(found.iter().map(|token| identity.issued_in_body(token.as_bytes(), now))),
            Err(unread) => report(&Event::Identity(IdentityFact::Unread { reason: unread.name() })),
        }
    }
    note(asked, tag, issued, now);
    body
}

/// Puts the marks of what was issued in memory.
fn note(asked: &Asked, tag: Tag, issued: SmallVec<[CredentialId; 2]>, now: Now) {
    let identity = &asked.set.identity;
    let sender = asked.actor.credential.or_else(|| asked.renewed.map(|(id, _)| id));
    let sender = sender.filter(|_| !identity.is_login(&asked.method, asked.path()));
    let births = identity.births();
    let news = issued.into_iter().filter(|id| births.issue(*id, tag, sender, now));
    if news.count() > 0 {
        let provenance = match tag {
            Tag::Issued => "issued",
            Tag::Unissued => "unissued",
            Tag::Unknown => "unknown",
        };
        report(&Event::Identity(IdentityFact::Issued { provenance }));
    }
}

/// `application/json`, `application/problem+json` and their like.
fn is_json(media_type: &[u8]) -> bool {
    let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii().to_ascii_lowercase();
    essence == b"application/json" || essence.ends_with(b"+json")
}
