//! `tidegate public`: who a running gateway proposes as public, as lines of the list by which a person accepts.

use std::io::Write;

use serde_json::Value;

use super::args::ListArgs;
use super::gateway::{Gateway, run};
use super::listing::text;
use super::{Failed, listing};
use crate::engine::proposed::ACCOUNTS_MAX;

/// Prints proposals.
///
/// # Errors
/// A gateway that cannot be asked, or refuses.
pub(super) fn execute(args: &ListArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let gateway = Gateway::of(&args.gateway)?;
    let answer = run(gateway.get(&format!("/api/v1/public?limit={}", args.limit), "public"))?;
    Ok(listing::print(&answer, args.json, lines, out)?)
}

fn lines(answer: &Value) -> Vec<String> {
    let proposals = answer.get("public").and_then(Value::as_array);
    let proposals = proposals.map(Vec::as_slice).unwrap_or_default();
    if proposals.is_empty() {
        return vec!["nobody is proposed as public".to_owned()];
    }
    let mut lines = vec![
        format!(
            "# In the way of more than {ACCOUNTS_MAX} issued accounts each. Look at the pages; where nobody is behind the values,"
        ),
        "# put a day until when, and take the line over into the file of `rules.public_people`.".to_owned(),
    ];
    lines.extend(proposals.iter().map(|proposal| {
        let (subject, route) = (text(proposal, "subject"), text(proposal, "route"));
        format!("{subject} DAY shown to everybody on {route}")
    }));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::ledger::PublicPeople;

    #[test]
    fn a_proposal_is_a_line_of_the_list_once_it_has_a_day() {
        let answer = json!({ "public": [{ "subject": "00000000000000ff", "route": "shop.example/", "since": 7 }] });
        let list = lines(&answer).join("\n");
        assert!(
            PublicPeople::parse(list.as_bytes()).is_err(),
            "a person says until when"
        );
        assert!(
            PublicPeople::parse(list.replace("DAY", "2027-12-01").as_bytes()).is_ok(),
            "{list}"
        );
    }
}
