//! Where a directory says who has left (SCIM 2.0, RFC 7644): as much of `/Users` as shutting out and letting in takes.
//!
//! No directory is kept here. Everybody is there who is asked for, and whoever is not shut out is `active`.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Caller, Role};
use super::api::{Admin, no_store};
use super::changes::{Body, change_for, media_type, record};
use super::fault::Fault;
use crate::audit::Operation;
use crate::identity::{Person, PersonKeys, filtered, patch, person, person_id, read_person_id};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
const MEDIA_TYPE: &str = "application/scim+json";

/// The query of a list.
#[derive(Deserialize)]
pub(super) struct Filter {
    filter: Option<String>,
}

/// `GET /scim/{issuer}/v2/Users?filter=userName eq "..."`.
pub(super) async fn find(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    Path(issuer): Path<String>,
    Query(Filter { filter }): Query<Filter>,
) -> Result<Response, Fault> {
    caller.needs(Role::Viewer)?;
    let Some(filter) = filter else {
        return Ok(list(&[]));
    };
    let Some(name) = filtered(&filter) else {
        return Ok(wrong(
            "invalidFilter",
            "only userName, externalId or emails.value eq \"...\"",
        ));
    };
    let keys = admin.desk.person_keys(&issuer, &[name]);
    if keys.is_empty() {
        return Err(Fault::not_found("there is no such issuer"));
    }
    Ok(list(&[resource(&admin, &keys)]))
}

/// `POST /scim/{issuer}/v2/Users`.
pub(super) async fn create(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    Path(issuer): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let Person { names, active } = match body_of(&headers, body)?.and_then(|body| person(&body)) {
        Ok(person) => person,
        Err(why) => return Ok(wrong("invalidSyntax", why)),
    };
    let keys = admin.desk.person_keys(&issuer, &names);
    if keys.is_empty() {
        return Ok(wrong("invalidValue", "there is no such issuer, or no name in it"));
    }
    // Who is made is let in by their first token, unless they were shut out: that takes another word.
    let active = active.filter(|active| !active);
    let done = set(&caller, &admin, &keys, active).await?;
    Ok(done.unwrap_or_else(|| told(StatusCode::CREATED, &resource(&admin, &keys))))
}

/// `GET /scim/{issuer}/v2/Users/{id}`.
pub(super) async fn read(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    caller.needs(Role::Viewer)?;
    Ok(told(StatusCode::OK, &resource(&admin, &keys_of(&id)?)))
}

/// `PUT /scim/{issuer}/v2/Users/{id}`.
pub(super) async fn replace(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let person = body_of(&headers, body)?.and_then(|body| person(&body));
    change(&caller, &admin, &id, person.map(|person| person.active)).await
}

/// `PATCH /scim/{issuer}/v2/Users/{id}`.
pub(super) async fn modify(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let active = body_of(&headers, body)?.and_then(|body| patch(&body));
    change(&caller, &admin, &id, active).await
}

/// `DELETE /scim/{issuer}/v2/Users/{id}`: whoever is gone may not come in.
pub(super) async fn delete(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let done = set(&caller, &admin, &keys_of(&id)?, Some(false)).await?;
    Ok(done.unwrap_or_else(|| (StatusCode::NO_CONTENT, no_store()).into_response()))
}

async fn change(
    caller: &Caller,
    admin: &Admin,
    id: &str,
    active: Result<Option<bool>, &'static str>,
) -> Result<Response, Fault> {
    let keys = keys_of(id)?;
    let active = match active {
        Ok(active) => active,
        Err(why) => return Ok(wrong("invalidSyntax", why)),
    };
    let done = set(caller, admin, &keys, active).await?;
    Ok(done.unwrap_or_else(|| told(StatusCode::OK, &resource(admin, &keys))))
}

/// Shuts somebody out, or lets them in; the answer where that could not be done.
async fn set(
    caller: &Caller,
    admin: &Admin,
    keys: &PersonKeys,
    active: Option<bool>,
) -> Result<Option<Response>, Fault> {
    let Some(active) = active else {
        caller.needs(Role::Analyst)?;
        return Ok(None);
    };
    caller.needs(if active { Role::Releaser } else { Role::Analyst })?;
    let is_done = admin.desk.set_person(keys, active);
    let operation = if active {
        Operation::Reinstate
    } else {
        Operation::Revoke
    };
    let mut change = change_for(operation, caller, format!("scim: active is {active}"));
    change.target = Some(person_id(keys));
    record(admin, change, is_done);
    if is_done && admin.desk.written().await {
        return Ok(None);
    }
    let detail = "it is not on disk, or there is no room for one more";
    Ok(Some(error(StatusCode::SERVICE_UNAVAILABLE, None, detail)))
}

fn keys_of(id: &str) -> Result<PersonKeys, Fault> {
    read_person_id(id).ok_or_else(|| Fault::not_found("there is nobody with this id"))
}

/// The body of a request in JSON, or why there is none.
fn body_of(headers: &HeaderMap, body: Body) -> Result<Result<axum::body::Bytes, &'static str>, Fault> {
    let is_json = |known: &&str| media_type(headers).is_some_and(|media_type| media_type.eq_ignore_ascii_case(known));
    if [MEDIA_TYPE, "application/json"].iter().any(is_json) {
        return Ok(body.map_err(|_| "the body is too large or broke off"));
    }
    let detail = "the body must be application/scim+json";
    Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

fn resource(admin: &Admin, keys: &PersonKeys) -> Value {
    json!({
        "schemas": [USER],
        "id": person_id(keys),
        "active": !admin.desk.is_shut_out(keys),
        "meta": { "resourceType": "User" },
    })
}

fn list(resources: &[Value]) -> Response {
    let body = json!({
        "schemas": [LIST],
        "totalResults": resources.len(),
        "startIndex": 1,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    });
    told(StatusCode::OK, &body)
}

fn told(status: StatusCode, body: &Value) -> Response {
    (status, no_store(), [(CONTENT_TYPE, MEDIA_TYPE)], body.to_string()).into_response()
}

fn wrong(kind: &'static str, detail: &str) -> Response {
    error(StatusCode::BAD_REQUEST, Some(kind), detail)
}

fn error(status: StatusCode, kind: Option<&'static str>, detail: &str) -> Response {
    let mut body = json!({ "schemas": [ERROR], "status": status.as_u16().to_string(), "detail": detail });
    if let (Some(kind), Some(body)) = (kind, body.as_object_mut()) {
        body.insert("scimType".to_owned(), kind.into());
    }
    told(status, &body)
}
