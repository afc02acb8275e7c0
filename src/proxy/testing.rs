//! Peers for the tests of this floor: a gateway and an origin on port 0, and a client that says exactly what it is told.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::connection::{BoxError, ConnState, Handler};
use super::limits::Limits;
use super::listen::Listener;
use super::respond::{Refusal, Style, respond};
use super::upstream::{ResponseBody, Upstream};
use crate::tls::{Acceptor, client_config};

/// Any body of a test.
pub(crate) enum TestBody {
    Full(Full<Bytes>),
    Incoming(Incoming),
    Response(Box<ResponseBody<Self>>),
}

impl Default for TestBody {
    fn default() -> Self {
        Self::Full(Full::default())
    }
}

impl From<&'static str> for TestBody {
    fn from(text: &'static str) -> Self {
        Self::Full(Full::from(text))
    }
}

impl Body for TestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            Self::Full(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Incoming(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Response(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(body) => body.is_end_stream(),
            Self::Incoming(body) => body.is_end_stream(),
            Self::Response(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(body) => body.size_hint(),
            Self::Incoming(body) => body.size_hint(),
            Self::Response(body) => body.size_hint(),
        }
    }
}

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) served: tokio::task::JoinHandle<()>,
}

pub(crate) fn gateway(limits: &Arc<Limits>, tls: Option<Arc<Acceptor>>, handler: impl Handler) -> Gateway {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Arc::clone(limits), tls).unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let served = tokio::spawn(listener.serve(Arc::new(handler), stop.clone()));
    Gateway { address, stop, served }
}

/// A handler that answers with the path and body of the request.
pub(crate) async fn echo(request: Request<Incoming>, _: Arc<ConnState>) -> Response<TestBody> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Response::new("broken".into());
    };
    let text = [parts.uri.path().as_bytes(), b" ", &body.to_bytes(), b";"].concat();
    Response::new(TestBody::Full(Full::from(text)))
}

/// A handler that passes everything to these endpoints.
pub(crate) fn forward(endpoints: &[String], limits: &Arc<Limits>) -> impl Handler {
    let endpoints = endpoints.iter().map(|url| url.parse().unwrap()).collect();
    forward_to(Arc::new(Upstream::new(
        endpoints,
        client_config(None).unwrap(),
        Arc::clone(limits),
    )))
}

pub(crate) fn forward_to(upstream: Arc<Upstream<TestBody>>) -> impl Handler {
    move |request: Request<Incoming>, _| {
        let upstream = Arc::clone(&upstream);
        async move {
            match upstream.send(request.map(TestBody::Incoming)).await {
                Ok(response) => response.map(|body| TestBody::Response(Box::new(body))),
                Err(error) => {
                    respond(&Refusal::Upstream(error.kind), Style::Problem).map(|body| TestBody::Full(body.into()))
                }
            }
        }
    }
}

/// An origin that hands each accepted connection, with its number, to `script`.
pub(crate) async fn origin<Fut>(script: impl Fn(usize, TcpStream) -> Fut + Send + 'static) -> SocketAddr
where
    Fut: Future<Output = ()> + Send + 'static,
{
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = socket.accept().await else { return };
            tokio::spawn(script(number, stream));
        }
    });
    address
}

/// Reads one head, to its empty line. Empty at the end of the stream.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return String::new();
        };
        head.push(byte);
    }
    String::from_utf8(head).unwrap()
}

/// Sends these bytes and reads all that comes until the peer closes.
pub(crate) async fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is an end, too.
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8(answer).unwrap()
}
