//! The one place where errors become responses. No answer quotes a byte of the upstream or of the client.

use bytes::Bytes;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, PROXY_AUTHENTICATE, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::framing::Fault;
use super::upstream::UpstreamErrorKind;
use crate::engine::policy::Direction;

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
/// The request is at fault (RFC 9209 section 2.3.19).
const REQUEST_ERROR: &str = "tidegate; error=http_request_error";

/// What a refused exchange is told. The words are for the client; the log has its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The head broke a rule of framing: 400, or 431 for its size. The connection closes.
    Framing(Fault),
    /// Log in again: 401, with the named session cookie expired.
    Reauthenticate {
        /// The cookie's name, as configured.
        cookie: Option<Box<str>>,
    },
    /// What was shown may not be used any more: 401, with the named session cookie expired; 403 for a whole account.
    Revoked {
        /// The cookie's name, as configured.
        cookie: Option<Box<str>>,
        /// To log in again would not help.
        is_account: bool,
    },
    /// A budget or rule refuses what goes this way: 403.
    Blocked(Direction),
    /// The actor is on hold: 403.
    Held,
    /// No route leads there: 404.
    NoRoute,
    /// The client may not go out here: 403.
    NotAdmitted,
    /// It is to say who it is before it goes out: 407.
    ProxyAuthentication,
    /// The host or port may not be asked for: 403.
    NotReached,
    /// A request inside a tunnel is for another host: 421.
    Misdirected,
    /// The request came round in a loop: 508.
    Loop,
    /// It expects what cannot be met (RFC 9110 section 10.1.1): 417.
    Expectation,
    /// Too fast: 429.
    Throttled {
        /// When to come back, in seconds, at least 1.
        retry_after_s: u64,
    },
    /// The body that goes this way cannot be inspected and the route fails closed: 502, of a request 403.
    Uninspectable(Direction),
    /// Nobody can say who asks, and the route fails closed: 503.
    Unidentified,
    /// The upstream failed: 502, 503 or 504, with `Proxy-Status`.
    Upstream(UpstreamErrorKind),
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// `application/problem+json` (RFC 9457).
    #[default]
    Problem,
    /// A small page, for people.
    Page,
    /// A status in the headers of an empty response (gRPC over HTTP/2, "Trailers-Only").
    Grpc,
}

impl Style {
    /// The form that the client of this request reads: gRPC by its content type, a page if it prefers HTML.
    pub fn of(request: &HeaderMap) -> Self {
        let starts = |name: HeaderName, front: &[u8]| {
            request
                .get(name)
                .is_some_and(|value| value.as_bytes().get(..front.len()) == Some(front))
        };
        if starts(CONTENT_TYPE, b"application/grpc") {
            Self::Grpc
        } else if starts(ACCEPT, b"text/html") {
            Self::Page
        } else {
            Self::Problem
        }
    }
}

impl Refusal {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Framing(fault) if fault.is_size() => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Framing(_) => StatusCode::BAD_REQUEST,
            Self::Reauthenticate { .. } | Self::Revoked { is_account: false, .. } => StatusCode::UNAUTHORIZED,
            Self::Blocked(_)
            | Self::Uninspectable(Direction::Request)
            | Self::Held
            | Self::NotAdmitted
            | Self::NotReached
            | Self::Revoked { is_account: true, .. } => StatusCode::FORBIDDEN,
            Self::ProxyAuthentication => StatusCode::PROXY_AUTHENTICATION_REQUIRED,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Uninspectable(Direction::Response) => StatusCode::BAD_GATEWAY,
            Self::Unidentified => StatusCode::SERVICE_UNAVAILABLE,
            Self::Upstream(kind) => kind.status(),
        }
    }

    /// A stable slug for `type`, and a title.
    const fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Framing(_) => ("framing", "The request is malformed or ambiguous"),
            Self::Reauthenticate { .. } => ("reauthenticate", "Please log in again"),
            Self::Revoked { .. } => ("revoked", "This access has been revoked"),
            Self::Blocked(Direction::Response) => ("blocked", "The response was blocked by a data protection policy"),
            Self::Blocked(Direction::Request) => ("blocked", "The request was blocked by a data protection policy"),
            Self::Held => ("held", "Access is on hold under a data protection policy"),
            Self::NoRoute => ("no-route", "Nothing is served here"),
            Self::NotAdmitted => ("not-admitted", "This proxy is not open to you"),
            Self::ProxyAuthentication => ("proxy-authentication", "Please tell this proxy who you are"),
            Self::NotReached => ("not-reached", "This host may not be reached from here"),
            Self::Misdirected => ("misdirected", "The request is for another host than its connection"),
            Self::Loop => ("loop", "The request passes this gateway again and again"),
            Self::Expectation => ("expectation", "Nothing but 100-continue can be expected here"),
            Self::Throttled { .. } => ("throttled", "Too many requests for new data; slow down"),
            Self::Uninspectable(Direction::Response) => ("uninspectable", "The response could not be inspected"),
            Self::Uninspectable(Direction::Request) => ("uninspectable", "The request could not be inspected"),
            Self::Unidentified => ("unidentified", "Who is asking could not be found out; try again"),
            Self::Upstream(kind) => ("upstream", origin_failed(*kind)),
        }
    }

    /// The status of gRPC: 1-16 as in its core documentation.
    const fn grpc_status(&self) -> &'static str {
        match self {
            Self::Blocked(_)
            | Self::Held
            | Self::NotAdmitted
            | Self::NotReached
            | Self::Revoked { is_account: true, .. } => "7",
            Self::Throttled { .. } => "8",
            Self::Framing(_) | Self::Uninspectable(_) | Self::Loop => "13",
            Self::NoRoute | Self::Expectation | Self::Misdirected => "12",
            Self::Upstream(_) | Self::Unidentified => "14",
            Self::Reauthenticate { .. } | Self::ProxyAuthentication | Self::Revoked { is_account: false, .. } => "16",
        }
    }
}

