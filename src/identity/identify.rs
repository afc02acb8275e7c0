//! From a request head to an [`Actor`].

use std::sync::Arc;

use hashbrown::HashSet;
use http::{Method, request};
use smallvec::SmallVec;

use super::address::{address_key, client_address};
use super::approval::Approver;
use super::certificate::CERTIFICATE;
use super::group::{Group, Groups};
use super::key_memory::KeyMemory;
use super::leavers::Leavers;
use super::memory::{VerifiedTokens, credential_hash, fingerprint, stable_part};
use super::peer::Peer;
use super::places::Places;
use super::provenance::{Mark, Shown};
use super::revocation::{Named, Revocable, RevocationList, principal};
use super::signal::{Poll, SeenSignals, Transmitter};
use super::source::{CertificatePart, Place, Source, VALUES_MAX, Values};
use super::token::{Issuer, Verified, joined, verify};
use super::{Actor, Provenance};
use crate::engine::births::Births;
use crate::engine::ledger::Dimension;
use crate::engine::policy::subject_of;
use crate::engine::secret::HashKey;
use crate::engine::time::Now;
use crate::events::{Event, report};

/// Credentials of one head that the store of the fleet is asked for at most; a token may be two.
const UNHEARD_MAX: usize = 8;

/// Everything that tells actors apart, compiled; immutable but for its bounded memories, and shared.
pub struct Identity {
    pub(super) key: HashKey,
    pub(super) sources: Vec<Source>,
    pub(super) issuers: Vec<Issuer>,
    pub(super) groups: Groups,
    pub(super) group_list: Vec<Group>,
    pub(super) logs_in_at: Vec<RouteMatch>,
    pub(super) refreshes_at: Vec<RouteMatch>,
    pub(super) warm_up_s: u32,
    pub(super) pace: Pace,
    pub(super) places: Places,
    /// Principals as the watch-list writes them.
    pub(super) watched: HashSet<Box<[u8]>>,
    pub(super) revoked: RevocationList,
    pub(super) leavers: Leavers,
    pub(super) key_memory: KeyMemory,
    pub(super) approver: Option<Approver>,
    pub(super) transmitters: Vec<Transmitter>,
    pub(super) polls: Vec<Poll>,
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
    session: Option<Arc<[u8]>>,
    principal: Option<Arc<[u8]>>,
    group: Option<Arc<str>>,
    issuer: Option<Arc<str>>,
    kid: Option<Arc<[u8]>>,
    mark: Mark,
    /// Whether it is verified, listed or issued.
    is_known: bool,
    /// Whether a value that the origin may go by was never issued: a token, or one of several.
    is_forged: bool,
}

impl Evidence {
    /// Of a token; one that is not good names nobody.
    fn of_token(mark: Mark, good: Option<&Verified>) -> Self {
        Self {
            session: good.map(|verified| Arc::clone(&verified.session)),
            principal: good.and_then(|verified| verified.principal.clone()),
            group: good.and_then(|verified| verified.group.clone()),
            issuer: good.map(|verified| Arc::clone(&verified.issuer)),
            kid: good.and_then(|verified| verified.kid.clone()),
            mark,
            is_known: good.is_some(),
            is_forged: false,
        }
    }
}

/// What a login service and a shared store bear.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Requests of one issuer that are asked to log in again, a second.
    pub reauth_per_s_max: u32,
    /// Credentials that the shared store is asked for, for one network, a second.
    pub lookups_per_s_max: u32,
}

