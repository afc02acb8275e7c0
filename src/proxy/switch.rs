//! An exchange whose sides leave HTTP: for WebSocket, whose messages are inspected, or for a tunnel, which is counted.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, SEC_WEBSOCKET_EXTENSIONS, UPGRADE};
use http::{HeaderMap, HeaderValue, Response, StatusCode, request, response};
use http_body_util::{Empty, Full};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::answer::{Answer, UpstreamBody};
use super::asked::{Asked, ended};
use super::body::InspectedBody;
use super::confirm::Confirm;
use super::driver::{Driver, Flow, MakeInspector};
use super::ending::Ending;
use super::exchange::{Exchanges, Opened, Told};
use super::fail::{Fail, Reason};
use super::fields::FieldCount;
use super::framing::Fault;
use super::outlet::Outlet;
use super::respond::{Refusal, Style};
use super::terms::Terms;
use super::unread::Unread;
use super::vigil::Vigil;
use super::websocket::{Handshake, Peers, deflates, offers_websocket, relay, translate, translate_answer};
use super::witness::Witness;
use crate::engine::apart::Apart;
use crate::engine::inspect::{Content, Mode};
use crate::engine::ledger::Account;
use crate::engine::policy::{Direction, Plan};
use crate::engine::record::Details;
use crate::engine::structure::Declared;
use crate::events::{Event, Leg, report};

/// A request that offers to switch to WebSocket, on a route whose bodies are looked into.
pub(super) struct Offer {
    handshake: Handshake,
    /// What the messages of the client count under.
    plan: Plan,
    /// As what they do: as requests where some budget counts those.
    direction: Direction,
}

/// The two sides of an exchange that leave HTTP.
type Sides = (OnUpgrade, OnUpgrade);

impl Offer {
    /// The one in the head of a request, if there is one. Then nothing else is offered to the origin.
    pub(super) fn of(head: &mut request::Parts, asked: &Asked) -> Told<Option<Self>> {
        if !asked.route().inspect {
            return Ok(None);
        }
        let handshake = Handshake::of(head).map_err(|fault| {
            let (leg, name) = (Leg::Downstream, fault.name());
            report(&Event::HeadRefused { leg, fault: name });
            ended(&asked.route().name, "upgrade");
            (Refusal::Framing(fault), asked.style)
        })?;
        let Some(handshake) = handshake else { return Ok(None) };
        head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let (plan, direction) = match &asked.upload {
            Some(upload) => (upload.clone(), Direction::Request),
            None => (asked.plan.clone(), Direction::Response),
        };
        Ok(Some(Self {
            handshake,
            plan,
            direction,
        }))
    }
}

/// Takes an extended CONNECT of HTTP/2 as the offer that HTTP/1.1 would make; whether it is one.
pub(super) fn extended(head: &mut request::Parts) -> Told<bool> {
    translate(head).map_err(|fault| {
        let (leg, name) = (Leg::Downstream, fault.name());
        report(&Event::HeadRefused { leg, fault: name });
        ended("", "upgrade");
        (Refusal::Framing(fault), Style::of(&head.headers))
    })
}

/// Whether the head of the answer, if it is a 101, is one to `offer`; a WebSocket that nobody offered would pass unread. One who
/// asked by an extended CONNECT would take any success for a switch.
pub(super) fn check(
    offer: Option<&Offer>,
    head: &response::Parts,
    (watches, is_extended): (bool, bool),
    asked: &Asked,
) -> Told<()> {
    let is_good = match offer {
        _ if head.status != StatusCode::SWITCHING_PROTOCOLS => !is_extended || !head.status.is_success(),
        Some(offer) => offer.handshake.is_met(&head.headers, watches),
        None => !asked.route().inspect || !offers_websocket(&head.headers),
    };
    if is_good {
        Ok(())
    } else {
        Err(asked.misframed(Fault::WebsocketHandshake))
    }
}

/// Whether something is enforced on what is sent.
pub(super) fn guards_upload(asked: &Asked) -> bool {
    asked.route().inspect && asked.upload.as_ref().is_some_and(Plan::is_enforcing)
}

/// Where something is enforced: takes from a request the offer of what could not be looked into.
pub(super) fn restrict_upgrades(headers: &mut HeaderMap, is_websocket: bool, fail: Fail) {
    if is_websocket {
        // Messages could be deflated with a context that we do not have.
        headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    } else if fail == Fail::Closed && headers.contains_key(UPGRADE) {
        headers.remove(UPGRADE);
        headers.remove(CONNECTION);
    }
}

