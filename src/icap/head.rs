//! The head of a question (RFC 3507 section 4.3): what is asked, of what, and who is behind it. Pure.

use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};

use super::encapsulated::{Encapsulated, split};
use super::fault::IcapFault;
use crate::identity::proxy_principal;
use crate::proxy::UserField;
use crate::proxy::framing::{Body, Fault, Fields, Framing, HeadLimits, Role, has_token};

/// Bytes of a preview that are taken; we ask for fewer.
pub(super) const PREVIEW_BYTES_MAX: u64 = 65_536;

const ENCAPSULATED: HeaderName = HeaderName::from_static("encapsulated");
const PREVIEW: HeaderName = HeaderName::from_static("preview");
const ALLOW: HeaderName = HeaderName::from_static("allow");
const CLIENT: HeaderName = HeaderName::from_static("x-client-ip");

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// What the service can do.
    Options,
    /// About a request.
    Reqmod,
    /// About a response.
    Respmod,
}

/// Which of our services is asked, by the path of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// `/reqmod`
    Requests,
    /// `/respmod`
    Responses,
}

impl Service {
    /// The method that it answers beside `OPTIONS`.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Requests => "REQMOD",
            Self::Responses => "RESPMOD",
        }
    }
}

/// The head of a question.
#[derive(Clone, Debug)]
pub struct Head {
    /// What is asked.
    pub method: Method,
    /// Of which service.
    pub service: Service,
    /// What follows.
    pub encapsulated: Encapsulated,
    /// Bytes of the body that come first, where only they do.
    pub preview: Option<u64>,
    /// Whether the answer may be that nothing changes (204), wherever the body ends.
    pub allows_204: bool,
    /// Whether the answer may leave the body to the client's copy (206).
    pub allows_206: bool,
    /// Whether the connection ends with the answer.
    pub closes: bool,
    fields: HeaderMap,
}

/// Who is behind a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The address of the client.
    pub address: IpAddr,
    /// Its principal, where the proxy names one.
    pub user: Option<Arc<[u8]>>,
}

impl Head {
    /// Who is behind it, as far as the proxy at `peer` is believed.
    ///
    /// # Errors
    /// A proxy that is believed says what names nobody.
    pub fn behind(&self, peer: IpAddr, is_trusted: bool, field: &UserField) -> Result<Behind, IcapFault> {
        if !is_trusted {
            return Ok(Behind {
                address: peer,
                user: None,
            });
        }
        let address = only(&self.fields, &CLIENT)?.map(|value| {
            let text = value.to_str().ok().and_then(|text| text.parse::<IpAddr>().ok());
            text.map(|address| address.to_canonical())
                .ok_or(IcapFault::ClientAddress)
        });
        let user = only(&self.fields, &field.name)?
            .filter(|value| !value.is_empty())
            .map(|value| proxy_principal(value.as_bytes(), field.is_coded).ok_or(IcapFault::User));
        Ok(Behind {
            address: address.transpose()?.unwrap_or(peer),
            user: user.transpose()?,
        })
    }
}

/// The value of a field that may stand once.
fn only<'h>(fields: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, IcapFault> {
    let mut values = fields.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(IcapFault::FieldTwice),
    }
}

/// Whether a list has this word.
fn lists(fields: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let mut values = fields.get_all(name).iter();
    values.any(|value| has_token(value.as_bytes(), word.as_bytes()))
}

/// Reads one head, however it is cut; lines and fields are judged as those of HTTP/1 are.
pub struct HeadReader(Framing<Question>);

/// What the lines say.
struct Question {
    limits: HeadLimits,
    start: Option<(Method, Service)>,
    fault: Option<IcapFault>,
    head: Option<Head>,
}

impl HeadReader {
    /// Before a head within these limits.
    pub fn new(limits: HeadLimits) -> Self {
        let question = Question {
            limits,
            start: None,
            fault: None,
            head: None,
        };
        Self(Framing::new(question, limits))
    }

    /// The head at the front of `bytes` and its length; none while it is not whole, then it is to be pushed again with more
    /// behind it.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<(usize, Head)>, IcapFault> {
        let pushed = self.0.push(bytes);
        let question = self.0.role_mut();
        match pushed {
            Ok(read) => Ok(question.head.take().map(|head| (read, head))),
            Err(refused) => Err(question.fault.unwrap_or(IcapFault::Framing(refused.fault))),
        }
    }
}

impl Role for Question {
    fn start_line(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.start = Some(self.note(start(line))?);
        Ok(())
    }

    fn end_of_head(&mut self, head: &[u8], _fields: &Fields) -> Result<Body, Fault> {
        let (_, fields) = split(head)?;
        let (method, service) = self.start.ok_or(Fault::StartLine)?;
        let read = read(method, service, fields, self.limits);
        self.head = Some(self.note(read)?);
        // Nothing behind it is read here.
        Ok(Body::Undecided)
    }
}

