//! One exchange as Envoy tells it: part by part, each answered before the next.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, Version, request, response};
use http_body::Frame;
use tokio::time::timeout;

use super::body::{Fed, Leaving, Told};
use super::grpc::{Answers, Messages, Status};
use super::messages::{
    self, Answer, BodyMutation, CommonAnswer, CommonResponse, HeaderMutation, HeaderValueOption, HttpBody, HttpHeaders,
    HttpStatus, HttpTrailers, ImmediateResponse, Mutation, Part, ProcessingRequest, ProcessingResponse,
    TrailersResponse,
};
use crate::engine::policy::Direction;
use crate::events::{Event, Leg, report};
use crate::proxy::respond::{Refusal, Style, respond};
use crate::proxy::{Client, ConnState, Exchanges, Passed, ms};

/// `BodySendMode`: a body in pieces, each answered; whole; in pieces, answered as it comes. In every other mode not all of a body
/// is told.
const STREAMED: i32 = 1;
const BUFFERED: i32 = 2;
const FULL_DUPLEX: i32 = 4;
/// `HeaderAppendAction`: in the place of what is there, and beside it.
const OVERWRITE: i32 = 2;
const APPEND: i32 = 0;

/// Which way a part goes.
#[derive(Clone, Copy)]
enum Way {
    Request,
    Response,
}

/// Why a stream ends before the exchange does.
enum Ends {
    /// With this status.
    With(Status),
    /// Envoy has, or was told all that it may.
    Done,
}

/// One side of an exchange.
#[derive(Default)]
struct Side {
    told: Option<Told>,
    /// Whether all of it is told.
    is_whole: bool,
    /// Whether answers come as they may, and not one a piece.
    is_duplex: bool,
}

impl Side {
    /// Its body is told in this mode.
    fn is_told(&mut self, mode: i32) {
        self.is_whole = [STREAMED, BUFFERED, FULL_DUPLEX].contains(&mode);
        self.is_duplex = mode == FULL_DUPLEX;
    }
}

pub(super) struct Exchange {
    exchanges: Exchanges,
    connection: Arc<ConnState>,
    answers: Answers,
    request: Option<request::Parts>,
    sent: Side,
    shown: Side,
    /// Answers are passed over.
    is_observed: bool,
    /// Nothing more may go this way; told in answer to the next part.
    cut: Option<Way>,
}

impl Exchange {
    pub(super) fn new(exchanges: Exchanges, connection: Arc<ConnState>, answers: Answers) -> Self {
        Self {
            exchanges,
            connection,
            answers,
            request: None,
            sent: Side::default(),
            shown: Side::default(),
            is_observed: false,
            cut: None,
        }
    }

    /// Answers until Envoy ends the stream, or nothing more may be said.
    pub(super) async fn run(mut self, mut messages: Messages) {
        let until = ms(self.exchanges.exchange_ms_max());
        let status = timeout(until, self.answer(&mut messages)).await.unwrap_or_else(|_| {
            report(&Event::LimitHit {
                limit: "exchange_ms_max",
            });
            Status::Unavailable
        });
        if status != Status::Ok {
            report(&Event::HeadRefused {
                leg: Leg::Downstream,
                fault: "ext_proc",
            });
        }
        self.answers.end(status).await;
    }

    /// Answers part by part; with which status the stream ends.
    async fn answer(&mut self, messages: &mut Messages) -> Status {
        loop {
            let told = match messages.next::<ProcessingRequest>().await {
                Ok(Some(told)) => told,
                Ok(None) => return Status::Ok,
                Err(status) => return status,
            };
            match Box::pin(self.part(told)).await {
                Ok(()) => {}
                Err(Ends::Done) => return Status::Ok,
                Err(Ends::With(status)) => return status,
            }
        }
    }

    async fn part(&mut self, told: ProcessingRequest) -> Result<(), Ends> {
        self.is_observed |= told.observability_mode;
        if let Some(config) = told.protocol_config {
            self.sent.is_told(config.request_body_mode);
            self.shown.is_told(config.response_body_mode);
        }
        let part = told.part.ok_or(Ends::With(Status::Malformed))?;
        // What is not shown cannot be counted. Of what is only observed Envoy tells no modes.
        if !(self.shown.is_whole || self.is_observed) {
            return Err(Ends::With(Status::FailedPrecondition));
        }
        if let Some(way) = self.cut {
            return self.cut(way).await;
        }
        match part {
            Part::RequestHeaders(head) => self.request(head).await,
            Part::ResponseHeaders(head) => self.response(head).await,
            Part::RequestBody(body) => self.body(Way::Request, body).await,
            Part::ResponseBody(body) => self.body(Way::Response, body).await,
            Part::RequestTrailers(trailers) => self.trailers(Way::Request, trailers).await,
            Part::ResponseTrailers(trailers) => self.trailers(Way::Response, trailers).await,
        }
    }

