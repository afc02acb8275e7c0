//! Loading: files and variables in, a compiled configuration or all of its problems out.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::state::{self, StateError};
use super::watch::Sources;
use crate::cli::rules::read_sources;
use crate::config::{self, CONFIG_BYTES_MAX, Compiled, ConfigSyntax, Environment, OpenDoor};
use crate::engine::detect::RuleSource;
use crate::engine::ledger;
use crate::engine::problem::{Problem, Severity};
use crate::engine::secret::HashKey;
use crate::engine::time::Now;
use crate::proxy::{Limits, Set};
use crate::store::journal;
use crate::{admin, audit, fleet, store};

/// Where a configuration comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The file as the user named it; `None` for text that the program wrote.
    pub path: Option<PathBuf>,
    /// The text, where there is no file.
    pub text: String,
    /// `SECTION__KEY` and value of `TIDEGATE__` variables.
    pub variables: Vec<(String, String)>,
    /// The program that reads fragile formats apart; `None` for this one.
    pub reader: Option<PathBuf>,
}

/// A configuration that can be put in force.
pub struct Loaded {
    /// The set.
    pub set: Set,
    /// Listeners to open.
    pub doors: Vec<OpenDoor>,
    /// Limits of the transport.
    pub limits: Arc<Limits>,
    /// Bounds of the ledger.
    pub ledger: ledger::Settings,
    /// How it is kept on disk.
    pub store: store::Settings,
    /// The gateways that count together.
    pub fleet: fleet::Settings,
    /// Where people and monitoring connect.
    pub admin: SocketAddr,
    /// Who may do what there.
    pub access: admin::Access,
    /// For the SIEM.
    pub audit: audit::Settings,
    /// For whoever asks later who was shown to whom.
    pub journal: journal::Settings,
    /// Keys all hashes.
    pub secret: HashKey,
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// What is probably not meant.
    pub warnings: Vec<Problem>,
    /// The file as it was read, for `/api/v1/config`.
    pub effective: serde_json::Value,
    /// The names and texts that warnings point into.
    pub texts: Vec<(String, String)>,
    /// The files it was read from.
    pub(super) sources: Sources,
}

/// Why a configuration does not load.
#[derive(Debug)]
pub enum LoadError {
    /// A file cannot be read.
    Io(PathBuf, io::Error),
    /// The state directory cannot be used.
    State(StateError),
    /// What was written is wrong; with the texts that the problems point into.
    Problems(Vec<Problem>, Vec<(String, String)>),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::State(error) => write!(f, "{error}"),
            Self::Problems(problems, _) => {
                let first = problems.first().map_or("", |problem| problem.message.as_str());
                write!(
                    f,
                    "{} problems in the configuration; the first: {first}",
                    problems.len()
                )
            }
        }
    }
}

impl std::error::Error for LoadError {}

impl Origin {
    /// The name for problems. Variables move lines, so that the text they give is not that of the file.
    pub fn name(&self) -> String {
        let name = self.path.as_ref().map_or_else(
            || "built-in configuration".to_owned(),
            |path| path.display().to_string(),
        );
        if self.variables.is_empty() {
            name
        } else {
            format!("{name} with TIDEGATE__ variables")
        }
    }

    /// What relative paths are relative to.
    pub fn base(&self) -> PathBuf {
        self.path
            .as_deref()
            .and_then(Path::parent)
            .map(Path::to_owned)
            .unwrap_or_default()
    }

