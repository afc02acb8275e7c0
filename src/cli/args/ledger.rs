//! The command line of `tidegate ledger`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{ConfigArgs, StateArgs};

/// `tidegate ledger`.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Read every row, and say how much there is and what is wrong where: exit code 1 if something is
    Verify {
        /// Where it is
        #[command(flatten)]
        state: StateArgs,
    },
    /// Write all of it as lines of JSON, without a name of anybody
    Export {
        /// Where it is
        #[command(flatten)]
        state: StateArgs,
        /// A new file; default: standard output
        #[arg(long)]
        to: Option<PathBuf>,
    },
    /// Merge the lines of an export into it, all or none
    Import {
        /// Where it is
        #[command(flatten)]
        state: StateArgs,
        /// The lines; `-` is standard input
        from: PathBuf,
    },
    /// Take in credentials that were issued before logins were seen, one a line as clients send them; only hashes are kept
    Issued {
        /// Where the configuration is
        #[command(flatten)]
        config: ConfigArgs,
        /// The credentials; `-` is standard input
        from: PathBuf,
    },
    /// Replace the key that people are hashed with, in three steps: make the next one, put it in place once the longest window has
    /// passed, let the old one go
    Rotate {
        /// Where it is
        #[command(flatten)]
        state: StateArgs,
        /// Put the next key in place
        #[arg(long, conflicts_with_all = ["end", "abandon"])]
        switch: bool,
        /// Let the old key go, and what was hashed with it
        #[arg(long, conflicts_with = "abandon")]
        end: bool,
        /// Give the next key up, and what was hashed with it
        #[arg(long)]
        abandon: bool,
        /// With `--end`: although the journal holds people from before the switch, whom no `--join` finds then, or does not tell
        #[arg(long, requires = "end")]
        leave_journal: bool,
    },
    /// Give room that nothing needs any more back to the disk
    Compact {
        /// Where it is
        #[command(flatten)]
        state: StateArgs,
    },
}
