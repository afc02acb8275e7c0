//! The actor: whoever moves data across the gateway, as one exchange shows it.

use std::net::IpAddr;
use std::sync::Arc;

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
    /// Whether the credential was seen being issued.
    pub provenance: Provenance,
    /// Whether the session's credential is verified, listed or issued; any other may be made up with each request.
    pub is_known: bool,
    /// The name of the cookie that carried the session, for `reauth` to expire it.
    pub session_cookie: Option<Arc<str>>,
}
