//! Upstreams: endpoints with health, pooled connections over HTTP/1.1 and HTTP/2, one retry where it is safe.

mod body;
mod connect;
mod endpoint;
mod error;
mod pool;
mod reach;
mod send;

pub use body::ResponseBody;
pub use endpoint::{EndpointUrl, InvalidUrl};
pub use error::{UpstreamError, UpstreamErrorKind};
pub use reach::Reach;
pub use send::{RequestBody, Upstream};

#[cfg(test)]
mod tests;
