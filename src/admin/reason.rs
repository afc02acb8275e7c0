//! The reason that a person gives for a change. It rests in the audit file as it is, so it may hold nobody's data.

use crate::engine::detect::{Context, RuleSet};

/// Bytes of a reason: it is part of a line.
const REASON_BYTES_MAX: usize = 500;

/// Whether a reason may be kept.
///
/// # Errors
/// What is wrong with it, to be said behind its name; none of it is repeated.
pub fn judge_reason(reason: &str, rules: &RuleSet) -> Result<(), String> {
    if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
        return Err(format!("has from 1 to {REASON_BYTES_MAX} bytes"));
    }
    let mut found = Vec::new();
    rules.scan(reason.as_bytes(), 0..reason.len(), Context::default(), &mut found);
    found.first().map_or(Ok(()), |finding| {
        let class = rules.class_name(finding.class);
        Err(format!(
            "goes into the audit file and must not identify anyone, as this {class} does"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_identifies_someone_is_told_from_one_that_does_not() {
        let rules = RuleSet::builtin();
        for good in [
            "SUP-812: recall of lot 7",
            "INC0012345, agreed with Kim on 2026-11-26 at 14:05",
            "CHG-20261126-001 for https://tickets.example/browse/OPS-4711",
            "감사팀 요청으로 해제 (티켓 4711)",
        ] {
            assert_eq!(judge_reason(good, &rules), Ok(()), "{good}");
        }
        for (bad, class) in [
            ("ann@mail.example asked for her data", "email"),
            ("call back +82 10-2345-6789", "phone"),
            ("고객 010-2345-6789 문의", "phone"),
            ("card 4111 1111 1111 1111", "card"),
        ] {
            let fault = judge_reason(bad, &rules).expect_err(bad);
            assert!(fault.contains(class) && !fault.contains(bad), "{bad}: {fault}");
        }
        for size in [" ".to_owned(), "x".repeat(501)] {
            assert!(judge_reason(&size, &rules).is_err());
        }
    }
}
