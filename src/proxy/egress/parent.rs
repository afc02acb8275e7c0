//! Which origins are reached through another proxy.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::decide::Hosts;
use crate::proxy::upstream::Parent;

/// A parent proxy, and who is reached without it.
#[derive(Debug)]
pub struct Chained {
    /// The proxy.
    pub parent: Arc<Parent>,
    /// Hosts that are reached directly.
    pub except_hosts: Hosts,
    /// Networks whose addresses are, where a client names an address. No name is looked up for it.
    pub except_networks: Vec<IpNet>,
}

impl Chained {
    /// The proxy through which `host` is reached, in lower case and an IPv6 address in brackets.
    pub(super) fn for_host(&self, host: &str) -> Option<Arc<Parent>> {
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        let is_in = |address: &IpAddr| self.except_networks.iter().any(|network| network.contains(address));
        let is_direct = self.except_hosts.contains(host) || address.as_ref().is_some_and(is_in);
        (!is_direct).then(|| Arc::clone(&self.parent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_excepted_is_reached_directly() {
        let mut except_hosts = Hosts::default();
        assert!(except_hosts.add("*.corp.example") && except_hosts.add("local.example"));
        let chained = Chained {
            parent: Arc::new(Parent::new("http://proxy.example:3128".parse().unwrap(), None)),
            except_hosts,
            except_networks: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        };
        for (host, is_chained) in [
            ("a.example", true),
            ("corp.example", true),
            ("a.corp.example", false),
            ("local.example", false),
            ("10.1.2.3", false),
            ("11.1.2.3", true),
            ("[2001:db8::1]", false),
            ("[2001:db9::1]", true),
        ] {
            assert_eq!(chained.for_host(host).is_some(), is_chained, "{host}");
        }
    }
}
