//! Any bytes are security events or a word of a directory, or are refused: nobody is named by accident, and nothing panics.

use std::sync::LazyLock;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::Value;
use tidegate::engine::secret::HashKey;
use tidegate::engine::time::Now;
use tidegate::identity::{Identity, Settings, filtered, patch, person, person_id, read_person_id};

const SETTINGS: &str = "[issuer.shop]\njwks = \"keys\"\nalgorithms = [\"EdDSA\"]\nissuer = \"https://login.example\"\n\
    [transmitter.idp]\njwks = \"keys\"\nalgorithms = [\"EdDSA\"]\nissuer = \"https://idp.example\"\naudience = \"gateway\"\n\
    accounts_of = \"shop\"\n";
const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// The private key of RFC 8037, appendix A.1, as PKCS #8.
const PRIVATE: [u8; 48] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20, 0x9d, 0x61, 0xb1,
    0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
    0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];
/// The codes of RFC 8935, section 2.4, that are used.
const CODES: [&str; 4] = ["invalid_request", "invalid_key", "invalid_issuer", "invalid_audience"];

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let settings: Settings = toml::from_str(SETTINGS).expect("settings of ours");
    let read = |_: &std::path::Path| Ok(KEYS.as_bytes().to_vec());
    Identity::compile(&settings, "x", HashKey::new([1; 32]), &read).unwrap_or_else(|problems| panic!("{problems:?}"))
});

/// Settings: whether the bytes are a token, the claims of one that is signed well, a resource of SCIM or a filter.
pub(crate) fn signals(data: &[u8]) {
    let Some(([form], bytes)) = super::settings(data) else {
        return;
    };
    match form % 4 {
        0 => token(bytes),
        1 => {
            if let Ok(claims) = serde_json::from_slice::<Value>(bytes) {
                token(signed(&claims).as_bytes());
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

fn signed(claims: &Value) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    (header.typ, header.kid) = (Some("secevent+jwt".to_owned()), Some("k1".to_owned()));
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(&PRIVATE)).expect("it can be signed")
}

fn token(token: &[u8]) {
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
