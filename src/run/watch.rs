//! The files that a configuration was read from, and whether they have changed since.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::load::Origin;
use crate::cli::rules::rule_files;
use crate::config::ConfigSyntax;
use crate::identity::key_set_file;

/// Between two looks at files that are being written: editors and orchestrators write in several steps.
const CHANGE_SETTLES: Duration = Duration::from_millis(250);
/// Such looks at most; then they are read as they are, and a reader refuses what is only half there.
const SETTLING_LOOKS_MAX: u32 = 40;
/// What is read of one file to tell whether it changed; no file of a configuration may be larger.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// The files of one configuration as they were when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sources {
    /// The configuration; `None` for text that the program wrote, which does not change.
    config: Option<PathBuf>,
    /// What it names: certificates, keys, key sets, tokens.
    named: Vec<PathBuf>,
    /// The directories of rule files: of those in force, and of those that are tried.
    rules: Vec<PathBuf>,
    /// Of their bytes.
    digest: [u8; 32],
}

impl Sources {
    /// The files of a configuration whose text was just read. Call it before the files that it names are read: a change
    /// that falls between is then seen as one, and at worst read twice.
    pub(super) fn of(written: &ConfigSyntax, origin: &Origin, state_dir: &Path, text: &str) -> Self {
        let base = origin.base();
        let fetched = |file: &Path| Some(state_dir.join(key_set_file(file.to_str()?)?));
        let place = |file: &Path| fetched(file).unwrap_or_else(|| base.join(file));
        let rules = written.rules.dir.iter().chain(&written.rules.shadow_dir);
        let mut sources = Self {
            config: origin.path.clone(),
            named: named(written).map(place).collect(),
            rules: rules.map(|dir| base.join(dir.get_ref())).collect(),
            digest: [0; 32],
        };
        sources.digest = sources.digest_with(Some(text.as_bytes()));
        sources
    }

    /// The same files as they are now.
    pub(super) fn now(&self) -> Self {
        let text = self.config.as_deref().and_then(read);
        Self {
            digest: self.digest_with(text.as_deref()),
            ..self.clone()
        }
    }

    /// The same files once nobody is writing them any more.
    pub(super) async fn settled(&self) -> Self {
        let mut before = self.now();
        for _ in 0..SETTLING_LOOKS_MAX {
            tokio::time::sleep(CHANGE_SETTLES).await;
            let after = self.now();
            if after == before {
                break;
            }
            before = after;
        }
        before
    }

    fn digest_with(&self, text: Option<&[u8]>) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut add = |content: Option<&[u8]>| {
            // The length keeps neighbours apart; a file that is missing is not an empty one.
            let length = content.map_or(u64::MAX, |content| content.len() as u64);
            hasher.update(&length.to_le_bytes()).update(content.unwrap_or_default());
        };
        add(text);
        for file in &self.named {
            add(read(file).as_deref());
        }
        for file in self.rules.iter().flat_map(|dir| rule_files(dir).unwrap_or_default()) {
            add(Some(file.as_os_str().as_encoded_bytes()));
            add(read(&file).as_deref());
        }
        *hasher.finalize().as_bytes()
    }

    /// Watches the directories, not the files: orchestrators replace files by renaming. `None` where the system gives no
    /// watch; what cannot be watched is polled.
    pub(super) fn watch(&self, changed: impl Fn() + Send + 'static) -> Option<RecommendedWatcher> {
        let names: Vec<_> = self
            .files()
            .filter_map(Path::file_name)
            .map(ToOwned::to_owned)
            .collect();
        let rules = self.rules.clone();
        let is_ours = move |path: &PathBuf| {
            path.file_name()
                .is_some_and(|name| names.iter().any(|ours| ours == name))
                || rules.iter().any(|rules| path.starts_with(rules))
        };
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return changed() };
            // An audit file may lie beside the configuration, and is written all the time.
            let is_content = matches!(event.kind, EventKind::Modify(kind) if !matches!(kind, ModifyKind::Name(_)));
            if !event.kind.is_access() && (!is_content || event.paths.iter().any(&is_ours)) {
                changed();
            }
        })
        .ok()?;
        for dir in self.directories() {
            drop(watcher.watch(&dir, RecursiveMode::NonRecursive));
        }
        Some(watcher)
    }

    /// Where the files are.
    pub(super) fn directories(&self) -> Vec<PathBuf> {
        let mut directories: Vec<PathBuf> = self
            .files()
            .filter_map(|file| {
                let parent = file.parent()?;
                let is_here = parent.as_os_str().is_empty();
                Some(if is_here { PathBuf::from(".") } else { parent.to_owned() })
            })
            .chain(self.rules.clone())
            .filter(|dir| dir.is_dir())
            .collect();
        directories.sort();
        directories.dedup();
        directories
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        self.config.iter().chain(&self.named).map(PathBuf::as_path)
    }
}

