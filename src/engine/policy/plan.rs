//! The plan of one exchange: the keys it counts under, each with the limits that bind this actor.

use smallvec::{SmallVec, smallvec};

use super::condition::{DAY_S, Standing};
use super::direction::Direction;
use super::facts::Facts;
use super::names::names_of;
use super::processor::Processor;
use super::{Action, Budget, Enforcement, Exception, Policy, Route, Tenant, WINDOW_SECONDS_MAX};
use crate::engine::ledger::{
    Allowed, BudgetId, Counted, Dimension, Elements, Excess, KeyId, KeyUse, Limit, SumLimit, SumUse,
};
use crate::engine::secret::HashKey;
use crate::engine::time::Now;

/// What an exchange counts under.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// One key a dimension that some budget names, in the order of the configuration; then those without a limit, on which
    /// a hold falls that finds no room.
    pub keys: Vec<KeyUse>,
    /// People within this key are counted under it alone.
    pub allowance: Option<KeyUse>,
    /// Of whom nothing but this is told.
    pub allowed: Allowed,
    /// Keys under which bytes, records or answers are summed.
    pub sums: Vec<SumUse>,
    /// Whether some limit masks.
    pub redacts: bool,
}

impl Plan {
    /// Counts under nothing; its room is kept.
    pub fn clear(&mut self) {
        let (mut keys, mut sums) = (std::mem::take(&mut self.keys), std::mem::take(&mut self.sums));
        keys.clear();
        sums.clear();
        *self = Self {
            keys,
            sums,
            ..Self::default()
        };
    }

    /// Whether some limit of its keys can refuse or delay.
    pub fn is_enforcing(&self) -> bool {
        self.keys.iter().any(KeyUse::is_enforcing)
    }

    /// Has the exchange count as `other` says as well, whom it also shows itself as. Under a key of both the stricter limits hold,
    /// and nobody's allowance does.
    pub fn join(&mut self, other: Self) {
        (self.allowance, self.allowed) = (None, Allowed::default());
        self.redacts |= other.redacts;
        for used in other.keys {
            match self.keys.iter_mut().find(|known| known.key == used.key) {
                Some(known) => known.limits.iter_mut().for_each(|limit| tighten(limit, &used.limits)),
                None => self.keys.push(used),
            }
        }
        for used in other.sums {
            match self.sums.iter_mut().find(|known| known.key == used.key) {
                Some(known) => known
                    .limits
                    .iter_mut()
                    .for_each(|limit| tighten_sum(limit, &used.limits)),
                None => self.sums.push(used),
            }
        }
    }
}

fn tighten(limit: &mut Limit, others: &[Limit]) {
    for other in others.iter().filter(|other| other.budget == limit.budget) {
        limit.people = limit.people.min(other.people);
        if limit.excess == Excess::Told {
            limit.excess = other.excess;
        }
    }
}

fn tighten_sum(limit: &mut SumLimit, others: &[SumLimit]) {
    for other in others.iter().filter(|other| other.budget == limit.budget) {
        limit.amount = limit.amount.min(other.amount);
        limit.refuses |= other.refuses;
    }
}

/// The direction, the condition and what is counted, for most budgets. The tenant is in the key of the hash: the first word
/// stands for all of them.
pub(super) const SCOPE: &[u8] = b"default/response//people";
/// The same of requests.
const REQUEST_SCOPE: &[u8] = b"default/request//people";

/// The scope of most budgets.
const fn scope_of(direction: Direction) -> &'static [u8] {
    match direction {
        Direction::Response => SCOPE,
        Direction::Request => REQUEST_SCOPE,
    }
}

/// What stands before the condition.
pub(super) const fn scope_start(direction: Direction) -> &'static str {
    match direction {
        Direction::Response => "default/response/",
        Direction::Request => "default/request/",
    }
}

/// The signing key and the issuer of everything unissued that names none which is verified, and the fingerprint of who shows
/// none; no name holds a NUL.
const NOBODYS: &[u8] = b"\0";

/// The key under which people are counted who are shown to this value of `dimension`.
pub fn people_key(secret: &HashKey, dimension: Dimension, value: &[u8]) -> KeyId {
    KeyId::new(secret, dimension, value, SCOPE)
}

