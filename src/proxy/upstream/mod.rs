//! Upstreams: endpoints with health, pooled connections over HTTP/1.1 and HTTP/2, one retry where it is safe.

mod body;
mod connect;
mod endpoint;
mod error;
mod line;
mod parent;
mod pool;
mod reach;
mod send;

pub use body::ResponseBody;
pub use endpoint::{EndpointUrl, InvalidUrl};
pub use error::{UpstreamError, UpstreamErrorKind};
pub use line::Line;
pub use parent::Parent;
pub use reach::Reach;
pub use send::{RequestBody, Upstream};

pub(super) use reach::is_own;

#[cfg(test)]
mod tests;
