//! A tunnel out that passes unread.

use std::future::pending;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use super::decide::{Decision, EXCEPTION, decide};
use super::target::Target;
use crate::engine::policy::Direction;
use crate::proxy::asked::Asked;
use crate::proxy::body::InspectedBody;
use crate::proxy::exchange::{Exchanges, Told};
use crate::proxy::unread::Unread;
use crate::proxy::upstream::Line;

/// How often a tunnel looks whether a reload has closed its way.
const LOOK_EVERY: Duration = Duration::from_millis(250);

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
        let stop = exchanges.stop.child_token();
        let sides = (downstream, upstream);
        tokio::select! {
            () = unread.cross(sides, body, (&exchanges.limits, stop.clone()), reason) => {}
            // What ends it then is the other arm, which tells what crossed.
            () = async {
                exchanges.closed(&client, &target, reason).await;
                stop.cancel();
                pending::<()>().await;
            } => {}
        }
    }
}

impl Exchanges {
    /// Ready when a set is in force under which `client` would not pass to `target` unread, or the exception by which it does is over.
    async fn closed(&self, (client, user): &(IpAddr, Option<Arc<[u8]>>), target: &Target, reason: &'static str) {
        let mut seen = self.gateway.set().generation;
        loop {
            sleep(LOOK_EVERY).await;
            let set = self.gateway.set();
            if set.generation == seen && reason != EXCEPTION {
                continue;
            }
            seen = set.generation;
            let is_open = set.forward(&self.door.name).is_some_and(|(_, forward)| {
                let decision = decide(&forward.hosts, &target.host, self.gateway.clock.now());
                forward.still_admits(*client, user.as_ref())
                    && forward.leads_to(target)
                    && matches!(decision, Decision::Pass(_))
            });
            if !is_open {
                return;
            }
        }
    }
}
