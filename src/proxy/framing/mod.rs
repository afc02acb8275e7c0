//! Where HTTP/1 messages begin and end, and which heads are refused instead of guessed at; pure, stands under hyper.
//!
//! Two parsers that disagree about a message are how requests are smuggled. hyper mends some of what it should refuse
//! (it drops a Content-Length beside a Transfer-Encoding), so every HTTP/1 leg passes through this one strict reader
//! first. It copies nothing: the caller keeps the bytes, and is told how many from the front are in order.

mod fault;
mod fields;
mod line;
mod request;
mod response;

pub use fault::Fault;
pub use fields::Fields;
pub(in crate::proxy) use fields::is_authority_byte;
pub(crate) use line::{chunk_size, has_token, whole};
pub use request::Request;
pub use response::{Asked, Response};

use fields::Section;

/// How large heads may be; see `Limits` for the reasons and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of one head, from its first byte through its empty line; likewise of one trailer section.
    pub header_bytes_max: usize,
    /// Field lines of one head or trailer section.
    pub headers_max: usize,
}

/// Bytes of one chunk-size line with its extensions; a signature of a cloud store takes about 90.
const CHUNK_LINE_BYTES_MAX: usize = 256;

/// Frames the requests of one downstream connection.
pub type RequestFraming = Framing<Request>;
/// Frames the responses of one upstream connection.
pub type ResponseFraming = Framing<Response>;

/// A refusal: the bytes before it are in order, and nothing after it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Bytes from the front of what was pushed that came before the fault and are in order.
    pub valid: usize,
    /// Whether the fault is in a head, so that no message has begun that it could be part of.
    pub in_head: bool,
    /// Which rule was broken.
    pub fault: Fault,
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The next head.
    None,
    /// So many bytes, then the next head.
    Counted(u64),
    /// Chunks and trailers (RFC 9112 section 7.1), then the next head.
    Chunked,
    /// Everything until the connection closes (RFC 9112 section 6.3, rule 8).
    UntilClose,
    /// Perhaps another protocol: nothing passes until [`Framing::decide`].
    Undecided,
    /// Another protocol, unframed.
    Tunnel,
}