impl Question {
    /// A fault that HTTP/1 does not have stands beside the one that ends the reading.
    fn note<T>(&mut self, read: Result<T, IcapFault>) -> Result<T, Fault> {
        read.map_err(|fault| {
            self.fault = Some(fault);
            Fault::StartLine
        })
    }
}

fn start(line: &[u8]) -> Result<(Method, Service), IcapFault> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(IcapFault::Framing(Fault::StartLine));
    };
    if version != b"ICAP/1.0" {
        return Err(IcapFault::Version);
    }
    let method = match method {
        b"OPTIONS" => Method::Options,
        b"REQMOD" => Method::Reqmod,
        b"RESPMOD" => Method::Respmod,
        _ => return Err(IcapFault::Method),
    };
    let target = Uri::try_from(target).map_err(|_| IcapFault::Uri)?;
    if !matches!(target.scheme_str(), Some("icap" | "icaps")) {
        return Err(IcapFault::Uri);
    }
    let service = match target.path().trim_end_matches('/') {
        "/reqmod" => Service::Requests,
        "/respmod" => Service::Responses,
        _ => return Err(IcapFault::Service),
    };
    match (method, service) {
        (Method::Reqmod, Service::Responses) | (Method::Respmod, Service::Requests) => Err(IcapFault::MethodNotAllowed),
        _ => Ok((method, service)),
    }
}

