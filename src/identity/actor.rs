//! The actor: whoever moves data across the gateway, as one exchange shows it.

use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::approval::Approval;
use super::introspection::Unanswered;
use super::revocation::{Named, Revocable};
use crate::engine::births::{CredentialId, Doubt};
use crate::engine::ledger::Dimension;
use crate::engine::policy::{Facts, Standing};
use crate::engine::secret::HashKey;

/// Whether a credential was ever issued through the gateways. The worse is the larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provenance {
    /// A `logs_in_at` route handed it out, or it was issued to one that was; or the configuration lists it.
    Issued,
    /// Nobody can say. Nothing ever acts on that.
    #[default]
    Unknown,
    /// It was never seen being issued, though it would have been; or it was issued to an unissued one.
    Unissued,
}

impl Provenance {
    /// The value of the label `provenance`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Unissued => "unissued",
            Self::Unknown => "unknown",
        }
    }
}

/// One actor. The values are those that keys are hashed from; they are secret or personal, so there is no `Debug`.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one request")]
pub struct Actor {
    /// The client's address: of the connection, or the one a trusted proxy names.
    pub address: IpAddr,
    /// The fingerprint of its TLS hello, where one is known: many clients share it.
    pub ja4: Option<Arc<str>>,
    /// The fingerprint of the order of its header fields: many clients share it.
    pub header_order: Arc<str>,
    /// The fingerprint of how it opened HTTP/2, where it did: many clients share it.
    pub http2: Option<Arc<str>>,
    /// The session: source name and value of a cookie or header, or issuer, subject and `sid`/`jti` of a verified JWT.
    pub session: Option<Arc<[u8]>>,
    /// Who the credential says it is: `ISSUER:SUBJECT` of a verified JWT, with the issuer's name in the configuration,
    /// `api-key:NAME` of a listed API key, or `certificate:NAME` of a client certificate.
    pub principal: Option<Arc<[u8]>>,
    /// Whom the certificate names that the client showed, if it did.
    pub certificate: Option<Arc<str>>,
    /// The group whose declaration binds this actor; only verified or listed credentials have one.
    pub group: Option<Arc<str>>,
    /// The names under which any credential that is sent, and the certificate of the connection, may be revoked; of who sends
    /// no credential, the session that its address is.
    pub revocable: Revocable,
    /// Whether its credential was ever issued.
    pub provenance: Provenance,
    /// Why nobody can say, where a credential is shown and nobody can.
    pub doubt: Option<Doubt>,
    /// The credential that was sent, where one was: what is issued in answer inherits its mark.
    pub credential: Option<CredentialId>,
    /// Credentials of which only the store that gateways share may know.
    pub unheard: SmallVec<[CredentialId; 2]>,
    /// Whether the session's credential is verified, listed or issued; any other may be made up with each request.
    pub is_known: bool,
    /// Who signed its token: the issuer's name in the configuration.
    pub issuer: Option<Arc<str>>,
    /// The issuer and the id of the key that signed it.
    pub kid: Option<Arc<[u8]>>,
    /// The name of the client's network in the operator's list.
    pub place: Option<Arc<str>>,
    /// What the principal was approved for, if it shows an approval that is good.
    pub approval: Option<Approval>,
    /// Whether the principal is on the watch-list.
    pub is_watched: bool,
    /// How much of each of its own budgets is left, in percent, if it is leaving.
    pub lowered_percent: Option<u32>,
    /// The name of the cookie that carried the session, for `reauth` to expire it.
    pub session_cookie: Option<Arc<str>>,
    /// As whom else the request shows itself: it counts under their keys too.
    pub others: SmallVec<[Other; 1]>,
    /// Tokens of which their issuer is to be asked.
    pub unanswered: SmallVec<[Unanswered; 1]>,
    /// It shows a token that cannot be verified, as the key of its issuer could not be had.
    pub is_keyless: bool,
    /// It shows more credentials than are looked at: what it is taken for says nothing.
    pub is_flooded: bool,
}

/// As so many others a request may show itself; whoever shows more floods it.
pub(super) const OTHERS_MAX: usize = 3;

