//! Who may go out: names and passwords (RFC 7617), the passwords known by their Argon2 or bcrypt hashes alone.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params, PasswordHasher as _, PasswordVerifier as _};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::basic::base64;
use super::revocation::{PROXY_USER, principal};
use crate::engine::policy::parts_of;
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
/// Requests that wait for a password to be checked; those beyond are told to come again.
const WAITING_MAX: usize = 64;
/// Passes over the memory that a hash may ask for: the default of Argon2 is two.
const HASH_PASSES_MAX: u32 = 10;
/// Two to the power of which bcrypt may repeat its work (Provos and Mazières 1999): a second or so, and the default of `htpasswd -B`
/// is 5. Below 4 there is none.
const BCRYPT_COST: RangeInclusive<u32> = 4..=14;
/// Checked passwords that are remembered, and for how many seconds.
const KNOWN_MAX: usize = 4_096;
const KNOWN_S: u32 = 300;

/// Who may go out through one listener.
pub struct Users {
    key: HashKey,
    hashes: Vec<(Box<str>, Arc<str>)>,
    /// By a keyed hash of name and password: until when they are known to be right.
    known: Cache<[u8; 32], u32>,
    turns: Arc<Semaphore>,
    /// Those who wait for one; others are told to come again.
    waiting: Semaphore,
}

/// Of which no password is known, and which takes as long to check as one that [`password_hash`] makes: where a file names nobody.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What came of a password.
pub enum Checked {
    /// It is right, and of this principal.
    Right(Arc<[u8]>),
    /// Nobody has it.
    Wrong,
    /// It was not checked, for this limit: its network tries too many, or too many wait.
    Late(&'static str),
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
        let mut hashes = BTreeMap::new();
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
            hashes: hashes.into_iter().collect(),
            known: Cache::new(KNOWN_MAX),
            turns: Arc::new(Semaphore::new(CHECKS_MAX)),
            waiting: Semaphore::new(WAITING_MAX),
        })
    }

    /// Whether this principal is still somebody here.
    pub fn has(&self, user: &[u8]) -> bool {
        let (issuer, name) = parts_of(user);
        let is_known = |name: &str| self.hash_of(name).is_some();
        issuer == Some(PROXY_USER.as_bytes()) && std::str::from_utf8(name).is_ok_and(is_known)
    }

    /// Whether the password in this value of `Proxy-Authorization` is right. One that is not known to be is checked only if
    /// `may_check` says so.
    pub async fn check(&self, field: &[u8], now: Now, may_check: impl FnOnce() -> bool) -> Checked {
        let Some((name, pair)) = basic(field).and_then(|pair| Some((name_of(&pair)?, pair))) else {
            return Checked::Wrong;
        };
        let known = self.hash_of(&name);
        let hash = known.cloned().unwrap_or_else(|| self.of_somebody(&name));
        let of = self.key.hash("tidegate proxy user 1", &[&pair, hash.as_bytes()]);
        let right = || Checked::Right(principal(PROXY_USER, &name).into());
        if self.known.get(&of).is_some_and(|until| until > now.second()) {
            return right();
        }
        if !may_check() {
            return Checked::Late("passwords_per_s_max");
        }
        let password = Zeroizing::new(pair.get(name.len() + 1..).unwrap_or_default().to_vec());
        match self.is_right(password, hash).await {
            None => return Checked::Late("passwords_waiting_max"),
            Some(true) if known.is_some() => {}
            Some(_) => return Checked::Wrong,
        }
        self.known.insert(of, now.second().saturating_add(KNOWN_S));
        right()
    }

    /// The hash of somebody else, always the same for one name: whom nobody knows takes as long as a wrong password, so that names
    /// cannot be told apart.
    fn of_somebody(&self, name: &str) -> Arc<str> {
        let number = self.key.hash64("tidegate no proxy user 1", &[name.as_bytes()]);
        let number = number.checked_rem(self.hashes.len() as u64).unwrap_or_default();
        let somebody = self.hashes.get(usize::try_from(number).unwrap_or_default());
        somebody.map_or_else(|| Arc::from(NOBODY), |(_, hash)| Arc::clone(hash))
    }

    fn hash_of(&self, name: &str) -> Option<&Arc<str>> {
        let place = self.hashes.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.hashes.get(place).map(|(_, hash)| hash)
    }

    /// Whether this is the password; none where too many wait for theirs.
    async fn is_right(&self, password: Zeroizing<Vec<u8>>, hash: Arc<str>) -> Option<bool> {
        let _place = self.waiting.try_acquire().ok()?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        let check = move || {
            // Whoever goes away leaves the work behind, and its turn with it.
            let _turn = turn;
            if is_bcrypt(&hash) {
                return bcrypt::verify(&*password, &hash).unwrap_or(false);
            }
            Argon2::default().verify_password(&password, &*hash).is_ok()
        };
        tokio::task::spawn_blocking(check).await.ok()
    }
}

/// The name before the first colon.
fn name_of(pair: &[u8]) -> Option<Box<str>> {
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(pair.get(..colon)?).ok()?;
    Some(name.into())
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.bytes().any(|byte| byte.is_ascii_control())
}

