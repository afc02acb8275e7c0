//! One exchange, top to bottom: route, identify, plan, forward, inspect, answer.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::header::{ACCEPT_ENCODING, HOST, IF_RANGE, RANGE};
use http::{HeaderValue, Method, Request, Response, StatusCode, request};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, UpstreamBody};
use super::body::{InspectedBody, Start};
use super::connection::{ConnState, Handler};
use super::content::{coding, declared, drop_content, mark_altered, restrict_codings};
use super::driver::{Denial, Driver, Terms};
use super::ending::Ending;
use super::fields;
use super::forward::ForwardBody;
use super::gateway::{Door, Gateway, Set};
use super::headers::{self, Hop};
use super::limits::Limits;
use super::respond::{Refusal, Style, respond};
use super::route::{self, Route};
use super::tunnel::tunnel;
use super::upstream::UpstreamErrorKind;
use crate::engine::inspect::{Inspector, Mode};
use crate::engine::ledger::{Account, Excess};
use crate::engine::policy::{Action, Facts, Plan};
use crate::engine::time::Now;
use crate::events::{Event, Part, report};
use crate::identity::{Actor, address_key, network_key};

/// Answers the requests of one listener.
pub struct Exchanges {
    gateway: Arc<Gateway>,
    door: Arc<Door>,
    limits: Arc<Limits>,
    stop: CancellationToken,
}

/// What is known of an exchange before it goes upstream.
struct Asked {
    set: Arc<Set>,
    route: usize,
    actor: Actor,
    plan: Plan,
    style: Style,
    method: Method,
    path: String,
    connection: Option<Arc<ConnState>>,
    /// Nothing is enforced here for now, holds included.
    bypassed: bool,
    /// The ledger's number of changed holds when the keys were last looked at: a hold that begins while the upstream
    /// thinks must not go unseen.
    holds_seen: u64,
}

impl Exchanges {
    /// Exchanges that come through `door`; tunnels end with `stop`.
    pub fn new(gateway: Arc<Gateway>, door: Door, limits: Arc<Limits>, stop: CancellationToken) -> Self {
        Self {
            gateway,
            door: Arc::new(door),
            limits,
            stop,
        }
    }

