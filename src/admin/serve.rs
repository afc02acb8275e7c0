//! The accept loop of the admin address: one request a connection, and a limit on all that a caller can make us wait for.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::access::Peer;
use super::api::{Admin, router};
use super::fault::Fault;
use crate::events::{Event, report};

/// What a caller of the admin address may take.
#[derive(Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "limits end in `_max`")]
pub(super) struct Limits {
    /// Connections at once; one more is closed. Answers a flood from a machine that reaches the address.
    pub(super) connections_max: usize,
    /// Until the head of the request is read (slow-loris).
    pub(super) header_ms_max: u64,
    /// Until the answer is ready, body of the request included.
    pub(super) request_ms_max: u64,
    /// Until the answer is read, all in all (a reader that never reads).
    pub(super) connection_ms_max: u64,
    /// Bytes of a head.
    pub(super) header_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 64,
            header_ms_max: 10_000,
            request_ms_max: 10_000,
            connection_ms_max: 30_000,
            header_bytes_max: 16 * 1024,
        }
    }
}

/// Serves the admin address until `stop`, then waits for the open connections, at most 30 seconds.
pub async fn serve(listener: TcpListener, admin: Arc<Admin>, stop: CancellationToken) {
    serve_within(Limits::default(), listener, admin, stop).await;
}

pub(super) async fn serve_within(limits: Limits, listener: TcpListener, admin: Arc<Admin>, stop: CancellationToken) {
    let router = router(admin);
    let room = Arc::new(Semaphore::new(limits.connections_max));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, address)) = accepted else {
            // Out of descriptors, most likely: an immediate retry would spin.
            report(&Event::LimitHit { limit: "admin_accept" });
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            report(&Event::LimitHit {
                limit: "admin_connections_max",
            });
            continue;
        };
        let router = router.clone();
        connections.spawn(async move {
            let served = timeout(
                Duration::from_millis(limits.connection_ms_max),
                connection(limits, stream, Peer(address), router),
            );
            if served.await.is_err() {
                report(&Event::LimitHit {
                    limit: "admin_connection_ms_max",
                });
            }
            drop(place);
        });
    }
    connections.close();
    connections.wait().await;
}

/// One connection, one request. How it ends is the caller's affair: a broken connection is no event of ours.
async fn connection(limits: Limits, stream: TcpStream, peer: Peer, router: Router) {
    let service = service_fn(move |request| answer(limits, request, peer, router.clone()));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.header_ms_max))
        .max_buf_size(limits.header_bytes_max)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    drop(served.await);
}

async fn answer(
    limits: Limits,
    mut request: Request<Incoming>,
    peer: Peer,
    router: Router,
) -> Result<Response, Infallible> {
    request.extensions_mut().insert(peer);
    let answer = TowerToHyperService::new(router).call(request);
    let answer = timeout(Duration::from_millis(limits.request_ms_max), answer).await;
    answer.unwrap_or_else(|_| {
        report(&Event::LimitHit {
            limit: "admin_request_ms_max",
        });
        Ok(Fault::new(StatusCode::REQUEST_TIMEOUT, "the request took too long").into_response())
    })
}
