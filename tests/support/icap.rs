//! An ICAP client that says exactly what it is told, and keeps what it is answered.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take; a test that waits longer has failed.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// One answer.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status of ICAP.
    pub(crate) status: u16,
    /// The head of ICAP, from its status line to its blank line.
    pub(crate) head: String,
    /// The head of HTTP in it.
    pub(crate) http: String,
    /// The body in it, as far as it came.
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end.
    pub(crate) is_whole: bool,
    /// Whether the rest of it is the client's own copy, from its beginning.
    pub(crate) goes_on: bool,
}

impl Reply {
    /// The status of the HTTP response in it.
    pub(crate) fn http_status(&self) -> u16 {
        let word = self.http.split(' ').nth(1).unwrap_or_default();
        word.parse().unwrap_or(0)
    }

    /// The value of a field of the ICAP head.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields
            .into_iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// A question about a request or a response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    /// Fields of the ICAP head, each with its line end.
    pub(crate) fields: String,
    /// The head of the request.
    pub(crate) request: String,
    /// The head of the response, if the question is about one.
    pub(crate) response: Option<String>,
    pub(crate) body: Option<Vec<u8>>,
    /// Bytes of the body in one chunk; 0 for all of it.
    pub(crate) chunk_bytes: usize,
    /// Bytes of the preview, if there is one.
    pub(crate) preview: Option<usize>,
}

impl Question {
    /// About this request.
    pub(crate) fn request(head: &str) -> Self {
        Self {
            request: head.to_owned(),
            ..Self::default()
        }
    }

    /// About the answer to a request for this target, with this body.
    pub(crate) fn response(target: &str, media_type: &str, body: &[u8]) -> Self {
        let host = target.split('/').nth(2).unwrap_or_default();
        let length = body.len();
        Self {
            request: format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            response: Some(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nX-Odd-Case: Kept\r\nContent-Length: {length}\r\n\r\n"
            )),
            body: Some(body.to_vec()),
            ..Self::default()
        }
    }

    pub(crate) fn with(self, fields: &str) -> Self {
        let fields = self.fields + fields + "\r\n";
        Self { fields, ..self }
    }

    pub(crate) fn body(self, body: &[u8]) -> Self {
        let body = Some(body.to_vec());
        Self { body, ..self }
    }

    pub(crate) fn in_chunks_of(self, chunk_bytes: usize) -> Self {
        Self { chunk_bytes, ..self }
    }

    pub(crate) fn previewed(self, bytes: usize) -> Self {
        let preview = Some(bytes);
        Self { preview, ..self }
    }

    /// Everything up to the body.
    pub(crate) fn heads(&self) -> Vec<u8> {
        let (method, path, name) = match self.response {
            Some(_) => ("RESPMOD", "respmod", "res-body"),
            None => ("REQMOD", "reqmod", "req-body"),
        };
        let name = if self.body.is_some() { name } else { "null-body" };
        let response = self.response.as_deref().unwrap_or_default();
        let at = self.request.len() + response.len();
        let list = if self.response.is_some() {
            format!("req-hdr=0, res-hdr={}", self.request.len())
        } else {
            "req-hdr=0".to_owned()
        };
        let preview = self
            .preview
            .map_or_else(String::new, |bytes| format!("Preview: {bytes}\r\n"));
        format!(
            "{method} icap://127.0.0.1/{path} ICAP/1.0\r\nHost: 127.0.0.1\r\n{}{preview}Encapsulated: {list}, {name}={at}\r\n\r\n{}{}",
            self.fields,
            self.request,
            response
        )
        .into_bytes()
    }

    fn chunks(&self, body: &[u8], end: &str) -> Vec<u8> {
        let size = if self.chunk_bytes == 0 {
            body.len().max(1)
        } else {
            self.chunk_bytes
        };
        let mut wire = Vec::new();
        for chunk in body.chunks(size) {
            wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(end.as_bytes());
        wire
    }

    /// All of it, or what comes before the rest is asked for.
    pub(crate) fn wire(&self) -> Vec<u8> {
        let mut wire = self.heads();
        match (&self.body, self.preview) {
            (None, _) => {}
            (Some(body), None) => wire.extend(self.chunks(body, "0\r\n\r\n")),
            (Some(body), Some(bytes)) if bytes < body.len() => wire.extend(self.chunks(&body[..bytes], "0\r\n\r\n")),
            (Some(body), Some(_)) => wire.extend(self.chunks(body, "0; ieof\r\n\r\n")),
        }
        wire
    }

    fn rest(&self) -> Vec<u8> {
        let body = self.body.as_deref().unwrap_or_default();
        self.chunks(&body[self.preview.unwrap_or(0).min(body.len())..], "0\r\n\r\n")
    }
}

