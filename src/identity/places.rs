//! The names that the operator gives to networks: a file of `CIDR,NAME`, such as a list of autonomous systems.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use ipnet::{IpNet, Ipv6Net};

/// The file is at most so large: every announced network of the internet with its operator is about 60 MB.
const FILE_BYTES_MAX: usize = 128 << 20;

/// Networks by the number of bits that they fix; the longest that fits is the one.
#[derive(Default)]
pub(super) struct Places {
    /// From many bits to few.
    lengths: Vec<(u8, HashMap<u128, Arc<str>>)>,
}

impl Places {
    /// Reads one network a line; empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// The first line that is no network and name.
    pub(super) fn parse(file: &[u8]) -> Result<Self, String> {
        if file.len() > FILE_BYTES_MAX {
            return Err(format!("it is larger than {FILE_BYTES_MAX} bytes"));
        }
        let text = std::str::from_utf8(file).map_err(|_| "it is no text in UTF-8".to_owned())?;
        let mut by_length: HashMap<u8, HashMap<u128, Arc<str>>> = HashMap::new();
        let mut names: HashMap<&str, Arc<str>> = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let read = line.split_once(',').and_then(|(network, name)| {
                let name = name.trim().trim_matches('"');
                Some((
                    network.trim().parse::<IpNet>().ok()?,
                    Some(name).filter(|name| !name.is_empty())?,
                ))
            });
            let (network, name) = read.ok_or_else(|| format!("line {number} is no network and name"))?;
            let name = names.entry(name).or_insert_with(|| name.into());
            let (bits, length) = fixed(network);
            by_length.entry(length).or_default().insert(bits, Arc::clone(name));
        }
        let mut lengths: Vec<_> = by_length.into_iter().collect();
        lengths.sort_unstable_by_key(|(length, _)| std::cmp::Reverse(*length));
        Ok(Self { lengths })
    }

    /// The name of the smallest network around `address`.
    pub(super) fn of(&self, address: IpAddr) -> Option<Arc<str>> {
        if self.lengths.is_empty() {
            return None;
        }
        let bits = wide(address);
        let mut places = self
            .lengths
            .iter()
            .filter_map(|(length, networks)| networks.get(&(bits & mask(*length))));
        places.next().cloned()
    }
}

/// The bits that a network fixes, among those of all addresses of IPv6, and how many.
fn fixed(network: IpNet) -> (u128, u8) {
    let length = match network {
        IpNet::V4(v4) => v4.prefix_len() + 96,
        IpNet::V6(v6) => v6.prefix_len(),
    };
    (wide(network.network()) & mask(length), length)
}

fn wide(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn mask(length: u8) -> u128 {
    Ipv6Net::new(std::net::Ipv6Addr::UNSPECIFIED, length).map_or(u128::MAX, |network| network.netmask().to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_network_names_an_address() {
        let file = b"# ours\n10.0.0.0/8,lab\n10.1.0.0/16, \"branch, Busan\"\n\n2001:db8::/32,AS64496\n";
        let places = Places::parse(file).unwrap();
        for (address, name) in [
            ("10.2.3.4", Some("lab")),
            ("::ffff:10.2.3.4", Some("lab")),
            ("10.1.9.9", Some("branch, Busan")),
            ("2001:db8::1", Some("AS64496")),
            ("192.0.2.1", None),
            ("::1", None),
        ] {
            assert_eq!(places.of(address.parse().unwrap()).as_deref(), name, "{address}");
        }
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        for (file, message) in [
            (&b"10.0.0.0/8\n"[..], "line 1 is no network and name"),
            (b"10.0.0.0/8,a\n10.0.0.0/40,b", "line 2 is no network and name"),
            (b"10.0.0.0/8,", "line 1 is no network and name"),
            (b"\xff", "it is no text in UTF-8"),
        ] {
            assert_eq!(Places::parse(file).err().as_deref(), Some(message));
        }
    }
}
