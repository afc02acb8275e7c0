//! The connections of one endpoint: idle ones over HTTP/1.1, newest first, or one shared over HTTP/2.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::client::conn::{http1, http2};
use rustls::ClientConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::connect::{Dialed, dial, reach};
use super::endpoint::{Addresses, EndpointUrl, Health, Protocol};
use super::error::{UpstreamError, UpstreamErrorKind};
use super::line::Line;
use super::parent::Parent;
use super::reach::Reach;
use super::send::RequestBody;
use crate::proxy::limits::{Limits, ms};
use crate::proxy::wire::Wire;
use crate::tls::{HTTP_1_1, offering};

/// One connection over HTTP/1.1, which carries one exchange at a time.
pub(super) struct H1<B> {
    pub(super) sender: http1::SendRequest<B>,
    pub(super) wire: Arc<Wire>,
    /// Whether it has carried an exchange before.
    pub(super) reused: bool,
    born: Instant,
}

impl<B> H1<B> {
    pub(super) fn new(sender: http1::SendRequest<B>, wire: Arc<Wire>) -> Self {
        Self {
            sender,
            wire,
            reused: false,
            born: Instant::now(),
        }
    }

    /// Whether it takes no more exchanges: it is closed, or about to be for what came on it.
    fn is_spent(&self) -> bool {
        self.sender.is_closed() || self.wire.fault().is_some()
    }
}

/// One connection over HTTP/2, which carries many.
struct Shared<B> {
    sender: http2::SendRequest<B>,
    born: Instant,
}

/// A connection for one exchange.
pub(super) enum Connection<B> {
    H1(H1<B>),
    H2(http2::SendRequest<B>),
}

/// One endpoint with what is known and open of it.
pub(super) struct Endpoint<B> {
    pub(super) url: EndpointUrl,
    pub(super) health: Health,
    addresses: Addresses,
    /// Where a client chooses: what may be reached.
    reach: Option<Arc<Reach>>,
    /// The proxy through which it is reached.
    parent: Option<Arc<Parent>>,
    next_address: AtomicUsize,
    /// Newest last.
    idle: Mutex<Vec<H1<B>>>,
    shared: Mutex<Option<Shared<B>>>,
    /// Whether the last connection spoke HTTP/2: then one dials and the others wait for it.
    speaks_http2: AtomicBool,
    dialing: tokio::sync::Mutex<()>,
    slots: Arc<Semaphore>,
}

impl<B: RequestBody> Endpoint<B> {
    pub(super) fn new(url: EndpointUrl, reach: Option<Arc<Reach>>, limits: &Limits) -> Self {
        let speaks_http2 = AtomicBool::new(url.protocol == Protocol::H2c);
        Self {
            url,
            health: Health::new(),
            addresses: Addresses::default(),
            reach,
            parent: None,
            next_address: AtomicUsize::new(0),
            idle: Mutex::new(Vec::new()),
            shared: Mutex::new(None),
            speaks_http2,
            dialing: tokio::sync::Mutex::new(()),
            slots: Arc::new(Semaphore::new(limits.upstream_exchanges_max as usize)),
        }
    }

    /// The same, reached through this proxy.
    pub(super) fn behind(mut self, parent: Option<Arc<Parent>>) -> Self {
        self.parent = parent;
        self
    }

    /// The proxy that is asked for each request in the clear in its absolute form.
    pub(super) fn asked_in_full(&self) -> Option<&Parent> {
        self.parent.as_deref().filter(|_| self.url.protocol == Protocol::Http)
    }

