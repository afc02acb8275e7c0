//! What the gateway keeps between runs: the hash key, and the bypass that works when nothing else does.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::people::with_people;
use crate::confinement::Places;
use crate::engine::secret::{DEFAULT_TENANT, HashKey};

/// The file of the 256-bit hash key.
pub(super) const KEY_FILE: &str = "hash.key";
/// The file that suspends enforcement.
pub const BYPASS_FILE: &str = "bypass.json";
/// A bypass file is at most so large.
const BYPASS_BYTES_MAX: u64 = 64 << 10;

/// Why the state cannot be used.
#[derive(Debug)]
pub enum StateError {
    /// The directory or a file cannot be read or made.
    Io(PathBuf, io::Error),
    /// The key file can be read by others.
    Permissions(PathBuf),
    /// The key file is not 32 bytes.
    KeyLength(PathBuf),
    /// The key of people is being replaced, and this is the other one.
    Rotating(PathBuf),
    /// There is neither this configuration nor a key in this state directory.
    NoGateway(PathBuf, PathBuf),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Permissions(path) => {
                write!(
                    f,
                    "{} can be read by others; its mode must be 0600 (chmod 600)",
                    path.display()
                )
            }
            Self::KeyLength(path) => {
                write!(
                    f,
                    "{} is not a key of 32 bytes; restore it, or move it away and lose all counts",
                    path.display()
                )
            }
            Self::Rotating(path) => write!(
                f,
                "{} is there: the key of people is being replaced already, and one at a time is",
                path.display()
            ),
            Self::NoGateway(config, dir) => {
                write!(
                    f,
                    "there is no configuration {}, and no key in {}: a key made here would be no gateway's; say --config",
                    config.display(),
                    dir.display()
                )
            }
        }
    }
}

impl std::error::Error for StateError {}

/// The state directory: as configured, else `$STATE_DIRECTORY` (systemd), else `tidegate-state` beside the configuration.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads this variable, at start"
)]
pub fn state_dir(configured: Option<&Path>, base: &Path) -> PathBuf {
    match (configured, std::env::var("STATE_DIRECTORY")) {
        (Some(dir), _) => base.join(dir),
        (None, Ok(dir)) if !dir.is_empty() => PathBuf::from(dir.split(':').next().unwrap_or(&dir)),
        (None, _) => base.join("tidegate-state"),
    }
}

/// Where systemd leaves the credentials of the service, if it does.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads this variable, when a configuration is loaded"
)]
pub(super) fn credentials_dir() -> Option<PathBuf> {
    let dir = std::env::var("CREDENTIALS_DIRECTORY").ok();
    dir.filter(|dir| !dir.is_empty()).map(PathBuf::from)
}

/// The hash key of the gateway with this configuration, found even where the configuration no longer loads; and its file, if
/// it was made now.
///
/// # Errors
/// As [`secret`]. Where there is neither a key nor a configuration, none is made: no gateway would use it.
pub fn key_of(origin: &super::Origin) -> Result<(HashKey, Option<PathBuf>), StateError> {
    let dir = dir_of(origin);
    let path = dir.join(KEY_FILE);
    let is_new = !path.exists();
    let config = origin.path.as_deref().filter(|config| !config.is_file());
    if let Some(config) = config.filter(|_| is_new) {
        return Err(StateError::NoGateway(config.to_owned(), dir));
    }
    Ok((secret(&dir)?, is_new.then_some(path)))
}

/// The state directory of the gateway with this configuration, found even where the configuration no longer loads.
pub fn dir_of(origin: &super::Origin) -> PathBuf {
    state_dir(setting(origin, "state", "dir").as_deref(), &origin.base())
}

/// The directory of its journal, if it keeps one, found as the state directory is.
pub fn journal_of(origin: &super::Origin) -> Option<PathBuf> {
    setting(origin, "journal", "dir").map(|dir| origin.base().join(dir))
}

/// Whether its configuration can be read: what is not set there is not set.
pub fn is_read(origin: &super::Origin) -> bool {
    table(origin).is_some()
}

/// The directory of its own rules, if it has any.
pub fn rules_of(origin: &super::Origin) -> Option<PathBuf> {
    setting(origin, "rules", "dir").map(|dir| origin.base().join(dir))
}

/// Whose data its routes serve, as it is written; none where there is no route to be read.
pub fn tenants_named(origin: &super::Origin) -> Option<Vec<String>> {
    let table = table(origin)?;
    let routes = table.get("route")?.as_array()?.iter();
    let tenant = |route: &toml::Value| route.get("tenant").and_then(toml::Value::as_str).map(str::to_owned);
    Some(
        routes
            .map(|route| tenant(route).unwrap_or_else(|| DEFAULT_TENANT.to_owned()))
            .collect(),
    )
}

/// Where a gateway of this configuration writes, found as the state directory is; what is not there yet is made.
pub fn places(origin: &super::Origin) -> Places {
    let own: Vec<PathBuf> = std::iter::once(dir_of(origin)).chain(journal_of(origin)).collect();
    for dir in &own {
        // Where it cannot be made, the start says so.
        DirBuilder::new().recursive(true).mode(0o700).create(dir).ok();
    }
    let audit = setting(origin, "audit", "file").map(|file| origin.base().join(file));
    // Its directory: whoever rotates the file takes it away, and the next one is made.
    let file = audit.and_then(|file| std::path::absolute(file).ok());
    // And the directory of the file that it names, where it is a link.
    let linked = file.as_ref().and_then(|file| fs::canonicalize(file).ok());
    let beside = file.iter().chain(&linked).filter_map(|file| file.parent());
    Places {
        own,
        evidence: beside.map(Path::to_owned).collect(),
    }
}

