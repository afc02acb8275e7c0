//! Conditions that only the ledger can answer: whether an actor is new under the key of a budget, or an account was idle.

use smallvec::SmallVec;

use super::condition::{Condition, DAY_S, Standing};
use super::{Budget, Facts, Policy};
use crate::engine::ledger::{BudgetId, Dimension, KeyId, Ledger, Meeting};
use crate::engine::time::Now;

/// Stands for the memory itself among the values of a dimension; no value begins with a NUL.
const MEMORY: &[u8] = b"\0memory";
/// The same per `kid`, where what is remembered is who was known to the key's issuer.
const MEMORY_OF_ISSUERS: &[u8] = b"\0memory of issuers";

/// What one budget must know of an actor before it is known whether it binds.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    budget: BudgetId,
    /// The key that the budget counts under.
    key: KeyId,
    dimension: Dimension,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    New {
        actor: u64,
        /// Under which the age of all that is remembered stands.
        memory: KeyId,
    },
    /// It was not seen for so many seconds.
    Idle(u32),
}

impl Question {
    /// The budget.
    pub fn budget(&self) -> BudgetId {
        self.budget
    }

    /// What must be in memory before it is asked.
    pub fn keys(&self) -> impl Iterator<Item = KeyId> {
        let memory = match self.what {
            What::New { memory, .. } => Some(memory),
            What::Idle(_) => None,
        };
        std::iter::once(self.key).chain(memory).map(KeyId::of_actors)
    }

    /// Whether it is so; that the actor was there is remembered from now on.
    fn holds(&self, ledger: &Ledger, now: Now) -> bool {
        match self.what {
            // By a memory that is older than a day: else all were new on the first.
            What::New { actor, memory } => {
                let is_old = ledger.meet(memory, self.dimension, 0, now) == Meeting::Known;
                ledger.meet(self.key, self.dimension, actor, now) == Meeting::New && is_old
            }
            What::Idle(seconds) => ledger.is_idle(self.key, self.dimension, seconds, now),
        }
    }
}

impl Policy {
    /// What `ledger` says to `questions`: the budgets whose condition it answers with yes, for [`Facts::answered`].
    pub fn answer(questions: &[Question], ledger: &Ledger, now: Now) -> SmallVec<[BudgetId; 2]> {
        let yes = questions.iter().filter(|question| question.holds(ledger, now));
        yes.map(|question| question.budget).collect()
    }

    /// What must be asked of the ledger before there is a plan; nearly always nothing.
    pub fn questions(&self, facts: &Facts<'_>) -> SmallVec<[Question; 2]> {
        let Some(route) = self.routes.get(facts.route).filter(|route| !route.public) else {
            return SmallVec::new();
        };
        let budgets = self.budgets.iter();
        let asking = budgets.filter_map(|budget| Some((budget, budget.asks()?)));
        let questions = asking.filter_map(|(budget, condition)| {
            let facts = Facts {
                direction: budget.first_direction(facts.is_forward),
                ..*facts
            };
            let binds = budget.may_bind(&facts, &route.name);
            binds.then(|| self.question(budget, condition, &facts)).flatten()
        });
        questions.collect()
    }

    fn question(&self, budget: &Budget, condition: &Condition, facts: &Facts<'_>) -> Option<Question> {
        let mut facts = *facts;
        let what = match condition {
            // Whoever holds a stolen key may name an account, and does not use it.
            Condition::Idle(_) if facts.principal.is_none() || facts.standing == Standing::Unissued => return None,
            Condition::Idle(days) => What::Idle(days.saturating_mul(DAY_S)),
            Condition::New => {
                // Who is known under an issuer is known under each of its keys: the first day of a new one makes nobody new.
                facts.kid = facts.kid.and(facts.issuer);
                let memory = if budget.per.has(Dimension::Kid) {
                    MEMORY_OF_ISSUERS
                } else {
                    MEMORY
                };
                What::New {
                    actor: self.secret.hash64("tidegate actor 1", &[facts.actor()]),
                    memory: KeyId::new(
                        self.secret_of(facts.route),
                        budget.per,
                        memory,
                        budget.scopes.of(facts.direction),
                    ),
                }
            }
            Condition::Unissued
            | Condition::Watched
            | Condition::Group(_)
            | Condition::Route(_)
            | Condition::Towards { .. } => return None,
        };
        Some(Question {
            budget: budget.id,
            key: self.key(budget.per, &facts, budget.scopes.of(facts.direction))?,
            dimension: budget.per,
            what,
        })
    }
}

impl Budget {
    /// The condition that only the ledger knows of; there is at most one.
    pub(super) fn asks(&self) -> Option<&Condition> {
        let mut when = self.when.iter();
        when.find(|condition| matches!(condition, Condition::New | Condition::Idle(_)))
    }
}

