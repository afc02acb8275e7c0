//! The routes of the admin address that change something: each needs a role and a reason, and each is recorded.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::access::{Caller, Role};
use super::api::{Admin, answer, clock_json, hold_json, no_store, parse_key};
use super::desk::{DeskError, Release};
use super::fault::Fault;
use super::reason::judge_reason;
use crate::audit::{Change, Operation};
use crate::events::{Event, report};

/// How long a hold or an allowance may last, in seconds: 30 days, the longest window.
const LASTS_S_MAX: u32 = 30 * 86_400;

/// The body of a hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldBody {
    key: String,
    #[serde(rename = "for")]
    lasts: Option<String>,
    until: Option<u32>,
    reason: String,
}

/// The body of a release.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseBody {
    /// Without it nobody more is allowed.
    people: Option<u32>,
    #[serde(rename = "for")]
    lasts: Option<String>,
    until: Option<u32>,
    reason: String,
}

/// The body of what needs a reason alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonBody {
    pub(super) reason: String,
}

pub(super) type Body = Result<Bytes, BytesRejection>;

/// `POST /api/v1/holds`: holds a key by hand.
pub(super) async fn hold(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    caller.needs(Role::Analyst)?;
    let HoldBody {
        key,
        lasts,
        until,
        reason,
    } = parse(&headers, body)?;
    let key = parse_key(&key)?;
    let until = end(&admin, lasts.as_deref(), until)?;
    let mut change = change(&admin, Operation::Hold, &caller, reason)?;
    change.target = Some(key.to_string());
    change.until = until;
    admin.desk.at_hand(key).await;
    let held = admin.desk.hold(key, until);
    record(&admin, change, held.is_ok());
    let held = held.map_err(refusal)?;
    Ok((StatusCode::CREATED, no_store(), axum::Json(hold_json(&held))).into_response())
}

/// `POST /api/v1/holds/{key}/release`: ends a hold, with an allowance if there are `people`.
pub(super) async fn release(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    Path(key): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    caller.needs(Role::Releaser)?;
    let ReleaseBody {
        people,
        lasts,
        until,
        reason,
    } = parse(&headers, body)?;
    let key = parse_key(&key)?;
    let until = match (people, &lasts, until) {
        (None, None, None) => admin.desk.now().second(),
        (Some(_), _, _) => end(&admin, lasts.as_deref(), until)?,
        (None, _, _) => {
            return Err(Fault::bad_request(
                "`for` and `until` are of an allowance: say `people`",
            ));
        }
    };
    let people = people.unwrap_or(0);
    let mut change = change(&admin, Operation::Release, &caller, reason)?;
    change.target = Some(key.to_string());
    change.until = until;
    change.people = people;
    admin.desk.at_hand(key).await;
    let released = admin.desk.release(key, Release { people, until });
    record(&admin, change, released.is_ok());
    released.map_err(refusal)?;
    Ok(answer(
        json!({ "key": key.to_string(), "people": people, "until": until }),
    ))
}

/// `POST /api/v1/keys/{key}/recertify`: an account that had been idle is in use again.
pub(super) async fn recertify(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    Path(key): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    caller.needs(Role::Releaser)?;
    let ReasonBody { reason } = parse(&headers, body)?;
    let key = parse_key(&key)?;
    let mut change = change(&admin, Operation::Recertify, &caller, reason)?;
    change.target = Some(key.to_string());
    admin.desk.at_hand(key).await;
    let recertified = admin.desk.recertify(key);
    record(&admin, change, recertified.is_ok());
    recertified.map_err(refusal)?;
    Ok(answer(json!({ "key": key.to_string() })))
}

/// `POST /api/v1/drain`: stops taking new connections, and ends when the open ones have.
pub(super) async fn drain(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    caller.needs(Role::Policy)?;
    let ReasonBody { reason } = parse(&headers, body)?;
    let change = change(&admin, Operation::Drain, &caller, reason)?;
    admin.desk.drain();
    record(&admin, change, true);
    Ok((
        StatusCode::ACCEPTED,
        no_store(),
        axum::Json(json!({ "draining": true })),
    )
        .into_response())
}

