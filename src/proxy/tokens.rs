//! Tokens in bodies: those that an answer issues, and those that a request sends to be renewed, under the names that the rules have.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::route::escaped_byte;
use crate::engine::decode::{Coding, DecodeError, Decoder};
use crate::engine::detect::RuleSet;
use crate::identity::ISSUED_MAX;

/// Bytes of a decoded body that is looked into.
const DECODED_BYTES_MAX: usize = 256 << 10;
/// Objects in one another that an answer is looked into: `{"data":{"login":{"token":"..."}}}`.
const NESTED_MAX: usize = 3;
/// Objects and arrays in one another that a request is looked into.
const SENT_NESTED_MAX: usize = 16;
/// Tokens that a request sends to be renewed. Each may be asked for in the fleet.
const SENT_MAX: usize = 4;
/// Bytes of a token.
const TOKEN_BYTES: RangeInclusive<usize> = 8..=8_192;
/// Objects of an answer that are looked into. Others hold what clients say of themselves (`device`, `profile`), and a forger would
/// write a token there.
const WRAPPERS: [&str; 19] = [
    "data",
    "result",
    "response",
    "payload",
    "body",
    "content",
    "tokens",
    "auth",
    "authentication",
    "authenticationresult",
    "credentials",
    "session",
    "login",
    "signin",
    "authenticate",
    "user",
    "account",
    "member",
    "customer",
];

/// Why nothing is known of the tokens in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is larger than is read ahead, did not end in time, or has more tokens than are looked at.
    Large,
    /// It is not in a coding that can be read, or breaks its coding.
    Coding,
    /// It is no JSON, and of a request no form either.
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
pub(super) fn tokens(bytes: &[u8], coding: Option<Coding>, rules: &RuleSet) -> Result<Vec<String>, Unread> {
    let mut tokens = Vec::new();
    let reach = Reach::Wrappers(NESTED_MAX);
    members(&decoded(bytes, coding)?, reach, &mut |name, text| {
        if tokens.len() < ISSUED_MAX && TOKEN_BYTES.contains(&text.len()) && rules.is_credential(name.as_bytes()) {
            tokens.push(text.to_owned());
        }
    })?;
    Ok(tokens)
}

/// The tokens that the whole body of a request sends to be renewed, in JSON, as a form (RFC 6749, section 6) or as all of the
/// text. Whatever the origin may take for the one is among them: nobody knows which of several it reads, or as what.
pub(super) fn refresh_tokens(bytes: &[u8], coding: Option<Coding>, rules: &RuleSet) -> Result<Vec<String>, Unread> {
    let text = decoded(bytes, coding)?;
    let mut tokens = Vec::new();
    let mut take = |is_meant: bool, text: &str| {
        if is_meant && !text.is_empty() {
            tokens.push(text.to_owned());
        }
    };
    let is_renewed = |name: &str| name.to_ascii_lowercase().contains("refresh") && rules.is_credential(name.as_bytes());
    // A text without a name is all there is.
    let mut member = |name: &str, text: &str| take(name.is_empty() || is_renewed(name), text);
    let is_json = members(&text, Reach::All(SENT_NESTED_MAX), &mut member).is_ok();
    let form = form(&text, &mut |name, text| take(is_renewed(name), text));
    if !is_json {
        // Neither quotes nor lines nor markup stand in a form, but in what is none.
        if form.is_err() || text.iter().any(|byte| matches!(byte, 0..0x20 | b'"' | b'<' | 0x7f..)) {
            return Err(Unread::Format);
        }
        let text = String::from_utf8_lossy(text.trim_ascii()).into_owned();
        // `=` fills base64 up to four letters (RFC 4648, section 4), and else stands behind a name.
        let filled = if text.len().is_multiple_of(4) {
            text.trim_end_matches('=')
        } else {
            &text
        };
        if !text.is_empty() && !filled.contains('=') {
            tokens.push(text);
        }
    }
    if tokens.len() > SENT_MAX {
        return Err(Unread::Large);
    }
    Ok(tokens)
}

