//! From a request head to an [`Actor`].

use std::sync::Arc;

use hashbrown::HashSet;
use http::{Method, request};
use smallvec::SmallVec;

use super::actor::Other;
use super::address::{address_key, client_address};
use super::approval::Approver;
use super::certificate::CERTIFICATE;
use super::group::{Group, Groups};
use super::introspection::Introspection;
use super::key_memory::KeyMemory;
use super::leavers::Leavers;
use super::memory::{VerifiedTokens, credential_hash, fingerprint, stable_part};
use super::peer::Peer;
use super::places::Places;
use super::provenance::{Mark, Shown};
use super::revocation::{Named, Revocable, RevocationList, principal};
use super::signal::{Poll, SeenSignals, Transmitter};
use super::source::{CertificatePart, Kind, Place, Source, VALUES_MAX, Values};
use super::token::{Issuer, Verified, joined, unverified_names, verify};
use super::user::{BASIC, BasicUser, TRUSTED, proxy_user, user_principal};
use super::{Actor, Provenance};
use crate::engine::births::Births;
use crate::engine::ledger::Dimension;
use crate::engine::policy::subject_of;
use crate::engine::secret::HashKey;
use crate::engine::time::Now;
use crate::events::{Event, IdentityFact, report};

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
    pub(super) introspection: Option<Introspection>,
}

/// One `METHOD /path`.
pub(super) struct RouteMatch {
    pub(super) method: Method,
    pub(super) path: String,
}

/// What one credential says.
pub(super) struct Evidence {
    pub(super) session: Option<Arc<[u8]>>,
    pub(super) principal: Option<Arc<[u8]>>,
    pub(super) group: Option<Arc<str>>,
    pub(super) issuer: Option<Arc<str>>,
    pub(super) kid: Option<Arc<[u8]>>,
    pub(super) mark: Mark,
    /// Whether it is verified, listed or issued.
    pub(super) is_known: bool,
    /// Whether a value that the origin may go by was never issued: a token, or one of several.
    pub(super) is_forged: bool,
}

impl Evidence {
    /// Of a token; one that is not good names nobody.
    pub(super) fn of_token(mark: Mark, good: Option<&Verified>) -> Self {
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

    /// Of the values of one source the first that is known counts, else the first. Another that is known as well is one that
    /// the origin may go by: it is noted in `actor`.
    pub(super) fn prefer(first: &mut Option<Self>, one: Self, actor: &mut Actor) {
        match first {
            Some(first) if first.is_known && one.is_known => actor.others.push(one.into()),
            Some(first) if one.is_known => *first = one,
            Some(_) => {}
            None => *first = Some(one),
        }
    }
}

impl From<Evidence> for Other {
    fn from(evidence: Evidence) -> Self {
        Self {
            session: evidence.session,
            principal: evidence.principal,
            issuer: evidence.issuer,
            kid: evidence.kid,
            is_watched: false,
        }
    }
}

/// An opaque value: what names its session, and what is known or not.
struct Opaque {
    session: Arc<[u8]>,
    hash: [u8; 32],
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
    /// or listed credential. Credentials that disagree are reported, and whom they name beside the actor is noted: a client
    /// does not choose whom it counts as. Never fails: an actor has an address.
    pub fn identify(&self, head: &request::Parts, peer: &Peer<'_>, now: Now) -> Actor {
        let mut actor = self.stranger(head, peer);
        let of_connection = actor.revocable.len();
        let mut is_forged = false;
        for source in &self.sources {
            let Some(evidence) = self.evidence(source, (head, peer), &mut actor, now) else {
                continue;
            };
            is_forged |= evidence.is_forged;
            self.take(source, evidence, &mut actor);
        }
        self.settle_others(&mut actor);
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
        if actor.revocable.len() == of_connection {
            let address = address_key(actor.address);
            actor
                .revocable
                .push(Named::new(&self.key, Dimension::Session, &address));
        }
        actor
    }

    /// Who goes out through the gateway: a client at this address, and `user` where it said who it is. What it shows to its
    /// origin is no business of ours.
    pub fn of_client(&self, head: &request::Parts, peer: &Peer<'_>, user: Option<&Arc<[u8]>>, now: Now) -> Actor {
        let mut actor = self.stranger(head, peer);
        if let Some(user) = user {
            actor.session = Some(Arc::clone(user));
            actor.principal = Some(Arc::clone(user));
            actor.is_known = true;
            actor.is_watched = self.is_watched(user, None);
            actor.revocable.push(Named::new(&self.key, Dimension::Principal, user));
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
            certificate: peer.client_certificate(address).map(|shown| shown.name().into()),
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
            others: SmallVec::new(),
            unanswered: SmallVec::new(),
            is_keyless: false,
        }
    }

