//! One small request to an identity provider: a key set, its events, or what it says of a token.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ETAG, HOST, IF_NONE_MATCH, USER_AGENT};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::tls::{HTTP_1_1, client_config, offering};

/// From the look-up of the name to the last byte.
const FETCH_TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Made with the first request over TLS: most gateways fetch nothing, and need not read the system's roots. None without any.
static TLS: LazyLock<Option<Arc<ClientConfig>>> =
    LazyLock::new(|| Some(offering(&client_config(None).ok()?, vec![HTTP_1_1.to_vec()])));

/// What came.
pub(crate) enum Fetched {
    /// It is as it was.
    Same,
    /// It is new, with its entity tag.
    New(Bytes, Option<String>),
}

/// Fetches `url`, which has a host, unless it still has this entity tag. Redirects are not followed.
///
/// # Errors
/// Why not, in a word: `timeout`, `connect`, `tls`, `http`, `status`.
pub(crate) async fn fetch(url: &Uri, tag: Option<&str>) -> Result<Fetched, &'static str> {
    let mut request = request(Method::GET, url).header(ACCEPT, "application/jwk-set+json, application/json");
    if let Some(tag) = tag {
        request = request.header(IF_NONE_MATCH, tag);
    }
    let request = request.body(Full::default()).map_err(|_| "http")?;
    let response = ask(url, request, ANSWER_BYTES_MAX).await?;
    if response.status() == StatusCode::NOT_MODIFIED && tag.is_some() {
        return Ok(Fetched::Same);
    }
    if response.status() != StatusCode::OK {
        return Err("status");
    }
    let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
    let tag = tag.map(str::to_owned);
    Ok(Fetched::New(response.into_body(), tag))
}

/// The head of a request for `url`.
pub(crate) fn request(method: Method, url: &Uri) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(url.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, url.authority().map_or("", |authority| authority.as_str()))
        .header(USER_AGENT, "tidegate")
}

/// The answer of `url`, which has a host, to one request, if its body has no more than so many bytes.
///
/// # Errors
/// As [`fetch`], but for `status`.
pub(crate) async fn ask(
    url: &Uri,
    request: Request<Full<Bytes>>,
    bytes_max: usize,
) -> Result<Response<Bytes>, &'static str> {
    timeout(FETCH_TIME_MAX, connected(url, request, bytes_max))
        .await
        .unwrap_or(Err("timeout"))
}

async fn connected(
    url: &Uri,
    request: Request<Full<Bytes>>,
    bytes_max: usize,
) -> Result<Response<Bytes>, &'static str> {
    let host = url.host().ok_or("connect")?.trim_matches(['[', ']']);
    let is_tls = url.scheme_str() == Some("https");
    let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await.map_err(|_| "connect")?;
    if !is_tls {
        return asked(stream, request, bytes_max).await;
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|_| "tls")?;
    let tls = TLS.as_ref().map(Arc::clone).ok_or("tls")?;
    let stream = TlsConnector::from(tls).connect(name, stream).await;
    asked(stream.map_err(|_| "tls")?, request, bytes_max).await
}

async fn asked<S>(stream: S, request: Request<Full<Bytes>>, bytes_max: usize) -> Result<Response<Bytes>, &'static str>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| "http")?;
    // It ends with the answer, whose error is that of the request.
    let connection = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await.map_err(|_| "http")?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, bytes_max).collect().await;
        Ok(Response::from_parts(head, body.map_err(|_| "http")?.to_bytes()))
    };
    let answer = answer.await;
    connection.abort();
    answer
}