impl<'a> Facts<'a> {
    /// Who asks, by what cannot be made up: a name that a stolen key signed may be anybody's.
    fn actor(&self) -> &'a [u8] {
        let principal = self.principal.filter(|_| self.standing != Standing::Unissued);
        principal
            .or_else(|| self.session.filter(|_| self.is_known))
            .unwrap_or(self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RoutePolicy, Written};
    use super::*;
    use crate::engine::ledger::Settings;
    use crate::engine::secret::HashKey;

    const START: Now = Now::from_millis(1_800_000_000_000);

    fn policy(text: &str) -> Policy {
        #[derive(serde::Deserialize)]
        struct File {
            budget: Vec<super::super::BudgetSyntax>,
        }
        let File { budget } = toml::from_str(text).unwrap();
        let routes = [RoutePolicy::default()];
        let written = Written {
            budgets: &budget,
            routes: &routes,
            exact_elements_max: 100_000,
            ..Written::default()
        };
        let mut problems = Vec::new();
        let policy = Policy::compile(&written, HashKey::new([1; 32]), START, &mut problems);
        policy.unwrap_or_else(|| panic!("{problems:?}"))
    }

    fn facts(principal: &[u8]) -> Facts<'_> {
        Facts {
            principal: Some(principal),
            session: Some(b"s"),
            group: Some("agent"),
            address: b"a",
            network: b"n",
            ..Facts::default()
        }
    }

    /// Whether the only budget binds whoever comes after so many hours.
    fn binds(policy: &Policy, ledger: &Ledger, facts: &Facts<'_>, hours: u64) -> bool {
        let now = START.after(hours * 3_600_000);
        let answered = Policy::answer(&policy.questions(facts), ledger, now);
        let facts = Facts {
            answered: &answered,
            ..*facts
        };
        !policy.plan(&facts, now).keys.is_empty()
    }

    const NEWCOMERS: &str = "[[budget]]\nname = \"newcomers\"\nper = \"network\"\nwhen = \"new\"\npeople = 5\nwindow = \"1d\"\n\
         action = \"block\"\nmode = \"enforce\"\n";

    #[test]
    fn who_is_new_under_a_shared_key_is_bound_and_nobody_else() {
        let (policy, ledger) = (policy(NEWCOMERS), Ledger::new(Settings::default()));
        assert!(!binds(&policy, &ledger, &facts(b"old"), 0), "the memory begins");
        assert!(!binds(&policy, &ledger, &facts(b"other"), 23), "it is not a day old");
        assert!(binds(&policy, &ledger, &facts(b"young"), 25));
        assert!(
            binds(&policy, &ledger, &facts(b"other"), 25),
            "first seen two hours ago"
        );
        assert!(!binds(&policy, &ledger, &facts(b"old"), 25));
        let elsewhere = Facts {
            network: b"m",
            ..facts(b"old")
        };
        assert!(binds(&policy, &ledger, &elsewhere, 25), "new under another network");
    }

    #[test]
    fn a_new_signing_key_makes_nobody_new_who_was_known_to_its_issuer() {
        let (policy, ledger) = (
            policy(&NEWCOMERS.replace("network", "kid")),
            Ledger::new(Settings::default()),
        );
        let signed = |principal, issuer, kid| Facts {
            issuer: Some(issuer),
            kid: Some(kid),
            ..facts(principal)
        };
        binds(&policy, &ledger, &signed(b"old", b"shop", b"shop\0k1"), 0);
        assert!(!binds(&policy, &ledger, &signed(b"old", b"shop", b"shop\0k2"), 25));
        assert!(binds(&policy, &ledger, &signed(b"young", b"shop", b"shop\0k2"), 25));
        assert!(
            binds(&policy, &ledger, &signed(b"old", b"partner", b"partner\0k2"), 25),
            "of another issuer"
        );
    }

    #[test]
    fn a_name_that_a_stolen_key_signed_is_not_the_one_who_was_there() {
        let (policy, ledger) = (policy(NEWCOMERS), Ledger::new(Settings::default()));
        binds(&policy, &ledger, &facts(b"old"), 0);
        let forged = Facts {
            standing: Standing::Unissued,
            address: b"b",
            ..facts(b"old")
        };
        assert!(binds(&policy, &ledger, &forged, 25));
        let fresh = |session| Facts {
            principal: None,
            session: Some(session),
            address: b"c",
            ..facts(b"")
        };
        binds(&policy, &ledger, &fresh(b"s1"), 25);
        assert!(
            !binds(&policy, &ledger, &fresh(b"s2"), 50),
            "who makes up cookies is an address"
        );
    }
}
