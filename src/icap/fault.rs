//! The closed list of what is wrong with a refused question, with its status and its stable name.

use crate::proxy::framing::Fault;

/// Which rule of RFC 3507 a client broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcapFault {
    /// A rule that lines, fields and chunks have in common with HTTP/1.
    Framing(Fault),
    /// A version other than ICAP/1.0.
    Version,
    /// A method that ICAP does not have.
    Method,
    /// A method that this service does not answer.
    MethodNotAllowed,
    /// A target that is no `icap://` or `icaps://` one.
    Uri,
    /// A target that is no service of ours.
    Service,
    /// A field that may stand once stands twice.
    FieldTwice,
    /// `Encapsulated` is missing, or does not list what its method carries, in its order (section 4.4.1).
    Encapsulated,
    /// An encapsulated head over `header_bytes_max`.
    EncapsulatedTooLarge,
    /// `Preview` is no number, stands where there is no body, or is larger than we ask for.
    Preview,
    /// More than the preview that was announced.
    PreviewExceeded,
    /// `ieof` where it has no meaning (section 4.5).
    Ieof,
    /// Trailers, which nobody asked for.
    Trailer,
    /// `X-Client-IP` of a trusted proxy is no address.
    ClientAddress,
    /// The field of a trusted proxy that names the user names nobody.
    User,
    /// The proxy may not ask here.
    NotAdmitted,
    /// A head was not whole in time.
    HeadTimeout,
    /// The connection ended within a question, or nothing came for too long.
    Incomplete,
    /// The gateway ends, or a reload took the listener away.
    Draining,
}

impl IcapFault {
    /// The stable name: the label `fault`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Framing(fault) => fault.name(),
            Self::Version => "icap_version",
            Self::Method => "icap_method",
            Self::MethodNotAllowed => "icap_method_not_allowed",
            Self::Uri => "icap_uri",
            Self::Service => "icap_service",
            Self::FieldTwice => "icap_field_twice",
            Self::Encapsulated => "icap_encapsulated",
            Self::EncapsulatedTooLarge => "icap_encapsulated_too_large",
            Self::Preview => "icap_preview",
            Self::PreviewExceeded => "icap_preview_exceeded",
            Self::Ieof => "icap_ieof",
            Self::Trailer => "icap_trailer",
            Self::ClientAddress => "icap_client_address",
            Self::User => "icap_user",
            Self::NotAdmitted => "icap_not_admitted",
            Self::HeadTimeout => "icap_head_timeout",
            Self::Incomplete => "icap_incomplete",
            Self::Draining => "icap_draining",
        }
    }

    /// The status line of the answer (sections 4.3.3 and RFC 9110).
    pub const fn status(self) -> &'static str {
        match self {
            Self::Version => "505 ICAP Version Not Supported",
            Self::Method => "501 Method Not Implemented",
            Self::MethodNotAllowed => "405 Method Not Allowed For Service",
            Self::Service => "404 ICAP Service Not Found",
            Self::NotAdmitted => "403 Forbidden",
            Self::HeadTimeout => "408 Request Timeout",
            Self::Draining => "503 Service Overloaded",
            Self::Framing(_)
            | Self::Uri
            | Self::FieldTwice
            | Self::Encapsulated
            | Self::EncapsulatedTooLarge
            | Self::Preview
            | Self::PreviewExceeded
            | Self::Ieof
            | Self::Trailer
            | Self::ClientAddress
            | Self::User
            | Self::Incomplete => "400 Bad Request",
        }
    }
}

impl std::fmt::Display for IcapFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refused ICAP: {}", self.name())
    }
}

impl std::error::Error for IcapFault {}
