//! Where an identity provider pushes its security events (RFC 8935).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_LANGUAGE, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::api::{Admin, no_store};
use super::changes::{Body, media_type};
use super::fault::Fault;
use crate::events::{Event, RevocationFact, report};
use crate::identity::SignalError;

/// `POST /ssf/events`: one token of events. Its signature says who sends it, so that it needs no token of ours. It is answered
/// once what it asks for is on disk.
pub(super) async fn push(State(admin): State<Arc<Admin>>, headers: HeaderMap, body: Body) -> Response {
    if !media_type(&headers).is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/secevent+jwt")) {
        return refused("the body is no application/secevent+jwt");
    }
    let Ok(body) = body else {
        return refused("the body is too large or broke off");
    };
    let has_room = match admin.desk.signal(body.trim_ascii()) {
        Ok(has_room) => has_room,
        Err(error) => return told(&error),
    };
    if !has_room || !admin.desk.written().await {
        // Whoever sends it tries again.
        let detail = "it is not on disk, or there is no room for one more";
        return Fault::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response();
    }
    (StatusCode::ACCEPTED, no_store()).into_response()
}

/// What is no token is refused here.
fn refused(description: &'static str) -> Response {
    report(&Event::Revocation(RevocationFact::Signal { result: "refused" }));
    told(&SignalError {
        code: "invalid_request",
        description,
    })
}

fn told(error: &SignalError) -> Response {
    let body = json!({ "err": error.code, "description": error.description });
    let fields = [(CONTENT_TYPE, "application/json"), (CONTENT_LANGUAGE, "en")];
    (StatusCode::BAD_REQUEST, no_store(), fields, body.to_string()).into_response()
}
