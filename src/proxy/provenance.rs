//! Who asks: by the head alone, and where its credential is not known here by what its issuer and the store that gateways share
//! say, each asked once, if it may be.

use std::sync::Arc;

use http::request;
use smallvec::SmallVec;

use super::connection::ConnState;
use super::gateway::{Door, Gateway, Set};
use super::introspection;
use crate::engine::births::{Births, CredentialId, Doubt, Look};
use crate::engine::ledger::Carrier;
use crate::engine::time::Now;
use crate::events::{Event, Fact, IdentityFact, report};
use crate::fleet::{Fleet, Heard};
use crate::identity::{Actor, network_key};

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Learned {
    /// All that the store knows is known here now.
    All,
    /// It did not say.
    Unsaid(Doubt),
    /// It was not asked: the network of the client asks too often.
    Limited,
}

impl Learned {
    /// Why nobody can say of a credential of which `doubt` was told before it was asked for.
    pub(super) const fn or(self, doubt: Doubt) -> Doubt {
        match (self, doubt) {
            (Self::Unsaid(why), Doubt::Late) => why,
            (Self::Limited, Doubt::Late) => Doubt::Crowded,
            _ => doubt,
        }
    }
}

/// Who sends this head, and whether its network asks for so many unknown credentials that it may well make them up.
pub(super) async fn who(
    gateway: &Arc<Gateway>,
    set: &Arc<Set>,
    head: &request::Parts,
    (door, connection): (&Door, &ConnState),
    now: Now,
) -> (Actor, bool) {
    let peer = door.peer(connection);
    let identify = || set.identity.identify(head, &peer, now);
    let mut actor = identify();
    let mut is_limited = false;
    if !actor.unanswered.is_empty() {
        let learned = introspection::learn(gateway, set, &actor, now).await;
        actor = identify();
        is_limited = learned == introspection::Learned::Limited && actor.doubt == Some(Doubt::NoAnswer);
    }
    if !actor.unheard.is_empty() {
        let learned = learn(gateway, set, &actor, now).await;
        // Where nothing was asked nothing more is known.
        if learned != Learned::Limited {
            actor = identify();
        }
        // Whoever shows an issued credential beside it is known well enough.
        is_limited |= learned == Learned::Limited && actor.doubt == Some(Doubt::Late);
        actor.doubt = actor.doubt.map(|doubt| learned.or(doubt));
    }
    (actor, is_limited)
}

/// Asks for what the store knows of the actor's credentials that nothing is known of here, as often as its network may.
pub(super) async fn learn(gateway: &Gateway, set: &Set, actor: &Actor, now: Now) -> Learned {
    let per_s_max = set.identity.pace().lookups_per_s_max;
    let network = network_key(actor.address);
    let is_limited = |_: &_| !gateway.look_ups.take(network.clone(), per_s_max, now);
    if gateway.fleet.is_some() && actor.unheard.iter().any(is_limited) {
        report(&Event::Fleet(Fact::LookedUp { result: "limited" }));
        return Learned::Limited;
    }
    ask(gateway, set.identity.births(), &actor.unheard, now).await
}

/// Asks for those of `ids` that only the store may know.
pub(super) async fn ask(gateway: &Gateway, births: &Births, ids: &[CredentialId], now: Now) -> Learned {
    let Some(fleet): Option<&Arc<Fleet>> = gateway.fleet.as_ref() else {
        return Learned::Unsaid(Doubt::Late);
    };
    let unheard = ids.iter().filter(|id| births.look(**id, now) == Look::Unheard);
    let asked: SmallVec<[_; 2]> = unheard.map(|id| (*id, fleet.look_up(*id))).collect();
    let mut learned = Learned::All;
    for (id, asking) in asked {
        match asking.await {
            Heard::Said(birth) => births.merge(id, birth, Carrier::Fleet, now),
            Heard::Nothing => births.heard_nothing(id, now),
            Heard::Late => learned = Learned::Unsaid(Doubt::Late),
            Heard::Crowded => learned = Learned::Unsaid(Doubt::Crowded),
        }
    }
    learned
}

/// Tells what is known of the credential that was sent, if one was.
pub(super) fn tell(actor: &Actor) {
    if actor.credential.is_none() {
        return;
    }
    let provenance = actor.provenance.name();
    report(&Event::Identity(IdentityFact::Shown { provenance }));
    if let Some(doubt) = actor.doubt {
        let reason = doubt.name();
        report(&Event::Identity(IdentityFact::Unknown { reason }));
    }
}