/// Why an origin is not spoken to, where a person can do something about it.
const fn origin_failed(kind: UpstreamErrorKind) -> &'static str {
    use UpstreamErrorKind::{
        Certificate, CertificateExpired, CertificateName, CertificateRevoked, Connect, ConnectTimeout, Dns, DnsTimeout,
        Framing, HeadTimeout, Parent, PoolFull, Prohibited, RequestBody, Reset, Tls,
    };
    match kind {
        Certificate => "The certificate of the origin is signed by nobody who is trusted here",
        CertificateExpired => "The certificate of the origin has expired, or is not valid yet",
        CertificateRevoked => "The certificate of the origin has been revoked, or nobody can say whether it has",
        CertificateName => "The certificate of the origin is another host's",
        Parent => "The next proxy on the way makes no connection there",
        Prohibited => "This address may not be reached from here",
        Dns | DnsTimeout | Connect | ConnectTimeout | Tls | HeadTimeout | Reset | Framing | PoolFull | RequestBody => {
            "The origin did not answer properly"
        }
    }
}

/// The answer to a refused exchange.
pub fn respond(refusal: &Refusal, style: Style) -> Response<Bytes> {
    let (slug, title) = refusal.words();
    let status = refusal.status();
    let fault = if let Refusal::Framing(fault) = refusal {
        fault.name()
    } else {
        ""
    };
    let (status, content_type, body) = match style {
        Style::Grpc => (StatusCode::OK, "application/grpc", String::new()),
        Style::Page => (status, "text/html; charset=utf-8", page(status, title)),
        Style::Problem => (status, "application/problem+json", problem(status, slug, title, fault)),
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if style == Style::Grpc {
        headers.insert("grpc-status", HeaderValue::from_static(refusal.grpc_status()));
        headers.insert("grpc-message", HeaderValue::from_static(title));
    }
    special_fields(refusal, headers);
    response
}

fn special_fields(refusal: &Refusal, headers: &mut HeaderMap) {
    match refusal {
        Refusal::Framing(_) => {
            headers.insert(PROXY_STATUS, HeaderValue::from_static(REQUEST_ERROR));
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Refusal::Expectation => {
            headers.insert(PROXY_STATUS, HeaderValue::from_static(REQUEST_ERROR));
        }
        Refusal::Unidentified => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        Refusal::Throttled { retry_after_s } => {
            headers.insert(RETRY_AFTER, HeaderValue::from((*retry_after_s).max(1)));
        }
        Refusal::Reauthenticate { cookie }
        | Refusal::Revoked {
            cookie,
            is_account: false,
        } => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Cookie realm=\"tidegate\""));
            if let Some(Ok(value)) = cookie.as_deref().map(expired).map(HeaderValue::try_from) {
                headers.insert(SET_COOKIE, value);
            }
        }
        Refusal::Upstream(kind) => {
            headers.insert(PROXY_STATUS, HeaderValue::from_static(kind.proxy_status()));
            if kind.status() == StatusCode::SERVICE_UNAVAILABLE {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
        }
        Refusal::ProxyAuthentication => {
            headers.insert(PROXY_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"tidegate\""));
        }
        Refusal::Revoked { is_account: true, .. }
        | Refusal::NotAdmitted
        | Refusal::NotReached
        | Refusal::Misdirected
        | Refusal::Blocked(_)
        | Refusal::Held
        | Refusal::NoRoute
        | Refusal::Loop
        | Refusal::Uninspectable(_) => {}
    }
}

