//! Approvals: tokens by which a workflow for privileged access lets one account be shown so many people more, until some moment.
//!
//! An approval is a JWT (RFC 7519) with `iss`, `aud`, `sub` (the account), `jti`, `exp` and `people`. It is bound to its account, so
//! that a copy is worth nothing to anybody else, and to its `jti`: the ledger counts whom it was spent on.

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value};

use super::compile::{Problems, ReadFile};
use super::memory::fingerprint;
use super::revocation::principal;
use super::settings::{ApprovalSettings, Settings};
use super::signer::Signer;
use super::signers::signer;
use super::token::{TOKEN_BYTES_MAX, is_type, joined, numeric_date};
use crate::engine::births::CredentialId;
use crate::engine::generations::Generations;
use crate::engine::secret::HashKey;
use crate::engine::time::Now;
use crate::events::{Event, IdentityFact, report};

/// An approval ends within so many seconds: the longest window, in which the ledger knows whom it was spent on.
const LASTS_S_MAX: u64 = 30 * 86_400;
/// People of one approval at most: as many as the ledger knows one by one.
const PEOPLE_MAX: u64 = 100_000;
/// Verified approvals that are remembered, so that a repeat costs one look-up; about 300 bytes each.
const VERIFIED_MAX: usize = 4_096;

/// Who approves, and where it is read.
pub(super) struct Approver {
    header: HeaderName,
    pub(super) signer: Signer,
    /// The issuer whose accounts it names, by its name in the configuration.
    accounts_of: String,
    verified: Mutex<Generations<CredentialId, Arc<Verified>>>,
}

/// An approval that is good for whoever shows it, at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Of whom it is and which one: people are counted under it.
    pub id: Arc<[u8]>,
    /// How many people it allows.
    pub people: u32,
}

/// What a good signature stands under.
struct Verified {
    principal: Vec<u8>,
    approval: Approval,
    /// Unix seconds from which and until which it counts.
    valid_s: std::ops::Range<u64>,
}

impl Approver {
    /// What this request was approved for, if it shows an approval of `principal`. Reports one that is not good: it then counts as
    /// if it were not there.
    pub(super) fn read(&self, headers: &HeaderMap, principal: &[u8], secret: &HashKey, now: Now) -> Option<Approval> {
        let mut values = headers.get_all(&self.header).iter();
        let token = values.next()?;
        let read = if values.next().is_some() {
            Err("several")
        } else {
            self.judge(token.as_bytes(), principal, secret, now)
        };
        let result = read.as_ref().map_or_else(|why| *why, |_| "good");
        report(&Event::Identity(IdentityFact::Approval { result }));
        read.ok()
    }

    /// The approval; else why it is none, from a fixed set.
    fn judge(&self, token: &[u8], of: &[u8], secret: &HashKey, now: Now) -> Result<Approval, &'static str> {
        let verified = self.verified(token, secret)?;
        let second = now.millis() / 1000;
        if verified.principal != of {
            return Err("foreign");
        }
        if verified.valid_s.end > second.saturating_add(LASTS_S_MAX) {
            return Err("long");
        }
        if !verified.valid_s.contains(&second) {
            return Err("over");
        }
        Ok(verified.approval.clone())
    }

    fn verified(&self, token: &[u8], secret: &HashKey) -> Result<Arc<Verified>, &'static str> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err("malformed");
        }
        let id = fingerprint(&secret.hash("tidegate approval 1", &[token]));
        let known = self
            .verified
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let claims = self.claims(token)?;
        let verified = Arc::new(self.believe(&claims)?);
        let mut memory = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        memory.insert(id, Arc::clone(&verified));
        Ok(verified)
    }

    /// What it says, if it is signed as agreed.
    fn claims(&self, token: &[u8]) -> Result<Map<String, Value>, &'static str> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| "malformed")?;
        let is_approval = |typ: &str| is_type(typ, &["jwt", "approval+jwt"]);
        if header.crit.is_some() || !header.typ.as_deref().is_none_or(is_approval) {
            return Err("malformed");
        }
        self.signer.claims(token, &header).ok_or("unsigned")
    }

    fn believe(&self, claims: &Map<String, Value>) -> Result<Verified, &'static str> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if text("iss") != Some(&self.signer.iss) || !self.signer.is_for_us(claims) {
            return Err("foreign");
        }
        let (subject, id) = text("sub").zip(text("jti")).ok_or("malformed")?;
        let people = claims.get("people").and_then(Value::as_u64);
        let people = people
            .filter(|people| (1..=PEOPLE_MAX).contains(people))
            .ok_or("malformed")?;
        // Its end is exact: whoever approved it meant that moment.
        let end = claims.get("exp").and_then(numeric_date).ok_or("malformed")?;
        let begin = claims.get("nbf").map_or(Some(0), numeric_date).ok_or("malformed")?;
        let principal = principal(&self.accounts_of, subject);
        Ok(Verified {
            approval: Approval {
                id: joined(&[&principal, id.as_bytes()]),
                people: u32::try_from(people).unwrap_or(u32::MAX),
            },
            principal,
            valid_s: begin.saturating_sub(u64::from(self.signer.leeway_s))..end,
        })
    }
}

/// Who approves, if somebody does.
pub(super) fn approver(settings: &Settings, read: ReadFile<'_>, problems: &mut Problems<'_>) -> Option<Approver> {
    let written: &ApprovalSettings = settings.approval.as_ref()?.get_ref();
    let of = &written.accounts_of;
    if !settings.issuer.keys().any(|issuer| issuer.get_ref() == of.get_ref()) {
        let message = format!("there is no [identity.issuer.{of}] for whose accounts it could approve");
        problems.add("I012", of.span(), message, None);
    }
    let header = written.header.get_ref().parse::<HeaderName>();
    if header.is_err() {
        let message = format!("`{}` cannot name a header", written.header);
        problems.add("I012", written.header.span(), message, Some("header = \"x-approval\""));
    }
    let name = toml::Spanned::new(of.span(), "approval".to_owned());
    let meant = (written.issuer.as_str(), written.audience.as_str(), &written.leeway_s);
    let signer = signer(&name, meant, (&written.jwks, &written.algorithms), read, problems);
    Some(Approver {
        header: header.ok()?,
        signer,
        accounts_of: of.get_ref().clone(),
        verified: Mutex::new(Generations::new(VERIFIED_MAX)),
    })
}
