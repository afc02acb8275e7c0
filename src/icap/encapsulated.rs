//! What stands inside a question: where its parts are, and the heads of HTTP/1 among them, read by the same strict rules as
//! those of clients and origins.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri, Version, request, response};

use super::fault::IcapFault;
use crate::proxy::framing::{Asked, Fault, HeadLimits, Request, RequestFraming, Response, ResponseFraming};

/// The end of a head.
const END: &[u8] = b"\r\n\r\n";

/// Which parts follow the head of a question, and how long the heads among them are, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encapsulated {
    /// The head of the request.
    pub request: Option<usize>,
    /// The head of the response.
    pub response: Option<usize>,
    /// Whether there is a body, in chunks.
    pub has_body: bool,
}

impl Encapsulated {
    /// Reads the list of a `REQMOD` or a `RESPMOD`, whose heads have at most so many bytes each.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(list: &[u8], is_response: bool, bytes_max: usize) -> Result<Self, IcapFault> {
        let wrong = IcapFault::Encapsulated;
        let mut found = Self::default();
        let (mut before, mut at) = (None, 0);
        let mut has_ended = false;
        for item in list.split(|byte| *byte == b',') {
            let (name, offset) = part(item).filter(|_| !has_ended).ok_or(wrong)?;
            let length = offset.checked_sub(at).ok_or(wrong)?;
            match before {
                None if offset > 0 => return Err(wrong),
                Some(_) if length == 0 => return Err(wrong),
                Some(_) if length > bytes_max => return Err(IcapFault::EncapsulatedTooLarge),
                Some(Part::Request) => found.request = Some(length),
                Some(Part::Response) => found.response = Some(length),
                None => {}
            }
            (before, at) = match name {
                b"req-hdr" if before.is_none() => (Some(Part::Request), offset),
                b"res-hdr" if is_response && before != Some(Part::Response) => (Some(Part::Response), offset),
                b"null-body" => (None, offset),
                b"req-body" if !is_response => (None, offset),
                b"res-body" if is_response => (None, offset),
                _ => return Err(wrong),
            };
            has_ended = name.ends_with(b"-body");
            found.has_body = has_ended && name != b"null-body";
        }
        let has_its_head = if is_response { found.response } else { found.request };
        (has_ended && has_its_head.is_some()).then_some(found).ok_or(wrong)
    }

    /// Bytes of all heads together.
    pub fn head_bytes(&self) -> usize {
        self.request.unwrap_or(0) + self.response.unwrap_or(0)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Request,
    Response,
}

/// Name and offset of `req-hdr=0`.
fn part(item: &[u8]) -> Option<(&[u8], usize)> {
    let item = item.trim_ascii();
    let equals = item.iter().position(|byte| *byte == b'=')?;
    let (name, offset) = (item.get(..equals)?, item.get(equals + 1..)?);
    let is_number = (1..=9).contains(&offset.len()) && offset.iter().all(u8::is_ascii_digit);
    let offset = std::str::from_utf8(offset).ok().filter(|_| is_number)?;
    Some((name, offset.parse().ok()?))
}

/// Reads the head of a request, which is all of `head`.
///
/// # Errors
/// The first rule that it breaks.
pub fn read_request(head: &[u8], limits: HeadLimits) -> Result<request::Parts, Fault> {
    let mut framing = RequestFraming::new(Request::default(), limits);
    judge(head, framing.push(head).map_err(|refused| refused.fault)?)?;
    let (start, fields) = split(head)?;
    let mut words = start.split(|byte| *byte == b' ');
    let mut word = || words.next().ok_or(Fault::StartLine);
    let (method, target, version) = (word()?, word()?, word()?);
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = Method::from_bytes(method).map_err(|_| Fault::Method)?;
    parts.uri = Uri::try_from(target).map_err(|_| Fault::Target)?;
    parts.version = version_of(version);
    parts.headers = fields;
    Ok(parts)
}

/// Reads the head of the response to a request of this method, which is all of `head`.
///
/// # Errors
/// The first rule that it breaks.
pub fn read_response(head: &[u8], method: &Method, limits: HeadLimits) -> Result<response::Parts, Fault> {
    let mut framing = ResponseFraming::new(Response::default(), limits);
    let asked = if *method == Method::HEAD {
        Asked::Head
    } else {
        Asked::Content
    };
    framing.role_mut().ask(asked);
    judge(head, framing.push(head).map_err(|refused| refused.fault)?)?;
    let (start, fields) = split(head)?;
    let status = start.get(9..12).ok_or(Fault::Status)?;
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = StatusCode::from_bytes(status).map_err(|_| Fault::Status)?;
    parts.version = version_of(start.get(..8).unwrap_or_default());
    parts.headers = fields;
    Ok(parts)
}

/// Whether the part is one head and no more, of which so many bytes are in order.
fn judge(head: &[u8], in_order: usize) -> Result<(), Fault> {
    let is_one = memchr::memmem::find(head, END).is_some_and(|end| end + END.len() == head.len());
    if head.starts_with(b"\r\n") {
        Err(Fault::EmptyLines)
    } else if in_order == head.len() && is_one {
        Ok(())
    } else {
        Err(Fault::StartLine)
    }
}

