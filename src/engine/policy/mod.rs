//! Budgets and the ledger make a verdict with its reason: which keys an exchange counts under, and what a denial means.

mod budget;
mod check;
mod condition;
mod destination;
mod direction;
mod facts;
mod fixed;
mod names;
mod plan;
mod processor;
mod question;
mod syntax;
#[cfg(test)]
mod tests;
pub mod units;

pub use budget::{Action, Budget, Enforcement, WINDOW_SECONDS_MAX};
pub use condition::{Condition, Standing};
pub use destination::{Destinations, Towards, UNKNOWN};
pub use direction::Direction;
pub use facts::Facts;
pub use names::{names_of, parts_of};
pub use plan::{Plan, people_key};
pub use question::Question;
pub use syntax::{AllowSyntax, BudgetSyntax, ExceptionSyntax, GroupShape, ProcessorSyntax, RoutePolicy, Text};

use std::collections::{BTreeMap, BTreeSet};

use fixed::FixedKeys;
use processor::Processor;

use crate::engine::detect::{RuleSet, closest, did_you_mean};
use crate::engine::ledger::{BudgetId, Dimension, REFUSING_KEYS_MAX};
use crate::engine::problem::{Problem, Severity};
use crate::engine::secret::{DEFAULT_TENANT, HashKey};
use crate::engine::time::Now;

/// Budgets at most: each is work for every exchange.
const BUDGETS_MAX: usize = 256;

/// All budgets, exceptions and allowances, as meant; immutable and shared.
pub struct Policy {
    budgets: Vec<Budget>,
    exceptions: Vec<Exception>,
    routes: Vec<Route>,
    /// The windows that budgets ask of each dimension, ascending.
    windows: BTreeMap<Dimension, Vec<u32>>,
    /// Those whose data some route serves, and the default tenant first.
    tenants: Vec<Tenant>,
    secret: HashKey,
    destinations: Destinations,
    processors: Vec<Processor>,
    /// Whether anything depends on where an exchange goes, beside counting under its host.
    is_about_destinations: bool,
}

/// Whose data it is: the people and keys of one are not those of another.
struct Tenant {
    name: String,
    secret: HashKey,
    fixed: FixedKeys,
}

/// An exception as meant.
struct Exception {
    budget: BudgetId,
    principal: String,
    people: u32,
    /// The unix second at which it ends.
    until: u32,
}

/// A route as the policy sees it.
struct Route {
    name: String,
    service: String,
    /// The number of its tenant.
    tenant: usize,
    public: bool,
    allow: Option<(String, u32)>,
}

impl Policy {
    /// Compiles what was written. Warnings go to `problems` beside errors; `None` when there is an error.
    pub fn compile(written: &Written<'_>, secret: HashKey, now: Now, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        let mut budgets = Vec::new();
        for syntax in written.budgets {
            // Of one name, or of two with one hash: neither could be told from the other.
            let id = BudgetId::of(syntax.name.get_ref(), None);
            if budgets.iter().any(|known: &Budget| known.id == id) {
                let message = format!("a second budget is named `{}`", syntax.name.get_ref());
                problems.push(error("P007", written.file, syntax.name.span(), message, None));
            }
            budgets.extend(Budget::read(syntax, written, problems));
        }
        budgets.extend(written.groups.iter().map(|group| Budget {
            id: BudgetId::of("", Some(&group.name)),
            name: format!("group-{}", group.name),
            per: Dimension::Principal,
            people: group.people_per_day,
            class: None,
            window: 86_400,
            action: Action::Alert,
            enforcement: Enforcement::Enforce,
            group: Some(group.name.clone()),
            when: Vec::new(),
            counted: None,
            direction: Some(Direction::Response),
            scopes: direction::Scopes::new(&[], "people"),
            strict: false,
        }));
        if budgets.len() > BUDGETS_MAX {
            let message = format!("{} budgets: at most {BUDGETS_MAX} are allowed", budgets.len());
            problems.push(error("P008", written.file, 0..0, message, None));
        }
        refuse_too_many_keys(&budgets, written, problems);
        warn_of_shadowed(&budgets, written, problems);
        let mut destinations = written.destinations.cloned().unwrap_or_default();
        let processors = processor::read(written, &mut destinations, problems);
        let is_about_destinations = !processors.is_empty() || budgets.iter().any(Budget::is_about_destinations);
        let exceptions = read_exceptions(written, &budgets, now, problems);
        let names = tenant_names(written);
        let routes = written.routes.iter();
        let routes: Vec<Route> = routes
            .map(|route| read_route(route, &names, written, problems))
            .collect();
        let tenants = names.into_iter().map(|name| {
            let secret = secret.of_tenant(&name);
            let fixed = FixedKeys::new(&secret, routes.iter().map(|route| route.name.as_str()));
            Tenant { name, secret, fixed }
        });
        let failed = problems
            .get(before..)
            .unwrap_or_default()
            .iter()
            .any(|p| p.severity == Severity::Error);
        (!failed).then_some(Self {
            windows: windows(&budgets),
            budgets,
            exceptions,
            tenants: tenants.collect(),
            routes,
            secret,
            destinations,
            processors,
            is_about_destinations,
        })
    }

