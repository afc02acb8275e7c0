//! Key sets that are behind a URL: somebody else fetches them into a file, and is told when a token names a key that is not there.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use http::Uri;

use super::Identity;
use super::token::read_keys;
use crate::engine::time::Now;

/// A key that is in no set that was had within so many seconds is none of its issuer's. While one is asked for, a set is fetched
/// twice as often: who makes up names of keys is in doubt for moments.
const FRESH_S: u32 = 60;

/// One key set behind a URL.
#[derive(Debug)]
pub struct RemoteKeys {
    url: String,
    /// A token named a key that is not in it.
    is_wanted: AtomicBool,
    /// The last second in which it was certainly as it is here; 0: it never was.
    had: AtomicU32,
}

impl RemoteKeys {
    pub(super) fn new(url: &str) -> Arc<Self> {
        Arc::new(Self {
            url: url.to_owned(),
            is_wanted: AtomicBool::new(false),
            had: AtomicU32::new(0),
        })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A token names a key that is not in the set: it may have a new one.
    pub(super) fn want(&self) {
        self.is_wanted.store(true, Ordering::Relaxed);
    }

    /// Whether a token named such a key since the last time.
    pub fn was_wanted(&self) -> bool {
        self.is_wanted.swap(false, Ordering::Relaxed)
    }

    /// In this second the set was as it is here.
    pub fn was_had(&self, second: u32) {
        self.had.store(second, Ordering::Relaxed);
    }

    /// Whether a key that is not in it is none of its issuer's.
    pub(super) fn is_fresh(&self, now: Now) -> bool {
        now.second().saturating_sub(self.had.load(Ordering::Relaxed)) <= FRESH_S
    }
}

/// The name of the file, in the state directory, into which the key set behind `url` is fetched; none for what is a path.
pub fn key_set_file(url: &str) -> Option<PathBuf> {
    url.contains("://").then(|| {
        let hash = blake3::hash(url.as_bytes()).to_hex();
        format!("jwks-{}.json", hash.get(..16).unwrap_or_default()).into()
    })
}

/// The URL of a key set: whoever can change it on its way chooses who may sign.
///
/// # Errors
/// A sentence that says why not.
pub fn key_set_url(url: &str) -> Result<Uri, &'static str> {
    let uri: Uri = url.parse().map_err(|_| "this is no URL")?;
    let host = uri.host().ok_or("the URL names no host")?;
    let is_here = || {
        host.trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
    };
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_here() => Ok(uri),
        Some("http") => Err("a key set comes over https, or from a loopback address"),
        Some(_) | None => Err("the URL of a key set begins with https://"),
    }
}

/// Whether these bytes are a key set that can be used.
///
/// # Errors
/// A sentence that says why not.
pub fn check_key_set(bytes: &[u8]) -> Result<(), String> {
    read_keys(bytes).map(drop)
}

impl Identity {
    /// The key sets that are behind URLs.
    pub fn remote_keys(&self) -> impl Iterator<Item = &Arc<RemoteKeys>> {
        let issuers = self.issuers.iter().filter_map(|issuer| issuer.remote.as_ref());
        let transmitters = self.transmitters.iter();
        let transmitters = transmitters.filter_map(|transmitter| transmitter.signer.remote.as_ref());
        let approver = self
            .approver
            .iter()
            .filter_map(|approver| approver.signer.remote.as_ref());
        issuers.chain(transmitters).chain(approver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_set_comes_over_https_or_from_this_machine() {
        for url in [
            "https://login.example/jwks.json",
            "https://login.example:8443/a?b=c",
            "http://127.0.0.1:9000/jwks",
            "http://[::1]:9000/jwks",
        ] {
            assert!(key_set_url(url).is_ok(), "{url}");
        }
        for url in [
            "http://login.example/jwks.json",
            "http://127.0.0.1.example/jwks",
            "ftp://login.example/",
            "https://",
            "://",
        ] {
            assert!(key_set_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn each_url_has_a_file_of_its_own_and_a_path_has_none() {
        let file = |url| key_set_file(url).expect("a name");
        assert_ne!(file("https://a.example/"), file("https://b.example/"));
        assert_eq!(key_set_file("keys/jwks.json"), None);
    }
}
