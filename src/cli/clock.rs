//! `tidegate clock`: how the time of a running gateway stands to the system's clock, and that a jump of it is right.

use std::io::Write;

use serde_json::{Value, json};

use super::Failed;
use super::args::{ClockAction, ClockArgs};
use super::gateway::{Gateway, run};
use super::listing::{moment, number, text};

/// Says how the time stands, after accepting the system's clock if that is asked.
///
/// # Errors
/// A gateway that cannot be asked, or refuses: one whose clock waits for nothing does.
pub(super) fn execute(args: &ClockArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let gateway = Gateway::of(&args.gateway)?;
    let view = run(async {
        match args.action {
            None => gateway.get("/api/v1/clock", "standing").await,
            Some(ClockAction::Accept) => {
                let body = json!({ "reason": args.reason.as_deref().unwrap_or_default() });
                gateway.post("/api/v1/clock/accept", &body, "standing").await
            }
        }
    })?;
    for line in lines(&view) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// How the time stands, in words.
pub(super) fn lines(view: &Value) -> Vec<String> {
    let offset_ms = view.get("offset_ms").and_then(Value::as_i64).unwrap_or(0);
    let apart = offset_ms.unsigned_abs();
    let side = if offset_ms < 0 { "behind" } else { "ahead of" };
    let system = format!("the system's clock is {}.{:03} s {side} it", apart / 1000, apart % 1000);
    let standing = match text(view, "standing").as_str() {
        "slewing" => format!("{system}; it follows by a tenth of a second each second"),
        "waiting" => format!("{system}; it waits for `tidegate clock accept`"),
        _ => system,
    };
    let mut lines = vec![
        format!("the gateway's time is {}", moment(number(view, "now"))),
        standing,
    ];
    match number(view, "set_back_s") {
        0 => {}
        seconds => lines.push(format!(
            "the clock was set back: at the start the ledger on disk was {seconds} s ahead of it"
        )),
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_told_in_words() {
        for (standing, offset_ms, set_back_s, told) in [
            ("level", 3, 0, "the system's clock is 0.003 s ahead of it"),
            ("slewing", -61_500, 0, "61.500 s behind it; it follows by a tenth"),
            (
                "waiting",
                7_200_000,
                60,
                "7200.000 s ahead of it; it waits for `tidegate clock accept`",
            ),
        ] {
            let view = json!({ "now": 60, "offset_ms": offset_ms, "standing": standing, "set_back_s": set_back_s });
            let lines = lines(&view);
            assert_eq!(lines[0], "the gateway's time is 1970-01-01T00:01:00Z");
            assert!(lines[1].contains(told), "{}", lines[1]);
            assert_eq!(lines.len(), 2 + usize::from(set_back_s > 0));
        }
    }
}
