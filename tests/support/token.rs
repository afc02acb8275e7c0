//! Tokens signed by the published key of RFC 8037, appendix A, and a key set that verifies them.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// The public half.
pub(crate) const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// It as the key `kid` of a set.
pub(crate) fn key_set(kid: &str) -> String {
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid,
        "x": PUBLIC }] })
    .to_string()
}

/// The private key of RFC 8037, appendix A.1, as PKCS #8.
const PRIVATE: [u8; 48] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20, 0x9d, 0x61, 0xb1,
    0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
    0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];

/// A token of these claims, signed as the key `kid`.
pub(crate) fn sign(kid: &str, claims: &Value) -> String {
    sign_as(None, kid, claims)
}

/// The same with a media type.
pub(crate) fn sign_as(typ: Option<&str>, kid: &str, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(kid.to_owned());
    if let Some(typ) = typ {
        header.typ = Some(typ.to_owned());
    }
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(&PRIVATE)).expect("it can be signed")
}
