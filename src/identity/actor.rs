//! The actor: whoever moves data across the gateway, as one exchange shows it.

use std::net::IpAddr;
use std::sync::Arc;

use super::revocation::Revocable;
use crate::engine::policy::{Facts, Standing};

/// Whether a credential was seen being issued through this gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Provenance {
    /// A `logs_in_at` route handed it out.
    Issued,
    /// Nobody can say: no `logs_in_at`, warm-up, or not seen.
    #[default]
    Unknown,
}

/// One actor. The values are those that keys are hashed from; they are secret or personal, so there is no `Debug`.
#[derive(Clone)]
pub struct Actor {
    /// The client's address: of the connection, or the one a trusted proxy names.
    pub address: IpAddr,
    /// The session: source name and value of a cookie or header, or issuer, subject and `sid`/`jti` of a verified JWT.
    pub session: Option<Arc<[u8]>>,
    /// Who the credential says it is: `ISSUER:SUBJECT` of a verified JWT, with the issuer's name in the configuration,
    /// or `api-key:NAME` of a listed API key.
    pub principal: Option<Arc<[u8]>>,
    /// The group whose declaration binds this actor; only verified or listed credentials have one.
    pub group: Option<Arc<str>>,
    /// The names under which any credential that is sent may be revoked; of who sends none, the session that its address is.
    pub revocable: Revocable,
    /// Whether the credential was seen being issued.
    pub provenance: Provenance,
    /// Whether the session's credential is verified, listed or issued; any other may be made up with each request.
    pub is_known: bool,
    /// Who signed its token: the issuer's name in the configuration.
    pub issuer: Option<Arc<str>>,
    /// The issuer and the id of the key that signed it.
    pub kid: Option<Arc<[u8]>>,
    /// The name of the client's network in the operator's list.
    pub place: Option<Arc<str>>,
    /// Whether the principal is on the watch-list.
    pub is_watched: bool,
    /// How much of each of its own budgets is left, in percent, if it is leaving.
    pub lowered_percent: Option<u32>,
    /// The name of the cookie that carried the session, for `reauth` to expire it.
    pub session_cookie: Option<Arc<str>>,
}

impl Actor {
    /// What a policy needs to know of it, with the keys of its address and network.
    pub fn facts<'a>(&'a self, address: &'a [u8], network: &'a [u8], route: usize) -> Facts<'a> {
        let bytes = |text: &'a Arc<str>| text.as_bytes();
        Facts {
            session: self.session.as_deref(),
            is_known: self.is_known,
            principal: self.principal.as_deref(),
            group: self.group.as_deref(),
            address,
            network,
            route,
            standing: match self.provenance {
                Provenance::Issued => Standing::Issued,
                Provenance::Unknown => Standing::Unknown,
            },
            is_watched: self.is_watched,
            lowered_percent: self.lowered_percent,
            kid: self.kid.as_deref(),
            issuer: self.issuer.as_ref().map(bytes),
            place: self.place.as_ref().map(bytes),
            ..Facts::default()
        }
    }
}
