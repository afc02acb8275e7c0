//! The way out: clients that choose their origins, through a listener that is no route's.

mod admit;
mod ask;
mod connect;
mod decide;
mod host;
mod intercept;
mod led;
mod own;
mod pac;
mod parent;
mod pass;
mod seat;
mod settings;
mod target;

use std::sync::Arc;

use ipnet::IpNet;
use rustls::ClientConfig;

pub use decide::{Ech, HostAction, HostException, HostPolicy, HostRule, Hosts};
pub use pac::pac;
pub use parent::Chained;
pub use settings::{ForwardSyntax, HostExceptionSyntax, HostRuleSyntax, PacSyntax, ParentSyntax};

pub(super) use seat::Seat;
pub(super) use target::Origins;

use super::gateway::Set;
use super::limits::Limits;
use super::route::Leads;
use super::upstream::Reach;
use crate::identity::Users;
use crate::tls::Minter;

/// A forward listener as meant; a reload replaces it.
pub struct Forward {
    /// The name of the listener.
    pub listener: String,
    /// Networks whose clients may use it.
    pub clients: Vec<IpNet>,
    /// Who may use it, by name and password.
    pub users: Option<Users>,
    /// Whether nobody connects who shows no certificate.
    pub certifies: bool,
    /// Ports that may be asked for.
    pub ports: Vec<u16>,
    /// What is said of hosts.
    pub hosts: HostPolicy,
    /// Which addresses may be reached.
    pub reach: Arc<Reach>,
    /// By whom origins are trusted.
    pub tls: Arc<ClientConfig>,
    /// The authority by which TLS is opened.
    pub minter: Option<Minter>,
    /// The proxy through which origins are reached, and which are not.
    pub chained: Option<Chained>,
    /// The file by which clients find the proxy.
    pub pac: Option<String>,
    /// Limits of the connections to origins.
    pub limits: Arc<Limits>,
}

impl Set {
    /// Keeps what the authorities of `before` signed that are still there: a reload has no client handed another leaf, nor the
    /// audit file another line.
    pub(super) fn keep_leaves(&mut self, before: &Self) {
        let known = before.routes.iter().filter_map(|route| match &route.leads {
            Leads::Out(forward) => forward.minter.as_ref(),
            Leads::To(_) | Leads::Back(_) => None,
        });
        let known: Vec<&Minter> = known.collect();
        for route in &mut self.routes {
            let Leads::Out(forward) = &mut route.leads else {
                continue;
            };
            // Nobody else has it before it is in force.
            let minter = Arc::get_mut(forward).and_then(|forward| forward.minter.as_mut());
            let Some(minter) = minter else { continue };
            for known in &known {
                minter.continues(known);
            }
        }
    }
}

impl Forward {
    /// The name of its route, in metrics, conditions and the journal; no pattern of a route has one without a slash.
    pub fn route_name(listener: &str) -> String {
        format!("forward:{listener}")
    }
}