impl Policy {
    /// The plan for one exchange.
    pub fn plan(&self, facts: &Facts<'_>, now: Now) -> Plan {
        let mut plan = Plan::default();
        self.plan_into(&mut plan, facts, now);
        plan
    }

    /// The same, in the room of a plan that nobody needs any more.
    pub fn plan_into(&self, plan: &mut Plan, facts: &Facts<'_>, now: Now) {
        plan.clear();
        let route = self.routes.get(facts.route);
        if route.is_some_and(|route| route.public) {
            return;
        }
        let mut holds = false;
        // The scope of each of the plan's keys: of one dimension there may be several.
        let mut scopes: SmallVec<[&[u8]; 8]> = SmallVec::new();
        let route_name = route.map_or("", |route| route.name.as_str());
        for budget in self.budgets.iter().filter(|budget| budget.binds(facts, route_name)) {
            let acts = self.acts(budget, facts);
            let is_holding = matches!(budget.action, Action::Hold { .. }) && acts;
            let limit = budget.counted.is_none().then(|| self.limit(budget, facts, acts, now));
            self.sum(budget, facts, acts, &mut plan.sums);
            // Nobody counts under a key that sums; a hold stands on it.
            if limit.is_none() && !is_holding {
                continue;
            }
            let mut used = plan.keys.iter_mut().zip(&scopes);
            let scope = budget.scopes.of(facts.direction);
            let known = used.find(|(used, known)| used.dimension == budget.per && **known == scope);
            if let Some((used, _)) = known {
                used.limits.extend(limit);
            } else if let Some(used) = self.used(budget.per, facts, scope, limit.into_iter().collect()) {
                plan.keys.push(KeyUse {
                    elements: budget.elements(),
                    ..used
                });
                scopes.push(scope);
            } else {
                continue;
            }
            plan.redacts |= budget.action == Action::Redact && acts;
            holds |= is_holding;
        }
        for coarser in [Dimension::Address, Dimension::Network] {
            if holds && !plan.keys.iter().any(|used| used.dimension == coarser) {
                plan.keys
                    .extend(self.used(coarser, facts, scope_of(facts.direction), SmallVec::new()));
            }
        }
        if facts.direction == Direction::Response {
            let of_route = route.and_then(|route| self.route_allowance(route, facts));
            plan.allowance = of_route.or_else(|| self.approved(facts));
        } else if let Some(processor) = self.processor(facts) {
            plan.allowance = Some(processor.allowance(self.secret_of(facts.route)));
            plan.allowed = processor.allowed.clone();
        }
    }

    /// The plan for what the request of the same exchange sends; none where nothing is counted of it.
    pub fn plan_upload(&self, facts: &Facts<'_>, now: Now) -> Option<Plan> {
        let facts = Facts {
            direction: Direction::Request,
            ..*facts
        };
        let counts = |budget: &Budget| budget.counts(facts.direction, facts.is_forward);
        let plan = self.budgets.iter().any(counts).then(|| self.plan(&facts, now))?;
        (!plan.keys.is_empty() || !plan.sums.is_empty()).then_some(plan)
    }

    /// Who is declared to process what is sent there.
    fn processor(&self, facts: &Facts<'_>) -> Option<&Processor> {
        let number = facts.towards.filter(|_| facts.is_forward)?.processor?;
        self.processors.get(number)
    }

    /// What a route allows the group of whoever asks in a day.
    fn route_allowance(&self, route: &Route, facts: &Facts<'_>) -> Option<KeyUse> {
        let (group, people) = route.allow.as_ref()?;
        if facts.trusted_group() != Some(group.as_str()) {
            return None;
        }
        let value = [route.name.as_bytes(), b"\0", group.as_bytes()].concat();
        let secret = self.secret_of(facts.route);
        let key = KeyId::new(secret, Dimension::Route, &value, b"default/response//allowance");
        Some(allowance(key, Dimension::Route, *people, DAY_S))
    }

    /// What whoever asks was approved for. It ends before its people leave the window, so that they count until then.
    fn approved(&self, facts: &Facts<'_>) -> Option<KeyUse> {
        let (id, people) = facts.approval.filter(|_| facts.standing != Standing::Unissued)?;
        let secret = self.secret_of(facts.route);
        let key = KeyId::new(secret, Dimension::Principal, id, b"default/response//approval");
        Some(allowance(key, Dimension::Principal, people, WINDOW_SECONDS_MAX))
    }