    /// Where a client goes that asks `host`, in lower case and without its port, for `path`, none where readers could differ over it;
    /// nothing where no budget and no processor depends on it.
    pub fn towards(&self, host: &str, path: Option<&str>) -> Option<Towards> {
        self.is_about_destinations
            .then(|| self.destinations.towards(host, path))
    }

    /// What is at `host`, in lower case and without its port.
    pub fn category(&self, host: &str) -> &str {
        self.destinations.category(host)
    }

    /// The key under which the people of a route's tenant are hashed.
    pub fn secret_of(&self, route: usize) -> &HashKey {
        self.tenant(route).map_or(&self.secret, |tenant| &tenant.secret)
    }

    /// The same, where it is not that of the default tenant.
    pub fn own_secret_of(&self, route: usize) -> Option<&HashKey> {
        let number = self.routes.get(route).map(|route| route.tenant)?;
        self.tenants
            .get(number)
            .filter(|_| number > 0)
            .map(|tenant| &tenant.secret)
    }

    /// Whose data some route serves.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        let is_served = |number: usize| self.routes.iter().any(|route| route.tenant == number);
        let tenants = self.tenants.iter().enumerate();
        tenants.filter_map(move |(number, tenant)| is_served(number).then_some(tenant.name.as_str()))
    }

    fn tenant(&self, route: usize) -> Option<&Tenant> {
        let number = self.routes.get(route).map_or(0, |route| route.tenant);
        self.tenants.get(number)
    }

    /// This budget; none for an allowance, or one that only an earlier policy had.
    pub fn get(&self, id: BudgetId) -> Option<&Budget> {
        self.budgets.iter().find(|budget| budget.id == id)
    }

    /// What a hold by `cause` is told by: the name of its budget, `removed` if that is no more, `manual` for a person.
    pub fn cause(&self, cause: Option<BudgetId>) -> &str {
        cause.map_or("manual", |id| self.get(id).map_or("removed", |budget| &budget.name))
    }

    /// All budgets in the order of the configuration, declared shapes last.
    pub fn budgets(&self) -> &[Budget] {
        &self.budgets
    }

    /// The windows in seconds that budgets ask of a dimension, ascending; none of an exchange's.
    pub fn windows(&self, dimension: Dimension) -> &[u32] {
        self.windows.get(&dimension).map_or(&[], Vec::as_slice)
    }

    /// Whether `id` is a budget that may refuse all who share a key.
    pub fn refuses_crowd(&self, id: BudgetId) -> bool {
        self.get(id).is_some_and(Budget::refuses_crowd)
    }

    /// Whether any budget may refuse all who share a key.
    pub fn refuses_crowds(&self) -> bool {
        self.budgets.iter().any(Budget::refuses_crowd)
    }
}