/// Tells `take` the name and value of each pair of a form.
fn form(text: &[u8], take: &mut dyn FnMut(&str, &str)) -> Result<(), Unread> {
    let text = std::str::from_utf8(text).map_err(|_| Unread::Format)?;
    // Some origins part pairs by semicolons, too.
    for (name, value) in text.split(['&', ';']).filter_map(|pair| pair.split_once('=')) {
        let (name, value) = unescaped(name).zip(unescaped(value)).ok_or(Unread::Format)?;
        take(&name, &value);
    }
    Ok(())
}

/// The text of a name or value of a form.
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

fn decoded(bytes: &[u8], coding: Option<Coding>) -> Result<Cow<'_, [u8]>, Unread> {
    match Decoder::new(coding.ok_or(Unread::Coding)?) {
        None => Ok(Cow::Borrowed(bytes)),
        Some(decoder) => decode(bytes, decoder).map(Cow::Owned),
    }
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

/// How far a body is looked into, in objects within one another.
#[derive(Clone, Copy)]
enum Reach {
    /// Objects under names that wrap what is issued, and no arrays.
    Wrappers(usize),
    /// Everything.
    All(usize),
}

impl Reach {
    /// That within an object or array of this name, if it is looked into.
    fn within(self, name: &str, is_array: bool) -> Option<Self> {
        let is = |known: &&str| {
            let letters = name.bytes().filter(|byte| !matches!(byte, b'_' | b'-'));
            letters.map(|byte| byte.to_ascii_lowercase()).eq(known.bytes())
        };
        match self {
            Self::Wrappers(left) if left > 0 && !is_array && (name.is_empty() || WRAPPERS.iter().any(is)) => {
                Some(Self::Wrappers(left - 1))
            }
            Self::All(left) if left > 0 => Some(Self::All(left - 1)),
            Self::Wrappers(_) | Self::All(_) => None,
        }
    }
}

/// Tells `take` the name and text of every member that is a text, of members of one name each.
fn members(bytes: &[u8], reach: Reach, take: &mut dyn FnMut(&str, &str)) -> Result<(), Unread> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let member = Member { name: "", reach, take };
    let read = member.deserialize(&mut json).and_then(|()| json.end());
    read.map_err(|_| Unread::Format)
}

