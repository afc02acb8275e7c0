//! One connection of a proxy: one question after the other, each answered before the next is read.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Buf as _, Bytes};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response, request, response};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, WriteHalf, split};
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::{CONTINUE, LAST_CHUNK, ORIGINAL_BODY, Part, Teller};
use super::chunks::Chunks;
use super::encapsulated::{read_request, read_response, write_request, write_response};
use super::fault::IcapFault;
use super::head::{Head, HeadReader, Method};
use super::reader::Reader;
use crate::events::{Event, Leg, report};
use crate::proxy::{Accepted, Asking, BoxError, Client, Exchanges, Limits, Passed, Place, Stop, ms};

/// A body of what is asked about, on its way back.
trait Adapted: Body<Data = Bytes, Error = BoxError> + Unpin {}

impl<B: Body<Data = Bytes, Error = BoxError> + Unpin> Adapted for B {}

/// How a question ended that was not answered whole.
enum Broken {
    /// It breaks a rule, and nothing was answered yet.
    Fault(IcapFault),
    /// The connection ends: in the middle of an answer that must not go on, or as nobody reads it.
    Cut,
}

impl From<IcapFault> for Broken {
    fn from(fault: IcapFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Cut
    }
}

/// A question with the heads in it.
struct Question {
    head: Head,
    request: Bytes,
    response: Bytes,
    teller: Teller,
    client: Client,
    /// The preview, if that is all of the body.
    whole: Option<Vec<u8>>,
}

impl Question {
    /// Whether the answer may be that nothing changes.
    fn may_be_204(&self, is_continued: bool) -> bool {
        self.head.allows_204 || (self.head.preview.is_some() && !is_continued)
    }
}

pub(super) struct Connection<T> {
    reader: Reader,
    writer: WriteHalf<T>,
    exchanges: Exchanges,
    limits: Arc<Limits>,
    stop: Stop,
    /// The proxy's, and our own.
    addresses: (SocketAddr, SocketAddr),
    /// Whether the rest of the body was asked for.
    is_continued: bool,
    #[expect(dead_code, reason = "held for its drop")]
    place: Place,
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Connection<T> {
    pub(super) fn new(io: T, accepted: Accepted, exchanges: Exchanges) -> Self {
        let (read, writer) = split(io);
        Self {
            reader: Reader::new(read, ms(accepted.limits.body_idle_ms_max)),
            writer,
            exchanges,
            limits: accepted.limits,
            stop: accepted.stop,
            addresses: accepted.addresses,
            is_continued: false,
            place: accepted.place,
        }
    }

    /// Answers until the connection ends, or a question that it must end with.
    pub(super) async fn run(mut self) {
        loop {
            // Boxed, here and below: a connection that waits need not be as large as one that answers.
            match Box::pin(self.question()).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(Broken::Cut) => {
                    // What came behind the beginning of an answer may have been wrong.
                    let fault = self.reader.lock().fault;
                    fault.into_iter().for_each(count);
                    break;
                }
                Err(Broken::Fault(fault)) => {
                    count(fault);
                    let rules = self.asking().map_or([0; 32], |asking| asking.rules);
                    let teller = Teller { rules, closes: true };
                    // Whoever is gone is told nothing.
                    self.write(&teller.refusal(fault)).await.ok();
                    break;
                }
            }
        }
        self.linger().await;
    }

    fn asking(&self) -> Option<Asking> {
        self.exchanges.asking(self.addresses.0.ip())
    }

    /// Reads and answers one question; false if the connection ends with it.
    async fn question(&mut self) -> Result<bool, Broken> {
        if !self.awaits().await {
            return Ok(false);
        }
        let until = Instant::now() + ms(self.limits.header_ms_max);
        let read = timeout_at(until, self.heads()).await;
        let (head, request, response) = read.map_err(|_| {
            report(&Event::LimitHit { limit: "header_ms_max" });
            IcapFault::HeadTimeout
        })??;
        let (proxy, local) = self.addresses;
        let asking = self.asking().ok_or(IcapFault::Draining)?;
        if !asking.meant.admits(proxy.ip()) {
            return Err(IcapFault::NotAdmitted.into());
        }
        let field = asking.meant.user.as_ref().ok_or(IcapFault::Draining)?;
        let behind = head.behind(proxy.ip(), asking.is_trusted, field)?;
        let closes = head.closes || self.stop.graceful.is_cancelled();
        let teller = Teller {
            rules: asking.rules,
            closes,
        };
        let client = Client::Named {
            address: behind.address,
            user: behind.user,
            local,
            stop: self.stop.clone(),
        };
        let chunks = if head.encapsulated.has_body {
            Chunks::new(head.preview)
        } else {
            Chunks::none()
        };
        self.is_continued = false;
        self.reader.begin(chunks);
        let mut whole = None;
        if head.preview.is_some() || !head.encapsulated.has_body {
            let preview = self.reader.preview().await?;
            whole = self.reader.lock().chunks.is_ended().then_some(preview);
        }
        let question = Question {
            head,
            request,
            response,
            teller,
            client,
            whole,
        };
        match question.head.method {
            Method::Options => {
                let options = teller.options(question.head.service, self.limits.connections_max);
                self.write(&options).await?;
            }
            Method::Reqmod => Box::pin(self.request(question)).await?,
            Method::Respmod => Box::pin(self.response(question)).await?,
        }
        // What was not read, as the answer did not need it, must not be taken for a question.
        self.reader
            .skip(u64::from(self.limits.linger_bytes_max))
            .await
            .map_err(|_| Broken::Cut)?;
        Ok(!closes)
    }

