//! What a budget may not be, though each word of it is right.

use super::Written;
use super::budget::{Action, Budget, Reader};
use super::condition::Condition;
use super::direction::Direction;
use super::syntax::BudgetSyntax;
use crate::engine::ledger::{Counted, Dimension};
use crate::engine::problem::Severity;

impl Reader<'_> {
    /// The direction, where one is named and there is such a one. Only responses say that there is nothing.
    #[expect(clippy::option_option, reason = "what is not said is as right as what is")]
    pub(super) fn direction(
        &mut self,
        written: &BudgetSyntax,
        counted: Option<(Counted, u64)>,
    ) -> Option<Option<Direction>> {
        let is_of_answers = matches!(counted, Some((Counted::NotFound, _)));
        let Some(text) = &written.direction else {
            return Some(is_of_answers.then_some(Direction::Response));
        };
        let direction = Direction::parse(text.get_ref());
        let help = Some("direction = \"requests\", or \"responses\"");
        if direction.is_none() {
            let message = format!("there is no direction `{}`", text.get_ref());
            self.error("P001", Some(text.span()), &message, help);
        } else if is_of_answers && direction == Some(Direction::Request) {
            self.error("P018", Some(text.span()), "no request says that there is nothing", help);
            return None;
        }
        direction.map(Some)
    }

    /// The rules that keep a company safe from its own gateway.
    pub(super) fn check(&mut self, budget: &Budget, written: &BudgetSyntax, around: &Written<'_>) -> bool {
        let exact_max = around.exact_elements_max;
        let before = self.problems.len();
        if budget.refuses_crowd() && !budget.binds_newcomers() && !written.accept_outage {
            let message = format!(
                "`{}` on a key that many people share ({}) would refuse all of them",
                budget.action.name(),
                budget.per.name()
            );
            let help = "when = \"unissued\" or \"new\", action = \"alert\", or accept_outage = true if that is meant";
            self.error("P005", Some(written.action_span()), &message, Some(help));
        }
        let is_estimated = written.estimated.as_ref().is_some_and(|estimated| *estimated.get_ref());
        let strict = written.strict.as_ref().filter(|strict| *strict.get_ref());
        let needs = match (strict, budget.action) {
            (None, _) => None,
            _ if budget.counted.is_some() || budget.class.is_some() => Some("a budget of people"),
            _ if is_estimated => Some("an exact limit, not one that is `estimated`"),
            _ if !around.has_fleet => Some("a store that gateways share: `url` of [fleet]"),
            _ if budget.per == Dimension::Exchange => Some("a key that gateways share: an exchange is on one of them"),
            (_, Action::Alert | Action::Throttle { .. }) => {
                Some("an action that refuses: redact, reauth, block or hold")
            }
            (_, Action::Redact | Action::Reauth | Action::Block | Action::Hold { .. }) => None,
        };
        if let Some((strict, needs)) = strict.zip(needs) {
            self.error("P019", Some(strict.span()), &format!("`strict` needs {needs}"), None);
        }
        self.check_condition(budget, written);
        self.check_categories(budget, written, around);
        if matches!(budget.action, Action::Hold { .. }) && budget.per == Dimension::Exchange {
            let message = "an exchange cannot be held: it ends with its response";
            let help = "per = \"session\", or action = \"block\"";
            self.error("P014", Some(written.action_span()), message, Some(help));
        }
        if let (Some((counted, _)), true) = (budget.counted, budget.refuses()) {
            self.check_sum(budget, counted, written);
        }
        if is_estimated && matches!(budget.action, Action::Throttle { .. }) {
            let message = "a throttle must know each person: it cannot be estimated";
            self.error(
                "P006",
                Some(written.action_span()),
                message,
                Some("action = \"block\", or a smaller limit"),
            );
        }
        if budget.refuses() && budget.people as usize > exact_max && !is_estimated {
            let span = written.people.as_ref().or(written.values.as_ref());
            let span = span.map(toml::Spanned::span);
            let unit = budget.unit();
            let message = format!("a refusing limit must be exact: at most {exact_max} {unit} (`exact_elements_max`)");
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

    /// A category that no list names would bind nobody.
    fn check_categories(&mut self, budget: &Budget, written: &BudgetSyntax, around: &Written<'_>) {
        let Some((known, when)) = around.destinations.zip(written.when.as_ref()) else {
            return;
        };
        for (dimension, name) in budget.when.iter().filter_map(Condition::listed) {
            if dimension == Dimension::Workspace && !known.has_workspace(name) {
                let message = format!("no list has a service with a workspace `{name}`");
                let help = "workspace:github.com/acme: the host of its line, and a name";
                self.error("P023", Some(when.span()), &message, Some(help));
            }
            if dimension == Dimension::Category && !known.has_category(name) {
                let names: Vec<&str> = known.categories().collect();
                let message = format!("no list has a category `{name}`");
                let help = super::nearest(name, &names);
                self.error("P023", Some(when.span()), &message, help.as_deref());
            }
        }
    }

    /// What only the ledger knows needs a key of which it remembers something.
    fn check_condition(&mut self, budget: &Budget, written: &BudgetSyntax) {
        let Some((when, condition)) = written.when.as_ref().zip(budget.asks()) else {
            return;
        };
        let asking = budget.when.iter();
        let asking = asking.filter(|condition| matches!(condition, Condition::New | Condition::Idle(_)));
        let (message, help) = match condition {
            _ if asking.count() > 1 => ("nobody is new and idle, or idle twice", "write one budget for each"),
            Condition::New if budget.per == Dimension::Exchange => {
                let message = "everybody is new under an exchange: it ends with its response";
                (message, "per = \"network\"")
            }
            Condition::Idle(_) if budget.per != Dimension::Principal => {
                let message = "only an account is idle, which somebody owns";
                (message, "per = \"principal\"")
            }
            Condition::New
            | Condition::Idle(_)
            | Condition::Unissued
            | Condition::Watched
            | Condition::Group(_)
            | Condition::Route(_)
            | Condition::Towards { .. } => return,
        };
        self.error("P016", Some(when.span()), message, Some(help));
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
                Some(written.action_span()),
                &message,
                Some("alert, block or hold"),
            );
        }
    }
}
