//! From a request head to an [`Actor`], and from a response head to the births of credentials.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashSet;
use http::{HeaderMap, Method, StatusCode, request};
use ipnet::IpNet;
use smallvec::SmallVec;

use super::address::{address_key, client_address};
use super::group::{Group, Groups};
use super::key_memory::KeyMemory;
use super::leavers::Leavers;
use super::memory::{Births, Fingerprint, VerifiedTokens, credential_hash, fingerprint, stable_part};
use super::places::Places;
use super::revocation::{Named, Revocable, RevocationList};
use super::signal::{SeenSignals, Transmitter};
use super::source::{Place, Source};
use super::token::{Issuer, Verified, joined, verify};
use super::{Actor, Provenance};
use crate::engine::ledger::Dimension;
use crate::engine::policy::subject_of;
use crate::engine::secret::HashKey;
use crate::engine::time::Now;
use crate::events::{Event, report};

/// Everything that tells actors apart, compiled; immutable but for its bounded memories, and shared.
pub struct Identity {
    pub(super) key: HashKey,
    pub(super) sources: Vec<Source>,
    pub(super) issuers: Vec<Issuer>,
    pub(super) groups: Groups,
    pub(super) group_list: Vec<Group>,
    pub(super) logs_in_at: Vec<RouteMatch>,
    pub(super) places: Places,
    /// Principals as the watch-list writes them.
    pub(super) watched: HashSet<Box<[u8]>>,
    pub(super) revoked: RevocationList,
    pub(super) leavers: Leavers,
    pub(super) key_memory: KeyMemory,
    pub(super) transmitters: Vec<Transmitter>,
    pub(super) signals_seen: Arc<SeenSignals>,
    pub(super) births: Arc<Births>,
    pub(super) tokens: VerifiedTokens,
}

/// One `METHOD /path`.
pub(super) struct RouteMatch {
    pub(super) method: Method,
    pub(super) path: String,
}

/// What one credential says.
struct Evidence {
    session: Arc<[u8]>,
    principal: Option<Arc<[u8]>>,
    group: Option<Arc<str>>,
    issuer: Option<Arc<str>>,
    kid: Option<Arc<[u8]>>,
    provenance: Provenance,
    /// Whether it is verified, listed or issued.
    is_known: bool,
}