impl Identity {
    /// Whether there is more to an actor than its address.
    pub fn reads_credentials(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Who sends this head over the connection of `peer`. The session is that of the first source with a credential that is
    /// verified, listed or issued, else of the first that has one; the principal and the group are those of the first verified
    /// or listed credential. Reports credentials that disagree. Never fails: an actor has an address.
    pub fn identify(&self, head: &request::Parts, peer: &Peer<'_>, now: Now) -> Actor {
        let mut actor = self.stranger(head, peer);
        let mut is_forged = false;
        for source in &self.sources {
            let evidence = match &source.place {
                Place::Certificate(part) => self.of_certificate((source, *part), peer, &mut actor),
                Place::Header(_) | Place::Cookie(_) | Place::Query(_) => self.evidence(source, head, &mut actor, now),
            };
            let Some(evidence) = evidence else {
                continue;
            };
            is_forged |= evidence.is_forged;
            // A fresh value for each request must make no new session beside a credential that cannot be made up.
            if !actor.is_known && (actor.session.is_none() || evidence.is_known) {
                actor.session = evidence.session;
                (actor.provenance, actor.doubt) = (evidence.mark.provenance, evidence.mark.doubt);
                actor.credential = Some(evidence.mark.id);
                actor.is_known = evidence.is_known;
                actor.session_cookie = match &source.place {
                    Place::Cookie(name) => Some(Arc::clone(name)),
                    Place::Header(_) | Place::Query(_) | Place::Certificate(_) => None,
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
        // Who forges tokens may have an account as well: its cookie does not make them good.
        if is_forged {
            (actor.provenance, actor.doubt) = (Provenance::Unissued, None);
        }
        if actor.provenance != Provenance::Unissued {
            let asking = self.approver.as_ref().zip(actor.principal.as_deref());
            let read = asking.and_then(|(approver, of)| approver.read(&head.headers, of, &self.key, now));
            actor.approval = read;
        }
        if actor.revocable.is_empty() {
            let address = address_key(actor.address);
            actor
                .revocable
                .push(Named::new(&self.key, Dimension::Session, &address));
        }
        actor
    }

    /// Who goes out through the gateway: a client at this address, and `user` where it said who it is. What it shows to its
    /// origin is no business of ours.
    pub fn of_client(
        &self,
        head: &request::Parts,
        peer: &Peer<'_>,
        user: Option<&Arc<[u8]>>,
        now: Now,
    ) -> Actor {
        let mut actor = self.stranger(head, peer);
        if let Some(user) = user {
            actor.session = Some(Arc::clone(user));
            actor.principal = Some(Arc::clone(user));
            actor.is_known = true;
            actor.is_watched = self.is_watched(user, None);
            actor
                .revocable
                .push(Named::new(&self.key, Dimension::Principal, user));
            actor.lowered_percent = self.leavers.percent(&actor.revocable, now);
        } else {
            let address = address_key(actor.address);
            actor
                .revocable
                .push(Named::new(&self.key, Dimension::Session, &address));
        }
        actor
    }

    /// A client of which nothing is known but its connection.
    fn stranger(&self, head: &request::Parts, peer: &Peer<'_>) -> Actor {
        let address = client_address(&head.headers, peer);
        Actor {
            address,
            ja4: peer.client_ja4(&head.headers, address),
            session: None,
            principal: None,
            certificate: peer.certificate.map(|shown| shown.name().into()),
            group: None,
            revocable: peer
                .certificate
                .map_or_else(Revocable::new, |shown| shown.revocable(&self.key)),
            provenance: Provenance::Unknown,
            doubt: None,
            credential: None,
            unheard: SmallVec::new(),
            is_known: false,
            issuer: None,
            kid: None,
            place: self.places.of(address),
            approval: None,
            is_watched: false,
            lowered_percent: None,
            session_cookie: None,
        }
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

    /// What the values of one source say. Every one of them may be revoked, and may be known to other gateways only: that is
    /// noted in `actor`. Whoever sends so many different ones that not all are looked at is taken for a forger.
    fn evidence(&self, source: &Source, head: &request::Parts, actor: &mut Actor, now: Now) -> Option<Evidence> {
        let mut values = source.values(head);
        if values.len() > 1 {
            report(&Event::CredentialsDisagree { kind: "duplicate" });
        }
        let is_flood = values.len() > VALUES_MAX && self.sees_logins();
        values.truncate(VALUES_MAX);
        let evidence = if source.is_token {
            self.of_tokens(source, &values, actor, now)
        } else {
            self.of_opaque(source, &values, actor, now)
        };
        evidence.map(|evidence| Evidence {
            is_forged: evidence.is_forged || is_flood,
            ..evidence
        })
    }

    /// Whoever shows a certificate that an authority of the listener signed is known, as with a listed key.
    fn of_certificate(
        &self,
        (source, part): (&Source, CertificatePart),
        peer: &Peer<'_>,
        actor: &mut Actor,
    ) -> Option<Evidence> {
        let name = peer.certificate?.part(part)?;
        let principal = principal(CERTIFICATE, name);
        actor
            .revocable
            .push(Named::new(&self.key, Dimension::Principal, &principal));
        let hash = credential_hash(&self.key, &joined(&[CERTIFICATE.as_bytes(), name.as_bytes()]));
        Some(Evidence {
            session: Some(joined(&[source.label.as_bytes(), name.as_bytes()])),
            principal: Some(principal.into()),
            group: None,
            issuer: None,
            kid: None,
            mark: Mark::listed(fingerprint(&hash)),
            is_known: true,
            is_forged: false,
        })
    }

    /// The first good token says who it is. A value that was never issued says so of the request, good token or not, for the
    /// origin may read that one and be less strict than we are; but not one that has expired, which is only good to be renewed.
    fn of_tokens(&self, source: &Source, values: &Values<'_>, actor: &mut Actor, now: Now) -> Option<Evidence> {
        let mut evidence: Option<Evidence> = None;
        let mut is_forged = false;
        for value in values.iter().filter_map(|value| source.credential(value)) {
            let verified = self.token(value, now);
            if let Some(verified) = &verified {
                actor.revocable.extend_from_slice(&verified.revocable);
            }
            let mark = self.look(&self.token_shown(value, verified.as_deref(), now), actor, now);
            let has_expired = verified.as_ref().is_some_and(|verified| verified.has_expired_at(now));
            is_forged |= mark.provenance == Provenance::Unissued && !has_expired;
            let good = verified.filter(|verified| verified.is_valid_at(now));
            if evidence.is_none() || (good.is_some() && evidence.as_ref().is_some_and(|first| !first.is_known)) {
                evidence = Some(Evidence::of_token(mark, good.as_deref()));
            }
        }
        evidence.map(|evidence| Evidence { is_forged, ..evidence })
    }

    /// Where an opaque value stands there twice and differs, the origin may choose the other: a client could name a new
    /// session with each request and be served under the same one. So only one that is known counts then, and none else; and
    /// one that was never issued says so of the request, for the origin may choose that one.
    fn of_opaque(&self, source: &Source, values: &Values<'_>, actor: &mut Actor, now: Now) -> Option<Evidence> {
        let (mut known, mut unknown): (Option<Evidence>, Option<Evidence>) = (None, None);
        let mut is_forged = false;
        for value in values {
            let session = session_of(&source.label, value);
            actor
                .revocable
                .push(Named::new(&self.key, Dimension::Session, &session));
            let hash = credential_hash(&self.key, value);
            let listed = self.groups.listed.get(&hash);
            let principal = listed.map(|listed| Named::new(&self.key, Dimension::Principal, &listed.principal));
            actor.revocable.extend(principal);
            let mark = match listed {
                Some(_) => Mark::listed(fingerprint(&hash)),
                None => self.look(&Shown::of_hash(&hash), actor, now),
            };
            let is_known = mark.provenance == Provenance::Issued;
            is_forged |= mark.provenance == Provenance::Unissued && values.len() > 1;
            let evidence = Evidence {
                issuer: None,
                kid: None,
                session: (is_known || values.len() == 1).then_some(session),
                principal: listed.map(|listed| Arc::clone(&listed.principal)),
                group: listed.map(|listed| Arc::clone(&listed.group)),
                mark,
                is_known,
                is_forged: false,
            };
            if is_known {
                known.get_or_insert(evidence);
            } else if unknown.is_none() || mark.provenance == Provenance::Unissued {
                unknown = Some(evidence);
            }
        }
        known.or(unknown).map(|evidence| Evidence { is_forged, ..evidence })
    }

    /// What is known of a credential; `actor` notes it where the shared store may know more.
    fn look(&self, shown: &Shown, actor: &mut Actor, now: Now) -> Mark {
        let mark = self.mark(shown, now);
        if mark.is_unheard {
            let room = UNHEARD_MAX.saturating_sub(actor.unheard.len());
            actor.unheard.extend(shown.ids.iter().copied().take(room));
        }
        mark
    }

    /// The verified content of a token, from memory if it was verified before. It may have expired.
    pub(super) fn token(&self, token: &[u8], now: Now) -> Option<Arc<Verified>> {
        let whole = fingerprint(&self.key.hash("tidegate token 1", &[token]));
        if let Some(verified) = self.tokens.get(&whole, now) {
            return Some(verified);
        }
        let verified = Arc::new(verify(token, &self.issuers, &self.groups)?);
        if verified.is_valid_at(now) {
            self.tokens.insert(whole, Arc::clone(&verified));
        }
        Some(verified)
    }

    /// The credentials that were seen being issued.
    pub fn births(&self) -> &Arc<Births> {
        &self.births
    }

    /// From now on births are remembered, if it is known where credentials are issued.
    pub fn remember_births(&self, now: Now) {
        if self.sees_logins() {
            self.births.begin(now);
        } else {
            self.births.cease();
        }
    }

    /// Takes over the births that an earlier configuration remembers, so that a reload forgets none. Its bound stays
    /// in force until the next start.
    pub fn inherit_births(&mut self, earlier: &Self, now: Now) {
        self.births = Arc::clone(&earlier.births);
        self.signals_seen = Arc::clone(&earlier.signals_seen);
        self.remember_births(now);
    }

    /// What a login service and a shared store bear.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Whether what is usual for the principals of a group is learnt.
    pub fn learns(&self, group: &str) -> bool {
        let mut groups = self.group_list.iter();
        groups.any(|known| known.has_baseline && *known.name == *group)
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