/// `POST /api/v1/clock/accept`: has time follow a system's clock that jumped by more than an hour.
pub(super) async fn accept_clock(
    caller: Caller,
    State(admin): State<Arc<Admin>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    caller.needs(Role::Policy)?;
    let ReasonBody { reason } = parse(&headers, body)?;
    let change = change(&admin, Operation::AcceptClock, &caller, reason)?;
    let accepted = admin.desk.accept_clock();
    record(&admin, change, accepted.is_ok());
    Ok(answer(clock_json(accepted.map_err(refusal)?)))
}

/// Reads a JSON body. The media type is required: a form of a stranger's page cannot set it without being asked.
pub(super) fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Fault> {
    if !media_type(headers).is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json")) {
        return Err(Fault::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be application/json",
        ));
    }
    let body = body.map_err(|error| Fault::new(error.status(), "the body is too large or broke off"))?;
    serde_json::from_slice(&body).map_err(|error| Fault::bad_request(format!("the body does not parse: {error}")))
}

/// The media type of a body, without parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<&str> {
    Some(headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim())
}

/// When a change ends: `for` a time such as `90s`, `15m`, `2h`, `1d`, or `until` a unix second.
fn end(admin: &Admin, lasts: Option<&str>, until: Option<u32>) -> Result<u32, Fault> {
    let now = admin.desk.now().second();
    let end = end_of(now, lasts, until).filter(|end| *end - now <= LASTS_S_MAX);
    end.ok_or_else(|| {
        Fault::bad_request("give one of `for` (90s, 15m, 2h, 1d) and `until` (unix second), at most 30 days ahead")
    })
}

/// The same as a unix second later than `now`, where exactly one of both says it.
pub(super) fn end_of(now: u32, lasts: Option<&str>, until: Option<u32>) -> Option<u32> {
    let end = match (lasts, until) {
        (Some(lasts), None) => duration_s(lasts).map(|lasts| now.saturating_add(lasts)),
        (None, Some(until)) => Some(until),
        (None, None) | (Some(_), Some(_)) => None,
    };
    end.filter(|end| *end > now)
}

fn duration_s(text: &str) -> Option<u32> {
    let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let (number, unit) = units
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u32>().ok()?.checked_mul(unit)
}

/// A change that is about to be made, for a reason that a person gave.
pub(super) fn change(admin: &Admin, operation: Operation, caller: &Caller, reason: String) -> Result<Change, Fault> {
    judge_reason(&reason, &admin.desk.rules()).map_err(|fault| Fault::bad_request(format!("`reason` {fault}")))?;
    Ok(change_for(operation, caller, reason))
}

/// The same for a reason of our own.
pub(super) fn change_for(operation: Operation, caller: &Caller, reason: String) -> Change {
    Change {
        operation,
        succeeded: false,
        who: caller.name.to_string(),
        role: caller.role.name(),
        reason,
        target: None,
        until: 0,
        people: 0,
        network: Some(caller.network),
    }
}

/// Records a change, whether it came into force or not.
pub(super) fn record(admin: &Admin, change: Change, succeeded: bool) {
    if succeeded {
        report(&Event::AdminChanged {
            operation: change.operation.name(),
        });
    }
    admin.audit.changed(Change { succeeded, ..change }, admin.desk.now());
}

pub(super) fn refusal(error: DeskError) -> Fault {
    match error {
        DeskError::Unknown => {
            Fault::not_found("this key is not known, not held, not revoked or of no account that may be idle")
        }
        DeskError::Settled => Fault::new(StatusCode::CONFLICT, "the clock waits for nothing"),
        DeskError::Full => Fault::new(StatusCode::INSUFFICIENT_STORAGE, "there is no room for one more"),
        DeskError::Name(why) => Fault::bad_request(format!("`name` {why}")),
        DeskError::Listed => Fault::new(
            StatusCode::CONFLICT,
            "it stands in `identity.revoked`: take its line out",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::duration_s;

    #[test]
    fn durations_parse() {
        let good = [("90s", 90), ("15m", 900), ("2h", 7_200), ("30d", 2_592_000), ("0s", 0)];
        assert!(
            good.into_iter()
                .all(|(text, seconds)| duration_s(text) == Some(seconds))
        );
        let bad = ["", "s", "15", "1w", "-1h", "+1h", "1.5h", "4294967295d", "1 h", "１h"];
        assert!(bad.into_iter().all(|text| duration_s(text).is_none()));
    }
}
