//! Sending a request to an upstream: which endpoint, on which connection, and whether to try again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use http::header::{CONNECTION, HOST, PROXY_AUTHORIZATION, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::client::conn::http2;
use hyper::ext::ReasonPhrase;
use rustls::ClientConfig;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::body::{Lease, ResponseBody};
use super::endpoint::EndpointUrl;
use super::error::{UpstreamError, UpstreamErrorKind};
use super::line::Line;
use super::parent::Parent;
use super::pool::{Connection, Endpoint, H1};
use super::reach::Reach;
use crate::events::{Event, report};
use crate::proxy::connection::BoxError;
use crate::proxy::framing::Asked;
use crate::proxy::limits::{Limits, ms};

/// What a request body must be; its default is empty, and stands in when a request without a body is sent again.
pub trait RequestBody: Body<Data = Bytes, Error = BoxError> + Default + Send + Unpin + 'static {}

impl<B: Body<Data = Bytes, Error = BoxError> + Default + Send + Unpin + 'static> RequestBody for B {}

/// The endpoints that serve one route. `B` is the body of requests.
pub struct Upstream<B> {
    endpoints: Vec<Arc<Endpoint<B>>>,
    next: AtomicUsize,
    tls: Arc<ClientConfig>,
    limits: Arc<Limits>,
}

/// A request that waits to be sent: an attempt takes it, and puts it back if nothing of it was sent.
type Unsent<B> = Option<Request<B>>;

impl<B: RequestBody> Upstream<B> {
    /// An upstream over these endpoints, at least one; connections are made as requests come.
    pub fn new(endpoints: Vec<EndpointUrl>, tls: Arc<ClientConfig>, limits: Arc<Limits>) -> Self {
        let endpoints = endpoints
            .into_iter()
            .map(|url| Arc::new(Endpoint::new(url, None, &limits)))
            .collect();
        Self {
            endpoints,
            next: AtomicUsize::new(0),
            tls,
            limits,
        }
    }

    /// An upstream that a client chose: only what `reach` permits is reached, through the parent proxy where there is one.
    pub fn outside(
        url: EndpointUrl,
        (reach, parent): (Arc<Reach>, Option<Arc<Parent>>),
        tls: Arc<ClientConfig>,
        limits: Arc<Limits>,
    ) -> Self {
        let endpoint = Endpoint::new(url, Some(reach), &limits).behind(parent);
        Self {
            endpoints: vec![Arc::new(endpoint)],
            next: AtomicUsize::new(0),
            tls,
            limits,
        }
    }

