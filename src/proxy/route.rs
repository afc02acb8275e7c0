//! Routes: which upstream, policy and fail modes an exchange meets, by method, host and path.

use std::sync::Arc;

use http::Method;

use super::Upstream;
use super::adapt::Adaptation;
use super::egress::Forward;
use super::fail::{Fail, FailModes};
use super::recode::Recode;

/// `[METHOD ]host/path`, as written in `match`; the host may be `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    method: Option<Method>,
    /// `None` matches any host.
    host: Option<String>,
    /// Begins with `/`; matches whole segments.
    path: String,
}

impl Pattern {
    /// Reads a pattern; the error says what is wrong with it.
    ///
    /// # Errors
    /// When the text is no pattern.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (method, rest) = match text.split_once(' ') {
            Some((method, rest)) => {
                let method = Method::from_bytes(method.as_bytes()).map_err(|_| "this is no method")?;
                (Some(method), rest.trim())
            }
            None => (None, text),
        };
        let Some(slash) = rest.find('/') else {
            return Err("a route has a path: example.com/");
        };
        let (host, path) = rest.split_at(slash);
        if rest.contains("://") {
            return Err("a route begins with a host, not with a scheme");
        }
        if host != "*" && host.contains(['*', ':', '@']) {
            return Err("the host is a whole name without a port, or `*`");
        }
        if !is_plain(path) {
            return Err("a path without `//`, `.`, `..` and escapes of them");
        }
        let host = match host {
            "" | "*" => None,
            host => Some(host.to_ascii_lowercase()),
        };
        Ok(Self {
            method,
            host,
            path: path.to_owned(),
        })
    }

    /// How specific the match is, or `None`: the largest wins.
    fn rank(&self, method: &Method, host: &str, path: &str) -> Option<(bool, usize, bool)> {
        let method_fits = self.method.as_ref().is_none_or(|wanted| wanted == method);
        let host_fits = self
            .host
            .as_deref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(host));
        let fits = method_fits && host_fits && self.is_path_of(path);
        fits.then_some((self.host.is_some(), self.path.len(), self.method.is_some()))
    }

    fn is_path_of(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix(self.path.as_str()) else {
            return false;
        };
        rest.is_empty() || self.path.ends_with('/') || rest.starts_with('/')
    }
}

/// `METHOD /path`, as written in `reads`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPattern {
    /// The method that is safe here.
    pub method: Method,
    /// The path.
    pub path: String,
}

/// Where a route leads.
pub enum Leads {
    /// To these endpoints.
    To(Arc<Upstream>),
    /// Out, wherever the client of a forward listener asks.
    Out(Arc<Forward>),
    /// Back to the proxy that asks about what it carries itself.
    Back(Arc<Adaptation>),
}

/// One route as meant.
pub struct Route {
    /// What `match` says; the label in metrics.
    pub name: String,
    /// What it matches; that of a forward listener none.
    pub pattern: Option<Pattern>,
    /// Where it leads.
    pub leads: Leads,
    /// Requests that read although their method does not say so.
    pub reads: Vec<ReadPattern>,
    /// Whether bodies are looked into.
    pub inspect: bool,
    /// The fail mode where `fail_on` says nothing.
    pub fail: Fail,
    /// Fail modes by reason.
    pub fail_on: FailModes,
    /// In what is coded again that was decoded to be masked.
    pub recode: Option<Recode>,
    /// Whether its answers say how far they were looked into.
    pub tells_coverage: bool,
    /// Whether it is declared public, has an allowance or is not looked into: an ambiguous path never meets it.
    pub lenient: bool,
}

/// The route of a request and its number: the most specific, in the order host, path, method.
pub fn find<'r>(routes: &'r [Route], method: &Method, host: &str, path: &str) -> Option<(usize, &'r Route)> {
    let plain = is_plain(path);
    let host = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let candidates = routes.iter().enumerate().filter(|(_, route)| plain || !route.lenient);
    let rank = |route: &Route| route.pattern.as_ref()?.rank(method, host, path);
    let ranked = candidates.filter_map(|(at, route)| Some((rank(route)?, at, route)));
    // Of equals the first of the configuration wins.
    let best = ranked.max_by_key(|(rank, at, _)| (*rank, std::cmp::Reverse(*at)));
    best.map(|(_, at, route)| (at, route))
}

/// Whether every reader takes a path for the same: no dot segments, doubled slashes, backslashes or escapes of them.
pub(super) fn is_plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    let mut before = b' ';
    let is_suspect = |byte: &u8| {
        let previous = std::mem::replace(&mut before, *byte);
        matches!((previous, byte), (b'/', b'/') | (_, b'.' | b'%' | b'\\'))
    };
    if !bytes.iter().any(is_suspect) {
        return true;
    }
    let Some(meant) = unescaped(path) else {
        return false;
    };
    // Readers cut parameters and blanks off a segment, before or after they look for dots.
    let is_dots = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte == b'.');
    let is_odd = |segment: &str| segment.split([';', '?', '#']).any(|part| is_dots(part.trim()));
    !meant.contains("//") && !meant.contains('\\') && !meant.split('/').any(is_odd)
}

/// What the escapes of a path stand for; none if one is no escape, one is of a byte that has a meaning in paths, or
/// they are no UTF-8, which lenient readers take for something else.
fn unescaped(path: &str) -> Option<String> {
    let mut parts = path.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (byte, rest) = escaped_byte(part)?;
        if byte.is_ascii_control() || matches!(byte, b'.' | b'/' | b'\\' | b'%') {
            return None;
        }
        bytes.push(byte);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// The byte that the two digits behind a `%` stand for, and what follows them; none if they are no escape.
pub(super) fn escaped_byte(part: &str) -> Option<(u8, &str)> {
    let (digits, rest) = part.split_at_checked(2)?;
    let is_escape = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_escape)?;
    Some((byte, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_pattern_wins() {
        let rank = |pattern: &str, path: &str| {
            Pattern::parse(pattern)
                .unwrap()
                .rank(&Method::GET, "shop.example", path)
        };
        assert!(rank("shop.example/stores", "/stores/1") > rank("shop.example/", "/stores/1"));
        assert!(rank("shop.example/", "/x") > rank("*/x", "/x"));
        assert!(rank("GET shop.example/x", "/x") > rank("shop.example/x", "/x"));
        assert_eq!(rank("POST shop.example/x", "/x"), None);
        assert_eq!(rank("shop.example/stores", "/storesecret"), None);
        assert_eq!(rank("other.example/", "/"), None);
    }

    #[test]
    fn ambiguous_paths_are_known() {
        for (path, plain) in [
            ("/stores/1", true),
            ("/stores/../customers", false),
            ("/stores/%2e%2E/customers", false),
            ("/stores//x", false),
            ("/stores/..;/customers", false),
            ("/stores\\x", false),
            ("/stores/..%3b/customers", false),
            ("/stores/%c0%ae%c0%ae/customers", false),
            ("/stores/%u002e%u002e/customers", false),
            ("/stores/%20..%20/customers", false),
            ("/stores/;../customers", false),
            ("/stores/..%3fx", false),
            ("/stores/%", false),
            ("/stores/%+f", false),
            ("/stores/%2fx", false),
            ("/stores/%0dx", false),
            ("/stores/%EC%84%9C%EC%9A%B8;v=1.2/%20a", true),
            ("/a.b/c..d", true),
        ] {
            assert_eq!(is_plain(path), plain, "{path}");
        }
    }
}
