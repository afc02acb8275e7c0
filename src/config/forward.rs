//! Forward listeners: from what was written to where clients may go.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use rustls::ClientConfig;
use toml::Spanned;

use super::compile::Reader;
use super::syntax::{ConfigSyntax, ListenSyntax};
use crate::engine::policy::{Destinations, RoutePolicy, Text};
use crate::identity::Users;
use crate::proxy::{
    Adaptation, Forward, ForwardSyntax, HostAction, HostPolicy, HostRule, Hosts, Leads, Limits, Reach, Route,
    Transparent,
};
use crate::tls::{Minter, client_config_with};

/// Where a forward listener listens that does not say.
const ADDRESS: &str = "127.0.0.1:3128";
/// The same of one for ICAP (RFC 3507 section 4.2), and of one over TLS.
const ICAP_ADDRESS: &str = "127.0.0.1:1344";
const ICAPS_ADDRESS: &str = "127.0.0.1:11344";
/// The same of one for Envoy.
const EXT_PROC_ADDRESS: &str = "127.0.0.1:50051";

/// The address of a listener as it is written, or as it is where it says none.
fn written_address(listen: &ListenSyntax) -> Option<(&str, std::ops::Range<usize>)> {
    match (&listen.address, &listen.forward, &listen.icap) {
        (Some(address), ..) => Some((address.get_ref().as_str(), address.span())),
        (None, Some(forward), _) => Some((ADDRESS, forward.span())),
        (None, None, Some(icap)) if listen.tls.is_some() => Some((ICAPS_ADDRESS, icap.span())),
        (None, None, Some(icap)) => Some((ICAP_ADDRESS, icap.span())),
        (None, None, None) => {
            let ext_proc = listen.ext_proc.as_ref()?;
            Some((EXT_PROC_ADDRESS, ext_proc.span()))
        }
    }
}

/// Whether a listener can be reached from this machine alone; none where its address is wrong, which was told with the listener.
pub(super) fn is_local(listen: &ListenSyntax) -> Option<bool> {
    let (text, _) = written_address(listen)?;
    let address = text.parse::<SocketAddr>().ok()?;
    Some(address.ip().to_canonical().is_loopback())
}

/// What the policy knows of the routes that listeners have of their own, in the order of their names.
pub(super) fn policies(written: &ConfigSyntax) -> impl Iterator<Item = RoutePolicy> {
    let names = written.listen.iter().filter_map(|(name, listen)| {
        let of_forward = listen
            .forward
            .is_some()
            .then_some(Forward::route_name as fn(&str) -> String);
        let of_icap = listen
            .icap
            .is_some()
            .then_some(Adaptation::route_name as fn(&str) -> String);
        let of_mesh = listen
            .ext_proc
            .is_some()
            .then_some(Adaptation::mesh_route_name as fn(&str) -> String);
        of_forward.or(of_icap).or(of_mesh).map(|named| named(name.get_ref()))
    });
    names.map(|name| RoutePolicy {
        service: name.clone(),
        name,
        ..RoutePolicy::default()
    })
}