fn windows(budgets: &[Budget]) -> BTreeMap<Dimension, Vec<u32>> {
    let mut windows: BTreeMap<Dimension, Vec<u32>> = BTreeMap::new();
    for budget in budgets.iter().filter(|budget| budget.counted.is_none()) {
        let known = windows.entry(budget.per).or_default();
        if let Err(at) = known.binary_search(&budget.window) {
            known.insert(at, budget.window);
        }
    }
    windows
}

/// One exchange may be under so many keys that can refuse it, and no more: each is a bit of what it was granted under.
fn refuse_too_many_keys(budgets: &[Budget], written: &Written<'_>, problems: &mut Vec<Problem>) {
    let keys = |direction: Direction| {
        let refusing = budgets.iter().filter(|budget| {
            budget.refuses() && budget.counted.is_none() && budget.direction.is_none_or(|own| own == direction)
        });
        let keys: BTreeSet<_> = refusing.map(|budget| (budget.per, &budget.scopes)).collect();
        keys.len()
    };
    let most = Direction::ALL.into_iter().map(keys).max().unwrap_or_default();
    if most > REFUSING_KEYS_MAX {
        let message = format!(
            "{most} dimensions and conditions under which budgets refuse: at most {REFUSING_KEYS_MAX} are allowed"
        );
        problems.push(error("P008", written.file, 0..0, message, None));
    }
}

/// What a configuration says about budgets.
#[derive(Clone, Copy, Default)]
pub struct Written<'a> {
    /// The file's name, for problems.
    pub file: &'a str,
    /// `[[budget]]`.
    pub budgets: &'a [BudgetSyntax],
    /// `[[exception]]`.
    pub exceptions: &'a [ExceptionSyntax],
    /// Routes in the order of the configuration.
    pub routes: &'a [RoutePolicy],
    /// Declared shapes.
    pub groups: &'a [GroupShape],
    /// All groups, with or without a shape.
    pub group_names: &'a [String],
    /// What may stand before a subject in the place of a group: issuers, and kinds of credentials without one.
    pub issuer_names: &'a [String],
    /// The ledger's bound on exactness.
    pub exact_elements_max: usize,
    /// Whether gateways share a store.
    pub has_fleet: bool,
    /// `[[processor]]`.
    pub processors: &'a [ProcessorSyntax],
    /// What is known of hosts; without it any category is one.
    pub destinations: Option<&'a Destinations>,
    /// The rules, which name the classes; without them any name is one.
    pub rules: Option<&'a RuleSet>,
}

/// A warning, since a subject may have a colon of its own.
fn warn_of_unknown_group(syntax: &ExceptionSyntax, written: &Written<'_>, problems: &mut Vec<Problem>) {
    let Some((group, _)) = syntax.principal.get_ref().split_once(':') else {
        return;
    };
    let mut known = written.group_names.iter().chain(written.issuer_names);
    let mut is_known = |group: &str| known.any(|known| known == group);
    if is_known(group) || group.contains('\0') {
        return;
    }
    let near = closest(group, written.group_names.iter().map(String::as_str)).map(did_you_mean);
    let help = near.unwrap_or_else(|| "if all of it is a subject: \"ISSUER:SUBJECT\"".to_owned());
    let message = format!("the exception is for a group `{group}` that does not exist");
    let warning = error("P015", written.file, syntax.principal.span(), message, Some(help));
    problems.push(Problem {
        severity: Severity::Warning,
        ..warning
    });
}

