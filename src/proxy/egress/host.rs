//! People in the name of a host: it is sent to whoever looks it up, and to the origin, before any request is.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Uri};
use http_body_util::Empty;

use crate::engine::policy::Direction;
use crate::proxy::asked::Asked;
use crate::proxy::body::InspectedBody;
use crate::proxy::confirm::Confirm;
use crate::proxy::driver::{Driver, Flow};
use crate::proxy::ending::Ending;
use crate::proxy::exchange::{Exchanges, Told};
use crate::proxy::fields;
use crate::proxy::outlet::Outlet;
use crate::proxy::terms::Terms;
use crate::proxy::vigil::Vigil;
use crate::proxy::witness::Witness;

impl Exchanges {
    /// Counts who is in `host`, where some budget counts requests, as in the target of one.
    pub(super) async fn count_host(&self, asked: &Asked, host: &str) -> Told<()> {
        let (Some(mut plan), Ok(target)) = (asked.upload.clone(), host.parse::<Uri>()) else {
            return Ok(());
        };
        let (gateway, set) = (&self.gateway, &asked.set);
        let now = gateway.clock.now();
        let mut account = gateway.open_account(set, &mut plan, now).await;
        let terms = Terms {
            gateway: Arc::clone(gateway),
            set: Arc::clone(set),
            route: asked.route,
            direction: Direction::Request,
            unsafe_method: false,
            issued: None,
            not_found: false,
            may_mask: false,
        };
        terms.open_when_full(&mut account);
        let witness = Witness::new(gateway, set, asked.route, &asked.actor, account.keys());
        let mut witness = witness.of_upload(&asked.destination);
        let mut confirm = Confirm::new(&account, gateway);
        let mut fields = HeaderMap::new();
        let head = (&target, &mut fields);
        let counted = fields::count_request(head, &mut account, &terms, &mut witness, &mut confirm).await;
        let mut ending = Ending::new(gateway, asked, &account);
        ending.direction = Direction::Request;
        ending.is_beside = true;
        let driver = Driver::new(None, (account, witness, confirm), terms, counted);
        let until = now.after(self.limits.exchange_ms_max);
        let vigil = Vigil::new(Arc::clone(gateway), until, asked);
        let outlet = Outlet::downstream(Arc::clone(&asked.connection));
        let mut body = InspectedBody::new(Empty::<Bytes>::new(), driver, gateway.clock, outlet, ending, vigil);
        if body.driver().flow() != Flow::Cut {
            body.hand_over_head();
            if poll_fn(|cx| body.poll_leaving(cx)).await {
                return Ok(());
            }
        }
        Err(self.upload_refused(asked, body.driver().outcome().denial))
    }
}