fn read(method: Method, service: Service, fields: HeaderMap, limits: HeadLimits) -> Result<Head, IcapFault> {
    let list = only(&fields, &ENCAPSULATED)?.map(HeaderValue::as_bytes);
    let encapsulated = match method {
        Method::Options if list.is_none_or(|list| list == b"null-body=0") => Encapsulated::default(),
        Method::Options => return Err(IcapFault::Encapsulated),
        Method::Reqmod | Method::Respmod => {
            let list = list.ok_or(IcapFault::Encapsulated)?;
            Encapsulated::read(list, method == Method::Respmod, limits.header_bytes_max)?
        }
    };
    let preview = only(&fields, &PREVIEW)?.map(|value| {
        let digits = value
            .to_str()
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let bytes = digits.and_then(|text| text.parse().ok());
        bytes
            .filter(|bytes| *bytes <= PREVIEW_BYTES_MAX)
            .ok_or(IcapFault::Preview)
    });
    // Some announce one where there is nothing to preview.
    let preview = preview.transpose()?.filter(|_| encapsulated.has_body);
    Ok(Head {
        method,
        service,
        encapsulated,
        preview,
        allows_204: lists(&fields, &ALLOW, "204"),
        allows_206: lists(&fields, &ALLOW, "206"),
        closes: lists(&fields, &CONNECTION, "close"),
        fields,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        header_bytes_max: 1_024,
        headers_max: 16,
    };
    const REQMOD: &str = "REQMOD icap://a:1344/reqmod ICAP/1.0\r\nHost: a\r\n";

    fn read(text: &str) -> Result<Option<(usize, Head)>, IcapFault> {
        HeadReader::new(LIMITS).push(text.as_bytes())
    }

    #[test]
    fn what_is_asked_is_read_however_it_is_cut() {
        let text = format!(
            "{REQMOD}Encapsulated: req-hdr=0, req-body=20\r\nPreview: 10\r\nAllow: 204, trailers, 206\r\n\r\nGET / HTTP/1.1"
        );
        let whole = text.find("GET").unwrap();
        for cut in 0..=text.len() {
            let mut reader = HeadReader::new(LIMITS);
            let first = reader.push(&text.as_bytes()[..cut]).unwrap();
            let (read, head) = match first {
                Some(found) => found,
                None => reader.push(text.as_bytes()).unwrap().unwrap(),
            };
            assert_eq!((read, cut >= whole), (whole, cut >= whole));
            assert_eq!(
                (head.method, head.service, head.preview),
                (Method::Reqmod, Service::Requests, Some(10))
            );
            assert!(head.allows_204 && head.allows_206 && !head.closes && head.encapsulated.has_body);
        }
        let options = "OPTIONS icaps://a/respmod?x=y ICAP/1.0\r\nHost: a\r\nConnection: close\r\n\r\n";
        let (_, head) = read(options).unwrap().unwrap();
        assert_eq!(
            (head.method, head.service, head.closes),
            (Method::Options, Service::Responses, true)
        );
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_its_name() {
        let of = |start: &str| format!("{start}\r\nHost: a\r\nEncapsulated: req-hdr=0, null-body=9\r\n\r\n");
        let with = |fields: &str| format!("{REQMOD}{fields}\r\n\r\n");
        for (text, name, status) in [
            (of("REQMOD icap://a/reqmod ICAP/1.1"), "icap_version", "505"),
            (of("REQMOD icap://a/reqmod HTTP/1.1"), "icap_version", "505"),
            (of("GET icap://a/reqmod ICAP/1.0"), "icap_method", "501"),
            (of("RESPMOD icap://a/reqmod ICAP/1.0"), "icap_method_not_allowed", "405"),
            (of("REQMOD icap://a/respmod ICAP/1.0"), "icap_method_not_allowed", "405"),
            (of("REQMOD icap://a/other ICAP/1.0"), "icap_service", "404"),
            (of("REQMOD http://a/reqmod ICAP/1.0"), "icap_uri", "400"),
            (of("REQMOD /reqmod ICAP/1.0"), "icap_uri", "400"),
            (of("REQMOD  icap://a/reqmod ICAP/1.0"), "start_line", "400"),
            (of("REQMOD icap://a/reqmod"), "start_line", "400"),
            (with("Allow: 204"), "icap_encapsulated", "400"),
            (with("Encapsulated: null-body=0"), "icap_encapsulated", "400"),
            (
                with("Encapsulated: req-hdr=0, null-body=9\r\nEncapsulated: req-hdr=0, null-body=9"),
                "icap_field_twice",
                "400",
            ),
            (
                with("Encapsulated: req-hdr=0, req-body=9\r\nPreview: x"),
                "icap_preview",
                "400",
            ),
            (
                with("Encapsulated: req-hdr=0, req-body=9\r\nPreview: 65537"),
                "icap_preview",
                "400",
            ),
            (
                with("Encapsulated: req-hdr=0, req-body=9\r\nPreview: +1"),
                "icap_preview",
                "400",
            ),
            (
                with("Encapsulated: req-hdr=0, req-body=9\r\nPreview: 1\r\nPreview: 2"),
                "icap_field_twice",
                "400",
            ),
            (with("Encapsulated : req-hdr=0"), "space_before_colon", "400"),
            (with(" folded"), "obs_fold", "400"),
            (with(&"A: b\r\n".repeat(20)), "too_many_fields", "400"),
            (with(&format!("A: {}", "b".repeat(1_100))), "head_too_large", "400"),
            (
                "OPTIONS icap://a/reqmod ICAP/1.0\r\nEncapsulated: opt-body=0\r\n\r\n".to_owned(),
                "icap_encapsulated",
                "400",
            ),
            (format!("{REQMOD}A: b\n\n"), "bare_lf", "400"),
        ] {
            let fault = read(&text).err().unwrap_or_else(|| panic!("{text:?}"));
            assert_eq!(
                (fault.name(), fault.status().get(..3)),
                (name, Some(status)),
                "{text:?}"
            );
        }
    }

    #[test]
    fn only_a_trusted_proxy_says_who_is_behind_it() {
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let field = UserField {
            name: HeaderName::from_static("x-authenticated-user"),
            is_coded: true,
        };
        let behind = |fields: &str, is_trusted: bool| {
            let text = format!("{REQMOD}Encapsulated: req-hdr=0, null-body=9\r\n{fields}\r\n\r\n");
            read(&text).unwrap().unwrap().1.behind(proxy, is_trusted, &field)
        };
        let of = |address: &str, user: Option<&[u8]>| {
            Ok(Behind {
                address: address.parse().unwrap(),
                user: user.map(Arc::from),
            })
        };
        let both = "X-Client-IP: 192.0.2.7\r\nX-Authenticated-User: TG9jYWw6Ly9hbm4=";
        let ann: &[u8] = b"proxy-user\0ann";
        for (fields, is_trusted, expected) in [
            (both, true, of("192.0.2.7", Some(ann))),
            (both, false, of("10.0.0.1", None)),
            ("X-Client-IP: ::ffff:192.0.2.7", true, of("192.0.2.7", None)),
            ("X-Client-IP: 2001:db8::1", true, of("2001:db8::1", None)),
            ("X-Authenticated-User: YW5u", true, of("10.0.0.1", Some(ann))),
            ("X-Authenticated-User:", true, of("10.0.0.1", None)),
            ("X-Client-IP: somebody", true, Err(IcapFault::ClientAddress)),
            (
                "X-Client-IP: 192.0.2.7\r\nX-Client-IP: 192.0.2.8",
                true,
                Err(IcapFault::FieldTwice),
            ),
            ("X-Authenticated-User: !", true, Err(IcapFault::User)),
            ("X-Client-IP: somebody", false, of("10.0.0.1", None)),
        ] {
            assert_eq!(behind(fields, is_trusted), expected, "{fields}");
        }
    }
}
