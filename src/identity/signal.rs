//! Security events of an identity provider (RFC 8417): whether one is to be believed, and whom it shuts out or lets in again.
//!
//! Known are the events of CAEP and RISC about sessions, credentials and accounts, with the subjects of RFC 9493 in the formats
//! `iss_sub`, `email` and `opaque`, alone or as the `user` and `session` of a complex one. No byte of an event leaves here.

use std::sync::{Mutex, PoisonError};

use hashbrown::HashSet;
use http::Uri;
use serde_json::{Map, Value};
use smallvec::SmallVec;
use zeroize::Zeroizing;

use super::identify::Identity;
use super::memory::fingerprint;
use super::revocation::{NO_END, Named, email_value, principal, sessions_value, sid_value};
use super::signer::Signer;
use super::token::{is_type, numeric_date, unverified};
use crate::engine::ledger::Dimension;
use crate::engine::secret::HashKey;
use crate::engine::time::Now;

/// A longer one is not read: an event names one subject.
const SET_BYTES_MAX: usize = 8 * 1024;
/// Events in one.
const EVENTS_MAX: usize = 16;
/// An event that is older is refused, in seconds: whoever sends it tried for a week. What was decided about a subject is
/// remembered for longer, so that a replay is known for one.
const AGE_S_MAX: u64 = 7 * 86_400;
/// Tokens of a session that was ended are refused for so long, in seconds: the longest window. They should be over by then.
const SESSIONS_S: u32 = 30 * 86_400;

/// Who sends events, and about whom it may.
pub(super) struct Transmitter {
    /// Its name in the configuration.
    pub(super) name: Box<str>,
    pub(super) signer: Signer,
    /// The issuer whose accounts it speaks of, by its name in the configuration, and the `iss` that subjects of it name.
    pub(super) issuer: Box<str>,
    pub(super) subjects_iss: Option<String>,
}

/// Where the events of a transmitter are fetched. The token is secret: there is no `Debug`.
pub struct Poll {
    /// The transmitter, by its name in the configuration.
    pub transmitter: Box<str>,
    /// Where.
    pub url: Uri,
    /// The bearer token that it wants.
    pub token: Option<Zeroizing<String>>,
    /// Seconds between two polls.
    pub every_s: u32,
}

/// Why an event was not taken: what is sent back (RFC 8935, section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalError {
    /// The registered code.
    pub code: &'static str,
    /// A sentence.
    pub description: &'static str,
}

const fn refused(code: &'static str, description: &'static str) -> SignalError {
    SignalError { code, description }
}

const fn malformed(description: &'static str) -> SignalError {
    refused("invalid_request", description)
}

/// What one event asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The event's name, the last part of its URI.
    pub event: &'static str,
    /// About which names; none where the subject is of a format that is not known.
    pub names: SmallVec<[Named; 2]>,
    /// What becomes of them; `None`: nothing.
    pub act: Option<Act>,
    /// The unix second in which it happened, or else in which its token was issued: who logged in since is not meant.
    pub happened: u32,
}

/// What becomes of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is revoked for so many seconds, or for ever with [`NO_END`].
    Revoke(u32),
    /// It may be used again.
    Reinstate,
}

/// A verified token of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Of who sent it and its `jti`.
    id: SignalId,
    /// Who sent it, by its name in the configuration.
    pub transmitter: Box<str>,
    /// What was decided about a subject after this unix second stays: when it was issued, and as much later as clocks may differ.
    pub stays_after: u32,
    /// What its events ask for.
    pub orders: Vec<Order>,
}

/// A keyed hash.
type SignalId = [u8; 16];

/// Tokens of events that are remembered, at most: of those of a week, and in any case half as many of the newest.
const SEEN_MAX: usize = 100_000;

/// Tokens of events that were put in force: one that comes again changes nothing. The younger half is never forgotten.
#[derive(Default)]
pub(super) struct SeenSignals(Mutex<[HashSet<SignalId>; 2]>);

impl SeenSignals {
    fn contains(&self, id: &SignalId) -> bool {
        let halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        halves.iter().any(|half| half.contains(id))
    }

    fn add(&self, id: SignalId) {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [young, old] = &mut *halves;
        if young.len() >= SEEN_MAX / 2 {
            *old = std::mem::take(young);
        }
        young.insert(id);
    }
}

