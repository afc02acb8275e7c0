//! Key sets behind URLs: fetched into files of the state directory, which a reload then reads as any other.
//!
//! So a key set that cannot be had is a file that stays as it is, a restart needs no login service, and what changes in a
//! set comes into force as every change does: whole or not at all.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;

use super::state::write_whole;
use crate::clock::Clock;
use crate::engine::time::Now;
use crate::events::{Event, RevocationFact, report};
use crate::identity::{Identity, check_key_set, key_set_file, key_set_url};
use crate::proxy::Gateway;
use crate::proxy::fetch::{Fetched, fetch};

/// How often a set is fetched when all is well: a key that has gone from it is refused within so many seconds.
const REFRESH_S: u32 = 300;
/// How often at most, whoever asks: a stranger can name keys that are nowhere with each request.
const ASKED_S_MIN: u32 = 30;
/// A set that could not be fetched for so long is no longer believed.
const STALE_S_MAX: u32 = 86_400;
/// So many seconds after a set came it is in force, or refused: what was fetched before is not taken for it.
const IN_FORCE_S: u32 = 5;
/// How often it is told in words that one cannot be had, in seconds.
const TOLD_S_MIN: u32 = 3_600;
/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_millis(500);

/// Fetches key sets until `stop`.
pub(super) async fn run(gateway: Arc<Gateway>, dir: PathBuf, stop: CancellationToken) {
    let mut fetcher = Fetcher::new(dir, gateway.clock);
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {
                let set = gateway.set().clone();
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = fetcher.look(&set.identity) => {}
                }
            }
        }
    }
}

/// Fetches, before anybody is served, the sets of `identity` that were never fetched; whether there is a new one.
pub(super) async fn fetch_missing(identity: &Identity, dir: &Path, clock: Clock) -> bool {
    let mut fetcher = Fetcher::new(dir.to_owned(), clock);
    let mut is_news = false;
    for set in identity.remote_keys() {
        if age(dir, set.url(), clock.now()).is_none() {
            is_news |= fetcher.fetch(set.url()).await;
        }
    }
    is_news
}

/// Since when the set behind `url` is known to be as it is, in seconds; none where it was never fetched.
fn age(dir: &Path, url: &str, now: Now) -> Option<u32> {
    let modified = fs::metadata(dir.join(key_set_file(url)?)).ok()?.modified().ok()?;
    let seconds = modified.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(u64::from(now.second()).saturating_sub(seconds) as u32)
}

struct Fetcher {
    dir: PathBuf,
    clock: Clock,
    /// By URL; those of an earlier configuration are a few words each.
    sets: HashMap<String, KnownSet>,
}

#[derive(Default)]
struct KnownSet {
    tag: Option<String>,
    /// When it was last asked for; 0 for never.
    asked: u32,
    /// When it was last told that it cannot be had; 0: it can.
    told: u32,
}

impl KnownSet {
    /// What is to be told in words of the last try to fetch it.
    fn tell(&mut self, is_had: bool, why: &'static str, now: u32) -> Option<RevocationFact> {
        let told = self.told;
        if is_had {
            self.told = 0;
            return (told != 0).then_some(RevocationFact::KeySetIsBack);
        }
        let is_due = told == 0 || now.saturating_sub(told) >= TOLD_S_MIN;
        is_due.then(|| {
            self.told = now;
            RevocationFact::KeySetFails { why }
        })
    }
}

impl Fetcher {
    fn new(dir: PathBuf, clock: Clock) -> Self {
        let sets = HashMap::new();
        Self { dir, clock, sets }
    }

    /// Fetches what is due.
    async fn look(&mut self, identity: &Identity) {
        let mut oldest = None;
        for set in identity.remote_keys() {
            let (url, now) = (set.url(), self.clock.now());
            let since_asked = now
                .second()
                .saturating_sub(self.sets.get(url).map_or(0, |known| known.asked));
            let mut age = age(&self.dir, url, now);
            // A wish stays until it may be granted.
            if is_due(since_asked, age, || set.was_wanted()) {
                self.fetch(url).await;
                age = self::age(&self.dir, url, now);
            }
            if age.is_some_and(|age| age > STALE_S_MAX) {
                self.forget(url);
            }
            if let Some(age) = age.filter(|age| *age >= IN_FORCE_S) {
                set.was_had(now.second().saturating_sub(age));
            }
            oldest = oldest.max(age);
        }
        if let Some(seconds) = oldest {
            report(&Event::Revocation(RevocationFact::KeySetAge { seconds }));
        }
    }

