//! The command line as typed.

mod authority;
mod ledger;
mod running;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};

use super::report::Format;
use crate::admin::Role;
use crate::engine::secret::DEFAULT_TENANT;
use crate::isolation;
use crate::simulate::recorded::Columns;

pub use authority::AuthorityCommand;
pub use ledger::LedgerCommand;
pub use running::{
    BaselinesArgs, ClockAction, ClockArgs, Confine, GatewayArgs, HoldArgs, KeysArgs, ListArgs, RecertifyArgs,
    ReinstateArgs, ReleaseArgs, RevokeArgs, RunArgs, SizingArgs,
};

/// A proxy that counts how many people's data each actor is given, and stops a spill.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Which log lines: `info`, `warn`, `tidegate=debug`.
    #[arg(
        long,
        global = true,
        env = "TIDEGATE_LOG",
        default_value = "info",
        hide_env_values = true
    )]
    pub log: String,
    /// How log lines look; default: text on a terminal, JSON otherwise.
    #[arg(long, global = true, env = "TIDEGATE_LOG_FORMAT", hide_env_values = true)]
    pub log_format: Option<LogFormatArg>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormatArg {
    /// One line a person reads.
    Text,
    /// One JSON object a line.
    Json,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch a synthetic shop being robbed, and the gateway stopping it (about fifteen seconds)
    Demo {
        /// Leave everything running afterwards, with curl lines to try
        #[arg(long)]
        serve: bool,
    },
    /// Run the gateway
    Run(RunArgs),
    /// Read files as the gateway orders, with few rights; the gateway runs it
    #[command(hide = true, name = isolation::SUBCOMMAND)]
    ReadApart {
        /// Bytes of memory that it may have
        #[arg(long)]
        memory_bytes: u64,
        /// Seconds of processor time that a file may take
        #[arg(long)]
        cpu_s: u64,
    },
    /// Check configuration and rules, and say what is wrong where
    Check {
        /// Where the configuration is
        #[command(flatten)]
        config: ConfigArgs,
        /// For people or for machines
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        /// Warnings fail as well
        #[arg(long)]
        deny_warnings: bool,
    },
    /// Say which route, keys and budgets a request would meet, and what would decide
    Explain {
        /// Where the configuration is
        #[command(flatten)]
        config: ConfigArgs,
        /// The URL as the client sends it
        #[arg(long)]
        url: String,
        /// The method
        #[arg(long, default_value = "GET")]
        method: String,
        /// A header, `Name: value`; may be repeated
        #[arg(short = 'H', long = "header")]
        headers: Vec<String>,
        /// The client's address
        #[arg(long, default_value = "192.0.2.1")]
        client: std::net::IpAddr,
    },
    /// Suspend budgets for a while, even when the admin address is dead; holds stay
    Bypass(BypassArgs),
    /// Print the limits that a running gateway proposes, with what is usual
    Baselines(BaselinesArgs),
    /// Print the hosts whose clients refuse the certificates of a running gateway, as exceptions to complete
    Pinned(ListArgs),
    /// Print who a running gateway proposes as public: in the way of many accounts, and most likely nobody's data
    Public(ListArgs),
    /// List the keys of a running gateway that were shown the most people
    Keys(KeysArgs),
    /// List the keys that a running gateway refuses for a time
    Holds(ListArgs),
    /// Have a running gateway refuse a key for a time
    Hold(HoldArgs),
    /// End the hold of a key of a running gateway
    Release(ReleaseArgs),
    /// Tell a running gateway that an idle account is in use again, by its owner's word
    Recertify(RecertifyArgs),
    /// List what may not be used any more at a running gateway
    Revocations(ListArgs),
    /// Have a running gateway, and all that count together with it, let a credential in no more
    Revoke(RevokeArgs),
    /// Have a running gateway let it in again
    Reinstate(ReinstateArgs),
    /// Watch a running gateway: rates, keys and holds, each second
    Top(GatewayArgs),
    /// Say how the time of a running gateway stands to the system's clock, or accept a jump of it
    Clock(ClockArgs),
    /// Say which cores, memory, disk and Redis so much traffic takes, and where each figure comes from
    Sizing(SizingArgs),
    /// The ledger on disk, while the gateway does not run
    Ledger {
        /// What to do with it
        #[command(subcommand)]
        command: LedgerCommand,
    },
    /// Say whom one key was shown in a time: how many people, as what, and where, from the journal
    Exposure(ExposureArgs),
    /// The journal as evidence
    Audit {
        /// What to do with it
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Detection rules
    Rules {
        /// What to do with them
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Say what is in files: identifiers per class and how many people, never a raw value
    Scan(ScanArgs),
    /// Live through a breach that is hidden in an honest shop, before several limits and before what else one could build
    Replay(ReplayArgs),
    /// Put recorded sightings before a policy that is not in force yet: who would have been stopped, and when
    Simulate(SimulateArgs),
    /// Read a secret from standard input and print the line by which a file knows it
    Hash {
        /// Where the configuration is
        #[command(flatten)]
        config: ConfigArgs,
        /// What the secret is
        #[command(subcommand)]
        kind: HashKind,
    },
    /// The authority that signs certificates: for development, and to look inside what goes out
    Authority {
        /// What to make
        #[command(subcommand)]
        command: AuthorityCommand,
    },
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration file
    #[arg(
        long,
        env = "TIDEGATE_CONFIG",
        default_value = "tidegate.toml",
        hide_env_values = true
    )]
    pub config: PathBuf,
}

