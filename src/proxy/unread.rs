//! A tunnel that passes unread: what crosses it is counted as uninspected, and bounded by the budgets that say so.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::asked::Asked;
use super::body::InspectedBody;
use super::connection::BoxError;
use super::exchange::Told;
use super::gateway::{Gateway, Set};
use super::limits::Limits;
use super::tunnel::{Meter, join};
use crate::engine::ledger::{Amounts, KeyUse, SumUse};
use crate::engine::policy::Direction;
use crate::engine::time::Now;
use crate::events::{Crossed, Crossing, Event, report};

/// How often what crossed is summed, and its way is looked at: budgets are exact to within what a tunnel moves in it.
const SUM_EVERY: Duration = Duration::from_millis(250);

/// A tunnel, and what is summed of it.
pub(super) struct Unread {
    gateway: Arc<Gateway>,
    set: Arc<Set>,
    route: usize,
    /// A bypass suspends its budgets.
    is_bypassed: bool,
    ways: [Way; 2],
}

/// What crosses in one direction, and the keys under which it is summed.
struct Way {
    direction: Direction,
    sums: Vec<SumUse>,
    /// Keys that a hold may begin on, where they are not those of the account.
    keys: Option<Arc<[KeyUse]>>,
    told: u64,
}

impl Unread {
    /// What `asked` may become: while its plans still have their sums.
    pub(super) fn of(gateway: &Arc<Gateway>, asked: &Asked) -> Self {
        let shown = Way {
            direction: Direction::Response,
            sums: asked.plan.sums.clone(),
            keys: None,
            told: 0,
        };
        let sent = Way {
            direction: Direction::Request,
            sums: asked.upload.as_ref().map(|plan| plan.sums.clone()).unwrap_or_default(),
            keys: Some(Arc::clone(&asked.upload_keys)),
            told: 0,
        };
        Self {
            gateway: Arc::clone(gateway),
            set: Arc::clone(&asked.set),
            route: asked.route,
            is_bypassed: asked.is_bypassed,
            ways: [shown, sent],
        }
    }

    /// Refuses it where nothing is left of a limit.
    pub(super) fn refuse_over(&self, asked: &Asked, now: Now) -> Told<()> {
        for way in &self.ways {
            let over = self.gateway.ledger.add(&way.sums, Amounts::default(), now);
            self.gateway.refuse_sums(asked, &over, way.direction, now)?;
        }
        Ok(())
    }

    /// Joins the two sides until they have ended, or `stop`, a hold or a limit ends them, or its way is open no more; then tells
    /// what crossed.
    pub(super) async fn cross<D, U, B>(
        mut self,
        (downstream, upstream): (D, U),
        mut body: Box<InspectedBody<B>>,
        (limits, stop): (&Limits, CancellationToken),
        (reason, is_open): (&'static str, impl FnMut() -> bool),
    ) where
        D: AsyncRead + AsyncWrite,
        U: AsyncRead + AsyncWrite,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let meter = Meter::default();
        let stopped = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.ends(&mut body, &meter, is_open) => {}
            }
        };
        join(downstream, upstream, limits, &meter, stopped).await;
        self.look(&mut body, &meter);
        self.tell(reason);
        body.tunnelled(meter.total());
    }

    /// Ready when a hold or a limit ends it, or its way is open no more.
    async fn ends<B>(&mut self, body: &mut InspectedBody<B>, meter: &Meter, mut is_open: impl FnMut() -> bool)
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        loop {
            let held = timeout(SUM_EVERY, poll_fn(|cx| body.poll_held(cx))).await;
            if held.is_ok() || self.look(body, meter) || !is_open() {
                return;
            }
        }
    }

    /// Sums what crossed since the last look; whether nothing more may.
    fn look<B>(&mut self, body: &mut InspectedBody<B>, meter: &Meter) -> bool
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let now = self.gateway.clock.now();
        for way in &mut self.ways {
            let news = way.news(meter);
            for over in self.gateway.ledger.add(&way.sums, news, now) {
                body.is_over(over, way.keys.as_deref());
            }
        }
        body.is_denied()
    }

    fn tell(&self, reason: &'static str) {
        let route = self.set.routes.get(self.route).map_or("", |route| route.name.as_str());
        for way in &self.ways {
            let (direction, bytes) = (way.direction, way.told);
            let bypassed = self.is_bypassed.then_some(Crossed::Bypassed(bytes));
            for what in bypassed.into_iter().chain([Crossed::Uninspected { reason, bytes }]) {
                report(&Event::Crossed(Crossing { route, direction, what }));
            }
        }
    }
}

impl Way {
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
}
