//! Tokens in the body of an answer that issues them: the texts under names that say so.

use serde_json::Value;

use super::route::escaped_byte;
use crate::engine::decode::{Coding, DecodeError, Decoder};
use crate::identity::ISSUED_MAX;

/// Bytes of a decoded answer that is looked into.
const DECODED_BYTES_MAX: usize = 256 << 10;
/// Objects in one another that are looked into. Deeper ones hold what customers wrote of themselves, and a forger would write a
/// token there.
const NESTED_MAX: usize = 2;
/// Bytes of a token.
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 8..=8_192;
/// Names of tokens, without `_`, `-` and capitals.
const NAMES: [&str; 14] = [
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "token",
    "authtoken",
    "authenticationtoken",
    "sessiontoken",
    "sessionid",
    "session",
    "sid",
    "jwt",
    "bearertoken",
    "apikey",
    "apitoken",
];

/// Why nothing is known of the tokens in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is larger than is read ahead, or did not end in time.
    Large,
    /// It is not in a coding that can be read, or breaks its coding.
    Coding,
    /// It is no JSON.
    Format,
}

impl Unread {
    /// The value of the label `reason`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Large => "large",
            Self::Coding => "coding",
            Self::Format => "format",
        }
    }
}

/// The tokens in a whole body of JSON.
pub(super) fn tokens(bytes: &[u8], coding: Option<Coding>) -> Result<Vec<String>, Unread> {
    let decoded = match Decoder::new(coding.ok_or(Unread::Coding)?) {
        None => None,
        Some(decoder) => Some(decode(bytes, decoder)?),
    };
    let value: Value = serde_json::from_slice(decoded.as_deref().unwrap_or(bytes)).map_err(|_| Unread::Format)?;
    let mut tokens = Vec::new();
    collect(value, NESTED_MAX, &is_token_name, &mut tokens);
    Ok(tokens)
}

/// The token that the whole body of a request sends to be renewed: in JSON, or in a form (RFC 6749, section 6).
pub(super) fn refresh_token(bytes: &[u8]) -> Option<String> {
    let is_name = |name: &str| plain(name) == b"refreshtoken";
    let mut tokens = Vec::new();
    if let Ok(value) = serde_json::from_slice(bytes) {
        collect(value, NESTED_MAX, &is_name, &mut tokens);
    } else {
        let form = std::str::from_utf8(bytes).unwrap_or_default();
        let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs
            .filter(|(name, _)| is_name(name))
            .map(|(_, value)| unescaped(value));
        tokens.extend(found.flatten());
    }
    tokens.pop()
}

/// The text of a form's value.
fn unescaped(value: &str) -> Option<String> {
    let mut pieces = value.split('%');
    let mut text = pieces.next()?.replace('+', " ").into_bytes();
    for piece in pieces {
        let (byte, rest) = escaped_byte(piece)?;
        text.push(byte);
        text.extend(rest.replace('+', " ").bytes());
    }
    String::from_utf8(text).ok()
}

fn decode(mut bytes: &[u8], mut decoder: Decoder) -> Result<Vec<u8>, Unread> {
    let of = |_: DecodeError| Unread::Coding;
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let progress = decoder.step(bytes, &mut buffer).map_err(of)?;
        text.extend_from_slice(buffer.get(..progress.written).unwrap_or_default());
        bytes = bytes.get(progress.read..).unwrap_or_default();
        if text.len() > DECODED_BYTES_MAX {
            return Err(Unread::Large);
        }
        if bytes.is_empty() && progress.written < buffer.len() {
            return decoder.finish().map(|()| text).map_err(of);
        }
    }
}

fn collect(value: Value, nested: usize, is_name: &dyn Fn(&str) -> bool, tokens: &mut Vec<String>) {
    let Value::Object(members) = value else { return };
    for (name, value) in members {
        match value {
            Value::String(text) if is_name(&name) && TOKEN_BYTES.contains(&text.len()) => {
                if tokens.len() < ISSUED_MAX {
                    tokens.push(text);
                }
            }
            Value::Object(_) if nested > 1 => collect(value, nested - 1, is_name, tokens),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            }
        }
    }
}

fn is_token_name(name: &str) -> bool {
    let plain = plain(name);
    NAMES.iter().any(|known| known.as_bytes() == plain)
}

fn plain(name: &str) -> Vec<u8> {
    let letters = name.bytes().filter(|byte| !matches!(byte, b'_' | b'-'));
    letters.map(|byte| byte.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn found(text: &str) -> Vec<String> {
        tokens(text.as_bytes(), Some(Coding::Identity)).unwrap()
    }

    #[test]
    fn texts_under_names_of_tokens_are_found_and_no_others() {
        let body = r#"{"access_token":"abcdefgh1","token_type":"bearer","expires_in":3600,"refreshToken":"abcdefgh2",
            "data":{"ID-Token":"abcdefgh3","user":{"token":"what-a-customer-wrote"},"sessions":["abcdefgh4"]},"token":"short"}"#;
        assert_eq!(found(body), ["abcdefgh1", "abcdefgh3", "abcdefgh2"]);
        assert!(found("[]").is_empty() && found("\"abcdefgh1\"").is_empty());
        let many: Vec<String> = (0..100)
            .map(|n| format!("\"{n}\":{{\"sid\":\"abcdefgh{n}\"}}"))
            .collect();
        assert_eq!(found(&format!("{{{}}}", many.join(","))).len(), ISSUED_MAX);
    }

    #[test]
    fn a_refresh_sends_its_token_in_json_or_a_form() {
        let sent = |body: &str| refresh_token(body.as_bytes());
        assert_eq!(
            sent(r#"{"refreshToken":"abcdefgh","token":"a-csrf-token"}"#).as_deref(),
            Some("abcdefgh")
        );
        let form = "grant_type=refresh_token&refresh_token=abc%2Bdef+gh";
        assert_eq!(sent(form).as_deref(), Some("abc+def gh"));
        for nothing in [
            "",
            "{}",
            "token=abcdefgh",
            "refresh_token=%",
            "refresh_token=%zz",
            "refresh_token=%ff",
        ] {
            assert_eq!(sent(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_coded_body_is_decoded_within_its_bound() {
        let gzip = |text: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let coded = gzip(br#"{"sid":"abcdefgh"}"#);
        assert_eq!(tokens(&coded, Some(Coding::Gzip)).unwrap(), ["abcdefgh"]);
        assert_eq!(tokens(&coded[..9], Some(Coding::Gzip)), Err(Unread::Coding));
        assert_eq!(tokens(&coded, None), Err(Unread::Coding));
        assert_eq!(tokens(&coded, Some(Coding::Identity)), Err(Unread::Format));
        let bomb = gzip(&vec![b' '; DECODED_BYTES_MAX + 1]);
        assert_eq!(tokens(&bomb, Some(Coding::Gzip)), Err(Unread::Large));
    }
}