impl Reader<'_> {
    /// The networks that are written, and a problem for each that is none.
    pub(super) fn networks(&mut self, texts: &[Text]) -> Vec<IpNet> {
        let networks = texts.iter().filter_map(|text| {
            let network = text.get_ref().parse();
            let network = network.or_else(|_| text.get_ref().parse::<IpAddr>().map(IpNet::from));
            if network.is_err() {
                self.error("C004", text.span(), "this is no network", Some("10.0.0.0/8"));
            }
            network.ok()
        });
        networks.collect()
    }

    /// Where a listener listens.
    pub(super) fn address(&mut self, name: &str, listen: &ListenSyntax) -> Option<SocketAddr> {
        let Some((text, span)) = written_address(listen) else {
            let message = format!("`{name}` has no address");
            self.error("C004", 0..0, &message, Some("address = \"0.0.0.0:8443\""));
            return None;
        };
        let address = text.parse::<SocketAddr>();
        if address.is_err() {
            self.error("C004", span, "this is no address and port", Some("0.0.0.0:8443"));
        }
        address.ok()
    }

    /// The route of a forward listener.
    pub(super) fn forward(
        &mut self,
        name: &Spanned<String>,
        listen: &ListenSyntax,
        forward: &Spanned<ForwardSyntax>,
        limits: &Arc<Limits>,
    ) -> Option<Route> {
        let written = forward.get_ref();
        let is_open = is_local(listen)?;
        let clients = listen.client_certificates.as_ref();
        let certifies = clients.is_some_and(|clients| clients.required);
        if !is_open && written.clients.is_empty() && written.users.is_none() && !certifies {
            let message = "anybody who reaches this address could go out through it";
            self.error(
                "C020",
                forward.span(),
                message,
                Some("clients = [\"10.0.0.0/8\"], or users"),
            );
        }
        let users = written.users.as_ref().and_then(|path| self.users(path));
        let minter = written.authority.as_ref().and_then(|directory| {
            let minter = Minter::open(&self.path(directory.get_ref()), self.environment.credentials.as_deref());
            let help = Some("tidegate authority new");
            minter
                .map_err(|error| self.error("C014", directory.span(), &error.to_string(), help))
                .ok()
        });
        let meant = Forward {
            listener: name.get_ref().clone(),
            clients: self.networks(&written.clients),
            users,
            certifies,
            ports: written.ports.clone(),
            hosts: HostPolicy {
                rules: self.host_rules(written, clients.is_some()),
                exceptions: written
                    .exception
                    .iter()
                    .filter_map(|one| self.host_exception(one))
                    .collect(),
                ech: written.ech,
                has_authority: minter.is_some(),
            },
            reach: Arc::new(Reach::new(self.networks(&written.reaches))),
            tls: self.trust(forward)?,
            chained: written.parent.as_ref().and_then(|parent| self.parent(parent.get_ref())),
            pac: written
                .pac
                .as_ref()
                .and_then(|pac| self.pac(pac.get_ref(), listen.tls.is_some())),
            minter,
            limits: Arc::clone(limits),
        };
        Some(Route {
            name: Forward::route_name(name.get_ref()),
            pattern: None,
            leads: Leads::Out(Arc::new(meant)),
            reads: Vec::new(),
            inspect: true,
            fail: written.fail,
            fail_on: written.fail_on,
            lenient: false,
            recode: None,
            tells_coverage: false,
        })
    }

    /// What is said of hosts, in the order in which it holds.
    fn host_rules(&mut self, written: &ForwardSyntax, has_certificates: bool) -> Vec<HostRule> {
        let plain = |texts: &[Text]| texts.iter().map(|text| text.get_ref().clone()).collect();
        let of = |texts: &[Text], action, hosts: Hosts| (!texts.is_empty()).then(|| HostRule::of(hosts, action));
        // What nobody reaches no rule opens.
        let refused = self.hosts(&written.refuse);
        let mut rules: Vec<HostRule> = of(&written.refuse, HostAction::Refuse, refused).into_iter().collect();
        for rule in &written.rule {
            self.principals(&rule.principals, written.users.is_some(), has_certificates);
            rules.push(HostRule {
                action: rule.action,
                hosts: self.hosts(&rule.hosts),
                categories: plain(&rule.categories),
                networks: self.networks(&rule.networks),
                principals: plain(&rule.principals),
            });
        }
        let passed = self.hosts(&written.pass);
        rules.extend(of(&written.pass, HostAction::Pass, passed));
        rules
    }

    /// A name that nobody can have here would bind nobody.
    fn principals(&mut self, names: &[Text], has_users: bool, has_certificates: bool) {
        let nobodys = match (has_users, has_certificates) {
            // Where users are asked for, a certificate says nothing.
            (true, _) => "certificate:",
            (false, true) => "proxy-user:",
            (false, false) => "",
        };
        for name in names.iter().filter(|name| name.get_ref().starts_with(nobodys)) {
            let help = "users, or client_certificates of the listener: where it has users, they are who it is";
            self.error(
                "C032",
                name.span(),
                "nobody can say here that it is this one",
                Some(help),
            );
        }
    }

    /// A category that no list has would bind nobody.
    pub(super) fn categories(&mut self, written: &ConfigSyntax, known: &Destinations) {
        let listeners = written.listen.values().filter_map(|listen| listen.forward.as_ref());
        let rules = listeners.flat_map(|forward| &forward.get_ref().rule);
        for category in rules.flat_map(|rule| &rule.categories) {
            if !known.has_category(category.get_ref()) {
                let message = format!("no list has a category `{}`", category.get_ref());
                self.error(
                    "C032",
                    category.span(),
                    &message,
                    Some("a line of it in `rules.destinations`"),
                );
            }
        }
    }

    /// By whom origins are trusted.
    fn trust(&mut self, forward: &Spanned<ForwardSyntax>) -> Option<Arc<ClientConfig>> {
        let written = forward.get_ref();
        let ca = written.ca.as_ref().map(|ca| self.path(ca.get_ref()));
        let crls: Vec<_> = written.crls.iter().map(|crl| self.path(crl.get_ref())).collect();
        let tls = client_config_with(ca.as_deref(), &crls).map_err(|error| {
            let mut files = written.ca.iter().chain(&written.crls);
            let span = files.next().map_or_else(|| forward.span(), Spanned::span);
            self.error("C010", span, &error.to_string(), None);
        });
        tls.ok()
    }

    /// How clients are led to a listener, where nothing that it says contradicts that they know of none.
    pub(super) fn transparent(&mut self, listen: &ListenSyntax, is_tls: bool) -> Option<Transparent> {
        let forward = listen.forward.as_ref()?.get_ref();
        let transparent = forward.transparent.as_ref()?;
        let is_proxied = listen.proxy_protocol.as_ref().is_some_and(|is_on| *is_on.get_ref());
        let fault = if forward.users.is_some() {
            "clients that know of no proxy cannot tell it who they are: `users` has no use here"
        } else if is_tls || is_proxied {
            "what clients speak is meant for their origins: no `tls` and no `proxy_protocol` here"
        } else {
            return Some(*transparent.get_ref());
        };
        self.error("C025", transparent.span(), fault, None);
        None
    }

    fn users(&mut self, path: &Spanned<std::path::PathBuf>) -> Option<Users> {
        let secret = self.environment.secret.clone();
        let read = std::fs::read(self.path(path.get_ref())).map_err(|error| format!("it cannot be read: {error}"));
        let users = read.and_then(|bytes| Users::read(&bytes, secret));
        let help = Some("printf %s PASSWORD | tidegate hash proxy-user NAME");
        users
            .map_err(|error| self.error("C021", path.span(), &error, help))
            .ok()
    }

    pub(super) fn hosts(&mut self, texts: &[Text]) -> Hosts {
        let mut hosts = Hosts::default();
        for text in texts {
            if !hosts.add(text.get_ref()) {
                let help = Some("example.com, *.example.com, [2001:db8::1], without a port");
                self.error("C022", text.span(), "this is no host", help);
            }
        }
        hosts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_says_no_address_has_that_of_its_kind_on_this_machine() {
        let tls = "tls = { cert = \"a.pem\", key = \"a.key\" }\n";
        for (text, address) in [
            ("[forward]\n".to_owned(), Some("127.0.0.1:3128")),
            ("[icap]\n".to_owned(), Some("127.0.0.1:1344")),
            (format!("{tls}[icap]\n"), Some("127.0.0.1:11344")),
            ("[ext_proc]\n".to_owned(), Some("127.0.0.1:50051")),
            ("address = \"0.0.0.0:1\"\n[forward]\n".to_owned(), Some("0.0.0.0:1")),
            (String::new(), None),
        ] {
            let listen: ListenSyntax = toml::from_str(&text).unwrap();
            assert_eq!(written_address(&listen).map(|(address, _)| address), address, "{text}");
        }
    }
}
