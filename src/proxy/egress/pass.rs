//! A tunnel that passes unread: what crosses it is counted as uninspected, and bounded by the budgets that say so.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{Empty, Full};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::engine::ledger::{Account, Amounts, OverSum, SumUse};
use crate::engine::policy::Direction;
use crate::events::{Crossed, Crossing, Event, report};
use crate::proxy::answer::Answer;
use crate::proxy::asked::Asked;
use crate::proxy::body::InspectedBody;
use crate::proxy::confirm::Confirm;
use crate::proxy::driver::Driver;
use crate::proxy::ending::Ending;
use crate::proxy::exchange::Exchanges;
use crate::proxy::fields::FieldCount;
use crate::proxy::gateway::Gateway;
use crate::proxy::outlet::Outlet;
use crate::proxy::respond::{Refusal, Style};
use crate::proxy::terms::Terms;
use crate::proxy::tunnel::{Meter, join};
use crate::proxy::vigil::Vigil;
use crate::proxy::witness::Witness;

/// How often what crossed is summed: budgets are exact to within what a tunnel moves in it.
const SUM_EVERY: Duration = Duration::from_millis(250);

/// What crosses in one direction, and the keys under which it is summed.
struct Summed {
    direction: Direction,
    sums: Vec<SumUse>,
    told: u64,
}

impl Exchanges {
    /// Connects to the origin and joins the two sides.
    pub(super) async fn pass(
        &self,
        mut asked: Asked,
        offer: OnUpgrade,
        reason: &'static str,
    ) -> Result<Response<Answer>, (Refusal, Style)> {
        let (gateway, now) = (&self.gateway, self.gateway.clock.now());
        let shown = std::mem::take(&mut asked.plan.sums);
        let uploaded = asked.upload.take().map(|plan| plan.sums).unwrap_or_default();
        let account = gateway.open_account(&asked.set, &mut asked.plan, now).await;
        gateway.refuse_held(&asked, &account, now)?;
        let both = [(Direction::Response, shown), (Direction::Request, uploaded)];
        let mut summed = both.map(|(direction, sums)| Summed {
            direction,
            sums,
            told: 0,
        });
        for one in &summed {
            let over = gateway.ledger.add(&one.sums, Amounts::default(), now);
            gateway.refuse_sums(&asked, &over, one.direction, now)?;
        }
        let upstream = asked.upstream.stream().await;
        let upstream = upstream.map_err(|error| asked.upstream_failed(error.kind))?;
        let mut body = self.tunnel_of(&asked, account);
        let (limits, stop, gateway) = (Arc::clone(&self.limits), self.stop.clone(), Arc::clone(gateway));
        tokio::spawn(async move {
            let Ok(downstream) = offer.await else { return };
            let meter = Meter::default();
            let stopped = async {
                tokio::select! {
                    () = stop.cancelled() => None,
                    () = std::future::poll_fn(|cx| body.poll_held(cx)) => None,
                    over = over(&gateway, &mut summed, &meter) => Some(over),
                }
            };
            let over = join(TokioIo::new(downstream), upstream, &limits, &meter, stopped).await;
            if let Some(over) = over.flatten() {
                body.exceeded(over);
            }
            for one in &mut summed {
                one.end(&gateway, (&asked.route().name, reason), &meter);
            }
            body.tunnelled(meter.total());
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

impl Summed {
    /// What crossed since the last look.
    fn news(&mut self, meter: &Meter) -> Amounts {
        let crossed = match self.direction {
            Direction::Response => meter.down(),
            Direction::Request => meter.up(),
        };
        let bytes = crossed - std::mem::replace(&mut self.told, crossed);
        Amounts {
            bytes,
            uninspected: bytes,
            ..Amounts::default()
        }
    }

    /// The tunnel has ended: the rest is summed, and all of it told.
    fn end(&mut self, gateway: &Gateway, (route, reason): (&str, &'static str), meter: &Meter) {
        let news = self.news(meter);
        // Nobody is left whom it could be told.
        let _over = gateway.ledger.add(&self.sums, news, gateway.clock.now());
        report(&Event::Crossed(Crossing {
            route,
            direction: self.direction,
            what: Crossed::Uninspected {
                reason,
                bytes: self.told,
            },
        }));
    }
}

/// Sums what crosses; ready when it is over a limit that refuses.
async fn over(gateway: &Gateway, summed: &mut [Summed; 2], meter: &Meter) -> OverSum {
    loop {
        tokio::time::sleep(SUM_EVERY).await;
        let now = gateway.clock.now();
        for one in &mut *summed {
            let news = one.news(meter);
            let over = gateway.ledger.add(&one.sums, news, now);
            if let Some(over) = over.into_iter().find(|over| over.refuses) {
                return over;
            }
        }
    }
}
