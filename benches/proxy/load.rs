//! Both ends of a measured exchange: an origin with fixed answers, and a client that counts what it is given.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

type Fault = Box<dyn Error + Send + Sync>;

/// A page that any proxy of ours reads.
pub(crate) const READ: &str = "/read";
/// The same page under a content coding that nobody knows: it passes unread.
pub(crate) const UNREAD: &str = "/unread";
/// A page of customers.
pub(crate) const DENSE: &str = "/dense";
/// One ten times as long.
pub(crate) const LONG: &str = "/long";

/// What the origin has.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) clean: Bytes,
    pub(crate) dense: Bytes,
    pub(crate) long: Bytes,
}

impl Pages {
    /// What is answered for `path`.
    pub(crate) fn get(&self, path: &str) -> &Bytes {
        match path {
            DENSE => &self.dense,
            LONG => &self.long,
            _ => &self.clean,
        }
    }
}

/// Serves `pages` until the process is ended.
pub(crate) async fn origin(listener: TcpListener, pages: Pages) -> Result<(), Fault> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let pages = pages.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer(&request, &pages);
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move { drop(connection.await) });
    }
}

fn answer(request: &Request<Incoming>, pages: &Pages) -> Response<Full<Bytes>> {
    let mut answer = Response::builder().header(CONTENT_TYPE, "application/json");
    if request.uri().path() == UNREAD {
        answer = answer.header(CONTENT_ENCODING, "x-unread");
    }
    let page = pages.get(request.uri().path()).clone();
    answer.body(Full::new(page)).expect("these headers are valid")
}

/// Fetches `path` so many times over so many connections at once, and returns how many bytes of bodies came with status
/// 200.
pub(crate) async fn fetch(
    proxy: SocketAddr,
    path: &'static str,
    exchanges: usize,
    connections: usize,
) -> Result<u64, Fault> {
    let clients: Vec<_> = (0..connections)
        .map(|client| tokio::spawn(fetch_in_turn(proxy, path, (exchanges + client) / connections)))
        .collect();
    let mut bytes = 0;
    for client in clients {
        bytes += client.await??;
    }
    Ok(bytes)
}

async fn fetch_in_turn(proxy: SocketAddr, path: &'static str, exchanges: usize) -> Result<u64, Fault> {
    let stream = TcpStream::connect(proxy).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut bytes = 0;
    for _ in 0..exchanges {
        let request = Request::get(path)
            .header(HOST, "shop.example")
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        if response.status() == 200 {
            bytes += response.into_body().collect().await?.to_bytes().len() as u64;
        }
        sender.ready().await?;
    }
    connection.abort();
    Ok(bytes)
}
