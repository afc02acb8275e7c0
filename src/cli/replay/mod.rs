//! `tidegate replay`: a breach hidden in an honest shop, before the gateway under several limits and before what else one could
//! build.

mod chart;
mod svg;
mod table;

use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::args::ReplayArgs;
use super::report::{self, Format};
use super::text_file::{named, read_at_most};
use super::{Exit, Failed, progress};
use crate::engine::problem::Problem;
use crate::simulate::replay::{
    BUILT_IN, Progress, Ready, Report, SCENARIO_BYTES_MAX, Scenario, World, built_in, prepare,
};

/// What was measured of the run itself.
struct Cost {
    seconds: f64,
    threads: usize,
    /// The most memory that the process had, all ledgers together; none where the system does not tell.
    memory_bytes: Option<u64>,
}

/// Lives through a scenario and prints what came of it.
///
/// # Errors
/// A scenario that cannot be read or is wrong, and a picture that cannot be written.
pub(super) fn execute(args: &ReplayArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let text = read(&args.scenario)?;
    let ready = compile(&args.scenario, &text, args.format, out)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = ready.threads(args.threads.unwrap_or(cores));
    let worlds = ready.worlds();
    let started = Instant::now();
    let reports = lived(&ready, worlds, threads);
    let cost = Cost {
        seconds: started.elapsed().as_secs_f64(),
        threads,
        memory_bytes: memory_bytes(),
    };
    if let (Some(path), Some(report)) = (&args.svg, reports.first()) {
        let picture = svg::picture(&ready, report);
        std::fs::write(path, picture).map_err(|error| named(path.display(), &error))?;
    }
    match args.format {
        Format::Text => {
            for report in &reports {
                table::print(&ready, report, out)?;
                chart::print(&ready, report, out)?;
            }
            table::print_cost(&ready, &cost, out)?;
        }
        Format::Json => table::print_json(&ready, &reports, &cost, out)?,
    }
    Ok(())
}

/// The text of a scenario that is compiled in, or of a file.
fn read(scenario: &str) -> Result<String, Failed> {
    if let Some(text) = built_in(scenario) {
        return Ok(text.to_owned());
    }
    read_at_most(Path::new(scenario), SCENARIO_BYTES_MAX).map_err(|error| {
        let failed = Failed::from(error);
        let known = BUILT_IN.map(|(name, _)| name).join(", ");
        Failed {
            message: format!("{}; scenarios that need no file: {known}", failed.message),
            ..failed
        }
    })
}

fn compile(name: &str, text: &str, format: Format, out: &mut dyn Write) -> Result<Ready, Failed> {
    let mut warnings = Vec::new();
    let compiled = Scenario::read(name, text).and_then(|scenario| prepare(name, scenario, &mut warnings));
    let told = |problems: &[Problem], out: &mut dyn Write| report::render(problems, |_| Some(text), format, out);
    match compiled {
        Ok(ready) => {
            told(&warnings, out)?;
            Ok(ready)
        }
        Err(problems) => {
            told(&problems, out)?;
            let message = format!("{name}: {}; nothing was replayed", report::summary(&problems));
            Err(Failed::new(Exit::Config, message))
        }
    }
}

fn lived(ready: &Ready, worlds: &[World], threads: usize) -> Vec<Report> {
    let lived = Progress::default();
    let days = ready.scenario().time.days * worlds.len() as u64;
    let bar = progress::bar(Some(days), "{percent}% of the days, {eta} left");
    let position = || lived.days.load(Ordering::Relaxed);
    progress::watched(&bar, position, || {
        let reports = worlds.iter().map(|world| ready.run(*world, threads, &lived));
        reports.collect()
    })
}

/// The most memory that this process had so far.
fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
