//! What a person writes is loaded or refused with problems that point into it; what loads can be used.

use tidegate::config;
use tidegate::engine::detect::{Context, Layer, RuleSet, RuleSource};
use tidegate::engine::policy::{Policy, Written};
use tidegate::engine::problem::Problem;
use tidegate::engine::secret::HashKey;
use tidegate::engine::time::Now;

/// The input is one rule file; a set that loads is run over its own file.
pub(crate) fn rule_syntax(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let source = RuleSource {
        name: "rules.d/x.toml".to_owned(),
        text: text.to_owned(),
        layer: Layer::Overlay,
    };
    match RuleSet::load(&[source]) {
        Ok((set, warnings)) => {
            points_into(text, &warnings);
            let mut found = Vec::new();
            set.scan(data, 0..data.len(), Context::default(), &mut found);
            for finding in found {
                let span = finding.span;
                assert!(
                    span.start < span.end && span.end <= data.len() as u64,
                    "{span:?} is within the text"
                );
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "a refusal has a reason");
            points_into(text, &problems);
        }
    }
}

/// The input is a configuration; files that it names are left alone, budgets and exceptions are compiled.
pub(crate) fn config_syntax(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let written = match config::read("tidegate.toml", text) {
        Ok(written) => written,
        Err(problems) => {
            assert!(!problems.is_empty(), "a refusal has a reason");
            return points_into(text, &problems);
        }
    };
    let variable = ("LEDGER__ZZ".to_owned(), "9".to_owned());
    if let Ok(overlaid) = config::overlay("tidegate.toml", text, &[variable]) {
        assert!(
            config::read("tidegate.toml", &overlaid).is_err(),
            "no setting is called so"
        );
    }
    let policy = Written {
        file: "tidegate.toml",
        budgets: &written.budget,
        exceptions: &written.exception,
        routes: &[],
        groups: &[],
        group_names: &[],
        issuer_names: &[],
        exact_elements_max: written.ledger.exact_elements_max,
        has_fleet: false,
        processors: &written.processor,
        destinations: None,
        rules: None,
    };
    let mut problems = Vec::new();
    let compiled = Policy::compile(
        &policy,
        HashKey::new([7; 32]),
        Now::from_millis(1_800_000_000_000),
        &mut problems,
    );
    assert!(compiled.is_some() || !problems.is_empty(), "a refusal has a reason");
    points_into(text, &problems);
}

pub(super) fn points_into(text: &str, problems: &[Problem]) {
    for problem in problems {
        let span = problem.span.clone().unwrap_or_default();
        assert!(text.get(span).is_some(), "{} points into the file", problem.code);
        assert!(
            !problem.message.is_empty() && !problem.message.ends_with('.'),
            "{} is a sentence",
            problem.code
        );
    }
}