    /// Takes in what one source says. Beside a credential that is known another one may be what the origin goes by: a stolen
    /// cookie must not count under an account of the thief's. So its session, and whom it names, count as well.
    fn take(&self, source: &Source, evidence: Evidence, actor: &mut Actor) {
        let (own, named) = (actor.principal.as_deref(), evidence.principal.as_deref());
        let is_same = own.zip(named).is_some_and(|(own, named)| is_same(own, named));
        let is_beside = actor.is_known && evidence.is_known && !is_same;
        // A fresh value for each request must make no new session beside a credential that cannot be made up.
        if !actor.is_known && (actor.session.is_none() || evidence.is_known) {
            actor.session.clone_from(&evidence.session);
            (actor.provenance, actor.doubt) = (evidence.mark.provenance, evidence.mark.doubt);
            actor.credential = Some(evidence.mark.id);
            actor.is_known = evidence.is_known;
            actor.session_cookie = match &source.place {
                Place::Cookie(name) => Some(Arc::clone(name)),
                Place::Header(_) | Place::Query(_) | Place::Certificate(_) => None,
            };
        }
        if actor.issuer.is_none() {
            (actor.issuer, actor.kid) = (evidence.issuer.clone(), evidence.kid.clone());
        }
        if let (None, Some(principal)) = (&actor.principal, &evidence.principal) {
            actor.is_watched = self.is_watched(principal, evidence.group.as_deref());
            actor.principal = Some(Arc::clone(principal));
            actor.group.clone_from(&evidence.group);
        }
        if is_beside {
            actor.others.push(evidence.into());
        }
    }

