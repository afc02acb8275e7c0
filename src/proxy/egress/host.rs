//! People in the name of a host: it is sent to whoever looks it up, and to the origin, before any request is.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Uri};
use http_body_util::Empty;

use crate::proxy::asked::Asked;
use crate::proxy::driver::Flow;
use crate::proxy::exchange::{Exchanges, Told};
use crate::proxy::outlet::Outlet;
use crate::proxy::vigil::Vigil;

impl Exchanges {
    /// Counts who is in `host`, where some budget counts requests, as in the target of one.
    pub(super) async fn count_host(&self, asked: &Asked, host: &str) -> Told<()> {
        let (Some(mut plan), Ok(target)) = (asked.upload.clone(), host.parse::<Uri>()) else {
            return Ok(());
        };
        let gateway = &self.gateway;
        let now = gateway.clock.now();
        let account = gateway.open_account(&asked.set, &mut plan, now).await;
        let counted = self
            .count_head(asked, account, false, (&target, &mut HeaderMap::new()))
            .await;
        let vigil = Vigil::new(Arc::clone(gateway), now.after(self.limits.exchange_ms_max), asked);
        let outlet = Outlet::downstream(Arc::clone(&asked.connection));
        let mut body = counted.body(Empty::<Bytes>::new(), None, gateway.clock, outlet, vigil);
        if body.driver().flow() != Flow::Cut {
            body.hand_over_head();
            if poll_fn(|cx| body.poll_leaving(cx)).await {
                return Ok(());
            }
        }
        Err(self.upload_refused(asked, body.driver().outcome().denial))
    }
}
