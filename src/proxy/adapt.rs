//! What another proxy carries itself and asks about on the way: a request before it is sent, a response before it is shown. The
//! decisions are those of every other exchange.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALT_SVC, HOST};
use http::{HeaderName, Response, StatusCode, request, response};
use http_body::{Body, Frame};
use ipnet::IpNet;

use super::asked::{Asked, Met, ended, flooded, mode, suspend};
use super::authority::destination;
use super::body::InspectedBody;
use super::connection::{BoxError, ConnState, Stop};
use super::content::ask_for_readable;
use super::exchange::{Exchanges, Source, Told};
use super::framing::Fault;
use super::gateway::Set;
use super::outlet::Outlet;
use super::provenance::who;
use super::respond::{Refusal, Style, respond};
use super::route::Leads;
use super::unidentified;
use super::vigil::Vigil;
use crate::engine::inspect::Mode;
use crate::engine::ledger::Account;
use crate::engine::policy::Direction;
use crate::engine::time::Now;
use crate::identity::{Peer, Provenance, is_trusted};

/// A listener at which other proxies ask, as meant; a reload replaces it.
#[derive(Debug)]
pub struct Adaptation {
    /// The name of the listener.
    pub listener: String,
    /// Networks of the proxies that may ask; those of this machine may.
    pub clients: Vec<IpNet>,
    /// Where they name the user who is behind a request. None where a request is as of a client of our own: it shows who it is.
    pub user: Option<UserField>,
}

/// The field in which a proxy names a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserField {
    /// Its name.
    pub name: HeaderName,
    /// Whether its value stands in base64.
    pub is_coded: bool,
}

impl Adaptation {
    /// The name of its route, in metrics, conditions and the journal; no pattern of a route has one without a slash.
    pub fn route_name(listener: &str) -> String {
        format!("icap:{listener}")
    }

    /// The same where a mesh asks.
    pub fn mesh_route_name(listener: &str) -> String {
        format!("ext_proc:{listener}")
    }

    /// Whether a proxy at `address` may ask.
    pub fn admits(&self, address: IpAddr) -> bool {
        address.to_canonical().is_loopback() || is_trusted(address, &self.clients)
    }
}

/// Who is behind the proxy that asks.
#[derive(Clone, Debug)]
pub(crate) enum Client {
    /// Whom the proxy names: what is shown to the origin is no business of ours.
    Named {
        /// Its address, or the proxy's where that says nothing that is believed.
        address: IpAddr,
        /// Its principal, where the proxy names a user.
        user: Option<Arc<[u8]>>,
        /// Our own address.
        local: SocketAddr,
        /// When the listener stops.
        stop: Stop,
    },
    /// Who the request shows, as of a client of our own.
    Shown {
        /// That of the proxy.
        connection: Arc<ConnState>,
        /// Nothing that is answered is heard: every budget only tells.
        is_observed: bool,
    },
}

impl Client {
    const fn is_observed(&self) -> bool {
        matches!(self, Self::Shown { is_observed: true, .. })
    }

    /// Whether a head goes on before anything of its body is told.
    const fn tells_heads_first(&self) -> bool {
        matches!(self, Self::Shown { .. })
    }
}

/// The body of a request that may go on.
pub(crate) enum Passed<B> {
    /// Nothing counts requests: it is as it came, and nobody looks into it.
    Plain(B),
    /// As an inspector releases it.
    Inspected(Box<InspectedBody<B>>),
}

impl<B: Source> Body for Passed<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Plain(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Inspected(body) => Pin::new(body.as_mut()).poll_frame(cx),
        }
    }
}

impl Set {
    /// The number of the route of a listener at which other proxies ask, and what is meant by it.
    pub(crate) fn adaptation(&self, listener: &str) -> Option<(usize, &Arc<Adaptation>)> {
        let routes = self.routes.iter().enumerate();
        routes.into_iter().find_map(|(number, route)| match &route.leads {
            Leads::Back(meant) if meant.listener == listener => Some((number, meant)),
            Leads::Back(_) | Leads::To(_) | Leads::Out(_) => None,
        })
    }
}

/// What a proxy that asks may know.
pub(crate) struct Asking {
    /// What is meant by the listener.
    pub(crate) meant: Arc<Adaptation>,
    /// Whether the proxy is believed about its clients.
    pub(crate) is_trusted: bool,
    /// A hash of the rules in force.
    pub(crate) rules: [u8; 32],
}

impl Exchanges {
    /// What the proxy at this address may know; none while the gateway ends, or after a reload took the listener away.
    pub(crate) fn asking(&self, proxy: IpAddr) -> Option<Asking> {
        let set = self.gateway.set();
        let (_, meant) = set
            .adaptation(&self.door.name)
            .filter(|_| !self.gateway.is_draining())?;
        Some(Asking {
            meant: Arc::clone(meant),
            is_trusted: is_trusted(proxy, &self.door.trusted),
            rules: set.rules.hash(),
        })
    }

    /// How long one may last, in milliseconds.
    pub(crate) fn exchange_ms_max(&self) -> u64 {
        self.limits.exchange_ms_max
    }

    /// Fields of a head, at most.
    pub(crate) fn headers_max(&self) -> usize {
        usize::from(self.limits.headers_max)
    }

