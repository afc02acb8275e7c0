//! The smallest pass-through that hyper allows: what any proxy on it must pay, and the measure of Tidegate's own price.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{CONNECTION, HOST, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, combinators::BoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

type Fault = Box<dyn Error + Send + Sync>;
type Idle = Arc<Mutex<Vec<SendRequest<Incoming>>>>;

/// Idle upstream connections kept.
const IDLE_MAX: usize = 64;

/// Listens and forwards every request to `upstream`, over pooled connections, until the process is ended.
pub(crate) async fn serve(listen: SocketAddr, upstream: SocketAddr) -> Result<(), Fault> {
    let listener = TcpListener::bind(listen).await?;
    let idle = Idle::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let idle = Arc::clone(&idle);
        let service = service_fn(move |request| answer(request, upstream, Arc::clone(&idle)));
        let connection = Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move { drop(connection.await) });
    }
}

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

async fn answer(request: Request<Incoming>, upstream: SocketAddr, idle: Idle) -> Result<Answer, Infallible> {
    Ok(forward(request, upstream, idle).await.unwrap_or_else(|_| {
        let mut answer = Response::new(Empty::new().map_err(|never| match never {}).boxed());
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        answer
    }))
}

async fn forward(mut request: Request<Incoming>, upstream: SocketAddr, idle: Idle) -> Result<Answer, Fault> {
    request.headers_mut().remove(CONNECTION);
    if !request.headers().contains_key(HOST) {
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_str(&upstream.to_string())?);
    }
    if let Some(path) = request.uri().path_and_query() {
        *request.uri_mut() = Uri::from(path.clone());
    }
    let mut sender = connection(upstream, &idle).await?;
    let mut response = sender.send_request(request).await?;
    response.headers_mut().remove(CONNECTION);
    // As hyper-util's pool does: the connection is free when it is ready again.
    tokio::spawn(async move {
        if sender.ready().await.is_ok() {
            let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_MAX {
                idle.push(sender);
            }
        }
    });
    Ok(response.map(BodyExt::boxed))
}

/// An idle connection that is still ready, or a new one.
async fn connection(upstream: SocketAddr, idle: &Idle) -> Result<SendRequest<Incoming>, Fault> {
    loop {
        let found = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match found {
            Some(sender) if sender.is_ready() => return Ok(sender),
            Some(_) => {}
            None => break,
        }
    }
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}
