//! A mesh asks by Envoy's external processing: the same people are counted, cut and masked, each part answered once.

use std::convert::Infallible;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use tidegate::engine::ledger::Dimension;
use tidegate::ext_proc::message;
use tidegate::ext_proc::messages::{
    Answer, CommonAnswer, HeaderMap as Fields, HeaderValue, HttpBody, HttpHeaders, HttpTrailers, Mutation, Part,
    ProcessingRequest, ProcessingResponse, ProtocolConfiguration,
};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::gateway::{Gateway, until};
use crate::support::people::{Format, body, cut_body};

/// L.
const PEOPLE_MAX: u32 = 20;
const BLOCK: &str = "action = \"block\"\nmode = \"enforce\"";
const STREAMED: i32 = 1;
const FULL_DUPLEX: i32 = 4;

async fn gateway(budget: &str) -> Gateway {
    Gateway::start(&format!(
        "[[route]]\nmatch = \"*/\"\nupstream = [\"http://127.0.0.1:9\"]\n[identity]\nsources = [\"cookie:sid\"]\n\
         [listen.mesh]\naddress = \"127.0.0.1:0\"\n[listen.mesh.ext_proc]\nfail = \"closed\"\n\
         [[budget]]\nname = \"mesh\"\nper = \"session\"\npeople = {PEOPLE_MAX}\nwindow = \"1d\"\n{budget}\n"
    ))
    .await
}

/// The body of a request that streams.
struct Asking(mpsc::Receiver<Bytes>);

impl http_body::Body for Asking {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}

/// One exchange as Envoy tells it.
struct Mesh {
    asking: mpsc::Sender<Bytes>,
    answers: Incoming,
    bytes: BytesMut,
    trailers: Option<HeaderMap>,
    is_observed: bool,
    modes: Option<(i32, i32)>,
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let headers = pairs.iter().map(|(name, value)| HeaderValue {
        key: (*name).to_owned(),
        value: String::new(),
        raw_value: Bytes::copy_from_slice(value.as_bytes()),
    });
    Fields {
        headers: headers.collect(),
    }
}

fn request(method: &str, end_of_stream: bool) -> Part {
    let headers = fields(&[
        (":method", method),
        (":path", "/customers"),
        (":authority", "crm.example"),
        ("cookie", "sid=a"),
        ("content-type", "text/csv"),
    ]);
    Part::RequestHeaders(HttpHeaders {
        headers: Some(headers),
        end_of_stream,
    })
}

fn response(media_type: &str) -> Part {
    let headers = fields(&[(":status", "200"), ("content-type", media_type), ("etag", "\"x\"")]);
    Part::ResponseHeaders(HttpHeaders {
        headers: Some(headers),
        end_of_stream: false,
    })
}

fn piece(data: &[u8], end_of_stream: bool) -> HttpBody {
    HttpBody {
        body: Bytes::copy_from_slice(data),
        end_of_stream,
    }
}

impl Mesh {
    async fn connect(gateway: &Gateway, modes: (i32, i32)) -> Self {
        Self::connect_to(gateway, modes, "/envoy.service.ext_proc.v3.ExternalProcessor/Process").await
    }

