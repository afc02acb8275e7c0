//! From a configuration as written to a set that can be put in force.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::door::OpenDoor;
use super::forward;
use super::idle::idle;
use super::syntax::{ConfigSyntax, ListenSyntax, RouteSyntax, RulesSettings};
use crate::audit::OnFull;
use crate::engine::detect::{RuleSet, RuleSource, place_of};
use crate::engine::inspect::Bounds;
use crate::engine::ledger::PublicPeople;
use crate::engine::policy::{Destinations, GroupShape, Policy, RoutePolicy, Written};
use crate::engine::problem::{Problem, Severity};
use crate::engine::secret::HashKey;
use crate::engine::time::Now;
use crate::fleet;
use crate::identity::{Identity, key_set_file};
use crate::proxy::{EndpointUrl, Leads, Pattern, ReadPattern, Route, Set, Shadow, Upstream};
use crate::tls::client_config;

/// Bytes of the name of a tenant.
const TENANT_BYTES_MAX: usize = 64;
/// Routes at most: each is looked at for every exchange.
const ROUTES_MAX: usize = 1024;

/// What compiling needs from outside.
pub struct Environment<'a> {
    /// The configuration's name, for problems.
    pub file: &'a str,
    /// Its text, in which they point.
    pub text: &'a str,
    /// What relative paths are relative to.
    pub base: &'a Path,
    /// Where the service manager leaves keys, if it does.
    pub credentials: Option<PathBuf>,
    /// Where key sets that are behind URLs are fetched to.
    pub state_dir: &'a Path,
    /// The rule files.
    pub rules: &'a [RuleSource],
    /// Those of `shadow_dir`, if it is set.
    pub shadow: Option<&'a io::Result<Vec<RuleSource>>>,
    /// Whether the set is refused for what is wrong with those. A gateway goes on without them: they decide nothing.
    pub shadow_must_load: bool,
    /// Keys all hashes.
    pub secret: &'a HashKey,
    /// For expired exceptions.
    pub now: Now,
    /// The number of the set.
    pub generation: u64,
}

/// What came of it.
pub struct Compiled {
    /// The set.
    pub set: Set,
    /// Listeners in the order of their names.
    pub doors: Vec<OpenDoor>,
    /// What is probably not meant as written.
    pub warnings: Vec<Problem>,
}

/// Compiles everything and collects every problem, not only the first.
///
/// # Errors
/// All problems, if one of them is an error.
pub fn compile(written: &ConfigSyntax, environment: &Environment<'_>) -> Result<Compiled, Vec<Problem>> {
    let mut problems = Vec::new();
    let rules = match RuleSet::load(environment.rules) {
        Ok((rules, warnings)) => {
            problems.extend(warnings);
            Some(rules)
        }
        Err(errors) => {
            problems.extend(errors);
            None
        }
    };
    let mut reader = Reader {
        environment,
        problems: &mut problems,
    };
    let shadow = reader.shadow(&written.rules);
    reader.numbers(written);
    let doors: Vec<_> = written
        .listen
        .iter()
        .filter_map(|(name, listen)| reader.door(name.get_ref(), listen))
        .collect();
    let routes = reader.routes(written);
    // An empty file is no configuration: a gateway that took one up would answer nobody.
    if written.listen.is_empty() {
        let help = "[listen.http] with address = \"127.0.0.1:8080\"";
        reader.whole_file("C013", "nothing listens", help);
    }
    let leads_out = written.listen.values().any(ListenSyntax::has_own_route);
    if written.route.is_empty() && !leads_out {
        reader.whole_file("C013", "no request leads anywhere", "[[route]] with match and upstream");
    }
    if written.audit.on_audit_full == OnFull::Block {
        reader.error("C000", 0..0, "`on_audit_full = \"block\"` is not in this version", None);
    }
    reader.fleet(&written.fleet);
    let public = reader.public(&written.rules);
    let destinations = reader.destinations(written);
    let identity = reader.identity(written);
    let policy = policy(
        written,
        environment.file,
        (environment.secret, rules.as_ref(), destinations.as_ref()),
        environment.now,
        &mut problems,
    );
    let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
    let (Some(rules), Some(identity), Some(policy), false) = (rules, identity, policy, failed) else {
        return Err(problems);
    };
    problems.extend(idle(written, environment.file, &policy, (&identity, &doors)));
    let set = Set {
        generation: environment.generation,
        routes,
        policy: Arc::new(policy),
        public: Arc::new(public),
        rules: Arc::new(rules),
        shadow,
        identity,
        bounds: Bounds {
            rule_searched_bytes_max: written.rules.searched_bytes_max,
            ..written.body.bounds()
        },
        held_total_bytes_max: written.body.held_total_bytes_max,
        throttle_wait_ms_max: written.body.throttle_wait_ms_max,
    };
    Ok(Compiled {
        set,
        doors,
        warnings: problems,
    })
}

