//! The transport from end to end: both protocols, TLS on both legs, cuts, resets and switches of protocol.

use std::collections::VecDeque;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::connection::{BoxError, ConnState};
use super::flush::FlushTicket;
use super::limits::Limits;
use super::testing::{TestBody, echo, forward, forward_to, gateway, origin, read_head, talk};
use super::tunnel::{Meter, join};
use super::upstream::Upstream;
use crate::tls::{Acceptor, Authority, CertificateFiles, client_config};

fn default_limits() -> Arc<Limits> {
    Arc::new(Limits::default())
}

async fn http2_to(address: std::net::SocketAddr) -> http2::SendRequest<TestBody> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

fn post(uri: &str, body: &'static str) -> Request<TestBody> {
    Request::post(uri).body(body.into()).unwrap()
}

async fn text(body: Incoming) -> String {
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn http2_by_prior_knowledge_passes_either_protocol_upstream() {
    let limits = default_limits();
    let inner = gateway(&limits, None, echo);
    for scheme in ["http", "h2c"] {
        let outer = gateway(
            &limits,
            None,
            forward(&[format!("{scheme}://{}", inner.address)], &limits),
        );
        let mut sender = http2_to(outer.address).await;
        for path in ["/1", "/2"] {
            let request = post(&format!("http://shop.example{path}"), "hi");
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.version(), Version::HTTP_2);
            assert_eq!(text(response.into_body()).await, format!("{path} hi;"));
        }
        let plain = b"POST /3 HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
        assert!(talk(outer.address, plain).await.ends_with("/3 hi;"));
    }
}

/// What the framing reader lets through hyper reads as well: its own refusals have no body, and nobody counts them.
#[tokio::test]
async fn no_byte_of_a_head_has_hyper_answer_by_itself() {
    let gateway = gateway(&default_limits(), None, echo);
    let fronts: [(&str, &str); 9] = [
        ("G", "T / HTTP/1.1\r\nHost: a\r\n"),
        ("GET /a", "b HTTP/1.1\r\nHost: a\r\n"),
        ("GET /a?b", "c HTTP/1.1\r\nHost: a\r\n"),
        ("GET http://a", "b/ HTTP/1.1\r\nHost: a\r\n"),
        ("GET http://a/", "b HTTP/1.1\r\nHost: a\r\n"),
        ("GET / HTTP/1.1\r\nHost: a", "b\r\n"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX", "y: z\r\n"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: y", "z\r\n"),
        ("CONNECT a", ":1 HTTP/1.1\r\nHost: a:1\r\n"),
    ];
    for ((front, back), byte) in fronts
        .iter()
        .flat_map(|front| (0..=u8::MAX).map(move |byte| (front, byte)))
    {
        let head = [front.as_bytes(), &[byte], back.as_bytes(), b"Connection: close\r\n\r\n"].concat();
        let answer = talk(gateway.address, &head).await;
        let is_ours = answer.starts_with("HTTP/1.1 200 ") || answer.contains("application/problem+json");
        assert!(is_ours, "{front:?} {byte:#04x} {back:?}: {answer}");
    }
}

#[tokio::test]
async fn the_stand_in_of_a_refused_head_is_refused_from_a_client_too() {
    let gateway = gateway(&default_limits(), None, echo);
    let mut sender = http2_to(gateway.address).await;
    let mut request = post("http://a/bare_lf", "");
    *request.method_mut() = "TIDEGATE-REFUSED".parse().unwrap();
    assert_eq!(
        sender.send_request(request).await.unwrap().status(),
        StatusCode::BAD_REQUEST
    );
}

/// Gives its frames, then ends the exchange as the verdict of a block would.
struct Blocked {
    frames: VecDeque<Bytes>,
    connection: Arc<ConnState>,
    ticket: FlushTicket,
}

impl Body for Blocked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
        let this = &mut *self;
        this.connection
            .poll_cut(&mut this.ticket, cx)
            .map(|error| Some(Err(error)))
    }
}

static GRANTED: [u8; 10_000] = [b'~'; 10_000];

/// How many frames a path asks for.
fn frame_count(path: &str) -> usize {
    path.trim_start_matches('/').parse().unwrap()
}

async fn blocked(request: Request<Incoming>, connection: Arc<ConnState>) -> Response<Blocked> {
    let frames = (0..frame_count(request.uri().path()))
        .map(|_| Bytes::from_static(&GRANTED))
        .collect();
    Response::new(Blocked {
        frames,
        connection,
        ticket: FlushTicket::default(),
    })
}