/// One member of an object, or the whole text.
struct Member<'t> {
    name: &'t str,
    reach: Reach,
    take: &'t mut dyn FnMut(&str, &str),
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        (self.take)(self.name, text);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some(reach) = self.reach.within(self.name, false) else {
            return IgnoredAny.visit_map(map).map(|IgnoredAny| ());
        };
        while let Some(name) = map.next_key::<String>()? {
            let take = &mut *self.take;
            map.next_value_seed(Member {
                name: &name,
                reach,
                take,
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Some(reach) = self.reach.within(self.name, true) else {
            return IgnoredAny.visit_seq(elements).map(|IgnoredAny| ());
        };
        loop {
            let (name, take) = (self.name, &mut *self.take);
            if elements.next_element_seed(Member { name, reach, take })?.is_none() {
                return Ok(());
            }
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(bytes: &[u8], coding: Option<Coding>) -> Result<Vec<String>, Unread> {
        tokens(bytes, coding, &RuleSet::builtin())
    }

    fn found(text: &str) -> Vec<String> {
        read(text.as_bytes(), Some(Coding::Identity)).unwrap()
    }

    #[test]
    fn texts_under_names_of_tokens_are_found_and_no_others() {
        let body = r#"{"access_token":"abcdefg1","token_type":"bearer","expires_in":3600,"refreshToken":"abcdefg2","sid":"abcdefg3",
            "sid":"4111111111111111","Data":{"id-token":"sid: two words","user":{"token":"abcdefg4","more":{"token":"abcdefg5"}}},
            "device":{"token":"chosen by a client"},"sessions":["abcdefg6"],"tokens":[{"token":"abcdefg7"}],"push_token":"abcdefg8",
            "token":"short"}"#;
        let all = [
            "abcdefg1",
            "abcdefg2",
            "abcdefg3",
            "4111111111111111",
            "sid: two words",
            "abcdefg4",
        ];
        assert_eq!(found(body), all);
        assert_eq!(found("\u{feff}{\"sid\":\"abcdefgh\"}"), ["abcdefgh"]);
        assert!(found("[]").is_empty() && found("\"abcdefgh\"").is_empty());
        let many: Vec<String> = (0..100).map(|n| format!("\"sid\":\"abcdefgh{n}\"")).collect();
        assert_eq!(found(&format!("{{{}}}", many.join(","))).len(), ISSUED_MAX);
        assert_eq!(read(b"{", Some(Coding::Identity)), Err(Unread::Format));
    }

    #[test]
    fn whatever_an_origin_may_take_for_the_token_that_is_renewed_is_found() {
        let sent = |body: &str| refresh_tokens(body.as_bytes(), Some(Coding::Identity), &RuleSet::builtin());
        for (body, expected) in [
            (r#"{"refreshToken":"one","token":"a-csrf-token"}"#, &["one"][..]),
            (r#"{"refresh_token":"one","refresh_token":"two"}"#, &["one", "two"]),
            (
                r#"{"z":[{"a":{"refresh-token":"one"}}],"Refresh_Token":"two"}"#,
                &["one", "two"],
            ),
            (r#"{"refresh_token":"one","x":"&refresh_token=two&"}"#, &["one", "two"]),
            ("grant_type=refresh_token&refresh_token=abc%2Bdef+gh", &["abc+def gh"]),
            ("refresh%5ftoken=one;refresh_token=two", &["one", "two"]),
            ("the-token-itself", &["the-token-itself"]),
            ("dGhlIHRva2VuIQ==", &["dGhlIHRva2VuIQ=="]),
            ("\"the-token-itself\"", &["the-token-itself"]),
            ("refresh_token=", &[]),
            ("", &[]),
            ("{}", &[]),
            ("token=abcdefgh&refresh_token=", &[]),
        ] {
            assert_eq!(sent(body).unwrap(), expected, "{body}");
        }
        for unread in [
            "refresh_token=%",
            "refresh_token=%ff",
            "<token>one</token>",
            "--b\r\nContent-Disposition: form-data; name=\"refresh_token\"\r\n\r\none",
        ] {
            assert_eq!(sent(unread), Err(Unread::Format), "{unread}");
        }
        assert_eq!(sent(&"refresh_token=a&".repeat(SENT_MAX + 1)), Err(Unread::Large));
        assert_eq!(refresh_tokens(b"", None, &RuleSet::builtin()), Err(Unread::Coding));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, text in r#"[{}\[\]":,a-z_=&%0-9]{0,60}"#) {
            let rules = RuleSet::builtin();
            for bytes in [&bytes[..], text.as_bytes()] {
                let issued = tokens(bytes, Some(Coding::Identity), &rules);
                proptest::prop_assert!(issued.is_ok_and(|found| found.len() <= ISSUED_MAX) || serde_json::from_slice::<serde_json::Value>(bytes).is_err());
                let sent = refresh_tokens(bytes, Some(Coding::Identity), &rules);
                proptest::prop_assert!(sent.is_err() || sent.is_ok_and(|found| found.len() <= SENT_MAX));
            }
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
        assert_eq!(read(&coded, Some(Coding::Gzip)).unwrap(), ["abcdefgh"]);
        assert_eq!(read(&coded[..9], Some(Coding::Gzip)), Err(Unread::Coding));
        assert_eq!(read(&coded, None), Err(Unread::Coding));
        assert_eq!(read(&coded, Some(Coding::Identity)), Err(Unread::Format));
        let bomb = gzip(&vec![b' '; DECODED_BYTES_MAX + 1]);
        assert_eq!(read(&bomb, Some(Coding::Gzip)), Err(Unread::Large));
    }
}
