//! TLS on both legs and the development authority.

mod accept;
mod authority;
mod connect;
mod provider;

pub use accept::{Acceptor, CertificateFiles};
pub use authority::{Authority, AuthorityError};
pub use connect::client_config;
pub use provider::TlsError;
