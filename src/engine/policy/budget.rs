//! A budget as meant, and the conversion from what was written.

use super::condition::Condition;
use super::plan::{Facts, SCOPE_START};
use super::syntax::{BudgetSyntax, Text};
use super::units;
use crate::engine::ledger::{BudgetId, Counted, Dimension};
use crate::engine::problem::{Problem, Severity};

/// One minute.
const WINDOW_SECONDS_MIN: u32 = 60;
/// The longest window of a budget in seconds: thirty days.
pub const WINDOW_SECONDS_MAX: u32 = 30 * 86_400;

/// What a budget does when it is exceeded, from mild to hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Tells.
    Alert,
    /// Masks the identifiers of new people.
    Redact,
    /// Lets new people through at a pace.
    Throttle {
        /// Milliseconds between two new people.
        interval_ms: u64,
    },
    /// Asks for a new login.
    Reauth,
    /// Refuses the exchange.
    Block,
    /// Refuses the key for a time.
    Hold {
        /// Seconds.
        seconds: u32,
    },
}

impl Action {
    /// The name in configuration, metrics and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Redact => "redact",
            Self::Throttle { .. } => "throttle",
            Self::Reauth => "reauth",
            Self::Block => "block",
            Self::Hold { .. } => "hold",
        }
    }
}

/// For whom a budget acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// Not at all: it is not counted.
    Off,
    /// It counts and tells; it never changes a byte.
    Monitor,
    /// For so many percent of principals, by a stable hash; for the others as `Monitor`.
    Percent(u8),
    /// For all.
    Enforce,
}

/// A budget as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What it is known by.
    pub id: BudgetId,
    /// Its name.
    pub name: String,
    /// The dimension it counts under.
    pub per: Dimension,
    /// Distinct people allowed.
    pub people: u32,
    /// The window in seconds; 0 on an exchange.
    pub window: u32,
    /// What happens beyond.
    pub action: Action,
    /// For whom.
    pub enforcement: Enforcement,
    /// For one group only (a declared shape).
    pub group: Option<String>,
    /// Whether the store that gateways share confirms everyone who is new.
    pub strict: bool,
    /// For whom it counts: all of these hold.
    pub when: Vec<Condition>,
    /// What it counts in the place of people, and how much of it is allowed.
    pub counted: Option<(Counted, u64)>,
    /// Tenant, direction, condition and what is counted, as they are part of its keys.
    pub(super) scope: Vec<u8>,
}

/// The scope of keys under a condition.
pub(super) fn scope(when: &[Condition], counted: Option<Counted>) -> Vec<u8> {
    let conditions: Vec<String> = when.iter().map(Condition::text).collect();
    let counted = counted.map_or("people", Counted::name);
    format!("{SCOPE_START}{}/{counted}", conditions.join("+")).into_bytes()
}

impl Budget {
    /// Reads what was written; problems go to `problems`.
    pub(super) fn read(
        written: &BudgetSyntax,
        file: &str,
        (exact_max, has_fleet): (usize, bool),
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let mut reader = Reader { file, problems };
        reader.refuse_later_things(written);
        let per = reader.dimension(&written.per);
        let action = reader.action(written);
        let enforcement = reader.mode(written.mode.as_ref());
        let window = reader.window(written, per);
        let counted = reader.counted(written);
        let people = if counted.is_some() {
            Some(0)
        } else {
            reader.people(written)
        };
        let when = reader.conditions(written);
        // Only now: a fault hides no other.
        let budget = Self {
            id: BudgetId::of(written.name.get_ref(), None),
            name: written.name.get_ref().clone(),
            per: per?,
            people: people?,
            window: window?,
            action: action?,
            enforcement: enforcement?,
            group: None,
            scope: scope(when.as_deref()?, counted.map(|(counted, _)| counted)),
            when: when?,
            counted,
            strict: written.strict.as_ref().is_some_and(|strict| *strict.get_ref()),
        };
        reader.check(&budget, written, exact_max, has_fleet).then_some(budget)
    }

    /// Whether it is counted for who asks on `route`.
    pub(super) fn binds(&self, facts: &Facts<'_>, route: &str) -> bool {
        self.enforcement != Enforcement::Off
            && self.group.as_deref().is_none_or(|group| facts.group == Some(group))
            && self.when.iter().all(|condition| condition.holds(facts, route))
    }