/// RFC 9457; the type is a URN, so that it promises no page. Everything in it is our own text.
fn problem(status: StatusCode, slug: &str, title: &str, fault: &str) -> String {
    let detail = if fault.is_empty() {
        String::new()
    } else {
        format!(r#","fault":"{fault}""#)
    };
    format!(
        r#"{{"type":"urn:tidegate:problem:{slug}","title":"{title}","status":{}{detail}}}"#,
        status.as_u16()
    )
}

fn page(status: StatusCode, title: &str) -> String {
    let code = status.as_u16();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{code}</title>\
         <style>body{{font:16px system-ui;margin:15vh auto;max-width:36em;padding:0 1em}}</style>\
         <h1>{title}</h1><p>Status {code}. If you think this is wrong, tell the people who run this service the time of \
         your request.</p></html>"
    )
}

/// Takes a cookie from its browser, which heeds no cookie of these names without `Secure` (RFC 6265bis, section 5.6).
fn expired(name: &str) -> String {
    let is_secure = name.starts_with("__Host-") || name.starts_with("__Secure-");
    format!("{name}=; Max-Age=0; Path=/{}", if is_secure { "; Secure" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(response: Response<Bytes>) -> String {
        String::from_utf8(response.into_body().to_vec()).unwrap()
    }

    #[test]
    fn every_refusal_has_its_status_and_its_fields() {
        let cookie = Some("sid".into());
        let cases = [
            (Refusal::Framing(Fault::BareCr), 400, ("connection", "close")),
            (Refusal::Framing(Fault::HeadTooLarge), 431, ("connection", "close")),
            (
                Refusal::Reauthenticate { cookie },
                401,
                ("set-cookie", "sid=; Max-Age=0; Path=/"),
            ),
            (
                Refusal::Reauthenticate {
                    cookie: Some("__Host-sid".into()),
                },
                401,
                ("set-cookie", "__Host-sid=; Max-Age=0; Path=/; Secure"),
            ),
            (
                Refusal::Revoked {
                    cookie: Some("sid".into()),
                    is_account: false,
                },
                401,
                ("set-cookie", "sid=; Max-Age=0; Path=/"),
            ),
            (
                Refusal::Revoked {
                    cookie: None,
                    is_account: true,
                },
                403,
                ("cache-control", "no-store"),
            ),
            (
                Refusal::Blocked(Direction::Response),
                403,
                ("cache-control", "no-store"),
            ),
            (Refusal::Throttled { retry_after_s: 0 }, 429, ("retry-after", "1")),
            (Refusal::Throttled { retry_after_s: 7 }, 429, ("retry-after", "7")),
            (
                Refusal::Upstream(UpstreamErrorKind::Dns),
                502,
                ("proxy-status", "tidegate; error=dns_error"),
            ),
            (
                Refusal::Upstream(UpstreamErrorKind::PoolFull),
                503,
                ("retry-after", "1"),
            ),
            (
                Refusal::Upstream(UpstreamErrorKind::HeadTimeout),
                504,
                ("cache-control", "no-store"),
            ),
        ];
        for (refusal, status, (name, value)) in cases {
            let response = respond(&refusal, Style::Problem);
            assert_eq!(response.status(), status, "{refusal:?}");
            assert_eq!(response.headers()[name], value, "{refusal:?}");
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
            let problem: serde_json::Value = serde_json::from_str(&text(response)).unwrap();
            assert_eq!(problem["status"], status, "{refusal:?}");
        }
    }

    #[test]
    fn the_form_is_what_the_client_reads() {
        let style = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            Style::of(&headers)
        };
        assert_eq!(style("accept", "text/html,application/xhtml+xml"), Style::Page);
        assert_eq!(style("accept", "application/json"), Style::Problem);
        assert_eq!(style("content-type", "application/grpc+proto"), Style::Grpc);
        let grpc = respond(&Refusal::Blocked(Direction::Response), Style::Grpc);
        assert_eq!(
            (grpc.status(), &grpc.headers()["grpc-status"]),
            (StatusCode::OK, &HeaderValue::from_static("7"))
        );
        let page = respond(&Refusal::Blocked(Direction::Response), Style::Page);
        assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(text(page).contains("<h1>The response was blocked"));
    }
}
