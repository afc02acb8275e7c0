//! A tunnel whose TLS is opened: the origin is asked and verified first, then its name is shown to the client.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::server::TlsStream;

use super::Forward;
use super::decide::{Decision, Ech, decide, shown_name};
use super::seat::{Inside, Made, Seat};
use super::target::Target;
use crate::audit::{Change, Operation};
use crate::engine::head;
use crate::engine::record::Details;
use crate::events::{Event, Leg, report};
use crate::proxy::Upstream;
use crate::proxy::asked::Asked;
use crate::proxy::authority::destination;
use crate::proxy::checked_io::Abort;
use crate::proxy::connection::{Stop, serve};
use crate::proxy::exchange::Exchanges;
use crate::proxy::gateway::Gateway;
use crate::proxy::limits::ms;
use crate::proxy::upstream::UpstreamErrorKind;
use crate::tls::{H2, HTTP_1_1, Hello, Tee, TlsFacts, UNTRUSTED, excusing, offering};

/// A tunnel that is to be opened.
pub(super) struct Tunnel {
    exchanges: Exchanges,
    forward: Arc<Forward>,
    target: Target,
    user: Option<Arc<[u8]>>,
    /// The client's, and our own.
    addresses: (SocketAddr, SocketAddr),
    stop: Stop,
    asked: Asked,
}

impl Abort for TlsStream<Tee<TokioIo<Upgraded>>> {
    /// Nothing: a stream of TLS that ends without its own end is no whole message to anybody.
    fn abort(&self) {}
}

impl Exchanges {
    /// A tunnel to `target`, to be opened.
    pub(super) fn to_open(&self, asked: Asked, forward: Arc<Forward>, target: Target) -> Tunnel {
        let connection = &asked.connection;
        // Who asked is who speaks inside, whoever stands before us.
        let client = SocketAddr::new(asked.actor.address, connection.peer.port());
        Tunnel {
            exchanges: self.clone(),
            forward,
            target,
            user: asked.actor.principal.clone(),
            addresses: (client, connection.local),
            stop: connection.stop.clone(),
            asked,
        }
    }
}

impl Tunnel {
    /// Opens the tunnel and serves what is inside to its end. Boxed, and of a type that can be named: exchanges inside are of
    /// the same type as the one that asked for the tunnel.
    pub(super) fn open<T>(mut self, io: T) -> Pin<Box<dyn Future<Output = ()> + Send>>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        TlsStream<Tee<T>>: Abort,
    {
        Box::pin(async move {
            let until = Instant::now() + ms(self.exchanges.limits.handshake_ms_max);
            let hello = match timeout_at(until, Hello::read(io)).await {
                Ok(Ok(hello)) => hello,
                Ok(Err(kind)) => return failed(kind),
                Err(_) => return late(),
            };
            let Some(name) = shown_name(&self.target.host, hello.server_name.as_deref()).map(str::to_owned) else {
                return failed("front");
            };
            if let Some(kind) = self.closes(&name, hello.hides_another).await {
                return failed(kind);
            }
            let (protocols, offered) = (hello.protocols.clone(), !hello.protocols.is_empty());
            let (upstream, made, agreed) = self.verify(&name, protocols).await;
            if agreed.is_err_and(UpstreamErrorKind::is_of_name) {
                // Nobody is there whose name a certificate could be in.
                return failed("no_origin");
            }
            // Where the origin cannot be spoken to the client is told so, in what it speaks.
            let speaks_h2_alone = offered && hello.protocols.iter().all(|protocol| protocol == H2);
            let is_h2 = agreed.unwrap_or(speaks_h2_alone);
            let protocol = offered.then_some(if is_h2 { H2 } else { HTTP_1_1 });
            let Some(config) = self.shows(&name, protocol) else {
                return failed("name");
            };
            // The origin took its own time.
            let until = Instant::now() + ms(self.exchanges.limits.handshake_ms_max);
            let (stream, ja4) = match timeout_at(until, hello.accept(config)).await {
                Ok(Ok(opened)) => opened,
                Ok(Err(kind)) => return self.refused_by_client(&name, kind),
                Err(_) => return late(),
            };
            self.exchanges.gateway.pinned.believed(self.client());
            let facts = TlsFacts {
                server_name: Some(name.into()),
                is_h2,
                ja4,
                certificate: None,
            };
            self.serve(stream, facts, (upstream, made, agreed.err())).await;
        })
    }