    /// Waits for a question; false if none comes.
    async fn awaits(&mut self) -> bool {
        if !self.reader.lock().bytes.is_empty() {
            return true;
        }
        let filled = timeout(ms(self.limits.idle_ms_max), self.reader.fill());
        tokio::select! {
            filled = filled => matches!(filled, Ok(Ok(true))),
            () = self.stop.graceful.cancelled() => false,
        }
    }

    /// The head of a question, and those of the request and the response in it.
    async fn heads(&mut self) -> Result<(Head, Bytes, Bytes), Broken> {
        let mut reader = HeadReader::new(self.limits.head());
        let head = loop {
            let read = reader.push(&self.reader.lock().bytes)?;
            if let Some((length, head)) = read {
                self.reader.lock().bytes.advance(length);
                break head;
            }
            self.fill().await?;
        };
        let bytes = head.encapsulated.head_bytes();
        while self.reader.lock().bytes.len() < bytes {
            self.fill().await?;
        }
        let mut both = self.reader.lock().bytes.split_to(bytes).freeze();
        let request = both.split_to(head.encapsulated.request.unwrap_or(0));
        Ok((head, request, both))
    }

    async fn fill(&mut self) -> Result<(), Broken> {
        if self.reader.fill().await? {
            Ok(())
        } else {
            Err(IcapFault::Incomplete.into())
        }
    }

    async fn request(&mut self, question: Question) -> Result<(), Broken> {
        let mut head = read_request(&question.request, self.limits.head()).map_err(IcapFault::Framing)?;
        let before = head.headers.clone();
        let (exchanges, body) = (self.exchanges.clone(), self.reader.body());
        let adapting = exchanges.adapt_request(&mut head, body, question.client.clone());
        let adapted = Box::pin(self.asking_on(adapting)).await?;
        let is_same = head.headers == before;
        let head = if is_same {
            question.request.clone()
        } else {
            write_request(&head).into()
        };
        match adapted {
            Err(refused) => self.refuse(&question, refused).await,
            // Nobody counts requests: whatever follows may go on as it is.
            Ok(Passed::Plain(_)) if is_same && question.may_be_204(self.is_continued) => {
                self.unchanged(&question).await
            }
            Ok(body) => self.pass(&question, (Part::Request, head, is_same), body).await,
        }
    }

    async fn response(&mut self, question: Question) -> Result<(), Broken> {
        let limits = self.limits.head();
        let request = if question.request.is_empty() {
            // Whoever asks need not say what was requested.
            Ok(http::Request::new(()).into_parts().0)
        } else {
            read_request(&question.request, limits)
        };
        let request: request::Parts = request.map_err(IcapFault::Framing)?;
        let head = read_response(&question.response, &request.method, limits);
        let mut head: response::Parts = head.map_err(IcapFault::Framing)?;
        let before = head.headers.clone();
        let (exchanges, body) = (self.exchanges.clone(), self.reader.body());
        let adapting = exchanges.adapt_response(&request, &mut head, body, question.client.clone());
        let adapted = Box::pin(self.asking_on(adapting)).await?;
        let is_same = head.headers == before;
        let head = if is_same {
            question.response.clone()
        } else {
            write_response(&head).into()
        };
        match adapted {
            Err(refused) => self.refuse(&question, refused).await,
            Ok(None) => {
                let answer = question.teller.encapsulates("200 OK", Part::Response, &head, false);
                self.write(&answer).await
            }
            Ok(Some(body)) => self.pass(&question, (Part::Response, head, is_same), body).await,
        }
    }