/// A connection of a proxy.
pub(crate) struct Icap<S> {
    pub(crate) stream: S,
    bytes: Vec<u8>,
}

impl Icap<TcpStream> {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("a listening gateway"))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Icap<S> {
    pub(crate) fn over(stream: S) -> Self {
        let bytes = Vec::new();
        Self { stream, bytes }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // What was cut may not take it all.
        self.stream.write_all(bytes).await.ok();
        self.stream.flush().await.ok();
    }

    /// Asks, and sends the rest of the body if it is asked for; the answer, and whether that was.
    pub(crate) async fn ask(&mut self, question: &Question) -> (Reply, bool) {
        let wire = question.wire();
        let (mut read, mut write) = tokio::io::split(&mut self.stream);
        let sending = async {
            write.write_all(&wire).await.ok();
            write.flush().await.ok();
        };
        let reading = read_reply(&mut read, &mut self.bytes);
        let ((), reply) = tokio::join!(sending, timeout(ANSWER_TIME_MAX, reading));
        let reply = reply.expect("an answer in time");
        if reply.status != 100 {
            return (reply, false);
        }
        let rest = question.rest();
        let sending = async {
            write.write_all(&rest).await.ok();
            write.flush().await.ok();
        };
        let reading = read_reply(&mut read, &mut self.bytes);
        let ((), reply) = tokio::join!(sending, timeout(ANSWER_TIME_MAX, reading));
        (reply.expect("an answer in time"), true)
    }

    /// The next answer.
    pub(crate) async fn reply(&mut self) -> Reply {
        let reading = read_reply(&mut self.stream, &mut self.bytes);
        timeout(ANSWER_TIME_MAX, reading).await.expect("an answer in time")
    }

    /// Whether the connection has ended without a further byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.bytes.is_empty()
            && matches!(
                timeout(ANSWER_TIME_MAX, self.stream.read(&mut [0])).await,
                Ok(Ok(0) | Err(_))
            )
    }

    /// The next bytes of an answer, at least so many in all.
    pub(crate) async fn bytes(&mut self, least: usize) -> Vec<u8> {
        while self.bytes.len() < least {
            if !timeout(ANSWER_TIME_MAX, fill(&mut self.stream, &mut self.bytes))
                .await
                .expect("bytes in time")
            {
                break;
            }
        }
        std::mem::take(&mut self.bytes)
    }
}

async fn fill(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> bool {
    matches!(stream.read_buf(bytes).await, Ok(read) if read > 0)
}

/// Takes the front of what comes up to and with `end`; all of it, where that does not come.
async fn until(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>, end: &[u8]) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = bytes.windows(end.len()).position(|window| window == end) {
            return Some(bytes.drain(..at + end.len()).collect());
        }
        if !fill(stream, bytes).await {
            return None;
        }
    }
}

async fn read_reply(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> Reply {
    let head = until(stream, bytes, b"\r\n\r\n").await.expect("a head of ICAP");
    let head = String::from_utf8(head).expect("a head of ICAP is text");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect("a status");
    let mut reply = Reply {
        status,
        head,
        http: String::new(),
        body: Vec::new(),
        is_whole: true,
        goes_on: false,
    };
    let Some(list) = reply.field("encapsulated").map(str::to_owned) else {
        return reply;
    };
    let length: usize = list
        .rsplit('=')
        .next()
        .and_then(|at| at.parse().ok())
        .expect("an offset");
    while bytes.len() < length {
        assert!(fill(stream, bytes).await, "the head of HTTP is whole");
    }
    reply.http = String::from_utf8(bytes.drain(..length).collect()).expect("a head of HTTP is text");
    if list.contains("null-body") {
        return reply;
    }
    reply.is_whole = false;
    while let Some(line) = until(stream, bytes, b"\r\n").await {
        let line = String::from_utf8(line).expect("a line of a chunk");
        let line = line.trim_end();
        let (size, extensions) = line.split_once(';').unwrap_or((line, ""));
        let size = usize::from_str_radix(size, 16).expect("a chunk's size");
        reply.goes_on |= extensions.trim() == "use-original-body=0";
        while bytes.len() < size + 2 && fill(stream, bytes).await {}
        if size == 0 {
            reply.is_whole = bytes.drain(..2).eq(*b"\r\n");
            break;
        }
        let there = size.min(bytes.len());
        reply.body.extend(bytes.drain(..there));
        bytes.drain(..bytes.len().min(2));
    }
    reply
}
