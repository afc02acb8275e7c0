//! A listener: accepts within its limits, ends TLS where configured, and drains when told to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::checked_io::{Abort, Place};
use super::connection::{Handler, Led, Stop, serve};
use super::limits::{Limits, ms};
use super::proxy_header;
use super::transparent::Transparent;
use crate::events::{Event, Leg, report};
use crate::identity::is_trusted;
use crate::tls::{Acceptor, TlsFacts};

/// How long accepting pauses when the process is out of descriptors or memory: at first, and at most.
const PAUSE_MS: (u64, u64) = (5, 1_000);
/// How long a connection is silent before the kernel probes it.
const KEEPALIVE: Duration = Duration::from_mins(1);

/// A connection that was accepted.
pub(crate) struct Accepted {
    /// The client's address, and our own.
    pub(crate) addresses: (SocketAddr, SocketAddr),
    /// Of the TLS that was ended, if it was.
    pub(crate) facts: Option<TlsFacts>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) stop: Stop,
    /// Held as long as the connection lasts.
    pub(crate) place: Place,
}

/// What is spoken over the connections of a listener.
pub(crate) trait Speak: Send + Sync + 'static {
    /// Serves one connection to its end.
    fn serve<T>(&self, io: T, accepted: Accepted) -> impl Future<Output = ()> + Send
    where
        T: AsyncRead + AsyncWrite + Abort + Send + Unpin + 'static;

    /// Takes a connection that was led here on its way to elsewhere, as [`Handler::led`] does.
    fn led(&self, led: Led) -> impl Future<Output = ()> + Send {
        drop(led);
        std::future::ready(())
    }
}

/// HTTP/1.1 and HTTP/2, answered by a handler.
struct Http<H>(Arc<H>);

impl<H: Handler> Speak for Http<H> {
    async fn serve<T>(&self, io: T, accepted: Accepted)
    where
        T: AsyncRead + AsyncWrite + Abort + Send + Unpin + 'static,
    {
        let Accepted {
            addresses,
            facts,
            limits,
            stop,
            place,
        } = accepted;
        serve(io, addresses, facts, Arc::clone(&self.0), limits, stop, Some(place)).await;
    }

    async fn led(&self, led: Led) {
        Arc::clone(&self.0).led(led).await;
    }
}

/// A bound socket that is not yet served.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    limits: Arc<Limits>,
    tls: Option<Arc<Acceptor>>,
    /// The networks of load balancers, where each connection begins with what one of them says of its client.
    balancers: Option<Arc<[IpNet]>>,
    /// How connections are led to it that were meant for others, where they are.
    transparent: Option<(Transparent, u16)>,
}

