//! Groups of principals: who belongs to one by a verified claim, a listed key or a certificate, and what is normal for it.

use std::sync::Arc;

use hashbrown::HashMap;
use serde_json::{Map, Value};

use super::token::claim_is;

/// The size of a file of listed keys.
pub(super) const API_KEYS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Names of certificates in all groups together.
const CERTIFICATES_MAX: usize = 10_000;
/// Of them, those that stand for a part of a trust domain.
const SUBTREES_MAX: usize = 256;
const TWICE: &str = "it is in a group already";

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
    /// SPIFFE IDs and subjects.
    certificates: HashMap<Box<str>, Arc<str>>,
    /// SPIFFE IDs up to a slash, from long to short: all that begins so.
    subtrees: Vec<(Box<str>, Arc<str>)>,
}

impl Groups {
    /// The group of a verified token.
    pub(super) fn of_claims(&self, claims: &Map<String, Value>) -> Option<Arc<str>> {
        let fits = |claim: &&Claim| claim_is(claims, &claim.name, &claim.value);
        self.claims.iter().find(fits).map(|claim| Arc::clone(&claim.group.name))
    }

    /// The group of the client whose certificate says this name.
    pub(super) fn of_certificate(&self, name: &str) -> Option<Arc<str>> {
        let within = || self.subtrees.iter().find(|(start, _)| name.starts_with(&**start));
        let group = self.certificates.get(name).or_else(|| within().map(|(_, group)| group));
        group.cloned()
    }

    /// Adds a name of certificates: a subject, a SPIFFE ID, or one that ends in `/*` and stands for all below it.
    ///
    /// # Errors
    ///
    /// A sentence that says why not.
    pub(super) fn add_certificate(&mut self, name: &str, group: &Arc<str>) -> Result<(), &'static str> {
        let group = Arc::clone(group);
        let Some(start) = name.strip_suffix('*').filter(|_| name.starts_with("spiffe://")) else {
            if self.certificates.len() == CERTIFICATES_MAX {
                return Err("there are more than 10,000 names of certificates");
            }
            if self.certificates.contains_key(name) {
                return Err(TWICE);
            }
            self.certificates.insert(name.into(), group);
            return Ok(());
        };
        // At least a whole trust domain: `spiffe://shop.example*` would be somebody else's as well.
        if !start.ends_with('/') || start.matches('/').count() < 3 {
            return Err("`*` stands behind the `/` of a trust domain or of a path");
        }
        if self.subtrees.iter().any(|(known, _)| **known == *start) {
            return Err(TWICE);
        }
        if self.subtrees.len() == SUBTREES_MAX {
            return Err("there are more than 256 names that end in `*`");
        }
        self.subtrees.push((start.into(), group));
        self.subtrees.sort_by_key(|(start, _)| std::cmp::Reverse(start.len()));
        Ok(())
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
    fn a_certificate_is_of_the_group_that_names_it_or_the_nearest_part_of_its_domain() {
        let mut groups = Groups::default();
        let mut add = |name: &str, group: &str| groups.add_certificate(name, &group.into());
        for (name, group) in [
            ("spiffe://shop.example/*", "service"),
            ("spiffe://shop.example/batch/*", "export"),
            ("spiffe://shop.example/batch/nightly", "nightly"),
            ("O=Acme, CN=billing", "partner"),
        ] {
            assert_eq!(add(name, group), Ok(()), "{name}");
        }
        for wrong in [
            "spiffe://shop.example*",
            "spiffe://*",
            "spiffe://shop.example/batch/x*",
            "spiffe://shop.example/batch/*",
            "O=Acme, CN=billing",
        ] {
            assert!(add(wrong, "service").is_err(), "{wrong}");
        }
        for (name, group) in [
            ("spiffe://shop.example/web", Some("service")),
            ("spiffe://shop.example/batch/weekly", Some("export")),
            ("spiffe://shop.example/batch/nightly", Some("nightly")),
            ("spiffe://shop.example.evil/web", None),
            ("O=Acme, CN=billing", Some("partner")),
            ("O=Acme, CN=billing2", None),
            ("CN=spiffe://shop.example/web", None),
        ] {
            assert_eq!(groups.of_certificate(name).as_deref(), group, "{name}");
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