    async fn exchange(&self, request: Request<Incoming>) -> Result<Response<Answer>, (Refusal, Style)> {
        let (mut head, body) = request.into_parts();
        let now = self.gateway.clock.now();
        let asked = self.ask(&head, now)?;
        let offer = head.extensions.remove::<OnUpgrade>();
        let account = self
            .gateway
            .ledger
            .open(asked.plan.keys.clone(), asked.plan.allowance.clone());
        self.refuse_held(&asked, &account, now)?;
        let mode = mode(&asked, &account);
        self.prepare(&mut head, mode, &asked)?;
        let upstream = Arc::clone(&asked.route().upstream);
        let sent = upstream.send(Request::from_parts(head, ForwardBody::new(body))).await;
        let response = sent.map_err(|error| asked.upstream_failed(error.kind))?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return self.switch(&asked, offer, response);
        }
        self.answer(asked, account, mode, response).await
    }

    /// Both sides leave HTTP: a tunnel, counted as uninspected.
    fn switch(
        &self,
        asked: &Asked,
        offer: Option<OnUpgrade>,
        mut response: Response<UpstreamBody>,
    ) -> Result<Response<Answer>, (Refusal, Style)> {
        let Some(downstream) = offer else {
            return Err(asked.upstream_failed(UpstreamErrorKind::Framing));
        };
        let upstream = hyper::upgrade::on(&mut response);
        let limits = Arc::clone(&self.limits);
        let stop = self.stop.clone();
        tokio::spawn(async move { tunnel(downstream, upstream, &limits, stop).await });
        let (mut head, body) = response.into_parts();
        drop(body);
        headers::forward_response(&mut head.headers, true);
        ended(&asked.route().name, "tunnel");
        Ok(Response::from_parts(head, Answer::Own(Full::default())))
    }

    /// Who asks for what, and what it counts under.
    fn ask(&self, head: &request::Parts, now: Now) -> Result<Asked, (Refusal, Style)> {
        let style = Style::of(&head.headers);
        let connection = head.extensions.get::<Arc<ConnState>>().cloned();
        let set = Arc::clone(&self.gateway.set());
        let host = head.uri.authority().map(http::uri::Authority::as_str);
        let host = host
            .or_else(|| head.headers.get(HOST)?.to_str().ok())
            .unwrap_or_default();
        let found = route::find(&set.routes, &head.method, host, head.uri.path());
        let (route, name) = found.map(|(at, route)| (at, route.name.clone())).ok_or_else(|| {
            ended("", "no_route");
            (Refusal::NoRoute, style)
        })?;
        let started = Instant::now();
        let peer = connection.as_ref().map_or_else(
            || IpAddr::from(Ipv4Addr::UNSPECIFIED),
            |connection| connection.peer.ip(),
        );
        let actor = set.identity.identify(head, peer, &self.door.trusted, now);
        report(&Event::AddedSeconds {
            part: Part::Identity,
            seconds: started.elapsed().as_secs_f64(),
        });
        let mut plan = set.policy.plan(
            &Facts {
                session: actor.session.as_deref(),
                principal: actor.principal.as_deref(),
                group: actor.group.as_deref(),
                address: &address_key(actor.address),
                network: &network_key(actor.address),
                route,
            },
            now,
        );
        let bypassed = self.gateway.bypass().covers(&name, now);
        if bypassed {
            suspend(&mut plan);
        }
        let (method, path) = (head.method.clone(), head.uri.path().to_owned());
        Ok(Asked {
            set,
            route,
            actor,
            plan,
            style,
            method,
            path,
            connection,
            bypassed,
            holds_seen: self.gateway.ledger.holds_changed(),
        })
    }

    /// Holds are checked before the request goes upstream.
    fn refuse_held(&self, asked: &Asked, account: &Account, now: Now) -> Result<(), (Refusal, Style)> {
        if asked.bypassed {
            return Ok(());
        }
        let Some((key, cause, _)) = self.gateway.ledger.held(account.keys(), now) else {
            return Ok(());
        };
        let budget = cause.and_then(|cause| asked.set.policy.get(cause));
        let name = budget.map_or("manual", |budget| budget.name.as_str());
        let reauth = budget.is_some_and(|budget| budget.action == Action::Reauth);
        let action = if reauth { "reauth" } else { "hold" };
        report(&Event::Refused { budget: name, action });
        ended(&asked.route().name, action);
        if reauth {
            // Asked once; who comes back with the old credential meets its budget again.
            self.gateway.ledger.release(key, 0, 0);
            return Err((asked.reauthenticate(), asked.style));
        }
        Err((Refusal::Held, asked.style))
    }

    /// Makes the request one whose answer can be inspected.
    fn prepare(&self, head: &mut request::Parts, mode: Mode, asked: &Asked) -> Result<(), (Refusal, Style)> {
        let peer = asked.peer();
        let trusted = self.door.trusted.iter().any(|network| network.contains(&peer));
        let hop = Hop {
            peer,
            trusted,
            is_tls: self.door.tls,
            version: head.version,
        };
        let authority = head.uri.authority().map(|authority| authority.as_str().to_owned());
        let forwarded = headers::forward_request(&mut head.headers, authority.as_deref(), &hop);
        forwarded.map_err(|headers::Loop| {
            ended(&asked.route().name, "loop");
            (Refusal::Loop, asked.style)
        })?;
        match mode {
            // Nothing is changed where nothing is enforced.
            Mode::Watch => return Ok(()),
            Mode::Guard => restrict_codings(&mut head.headers),
            Mode::Rewrite => {
                head.headers
                    .insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
        }
        // A part of a body has no whole records.
        head.headers.remove(RANGE);
        head.headers.remove(IF_RANGE);
        Ok(())
    }

    async fn answer(
        &self,
        asked: Asked,
        mut account: Account,
        mode: Mode,
        response: Response<UpstreamBody>,
    ) -> Result<Response<Answer>, (Refusal, Style)> {
        let (mut head, body) = response.into_parts();
        let now = self.gateway.clock.now();
        let set = Arc::clone(&asked.set);
        if set
            .identity
            .gives_births(&asked.method, &asked.path, head.status, &asked.actor)
        {
            set.identity.births_in_head(&head.headers);
        }
        headers::forward_response(&mut head.headers, false);
        let terms = self.terms(&asked);
        let counted = fields::count(&mut head.headers, &mut account, &terms, now);
        let coding = coding(&head.headers);
        let inspector = Inspector::new(
            mode,
            set.bounds,
            coding,
            declared(&head.headers),
            Arc::clone(&set.rules),
            self.gateway.secret.clone(),
        );
        let ending = Ending::new(
            Arc::clone(&self.gateway),
            Arc::clone(&set),
            asked.route,
            &asked.actor,
            &account,
        );
        let masked_head = counted.is_masked;
        let mut driver = Driver::new(inspector, account, terms, counted);
        if !asked.route().inspect {
            driver.pass_unread();
        }
        let (clock, connection) = (self.gateway.clock, asked.connection.clone());
        let mut body = InspectedBody::new(body, driver, clock, connection, ending, asked.holds_seen);
        let watching = mode == Mode::Watch;
        let start = poll_fn(|cx| body.poll_start(cx, watching)).await;
        match start {
            // The order has been placed: its status is told, though not what cannot be read.
            Start::Refused if asked.is_unsafe() && body.driver().is_unreadable() => {
                drop_content(&mut head);
                return Ok(Response::from_parts(head, Answer::Own(Full::default())));
            }
            Start::Refused => return Err((Self::refusal(&asked, &body), asked.style)),
            Start::Failed => {
                // The body reports it when it is dropped.
                let kind = body.failure().unwrap_or(UpstreamErrorKind::Reset);
                return Err((Refusal::Upstream(kind), asked.style));
            }
            Start::Ready => {}
        }
        if mode != Mode::Watch {
            mark_altered(&mut head, mode, coding, masked_head || asked.may_mask());
        }
        body.driver_mut().hand_over_head(self.gateway.clock.now());
        Ok(Response::from_parts(head, Answer::Inspected(Box::new(body))))
    }

    fn terms(&self, asked: &Asked) -> Terms {
        let (set, route) = (&asked.set, asked.route());
        Terms {
            policy: Arc::clone(&set.policy),
            ledger: Arc::clone(&self.gateway.ledger),
            held: Arc::clone(&self.gateway.held),
            held_total_bytes_max: set.held_total_bytes_max,
            throttle_wait_ms_max: set.throttle_wait_ms_max,
            fail: route.fail_on,
            fail_default: route.fail,
            unsafe_method: asked.is_unsafe(),
            may_mask: asked.may_mask(),
            rules: Arc::clone(&set.rules),
            secret: self.gateway.secret.clone(),
        }
    }

    /// What the client is told when nothing of the response left.
    fn refusal(asked: &Asked, body: &InspectedBody<UpstreamBody>) -> Refusal {
        match body.driver().outcome().denial {
            Some(Denial::Budget { budget, .. }) => match asked.set.policy.get(budget).map(|budget| budget.action) {
                Some(Action::Reauth) => asked.reauthenticate(),
                Some(Action::Hold { .. }) => Refusal::Held,
                _ => Refusal::Blocked,
            },
            Some(Denial::Throttled { retry_after_s, .. }) => Refusal::Throttled { retry_after_s },
            Some(Denial::Held) => Refusal::Held,
            Some(Denial::Fail(_)) | None => Refusal::Uninspectable,
        }
    }
}

