//! What is known of an exchange before it goes upstream, and what follows from that alone.

use std::sync::Arc;

use http::Method;
use http::uri::PathAndQuery;

use super::Upstream;
use super::connection::ConnState;
use super::fail::Reason;
use super::framing::Fault;
use super::gateway::{Gateway, Set};
use super::respond::{Refusal, Style};
use super::route::Route;
use super::upstream::UpstreamErrorKind;
use crate::engine::births::CredentialId;
use crate::engine::inspect::Mode;
use crate::engine::ledger::{Account, Dimension, Excess, KeyUse};
use crate::engine::policy::{Facts, Plan};
use crate::engine::time::Now;
use crate::events::{Event, Leg, report};
use crate::identity::{Actor, Provenance};

/// Who was found to ask for what, before it is known what that counts under.
pub(super) struct Met {
    /// The number of the route.
    pub(super) route: usize,
    pub(super) actor: Actor,
    pub(super) destination: Arc<str>,
    /// None where another proxy asks the origin.
    pub(super) upstream: Option<Arc<Upstream>>,
    /// Whether a client goes out, through the gateway or a proxy that asks it.
    pub(super) is_outward: bool,
    /// Whether more credentials of its network were asked for than may be.
    pub(super) is_limited: bool,
    /// How it is told of a refusal.
    pub(super) style: Style,
}

/// What is known of an exchange before it goes upstream.
pub(super) struct Asked {
    pub(super) set: Arc<Set>,
    pub(super) route: usize,
    pub(super) actor: Actor,
    /// What the response counts under; its keys go to the account.
    pub(super) plan: Plan,
    /// What the request counts under, where some budget counts requests.
    pub(super) upload: Option<Plan>,
    /// The keys of that.
    pub(super) upload_keys: Arc<[KeyUse]>,
    /// The host that is asked, in lower case and without its port.
    pub(super) destination: Arc<str>,
    /// None where another proxy asks the origin.
    pub(super) upstream: Option<Arc<Upstream>>,
    /// Whether a client goes out, through the gateway or a proxy that asks it.
    pub(super) is_outward: bool,
    pub(super) style: Style,
    pub(super) method: Method,
    /// The path that was asked for; `*` and CONNECT have none.
    pub(super) path: Option<PathAndQuery>,
    pub(super) connection: Arc<ConnState>,
    /// What is masked is coded again: its route asks for that, and its client takes it.
    pub(super) recodes: bool,
    /// A bypass suspends its budgets.
    pub(super) is_bypassed: bool,
    /// Whose refusal by a budget on a shared key counts.
    pub(super) honest: Option<u64>,
    /// What is known of the credential that is renewed, where the body of the request may send one, and which it is.
    pub(super) renewed: Option<(Option<CredentialId>, Provenance)>,
    /// The fail mode that let it pass although nobody knows who asks.
    pub(super) passed: Option<Reason>,
    /// The ledger's number of changed holds when the keys were last looked at: a hold that begins while the upstream
    /// thinks must not go unseen.
    pub(super) holds_seen: u64,
}

impl Asked {
    pub(super) fn route(&self) -> &Route {
        self.set
            .routes
            .get(self.route)
            .expect("the number was found in the same set")
    }

    /// Where it is sent.
    ///
    /// # Errors
    /// What the client is told where nothing is sent from here.
    pub(super) fn upstream(&self) -> Result<&Upstream, (Refusal, Style)> {
        self.upstream.as_deref().ok_or((Refusal::NoRoute, self.style))
    }

    pub(super) fn path(&self) -> &str {
        self.path.as_ref().map_or("", PathAndQuery::path)
    }

    pub(super) fn upstream_failed(&self, kind: UpstreamErrorKind) -> (Refusal, Style) {
        let route = &self.route().name;
        ended(route, failed(route, kind));
        (self.unanswered(kind), self.style)
    }

    /// The upstream's answer breaks a rule that its framing did not see.
    pub(super) fn misframed(&self, fault: Fault) -> (Refusal, Style) {
        report(&Event::HeadRefused {
            leg: Leg::Upstream,
            fault: fault.name(),
        });
        self.upstream_failed(UpstreamErrorKind::Framing)
    }

    /// What is told instead of an answer. A request body that failed without breaking a rule ended too early.
    pub(super) fn unanswered(&self, kind: UpstreamErrorKind) -> Refusal {
        if kind == UpstreamErrorKind::RequestBody {
            Refusal::Framing(self.connection.fault().unwrap_or(Fault::BodyIncomplete))
        } else {
            Refusal::Upstream(kind)
        }
    }

