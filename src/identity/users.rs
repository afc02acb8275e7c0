//! Who may go out: names and passwords (RFC 7617), the passwords known by their Argon2 hashes alone.

use std::collections::HashMap;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params, PasswordHasher as _, PasswordVerifier as _};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::basic::base64;
use super::revocation::{PROXY_USER, principal};
use crate::engine::secret::HashKey;
use crate::engine::time::Now;

/// Bytes of the file, and of a name.
const FILE_BYTES_MAX: usize = 4 << 20;
const NAME_BYTES_MAX: usize = 64;
/// Bytes of what a client sends as name and password, in base64.
const CREDENTIAL_BYTES_MAX: usize = 1024;
/// KiB of memory that one hash may ask for.
const HASH_KIB_MAX: u32 = 256 << 10;
/// Passwords that are checked at once: each takes a thread and the memory of its hash.
const CHECKS_MAX: usize = 2;
/// Requests that wait for a password to be checked; those beyond are answered as if it were wrong.
const WAITING_MAX: usize = 64;
/// Passes over the memory that a hash may ask for: the default of Argon2 is two.
const HASH_PASSES_MAX: u32 = 10;
/// Checked passwords that are remembered, and for how many seconds.
const KNOWN_MAX: usize = 4_096;
const KNOWN_S: u32 = 300;

/// Who may go out through one listener.
pub struct Users {
    key: HashKey,
    hashes: HashMap<Box<str>, Arc<str>>,
    /// By a keyed hash of name and password: until when they are known to be right.
    known: Cache<[u8; 32], u32>,
    turns: Arc<Semaphore>,
    /// Those who wait for one; others are told to come again.
    waiting: Semaphore,
    /// What takes as long to check as any other, for those whom nobody knows.
    nobody: Arc<str>,
}

impl Users {
    /// Reads `NAME:HASH` lines; blank ones and those that begin with `#` are nobody's.
    ///
    /// # Errors
    /// The number of a line and what is wrong with it; nothing of it is quoted.
    pub fn read(bytes: &[u8], key: HashKey) -> Result<Self, String> {
        if bytes.len() > FILE_BYTES_MAX {
            return Err(format!("the file is larger than {FILE_BYTES_MAX} bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())?;
        let mut hashes = HashMap::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let parts = line.split_once(':').filter(|(name, _)| is_name(name));
            let (name, hash) =
                parts.ok_or_else(|| format!("line {number} has no name of 1 to 64 bytes and a colon"))?;
            check_hash(hash).map_err(|why| format!("line {number} {why}"))?;
            if hashes.insert(name.into(), hash.into()).is_some() {
                return Err(format!("line {number} names someone a second time"));
            }
        }
        Ok(Self {
            key,
            hashes,
            known: Cache::new(KNOWN_MAX),
            turns: Arc::new(Semaphore::new(CHECKS_MAX)),
            waiting: Semaphore::new(WAITING_MAX),
            nobody: password_hash(&[]).unwrap_or_default().into(),
        })
    }

    /// The principal of whoever sends this value of `Proxy-Authorization`, if the password is right.
    pub async fn principal(&self, field: &[u8], now: Now) -> Option<Arc<[u8]>> {
        let pair = basic(field)?;
        let colon = pair.iter().position(|byte| *byte == b':')?;
        let (name, password) = pair.split_at_checked(colon)?;
        let (name, password) = (std::str::from_utf8(name).ok()?, password.get(1..)?);
        let principal = || principal(PROXY_USER, name).into();
        // Whom nobody knows takes as long as a wrong password, so that names cannot be told apart.
        let hash = Arc::clone(self.hashes.get(name).unwrap_or(&self.nobody));
        let known = self.key.hash("tidegate proxy user 1", &[&pair, hash.as_bytes()]);
        if self.known.get(&known).is_some_and(|until| until > now.second()) {
            return Some(principal());
        }
        let password = Zeroizing::new(password.to_vec());
        let _place = self.waiting.try_acquire().ok()?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        let check = move || {
            // Whoever goes away leaves the work behind, and its turn with it.
            let _turn = turn;
            Argon2::default().verify_password(&password, &*hash).is_ok()
        };
        if !tokio::task::spawn_blocking(check).await.unwrap_or(false) || !self.hashes.contains_key(name) {
            return None;
        }
        self.known.insert(known, now.second().saturating_add(KNOWN_S));
        Some(principal())
    }
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.bytes().any(|byte| byte.is_ascii_control())
}

/// A hash that can be checked, and does not take more than a gateway has.
fn check_hash(hash: &str) -> Result<(), &'static str> {
    let hash = PasswordHash::new(hash).map_err(|_| "has no hash as `tidegate hash proxy-user` makes it")?;
    let is_argon2 = hash.algorithm.as_str().starts_with("argon2");
    let params = Params::try_from(&hash)
        .ok()
        .filter(|_| is_argon2 && hash.hash.is_some());
    let params = params.ok_or("has no Argon2 hash")?;
    if params.m_cost() > HASH_KIB_MAX {
        return Err("asks for more than 256 MiB");
    }
    if params.t_cost() > HASH_PASSES_MAX {
        return Err("asks for more than 10 passes");
    }
    Ok(())
}

/// The hash by which a file knows a password; none where the system gives no random salt.
pub fn password_hash(password: &[u8]) -> Option<String> {
    let hash = Argon2::default().hash_password(password).ok()?;
    Some(hash.to_string())
}

/// Name and password of a `Basic` credential.
fn basic(field: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, coded) = field.split_at_checked(6)?;
    let coded = coded.trim_ascii();
    let is_whole = coded.len() <= CREDENTIAL_BYTES_MAX && coded.len().is_multiple_of(4);
    if !scheme.eq_ignore_ascii_case(b"basic ") || !is_whole {
        return None;
    }
    base64(coded).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now::from_millis(1_780_000_000_000);