    /// Whether something would be refused to whoever asks with these facts if its credential were unissued, and else would not.
    pub fn refuses_unissued(&self, facts: &Facts<'_>) -> bool {
        let route = self.routes.get(facts.route).filter(|route| !route.public);
        let unissued = Facts {
            standing: Standing::Unissued,
            ..*facts
        };
        let mut budgets = self
            .budgets
            .iter()
            .filter(|budget| budget.refuses() && budget.spares_the_crowd());
        route.is_some_and(|route| {
            budgets.any(|budget| budget.binds(&unissued, &route.name) && self.acts(budget, &unissued))
        })
    }

    /// The keys by which an actor is known to whoever asks about them later, whether a budget names them or not; none where
    /// nobody is counted.
    pub fn actor_keys(&self, facts: &Facts<'_>) -> SmallVec<[(Dimension, KeyId); 6]> {
        if self.routes.get(facts.route).is_some_and(|route| route.public) {
            return SmallVec::new();
        }
        let dimensions = [
            Some(Dimension::Session),
            facts.principal.map(|_| Dimension::Principal),
            Some(Dimension::Certificate),
            Some(Dimension::Address),
            Some(Dimension::Network),
            Some(Dimension::Anonymous),
            Some(Dimension::Place),
            Some(Dimension::Kid),
            Some(Dimension::Issuer),
            Some(Dimension::Ja4),
            // What is sent is asked about by where it went.
            (facts.direction == Direction::Request).then_some(Dimension::Destination),
        ];
        let dimensions = dimensions.into_iter().flatten();
        dimensions
            .filter_map(|dimension| Some((dimension, self.key(dimension, facts, scope_of(facts.direction))?)))
            .collect()
    }

    /// The key of a route, by its number.
    pub fn route_key(&self, route: usize) -> Option<KeyId> {
        self.tenant(route)?.fixed.routes.get(route).copied()
    }

    /// Adds what `budget` sums, if it does.
    fn sum(&self, budget: &Budget, facts: &Facts<'_>, acts: bool, sums: &mut Vec<SumUse>) {
        let Some((counted, amount)) = budget.counted else {
            return;
        };
        let Some(key) = self.key(budget.per, facts, budget.scopes.of(facts.direction)) else {
            return;
        };
        let limit = SumLimit {
            budget: budget.id,
            // A share of answers is no amount that one could have less of.
            amount: if counted == Counted::NotFound {
                amount
            } else {
                facts.left_of(amount, budget.per)
            },
            window: budget.window,
            refuses: budget.action != Action::Alert && acts,
        };
        match sums.iter_mut().find(|used| used.key == key) {
            Some(used) => used.limits.push(limit),
            None => sums.push(SumUse {
                key,
                dimension: budget.per,
                counted,
                limits: smallvec![limit],
            }),
        }
    }

    /// The key of `dimension`; none where the exchange shows no value of it.
    fn used(
        &self,
        dimension: Dimension,
        facts: &Facts<'_>,
        scope: &[u8],
        limits: SmallVec<[Limit; 2]>,
    ) -> Option<KeyUse> {
        Some(KeyUse {
            key: self.key(dimension, facts, scope)?,
            dimension,
            elements: Elements::People,
            fallback: self.fallback(dimension, facts, scope),
            limits,
        })
    }

    pub(super) fn key(&self, dimension: Dimension, facts: &Facts<'_>, scope: &[u8]) -> Option<KeyId> {
        let Tenant { secret, fixed, .. } = self.tenant(facts.route)?;
        if let Some(key) = fixed.get(dimension, facts.route).filter(|_| scope == SCOPE) {
            return Some(key);
        }
        let Dimension::Combined(parts) = dimension else {
            return Some(KeyId::new(secret, dimension, self.value(dimension, facts)?, scope));
        };
        let mut joined: SmallVec<[u8; 64]> = SmallVec::new();
        for part in parts.dimensions() {
            let value = self.value(part, facts)?;
            joined.extend_from_slice(&(value.len() as u32).to_le_bytes());
            joined.extend_from_slice(value);
        }
        Some(KeyId::new(secret, dimension, &joined, scope))
    }

