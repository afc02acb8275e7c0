//! Who may go out, and where to.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::PROXY_AUTHORIZATION;

use super::Forward;
use super::decide::{Decision, Wish, decide, is_odd_address};
use crate::engine::time::Now;
use crate::events::{Event, report};
use crate::identity::{AddressKey, Checked, Peer, Users, is_trusted, network_key};
use crate::proxy::pace::Paces;
use crate::proxy::respond::Refusal;

/// Passwords that are checked for one network, a second: who guesses gets no further, and leaves others their turn.
const PASSWORDS_PER_S_MAX: u32 = 10;

impl Forward {
    /// The principal of a client that may use the listener: its user, or where nobody is asked for one whom its certificate names.
    ///
    /// # Errors
    /// What it is told: it may not, or it is to say who it is.
    pub(super) async fn admits(
        &self,
        headers: &HeaderMap,
        peer: &Peer<'_>,
        (passwords, now): (&Paces<AddressKey>, Now),
    ) -> Result<Option<Arc<[u8]>>, Refusal> {
        if !self.is_open_to(peer.address) {
            return Err(Refusal::NotAdmitted);
        }
        let Some(users) = &self.users else {
            return Ok(peer.certified(headers));
        };
        let mut fields = headers.get_all(PROXY_AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return Err(Refusal::ProxyAuthentication);
        };
        let may_check = || passwords.take(network_key(peer.address), PASSWORDS_PER_S_MAX, now);
        match users.check(field.as_bytes(), now, may_check).await {
            Checked::Right(user) => Ok(Some(user)),
            Checked::Wrong => Err(Refusal::ProxyAuthentication),
            Checked::Late(limit) => {
                report(&Event::LimitHit { limit });
                Err(Refusal::Throttled { retry_after_s: 1 })
            }
        }
    }

    /// Whether a client at this address may use the listener, if it says who it is where it must.
    pub(super) fn is_open_to(&self, client: IpAddr) -> bool {
        let is_listed = is_trusted(client, &self.clients);
        let is_anyones = self.clients.is_empty() && (self.users.is_some() || self.certifies);
        is_listed || is_anyones || client.to_canonical().is_loopback()
    }

    /// Whether a client that was let in as this user would still be.
    pub(super) fn still_admits(&self, client: IpAddr, user: Option<&Arc<[u8]>>) -> bool {
        let is_somebody = |users: &Users| user.is_some_and(|user| users.has(user));
        self.is_open_to(client) && self.users.as_ref().is_none_or(is_somebody)
    }

    /// What becomes of a way to the host of `wish`, at this port.
    pub(super) fn decides(&self, wish: Wish<'_>, port: u16, now: Now) -> Decision {
        if is_odd_address(wish.host) || !self.ports.contains(&port) {
            return Decision::Refuse;
        }
        decide(&self.hosts, wish, now)
    }
}