    /// Fetches one set; whether it is another than before.
    async fn fetch(&mut self, url: &str) -> bool {
        let (Ok(uri), Some(file)) = (key_set_url(url), key_set_file(url)) else {
            return false;
        };
        let path = self.dir.join(&file);
        let now = self.clock.now().second();
        let known = self.sets.entry(url.to_owned()).or_default();
        known.asked = now;
        let tag = known.tag.clone().filter(|_| path.exists());
        let result = match fetch(&uri, tag.as_deref()).await {
            Ok(Fetched::Same) => "same",
            Ok(Fetched::New(bytes, tag)) => {
                let kept = keep(&self.dir, &file, &bytes);
                if matches!(kept, "same" | "fetched") {
                    known.tag = tag;
                }
                kept
            }
            Err(why) => why,
        };
        report(&Event::Revocation(RevocationFact::KeySet { result }));
        let is_had = matches!(result, "same" | "fetched");
        if let Some(fact) = known.tell(is_had, result, now) {
            report(&Event::Revocation(fact));
        }
        if is_had {
            self.confirm(&path);
        }
        result == "fetched"
    }

    /// Notes that the set is as it is in `path` now.
    fn confirm(&self, path: &Path) {
        let now = UNIX_EPOCH + Duration::from_secs(u64::from(self.clock.now().second()));
        let file = File::options().write(true).open(path);
        // A file that cannot be touched grows old, which is told.
        drop(file.and_then(|file| file.set_modified(now)));
    }

    /// Nothing that the set signs is believed any more, until it is fetched again.
    fn forget(&mut self, url: &str) {
        if let Some(file) = key_set_file(url) {
            drop(fs::remove_file(self.dir.join(file)));
        }
        self.sets.remove(url);
        report(&Event::Revocation(RevocationFact::KeySet { result: "stale" }));
    }
}

/// Puts a set that came into its file, if it is one and another than before; what came of it.
fn keep(dir: &Path, file: &Path, bytes: &[u8]) -> &'static str {
    if check_key_set(bytes).is_err() {
        return "refused";
    }
    if fs::read(dir.join(file)).is_ok_and(|before| before == bytes) {
        return "same";
    }
    match write_whole(dir, file.to_str().unwrap_or_default(), bytes) {
        Ok(()) => "fetched",
        Err(_) => "disk",
    }
}