impl Handler for Exchanges {
    type Body = Answer;

    async fn handle(&self, request: Request<Incoming>) -> Response<Answer> {
        match self.exchange(request).await {
            Ok(response) => response,
            Err((refusal, style)) => respond(&refusal, style).map(Answer::Own),
        }
    }
}

impl Asked {
    fn route(&self) -> &Route {
        self.set
            .routes
            .get(self.route)
            .expect("the number was found in the same set")
    }

    fn peer(&self) -> IpAddr {
        self.connection.as_ref().map_or_else(
            || IpAddr::from(Ipv4Addr::UNSPECIFIED),
            |connection| connection.peer.ip(),
        )
    }

    fn upstream_failed(&self, kind: UpstreamErrorKind) -> (Refusal, Style) {
        let route = &self.route().name;
        report(&Event::UpstreamFailed {
            route,
            kind: kind.name(),
        });
        ended(route, "upstream_failed");
        (Refusal::Upstream(kind), self.style)
    }

    /// A refusal on the way back would make the client do it twice.
    fn is_unsafe(&self) -> bool {
        let reads = self.route().reads.iter();
        let is_read = reads
            .into_iter()
            .any(|read| read.method == self.method && read.path == self.path);
        !is_read && matches!(self.method, Method::POST | Method::PUT | Method::PATCH | Method::DELETE)
    }

    /// Whether identifiers may leave masked.
    fn may_mask(&self) -> bool {
        self.plan.redacts || self.is_unsafe()
    }

    fn reauthenticate(&self) -> Refusal {
        Refusal::Reauthenticate {
            cookie: self.actor.session_cookie.as_deref().map(Box::from),
        }
    }
}

/// An exchange that ends without a body to report it.
fn ended(route: &str, verdict: &'static str) {
    report(&Event::ExchangeEnded { route, verdict });
}

/// How the body is treated.
fn mode(asked: &Asked, account: &Account) -> Mode {
    if !account.is_enforcing() {
        Mode::Watch
    } else if asked.may_mask() {
        Mode::Rewrite
    } else {
        Mode::Guard
    }
}

/// Under a bypass every budget only tells.
fn suspend(plan: &mut Plan) {
    plan.redacts = false;
    plan.keys
        .iter_mut()
        .flat_map(|used| &mut used.limits)
        .for_each(|limit| limit.excess = Excess::Told);
}
