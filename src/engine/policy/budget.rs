//! A budget as meant, and the conversion from what was written.

use super::condition::Condition;
use super::direction::{Direction, Scopes};
use super::facts::Facts;
use super::syntax::{BudgetSyntax, Text};
use super::{Written, units};
use crate::engine::detect::{Category, RuleSet};
use crate::engine::ledger::{BudgetId, Counted, Dimension, Elements};
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
    /// Distinct people allowed, or values of its class.
    pub people: u32,
    /// The class whose values it counts in the place of people, and what they are to the ledger.
    pub class: Option<(String, Elements)>,
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
    /// The direction that it counts; none says responses, and of forward listeners both, each for itself.
    pub direction: Option<Direction>,
    /// For whom it counts: all of these hold.
    pub when: Vec<Condition>,
    /// What it counts in the place of people, and how much of it is allowed.
    pub counted: Option<(Counted, u64)>,
    /// Tenant, direction, condition and what is counted, as they are part of its keys: of each direction.
    pub(super) scopes: Scopes,
}

impl Budget {
    /// Reads what was written; problems go to `problems`.
    pub(super) fn read(written: &BudgetSyntax, around: &Written<'_>, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut reader = Reader {
            file: around.file,
            problems,
        };
        let per = reader.dimension(&written.per);
        let action = reader.action(written);
        let enforcement = reader.mode(written.mode.as_ref());
        let window = reader.window(written, per);
        let counted = reader.counted(written);
        let class = reader.class(written, around.rules);
        let people = match (counted, &written.values) {
            (Some(_), _) => Some(0),
            (None, Some(values)) => Some(*values.get_ref()),
            (None, None) if written.class.is_some() => None,
            (None, None) => reader.people(written),
        };
        let when = reader.conditions(written);
        let direction = reader.direction(written, counted);
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
            scopes: match (&class, counted) {
                (Some((name, _)), _) => Scopes::new(when.as_deref()?, &format!("values:{name}")),
                (None, Some((counted, _))) => Scopes::new(when.as_deref()?, counted.name()),
                (None, None) => Scopes::new(when.as_deref()?, "people"),
            },
            class,
            when: when?,
            direction: direction?,
            counted,
            strict: written.strict.as_ref().is_some_and(|strict| *strict.get_ref()),
        };
        reader.check(&budget, written, around).then_some(budget)
    }

    /// Whether it is counted for who asks on `route`.
    pub(super) fn binds(&self, facts: &Facts<'_>, route: &str) -> bool {
        self.meets(facts, route, true)
    }

    /// The same, as far as it can be told without asking the ledger.
    pub(super) fn may_bind(&self, facts: &Facts<'_>, route: &str) -> bool {
        self.meets(facts, route, false)
    }

    fn meets(&self, facts: &Facts<'_>, route: &str, asked: bool) -> bool {
        let of_group = |group| facts.trusted_group() == Some(group);
        let mut when = self.when.iter();
        self.enforcement != Enforcement::Off
            && self.counts(facts.direction, facts.is_forward)
            && self.group.as_deref().is_none_or(of_group)
            && when.all(|condition| condition.holds(self, facts, route, asked))
    }

    /// Whether it counts this direction, of a forward listener or another.
    pub(super) fn counts(&self, direction: Direction, is_forward: bool) -> bool {
        self.direction
            .map_or(is_forward || direction == Direction::Response, |own| own == direction)
    }

    /// The direction that it counts; responses where it counts both.
    pub(super) fn first_direction(&self, is_forward: bool) -> Direction {
        if self.counts(Direction::Response, is_forward) {
            Direction::Response
        } else {
            Direction::Request
        }
    }

    /// Whether it binds only those whose credentials were never issued.
    pub fn spares_the_crowd(&self) -> bool {
        self.when.contains(&Condition::Unissued) || self.per.has(Dimension::Anonymous)
    }

    /// Whether it binds only those who are new under its key: of a crowd, those who came last.
    pub fn binds_newcomers(&self) -> bool {
        self.when.contains(&Condition::New)
    }

    /// Whether it may refuse all who share a key, and its fuse counts them.
    pub fn refuses_crowd(&self) -> bool {
        self.refuses() && self.per.is_shared() && !self.spares_the_crowd()
    }

    /// What it counts, by name.
    pub fn unit(&self) -> &'static str {
        let elements = if self.class.is_some() { "values" } else { "people" };
        self.counted.map_or(elements, |(counted, _)| counted.name())
    }

    /// What the elements of its keys are.
    pub(super) fn elements(&self) -> Elements {
        self.class.as_ref().map_or(Elements::People, |(_, elements)| *elements)
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

pub(super) struct Reader<'a> {
    file: &'a str,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn dimension(&mut self, per: &Text) -> Option<Dimension> {
        let name = per.get_ref().as_str();
        let dimension = Dimension::parse(name);
        if dimension.is_none() {
            let names = Dimension::SINGLE.map(Dimension::name);
            let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
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
            let help = "unissued, new, idle:90d, group:NAME, route:MATCH, watched, category:NAME, !domain:NAME; several joined by ` + `";
            self.error("P016", Some(when.span()), message, Some(help));
            return None;
        };
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
        let elements = [written.people.is_some(), written.values.is_some()];
        if counted.len() + elements.into_iter().map(usize::from).sum::<usize>() > 1 {
            let message =
                "a budget counts one thing: `people`, `values`, `records`, `bytes`, `uninspected` or `not_found`";
            self.error(
                "P018",
                Some(written.name.span()),
                message,
                Some("write one budget for each"),
            );
        }
        counted.first().copied()
    }

    /// The class whose values are counted. Without the rules it is taken for granted.
    fn class(&mut self, written: &BudgetSyntax, rules: Option<&RuleSet>) -> Option<(String, Elements)> {
        let (class, span) = match (&written.class, &written.values) {
            (None, None) => return None,
            (Some(class), Some(_)) => (class.get_ref(), class.span()),
            (Some(class), None) => {
                let help = "values = 50: how many different ones";
                self.error(
                    "P020",
                    Some(class.span()),
                    "a budget of a class needs `values`",
                    Some(help),
                );
                return None;
            }
            (None, Some(values)) => {
                let help = "class = \"card\": the class that they are of";
                self.error(
                    "P020",
                    Some(values.span()),
                    "a budget of `values` needs a `class`",
                    Some(help),
                );
                return None;
            }
        };
        let Some(rules) = rules else {
            return Some((class.clone(), Elements::Values(u8::MAX)));
        };
        let is_counted = |category: Category| !matches!(category, Category::Name | Category::Credential);
        let classes: Vec<_> = rules.classes().filter(|(.., of)| is_counted(*of)).collect();
        let known = classes.iter().find(|(_, name, _)| name == class);
        if known.is_none() {
            let names: Vec<&str> = classes.iter().map(|(_, name, _)| *name).collect();
            let message = format!("there is no class `{class}` whose values can be counted");
            self.error("P020", Some(span), &message, super::nearest(class, &names).as_deref());
        }
        known.map(|(number, ..)| (class.clone(), Elements::Values(number.0)))
    }

    fn action(&mut self, written: &BudgetSyntax) -> Option<Action> {
        const ACTIONS: [&str; 6] = ["alert", "redact", "throttle", "reauth", "block", "hold"];
        let Some(action) = &written.action else {
            if !written.is_unissued() {
                let (message, help) = ("the budget has no action", ACTIONS.join(", "));
                self.error("P001", Some(written.name.span()), message, Some(&help));
            }
            return written.is_unissued().then_some(Action::Reauth);
        };
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
                let help = super::nearest(name, &ACTIONS);
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

    pub(super) fn error(
        &mut self,
        code: &'static str,
        span: Option<std::ops::Range<usize>>,
        message: &str,
        help: Option<&str>,
    ) {
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
