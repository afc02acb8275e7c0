//! Was that credential ever issued? What is known of the one that was sent, and what is issued in the answer.

use http::{HeaderMap, Method, StatusCode};
use smallvec::SmallVec;

use super::identify::Identity;
use super::memory::{credential_hash, fingerprint};
use super::{Actor, Provenance, RouteMatch};
use crate::engine::births::{CredentialId, Doubt, Look, Tag};
use crate::engine::time::Now;

/// Credentials that one answer issues at most; more are not remembered.
pub const ISSUED_MAX: usize = 32;

/// What is known of one credential.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pub(super) id: CredentialId,
    pub(super) provenance: Provenance,
    pub(super) doubt: Option<Doubt>,
    /// Only the store that gateways share may know more.
    pub(super) is_unheard: bool,
}

impl Mark {
    /// The configuration lists it.
    pub(super) fn listed(id: CredentialId) -> Self {
        Self::new(id, Provenance::Issued, None)
    }

    fn new(id: CredentialId, provenance: Provenance, doubt: Option<Doubt>) -> Self {
        Self {
            id,
            provenance,
            doubt,
            is_unheard: false,
        }
    }

    fn unknown(id: CredentialId, doubt: Doubt) -> Self {
        Self::new(id, Provenance::Unknown, Some(doubt))
    }
}

impl Identity {
    /// Whether it is known where credentials are issued.
    pub fn sees_logins(&self) -> bool {
        !self.logs_in_at.is_empty()
    }

    /// What is known of a credential, which says that it was issued in this second where it says so.
    pub(super) fn mark(&self, id: CredentialId, issued: Option<u32>, now: Now) -> Mark {
        if !self.sees_logins() {
            return Mark::unknown(id, Doubt::NoLogin);
        }
        match self.births.look(id, now) {
            Look::Said(Tag::Issued) => Mark::new(id, Provenance::Issued, None),
            Look::Said(Tag::Unissued) => Mark::new(id, Provenance::Unissued, None),
            Look::Said(Tag::Unknown) => Mark::unknown(id, Doubt::Remembered),
            Look::Unheard => Mark {
                is_unheard: true,
                ..Mark::unknown(id, Doubt::Late)
            },
            Look::Absent => match self.births.doubt(id, issued, self.warm_up_s, now) {
                Some(doubt) => Mark::unknown(id, doubt),
                None => Mark::new(id, Provenance::Unissued, None),
            },
        }
    }

    /// What is said of that which the answer to this request issues: a login gives fresh proof, everything else passes on the
    /// mark of the credential that was sent. A refusal (status 400 and above) proves nothing, and to who sends no credential
    /// nothing is passed on.
    /// Of the actor's credential and one that was `renewed` the worse mark counts.
    pub fn passes_on(
        &self,
        (method, path): (&Method, &str),
        status: StatusCode,
        actor: &Actor,
        renewed: Option<Provenance>,
    ) -> Option<Tag> {
        if !self.sees_logins() || status.as_u16() >= 400 {
            return None;
        }
        if self.is_login(method, path) {
            return Some(Tag::Issued);
        }
        let shown = actor.credential.map(|_| actor.provenance);
        let sent = [shown, renewed];
        let is_sent = |provenance| sent.contains(&Some(provenance));
        // The worst first.
        let tags = [
            (Provenance::Unissued, Tag::Unissued),
            (Provenance::Unknown, Tag::Unknown),
            (Provenance::Issued, Tag::Issued),
        ];
        tags.into_iter()
            .find_map(|(provenance, tag)| is_sent(provenance).then_some(tag))
    }

    /// Whether the body of this request may send the credential that is renewed.
    pub fn renews(&self, method: &Method, path: &str) -> bool {
        self.sees_logins() && is_one(&self.refreshes_at, method, path)
    }

    /// What is known of a credential.
    pub fn provenance_of(&self, id: CredentialId, now: Now) -> Provenance {
        self.mark(id, None, now).provenance
    }

    /// Whether what a body issues is looked for in the answer to this request.
    pub fn issues_in_body(&self, method: &Method, path: &str) -> bool {
        self.sees_logins() && (is_one(&self.logs_in_at, method, path) || is_one(&self.refreshes_at, method, path))
    }

    /// Whether a route gives fresh proof: who was sent there inherits nothing.
    pub fn is_login(&self, method: &Method, path: &str) -> bool {
        is_one(&self.logs_in_at, method, path)
    }

    /// The credentials that a response head issues: `Set-Cookie` of the cookies and values of the headers that are sources.
    pub fn issued_in_head(&self, headers: &HeaderMap, now: Now) -> SmallVec<[CredentialId; 2]> {
        let issued = self.sources.iter().flat_map(|source| {
            let values = source.issued(headers);
            values.map(|value| self.issued_id(&value, source.is_token, now))
        });
        issued.take(ISSUED_MAX).collect()
    }

    /// The credential that an answer issues in its body, or a request sends in it to be renewed.
    pub fn issued_in_body(&self, value: &[u8], now: Now) -> CredentialId {
        self.issued_id(value, self.sources.iter().any(|source| source.is_token), now)
    }

    /// A token is known by its session, which is the same when it is renewed.
    fn issued_id(&self, value: &[u8], may_be_token: bool, now: Now) -> CredentialId {
        let verified = may_be_token.then(|| self.token(value, now)).flatten();
        verified.map_or_else(
            || fingerprint(&credential_hash(&self.key, value)),
            |verified| verified.credential,
        )
    }
}

fn is_one(routes: &[RouteMatch], method: &Method, path: &str) -> bool {
    routes.iter().any(|route| route.method == method && route.path == path)
}