/// Events that are known, by the last part of their URI behind these.
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type/";

/// What an event does to its subject.
#[derive(Clone, Copy)]
enum Meaning {
    /// The session ends, or all of the account.
    EndSession,
    /// All tokens of the account up to now are stale: the sessions may go on with new ones.
    Renew,
    /// The account may not come in.
    Disable,
    /// It may again.
    Enable,
    /// Nothing for us to do.
    Nothing,
}

const EVENTS: [(&str, &str, Meaning); 11] = [
    (CAEP, "session-revoked", Meaning::EndSession),
    (CAEP, "credential-change", Meaning::Renew),
    (CAEP, "token-claims-change", Meaning::Renew),
    (RISC, "sessions-revoked", Meaning::Renew),
    (RISC, "credential-compromise", Meaning::Renew),
    (RISC, "account-credential-change-required", Meaning::Renew),
    (RISC, "account-disabled", Meaning::Disable),
    (RISC, "account-purged", Meaning::Disable),
    (RISC, "account-enabled", Meaning::Enable),
    (SSF, "verification", Meaning::Nothing),
    (SSF, "stream-updated", Meaning::Nothing),
];

/// Reads a token of events that one of `transmitters` sent.
///
/// # Errors
/// What the sender is told.
fn read(token: &[u8], transmitters: &[Transmitter], secret: &HashKey, now: Now) -> Result<Signal, SignalError> {
    if token.len() > SET_BYTES_MAX {
        return Err(malformed("the token is larger than 8192 bytes"));
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| malformed("this is no signed token"))?;
    if header.crit.is_some() || !header.typ.as_deref().is_some_and(|typ| is_type(typ, &["secevent+jwt"])) {
        return Err(malformed("the type of the token is not secevent+jwt"));
    }
    let transmitter = sender(token, transmitters)?;
    let claims = transmitter.signer.claims(token, &header);
    let claims = claims.ok_or_else(|| refused("invalid_key", "no key that is known signed the token as agreed"))?;
    let (id, issued) = transmitter.check(&claims, secret, now)?;
    let events = claims.get("events").and_then(Value::as_object);
    let events = events.filter(|events| (1..=EVENTS_MAX).contains(&events.len()));
    let events = events.ok_or_else(|| malformed("`events` is no object of 1 to 16 events"))?;
    let about = claims.get("sub_id");
    let orders = events
        .iter()
        .map(|(uri, event)| transmitter.order((uri, event), about, issued, secret));
    Ok(Signal {
        id,
        transmitter: transmitter.name.clone(),
        stays_after: issued.saturating_add(transmitter.signer.leeway_s),
        orders: orders.collect::<Result<_, _>>()?,
    })
}

impl Identity {
    /// Reads a token of events that one of `identity.transmitter` sent.
    ///
    /// # Errors
    /// What the sender is told.
    pub fn read_signal(&self, token: &[u8], now: Now) -> Result<Signal, SignalError> {
        read(token, &self.transmitters, &self.key, now)
    }

    /// Where events are fetched.
    pub fn polls(&self) -> &[Poll] {
        &self.polls
    }

    /// Whether this was put in force before.
    pub fn has_seen(&self, signal: &Signal) -> bool {
        self.signals_seen.contains(&signal.id)
    }

    /// It was put in force: it changes nothing any more.
    pub fn seen(&self, signal: &Signal) {
        self.signals_seen.add(signal.id);
    }
}

/// Who the token says it is from. Nothing else of it is believed before its signature is.
fn sender<'t>(token: &[u8], transmitters: &'t [Transmitter]) -> Result<&'t Transmitter, SignalError> {
    let unverified = unverified(token).ok_or_else(|| malformed("the claims of the token do not parse"))?;
    let iss = unverified.get("iss").and_then(Value::as_str);
    let known = transmitters.iter().find(|known| Some(known.signer.iss.as_str()) == iss);
    known.ok_or_else(|| refused("invalid_issuer", "no events are taken from this issuer"))
}

