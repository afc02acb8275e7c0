//! `tidegate authority` as it is typed.

use std::path::PathBuf;

use clap::Subcommand;

/// `tidegate authority`.
#[derive(Debug, Subcommand)]
pub enum AuthorityCommand {
    /// Make a new authority
    New {
        /// Where its certificate and key go
        #[arg(long, default_value = "certs")]
        dir: PathBuf,
    },
    /// Write the certificate that clients are to trust, without its key
    Export {
        /// Where the authority is
        #[arg(long, default_value = "certs")]
        dir: PathBuf,
        /// Where the certificate goes; a name that ends in `.der` or `.crt` makes it DER
        #[arg(long)]
        out: PathBuf,
    },
    /// Sign a certificate for names or addresses
    Leaf {
        /// Where the authority is, and where the leaf goes
        #[arg(long, default_value = "certs")]
        dir: PathBuf,
        /// DNS names or IP addresses
        #[arg(required = true)]
        names: Vec<String>,
    },
}
