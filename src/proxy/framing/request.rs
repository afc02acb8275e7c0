//! Requests: what a request line may be, and what a request head promises.

use http::Uri;

use super::fields::{Fields, is_authority_byte};
use super::{Body, Fault, Role, line};

/// Methods that begin so belong to the gateway itself.
const OWN_METHOD: &[u8] = b"TIDEGATE-";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Target {
    #[default]
    Origin,
    Absolute,
    Authority,
}

/// The downstream direction.
#[derive(Debug, Default)]
pub struct Request {
    http10: bool,
    target: Target,
}

impl Request {
    /// Whether the last head was one of HTTP/1.0, whose answers may end with the connection.
    pub fn is_http10(&self) -> bool {
        self.http10
    }
}

impl Role for Request {
    fn start_line(&mut self, start: &[u8]) -> Result<(), Fault> {
        let mut parts = start.split(|byte| *byte == b' ');
        let (method, target) = (parts.next().unwrap_or_default(), parts.next().ok_or(Fault::StartLine)?);
        let version = parts.next().ok_or(Fault::Http09)?;
        if parts.next().is_some() || target.is_empty() {
            return Err(Fault::StartLine);
        }
        self.http10 = is_http10(version)?;
        if !line::is_token(method) || method.starts_with(OWN_METHOD) {
            return Err(Fault::Method);
        }
        self.target = judge_target(method, target)?;
        Ok(())
    }

    fn end_of_head(&mut self, head: &[u8], fields: &Fields) -> Result<Body, Fault> {
        if !fields.host && !self.http10 {
            return Err(Fault::HostMissing);
        }
        if fields.host && self.target != Target::Origin && !host_is_target(head, self.target) {
            return Err(Fault::Host);
        }
        let body = content(fields, self.http10)?.unwrap_or(Body::None);
        let switches = self.target == Target::Authority || (fields.connection_upgrade && fields.upgrade);
        let is_empty = matches!(body, Body::None | Body::Counted(0));
        if switches && is_empty {
            Ok(Body::Undecided)
        } else if self.target == Target::Authority {
            Err(Fault::BodyForbidden)
        } else {
            Ok(body)
        }
    }
}

/// Whether a version is 1.0; 1.1 is the only other one.
pub(super) fn is_http10(version: &[u8]) -> Result<bool, Fault> {
    match version {
        b"HTTP/1.1" => Ok(false),
        b"HTTP/1.0" => Ok(true),
        _ => Err(Fault::Version),
    }
}

/// The content that the framing fields announce, if any.
pub(super) fn content(fields: &Fields, http10: bool) -> Result<Option<Body>, Fault> {
    match (fields.length, fields.chunked) {
        (Some(_), true) => Err(Fault::LengthAndCoding),
        (None, true) if http10 => Err(Fault::CodingInHttp10),
        (None, true) => Ok(Some(Body::Chunked)),
        (Some(length), false) => Ok(Some(Body::Counted(length))),
        (None, false) => Ok(None),
    }
}

/// The four forms of RFC 9112 section 3.2, each only where it belongs.
fn judge_target(method: &[u8], target: &[u8]) -> Result<Target, Fault> {
    // A fragment is never sent; hyper would cut it off silently.
    if memchr::memchr2(b'#', b'\t', target).is_some() {
        return Err(Fault::Target);
    }
    let is_authority = |host: &[u8]| host.iter().all(|byte| is_authority_byte(*byte));
    let form = match target {
        _ if method == b"CONNECT" => (target.contains(&b':') && is_authority(target)).then_some(Target::Authority),
        [b'/', ..] => Some(Target::Origin),
        b"*" if method == b"OPTIONS" => Some(Target::Origin),
        _ => authority(target).is_some_and(is_authority).then_some(Target::Absolute),
    };
    form.filter(|form| is_uri(*form, target)).ok_or(Fault::Target)
}

/// Whether hyper takes it too: its own refusal would have no body.
fn is_uri(form: Target, target: &[u8]) -> bool {
    // Only what is odd is parsed here as well.
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'`');
    (form == Target::Origin && target.iter().all(is_plain)) || Uri::try_from(target).is_ok()
}

/// The authority of an absolute target with a scheme of the web.
fn authority(target: &[u8]) -> Option<&[u8]> {
    let has_scheme = |scheme: &[u8]| {
        target
            .get(..scheme.len())
            .is_some_and(|front| front.eq_ignore_ascii_case(scheme))
    };
    let scheme = [b"http://".as_slice(), b"https://"]
        .into_iter()
        .find(|scheme| has_scheme(scheme))?;
    let rest = target.get(scheme.len()..)?;
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    rest.get(..end).filter(|authority| !authority.is_empty())
}

/// Whether Host repeats the authority of the target: one request, one host, whoever reads it (RFC 9112 section 3.2.2).
fn host_is_target<'a>(head: &'a [u8], form: Target) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n');
    let target = lines
        .next()
        .and_then(|start| start.split(|byte| *byte == b' ').nth(1))
        .unwrap_or_default();
    let wanted = if form == Target::Absolute {
        authority(target)
    } else {
        Some(target)
    };
    let host = lines.find_map(|field| {
        let (name, value) = field.split_at_checked(5)?;
        name.eq_ignore_ascii_case(b"host:")
            .then(|| line::trim(value.strip_suffix(b"\r").unwrap_or(value)))
    });
    let is_same = |wanted: &[u8]| host.is_some_and(|host| wanted.eq_ignore_ascii_case(host));
    // Clients of tunnels leave the port out of Host; the host is the same.
    let name = |wanted: &'a [u8]| {
        let colon = wanted.iter().rposition(|byte| *byte == b':')?;
        wanted.get(..colon)
    };
    let name = wanted.filter(|_| form == Target::Authority).and_then(name);
    wanted.is_some_and(is_same) || name.is_some_and(is_same)
}
