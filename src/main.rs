//! The `tidegate` command: maps a result to an exit code and nothing else.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use tidegate::cli::{args::Cli, execute};

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        // Where, never what: a panic's text may quote data.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        drop(writeln!(std::io::stderr(), "tidegate: internal error at {place}"));
    }));
    let result = execute(Cli::parse(), &mut std::io::stdout());
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            if !failed.message.is_empty() {
                drop(writeln!(std::io::stderr(), "tidegate: {}", failed.message));
            }
            ExitCode::from(failed.exit.code())
        }
    }
}
