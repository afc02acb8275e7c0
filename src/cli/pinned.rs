//! `tidegate pinned`: hosts whose clients refuse the organisation's certificates, as exceptions that a person completes.

use std::io::Write;

use serde_json::Value;

use super::args::ListArgs;
use super::gateway::{Gateway, run};
use super::listing::{number, text};
use super::{Failed, listing};

/// Prints hosts.
///
/// # Errors
/// A gateway that cannot be asked, or refuses.
pub(super) fn execute(args: &ListArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let gateway = Gateway::of(&args.gateway)?;
    let answer = run(gateway.get(&format!("/api/v1/pinned?limit={}", args.limit), "pinned"))?;
    Ok(listing::print(&answer, args.json, lines, out)?)
}

fn lines(answer: &Value) -> Vec<String> {
    let hosts = answer.get("pinned").and_then(Value::as_array);
    let hosts = hosts.map(Vec::as_slice).unwrap_or_default();
    if hosts.is_empty() {
        return vec!["no client refused a certificate".to_owned()];
    }
    hosts.iter().flat_map(exception).collect()
}

/// An exception that lacks who answers for it and until when. Nothing passes for being listed.
fn exception(host: &Value) -> Vec<String> {
    let (refusals, clients, trusting) = (
        number(host, "refusals"),
        number(host, "clients"),
        number(host, "trusting"),
    );
    let why = if trusting > 0 {
        format!("{trusting} of {clients} clients believe the authority elsewhere: they pin")
    } else {
        format!("none of {clients} clients was seen to believe the authority: install it there first")
    };
    vec![
        format!("# {refusals} refusals; {why}"),
        "[[listen.NAME.forward.exception]]".to_owned(),
        "name    = \"\"".to_owned(),
        format!("hosts   = [\"{}\"]", text(host, "host")),
        "owner   = \"\"".to_owned(),
        "reason  = \"pins its certificates\"".to_owned(),
        "expires = \"\"".to_owned(),
        String::new(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_host_is_an_exception_that_a_person_completes() {
        let host = |trusting: u32| json!({ "host": "a.example", "refusals": 7, "clients": 3, "trusting": trusting });
        let said = lines(&json!({ "pinned": [host(2), host(0)] })).join("\n");
        assert!(said.contains("# 7 refusals; 2 of 3 clients believe the authority elsewhere: they pin\n"));
        assert!(
            said.contains("# 7 refusals; none of 3 clients was seen to believe"),
            "{said}"
        );
        assert!(said.contains("hosts   = [\"a.example\"]\nowner   = \"\""), "{said}");
        assert_eq!(lines(&json!({ "pinned": [] })), ["no client refused a certificate"]);
    }
}
