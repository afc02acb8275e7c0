//! The configuration as a person writes it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::engine::inspect::Bounds;
use crate::engine::ledger;
use crate::engine::policy::{AllowSyntax, BudgetSyntax, ExceptionSyntax, ProcessorSyntax, Text};
use crate::engine::problem::{Bounded, bounded};
use crate::ext_proc::ExtProcSyntax;
use crate::icap::IcapSyntax;
use crate::proxy::{Fail, FailModes, ForwardSyntax, Limits, Recode};
use crate::store::journal;
use crate::{admin, audit, fleet, identity, store};

/// The whole file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigSyntax {
    /// `[listen.NAME]`: where clients come in.
    #[schemars(with = "BTreeMap<String, ListenSyntax>")]
    pub listen: BTreeMap<Spanned<String>, ListenSyntax>,
    /// `[identity]`: who is asking.
    pub identity: identity::Settings,
    /// `[[route]]`: where requests go.
    pub route: Vec<RouteSyntax>,
    /// `[[budget]]`: how many people's data.
    pub budget: Vec<BudgetSyntax>,
    /// `[[exception]]`: more for one, until a day.
    pub exception: Vec<ExceptionSyntax>,
    /// `[[processor]]`: who is sent people's data to process it.
    pub processor: Vec<ProcessorSyntax>,
    /// `[limits]`: of the transport.
    pub limits: Limits,
    /// `[body]`: of the hold-back.
    pub body: BodySettings,
    /// `[ledger]`: of what is remembered.
    pub ledger: ledger::Settings,
    /// `[store]`: of the same on disk.
    pub store: store::Settings,
    /// `[fleet]`: of the gateways that count together.
    pub fleet: fleet::Settings,
    /// `[admin]`: for people and monitoring.
    pub admin: admin::Settings,
    /// `[audit]`: for the SIEM.
    pub audit: audit::Settings,
    /// `[journal]`: who was shown to whom.
    pub journal: journal::Settings,
    /// `[rules]`: what identifies people.
    pub rules: RulesSettings,
    /// `[state]`: what the gateway keeps.
    pub state: StateSettings,
}

/// `[listen.NAME]`: one address of the proxy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenSyntax {
    /// `0.0.0.0:8443`. Port 0 lets the kernel choose. Default of a forward listener: `127.0.0.1:3128`; of one for ICAP:
    /// `127.0.0.1:1344`, over TLS `127.0.0.1:11344`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub address: Option<Text>,
    /// Clients go out through it, in the place of asking the routes.
    #[serde(default)]
    #[schemars(with = "Option<ForwardSyntax>")]
    pub forward: Option<Spanned<ForwardSyntax>>,
    /// Other proxies ask here over ICAP, in the place of clients.
    #[serde(default)]
    #[schemars(with = "Option<IcapSyntax>")]
    pub icap: Option<Spanned<IcapSyntax>>,
    /// Envoy asks here by its external processing, in the place of clients.
    #[serde(default)]
    #[schemars(with = "Option<ExtProcSyntax>")]
    pub ext_proc: Option<Spanned<ExtProcSyntax>>,
    /// TLS; without it plain HTTP/1.1 and HTTP/2 with prior knowledge.
    #[serde(default)]
    pub tls: Option<TlsSyntax>,
    /// More certificates, chosen by the name the client asks for.
    #[serde(default)]
    pub certificates: Vec<TlsSyntax>,
    /// Asks clients for a certificate, and judges those that are shown. Only where there is `tls`.
    #[serde(default)]
    pub client_certificates: Option<ClientsSyntax>,
    /// Networks of proxies that are believed about their clients: their `Forwarded` and `X-Forwarded-For`, and the two headers
    /// below.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub trusted: Vec<Text>,
    /// The header in which they write a client's address, in the place of those: `cf-connecting-ip`, `true-client-ip`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub address_header: Option<Text>,
    /// The header in which they write the fingerprint JA4 of a client's TLS hello: `cloudfront-viewer-ja4-fingerprint`.
    /// Default: behind them there is none.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub ja4_header: Option<Text>,
    /// Whether each connection begins with a header of the PROXY protocol (version 1 or 2), from one of `trusted`; others
    /// are closed. Default false.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub proxy_protocol: Option<Spanned<bool>>,
}

