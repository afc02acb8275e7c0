//! A budget as meant, and the conversion from what was written.

use super::syntax::{BudgetSyntax, Text};
use super::units;
use crate::engine::ledger::{BudgetId, Dimension};
use crate::engine::problem::{Problem, Severity};

/// One minute.
const WINDOW_SECONDS_MIN: u32 = 60;
/// Thirty days.
const WINDOW_SECONDS_MAX: u32 = 30 * 86_400;

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
}

impl Budget {
    /// Reads what was written; problems go to `problems`.
    pub(super) fn read(
        written: &BudgetSyntax,
        file: &str,
        exact_max: usize,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let mut reader = Reader { file, problems };
        reader.refuse_later_things(written);
        let per = reader.dimension(&written.per);
        let action = reader.action(written);
        let enforcement = reader.mode(written.mode.as_ref());
        let window = reader.window(written, per);
        let people = reader.people(written);
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
        };
        reader.check(&budget, written, exact_max).then_some(budget)
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
        let texts = [
            ("when", &written.when),
            ("direction", &written.direction),
            ("uninspected", &written.uninspected),
            ("bytes", &written.bytes),
            ("class", &written.class),
        ];
        let spans = texts
            .iter()
            .filter_map(|(name, text)| Some((*name, text.as_ref()?.span())));
        let flags = [
            ("records", written.records.as_ref().map(toml::Spanned::span)),
            ("strict", written.strict.as_ref().map(toml::Spanned::span)),
            ("estimated", written.estimated.as_ref().map(toml::Spanned::span)),
        ];
        let flags = flags.into_iter().filter_map(|(name, span)| Some((name, span?)));
        for (name, span) in spans.chain(flags).collect::<Vec<_>>() {
            self.later(span, &format!("`{name}` of a budget"));
        }
    }

    fn dimension(&mut self, per: &Text) -> Option<Dimension> {
        let known = [
            Dimension::Exchange,
            Dimension::Session,
            Dimension::Principal,
            Dimension::Address,
            Dimension::Network,
            Dimension::Route,
            Dimension::Global,
        ];
        let later = [
            "kid",
            "issuer",
            "certificate",
            "ja4",
            "anonymous",
            "service",
            "destination",
        ];
        let name = per.get_ref().as_str();
        if let Some(dimension) = known.into_iter().find(|dimension| dimension.name() == name) {
            return Some(dimension);
        }
        if later.contains(&name) || name.contains('+') {
            self.later(per.span(), &format!("counting per `{name}`"));
        } else {
            let names = known.map(Dimension::name);
            let help = super::nearest(name, &names);
            self.error(
                "P001",
                Some(per.span()),
                &format!("there is no dimension `{name}`"),
                help.as_deref(),
            );
        }
        None
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
    fn check(&mut self, budget: &Budget, written: &BudgetSyntax, exact_max: usize) -> bool {
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
        if matches!(budget.action, Action::Hold { .. }) && budget.per == Dimension::Exchange {
            let message = "an exchange cannot be held: it ends with its response";
            let help = "per = \"session\", or action = \"block\"";
            self.error("P014", Some(written.action.span()), message, Some(help));
        }
        if budget.refuses() && budget.people as usize > exact_max {
            let span = written.people.as_ref().map(toml::Spanned::span);
            let message = format!("a refusing limit must be exact: at most {exact_max} people (`exact_elements_max`)");
            self.error(
                "P006",
                span,
                &message,
                Some("raise `exact_elements_max`, or use action = \"alert\""),
            );
        }
        self.problems
            .get(before..)
            .unwrap_or_default()
            .iter()
            .all(|problem| problem.severity < Severity::Error)
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