/// Reads what was written, and notes what is wrong with it.
pub(super) struct Reader<'a> {
    pub(super) environment: &'a Environment<'a>,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// Who is declared public; nobody by a list that is wrong, which is a problem.
    fn public(&mut self, written: &RulesSettings) -> PublicPeople {
        let Some(path) = &written.public_people else {
            return PublicPeople::default();
        };
        let file = std::fs::read(self.environment.base.join(path.get_ref()));
        let file = file.map_err(|error| format!("it cannot be read: {error}"));
        file.and_then(|bytes| PublicPeople::parse(&bytes))
            .unwrap_or_else(|message| {
                let help = "a line is: SUBJECT 2026-12-01 REASON, as `tidegate public` prints it";
                self.error("C023", path.span(), &format!("`{path}`: {message}"), Some(help));
                PublicPeople::default()
            })
    }

    /// What is known of hosts; nothing where the operator's list is wrong, which is a problem.
    fn destinations(&mut self, written: &ConfigSyntax) -> Option<Destinations> {
        let path = written.rules.destinations.as_ref();
        let own = path.map(|path| text_of(&self.environment.base.join(path.get_ref())));
        let read = own.transpose().and_then(|own| Destinations::read(own.as_deref()));
        let refused = |message: String| {
            let span = path.map(toml::Spanned::span).unwrap_or_default();
            let help = "a line is: files.example.com file-share, or with a workspace: chat.example chat host";
            self.error("C031", span, &format!("`destinations`: {message}"), Some(help));
        };
        let known = read.map_err(refused).ok()?;
        self.categories(written, &known);
        Some(known)
    }

    /// The rules that are tried.
    fn shadow(&mut self, written: &RulesSettings) -> Option<Shadow> {
        let (dir, sources) = written.shadow_dir.as_ref().zip(self.environment.shadow)?;
        let loaded = match sources {
            Ok(sources) => RuleSet::load(sources),
            Err(error) => Err(vec![self.problem("C017", dir.span(), &error.to_string())]),
        };
        match loaded {
            Ok((rules, warnings)) => {
                self.problems.extend(warnings);
                Some(Shadow {
                    rules: Arc::new(rules),
                    percent: written.shadow_percent,
                    bytes_max: written.shadow_bytes_max,
                })
            }
            Err(mut problems) => {
                let is_refused = self.environment.shadow_must_load;
                if !is_refused {
                    let message = "no rules are tried in shadow, since they do not load";
                    problems.insert(0, self.problem("C017", dir.span(), message));
                }
                let severity = if is_refused { Severity::Error } else { Severity::Warning };
                let problems = problems.into_iter().map(|problem| Problem { severity, ..problem });
                self.problems.extend(problems);
                None
            }
        }
    }

    fn routes(&mut self, written: &ConfigSyntax) -> Vec<Route> {
        if written.route.len() > ROUTES_MAX {
            self.error("C005", 0..0, &format!("more than {ROUTES_MAX} routes"), None);
            return Vec::new();
        }
        let limits = Arc::new(written.limits.clone());
        let mut names: Vec<&str> = Vec::new();
        let mut routes = Vec::new();
        for route in &written.route {
            let name = route.pattern.get_ref().as_str();
            if names.contains(&name) {
                self.error(
                    "C006",
                    route.pattern.span(),
                    &format!("a second route matches `{name}`"),
                    None,
                );
            }
            names.push(name);
            routes.extend(self.route(route, &limits));
        }
        // Behind those that are written, in the order in which the policy has them.
        for (name, listen) in &written.listen {
            let ext_proc = listen.ext_proc.as_ref();
            routes.extend(ext_proc.and_then(|ext_proc| self.ext_proc(name, listen, ext_proc)));
            routes.extend(match (&listen.forward, &listen.icap) {
                _ if ext_proc.is_some() => None,
                (_, Some(icap)) => self.icap(name, listen, icap),
                (Some(forward), None) => self.forward(name, listen, forward, &limits),
                (None, None) => None,
            });
        }
        routes
    }

    fn route(&mut self, written: &RouteSyntax, limits: &Arc<crate::proxy::Limits>) -> Option<Route> {
        if let Some(later) = &written.fail_enforce {
            self.error("C000", later.span(), "`fail_enforce` is not in this version", None);
        }
        let pattern = Pattern::parse(written.pattern.get_ref());
        let pattern = pattern
            .map_err(|reason| self.error("C007", written.pattern.span(), reason, Some("shop.example.com/")))
            .ok();
        let mut endpoints = Vec::new();
        for url in &written.upstream {
            match url.get_ref().parse::<EndpointUrl>() {
                Ok(endpoint) => endpoints.push(endpoint),
                Err(error) => self.error("C008", url.span(), &error.to_string(), Some("http://10.1.0.10:9000")),
            }
        }
        if written.upstream.is_empty() {
            self.error(
                "C008",
                written.pattern.span(),
                "the route has no upstream",
                Some("upstream = [\"http://10.1.0.10:9000\"]"),
            );
        }
        let reads = written.reads.iter().filter_map(|text| {
            let read = text.get_ref().split_once(' ').and_then(|(method, path)| {
                Some(ReadPattern {
                    method: method.parse().ok()?,
                    path: path.trim().to_owned(),
                })
            });
            if read.is_none() {
                self.error("C009", text.span(), "this is no method and path", Some("POST /search"));
            }
            read
        });
        let reads = reads.collect();
        let connector = self.connector(written)?;
        Some(Route {
            name: written.pattern.get_ref().clone(),
            pattern: Some(pattern?),
            leads: Leads::To(Arc::new(Upstream::new(endpoints, connector, Arc::clone(limits)))),
            reads,
            inspect: written.inspect,
            fail: written.fail,
            fail_on: written.fail_on,
            recode: written.recode,
            tells_coverage: written.coverage_header,
            lenient: written.public || written.allow.is_some() || !written.inspect,
        })
    }

    fn connector(&mut self, written: &RouteSyntax) -> Option<Arc<rustls::ClientConfig>> {
        let ca = written.ca.as_ref().map(|ca| self.path(ca.get_ref()));
        match client_config(ca.as_deref()) {
            Ok(connector) => Some(connector),
            Err(error) => {
                let span = written
                    .ca
                    .as_ref()
                    .map_or_else(|| written.pattern.span(), toml::Spanned::span);
                self.error("C010", span, &error.to_string(), None);
                None
            }
        }
    }

    fn identity(&mut self, written: &ConfigSyntax) -> Option<Identity> {
        let Environment { base, state_dir, .. } = *self.environment;
        let fetched = |path: &Path| Some(state_dir.join(key_set_file(path.to_str()?)?));
        let read = |path: &Path| std::fs::read(fetched(path).unwrap_or_else(|| base.join(path)));
        let compiled = Identity::compile(
            &written.identity,
            self.environment.file,
            self.environment.secret.clone(),
            &read,
        );
        compiled.map_err(|problems| self.problems.extend(problems)).ok()
    }

    fn fleet(&mut self, written: &fleet::Settings) {
        let mut problems = written.problems();
        if problems.is_empty() && written.is_shared() {
            let read = |path: &Path| std::fs::read(self.environment.base.join(path));
            let checked = fleet::Fleet::check(written, &read);
            problems.extend(checked.err().map(|error| ("url", error.to_string())));
        }
        for (name, message) in problems {
            let span = place_of(self.environment.text, "fleet", name).unwrap_or_default();
            self.error("C019", span, &message, Some("url = \"redis://10.0.0.5:6379\""));
        }
    }

    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.environment.base.join(path)
    }

    /// Numbers within which the program works as it says.
    fn numbers(&mut self, written: &ConfigSyntax) {
        let sections = [
            ("limits", written.limits.bounded()),
            ("body", written.body.bounded()),
            ("ledger", written.ledger.bounded()),
            ("store", written.store.bounded()),
            ("fleet", written.fleet.bounded()),
            ("audit", written.audit.bounded()),
            ("journal", written.journal.bounded()),
            ("rules", written.rules.bounded()),
        ];
        for (section, numbers) in sections {
            for (number, message) in numbers.iter().filter_map(|number| Some((number, number.problem()?))) {
                let span = place_of(self.environment.text, section, number.name).unwrap_or_default();
                self.error("C015", span, &message, None);
            }
        }
    }

    fn whole_file(&mut self, code: &'static str, message: &str, help: &str) {
        self.error(code, 0..0, message, Some(help));
    }

    pub(super) fn error(
        &mut self,
        code: &'static str,
        span: std::ops::Range<usize>,
        message: &str,
        help: Option<&str>,
    ) {
        let help = help.map(str::to_owned);
        let problem = self.problem(code, span, message);
        self.problems.push(Problem { help, ..problem });
    }

    pub(super) fn problem(&self, code: &'static str, span: std::ops::Range<usize>, message: &str) -> Problem {
        Problem {
            code,
            severity: Severity::Error,
            file: self.environment.file.to_owned(),
            // An empty place is the whole file.
            span: Some(span).filter(|span| !span.is_empty()),
            message: message.to_owned(),
            help: None,
        }
    }
}

