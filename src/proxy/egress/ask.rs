//! Who asks for what on the way out: a client of the listener itself, one that was led to it, or one whose TLS is opened.

use std::net::IpAddr;
use std::sync::Arc;

use http::request;

use super::Forward;
use super::decide::{Decision, Wish, decide};
use super::seat::{Inside, Seat};
use super::target::{Target, host_of};
use crate::engine::time::Now;
use crate::identity::{AddressKey, Peer};
use crate::proxy::Upstream;
use crate::proxy::asked::{Asked, Met, ended};
use crate::proxy::connection::ConnState;
use crate::proxy::exchange::{Exchanges, Told};
use crate::proxy::gateway::Set;
use crate::proxy::pace::Paces;
use crate::proxy::respond::{Refusal, Style};
use crate::proxy::route::Leads;

/// What was found out of a request.
struct Way {
    target: Target,
    /// The host that counts.
    host: Arc<str>,
    upstream: Arc<Upstream>,
    user: Option<Arc<[u8]>>,
    decision: Decision,
}

/// What is asked for on the way out.
pub(super) struct AskedOutside {
    pub(super) asked: Asked,
    pub(super) forward: Arc<Forward>,
    pub(super) target: Target,
    pub(super) decision: Decision,
}

impl Set {
    /// The number of the route of a forward listener, and what is meant by it.
    pub(super) fn forward(&self, listener: &str) -> Option<(usize, Arc<Forward>)> {
        let routes = self.routes.iter().enumerate();
        routes.into_iter().find_map(|(number, route)| match &route.leads {
            Leads::Out(forward) if forward.listener == listener => Some((number, Arc::clone(forward))),
            Leads::Out(_) | Leads::To(_) | Leads::Back(_) => None,
        })
    }

    /// Whether some forward listener passes the TLS of `host`, in lower case, without opening it, or refuses it.
    pub fn passes(&self, host: &str, now: Now) -> bool {
        let wish = Wish {
            host,
            category: self.policy.category(host),
            client: None,
            principal: None,
        };
        self.routes.iter().any(|route| match &route.leads {
            Leads::Out(forward) => decide(&forward.hosts, wish, now) != Decision::Intercept,
            Leads::To(_) | Leads::Back(_) => false,
        })
    }

    /// That a client at this address, which said that it is `user`, goes to `host`, in lower case.
    pub(super) fn wish<'a>(&'a self, host: &'a str, client: IpAddr, user: Option<&'a Arc<[u8]>>) -> Wish<'a> {
        Wish {
            host,
            category: self.policy.category(host),
            client: Some(client),
            principal: user.map(|user| &**user),
        }
    }
}

impl Exchanges {
    /// Who asks for what, and what it counts under.
    pub(in crate::proxy) async fn ask_outside(
        &self,
        head: &request::Parts,
        connection: Arc<ConnState>,
        now: Now,
    ) -> Told<Asked> {
        self.find_way(head, connection, now).await.map(|found| found.asked)
    }

    /// The same, and where it leads.
    pub(super) async fn find_way(
        &self,
        head: &request::Parts,
        connection: Arc<ConnState>,
        now: Now,
    ) -> Told<AskedOutside> {
        let style = Style::of(&head.headers);
        let set = Arc::clone(&self.gateway.set());
        // A reload may have taken it away.
        let found = set.forward(&self.door.name);
        let (route, forward) = found.ok_or_else(|| refused("", Refusal::NoRoute, style))?;
        let name = set.routes.get(route).map_or("", |route| route.name.as_str());
        let pace = (&self.gateway.passwords, now);
        let peer = self.door.peer(&connection);
        let client = (&*connection, &peer);
        let (way, failure) = match &self.seat {
            Seat::Inside(inside) => (
                way_inside(head, &connection, (&set, &forward, inside), now),
                inside.failure,
            ),
            Seat::Listener => {
                let target = Target::of(head).ok_or(Refusal::NoRoute);
                (way_out(target, head, client, (&set, &forward), pace).await, None)
            }
            Seat::Led(meant) => {
                let target = Target::meant(head, *meant).ok_or(Refusal::Misdirected);
                (way_out(target, head, client, (&set, &forward), pace).await, None)
            }
        };
        let way = way.map_err(|refusal| refused(name, refusal, style))?;
        let actor = set.identity.of_client(head, &peer, way.user.as_ref(), now);
        let met = Met {
            route,
            actor,
            destination: way.host,
            upstream: Some(way.upstream),
            is_outward: true,
            is_limited: false,
            style,
        };
        let asked = self.asked(set, met, head, connection, now).await?;
        if let Some(kind) = failure {
            return Err(asked.upstream_failed(kind));
        }
        Ok(AskedOutside {
            asked,
            forward,
            target: way.target,
            decision: way.decision,
        })
    }
}

async fn way_out(
    target: Result<Target, Refusal>,
    head: &request::Parts,
    (connection, peer): (&ConnState, &Peer<'_>),
    (set, forward): (&Set, &Forward),
    pace: (&Paces<AddressKey>, Now),
) -> Result<Way, Refusal> {
    if forward.reach.is_loop(connection.peer) {
        return Err(Refusal::Loop);
    }
    let user = forward.admits(&head.headers, peer, pace).await?;
    let target = target?;
    let wish = set.wish(&target.host, peer.address, user.as_ref());
    let decision = forward.decides(wish, target.port, pace.1);
    if decision == Decision::Refuse {
        return Err(Refusal::NotReached);
    }
    Ok(Way {
        upstream: connection.origins.of(&target, forward, None, || {
            target.upstream(forward, Arc::clone(&forward.tls), None)
        }),
        host: Arc::clone(&target.host),
        target,
        user,
        decision,
    })
}

/// A request inside a tunnel is for its host alone; a reload may have closed the way since it was opened.
fn way_inside(
    head: &request::Parts,
    connection: &ConnState,
    (set, forward, inside): (&Set, &Forward, &Inside),
    now: Now,
) -> Result<Way, Refusal> {
    let meant = host_of(head).and_then(|host| Target::at(&host, 443, true));
    if meant.as_ref() != Some(&inside.target) {
        return Err(Refusal::Misdirected);
    }
    if !forward.still_admits(inside.peer, inside.user.as_ref()) {
        return Err(Refusal::NotAdmitted);
    }
    let wish = set.wish(&inside.target.host, inside.peer, inside.user.as_ref());
    let decision = forward.decides(wish, inside.target.port, now);
    let (upstream, host) = inside.way(&connection.origins, forward, now);
    // The name that was claimed of an address opens nothing.
    let named = set.wish(&inside.named, inside.peer, inside.user.as_ref());
    if decision != Decision::Intercept || decide(&forward.hosts, named, now) == Decision::Refuse {
        return Err(Refusal::NotReached);
    }
    Ok(Way {
        target: inside.target.clone(),
        host,
        upstream,
        user: inside.user.clone(),
        decision,
    })
}

fn refused(route: &str, refusal: Refusal, style: Style) -> (Refusal, Style) {
    let verdict = if refusal == Refusal::NotReached {
        "not_reached"
    } else if refusal == Refusal::NoRoute {
        "no_route"
    } else if refusal == Refusal::Misdirected {
        "misdirected"
    } else if refusal == Refusal::Loop {
        "loop"
    } else {
        "not_admitted"
    };
    ended(route, verdict);
    (refusal, style)
}
