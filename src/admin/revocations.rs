//! The routes about who may not be let in any more.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Caller, Role};
use super::api::{Admin, List, answer, no_store, parse_key};
use super::changes::{Body, ReasonBody, change, end_of, parse, record, refusal};
use super::desk::RevocationView;
use super::fault::Fault;
use crate::audit::Operation;
use crate::identity::{NO_END, What};

/// The body of a revocation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokeBody {
    what: String,
    name: String,
    #[serde(rename = "for")]
    lasts: Option<String>,
    until: Option<u32>,
    reason: String,
}

/// `GET /api/v1/revocations`: what is revoked.
pub(super) async fn list(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    query: Result<Query<List>, QueryRejection>,
) -> Result<Response, Fault> {
    caller.needs(Role::Viewer)?;
    let limit = List::check_limit(query, "revocations")?;
    let views = admin.desk.revocations(limit);
    let views: Vec<_> = views.iter().take(limit).map(view_json).collect();
    Ok(answer(json!({ "revocations": views })))
}

/// `POST /api/v1/revocations`: revokes what is named. It is answered once it is on disk, and has taken effect by then.
pub(super) async fn revoke(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    caller.needs(Role::Analyst)?;
    let RevokeBody {
        what,
        name,
        lasts,
        until,
        reason,
    } = parse(&headers, body)?;
    let kinds = || Fault::bad_request(format!("`what` is one of {}", What::ALL.map(What::name).join(", ")));
    let what = What::parse(&what).ok_or_else(kinds)?;
    let until = end(&admin, lasts.as_deref(), until)?;
    let mut change = change(&admin, Operation::Revoke, &caller, reason)?;
    change.until = if until == NO_END { 0 } else { until };
    let revoked = admin.desk.revoke(what, &name, until);
    change.target = revoked.as_ref().ok().map(|revoked| revoked.key.to_string());
    record(&admin, change, revoked.is_ok());
    let mut view = view_json(&revoked.map_err(refusal)?);
    if let Some(view) = view.as_object_mut() {
        view.insert("written".to_owned(), admin.desk.written().await.into());
    }
    Ok((StatusCode::CREATED, no_store(), axum::Json(view)).into_response())
}

/// `POST /api/v1/revocations/{key}/reinstate`: it may be used again.
pub(super) async fn reinstate(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    Path(key): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    caller.needs(Role::Releaser)?;
    let ReasonBody { reason } = parse(&headers, body)?;
    let key = parse_key(&key)?;
    let mut change = change(&admin, Operation::Reinstate, &caller, reason)?;
    change.target = Some(key.to_string());
    let reinstated = admin.desk.reinstate(key);
    record(&admin, change, reinstated.is_ok());
    reinstated.map_err(refusal)?;
    let written = admin.desk.written().await;
    Ok(answer(json!({ "key": key.to_string(), "written": written })))
}

/// When a revocation ends: `for` a time, `until` a unix second, or never.
fn end(admin: &Admin, lasts: Option<&str>, until: Option<u32>) -> Result<u32, Fault> {
    if lasts.is_none() && until.is_none() {
        return Ok(NO_END);
    }
    end_of(admin.desk.now().second(), lasts, until).ok_or_else(|| {
        Fault::bad_request("give one of `for` (15m, 2h, 90d) and `until` (unix second), or neither for no end")
    })
}

/// Times are unix seconds; `null` where there is none.
fn view_json(view: &RevocationView) -> Value {
    json!({
        "key": view.key.to_string(),
        "dimension": view.dimension.name(),
        "since": (view.since > 0).then_some(view.since),
        "until": (view.until != NO_END).then_some(view.until),
        "cause": view.cause,
    })
}