impl Listener {
    /// Binds `address`; port 0 asks the kernel for one. Without `tls` it speaks HTTP/1.1 and HTTP/2 by prior knowledge.
    ///
    /// # Errors
    ///
    /// What the kernel refuses: an address in use, a privileged port.
    pub fn bind(address: SocketAddr, limits: Arc<Limits>, tls: Option<Arc<Acceptor>>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(limits.backlog_max).unwrap_or(i32::MAX))?;
        Ok(Self {
            socket: TcpListener::from_std(socket.into())?,
            limits,
            tls,
            balancers: None,
            transparent: None,
        })
    }

    /// Each connection begins with a header of the PROXY protocol, and comes from one of these networks: others are closed.
    #[must_use]
    pub fn behind(mut self, balancers: &[IpNet]) -> Self {
        self.balancers = Some(balancers.into());
        self
    }

    /// Connections are led to it like this: each was meant for another address, or is closed.
    ///
    /// # Errors
    ///
    /// What the kernel refuses: the process may not take such connections.
    pub fn transparent(mut self, how: Transparent) -> io::Result<Self> {
        how.prepare(&self.socket)?;
        self.transparent = Some((how, self.socket.local_addr()?.port()));
        Ok(self)
    }

    /// The address that is bound.
    ///
    /// # Errors
    ///
    /// None in practice: the socket is bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop`, then drains: no new connections, idle ones close, exchanges finish within `drain_ms_max` and
    /// are cut after it. Returns when every connection has ended.
    pub async fn serve<H: Handler>(self, handler: Arc<H>, stop: CancellationToken) {
        self.speak(Arc::new(Http(handler)), stop).await;
    }

    /// The same in another protocol.
    pub(crate) async fn speak<P: Speak>(self, protocol: Arc<P>, stop: CancellationToken) {
        let Self {
            socket,
            limits,
            tls,
            balancers,
            transparent,
        } = self;
        let room = Arc::new(Semaphore::new(limits.connections_max as usize));
        let connections = TaskTracker::new();
        let stops = Stop {
            graceful: stop.child_token(),
            now: CancellationToken::new(),
        };
        let mut pause = PAUSE_MS.0;
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = socket.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                // The peer went away between its handshake and our accept.
                Err(error) if is_of_one_connection(&error) => continue,
                Err(_) => {
                    report(&Event::LimitHit { limit: "accept" });
                    tokio::time::sleep(ms(pause)).await;
                    pause = (pause * 2).min(PAUSE_MS.1);
                    continue;
                }
            };
            pause = PAUSE_MS.0;
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                report(&Event::LimitHit {
                    limit: "connections_max",
                });
                continue;
            };
            let (protocol, limits, tls) = (Arc::clone(&protocol), Arc::clone(&limits), tls.clone());
            let place = Place::new(permit, connections.token());
            let stops = stops.clone();
            if let Some(transparent) = transparent {
                connections.spawn(follow((stream, peer), transparent, protocol, stops, place));
                continue;
            }
            let balancers = balancers.clone();
            connections.spawn(connect((stream, peer), balancers, tls, protocol, limits, stops, place));
        }
        drop(socket);
        connections.close();
        if tokio::time::timeout(ms(limits.drain_ms_max), connections.wait())
            .await
            .is_err()
        {
            report(&Event::LimitHit { limit: "drain_ms_max" });
            stops.now.cancel();
            connections.wait().await;
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// Who is behind the load balancer at `peer`, where there are any; none where it is no such, or says nothing that can be read.
async fn client(
    stream: &mut TcpStream,
    peer: SocketAddr,
    balancers: Option<Arc<[IpNet]>>,
    limits: &Limits,
) -> Option<SocketAddr> {
    let Some(balancers) = balancers else {
        return Some(peer);
    };
    let refused = |fault| {
        let leg = Leg::Downstream;
        report(&Event::HeadRefused { leg, fault });
        None
    };
    if !is_trusted(peer.ip(), &balancers) {
        return refused("proxy_peer");
    }
    match tokio::time::timeout(ms(limits.handshake_ms_max), proxy_header::read(stream)).await {
        Ok(Ok(client)) => Some(client.unwrap_or(peer)),
        Ok(Err(_)) => refused("proxy_header"),
        Err(_) => {
            report(&Event::LimitHit {
                limit: "handshake_ms_max",
            });
            None
        }
    }
}

/// Sets the options of a connection; its own address. None where it is already dead.
fn prepared(stream: &TcpStream) -> Option<SocketAddr> {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    let options = stream
        .set_nodelay(true)
        .and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    options.and_then(|()| stream.local_addr()).ok()
}

/// One accepted connection that was meant for another address, to its end.
async fn follow<P: Speak>(
    (stream, peer): (TcpStream, SocketAddr),
    (how, listening): (Transparent, u16),
    protocol: Arc<P>,
    stop: Stop,
    place: Place,
) {
    let Some(local) = prepared(&stream) else { return };
    let Some(meant) = how.meant(&stream, local, listening) else {
        let (leg, fault) = (Leg::Downstream, "not_led");
        return report(&Event::HeadRefused { leg, fault });
    };
    let led = Led {
        stream,
        addresses: (peer, local),
        meant,
        stop,
        place,
    };
    Box::pin(protocol.led(led)).await;
}

/// One accepted connection, from its socket options to its end.
async fn connect<P: Speak>(
    (mut stream, peer): (TcpStream, SocketAddr),
    balancers: Option<Arc<[IpNet]>>,
    tls: Option<Arc<Acceptor>>,
    protocol: Arc<P>,
    limits: Arc<Limits>,
    stop: Stop,
    place: Place,
) {
    let Some(local) = prepared(&stream) else { return };
    let Some(client) = client(&mut stream, peer, balancers, &limits).await else {
        return;
    };
    let accepted = Accepted {
        addresses: (client, local),
        facts: None,
        limits: Arc::clone(&limits),
        stop,
        place,
    };
    match tls {
        None => protocol.serve(stream, accepted).await,
        Some(acceptor) => {
            let handshake = tokio::time::timeout(ms(limits.handshake_ms_max), acceptor.accept(stream));
            // Boxed, here and below: a plain connection need not be as large as one over TLS.
            match Box::pin(handshake).await {
                Ok(Ok((stream, facts))) => {
                    let facts = Some(facts);
                    Box::pin(protocol.serve(stream, Accepted { facts, ..accepted })).await;
                }
                Ok(Err(kind)) => report(&Event::TlsFailed {
                    leg: Leg::Downstream,
                    kind,
                }),
                Err(_) => report(&Event::LimitHit {
                    limit: "handshake_ms_max",
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::testing::{TestBody, echo, gateway, talk};
    use super::*;

    #[tokio::test]
    async fn requests_of_one_connection_are_answered_in_order_and_a_bad_head_last() {
        let gateway = gateway(&Arc::new(Limits::default()), None, echo);
        let good = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
        let cases = [
            (
                "GET /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "length_and_coding",
            ),
            ("GET /3 HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "bare_lf"),
            ("TIDEGATE-REFUSED /bare_lf HTTP/1.1\r\nHost: a\r\n\r\n", "method"),
        ];
        for (bad, fault) in cases {
            let answer = talk(
                gateway.address,
                format!("{good}{bad}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(),
            )
            .await;
            let places = ["/1 hi;", "/2 ;", "HTTP/1.1 400"].map(|text| answer.find(text));
            assert!(places.is_sorted() && !places.contains(&None), "{answer}");
            assert!(answer.ends_with(&format!("\"fault\":\"{fault}\"}}")), "{answer}");
            assert!(!answer.contains("smuggled"));
        }
    }

    #[tokio::test]
    async fn a_head_over_its_limit_is_431() {
        let limits = Arc::new(Limits {
            header_bytes_max: 8_192,
            ..Limits::default()
        });
        let gateway = gateway(&limits, None, echo);
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(9_000));
        assert!(
            talk(gateway.address, head.as_bytes())
                .await
                .starts_with("HTTP/1.1 431 ")
        );
    }

    #[tokio::test]
    async fn a_slow_head_and_a_slow_body_are_cut() {
        let limits = Limits {
            handshake_ms_max: 20,
            header_ms_max: 20,
            body_idle_ms_max: 20,
            ..Limits::default()
        };
        let gateway = gateway(&Arc::new(limits), None, echo);
        for start in [
            "",
            "GET / HT",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
        ] {
            assert_eq!(talk(gateway.address, start.as_bytes()).await, "", "{start:?}");
        }
    }

    #[tokio::test]
    async fn connections_over_the_limit_are_closed_at_once() {
        let gateway = gateway(
            &Arc::new(Limits {
                connections_max: 0,
                ..Limits::default()
            }),
            None,
            echo,
        );
        assert_eq!(talk(gateway.address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await, "");
    }

    #[tokio::test]
    async fn a_drain_finishes_what_is_in_flight() {
        let gateway = gateway(&Arc::new(Limits::default()), None, echo);
        let mut busy = TcpStream::connect(gateway.address).await.unwrap();
        busy.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            .await
            .unwrap();
        let mut interim = [0; 25];
        busy.read_exact(&mut interim).await.unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        gateway.stop.cancel();
        busy.write_all(b"hi").await.unwrap();
        let mut answer = String::new();
        busy.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.ends_with("/ hi;") && answer.contains("connection: close"),
            "{answer}"
        );
        gateway.served.await.unwrap();
    }

    #[tokio::test]
    async fn a_drain_ends_after_its_limit() {
        let arrived = Arc::new(tokio::sync::Notify::new());
        let seen = Arc::clone(&arrived);
        let never = move |_, _| {
            seen.notify_one();
            std::future::pending::<http::Response<TestBody>>()
        };
        let gateway = gateway(
            &Arc::new(Limits {
                drain_ms_max: 10,
                ..Limits::default()
            }),
            None,
            never,
        );
        let client = tokio::spawn(talk(gateway.address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        arrived.notified().await;
        gateway.stop.cancel();
        gateway.served.await.unwrap();
        assert_eq!(client.await.unwrap(), "");
    }
}
