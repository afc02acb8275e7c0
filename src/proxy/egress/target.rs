//! The origin that a client asks for, and the connections to those that one client connection has asked for.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{Method, request};

use super::Forward;
use crate::proxy::Upstream;
use crate::proxy::authority::destination;
use crate::proxy::upstream::{EndpointUrl, Reach};

/// Origins that one client connection keeps connections to; a browser asks for one on each of its own.
const ORIGINS_MAX: usize = 8;

/// Host and port of an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Target {
    /// In lower case; an IPv6 address has its brackets.
    pub(in crate::proxy) host: Arc<str>,
    pub(in crate::proxy) port: u16,
    pub(in crate::proxy) is_tls: bool,
}

impl Target {
    /// What a request to a proxy asks for: an absolute target in the clear, or a tunnel (RFC 9112 sections 3.2.2 and 3.2.3).
    pub(super) fn of(head: &request::Parts) -> Option<Self> {
        let is_tls = head.method == Method::CONNECT;
        if !is_tls && head.uri.scheme() != Some(&Scheme::HTTP) {
            return None;
        }
        let authority = head.uri.authority()?;
        let port = match authority.port_u16() {
            None if is_tls => return None,
            port => port.unwrap_or(80),
        };
        Self::at(authority, port, is_tls)
    }

    /// What a client asks for that knows of no proxy and meant to connect to `meant`, in the clear: the host that it names, at the
    /// port that it meant; without a name the address. None where it names another port, or a tunnel.
    pub(super) fn meant(head: &request::Parts, meant: SocketAddr) -> Option<Self> {
        let is_other =
            head.method == Method::CONNECT || head.uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTP);
        if is_other {
            return None;
        }
        let named = match host_of(head) {
            Some(authority) => Self::at(&authority, 80, false)?,
            None if head.headers.contains_key(HOST) => return None,
            None => Self::at(&Authority::try_from(meant.to_string()).ok()?, 80, false)?,
        };
        (named.port == meant.port()).then_some(named)
    }

    /// `authority`, which may have a port of its own.
    pub(super) fn at(authority: &Authority, port: u16, is_tls: bool) -> Option<Self> {
        let host: Arc<str> = destination(authority.host()).into();
        let port = authority.port_u16().unwrap_or(port);
        (!host.is_empty()).then_some(Self { host, port, is_tls })
    }

    /// Host and port as CONNECT names them.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The way there; over TLS it must prove to be `name`.
    pub(super) fn upstream(
        &self,
        forward: &Forward,
        tls: Arc<rustls::ClientConfig>,
        name: Option<&str>,
    ) -> Arc<Upstream> {
        let proves = name.filter(|name| *name != &*self.host);
        let url = EndpointUrl::of(&self.host, self.port, self.is_tls, proves);
        let parent = forward
            .chained
            .as_ref()
            .and_then(|chained| chained.for_host(&self.host));
        let way = (Arc::clone(&forward.reach), parent);
        Arc::new(Upstream::outside(url, way, tls, Arc::clone(&forward.limits)))
    }
}

/// The host that a request names: over HTTP/2 in its target, over HTTP/1.1 in its field.
pub(super) fn host_of(head: &request::Parts) -> Option<Authority> {
    let in_field = || Authority::try_from(head.headers.get(HOST)?.as_bytes()).ok();
    head.uri.authority().cloned().or_else(in_field)
}

/// The origins of one client connection. They are not shared with other clients: an origin may know a connection's client.
#[derive(Default)]
pub(in crate::proxy) struct Origins(Mutex<Vec<Known>>);

struct Known {
    target: Target,
    /// By the rules of which it is reached; a reload makes others.
    reach: Arc<Reach>,
    /// The bad certificate that is believed of it.
    excused: Option<Box<str>>,
    upstream: Arc<Upstream>,
}

impl Origins {
    /// The way to `target`, that of the last request there if it is remembered and nothing was reloaded since, nor an exception
    /// began or ended; else a new one.
    pub(super) fn of(
        &self,
        target: &Target,
        forward: &Forward,
        excused: Option<&str>,
        new: impl FnOnce() -> Arc<Upstream>,
    ) -> Arc<Upstream> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().position(|origin| origin.target == *target);
        let found = found.map(|at| known.remove(at));
        let is_meant =
            |origin: &Known| Arc::ptr_eq(&origin.reach, &forward.reach) && origin.excused.as_deref() == excused;
        let origin = found.filter(is_meant);
        let origin = origin.unwrap_or_else(|| Known {
            target: target.clone(),
            reach: Arc::clone(&forward.reach),
            excused: excused.map(Box::from),
            upstream: new(),
        });
        if known.len() >= ORIGINS_MAX {
            known.remove(0);
        }
        let upstream = Arc::clone(&origin.upstream);
        known.push(origin);
        upstream
    }
}

impl std::fmt::Debug for Origins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origins").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_request_names_its_origin_in_one_of_two_ways() {
        for (method, uri, expected) in [
            ("GET", "http://A.example/x", Some(("a.example", 80, false))),
            ("GET", "http://a.example.:8080/", Some(("a.example", 8080, false))),
            ("GET", "http://[2001:db8::1]/", Some(("[2001:db8::1]", 80, false))),
            ("CONNECT", "a.example:443", Some(("a.example", 443, true))),
            ("GET", "https://a.example/", None),
            ("GET", "/x", None),
            ("CONNECT", "a.example", None),
        ] {
            let (head, ()) = Request::builder()
                .method(method)
                .uri(uri)
                .body(())
                .unwrap()
                .into_parts();
            let target = Target::of(&head);
            let found = target
                .as_ref()
                .map(|target| (&*target.host, target.port, target.is_tls));
            assert_eq!(found, expected, "{method} {uri}");
        }
    }

    #[test]
    fn a_client_that_knows_of_no_proxy_names_its_host_and_meant_a_port() {
        let meant = |address: &str, method: &str, uri: &str, host: Option<&str>| {
            let mut request = Request::builder().method(method).uri(uri);
            if let Some(host) = host {
                request = request.header(HOST, host);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            Target::meant(&head, address.parse().unwrap()).map(|target| target.authority())
        };
        for (address, method, uri, host, expected) in [
            ("192.0.2.7:80", "GET", "/", Some("A.example"), Some("a.example:80")),
            (
                "192.0.2.7:80",
                "GET",
                "http://a.example/",
                Some("a.example"),
                Some("a.example:80"),
            ),
            (
                "192.0.2.7:8080",
                "GET",
                "/",
                Some("a.example:8080"),
                Some("a.example:8080"),
            ),
            ("192.0.2.7:8080", "GET", "/", Some("a.example"), None),
            ("192.0.2.7:80", "GET", "/", None, Some("192.0.2.7:80")),
            ("[2001:db8::1]:80", "GET", "/", None, Some("[2001:db8::1]:80")),
            ("192.0.2.7:80", "GET", "/", Some("a b"), None),
            ("192.0.2.7:80", "GET", "https://a.example/", Some("a.example"), None),
            ("192.0.2.7:80", "CONNECT", "a.example:80", Some("a.example:80"), None),
        ] {
            assert_eq!(
                meant(address, method, uri, host).as_deref(),
                expected,
                "{address} {method} {uri} {host:?}"
            );
        }
    }
}
