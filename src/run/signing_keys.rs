//! Signing keys over restarts: which were seen, in a file of the state directory, and what is told of those that grow old.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::state::write_whole;
use crate::engine::time::Now;
use crate::events::{Event, Place, RevocationFact, report};
use crate::identity::{Identity, KnownKey, OldestKey};

/// The file of the keys that were seen; all of it is public.
const KEYS_FILE: &str = "signing-keys.json";
/// Sixteen issuers with sixty-four keys, and as many that have gone, are less than half.
const KEYS_BYTES_MAX: u64 = 8 << 20;

/// Has `identity` take in the keys that the file of `dir` knows, and puts those of its key sets there. A file that cannot be used
/// is told: the gateway runs, and a key that goes is forgotten with the process.
pub(super) fn recall(identity: &mut Identity, dir: &Path, now: Now) {
    let known = read(dir).unwrap_or_else(|error| {
        warn(&format!("{}: {error}", dir.join(KEYS_FILE).display()));
        Vec::new()
    });
    renew(identity, &known, dir, now);
}

/// The same with the keys that were `known` to the configuration before.
pub(super) fn renew(identity: &mut Identity, known: &[KnownKey], dir: &Path, now: Now) {
    identity.remember_keys(known, now);
    let keys = identity.known_keys();
    if keys == known {
        return;
    }
    let text = serde_json::to_vec_pretty(keys).map_err(io::Error::other);
    if let Err(error) = text.and_then(|text| write_whole(dir, KEYS_FILE, &text)) {
        warn(&format!("{}: {error}", dir.join(KEYS_FILE).display()));
    }
}

/// Tells how long the oldest key may sign, and in words which keys are old.
pub(super) fn tell(identity: &Identity, now: Now, in_words: bool) {
    let keys: Vec<OldestKey> = identity.oldest_keys(now).collect();
    if let Some(days) = keys.iter().map(|key| key.days_left).min() {
        report(&Event::Revocation(RevocationFact::KeyDaysLeft(days)));
    }
    for message in notes(&keys).iter().filter(|_| in_words) {
        warn(message);
    }
}

/// A sentence for each key that is old.
pub(super) fn notes(keys: &[OldestKey]) -> Vec<String> {
    let old = keys.iter().filter(|key| key.is_old());
    let told = old.map(|key| {
        let OldestKey { issuer, kid, days_left } = key;
        let when = match days_left {
            1.. => format!("should be replaced within {days_left} days"),
            _ => format!("should have been replaced {} days ago", days_left.unsigned_abs()),
        };
        format!("the signing key {kid:?} of `{issuer}` {when}")
    });
    told.collect()
}

fn read(dir: &Path) -> io::Result<Vec<KnownKey>> {
    let file = match File::open(dir.join(KEYS_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(KEYS_BYTES_MAX).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "this is no list of keys"))
}

fn warn(message: &str) {
    let (code, place) = ("I011", Place::default());
    report(&Event::Warning { code, message, place });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::secret::HashKey;

    fn identity(kid: &str) -> Identity {
        let settings = "[issuer.shop]\njwks = \"jwks\"\nalgorithms = [\"EdDSA\"]\n";
        let read = |_: &Path| {
            let set = format!(
                r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}]}}"#
            );
            Ok(set.into_bytes())
        };
        Identity::compile(&toml::from_str(settings).unwrap(), "x", HashKey::new([1; 32]), &read).unwrap()
    }

    #[test]
    fn a_key_that_goes_is_known_after_a_restart() {
        let (dir, now) = (tempfile::tempdir().unwrap(), Now::from_millis(1_800_000_000_000));
        recall(&mut identity("k1"), dir.path(), now);
        let later = now.after(1_000);
        let mut other = identity("k2");
        recall(&mut other, dir.path(), later);
        let mut again = identity("k2");
        recall(&mut again, dir.path(), later.after(1_000));
        let known: Vec<_> = again
            .known_keys()
            .iter()
            .map(|known| (known.kid.as_str(), known.retired))
            .collect();
        assert_eq!(known, [("k2", None), ("k1", Some(later.second()))]);
        std::fs::write(dir.path().join(KEYS_FILE), "[{").unwrap();
        recall(&mut again, dir.path(), later);
        assert_eq!(again.known_keys().len(), 1, "nothing else is known, and it runs");
        assert_eq!(read(dir.path()).unwrap().len(), 1, "and the file is one again");
    }

    #[test]
    fn an_old_key_is_told_thirty_days_ahead() {
        let key = |days_left| OldestKey {
            issuer: "shop".into(),
            kid: "k\n1".to_owned(),
            days_left,
        };
        let told = notes(&[key(31), key(30), key(0), key(-3)]);
        assert_eq!(
            told,
            [
                "the signing key \"k\\n1\" of `shop` should be replaced within 30 days",
                "the signing key \"k\\n1\" of `shop` should have been replaced 0 days ago",
                "the signing key \"k\\n1\" of `shop` should have been replaced 3 days ago"
            ]
        );
    }
}
