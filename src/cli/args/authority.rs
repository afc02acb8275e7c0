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
        /// Its common name; default: Tidegate authority
        #[arg(long)]
        name: Option<String>,
        /// A host, with all below it, or a network that it may sign for; default: it may sign everything
        #[arg(long)]
        permit: Vec<String>,
    },
    /// Take an authority from elsewhere, such as one that your own has signed
    Import {
        /// Where it goes
        #[arg(long, default_value = "certs")]
        dir: PathBuf,
        /// Its certificate, in PEM; what follows it is the chain to its root
        #[arg(long)]
        cert: PathBuf,
        /// Its key, in PEM
        #[arg(long)]
        key: PathBuf,
    },
    /// Make the authority that is to take the place of one, or put it there
    Rotate {
        /// Where the authority is
        #[arg(long, default_value = "certs")]
        dir: PathBuf,
        /// Take it from elsewhere, in place of making one: its certificate
        #[arg(long, requires = "key")]
        cert: Option<PathBuf>,
        /// Its key
        #[arg(long, requires = "cert")]
        key: Option<PathBuf>,
        /// Put the next one in the place of the one that signs; clients must trust it already
        #[arg(long, conflicts_with = "cert")]
        switch: bool,
    },
    /// Write the certificate that clients are to trust, without its key
    Export {
        /// Where the authority is
        #[arg(long, default_value = "certs")]
        dir: PathBuf,
        /// Where the certificate goes; a name that ends in `.der` or `.crt` makes it DER
        #[arg(long)]
        out: PathBuf,
        /// That of the next one
        #[arg(long)]
        next: bool,
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