impl Transmitter {
    /// Which token it is and when it was issued, if it is for us and neither too old nor from the future.
    fn check(&self, claims: &Map<String, Value>, secret: &HashKey, now: Now) -> Result<(SignalId, u32), SignalError> {
        if !self.signer.is_for_us(claims) {
            return Err(refused("invalid_audience", "the token is for somebody else"));
        }
        let jti = claims.get("jti").and_then(Value::as_str).filter(|jti| !jti.is_empty());
        let jti = jti.ok_or_else(|| malformed("the token has no `jti`"))?;
        let hash = secret.hash("tidegate signal 1", &[self.name.as_bytes(), jti.as_bytes()]);
        let id = fingerprint(&hash).0;
        let issued = claims.get("iat").and_then(numeric_date);
        let issued = issued.ok_or_else(|| malformed("the token has no `iat`"))?;
        let second = u64::from(now.second());
        if issued > second + u64::from(self.signer.leeway_s) {
            return Err(malformed("the token is from the future"));
        }
        if issued + AGE_S_MAX < second {
            return Err(malformed("the token is older than seven days"));
        }
        Ok((id, u32::try_from(issued).unwrap_or(u32::MAX)))
    }

    /// What an event of a token that was `issued` in this second asks for.
    fn order(
        &self,
        (uri, event): (&str, &Value),
        about: Option<&Value>,
        issued: u32,
        secret: &HashKey,
    ) -> Result<Order, SignalError> {
        let event = event.as_object().ok_or_else(|| malformed("an event is no object"))?;
        // CAEP, section 2.
        let happened = event.get("event_timestamp").and_then(numeric_date);
        let happened = happened.and_then(|second| u32::try_from(second).ok()).unwrap_or(issued);
        let known = EVENTS
            .iter()
            .find(|(family, name, _)| uri.strip_prefix(family) == Some(*name));
        let Some((_, name, meaning)) = known else {
            let (event, names) = ("unknown", SmallVec::new());
            return Ok(Order {
                event,
                names,
                act: None,
                happened,
            });
        };
        let mut meaning = *meaning;
        if *name == "credential-change" {
            let change = event.get("change_type").and_then(Value::as_str);
            // Whoever got one more credential has lost none.
            if change.ok_or_else(|| malformed("`change_type` is missing"))? == "create" {
                meaning = Meaning::Nothing;
            }
        }
        // Drafts had the subject in the event.
        let subject = about.or_else(|| event.get("subject"));
        let names = subject
            .map(|subject| self.names(subject, meaning, secret))
            .unwrap_or_default();
        let act = match meaning {
            Meaning::EndSession | Meaning::Renew => Some(Act::Revoke(SESSIONS_S)),
            Meaning::Disable => Some(Act::Revoke(NO_END)),
            Meaning::Enable => Some(Act::Reinstate),
            Meaning::Nothing => None,
        };
        Ok(Order {
            event: name,
            names,
            act,
            happened,
        })
    }

    /// The names that an event with this meaning is about.
    fn names(&self, subject: &Value, meaning: Meaning, secret: &HashKey) -> SmallVec<[Named; 2]> {
        let part = |name: &str| subject.get(name).filter(|part| part.is_object());
        let session = part("session").and_then(|session| text(session, "id"));
        if let (Meaning::EndSession, Some(id)) = (meaning, session) {
            let value = sid_value(&self.issuer, id);
            return SmallVec::from_iter([Named::new(secret, Dimension::Session, &value)]);
        }
        let accounts = self.account(part("user").unwrap_or(subject));
        let named = accounts.iter().map(|account| match meaning {
            Meaning::EndSession | Meaning::Renew => Named::new(secret, Dimension::Session, &sessions_value(account)),
            Meaning::Disable | Meaning::Enable | Meaning::Nothing => Named::new(secret, Dimension::Principal, account),
        });
        named.collect()
    }

    /// The account that a simple subject names (RFC 9493, section 3.2).
    fn account(&self, subject: &Value) -> Option<Vec<u8>> {
        match text(subject, "format")? {
            "iss_sub" => {
                let iss = text(subject, "iss")?;
                let is_ours = self.subjects_iss.as_deref().is_none_or(|ours| ours == iss);
                let sub = text(subject, "sub").filter(|_| is_ours)?;
                Some(principal(&self.issuer, sub))
            }
            "email" => Some(email_value(&self.issuer, text(subject, "email")?)),
            "opaque" => Some(principal(&self.issuer, text(subject, "id")?)),
            _ => None,
        }
    }
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty())
}
