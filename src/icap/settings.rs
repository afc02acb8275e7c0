//! An ICAP listener as a person writes it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::policy::Text;
use crate::proxy::{Fail, FailModes};

/// `[listen.NAME.icap]`: other proxies ask here what becomes of what they carry.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IcapSyntax {
    /// Networks of the proxies that may ask. Default: those of this machine. What they say of their clients is believed where
    /// `trusted` of the listener has them.
    #[schemars(with = "Vec<String>")]
    pub clients: Vec<Text>,
    /// The field in which they name the user. Default `x-authenticated-user`.
    #[schemars(with = "Option<String>")]
    pub user_header: Option<Text>,
    /// Whether its value stands in base64. Default true.
    pub user_is_coded: bool,
    /// As of a route.
    pub fail: Fail,
    /// As of a route.
    pub fail_on: FailModes,
}

impl Default for IcapSyntax {
    fn default() -> Self {
        Self {
            clients: Vec::new(),
            user_header: None,
            user_is_coded: true,
            fail: Fail::default(),
            fail_on: FailModes::default(),
        }
    }
}