    fn users() -> Users {
        // The least that Argon2 takes: a test need not be slow.
        let cheap = Argon2::from(Params::new(8, 1, 1, None).unwrap());
        let hash = |password: &str| cheap.hash_password(password.as_bytes()).unwrap().to_string();
        let file = format!("# who goes out\nann:{}\n\nbob:{}\n", hash("secret"), hash("a:b"));
        Users::read(file.as_bytes(), HashKey::new([1; 32])).unwrap()
    }

    #[tokio::test]
    async fn who_knows_the_password_is_known_and_nobody_else() {
        let users = users();
        for (field, name) in [
            ("Basic YW5uOnNlY3JldA==", Some("ann")),
            ("basic YW5uOnNlY3JldA==", Some("ann")),
            ("Basic Ym9iOmE6Yg==", Some("bob")),
            ("Basic YW5uOndyb25n", None),
            ("Basic ZXZlOnNlY3JldA==", None),
            ("Basic YW5uOnNlY3JldA", None),
            ("Basic YW5u", None),
            ("Basic !!!!", None),
            ("Bearer YW5uOnNlY3JldA==", None),
            ("", None),
        ] {
            let expected = name.map(|name| principal(PROXY_USER, name));
            let found = users.principal(field.as_bytes(), NOW).await;
            let from_memory = users.principal(field.as_bytes(), NOW).await;
            assert_eq!(found.as_deref(), expected.as_deref(), "{field}");
            assert_eq!(from_memory, found, "{field}");
        }
    }

    #[test]
    fn a_bad_line_is_named_and_not_quoted() {
        let hash = password_hash(b"secret").unwrap();
        assert!(Users::read(format!("ann:{hash}\n").as_bytes(), HashKey::new([1; 32])).is_ok());
        let dear = hash.replace("m=19456", "m=4194304");
        for (file, error) in [
            (
                format!("ann:{hash}\nann:{hash}\n"),
                "line 2 names someone a second time",
            ),
            (":x\n".to_owned(), "line 1 has no name of 1 to 64 bytes and a colon"),
            (
                format!("\nann {hash}\n"),
                "line 2 has no name of 1 to 64 bytes and a colon",
            ),
            (
                "ann:secret\n".to_owned(),
                "line 1 has no hash as `tidegate hash proxy-user` makes it",
            ),
            (format!("ann:{dear}\n"), "line 1 asks for more than 256 MiB"),
        ] {
            let refused = Users::read(file.as_bytes(), HashKey::new([1; 32])).err();
            assert_eq!(refused.as_deref(), Some(error));
        }
    }
}