impl Identity {
    /// Whether there is more to an actor than its address.
    pub fn reads_credentials(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Who sends this head. `peer` is the address of the connection, `trusted` the networks whose forwarding headers
    /// are believed. The session is that of the first source with a credential that is verified, listed or issued, else of
    /// the first that has one; the principal and the group are those of the first verified or listed credential. Reports
    /// credentials that disagree. Never fails: an actor has an address.
    pub fn identify(&self, head: &request::Parts, peer: IpAddr, trusted: &[IpNet], now: Now) -> Actor {
        let mut actor = Actor {
            address: client_address(&head.headers, peer, trusted),
            session: None,
            principal: None,
            group: None,
            revocable: Revocable::new(),
            provenance: Provenance::Unknown,
            is_known: false,
            issuer: None,
            kid: None,
            place: None,
            is_watched: false,
            lowered_percent: None,
            session_cookie: None,
        };
        actor.place = self.places.of(actor.address);
        for source in &self.sources {
            let Some(evidence) = self.evidence(source, &head.headers, &mut actor.revocable, now) else {
                continue;
            };
            // A fresh value for each request must make no new session beside a credential that cannot be made up.
            if actor.session.is_none() || (evidence.is_known && !actor.is_known) {
                actor.session = Some(evidence.session);
                actor.provenance = evidence.provenance;
                actor.is_known = evidence.is_known;
                actor.session_cookie = match &source.place {
                    Place::Cookie(name) => Some(Arc::clone(name)),
                    Place::Header(_) => None,
                };
            }
            if actor.issuer.is_none() {
                (actor.issuer, actor.kid) = (evidence.issuer, evidence.kid);
            }
            match (&actor.principal, evidence.principal) {
                (None, Some(principal)) => {
                    actor.is_watched = self.is_watched(&principal, evidence.group.as_deref());
                    actor.principal = Some(principal);
                    actor.group = evidence.group;
                }
                (Some(one), Some(other)) if *one != other => {
                    report(&Event::CredentialsDisagree { kind: "principals" });
                }
                (_, None) | (Some(_), Some(_)) => {}
            }
        }
        actor.lowered_percent = self.leavers.percent(&actor.revocable, now);
        if actor.revocable.is_empty() {
            let address = address_key(actor.address);
            actor
                .revocable
                .push(Named::new(&self.key, Dimension::Session, &address));
        }
        actor
    }

    /// Whether the watch-list names this principal, by its subject or by group and subject.
    fn is_watched(&self, principal: &[u8], group: Option<&str>) -> bool {
        if self.watched.is_empty() {
            return false;
        }
        let in_group = group.map(|group| [group.as_bytes(), b":", subject_of(principal)].concat());
        let names = [Some(principal), Some(subject_of(principal)), in_group.as_deref()];
        names.into_iter().flatten().any(|name| self.watched.contains(name))
    }

    /// What the values of one source say. Where an opaque one stands there twice and differs, the origin may choose the
    /// other: a client could name a new session with each request and be served under the same one. So only one that
    /// is known counts then, and none else. Every one of them may be revoked.
    fn evidence(&self, source: &Source, headers: &HeaderMap, revocable: &mut Revocable, now: Now) -> Option<Evidence> {
        let values = source.values(headers);
        if values.len() > 1 {
            report(&Event::CredentialsDisagree { kind: "duplicate" });
        }
        if source.is_token {
            let verified: SmallVec<[_; 1]> = values.iter().filter_map(|value| self.token(value, now)).collect();
            for verified in &verified {
                revocable.extend_from_slice(&verified.revocable);
            }
            return verified.first().map(|verified| Evidence {
                session: Arc::clone(&verified.session),
                principal: verified.principal.clone(),
                group: verified.group.clone(),
                issuer: Some(Arc::clone(&verified.issuer)),
                kid: verified.kid.clone(),
                provenance: self.provenance(&verified.credential),
                is_known: true,
            });
        }
        for value in &values {
            let session = session_of(&source.label, value);
            revocable.push(Named::new(&self.key, Dimension::Session, &session));
        }
        let is_alone = values.len() == 1;
        values.iter().find_map(|value| {
            let hash = credential_hash(&self.key, value);
            let provenance = self.provenance(&fingerprint(&hash));
            let listed = self.groups.listed.get(&hash);
            let is_known = listed.is_some() || provenance == Provenance::Issued;
            let principal = listed.map(|listed| Named::new(&self.key, Dimension::Principal, &listed.principal));
            revocable.extend(principal);
            (is_alone || is_known).then(|| Evidence {
                issuer: None,
                kid: None,
                session: session_of(&source.label, value),
                principal: listed.map(|listed| Arc::clone(&listed.principal)),
                group: listed.map(|listed| Arc::clone(&listed.group)),
                provenance,
                is_known,
            })
        })
    }

    /// The verified content of a token, from memory if it was verified before.
    fn token(&self, token: &[u8], now: Now) -> Option<Arc<Verified>> {
        let whole = fingerprint(&self.key.hash("tidegate token 1", &[token]));
        if let Some(verified) = self.tokens.get(&whole, now) {
            return Some(verified);
        }
        let credential = fingerprint(&credential_hash(&self.key, token));
        let verified = verify(token, credential, &self.issuers, &self.groups)?;
        if !verified.is_valid_at(now) {
            return None;
        }
        let verified = Arc::new(verified);
        self.tokens.insert(whole, Arc::clone(&verified));
        Some(verified)
    }

    fn provenance(&self, credential: &Fingerprint) -> Provenance {
        if self.births.contains(credential) {
            Provenance::Issued
        } else {
            Provenance::Unknown
        }
    }

    /// Whether what the response to this request issues is issued: a login gives fresh proof, every other response
    /// passes on the mark of the credential that was sent. A refused login (status 400 and above) proves nothing.
    pub fn gives_births(&self, method: &Method, path: &str, status: StatusCode, actor: &Actor) -> bool {
        let logs_in = || {
            self.logs_in_at
                .iter()
                .any(|route| route.method == method && route.path == path)
        };
        status.as_u16() < 400 && (actor.provenance == Provenance::Issued || logs_in())
    }

    /// Remembers the credentials that a response head issues: `Set-Cookie` of the cookies and values of the headers
    /// that are sources. To be called where [`Identity::gives_births`].
    pub fn births_in_head(&self, headers: &HeaderMap) {
        for source in &self.sources {
            source.issued(headers).for_each(|value| self.birth_of_token(&value));
        }
    }

    /// Remembers one issued credential, such as an `access_token` in a body. To be called where
    /// [`Identity::gives_births`].
    pub fn birth_of_token(&self, token: &[u8]) {
        self.births.record(fingerprint(&credential_hash(&self.key, token)));
    }

    /// Takes over the births that an earlier configuration remembers, so that a reload forgets none. Its bound stays
    /// in force until the next start.
    pub fn inherit_births(&mut self, earlier: &Self) {
        self.births = Arc::clone(&earlier.births);
        self.signals_seen = Arc::clone(&earlier.signals_seen);
    }

    /// The groups, by name.
    pub fn groups(&self) -> &[Group] {
        &self.group_list
    }
}

/// The session of an opaque credential: the source as the configuration names it, and its value.
pub fn session_of(source: &str, value: &[u8]) -> Arc<[u8]> {
    joined(&[source.as_bytes(), stable_part(value)])
}

/// The hash by which a file of `api_keys` lists a key, in 64 hexadecimal digits.
pub fn listed_key_hash(key: &HashKey, api_key: &[u8]) -> String {
    blake3::Hash::from_bytes(credential_hash(key, api_key))
        .to_hex()
        .to_string()
}