    async fn request(&mut self, head: HttpHeaders) -> Result<(), Ends> {
        let ends = head.end_of_stream;
        let most = self.exchanges.headers_max();
        let mut parts = request_head(head, most).ok_or(Ends::With(Status::Malformed))?;
        let before = parts.clone();
        let fed = if ends { Fed::ended() } else { Fed::default() };
        let passed = self
            .exchanges
            .adapt_request(&mut parts, fed.clone(), self.client())
            .await;
        let passed = match passed {
            Ok(passed) => passed,
            Err(refused) => return self.refuse(refused).await,
        };
        if !(ends || self.sent.is_whole || self.is_observed) && matches!(passed, Passed::Inspected(_)) {
            return Err(Ends::With(Status::FailedPrecondition));
        }
        self.begin(Way::Request, Told::new(fed, passed), ends).await;
        let mutation = mutation(&before.headers, &parts.headers);
        self.request = Some(before);
        self.say(Answer::RequestHeaders(common(mutation, None))).await
    }

    async fn response(&mut self, head: HttpHeaders) -> Result<(), Ends> {
        let ends = head.end_of_stream;
        let request = self.request.take().ok_or(Ends::With(Status::FailedPrecondition))?;
        let most = self.exchanges.headers_max();
        let mut parts = response_head(head, most).ok_or(Ends::With(Status::Malformed))?;
        let before = parts.headers.clone();
        let fed = if ends { Fed::ended() } else { Fed::default() };
        let client = self.client();
        let passed = self
            .exchanges
            .adapt_response(&request, &mut parts, fed.clone(), client)
            .await;
        let body = match passed {
            Ok(body) => body,
            Err(refused) => return self.refuse(refused).await,
        };
        let passed = body.map_or_else(|| Passed::Plain(Fed::ended()), Passed::Inspected);
        self.begin(Way::Response, Told::new(fed, passed), ends).await;
        self.say(Answer::ResponseHeaders(common(mutation(&before, &parts.headers), None)))
            .await
    }

    fn side(&mut self, way: Way) -> &mut Side {
        match way {
            Way::Request => &mut self.sent,
            Way::Response => &mut self.shown,
        }
    }

    fn client(&self) -> Client {
        Client::Shown {
            connection: Arc::clone(&self.connection),
            is_observed: self.is_observed,
        }
    }

    /// Takes note of a body, and reads what is already known of it.
    async fn begin(&mut self, way: Way, mut told: Told, ends: bool) {
        if ends {
            // Nothing is in it; it ends, and is reported.
            drop(told.push(None, true).await);
        }
        self.side(way).told = Some(told);
    }

    async fn body(&mut self, way: Way, part: HttpBody) -> Result<(), Ends> {
        let told = self.side(way).told.as_mut();
        let told = told.ok_or(Ends::With(Status::FailedPrecondition))?;
        let (sent, ends) = (part.body, part.end_of_stream);
        let frame = (!sent.is_empty()).then(|| Frame::data(sent.clone()));
        let leaving = told.push(frame, ends).await;
        let is_same = leaving.bytes == sent;
        self.release(way, leaving, (is_same, ends)).await
    }

    /// What may leave by now, then the end if that is it. Each part has one answer: what is cut is told with the next one, or in
    /// the place of the last.
    async fn release(&mut self, way: Way, leaving: Leaving, (is_same, ends): (bool, bool)) -> Result<(), Ends> {
        let Leaving { bytes, is_cut, .. } = leaving;
        if is_cut && (ends || bytes.is_empty()) {
            return self.cut(way).await;
        }
        self.cut = is_cut.then_some(way);
        let mutation = match (self.side(way).is_duplex, is_same, bytes.is_empty()) {
            (true, _, true) if !ends => return Ok(()),
            (true, ..) => Some(Mutation::Streamed(HttpBody {
                body: bytes,
                end_of_stream: ends,
            })),
            (false, true, _) => None,
            (false, false, true) => Some(Mutation::ClearBody(true)),
            (false, false, false) => Some(Mutation::Body(bytes)),
        };
        self.say_body(way, mutation).await
    }

    async fn trailers(&mut self, way: Way, part: HttpTrailers) -> Result<(), Ends> {
        let most = self.exchanges.headers_max();
        let told = self.side(way).told.as_mut();
        let told = told.ok_or(Ends::With(Status::FailedPrecondition))?;
        let before = fields(part.trailers.unwrap_or_default(), most, |_| false);
        let before = before.ok_or(Ends::With(Status::Malformed))?;
        let leaving = told.push(Some(Frame::trailers(before.clone())), true).await;
        let is_duplex = self.side(way).is_duplex;
        // An answer to trailers has no room for bytes that were held until them.
        if leaving.is_cut || (!is_duplex && !leaving.bytes.is_empty()) {
            return self.cut(way).await;
        }
        if !leaving.bytes.is_empty() {
            let streamed = HttpBody {
                body: leaving.bytes,
                end_of_stream: false,
            };
            self.say_body(way, Some(Mutation::Streamed(streamed))).await?;
        }
        let response = TrailersResponse {
            header_mutation: mutation(&before, &leaving.trailers.unwrap_or_default()),
        };
        self.say(match way {
            Way::Request => Answer::RequestTrailers(response),
            Way::Response => Answer::ResponseTrailers(response),
        })
        .await
    }

