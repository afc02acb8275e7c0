//! What a forward listener says of other proxies and of itself: the one before it, and the file by which clients find it.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use zeroize::Zeroizing;

use super::compile::Reader;
use crate::engine::policy::Text;
use crate::engine::policy::units::{end_of_day, is_past};
use crate::engine::problem::{Problem, Severity};
use crate::identity::encode_basic;
use crate::proxy::{
    Chained, EndpointUrl, HostException, HostExceptionSyntax, Hosts, PacSyntax, Parent, ParentSyntax, pac,
};

/// Bytes of a file of credentials.
const CREDENTIALS_BYTES_MAX: usize = 4_096;

impl Reader<'_> {
    /// The parent proxy.
    pub(super) fn parent(&mut self, written: &ParentSyntax) -> Option<Chained> {
        let url: Option<EndpointUrl> = written.url.get_ref().parse().ok().filter(EndpointUrl::is_http);
        if url.is_none() {
            let message = "this is no proxy that is spoken to in the clear";
            self.error("C026", written.url.span(), message, Some("http://proxy.example:3128"));
        }
        let credentials = written.credentials.as_ref().map(|path| {
            let read = read_credentials(&self.path(path.get_ref()));
            let help = Some("one line, NAME:PASSWORD; chmod 600");
            read.map_err(|error| self.error("C026", path.span(), &error, help)).ok()
        });
        let (except_hosts, except_networks) = self.hosts_and_networks(&written.except);
        let credentials = match credentials {
            Some(read) => Some(read?),
            None => None,
        };
        Some(Chained {
            parent: Arc::new(Parent::new(url?, credentials)),
            except_hosts,
            except_networks,
        })
    }

    /// The file by which clients find the proxy.
    pub(super) fn pac(&mut self, written: &PacSyntax, is_tls: bool) -> Option<String> {
        let proxy = written.proxy.get_ref();
        // It stands between quotes in a program that others run.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
        let is_good = proxy.bytes().all(is_plain)
            && proxy
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if !is_good {
            let message = "this is no host and port";
            self.error("C026", written.proxy.span(), message, Some("proxy.corp.example:3128"));
        }
        let (hosts, networks) = self.hosts_and_networks(&written.direct);
        is_good.then(|| pac((proxy, is_tls), &hosts, &networks))
    }

    /// An exception of some hosts; one that is over has no effect, which is told.
    pub(super) fn host_exception(&mut self, written: &HostExceptionSyntax) -> Option<HostException> {
        let Some(until) = end_of_day(written.expires.get_ref()) else {
            let help = Some("expires = \"2026-12-01\"");
            self.error("C027", written.expires.span(), "this is no date", help);
            return None;
        };
        if is_past(until, self.environment.now) {
            let name = written.name.get_ref();
            let message = format!("the exception `{name}` has expired and has no effect");
            let problem = self.problem("C027", written.expires.span(), &message);
            self.problems.push(Problem {
                severity: Severity::Warning,
                ..problem
            });
        }
        for text in [&written.name, &written.owner, &written.reason] {
            if text.get_ref().trim().is_empty() {
                self.error(
                    "C027",
                    text.span(),
                    "an exception says what it is for, who answers for it and why",
                    None,
                );
            }
        }
        let certificate = match &written.certificate {
            None => None,
            Some(text) => Some(self.digest(text)?),
        };
        Some(HostException {
            hosts: self.hosts(&written.hosts),
            until,
            certificate,
        })
    }

    /// A SHA-256 as `openssl x509 -fingerprint -sha256` prints it, or its 64 digits.
    fn digest(&mut self, text: &Text) -> Option<String> {
        let digits: String = text.get_ref().chars().filter(|sign| *sign != ':').collect();
        let is_digest = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !is_digest {
            let help = Some("openssl x509 -in FILE -noout -fingerprint -sha256");
            self.error("C027", text.span(), "this is no SHA-256 of a certificate", help);
        }
        is_digest.then(|| digits.to_ascii_lowercase())
    }

    /// Hosts and networks of one list; a single address is a network.
    fn hosts_and_networks(&mut self, texts: &[Text]) -> (Hosts, Vec<IpNet>) {
        let is_network = |text: &&Text| {
            let text = text.get_ref();
            text.contains('/') || text.parse::<IpAddr>().is_ok()
        };
        let (networks, hosts): (Vec<&Text>, Vec<&Text>) = texts.iter().partition(is_network);
        let [networks, hosts] = [networks, hosts].map(|texts| texts.into_iter().cloned().collect::<Vec<_>>());
        (self.hosts(&hosts), self.networks(&networks))
    }
}

/// The value of a `Proxy-Authorization`, out of a file that nobody else may read.
fn read_credentials(path: &std::path::Path) -> Result<Zeroizing<String>, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = |error: std::io::Error| format!("it cannot be read: {error}");
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err("it can be read by others".to_owned());
    }
    let bytes = Zeroizing::new(std::fs::read(path).map_err(failed)?);
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = std::str::from_utf8(line)
        .ok()
        .filter(|line| line.len() <= CREDENTIALS_BYTES_MAX);
    let is_one = |line: &&str| line.contains(':') && !line.contains(char::is_control);
    line.filter(is_one)
        .map(encode_basic)
        .ok_or_else(|| "it is not one line NAME:PASSWORD".to_owned())
}