/// Bytes of the operator's list of destinations.
const DESTINATIONS_BYTES_MAX: u64 = 8 << 20;

fn text_of(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).and_then(|file| file.take(DESTINATIONS_BYTES_MAX + 1).read_to_string(&mut text));
    file.map_err(|error| format!("it cannot be read: {error}"))?;
    if text.len() as u64 > DESTINATIONS_BYTES_MAX {
        return Err(format!("it is larger than {DESTINATIONS_BYTES_MAX} bytes"));
    }
    Ok(text)
}

/// What a route serves: what it says, else its host.
fn service_of(route: &RouteSyntax) -> String {
    let host = |pattern: &str| {
        let place = pattern.rsplit(' ').next().unwrap_or(pattern);
        place.split('/').next().unwrap_or(place).to_owned()
    };
    route.service.clone().unwrap_or_else(|| host(route.pattern.get_ref()))
}

/// Whose data a route serves; empty where it does not say.
fn tenant_of(route: &RouteSyntax, file: &str, problems: &mut Vec<Problem>) -> String {
    let Some(tenant) = &route.tenant else {
        return String::new();
    };
    let name = tenant.get_ref();
    let is_name = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if name.is_empty() || name.len() > TENANT_BYTES_MAX || !is_name(name) {
        let message =
            format!("a tenant's name has letters, digits, `-`, `_` and `.`, and at most {TENANT_BYTES_MAX} of them");
        problems.push(Problem {
            code: "C024",
            severity: Severity::Error,
            file: file.to_owned(),
            span: Some(tenant.span()),
            message,
            help: None,
        });
    }
    name.clone()
}