    /// What it counts, by name.
    pub fn unit(&self) -> &'static str {
        self.counted.map_or("people", |(counted, _)| counted.name())
    }

    /// How much of it is allowed.
    pub fn amount(&self) -> u64 {
        self.counted
            .map_or_else(|| u64::from(self.people), |(_, amount)| amount)
    }

    /// Whether it can refuse or delay.
    pub fn refuses(&self) -> bool {
        self.action != Action::Alert && matches!(self.enforcement, Enforcement::Enforce | Enforcement::Percent(_))
    }
}

struct Reader<'a> {
    file: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn refuse_later_things(&mut self, written: &BudgetSyntax) {
        let texts = [("direction", &written.direction), ("class", &written.class)];
        let spans = texts
            .iter()
            .filter_map(|(name, text)| Some((*name, text.as_ref()?.span())));
        for (name, span) in spans.collect::<Vec<_>>() {
            self.later(span, &format!("`{name}` of a budget"));
        }
    }

    fn dimension(&mut self, per: &Text) -> Option<Dimension> {
        let name = per.get_ref().as_str();
        let later = [Dimension::Certificate, Dimension::Ja4, Dimension::Anonymous];
        let is_later = |part: &str| later.iter().any(|dimension| dimension.name() == part.trim());
        if name.split('+').any(is_later) {
            self.later(per.span(), &format!("counting per `{name}`"));
            return None;
        }
        let dimension = Dimension::parse(name);
        if dimension.is_none() {
            let names = Dimension::SINGLE.map(Dimension::name);
            let names: Vec<&str> = names.iter().map(AsRef::as_ref).filter(|name| !is_later(name)).collect();
            let help = super::nearest(name, &names);
            let message = format!("there is no dimension `{name}`");
            self.error("P001", Some(per.span()), &message, help.as_deref());
        }
        dimension
    }

    /// The conditions, in the order that makes them one scope however they are written.
    fn conditions(&mut self, written: &BudgetSyntax) -> Option<Vec<Condition>> {
        let Some(when) = &written.when else {
            return Some(Vec::new());
        };
        let parsed = when
            .get_ref()
            .split('+')
            .map(Condition::parse)
            .collect::<Option<Vec<_>>>();
        let Some(mut conditions) = parsed else {
            let message = "this is no condition on the actor";
            let help = "group:NAME, route:MATCH, watched; several joined by ` + `";
            self.error("P016", Some(when.span()), message, Some(help));
            return None;
        };
        if conditions.contains(&Condition::Unissued) {
            self.later(when.span(), "`unissued`: who was never seen being issued");
            return None;
        }
        conditions.sort();
        conditions.dedup();
        Some(conditions)
    }

    /// What is counted in the place of people; none where people are, or where what stands there is wrong.
    fn counted(&mut self, written: &BudgetSyntax) -> Option<(Counted, u64)> {
        let bytes = |text: &Text| units::bytes(text.get_ref());
        let percent = |text: &Text| {
            text.get_ref()
                .strip_suffix('%')?
                .trim()
                .parse()
                .ok()
                .filter(|percent| *percent <= 100)
        };
        let texts = [
            (
                Counted::Bytes,
                &written.bytes,
                written.bytes.as_ref().and_then(bytes),
                "bytes = \"20MiB\"",
            ),
            (
                Counted::Uninspected,
                &written.uninspected,
                written.uninspected.as_ref().and_then(bytes),
                "uninspected = \"20MiB\"",
            ),
            (
                Counted::NotFound,
                &written.not_found,
                written.not_found.as_ref().and_then(percent),
                "not_found = \"50%\"",
            ),
        ];
        let records = written.records.as_ref();
        let mut counted: Vec<(Counted, u64)> = records
            .map(|records| (Counted::Records, u64::from(*records.get_ref())))
            .into_iter()
            .collect();
        for (what, text, amount, help) in texts {
            let Some(text) = text else { continue };
            if amount.is_none() {
                self.error("P017", Some(text.span()), "this is no amount", Some(help));
            }
            counted.push((what, amount.unwrap_or_default()));
        }
        if counted.len() + usize::from(written.people.is_some()) > 1 {
            let message = "a budget counts one thing: `people`, `records`, `bytes`, `uninspected` or `not_found`";
            self.error(
                "P018",
                Some(written.name.span()),
                message,
                Some("write one budget for each"),
            );
        }
        counted.first().copied()
    }

    fn action(&mut self, written: &BudgetSyntax) -> Option<Action> {
        let action = &written.action;
        let name = action.get_ref().as_str();
        match name {
            "alert" => Some(Action::Alert),
            "redact" => Some(Action::Redact),
            "reauth" => Some(Action::Reauth),
            "block" => Some(Action::Block),
            "throttle" => {
                let interval = written.to.as_ref().and_then(|to| units::interval_ms(to.get_ref()));
                if interval.is_none() {
                    let span = written.to.as_ref().unwrap_or(action).span();
                    self.error("P002", Some(span), "a throttle needs a pace", Some("to = \"6/h\""));
                }
                interval.map(|interval_ms| Action::Throttle { interval_ms })
            }
            "hold" => {
                let seconds = written
                    .hold_for
                    .as_ref()
                    .map_or(Some(3600), |time| units::seconds(time.get_ref()))
                    .filter(|seconds| *seconds > 0);
                if seconds.is_none() {
                    let span = written.hold_for.as_ref().unwrap_or(action).span();
                    self.error(
                        "P002",
                        Some(span),
                        "this is no length of time",
                        Some("hold_for = \"15m\""),
                    );
                }
                seconds.map(|seconds| Action::Hold { seconds })
            }
            _ => {
                let help = super::nearest(name, &["alert", "redact", "throttle", "reauth", "block", "hold"]);
                self.error(
                    "P001",
                    Some(action.span()),
                    &format!("there is no action `{name}`"),
                    help.as_deref(),
                );
                None
            }
        }
    }

    fn mode(&mut self, mode: Option<&Text>) -> Option<Enforcement> {
        let Some(mode) = mode else {
            return Some(Enforcement::Monitor);
        };
        let percent = mode
            .get_ref()
            .strip_prefix("enforce:")
            .and_then(|percent| percent.strip_suffix('%'));
        let percent = percent
            .and_then(|percent| percent.parse::<u8>().ok())
            .filter(|percent| *percent <= 100);
        match (mode.get_ref().as_str(), percent) {
            ("off", _) => Some(Enforcement::Off),
            ("monitor", _) => Some(Enforcement::Monitor),
            ("enforce", _) => Some(Enforcement::Enforce),
            (_, Some(percent)) => Some(Enforcement::Percent(percent)),
            (other, None) => {
                let help = "one of: off, monitor, enforce:5%, enforce";
                self.error(
                    "P001",
                    Some(mode.span()),
                    &format!("there is no mode `{other}`"),
                    Some(help),
                );
                None
            }
        }
    }

    fn people(&mut self, written: &BudgetSyntax) -> Option<u32> {
        if written.people.is_none() {
            let help = "people = 100, with window = \"1d\"";
            self.error(
                "P004",
                Some(written.name.span()),
                "the budget limits nothing: `people` is missing",
                Some(help),
            );
        }
        written.people.as_ref().map(|people| *people.get_ref())
    }

    /// `per` is none where it is wrong: then a window that is missing may be right.
    fn window(&mut self, written: &BudgetSyntax, per: Option<Dimension>) -> Option<u32> {
        match (&written.window, per) {
            (None, None) => None,
            (None, Some(Dimension::Exchange)) => Some(0),
            (Some(window), Some(Dimension::Exchange)) => {
                self.error(
                    "P003",
                    Some(window.span()),
                    "an exchange has no window: it ends with its response",
                    None,
                );
                None
            }
            (None, Some(_)) => {
                self.error(
                    "P003",
                    Some(written.name.span()),
                    "the budget has no window",
                    Some("window = \"1d\""),
                );
                None
            }
            (Some(window), _) => {
                let seconds = units::seconds(window.get_ref());
                let seconds = seconds.filter(|seconds| (WINDOW_SECONDS_MIN..=WINDOW_SECONDS_MAX).contains(seconds));
                if seconds.is_none() {
                    let help = "from one minute to thirty days: 1m, 1h, 1d, 30d";
                    self.error("P003", Some(window.span()), "this is no window", Some(help));
                }
                seconds
            }
        }
    }

    /// The rules that keep a company safe from its own gateway.
    fn check(&mut self, budget: &Budget, written: &BudgetSyntax, exact_max: usize, has_fleet: bool) -> bool {
        let before = self.problems.len();
        if budget.refuses() && budget.per.is_shared() && !written.accept_outage {
            let message = format!(
                "`{}` on a key that many people share ({}) would refuse all of them",
                budget.action.name(),
                budget.per.name()
            );
            let help = "action = \"alert\", or accept_outage = true if that is meant";
            self.error("P005", Some(written.action.span()), &message, Some(help));
        }
        let is_estimated = written.estimated.as_ref().is_some_and(|estimated| *estimated.get_ref());
        let strict = written.strict.as_ref().filter(|strict| *strict.get_ref());
        let needs = match (strict, budget.action) {
            (None, _) => None,
            _ if budget.counted.is_some() => Some("a budget of people"),
            _ if is_estimated => Some("an exact limit, not one that is `estimated`"),
            _ if !has_fleet => Some("a store that gateways share: `url` of [fleet]"),
            _ if budget.per == Dimension::Exchange => Some("a key that gateways share: an exchange is on one of them"),
            (_, Action::Alert | Action::Throttle { .. }) => {
                Some("an action that refuses: redact, reauth, block or hold")
            }
            (_, Action::Redact | Action::Reauth | Action::Block | Action::Hold { .. }) => None,
        };
        if let Some((strict, needs)) = strict.zip(needs) {
            self.error("P019", Some(strict.span()), &format!("`strict` needs {needs}"), None);
        }
        if matches!(budget.action, Action::Hold { .. }) && budget.per == Dimension::Exchange {
            let message = "an exchange cannot be held: it ends with its response";
            let help = "per = \"session\", or action = \"block\"";
            self.error("P014", Some(written.action.span()), message, Some(help));
        }
        if let (Some((counted, _)), true) = (budget.counted, budget.refuses()) {
            self.check_sum(budget, counted, written);
        }
        if is_estimated && matches!(budget.action, Action::Throttle { .. }) {
            let message = "a throttle must know each person: it cannot be estimated";
            self.error(
                "P006",
                Some(written.action.span()),
                message,
                Some("action = \"block\", or a smaller limit"),
            );
        }
        if budget.refuses() && budget.people as usize > exact_max && !is_estimated {
            let span = written.people.as_ref().map(toml::Spanned::span);
            let message = format!("a refusing limit must be exact: at most {exact_max} people (`exact_elements_max`)");
            self.error(
                "P006",
                span,
                &message,
                Some("raise `exact_elements_max`, or `estimated = true`"),
            );
        }
        self.problems
            .get(before..)
            .unwrap_or_default()
            .iter()
            .all(|problem| problem.severity < Severity::Error)
    }

    /// What cannot be said person by person cannot be masked, paced or asked again.
    fn check_sum(&mut self, budget: &Budget, counted: Counted, written: &BudgetSyntax) {
        if budget.per == Dimension::Exchange {
            let message = format!("`{}` of one exchange: its limits are in [body]", counted.name());
            self.error("P018", Some(written.per.span()), &message, Some("per = \"session\""));
        }
        if !matches!(budget.action, Action::Block | Action::Hold { .. }) {
            let message = format!(
                "`{}` has nobody whom `{}` could spare",
                counted.name(),
                budget.action.name()
            );
            self.error(
                "P018",
                Some(written.action.span()),
                &message,
                Some("alert, block or hold"),
            );
        }
    }

    fn later(&mut self, span: std::ops::Range<usize>, what: &str) {
        self.error("P000", Some(span), &format!("{what} is not in this version"), None);
    }

    fn error(&mut self, code: &'static str, span: Option<std::ops::Range<usize>>, message: &str, help: Option<&str>) {
        self.problems.push(Problem {
            code,
            severity: Severity::Error,
            file: self.file.to_owned(),
            span,
            message: message.to_owned(),
            help: help.map(str::to_owned),
        });
    }
}