    /// A refusal on the way back would make the client do it twice.
    pub(super) fn is_unsafe(&self) -> bool {
        let reads = self.route().reads.iter();
        let is_read = reads
            .into_iter()
            .any(|read| read.method == self.method && read.path == self.path());
        !is_read && matches!(self.method, Method::POST | Method::PUT | Method::PATCH | Method::DELETE)
    }

    /// Whether identifiers may leave masked.
    pub(super) fn may_mask(&self) -> bool {
        self.plan.redacts || self.is_unsafe()
    }

    /// Whether it asks where credentials are issued: nobody is sent there and away again.
    pub(super) fn is_login(&self) -> bool {
        self.set.identity.is_login(&self.method, self.path())
    }

    /// Asks for a new login; or for patience, where the login service bears no more.
    pub(super) fn reauthenticate(&self, gateway: &Gateway, now: Now) -> Refusal {
        let per_s_max = self.set.identity.pace().reauth_per_s_max;
        if !gateway.reauths.take(self.actor.issuer.clone(), per_s_max, now) {
            report(&Event::LimitHit {
                limit: "reauth_per_s_max",
            });
            return Refusal::Throttled { retry_after_s: 1 };
        }
        Refusal::Reauthenticate {
            cookie: self.actor.session_cookie.as_deref().map(Box::from),
        }
    }
}

impl Gateway {
    /// What it counts under, for what it is shown and for what it sends: under its own keys, and those of whomever else it shows
    /// itself as.
    pub(super) async fn plans(&self, set: &Set, actor: &Actor, own: &Facts<'_>, now: Now) -> (Plan, Option<Plan>) {
        let mut plans: Option<(Plan, Option<Plan>)> = None;
        for facts in std::iter::once(*own).chain(actor.facts_of_others(*own)) {
            let answered = self.answered(&set.policy, &facts, now).await;
            let facts = Facts {
                answered: &answered,
                ..facts
            };
            let (shown, uploaded) = (set.policy.plan(&facts, now), set.policy.plan_upload(&facts, now));
            let Some((plan, upload)) = &mut plans else {
                plans = Some((shown, uploaded));
                continue;
            };
            plan.join(shown);
            match (&mut *upload, uploaded) {
                (Some(upload), Some(uploaded)) => upload.join(uploaded),
                (None, uploaded) => *upload = uploaded,
                (Some(_), None) => {}
            }
        }
        plans.unwrap_or_default()
    }
}

/// More credentials than anybody honest shows, of which not all are looked at: one may be revoked, or the one that counts.
pub(super) fn flooded(routes: &[Route], route: usize, style: Style) -> (Refusal, Style) {
    let fault = Fault::TooManyCredentials;
    report(&Event::HeadRefused {
        leg: Leg::Downstream,
        fault: fault.name(),
    });
    ended(routes.get(route).map_or("", |route| route.name.as_str()), "credentials");
    (Refusal::Framing(fault), style)
}

/// Reports a failure of the upstream, and gives the verdict on the exchange: what a client's body did is no failure.
pub(super) fn failed(route: &str, kind: UpstreamErrorKind) -> &'static str {
    if kind == UpstreamErrorKind::RequestBody {
        return "request_body";
    }
    report(&Event::UpstreamFailed {
        route,
        kind: kind.name(),
    });
    "upstream_failed"
}

/// An exchange that ends without a body to report it.
pub(super) fn ended(route: &str, verdict: &'static str) {
    report(&Event::ExchangeEnded { route, verdict });
}

/// How the body is treated. One that is not looked into can hold nobody back.
pub(super) fn mode(asked: &Asked, account: &Account) -> Mode {
    if !account.is_enforcing() || !asked.route().inspect {
        Mode::Watch
    } else if asked.may_mask() {
        Mode::Rewrite
    } else {
        Mode::Guard
    }
}

/// The keys of an upload on which a hold may begin.
pub(super) fn upload_keys(upload: Option<&Plan>) -> Arc<[KeyUse]> {
    let keys = upload.into_iter().flat_map(|plan| &plan.keys);
    keys.filter(|used| used.dimension != Dimension::Exchange)
        .cloned()
        .collect()
}

/// Under a bypass every budget only tells.
pub(super) fn suspend(plan: &mut Plan) {
    plan.redacts = false;
    plan.keys
        .iter_mut()
        .flat_map(|used| &mut used.limits)
        .for_each(|limit| limit.excess = Excess::Told);
    let sums = plan.sums.iter_mut().flat_map(|used| &mut used.limits);
    sums.for_each(|limit| limit.refuses = false);
}
