//! `[identity]` as the operator wrote it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::compile::accounts_of;
use super::revocation::USERS;

/// `[identity]`: where a request says who it is from, and who vouches for it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where credentials are read, tried in this order: `jwt:authorization`, `jwt:cookie:NAME`, `jwt:header:NAME`,
    /// `jwt:query:NAME`, the same with `introspect:`, `cookie:NAME`, `header:NAME`, `query:NAME`, `basic`, `trusted:HEADER`,
    /// `certificate:spiffe`, `certificate:subject`. At most 16. Default: none, and the address alone tells actors apart.
    #[schemars(with = "Vec<String>")]
    pub sources: Vec<Spanned<String>>,
    /// Who signs tokens, by name. At most 16.
    #[schemars(with = "BTreeMap<String, IssuerSettings>")]
    pub issuer: BTreeMap<Spanned<String>, IssuerSettings>,
    /// Who is asked for the tokens of `introspect:` sources. Default: nobody, and there are none.
    pub introspection: Option<IntrospectionSettings>,
    /// Who pushes security events about accounts, by name. At most 16.
    #[schemars(with = "BTreeMap<String, TransmitterSettings>")]
    pub transmitter: BTreeMap<Spanned<String>, TransmitterSettings>,
    /// Which groups of principals there are. At most 256.
    #[schemars(with = "BTreeMap<String, GroupSettings>")]
    pub group: BTreeMap<Spanned<String>, GroupSettings>,
    /// Who approves that an account is shown more people than is usual for it. Default: nobody.
    #[schemars(with = "Option<ApprovalSettings>")]
    pub approval: Option<Spanned<ApprovalSettings>>,
    /// `METHOD /path` of routes that give fresh proof: what they issue is issued.
    #[schemars(with = "Vec<String>")]
    pub logs_in_at: Vec<Spanned<String>>,
    /// `METHOD /path` of routes that renew: what they issue inherits the mark of what was sent.
    #[schemars(with = "Vec<String>")]
    pub refreshes_at: Vec<Spanned<String>>,
    /// A file that names networks, a `CIDR,NAME` a line: what `place` counts by. At most 128 MiB.
    #[schemars(with = "Option<String>")]
    pub places: Option<Spanned<String>>,
    /// A file of watched principals, one a line: the subject, or `group:subject`. Budgets with `when = "watched"` bind them.
    /// At most 4 MiB.
    #[schemars(with = "Option<String>")]
    pub watch_list: Option<Spanned<String>>,
    /// A file of who may not be let in any more, one a line: what, its name, until when or `-`, and why. At most 8 MiB and
    /// 100,000 lines. Default: none.
    #[schemars(with = "Option<String>")]
    pub revoked: Option<Spanned<String>>,
    /// A file of who is leaving, one a line: `principal` or `email`, the name, from which day on, and why. As large as
    /// `revoked`. Default: none.
    #[schemars(with = "Option<String>")]
    pub leavers: Option<Spanned<String>>,
    /// How much of their own budgets is left to them from that day on. Percent, default 20, at most 100.
    pub leavers_percent: u32,
    /// Issued credentials remembered, at most; those longest unused are forgotten first, and for a day nobody is unissued.
    /// About 60 bytes each, and up to 4,000 for a session that renews opaque ones. Default 1,000,000.
    pub issued_tokens_max: usize,
    /// For so many seconds from the first start that remembers births nobody is unissued. Default 86,400; at least as long
    /// as a session lasts spares most people a login.
    pub warm_up_s: u32,
    /// Requests of one issuer's credentials that are asked to log in again, a second; above it 429. Default 50: what the
    /// login service bears.
    pub reauth_per_s_max: u32,
    /// Credentials that the store of `[fleet]` is asked for, a second and network; above it unknown ones are asked to log in
    /// again, where `unissued` is enforced. Default 200.
    pub lookups_per_s_max: u32,
    /// Verified tokens remembered, at most, so that a repeat costs one look-up. About 500 bytes each. Default 100,000.
    pub verified_tokens_max: usize,
}