    /// Of the others that were noted those stay who are not the actor itself; reports if one is another account.
    fn settle_others(&self, actor: &mut Actor) {
        let (session, principal) = (&actor.session, &actor.principal);
        actor
            .others
            .retain(|other| other.session != *session || other.principal != *principal);
        for other in &mut actor.others {
            let watched = other.principal.as_deref();
            other.is_watched = watched.is_some_and(|principal| self.is_watched(principal, None));
        }
        if actor.accounts_at_odds().next().is_some() {
            report(&Event::CredentialsDisagree { kind: "principals" });
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
    fn evidence(
        &self,
        source: &Source,
        (head, peer): (&request::Parts, &Peer<'_>),
        actor: &mut Actor,
        now: Now,
    ) -> Option<Evidence> {
        if let Place::Certificate(part) = &source.place {
            return self.of_certificate((source, *part), peer, actor);
        }
        let mut values = source.values(head);
        if values.len() > 1 {
            report(&Event::CredentialsDisagree { kind: "duplicate" });
        }
        let is_flood = values.len() > VALUES_MAX && self.sees_logins();
        values.truncate(VALUES_MAX);
        let evidence = match source.kind {
            Kind::Token => self.of_tokens(source, &values, actor, now),
            Kind::Introspected => self.of_introspected(source, &values, actor, now),
            Kind::Opaque => {
                let opaque = values.iter().map(|value| self.opaque_value(source, value));
                self.of_opaque(opaque.collect(), actor, now)
            }
            Kind::Basic => self.of_basic(source, &values, actor, now),
            Kind::Trusted => self.of_trusted(source, &values, peer.is_trusted(), actor),
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
        let name = peer.client_certificate(actor.address)?.part(part)?;
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
            let shown = self.token_shown(value, verified.as_deref(), now);
            if shown.lacks_key {
                actor.is_keyless = true;
                actor.revocable.extend(unverified_names(value, &self.issuers, now));
            }
            let mark = self.look(&shown, actor, now);
            let has_expired = verified.as_ref().is_some_and(|verified| verified.has_expired_at(now));
            is_forged |= mark.provenance == Provenance::Unissued && !has_expired;
            let good = verified.filter(|verified| verified.is_valid_at(now));
            Evidence::prefer(&mut evidence, Evidence::of_token(mark, good.as_deref()), actor);
        }
        evidence.map(|evidence| Evidence { is_forged, ..evidence })
    }

    fn opaque_value(&self, source: &Source, value: &[u8]) -> Opaque {
        Opaque {
            session: session_of(&source.label, value),
            hash: credential_hash(&self.key, value),
        }
    }

    /// Where an opaque value stands there twice and differs, the origin may choose the other: a client could name a new
    /// session with each request and be served under the same one. So only one that is known counts then, and none else; and
    /// one that was never issued says so of the request, for the origin may choose that one.
    fn of_opaque(&self, values: SmallVec<[Opaque; VALUES_MAX]>, actor: &mut Actor, now: Now) -> Option<Evidence> {
        let (mut known, mut unknown): (Option<Evidence>, Option<Evidence>) = (None, None);
        let mut is_forged = false;
        let is_one = values.len() == 1;
        for Opaque { session, hash } in values {
            actor
                .revocable
                .push(Named::new(&self.key, Dimension::Session, &session));
            let listed = self.groups.listed.get(&hash);
            let principal = listed.map(|listed| Named::new(&self.key, Dimension::Principal, &listed.principal));
            actor.revocable.extend(principal);
            let mark = match listed {
                Some(_) => Mark::listed(fingerprint(&hash)),
                None => self.look(&Shown::of_hash(&hash), actor, now),
            };
            let is_known = mark.provenance == Provenance::Issued;
            is_forged |= mark.provenance == Provenance::Unissued && !is_one;
            let evidence = Evidence {
                issuer: None,
                kid: None,
                session: (is_known || is_one).then_some(session),
                principal: listed.map(|listed| Arc::clone(&listed.principal)),
                group: listed.map(|listed| Arc::clone(&listed.group)),
                mark,
                is_known,
                is_forged: false,
            };
            if is_known {
                Evidence::prefer(&mut known, evidence, actor);
            } else if unknown.is_none() || mark.provenance == Provenance::Unissued {
                unknown = Some(evidence);
            }
        }
        known.or(unknown).map(|evidence| Evidence { is_forged, ..evidence })
    }

    /// Only the origin can check a password, so that a user is as opaque as any other value, and known where the configuration
    /// lists `user:password`. Its session is the user, whatever the password: a wrong one makes no new session.
    fn of_basic(&self, source: &Source, values: &Values<'_>, actor: &mut Actor, now: Now) -> Option<Evidence> {
        let mut users = SmallVec::new();
        for user in values.iter().filter_map(|value| BasicUser::read(value)) {
            match user {
                Ok(user) => {
                    let name = user_principal(BASIC, &user.name);
                    actor.revocable.push(Named::new(&self.key, Dimension::Principal, &name));
                    users.push(Opaque {
                        session: session_of(&source.label, &user.name),
                        hash: credential_hash(&self.key, &user.whole),
                    });
                }
                Err(reason) => report(&Event::Identity(IdentityFact::Ignored { reason })),
            }
        }
        self.of_opaque(users, actor, now)
    }

    /// A proxy that is trusted has let its user in; of anybody else's word nothing is believed, nor of two.
    fn of_trusted(
        &self,
        source: &Source,
        values: &Values<'_>,
        is_trusted: bool,
        actor: &mut Actor,
    ) -> Option<Evidence> {
        let named: SmallVec<[&[u8]; VALUES_MAX]> = values.iter().map(AsRef::as_ref).collect();
        if named.is_empty() {
            return None;
        }
        let user = proxy_user(&named, is_trusted)
            .inspect_err(|reason| report(&Event::Identity(IdentityFact::Ignored { reason })))
            .ok()?;
        let principal: Arc<[u8]> = user_principal(TRUSTED, user).into();
        let session = session_of(&source.label, user);
        for (dimension, value) in [(Dimension::Principal, &principal), (Dimension::Session, &session)] {
            actor.revocable.push(Named::new(&self.key, dimension, value));
        }
        Some(Evidence {
            session: Some(session),
            principal: Some(principal),
            group: None,
            issuer: None,
            kid: None,
            mark: Mark::listed(fingerprint(&credential_hash(&self.key, user))),
            is_known: true,
            is_forged: false,
        })
    }

    /// What is known of a credential; `actor` notes it where the shared store may know more.
    pub(super) fn look(&self, shown: &Shown, actor: &mut Actor, now: Now) -> Mark {
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
        self.inherit_answers(earlier);
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

/// Whether two principals are one account. A proxy names its user without an issuer: whoever has that name at one is the same.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let is_of_proxy = |principal: &[u8]| principal.starts_with(b"trusted\0");
    one == other || ((is_of_proxy(one) || is_of_proxy(other)) && subject_of(one) == subject_of(other))
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
