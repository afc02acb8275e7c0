//! Who asks for what on the way out: a client of the listener itself, or one whose TLS is opened.

use std::sync::Arc;

use http::header::HOST;
use http::request;
use http::uri::Authority;

use super::Forward;
use super::target::Target;
use crate::engine::time::Now;
use crate::proxy::Upstream;
use crate::proxy::asked::{Asked, Met, ended};
use crate::proxy::connection::ConnState;
use crate::proxy::exchange::Exchanges;
use crate::proxy::gateway::Set;
use crate::proxy::respond::{Refusal, Style};
use crate::proxy::route::Leads;

/// What was found out of a request.
struct Way {
    target: Target,
    upstream: Arc<Upstream>,
    user: Option<Arc<[u8]>>,
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
}

impl Exchanges {
    /// Who asks for what, and what it counts under.
    pub(in crate::proxy) async fn ask_outside(
        &self,
        head: &request::Parts,
        connection: Arc<ConnState>,
        now: Now,
    ) -> Result<Asked, (Refusal, Style)> {
        let style = Style::of(&head.headers);
        let set = Arc::clone(&self.gateway.set());
        // A reload may have taken it away.
        let found = set.forward(&self.door.name);
        let (route, forward) = found.ok_or_else(|| refused("", "no_route", Refusal::NoRoute, style))?;
        let name = set.routes.get(route).map_or("", |route| route.name.as_str());
        let way = match &self.inside {
            Some(inside) => {
                let meant = host_of(head).and_then(|host| Target::at(&host, 443, true));
                if meant.as_ref() != Some(&inside.target) {
                    return Err(refused(name, "misdirected", Refusal::Misdirected, style));
                }
                Way {
                    target: inside.target.clone(),
                    upstream: Arc::clone(&inside.upstream),
                    user: inside.user.clone(),
                }
            }
            None => self
                .way_out(head, &connection, &forward, now)
                .await
                .map_err(|refusal| {
                    let verdict = if refusal == Refusal::NotReached {
                        "not_reached"
                    } else if refusal == Refusal::NoRoute {
                        "no_route"
                    } else {
                        "not_admitted"
                    };
                    refused(name, verdict, refusal, style)
                })?,
        };
        let peer = self.door.peer(&connection);
        let actor = set.identity.of_client(head, &peer, way.user.as_ref(), now);
        let met = Met {
            route,
            actor,
            destination: way.target.host,
            upstream: Some(way.upstream),
            is_outward: true,
            is_limited: false,
            style,
        };
        let asked = self.asked(set, met, head, connection, now).await?;
        match self.inside.as_ref().and_then(|inside| inside.failure) {
            Some(kind) => Err(asked.upstream_failed(kind)),
            None => Ok(asked),
        }
    }

    async fn way_out(
        &self,
        head: &request::Parts,
        connection: &ConnState,
        forward: &Arc<Forward>,
        now: Now,
    ) -> Result<Way, Refusal> {
        let pace = (&self.gateway.passwords, now);
        let user = forward.admits(&head.headers, connection.peer.ip(), pace).await?;
        let target = Target::of(head).ok_or(Refusal::NoRoute)?;
        if !forward.leads_to(&target) {
            return Err(Refusal::NotReached);
        }
        Ok(Way {
            upstream: connection.origins.of(&target, forward),
            target,
            user,
        })
    }
}

/// The host that a request inside a tunnel names: over HTTP/2 in its target, over HTTP/1.1 in its field.
fn host_of(head: &request::Parts) -> Option<Authority> {
    let in_field = || Authority::try_from(head.headers.get(HOST)?.as_bytes()).ok();
    head.uri.authority().cloned().or_else(in_field)
}

fn refused(route: &str, verdict: &'static str, refusal: Refusal, style: Style) -> (Refusal, Style) {
    ended(route, verdict);
    (refusal, style)
}
