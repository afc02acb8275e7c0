//! One exchange, top to bottom: route, identify, plan, forward, inspect, answer.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::header::{ACCEPT_ENCODING, HOST, IF_RANGE, RANGE};
use http::{HeaderValue, Request, Response, StatusCode, request, response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, OriginBody, UpstreamBody};
use super::asked::{Asked, ended, mode, suspend};
use super::births;
use super::body::{InspectedBody, Start};
use super::confirm::Confirm;
use super::connection::{ConnState, Handler};
use super::content::{coding, content, drop_content, mark_altered, restrict_codings, restrict_compressions};
use super::coverage;
use super::driver::Driver;
use super::ending::Ending;
use super::fail::Reason;
use super::fields;
use super::forward::ForwardBody;
use super::framing::Fault;
use super::fuse;
use super::gateway::{Door, Gateway};
use super::headers::{self, Hop, NotForwarded};
use super::limits::Limits;
use super::outcome::Denial;
use super::provenance::{Learned, learn};
use super::respond::{Refusal, Style, respond};
use super::revoked;
use super::route;
use super::switch::{Offer, restrict_upgrades};
use super::terms::Terms;
use super::upstream::UpstreamErrorKind;
use super::vigil::{Vigil, Woken};
use super::witness::Witness;
use crate::engine::births::Doubt;
use crate::engine::decode::Coding;
use crate::engine::inspect::{Inspector, Mode};
use crate::engine::ledger::{Account, KeyId};
use crate::engine::policy::{Action, Facts, Plan};
use crate::engine::time::Now;
use crate::events::{Event, IdentityFact, Part, report};
use crate::identity::{Actor, address_key, is_trusted, network_key};

/// Answers the requests of one listener.
pub struct Exchanges {
    pub(super) gateway: Arc<Gateway>,
    door: Arc<Door>,
    pub(super) limits: Arc<Limits>,
    pub(super) stop: CancellationToken,
}

/// What is known, or what the client is told instead.
pub(super) type Told<T> = Result<T, (Refusal, Style)>;

