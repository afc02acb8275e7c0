//! The closed list of what is wrong with a refused message; each has a stable name for answers, logs and metrics.

use std::fmt;

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// Which rule of framing a peer broke. RFC 9112 where not said otherwise.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Fault {
            $($(#[$doc])* $variant,)+
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name: a metric label, and what the answer to the client says.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

faults! {
    /// A carriage return that does not end a line (section 2.2).
    BareCr = "bare_cr",
    /// A line that ends without a carriage return (section 2.2).
    BareLf = "bare_lf",
    /// A NUL byte in a head.
    Nul = "nul",
    /// A control character in a field value (RFC 9110 section 5.5).
    ControlInValue = "control_in_value",
    /// More than one empty line before a start line (section 2.2).
    EmptyLines = "empty_lines",
    /// A start line that is not three parts with one space between.
    StartLine = "start_line",
    /// A request line without a version: HTTP/0.9.
    Http09 = "http_09",
    /// A version other than 1.0 and 1.1.
    Version = "version",
    /// A method that is no token, or that belongs to the gateway.
    Method = "method",
    /// A request target that its method does not allow, or with a fragment.
    Target = "target",
    /// A status that is not three digits from 100.
    Status = "status",
    /// A field line that begins with white space (section 5.2).
    ObsFold = "obs_fold",
    /// White space between field name and colon (section 5.1).
    SpaceBeforeColon = "space_before_colon",
    /// A field name that is no token, or a field line without a colon.
    FieldName = "field_name",
    /// A field name that a careless origin could take for a framing field.
    LookalikeName = "lookalike_name",
    /// A Content-Length that is not only digits, or too large.
    ContentLength = "content_length",
    /// More than one Content-Length.
    ContentLengthTwice = "content_length_twice",
    /// Content-Length beside Transfer-Encoding (section 6.1).
    LengthAndCoding = "length_and_coding",
    /// A Transfer-Encoding other than `chunked`, once.
    TransferEncoding = "transfer_encoding",
    /// A Transfer-Encoding in HTTP/1.0 (section 6.1).
    CodingInHttp10 = "coding_in_http_10",
    /// No Host in HTTP/1.1 (section 3.2).
    HostMissing = "host_missing",
    /// More than one Host.
    HostTwice = "host_twice",
    /// A Host that is no authority, or that differs from the request target.
    Host = "host",
    /// An odd chunk size (section 7.1): sign, prefix, separator, blank, or too long.
    ChunkSize = "chunk_size",
    /// Chunk data that is not followed by a line end.
    ChunkEnd = "chunk_end",
    /// A request body that ends before its announced length or its last chunk.
    BodyIncomplete = "body_incomplete",
    /// A framing or routing field in a trailer section (section 7.1.2).
    TrailerField = "trailer_field",
    /// A trailer section over `header_bytes_max` or `headers_max`.
    TrailersTooLarge = "trailers_too_large",
    /// A head over `header_bytes_max`.
    HeadTooLarge = "head_too_large",
    /// A head over `headers_max`.
    TooManyFields = "too_many_fields",
    /// Content on a response that may not have any.
    BodyForbidden = "body_forbidden",
    /// A response nobody asked for, or too many interim ones.
    UnaskedResponse = "unasked_response",
    /// A switch of protocols nobody asked for.
    UnaskedUpgrade = "unasked_upgrade",
    /// Part of an object where the whole was asked for (RFC 9110 section 15.3.7).
    UnaskedPart = "unasked_part",
    /// More credentials than are looked at: one of them may be revoked, or the one that the origin goes by.
    TooManyCredentials = "too_many_credentials",
    /// An offer of WebSocket, or the answer to it, that is no handshake (RFC 6455 section 4).
    WebsocketHandshake = "websocket_handshake",
    /// An extended CONNECT to another protocol than WebSocket (RFC 8441 section 4).
    ConnectProtocol = "connect_protocol",
    /// A WebSocket frame that breaks the protocol (RFC 6455 section 5).
    WebsocketFrame = "websocket_frame",
}

impl Fault {
    /// The fault of this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }

    /// Whether a size is at fault, which is status 431 (RFC 6585), not 400.
    pub const fn is_size(self) -> bool {
        matches!(self, Self::HeadTooLarge | Self::TooManyFields | Self::TrailersTooLarge)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused framing: {}", self.name())
    }
}

impl std::error::Error for Fault {}
