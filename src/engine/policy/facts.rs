//! What the policy needs to know of one exchange.

use super::Towards;
use super::condition::Standing;
use super::direction::Direction;
use crate::engine::ledger::{BudgetId, Dimension};

/// What the policy needs to know of an exchange. Values are secret or personal and are only hashed.
#[derive(Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The session, if the request shows one.
    pub session: Option<&'a [u8]>,
    /// Whether the session's credential is verified, listed or issued; a client can make up any other.
    pub is_known: bool,
    /// The principal, if a verified or listed credential names one.
    pub principal: Option<&'a [u8]>,
    /// The principal's group.
    pub group: Option<&'a str>,
    /// The client's address, an IPv6 one as its /64.
    pub address: &'a [u8],
    /// The client's network.
    pub network: &'a [u8],
    /// The number of the route in the configuration.
    pub route: usize,
    /// Whether the credential was seen being issued.
    pub standing: Standing,
    /// Budgets whose condition only the ledger could answer, and did with yes ([`Policy::answer`](super::Policy::answer)).
    pub answered: &'a [BudgetId],
    /// By what the principal was approved to be shown more people, and how many.
    pub approval: Option<(&'a [u8], u32)>,
    /// Whether the principal is on the watch-list.
    pub is_watched: bool,
    /// How much is left of each budget that is its own, in percent, if that is not all.
    pub lowered_percent: Option<u32>,
    /// The id of the key that signed the credential, behind its issuer.
    pub kid: Option<&'a [u8]>,
    /// Who signed it.
    pub issuer: Option<&'a [u8]>,
    /// Whom the certificate names that the client showed.
    pub certificate: Option<&'a [u8]>,
    /// The fingerprint of the client's TLS hello, if one is known.
    pub ja4: Option<&'a [u8]>,
    /// The fingerprint of the order of its header fields, as they arrive.
    pub headers: Option<&'a [u8]>,
    /// The fingerprint of how it opened HTTP/2, if it did.
    pub http2: Option<&'a [u8]>,
    /// The name of the client's network in the operator's list.
    pub place: Option<&'a [u8]>,
    /// The host that the request names.
    pub destination: Option<&'a [u8]>,
    /// What is known of where it goes, beside that.
    pub towards: Option<&'a Towards>,
    /// The direction whose plan is asked for.
    pub direction: Direction,
    /// Whether a client goes out through the gateway: then budgets that name no direction count both.
    pub is_forward: bool,
}

impl<'a> Facts<'a> {
    /// What it shows of where it goes.
    pub(super) fn towards(&self, dimension: Dimension) -> Option<&'a [u8]> {
        if dimension == Dimension::Destination {
            return self.destination;
        }
        let known = self.towards?;
        if dimension == Dimension::Domain {
            return Some(known.domain.as_bytes());
        }
        if dimension == Dimension::Category {
            return Some(known.category.as_bytes());
        }
        known.workspace.as_deref().map(str::as_bytes)
    }
}

impl Facts<'_> {
    /// The group that binds and favours: who holds a stolen key writes any into a token.
    pub(super) fn trusted_group(&self) -> Option<&str> {
        self.group.filter(|_| self.standing != Standing::Unissued)
    }

    /// So much of a limit per `dimension` is left to whoever asks. What many share is not lowered: they would find it filled.
    pub(super) fn left_of(&self, limit: u64, dimension: Dimension) -> u64 {
        let percent = self.lowered_percent.filter(|_| !dimension.is_shared());
        percent.map_or(limit, |percent| limit.saturating_mul(u64::from(percent)) / 100)
    }
}
