//! `[admin]` as the operator wrote it.

use std::net::{Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

/// `[admin]`: where operators and monitoring connect, and who may do what.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Default 127.0.0.1:9800. Another than a loopback address needs `tokens`.
    #[schemars(with = "String")]
    pub address: Spanned<SocketAddr>,
    /// A file of named tokens, one a line: a name, a role (`viewer`, `analyst`, `releaser`, `policy`) and the BLAKE3
    /// hash of the token in 64 hexadecimal digits. At most 256 KiB. Default: none; then reading from loopback needs
    /// none, and nothing can be changed.
    #[schemars(with = "Option<String>")]
    pub tokens: Option<Spanned<String>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: Spanned::new(0..0, SocketAddr::from((Ipv4Addr::LOCALHOST, 9800))),
            tokens: None,
        }
    }
}
