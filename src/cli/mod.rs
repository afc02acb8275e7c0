//! The command line: one file a subcommand.

pub mod report;
pub mod rules;