/// The start line and the fields of a head that was judged.
pub(super) fn split(head: &[u8]) -> Result<(&[u8], HeaderMap), Fault> {
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let start = lines.next().ok_or(Fault::StartLine)?;
    let mut fields = HeaderMap::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Fault::FieldName)?;
        let (name, value) = line.split_at_checked(colon).ok_or(Fault::FieldName)?;
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let name = HeaderName::from_bytes(name).map_err(|_| Fault::FieldName)?;
        fields.append(name, HeaderValue::from_bytes(value).map_err(|_| Fault::ControlInValue)?);
    }
    Ok((start, fields))
}

fn version_of(text: &[u8]) -> Version {
    if text == b"HTTP/1.0" {
        Version::HTTP_10
    } else {
        Version::HTTP_11
    }
}

/// The head of a request as bytes.
pub(super) fn write_request(parts: &request::Parts) -> Vec<u8> {
    let start = format!("{} {} {:?}\r\n", parts.method, parts.uri, parts.version);
    write(start, &parts.headers)
}

/// The head of a response as bytes.
pub(super) fn write_response(parts: &response::Parts) -> Vec<u8> {
    write(format!("{:?} {}\r\n", parts.version, parts.status), &parts.headers)
}

fn write(start: String, fields: &HeaderMap) -> Vec<u8> {
    let mut head = start.into_bytes();
    for (name, value) in fields {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        header_bytes_max: 1_024,
        headers_max: 16,
    };

    #[test]
    fn the_parts_are_those_of_the_method_in_their_order() {
        let wrong = Err(IcapFault::Encapsulated);
        let parts = |request, response, has_body| {
            Ok(Encapsulated {
                request,
                response,
                has_body,
            })
        };
        for (list, is_response, expected) in [
            ("req-hdr=0, null-body=170", false, parts(Some(170), None, false)),
            ("req-hdr=0, req-body=147", false, parts(Some(147), None, true)),
            (
                "req-hdr=0,res-hdr=137,res-body=296",
                true,
                parts(Some(137), Some(159), true),
            ),
            ("res-hdr=0, res-body=50", true, parts(None, Some(50), true)),
            ("res-hdr=0, null-body=50", true, parts(None, Some(50), false)),
            ("req-hdr=0, null-body=50", true, wrong),
            ("res-hdr=0, null-body=50", false, wrong),
            ("req-hdr=0, res-body=50", false, wrong),
            ("req-hdr=0, req-body=50", true, wrong),
            ("req-hdr=1, null-body=50", false, wrong),
            ("req-hdr=0, null-body=0", false, wrong),
            ("res-hdr=0, req-hdr=20, res-body=50", true, wrong),
            ("req-hdr=0, res-hdr=50, res-body=40", true, wrong),
            ("req-hdr=0, req-hdr=40, req-body=50", false, wrong),
            ("req-hdr=0", false, wrong),
            ("req-hdr=0, null-body=50, req-body=60", false, wrong),
            ("req-hdr=0, null-body=-5", false, wrong),
            ("req-hdr=0, null-body=+5", false, wrong),
            ("req-hdr=0, null-body=9999999999", false, wrong),
            ("req-hdr=0, null-body=1025", false, Err(IcapFault::EncapsulatedTooLarge)),
            ("req-hdr = 0, null-body = 5", false, wrong),
            ("null-body=0", false, wrong),
            ("null-body=0", true, wrong),
            ("", false, wrong),
        ] {
            assert_eq!(
                Encapsulated::read(list.as_bytes(), is_response, 1_024),
                expected,
                "{list}"
            );
        }
    }

    #[test]
    fn heads_are_read_as_strictly_as_those_of_clients_and_origins() {
        let good = "POST https://a.example/x?y HTTP/1.1\r\nHost: a.example\r\nA: b\r\nA: c\r\n\r\n";
        let parts = read_request(good.as_bytes(), LIMITS).unwrap();
        assert_eq!(
            (&parts.method, parts.uri.to_string().as_str()),
            (&Method::POST, "https://a.example/x?y")
        );
        assert_eq!(parts.headers.get_all("a").iter().count(), 2);
        assert_eq!(
            write_request(&parts),
            good.to_ascii_lowercase()
                .replace("post", "POST")
                .replace("http/1.1", "HTTP/1.1")
                .into_bytes()
        );
        for (head, fault) in [
            ("GET / HTTP/1.1\r\n\r\n", Fault::HostMissing),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Fault::Version),
            ("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", Fault::Host),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Fault::HostTwice),
            ("GET / HTTP/1.1\r\nHost: a\r\n", Fault::StartLine),
            (
                "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                Fault::StartLine,
            ),
            ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Fault::EmptyLines),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                Fault::LengthAndCoding,
            ),
            ("GET / HTTP/1.1\nHost: a\n\n", Fault::BareLf),
        ] {
            assert_eq!(read_request(head.as_bytes(), LIMITS).err(), Some(fault), "{head:?}");
        }
        let good = "HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 5\r\n\r\n";
        let parts = read_response(good.as_bytes(), &Method::GET, LIMITS).unwrap();
        assert_eq!(write_response(&parts), good.as_bytes());
        for (head, fault) in [
            ("HTTP/1.1 20 OK\r\n\r\n", Fault::Status),
            ("HTTP/1.1 099 OK\r\n\r\n", Fault::Status),
            ("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", Fault::UnaskedUpgrade),
            ("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Fault::StartLine),
            ("ICAP/1.0 200 OK\r\n\r\n", Fault::Version),
        ] {
            assert_eq!(
                read_response(head.as_bytes(), &Method::GET, LIMITS).err(),
                Some(fault),
                "{head:?}"
            );
        }
    }
}