    async fn connect_to(gateway: &Gateway, modes: (i32, i32), path: &str) -> Self {
        let address = gateway.listener("mesh");
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let (asking, receiver) = mpsc::channel(4);
        let request = Request::post(format!("http://{address}{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Asking(receiver))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/grpc");
        let trailers = response
            .headers()
            .contains_key("grpc-status")
            .then(|| response.headers().clone());
        Self {
            asking,
            answers: response.into_body(),
            bytes: BytesMut::new(),
            trailers,
            is_observed: false,
            modes: Some(modes),
        }
    }

    async fn tell(&mut self, part: Part) {
        let config = self
            .modes
            .take()
            .map(|(request_body_mode, response_body_mode)| ProtocolConfiguration {
                request_body_mode,
                response_body_mode,
            });
        let told = ProcessingRequest {
            part: Some(part),
            observability_mode: self.is_observed,
            protocol_config: config,
        };
        let mut wire = BytesMut::new();
        wire.put_u8(0);
        wire.put_u32(u32::try_from(told.encoded_len()).unwrap());
        told.encode(&mut wire).unwrap();
        self.asking.send(wire.freeze()).await.ok();
    }

    async fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some(whole) = message(&mut self.bytes).unwrap() {
                return ProcessingResponse::decode(whole).unwrap().answer;
            }
            let frame = self.answers.frame().await?;
            let frame = frame.unwrap();
            if let Some(trailers) = frame.trailers_ref() {
                self.trailers = Some(trailers.clone());
                return None;
            }
            self.bytes.extend_from_slice(frame.data_ref().unwrap());
        }
    }

    async fn ask(&mut self, part: Part) -> Option<Answer> {
        self.tell(part).await;
        self.answer().await
    }

    fn status(&self) -> Option<&str> {
        self.trailers.as_ref()?.get("grpc-status")?.to_str().ok()
    }

    /// Tells a body in pieces, each answered once; what may leave, and whether all of it was answered.
    async fn stream(&mut self, sent: &[u8], chunk_bytes: usize, part: fn(HttpBody) -> Part) -> (Vec<u8>, bool) {
        let mut left = sent.chunks(chunk_bytes).peekable();
        let mut leaving = Vec::new();
        while let Some(chunk) = left.next() {
            let answer = self.ask(part(piece(chunk, left.peek().is_none()))).await;
            let Some(Answer::ResponseBody(answer) | Answer::RequestBody(answer)) = answer else {
                assert!(matches!(answer, Some(Answer::Immediate(_))), "{answer:?}");
                return (leaving, false);
            };
            leaving.extend_from_slice(&mutated(answer, chunk));
        }
        (leaving, true)
    }
}

/// What Envoy goes on with in the place of a piece.
fn mutated(answer: CommonAnswer, piece: &[u8]) -> Vec<u8> {
    let response = answer.response.unwrap();
    match response.body_mutation.and_then(|mutation| mutation.mutation) {
        None => piece.to_vec(),
        Some(Mutation::Body(bytes)) => bytes.to_vec(),
        Some(Mutation::ClearBody(_)) => Vec::new(),
        Some(Mutation::Streamed(_)) => panic!("this is no full duplex"),
    }
}

/// Whether these are the first bytes of `people`, all of them, and of nobody behind them.
fn is_cut_behind(body: &[u8], people: std::ops::Range<u32>) -> bool {
    let behind = body.strip_prefix(cut_body(Format::Csv, people).as_slice());
    behind.is_some_and(|behind| !behind.iter().any(u8::is_ascii_alphanumeric))
}

fn people(gateway: &Gateway) -> Vec<u32> {
    let keys = gateway.keys(Dimension::Session);
    keys.iter().map(|key| key.people[0].1).collect()
}

#[tokio::test]
async fn a_response_shows_no_more_than_the_limit_whatever_its_pieces() {
    for chunk_bytes in [1, 97, 700, 5_000] {
        let gateway = gateway(BLOCK).await;
        let mut mesh = Mesh::connect(&gateway, (STREAMED, STREAMED)).await;
        assert!(matches!(
            mesh.ask(request("GET", true)).await,
            Some(Answer::RequestHeaders(_))
        ));
        assert!(matches!(
            mesh.ask(response("text/csv")).await,
            Some(Answer::ResponseHeaders(_))
        ));
        let sent = body(Format::Csv, 0..60);
        let (shown, is_whole) = mesh.stream(&sent, chunk_bytes, Part::ResponseBody).await;
        assert!(!is_whole && is_cut_behind(&shown, 0..PEOPLE_MAX), "{chunk_bytes}");
        assert_eq!(people(&gateway), [PEOPLE_MAX], "{chunk_bytes}");
    }
}