#[tokio::test]
async fn a_cut_lets_everything_granted_arrive_and_no_last_chunk() {
    let gateway = gateway(&default_limits(), None, blocked);
    for frames in [1, 2, 100] {
        let answer = talk(
            gateway.address,
            format!("GET /{frames} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(),
        )
        .await;
        assert_eq!(answer.matches('~').count(), frames * GRANTED.len());
        assert!(answer.ends_with("~\r\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_resets_its_stream_and_no_other() {
    let gateway = gateway(&default_limits(), None, blocked);
    let mut sender = http2_to(gateway.address).await;
    for frames in (0..100).chain([200, 400]) {
        let mut body = sender
            .send_request(post(&format!("http://a/{frames}"), ""))
            .await
            .unwrap()
            .into_body();
        let mut seen = 0;
        let error = loop {
            match body.frame().await.unwrap() {
                Ok(frame) => seen += frame.into_data().unwrap().len(),
                Err(error) => break error,
            }
        };
        assert_eq!(seen, frames * GRANTED.len());
        let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<h2::Error>());
        assert_eq!(source.and_then(h2::Error::reason), Some(h2::Reason::CANCEL));
    }
}

/// Passes a switch of protocols on, as an exchange does.
async fn switching(
    upstream: Arc<Upstream<TestBody>>,
    limits: Arc<Limits>,
    mut request: Request<Incoming>,
    connection: Arc<ConnState>,
) -> Response<TestBody> {
    let downstream = hyper::upgrade::on(&mut request);
    let stop = connection.stop.now.clone();
    let mut response = upstream.send(request.map(TestBody::Incoming)).await.unwrap();
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let other = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            let (Ok(downstream), Ok(other)) = tokio::join!(downstream, other) else {
                return;
            };
            let (downstream, other) = (TokioIo::new(downstream), TokioIo::new(other));
            join(downstream, other, &limits, &Meter::default(), stop.cancelled()).await;
        });
    }
    response.map(|body| TestBody::Response(Box::new(body)))
}

#[tokio::test]
async fn a_switch_of_protocols_is_a_tunnel_only_after_its_101() {
    let origin = origin(|_, mut stream| async move {
        let head = read_head(&mut stream).await;
        if head.starts_with("GET /no ") {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")
                .await
                .unwrap();
            read_head(&mut stream).await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n2n")
                .await
                .unwrap();
            return;
        }
        let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x00hello";
        stream.write_all(switch).await.unwrap();
        let mut back = [0; 3];
        stream.read_exact(&mut back).await.unwrap();
        stream.write_all(&back).await.unwrap();
    })
    .await;
    let limits = default_limits();
    let endpoint = format!("http://{origin}").parse().unwrap();
    let upstream = Arc::new(Upstream::new(
        vec![endpoint],
        client_config(None).unwrap(),
        Arc::clone(&limits),
    ));
    let own = Arc::clone(&limits);
    let gateway = gateway(&limits, None, move |request, connection| {
        switching(Arc::clone(&upstream), Arc::clone(&own), request, connection)
    });

    let offer = "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    // What is sent ahead of the 101 is not HTTP, and waits for it.
    let switched = talk(gateway.address, format!("GET /yes HTTP/1.1\r\n{offer}\0\n!").as_bytes()).await;
    assert!(
        switched.starts_with("HTTP/1.1 101 ") && switched.ends_with("\0hello\0\n!"),
        "{switched:?}"
    );
    // Without a 101 what follows is the next request.
    let next = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let refused = talk(gateway.address, format!("GET /no HTTP/1.1\r\n{offer}{next}").as_bytes()).await;
    assert!(
        refused.contains("\r\n\r\nno") && refused.ends_with("\r\n\r\n2n"),
        "{refused:?}"
    );
}

/// An acceptor with a leaf for these names, signed by a new authority in `directory`.
fn acceptor(directory: &Path, names: &[&str]) -> (Authority, Acceptor) {
    let authority = Authority::create(directory).unwrap();
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let (cert, key) = authority.leaf(&names).unwrap();
    (authority, Acceptor::new(vec![CertificateFiles { cert, key }]).unwrap())
}

#[tokio::test]
async fn tls_on_both_legs_is_verified_and_speaks_http2() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, acceptor) = acceptor(directory.path(), &["127.0.0.1"]);
    let limits = default_limits();
    let inner = gateway(&limits, Some(Arc::new(acceptor)), echo);
    let url = format!("https://{}", inner.address);

    let trusting = client_config(Some(&authority.certificate())).unwrap();
    let upstream = Upstream::new(vec![url.parse().unwrap()], trusting, Arc::clone(&limits));
    let outer = gateway(&limits, None, forward_to(Arc::new(upstream)));
    let mut sender = http2_to(outer.address).await;
    let response = sender.send_request(post("http://shop.example/1", "hi")).await.unwrap();
    assert_eq!(text(response.into_body()).await, "/1 hi;");

    // Without the authority the upstream is not believed.
    let outer = gateway(&limits, None, forward(&[url], &limits));
    let answer = talk(outer.address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 502 ") && answer.contains("tls_certificate_error"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_silent_tls_client_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    let (_, acceptor) = acceptor(directory.path(), &["localhost"]);
    let limits = Arc::new(Limits {
        handshake_ms_max: 10,
        ..Limits::default()
    });
    let gateway = gateway(&limits, Some(Arc::new(acceptor)), echo);
    assert_eq!(talk(gateway.address, b"\x16\x03\x01").await, "");
}
