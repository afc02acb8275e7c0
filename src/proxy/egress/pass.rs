//! A tunnel out that passes unread.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Empty;
use tokio::io::{AsyncRead, AsyncWrite};

use super::decide::{Decision, EXCEPTION};
use super::target::Target;
use crate::engine::policy::Direction;
use crate::proxy::asked::Asked;
use crate::proxy::body::InspectedBody;
use crate::proxy::exchange::{Exchanges, Told};
use crate::proxy::unread::Unread;
use crate::proxy::upstream::Line;

/// A tunnel that was granted, with its origin at the other end.
pub(super) struct Passage {
    exchanges: Exchanges,
    client: (IpAddr, Option<Arc<[u8]>>),
    target: Target,
    reason: &'static str,
    unread: Unread,
    body: Box<InspectedBody<Empty<Bytes>>>,
    upstream: Line,
}

impl Exchanges {
    /// Connects to the origin.
    pub(super) async fn pass(&self, mut asked: Asked, target: Target, reason: &'static str) -> Told<Passage> {
        let (gateway, now) = (&self.gateway, self.gateway.clock.now());
        let unread = Unread::of(gateway, &asked);
        let account = gateway.open_account(&asked.set, &mut asked.plan, now).await;
        gateway.refuse_held(&asked, &account, now)?;
        unread.refuse_over(&asked, now)?;
        let upstream = asked.upstream()?.stream().await;
        let upstream = upstream.map_err(|error| asked.upstream_failed(error.kind))?;
        let mut body = self.beside(&asked, account, Direction::Response);
        body.switch();
        Ok(Passage {
            exchanges: self.clone(),
            client: (asked.connection.peer.ip(), asked.actor.principal.clone()),
            target,
            reason,
            unread,
            body,
            upstream,
        })
    }
}

impl Passage {
    /// Joins the two sides to their end, or until a reload closes the way.
    pub(super) async fn cross(self, downstream: impl AsyncRead + AsyncWrite) {
        let Self {
            exchanges,
            client,
            target,
            reason,
            unread,
            body,
            upstream,
        } = self;
        let mut seen = exchanges.gateway.set().generation;
        let is_open = || exchanges.still_passes(&mut seen, &client, &target, reason);
        let (sides, stop) = ((downstream, upstream), exchanges.stop.clone());
        unread
            .cross(sides, body, (&exchanges.limits, stop), (reason, is_open))
            .await;
    }
}

impl Exchanges {
    /// Whether `client` may still pass to `target` unread: asked anew of each set that comes into force, and all the time of an
    /// exception, which ends.
    fn still_passes(
        &self,
        seen: &mut u64,
        (client, user): &(IpAddr, Option<Arc<[u8]>>),
        target: &Target,
        reason: &'static str,
    ) -> bool {
        let set = self.gateway.set();
        if set.generation == std::mem::replace(seen, set.generation) && reason != EXCEPTION {
            return true;
        }
        set.forward(&self.door.name).is_some_and(|(_, forward)| {
            let wish = set.wish(&target.host, *client, user.as_ref());
            let decision = forward.decides(wish, target.port, self.gateway.clock.now());
            forward.still_admits(*client, user.as_ref()) && matches!(decision, Decision::Pass(_))
        })
    }
}
