//! What an answer issues: remembered before anything of it leaves.

use http::response;

use super::asked::Asked;
use crate::engine::births::Tag;
use crate::engine::time::Now;
use crate::events::{Event, IdentityFact, report};

/// Remembers the credentials that the answer with this head issues.
pub(super) fn remember(asked: &Asked, head: &response::Parts, now: Now) {
    let identity = &asked.set.identity;
    let Some(tag) = identity.passes_on(&asked.method, asked.path(), head.status, &asked.actor) else {
        return;
    };
    let sender = asked.actor.credential;
    let sender = sender.filter(|_| !identity.is_login(&asked.method, asked.path()));
    let births = identity.births();
    let issued = identity.issued_in_head(&head.headers, now);
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
