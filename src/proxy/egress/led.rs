//! Clients that were led here unawares: what they speak is looked at before anything is answered.
//!
//! Where a client names a host, in its `ClientHello` or in a request, the name is what it asks for: it is looked up here, and the
//! address that the client meant is not gone to. So a name opens no way to an address that is another's, and what is passed unread
//! goes to the host that the policy names. Without a name the address is the host, as a client of CONNECT writes it.

use std::sync::Arc;

use http::{Method, Request, Uri};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connect::Granted;
use super::decide::Ech;
use super::seat::Seat;
use crate::events::{Event, Leg, report};
use crate::proxy::connection::{ConnState, Led, serve};
use crate::proxy::exchange::{Exchanges, Told};
use crate::proxy::framing::Fault;
use crate::proxy::front::Front;
use crate::proxy::limits::ms;
use crate::proxy::respond::{Refusal, Style};
use crate::tls::{ClientHello, HELLO_BYTES_MAX, HelloFault, Peek, peek};

/// The record of the alert `access_denied`, fatal (RFC 8446, section 6.2): to a client that waits for TLS a refusal in HTTP is noise.
const ACCESS_DENIED: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];

/// What a client was found to speak.
enum Spoken {
    Tls(Box<ClientHello>),
    /// HTTP, or what will be refused as such.
    Http,
}

impl Exchanges {
    /// Follows a client to where it meant to go, or refuses it.
    pub(in crate::proxy) async fn follow(self: Arc<Self>, mut led: Led) {
        let mut front = Vec::new();
        let read = timeout(ms(self.limits.handshake_ms_max), spoken(&mut led.stream, &mut front));
        let spoken = match read.await {
            Ok(Ok(spoken)) => spoken,
            Ok(Err(fault)) => return refuse(fault),
            Err(_) => {
                return report(&Event::LimitHit {
                    limit: "handshake_ms_max",
                });
            }
        };
        // Known only now: what left here wrote its first byte after it had become known.
        let found = self.gateway.set().forward(&self.door.name);
        if found.is_some_and(|(_, forward)| forward.reach.is_loop(led.addresses.0)) {
            return refuse("loop");
        }
        match spoken {
            Spoken::Tls(hello) => self.follow_tls(led, front, &hello).await,
            Spoken::Http => {
                let exchanges = Arc::new(self.seated(Seat::Led(led.meant)));
                let (limits, stream) = (Arc::clone(&self.limits), Front::new(front, led.stream));
                serve(
                    stream,
                    led.addresses,
                    None,
                    exchanges,
                    limits,
                    led.stop,
                    Some(led.place),
                )
                .await;
            }
        }
    }

    async fn follow_tls(&self, led: Led, front: Vec<u8>, hello: &ClientHello) {
        let (mut stream, place) = (Front::new(front, led.stream), led.place);
        let found = self.gateway.set().forward(&self.door.name);
        let is_blocked = hello.hides_another() && found.is_some_and(|(_, forward)| forward.hosts.ech == Ech::Block);
        if is_blocked {
            let (leg, kind) = (Leg::Downstream, "ech");
            report(&Event::TlsFailed { leg, kind });
            return drop(stream.write_all(&ACCESS_DENIED).await);
        }
        let connection = Arc::new(ConnState::of_client(led.addresses, led.stop));
        let name = hello.server_name.as_deref();
        let authority = name.map_or_else(|| led.meant.to_string(), |name| format!("{name}:{}", led.meant.port()));
        match self.seated(Seat::Listener).asks_for(&authority, connection).await {
            Ok(Granted::Passed(passage)) => passage.cross(stream).await,
            Ok(Granted::Opened(tunnel)) => tunnel.open(stream).await,
            // It may be gone.
            Err(_) => drop(stream.write_all(&ACCESS_DENIED).await),
        }
        drop(place);
    }

    /// As if the client had asked for a tunnel to `authority`.
    async fn asks_for(&self, authority: &str, connection: Arc<ConnState>) -> Told<Granted> {
        let malformed = || (Refusal::Framing(Fault::Target), Style::Problem);
        let uri = Uri::builder().authority(authority).build().map_err(|_| malformed())?;
        let request = Request::builder().method(Method::CONNECT).uri(uri).body(());
        let (head, ()) = request.map_err(|_| malformed())?.into_parts();
        let now = self.gateway.clock.now();
        let found = self.find_way(&head, connection, now).await?;
        self.grant(found, now).await
    }
}

/// What the client speaks first; `front` is what was read of it.
async fn spoken(stream: &mut TcpStream, front: &mut Vec<u8>) -> Result<Spoken, &'static str> {
    loop {
        let room = HELLO_BYTES_MAX.saturating_sub(front.len()) as u64;
        // At the bound `peek` has its answer.
        match (&mut *stream).take(room).read_buf(front).await {
            Ok(0) | Err(_) => return Err("gone"),
            Ok(_) => {}
        }
        match peek(front) {
            Ok(Peek::More) => {}
            Ok(Peek::Hello(hello)) => return Ok(Spoken::Tls(Box::new(hello))),
            Err(HelloFault::NoHello) if front.first() != Some(&HANDSHAKE) => return Ok(Spoken::Http),
            Err(fault) => return Err(fault.name()),
        }
    }
}

/// What a record of TLS begins with that holds a hello (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

fn refuse(fault: &'static str) {
    let leg = Leg::Downstream;
    report(&Event::HeadRefused { leg, fault });
}
