//! Users who are named without a token: by themselves with a password (RFC 7617), or by a proxy that has let them in.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

use super::Identity;
use super::basic::base64;
use super::revocation::{PROXY_USER, principal};
use super::source::Source;
use crate::events::{Event, IdentityFact, report};

/// The source of users with a password, and what stands in the place of an issuer for them.
pub(super) const BASIC: &str = "basic";
/// The same for users whom a proxy names.
pub(super) const TRUSTED: &str = "trusted";
/// Bytes of a user's name; an address of e-mail has at most 254.
const USER_BYTES_MAX: usize = 256;
/// Bytes of a user and a password in base64.
const BASIC_BYTES_MAX: usize = 4 * 1024;

/// Why a value names nobody: the value of the label `reason`.
pub(super) type Ignored = &'static str;

/// A user with a password.
pub(super) struct BasicUser {
    pub(super) name: Vec<u8>,
    /// `user:password`, as a file of keys lists it.
    pub(super) whole: Vec<u8>,
}

impl BasicUser {
    /// Reads `basic dTpw`; none of another scheme, which is somebody else's.
    ///
    /// # Errors
    /// What has the scheme and is no user and password.
    pub(super) fn read(value: &[u8]) -> Option<Result<Self, Ignored>> {
        let encoded = value.strip_prefix(b"basic ")?;
        if encoded.len() > BASIC_BYTES_MAX {
            return Some(Err("oversize"));
        }
        let whole = base64(encoded).filter(|whole| !whole.iter().any(u8::is_ascii_control));
        let user = whole.and_then(|whole| {
            let colon = whole.iter().position(|byte| *byte == b':')?;
            let name = whole.get(..colon)?.to_vec();
            Some(Self { name, whole })
        });
        Some(
            user.ok_or("malformed")
                .and_then(|user| named(&user.name).map(|()| user)),
        )
    }
}

/// The one user whom a proxy names in these values.
pub(super) fn proxy_user<'v>(values: &[&'v [u8]], is_trusted: bool) -> Result<&'v [u8], Ignored> {
    if !is_trusted {
        return Err("untrusted");
    }
    let [value] = values else { return Err("ambiguous") };
    named(value).map(|()| *value)
}

/// Who that is, wherever principals are named.
pub(super) fn user_principal(source: &str, name: &[u8]) -> Vec<u8> {
    [source.as_bytes(), b"\0", name].concat()
}

/// The principal of a user whom another proxy names as having let in: the account of that name, whichever proxy asks for it.
/// `is_coded`: the value stands in base64, as that of `X-Authenticated-User` does, with or without a scheme such as `Local://`
/// before the name. None where there is no name of 1 to 256 bytes of UTF-8 without control characters.
pub fn proxy_principal(value: &[u8], is_coded: bool) -> Option<Arc<[u8]>> {
    let name = if is_coded {
        base64(value.get(..BASIC_BYTES_MAX).unwrap_or(value))?
    } else {
        value.to_vec()
    };
    let name = String::from_utf8(name).ok()?;
    let name = name.split_once("://").map_or(name.as_str(), |(_, behind)| behind);
    let name = name.trim_matches('/');
    let is_plain = !name.bytes().any(|byte| byte.is_ascii_control());
    (is_plain && named(name.as_bytes()).is_ok()).then(|| principal(PROXY_USER, name).into())
}

fn named(name: &[u8]) -> Result<(), Ignored> {
    match name.len() {
        0 => Err("malformed"),
        length if length > USER_BYTES_MAX => Err("oversize"),
        _ => Ok(()),
    }
}

impl Identity {
    /// Takes away the headers in which only a trusted proxy may name a user, unless one sent them; and whatever is spelt so that
    /// an origin may read it as one of them.
    pub fn remove_untrusted_users(&self, headers: &mut HeaderMap, is_trusted: bool) {
        for wanted in self.sources.iter().filter_map(Source::trusted_header) {
            let is_odd = |name: &&HeaderName| *name != wanted && is_one_variable(name, wanted);
            let odd: SmallVec<[HeaderName; 1]> = headers.keys().filter(is_odd).cloned().collect();
            for name in odd {
                headers.remove(name);
                report(&Event::Identity(IdentityFact::Ignored { reason: "untrusted" }));
            }
            if !is_trusted {
                headers.remove(wanted);
            }
        }
    }
}

