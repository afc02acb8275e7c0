//! The messages of `envoy.service.ext_proc.v3`, with the fields that are read or written here (numbers as in Envoy 1.40).

use prost::{Message, Oneof};

/// What Envoy tells.
#[derive(Clone, PartialEq, Message)]
pub struct ProcessingRequest {
    /// One part of an exchange.
    #[prost(oneof = "Part", tags = "2, 3, 4, 5, 6, 7")]
    pub part: Option<Part>,
    /// Whether answers are passed over.
    #[prost(bool, tag = "10")]
    pub observability_mode: bool,
    /// With the first message alone.
    #[prost(message, optional, tag = "11")]
    pub protocol_config: Option<ProtocolConfiguration>,
}

/// One part of an exchange.
#[derive(Clone, PartialEq, Oneof)]
pub enum Part {
    /// The head of the request.
    #[prost(message, tag = "2")]
    RequestHeaders(HttpHeaders),
    /// The head of the response.
    #[prost(message, tag = "3")]
    ResponseHeaders(HttpHeaders),
    /// Some of the body of the request.
    #[prost(message, tag = "4")]
    RequestBody(HttpBody),
    /// Some of the body of the response.
    #[prost(message, tag = "5")]
    ResponseBody(HttpBody),
    /// The trailers of the request.
    #[prost(message, tag = "6")]
    RequestTrailers(HttpTrailers),
    /// The trailers of the response.
    #[prost(message, tag = "7")]
    ResponseTrailers(HttpTrailers),
}

/// How bodies are sent.
#[derive(Clone, PartialEq, Message)]
pub struct ProtocolConfiguration {
    /// Of requests.
    #[prost(int32, tag = "1")]
    pub request_body_mode: i32,
    /// Of responses.
    #[prost(int32, tag = "2")]
    pub response_body_mode: i32,
}

/// A head.
#[derive(Clone, PartialEq, Message)]
pub struct HttpHeaders {
    /// Its fields, and pseudo-fields.
    #[prost(message, optional, tag = "1")]
    pub headers: Option<HeaderMap>,
    /// Whether no body follows.
    #[prost(bool, tag = "3")]
    pub end_of_stream: bool,
}

/// Some of a body.
#[derive(Clone, PartialEq, Message)]
pub struct HttpBody {
    /// The bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub body: bytes::Bytes,
    /// Whether it ends with them, and no trailers follow.
    #[prost(bool, tag = "2")]
    pub end_of_stream: bool,
}

/// Trailers.
#[derive(Clone, PartialEq, Message)]
pub struct HttpTrailers {
    /// Their fields.
    #[prost(message, optional, tag = "1")]
    pub trailers: Option<HeaderMap>,
}

/// Fields in their order.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderMap {
    /// Each of them.
    #[prost(message, repeated, tag = "1")]
    pub headers: Vec<HeaderValue>,
}

/// A field.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderValue {
    /// Its name, in lower case.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value as text, where that is what was sent.
    #[prost(string, tag = "2")]
    pub value: String,
    /// Its value, else.
    #[prost(bytes = "bytes", tag = "3")]
    pub raw_value: bytes::Bytes,
}

/// What Envoy is told.
#[derive(Clone, PartialEq, Message)]
pub struct ProcessingResponse {
    /// About the part that it told.
    #[prost(oneof = "Answer", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub answer: Option<Answer>,
}

/// What becomes of a part.
#[derive(Clone, PartialEq, Oneof)]
pub enum Answer {
    /// Of the head of the request.
    #[prost(message, tag = "1")]
    RequestHeaders(CommonAnswer),
    /// Of the head of the response.
    #[prost(message, tag = "2")]
    ResponseHeaders(CommonAnswer),
    /// Of some of the body of the request.
    #[prost(message, tag = "3")]
    RequestBody(CommonAnswer),
    /// Of some of the body of the response.
    #[prost(message, tag = "4")]
    ResponseBody(CommonAnswer),
    /// Of the trailers of the request.
    #[prost(message, tag = "5")]
    RequestTrailers(TrailersResponse),
    /// Of the trailers of the response.
    #[prost(message, tag = "6")]
    ResponseTrailers(TrailersResponse),
    /// Another answer goes to the client.
    #[prost(message, tag = "7")]
    Immediate(ImmediateResponse),
}

/// `HeadersResponse` and `BodyResponse`, which are written alike.
#[derive(Clone, PartialEq, Message)]
pub struct CommonAnswer {
    /// What changes.
    #[prost(message, optional, tag = "1")]
    pub response: Option<CommonResponse>,
}

/// What changes.
#[derive(Clone, PartialEq, Message)]
pub struct CommonResponse {
    /// Of the head.
    #[prost(message, optional, tag = "2")]
    pub header_mutation: Option<HeaderMutation>,
    /// Of the body.
    #[prost(message, optional, tag = "3")]
    pub body_mutation: Option<BodyMutation>,
}

/// Of trailers.
#[derive(Clone, PartialEq, Message)]
pub struct TrailersResponse {
    /// What changes.
    #[prost(message, optional, tag = "1")]
    pub header_mutation: Option<HeaderMutation>,
}

/// Which fields are set, and which removed.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderMutation {
    /// Set in the place of what is there.
    #[prost(message, repeated, tag = "1")]
    pub set_headers: Vec<HeaderValueOption>,
    /// Removed.
    #[prost(string, repeated, tag = "2")]
    pub remove_headers: Vec<String>,
}

/// A field that is set.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderValueOption {
    /// The field.
    #[prost(message, optional, tag = "1")]
    pub header: Option<HeaderValue>,
    /// 0 adds it to what is there, 2 replaces that (`HeaderAppendAction`).
    #[prost(int32, tag = "3")]
    pub append_action: i32,
}

/// What stands in the place of some of a body.
#[derive(Clone, PartialEq, Message)]
pub struct BodyMutation {
    /// One of three forms.
    #[prost(oneof = "Mutation", tags = "1, 2, 3")]
    pub mutation: Option<Mutation>,
}

/// One of three forms.
#[derive(Clone, PartialEq, Oneof)]
pub enum Mutation {
    /// These bytes.
    #[prost(bytes = "bytes", tag = "1")]
    Body(bytes::Bytes),
    /// Nothing.
    #[prost(bool, tag = "2")]
    ClearBody(bool),
    /// These bytes of a full duplex.
    #[prost(message, tag = "3")]
    Streamed(HttpBody),
}

/// Another answer.
#[derive(Clone, PartialEq, Message)]
pub struct ImmediateResponse {
    /// Its status.
    #[prost(message, optional, tag = "1")]
    pub status: Option<HttpStatus>,
    /// Its fields.
    #[prost(message, optional, tag = "2")]
    pub headers: Option<HeaderMutation>,
    /// Its body.
    #[prost(bytes = "bytes", tag = "3")]
    pub body: bytes::Bytes,
    /// Its status of gRPC.
    #[prost(message, optional, tag = "4")]
    pub grpc_status: Option<HttpStatus>,
    /// For Envoy's log.
    #[prost(string, tag = "5")]
    pub details: String,
}

/// A number.
#[derive(Clone, PartialEq, Message)]
pub struct HttpStatus {
    /// The number.
    #[prost(int32, tag = "1")]
    pub code: i32,
}
