//! What the demo says: progress while it runs, then the table that a manager can read, and whether the table is true.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Who asked.
    pub who: String,
    /// Sessions of this line.
    pub sessions: u32,
    /// Different people asked for, added up over the sessions.
    pub asked: u32,
    /// People released to them, by the gateway's own count.
    pub released: u32,
    /// People received, as the clients counted them.
    pub received: u32,
    /// People received when the first refusal came; none if nothing was refused.
    pub stopped_at: Option<u32>,
    /// The budget that refused, by the gateway's own account.
    pub budget: Option<Budget>,
    /// For the honest, the sessions that were refused anything or were sent other bytes than the shop wrote; none for a
    /// thief.
    pub honest_hit: Option<u32>,
}

/// A budget as the gateway names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// Its limit, in people.
    pub people_max: u32,
}

/// How long pages took, through the gateway and directly, measured in pairs.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    /// Through the gateway.
    pub gateway: Vec<Duration>,
    /// Directly from the shop.
    pub direct: Vec<Duration>,
}

/// Whether the table is true and the gateway did its work.
///
/// # Errors
/// One sentence for each thing that is not so: the gateway's count is not the clients', an honest session was hit, a thief
/// was not stopped, or got more than the limit.
pub fn verdict(rows: &[Row]) -> Result<(), Vec<String>> {
    let faults = rows.iter().flat_map(faults).collect::<Vec<_>>();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn faults(row: &Row) -> Vec<String> {
    let Row {
        who,
        released,
        received,
        ..
    } = row;
    let mut faults = Vec::new();
    if released != received {
        faults.push(format!(
            "{who}: the gateway counted {released} people, the clients received {received}"
        ));
    }
    match (row.honest_hit, &row.budget) {
        (Some(0), _) => {}
        (Some(hit), _) => faults.push(format!("{who}: {hit} honest sessions were refused or altered")),
        (None, Some(budget)) if *received > budget.people_max => {
            let Budget { name, people_max } = budget;
            faults.push(format!(
                "{who}: received {received} people, and {name} allows {people_max}"
            ));
        }
        (None, Some(_)) => {}
        (None, None) => faults.push(format!(
            "{who}: received {received} people and was not stopped by any budget"
        )),
    }
    faults
}

/// Writes the table.
///
/// # Errors
/// If `out` cannot be written to.
pub fn write(out: &mut dyn Write, rows: &[Row], latency: &Latency) -> io::Result<()> {
    let who = rows.iter().map(|row| row.who.chars().count()).max().unwrap_or_default();
    let rule = "-".repeat(who + 72);
    writeln!(
        out,
        "{:who$}  {:>9}  {:>9}  {:>9}   stopped",
        "who", "asked for", "released", "received"
    )?;
    writeln!(
        out,
        "{:who$}  {:>9}  {:>9}  {:>9}",
        "", "(people)", "(gateway)", "(clients)"
    )?;
    writeln!(out, "{rule}")?;
    for row in rows {
        let [asked, released, received] = [row.asked, row.released, row.received].map(thousands);
        writeln!(
            out,
            "{:who$}  {asked:>9}  {released:>9}  {received:>9}   {}",
            row.who,
            stopped(row)
        )?;
    }
    writeln!(out, "{rule}")?;
    let honest = rows.iter().filter_map(|row| Some((row.sessions, row.honest_hit?)));
    let (sessions, hit) = honest.fold((0, 0), |(sessions, hit), (more, also)| (sessions + more, hit + also));
    writeln!(out, "honest sessions hit: {hit} of {sessions}")?;
    write_latency(out, latency)
}

fn stopped(row: &Row) -> String {
    match (row.stopped_at, &row.budget) {
        (None, _) => "never".to_owned(),
        (Some(people), None) => format!("after {people} people"),
        (Some(people), Some(Budget { name, people_max })) => {
            format!("after {people} people: {name}, at most {people_max}")
        }
    }
}

fn write_latency(out: &mut dyn Write, latency: &Latency) -> io::Result<()> {
    let (Some(gateway), Some(direct)) = (Percentiles::of(&latency.gateway), Percentiles::of(&latency.direct)) else {
        return writeln!(out, "added latency: not measured");
    };
    let added = |gateway: Duration, direct: Duration| milliseconds(gateway) - milliseconds(direct);
    writeln!(
        out,
        "added latency: p50 {:+.2} ms, p99 {:+.2} ms over {} pages, each also fetched directly",
        added(gateway.p50, direct.p50),
        added(gateway.p99, direct.p99),
        latency.gateway.len(),
    )?;
    for (name, Percentiles { p50, p99 }) in [("through the gateway", gateway), ("directly", direct)] {
        writeln!(
            out,
            "  {name:<19} p50 {:.2} ms, p99 {:.2} ms",
            milliseconds(p50),
            milliseconds(p99)
        )?;
    }
    Ok(())
}

struct Percentiles {
    p50: Duration,
    p99: Duration,
}

impl Percentiles {
    /// By the nearest rank; none of nothing.
    fn of(latencies: &[Duration]) -> Option<Self> {
        let mut sorted = latencies.to_vec();
        sorted.sort_unstable();
        let rank = |percent: usize| {
            sorted
                .get((sorted.len() * percent).div_ceil(100).checked_sub(1)?)
                .copied()
        };
        Some(Self {
            p50: rank(50)?,
            p99: rank(99)?,
        })
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// With a comma between thousands.
fn thousands(number: u32) -> String {
    if number < 1_000 {
        number.to_string()
    } else {
        format!("{},{:03}", thousands(number / 1_000), number % 1_000)
    }
}

/// Progress: bars on a terminal, otherwise one line when something ends.
pub struct Progress {
    bars: Option<[ProgressBar; 2]>,
    was_done: bool,
    honest: u64,
}

impl Progress {
    /// For this number of honest visitors. The bars go to standard error.
    pub fn new(is_terminal: bool, honest: u64) -> Self {
        let bars = is_terminal.then(|| {
            let style = ProgressStyle::with_template("  {prefix:<18} {bar:32} {pos:>6} {msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            let together = MultiProgress::new();
            let add = |bar: ProgressBar, name| together.add(bar.with_style(style.clone()).with_prefix(name));
            [
                add(ProgressBar::new(honest), "honest visitors"),
                add(ProgressBar::no_length(), "crawler's requests"),
            ]
        });
        Self {
            bars,
            was_done: false,
            honest,
        }
    }

    /// Shows how far the visitors are.
    ///
    /// # Errors
    /// If `out` cannot be written to.
    pub fn show(&mut self, out: &mut dyn Write, honest_done: u64, crawled: u64) -> io::Result<()> {
        if let Some([honest, crawler]) = &self.bars {
            honest.set_position(honest_done);
            crawler.set_position(crawled);
        } else if honest_done >= self.honest && !self.was_done {
            self.was_done = true;
            writeln!(
                out,
                "  {honest_done} honest visitors are done, the crawler has asked {crawled} times"
            )?;
        }
        Ok(())
    }

    /// Leaves the bars as they stand.
    pub fn finish(&self) {
        for bar in self.bars.iter().flatten() {
            bar.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(who: &str, numbers: [u32; 3], stopped_at: Option<u32>, honest_hit: Option<u32>) -> Row {
        let [asked, released, received] = numbers;
        let budget = stopped_at.map(|_| Budget {
            name: "session-day".to_owned(),
            people_max: 100,
        });
        let sessions = if honest_hit.is_some() { 200 } else { 1 };
        Row {
            who: who.to_owned(),
            sessions,
            asked,
            released,
            received,
            stopped_at,
            budget,
            honest_hit,
        }
    }

    #[test]
    fn the_table_reads_well() {
        let rows = [
            row("200 honest customers", [265, 265, 265], None, Some(0)),
            row("an insider who dumps the export", [10_000, 100, 100], Some(100), None),
        ];
        let milliseconds = |range: std::ops::Range<u64>| range.map(Duration::from_millis).collect();
        let latency = Latency {
            gateway: milliseconds(2..202),
            direct: milliseconds(1..201),
        };
        let mut out = Vec::new();
        write(&mut out, &rows, &latency).expect("memory");
        write(&mut out, &[], &Latency::default()).expect("memory");
        insta::assert_snapshot!(String::from_utf8(out).expect("text"));
    }

    #[test]
    fn the_verdict_names_each_fault() {
        let cases = [
            (row("honest", [9, 9, 9], None, Some(0)), None),
            (
                row("honest", [9, 9, 9], None, Some(2)),
                Some("2 honest sessions were refused or altered"),
            ),
            (
                row("honest", [9, 8, 9], None, Some(0)),
                Some("the gateway counted 8 people, the clients received 9"),
            ),
            (row("thief", [999, 100, 100], Some(100), None), None),
            (
                row("thief", [999, 101, 101], Some(101), None),
                Some("received 101 people, and session-day allows 100"),
            ),
            (
                row("thief", [999, 999, 999], None, None),
                Some("received 999 people and was not stopped by any budget"),
            ),
        ];
        for (row, fault) in cases {
            let expected = fault.map_or(Ok(()), |fault| Err(vec![format!("{}: {fault}", row.who)]));
            assert_eq!(verdict(&[row]), expected);
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (10_007, "10,007"),
            (u32::MAX, "4,294,967,295"),
        ];
        assert!(cases.iter().all(|(number, text)| thousands(*number) == *text));
    }
}
