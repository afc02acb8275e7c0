//! The routes of the admin address, and those that read.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, Caller, Monitor, Role};
use super::desk::{ClockView, Desk};
use super::fault::Fault;
use super::{baselines, changes, desk::Readiness, pinned, public, revocations, scim, signals};
use crate::audit::Audit;
use crate::engine::ledger::{Dimension, HoldView, KeyId, KeyView};
use crate::events;

/// Bytes of a request body: a reason and a few numbers.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1024;

/// Items of one list; more are not asked for.
const LIST_MAX: usize = 1_000;

/// Items of one list unless the caller says otherwise.
const LIST_DEFAULT: usize = 100;

/// What the handlers work with.
pub struct Admin {
    /// The gateway.
    pub desk: Arc<dyn Desk>,
    /// Who may do what; replaced when the configuration is reloaded.
    pub access: Arc<ArcSwap<Access>>,
    /// Where changes are recorded.
    pub audit: Audit,
    /// The metrics.
    pub reports: events::Handle,
}

/// The routes. Serve them with `serve`, which tells them who the peer is.
pub fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async |_: Monitor| "ok\n"))
        .route("/readyz", get(readyz))
        .route("/api/v1/keys", get(keys))
        .route("/api/v1/keys/{key}", get(key))
        .route("/api/v1/keys/{key}/recertify", post(changes::recertify))
        .route("/api/v1/holds", get(holds).post(changes::hold))
        .route("/api/v1/holds/{key}/release", post(changes::release))
        .route("/api/v1/revocations", get(revocations::list).post(revocations::revoke))
        .route("/api/v1/revocations/{key}/reinstate", post(revocations::reinstate))
        .route("/ssf/events", post(signals::push))
        .route("/scim/{issuer}/v2/Users", get(scim::find).post(scim::create))
        .route(
            "/scim/{issuer}/v2/Users/{id}",
            get(scim::read)
                .put(scim::replace)
                .patch(scim::modify)
                .delete(scim::delete),
        )
        .route("/api/v1/baselines", get(baselines::list))
        .route("/api/v1/pinned", get(pinned::list))
        .route("/api/v1/public", get(public::list))
        .route("/api/v1/config", get(config))
        .route("/api/v1/bypass", get(bypass))
        .route("/api/v1/clock", get(clock))
        .route("/api/v1/clock/accept", post(changes::accept_clock))
        .route("/api/v1/drain", post(changes::drain))
        .fallback(async || Fault::not_found("there is nothing here"))
        .method_not_allowed_fallback(async || Fault::new(StatusCode::METHOD_NOT_ALLOWED, "not with this method"))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(admin)
}

async fn metrics(_: Monitor, State(admin): State<Arc<Admin>>) -> Response {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        admin.reports.render(),
    )
        .into_response()
}

async fn readyz(_: Monitor, State(admin): State<Arc<Admin>>) -> Response {
    let Readiness { blockers, mut notes } = admin.desk.ready();
    if admin.audit.is_failing() {
        notes.push("the audit file cannot be written".to_owned());
    }
    if admin.audit.lost() > 0 {
        notes.push(format!("{} audit lines were lost since the start", admin.audit.lost()));
    }
    let status = if blockers.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({ "ready": blockers.is_empty(), "blockers": blockers, "notes": notes });
    (status, no_store(), Json(body)).into_response()
}

/// The query of the lists.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    dimension: Option<String>,
    limit: Option<usize>,
}

impl List {
    /// Checks the query of a list.
    pub(super) fn check(query: Result<Query<Self>, QueryRejection>) -> Result<(Option<Dimension>, usize), Fault> {
        let Query(list) = query.map_err(|error| Fault::bad_request(error.body_text()))?;
        let dimension = list.dimension.map(|name| {
            let known = Dimension::parse(&name);
            known.ok_or_else(|| {
                Fault::bad_request(format!(
                    "`dimension` is one of {}",
                    Dimension::SINGLE.map(Dimension::name).join(", ")
                ))
            })
        });
        let limit = list.limit.unwrap_or(LIST_DEFAULT);
        if limit == 0 || limit > LIST_MAX {
            return Err(Fault::bad_request(format!("`limit` is within 1 and {LIST_MAX}")));
        }
        Ok((dimension.transpose()?, limit))
    }

