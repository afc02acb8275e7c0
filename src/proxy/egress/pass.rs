//! A tunnel out that passes unread.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::{Empty, Full};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::engine::ledger::Account;
use crate::engine::policy::Direction;
use crate::proxy::answer::Answer;
use crate::proxy::asked::Asked;
use crate::proxy::body::InspectedBody;
use crate::proxy::confirm::Confirm;
use crate::proxy::driver::Driver;
use crate::proxy::ending::Ending;
use crate::proxy::exchange::Exchanges;
use crate::proxy::fields::FieldCount;
use crate::proxy::outlet::Outlet;
use crate::proxy::respond::{Refusal, Style};
use crate::proxy::terms::Terms;
use crate::proxy::unread::Unread;
use crate::proxy::vigil::Vigil;
use crate::proxy::witness::Witness;

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
        let upstream = asked.upstream.stream().await;
        let upstream = upstream.map_err(|error| asked.upstream_failed(error.kind))?;
        let body = self.tunnel_of(&asked, account);
        let (limits, stop) = (Arc::clone(&self.limits), self.stop.clone());
        tokio::spawn(async move {
            if let Ok(downstream) = offer.await {
                let sides = (TokioIo::new(downstream), upstream);
                unread.cross(sides, body, (&limits, stop), reason).await;
            }
        });
        Ok(Response::new(Answer::Own(Full::default())))
    }

    /// What stays with the tunnel, and reports its end.
    fn tunnel_of(&self, asked: &Asked, account: Account) -> Box<InspectedBody<Empty<Bytes>>> {
        let gateway = &self.gateway;
        let terms = Terms {
            gateway: Arc::clone(gateway),
            set: Arc::clone(&asked.set),
            route: asked.route,
            direction: Direction::Response,
            unsafe_method: false,
            issued: None,
            not_found: false,
            may_mask: false,
        };
        let until = gateway.clock.now().after(self.limits.exchange_ms_max);
        let vigil = Vigil::new(Arc::clone(gateway), until, asked);
        let witness = Witness::new(gateway, &asked.set, asked.route, &asked.actor, account.keys());
        let confirm = Confirm::new(&account, gateway);
        let ending = Ending::new(gateway, asked, &account);
        let driver = Driver::new(None, (account, witness, confirm), terms, FieldCount::default());
        let outlet = Outlet::downstream(Arc::clone(&asked.connection));
        let mut body = InspectedBody::new(Empty::new(), driver, gateway.clock, outlet, ending, vigil);
        body.switch();
        body
    }
}
