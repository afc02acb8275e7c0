//! A tunnel out that passes unread.

use std::sync::Arc;

use http::Response;
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::engine::policy::Direction;
use crate::proxy::answer::Answer;
use crate::proxy::asked::Asked;
use crate::proxy::exchange::Exchanges;
use crate::proxy::respond::{Refusal, Style};
use crate::proxy::unread::Unread;

impl Exchanges {
    /// Connects to the origin and joins the two sides.
    pub(super) async fn pass(
        &self,
        mut asked: Asked,
        offer: OnUpgrade,
        reason: &'static str,
    ) -> Result<Response<Answer>, (Refusal, Style)> {
        let (gateway, now) = (&self.gateway, self.gateway.clock.now());
        let unread = Unread::of(gateway, &asked);
        let account = gateway.open_account(&asked.set, &mut asked.plan, now).await;
        gateway.refuse_held(&asked, &account, now)?;
        unread.refuse_over(&asked, now)?;
        let upstream = asked.upstream()?.stream().await;
        let upstream = upstream.map_err(|error| asked.upstream_failed(error.kind))?;
        let mut body = self.beside(&asked, account, Direction::Response);
        body.switch();
        let (limits, stop) = (Arc::clone(&self.limits), self.stop.clone());
        tokio::spawn(async move {
            if let Ok(downstream) = offer.await {
                let sides = (TokioIo::new(downstream), upstream);
                unread.cross(sides, body, (&limits, stop), reason).await;
            }
        });
        Ok(Response::new(Answer::Own(Full::default())))
    }
}
