//! `tidegate baselines`: the limits that a running gateway proposes, with what is usual. A person takes them over.

use std::io::Write;

use serde_json::Value;

use super::args::BaselinesArgs;
use super::gateway::{Gateway, run};
use super::listing::{number, text};
use super::{Failed, listing};

/// Prints proposals.
///
/// # Errors
/// A gateway that cannot be asked, or refuses.
pub(super) fn execute(args: &BaselinesArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let gateway = Gateway::of(&args.gateway)?;
    let answer = run(gateway.get("/api/v1/baselines", "baselines"))?;
    Ok(listing::print(&answer, args.json, lines, out)?)
}

/// As a configuration has them, in comments what they rest on.
fn lines(answer: &Value) -> Vec<String> {
    let each = |value: &Value, list: &str| value.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
    let proposals = each(answer, "baselines");
    if proposals.is_empty() {
        return vec!["# nothing is usual yet: a group needs `baseline = true`, five accounts and a week".to_owned()];
    }
    let mut lines = vec!["# Proposed, and not in force: take over what is right.".to_owned()];
    for proposal in proposals {
        let group = text(&proposal, "group");
        lines.push(String::new());
        lines.push(format!(
            "# {} people of a day at the busiest hour of the week, half of the {} accounts within {} of that.",
            number(&proposal, "median"),
            number(&proposal, "accounts"),
            number(&proposal, "deviation"),
        ));
        lines.push(format!("[identity.group.{group}]"));
        lines.push(format!("people_per_day = {}", number(&proposal, "people_per_day")));
        lines.extend(each(&proposal, "exceptions").iter().map(|exception| {
            format!(
                "# The account of key {} is usually shown more: an exception from `group-{group}` for {} people.",
                text(exception, "key"),
                number(exception, "people_per_day"),
            )
        }));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn proposals_are_a_configuration_with_what_they_rest_on() {
        let answer = json!({ "baselines": [{
            "group": "agent", "accounts": 38, "median": 41, "deviation": 3, "people_per_day": 100,
            "exceptions": [{ "key": "0a", "people_per_day": 2_000 }],
        }]});
        let text = lines(&answer).join("\n");
        let table: toml::Table = text.parse().expect("it is TOML");
        let agent = &table["identity"]["group"]["agent"];
        assert_eq!(agent["people_per_day"].as_integer(), Some(100));
        assert!(
            text.contains("41 people") && text.contains("38 accounts within 3"),
            "{text}"
        );
        assert!(text.contains("key 0a") && text.contains("2000 people"), "{text}");
        assert_eq!(lines(&json!({ "baselines": [] })).len(), 1);
    }
}
