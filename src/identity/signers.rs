//! Who signs tokens and security events: from what the operator wrote to what is meant.

use std::io;
use std::path::Path;
use std::sync::Arc;

use jsonwebtoken::Algorithm;
use toml::Spanned;
use zeroize::Zeroizing;

use super::basic::encode_basic;
use super::compile::{INTROSPECTION, Problems, ReadFile, accounts_of, is_name};
use super::introspection::{Answers, Introspection};
use super::peer_issuer::PeerIssuer;
use super::remote::{RemoteKeys, key_set_file, key_set_url};
use super::revocation::USERS;
use super::settings::{IssuerSettings, Settings};
use super::signal::{Poll, Transmitter};
use super::signer::Signer;
use super::token::{Issuer, SigningKey, parse_algorithm, read_keys};
use crate::engine::secret::HashKey;

const ISSUERS_MAX: usize = 16;
const LEEWAY_S_MAX: u32 = 600;
const KEY_DAYS_MAX: u32 = 36_500;
const POLL_S_MAX: u32 = 3_600;
const ANSWERS_MAX: usize = 10_000_000;
const ANSWER_S_MAX: u32 = 3_600;
const WAIT_MS_MAX: u32 = 5_000;
const ASKS_PER_S_MAX: u32 = 1_000_000;

