//! Any bytes in the place of a credential, or in the answer about one, name somebody or nobody: nobody is named for whom nobody
//! vouches, it is the same the second time, and nothing panics.

use std::net::IpAddr;
use std::path::Path;
use std::sync::LazyLock;

use http::{HeaderValue, Request};
use serde_json::Value;
use tidegate::engine::births::CredentialId;
use tidegate::engine::secret::HashKey;
use tidegate::engine::time::Now;
use tidegate::identity::{Actor, Identity, Peer, Settings, Unanswered};

use super::token;

const SETTINGS: &str = "sources = [\"trusted:x-user\", \"jwt:authorization\", \"basic\", \"introspect:authorization\", \"cookie:sid\"]\n\
    [issuer.shop]\njwks = \"keys\"\nalgorithms = [\"EdDSA\"]\nissuer = \"https://login.example\"\n\
    [introspection]\nurl = \"https://login.example/introspect\"\n[group]\nagent = { claim = \"role=agent\" }\n";
const NOW: Now = Now::from_millis(1_800_000_000_000);

fn identity() -> Identity {
    let settings: Settings = toml::from_str(SETTINGS).expect("settings of ours");
    let read = |_: &Path| Ok(token::key_set("k1").into_bytes());
    Identity::compile(&settings, "x", HashKey::new([1; 32]), &read).unwrap_or_else(|problems| panic!("{problems:?}"))
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(identity);

/// Settings: whether the bytes are a token, the claims of one that is signed well, the header and the claims of one that is not,
/// the answer of an issuer, or a whole value of another source.
pub(crate) fn tokens(data: &[u8]) {
    let Some(([form], bytes)) = super::settings(data) else {
        return;
    };
    match form % 5 {
        0 => drop(shown("authorization", &[b"Bearer ", bytes].concat())),
        1 => signed(bytes),
        2 => unsigned(bytes),
        3 => answered(bytes),
        _ => opaque(bytes),
    }
}

/// Who shows this value, if it can stand in a header at all.
fn shown(name: &str, value: &[u8]) -> Option<Actor> {
    let value = HeaderValue::from_bytes(value).ok()?;
    let (head, ()) = Request::get("/").header(name, value).body(()).ok()?.into_parts();
    let peer: IpAddr = [192, 0, 2, 1].into();
    let who = || IDENTITY.identify(&head, &Peer::at(peer), NOW);
    let (actor, again) = (who(), who());
    assert!(
        actor.session == again.session && actor.principal == again.principal && actor.group == again.group,
        "it is somebody else the second time"
    );
    assert!(
        actor.principal.is_none() || actor.is_known,
        "somebody is named for whom nobody vouches"
    );
    assert!(actor.group.is_none() || actor.principal.is_some() || actor.session.is_some());
    assert!(!actor.revocable.is_empty(), "nothing of it could be revoked");
    Some(actor)
}

fn signed(bytes: &[u8]) {
    let Ok(claims) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let bearer = format!("Bearer {}", token::sign("k1", &claims));
    let Some(actor) = shown("authorization", bearer.as_bytes()) else {
        return;
    };
    if !actor.is_known {
        return;
    }
    assert_eq!(claims["iss"], "https://login.example", "another issuer is believed");
    let subject = claims["sub"].as_str().filter(|subject| !subject.is_empty());
    let principal = subject.map(|subject| [b"shop\0", subject.as_bytes()].concat());
    assert_eq!(actor.principal.as_deref(), principal.as_deref());
    assert_eq!(actor.kid, Some(tidegate::identity::kid_of("shop", "k1")));
}

/// The header and the claims, one a line, before the signature of something else.
fn unsigned(bytes: &[u8]) {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let good = token::sign("k1", &Value::Null);
    let (_, signature) = good.rsplit_once('.').expect("three parts");
    let parts: Vec<String> = lines.by_ref().map(base64url).collect();
    let actor = shown(
        "authorization",
        format!("Bearer {}.{signature}", parts.join(".")).as_bytes(),
    );
    assert!(actor.is_none_or(|actor| !actor.is_known), "nobody signed that");
}

fn answered(answer: &[u8]) {
    let asked = Unanswered {
        id: CredentialId(*blake3::hash(answer).as_bytes().first_chunk().expect("32 bytes")),
        token: b"opaque".as_slice().into(),
    };
    let is_active = IDENTITY.answered(&asked, answer, NOW);
    let said = serde_json::from_slice::<Value>(answer)
        .ok()
        .and_then(|said| said.get("active")?.as_bool());
    assert!(
        is_active.is_none_or(|is_active| said.is_some_and(|said| said || !is_active)),
        "it was not said"
    );
}

fn opaque(value: &[u8]) {
    for name in ["cookie", "authorization", "x-user"] {
        let actor = shown(name, value);
        let is_named = actor.is_some_and(|actor| name == "x-user" && (actor.is_known || actor.session.is_some()));
        assert!(!is_named, "who is no proxy names a user");
    }
}

/// Base64url without padding.
fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| {
            bits << 8 | u32::from(group.get(at).copied().unwrap_or_default())
        });
        text.extend((0..=group.len()).map(|at| char::from(LETTERS[(bits >> (18 - 6 * at) & 0x3f) as usize])));
    }
    text
}
