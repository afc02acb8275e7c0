//! The key that is asked about, as a person names it.

use std::net::IpAddr;

use super::{Exit, Failed};
use crate::cli::text_file::typed;
use crate::engine::ledger::{Dimension, KeyId};
use crate::engine::policy::people_key;
use crate::engine::secret::HashKey;
use crate::identity::{address_key, kid_of, network_key, principal_of, session_of};
use crate::run::StateError;

/// A key is named in at most so many bytes: as many as a credential has.
const NAME_BYTES_MAX: u64 = 64 << 10;

/// The key that `text` names; `-` reads it from standard input, since a command line is seen by others.
pub(super) fn read(text: &str, secret: &Result<HashKey, StateError>) -> Result<KeyId, Failed> {
    named(&typed(text, NAME_BYTES_MAX)?, secret)
}

fn named(text: &str, secret: &Result<HashKey, StateError>) -> Result<KeyId, Failed> {
    if let Some(key) = KeyId::parse(text) {
        return Ok(key);
    }
    let usage = |message: &str| Failed::new(Exit::Usage, format!("--key {message}"));
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| usage("is 24 hexadecimal digits, or DIMENSION=VALUE"))?;
    let dimension = Dimension::parse(name);
    let dimension = dimension.ok_or_else(|| usage("names a dimension that there is not"))?;
    let value = value_of(dimension, value).map_err(usage)?;
    match secret {
        Ok(secret) => Ok(people_key(secret, dimension, &value)),
        Err(error) => Err(Failed::new(Exit::Permission, format!("without the hash key: {error}"))),
    }
}

/// The bytes that stand for a value in its key.
fn value_of(dimension: Dimension, text: &str) -> Result<Vec<u8>, &'static str> {
    let address = text.split('/').next().unwrap_or_default().parse::<IpAddr>();
    match dimension {
        Dimension::Address => address
            .map(|address| address_key(address).to_vec())
            .map_err(|_| "has no address"),
        Dimension::Network | Dimension::Anonymous => address
            .map(|address| network_key(address).to_vec())
            .map_err(|_| "has no network"),
        // Who shows no credential is known by the address.
        Dimension::Session => match (address, text.split_once('=')) {
            (Ok(address), _) => Ok(address_key(address).to_vec()),
            (Err(_), Some((source, value))) => Ok(session_of(source, value.as_bytes()).to_vec()),
            (Err(_), None) => Err("has no session: session=cookie:NAME=VALUE, or session=ADDRESS"),
        },
        Dimension::Principal => Ok(principal_of(text)),
        Dimension::Kid => match text.split_once(':') {
            Some((issuer, kid)) => Ok(kid_of(issuer, kid).to_vec()),
            None => Err("has no signing key: kid=ISSUER:ID"),
        },
        Dimension::Route
        | Dimension::Global
        | Dimension::Issuer
        | Dimension::Certificate
        | Dimension::Ja4
        | Dimension::Headers
        | Dimension::Http2
        | Dimension::Place
        | Dimension::Service
        | Dimension::Destination
        | Dimension::Domain
        | Dimension::Category
        | Dimension::Workspace => Ok(text.as_bytes().to_vec()),
        Dimension::Exchange | Dimension::Combined(_) => Err("of this dimension is known by its 24 digits alone"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_as_the_gateway_makes_them() {
        let key = |dimension, value: &[u8]| people_key(&HashKey::new([1; 32]), dimension, value);
        let session = session_of("cookie:sid", b"a=b");
        for (text, expected) in [
            ("address=192.0.2.7", key(Dimension::Address, &[192, 0, 2, 7])),
            ("network=192.0.2.0/24", key(Dimension::Network, &[192, 0, 2])),
            ("session=192.0.2.7", key(Dimension::Session, &[192, 0, 2, 7])),
            ("session=cookie:sid=a=b", key(Dimension::Session, &session)),
            ("principal=shop:agent:7", key(Dimension::Principal, b"shop\0agent:7")),
            ("principal=api-key:acme", key(Dimension::Principal, b"api-key:acme")),
            ("kid=shop:k1", key(Dimension::Kid, &kid_of("shop", "k1"))),
            ("global=", key(Dimension::Global, b"")),
            ("http2=s2_03_1f2e3d4c5b6a", key(Dimension::Http2, b"s2_03_1f2e3d4c5b6a")),
            (
                "0123456789abcdef01234567",
                KeyId::parse("0123456789abcdef01234567").unwrap(),
            ),
        ] {
            let secret = Ok(HashKey::new([1; 32]));
            assert_eq!(
                read(text, &secret).map_err(|failed| failed.message),
                Ok(expected),
                "{text}"
            );
        }
        for text in ["", "0123", "colour=red", "address=here", "session=abc", "exchange=1"] {
            let secret = Ok(HashKey::new([1; 32]));
            assert!(read(text, &secret).is_err(), "{text}");
        }
    }
}