/// `tidegate bypass`.
#[derive(Debug, Args)]
pub struct BypassArgs {
    /// Where the configuration is
    #[command(flatten)]
    pub config: ConfigArgs,
    /// One route, as its `match` says
    #[arg(long, conflicts_with = "all", required_unless_present_any = ["all", "end"])]
    pub route: Option<String>,
    /// All routes
    #[arg(long)]
    pub all: bool,
    /// For how long: `15m`, at most 24h
    #[arg(long = "for", default_value = "15m")]
    pub duration: String,
    /// Why; it goes into the audit
    #[arg(long, required_unless_present = "end")]
    pub reason: Option<String>,
    /// End every bypass now
    #[arg(long)]
    pub end: bool,
}

/// Where the state directory is.
#[derive(Debug, Args)]
pub struct StateArgs {
    /// The state directory itself; default: that of the configuration
    #[arg(long, conflicts_with = "config")]
    pub state_dir: Option<PathBuf>,
    /// Where the configuration is
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Where a journal is, and what it was written with.
#[derive(Debug, Args)]
pub struct JournalArgs {
    /// Where the configuration is
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The directory of the journal; default: that of the configuration
    #[arg(long)]
    pub journal: Option<PathBuf>,
    /// The directory of the hash key; default: that of the configuration
    #[arg(long)]
    pub state_dir: Option<PathBuf>,
}

/// `tidegate exposure`.
#[derive(Debug, Args)]
pub struct ExposureArgs {
    /// Where the journal is
    #[command(flatten)]
    pub journal: JournalArgs,
    /// 24 digits; or session=cookie:NAME=VALUE, principal=ISSUER:SUBJECT, kid=ISSUER:ID, address=A, network=A, route=MATCH,
    /// global=;
    /// `-` reads it from standard input
    #[arg(long)]
    pub key: String,
    /// Whose data it was, where routes name tenants: under another one the same value is another key
    #[arg(long, default_value = DEFAULT_TENANT)]
    pub tenant: String,
    /// From when: 2026-11-01, or 2026-11-01T08:30:00Z; default: 30 days before the end
    #[arg(long)]
    pub from: Option<String>,
    /// To when, that day or second included; default: now
    #[arg(long)]
    pub to: Option<String>,
    /// One JSON object instead of lines
    #[arg(long)]
    pub json: bool,
    /// The hash of everybody who was shown as well
    #[arg(long)]
    pub subjects: bool,
    /// A CSV file of customers: who of them was shown
    #[arg(long, requires_all = ["column", "out"])]
    pub join: Option<PathBuf>,
    /// A column of it by which someone may have been known; may be repeated
    #[arg(long, requires = "join")]
    pub column: Vec<String>,
    /// The column that names a row in the list; default: the first
    #[arg(long, requires = "join")]
    pub id: Option<String>,
    /// Where the list goes: a new file that nobody else can read
    #[arg(long, requires = "join")]
    pub out: Option<PathBuf>,
}

/// `tidegate audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Find every place at which the journal is not as it was written: exit code 0 if there is none
    Verify {
        /// Where the journal is
        #[command(flatten)]
        journal: JournalArgs,
        /// The public key of its signatures, 64 digits; default: that of the state directory
        #[arg(long)]
        public_key: Option<String>,
    },
}