/// Whether it is one of bcrypt, in any of the names that it had.
fn is_bcrypt(hash: &str) -> bool {
    ["$2a$", "$2b$", "$2y$"].iter().any(|name| hash.starts_with(name))
}

/// A hash that can be checked, and does not take more than a gateway has.
fn check_hash(hash: &str) -> Result<(), &'static str> {
    if is_bcrypt(hash) {
        let parts: bcrypt::HashParts = hash.parse().map_err(|_| "has no whole bcrypt hash")?;
        let is_meant = BCRYPT_COST.contains(&parts.get_cost());
        return is_meant.then_some(()).ok_or("asks for a cost that is not 4 to 14");
    }
    let hash = PasswordHash::new(hash).map_err(|_| "has no hash as `tidegate hash proxy-user` makes it")?;
    let is_argon2 = hash.algorithm.as_str().starts_with("argon2");
    let params = Params::try_from(&hash)
        .ok()
        .filter(|_| is_argon2 && hash.hash.is_some());
    let params = params.ok_or("has neither an Argon2 nor a bcrypt hash")?;
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

    /// What `htpasswd -nbB cat secret` wrote.
    const HTPASSWD: &str = "cat:$2y$05$e5Vf6WHrLtXWRpVTAY3EtOc5tAtDw8VKgrrRAsYpFp45tKu/.zMVq";

    fn users() -> Users {
        // The least that Argon2 takes: a test need not be slow.
        let cheap = Argon2::from(Params::new(8, 1, 1, None).unwrap());
        let hash = |password: &str| cheap.hash_password(password.as_bytes()).unwrap().to_string();
        let file = format!(
            "# who goes out\nann:{}\n\nbob:{}\n{HTPASSWD}\n",
            hash("secret"),
            hash("a:b")
        );
        Users::read(file.as_bytes(), HashKey::new([1; 32])).unwrap()
    }

    fn right(checked: Checked) -> Option<Arc<[u8]>> {
        match checked {
            Checked::Right(principal) => Some(principal),
            Checked::Wrong | Checked::Late(_) => None,
        }
    }

    #[tokio::test]
    async fn who_knows_the_password_is_known_and_nobody_else() {
        let users = users();
        for (field, name) in [
            ("Basic YW5uOnNlY3JldA==", Some("ann")),
            ("basic YW5uOnNlY3JldA==", Some("ann")),
            ("Basic Ym9iOmE6Yg==", Some("bob")),
            ("Basic Y2F0OnNlY3JldA==", Some("cat")),
            ("Basic Y2F0OndyY25n", None),
            ("Basic YW5uOndyb25n", None),
            ("Basic ZXZlOnNlY3JldA==", None),
            ("Basic YW5uOnNlY3JldA", None),
            ("Basic YW5u", None),
            ("Basic !!!!", None),
            ("Bearer YW5uOnNlY3JldA==", None),
            ("", None),
        ] {
            let expected = name.map(|name| principal(PROXY_USER, name));
            // Whoever is known need not be checked any more.
            let check = async |may_check| right(users.check(field.as_bytes(), NOW, || may_check).await);
            let found = [check(true).await, check(true).await, check(false).await];
            assert!(
                found.iter().all(|found| found.as_deref() == expected.as_deref()),
                "{field}"
            );
        }
        assert!(matches!(
            users.check(b"Basic YW5uOndyb25n", NOW, || false).await,
            Checked::Late(_)
        ));
        let _all = users
            .waiting
            .try_acquire_many(u32::try_from(WAITING_MAX).unwrap())
            .unwrap();
        assert!(matches!(
            users.check(b"Basic YW5uOndyb25n", NOW, || true).await,
            Checked::Late("passwords_waiting_max")
        ));
        assert!(check_hash(NOBODY).is_ok());
        assert_eq!(NOBODY.rsplit_once('$').map(|(_, hash)| hash.len()), Some(43));
    }

    #[test]
    fn whom_nobody_knows_is_like_the_same_one_after_a_restart() {
        let lines: Vec<String> = (10..40)
            .map(|n| {
                HTPASSWD
                    .replace("cat:", &format!("u{n}:"))
                    .replace("e5Vf", &format!("e5{n}"))
            })
            .collect();
        let read = |lines: &[String]| Users::read(lines.join("\n").as_bytes(), HashKey::new([1; 32])).unwrap();
        let (first, second) = (read(&lines), read(&lines));
        for name in ["eve", "mallory", "trudy", "oscar"] {
            assert_eq!(first.of_somebody(name), second.of_somebody(name));
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
            (
                HTPASSWD.replace("$05$", "$15$"),
                "line 1 asks for a cost that is not 4 to 14",
            ),
            (
                HTPASSWD.replace("$05$", "$03$"),
                "line 1 asks for a cost that is not 4 to 14",
            ),
            (HTPASSWD.replace("/.zMVq", ""), "line 1 has no whole bcrypt hash"),
        ] {
            let refused = Users::read(file.as_bytes(), HashKey::new([1; 32])).err();
            assert_eq!(refused.as_deref(), Some(error));
        }
    }
}
