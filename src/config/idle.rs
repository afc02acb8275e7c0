//! Budgets that find nobody to bind, as the rest of the configuration is: each a warning.

use super::door::OpenDoor;
use super::syntax::ConfigSyntax;
use crate::engine::ledger::Dimension;
use crate::engine::policy::{Budget, Policy};
use crate::engine::problem::{Problem, Severity};
use crate::identity::Identity;

/// What some budgets need of the rest.
struct Kind {
    is_met: bool,
    /// Whether a budget needs it.
    is_meant: fn(&Budget) -> bool,
    code: &'static str,
    message: &'static str,
    help: &'static str,
}

/// All such budgets, the first of each kind.
pub(super) fn idle(
    written: &ConfigSyntax,
    file: &str,
    policy: &Policy,
    (identity, doors): (&Identity, &[OpenDoor]),
) -> Vec<Problem> {
    let asks = doors.iter().any(|open| open.door.client_certificates);
    let has_ja4 = doors.iter().any(|open| open.door.tls || open.door.ja4_header.is_some());
    let goes_out = doors.iter().any(|open| open.door.is_forward || open.door.is_icap);
    let kinds = [
        Kind {
            is_met: identity.sees_logins() || identity.introspection().is_some(),
            is_meant: Budget::spares_the_crowd,
            code: "P021",
            message: "binds nobody: where no login is seen nobody can say what was issued",
            help: "logs_in_at = [\"POST /login\"] of [identity]",
        },
        Kind {
            is_met: has_ja4,
            is_meant: |budget| budget.per.has(Dimension::Ja4),
            code: "P022",
            message: "has no fingerprints to count by: no listener ends TLS, and none is told them",
            help: "`tls` of a listener, or `ja4_header`",
        },
        Kind {
            is_met: asks,
            is_meant: |budget| budget.per.has(Dimension::Certificate),
            code: "P022",
            message: "has no certificates to count by: no listener asks its clients for one",
            help: "client_certificates = { ca = \"clients.pem\" } of a listener",
        },
        Kind {
            is_met: goes_out,
            is_meant: Budget::is_about_destinations,
            code: "P022",
            message: "has no destinations to count by: no client goes out",
            help: "`forward` or `icap` of a listener",
        },
    ];
    let mut problems = Vec::new();
    let processor = written.processor.first().filter(|_| !goes_out);
    problems.extend(processor.map(|processor| Problem {
        code: "P022",
        severity: Severity::Warning,
        file: file.to_owned(),
        span: Some(processor.name.span()),
        message: format!("`{}` is sent nothing: no client goes out", processor.name.get_ref()),
        help: Some("`forward` or `icap` of a listener".to_owned()),
    }));
    for kind in kinds.iter().filter(|kind| !kind.is_met) {
        let meant = policy.budgets().iter().filter(|budget| (kind.is_meant)(budget));
        let names: Vec<&str> = meant.map(|budget| budget.name.as_str()).collect();
        let found = written
            .budget
            .iter()
            .find(|budget| names.contains(&budget.name.get_ref().as_str()));
        problems.extend(found.map(|budget| Problem {
            code: kind.code,
            severity: Severity::Warning,
            file: file.to_owned(),
            span: Some(budget.name.span()),
            message: format!("`{}` {}", budget.name.get_ref(), kind.message),
            help: Some(kind.help.to_owned()),
        }));
    }
    problems
}