/// What a configuration says of people: its budgets, exceptions, allowances and shapes, without the rest of the gateway.
/// `None` when there is an error; all that is wrong goes to `problems`.
pub fn policy(
    written: &ConfigSyntax,
    file: &str,
    (secret, rules, destinations): (&HashKey, Option<&RuleSet>, Option<&Destinations>),
    now: Now,
    problems: &mut Vec<Problem>,
) -> Option<Policy> {
    let routes: Vec<RoutePolicy> = written
        .route
        .iter()
        .map(|route| RoutePolicy {
            name: route.pattern.get_ref().clone(),
            service: service_of(route),
            tenant: tenant_of(route, file, problems),
            public: route.public,
            allow: route.allow.clone(),
        })
        .chain(forward::policies(written))
        .collect();
    let groups = written.identity.group.iter();
    let group_names: Vec<String> = groups.clone().map(|(name, _)| name.get_ref().clone()).collect();
    let issuer_names = written.identity.issuer_names();
    let groups: Vec<GroupShape> = groups
        .filter_map(|(name, group)| {
            let people_per_day = group.people_per_day?;
            Some(GroupShape {
                name: name.get_ref().clone(),
                people_per_day,
            })
        })
        .collect();
    let written = Written {
        file,
        budgets: &written.budget,
        exceptions: &written.exception,
        processors: &written.processor,
        destinations,
        routes: &routes,
        groups: &groups,
        group_names: &group_names,
        issuer_names: &issuer_names,
        exact_elements_max: written.ledger.exact_elements_max,
        has_fleet: written.fleet.is_shared(),
        rules,
    };
    Policy::compile(&written, secret.clone(), now, problems)
}