/// A response whose head is known and has not left.
pub(super) struct Opened {
    pub(super) body: Box<InspectedBody<UpstreamBody>>,
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
        }
    }

    async fn exchange(
        &self,
        request: Request<Incoming>,
        connection: Arc<ConnState>,
    ) -> Result<Response<Answer>, (Refusal, Style)> {
        let (mut head, body) = request.into_parts();
        let now = self.gateway.clock.now();
        let mut asked = self.ask(&head, connection, now).await?;
        self.gateway.refuse_revoked(&asked, now)?;
        self.gateway.read_back(keys_of(&asked.plan)).await;
        let upgrade = head.extensions.remove::<OnUpgrade>();
        let offer = Offer::of(&head, &asked)?;
        let redacts = asked.plan.redacts;
        let account = self.account(std::mem::take(&mut asked.plan), now);
        asked.plan.redacts = redacts;
        self.refuse_held(&asked, &account, now)?;
        self.refuse_over(&asked, &account, now)?;
        let mode = mode(&asked, &account);
        self.prepare(&mut head, mode, &asked)?;
        if mode != Mode::Watch {
            let fail = asked.route().fail_on.of(Reason::Tunnel, asked.route().fail);
            restrict_upgrades(&mut head.headers, offer.is_some(), fail);
        }
        let until = now.after(self.limits.exchange_ms_max);
        let mut vigil = Vigil::new(Arc::clone(&self.gateway), until, &asked);
        let body = births::sent(&self.gateway, &mut asked, &head.headers, (body, until)).await;
        let request = Request::from_parts(head, ForwardBody::new(body, self.gateway.clock, until));
        let mut response = self.answered(&asked, &account, &mut vigil, request).await?;
        let sides = if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let downstream = upgrade.ok_or_else(|| asked.upstream_failed(UpstreamErrorKind::Framing))?;
            Some((downstream, hyper::upgrade::on(&mut response)))
        } else {
            None
        };
        let (mut head, body) = response.into_parts();
        // Nobody asked for a part; what was done is told all the same.
        if mode != Mode::Watch && head.status == StatusCode::PARTIAL_CONTENT && !asked.is_unsafe() {
            return Err(asked.misframed(Fault::UnaskedPart));
        }
        offer
            .as_ref()
            .map_or(Ok(()), |offer| offer.check(&head, mode, &asked))?;
        let body = births::remember(&self.gateway, &asked, &head, (body, until)).await;
        let mut opened = self.open(&asked, account, vigil, mode, &mut head, body).await;
        if let Some(sides) = sides {
            return self.switch(&asked, (sides, offer), (head, mode), opened).await;
        }
        let watching = mode == Mode::Watch;
        let start = poll_fn(|cx| opened.body.poll_start(cx, watching)).await;
        self.begin(&asked, mode, start, head, opened).await
    }

    /// The head of the answer; or what the client is told because a hold or the deadline came first.
    async fn answered(
        &self,
        asked: &Asked,
        account: &Account,
        vigil: &mut Vigil,
        request: Request<ForwardBody>,
    ) -> Result<Response<OriginBody>, (Refusal, Style)> {
        let mut sent = pin!(asked.route().upstream.send(request));
        loop {
            let answer = poll_fn(|cx| match sent.as_mut().poll(cx) {
                Poll::Ready(sent) => Poll::Ready(Ok(sent)),
                Poll::Pending => vigil.poll(account.keys(), &|_| false, cx).map(Err),
            });
            match answer.await {
                Ok(Ok(response)) => return Ok(response),
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
                Err(Woken::Held) => self.refuse_held(asked, account, self.gateway.clock.now())?,
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
        let (route, found) = found.ok_or_else(|| {
            ended("", "no_route");
            (Refusal::NoRoute, style)
        })?;
        let peer = connection.peer.ip();
        let started = set.identity.reads_credentials().then(Instant::now);
        let mut actor = set.identity.identify(head, peer, &self.door.trusted, now);
        let mut is_limited = false;
        if !actor.unheard.is_empty() {
            let learned = learn(&self.gateway, &set, &actor, now).await;
            // Where nothing was asked nothing more is known.
            if learned != Learned::Limited {
                actor = set.identity.identify(head, peer, &self.door.trusted, now);
            }
            // Whoever shows an issued credential beside it is known well enough.
            is_limited = learned == Learned::Limited && actor.doubt == Some(Doubt::Late);
            actor.doubt = actor.doubt.map(|doubt| learned.or(doubt));
        }
        if let Some(started) = started {
            report(&Event::AddedSeconds {
                part: Part::Identity,
                seconds: started.elapsed().as_secs_f64(),
            });
        }
        tell(&actor);
        let (address, network) = (address_key(actor.address), network_key(actor.address));
        let facts = Facts {
            destination: Some(host.as_bytes()),
            ..actor.facts(&address, &network, route)
        };
        let mut plan = set.policy.plan(&facts, now);
        let is_bypassed = self.gateway.bypass().covers(&found.name, now);
        let must_log_in = is_limited && !is_bypassed && set.policy.refuses_unissued(&facts);
        if is_bypassed {
            suspend(&mut plan);
        }
        let honest = fuse::honest(&self.gateway, &set, &actor, now);
        fuse::spare(&self.gateway, &set, &actor, &mut plan, now);
        let (method, path) = (head.method.clone(), head.uri.path_and_query().cloned());
        let asked = Asked {
            set,
            route,
            actor,
            plan,
            style,
            method,
            path,
            connection,
            is_bypassed,
            honest,
            renewed: None,
            holds_seen: self.gateway.ledger.holds_changed(),
        };
        if must_log_in && !asked.is_login() {
            ended(&asked.route().name, "reauth");
            return Err((asked.reauthenticate(&self.gateway, now), style));
        }
        Ok(asked)
    }

    /// Holds are checked before the request goes upstream, under a bypass too: a hold stays until it ends or is released.
    fn refuse_held(&self, asked: &Asked, account: &Account, now: Now) -> Result<(), (Refusal, Style)> {
        let mut held = fuse::held(&self.gateway, &asked.set, asked.actor.provenance, account.keys(), now);
        let Some((key, cause)) = held.next() else {
            return Ok(());
        };
        let budget = cause.and_then(|cause| asked.set.policy.get(cause));
        if let Some(cause) = cause {
            fuse::refused(&self.gateway, &asked.set, asked.honest, cause, now);
        }
        let name = asked.set.policy.cause(cause);
        let reauth = budget.is_some_and(|budget| budget.action == Action::Reauth);
        let action = if reauth { "reauth" } else { "hold" };
        report(&Event::Refused { budget: name, action });
        ended(&asked.route().name, action);
        if reauth {
            // Asked once; who comes back with the old credential meets its budget again.
            self.gateway.ledger.release(key, 0, 0, now);
            self.gateway.store.hold_changed();
            return Err((asked.reauthenticate(&self.gateway, now), asked.style));
        }
        Err((Refusal::Held, asked.style))
    }

    /// What was summed before leaves no room for another answer.
    fn refuse_over(&self, asked: &Asked, account: &Account, now: Now) -> Result<(), (Refusal, Style)> {
        let over = account.over(now);
        let Some(budget) = over
            .iter()
            .find(|over| over.refuses)
            .and_then(|over| asked.set.policy.get(over.budget))
        else {
            return Ok(());
        };
        fuse::refused(&self.gateway, &asked.set, asked.honest, budget.id, now);
        report(&Event::Refused {
            budget: &budget.name,
            action: budget.action.name(),
        });
        ended(&asked.route().name, budget.action.name());
        Err((Refusal::Blocked, asked.style))
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
            version: head.version,
        };
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
        match mode {
            // Nothing is changed where nothing is enforced.
            Mode::Watch => return Ok(()),
            Mode::Guard => restrict_codings(&mut head.headers),
            Mode::Rewrite => {
                head.headers
                    .insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
        }
        restrict_compressions(&mut head.headers, mode == Mode::Rewrite);
        // A part of a body has no whole records.
        head.headers.remove(RANGE);
        head.headers.remove(IF_RANGE);
        Ok(())
    }

    /// What is known with the head of the response: the people in it, how its body is inspected.
    async fn open(
        &self,
        asked: &Asked,
        mut account: Account,
        vigil: Vigil,
        mode: Mode,
        head: &mut response::Parts,
        body: UpstreamBody,
    ) -> Opened {
        let (gateway, set) = (&self.gateway, &asked.set);
        headers::forward_response(&mut head.headers, head.status == StatusCode::SWITCHING_PROTOCOLS);
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
            let (rules, secret) = (Arc::clone(&set.rules), gateway.secret.clone());
            let content = content(&head.headers);
            let reader = Inspector::new(mode, set.bounds, content, rules, secret);
            inspector = Some(reader.counting_values(fields::counted_values(&account)));
            ending = ending.tried_in_shadow(content);
        }
        let driver = Driver::new(inspector, (account, witness, confirm), terms, counted);
        let connection = Arc::clone(&asked.connection);
        Opened {
            body: InspectedBody::new(body, driver, gateway.clock, connection, ending, vigil),
            coding,
            masked_head,
        }
    }

    /// The head goes, or a refusal goes instead.
    async fn begin(
        &self,
        asked: &Asked,
        mode: Mode,
        start: Start,
        mut head: response::Parts,
        opened: Opened,
    ) -> Result<Response<Answer>, (Refusal, Style)> {
        let Opened {
            mut body,
            coding,
            masked_head,
        } = opened;
        match start {
            // The order has been placed: its status is told, though not what cannot be read.
            Start::Refused if asked.is_unsafe() && body.driver().is_unreadable() => {
                drop_content(&mut head);
                self.leave(asked, &mut body).await?;
                return Ok(Response::from_parts(head, Answer::Own(Full::default())));
            }
            Start::Refused => return Err((self.refusal(asked, &body), asked.style)),
            Start::Failed => {
                // The body reports it when it is dropped.
                let kind = body.failure().unwrap_or(UpstreamErrorKind::Reset);
                return Err((asked.unanswered(kind), asked.style));
            }
            Start::Ready => {}
        }
        if mode != Mode::Watch || masked_head {
            mark_altered(&mut head, mode, coding, masked_head || asked.may_mask());
        }
        if asked.route().tells_coverage {
            head.headers
                .insert(coverage::FIELD, coverage::value(body.driver(), mode));
        }
        self.leave(asked, &mut body).await?;
        Ok(Response::from_parts(head, Answer::Inspected(body)))
    }

    /// The head leaves, once whoever is in it may.
    pub(super) async fn leave(
        &self,
        asked: &Asked,
        body: &mut InspectedBody<UpstreamBody>,
    ) -> Result<(), (Refusal, Style)> {
        body.hand_over_head();
        if poll_fn(|cx| body.poll_leaving(cx)).await {
            Ok(())
        } else {
            Err((self.refusal(asked, body), asked.style))
        }
    }

    pub(super) fn terms(&self, asked: &Asked, status: StatusCode) -> Terms {
        Terms {
            gateway: Arc::clone(&self.gateway),
            set: Arc::clone(&asked.set),
            route: asked.route,
            unsafe_method: asked.is_unsafe(),
            not_found: matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE),
            may_mask: asked.may_mask(),
        }
    }

    /// What the client is told when nothing of the response left.
    pub(super) fn refusal(&self, asked: &Asked, body: &InspectedBody<UpstreamBody>) -> Refusal {
        match body.driver().outcome().denial {
            Some(Denial::Budget { budget, .. }) => match asked.set.policy.get(budget).map(|budget| budget.action) {
                Some(Action::Reauth) => asked.reauthenticate(&self.gateway, self.gateway.clock.now()),
                Some(Action::Hold { .. }) => Refusal::Held,
                _ => Refusal::Blocked,
            },
            Some(Denial::Throttled { retry_after_s, .. }) => Refusal::Throttled { retry_after_s },
            Some(Denial::Held) => Refusal::Held,
            Some(Denial::Revoked(name)) => revoked::refusal(asked, name),
            Some(Denial::Fail(_)) | None => Refusal::Uninspectable,
        }
    }
}

