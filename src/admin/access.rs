//! Who may do what on the admin address: named tokens with a role, and loopback without one.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::uri::Authority;
use ipnet::IpNet;
use subtle::ConstantTimeEq as _;

use super::Settings;
use super::api::Admin;
use super::fault::Fault;
use crate::engine::problem::{Problem, Severity};
use crate::events::{Event, report};
use crate::identity::network_of;

/// Bytes of a file of tokens.
const TOKENS_BYTES_MAX: usize = 256 * 1024;

/// Tokens in it: each is compared with every request.
const TOKENS_MAX: usize = 256;

/// What a caller may do; each role may do what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Holds a key by hand, which stops a spill and is undone by a release.
    Analyst,
    /// Releases a hold.
    Releaser,
    /// Changes what the gateway does as a whole.
    Policy,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Analyst, Self::Releaser, Self::Policy];

    /// Its name in the file of tokens and in audit lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Analyst => "analyst",
            Self::Releaser => "releaser",
            Self::Policy => "policy",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// The hash by which the file of tokens knows a token, in 64 hexadecimal digits; `b3sum` makes the same. A token must
/// be random (32 bytes of a generator): the hash has no salt.
pub fn token_hash(token: &[u8]) -> String {
    blake3::hash(token).to_hex().to_string()
}

/// One line of the file of tokens.
struct Token {
    name: Arc<str>,
    role: Role,
    hash: [u8; 32],
}

/// Who may do what. `None`: no file, so that loopback reads and nobody changes.
pub struct Access(Option<Vec<Token>>);

impl Access {
    /// Reads who may do what. `file` is the configuration file that the settings stand in; `read` reads a file.
    ///
    /// # Errors
    ///
    /// Problems: `A001` an address off loopback without tokens, `A002` a file of tokens that is not readable or wrong.
    pub fn compile(
        settings: &Settings,
        file: &str,
        read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Self, Vec<Problem>> {
        let problem = |code, span: std::ops::Range<usize>, message, help: &str| {
            let span = Some(span).filter(|span| !span.is_empty());
            let (file, help) = (file.to_owned(), Some(help.to_owned()));
            vec![Problem {
                code,
                severity: Severity::Error,
                file,
                span,
                message,
                help,
            }]
        };
        let Some(path) = &settings.tokens else {
            let address = settings.address.get_ref();
            if address.ip().to_canonical().is_loopback() {
                return Ok(Self(None));
            }
            let message = format!("the admin address {address} is open to others, and there are no tokens");
            return Err(problem(
                "A001",
                settings.address.span(),
                message,
                "set `tokens`, or listen on 127.0.0.1",
            ));
        };
        let bytes = read(Path::new(path.get_ref())).map_err(|error| format!("it cannot be read: {error}"));
        bytes
            .and_then(|bytes| parse_tokens(&bytes))
            .map(|tokens| Self(Some(tokens)))
            .map_err(|message| {
                let help = "a line is a name, a role and the BLAKE3 hash of the token";
                problem("A002", path.span(), format!("`{path}`: {message}"), help)
            })
    }

    /// Whether a file of tokens is in force.
    pub fn has_tokens(&self) -> bool {
        self.0.is_some()
    }

    /// The token of this value. Every hash is compared, in constant time.
    fn find(&self, token: &[u8]) -> Option<&Token> {
        let hash = blake3::hash(token);
        let tokens = self.0.as_deref().unwrap_or_default();
        tokens.iter().fold(None, |found, token| {
            let is_equal = bool::from(token.hash.ct_eq(hash.as_bytes()));
            if is_equal { Some(token) } else { found }
        })
    }
}

/// Reads `name role hash` lines. Errors name the line and never quote it: it may hold a token by mistake.
fn parse_tokens(bytes: &[u8]) -> Result<Vec<Token>, String> {
    if bytes.len() > TOKENS_BYTES_MAX {
        return Err(format!("it is larger than {TOKENS_BYTES_MAX} bytes"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut tokens: Vec<Token> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let mut words = line.split_ascii_whitespace();
        let Some(name) = words.next().filter(|name| !name.starts_with('#')) else {
            continue;
        };
        let role = words.next().and_then(Role::parse);
        let role = role.ok_or_else(|| format!("line {number} has no role of viewer, analyst, releaser, policy"))?;
        let hash = words.next().and_then(|hash| blake3::Hash::from_hex(hash).ok());
        let hash = hash.ok_or_else(|| format!("line {number} has no hash of 64 hexadecimal digits"))?;
        if words.next().is_some() || name.len() > 64 {
            return Err(format!(
                "line {number} has more than a name of at most 64 bytes, a role and a hash"
            ));
        }
        if tokens
            .iter()
            .any(|token| *token.name == *name || token.hash == *hash.as_bytes())
        {
            return Err(format!("line {number} repeats a name or a token"));
        }
        tokens.push(Token {
            name: name.into(),
            role,
            hash: *hash.as_bytes(),
        });
    }
    match tokens.len() {
        0 => Err("it names no token".to_owned()),
        1..=TOKENS_MAX => Ok(tokens),
        _ => Err(format!("it names more than {TOKENS_MAX} tokens")),
    }
}

/// The address of the connection; put into each request by `serve`.
#[derive(Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Who asks, and what they may do. It exists only after a token was found good, or for loopback where none is needed.
pub(super) struct Caller {
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    pub(super) network: IpNet,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({}, {})", self.name, self.role.name())
    }
}

impl Caller {
    /// Refuses a caller whose role is below `role`.
    pub(super) fn needs(&self, role: Role) -> Result<(), Fault> {
        if self.role >= role {
            return Ok(());
        }
        report(&Event::AdminDenied { reason: "role" });
        Err(Fault::forbidden(format!("this needs the role {}", role.name())))
    }
}

/// A caller of health and metrics, which loopback may always read.
pub(super) struct Monitor;

impl FromRequestParts<Arc<Admin>> for Monitor {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, admin: &Arc<Admin>) -> Result<Self, Fault> {
        let is_local = peer(parts).is_loopback() && !parts.headers.contains_key(AUTHORIZATION);
        if is_local && has_local_host(parts) {
            Ok(Self)
        } else {
            identify(parts, &admin.access.load()).map(|_| Self)
        }
    }
}

impl FromRequestParts<Arc<Admin>> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, admin: &Arc<Admin>) -> Result<Self, Fault> {
        identify(parts, &admin.access.load())
    }
}

