//! Any bytes are security events or a word of a directory, or are refused: nobody is named by accident, and nothing panics.

use std::sync::LazyLock;

use serde_json::Value;
use tidegate::engine::secret::HashKey;
use tidegate::engine::time::Now;
use tidegate::identity::{Identity, Settings, filtered, patch, person, person_id, read_person_id};

use super::token;

const SETTINGS: &str = "[issuer.shop]\njwks = \"keys\"\nalgorithms = [\"EdDSA\"]\nissuer = \"https://login.example\"\n\
    [transmitter.idp]\njwks = \"keys\"\nalgorithms = [\"EdDSA\"]\nissuer = \"https://idp.example\"\naudience = \"gateway\"\n\
    accounts_of = \"shop\"\n";
/// The codes of RFC 8935, section 2.4, that are used.
const CODES: [&str; 4] = ["invalid_request", "invalid_key", "invalid_issuer", "invalid_audience"];

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let settings: Settings = toml::from_str(SETTINGS).expect("settings of ours");
    let read = |_: &std::path::Path| Ok(token::key_set("k1").into_bytes());
    Identity::compile(&settings, "x", HashKey::new([1; 32]), &read).unwrap_or_else(|problems| panic!("{problems:?}"))
});

/// Settings: whether the bytes are a token, the claims of one that is signed well, a resource of SCIM or a filter.
pub(crate) fn signals(data: &[u8]) {
    let Some(([form], bytes)) = super::settings(data) else {
        return;
    };
    match form % 4 {
        0 => event(bytes),
        1 => {
            if let Ok(claims) = serde_json::from_slice::<Value>(bytes) {
                event(token::sign_as(Some("secevent+jwt"), "k1", &claims).as_bytes());
            }
        }
        2 => resource(bytes),
        _ => {
            let name = std::str::from_utf8(bytes).ok().and_then(filtered);
            assert!(
                name.is_none_or(|name| !name.is_empty()),
                "somebody without a name is looked for"
            );
        }
    }
}

fn event(token: &[u8]) {
    let now = Now::from_millis(1_800_000_000_000);
    let read = IDENTITY.read_signal(token, now);
    assert_eq!(
        read,
        IDENTITY.read_signal(token, now),
        "it says something else the second time"
    );
    match read {
        Err(error) => assert!(CODES.contains(&error.code), "{}", error.code),
        Ok(signal) => {
            assert!((1..=16).contains(&signal.orders.len()));
            assert!(
                signal.orders.iter().all(|order| order.names.len() <= 1),
                "one event is about one subject"
            );
            assert!(!IDENTITY.has_seen(&signal), "nothing was put in force");
        }
    }
}

fn resource(body: &[u8]) {
    let is_object = matches!(serde_json::from_slice(body), Ok(Value::Object(_)));
    assert!(is_object || patch(body).is_err() && person(body).is_err());
    let Ok(person) = person(body) else { return };
    let keys = IDENTITY.person_keys("shop", &person.names);
    assert!(keys.len() <= 8 && keys.is_empty() == person.names.is_empty());
    let again = read_person_id(&person_id(&keys));
    assert!(
        keys.is_empty() || again.is_some_and(|again| again == keys),
        "an id is not read as it was written"
    );
}
