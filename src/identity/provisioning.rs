//! What a directory says of a person by SCIM (RFC 7643, RFC 7644): by which names it knows them, and whether they may come in.
//!
//! Nothing else of a resource is read, and nothing of it is kept: an identifier is the keys of the names, so that a directory can
//! come back with it and no list of people lies here.

use serde_json::{Map, Value};
use smallvec::SmallVec;

use super::identify::Identity;
use super::revocation::{email_value, principal};
use crate::engine::ledger::{Dimension, KeyId};
use crate::engine::policy::people_key;

/// Operations of one request.
const OPERATIONS_MAX: usize = 100;
/// Names of one person.
const NAMES_MAX: usize = 8;

/// One person, as a directory names them. It is personal: there is no `Debug`.
pub struct Person {
    /// The values of `userName`, `externalId` and `emails`.
    pub names: Vec<String>,
    /// Whether they may come in; `None`: nothing is said.
    pub active: Option<bool>,
}

/// The keys under which a person is shut out.
pub type PersonKeys = SmallVec<[KeyId; 2]>;

/// Reads a resource.
///
/// # Errors
/// What is wrong with it.
pub fn person(body: &[u8]) -> Result<Person, &'static str> {
    let resource = object(body)?;
    let mut names = Vec::new();
    let mut add = |value: Option<&Value>| {
        let name = value.and_then(Value::as_str).filter(|name| !name.is_empty());
        names.extend(name.map(str::to_owned));
    };
    add(member(&resource, "userName"));
    add(member(&resource, "externalId"));
    for email in member(&resource, "emails")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        add(email.get("value"));
    }
    names.truncate(NAMES_MAX / 2);
    let active = member(&resource, "active").map(truth).transpose()?;
    Ok(Person { names, active })
}

/// Whether a person may come in from now on, by the operations of a `PATCH` (RFC 7644, section 3.5.2); the last word counts.
/// `None` where none of them says so.
///
/// # Errors
/// What is wrong with it.
pub fn patch(body: &[u8]) -> Result<Option<bool>, &'static str> {
    let request = object(body)?;
    let operations = member(&request, "Operations").and_then(Value::as_array);
    let operations = operations.filter(|list| (1..=OPERATIONS_MAX).contains(&list.len()));
    let operations = operations.ok_or("`Operations` is no list of 1 to 100 operations")?;
    let mut active = None;
    for operation in operations {
        let operation = operation.as_object().ok_or("an operation is no object")?;
        let text = |name: &str| member(operation, name).and_then(Value::as_str);
        let op = text("op").ok_or("an operation has no `op`")?;
        if op.eq_ignore_ascii_case("remove") {
            continue;
        }
        if !["add", "replace"].iter().any(|known| op.eq_ignore_ascii_case(known)) {
            return Err("`op` is none of add, replace, remove");
        }
        let value = member(operation, "value");
        let said = match text("path") {
            Some(path) if path.eq_ignore_ascii_case("active") => value,
            Some(_) => None,
            None => value
                .and_then(Value::as_object)
                .and_then(|value| member(value, "active")),
        };
        active = said.map(truth).transpose()?.or(active);
    }
    Ok(active)
}

/// The name that a filter looks for: `userName eq "ann"`, or another attribute that names a person.
pub fn filtered(filter: &str) -> Option<String> {
    let (attribute, rest) = filter.trim().split_once(' ')?;
    let known = ["userName", "externalId", "emails.value", "emails"];
    let (operator, value) = rest.trim_start().split_once(' ')?;
    let is_known = known.iter().any(|known| attribute.eq_ignore_ascii_case(known));
    if !is_known || !operator.eq_ignore_ascii_case("eq") {
        return None;
    }
    serde_json::from_str::<String>(value.trim())
        .ok()
        .filter(|name| !name.is_empty())
}