    async fn say_body(&mut self, way: Way, mutation: Option<Mutation>) -> Result<(), Ends> {
        let answer = common(None, mutation);
        self.say(match way {
            Way::Request => Answer::RequestBody(answer),
            Way::Response => Answer::ResponseBody(answer),
        })
        .await
    }

    async fn say(&mut self, answer: Answer) -> Result<(), Ends> {
        let response = ProcessingResponse { answer: Some(answer) };
        if self.is_observed || self.answers.send(&response).await {
            Ok(())
        } else {
            Err(Ends::Done)
        }
    }

    /// Nothing more may leave: where the head has left, the stream is reset.
    async fn cut(&mut self, way: Way) -> Result<(), Ends> {
        let direction = match way {
            Way::Request => Direction::Request,
            Way::Response => Direction::Response,
        };
        let refused = respond(&Refusal::Blocked(direction), Style::Problem);
        self.refuse(refused).await
    }

    async fn refuse(&mut self, refused: Response<Bytes>) -> Result<(), Ends> {
        let (head, body) = refused.into_parts();
        let fields = head
            .headers
            .iter()
            .map(|(name, value)| set(name, value, OVERWRITE))
            .collect();
        let immediate = ImmediateResponse {
            status: Some(HttpStatus {
                code: i32::from(head.status.as_u16()),
            }),
            headers: Some(HeaderMutation {
                set_headers: fields,
                remove_headers: Vec::new(),
            }),
            body,
            details: "tidegate".to_owned(),
            ..ImmediateResponse::default()
        };
        self.say(Answer::Immediate(immediate)).await?;
        Err(Ends::Done)
    }
}

fn common(header_mutation: Option<HeaderMutation>, mutation: Option<Mutation>) -> CommonAnswer {
    let body_mutation = mutation.map(|mutation| BodyMutation {
        mutation: Some(mutation),
    });
    CommonAnswer {
        response: Some(CommonResponse {
            header_mutation,
            body_mutation,
        }),
    }
}

fn set(name: &HeaderName, value: &HeaderValue, append_action: i32) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(messages::HeaderValue {
            key: name.as_str().to_owned(),
            value: String::new(),
            raw_value: Bytes::copy_from_slice(value.as_bytes()),
        }),
        append_action,
    }
}

/// What makes `after` of `before`; none where they are the same. `Content-Length` is Envoy's own.
fn mutation(before: &HeaderMap, after: &HeaderMap) -> Option<HeaderMutation> {
    let mut change = HeaderMutation::default();
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        change.remove_headers.push(name.as_str().to_owned());
    }
    let differs =
        |name: &&HeaderName| **name != CONTENT_LENGTH && !before.get_all(*name).iter().eq(after.get_all(*name));
    for name in after.keys().filter(differs) {
        let values = after.get_all(name).iter().enumerate();
        let options = values.map(|(at, value)| set(name, value, if at == 0 { OVERWRITE } else { APPEND }));
        change.set_headers.extend(options);
    }
    (change != HeaderMutation::default()).then_some(change)
}

/// Fields but for the pseudo-fields, which `pseudo` takes; none where they are no fields, or more than `most`: a map has room for
/// some thousand, and a message for more.
fn fields(list: messages::HeaderMap, most: usize, mut pseudo: impl FnMut((&str, &[u8])) -> bool) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    for field in list.headers {
        let value = if field.raw_value.is_empty() {
            field.value.as_bytes()
        } else {
            &field.raw_value
        };
        if field.key.starts_with(':') {
            if !pseudo((&field.key, value)) {
                return None;
            }
            continue;
        }
        if fields.len() >= most {
            return None;
        }
        let name = HeaderName::from_bytes(field.key.as_bytes()).ok()?;
        fields.append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(fields)
}

fn request_head(head: HttpHeaders, most: usize) -> Option<request::Parts> {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    let (mut method, mut path, mut authority) = (None, None, None);
    let mut headers = fields(head.headers.unwrap_or_default(), most, |(name, value)| {
        match name {
            ":method" => method = Method::from_bytes(value).ok(),
            ":path" => path = Some(value.to_vec()),
            ":authority" => authority = HeaderValue::from_bytes(value).ok(),
            _ => {}
        }
        true
    })?;
    parts.method = method?;
    // A target of CONNECT has no path.
    parts.uri = Uri::try_from(path.unwrap_or_else(|| b"/".to_vec())).ok()?;
    // Of a body that is told in pieces, so that its head does not wait for it.
    parts.version = Version::HTTP_2;
    headers.remove(CONTENT_LENGTH);
    if let Some(authority) = authority {
        headers.insert(HOST, authority);
    }
    parts.headers = headers;
    Some(parts)
}

fn response_head(head: HttpHeaders, most: usize) -> Option<response::Parts> {
    let (mut parts, ()) = Response::new(()).into_parts();
    let mut status = None;
    parts.headers = fields(head.headers.unwrap_or_default(), most, |(name, value)| {
        if name == ":status" {
            status = StatusCode::from_bytes(value).ok();
        }
        true
    })?;
    parts.status = status?;
    Some(parts)
}