    /// The same of a list that has no dimension.
    pub(super) fn check_limit(query: Result<Query<Self>, QueryRejection>, what: &str) -> Result<usize, Fault> {
        match Self::check(query)? {
            (None, limit) => Ok(limit),
            (Some(_), _) => Err(Fault::bad_request(format!("{what} are not listed by dimension"))),
        }
    }
}

async fn keys(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    query: Result<Query<List>, QueryRejection>,
) -> Result<Response, Fault> {
    caller.needs(Role::Viewer)?;
    let (dimension, limit) = List::check(query)?;
    let keys: Vec<_> = admin
        .desk
        .keys(dimension, limit)
        .iter()
        .take(limit)
        .map(key_json)
        .collect();
    Ok(answer(json!({ "keys": keys })))
}

async fn key(caller: Caller, State(admin): State<Arc<Admin>>, Path(key): Path<String>) -> Result<Response, Fault> {
    caller.needs(Role::Viewer)?;
    let key = parse_key(&key)?;
    admin.desk.at_hand(key).await;
    let view = admin
        .desk
        .key(key)
        .ok_or_else(|| Fault::not_found("this key is not known"))?;
    Ok(answer(key_json(&view)))
}

async fn holds(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    query: Result<Query<List>, QueryRejection>,
) -> Result<Response, Fault> {
    caller.needs(Role::Viewer)?;
    let limit = List::check_limit(query, "holds")?;
    let holds: Vec<_> = admin.desk.holds(limit).iter().take(limit).map(hold_json).collect();
    Ok(answer(json!({ "holds": holds })))
}

async fn config(caller: Caller, State(admin): State<Arc<Admin>>) -> Result<Response, Fault> {
    caller.needs(Role::Viewer)?;
    Ok(answer(admin.desk.config()))
}

async fn bypass(caller: Caller, State(admin): State<Arc<Admin>>) -> Result<Response, Fault> {
    caller.needs(Role::Viewer)?;
    Ok(answer(json!({ "bypass": admin.desk.bypass() })))
}

async fn clock(caller: Caller, State(admin): State<Arc<Admin>>) -> Result<Response, Fault> {
    caller.needs(Role::Viewer)?;
    Ok(answer(clock_json(admin.desk.clock())))
}

pub(super) fn answer(body: Value) -> Response {
    (no_store(), Json(body)).into_response()
}

pub(super) fn no_store() -> [(HeaderName, &'static str); 1] {
    [(CACHE_CONTROL, "no-store")]
}

pub(super) fn parse_key(text: &str) -> Result<KeyId, Fault> {
    KeyId::parse(text).ok_or_else(|| Fault::bad_request("a key has 24 hexadecimal digits"))
}

/// Times are unix seconds; `null` where there is none.
fn key_json(view: &KeyView) -> Value {
    let people: Vec<_> = view
        .people
        .iter()
        .map(|(window_s, people)| json!({ "window_s": window_s, "people": people }))
        .collect();
    json!({
        "key": view.key.to_string(),
        "dimension": view.dimension.name(),
        "people": people,
        "pending": view.pending,
        "last_seen": view.last_seen,
        "held_until": (view.held_until > 0).then_some(view.held_until),
    })
}

pub(super) fn clock_json(view: ClockView) -> Value {
    json!({
        "now": view.now.second(),
        "offset_ms": view.offset_ms,
        "standing": view.standing,
        "set_back_s": view.set_back_s,
    })
}

pub(super) fn hold_json(view: &HoldView) -> Value {
    json!({
        "key": view.key.to_string(),
        "dimension": view.dimension.name(),
        "since": view.since,
        "until": view.until,
        "cause": view.cause,
    })
}
