//! `tidegate top`: what a running gateway does now, redrawn each second; printed once where there is no terminal.

mod reading;
mod terminal;

use std::io::Write;
use std::time::Duration;

use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::args::GatewayArgs;
use super::gateway::{Gateway, run};
use super::listing::{moment, number, text};
use super::{Failed, clock, listing};
use reading::Reading;
use terminal::Terminal;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A gateway with millions of keys takes its time to list them: then it is left alone for so many times as long.
const IDLE_FACTOR: u32 = 9;
/// Keys and holds that are asked for: more than a screen shows.
const ROWS_MAX: usize = 50;
/// Rows of keys, and of holds, that are printed where there is no screen.
const ROWS_PRINTED: usize = 10;

/// Shows what the gateway does, until `q` or a signal; once without a terminal.
///
/// # Errors
/// A gateway that cannot be asked at the start, or refuses.
pub(super) fn execute(args: &GatewayArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let gateway = Gateway::of(args)?;
    run(async {
        let first = Look::take(&gateway).await?;
        match Terminal::open()? {
            Some(terminal) => live(&gateway, first, terminal, out).await,
            None => once(&gateway, &first, out).await,
        }
    })
}

/// Rates need two looks.
async fn once(gateway: &Gateway, first: &Look, out: &mut dyn Write) -> Result<(), Failed> {
    tokio::time::sleep(LOOK_EVERY).await;
    let second = Look::take(gateway).await?;
    for line in second.lines(gateway, Some(first), 2 * ROWS_PRINTED) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

async fn live(gateway: &Gateway, first: Look, mut terminal: Terminal, out: &mut dyn Write) -> Result<(), Failed> {
    let mut ends = Ends {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    let (mut shown, mut before, mut fault) = (first, None, None);
    let mut next = Instant::now() + LOOK_EVERY;
    loop {
        let mut lines = shown.lines(
            gateway,
            before.as_ref(),
            usize::from(Terminal::rows()).saturating_sub(9),
        );
        lines.extend(
            fault
                .take()
                .map(|fault: Failed| format!("no answer: {}", fault.message)),
        );
        lines.push("q ends".to_owned());
        Terminal::draw(&lines, out)?;
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = ends.any() => return Ok(()),
            Some(key) = terminal.key() => if key == b'q' { return Ok(()) } else { continue },
        }
        let began = Instant::now();
        let looked = tokio::select! {
            looked = Look::take(gateway) => looked,
            () = ends.any() => return Ok(()),
        };
        next = Instant::now() + LOOK_EVERY.max(began.elapsed() * IDLE_FACTOR);
        match looked {
            Ok(look) => before = Some(std::mem::replace(&mut shown, look)),
            // It may be starting anew: what was seen last stays on the screen.
            Err(failed) => fault = Some(failed),
        }
    }
}

/// What ends it besides a key.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
}

impl Ends {
    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// All that is shown, of one moment.
struct Look {
    at: Instant,
    reading: Reading,
    ready: Value,
    clock: Value,
    keys: Value,
    holds: Value,
}

impl Look {
    async fn take(gateway: &Gateway) -> Result<Self, Failed> {
        Ok(Self {
            at: Instant::now(),
            reading: Reading::of(&gateway.text("/metrics").await?),
            ready: gateway.ready().await?,
            clock: gateway.get("/api/v1/clock", "standing").await?,
            keys: gateway.get(&format!("/api/v1/keys?limit={ROWS_MAX}"), "keys").await?,
            holds: gateway.get(&format!("/api/v1/holds?limit={ROWS_MAX}"), "holds").await?,
        })
    }

    /// What is shown of it, with at most so many rows of keys and holds.
    fn lines(&self, gateway: &Gateway, before: Option<&Self>, rows_max: usize) -> Vec<String> {
        let mut lines = vec![format!(
            "tidegate at {}, {}: {}",
            gateway.address(),
            moment(number(&self.clock, "now")),
            readiness(&self.ready)
        )];
        let notes = self.ready.get("notes").and_then(Value::as_array);
        let notes = notes.into_iter().flatten().filter_map(Value::as_str);
        lines.extend(notes.map(|note| format!("note: {}", super::gateway::plain(note))));
        if text(&self.clock, "standing") != "level" {
            lines.extend(clock::lines(&self.clock).into_iter().skip(1));
        }
        let passed = before.map(|before| (&before.reading, self.at.duration_since(before.at)));
        lines.extend(self.reading.lines(passed));
        // Holds are few and matter most: they have up to half of the rows.
        let mut holds = listing::holds(&self.holds);
        holds.truncate((rows_max / 2).max(2));
        let mut keys = listing::keys(&self.keys);
        keys.truncate(rows_max.saturating_sub(holds.len()).max(2));
        lines.push(String::new());
        lines.extend(keys);
        lines.push(String::new());
        lines.extend(holds);
        lines
    }
}

fn readiness(ready: &Value) -> String {
    let blockers = ready.get("blockers").and_then(Value::as_array);
    let blockers: Vec<&str> = blockers.into_iter().flatten().filter_map(Value::as_str).collect();
    if blockers.is_empty() {
        "ready".to_owned()
    } else {
        format!("not ready: {}", super::gateway::plain(&blockers.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_is_not_ready_says_why() {
        assert_eq!(readiness(&json!({ "ready": true, "blockers": [] })), "ready");
        assert_eq!(readiness(&json!({ "blockers": ["draining"] })), "not ready: draining");
    }
}
