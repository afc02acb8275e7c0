//! What is typed to run a gateway, and to speak to one that runs.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::ConfigArgs;
use crate::engine::ledger::{Dimension, KeyId};
use crate::engine::policy::units;
use crate::identity::What;
use crate::proxy::EndpointUrl;

/// `tidegate run`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub struct RunArgs {
    /// The configuration file
    #[arg(long, env = "TIDEGATE_CONFIG", hide_env_values = true, group = "source")]
    pub config: Option<PathBuf>,
    /// Without a file: watch what this upstream answers, enforce nothing
    #[arg(long, group = "source", value_parser = upstream)]
    pub upstream: Option<String>,
    /// With --upstream: where to listen
    #[arg(long, default_value = "127.0.0.1:8080", requires = "upstream")]
    pub listen: SocketAddr,
    /// With --upstream: the admin address
    #[arg(long, default_value = "127.0.0.1:9800", requires = "upstream")]
    pub admin: SocketAddr,
    /// Worker threads; default: one a processor
    #[arg(long, env = "TIDEGATE_THREADS", hide_env_values = true)]
    pub threads: Option<usize>,
    /// How much the process gives up before it begins: files to write, programs to start, system calls
    #[arg(long, env = "TIDEGATE_CONFINE", hide_env_values = true, value_enum, default_value_t)]
    pub confine: Confine,
}

/// How hard a gateway is confined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Confine {
    /// As far as this system can
    #[default]
    BestEffort,
    /// It does not start where the system cannot
    Required,
    /// Not at all, to look into it with a debugger
    Off,
}

/// An upstream as it was typed, if it is one.
fn upstream(text: &str) -> Result<String, String> {
    let url = text.parse::<EndpointUrl>();
    url.map(|_| text.to_owned()).map_err(|why| format!("it {why}"))
}

/// Which gateway, and by what right.
#[derive(Debug, Args)]
pub struct GatewayArgs {
    /// Where the configuration is, which names the admin address
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The admin address itself
    #[arg(long)]
    pub admin: Option<SocketAddr>,
    /// A file with the token, and nothing else; default: what `TIDEGATE_TOKEN` holds
    #[arg(long)]
    pub token_file: Option<PathBuf>,
}

/// `tidegate keys`.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// Which gateway
    #[command(flatten)]
    pub gateway: GatewayArgs,
    /// Only keys of this dimension, as `per` of a budget names it
    #[arg(long, value_parser = dimension)]
    pub dimension: Option<Dimension>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// What the gateway answers, as it is
    #[arg(long)]
    pub json: bool,
}

/// `tidegate baselines`.
#[derive(Debug, Args)]
pub struct BaselinesArgs {
    /// Which gateway
    #[command(flatten)]
    pub gateway: GatewayArgs,
    /// What the gateway answers, as it is
    #[arg(long)]
    pub json: bool,
}

/// `tidegate holds`, `tidegate revocations` and `tidegate public`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Which gateway
    #[command(flatten)]
    pub gateway: GatewayArgs,
    /// How many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// What the gateway answers, as it is
    #[arg(long)]
    pub json: bool,
}

/// `tidegate hold`.
#[derive(Debug, Args)]
pub struct HoldArgs {
    /// Which gateway
    #[command(flatten)]
    pub gateway: GatewayArgs,
    /// The key, as `keys` lists it
    #[arg(value_parser = key)]
    pub key: KeyId,
    /// For how long: `15m`, `1h`, at most 30d
    #[arg(long = "for", default_value = "1h", value_parser = time)]
    pub duration: String,
    /// Why; it goes into the audit
    #[arg(long)]
    pub reason: String,
}

/// `tidegate release`.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// Which gateway
    #[command(flatten)]
    pub gateway: GatewayArgs,
    /// The key, as `holds` lists it
    #[arg(value_parser = key)]
    pub key: KeyId,
    /// So many people more than its budgets allow; without it the next record over a limit holds the key again
    #[arg(long, requires = "duration")]
    pub people: Option<u32>,
    /// With --people: for how long, `1h`, at most 30d
    #[arg(long = "for", id = "duration", requires = "people", value_parser = time)]
    pub duration: Option<String>,
    /// Why; it goes into the audit
    #[arg(long)]
    pub reason: String,
}

