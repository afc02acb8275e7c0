//! The plan of one exchange: the keys it counts under, each with the limits that bind this actor.

use smallvec::{SmallVec, smallvec};

use super::{Action, Budget, Enforcement, Policy};
use crate::engine::ledger::{BudgetId, Dimension, Excess, KeyId, KeyUse, Limit};
use crate::engine::secret::HashKey;
use crate::engine::time::Now;

/// What the policy needs to know of an exchange. Values are secret or personal and are only hashed.
pub struct Facts<'a> {
    /// The session, if the request shows one.
    pub session: Option<&'a [u8]>,
    /// Whether the session's credential is verified, listed or issued; a client can make up any other.
    pub is_known: bool,
    /// The principal, if a verified or listed credential names one.
    pub principal: Option<&'a [u8]>,
    /// The principal's group.
    pub group: Option<&'a str>,
    /// The client's address, an IPv6 one as its /64.
    pub address: &'a [u8],
    /// The client's network.
    pub network: &'a [u8],
    /// The number of the route in the configuration.
    pub route: usize,
}

/// What an exchange counts under.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// One key a dimension that some budget names, in the order of the configuration; then those without a limit, on which
    /// a hold falls that finds no room.
    pub keys: Vec<KeyUse>,
    /// People within this key are counted under it alone.
    pub allowance: Option<KeyUse>,
    /// Whether some limit masks.
    pub redacts: bool,
}

/// The keys whose values do not depend on who asks, hashed once.
pub(super) struct FixedKeys {
    exchange: KeyId,
    global: KeyId,
    /// By the number of the route.
    routes: Vec<KeyId>,
}

impl FixedKeys {
    pub(super) fn new<'a>(secret: &HashKey, route_names: impl Iterator<Item = &'a str>) -> Self {
        let key = |dimension, value: &str| KeyId::new(secret, dimension, value.as_bytes(), SCOPE);
        Self {
            exchange: key(Dimension::Exchange, ""),
            global: key(Dimension::Global, ""),
            routes: route_names.map(|name| key(Dimension::Route, name)).collect(),
        }
    }
}

/// The tenant of a single-tenant gateway, the direction, the condition and what is counted.
const SCOPE: &[u8] = b"default/response//people";

impl Policy {
    /// The plan for one exchange.
    pub fn plan(&self, facts: &Facts<'_>, now: Now) -> Plan {
        let route = self.routes.get(facts.route);
        if route.is_some_and(|route| route.public) {
            return Plan::default();
        }
        let mut plan = Plan::default();
        let mut holds = false;
        for budget in &self.budgets {
            if budget.enforcement == Enforcement::Off
                || budget.group.as_deref().is_some_and(|group| facts.group != Some(group))
            {
                continue;
            }
            let limit = self.limit(budget, facts, now);
            plan.redacts |= budget.action == Action::Redact && limit.excess != Excess::Told;
            holds |= matches!(budget.action, Action::Hold { .. }) && limit.excess != Excess::Told;
            match plan.keys.iter_mut().find(|used| used.dimension == budget.per) {
                Some(used) => used.limits.push(limit),
                None => plan.keys.push(self.used(budget.per, facts, smallvec![limit])),
            }
        }
        for coarser in [Dimension::Address, Dimension::Network] {
            if holds && !plan.keys.iter().any(|used| used.dimension == coarser) {
                plan.keys.push(self.used(coarser, facts, SmallVec::new()));
            }
        }
        plan.allowance = route.and_then(|route| {
            let (group, people) = route.allow.as_ref()?;
            if facts.group != Some(group.as_str()) {
                return None;
            }
            let value = [route.name.as_bytes(), b"\0", group.as_bytes()].concat();
            let limit = Limit {
                budget: BudgetId(0),
                people: *people,
                window: 86_400,
                excess: Excess::Refused,
            };
            let key = KeyId::new(&self.secret, Dimension::Route, &value, b"default/response//allowance");
            Some(KeyUse {
                key,
                dimension: Dimension::Route,
                fallback: None,
                limits: smallvec![limit],
            })
        });
        plan
    }