    /// Waits for what becomes of a question, and asks for the rest of its body once that is needed.
    async fn asking_on<A>(&mut self, adapting: impl Future<Output = A>) -> Result<A, Broken> {
        let mut adapting = pin!(adapting);
        let reader = self.reader.clone();
        loop {
            let step = poll_fn(|cx| match adapting.as_mut().poll(cx) {
                Poll::Ready(adapted) => Poll::Ready(Some(adapted)),
                Poll::Pending if reader.lock().wants_rest() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            let Some(adapted) = step.await else {
                self.go_on().await?;
                continue;
            };
            // What is wrong with the body is told as that, and not as what came of it.
            let fault = self.reader.lock().fault;
            return fault.map_or(Ok(adapted), |fault| Err(fault.into()));
        }
    }

    /// Asks for the rest of a body, if there is one that was not asked for.
    async fn go_on(&mut self) -> Result<(), Broken> {
        if self.reader.lock().chunks.is_previewed() {
            self.write(CONTINUE).await?;
            self.is_continued = true;
            self.reader.lock().go_on();
        }
        Ok(())
    }

    /// The client is told something else in the place of what was asked about.
    async fn refuse(&mut self, question: &Question, refused: Response<Bytes>) -> Result<(), Broken> {
        let (mut head, body) = refused.into_parts();
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let head = write_response(&head);
        let mut answer = question.teller.encapsulates("200 OK", Part::Response, &head, true);
        if !body.is_empty() {
            answer.extend_from_slice(&chunk(&body));
        }
        answer.extend_from_slice(LAST_CHUNK);
        self.write(&answer).await
    }

    /// Nothing changes. What of the body was not read is the client's own.
    async fn unchanged(&mut self, question: &Question) -> Result<(), Broken> {
        self.reader.skip(u64::MAX).await.map_err(|_| Broken::Cut)?;
        self.write(&question.teller.bare("204 No Modifications Needed")).await
    }

    /// What was asked about goes back as it may leave.
    async fn pass(
        &mut self,
        question: &Question,
        (part, head, is_same): (Part, Bytes, bool),
        mut body: impl Adapted,
    ) -> Result<(), Broken> {
        let mut first = Vec::new();
        if let Some(whole) = &question.whole {
            let is_whole = released_whole(&mut body, whole, &mut first).await;
            if is_whole && is_same && question.may_be_204(self.is_continued) {
                return self.unchanged(question).await;
            }
            let has_body = question.head.encapsulated.has_body;
            if is_whole && !is_same && has_body && question.head.allows_206 {
                let mut answer = question.teller.encapsulates("206 Partial Content", part, &head, true);
                answer.extend_from_slice(ORIGINAL_BODY);
                return self.write(&answer).await;
            }
            if is_whole && !has_body {
                let answer = question.teller.encapsulates("200 OK", part, &head, false);
                return self.write(&answer).await;
            }
        }
        // Nothing of an answer may come before the rest is asked for.
        self.go_on().await?;
        let answer = question.teller.encapsulates("200 OK", part, &head, true);
        self.write(&answer).await?;
        for data in first {
            self.chunk(&data?).await?;
        }
        while let Some(frame) = body.frame().await {
            // What was cut ends without its last chunk, and its connection with it.
            let frame = frame.map_err(|_| Broken::Cut)?;
            if let Ok(data) = frame.into_data() {
                self.chunk(&data).await?;
            }
        }
        self.write(LAST_CHUNK).await
    }

    async fn chunk(&mut self, data: &[u8]) -> Result<(), Broken> {
        if data.is_empty() {
            return Ok(());
        }
        self.write(&chunk(data)).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut left = bytes;
        while !left.is_empty() {
            let wrote = timeout(ms(self.limits.body_idle_ms_max), self.writer.write(left)).await;
            let wrote = wrote.map_err(|_| {
                report(&Event::LimitHit {
                    limit: "body_idle_ms_max",
                });
                Broken::Cut
            })??;
            if wrote == 0 {
                return Err(Broken::Cut);
            }
            left.advance(wrote);
        }
        let flushed = timeout(ms(self.limits.body_idle_ms_max), self.writer.flush()).await;
        flushed.map_err(|_| Broken::Cut)?.map_err(Broken::from)
    }

    /// Ends the connection so that its last answer arrives: what still comes is read and dropped for a while.
    async fn linger(mut self) {
        let (bytes_max, reader) = (self.limits.linger_bytes_max as usize, self.reader.clone());
        let drained = async {
            self.writer.shutdown().await.ok();
            let mut dropped = 0;
            while dropped <= bytes_max && reader.fill().await.unwrap_or(false) {
                let mut reading = reader.lock();
                dropped += reading.bytes.len();
                reading.bytes.clear();
            }
        };
        timeout(ms(self.limits.linger_ms_max), drained).await.ok();
    }
}

/// Whether `body`, all of which is known, leaves as it came. What it releases goes to `first`, up to the first difference.
async fn released_whole(body: &mut impl Adapted, whole: &[u8], first: &mut Vec<Result<Bytes, Broken>>) -> bool {
    let mut rest = whole;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            first.push(Err(Broken::Cut));
            return false;
        };
        let Ok(data) = frame.into_data() else { continue };
        let left = rest.strip_prefix(&*data);
        first.push(Ok(data));
        match left {
            Some(left) => rest = left,
            None => return false,
        }
    }
    rest.is_empty()
}

fn count(fault: IcapFault) {
    report(&Event::HeadRefused {
        leg: Leg::Downstream,
        fault: fault.name(),
    });
}

fn chunk(data: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
    chunk.extend_from_slice(data);
    chunk.extend_from_slice(b"\r\n");
    chunk
}
