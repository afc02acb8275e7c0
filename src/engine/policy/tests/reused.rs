//! Plans in the room of others.

use super::*;
use crate::engine::detect::ClassSet;
use crate::engine::ledger::Allowed;

#[test]
fn a_plan_that_is_used_again_is_as_a_new_one() {
    let policy = policy(&budget("day", "per = \"session\"\npeople = 9")).unwrap();
    let (now, facts) = (Now::from_millis(0), facts());
    let new = policy.plan(&facts, now);
    let mut used = Plan {
        allowance: new.keys.first().cloned(),
        allowed: Allowed {
            classes: Some(ClassSet(1)),
            fields: None,
        },
        redacts: true,
        ..new.clone()
    };
    policy.plan_into(&mut used, &facts, now);
    assert_eq!(format!("{used:?}"), format!("{new:?}"));
}
