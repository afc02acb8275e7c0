//! One exchange, top to bottom: route, identify, plan, forward, inspect, answer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, Response, StatusCode, request, response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, OriginBody};
use super::asked::{Asked, Met, ended, flooded, mode, suspend, upload_keys};
use super::authority::destination;
use super::births;
use super::body::{InspectedBody, Start};
use super::confirm::Confirm;
use super::connection::{BoxError, ConnState, Handler, Led};
use super::content::{ask_for_readable, coding, content, drop_content, mark_altered};
use super::coverage;
use super::driver::Driver;
use super::egress::Seat;
use super::ending::Ending;
use super::fail::Reason;
use super::fields;
use super::forward::ForwardBody;
use super::framing::Fault;
use super::fuse;
use super::gateway::{Door, Gateway, Set};
use super::headers::{self, Hop, NotForwarded};
use super::limits::Limits;
use super::outcome::Denial;
use super::outlet::{Cause, Outlet};
use super::provenance::{tell, who};
use super::recode;
use super::respond::{Refusal, Style, respond};
use super::revoked;
use super::route::{self, Leads};
use super::switch::{Offer, check, extended, guards_upload, restrict_upgrades};
use super::terms::Terms;
use super::unidentified;
use super::unread::Unread;
use super::upstream::UpstreamErrorKind;
use super::vigil::{Vigil, Woken};
use super::witness::Witness;
use crate::engine::decode::Coding;
use crate::engine::inspect::Mode;
use crate::engine::ledger::Account;
use crate::engine::policy::{Action, Direction, Facts};
use crate::engine::time::Now;
use crate::events::{Event, Part, report};
use crate::identity::{address_key, is_trusted, network_key};

/// Answers the requests of one listener.
#[derive(Clone)]
pub struct Exchanges {
    pub(super) gateway: Arc<Gateway>,
    pub(super) door: Arc<Door>,
    pub(super) limits: Arc<Limits>,
    pub(super) stop: CancellationToken,
    /// Where on the way out they are.
    pub(super) seat: Seat,
}

/// What is known, or what the client is told instead.
pub(super) type Told<T> = Result<T, (Refusal, Style)>;

/// A body that can be looked into on its way.
pub(crate) trait Source: Body<Data = Bytes, Error: Into<BoxError>> + Unpin {}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Source for B {}

/// A response whose head is known and has not left.
pub(super) struct Opened<B> {
    pub(super) body: Box<InspectedBody<B>>,
    coding: Option<Coding>,
    masked_head: bool,
}

impl Exchanges {
    /// Exchanges that come through `door`; tunnels end with `stop`.
    pub fn new(gateway: Arc<Gateway>, door: Door, limits: Arc<Limits>, stop: CancellationToken) -> Self {
        Self {
            gateway,
            door: Arc::new(door),
            limits,
            stop,
            seat: Seat::default(),
        }
    }

    /// Those of the same listener in another seat. There the client itself speaks: nobody is believed about others.
    pub(super) fn seated(&self, seat: Seat) -> Self {
        let door = Door {
            trusted: Vec::new(),
            address_header: None,
            ja4_header: None,
            ..(*self.door).clone()
        };
        Self {
            door: Arc::new(door),
            seat,
            ..self.clone()
        }
    }