/// `tidegate rules`.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Run the examples of every rule
    Test {
        /// A directory of rule files over the built-in ones
        #[arg(long)]
        rules_dir: Option<PathBuf>,
        /// For people or for machines
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Say what each rule costs: the time that goes when it goes
    Bench(BenchArgs),
    /// Say what another set of rules would find in recorded files: exit code 0 for the same, 1 for something else
    Diff(DiffArgs),
    /// Print the JSON Schema of rule files
    Schema,
}

/// `tidegate rules bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Recorded bodies, of which the first 4 MiB are searched; none: invented ones
    pub files: Vec<PathBuf>,
    /// Only this rule; may be repeated
    #[arg(long = "rule")]
    pub rules: Vec<String>,
    /// A directory of rule files over the built-in ones
    #[arg(long)]
    pub rules_dir: Option<PathBuf>,
    /// For people or for machines
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `tidegate rules diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A directory of rule files over the built-in ones; `builtin` or `-` for these alone
    pub old: PathBuf,
    /// The same, of the rules that are tried
    pub new: PathBuf,
    /// Recorded bodies: what they are is told by their names, as with `scan`
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// For people or for machines
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `tidegate scan`.
#[derive(Debug, Args)]
pub struct ScanArgs {
    /// Files; `-` is standard input
    #[arg(required_unless_present = "manifest")]
    pub files: Vec<PathBuf>,
    /// One JSON object instead of a table
    #[arg(long)]
    pub json: bool,
    /// A directory of rule files over the built-in ones
    #[arg(long)]
    pub rules_dir: Option<PathBuf>,
    /// A list of labelled documents, one JSON object a line: prints one prediction a line
    #[arg(long, conflicts_with_all = ["files", "json"])]
    pub manifest: Option<PathBuf>,
}

/// `tidegate replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// `coupang-2025`, `coupang-2025-address`, `t-mobile-2023`, `dell-2024`, `optus-2022`, or a scenario file
    pub scenario: String,
    /// Write the curve as a picture
    #[arg(long)]
    pub svg: Option<PathBuf>,
    /// Worker threads; default: one a processor. The figures are the same with any number
    #[arg(long, env = "TIDEGATE_THREADS", hide_env_values = true)]
    pub threads: Option<usize>,
    /// For people or for machines
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `tidegate simulate`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("record").required(true))]
pub struct SimulateArgs {
    /// An access log; `-` is standard input
    #[arg(long, group = "record", requires = "columns")]
    pub access_log: Option<PathBuf>,
    /// What its fields are, in their order: `time,session,principal,address,route,subject`, `-` for others
    #[arg(long, value_parser = columns, requires = "access_log")]
    pub columns: Option<Columns>,
    /// An audit file of the gateway (OCSF lines); `-` is standard input
    #[arg(long, group = "record")]
    pub events: Option<PathBuf>,
    /// The directory of a gateway's journal
    #[arg(long, group = "record")]
    pub journal: Option<PathBuf>,
    /// The configuration that is tried: its budgets, exceptions, groups, routes and `[ledger]`
    #[arg(long, required_unless_present = "suggest")]
    pub policy: Option<PathBuf>,
    /// Propose limits instead, each with the alerts it would make and why
    #[arg(long, conflicts_with = "policy")]
    pub suggest: bool,
    /// For people or for machines
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Columns as they were typed, if they are any.
fn columns(text: &str) -> Result<Columns, String> {
    Columns::parse(text)
}

/// `tidegate hash`.
#[derive(Debug, Subcommand)]
pub enum HashKind {
    /// A partner's API key, for `api_keys` of a group; keyed by this gateway's hash key
    ApiKey {
        /// The name of the partner
        name: String,
    },
    /// A password of someone who goes out, for `users` of a forward listener
    ProxyUser {
        /// The name of the user
        name: String,
    },
    /// A token of the admin address, for `tokens` of `[admin]`
    AdminToken {
        /// The name of its owner
        name: String,
        /// What its owner may do; each role may do what those before it may
        #[arg(value_parser = PossibleValuesParser::new(Role::ALL.map(Role::name)))]
        role: String,
    },
}
