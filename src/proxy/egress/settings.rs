//! A forward listener as a person writes it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::engine::policy::Text;
use crate::proxy::Transparent;
use crate::proxy::fail::{Fail, FailModes};

/// `[listen.NAME.forward]`: clients go out through this listener.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ForwardSyntax {
    /// How clients are led here that know of no proxy: `redirect` or `tproxy`. Default: they ask for it.
    #[schemars(with = "Option<Transparent>")]
    pub transparent: Option<Spanned<Transparent>>,
    /// Networks whose clients may use it. Default: those of this machine, or whoever `users` names.
    #[schemars(with = "Vec<String>")]
    pub clients: Vec<Text>,
    /// A file of who may use it, `NAME:HASH` a line, with Argon2 hashes.
    #[schemars(with = "Option<String>")]
    pub users: Option<Spanned<PathBuf>>,
    /// Ports of origins that may be asked for. Default 80 and 443. Answers misuse for mail and the like.
    pub ports: Vec<u16>,
    /// Networks that may be reached although they are private, this machine's or a cloud's own.
    #[schemars(with = "Vec<String>")]
    pub reaches: Vec<Text>,
    /// The directory of the authority by which TLS is opened. Without it CONNECT passes unread.
    #[schemars(with = "Option<String>")]
    pub authority: Option<Spanned<PathBuf>>,
    /// Hosts whose TLS is not opened: `example.com`, `*.example.com`.
    #[schemars(with = "Vec<String>")]
    pub pass: Vec<Text>,
    /// Hosts that are not reached at all.
    #[schemars(with = "Vec<String>")]
    pub refuse: Vec<Text>,
    /// A PEM file of authorities that origins are trusted by beside the system's.
    #[schemars(with = "Option<String>")]
    pub ca: Option<Spanned<PathBuf>>,
    /// As of a route.
    pub fail: Fail,
    /// As of a route.
    pub fail_on: FailModes,
}

impl Default for ForwardSyntax {
    fn default() -> Self {
        Self {
            transparent: None,
            clients: Vec::new(),
            users: None,
            ports: vec![80, 443],
            reaches: Vec::new(),
            authority: None,
            pass: Vec::new(),
            refuse: Vec::new(),
            ca: None,
            fail: Fail::default(),
            fail_on: FailModes::default(),
        }
    }
}
