//! A running gateway as the command line asks it: over its admin address, with a token.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::args::{ConfigArgs, GatewayArgs};
use super::{Exit, Failed};
use crate::admin::Settings;
use crate::config;

/// How long a gateway has for an answer.
const ANSWER_MS_MAX: u64 = 10_000;
/// Bytes of an answer: a thousand keys and all metrics are less than a tenth.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Bytes of a token.
const TOKEN_BYTES_MAX: usize = 4096;

/// A gateway, and what lets us ask it.
pub(super) struct Gateway {
    address: SocketAddr,
    authorization: Option<HeaderValue>,
}

/// Runs what asks a gateway.
///
/// # Errors
/// Those of what is run.
pub(super) fn run<T>(asking: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(asking)
}

impl Gateway {
    /// The gateway that was meant. Nothing is asked yet.
    ///
    /// # Errors
    /// An address or a token that cannot be found out.
    pub(super) fn of(args: &GatewayArgs) -> Result<Self, Failed> {
        let address = match args.admin {
            Some(address) => address,
            None => configured(&args.config)?,
        };
        if address.port() == 0 {
            let message = "the configuration has the admin address choose its port: say --admin";
            return Err(Failed::new(Exit::Usage, message));
        }
        Ok(Self {
            address: reachable(address),
            authorization: token(args.token_file.as_deref())?
                .map(|token| bearer(&token))
                .transpose()?,
        })
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it answers to a `GET`: an object in which there is this `field`, or it is no gateway.
    ///
    /// # Errors
    /// When it cannot be asked, or refuses.
    pub(super) async fn get(&self, path: &str, field: &str) -> Result<Value, Failed> {
        let body = self.ask(Method::GET, path, None).await?;
        self.read(&body, field)
    }

    /// The same of what is no JSON.
    ///
    /// # Errors
    /// As [`Gateway::get`].
    pub(super) async fn text(&self, path: &str) -> Result<String, Failed> {
        let body = self.ask(Method::GET, path, None).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// What it answers where a 503 is an answer too.
    ///
    /// # Errors
    /// As [`Gateway::get`].
    pub(super) async fn ready(&self) -> Result<Value, Failed> {
        let (status, body) = self.answer(Method::GET, "/readyz", None).await?;
        if status == StatusCode::OK || status == StatusCode::SERVICE_UNAVAILABLE {
            self.read(&body, "ready")
        } else {
            Err(self.refused(status, &body))
        }
    }

    /// Has it change something; what it answers, as [`Gateway::get`].
    ///
    /// # Errors
    /// As [`Gateway::get`].
    pub(super) async fn post(&self, path: &str, body: &Value, field: &str) -> Result<Value, Failed> {
        let body = self.ask(Method::POST, path, Some(body)).await?;
        self.read(&body, field)
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Bytes, Failed> {
        let (status, body) = self.answer(method, path, body).await?;
        if status.is_success() {
            Ok(body)
        } else {
            Err(self.refused(status, &body))
        }
    }

    async fn answer(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(StatusCode, Bytes), Failed> {
        let limit = Duration::from_millis(ANSWER_MS_MAX);
        let answered = tokio::time::timeout(limit, self.exchange(method, path, body)).await;
        let silent = |_| self.unavailable(format!("there is no answer after {ANSWER_MS_MAX} ms"));
        answered.map_err(silent)?
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(StatusCode, Bytes), Failed> {
        let stream = TcpStream::connect(self.address).await;
        let stream = stream.map_err(|error| self.unavailable(format!("{error}; is the gateway running?")))?;
        let broken = |error: &dyn std::fmt::Display| self.unavailable(format!("that is no admin address: {error}"));
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failed::new(Exit::Failure, error))?;
        let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| broken(&error))?.to_bytes();
        connection.abort();
        Ok((status, body))
    }

    fn read(&self, body: &[u8], field: &str) -> Result<Value, Failed> {
        let answer = serde_json::from_slice::<Value>(body).ok();
        let answer = answer.filter(|answer| answer.get(field).is_some());
        answer.ok_or_else(|| self.unavailable("that is no admin address: its answer is another"))
    }

    fn unavailable(&self, why: impl std::fmt::Display) -> Failed {
        Failed::new(Exit::Unavailable, format!("{}: {why}", self.address))
    }

    /// What a refusal says, in its own words where it has any.
    fn refused(&self, status: StatusCode, body: &[u8]) -> Failed {
        let problem = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let detail = problem.get("detail").and_then(Value::as_str);
        let detail = plain(detail.unwrap_or_else(|| status.canonical_reason().unwrap_or("refused")));
        let (exit, help) = match status {
            StatusCode::UNAUTHORIZED => (Exit::Permission, ": give one in --token-file or TIDEGATE_TOKEN"),
            StatusCode::FORBIDDEN => (Exit::Permission, ""),
            StatusCode::BAD_REQUEST => (Exit::Usage, ""),
            _ => (Exit::Failure, ""),
        };
        Failed::new(exit, format!("{}: {detail}{help}", self.address))
    }
}

/// Text of a stranger, who may not write on the terminal as they like.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect()
}

/// The admin address of a configuration, found even where that no longer loads.
fn configured(args: &ConfigArgs) -> Result<SocketAddr, Failed> {
    let path = &args.config;
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| {
        let help = "; say which gateway with --config or --admin";
        Failed::new(Exit::Io, format!("{}{help}", named(&error)))
    })?;
    let name = path.display().to_string();
    let wrong = |why: &dyn std::fmt::Display| Failed::new(Exit::Config, format!("{}; say --admin", named(why)));
    let overlaid = config::overlay(&name, &text, &super::run::variables());
    let overlaid = overlaid.map_err(|_| wrong(&"this is no TOML"))?;
    let table: toml::Table = toml::from_str(&overlaid).map_err(|_| wrong(&"this is no TOML"))?;
    let written = table.get("admin").and_then(|admin| admin.get("address"));
    let Some(written) = written else {
        return Ok(*Settings::default().address.get_ref());
    };
    let address = written.as_str().and_then(|text| text.parse().ok());
    address.ok_or_else(|| wrong(&"`admin.address` is no address and port"))
}

/// Who listens on every address listens on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, address.port())
}