impl Settings {
    /// What stands before the subjects of principals: the names of issuers, and of kinds of credentials without one.
    pub fn issuer_names(&self) -> Vec<String> {
        let issuers = self.issuer.keys().map(|name| name.get_ref().as_str());
        let asked = self.introspection.iter().map(accounts_of);
        issuers.chain(asked).chain(USERS).map(str::to_owned).collect()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            issuer: BTreeMap::new(),
            introspection: None,
            transmitter: BTreeMap::new(),
            group: BTreeMap::new(),
            approval: None,
            logs_in_at: Vec::new(),
            refreshes_at: Vec::new(),
            places: None,
            watch_list: None,
            revoked: None,
            leavers: None,
            leavers_percent: 20,
            issued_tokens_max: 1_000_000,
            warm_up_s: 86_400,
            reauth_per_s_max: 50,
            lookups_per_s_max: 200,
            verified_tokens_max: 100_000,
        }
    }
}

/// `[identity.issuer.NAME]`: one signer of tokens.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerSettings {
    /// A file with its JSON Web Key Set (RFC 7517), at most 256 KiB and 64 keys.
    #[schemars(with = "String")]
    pub jwks: Spanned<String>,
    /// The algorithms it signs with; a token never chooses: `EdDSA`, `ES256`, `ES384`, `RS256`, `RS384`, `RS512`,
    /// `PS256`, `PS384`, `PS512`.
    #[schemars(with = "Vec<String>")]
    pub algorithms: Vec<Spanned<String>>,
    /// The claim `iss` that its tokens must have. Default: not looked at.
    #[serde(default)]
    pub issuer: Option<String>,
    /// One of the values of the claim `aud` that its tokens must have. Default: not looked at.
    #[serde(default)]
    pub audience: Option<String>,
    /// How far its clock and ours may differ, in seconds. Default 60, at most 600.
    #[serde(default = "default_leeway_s")]
    #[schemars(with = "u32")]
    pub leeway_s: Spanned<u32>,
    /// For how many days one of its keys should sign, from when it was first seen here. Told from thirty days before on;
    /// nothing is refused for it. Default 365, at most 36,500.
    #[serde(default = "default_key_days_max")]
    #[schemars(with = "u32")]
    pub key_days_max: Spanned<u32>,
    /// Services that log in elsewhere. Default: none, so that what was not issued through the gateways is unissued.
    #[serde(default)]
    pub peer: Option<PeerSettings>,
    /// As [`Settings::logs_in_at`]; the place where the design's example has it.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub logs_in_at: Vec<Spanned<String>>,
    /// As [`Settings::refreshes_at`].
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub refreshes_at: Vec<Spanned<String>>,
}

/// `peer` of `[identity.issuer.NAME]`: with which keys, and from where, services show what was issued elsewhere. The issuer needs
/// its `issuer`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerSettings {
    /// The `kid` of its keys, 1 to 64: whoever has one and is in one of the networks is believed.
    pub kids: Vec<String>,
    /// The networks, 1 to 256, from which its services come.
    #[schemars(with = "Vec<String>")]
    pub networks: Vec<Spanned<String>>,
}

fn default_leeway_s() -> Spanned<u32> {
    Spanned::new(0..0, 60)
}

fn default_key_days_max() -> Spanned<u32> {
    Spanned::new(0..0, 365)
}

/// `[identity.introspection]`: who is asked for opaque tokens (RFC 7662).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntrospectionSettings {
    /// Where: an `https://` URL, or `http://` to a loopback address.
    #[schemars(with = "String")]
    pub url: Spanned<String>,
    /// A file with `ID:SECRET`, by which this gateway is known there, and nothing else. Default: it says nothing of itself.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub client: Option<Spanned<String>>,
    /// The issuer whose accounts its tokens name: one of `[identity.issuer]`, or another name. Default `introspection`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub accounts_of: Option<Spanned<String>>,
    /// The `iss` that an answer must have; of another the token is not active. Default: not looked at.
    #[serde(default)]
    pub issuer: Option<String>,
    /// One of the values of `aud` that an answer must have, in the same way. Default: not looked at.
    #[serde(default)]
    pub audience: Option<String>,
    /// Answers remembered, at most. About 500 bytes each. Default 100,000.
    #[serde(default = "default_answers_max")]
    pub answers_max: usize,
    /// For how long a token is taken for active after it was said to be, in seconds. Default 60, from 1 to 3,600.
    #[serde(default = "default_answer_s_max")]
    pub answer_s_max: u32,
    /// How long a request waits for an answer, in milliseconds. Default 500, from 1 to 5,000.
    #[serde(default = "default_wait_ms_max")]
    pub wait_ms_max: u32,
    /// Tokens that are asked for, a second and network; of those beyond nobody says anything. Default 50.
    #[serde(default = "default_asks_per_s_max")]
    pub asks_per_s_max: u32,
}