/// Tells what is known of the credential that was sent, if one was.
fn tell(actor: &Actor) {
    if actor.credential.is_none() {
        return;
    }
    let provenance = actor.provenance.name();
    report(&Event::Identity(IdentityFact::Shown { provenance }));
    if let Some(doubt) = actor.doubt {
        let reason = doubt.name();
        report(&Event::Identity(IdentityFact::Unknown { reason }));
    }
}

impl Handler for Exchanges {
    type Body = Answer;

    async fn handle(&self, request: Request<Incoming>, connection: Arc<ConnState>) -> Response<Answer> {
        match self.exchange(request, connection).await {
            Ok(response) => response,
            Err((refusal, style)) => {
                // A hold or a revocation that was seen outlives a crash. Where the disk fails it is in force all the same.
                if matches!(refusal, Refusal::Held | Refusal::Revoked { .. }) {
                    self.gateway.store.holds_written().await;
                }
                respond(&refusal, style).map(Answer::Own)
            }
        }
    }
}

/// All that an exchange counts under, or may come to.
fn keys_of(plan: &Plan) -> impl Iterator<Item = &KeyId> {
    let used = plan.keys.iter().chain(&plan.allowance);
    let keys = used.flat_map(|used| std::iter::once(&used.key).chain(&used.fallback));
    keys.chain(plan.sums.iter().map(|used| &used.key))
}
