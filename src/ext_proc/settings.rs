//! A listener for Envoy's external processing as a person writes it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::policy::Text;
use crate::proxy::{Fail, FailModes};

/// `[listen.NAME.ext_proc]`: Envoy asks here what becomes of what it carries.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExtProcSyntax {
    /// Networks of the proxies that may ask. Default: those of this machine.
    #[schemars(with = "Vec<String>")]
    pub clients: Vec<Text>,
    /// As of a route.
    pub fail: Fail,
    /// As of a route.
    pub fail_on: FailModes,
}