fn default_answers_max() -> usize {
    100_000
}

fn default_answer_s_max() -> u32 {
    60
}

fn default_wait_ms_max() -> u32 {
    500
}

fn default_asks_per_s_max() -> u32 {
    50
}

/// `[identity.transmitter.NAME]`: who pushes security events (CAEP, RISC) to `/ssf/events` of the admin address.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransmitterSettings {
    /// A file with its JSON Web Key Set, at most 256 KiB and 64 keys.
    #[schemars(with = "String")]
    pub jwks: Spanned<String>,
    /// The algorithms it signs with, as of an issuer.
    #[schemars(with = "Vec<String>")]
    pub algorithms: Vec<Spanned<String>>,
    /// The claim `iss` of its events.
    pub issuer: String,
    /// What stands in the claim `aud` of its events: this gateway, as it was told to the transmitter.
    pub audience: String,
    /// The issuer about whose accounts it may speak, by its name here.
    #[schemars(with = "String")]
    pub accounts_of: Spanned<String>,
    /// How far its clock may be ahead of ours, in seconds. Default 60, at most 600.
    #[serde(default = "default_leeway_s")]
    #[schemars(with = "u32")]
    pub leeway_s: Spanned<u32>,
    /// Where its events are fetched (RFC 8936): an `https://` URL, or `http://` to a loopback address. Default: they are pushed.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub poll: Option<Spanned<String>>,
    /// A file with the bearer token that it wants, and nothing else. Default: none is sent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub poll_token: Option<Spanned<String>>,
    /// Seconds between two polls. Default 15, from 1 to 3,600.
    #[serde(default = "default_poll_s")]
    #[schemars(with = "u32")]
    pub poll_s: Spanned<u32>,
}

fn default_poll_s() -> Spanned<u32> {
    Spanned::new(0..0, 15)
}

/// `[identity.approval]`: a workflow for privileged access. Its tokens (JWT) name an account (`sub`), a number of `people`, an end
/// (`exp`, at most thirty days ahead) and themselves (`jti`): who shows one is given these people outside all other budgets of
/// people, and past them meets those as ever.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalSettings {
    /// The header of a request that carries it. Default `x-approval`.
    #[serde(default = "default_approval_header")]
    #[schemars(with = "String")]
    pub header: Spanned<String>,
    /// A file with its JSON Web Key Set, or its URL, at most 256 KiB and 64 keys.
    #[schemars(with = "String")]
    pub jwks: Spanned<String>,
    /// The algorithms it signs with, as of an issuer.
    #[schemars(with = "Vec<String>")]
    pub algorithms: Vec<Spanned<String>>,
    /// The claim `iss` of its tokens.
    pub issuer: String,
    /// What stands in the claim `aud` of its tokens: this gateway, as it was told to the workflow.
    pub audience: String,
    /// The issuer whose accounts `sub` names, by its name here.
    #[schemars(with = "String")]
    pub accounts_of: Spanned<String>,
    /// How far its clock may be ahead of ours where `nbf` says from when on, in seconds. Default 60, at most 600.
    #[serde(default = "default_leeway_s")]
    #[schemars(with = "u32")]
    pub leeway_s: Spanned<u32>,
}

fn default_approval_header() -> Spanned<String> {
    Spanned::new(0..0, "x-approval".to_owned())
}

/// `[identity.group]`: one group of principals and what is normal for it. Exactly one of `claim`, `api_keys` and
/// `certificates`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupSettings {
    /// `NAME=VALUE`: a claim of a verified token that has this value, or a list with it.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub claim: Option<Spanned<String>>,
    /// A file of keyed hashes, one a line: 64 hexadecimal digits, then a name. At most 4 MiB.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_keys: Option<Spanned<String>>,
    /// Whom the certificates of its members name: a subject as `certificate:subject` reads it, a SPIFFE ID, or one that ends in
    /// `/*` and stands for all below it. At most 10,000 in all groups, 256 of them with `*`.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub certificates: Option<Vec<Spanned<String>>>,
    /// How many people a day one of its principals is normally shown.
    #[serde(default)]
    pub people_per_day: Option<u32>,
    /// Whether what is usual for each of its principals, and for all of them, is learnt: far more is told. Needs `people_per_day`.
    /// Default false.
    #[serde(default)]
    pub baseline: bool,
}
