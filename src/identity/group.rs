//! Groups of principals: who belongs to one by a verified claim or a listed key, and what is normal for it.

use std::sync::Arc;

use hashbrown::HashMap;
use serde_json::{Map, Value};

/// The size of a file of listed keys.
pub(super) const API_KEYS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One group, as `[identity.group]` declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Arc<str>,
    /// How many people a day one of its principals is normally shown.
    pub people_per_day: Option<u32>,
    /// Whether what is usual for its principals is learnt.
    pub has_baseline: bool,
}

/// A claim that puts the bearer of a token into a group.
pub(super) struct Claim {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) group: Group,
}

/// A key that a file lists.
#[derive(Clone)]
pub(super) struct Listed {
    /// `api-key:NAME`.
    pub(super) principal: Arc<[u8]>,
    pub(super) group: Arc<str>,
}

/// All groups.
#[derive(Default)]
pub(super) struct Groups {
    /// By rising `people_per_day`, then by name: a token that several claims fit gets the smallest allowance.
    pub(super) claims: Vec<Claim>,
    pub(super) listed: HashMap<[u8; 32], Listed>,
}

impl Groups {
    /// The group of a verified token.
    pub(super) fn of_claims(&self, claims: &Map<String, Value>) -> Option<Arc<str>> {
        let fits = |claim: &&Claim| match claims.get(&claim.name) {
            Some(Value::String(value)) => *value == claim.value,
            Some(Value::Array(values)) => values.iter().any(|value| value.as_str() == Some(&claim.value)),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => false,
        };
        self.claims.iter().find(fits).map(|claim| Arc::clone(&claim.group.name))
    }

    /// Adds the keys of one file: a line is 64 hexadecimal digits and a name; empty lines and `#` comments are skipped.
    ///
    /// # Errors
    ///
    /// A sentence with the number of the line that is wrong. The line itself is not quoted: it may hold a key by mistake.
    pub(super) fn add_listed(&mut self, bytes: &[u8], group: &Arc<str>) -> Result<(), String> {
        if bytes.len() > API_KEYS_BYTES_MAX {
            return Err(format!("the file is larger than {API_KEYS_BYTES_MAX} bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())?;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (hash, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let hash = blake3::Hash::from_hex(hash)
                .map_err(|_| format!("line {number} does not begin with a hash of 64 hexadecimal digits"))?;
            let name = name.trim();
            if name.is_empty() || name.len() > 64 {
                return Err(format!("line {number} has no name of 1 to 64 bytes after the hash"));
            }
            let principal = format!("api-key:{name}").into_bytes().into();
            let listed = Listed {
                principal,
                group: Arc::clone(group),
            };
            if self.listed.insert(*hash.as_bytes(), listed).is_some() {
                return Err(format!("line {number} lists a key that is listed already"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(name: &str, value: &str, group: &str, people_per_day: u32) -> Claim {
        let group = Group {
            name: group.into(),
            people_per_day: Some(people_per_day),
            has_baseline: false,
        };
        Claim {
            name: name.into(),
            value: value.into(),
            group,
        }
    }

    #[test]
    fn a_claim_or_a_list_with_it_makes_a_member() {
        let groups = Groups {
            claims: vec![
                claim("role", "customer", "customer", 10),
                claim("role", "agent", "agent", 120),
            ],
            ..Groups::default()
        };
        let cases = [
            (r#"{"role":"customer"}"#, Some("customer")),
            (r#"{"role":"agent"}"#, Some("agent")),
            (r#"{"role":["x","agent"]}"#, Some("agent")),
            (r#"{"role":["agent","customer"]}"#, Some("customer")),
            (r#"{"role":"agents"}"#, None),
            (r#"{"role":{"agent":true}}"#, None),
            (r#"{"sub":"agent"}"#, None),
        ];
        for (claims, group) in cases {
            let claims = serde_json::from_str(claims).expect("an object");
            assert_eq!(groups.of_claims(&claims).as_deref(), group, "{claims:?}");
        }
    }

    #[test]
    fn a_bad_line_is_named_and_not_quoted() {
        let hash = "0".repeat(64);
        let cases = [
            (format!("# partners\n\n{hash} acme\n"), None),
            (format!("{hash} acme\n{hash} again\n"), Some("line 2 lists a key")),
            (format!("{hash}\n"), Some("line 1 has no name")),
            (
                "my-secret-key acme\n".to_owned(),
                Some("line 1 does not begin with a hash"),
            ),
        ];
        for (file, error) in cases {
            let result = Groups::default().add_listed(file.as_bytes(), &"partner".into());
            match (result, error) {
                (Ok(()), None) => {}
                (Err(message), Some(start)) => {
                    assert!(message.starts_with(start) && !message.contains("secret"), "{message}");
                }
                (result, error) => panic!("{result:?} is not {error:?}"),
            }
        }
    }
}
