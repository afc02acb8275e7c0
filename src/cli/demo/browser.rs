//! A small client: one kept-alive HTTP/1.1 connection from a loopback address of its own, keeping whatever it was given.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tokio::time::Instant;

/// Bytes that are kept of one body.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long one exchange may take, from the request to the last byte.
const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(10);

/// One client.
pub struct Browser {
    from: Ipv4Addr,
    to: SocketAddr,
    cookie: Option<String>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// What came back.
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// All bytes of the body that arrived.
    pub body: Vec<u8>,
    /// Whether the body ended as its framing said; if not, it was cut.
    pub is_whole: bool,
    /// From the request to the last byte, connecting not included.
    pub latency: Duration,
}

impl Browser {
    /// A client at `from` that will connect to `to`.
    pub const fn new(from: Ipv4Addr, to: SocketAddr) -> Self {
        Self {
            from,
            to,
            cookie: None,
            sender: None,
        }
    }

    /// The same visitor, with the same session, asking somewhere else.
    #[must_use]
    pub fn twin(&self, to: SocketAddr) -> Self {
        Self {
            from: self.from,
            to,
            cookie: self.cookie.clone(),
            sender: None,
        }
    }

    /// The value of the cookie `sid`, once logged in.
    pub fn session(&self) -> Option<&str> {
        self.cookie.as_deref().and_then(|cookie| cookie.strip_prefix("sid="))
    }

    /// Logs in and keeps the session.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn login(&mut self, user: &str) -> io::Result<Reply> {
        let reply = self
            .exchange(Method::POST, "/login", format!("user={user}").into())
            .await?;
        let cookie = reply
            .headers
            .get(header::SET_COOKIE)
            .and_then(|cookie| cookie.to_str().ok());
        self.cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        Ok(reply)
    }

    /// Asks for one page. A connection that was closed between two requests is opened again, once.
    ///
    /// # Errors
    /// If the gateway cannot be reached, sends no head, sends more than 16 MiB or takes longer than
    /// 10 s. A cut body is no error.
    pub async fn get(&mut self, path: &str) -> io::Result<Reply> {
        match self.exchange(Method::GET, path, Bytes::new()).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                self.exchange(Method::GET, path, Bytes::new()).await
            }
            answer => answer,
        }
    }

    async fn exchange(&mut self, method: Method, path: &str, body: Bytes) -> io::Result<Reply> {
        let mut request = Request::new(Full::new(body));
        *request.uri_mut() = path.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_static("shop.example"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, */*"));
        if let Some(cookie) = self
            .cookie
            .as_deref()
            .and_then(|cookie| HeaderValue::from_str(cookie).ok())
        {
            headers.insert(header::COOKIE, cookie);
        }
        if method == Method::POST {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(header::CONTENT_TYPE, form);
        }
        *request.method_mut() = method;
        let sender = self.sender().await?;
        let timed_out = |_| io::Error::new(io::ErrorKind::TimedOut, "no whole answer in time");
        let (reply, sender) = tokio::time::timeout(EXCHANGE_TIME_MAX, send(sender, request))
            .await
            .map_err(timed_out)??;
        self.sender = Some(sender);
        Ok(reply)
    }

    /// The kept connection if it still lives, else a new one.
    async fn sender(&mut self) -> io::Result<SendRequest<Full<Bytes>>> {
        if let Some(mut kept) = self.sender.take()
            && kept.ready().await.is_ok()
        {
            return Ok(kept);
        }
        let socket = TcpSocket::new_v4()?;
        // Linux routes all of 127.0.0.0/8 to itself; elsewhere every visitor comes from 127.0.0.1.
        if socket.bind((self.from, 0).into()).is_err() {
            socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        }
        let stream = socket.connect(self.to).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

type Sent = (Reply, SendRequest<Full<Bytes>>);

async fn send(mut sender: SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> io::Result<Sent> {
    let asked = Instant::now();
    // No head: the connection was closed under us.
    let no_head = |error| io::Error::new(io::ErrorKind::ConnectionReset, error);
    let (head, body) = sender.send_request(request).await.map_err(no_head)?.into_parts();
    let (body, is_whole) = read(body).await?;
    let latency = asked.elapsed();
    Ok((
        Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            is_whole,
            latency,
        },
        sender,
    ))
}

/// The body and whether it is whole.
async fn read(mut body: Incoming) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Ok((bytes, false)) };
        if let Ok(chunk) = frame.into_data() {
            bytes.extend_from_slice(&chunk);
        }
        if bytes.len() > BODY_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "the body is larger than this client keeps",
            ));
        }
    }
    Ok((bytes, true))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A peer that says one thing on each connection and closes it, like a gateway that refuses.
    async fn peer(says: [&'static str; 4]) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            for text in says {
                let (mut stream, _) = listener.accept().await.expect("a client");
                let _head = stream.read(&mut [0; 4_096]).await.expect("a request");
                stream.write_all(text.as_bytes()).await.expect("an open connection");
            }
        });
        address
    }

    #[tokio::test]
    async fn a_cut_body_is_kept_and_a_closed_connection_is_opened_again() {
        let says = [
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nS-000001\r\n",
            "",
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nS-000002",
        ];
        let mut browser = Browser::new(Ipv4Addr::new(127, 9, 9, 9), peer(says).await);
        for (status, body, is_whole) in [(200, "S-000001", false), (403, "", true), (200, "S-000002", false)] {
            let reply = browser.get("/").await.expect("a head");
            assert_eq!(
                (reply.status, reply.body.as_slice(), reply.is_whole),
                (status, body.as_bytes(), is_whole)
            );
        }
        assert!(browser.get("/").await.is_err(), "nobody listens any more");
    }
}
