//! `GET /api/v1/public`: who is proposed as public. A person accepts, by a line of `rules.public_people`.

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
    let limit = List::check_limit(query, "proposals")?;
    let proposals = admin.desk.public(limit);
    let proposals: Vec<Value> = proposals
        .iter()
        .map(|one| json!({ "subject": format!("{:016x}", one.subject), "route": one.route, "since": one.since }))
        .collect();
    Ok(answer(json!({ "public": proposals })))
}
