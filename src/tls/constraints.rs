//! For which names an authority may sign (RFC 5280, section 4.2.1.10): read out of its certificate, and written into one.

use std::net::IpAddr;

use ipnet::IpNet;
use rcgen::{CidrSubnet, GeneralSubtree};
use x509_parser::extensions::{GeneralName, GeneralSubtree as Subtree};

/// The names that an authority may sign. Of the kinds of names that it says nothing of it may sign all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Constraints {
    permitted: Names,
    excluded: Names,
}

/// Names and networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Names {
    /// A name is itself and all below it; one with a dot before it only those; one of no letters is all.
    hosts: Vec<String>,
    networks: Vec<IpNet>,
}

impl Names {
    fn has_host(&self, name: &str) -> bool {
        self.hosts.iter().any(|host| {
            let below = name.strip_suffix(host.as_str());
            host.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.') || host.starts_with('.'))
        })
    }

    fn has_address(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    fn read(subtrees: Option<&Vec<Subtree<'_>>>) -> Option<Self> {
        let mut names = Self::default();
        for subtree in subtrees.into_iter().flatten() {
            match &subtree.base {
                GeneralName::DNSName(name) => names.hosts.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => names.networks.push(network(bytes)?),
                // Of mail, directories and the like no leaf is signed.
                GeneralName::OtherName(..)
                | GeneralName::RFC822Name(_)
                | GeneralName::X400Address(_)
                | GeneralName::DirectoryName(_)
                | GeneralName::EDIPartyName(_)
                | GeneralName::URI(_)
                | GeneralName::RegisteredID(_)
                | GeneralName::Invalid(..) => {}
            }
        }
        Some(names)
    }

    fn write(&self) -> Vec<GeneralSubtree> {
        let hosts = self.hosts.iter().cloned().map(GeneralSubtree::DnsName);
        let networks = self.networks.iter().map(|network| {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(network.network(), network.prefix_len()))
        });
        hosts.chain(networks).collect()
    }
}

/// An address and its mask, of four or sixteen bytes each.
fn network(bytes: &[u8]) -> Option<IpNet> {
    let (address, mask) = bytes.split_at_checked(bytes.len() / 2)?;
    let read = |bytes: &[u8]| -> Option<IpAddr> {
        let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
    };
    IpNet::with_netmask(read(address)?, read(mask)?).ok()
}

impl Constraints {
    /// Nothing but `permitted`, hosts with all below them and networks; none where one is neither. Of nothing it is everything.
    pub(super) fn only(permitted: &[String]) -> Result<Self, String> {
        let mut constraints = Self::default();
        for text in permitted {
            let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            let is_host = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
            match network {
                Ok(network) => constraints.permitted.networks.push(network),
                Err(_) if !text.is_empty() && text.bytes().all(is_host) => {
                    constraints.permitted.hosts.push(text.to_ascii_lowercase());
                }
                Err(_) => return Err(text.clone()),
            }
        }
        // A kind of which nothing is said may be signed: it is said that it may not.
        let permitted = &constraints.permitted;
        if permitted.hosts.is_empty() && !permitted.networks.is_empty() {
            constraints.excluded.hosts.push(String::new());
        }
        if permitted.networks.is_empty() && !permitted.hosts.is_empty() {
            constraints.excluded.networks = ["0.0.0.0/0", "::/0"]
                .iter()
                .filter_map(|all| all.parse().ok())
                .collect();
        }
        Ok(constraints)
    }

    /// Those of a certificate; none where it cannot be read.
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let Some(extension) = certificate.name_constraints().ok()? else {
            return Some(Self::default());
        };
        Some(Self {
            permitted: Names::read(extension.value.permitted_subtrees.as_ref())?,
            excluded: Names::read(extension.value.excluded_subtrees.as_ref())?,
        })
    }

    /// As they stand in a certificate; none where there are none.
    pub(super) fn written(&self) -> Option<rcgen::NameConstraints> {
        (*self != Self::default()).then(|| rcgen::NameConstraints {
            permitted_subtrees: self.permitted.write(),
            excluded_subtrees: self.excluded.write(),
        })
    }

    /// Whether a leaf for `name`, in lower case, would be believed.
    pub(super) fn allow(&self, name: &str) -> bool {
        if let Ok(address) = name.parse::<IpAddr>() {
            let is_listed = self.permitted.networks.is_empty() || self.permitted.has_address(address);
            is_listed && !self.excluded.has_address(address)
        } else {
            let is_listed = self.permitted.hosts.is_empty() || self.permitted.has_host(name);
            is_listed && !self.excluded.has_host(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(permitted: &[&str]) -> Constraints {
        let permitted: Vec<String> = permitted.iter().map(|text| (*text).to_owned()).collect();
        Constraints::only(&permitted).unwrap()
    }

    #[test]
    fn what_is_not_permitted_is_not_signed() {
        for (permitted, name, is_allowed) in [
            (&[][..], "a.example", true),
            (&[], "192.0.2.7", true),
            (&["Corp.example"], "corp.example", true),
            (&["corp.example"], "a.b.corp.example", true),
            (&["corp.example"], "xcorp.example", false),
            (&["corp.example"], "corp.example.net", false),
            (&["corp.example"], "192.0.2.7", false),
            (&["corp.example"], "2001:db8::1", false),
            (&["192.0.2.0/24"], "192.0.2.7", true),
            (&["192.0.2.0/24"], "192.0.3.7", false),
            (&["192.0.2.0/24"], "corp.example", false),
            (&["2001:db8::/32", "corp.example"], "2001:db8::1", true),
            (&["2001:db8::/32", "corp.example"], "192.0.2.7", false),
        ] {
            assert_eq!(only(permitted).allow(name), is_allowed, "{permitted:?} {name}");
        }
        assert!(Constraints::only(&["no name".to_owned()]).is_err());
    }

    #[test]
    fn a_certificate_says_what_was_written() {
        for permitted in [
            &[][..],
            &["corp.example", "10.0.0.0/8"],
            &["corp.example"],
            &["2001:db8::/32"],
        ] {
            let constraints = only(permitted);
            let mut params = rcgen::CertificateParams::default();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params.name_constraints = constraints.written();
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap();
            assert_eq!(Constraints::of(certificate.der()), Some(constraints), "{permitted:?}");
        }
        assert_eq!(Constraints::of(b"none"), None);
    }
}