impl Exchanges {
    /// Both sides leave HTTP. What was opened stays with them, and reports their end.
    pub(super) async fn switch(
        &self,
        asked: &Asked,
        (sides, offer, unread): (Sides, Option<Offer>, Unread),
        (mut head, mode, watches): (response::Parts, Mode, bool),
        opened: Opened<UpstreamBody>,
    ) -> Told<Response<Answer>> {
        let mut body = opened.body;
        if body.driver().flow() == Flow::Cut {
            return Err((self.body_refusal(asked, &body), asked.style));
        }
        if offer.is_none() {
            body.switch();
            body.note_passed(Reason::Tunnel);
        }
        self.leave(asked, &mut body).await?;
        match offer {
            Some(offer) => {
                self.carry_messages(asked, (sides, offer), (&head.headers, mode, watches), body)
                    .await;
            }
            None => self.tunnel(sides, unread, body),
        }
        if asked.connection.is_http2 {
            translate_answer(&mut head);
        }
        Ok(Response::from_parts(head, Answer::Own(Full::default())))
    }

    fn tunnel(&self, (downstream, upstream): Sides, unread: Unread, body: Box<InspectedBody<UpstreamBody>>) {
        let (limits, stop) = (Arc::clone(&self.limits), self.stop.clone());
        tokio::spawn(async move {
            if let (Ok(downstream), Ok(upstream)) = tokio::join!(downstream, upstream) {
                let sides = (TokioIo::new(downstream), TokioIo::new(upstream));
                let ends = (Reason::Tunnel.name(), || true);
                unread.cross(sides, body, (&limits, stop), ends).await;
            }
        });
    }

    async fn carry_messages(
        &self,
        asked: &Asked,
        (sides, offer): (Sides, Offer),
        (headers, mode, watches): (&HeaderMap, Mode, bool),
        mut to_client: Box<InspectedBody<UpstreamBody>>,
    ) {
        let details = to_client.driver().details();
        to_client.carry_messages(inspectors(asked, self.gateway.apart.as_ref(), mode, details));
        // What a client sends is never masked: a mask would be saved over what it hides.
        let sent = if watches { Mode::Watch } else { Mode::Guard };
        let (mut plan, now) = (offer.plan, self.gateway.clock.now());
        let account = self.gateway.open_account(&asked.set, &mut plan, now).await;
        let mut to_server = self.beside(asked, account, offer.direction);
        let details = to_server.driver().details();
        to_server.carry_messages(inspectors(asked, self.gateway.apart.as_ref(), sent, details));
        let peers = Peers {
            to_client,
            to_server,
            watches,
            deflates: deflates(headers),
            limits: Arc::clone(&self.limits),
        };
        let stop = self.stop.clone();
        tokio::spawn(async move { relay(sides, peers, stop.cancelled()).await });
    }

    /// What counts what crosses beside bodies, in one direction, until it has ended; nothing of it is masked.
    pub(super) fn beside(
        &self,
        asked: &Asked,
        account: Account,
        direction: Direction,
    ) -> Box<InspectedBody<Empty<Bytes>>> {
        let (gateway, set) = (&self.gateway, &asked.set);
        let now = gateway.clock.now();
        let terms = Terms {
            may_mask: false,
            direction,
            ..self.terms(asked, StatusCode::SWITCHING_PROTOCOLS)
        };
        let mut witness = Witness::new(gateway, set, asked.route, &asked.actor, account.keys());
        if direction == Direction::Request {
            witness = witness.of_upload(&asked.destination);
        }
        let confirm = Confirm::new(&account, gateway);
        let mut ending = Ending::new(gateway, asked, &account);
        ending.direction = direction;
        let vigil = Vigil::new(Arc::clone(gateway), now, asked);
        let driver = Driver::new(None, (account, witness, confirm), terms, FieldCount::default());
        let outlet = Outlet::downstream(Arc::clone(&asked.connection));
        InspectedBody::new(Empty::new(), driver, gateway.clock, outlet, ending, vigil)
    }
}

/// Makes the inspectors of messages.
fn inspectors(asked: &Asked, apart: Option<&Arc<dyn Apart>>, mode: Mode, details: Details) -> MakeInspector {
    let (set, route, apart) = (Arc::clone(&asked.set), asked.route, apart.cloned());
    Box::new(move || {
        let content = Content::from(Declared::Unknown);
        set.inspector(route, apart.as_ref(), (mode, content), details.clone())
    })
}