/// Somebody as whom a request shows itself beside the actor it is taken for; as secret as [`Actor`].
#[derive(Clone)]
pub struct Other {
    /// As those of [`Actor`].
    pub session: Option<Arc<[u8]>>,
    /// The same.
    pub principal: Option<Arc<[u8]>>,
    /// The same.
    pub issuer: Option<Arc<str>>,
    /// The same.
    pub kid: Option<Arc<[u8]>>,
    /// The same.
    pub is_watched: bool,
}

impl Actor {
    /// The account, as a number, if its credential was issued.
    pub fn issued_to(&self, secret: &HashKey) -> Option<u64> {
        let account = self.principal.as_ref().or(self.session.as_ref());
        let account = account.filter(|_| self.provenance == Provenance::Issued)?;
        Some(secret.hash64("tidegate account 1", &[account]))
    }

    /// It may be revoked as well by the keys that it has with a tenant of this secret, which are those that incidents name.
    pub fn name_under(&mut self, secret: &HashKey) {
        let own = (&self.session, &self.principal, &self.kid);
        let others = self
            .others
            .iter()
            .map(|other| (&other.session, &other.principal, &other.kid));
        let mut names = Revocable::new();
        for (session, principal, kid) in std::iter::once(own).chain(others) {
            let shown = [
                (Dimension::Session, session),
                (Dimension::Principal, principal),
                (Dimension::Kid, kid),
            ];
            let shown = shown
                .into_iter()
                .filter_map(|(dimension, value)| Some((dimension, value.as_deref()?)));
            names.extend(shown.map(|(dimension, value)| Named::new(secret, dimension, value)));
        }
        let certificate = self.certificate.as_deref();
        names.extend(certificate.map(|name| Named::new(secret, Dimension::Certificate, name.as_bytes())));
        self.revocable.extend(names);
    }

    /// What a policy needs to know of it, with the keys of its address and network.
    pub fn facts<'a>(&'a self, address: &'a [u8], network: &'a [u8], route: usize) -> Facts<'a> {
        let bytes = |text: &'a Arc<str>| text.as_bytes();
        Facts {
            session: self.session.as_deref(),
            // Who holds a stolen key makes up tokens as others make up cookies.
            is_known: self.is_known && self.provenance != Provenance::Unissued,
            principal: self.principal.as_deref(),
            group: self.group.as_deref(),
            address,
            network,
            route,
            standing: match self.provenance {
                Provenance::Issued => Standing::Issued,
                Provenance::Unissued => Standing::Unissued,
                Provenance::Unknown => Standing::Unknown,
            },
            approval: self.approval.as_ref().map(|approval| (&*approval.id, approval.people)),
            is_watched: self.is_watched,
            lowered_percent: self.lowered_percent,
            kid: self.kid.as_deref(),
            issuer: self.issuer.as_ref().map(bytes),
            certificate: self.certificate.as_ref().map(bytes),
            ja4: self.ja4.as_ref().map(bytes),
            headers: Some(self.header_order.as_bytes()),
            http2: self.http2.as_ref().map(bytes),
            place: self.place.as_ref().map(bytes),
            ..Facts::default()
        }
    }

    /// The accounts that it names, where these are several.
    pub fn accounts_at_odds(&self) -> impl Iterator<Item = &[u8]> {
        let own = self.principal.as_deref();
        let others = self.others.iter().filter_map(|other| other.principal.as_deref());
        let others = others.filter(move |other| own.is_some_and(|own| own != *other));
        let mut others = others.peekable();
        own.filter(|_| others.peek().is_some()).into_iter().chain(others)
    }

    /// What a policy needs to know of the others, beside the `facts` of the actor itself. No group favours them.
    pub fn facts_of_others<'a>(&'a self, facts: Facts<'a>) -> impl Iterator<Item = Facts<'a>> {
        self.others.iter().map(move |other| Facts {
            session: other.session.as_deref().or(facts.session),
            principal: other.principal.as_deref(),
            group: None,
            is_watched: other.is_watched,
            kid: other.kid.as_deref(),
            issuer: other.issuer.as_ref().map(|issuer| issuer.as_bytes()),
            ..facts
        })
    }
}