    fn read(&self) -> Result<String, LoadError> {
        let Some(path) = &self.path else {
            return Ok(self.text.clone());
        };
        let named = |error| LoadError::Io(path.clone(), error);
        let mut text = String::new();
        File::open(path)
            .map_err(named)?
            .take(CONFIG_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .map_err(named)?;
        if text.len() as u64 > CONFIG_BYTES_MAX {
            // Its first part may well be a configuration, but not the one that was meant.
            let why = format!("it is larger than {CONFIG_BYTES_MAX} bytes");
            return Err(named(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        Ok(text)
    }
}

/// Reads, overlays and compiles; makes the hash key if there is none yet.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(origin: &Origin, now: Now, generation: u64) -> Result<Loaded, LoadError> {
    load_with(origin, (now, generation), state::secret, false)
}

/// The same for a gateway that runs: its key stays, or every count would be lost.
///
/// # Errors
/// As [`load`].
pub(super) fn load_again(origin: &Origin, now: Now, generation: u64, secret: &HashKey) -> Result<Loaded, LoadError> {
    load_with(origin, (now, generation), |_| Ok(secret.clone()), false)
}

/// The same for a question about a configuration, which leaves nothing behind. What is wrong with the rules that are tried in
/// shadow is an error here, and a warning where a gateway runs.
///
/// # Errors
/// As [`load`].
pub fn look(origin: &Origin, now: Now) -> Result<Loaded, LoadError> {
    load_with(origin, (now, 1), state::passing_secret, true)
}

fn load_with(
    origin: &Origin,
    (now, generation): (Now, u64),
    secret: impl Fn(&Path) -> Result<HashKey, StateError>,
    shadow_must_load: bool,
) -> Result<Loaded, LoadError> {
    let (name, base) = (origin.name(), origin.base());
    let text = origin.read()?;
    let overlaid = config::overlay(&name, &text, &origin.variables)
        .map_err(|problems| LoadError::Problems(problems, vec![(name.clone(), text.clone())]))?;
    // Places are those of the text that was parsed, which variables may have moved.
    let texts = |sources: &[RuleSource]| {
        let rules = sources.iter().map(|source| (source.name.clone(), source.text.clone()));
        let file = (name.clone(), overlaid.clone());
        std::iter::once(file).chain(rules).collect()
    };
    let wrong = |problems, sources: &[RuleSource]| LoadError::Problems(problems, texts(sources));
    let written: ConfigSyntax = config::read(&name, &overlaid).map_err(|problems| wrong(problems, &[]))?;
    let state_dir = state::state_dir(written.state.dir.as_deref(), &base);
    let files = Sources::of(&written, origin, &state_dir, &text);
    let rules_dir = written.rules.dir.as_ref().map(|dir| base.join(dir.get_ref()));
    let sources = read_sources(rules_dir.as_deref())
        .map_err(|error| LoadError::Io(rules_dir.clone().unwrap_or_default(), error))?;
    let shadow = written.rules.shadow_dir.as_ref();
    let shadow = shadow.map(|dir| read_sources(Some(&base.join(dir.get_ref()))));
    let tried = shadow.iter().flatten().flatten();
    let sources_of_both: Vec<RuleSource> = sources.iter().chain(tried).cloned().collect();
    let secret = secret(&state_dir).map_err(LoadError::State)?;
    let environment = Environment {
        file: &name,
        text: &overlaid,
        base: &base,
        state_dir: &state_dir,
        credentials: state::credentials_dir(),
        rules: &sources,
        shadow: shadow.as_ref(),
        shadow_must_load,
        secret: &secret,
        now,
        generation,
    };
    let (compiled, mut problems) = match config::compile(&written, &environment) {
        Ok(Compiled { set, doors, warnings }) => (Some((set, doors)), warnings),
        Err(problems) => (None, problems),
    };
    let read = |path: &Path| std::fs::read(base.join(path));
    let access = admin::Access::compile(&written.admin, &name, &read);
    let access = access.map_err(|found| problems.extend(found)).ok();
    let (Some((set, doors)), Some(access)) = (compiled, access) else {
        return Err(wrong(problems, &sources_of_both));
    };
    let table = toml::from_str::<toml::Table>(&overlaid).ok();
    let effective = table
        .and_then(|table| serde_json::to_value(table).ok())
        .map(without_passwords);
    let (mut audit, mut journal) = (written.audit, written.journal);
    audit.file = audit.file.map(|file| base.join(file));
    journal.dir = journal.dir.map(|dir| base.join(dir));
    problems.extend(beside_the_key(&journal, &state_dir, &name));
    Ok(Loaded {
        access,
        set,
        doors,
        limits: Arc::new(written.limits),
        ledger: written.ledger,
        store: written.store,
        fleet: written.fleet.below(&base),
        admin: *written.admin.address.get_ref(),
        audit,
        journal,
        secret,
        state_dir,
        warnings: problems,
        effective: effective.unwrap_or_default(),
        texts: texts(&sources_of_both),
        sources: files,
    })
}

/// With the hash key beside it, the journal is a list of customers: who copies one disk must not have both.
fn beside_the_key(journal: &journal::Settings, state_dir: &Path, file: &str) -> Option<Problem> {
    let dir = journal.dir.as_ref()?;
    (disk_of(dir)? == disk_of(state_dir)?).then(|| Problem {
        code: "C018",
        severity: Severity::Warning,
        file: file.to_owned(),
        span: None,
        message: format!("the journal {} lies on the disk of the hash key", dir.display()),
        help: Some("another disk for `journal.dir`, and another backup".to_owned()),
    })
}

/// The number of the disk that `path` is on, or will be.
fn disk_of(path: &Path) -> Option<u64> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors()
        .find_map(|known| std::fs::metadata(known).ok())
        .map(|known| known.dev())
}

/// The configuration as it may be shown: the URL of `[fleet]` may hold a password.
fn without_passwords(mut effective: serde_json::Value) -> serde_json::Value {
    let hide = |url: &mut serde_json::Value| {
        if let Some(text) = url.as_str() {
            *url = fleet::without_password(text).into();
        }
    };
    match effective.pointer_mut("/fleet/url") {
        Some(serde_json::Value::Array(urls)) => urls.iter_mut().for_each(hide),
        Some(url) => hide(url),
        None => {}
    }
    effective
}
