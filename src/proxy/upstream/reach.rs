//! Which addresses may be reached on behalf of a client that chooses: looked at after the name was resolved, so that no
//! answer of a resolver leads inside.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::IpNet;
use tokio::net::TcpStream;

use super::line::{Leaving, Line};

/// Networks that are nobody's to ask for through a proxy: this machine, its links, private networks, multicast, and what
/// clouds tell of a machine, credentials included. Of IPv6 also those in which an IPv4 address is hidden from a look at it.
const INSIDE: [&str; 21] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "2001::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// Any port: to ask for a way nothing is sent (RFC 863).
const DISCARD_PORT: u16 = 9;

/// What may be reached.
#[derive(Clone, Debug)]
pub struct Reach {
    inside: Vec<IpNet>,
    /// What may be reached all the same.
    exceptions: Vec<IpNet>,
    leaving: Leaving,
}

impl Reach {
    /// All but what is inside, and these.
    pub fn new(exceptions: Vec<IpNet>) -> Self {
        Self {
            inside: INSIDE.iter().filter_map(|network| network.parse().ok()).collect(),
            exceptions,
            leaving: Leaving::default(),
        }
    }

    /// Knows a connection that leaves, while it lasts.
    pub(super) fn watch(&self, stream: TcpStream) -> Line {
        self.leaving.watch(stream)
    }

    /// Whether what comes from `peer` left here: it was led back, and would go round for ever.
    pub(in crate::proxy) fn is_loop(&self, peer: SocketAddr) -> bool {
        self.leaving.has(peer)
    }

    /// Of `addresses` those that may be reached.
    pub(super) fn permitted(&self, addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let is_permitted = |address: &SocketAddr| self.permits(address.ip());
        addresses.into_iter().filter(is_permitted).collect()
    }

    /// Whether a host that is looked up elsewhere may be asked for: an address must be one that is permitted here too.
    pub(super) fn permits_unresolved(&self, host: &str) -> bool {
        host.parse().map_or(true, |address| self.permits(address))
    }

    fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let is_in = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
        is_in(&self.exceptions) || !(is_in(&self.inside) || is_own(address))
    }
}

/// Whether an address is one of this machine's: the kernel goes from there to there, and to others from elsewhere. Nothing is sent.
/// What it cannot say is taken for one, but for what no way leads to.
pub(in crate::proxy) fn is_own(address: IpAddr) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkUnreachable};
    let any = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let from = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, DISCARD_PORT))?;
        socket.local_addr()
    });
    match from {
        Ok(from) => from.ip() == address,
        Err(error) => !matches!(error.kind(), NetworkUnreachable | HostUnreachable),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn what_is_inside_is_not_reached_unless_it_is_an_exception() {
        let reach = Reach::new(vec!["10.1.0.0/16".parse().unwrap()]);
        assert_eq!(reach.inside.len(), INSIDE.len(), "each is a network");
        for (address, is_permitted) in [
            ("192.0.2.7", true),
            ("2001:db8::7", true),
            ("127.0.0.1", false),
            ("127.9.9.9", false),
            ("0.0.0.0", false),
            ("169.254.169.254", false),
            ("168.63.129.16", false),
            ("100.100.100.200", false),
            ("192.168.7.7", false),
            ("10.0.0.1", false),
            ("10.1.0.1", true),
            ("::ffff:10.1.0.1", true),
            ("::ffff:127.0.0.1", false),
            ("::127.0.0.1", false),
            ("::1", false),
            ("::", false),
            ("64:ff9b::7f00:1", false),
            ("2002:7f00:1::", false),
            ("fe80::1", false),
            ("fd00:ec2::254", false),
            ("ff02::1", false),
        ] {
            assert_eq!(reach.permits(address.parse().unwrap()), is_permitted, "{address}");
        }
        assert!(is_own(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