impl ListenSyntax {
    /// Whether what comes in has a route of the listener's own.
    pub fn has_own_route(&self) -> bool {
        self.forward.is_some() || self.icap.is_some() || self.ext_proc.is_some()
    }
}

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSyntax {
    /// The chain, leaf first.
    #[schemars(with = "String")]
    pub cert: Spanned<PathBuf>,
    /// The key.
    #[schemars(with = "String")]
    pub key: Spanned<PathBuf>,
}

/// Whose certificates clients may show.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientsSyntax {
    /// The authorities that sign them, in a PEM file.
    #[schemars(with = "String")]
    pub ca: Spanned<PathBuf>,
    /// Their revocation lists, files in PEM or DER of at most 8 MiB. Where there are any, each authority of a chain must have one,
    /// and one past its next update lets nobody in.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub crls: Vec<Spanned<PathBuf>>,
    /// Whether clients that show none are refused. Default false.
    #[serde(default)]
    pub required: bool,
}

/// `[[route]]`: one host and path.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteSyntax {
    /// `[METHOD ]host/path`; the host may be `*`. The most specific wins: host, then path, then method.
    #[serde(rename = "match")]
    #[schemars(with = "String")]
    pub pattern: Text,
    /// `http://`, `https://` or `h2c://` with host and port; several share the load.
    #[schemars(with = "Vec<String>")]
    pub upstream: Vec<Text>,
    /// A PEM file of the authority that signs the upstream's certificate, beside the system's.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub ca: Option<Spanned<PathBuf>>,
    /// What happens to what cannot be inspected, counted or held, where a budget is enforced. Default `open`.
    #[serde(default)]
    pub fail: Fail,
    /// The same for single reasons.
    #[serde(default)]
    pub fail_on: FailModes,
    /// Fail modes act even where nothing is enforced. Not in this version.
    #[serde(default)]
    #[schemars(with = "Option<bool>")]
    pub fail_enforce: Option<Spanned<bool>>,
    /// Whether bodies are looked into. Default true; false lets them pass, counted as uninspected under `route`: for large
    /// media that holds nobody's data.
    #[serde(default = "yes")]
    pub inspect: bool,
    /// The coding in which an answer that is decoded so that it can be masked is coded again, for clients that take it. Default none:
    /// it costs processor time, and each piece is flushed.
    #[serde(default)]
    pub recode: Option<Recode>,
    /// Whether answers say in `Tidegate-Coverage` how far they were looked into. Default false: for setting a gateway up, since a
    /// client has no need to know.
    #[serde(default)]
    pub coverage_header: bool,
    /// What the route serves: several routes with one name count as one `service`. Default: the host of `match`.
    #[serde(default)]
    pub service: Option<String>,
    /// Whose data the route serves: its people and keys are counted and hashed apart from those of every other tenant.
    /// Default: one tenant for all routes that name none.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub tenant: Option<Text>,
    /// Declared data of no person, such as store locators; still measured.
    #[serde(default)]
    pub public: bool,
    /// People one group may be given here, outside all other people budgets.
    #[serde(default)]
    pub allow: Option<AllowSyntax>,
    /// `METHOD /path` of requests that read although their method does not say so.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub reads: Vec<Text>,
}

fn yes() -> bool {
    true
}

/// No gateway has more memory than a tebibyte for what it holds.
const HELD_TOTAL_BYTES_BOUND: u64 = 1 << 40;

/// `[body]`: bounds of bodies and of the hold-back.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BodySettings {
    /// Bytes of an identity-coded body that wait at most. Default 65,536.
    pub held_bytes_max: u64,
    /// Decoded bytes of a coded body that wait at most. Default 262,144.
    pub held_decoded_bytes_max: u64,
    /// Coded bytes that wait at most. Default 262,144.
    pub held_coded_bytes_max: u64,
    /// Bytes that all streams hold together. Default 536,870,912.
    pub held_total_bytes_max: u64,
    /// Decoded bytes for one coded byte, beyond the first MiB. Default 250.
    pub decoded_ratio_max: u64,
    /// Containers inside one another: archives, sheets, documents. Default 4.
    pub container_depth_max: u32,
    /// Entries of all containers of a body together. Default 10,000.
    pub container_entries_max: u32,
    /// Bytes that come of a body's containers, on all levels together. Default 1,073,741,824.
    pub container_bytes_max: u64,
    /// The longest a throttled stream waits before it is refused. Default 10,000 ms.
    pub throttle_wait_ms_max: u64,
}