#[tokio::test]
async fn what_is_clean_passes_unchanged_and_what_is_over_a_limit_masked() {
    for chunk_bytes in [1, 700, 100_000] {
        let gateway = gateway("action = \"redact\"\nmode = \"enforce\"").await;
        let mut mesh = Mesh::connect(&gateway, (STREAMED, STREAMED)).await;
        let head = mesh.ask(request("GET", true)).await;
        let Some(Answer::RequestHeaders(head)) = head else {
            panic!("{head:?}")
        };
        let set = head.response.unwrap().header_mutation.unwrap().set_headers;
        assert_eq!(set[0].header.as_ref().unwrap().key, "accept-encoding");
        let head = mesh.ask(response("text/csv")).await;
        let Some(Answer::ResponseHeaders(head)) = head else {
            panic!("{head:?}")
        };
        assert_eq!(head.response.unwrap().header_mutation.unwrap().remove_headers, ["etag"]);
        let sent = body(Format::Csv, 0..60);
        let (shown, is_whole) = mesh.stream(&sent, chunk_bytes, Part::ResponseBody).await;
        assert_eq!((is_whole, shown.len()), (true, sent.len()), "{chunk_bytes}");
        assert!(shown.starts_with(&cut_body(Format::Csv, 0..PEOPLE_MAX)) && shown != sent);
        drop(mesh);
        let mut mesh = Mesh::connect(&gateway, (STREAMED, STREAMED)).await;
        mesh.ask(request("GET", true)).await.unwrap();
        mesh.ask(response("text/plain")).await.unwrap();
        let clean = b"nobody is in this line\n".repeat(300);
        assert_eq!(
            mesh.stream(&clean, chunk_bytes.max(20), Part::ResponseBody).await,
            (clean, true)
        );
    }
}

#[tokio::test]
async fn an_upload_sends_no_more_than_the_limit() {
    for chunk_bytes in [97, 700, 100_000] {
        let gateway = gateway(&format!("direction = \"requests\"\n{BLOCK}")).await;
        let mut mesh = Mesh::connect(&gateway, (STREAMED, STREAMED)).await;
        mesh.ask(request("POST", false)).await.unwrap();
        let sent = body(Format::Csv, 0..60);
        let (passed, is_whole) = mesh.stream(&sent, chunk_bytes, Part::RequestBody).await;
        // The last piece is answered by the refusal alone.
        let is_cut = if chunk_bytes > sent.len() {
            passed.is_empty()
        } else {
            is_cut_behind(&passed, 0..PEOPLE_MAX)
        };
        assert!(!is_whole && is_cut, "{chunk_bytes}");
    }
}

#[tokio::test]
async fn an_origin_may_answer_before_it_was_sent_all() {
    let gateway = gateway(&format!("direction = \"requests\"\n{BLOCK}")).await;
    let mut mesh = Mesh::connect(&gateway, (STREAMED, STREAMED)).await;
    mesh.ask(request("POST", false)).await.unwrap();
    let sent = b"nobody is in this line\n".repeat(9);
    let first = mesh.ask(Part::RequestBody(piece(&sent, false))).await;
    assert!(matches!(first, Some(Answer::RequestBody(_))), "{first:?}");
    mesh.ask(response("text/plain")).await.unwrap();
    let second = mesh.ask(Part::RequestBody(piece(&sent, true))).await;
    assert!(matches!(second, Some(Answer::RequestBody(_))), "{second:?}");
    let shown = mesh.ask(Part::ResponseBody(piece(&sent, true))).await;
    assert!(matches!(shown, Some(Answer::ResponseBody(_))), "{shown:?}");
    let mut partly = Mesh::connect(&gateway, (3, STREAMED)).await;
    assert!(partly.ask(request("POST", false)).await.is_none());
    assert_eq!(
        partly.status(),
        Some("9"),
        "all of a request that is counted must be shown"
    );
}

