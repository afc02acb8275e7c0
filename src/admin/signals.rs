//! Where an identity provider pushes its security events (RFC 8935).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_LANGUAGE, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::api::{Admin, no_store};
use super::changes::Body;
use super::desk::SignalDone;
use super::fault::Fault;
use crate::audit::{Change, Operation};
use crate::events::{Event, RevocationFact, report};
use crate::identity::{NO_END, SignalError};

/// `POST /ssf/events`: one token of events. Its signature says who sends it, so that it needs no token of ours. It is answered
/// once what it asks for is on disk.
pub(super) async fn push(State(admin): State<Arc<Admin>>, headers: HeaderMap, body: Body) -> Response {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next());
    if !media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/secevent+jwt")) {
        return refused(&SignalError {
            code: "invalid_request",
            description: "the body is no application/secevent+jwt",
        });
    }
    let Ok(body) = body else {
        return refused(&SignalError {
            code: "invalid_request",
            description: "the body is too large or broke off",
        });
    };
    let done = match admin.desk.signal(body.trim_ascii()) {
        Ok(done) => done,
        Err(error) => return refused(&error),
    };
    for one in &done {
        tell(&admin, one);
    }
    let is_full = done.iter().any(|one| one.result == "full");
    if is_full || !admin.desk.written().await {
        // Whoever sends it tries again.
        let detail = "it is not on disk";
        return Fault::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response();
    }
    (StatusCode::ACCEPTED, no_store()).into_response()
}

fn tell(admin: &Admin, done: &SignalDone) {
    let result = done.result;
    report(&Event::Revocation(RevocationFact::Signal { result }));
    let operation = match result {
        "revoked" | "full" => Operation::Revoke,
        "reinstated" => Operation::Reinstate,
        _ => return,
    };
    let change = Change {
        operation,
        succeeded: result != "full",
        who: done.transmitter.to_string(),
        role: "transmitter",
        reason: done.event.to_owned(),
        target: done.key.map(|key| key.to_string()),
        until: if done.until == NO_END { 0 } else { done.until },
        people: 0,
        network: None,
    };
    admin.audit.changed(change, admin.desk.now());
}

fn refused(error: &SignalError) -> Response {
    report(&Event::Revocation(RevocationFact::Signal { result: "refused" }));
    let body = json!({ "err": error.code, "description": error.description });
    let fields = [(CONTENT_TYPE, "application/json"), (CONTENT_LANGUAGE, "en")];
    (StatusCode::BAD_REQUEST, no_store(), fields, body.to_string()).into_response()
}