/// Every file that a configuration names, as it is written there.
fn named(written: &ConfigSyntax) -> impl Iterator<Item = &Path> {
    let listeners = written.listen.values();
    let clients = listeners
        .clone()
        .filter_map(|listen| listen.client_certificates.as_ref());
    let clients = clients.flat_map(|clients| std::iter::once(&clients.ca).chain(&clients.crls));
    let clients = clients.map(|file| file.get_ref().as_path());
    let certificates = listeners.flat_map(|listen| listen.tls.iter().chain(&listen.certificates));
    let certificates = certificates.flat_map(|pair| [pair.cert.get_ref().as_path(), pair.key.get_ref()]);
    let forward = || written.listen.values().filter_map(|listen| listen.forward.as_ref());
    let going_out = forward().flat_map(|forward| {
        let forward = forward.get_ref();
        let parent = forward.parent.as_ref();
        let credentials = parent.and_then(|parent| parent.get_ref().credentials.as_ref());
        let files = forward
            .users
            .iter()
            .chain(&forward.ca)
            .chain(&forward.crls)
            .chain(credentials);
        files.map(|file| file.get_ref().as_path())
    });
    let authorities = written
        .route
        .iter()
        .filter_map(|route| Some(route.ca.as_ref()?.get_ref().as_path()));
    let issuers = written.identity.issuer.values().map(|issuer| issuer.jwks.get_ref());
    let transmitters = written.identity.transmitter.values();
    let approver = written.identity.approval.iter();
    let key_sets = issuers
        .chain(transmitters.map(|transmitter| transmitter.jwks.get_ref()))
        .chain(approver.map(|approver| approver.get_ref().jwks.get_ref()));
    let api_keys = written
        .identity
        .group
        .values()
        .filter_map(|group| Some(group.api_keys.as_ref()?.get_ref()));
    let poll_tokens = written
        .identity
        .transmitter
        .values()
        .filter_map(|one| one.poll_token.as_ref());
    let tokens = written
        .admin
        .tokens
        .iter()
        .chain(poll_tokens)
        .map(toml::Spanned::get_ref);
    let identity = &written.identity;
    let client = identity.introspection.iter().filter_map(|asked| asked.client.as_ref());
    let tokens = tokens.chain(client.map(toml::Spanned::get_ref));
    let lists = identity
        .places
        .iter()
        .chain(&identity.watch_list)
        .chain(&identity.revoked)
        .chain(&identity.leavers)
        .chain(&written.rules.public_people)
        .chain(&written.rules.destinations);
    let lists = lists.map(toml::Spanned::get_ref);
    let texts = key_sets.chain(api_keys).chain(tokens).chain(lists).map(Path::new);
    certificates
        .chain(clients)
        .chain(authorities)
        .chain(going_out)
        .chain(texts)
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "[listen.a]\naddress = \"127.0.0.1:0\"\ntls = { cert = \"tls/a.crt\", key = \"tls/a.secret\" }\n\
        client_certificates = { ca = \"tls/clients.pem\", crls = [\"tls/clients.crl\"] }\n\
        [admin]\ntokens = \"who.may\"\n[rules]\ndir = \"rules.d\"\nshadow_dir = \"tried.d\"\ndestinations = \"hosts.list\"\n";

    fn sources(dir: &Path) -> Sources {
        let path = dir.join("tidegate.toml");
        std::fs::create_dir_all(dir.join("rules.d")).unwrap();
        std::fs::create_dir_all(dir.join("tried.d")).unwrap();
        std::fs::create_dir_all(dir.join("tls")).unwrap();
        std::fs::write(&path, CONFIG).unwrap();
        let origin = Origin {
            path: Some(path),
            text: String::new(),
            variables: Vec::new(),
            reader: None,
        };
        Sources::of(
            &crate::config::read("x", CONFIG).unwrap(),
            &origin,
            Path::new("state"),
            CONFIG,
        )
    }

    #[test]
    fn every_file_that_is_named_counts_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let mut before = sources(dir.path());
        assert_eq!(before.now(), before, "nothing has changed");
        for name in [
            "tidegate.toml",
            "tls/a.crt",
            "tls/a.secret",
            "tls/clients.pem",
            "tls/clients.crl",
            "who.may",
            "hosts.list",
            "rules.d/b.toml",
            "tried.d/b.toml",
        ] {
            std::fs::write(dir.path().join(name), "x").unwrap();
            let after = before.now();
            assert_ne!(after, before, "{name} is written");
            before = after;
        }
        for name in ["audit.jsonl", "other.toml", "tls/b.crt", "rules.d/.hidden.toml"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
            assert_eq!(before.now(), before, "{name} is none of it");
        }
        std::fs::remove_file(dir.path().join("who.may")).unwrap();
        assert_ne!(before.now(), before, "a file that is missing is not an empty one");
        assert_eq!(before.directories().len(), 4);
    }

    #[tokio::test]
    async fn what_is_still_being_written_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let before = sources(dir.path());
        let path = dir.path().join("tidegate.toml");
        std::fs::write(&path, "").unwrap();
        let whole = CONFIG.replace("who.may", "others.may");
        let text = whole.clone();
        let writer = tokio::spawn(async move {
            tokio::time::sleep(CHANGE_SETTLES / 2).await;
            std::fs::write(&path, text).unwrap();
        });
        assert_eq!(
            before.settled().await.digest,
            before.digest_with(Some(whole.as_bytes()))
        );
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn a_busy_neighbour_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let audit = dir.path().join("audit.jsonl");
        std::fs::write(&audit, "").unwrap();
        let (told, mut changed) = tokio::sync::mpsc::channel(64);
        let _watch = sources(dir.path())
            .watch(move || told.try_send(()).unwrap_or_default())
            .unwrap();
        std::fs::write(&audit, "a line").unwrap();
        let waited = tokio::time::timeout(CHANGE_SETTLES, changed.recv()).await;
        assert!(waited.is_err(), "nobody waits for a change of the audit file");
        std::fs::write(dir.path().join("who.may"), "x").unwrap();
        assert!(changed.recv().await.is_some());
    }
}