#[tokio::test]
async fn a_full_duplex_gives_back_what_may_leave() {
    let gateway = gateway("action = \"redact\"\nmode = \"enforce\"").await;
    let mut mesh = Mesh::connect(&gateway, (0, FULL_DUPLEX)).await;
    mesh.ask(request("GET", true)).await.unwrap();
    mesh.ask(response("text/csv")).await.unwrap();
    let sent = body(Format::Csv, 0..60);
    for chunk in sent.chunks(333) {
        mesh.tell(Part::ResponseBody(piece(chunk, false))).await;
    }
    mesh.tell(Part::ResponseTrailers(HttpTrailers {
        trailers: Some(fields(&[("x-sum", "1")])),
    }))
    .await;
    let mut shown = Vec::new();
    loop {
        let answer = mesh.answer().await;
        let Some(Answer::ResponseBody(answer)) = answer else {
            assert!(matches!(answer, Some(Answer::ResponseTrailers(_))), "{answer:?}");
            break;
        };
        let mutation = answer.response.unwrap().body_mutation.unwrap().mutation;
        let Some(Mutation::Streamed(streamed)) = mutation else {
            panic!("{mutation:?}")
        };
        shown.extend_from_slice(&streamed.body);
    }
    assert_eq!(shown.len(), sent.len());
    assert!(shown.starts_with(&cut_body(Format::Csv, 0..PEOPLE_MAX)) && shown != sent);
}

#[tokio::test]
async fn what_is_observed_is_counted_and_never_answered() {
    let gateway = gateway(BLOCK).await;
    let mut mesh = Mesh::connect(&gateway, (STREAMED, STREAMED)).await;
    mesh.is_observed = true;
    mesh.tell(request("GET", true)).await;
    mesh.tell(response("text/csv")).await;
    let sent = body(Format::Csv, 0..60);
    for chunk in sent.chunks(500) {
        mesh.tell(Part::ResponseBody(piece(chunk, false))).await;
    }
    mesh.tell(Part::ResponseBody(piece(b"", true))).await;
    until("all are counted", async || people(&gateway) == [60]).await;
    let (asking, _) = mpsc::channel(1);
    drop(std::mem::replace(&mut mesh.asking, asking));
    assert!(mesh.answer().await.is_none());
    assert_eq!(mesh.status(), Some("0"));
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_by_its_status() {
    let gateway = gateway(BLOCK).await;
    for partly in [0, 3, 5] {
        let mut mesh = Mesh::connect(&gateway, (STREAMED, partly)).await;
        assert!(mesh.ask(request("GET", true)).await.is_none());
        assert_eq!(mesh.status(), Some("9"), "all of a response must be shown: {partly}");
    }
    let mesh = Mesh::connect_to(&gateway, (STREAMED, STREAMED), "/other.Service/Method").await;
    assert_eq!(mesh.status(), Some("12"));
    for wire in [
        &b"\x01\0\0\0\x01a"[..],
        b"\0\xff\xff\xff\xff",
        b"\0\0\0\0\x01\xff",
        b"\0\0\0\0\0",
    ] {
        let mut mesh = Mesh::connect(&gateway, (STREAMED, STREAMED)).await;
        mesh.asking.send(Bytes::from_static(wire)).await.unwrap();
        assert!(mesh.answer().await.is_none());
        assert_eq!(mesh.status(), Some("3"), "{wire:?}");
    }
    // More fields than a head may have, and than a map has room for.
    for count in [101, 40_000] {
        let names: Vec<String> = (0..count).map(|number| format!("x-{number}")).collect();
        let head = [(":method", "GET"), (":path", "/"), (":authority", "crm.example")];
        let many: Vec<_> = head
            .into_iter()
            .chain(names.iter().map(|name| (name.as_str(), "1")))
            .collect();
        let mut mesh = Mesh::connect(&gateway, (STREAMED, STREAMED)).await;
        let told = Part::RequestHeaders(HttpHeaders {
            headers: Some(fields(&many)),
            end_of_stream: true,
        });
        assert!(mesh.ask(told).await.is_none());
        assert_eq!(mesh.status(), Some("3"), "{count}");
    }
    let mut mesh = Mesh::connect(&gateway, (STREAMED, STREAMED)).await;
    assert!(mesh.ask(response("text/csv")).await.is_none());
    assert_eq!(mesh.status(), Some("9"), "a response without its request");
}