    /// A connection without any protocol over it, for a tunnel.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn stream(&self) -> Result<Line, UpstreamError> {
        self.only()?.stream(&self.limits).await
    }

    /// Connects before there is a request; whether HTTP/2 was agreed on.
    ///
    /// # Errors
    ///
    /// Why there is no connection: a certificate that is not to be trusted, for one.
    pub async fn warm(&self) -> Result<bool, UpstreamError> {
        self.only()?.warm(&self.tls, &self.limits).await
    }

    fn only(&self) -> Result<&Arc<Endpoint<B>>, UpstreamError> {
        self.endpoints
            .first()
            .ok_or(UpstreamError::new(UpstreamErrorKind::Connect))
    }

    /// Sends a request and returns the head of the answer; its body follows. The client's host stays as it was sent.
    ///
    /// A request of which nothing was sent, or an idempotent one without a body, is tried once more, elsewhere if there
    /// is another endpoint.
    ///
    /// # Errors
    ///
    /// The failure of the last attempt.
    pub async fn send(&self, request: Request<B>) -> Result<Response<ResponseBody<B>>, UpstreamError> {
        let copy = Repeatable::of(&request);
        let first = self
            .choose(None)
            .ok_or(UpstreamError::new(UpstreamErrorKind::Connect))?;
        let mut unsent = Some(request);
        let error = match self.attempt(first, &mut unsent, false).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        let mut again = unsent.or_else(|| copy.map(Repeatable::request));
        if again.is_none() || !error.is_of_connection() {
            return Err(error);
        }
        report(&Event::UpstreamRetried);
        let second = self.choose(Some(first)).unwrap_or(first);
        Box::pin(self.attempt(second, &mut again, true)).await
    }

    /// The next endpoint in turn that is well and not `avoided`; if none is, the next in turn all the same.
    fn choose(&self, avoided: Option<&Arc<Endpoint<B>>>) -> Option<&Arc<Endpoint<B>>> {
        let turn = if self.endpoints.len() > 1 {
            self.next.fetch_add(1, Relaxed) % self.endpoints.len()
        } else {
            0
        };
        let (before, from) = self.endpoints.split_at_checked(turn)?;
        let is_good = |endpoint: &&Arc<Endpoint<B>>| {
            !endpoint.health.is_ejected() && avoided.is_none_or(|avoided| !Arc::ptr_eq(avoided, endpoint))
        };
        from.iter().chain(before).find(is_good).or_else(|| from.first())
    }

    async fn attempt(
        &self,
        endpoint: &Arc<Endpoint<B>>,
        request: &mut Unsent<B>,
        fresh: bool,
    ) -> Result<Response<ResponseBody<B>>, UpstreamError> {
        let answer = self.exchange(endpoint, request, fresh).await;
        let gateway_errors = [
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        let failed = match &answer {
            Ok(response) => gateway_errors.contains(&response.status()),
            Err(error) => error.is_of_endpoint() || error.kind == UpstreamErrorKind::HeadTimeout,
        };
        if failed {
            endpoint.health.failed(&self.limits);
        } else {
            endpoint.health.succeeded();
        }
        answer
    }

    async fn exchange(
        &self,
        endpoint: &Arc<Endpoint<B>>,
        request: &mut Unsent<B>,
        fresh: bool,
    ) -> Result<Response<ResponseBody<B>>, UpstreamError> {
        // What leaves HTTP does so over HTTP/1.1, where the endpoint speaks it too.
        let switches = request
            .as_ref()
            .is_some_and(|request| request.headers().contains_key(UPGRADE));
        let (connection, slot) = self.connection(endpoint, fresh, switches).await?;
        match connection {
            Connection::H1(connection) => self.over_http1(endpoint, connection, slot, request).await,
            Connection::H2(sender) => Box::pin(self.over_http2(endpoint, sender, slot, request)).await,
        }
    }

    /// A connection and a place on it; `fresh` passes over idle connections. What waits is boxed here and above: hyper
    /// copies the future of an exchange once, so it must not be as large as a TLS handshake.
    async fn connection(
        &self,
        endpoint: &Endpoint<B>,
        fresh: bool,
        switches: bool,
    ) -> Result<(Connection<B>, OwnedSemaphorePermit), UpstreamError> {
        let slot = match endpoint.free_slot() {
            Some(slot) => slot,
            None => Box::pin(endpoint.slot(&self.limits)).await?,
        };
        // Over HTTP/2 a retry takes the shared connection too: a stream of it is fresh.
        let open = endpoint.open(&self.limits);
        let needs_http1 = switches && endpoint.may_speak_http1();
        let is_good = |open: &Connection<B>| match open {
            Connection::H1(_) => !fresh,
            Connection::H2(_) => !needs_http1,
        };
        let connection = match open.filter(is_good) {
            Some(open) => open,
            None if needs_http1 => Box::pin(endpoint.connect_http1(&self.tls, &self.limits)).await?,
            None => Box::pin(endpoint.connect(&self.tls, &self.limits)).await?,
        };
        Ok((connection, slot))
    }

    async fn over_http1(
        &self,
        endpoint: &Arc<Endpoint<B>>,
        mut connection: H1<B>,
        slot: OwnedSemaphorePermit,
        unsent: &mut Unsent<B>,
    ) -> Result<Response<ResponseBody<B>>, UpstreamError> {
        let sent = {
            let mut request = unsent.take().ok_or(UpstreamError::new(UpstreamErrorKind::Reset))?;
            to_http1(&mut request);
            if let Some(parent) = endpoint.asked_in_full() {
                to_parent(&mut request, &endpoint.url, parent);
            }
            connection.wire.ask(asked(&request));
            connection.sender.try_send_request(request)
        };
        match sent.await {
            // Who asks has no business with the parent's names and passwords.
            Ok(response) if is_refused_by_parent(endpoint, &response) => {
                Err(UpstreamError::new(UpstreamErrorKind::Parent))
            }
            Ok(response) => {
                let leaves_http = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                let connection = Some(connection).filter(|_| !leaves_http);
                Ok(self.received(response, endpoint, connection, slot))
            }
            Err(mut refused) => {
                *unsent = refused.take_message();
                Err(UpstreamError {
                    reused: connection.reused,
                    ..UpstreamError::from_hyper(refused.error(), connection.wire.expired())
                })
            }
        }
    }

    async fn over_http2(
        &self,
        endpoint: &Arc<Endpoint<B>>,
        mut sender: http2::SendRequest<B>,
        slot: OwnedSemaphorePermit,
        unsent: &mut Unsent<B>,
    ) -> Result<Response<ResponseBody<B>>, UpstreamError> {
        let mut request = unsent.take().ok_or(UpstreamError::new(UpstreamErrorKind::Reset))?;
        to_http2(&mut request, endpoint.url.scheme());
        // A long upload is no hung origin: with a body, only the exchange as a whole is timed.
        let is_short = request.body().is_end_stream();
        let sent = sender.try_send_request(request);
        let answer = if is_short {
            timeout(ms(self.limits.response_head_ms_max), sent).await
        } else {
            Ok(sent.await)
        };
        match answer {
            Ok(Ok(response)) => Ok(self.received(response, endpoint, None, slot)),
            Ok(Err(mut refused)) => {
                *unsent = refused.take_message();
                Err(UpstreamError::from_hyper(refused.error(), None))
            }
            Err(_) => Err(UpstreamError::new(UpstreamErrorKind::HeadTimeout)),
        }
    }

    fn received(
        &self,
        mut response: Response<hyper::body::Incoming>,
        endpoint: &Arc<Endpoint<B>>,
        connection: Option<H1<B>>,
        slot: OwnedSemaphorePermit,
    ) -> Response<ResponseBody<B>> {
        // Our own connections speak 1.1 whatever the origin's did, and its reason phrase could carry data.
        *response.version_mut() = Version::HTTP_11;
        response.extensions_mut().remove::<ReasonPhrase>();
        let lease = Lease {
            endpoint: Arc::clone(endpoint),
            limits: Arc::clone(&self.limits),
            connection,
            slot,
        };
        response.map(|body| ResponseBody::new(body, lease))
    }
}

