//! Whether what a request shows may still be used, and what is told where it may not.

use ipnet::IpNet;

use super::asked::{Asked, ended};
use super::connection::ConnState;
use super::gateway::Gateway;
use super::respond::{Refusal, Style};
use crate::audit::Sighting;
use crate::engine::ledger::Dimension;
use crate::engine::policy::people_key;
use crate::engine::time::Now;
use crate::events::{Event, RevocationFact, report};
use crate::identity::{Named, network_of};

/// The policy that incidents name, beside the names of budgets.
const POLICY: &str = "revoked";
/// The same of credentials that name different accounts.
const AT_ODDS: &str = "credentials-disagree";

impl Gateway {
    /// The first of `names` that is revoked at `now`: here, at another gateway, by the list in force, as it signed and has
    /// gone from its key set, or as the certificate of its connection is not good any more.
    pub(super) fn revoked(&self, names: &[Named], connection: &ConnState, now: Now) -> Option<Named> {
        let set = self.set();
        let is_revoked = |name: &&Named| {
            let since = self.ledger.revoked(name.key, now);
            since.is_some_and(|since| name.is_meant(since))
                || set.identity.listed_as_revoked(name.key, now).is_some()
                || set.identity.is_retired(name.key)
        };
        let shown = connection.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
        let is_disowned = shown.is_some_and(|shown| !shown.is_good(u64::from(now.second())));
        let is_its = |name: &&Named| is_disowned && name.dimension == Dimension::Certificate;
        names.iter().find(|name| is_revoked(name) || is_its(name)).copied()
    }

    /// Refuses who is revoked, before the request goes upstream and under a bypass too.
    pub(super) fn refuse_revoked(&self, asked: &Asked, now: Now) -> Result<(), (Refusal, Style)> {
        let Some(name) = self.revoked(&asked.actor.revocable, &asked.connection, now) else {
            return Ok(());
        };
        let route = &asked.route().name;
        ended(route, POLICY);
        self.tell_revoked(name, network_of(asked.actor.address), route);
        Err((refusal(asked, name), asked.style))
    }

    /// An incident for each account that one request names, where these are several: whoever does so tries who it is taken for.
    pub(super) fn tell_of_others(&self, asked: &Asked, now: Now) {
        for account in asked.actor.accounts_at_odds() {
            let sighting = Sighting {
                key: people_key(&self.secret, Dimension::Principal, account),
                dimension: Dimension::Principal,
                budget: AT_ODDS,
                route: &asked.route().name,
                action: "alert",
                enforced: false,
                unit: "uses",
                people: 1,
                limit: 0,
                window_s: 0,
                classes: &[],
                network: network_of(asked.actor.address),
            };
            self.audit.sighted(&sighting, now);
        }
    }

    /// A metric, and an incident for each key that is revoked: whoever uses it, or signs with it, is not its owner or has left.
    pub(super) fn tell_revoked(&self, name: Named, network: IpNet, route: &str) {
        let (what, policy) = if self.set().identity.is_retired(name.key) {
            ("retired_kid", "retired-kid")
        } else {
            (what(name), POLICY)
        };
        report(&Event::Revocation(RevocationFact::Used { what }));
        let sighting = Sighting {
            key: name.key,
            dimension: name.dimension,
            budget: policy,
            route,
            action: POLICY,
            enforced: true,
            unit: "uses",
            people: 1,
            limit: 0,
            window_s: 0,
            classes: &[],
            network,
        };
        self.audit.sighted(&sighting, self.clock.now());
    }
}

/// What the client is told: who may log in again is asked to.
pub(super) fn refusal(asked: &Asked, name: Named) -> Refusal {
    Refusal::Revoked {
        cookie: asked.actor.session_cookie.as_deref().map(Box::from),
        is_account: matches!(name.dimension, Dimension::Principal | Dimension::Certificate),
    }
}

/// The label of what is revoked.
fn what(name: Named) -> &'static str {
    if name.dimension == Dimension::Principal {
        "principal"
    } else if name.dimension == Dimension::Certificate {
        "certificate"
    } else if name.dimension == Dimension::Kid {
        "kid"
    } else {
        "session"
    }
}
