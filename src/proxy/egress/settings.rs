//! A forward listener as a person writes it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error};
use toml::Spanned;

use super::decide::{Ech, HostAction};
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
    /// A file of who may use it, `NAME:HASH` a line, with Argon2 or bcrypt hashes.
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
    /// What is said of some ways out, behind `refuse` and before `pass`: the first that holds says.
    pub rule: Vec<HostRuleSyntax>,
    /// What is said otherwise of some hosts, until a day.
    pub exception: Vec<HostExceptionSyntax>,
    /// What becomes of a `ClientHello` in which another may be hidden: `outer` or `block`. Default `outer`.
    pub ech: Ech,
    /// A PEM file of authorities that origins are trusted by beside the system's.
    #[schemars(with = "Option<String>")]
    pub ca: Option<Spanned<PathBuf>>,
    /// Revocation lists of origins' certificates, files in PEM or DER of at most 8 MiB. Default: none is looked at.
    #[schemars(with = "Vec<String>")]
    pub crls: Vec<Spanned<PathBuf>>,
    /// The proxy through which origins are reached. Default: none.
    #[schemars(with = "Option<ParentSyntax>")]
    pub parent: Option<Spanned<ParentSyntax>>,
    /// The file by which clients find the proxy, at `/proxy.pac` and `/wpad.dat`. Default: none is served.
    #[schemars(with = "Option<PacSyntax>")]
    pub pac: Option<Spanned<PacSyntax>>,
    /// As of a route.
    pub fail: Fail,
    /// As of a route.
    pub fail_on: FailModes,
}

/// `[[listen.NAME.forward.rule]]`: what becomes of some ways out. All that it names must hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostRuleSyntax {
    /// `open`, `pass` or `refuse`.
    pub action: HostAction,
    /// Hosts, as in `pass`. Default: any.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "Vec<String>")]
    pub hosts: Vec<Text>,
    /// Categories of the list of destinations. Default: any.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "Vec<String>")]
    pub categories: Vec<Text>,
    /// Networks of clients. Default: any.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "Vec<String>")]
    pub networks: Vec<Text>,
    /// Who asks, as `users` name them: `ann` or `proxy-user:ann`; or by certificate: `certificate:CN=build`. Default: anybody.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "Vec<String>")]
    pub principals: Vec<Text>,
}

/// A list that is empty would mean any, and whoever wrote it nobody.
fn some<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<Text>, D::Error> {
    let texts = Vec::deserialize(source)?;
    let none = || D::Error::custom("an empty list holds of nobody: without it the rule holds of any");
    (!texts.is_empty()).then_some(texts).ok_or_else(none)
}

/// `[[listen.NAME.forward.exception]]`: hosts whose TLS is not opened, or whose bad certificate is believed, until a day.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostExceptionSyntax {
    /// What it is for, in warnings.
    #[schemars(with = "String")]
    pub name: Text,
    /// Hosts, as in `pass`.
    #[schemars(with = "Vec<String>")]
    pub hosts: Vec<Text>,
    /// The SHA-256 of a bad certificate that is believed of them; TLS is opened then. Default: their TLS is not opened.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub certificate: Option<Text>,
    /// Who answers for it.
    #[schemars(with = "String")]
    pub owner: Text,
    /// Why.
    #[schemars(with = "String")]
    pub reason: Text,
    /// Its last day, `2026-12-01` (UTC).
    #[schemars(with = "String")]
    pub expires: Text,
}

/// `[listen.NAME.forward.parent]`: another proxy on the way out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParentSyntax {
    /// `http://proxy.example:3128`. It looks names up.
    #[schemars(with = "String")]
    pub url: Text,
    /// A file with `NAME:PASSWORD`, which nobody else may read. Default: it asks nobody.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub credentials: Option<Spanned<PathBuf>>,
    /// Hosts, and networks of addresses that are asked for as such, that are reached without it.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub except: Vec<Text>,
}

/// `[listen.NAME.forward.pac]`: how clients find the proxy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PacSyntax {
    /// Where clients reach this listener: `proxy.corp.example:3128`.
    #[schemars(with = "String")]
    pub proxy: Text,
    /// Hosts, and networks of IPv4 addresses that are asked for as such, to which clients go without it.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub direct: Vec<Text>,
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
            rule: Vec::new(),
            exception: Vec::new(),
            ech: Ech::default(),
            ca: None,
            crls: Vec::new(),
            parent: None,
            pac: None,
            fail: Fail::default(),
            fail_on: FailModes::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_holds_of_nobody_and_is_refused() {
        let read = |text: &str| toml::from_str::<HostRuleSyntax>(&format!("action = \"open\"\n{text}"));
        assert!(read("").is_ok() && read("hosts = [\"a.example\"]").is_ok());
        for name in ["hosts", "categories", "networks", "principals"] {
            assert!(read(&format!("{name} = []")).is_err(), "{name}");
        }
    }
}