/// `tidegate recertify`.
#[derive(Debug, Args)]
pub struct RecertifyArgs {
    /// Which gateway
    #[command(flatten)]
    pub gateway: GatewayArgs,
    /// The key of the account under its budget for idle ones, as an incident names it and `keys` lists it
    #[arg(value_parser = key)]
    pub key: KeyId,
    /// Who owns it and why it is in use; it goes into the audit
    #[arg(long)]
    pub reason: String,
}

/// `tidegate revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Which gateway
    #[command(flatten)]
    pub gateway: GatewayArgs,
    /// What is revoked: an account, all of its sessions up to now, one session, all that a key signed, or certificates
    #[arg(value_parser = PossibleValuesParser::new(What::ALL.map(What::name)))]
    pub what: String,
    /// The 24 digits of its key; or ISSUER:SUBJECT for `principal` and `sessions`, ISSUER:ADDRESS for `email`,
    /// ISSUER:ID for `sid` and `kid`, cookie:NAME=VALUE for `session`; the SPIFFE ID, the subject or the SHA-256 for
    /// `certificate`; `-` reads it from standard input
    pub name: String,
    /// For how long: `15m`, `90d`; without it until it is reinstated
    #[arg(long = "for", value_parser = any_time)]
    pub duration: Option<String>,
    /// Why; it goes into the audit
    #[arg(long)]
    pub reason: String,
}

/// `tidegate reinstate`.
#[derive(Debug, Args)]
pub struct ReinstateArgs {
    /// Which gateway
    #[command(flatten)]
    pub gateway: GatewayArgs,
    /// The key, as `revocations` lists it
    #[arg(value_parser = key)]
    pub key: KeyId,
    /// Why; it goes into the audit
    #[arg(long)]
    pub reason: String,
}

/// `tidegate clock`.
#[derive(Debug, Args)]
pub struct ClockArgs {
    /// Which gateway
    #[command(flatten)]
    pub gateway: GatewayArgs,
    /// Without it, how the time stands
    pub action: Option<ClockAction>,
    /// With `accept`: why; it goes into the audit
    #[arg(long, required_if_eq("action", "accept"))]
    pub reason: Option<String>,
}

/// What to do about the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ClockAction {
    /// The system's clock is right, although it jumped by more than an hour
    Accept,
}

/// `tidegate sizing`.
#[derive(Debug, Args)]
pub struct SizingArgs {
    /// Exchanges a second, when there are most
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub rps: u64,
    /// People who use the service within a month
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    pub mau: u64,
    /// The configuration whose budgets are sized; default: one budget a session and one a principal, over a day
    #[arg(long, env = "TIDEGATE_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
}

fn key(text: &str) -> Result<KeyId, String> {
    KeyId::parse(text).ok_or_else(|| "a key has 24 hexadecimal digits".to_owned())
}

fn dimension(text: &str) -> Result<Dimension, String> {
    let known = Dimension::SINGLE.map(Dimension::name).join(", ");
    Dimension::parse(text).ok_or_else(|| format!("it is one of {known}, or several with + between"))
}

/// A time without a bound.
fn any_time(text: &str) -> Result<String, String> {
    let seconds = units::seconds(text).filter(|seconds| *seconds > 0);
    seconds.map_or_else(
        || Err("it is a time, such as 15m or 90d".to_owned()),
        |seconds| Ok(format!("{seconds}s")),
    )
}

/// A time as it was typed, if it is one: the gateway reads it itself.
fn time(text: &str) -> Result<String, String> {
    let seconds = units::seconds(text).filter(|seconds| (1..=30 * 86_400).contains(seconds));
    seconds.map_or_else(
        || Err("it is a time of at most 30d, such as 15m or 1h".to_owned()),
        |seconds| Ok(format!("{seconds}s")),
    )
}