    fn used(&self, dimension: Dimension, facts: &Facts<'_>, limits: SmallVec<[Limit; 2]>) -> KeyUse {
        KeyUse {
            key: self.key(dimension, facts),
            dimension,
            fallback: self.fallback(dimension, facts),
            limits,
        }
    }

    fn key(&self, dimension: Dimension, facts: &Facts<'_>) -> KeyId {
        // Who shows no credential is known by where it comes from, so that leaving the cookie out buys nothing.
        let value = match dimension {
            Dimension::Session => facts.session.unwrap_or(facts.address),
            Dimension::Principal => facts.principal.or(facts.session).unwrap_or(facts.address),
            Dimension::Address => facts.address,
            Dimension::Network => facts.network,
            Dimension::Route => match self.fixed.routes.get(facts.route) {
                Some(key) => return *key,
                None => b"",
            },
            Dimension::Exchange => return self.fixed.exchange,
            Dimension::Global => return self.fixed.global,
        };
        KeyId::new(&self.secret, dimension, value, SCOPE)
    }

    /// The key of the address, for a key that the client may have made up.
    fn fallback(&self, dimension: Dimension, facts: &Facts<'_>) -> Option<KeyId> {
        let is_of_session = match dimension {
            Dimension::Session => true,
            Dimension::Principal => facts.principal.is_none(),
            Dimension::Exchange | Dimension::Address | Dimension::Network | Dimension::Route | Dimension::Global => {
                false
            }
        };
        let may_be_made_up = is_of_session && facts.session.is_some() && !facts.is_known;
        may_be_made_up.then(|| KeyId::new(&self.secret, dimension, facts.address, SCOPE))
    }

    fn limit(&self, budget: &Budget, facts: &Facts<'_>, now: Now) -> Limit {
        let people = self.exception(budget.id, facts, now).unwrap_or(budget.people);
        let acts = match budget.enforcement {
            Enforcement::Enforce => true,
            Enforcement::Percent(percent) => self.share(facts) < u64::from(percent),
            Enforcement::Off | Enforcement::Monitor => false,
        };
        let excess = match budget.action {
            Action::Alert => Excess::Told,
            _ if !acts => Excess::Told,
            Action::Throttle { interval_ms } => Excess::Paced { interval_ms },
            Action::Redact | Action::Reauth | Action::Block | Action::Hold { .. } => Excess::Refused,
        };
        Limit {
            budget: budget.id,
            people,
            window: budget.window,
            excess,
        }
    }

    /// The largest limit that an exception in force gives this principal.
    fn exception(&self, id: BudgetId, facts: &Facts<'_>, now: Now) -> Option<u32> {
        let principal = facts.principal?;
        let in_group = facts
            .group
            .map(|group| [group.as_bytes(), b":", subject_of(principal)].concat());
        let names: SmallVec<[&[u8]; 3]> = [Some(principal), Some(subject_of(principal)), in_group.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        let binding = self.exceptions.iter().filter(|exception| {
            exception.budget == id && exception.until > now.second() && names.contains(&exception.principal.as_bytes())
        });
        binding.map(|exception| exception.people).max()
    }

    /// A stable number from 0 to 99 for whoever asks.
    fn share(&self, facts: &Facts<'_>) -> u64 {
        let value = facts.principal.or(facts.session).unwrap_or(facts.address);
        self.secret.hash64("tidegate share 1", &[value]) % 100
    }
}

/// The subject of a principal written as `issuer NUL subject`.
fn subject_of(principal: &[u8]) -> &[u8] {
    // The issuer's name comes from the configuration and holds none; a subject may.
    let parts = principal.splitn(2, |byte| *byte == 0);
    parts.last().unwrap_or(principal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_of_a_principal_is_all_behind_its_issuer() {
        for (principal, subject) in [
            (&b"shop\0agent:4711"[..], &b"agent:4711"[..]),
            (b"shop\0guest\0agent:4711", b"guest\0agent:4711"),
            (b"api-key:acme", b"api-key:acme"),
        ] {
            assert_eq!(subject_of(principal), subject);
        }
    }
}
