//! What goes wrong with an upstream, in the words of RFC 9209.

use std::error::Error;
use std::fmt;
use std::io;

use http::StatusCode;

use crate::proxy::framing::Fault;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $error:literal;)+) => {
        /// A kind of failure: its metric label, the status of the answer, and its `Proxy-Status` error type.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum UpstreamErrorKind {
            $($(#[$doc])* $variant,)+
        }

        impl UpstreamErrorKind {
            /// Whether nothing is known of any origin of this name: it is not found, or leads where nobody may go.
            pub(in crate::proxy) const fn is_of_name(self) -> bool {
                matches!(self, Self::Dns | Self::DnsTimeout | Self::Prohibited | Self::Parent)
            }

            /// Whether the origin's certificate is at fault.
            pub(in crate::proxy) const fn is_of_certificate(self) -> bool {
                matches!(
                    self,
                    Self::Certificate | Self::CertificateExpired | Self::CertificateName | Self::CertificateRevoked
                )
            }

            /// The label for logs and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The status that the client gets (RFC 9209 section 2.3 recommends one for each type).
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// The value of `Proxy-Status`.
            pub const fn proxy_status(self) -> &'static str {
                match self { $(Self::$variant => concat!("tidegate; error=", $error),)+ }
            }
        }
    };
}

kinds! {
    /// The name has no address.
    Dns = "dns", BAD_GATEWAY, "dns_error";
    /// The resolver did not answer in time.
    DnsTimeout = "dns_timeout", GATEWAY_TIMEOUT, "dns_timeout";
    /// Nobody listens there, or it is not reachable.
    Connect = "connect", BAD_GATEWAY, "connection_refused";
    /// The parent proxy makes no connection there.
    Parent = "parent", BAD_GATEWAY, "destination_unavailable";
    /// No connection within `connect_ms_max`.
    ConnectTimeout = "connect_timeout", GATEWAY_TIMEOUT, "connection_timeout";
    /// Its certificate is not trusted.
    Certificate = "tls_certificate", BAD_GATEWAY, "tls_certificate_error";
    /// Its certificate has expired, or is not valid yet.
    CertificateExpired = "tls_certificate", BAD_GATEWAY, "tls_certificate_error";
    /// Its certificate is another host's.
    CertificateName = "tls_certificate", BAD_GATEWAY, "tls_certificate_error";
    /// Its certificate is on a list of those that are revoked, or the list is too old to tell.
    CertificateRevoked = "tls_certificate", BAD_GATEWAY, "tls_certificate_error";
    /// The TLS handshake failed otherwise.
    Tls = "tls", BAD_GATEWAY, "tls_protocol_error";
    /// No response head within `response_head_ms_max`.
    HeadTimeout = "head_timeout", GATEWAY_TIMEOUT, "http_response_timeout";
    /// The connection ended before the response head.
    Reset = "reset", BAD_GATEWAY, "connection_terminated";
    /// Its answer broke a rule of framing.
    Framing = "framing", BAD_GATEWAY, "http_protocol_error";
    /// As many exchanges as allowed are in flight.
    PoolFull = "pool_full", SERVICE_UNAVAILABLE, "connection_limit_reached";
    /// None of its addresses may be reached from here.
    Prohibited = "prohibited", FORBIDDEN, "destination_ip_prohibited";
    /// The request's own body failed, so that the client is at fault.
    RequestBody = "request_body", BAD_REQUEST, "http_request_error";
}

/// A failed exchange with an upstream. Holds no byte of either side.
#[derive(Debug)]
pub struct UpstreamError {
    /// What failed.
    pub kind: UpstreamErrorKind,
    /// Which rule of framing was broken, if that was it.
    pub fault: Option<Fault>,
    /// Whether the connection had carried an exchange before, from which the broken bytes may have been left.
    pub(super) reused: bool,
}

impl UpstreamError {
    /// An error of this kind.
    pub(in crate::proxy) const fn new(kind: UpstreamErrorKind) -> Self {
        Self {
            kind,
            fault: None,
            reused: false,
        }
    }

    /// Whether the request may do better on another connection.
    pub(super) fn is_of_connection(&self) -> bool {
        self.is_of_endpoint() || (self.reused && self.kind == UpstreamErrorKind::Framing)
    }

    /// Whether another endpoint might do better: the request reached no origin, or its connection broke.
    pub(super) const fn is_of_endpoint(&self) -> bool {
        use UpstreamErrorKind::{
            Certificate, CertificateExpired, CertificateName, Connect, ConnectTimeout, Dns, DnsTimeout, Reset, Tls,
        };
        matches!(
            self.kind,
            Dns | DnsTimeout
                | Connect
                | ConnectTimeout
                | Certificate
                | CertificateExpired
                | CertificateName
                | Tls
                | Reset
        )
    }

    /// The meaning of hyper's error; `expired` names the limit that ended the connection, if one did.
    pub(super) fn from_hyper(error: &hyper::Error, expired: Option<&'static str>) -> Self {
        use UpstreamErrorKind::{Framing, HeadTimeout, RequestBody, Reset};
        if let Some(fault) = fault_in(error) {
            return Self {
                fault: Some(fault),
                ..Self::new(Framing)
            };
        }
        // A connection that was closed for being idle, as the request came, is as good as reset: it may be sent again.
        let kind = if expired.is_some_and(|limit| limit != "upstream_idle_ms_max") {
            HeadTimeout
        } else if error.is_user() || is_reset_by_us(error) {
            RequestBody
        } else if error.is_parse() {
            Framing
        } else {
            Reset
        };
        Self::new(kind)
    }
}

/// Whether we reset the stream, as over HTTP/2 a request body that fails does, and nothing else while an answer is awaited.
fn is_reset_by_us(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    source.is_some_and(|error| error.is_reset() && !error.is_remote() && !error.is_library())
}

/// The framing fault in the sources of an error: the reader under hyper reports through an `io::Error`.
fn fault_in(error: &(dyn Error + 'static)) -> Option<Fault> {
    let mut source = Some(error);
    while let Some(error) = source {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(fault) = inner.and_then(|inner| inner.downcast_ref::<Fault>()) {
            return Some(*fault);
        }
        source = error.source();
    }
    None
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        self.fault.map_or(Ok(()), |fault| write!(f, ": {}", fault.name()))
    }
}

impl Error for UpstreamError {}
