//! A tunnel that a client asks for: refused, passed unread, or opened.

use std::sync::Arc;

use http::uri::Authority;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::decide::{Decision, decide};
use crate::proxy::answer::Answer;
use crate::proxy::asked::ended;
use crate::proxy::connection::ConnState;
use crate::proxy::exchange::Exchanges;
use crate::proxy::framing::Fault;
use crate::proxy::respond::{Refusal, Style};

impl Exchanges {
    /// Answers CONNECT (RFC 9110 section 9.3.6).
    pub(in crate::proxy) async fn connect(
        &self,
        request: Request<Incoming>,
        connection: Arc<ConnState>,
    ) -> Result<Response<Answer>, (Refusal, Style)> {
        let (mut head, _) = request.into_parts();
        let now = self.gateway.clock.now();
        let mut asked = self.ask_outside(&head, connection, now).await?;
        self.gateway.refuse_revoked(&asked, now)?;
        let found = asked.set.forward(&self.door.name);
        let forward = found.map(|(_, forward)| forward);
        let offer = head.extensions.remove::<OnUpgrade>();
        let (Some(forward), Some(offer)) = (forward, offer) else {
            return Err((Refusal::Framing(Fault::Target), asked.style));
        };
        // A name that is looked up, or shown to an origin, is sent.
        self.count_host(&asked, head.uri.authority().map_or("", Authority::as_str))
            .await?;
        match decide(&forward.hosts, &asked.destination) {
            Decision::Refuse => {
                ended(&asked.route().name, "not_reached");
                Err((Refusal::NotReached, asked.style))
            }
            Decision::Pass(reason) => self.pass(asked, offer, reason).await,
            Decision::Intercept => {
                // Who is held is told so before anything is opened.
                let account = self.gateway.open_account(&asked.set, &mut asked.plan, now).await;
                self.gateway.refuse_held(&asked, &account, now)?;
                Ok(self.intercept(asked, &head, &forward, offer))
            }
        }
    }
}