impl Identity {
    /// The keys under which whoever `issuer` knows by these names is shut out; none if there is no such issuer or no name.
    pub fn person_keys(&self, issuer: &str, names: &[String]) -> PersonKeys {
        if !self.issuers.iter().any(|known| *known.name == *issuer) {
            return PersonKeys::new();
        }
        let accounts = names.iter().flat_map(|name| {
            let email = name.contains('@').then(|| email_value(issuer, name));
            [Some(principal(issuer, name)), email]
        });
        let keys = accounts.flatten();
        let keys = keys.map(|account| people_key(&self.key, Dimension::Principal, &account));
        let mut keys: PersonKeys = keys.take(NAMES_MAX).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// The identifier of a person: their keys.
pub fn person_id(keys: &[KeyId]) -> String {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    keys.join("-")
}

/// The keys of such an identifier.
pub fn read_person_id(id: &str) -> Option<PersonKeys> {
    let keys: Option<PersonKeys> = id.split('-').take(NAMES_MAX + 1).map(KeyId::parse).collect();
    keys.filter(|keys| keys.len() <= NAMES_MAX)
}

fn object(body: &[u8]) -> Result<Map<String, Value>, &'static str> {
    let value = serde_json::from_slice(body).map_err(|_| "the body is no JSON object")?;
    match value {
        Value::Object(object) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err("the body is no JSON object")
        }
    }
}

/// Names of attributes are read in any case (RFC 7643, section 2.1).
fn member<'o>(object: &'o Map<String, Value>, name: &str) -> Option<&'o Value> {
    let exact = object.get(name);
    exact.or_else(|| {
        let mut members = object.iter();
        members.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    })
}

/// Some directories write `"False"`.
fn truth(value: &Value) -> Result<bool, &'static str> {
    let text = value.as_str();
    let said = |word: &str| text.is_some_and(|text| text.eq_ignore_ascii_case(word));
    match value.as_bool() {
        Some(truth) => Ok(truth),
        None if said("true") => Ok(true),
        None if said("false") => Ok(false),
        None => Err("`active` is neither true nor false"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_say_whether_somebody_may_come_in() {
        let op = |operation: &str| format!(r#"{{"schemas":[],"Operations":[{operation}]}}"#);
        for (body, active) in [
            (op(r#"{"op":"replace","path":"active","value":false}"#), Ok(Some(false))),
            (
                op(r#"{"op":"Replace","path":"Active","value":"False"}"#),
                Ok(Some(false)),
            ),
            (op(r#"{"op":"add","value":{"active":true}}"#), Ok(Some(true))),
            (op(r#"{"op":"replace","value":{"displayName":"x"}}"#), Ok(None)),
            (
                op(r#"{"op":"replace","path":"name.givenName","value":false}"#),
                Ok(None),
            ),
            (op(r#"{"op":"remove","path":"active"}"#), Ok(None)),
            (
                op(r#"{"op":"replace","path":"active","value":true},{"op":"replace","path":"active","value":false}"#),
                Ok(Some(false)),
            ),
            (
                op(r#"{"op":"replace","path":"active","value":0}"#),
                Err("`active` is neither"),
            ),
            (op(r#"{"op":"move","path":"active"}"#), Err("`op` is none of")),
            (op(r#"{"path":"active"}"#), Err("an operation has no")),
            (op("7"), Err("an operation is no object")),
            (op(""), Err("`Operations` is no list")),
            ("[]".to_owned(), Err("the body is no JSON object")),
            ("{".to_owned(), Err("the body is no JSON object")),
        ] {
            match (patch(body.as_bytes()), active) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{body}"),
                (Err(found), Err(expected)) => assert!(found.starts_with(expected), "{body}: {found}"),
                (found, _) => panic!("{body}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_person_is_known_by_every_name_of_theirs() {
        let body = br#"{"userName":"ann","externalId":"4711","active":"true","emails":[{"value":"ann@mail.example"},{"type":"x"}]}"#;
        let person = person(body).expect("a resource");
        assert_eq!(
            (person.names.join(","), person.active),
            ("ann,4711,ann@mail.example".to_owned(), Some(true))
        );
        let keys = [KeyId([1; 12]), KeyId([0xab; 12])];
        assert_eq!(read_person_id(&person_id(&keys)).expect("an id").as_slice(), keys);
        for id in [
            "",
            "ann",
            &"00".repeat(11),
            &vec!["00".repeat(12); NAMES_MAX + 1].join("-"),
        ] {
            assert!(read_person_id(id).is_none(), "{id}");
        }
    }

    #[test]
    fn a_filter_names_one_person() {
        for (filter, name) in [
            (r#"userName eq "ann@mail.example""#, Some("ann@mail.example")),
            (r#" externalID EQ "a \"b\"" "#, Some("a \"b\"")),
            (r#"userName sw "a""#, None),
            (r#"displayName eq "a""#, None),
            ("userName eq ann", None),
            (r#"userName eq "a" or userName eq "b""#, None),
            ("userName", None),
            ("", None),
        ] {
            assert_eq!(filtered(filter).as_deref(), name, "{filter}");
        }
    }
}