fn read_exceptions(written: &Written<'_>, budgets: &[Budget], now: Now, problems: &mut Vec<Problem>) -> Vec<Exception> {
    let mut exceptions = Vec::new();
    for syntax in written.exceptions {
        let name = syntax.budget.get_ref();
        let budget = budgets
            .iter()
            .find(|budget| budget.name == *name)
            .map(|budget| budget.id);
        if budget.is_none() {
            let names: Vec<&str> = budgets.iter().map(|budget| budget.name.as_str()).collect();
            let message = format!("the exception is from a budget `{name}` that does not exist");
            let (span, help) = (syntax.budget.span(), nearest(name, &names));
            problems.push(error("P009", written.file, span, message, help));
        }
        warn_of_unknown_group(syntax, written, problems);
        let until = units::end_of_day(syntax.expires.get_ref());
        if until.is_none() {
            let (message, help) = ("this is no date".to_owned(), "expires = \"2026-12-01\"".to_owned());
            problems.push(error("P010", written.file, syntax.expires.span(), message, Some(help)));
        }
        let (Some(budget), Some(until)) = (budget, until) else {
            continue;
        };
        if units::is_past(until, now) {
            let message = "the exception has expired and has no effect".to_owned();
            let warning = error("P011", written.file, syntax.expires.span(), message, None);
            problems.push(Problem {
                severity: Severity::Warning,
                ..warning
            });
        }
        exceptions.push(Exception {
            budget,
            principal: syntax.principal.get_ref().clone(),
            people: *syntax.people.get_ref(),
            until,
        });
    }
    exceptions
}

/// All tenants, each once, the default one first.
fn tenant_names(written: &Written<'_>) -> Vec<String> {
    let mut names = vec![DEFAULT_TENANT.to_owned()];
    let tenants = written.routes.iter().map(|route| &route.tenant);
    for name in tenants.filter(|name| !name.is_empty()) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn read_route(route: &RoutePolicy, tenants: &[String], written: &Written<'_>, problems: &mut Vec<Problem>) -> Route {
    let allow = route.allow.as_ref().map(|allow| {
        let group = allow.group.get_ref();
        if !written.group_names.contains(group) {
            let names: Vec<&str> = written.group_names.iter().map(String::as_str).collect();
            let message = format!("the allowance is for a group `{group}` that does not exist");
            problems.push(error(
                "P012",
                written.file,
                allow.group.span(),
                message,
                nearest(group, &names),
            ));
        }
        (group.clone(), *allow.people_per_day.get_ref())
    });
    Route {
        name: route.name.clone(),
        service: route.service.clone(),
        tenant: tenants.iter().position(|name| *name == route.tenant).unwrap_or(0),
        public: route.public,
        allow,
    }
}

/// A stricter or equal budget before it, on the same dimension and window and at least as hard, leaves a budget nothing.
fn warn_of_shadowed(budgets: &[Budget], written: &Written<'_>, problems: &mut Vec<Problem>) {
    for (at, budget) in budgets.iter().enumerate() {
        let stricter = budgets.iter().enumerate().find(|(other, known)| {
            *other != at
                && known.per == budget.per
                && known.scopes == budget.scopes
                && known.direction == budget.direction
                && known.group.is_none()
                && budget.group.is_none()
                && known.window >= budget.window
                && known.people < budget.people
                && matches!(known.action, Action::Block | Action::Reauth)
                && known.enforcement == Enforcement::Enforce
        });
        let Some((_, stricter)) = stricter else { continue };
        let Some(syntax) = written.budgets.get(at) else {
            continue;
        };
        let message = format!(
            "`{}` never comes into effect: `{}` stops the actor earlier",
            budget.name, stricter.name
        );
        let warning = error("P013", written.file, syntax.name.span(), message, None);
        problems.push(Problem {
            severity: Severity::Warning,
            ..warning
        });
    }
}

fn error(
    code: &'static str,
    file: &str,
    span: std::ops::Range<usize>,
    message: String,
    help: Option<String>,
) -> Problem {
    Problem {
        code,
        severity: Severity::Error,
        file: file.to_owned(),
        span: Some(span),
        message,
        help,
    }
}

/// "Did you mean" for a misspelt name: the nearest of `known`, else all of them.
fn nearest(name: &str, known: &[&str]) -> Option<String> {
    let near = closest(name, known.iter().copied()).map(did_you_mean);
    near.or_else(|| (!known.is_empty()).then(|| format!("one of: {}", known.join(", "))))
}