    /// Why nothing of it is opened, where something speaks against that.
    async fn closes(&mut self, name: &str, hides_another: bool) -> Option<&'static str> {
        let forward = Arc::clone(&self.forward);
        let minter = forward.minter.as_ref()?;
        if hides_another && forward.hosts.ech == Ech::Block {
            Some("ech")
        } else if !self.may_be_named(name).await {
            Some("name")
        } else if !minter.may_sign(name) {
            Some("constrained")
        } else {
            None
        }
    }

    /// The client ended the handshake. Where it did not believe the certificate that is noted, and it is not passed for that.
    fn refused_by_client(&self, name: &str, kind: &'static str) {
        let gateway = &self.exchanges.gateway;
        // A name in which somebody is would rest in memory, and be shown.
        let is_noted = kind == UNTRUSTED && !gateway.names_people(name);
        if is_noted && !gateway.pinned.refused(name, self.client(), gateway.clock.now()) {
            report(&Event::LimitHit { limit: "pinned_hosts" });
        }
        failed(kind);
    }

    /// Who asks, as a hash.
    fn client(&self) -> u64 {
        let address = self.addresses.0.ip().to_canonical().to_string();
        self.exchanges
            .gateway
            .secret
            .hash64("tidegate pinning client 1", &[address.as_bytes()])
    }

    /// Whether the origin may be told `name`, which is not always the host that was asked for.
    async fn may_be_named(&mut self, name: &str) -> bool {
        if *name == *self.target.host {
            return true;
        }
        let (host, client) = (destination(name), self.asked.connection.peer.ip());
        let wish = self.asked.set.wish(&host, client, self.user.as_ref());
        let now = self.exchanges.gateway.clock.now();
        let is_refused = decide(&self.forward.hosts, wish, now) == Decision::Refuse;
        !is_refused && self.exchanges.count_host(&self.asked, name).await.is_ok()
    }

    /// Connects to the origin, which must prove to be `name`: whether it speaks HTTP/2, or why it cannot be spoken to.
    async fn verify(
        &self,
        name: &str,
        protocols: Vec<Vec<u8>>,
    ) -> (Arc<Upstream>, Made, Result<bool, UpstreamErrorKind>) {
        let offered = if protocols.is_empty() {
            vec![HTTP_1_1.to_vec()]
        } else {
            protocols
        };
        let mut made = Made {
            reach: Arc::clone(&self.forward.reach),
            name: name.into(),
            protocols: offered.clone(),
            is_excused: false,
        };
        let tls = offering(&self.forward.tls, offered);
        let upstream = self.target.upstream(&self.forward, Arc::clone(&tls), Some(name));
        let agreed = upstream.warm().await.map_err(|error| error.kind);
        let now = self.exchanges.gateway.clock.now();
        let excused = self.forward.hosts.excused(&self.target.host, now);
        match (agreed, excused) {
            (Err(kind), Some(digest)) if kind.is_of_certificate() => {
                let upstream = self.target.upstream(&self.forward, excusing(&tls, digest), Some(name));
                let agreed = upstream.warm().await.map_err(|error| error.kind);
                made.is_excused = true;
                (upstream, made, agreed)
            }
            (agreed, _) => (upstream, made, agreed),
        }
    }

    /// What the client is shown.
    fn shows(&self, name: &str, protocol: Option<&[u8]>) -> Option<Arc<rustls::ServerConfig>> {
        let minter = self.forward.minter.as_ref()?;
        let (certificate, is_new): (Arc<CertifiedKey>, bool) = minter.certificate(name).ok()?;
        if is_new {
            self.exchanges.gateway.tell_minted(name);
        }
        minter.shows(certificate, protocol).ok()
    }

    async fn serve<T>(
        self,
        stream: TlsStream<Tee<T>>,
        facts: TlsFacts,
        (upstream, made, failure): (Arc<Upstream>, Made, Option<UpstreamErrorKind>),
    ) where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        TlsStream<Tee<T>>: Abort,
    {
        let limits = Arc::clone(&self.exchanges.limits);
        let inside = Inside {
            peer: self.asked.connection.peer.ip(),
            named: destination(&made.name).into(),
            target: self.target,
            upstream,
            made,
            user: self.user,
            failure,
        };
        let exchanges = self.exchanges.seated(Seat::Inside(inside));
        serve(
            stream,
            self.addresses,
            Some(facts),
            Arc::new(exchanges),
            limits,
            self.stop,
            None,
        )
        .await;
    }
}

impl Gateway {
    /// Whether somebody is identified in the name of a host.
    fn names_people(&self, name: &str) -> bool {
        let set = self.set();
        let names = std::iter::once((&b"host"[..], name.as_bytes()));
        !head::people(names, (&set.rules, &self.secret), &Details::default()).is_empty()
    }

    /// Every name that was minted is in the audit file; one in which someone is identified is known there by its key.
    fn tell_minted(&self, name: &str) {
        let target = if self.names_people(name) {
            format!("{:016x}", self.secret.hash64("tidegate minted 1", &[name.as_bytes()]))
        } else {
            name.to_owned()
        };
        let change = Change {
            operation: Operation::Mint,
            succeeded: true,
            who: "authority".to_owned(),
            role: "process",
            reason: "a client asked for it through a forward listener".to_owned(),
            target: Some(target),
            until: 0,
            people: 0,
            network: None,
        };
        self.audit.changed(change, self.clock.now());
    }
}

fn failed(kind: &'static str) {
    let leg = Leg::Downstream;
    report(&Event::TlsFailed { leg, kind });
}

fn late() {
    report(&Event::LimitHit {
        limit: "handshake_ms_max",
    });
}