    /// A place for one exchange, if one is free.
    pub(super) fn free_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).try_acquire_owned().ok()
    }

    /// A place for one exchange; waits for one at most `upstream_wait_ms_max`.
    pub(super) async fn slot(&self, limits: &Limits) -> Result<OwnedSemaphorePermit, UpstreamError> {
        let waiting = Arc::clone(&self.slots).acquire_owned();
        let waited = timeout(ms(limits.upstream_wait_ms_max), waiting).await;
        waited
            .ok()
            .and_then(Result::ok)
            .ok_or(UpstreamError::new(UpstreamErrorKind::PoolFull))
    }

    /// An open connection, if there is one to be used.
    pub(super) fn open(&self, limits: &Limits) -> Option<Connection<B>> {
        if self.speaks_http2.load(Relaxed) {
            self.shared(limits).map(Connection::H2)
        } else {
            self.idle(limits).map(Connection::H1)
        }
    }

    /// A new connection; over HTTP/2, the one that somebody else made meanwhile.
    pub(super) async fn connect(
        &self,
        tls: &Arc<ClientConfig>,
        limits: &Arc<Limits>,
    ) -> Result<Connection<B>, UpstreamError> {
        if !self.speaks_http2.load(Relaxed) {
            return self.dial(tls, limits).await;
        }
        let _single = self.dialing.lock().await;
        match self.shared(limits) {
            Some(shared) => Ok(Connection::H2(shared)),
            None => self.dial(tls, limits).await,
        }
    }

    /// Whether HTTP/1.1 can be asked for: not where HTTP/2 is known beforehand.
    pub(super) fn may_speak_http1(&self) -> bool {
        self.url.protocol != Protocol::H2c
    }

    /// A new connection over HTTP/1.1, beside the shared one of HTTP/2 if there is one: only there a switch of protocols is to be had.
    pub(super) async fn connect_http1(
        &self,
        tls: &Arc<ClientConfig>,
        limits: &Arc<Limits>,
    ) -> Result<Connection<B>, UpstreamError> {
        let tls = offering(tls, vec![HTTP_1_1.to_vec()]);
        let (line, deadline) = self.line(self.url.protocol != Protocol::Http, limits).await?;
        match dial(&self.url, line, deadline, &tls, limits).await? {
            Dialed::H1(connection) => Ok(Connection::H1(connection)),
            Dialed::H2(sender) => Ok(Connection::H2(sender)),
        }
    }

    /// Keeps a connection whose exchange is over.
    pub(super) fn keep(&self, mut connection: H1<B>, limits: &Limits) {
        let mut idle = lock(&self.idle);
        if idle.len() < limits.upstream_idle_max && !connection.is_spent() {
            connection.reused = true;
            idle.push(connection);
        }
    }

    /// The newest idle connection that is ready; those that are closed or too old are dropped on the way. One whose task
    /// has not come round since its last body is passed over: it will be ready for the next.
    fn idle(&self, limits: &Limits) -> Option<H1<B>> {
        let mut idle = lock(&self.idle);
        let mut at = idle.len();
        while at > 0 {
            at -= 1;
            let connection = idle.get(at)?;
            if connection.is_spent() || connection.born.elapsed() > ms(limits.upstream_age_ms_max) {
                drop(idle.remove(at));
            } else if connection.sender.is_ready() {
                return Some(idle.remove(at));
            }
        }
        None
    }

    /// The shared connection, unless it is closed or too old to take more streams; those it has go on.
    fn shared(&self, limits: &Limits) -> Option<http2::SendRequest<B>> {
        let mut shared = lock(&self.shared);
        let is_good =
            |shared: &Shared<B>| !shared.sender.is_closed() && shared.born.elapsed() <= ms(limits.upstream_age_ms_max);
        if !shared.as_ref().is_some_and(is_good) {
            *shared = None;
        }
        shared.as_ref().map(|shared| shared.sender.clone())
    }

    /// The addresses to try, of those that may be reached.
    async fn addresses(&self, limits: &Limits) -> Result<Vec<SocketAddr>, UpstreamError> {
        let mut addresses = self.addresses.resolve(&self.url, limits).await?;
        if let Some(reach) = &self.reach {
            addresses = reach.permitted(addresses);
            if addresses.is_empty() {
                return Err(UpstreamError::new(UpstreamErrorKind::Prohibited));
            }
        }
        if addresses.len() > 1 {
            let first = self.next_address.fetch_add(1, Relaxed) % addresses.len();
            addresses.rotate_left(first);
        }
        Ok(addresses)
    }

    /// A connection without any protocol over it, for a tunnel.
    pub(super) async fn stream(&self, limits: &Limits) -> Result<Line, UpstreamError> {
        self.line(true, limits).await.map(|(line, _)| line)
    }

    /// The same, of whoever speaks in the clear without a tunnel where a proxy is before it, and until when what is over it must have begun: within `connect_ms_max` of the first try.
    async fn line(&self, is_tunnel: bool, limits: &Limits) -> Result<(Line, Instant), UpstreamError> {
        if let (Some(parent), Some(reach)) = (&self.parent, &self.reach) {
            if !reach.permits_unresolved(&self.url.host) {
                return Err(UpstreamError::new(UpstreamErrorKind::Prohibited));
            }
            let (mut line, deadline) = parent.connect(reach, limits).await?;
            if is_tunnel {
                parent.tunnel(&mut line, &self.url, deadline).await?;
            }
            return Ok((line, deadline));
        }
        let addresses = self.addresses(limits).await?;
        let deadline = Instant::now() + ms(limits.connect_ms_max);
        let stream = reach(&addresses, deadline).await?;
        let line = match &self.reach {
            Some(reach) => reach.watch(stream),
            None => stream.into(),
        };
        Ok((line, deadline))
    }

    /// Makes a connection and keeps it for the first exchange; whether it speaks HTTP/2.
    pub(super) async fn warm(&self, tls: &Arc<ClientConfig>, limits: &Arc<Limits>) -> Result<bool, UpstreamError> {
        match self.dial(tls, limits).await? {
            Connection::H1(mut connection) => {
                let ready = connection.sender.ready().await;
                ready.map_err(|error| UpstreamError::from_hyper(&error, connection.wire.expired()))?;
                lock(&self.idle).push(connection);
                Ok(false)
            }
            Connection::H2(_) => Ok(true),
        }
    }

    async fn dial(&self, tls: &Arc<ClientConfig>, limits: &Arc<Limits>) -> Result<Connection<B>, UpstreamError> {
        let (line, deadline) = self.line(self.url.protocol != Protocol::Http, limits).await?;
        match dial(&self.url, line, deadline, tls, limits).await? {
            Dialed::H1(connection) => {
                self.speaks_http2.store(false, Relaxed);
                Ok(Connection::H1(connection))
            }
            Dialed::H2(sender) => {
                self.speaks_http2.store(true, Relaxed);
                *lock(&self.shared) = Some(Shared {
                    sender: sender.clone(),
                    born: Instant::now(),
                });
                Ok(Connection::H2(sender))
            }
        }
    }
}

/// Nothing panics under these locks; if something did, a list of connections is still a list of connections.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
