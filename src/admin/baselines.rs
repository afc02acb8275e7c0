//! `GET /api/v1/baselines`: what is usual in each group, and the limits that follow. A person takes them over.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::access::{Caller, Role};
use super::api::{Admin, answer};
use super::fault::Fault;
use crate::engine::baseline::Proposal;

pub(super) async fn list(caller: Caller, State(admin): State<Arc<Admin>>) -> Result<Response, Fault> {
    caller.needs(Role::Viewer)?;
    let proposals: Vec<Value> = admin.desk.baselines().iter().map(proposal_json).collect();
    Ok(answer(json!({ "baselines": proposals })))
}

fn proposal_json(proposal: &Proposal) -> Value {
    let exceptions = proposal.exceptions.iter();
    let exceptions = exceptions.map(|(key, people)| json!({ "key": key.to_string(), "people_per_day": people }));
    json!({
        "group": proposal.group,
        "accounts": proposal.accounts,
        "median": proposal.usual.median,
        "deviation": proposal.usual.deviation,
        "people_per_day": proposal.people_per_day,
        "exceptions": exceptions.collect::<Vec<_>>(),
    })
}
