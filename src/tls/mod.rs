//! TLS on both legs, the fingerprint of a client's hello, and the authority: for development, and for looking inside.

mod accept;
mod authority;
mod client_hello;
mod clients;
mod connect;
mod constraints;
mod hello;
mod ja4;
mod mint;
mod private_key;
mod provider;
mod rotate;
mod tee;

pub use accept::{Acceptor, CertificateFiles, TlsFacts, TlsFiles};
pub use authority::{Authority, AuthorityError};
pub use client_hello::{ClientHello, HELLO_BYTES_MAX, HelloFault, Peek, peek};
pub use clients::{ClientCertificate, ClientFiles};
pub use connect::{client_config, client_config_with, excusing};
pub use hello::{H2, HTTP_1_1, Hello, UNTRUSTED, offering};
pub use ja4::{Transport, ja4};
pub use mint::{Installed, Minter};
pub use provider::TlsError;
pub use tee::Tee;
