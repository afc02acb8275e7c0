//! Issuers whose logins happen elsewhere: what their key signs for a service of theirs, and is shown from its networks, was issued.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::address::is_trusted;
use super::compile::Problems;
use super::settings::PeerSettings;
use super::token::{Verified, kid_of};

const KIDS_MAX: usize = 64;
const NETWORKS_MAX: usize = 256;

/// From where, and with which of its keys, an issuer is believed to have issued what it signs.
pub(super) struct PeerIssuer {
    kids: Vec<Arc<[u8]>>,
    networks: Vec<IpNet>,
}

impl PeerIssuer {
    /// As written for the issuer of this name, which must say its `iss`; what is not right is a problem.
    pub(super) fn compile(
        name: &str,
        (written, iss): (&PeerSettings, Option<&str>),
        problems: &mut Problems<'_>,
    ) -> Self {
        let mut networks = Vec::new();
        for text in &written.networks {
            match text.get_ref().parse() {
                Ok(network) => networks.push(network),
                Err(_) => problems.add(
                    "I014",
                    text.span(),
                    format!("`{text}` is no network"),
                    Some("10.2.0.0/16"),
                ),
            }
        }
        let is_bounded = (1..=KIDS_MAX).contains(&written.kids.len()) && networks.len() <= NETWORKS_MAX;
        if iss.is_none() || !is_bounded || networks.is_empty() {
            let message = format!(
                "`{name}` is a peer by its `issuer`, 1 to {KIDS_MAX} `kids` and 1 to {NETWORKS_MAX} `networks`"
            );
            problems.add("I014", 0..0, message, None);
        }
        let kids = written.kids.iter().map(|kid| kid_of(name, kid)).collect();
        Self { kids, networks }
    }

    /// Whether the bearer of this token, at this address, is a service of the peer.
    pub(super) fn vouches(&self, verified: &Verified, client: IpAddr) -> bool {
        let is_its_key = |kid: &Arc<[u8]>| self.kids.contains(kid);
        verified.kid.as_ref().is_some_and(is_its_key) && is_trusted(client, &self.networks)
    }
}
