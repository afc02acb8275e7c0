//! The rules that are compiled in: they load, and their examples hold.

use tidegate::engine::detect::{RuleSet, builtin_sources};

#[test]
fn the_rules_that_are_compiled_in_load_without_a_warning() {
    match RuleSet::load(&builtin_sources()) {
        Ok((_, warnings)) => assert!(warnings.is_empty(), "{warnings:#?}"),
        Err(problems) => panic!("{problems:#?}"),
    }
}