    /// What becomes of a request. `head` is changed where it must be.
    ///
    /// # Errors
    /// What the client is told in the place of an answer.
    pub(crate) async fn adapt_request<B: Source>(
        &self,
        head: &mut request::Parts,
        body: B,
        client: Client,
    ) -> Result<Passed<B>, Response<Bytes>> {
        let adapted = self.request(head, body, client).await;
        self.told(adapted).await
    }

    /// What becomes of the response to `request`. None in the place of the body: what is left of `head` has an empty one.
    ///
    /// # Errors
    /// What the client is told in its place.
    pub(crate) async fn adapt_response<B: Source>(
        &self,
        request: &request::Parts,
        head: &mut response::Parts,
        body: B,
        client: Client,
    ) -> Result<Option<Box<InspectedBody<B>>>, Response<Bytes>> {
        let adapted = self.response(request, head, body, client).await;
        self.told(adapted).await
    }

    async fn told<T>(&self, adapted: Told<T>) -> Result<T, Response<Bytes>> {
        match adapted {
            Ok(adapted) => Ok(adapted),
            Err((refusal, style)) => {
                self.settle_refusal(&refusal).await;
                Err(respond(&refusal, style))
            }
        }
    }

    async fn request<B: Source>(&self, head: &mut request::Parts, body: B, client: Client) -> Told<Passed<B>> {
        let now = self.gateway.clock.now();
        let (mut asked, account) = self.admit_back(head, client, now).await?;
        let mode = mode(&asked, &account);
        let body = match asked.upload.take() {
            None => Passed::Plain(body),
            Some(plan) => {
                let until = now.after(self.limits.exchange_ms_max);
                let counted = self.count_upload(&asked, plan, head, (body, Outlet::Back, until));
                Passed::Inspected(Box::pin(counted).await?)
            }
        };
        ask_for_readable(&mut head.headers, mode);
        Ok(body)
    }

    async fn response<B: Source>(
        &self,
        request: &request::Parts,
        head: &mut response::Parts,
        body: B,
        client: Client,
    ) -> Told<Option<Box<InspectedBody<B>>>> {
        let now = self.gateway.clock.now();
        let heads_first = client.tells_heads_first();
        let (asked, account) = self.admit_back(request, client, now).await?;
        let mode = mode(&asked, &account);
        if mode != Mode::Watch && head.status == StatusCode::PARTIAL_CONTENT && !asked.is_unsafe() {
            return Err(asked.misframed(Fault::UnaskedPart));
        }
        // It would lead clients around whoever asks here.
        head.headers.remove(ALT_SVC);
        let vigil = Vigil::new(
            Arc::clone(&self.gateway),
            now.after(self.limits.exchange_ms_max),
            &asked,
        );
        let mut opened = self
            .open(&asked, account, vigil, mode, head, (body, Outlet::Back))
            .await;
        let watching = mode == Mode::Watch || heads_first;
        let start = poll_fn(|cx| opened.body.poll_start(cx, watching)).await;
        self.begin(&asked, mode, start, head, opened).await
    }

    /// Who asks for what, with an account, unless they may not.
    async fn admit_back(&self, head: &request::Parts, client: Client, now: Now) -> Told<(Asked, Account)> {
        let is_observed = client.is_observed();
        let mut asked = self.ask_back(head, client, now).await?;
        if is_observed {
            suspend(&mut asked.plan);
            asked.upload.iter_mut().for_each(suspend);
        } else {
            self.gateway.refuse_revoked(&asked, now)?;
        }
        self.gateway.tell_of_others(&asked, now);
        let account = self.gateway.open_account(&asked.set, &mut asked.plan, now).await;
        if !is_observed {
            self.gateway.refuse_held(&asked, &account, now)?;
            self.gateway.refuse_over(&asked, (&account, Direction::Response), now)?;
            unidentified::refuse(&mut asked, &account)?;
        }
        Ok((asked, account))
    }

    /// Who asks for what, and what it counts under.
    async fn ask_back(&self, head: &request::Parts, client: Client, now: Now) -> Told<Asked> {
        let style = Style::of(&head.headers);
        let set = Arc::clone(&self.gateway.set());
        // A reload may have taken it away.
        let Some((route, _)) = set.adaptation(&self.door.name) else {
            ended("", "no_route");
            return Err((Refusal::NoRoute, style));
        };
        let (actor, is_limited, connection, is_outward) = match client {
            Client::Named {
                address,
                user,
                local,
                stop,
            } => {
                let actor = set.identity.of_client(head, &Peer::at(address), user.as_ref(), now);
                let connection = ConnState::of_client((SocketAddr::new(address, 0), local), stop);
                (actor, false, Arc::new(connection), true)
            }
            Client::Shown { connection, .. } => {
                let (mut actor, is_limited) = who(&self.gateway, &set, head, (&self.door, &connection), now).await;
                // What is issued there is not seen: nobody can be told apart from who was never issued anything.
                if actor.provenance == Provenance::Unissued {
                    actor.provenance = Provenance::Unknown;
                }
                (actor, is_limited, connection, false)
            }
        };
        if actor.is_flooded {
            return Err(flooded(&set.routes, route, style));
        }
        let host = head.uri.authority().map(http::uri::Authority::as_str);
        let host = host.or_else(|| head.headers.get(HOST)?.to_str().ok());
        let met = Met {
            route,
            actor,
            destination: destination(host.unwrap_or_default()).into(),
            upstream: None,
            is_outward,
            is_limited,
            style,
        };
        self.asked(set, met, head, connection, now).await
    }
}
