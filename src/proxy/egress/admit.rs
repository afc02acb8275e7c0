//! Who may go out, and where to.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::PROXY_AUTHORIZATION;

use super::Forward;
use super::decide::is_odd_address;
use super::target::Target;
use crate::engine::time::Now;
use crate::identity::is_trusted;
use crate::proxy::respond::Refusal;

impl Forward {
    /// The principal of a client that may use the listener; none where nobody is asked for a name.
    ///
    /// # Errors
    /// What it is told: it may not, or it is to say who it is.
    pub(super) async fn admits(
        &self,
        headers: &HeaderMap,
        client: IpAddr,
        now: Now,
    ) -> Result<Option<Arc<[u8]>>, Refusal> {
        let is_listed = is_trusted(client, &self.clients);
        let is_anyones = self.clients.is_empty() && self.users.is_some();
        if !(is_listed || is_anyones || client.to_canonical().is_loopback()) {
            return Err(Refusal::NotAdmitted);
        }
        let Some(users) = &self.users else {
            return Ok(None);
        };
        let mut fields = headers.get_all(PROXY_AUTHORIZATION).iter();
        let user = match (fields.next(), fields.next()) {
            (Some(field), None) => users.principal(field.as_bytes(), now).await,
            (None, _) | (Some(_), Some(_)) => None,
        };
        user.map(Some).ok_or(Refusal::ProxyAuthentication)
    }

    /// Whether `target` may be asked for.
    pub(super) fn leads_to(&self, target: &Target) -> bool {
        let is_refused = is_odd_address(&target.host) || self.hosts.refuse.contains(&target.host);
        self.ports.contains(&target.port) && !is_refused
    }
}