/// The token, which no argument holds: other users of the machine can read those.
fn token(file: Option<&Path>) -> Result<Option<Zeroizing<String>>, Failed> {
    let token = match file {
        Some(file) => {
            let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
            let text = std::fs::read_to_string(file).map_err(|error| Failed {
                message: named(&error),
                ..Failed::from(error)
            })?;
            Some(Zeroizing::new(text))
        }
        None => super::run::environment()
            .find(|(name, _)| name == "TIDEGATE_TOKEN")
            .map(|(_, value)| Zeroizing::new(value)),
    };
    let Some(token) = token else { return Ok(None) };
    let trimmed = Zeroizing::new(token.trim().to_owned());
    if trimmed.is_empty() || trimmed.len() > TOKEN_BYTES_MAX {
        let from = file.map_or_else(|| PathBuf::from("TIDEGATE_TOKEN"), Path::to_path_buf);
        let message = format!("{}: a token has from 1 to {TOKEN_BYTES_MAX} bytes", from.display());
        return Err(Failed::new(Exit::Usage, message));
    }
    Ok(Some(trimmed))
}

fn bearer(token: &str) -> Result<HeaderValue, Failed> {
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| Failed::new(Exit::Usage, "the token has bytes that no header can hold"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<SocketAddr, Failed> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tidegate.toml");
        std::fs::write(&path, text).unwrap();
        configured(&ConfigArgs { config: path })
    }

    #[test]
    fn the_admin_address_is_that_of_the_configuration() {
        let address = |text: &str| config(text).ok().map(|address| reachable(address).to_string());
        assert_eq!(address("").as_deref(), Some("127.0.0.1:9800"));
        assert_eq!(
            address("[admin]\naddress = \"10.0.0.1:1\"").as_deref(),
            Some("10.0.0.1:1")
        );
        assert_eq!(
            address("[admin]\naddress = \"0.0.0.0:1\"").as_deref(),
            Some("127.0.0.1:1")
        );
        assert_eq!(address("[admin]\naddress = \"[::]:1\"").as_deref(), Some("[::1]:1"));
        assert_eq!(
            config("[admin]\naddress = 7").err().map(|failed| failed.exit),
            Some(Exit::Config)
        );
        assert_eq!(config("[admin").err().map(|failed| failed.exit), Some(Exit::Config));
    }

    #[test]
    fn a_token_is_trimmed_and_has_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            token(Some(&path)).map(|token| token.map(|token| token.to_string()))
        };
        assert_eq!(read(" secret\n").ok().flatten().as_deref(), Some("secret"));
        assert_eq!(read("\n").err().map(|failed| failed.exit), Some(Exit::Usage));
        assert_eq!(
            read(&"x".repeat(5_000)).err().map(|failed| failed.exit),
            Some(Exit::Usage)
        );
        let nowhere = token(Some(&dir.path().join("nowhere")));
        assert_eq!(nowhere.err().map(|failed| failed.exit), Some(Exit::Io));
    }

    #[test]
    fn a_stranger_writes_no_escapes() {
        assert_eq!(plain("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }
}
