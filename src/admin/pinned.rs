//! `GET /api/v1/pinned`: hosts whose clients refuse the organisation's certificates. A person accepts, by an exception of the listener.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::access::{Caller, Role};
use super::api::{Admin, List, answer};
use super::fault::Fault;

pub(super) async fn list(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    query: Result<Query<List>, QueryRejection>,
) -> Result<Response, Fault> {
    caller.needs(Role::Viewer)?;
    let limit = List::check_limit(query, "hosts")?;
    let hosts = admin.desk.pinned(limit);
    let hosts: Vec<Value> = hosts
        .iter()
        .map(|one| {
            json!({
                "host": one.host, "refusals": one.refusals, "clients": one.clients, "trusting": one.trusting,
                "since": one.since, "last": one.last,
            })
        })
        .collect();
    Ok(answer(json!({ "pinned": hosts })))
}
