//! One endpoint of an upstream: where it is, which addresses its name has, and whether it is well.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use http::uri::{Authority, Scheme, Uri};
use serde::Deserialize;
use tokio::net::lookup_host;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::error::{UpstreamError, UpstreamErrorKind};
use crate::proxy::limits::{Limits, ms};

/// How an endpoint is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `http://`: HTTP/1.1.
    Http,
    /// `https://`: HTTP/2 or HTTP/1.1, as ALPN chooses.
    Https,
    /// `h2c://`: HTTP/2 in the clear, by prior knowledge.
    H2c,
}

/// The URL of an endpoint: `http://`, `https://` or `h2c://`, a host, perhaps a port, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct EndpointUrl {
    pub(super) protocol: Protocol,
    /// A name or an IP literal without brackets.
    pub(super) host: Box<str>,
    pub(super) port: u16,
    /// The name that it must prove, where that is not its host.
    pub(super) proves: Option<Box<str>>,
}

/// Why a text is no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidUrl {
    /// It is no URL at all.
    Malformed,
    /// Its scheme is none of `http`, `https` and `h2c`.
    Scheme,
    /// It has a path, a query or user information, which an endpoint has no use for.
    MoreThanAuthority,
}

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "is not a URL such as http://10.1.0.10:9000",
            Self::Scheme => "begins with none of http://, https:// and h2c://",
            Self::MoreThanAuthority => "has more than scheme, host and port",
        })
    }
}

impl std::error::Error for InvalidUrl {}

impl FromStr for EndpointUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let uri: Uri = text.parse().map_err(|_| InvalidUrl::Malformed)?;
        let (scheme, authority) = (uri.scheme_str(), uri.authority());
        let authority: &Authority = authority.ok_or(InvalidUrl::Malformed)?;
        let (protocol, default_port) = match scheme {
            Some("http") => (Protocol::Http, 80),
            Some("https") => (Protocol::Https, 443),
            Some("h2c") => (Protocol::H2c, 80),
            Some(_) | None => return Err(InvalidUrl::Scheme),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(InvalidUrl::MoreThanAuthority);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(InvalidUrl::Malformed);
        }
        Ok(Self {
            protocol,
            host: host.into(),
            port: authority.port_u16().unwrap_or(default_port),
            proves: None,
        })
    }
}

impl TryFrom<String> for EndpointUrl {
    type Error = InvalidUrl;

    fn try_from(text: String) -> Result<Self, InvalidUrl> {
        text.parse()
    }
}

impl EndpointUrl {
    /// An origin that a client named, in the clear or over TLS; `host` is a name or an IP literal, which may have brackets.
    /// Over TLS it must prove to be `proves`, or else `host`.
    pub(in crate::proxy) fn of(host: &str, port: u16, is_tls: bool, proves: Option<&str>) -> Self {
        Self {
            protocol: if is_tls { Protocol::Https } else { Protocol::Http },
            host: host.trim_start_matches('[').trim_end_matches(']').into(),
            port,
            proves: proves.map(Box::from),
        }
    }

    /// Whether it is spoken to in the clear, over HTTP/1.1.
    pub fn is_http(&self) -> bool {
        self.protocol == Protocol::Http
    }

    /// Host and port as CONNECT names them.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The scheme that requests to it have.
    pub(super) fn scheme(&self) -> Scheme {
        if self.protocol == Protocol::Https {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        }
    }
}

/// The answers of the resolver, re-asked after `dns_fresh_ms`.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    known: Mutex<Option<(Instant, Vec<SocketAddr>)>>,
}

impl Addresses {
    /// The addresses to try, in the resolver's order. One look-up at a time; a failed one leaves the old answer in use.
    pub(super) async fn resolve(&self, url: &EndpointUrl, limits: &Limits) -> Result<Vec<SocketAddr>, UpstreamError> {
        if let Ok(address) = url.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, url.port)]);
        }
        let mut known = self.known.lock().await;
        if let Some((asked, addresses)) = &*known
            && asked.elapsed() < ms(limits.dns_fresh_ms)
        {
            return Ok(addresses.clone());
        }
        let failure = match timeout(ms(limits.dns_ms_max), lookup_host((&*url.host, url.port))).await {
            Ok(Ok(found)) => {
                let addresses: Vec<_> = found.take(limits.dns_addresses_max).collect();
                if !addresses.is_empty() {
                    *known = Some((Instant::now(), addresses.clone()));
                    return Ok(addresses);
                }
                UpstreamErrorKind::Dns
            }
            Ok(Err(_)) => UpstreamErrorKind::Dns,
            Err(_) => UpstreamErrorKind::DnsTimeout,
        };
        match &mut *known {
            Some((asked, addresses)) => {
                *asked = Instant::now();
                Ok(addresses.clone())
            }
            None => Err(UpstreamError::new(failure)),
        }
    }
}

/// Passive health: consecutive failures eject an endpoint for a while.
#[derive(Debug)]
pub(super) struct Health {
    start: Instant,
    failures: AtomicU32,
    /// ms since `start`.
    ejected_until: AtomicU64,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            failures: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn is_ejected(&self) -> bool {
        // Zero is the usual case and needs no clock.
        let until = self.ejected_until.load(Relaxed);
        until > 0 && until > self.now_ms()
    }

    pub(super) fn succeeded(&self) {
        if self.failures.load(Relaxed) > 0 {
            self.failures.store(0, Relaxed);
        }
    }

    pub(super) fn failed(&self, limits: &Limits) {
        if self.failures.fetch_add(1, Relaxed) + 1 >= limits.eject_after {
            self.failures.store(0, Relaxed);
            self.ejected_until.store(self.now_ms() + limits.eject_ms, Relaxed);
        }
    }
}
