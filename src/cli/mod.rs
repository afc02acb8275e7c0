//! The command line: one file a subcommand.

pub mod args;
mod audit;
mod authority;
mod baselines;
mod bypass;
mod check;
mod clock;
pub mod demo;
mod explain;
mod exposure;
mod gateway;
mod hash;
mod hold;
mod holds;
mod issued;
mod keys;
mod ledger;
mod listing;
mod manifest;
mod offsets;
mod pinned;
mod progress;
mod public;
mod recertify;
mod reinstate;
mod release;
mod replay;
pub mod report;
mod revocations;
mod revoke;
mod rotate;
pub mod rules;
mod rules_bench;
mod rules_diff;
mod run;
mod samples;
mod scan;
mod simulate;
mod sizing;
mod text_file;
mod top;

use std::io::Write;

use args::{AuditCommand, Cli, Command, LogFormatArg, RulesCommand};

use crate::events::{self, LogFormat};
use crate::isolation;

/// How a command ended, as sysexits has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what it should.
    Ok,
    /// It ran and failed.
    Failure,
    /// What was typed has no meaning.
    Usage,
    /// Something it depends on, or an address, cannot be had.
    Unavailable,
    /// A file cannot be read or written.
    Io,
    /// It may not.
    Permission,
    /// The configuration or the rules are wrong.
    Config,
}

impl Exit {
    /// The number for the shell.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Unavailable => 69,
            Self::Io => 74,
            Self::Permission => 77,
            Self::Config => 78,
        }
    }
}

/// A command failed: what to tell, and how to exit.
#[derive(Debug)]
pub struct Failed {
    /// For standard error; empty when everything was said.
    pub message: String,
    /// For the shell.
    pub exit: Exit,
}

impl Failed {
    fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            exit,
        }
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        let exit = if error.kind() == std::io::ErrorKind::PermissionDenied {
            Exit::Permission
        } else {
            Exit::Io
        };
        Self::new(exit, error)
    }
}

/// Runs what was typed.
///
/// # Errors
/// What to tell and how to exit.
pub fn execute(cli: Cli, out: &mut dyn Write) -> Result<(), Failed> {
    let format = match cli.log_format {
        None => LogFormat::Auto,
        Some(LogFormatArg::Text) => LogFormat::Text,
        Some(LogFormatArg::Json) => LogFormat::Json,
    };
    let install = |filter: &str| events::install(format, filter).map_err(|error| Failed::new(Exit::Config, error));
    match cli.command {
        // The demo prints a table; log lines between would break it.
        Command::Demo { serve } => demo::gateway::execute(serve, install("off")?, out),
        Command::Run(args) => run::execute(&args, install(&cli.log)?),
        Command::ReadApart { memory_bytes, cpu_s } => {
            let allowed = (memory_bytes, cpu_s);
            Ok(isolation::serve(allowed, &mut std::io::stdin().lock(), out)?)
        }
        Command::Check {
            config,
            format,
            deny_warnings,
        } => check::execute(&config.config, format, deny_warnings, out),
        Command::Explain {
            config,
            url,
            method,
            headers,
            client,
        } => explain::execute(
            &config.config,
            &explain::Asked {
                url,
                method,
                headers,
                client,
            },
            out,
        ),
        Command::Bypass(args) => bypass::execute(&args, out),
        Command::Baselines(args) => baselines::execute(&args, out),
        Command::Pinned(args) => pinned::execute(&args, out),
        Command::Public(args) => public::execute(&args, out),
        Command::Keys(args) => keys::execute(&args, out),
        Command::Holds(args) => holds::execute(&args, out),
        Command::Hold(args) => hold::execute(&args, out),
        Command::Release(args) => release::execute(&args, out),
        Command::Revocations(args) => revocations::execute(&args, out),
        Command::Revoke(args) => revoke::execute(&args, out),
        Command::Recertify(args) => recertify::execute(&args, out),
        Command::Reinstate(args) => reinstate::execute(&args, out),
        Command::Top(args) => top::execute(&args, out),
        Command::Clock(args) => clock::execute(&args, out),
        Command::Sizing(args) => sizing::execute(&args, out),
        Command::Ledger { command } => ledger::execute(&command, out),
        Command::Exposure(args) => exposure::execute(&args, out),
        Command::Audit {
            command: AuditCommand::Verify { journal, public_key },
        } => audit::verify(&journal, public_key.as_deref(), out),
        Command::Rules { command } => of_rules(command, out),
        Command::Scan(args) => match &args.manifest {
            Some(path) => manifest::execute(path, args.rules_dir.as_deref(), out),
            None => scan::execute(&args, out),
        },
        Command::Replay(args) => replay::execute(&args, out),
        Command::Simulate(args) => simulate::execute(&args, out),
        Command::Hash { config, kind } => hash::execute(&config.config, &kind, out),
        Command::Authority { command } => authority::execute(&command, out),
    }
}

fn of_rules(command: RulesCommand, out: &mut dyn Write) -> Result<(), Failed> {
    match command {
        RulesCommand::Test { rules_dir, format } => {
            if rules::test(rules_dir.as_deref(), format, out)? {
                Ok(())
            } else {
                Err(Failed::new(Exit::Config, ""))
            }
        }
        RulesCommand::Schema => Ok(rules::print_schema(out)?),
        RulesCommand::Bench(args) => rules_bench::execute(&args, out),
        RulesCommand::Diff(args) => rules_diff::execute(&args, out),
    }
}