    /// What the exchange shows of one dimension.
    fn value<'f>(&'f self, dimension: Dimension, facts: &Facts<'f>) -> Option<&'f [u8]> {
        // What the gateway will not verify the origin may: no shape of a token leaves the budgets that bind unissued ones.
        let nobodys = (facts.standing == Standing::Unissued).then_some(NOBODYS);
        // Who shows no credential is known by where it comes from, so that leaving the cookie out buys nothing.
        match dimension {
            Dimension::Session => Some(facts.session.unwrap_or(facts.address)),
            Dimension::Principal => Some(facts.principal.or(facts.session).unwrap_or(facts.address)),
            Dimension::Address => Some(facts.address),
            Dimension::Network => Some(facts.network),
            Dimension::Anonymous => (facts.standing == Standing::Unissued).then_some(facts.network),
            Dimension::Certificate => facts.certificate,
            Dimension::Place => facts.place,
            Dimension::Kid => facts.kid.or(nobodys),
            Dimension::Issuer => facts.issuer.or(nobodys),
            Dimension::Ja4 => facts.ja4.or(nobodys),
            Dimension::Headers => facts.headers.or(nobodys),
            Dimension::Http2 => facts.http2.or(nobodys),
            Dimension::Route => Some(self.routes.get(facts.route).map_or(b"", |route| route.name.as_bytes())),
            Dimension::Service => Some(
                self.routes
                    .get(facts.route)
                    .map_or(b"", |route| route.service.as_bytes()),
            ),
            Dimension::Destination | Dimension::Domain | Dimension::Category | Dimension::Workspace => {
                facts.towards(dimension)
            }
            Dimension::Exchange | Dimension::Global => Some(b""),
            Dimension::Combined(_) => None,
        }
    }

    /// The key of the address, for a key that the client may have made up.
    fn fallback(&self, dimension: Dimension, facts: &Facts<'_>, scope: &[u8]) -> Option<KeyId> {
        let is_of_session =
            dimension == Dimension::Session || (dimension == Dimension::Principal && facts.principal.is_none());
        let may_be_made_up = is_of_session && facts.session.is_some() && !facts.is_known;
        may_be_made_up.then(|| KeyId::new(self.secret_of(facts.route), dimension, facts.address, scope))
    }

    /// Whether `budget` acts for who asks.
    fn acts(&self, budget: &Budget, facts: &Facts<'_>) -> bool {
        match budget.enforcement {
            Enforcement::Enforce => true,
            Enforcement::Percent(percent) => self.share(facts) < u64::from(percent),
            Enforcement::Off | Enforcement::Monitor => false,
        }
    }

    fn limit(&self, budget: &Budget, facts: &Facts<'_>, acts: bool, now: Now) -> Limit {
        let people = self.exception(budget.id, facts, now).unwrap_or(budget.people);
        let people = facts.left_of(u64::from(people), budget.per);
        let people = u32::try_from(people).unwrap_or(u32::MAX);
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
            strict: budget.strict,
        }
    }

    /// The largest limit that an exception in force gives this principal.
    fn exception(&self, id: BudgetId, facts: &Facts<'_>, now: Now) -> Option<u32> {
        let principal = facts.principal.filter(|_| facts.standing != Standing::Unissued)?;
        let in_force = |exception: &&Exception| exception.budget == id && exception.until > now.second();
        // Most policies have none for most budgets: nobody's names are put together for nothing.
        self.exceptions.iter().find(in_force)?;
        let names = names_of(principal, facts.trusted_group());
        let is_meant = |exception: &&Exception| names.iter().any(|name| **name == *exception.principal.as_bytes());
        let binding = self.exceptions.iter().filter(in_force).filter(is_meant);
        binding.map(|exception| exception.people).max()
    }

    /// A stable number from 0 to 99 for whoever asks.
    fn share(&self, facts: &Facts<'_>) -> u64 {
        let value = facts.principal.or(facts.session).unwrap_or(facts.address);
        self.secret.hash64("tidegate share 1", &[value]) % 100
    }
}

/// So many people of a window count under `key` alone.
pub(super) fn allowance(key: KeyId, dimension: Dimension, people: u32, window: u32) -> KeyUse {
    KeyUse {
        key,
        dimension,
        elements: Elements::People,
        fallback: None,
        limits: smallvec![Limit {
            budget: BudgetId(0),
            people,
            window,
            excess: Excess::Refused,
            strict: false,
        }],
    }
}
