//! Who may go out, and where to.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::PROXY_AUTHORIZATION;

use super::Forward;
use super::decide::is_odd_address;
use super::target::Target;
use crate::engine::time::Now;
use crate::events::{Event, report};
use crate::identity::{AddressKey, Checked, Users, is_trusted, network_key};
use crate::proxy::pace::Paces;
use crate::proxy::respond::Refusal;

/// Passwords that are checked for one network, a second: who guesses gets no further, and leaves others their turn.
const PASSWORDS_PER_S_MAX: u32 = 10;

impl Forward {
    /// The principal of a client that may use the listener; none where nobody is asked for a name.
    ///
    /// # Errors
    /// What it is told: it may not, or it is to say who it is.
    pub(super) async fn admits(
        &self,
        headers: &HeaderMap,
        client: IpAddr,
        (passwords, now): (&Paces<AddressKey>, Now),
    ) -> Result<Option<Arc<[u8]>>, Refusal> {
        if !self.is_open_to(client) {
            return Err(Refusal::NotAdmitted);
        }
        let Some(users) = &self.users else {
            return Ok(None);
        };
        let mut fields = headers.get_all(PROXY_AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return Err(Refusal::ProxyAuthentication);
        };
        let may_check = || passwords.take(network_key(client), PASSWORDS_PER_S_MAX, now);
        match users.check(field.as_bytes(), now, may_check).await {
            Checked::Right(user) => Ok(Some(user)),
            Checked::Wrong => Err(Refusal::ProxyAuthentication),
            Checked::Late => {
                report(&Event::LimitHit {
                    limit: "passwords_per_s_max",
                });
                Err(Refusal::Throttled { retry_after_s: 1 })
            }
        }
    }

    /// Whether a client at this address may use the listener, if it says who it is where it must.
    pub(super) fn is_open_to(&self, client: IpAddr) -> bool {
        let is_listed = is_trusted(client, &self.clients);
        let is_anyones = self.clients.is_empty() && self.users.is_some();
        is_listed || is_anyones || client.to_canonical().is_loopback()
    }

    /// Whether a client that was let in as this user would still be.
    pub(super) fn still_admits(&self, client: IpAddr, user: Option<&Arc<[u8]>>) -> bool {
        let is_somebody = |users: &Users| user.is_some_and(|user| users.has(user));
        self.is_open_to(client) && self.users.as_ref().is_none_or(is_somebody)
    }

    /// Whether `target` may be asked for.
    pub(super) fn leads_to(&self, target: &Target) -> bool {
        let is_refused = is_odd_address(&target.host) || self.hosts.refuse.contains(&target.host);
        self.ports.contains(&target.port) && !is_refused
    }
}