/// The configuration as it is written, where it can be read.
fn table(origin: &super::Origin) -> Option<toml::Table> {
    let text = fs::read_to_string(origin.path.as_ref()?).ok()?;
    toml::from_str(&text).ok()
}

/// A setting of a section that names a path, as it is written.
fn setting(origin: &super::Origin, section: &str, name: &str) -> Option<PathBuf> {
    let table = table(origin);
    let configured = table.as_ref().and_then(|table| table.get(section)?.get(name)?.as_str());
    let variable = format!("{section}__{name}");
    let overlaid = origin
        .variables
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(&variable));
    overlaid
        .map(|(_, value)| value.as_str())
        .or(configured)
        .map(PathBuf::from)
}

/// The hash key of `dir`, made at first start.
///
/// # Errors
/// When the directory cannot be used, or the key file is not one or is readable by others.
pub fn secret(dir: &Path) -> Result<HashKey, StateError> {
    let named = |path: &Path| {
        let path = path.to_owned();
        move |error| StateError::Io(path, error)
    };
    fs::create_dir_all(dir).map_err(named(dir))?;
    let path = dir.join(KEY_FILE);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let key = random_key(&path)?;
            file.write_all(&*key)
                .and_then(|()| file.sync_all())
                .map_err(named(&path))?;
            with_people(dir, HashKey::new(*key))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => known_secret(dir),
        Err(error) => Err(StateError::Io(path, error)),
    }
}

/// The hash key of `dir`, or one that is forgotten where there is none: a question leaves nothing behind.
///
/// # Errors
/// As [`secret`].
pub(super) fn passing_secret(dir: &Path) -> Result<HashKey, StateError> {
    let path = dir.join(KEY_FILE);
    if path.exists() {
        return known_secret(dir);
    }
    Ok(HashKey::new(*random_key(&path)?))
}

/// A new key, for this file.
pub(super) fn random_key(path: &Path) -> Result<zeroize::Zeroizing<[u8; 32]>, StateError> {
    let mut key = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(|error| StateError::Io(path.to_owned(), io::Error::other(error)))?;
    Ok(key)
}

/// The hash key of `dir`, which must be there.
///
/// # Errors
/// As [`secret`], and when there is none.
pub fn known_secret(dir: &Path) -> Result<HashKey, StateError> {
    with_people(dir, read_key(&dir.join(KEY_FILE))?)
}

pub(super) fn read_key(path: &Path) -> Result<HashKey, StateError> {
    let named = |error| StateError::Io(path.to_owned(), error);
    let file = File::open(path).map_err(named)?;
    if file.metadata().map_err(named)?.mode() & 0o077 != 0 {
        return Err(StateError::Permissions(path.to_owned()));
    }
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    file.take(33).read_to_end(&mut bytes).map_err(named)?;
    let key: [u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| StateError::KeyLength(path.to_owned()))?;
    Ok(HashKey::new(key))
}

/// The bypass as it stands in its file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BypassFile {
    /// Suspensions; each ends by itself.
    pub bypass: Vec<Suspension>,
}

/// One suspension of enforcement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspension {
    /// The route; all of them when absent.
    pub route: Option<String>,
    /// Its end, unix second.
    pub until: u32,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub by: String,
}

/// Reads the bypass file; none is an empty one.
///
/// # Errors
/// When it cannot be read or is no bypass file: the one in force stays.
pub fn read_bypass(dir: &Path) -> io::Result<BypassFile> {
    let file = match File::open(dir.join(BYPASS_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BypassFile::default()),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(BYPASS_BYTES_MAX).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(io::Error::other)
}

/// Writes the bypass file whole, so that a reader never sees half of it.
///
/// # Errors
/// When the disk refuses.
pub fn write_bypass(dir: &Path, bypass: &BypassFile) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(bypass).map_err(io::Error::other)?;
    write_whole(dir, BYPASS_FILE, &text)
}

/// Writes a file of the state directory whole; nothing in it is secret.
pub(super) fn write_whole(dir: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    let temporary = dir.join(format!(".{name}.new"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(&temporary)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&temporary, dir.join(name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_guarded() {
        let dir = tempfile::tempdir().unwrap();
        let first = secret(dir.path()).unwrap().hash64("x", &[]);
        assert_eq!(secret(dir.path()).unwrap().hash64("x", &[]), first);
        let path = dir.path().join(KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(secret(dir.path()), Err(StateError::Permissions(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"short").unwrap();
        assert!(matches!(secret(dir.path()), Err(StateError::KeyLength(_))));
        assert!(matches!(passing_secret(dir.path()), Err(StateError::KeyLength(_))));
    }

    #[test]
    fn a_passing_key_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        assert!(passing_secret(dir.path()).is_ok());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_bypass_is_written_whole_and_garbage_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_bypass(dir.path()).unwrap(), BypassFile::default());
        let suspension = Suspension {
            route: None,
            until: 9,
            reason: "drill".into(),
            by: "ops".into(),
        };
        let file = BypassFile {
            bypass: vec![suspension],
        };
        write_bypass(dir.path(), &file).unwrap();
        assert_eq!(read_bypass(dir.path()).unwrap(), file);
        fs::write(dir.path().join(BYPASS_FILE), b"{").unwrap();
        assert!(read_bypass(dir.path()).is_err());
    }
}
