//! What each kind of source says of who asks: its values to evidence.

use std::sync::Arc;

use http::request;
use smallvec::SmallVec;

use super::actor::Other;
use super::address::address_key;
use super::certificate::CERTIFICATE;
use super::identify::{Identity, session_of};
use super::memory::{credential_hash, fingerprint};
use super::peer::Peer;
use super::provenance::{Mark, Shown};
use super::revocation::{Named, principal};
use super::source::{CertificatePart, Kind, Place, Source, VALUES_MAX, Values};
use super::token::{Verified, joined};
use super::user::{BASIC, BasicUser, TRUSTED, proxy_user, user_principal};
use super::{Actor, Provenance};
use crate::engine::ledger::Dimension;
use crate::engine::time::Now;
use crate::events::{Event, IdentityFact, report};

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

impl Identity {
    /// What the values of one source say. Every one of them may be revoked, and may be known to other gateways only: that is
    /// noted in `actor`. Whoever sends so many different ones that not all are looked at is taken for a forger.
    pub(super) fn evidence(
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
        actor.is_flooded |= values.len() > VALUES_MAX;
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
            group: self.groups.of_certificate(name),
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
            if let Some(names) = &shown.keyless {
                actor.is_keyless = true;
                actor.revocable.extend_from_slice(names);
            }
            let mark = match &verified {
                Some(verified) if self.is_of_peer(verified, actor) => Mark::listed(verified.credential),
                Some(_) | None => self.look(&shown, actor, now),
            };
            let has_expired = verified.as_ref().is_some_and(|verified| verified.has_expired_at(now));
            is_forged |= mark.provenance == Provenance::Unissued && !has_expired;
            let good = verified.filter(|verified| verified.is_valid_at(now));
            Evidence::prefer(&mut evidence, Evidence::of_token(mark, good.as_deref()), actor);
        }
        evidence.map(|evidence| Evidence { is_forged, ..evidence })
    }

    /// Whether a token is shown by a service that logs in elsewhere.
    fn is_of_peer(&self, verified: &Verified, actor: &Actor) -> bool {
        // The name of a key begins with its issuer's: none vouches for another's.
        let mut peers = self.issuers.iter().filter_map(|issuer| issuer.peer.as_ref());
        peers.any(|peer| peer.vouches(verified, actor.address))
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
                    let hash = credential_hash(&self.key, &user.whole);
                    users.push(Opaque {
                        session: self.session_of_user(source, &user.name, &hash, actor),
                        hash,
                    });
                }
                Err(reason) => report(&Event::Identity(IdentityFact::Ignored { reason })),
            }
        }
        self.of_opaque(users, actor, now)
    }

    /// A user is one session, whatever the password; but under a wrong one only where it comes from, or anybody could fill up the
    /// budgets of a name.
    fn session_of_user(&self, source: &Source, name: &[u8], hash: &[u8; 32], actor: &mut Actor) -> Arc<[u8]> {
        let own = session_of(&source.label, name);
        if self.groups.listed.contains_key(hash) {
            return own;
        }
        actor.revocable.push(Named::new(&self.key, Dimension::Session, &own));
        session_of(&source.label, &joined(&[name, &address_key(actor.address)]))
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
}