/// Who signs tokens.
pub(super) fn issuers(
    settings: &Settings,
    secret: &HashKey,
    read: ReadFile<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Issuer> {
    if settings.issuer.len() > ISSUERS_MAX {
        problems.add("I008", 0..0, format!("there are more than {ISSUERS_MAX} issuers"), None);
    }
    settings
        .issuer
        .iter()
        .filter_map(|(name, written)| issuer(name, written, (secret, read), problems))
        .collect()
}

fn issuer(
    name: &Spanned<String>,
    written: &IssuerSettings,
    (secret, read): (&HashKey, ReadFile<'_>),
    problems: &mut Problems<'_>,
) -> Option<Issuer> {
    let before = problems.found.len();
    issuer_name(name, problems);
    let algorithms = algorithms(name, &written.algorithms, problems);
    leeway(&written.leeway_s, problems);
    if !(1..=KEY_DAYS_MAX).contains(written.key_days_max.get_ref()) {
        problems.add(
            "I008",
            written.key_days_max.span(),
            format!("`key_days_max` is not within 1 and {KEY_DAYS_MAX}"),
            None,
        );
    }
    let keys = key_set(&written.jwks, read, problems);
    let peer = written.peer.as_ref().map(|peer| {
        let peer = (peer, written.issuer.as_deref());
        PeerIssuer::compile(name.get_ref(), peer, problems)
    });
    (problems.found.len() == before).then(|| Issuer {
        name: name.get_ref().as_str().into(),
        algorithms,
        iss: written.issuer.clone(),
        aud: written.audience.clone(),
        leeway_s: *written.leeway_s.get_ref(),
        secret: secret.clone(),
        keys,
        remote: remote(&written.jwks),
        retired: Vec::new(),
        key_days_max: *written.key_days_max.get_ref(),
        peer,
    })
}

fn issuer_name(name: &Spanned<String>, problems: &mut Problems<'_>) {
    if !is_name(name.get_ref()) || USERS.contains(&name.get_ref().as_str()) {
        let help = "use small letters, digits, - and _; `api-key`, `basic`, `certificate`, `proxy-user` and `trusted` are taken";
        let message = format!("`{name}` cannot name an issuer");
        problems.add("I008", name.span(), message, Some(help));
    }
}

/// Who is asked for opaque tokens; none where nobody is, or it is not right, which is a problem.
pub(super) fn introspection(
    settings: &Settings,
    secret: &HashKey,
    read: ReadFile<'_>,
    problems: &mut Problems<'_>,
) -> Option<Introspection> {
    let written = settings.introspection.as_ref()?;
    let is_an_issuer = || settings.issuer.keys().any(|name| name.get_ref() == INTROSPECTION);
    match &written.accounts_of {
        Some(name) => issuer_name(name, problems),
        None if is_an_issuer() => {
            let message =
                format!("an issuer is called `{INTROSPECTION}`: are those the accounts that opaque tokens name?");
            let help = "accounts_of = \"introspection\", or another name";
            problems.add("I008", written.url.span(), message, Some(help));
        }
        None => {}
    }
    for (name, value, max) in [
        ("answers_max", written.answers_max, ANSWERS_MAX),
        ("answer_s_max", written.answer_s_max as usize, ANSWER_S_MAX as usize),
        ("wait_ms_max", written.wait_ms_max as usize, WAIT_MS_MAX as usize),
        (
            "asks_per_s_max",
            written.asks_per_s_max as usize,
            ASKS_PER_S_MAX as usize,
        ),
    ] {
        if !(1..=max).contains(&value) {
            let message = format!("`identity.introspection.{name}` is not within 1 and {max}");
            problems.add("I008", written.url.span(), message, None);
        }
    }
    let client = written.client.as_ref().map(|path| {
        let client = one_line(path, read).filter(|client| client.contains(':'));
        if client.is_none() {
            problems.add("I013", path.span(), format!("`{path}` holds no `ID:SECRET`"), None);
        }
        encode_basic(client.as_deref().map_or("", String::as_str))
    });
    let url = key_set_url(written.url.get_ref()).map_err(|_| {
        let message = "tokens are asked for at an `https://` URL, or at `http://` on a loopback address";
        problems.add("I013", written.url.span(), message, None);
    });
    Some(Introspection {
        url: url.ok()?,
        authorization: client,
        wait_ms_max: written.wait_ms_max,
        asks_per_s_max: written.asks_per_s_max,
        accounts_of: accounts_of(written).into(),
        iss: written.issuer.clone(),
        aud: written.audience.clone(),
        answer_s_max: written.answer_s_max,
        secret: secret.clone(),
        answers: Arc::new(Answers::new(written.answers_max)),
    })
}

/// The one line of visible letters that a file holds.
fn one_line(path: &Spanned<String>, read: ReadFile<'_>) -> Option<Zeroizing<String>> {
    let bytes = read(Path::new(path.get_ref())).ok()?;
    let text = Zeroizing::new(String::from_utf8(bytes).ok()?);
    let line = Zeroizing::new(text.trim().to_owned());
    Some(line).filter(|line| !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// Who signs statements for this gateway, under this name: with which `iss`, `aud` and leeway, which keys and algorithms.
pub(super) fn signer(
    name: &Spanned<String>,
    (iss, aud, leeway_s): (&str, &str, &Spanned<u32>),
    (jwks, written): (&Spanned<String>, &[Spanned<String>]),
    read: ReadFile<'_>,
    problems: &mut Problems<'_>,
) -> Signer {
    leeway(leeway_s, problems);
    Signer {
        iss: iss.to_owned(),
        aud: aud.to_owned(),
        algorithms: algorithms(name, written, problems),
        keys: key_set(jwks, read, problems),
        remote: remote(jwks),
        leeway_s: *leeway_s.get_ref(),
    }
}

/// Who pushes security events.
pub(super) fn transmitters(settings: &Settings, read: ReadFile<'_>, problems: &mut Problems<'_>) -> Vec<Transmitter> {
    if settings.transmitter.len() > ISSUERS_MAX {
        let message = format!("there are more than {ISSUERS_MAX} transmitters");
        problems.add("I008", 0..0, message, None);
    }
    let compiled = settings.transmitter.iter().map(|(name, written)| {
        let of = &written.accounts_of;
        let issuer = settings
            .issuer
            .iter()
            .find(|(issuer, _)| issuer.get_ref() == of.get_ref());
        if issuer.is_none() {
            let message = format!("there is no [identity.issuer.{of}] about whose accounts it could speak");
            problems.add("I012", of.span(), message, None);
        }
        let meant = (written.issuer.as_str(), written.audience.as_str(), &written.leeway_s);
        Transmitter {
            name: name.get_ref().as_str().into(),
            signer: signer(name, meant, (&written.jwks, &written.algorithms), read, problems),
            issuer: of.get_ref().as_str().into(),
            subjects_iss: issuer.and_then(|(_, issuer)| issuer.issuer.clone()),
        }
    });
    compiled.collect()
}

/// Where events are fetched.
pub(super) fn polls(settings: &Settings, read: ReadFile<'_>, problems: &mut Problems<'_>) -> Vec<Poll> {
    let mut polls = Vec::new();
    for (name, written) in &settings.transmitter {
        let Some(url) = &written.poll else {
            continue;
        };
        let every_s = *written.poll_s.get_ref();
        if !(1..=POLL_S_MAX).contains(&every_s) {
            let message = format!("`poll_s` is not within 1 and {POLL_S_MAX}");
            problems.add("I008", written.poll_s.span(), message, None);
        }
        let token = written.poll_token.as_ref().and_then(|path| {
            let token = one_line(path, read);
            if token.is_none() {
                problems.add("I012", path.span(), format!("`{path}` holds no token"), None);
            }
            token
        });
        match key_set_url(url.get_ref()) {
            Ok(uri) => polls.push(Poll {
                transmitter: name.get_ref().as_str().into(),
                url: uri,
                token,
                every_s,
            }),
            Err(_) => problems.add(
                "I012",
                url.span(),
                "events are fetched from an `https://` URL, or from `http://` on a loopback address",
                None,
            ),
        }
    }
    polls
}

/// The algorithms that somebody signs with.
pub(super) fn algorithms(
    name: &Spanned<String>,
    list: &[Spanned<String>],
    problems: &mut Problems<'_>,
) -> Vec<Algorithm> {
    let mut algorithms = Vec::new();
    for algorithm in list {
        match parse_algorithm(algorithm.get_ref()) {
            Ok(algorithm) => algorithms.push(algorithm),
            Err(reason) => problems.add("I003", algorithm.span(), format!("`{algorithm}`: {reason}"), None),
        }
    }
    if list.is_empty() {
        problems.add("I003", name.span(), format!("`{name}` has no algorithm"), None);
    }
    algorithms
}

pub(super) fn leeway(leeway_s: &Spanned<u32>, problems: &mut Problems<'_>) {
    if *leeway_s.get_ref() > LEEWAY_S_MAX {
        let message = format!("`leeway_s` is more than {LEEWAY_S_MAX}");
        problems.add("I008", leeway_s.span(), message, None);
    }
}

/// The keys of a key set: in a file, or behind a URL, from where they were fetched into one, or not yet.
pub(super) fn key_set(jwks: &Spanned<String>, read: ReadFile<'_>, problems: &mut Problems<'_>) -> Vec<SigningKey> {
    let path = jwks.get_ref();
    let is_remote = key_set_file(path).is_some();
    if is_remote && let Err(message) = key_set_url(path) {
        problems.add("I004", jwks.span(), message, Some("https://login.example/jwks.json"));
        return Vec::new();
    }
    let keys = match read(Path::new(path)) {
        Err(error) if is_remote && error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        read => read.map_err(|error| format!("`{path}` cannot be read: {error}")),
    };
    keys.and_then(|bytes| read_keys(&bytes)).unwrap_or_else(|message| {
        problems.add("I004", jwks.span(), message, None);
        Vec::new()
    })
}

pub(super) fn remote(jwks: &Spanned<String>) -> Option<Arc<RemoteKeys>> {
    key_set_file(jwks.get_ref()).map(|_| RemoteKeys::new(jwks.get_ref()))
}
