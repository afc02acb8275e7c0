//! Budgets that find nobody to bind, as the rest of the configuration is: each a warning.

use super::door::OpenDoor;
use super::syntax::ConfigSyntax;
use crate::engine::ledger::Dimension;
use crate::engine::policy::{Budget, Policy};
use crate::engine::problem::{Problem, Severity};
use crate::identity::Identity;

/// All such budgets, the first of each kind.
pub(super) fn idle(
    written: &ConfigSyntax,
    file: &str,
    policy: &Policy,
    (identity, doors): (&Identity, &[OpenDoor]),
) -> Vec<Problem> {
    let asks = doors.iter().any(|open| open.door.client_certificates);
    let has_ja4 = doors.iter().any(|open| open.door.tls || open.door.ja4_header.is_some());
    let kinds: [(bool, fn(&Budget) -> bool, _, _, _); 3] = [
        (
            identity.sees_logins() || identity.introspection().is_some(),
            Budget::spares_the_crowd,
            "P021",
            "binds nobody: where no login is seen nobody can say what was issued",
            "logs_in_at = [\"POST /login\"] of [identity]",
        ),
        (
            has_ja4,
            |budget| budget.per.has(Dimension::Ja4),
            "P022",
            "has no fingerprints to count by: no listener ends TLS, and none is told them",
            "`tls` of a listener, or `ja4_header`",
        ),
        (
            asks,
            |budget| budget.per.has(Dimension::Certificate),
            "P022",
            "has no certificates to count by: no listener asks its clients for one",
            "client_certificates = { ca = \"clients.pem\" } of a listener",
        ),
    ];
    let mut problems = Vec::new();
    for (_, is_meant, code, message, help) in kinds.into_iter().filter(|(is_met, ..)| !is_met) {
        let meant = policy.budgets().iter().filter(|budget| is_meant(budget));
        let names: Vec<&str> = meant.map(|budget| budget.name.as_str()).collect();
        let found = written
            .budget
            .iter()
            .find(|budget| names.contains(&budget.name.get_ref().as_str()));
        problems.extend(found.map(|budget| Problem {
            code,
            severity: Severity::Warning,
            file: file.to_owned(),
            span: Some(budget.name.span()),
            message: format!("`{}` {message}", budget.name.get_ref()),
            help: Some(help.to_owned()),
        }));
    }
    problems
}