impl<B> fmt::Debug for Upstream<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("endpoints", &self.endpoints.len())
            .finish_non_exhaustive()
    }
}

/// The head of a request that may be sent twice: idempotent (RFC 9110 section 9.2.2) and without a body. Its fields are
/// kept as a list, which costs less than a copy of the map, and nearly always nobody needs it.
struct Repeatable {
    method: Method,
    uri: Uri,
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Repeatable {
    fn of<B: Body>(request: &Request<B>) -> Option<Self> {
        let may_repeat = request.method().is_idempotent() && request.body().is_end_stream();
        let fields = request.headers().iter();
        may_repeat.then(|| Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            fields: fields.map(|(name, value)| (name.clone(), value.clone())).collect(),
        })
    }

    fn request<B: Default>(self) -> Request<B> {
        let mut request = Request::new(B::default());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        for (name, value) in self.fields {
            request.headers_mut().append(name, value);
        }
        request
    }
}

/// What the framing of the answer depends on.
fn asked<B>(request: &Request<B>) -> Asked {
    match *request.method() {
        Method::HEAD => Asked::Head,
        Method::CONNECT => Asked::Connect,
        _ if request.headers().contains_key(UPGRADE) => Asked::Upgrade,
        _ => Asked::Content,
    }
}

/// A target in origin form and a Host field, as HTTP/1.1 wants them; unchanged where they are already.
fn to_http1<B>(request: &mut Request<B>) {
    *request.version_mut() = Version::HTTP_11;
    let Some(authority) = request
        .uri()
        .authority()
        .cloned()
        .filter(|_| request.method() != Method::CONNECT)
    else {
        return;
    };
    let target = request
        .uri()
        .path_and_query()
        .cloned()
        .unwrap_or(PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(target);
    if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
        // The host that chose the route, and no other.
        request.headers_mut().insert(HOST, host);
    }
}

/// An absolute target, and who we are to the proxy that is asked for it (RFC 9112 section 3.2.2).
fn to_parent<B>(request: &mut Request<B>, url: &EndpointUrl, parent: &Parent) {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    // The host that was looked at, and not what the client wrote.
    let authority = if url.port == 80 {
        url.authority().trim_end_matches(":80").to_owned()
    } else {
        url.authority()
    };
    parts.authority = Authority::try_from(authority).ok();
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    if let Some(credentials) = parent.credentials() {
        request.headers_mut().insert(PROXY_AUTHORIZATION, credentials);
    }
}

fn is_refused_by_parent<B: RequestBody, R>(endpoint: &Endpoint<B>, response: &Response<R>) -> bool {
    endpoint.asked_in_full().is_some() && response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED
}

/// Scheme and authority in the target, as HTTP/2 wants them, and no Host field (RFC 9113 section 8.3.1).
fn to_http2<B>(request: &mut Request<B>, scheme: Scheme) {
    *request.version_mut() = Version::HTTP_2;
    let host = request.headers_mut().remove(HOST);
    // A switch of protocols is not to be had here (RFC 9113 section 8.2.2).
    request.headers_mut().remove(UPGRADE);
    request.headers_mut().remove(CONNECTION);
    let named = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(scheme);
    parts.authority = parts.authority.or(named);
    // Without any host (HTTP/1.0) the upstream is asked for itself; hyper refuses a target without an authority.
    parts.authority = parts.authority.or_else(|| Some(Authority::from_static("localhost")));
    parts.path_and_query = parts.path_and_query.or_else(|| Some(PathAndQuery::from_static("/")));
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}
