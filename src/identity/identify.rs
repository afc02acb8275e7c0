//! From a request head to an [`Actor`].

use std::sync::Arc;

use hashbrown::HashSet;
use http::{Method, StatusCode, request};
use smallvec::SmallVec;

use super::actor::OTHERS_MAX;
use super::address::{address_key, client_address};
use super::approval::Approver;
use super::certificate::CERTIFICATE;
use super::evidence::Evidence;
use super::group::{Group, Groups};
use super::header_order::header_order;
use super::introspection::Introspection;
use super::key_memory::KeyMemory;
use super::leavers::Leavers;
use super::memory::{VerifiedTokens, credential_hash, fingerprint, stable_part};
use super::peer::Peer;
use super::places::Places;
use super::provenance::{Mark, Shown};
use super::revocation::{Named, Revocable, RevocationList};
use super::signal::{Poll, SeenSignals, Transmitter};
use super::source::{Place, Source};
use super::token::{Issuer, Verified, joined, verify};
use super::user::TRUSTED;
use super::{Actor, Provenance};
use crate::engine::births::Births;
use crate::engine::ledger::Dimension;
use crate::engine::policy::{names_of, parts_of};
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
    pub(super) introspection: Option<Introspection>,
}

/// One `METHOD /path`, or `METHOD /path STATUS`.
pub(super) struct RouteMatch {
    pub(super) method: Method,
    pub(super) path: String,
    /// The one status with which something is issued there; any success where none is said.
    pub(super) status: Option<StatusCode>,
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
            header_order: header_order(&head.headers, head.version),
            http2: peer.client_http2(address),
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
            is_flooded: false,
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
        actor.is_flooded |= actor.others.len() > OTHERS_MAX;
        actor.others.truncate(OTHERS_MAX);
        if actor.accounts_at_odds().next().is_some() {
            report(&Event::CredentialsDisagree { kind: "principals" });
        }
    }

    /// Whether the watch-list names this principal, under one of its names.
    fn is_watched(&self, principal: &[u8], group: Option<&str>) -> bool {
        if self.watched.is_empty() {
            return false;
        }
        let names = names_of(principal, group);
        names.iter().any(|name| self.watched.contains(&**name))
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

/// Whether two principals are one account. A proxy names its user without an issuer: whoever has that name at one is the same. A
/// connection has one certificate, which may have two names.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let ((issuer, subject), (other_issuer, other_subject)) = (parts_of(one), parts_of(other));
    let issuers = [issuer, other_issuer];
    one == other
        || issuers == [Some(CERTIFICATE.as_bytes()); 2]
        || (issuers.contains(&Some(TRUSTED.as_bytes())) && subject == other_subject)
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