/// Whether a set is to be fetched that was last asked for so many seconds ago and is of this age.
fn is_due(since_asked: u32, age: Option<u32>, was_wanted: impl FnOnce() -> bool) -> bool {
    since_asked >= ASKED_S_MIN && (age.is_none_or(|age| age >= REFRESH_S) || was_wanted())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn a_set_is_fetched_when_it_is_old_or_wanted_and_never_too_often() {
        for (since_asked, age, wanted, due) in [
            (u32::MAX, None, false, true),
            (300, Some(300), false, true),
            (299, Some(299), false, false),
            (30, Some(30), true, true),
            (29, Some(29), true, false),
            (29, None, false, false),
            (30, Some(4_000), false, true),
        ] {
            assert_eq!(
                is_due(since_asked, age, || wanted),
                due,
                "{since_asked} {age:?} {wanted}"
            );
        }
    }

    #[test]
    fn a_set_that_cannot_be_had_is_told_at_once_each_hour_and_when_it_is_back() {
        let mut known = KnownSet::default();
        let mut told = |is_had: bool, now: u32| match known.tell(is_had, "connect", now) {
            Some(RevocationFact::KeySetFails { why: "connect" }) => 'f',
            Some(RevocationFact::KeySetIsBack) => 'b',
            Some(_) => '?',
            None => '-',
        };
        let tries = [
            (true, 100),
            (false, 130),
            (false, 160),
            (false, 3_729),
            (false, 3_730),
            (false, 3_760),
            (true, 3_790),
            (true, 4_090),
        ];
        let told: String = tries.into_iter().map(|(is_had, now)| told(is_had, now)).collect();
        assert_eq!(told, "-f--f-b-");
    }

    /// A login service that gives one answer a connection, in this order; and then the heads that it was asked with.
    async fn login_service(answers: Vec<String>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            let mut heads = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                heads.push(head_of(&mut stream).await);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            heads
        });
        (url, serving)
    }

    async fn head_of(stream: &mut tokio::net::TcpStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    const SET: &str =
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    /// Makes the set of this URL so many seconds old.
    fn grow_old(dir: &Path, url: &str, clock: Clock, seconds: u32) {
        let then = UNIX_EPOCH + Duration::from_secs(u64::from(clock.now().second() - seconds));
        let file = File::options().write(true).open(dir.join(key_set_file(url).unwrap()));
        file.and_then(|file| file.set_modified(then)).unwrap();
    }

    #[tokio::test]
    async fn a_set_is_asked_for_by_its_tag_and_one_that_is_the_same_is_young_again() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::start());
        let whole = format!(
            "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: {}\r\n\r\n{SET}",
            SET.len()
        );
        let same = "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n".to_owned();
        let unavailable = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_owned();
        let (url, serving) = login_service(vec![whole.clone(), same, unavailable, whole]).await;
        let mut fetcher = Fetcher::new(dir.path().to_owned(), clock);
        assert!(fetcher.fetch(&url).await, "it is new");
        grow_old(dir.path(), &url, clock, 4_000);
        assert!(!fetcher.fetch(&url).await, "it is the same");
        assert!(age(dir.path(), &url, clock.now()).unwrap() < 60);
        grow_old(dir.path(), &url, clock, 4_000);
        assert!(!fetcher.fetch(&url).await);
        assert!(
            age(dir.path(), &url, clock.now()).unwrap() >= 4_000,
            "what cannot be had grows older"
        );
        // A file that is gone is fetched whole.
        fs::remove_file(dir.path().join(key_set_file(&url).unwrap())).unwrap();
        assert!(fetcher.fetch(&url).await);
        let asked: Vec<bool> = serving
            .await
            .unwrap()
            .iter()
            .map(|head| head.contains("if-none-match: \"v1\""))
            .collect();
        assert_eq!(asked, [false, true, true, false]);
    }

    fn identity(url: &str) -> Identity {
        let settings = format!("[issuer.shop]\njwks = \"{url}\"\nalgorithms = [\"EdDSA\"]\n");
        let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        let secret = crate::engine::secret::HashKey::new([1; 32]);
        let identity = Identity::compile(&toml::from_str(&settings).unwrap(), "x", secret, &read);
        identity.unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    #[tokio::test]
    async fn a_set_that_cannot_be_had_for_a_day_is_believed_no_more_and_until_then_it_is() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::start());
        // Nobody listens there.
        let (url, serving) = login_service(Vec::new()).await;
        serving.await.unwrap();
        let (identity, file) = (identity(&url), dir.path().join(key_set_file(&url).unwrap()));
        fs::write(&file, SET).unwrap();
        grow_old(dir.path(), &url, clock, STALE_S_MAX - 60);
        Fetcher::new(dir.path().to_owned(), clock).look(&identity).await;
        assert!(file.exists(), "a restart goes on with it");
        assert!(
            !fetch_missing(&identity, dir.path(), clock).await,
            "and does not wait for anybody"
        );
        grow_old(dir.path(), &url, clock, STALE_S_MAX + 1);
        Fetcher::new(dir.path().to_owned(), clock).look(&identity).await;
        assert!(!file.exists());
    }

    #[test]
    fn what_is_no_key_set_is_refused_and_the_same_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let set = SET.as_bytes();
        let keep = |bytes: &[u8]| keep(dir.path(), Path::new("jwks-a.json"), bytes);
        assert_eq!([keep(b"<html>"), keep(b"{\"keys\":[]}")], ["refused"; 2]);
        assert_eq!([keep(set), keep(set), keep(b"")], ["fetched", "same", "refused"]);
        assert_eq!(fs::read(dir.path().join("jwks-a.json")).unwrap(), set);
    }
}
