//! A tunnel that a client asks for: refused, passed unread, or opened.

use std::sync::Arc;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::ask::AskedOutside;
use super::decide::Decision;
use super::intercept::Tunnel;
use super::pass::Passage;
use crate::engine::time::Now;
use crate::proxy::answer::Answer;
use crate::proxy::asked::ended;
use crate::proxy::connection::ConnState;
use crate::proxy::exchange::{Exchanges, Told};
use crate::proxy::framing::Fault;
use crate::proxy::respond::Refusal;

/// What becomes of a tunnel that may be.
pub(super) enum Granted {
    /// It passes unread.
    Passed(Box<Passage>),
    /// Its TLS is opened.
    Opened(Box<Tunnel>),
}

impl Exchanges {
    /// Answers CONNECT (RFC 9110 section 9.3.6).
    pub(in crate::proxy) async fn connect(
        &self,
        request: Request<Incoming>,
        connection: Arc<ConnState>,
    ) -> Told<Response<Answer>> {
        let (mut head, _) = request.into_parts();
        let now = self.gateway.clock.now();
        let found = self.find_way(&head, connection, now).await?;
        let Some(offer) = head.extensions.remove::<OnUpgrade>() else {
            return Err((Refusal::Framing(Fault::Target), found.asked.style));
        };
        let granted = self.grant(found, now).await?;
        tokio::spawn(async move {
            let Ok(downstream) = offer.await else { return };
            let downstream = TokioIo::new(downstream);
            match granted {
                Granted::Passed(passage) => passage.cross(downstream).await,
                Granted::Opened(tunnel) => tunnel.open(downstream).await,
            }
        });
        Ok(Response::new(Answer::Own(Full::default())))
    }

    /// What becomes of a tunnel: whoever may not have it is told so before anything is opened.
    pub(super) async fn grant(&self, found: AskedOutside, now: Now) -> Told<Granted> {
        let AskedOutside {
            mut asked,
            forward,
            target,
            decision,
        } = found;
        self.gateway.refuse_revoked(&asked, now)?;
        // A name that is looked up, or shown to an origin, is sent.
        self.count_host(&asked, &target.authority()).await?;
        match decision {
            Decision::Refuse => {
                ended(&asked.route().name, "not_reached");
                Err((Refusal::NotReached, asked.style))
            }
            Decision::Pass(reason) => self
                .pass(asked, target, reason)
                .await
                .map(|passage| Granted::Passed(Box::new(passage))),
            Decision::Intercept => {
                let account = self.gateway.open_account(&asked.set, &mut asked.plan, now).await;
                self.gateway.refuse_held(&asked, &account, now)?;
                ended(&asked.route().name, "intercept");
                Ok(Granted::Opened(Box::new(self.to_open(asked, forward, target))))
            }
        }
    }
}
