//! A proxy that stands before us: tunnels through it, and what it is asked in the clear.

use std::fmt;

use http::{HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::connect::reach;
use super::endpoint::{Addresses, EndpointUrl};
use super::error::{UpstreamError, UpstreamErrorKind};
use super::line::Line;
use super::reach::Reach;
use crate::proxy::limits::{Limits, ms};

/// Bytes of the head of its answer to CONNECT. Answers a proxy that never ends it.
const HEAD_BYTES_MAX: usize = 8_192;

/// A parent proxy, which looks names up in our place.
pub struct Parent {
    url: EndpointUrl,
    addresses: Addresses,
    /// The value of `Proxy-Authorization`.
    credentials: Option<Zeroizing<String>>,
}

impl Parent {
    /// One at `url`, which is asked as the holder of `credentials`, the value of a `Proxy-Authorization`.
    pub fn new(url: EndpointUrl, credentials: Option<Zeroizing<String>>) -> Self {
        Self {
            url,
            addresses: Addresses::default(),
            credentials,
        }
    }

    /// What each request in the clear says to it.
    pub(super) fn credentials(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(self.credentials.as_ref()?).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// A connection to it. Where it leads is its operator's choice, and ours: nothing that a client says leads to it.
    pub(super) async fn connect(&self, reached: &Reach, limits: &Limits) -> Result<(Line, Instant), UpstreamError> {
        let addresses = self.addresses.resolve(&self.url, limits).await?;
        let deadline = Instant::now() + ms(limits.connect_ms_max);
        let stream = reach(&addresses, deadline).await?;
        Ok((reached.watch(stream), deadline))
    }

    /// Has it join `line` to `origin` (RFC 9110 section 9.3.6).
    pub(super) async fn tunnel(
        &self,
        line: &mut Line,
        origin: &EndpointUrl,
        deadline: Instant,
    ) -> Result<(), UpstreamError> {
        let ask = async {
            line.write_all(self.request(origin).as_bytes()).await?;
            line.flush().await?;
            status(line).await
        };
        match timeout_at(deadline, ask).await {
            Ok(Ok(Some(status))) if status.is_success() => Ok(()),
            Ok(Ok(_) | Err(_)) => Err(UpstreamError::new(UpstreamErrorKind::Parent)),
            Err(_) => Err(UpstreamError::new(UpstreamErrorKind::ConnectTimeout)),
        }
    }

    fn request(&self, origin: &EndpointUrl) -> Zeroizing<String> {
        let authority = origin.authority();
        let fields = match &self.credentials {
            Some(credentials) => format!("Proxy-Authorization: {}\r\n", credentials.as_str()),
            None => String::new(),
        };
        Zeroizing::new(format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{fields}\r\n"
        ))
    }
}

impl fmt::Debug for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parent").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The status of its answer, if it is one. Read a byte at a time: what follows the head belongs to the tunnel.
async fn status(line: &mut Line) -> std::io::Result<Option<StatusCode>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_BYTES_MAX {
            return Ok(None);
        }
        head.push(line.read_u8().await?);
    }
    let code = head
        .strip_prefix(b"HTTP/1.1 ")
        .or_else(|| head.strip_prefix(b"HTTP/1.0 "));
    Ok(code.and_then(|rest| StatusCode::from_bytes(rest.get(..3)?).ok()))
}