fn identify(parts: &Parts, access: &Access) -> Result<Caller, Fault> {
    let peer = peer(parts);
    let network = network_of(peer);
    if let Some(token) = bearer(parts) {
        if let Some(token) = access.find(token) {
            return Ok(Caller {
                name: Arc::clone(&token.name),
                role: token.role,
                network,
            });
        }
        report(&Event::AdminDenied { reason: "token" });
        return Err(Fault::unauthorized("this token is not known"));
    }
    if access.has_tokens() || !peer.is_loopback() {
        report(&Event::AdminDenied { reason: "token" });
        return Err(Fault::unauthorized("this needs a token"));
    }
    if !has_local_host(parts) {
        report(&Event::AdminDenied { reason: "host" });
        return Err(Fault::forbidden(
            "without a token, the host must be localhost or a loopback address",
        ));
    }
    Ok(Caller {
        name: "loopback".into(),
        role: Role::Viewer,
        network,
    })
}

/// The peer's address; a request that did not come through `serve` counts as a stranger's.
fn peer(parts: &Parts) -> IpAddr {
    let stranger = IpAddr::from([0, 0, 0, 0]);
    parts
        .extensions
        .get::<Peer>()
        .map_or(stranger, |peer| peer.0.ip().to_canonical())
}

fn bearer(parts: &Parts) -> Option<&[u8]> {
    let value = parts.headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Whether `Host` names this machine. A page of a stranger whose name was pointed at 127.0.0.1 (DNS rebinding) reaches
/// us from loopback, but under its own name.
fn has_local_host(parts: &Parts) -> bool {
    let host = parts
        .headers
        .get(HOST)
        .and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    host.is_some_and(|authority| {
        let host = authority.host().trim_matches(['[', ']']);
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_tokens_is_read_or_its_line_named() {
        let hash = token_hash(b"secret");
        let other = token_hash(b"other");
        let cases = [
            (format!("# people\n\nkim viewer {hash}\nlee policy {other}\n"), None),
            (String::new(), Some("it names no token")),
            (format!("kim boss {hash}"), Some("line 1 has no role")),
            ("kim viewer secret".to_owned(), Some("line 1 has no hash")),
            (format!("kim viewer {hash} more"), Some("line 1 has more than")),
            (format!("kim viewer {hash}\nkim policy {other}"), Some("line 2 repeats")),
            (format!("kim viewer {hash}\nlee policy {hash}"), Some("line 2 repeats")),
        ];
        for (file, error) in cases {
            match (parse_tokens(file.as_bytes()), error) {
                (Ok(tokens), None) => assert_eq!(tokens.len(), 2),
                (Err(message), Some(start)) => {
                    assert!(message.starts_with(start) && !message.contains("secret"), "{message}");
                }
                (result, error) => panic!("{:?} is not {error:?}", result.err()),
            }
        }
    }

    #[test]
    fn off_loopback_needs_tokens() {
        let compile = |config: &str| {
            let settings: Settings = toml::from_str(config).expect("it parses");
            let read = |_: &Path| Ok(format!("kim viewer {}", token_hash(b"secret")).into_bytes());
            Access::compile(&settings, "tidegate.toml", &read).map_err(|problems| problems[0].code)
        };
        assert_eq!(compile("").map(|access| access.has_tokens()), Ok(false));
        assert_eq!(compile("address = \"0.0.0.0:9800\"").err(), Some("A001"));
        let both = "address = \"0.0.0.0:9800\"\ntokens = \"tokens\"";
        assert_eq!(compile(both).map(|access| access.has_tokens()), Ok(true));
        let known = compile(both).map(|access| access.find(b"secret").is_some() && access.find(b"secret2").is_none());
        assert_eq!(known, Ok(true));
    }

    #[test]
    fn roles_are_ordered() {
        assert!(Role::ALL.is_sorted());
        assert!(Role::ALL.into_iter().all(|role| Role::parse(role.name()) == Some(role)));
    }
}