    async fn exchange(
        &self,
        request: Request<Incoming>,
        connection: Arc<ConnState>,
    ) -> Result<Response<Answer>, (Refusal, Style)> {
        let (mut head, body) = request.into_parts();
        let is_extended = extended(&mut head)?;
        if self.door.is_forward && self.seat.takes_tunnels() && head.method == Method::CONNECT {
            return Box::pin(self.connect(Request::from_parts(head, body), connection)).await;
        }
        if self.door.is_forward
            && let Some(own) = self.own(&head, &connection)
        {
            return own;
        }
        let now = self.gateway.clock.now();
        let mut asked = if self.door.is_forward {
            Box::pin(self.ask_outside(&head, connection, now)).await?
        } else {
            self.ask(&head, connection, now).await?
        };
        self.gateway.refuse_revoked(&asked, now)?;
        self.gateway.tell_of_others(&asked, now);
        let upgrade = head.extensions.remove::<OnUpgrade>();
        let upgrade = upgrade.map(|upgrade| (upgrade, Unread::of(&self.gateway, &asked)));
        let offer = Offer::of(&mut head, &asked)?;
        let account = self.gateway.open_account(&asked.set, &mut asked.plan, now).await;
        self.gateway.refuse_held(&asked, &account, now)?;
        self.gateway.refuse_over(&asked, (&account, Direction::Response), now)?;
        unidentified::refuse(&mut asked, &account)?;
        let mode = mode(&asked, &account);
        let watches = mode == Mode::Watch && !guards_upload(&asked);
        let until = now.after(self.limits.exchange_ms_max);
        let body = births::sent(&self.gateway, &mut asked, &head.headers, (body, until)).await;
        let (body, cause) = self.upload(&mut asked, &mut head, (body, until)).await?;
        self.prepare(&mut head, mode, &asked)?;
        if !watches {
            let fail = asked.route().fail_on.of(Reason::Tunnel, asked.route().fail);
            restrict_upgrades(&mut head.headers, offer.is_some(), fail);
        }
        let mut vigil = Vigil::new(Arc::clone(&self.gateway), until, &asked);
        let request = Request::from_parts(head, body);
        let mut response = self.answered(&asked, &account, (&mut vigil, &cause), request).await?;
        let sides = if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let upgrade = upgrade.ok_or_else(|| asked.upstream_failed(UpstreamErrorKind::Framing))?;
            Some((upgrade, hyper::upgrade::on(&mut response)))
        } else {
            None
        };
        let (mut head, body) = response.into_parts();
        // Nobody asked for a part; what was done is told all the same.
        if mode != Mode::Watch && head.status == StatusCode::PARTIAL_CONTENT && !asked.is_unsafe() {
            return Err(asked.misframed(Fault::UnaskedPart));
        }
        check(offer.as_ref(), &head, (watches, is_extended), &asked)?;
        let body = births::remember(&self.gateway, &asked, &head, (body, until)).await;
        headers::forward_response(&mut head.headers, sides.is_some());
        let outlet = Outlet::downstream(Arc::clone(&asked.connection));
        let mut opened = self.open(&asked, account, vigil, mode, &mut head, (body, outlet)).await;
        if let Some(((downstream, unread), upstream)) = sides {
            let sides = ((downstream, upstream), offer, unread);
            return self.switch(&asked, sides, (head, mode, watches), opened).await;
        }
        let watching = mode == Mode::Watch;
        let start = poll_fn(|cx| opened.body.poll_start(cx, watching)).await;
        let body = self.begin(&asked, mode, start, &mut head, opened).await?;
        let answer = recode::answer((&asked, mode), &mut head, body);
        Ok(Response::from_parts(head, answer))
    }

    /// The head of the answer; or what the client is told because a hold or the deadline came first.
    async fn answered(
        &self,
        asked: &Asked,
        account: &Account,
        (vigil, cause): (&mut Vigil, &Cause),
        request: Request<ForwardBody>,
    ) -> Result<Response<OriginBody>, (Refusal, Style)> {
        let upstream = asked.upstream()?;
        let mut sent = pin!(upstream.send(request));
        loop {
            let answer = poll_fn(|cx| match sent.as_mut().poll(cx) {
                Poll::Ready(sent) => Poll::Ready(Ok(sent)),
                Poll::Pending => vigil.poll(account.keys(), &|_| false, cx).map(Err),
            });
            match answer.await {
                Ok(Ok(response)) => return Ok(response),
                // What was sent was cut, and the answer with it.
                Ok(Err(_)) if cause.get().is_some() => return Err(self.upload_refused(asked, cause.get().copied())),
                Ok(Err(error)) if !vigil.is_late(self.gateway.clock.now()) => {
                    return Err(asked.upstream_failed(error.kind));
                }
                Ok(Err(_)) | Err(Woken::Late) => {
                    report(&Event::LimitHit {
                        limit: "exchange_ms_max",
                    });
                    return Err(asked.upstream_failed(UpstreamErrorKind::HeadTimeout));
                }
                // It may have ended again meanwhile.
                Err(Woken::Revoked(_)) => self.gateway.refuse_revoked(asked, self.gateway.clock.now())?,
                Err(Woken::Held) => self.gateway.refuse_held(asked, account, self.gateway.clock.now())?,
            }
        }
    }

    /// Who asks for what, and what it counts under.
    async fn ask(
        &self,
        head: &request::Parts,
        connection: Arc<ConnState>,
        now: Now,
    ) -> Result<Asked, (Refusal, Style)> {
        let style = Style::of(&head.headers);
        let set = Arc::clone(&self.gateway.set());
        let host = head.uri.authority().map(http::uri::Authority::as_str);
        let host = host
            .or_else(|| head.headers.get(HOST)?.to_str().ok())
            .unwrap_or_default();
        let found = route::find(&set.routes, &head.method, host, head.uri.path());
        let found = found.and_then(|(route, found)| match &found.leads {
            Leads::To(upstream) => Some((route, Arc::clone(upstream))),
            Leads::Out(_) | Leads::Back(_) => None,
        });
        let (route, upstream) = found.ok_or_else(|| {
            ended("", "no_route");
            (Refusal::NoRoute, style)
        })?;
        let started = set.identity.reads_credentials().then(Instant::now);
        let (actor, is_limited) = who(&self.gateway, &set, head, (&self.door, &connection), now).await;
        if actor.is_flooded {
            return Err(flooded(&set.routes, route, style));
        }
        if let Some(started) = started {
            report(&Event::AddedSeconds {
                part: Part::Identity,
                seconds: started.elapsed().as_secs_f64(),
            });
        }
        tell(&actor);
        let met = Met {
            route,
            actor,
            destination: destination(host).into(),
            upstream: Some(upstream),
            is_outward: false,
            is_limited,
            style,
        };
        self.asked(set, met, head, connection, now).await
    }

    /// What it counts under whom `met` says, in `set`.
    pub(super) async fn asked(
        &self,
        set: Arc<Set>,
        met: Met,
        head: &request::Parts,
        connection: Arc<ConnState>,
        now: Now,
    ) -> Result<Asked, (Refusal, Style)> {
        let (mut actor, style) = (met.actor, met.style);
        if let Some(secret) = set.policy.own_secret_of(met.route) {
            actor.name_under(secret);
        }
        let (address, network) = (address_key(actor.address), network_key(actor.address));
        let path = Some(head.uri.path()).filter(|path| route::is_plain(path));
        let towards = || set.policy.towards(&met.destination, path);
        let going = if met.is_outward { towards() } else { None };
        let facts = Facts {
            destination: Some(met.destination.as_bytes()),
            towards: going.as_ref(),
            is_forward: met.is_outward,
            ..actor.facts(&address, &network, met.route)
        };
        let (mut plan, mut upload) = self.gateway.plans(&set, &actor, &facts, now).await;
        self.gateway.follow(&set, &actor, &plan);
        let name = set.routes.get(met.route).map_or("", |route| route.name.as_str());
        let recodes = recode::is_wanted(set.routes.get(met.route), &head.headers);
        let is_bypassed = self.gateway.bypass().covers(name, now);
        let must_log_in = met.is_limited && !is_bypassed && set.policy.refuses_unissued(&facts);
        if is_bypassed {
            suspend(&mut plan);
            upload.iter_mut().for_each(suspend);
        }
        let honest = fuse::honest(&self.gateway, &set, &actor, now);
        for plan in std::iter::once(&mut plan).chain(&mut upload) {
            fuse::spare(&self.gateway, &set, &actor, plan, now);
        }
        let (method, path) = (head.method.clone(), head.uri.path_and_query().cloned());
        let asked = Asked {
            set,
            route: met.route,
            actor,
            plan,
            upload_keys: upload_keys(upload.as_ref()),
            upload,
            destination: met.destination,
            upstream: met.upstream,
            is_outward: met.is_outward,
            style,
            method,
            path,
            connection,
            recodes,
            is_bypassed,
            honest,
            renewed: None,
            passed: None,
            holds_seen: self.gateway.ledger.holds_changed(),
        };
        if must_log_in && !asked.is_login() {
            ended(&asked.route().name, "reauth");
            return Err((asked.reauthenticate(&self.gateway, now), style));
        }
        Ok(asked)
    }

    /// Makes the request one whose answer can be inspected.
    fn prepare(&self, head: &mut request::Parts, mode: Mode, asked: &Asked) -> Result<(), (Refusal, Style)> {
        let peer = asked.connection.peer.ip();
        let trusted = is_trusted(peer, &self.door.trusted);
        let hop = Hop {
            peer,
            peer_field: &asked.connection.peer_field,
            trusted,
            is_tls: self.door.tls,
            tells: !asked.is_outward,
            version: head.version,
        };
        asked.set.identity.remove_untrusted_users(&mut head.headers, trusted);
        let authority = head.uri.authority().map(|authority| authority.as_str().to_owned());
        let forwarded = headers::forward_request(&mut head.headers, authority.as_deref(), &hop);
        forwarded.map_err(|why| {
            let (verdict, refusal) = match why {
                NotForwarded::Loop => ("loop", Refusal::Loop),
                NotForwarded::Expectation => ("expectation", Refusal::Expectation),
            };
            ended(&asked.route().name, verdict);
            (refusal, asked.style)
        })?;
        ask_for_readable(&mut head.headers, mode);
        Ok(())
    }

    /// What is known with the head of the response: the people in it, how its body is inspected.
    pub(super) async fn open<B: Source>(
        &self,
        asked: &Asked,
        mut account: Account,
        vigil: Vigil,
        mode: Mode,
        head: &mut response::Parts,
        (body, outlet): (B, Outlet),
    ) -> Opened<B> {
        let (gateway, set) = (&self.gateway, &asked.set);
        let terms = self.terms(asked, head.status);
        terms.open_when_full(&mut account);
        let mut witness = Witness::new(gateway, set, asked.route, &asked.actor, account.keys());
        let mut confirm = Confirm::new(&account, gateway);
        let counted = fields::count(&mut head.headers, &mut account, &terms, &mut witness, &mut confirm).await;
        let masked_head = counted.is_masked;
        let coding = coding(&head.headers);
        let mut ending = Ending::new(gateway, asked, &account);
        let mut inspector = None;
        if asked.route().inspect {
            let content = content(&head.headers);
            let details = fields::details(&account);
            inspector = Some(set.inspector(asked.route, gateway.apart.as_ref(), (mode, content), details));
            ending = ending.tried_in_shadow(content);
        }
        let mut driver = Driver::new(inspector, (account, witness, confirm), terms, counted);
        if let Some(reason) = asked.passed {
            driver.note_passed(reason);
        }
        Opened {
            body: InspectedBody::new(body, driver, gateway.clock, outlet, ending, vigil),
            coding,
            masked_head,
        }
    }

    /// The head goes, or a refusal goes instead. None in the place of the body: what is left of the head has an empty one.
    pub(super) async fn begin<B: Source>(
        &self,
        asked: &Asked,
        mode: Mode,
        start: Start,
        head: &mut response::Parts,
        opened: Opened<B>,
    ) -> Told<Option<Box<InspectedBody<B>>>> {
        let Opened {
            mut body,
            coding,
            masked_head,
        } = opened;
        match start {
            // The order has been placed: its status is told, though not what cannot be read.
            Start::Refused if asked.is_unsafe() && body.driver().is_unreadable() => {
                drop_content(head);
                self.leave(asked, &mut body).await?;
                return Ok(None);
            }
            Start::Refused => return Err((self.body_refusal(asked, &body), asked.style)),
            Start::Failed => {
                // The body reports it when it is dropped.
                let kind = body.failure().unwrap_or(UpstreamErrorKind::Reset);
                return Err((asked.unanswered(kind), asked.style));
            }
            Start::Ready => {}
        }
        if mode != Mode::Watch || masked_head {
            mark_altered(head, mode, coding, masked_head || asked.may_mask());
        }
        if asked.route().tells_coverage {
            head.headers
                .insert(coverage::FIELD, coverage::value(body.driver(), mode));
        }
        self.leave(asked, &mut body).await?;
        Ok(Some(body))
    }

    /// The head leaves, once whoever is in it may.
    pub(super) async fn leave<B: Source>(&self, asked: &Asked, body: &mut InspectedBody<B>) -> Told<()> {
        body.hand_over_head();
        if poll_fn(|cx| body.poll_leaving(cx)).await {
            Ok(())
        } else {
            Err((self.body_refusal(asked, body), asked.style))
        }
    }

    pub(super) fn terms(&self, asked: &Asked, status: StatusCode) -> Terms {
        Terms {
            gateway: Arc::clone(&self.gateway),
            set: Arc::clone(&asked.set),
            route: asked.route,
            direction: Direction::Response,
            unsafe_method: asked.is_unsafe(),
            not_found: matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE),
            may_mask: asked.may_mask(),
            issued: asked.actor.issued_to(&self.gateway.secret),
        }
    }

    /// What the client is told when nothing of the response left.
    pub(super) fn body_refusal<B: Source>(&self, asked: &Asked, body: &InspectedBody<B>) -> Refusal {
        self.refusal(asked, body.driver().outcome().denial, Direction::Response)
    }

    /// A hold or a revocation that was seen outlives a crash. Where the disk fails it is in force all the same.
    pub(super) async fn settle_refusal(&self, refusal: &Refusal) {
        if matches!(refusal, Refusal::Held | Refusal::Revoked { .. }) {
            self.gateway.store.holds_written().await;
        }
    }

    /// What the client is told when nothing more goes `direction`.
    pub(super) fn refusal(&self, asked: &Asked, denial: Option<Denial>, direction: Direction) -> Refusal {
        match denial {
            Some(Denial::Budget { budget, .. }) => match asked.set.policy.get(budget).map(|budget| budget.action) {
                Some(Action::Reauth) => asked.reauthenticate(&self.gateway, self.gateway.clock.now()),
                Some(Action::Hold { .. }) => Refusal::Held,
                _ => Refusal::Blocked(direction),
            },
            Some(Denial::Throttled { retry_after_s, .. }) => Refusal::Throttled { retry_after_s },
            Some(Denial::Held) => Refusal::Held,
            Some(Denial::Revoked(name)) => revoked::refusal(asked, name),
            Some(Denial::Fail(_)) | None => Refusal::Uninspectable(direction),
        }
    }
}

impl Handler for Exchanges {
    type Body = Answer;

    fn led(self: Arc<Self>, led: Led) -> impl Future<Output = ()> + Send {
        self.follow(led)
    }

    async fn handle(&self, request: Request<Incoming>, connection: Arc<ConnState>) -> Response<Answer> {
        match self.exchange(request, connection).await {
            Ok(response) => response,
            Err((refusal, style)) => {
                self.settle_refusal(&refusal).await;
                respond(&refusal, style).map(|body| Answer::Own(body.into()))
            }
        }
    }
}