/// One direction of HTTP/1: what a first line may be and what a head promises.
pub trait Role {
    /// Judges that a message begins at all.
    ///
    /// # Errors
    ///
    /// The rule that its first byte breaks.
    fn begin(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Judges the start line, without its line end.
    ///
    /// # Errors
    ///
    /// The rule it breaks.
    fn start_line(&mut self, line: &[u8]) -> Result<(), Fault>;

    /// Judges a whole head and says what follows it. `head` begins at the start line.
    ///
    /// # Errors
    ///
    /// The rule it breaks.
    fn end_of_head(&mut self, head: &[u8], fields: &Fields) -> Result<Body, Fault>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Counted(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    Undecided,
    Open,
    Refused(Fault),
}

/// The reader of one direction of one connection, over all its messages.
#[derive(Debug)]
pub struct Framing<R> {
    role: R,
    limits: HeadLimits,
    state: State,
    section: Section,
}

impl<R: Role> Framing<R> {
    /// A reader that stands before the first head.
    pub fn new(role: R, limits: HeadLimits) -> Self {
        Self {
            role,
            limits,
            state: State::Head,
            section: Section::default(),
        }
    }

    /// Reads on, and returns how many bytes from the front of `bytes` are in order; the rest, a head or line not yet
    /// whole, is to be pushed again with more behind it. The answer depends on the bytes only, never on the cuts.
    ///
    /// # Errors
    ///
    /// The first rule that the stream breaks; every later push fails alike.
    pub fn push(&mut self, bytes: &[u8]) -> Result<usize, Refused> {
        let mut done = 0;
        loop {
            let rest = bytes.get(done..).unwrap_or_default();
            let in_head = self.state == State::Head;
            match self.step(rest) {
                Ok(0) => return Ok(done),
                Ok(taken) => done += taken,
                Err(fault) => {
                    self.state = State::Refused(fault);
                    return Err(Refused {
                        valid: done,
                        in_head,
                        fault,
                    });
                }
            }
        }
    }

    /// Whether the reader stands between messages, or in a head that is not whole.
    pub fn between_messages(&self) -> bool {
        self.state == State::Head
    }

    /// Whether everything passes unframed: a tunnel, or a body that ends with the connection.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether the last head asked for another protocol and nobody has answered yet.
    pub fn is_undecided(&self) -> bool {
        self.state == State::Undecided
    }

    /// Answers an undecided upgrade: what follows is a tunnel, or the next head.
    pub fn decide(&mut self, tunnel: bool) {
        if self.state == State::Undecided {
            self.state = if tunnel { State::Open } else { State::Head };
        }
    }

    /// The role, for what only one direction has.
    pub fn role(&self) -> &R {
        &self.role
    }

    /// The role, to be told what only one direction needs.
    pub fn role_mut(&mut self) -> &mut R {
        &mut self.role
    }

    /// One unit: a head, a line, or what there is of a body. Zero asks for more bytes.
    fn step(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        match self.state {
            State::Head => self.head(rest),
            State::Counted(left) => Ok(self.body(rest, left, State::Head, State::Counted)),
            State::ChunkSize => self.chunk_size(rest),
            State::ChunkData(left) => Ok(self.body(rest, left, State::ChunkEnd, State::ChunkData)),
            State::ChunkEnd => self.chunk_end(rest),
            State::Trailers => self.trailers(rest),
            State::Undecided => Ok(0),
            State::Open => Ok(rest.len()),
            State::Refused(fault) => Err(fault),
        }
    }

    fn head(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        if self.section.read == 0 && !rest.is_empty() {
            self.role.begin()?;
        }
        while let Some(line) = self.section.next_line(rest, &self.limits)? {
            if line.is_empty() && !self.section.started {
                self.section.skip_leading_empty_line()?;
            } else if !self.section.started {
                self.role.start_line(line)?;
                self.section.started = true;
            } else if !line.is_empty() {
                self.section.field(line, &self.limits)?;
            } else {
                let section = std::mem::take(&mut self.section);
                let head = rest.get(section.head_at..section.read).unwrap_or_default();
                section.stray_control(head).map_or(Ok(()), Err)?;
                self.state = match self.role.end_of_head(head, &section.fields)? {
                    Body::None | Body::Counted(0) => State::Head,
                    Body::Counted(length) => State::Counted(length),
                    Body::Chunked => State::ChunkSize,
                    Body::UntilClose | Body::Tunnel => State::Open,
                    Body::Undecided => State::Undecided,
                };
                return Ok(section.read);
            }
        }
        Ok(0)
    }

    fn body(&mut self, rest: &[u8], left: u64, after: State, more: fn(u64) -> State) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        let left = left - taken as u64;
        self.state = if left == 0 { after } else { more(left) };
        taken
    }

    fn chunk_size(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        let too_long = Fault::ChunkSize;
        let Some(line) = whole(rest, CHUNK_LINE_BYTES_MAX, too_long)? else {
            return Ok(0);
        };
        self.state = match chunk_size(line)? {
            0 => State::Trailers,
            size => State::ChunkData(size),
        };
        Ok(line.len() + line::END)
    }

    fn chunk_end(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        match rest {
            [b'\r', b'\n', ..] => {
                self.state = State::ChunkSize;
                Ok(line::END)
            }
            [] | [b'\r'] => Ok(0),
            _ => Err(Fault::ChunkEnd),
        }
    }

    fn trailers(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        let Some(line) = whole(rest, self.section.room(&self.limits), Fault::TrailersTooLarge)? else {
            return Ok(0);
        };
        if line.is_empty() {
            self.section = Section::default();
            self.state = State::Head;
        } else {
            self.section.trailer(line, &self.limits)?;
        }
        Ok(line.len() + line::END)
    }
}

#[cfg(test)]
mod tests;