/// Whether an origin may take two names for one (RFC 3875, section 4.1.18).
pub(super) fn is_one_variable(one: &HeaderName, other: &HeaderName) -> bool {
    if one == other {
        return true;
    }
    let letter = |byte: u8| if byte == b'_' { b'-' } else { byte };
    let (one, other) = (one.as_str().bytes(), other.as_str().bytes());
    one.len() == other.len() && one.map(letter).eq(other.map(letter))
}

#[cfg(test)]
mod tests {
    use super::super::basic::encode_basic;
    use super::*;

    #[test]
    fn a_user_whom_a_proxy_names_is_one_account_however_it_is_written() {
        for (value, is_coded, name) in [
            ("ann", false, Some("ann")),
            ("YW5u", true, Some("ann")),
            ("TG9jYWw6Ly9hbm4=", true, Some("ann")),
            ("V2luTlQ6Ly9FWEFNUExFL2Fubg==", true, Some("EXAMPLE/ann")),
            ("YW5u", false, Some("YW5u")),
            ("", false, None),
            ("", true, None),
            ("a\tb", false, None),
            ("not base64", true, None),
            ("/w==", true, None),
        ] {
            let expected = name.map(|name| principal(PROXY_USER, name));
            let found = proxy_principal(value.as_bytes(), is_coded);
            assert_eq!(found.as_deref(), expected.as_deref(), "{value}");
        }
        let long = "a".repeat(USER_BYTES_MAX + 1);
        assert_eq!(proxy_principal(long.as_bytes(), false), None);
    }

    #[test]
    fn a_user_has_a_name_before_the_first_colon() {
        let read = |value: &str| BasicUser::read(value.as_bytes());
        for (value, name, whole) in [
            ("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "Aladdin:open sesame"),
            ("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", "Aladdin", "Aladdin:open sesame"),
            ("basic dTo=", "u", "u:"),
            ("basic dTphOmI=", "u", "u:a:b"),
        ] {
            let user = read(value)
                .expect("the scheme")
                .unwrap_or_else(|why| panic!("{value}: {why}"));
            assert_eq!(
                (user.name.as_slice(), user.whole.as_slice()),
                (name.as_bytes(), whole.as_bytes())
            );
        }
        for (value, why) in [
            ("basic ", "malformed"),
            ("basic !", "malformed"),
            ("basic dXNlcg==", "malformed"),
            ("basic OnB3", "malformed"),
            ("basic dQp1OnA=", "malformed"),
        ] {
            assert_eq!(read(value).and_then(Result::err), Some(why), "{value}");
        }
        assert_eq!(
            read(&format!("basic {}", "QUFB".repeat(2_000))).and_then(Result::err),
            Some("oversize")
        );
        assert!(read("bearer dTpw").is_none() && read("opaque").is_none());
    }

    #[test]
    fn what_is_encoded_is_read_again() {
        assert_eq!(
            *encode_basic("Aladdin:open sesame"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        for whole in ["u:", "u:p", "u:pw", "gateway:\u{e9}~/?"] {
            let value = encode_basic(whole).replacen("Basic", "basic", 1);
            let user = BasicUser::read(value.as_bytes()).and_then(Result::ok).expect("a user");
            assert_eq!(user.whole, whole.as_bytes());
        }
    }

    #[test]
    fn a_proxy_names_one_user_and_only_where_it_is_trusted() {
        assert_eq!(proxy_user(&[b"kim"], true), Ok(&b"kim"[..]));
        assert_eq!(proxy_user(&[b"kim"], false), Err("untrusted"));
        assert_eq!(proxy_user(&[b"kim", b"lee"], true), Err("ambiguous"));
        assert_eq!(proxy_user(&[&[b'x'; 300]], true), Err("oversize"));
    }
}