impl Default for BodySettings {
    fn default() -> Self {
        let bounds = Bounds::default();
        Self {
            held_bytes_max: bounds.held_bytes_max,
            held_decoded_bytes_max: bounds.held_decoded_bytes_max,
            held_coded_bytes_max: bounds.held_coded_bytes_max,
            held_total_bytes_max: 512 << 20,
            decoded_ratio_max: bounds.decoded_ratio_max,
            container_depth_max: bounds.container_depth_max,
            container_entries_max: bounds.container_entries_max,
            container_bytes_max: bounds.container_bytes_max,
            throttle_wait_ms_max: 10_000,
        }
    }
}

impl BodySettings {
    /// Its numbers with their bounds.
    pub fn bounded(&self) -> Vec<Bounded> {
        let coded = self.held_coded_bytes_max.saturating_add(self.held_decoded_bytes_max);
        // What one stream may hold has room, or every stream would meet its fail mode.
        let one_stream = coded.max(self.held_bytes_max).min(HELD_TOTAL_BYTES_BOUND);
        bounded!(self => Self {
            held_bytes_max: 4_096..=1 << 30,
            held_decoded_bytes_max: 4_096..=1 << 30,
            held_coded_bytes_max: 1_024..=1 << 30,
            held_total_bytes_max: one_stream..=HELD_TOTAL_BYTES_BOUND,
            decoded_ratio_max: 2..=100_000,
            container_depth_max: 1..=16,
            container_entries_max: 1..=1_000_000,
            container_bytes_max: 1 << 20..=1 << 40,
            throttle_wait_ms_max: 0..=86_400_000,
        })
    }

    /// The bounds of one body.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            held_bytes_max: self.held_bytes_max,
            held_decoded_bytes_max: self.held_decoded_bytes_max,
            held_coded_bytes_max: self.held_coded_bytes_max,
            decoded_ratio_max: self.decoded_ratio_max,
            container_depth_max: self.container_depth_max,
            container_entries_max: self.container_entries_max,
            container_bytes_max: self.container_bytes_max,
            ..Bounds::default()
        }
    }
}

/// `[rules]`: the operator's rules.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RulesSettings {
    /// A directory of rule files, laid over those that are compiled in.
    #[schemars(with = "Option<String>")]
    pub dir: Option<Spanned<PathBuf>>,
    /// Bytes that one expression searches in one body; past it, the fail mode `rule_budget`. Default 67,108,864.
    pub searched_bytes_max: u64,
    /// A directory of rule files that are tried: laid over those that are compiled in, they see bodies and decide nothing.
    #[schemars(with = "Option<String>")]
    pub shadow_dir: Option<Spanned<PathBuf>>,
    /// A file of people who are nobody's data, since everybody is shown them: a subject as `tidegate public` prints it, its last
    /// day and a reason a line. They count under no budget. At most 8 MiB. Default: none.
    #[schemars(with = "Option<String>")]
    pub public_people: Option<Text>,
    /// A file of destinations, laid over the list that is compiled in: a host, which stands for all below it, its category, and where
    /// a request names a workspace there. At most 8 MiB and 200,000 hosts. Default: none.
    #[schemars(with = "Option<String>")]
    pub destinations: Option<Text>,
    /// Of a hundred bodies, how many they see. Default 10.
    pub shadow_percent: u64,
    /// Bytes of one body that they see. Default 1,048,576.
    pub shadow_bytes_max: u64,
}

impl Default for RulesSettings {
    fn default() -> Self {
        Self {
            dir: None,
            searched_bytes_max: Bounds::default().rule_searched_bytes_max,
            shadow_dir: None,
            public_people: None,
            destinations: None,
            shadow_percent: 10,
            shadow_bytes_max: 1 << 20,
        }
    }
}

impl RulesSettings {
    /// Its numbers with their bounds.
    pub fn bounded(&self) -> Vec<Bounded> {
        bounded!(self => Self {
            searched_bytes_max: 4_096..=1 << 40,
            shadow_percent: 0..=100,
            shadow_bytes_max: 4_096..=16 << 20;
            dir, shadow_dir, public_people, destinations
        })
    }
}

/// `[state]`: what outlives the process.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StateSettings {
    /// Where the hash key, the ledger on disk and the bypass file are. Default: `$STATE_DIRECTORY`, else `tidegate-state` beside the file.
    pub dir: Option<PathBuf>,
}
