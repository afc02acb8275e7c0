//! Where credentials are: the places that `sources` names, and their values in a head, in one normal form.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, SET_COOKIE};
use http::request;
use smallvec::SmallVec;

use super::memory::has_token_form;
use super::user::{BASIC, TRUSTED, is_one_variable};
use crate::engine::decode::percent_decode;

/// Different values that one source may have in one head; more are not looked at, and make the request unissued.
pub(super) const VALUES_MAX: usize = 4;

/// Who of those whom a client certificate names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CertificatePart {
    Spiffe,
    Subject,
}

/// A header, a cookie, a parameter of the query, or the certificate of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Certificate(CertificatePart),
    Header(HeaderName),
    Cookie(Arc<str>),
    Query(Arc<str>),
}

/// How a value says who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It does not: it is listed, was issued, or is nobody's.
    Opaque,
    /// A token that is verified here.
    Token,
    /// A token of which its issuer is asked.
    Introspected,
    /// A user and a password (RFC 7617), which only the origin can check.
    Basic,
    /// A user whom a proxy before the gateway has let in.
    Trusted,
}

/// One entry of `sources`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// As the operator wrote it; part of the session, so that the same value in two places is two sessions.
    pub(super) label: Arc<str>,
    pub(super) place: Place,
    pub(super) kind: Kind,
    /// Tokens to verify and tokens to ask for stand in one place: what has the form of the first is no other.
    pub(super) shares_place: bool,
}

/// The different values of a source in one head, in order.
pub(super) type Values<'a> = SmallVec<[Cow<'a, [u8]>; VALUES_MAX + 1]>;

impl Source {
    /// Reads one entry of `sources`.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (kind, place) = match text.split_once(':') {
            Some(("jwt", place)) => (Kind::Token, place),
            Some(("introspect", place)) => (Kind::Introspected, place),
            Some((TRUSTED, name)) => (Kind::Trusted, name),
            None if text == BASIC => (Kind::Basic, AUTHORIZATION.as_str()),
            _ => (Kind::Opaque, text),
        };
        let place = match place.split_once(':') {
            Some(("certificate", "spiffe")) if kind == Kind::Opaque => Place::Certificate(CertificatePart::Spiffe),
            Some(("certificate", "subject")) if kind == Kind::Opaque => Place::Certificate(CertificatePart::Subject),
            Some(("cookie", name)) if kind != Kind::Trusted && is_cookie_name(name) => Place::Cookie(name.into()),
            Some(("header", name)) if kind != Kind::Trusted => Place::Header(header_name(name)?),
            Some(("query", name)) if kind != Kind::Trusted && !name.is_empty() => Place::Query(name.into()),
            None if kind != Kind::Opaque => Place::Header(header_name(place)?),
            _ => {
                return Err(
                    "this is none of jwt:authorization, jwt:cookie:NAME, introspect:authorization, cookie:NAME, \
                     header:NAME, query:NAME, basic, trusted:HEADER, certificate:spiffe, certificate:subject"
                        .to_owned(),
                );
            }
        };
        if matches!(&place, Place::Header(name) if name == COOKIE || name == SET_COOKIE) {
            return Err("a cookie is read with cookie:NAME".to_owned());
        }
        if kind == Kind::Trusted && place == Place::Header(AUTHORIZATION) {
            return Err("no proxy names a user in `authorization`".to_owned());
        }
        Ok(Self {
            label: text.into(),
            place,
            kind,
            shares_place: false,
        })
    }

    /// Whether its values are tokens, verified here or by their issuer.
    pub(super) fn holds_tokens(&self) -> bool {
        matches!(self.kind, Kind::Token | Kind::Introspected)
    }

    /// What stands in the place of an issuer for the users that it names without a token.
    pub(super) fn names_users(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Basic => Some(BASIC),
            Kind::Trusted => Some(TRUSTED),
            Kind::Opaque | Kind::Token | Kind::Introspected => None,
        }
    }

    /// The header in which a proxy names a user.
    pub(super) fn trusted_header(&self) -> Option<&HeaderName> {
        match &self.place {
            Place::Header(name) if self.kind == Kind::Trusted => Some(name),
            Place::Header(_) | Place::Cookie(_) | Place::Query(_) | Place::Certificate(_) => None,
        }
    }

    /// The values of this source in a request. One value repeated counts once; of more than [`VALUES_MAX`] one more
    /// is given.
    pub(super) fn values<'a>(&self, head: &'a request::Parts) -> Values<'a> {
        let headers = &head.headers;
        let mut values = Values::new();
        let mut add = |value: Cow<'a, [u8]>| {
            if !value.is_empty() && values.len() <= VALUES_MAX && !values.contains(&value) {
                values.push(value);
            }
        };
        match &self.place {
            // It is in no head.
            Place::Certificate(_) => {}
            Place::Header(name) => {
                // An origin may read another spelling as this one; that of a proxy's user is taken away.
                let is_meant = |found: &&HeaderName| match self.kind {
                    Kind::Trusted => *found == name,
                    Kind::Opaque | Kind::Token | Kind::Introspected | Kind::Basic => is_one_variable(found, name),
                };
                let spelt = headers.keys().filter(is_meant);
                let values = spelt.flat_map(|found| headers.get_all(found));
                values.for_each(|value| add(header_value(name, value.as_bytes())));
            }
            Place::Cookie(name) => {
                let pairs = headers
                    .get_all(COOKIE)
                    .iter()
                    .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
                pairs.filter_map(|pair| cookie_value(pair, name)).for_each(add);
            }
            Place::Query(name) => {
                let pairs = head.uri.query().unwrap_or_default().split(['&', ';']);
                pairs.filter_map(|pair| query_value(pair, name)).for_each(add);
            }
        }
        values
    }

    /// What of a value is the credential: in an `Authorization` that holds a token what stands behind the scheme, whatever
    /// that is called, for the origin may not look at it. None of `Basic` (RFC 7617), which is no token, and none of what
    /// another source takes.
    pub(super) fn credential<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        let is_ours = |token: &&[u8]| !self.shares_place || has_token_form(token) == (self.kind == Kind::Token);
        let has_scheme = self.holds_tokens() && self.place == Place::Header(AUTHORIZATION);
        let space = value.iter().position(|byte| *byte == b' ').filter(|_| has_scheme);
        let Some((scheme, credential)) = space.and_then(|at| value.split_at_checked(at)) else {
            return Some(value).filter(is_ours);
        };
        let credential = credential.trim_ascii_start();
        // No alphabet of base64 has a dot, and every token does.
        let is_basic = scheme == b"basic" && !credential.contains(&b'.');
        Some(credential).filter(is_ours).filter(|_| !is_basic)
    }

    /// The values that a response head issues for this source: `Set-Cookie` for a cookie, the header itself for a header.
    /// A password is the user's, and a user is no credential: nobody issues those.
    pub(super) fn issued<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = Cow<'a, [u8]>> {
        let from = match &self.place {
            _ if matches!(self.kind, Kind::Basic | Kind::Trusted) => None,
            Place::Header(name) => Some(name),
            Place::Cookie(_) => Some(&SET_COOKIE),
            Place::Query(_) | Place::Certificate(_) => None,
        };
        let value = move |line: &'a [u8]| match &self.place {
            Place::Header(name) => Some(header_value(name, line)),
            Place::Cookie(name) => cookie_value(line.split(|byte| *byte == b';').next()?, name),
            Place::Query(_) | Place::Certificate(_) => None,
        };
        from.into_iter()
            .flat_map(|from| headers.get_all(from))
            .filter_map(move |line| value(line.as_bytes()))
            .filter(|value| !value.is_empty())
    }
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    name.parse().map_err(|_| format!("`{name}` is not a header name"))
}

/// A token of RFC 9110, section 5.6.2, as RFC 6265 wants it.
fn is_cookie_name(name: &str) -> bool {
    name.parse::<HeaderName>().is_ok()
}

/// The value of a header. An `Authorization` loses its scheme if that is `Bearer` with one word behind it, and has it in lower
/// case otherwise: the scheme is case-insensitive (RFC 9110, section 11.1), so that its spelling must not make a new session.
/// One word alone is no scheme.
fn header_value<'a>(name: &HeaderName, value: &'a [u8]) -> Cow<'a, [u8]> {
    let value = value.trim_ascii();
    if name != AUTHORIZATION {
        return Cow::Borrowed(value);
    }
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    let (scheme, credentials) = value.split_at(end);
    let credentials = credentials.trim_ascii();
    let is_one_word = !credentials.iter().any(u8::is_ascii_whitespace);
    if scheme.eq_ignore_ascii_case(b"bearer") && is_one_word {
        return Cow::Borrowed(credentials);
    }
    if credentials.is_empty() {
        return Cow::Borrowed(scheme);
    }
    Cow::Owned([scheme.to_ascii_lowercase().as_slice(), credentials].join(&b' '))
}

/// The value of a cookie pair if it has this name. Quotes around it and percent-encoding are taken off: origins that do
/// so would otherwise know one session under many spellings, and each would be a new key to us.
fn cookie_value<'a>(pair: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    let mut halves = pair.splitn(2, |byte| *byte == b'=');
    if halves.next()?.trim_ascii() != name.as_bytes() {
        return None;
    }
    let value = halves.next()?.trim_ascii();
    let value = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
        .unwrap_or(value);
    Some(if value.contains(&b'%') {
        Cow::Owned(percent_decode(value))
    } else {
        Cow::Borrowed(value)
    })
}

/// The value of a parameter if it has this name, both decoded as a form's are.
fn query_value(pair: &str, name: &str) -> Option<Cow<'static, [u8]>> {
    let (found, value) = pair.split_once('=')?;
    let decoded = |text: &str| percent_decode(text.replace('+', " ").as_bytes());
    (decoded(found) == name.as_bytes()).then(|| Cow::Owned(decoded(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_parse_or_say_why_not() {
        let good = [
            "jwt:authorization",
            "jwt:cookie:token",
            "jwt:header:x-token",
            "jwt:query:token",
            "query:key",
            "cookie:sid",
            "header:x-api-key",
            "certificate:spiffe",
            "certificate:subject",
            "introspect:authorization",
            "introspect:cookie:at",
            "basic",
            "trusted:x-forwarded-user",
        ];
        assert!(good.iter().all(|text| Source::parse(text).is_ok()));
        for (text, error) in [
            ("authorization", "this is none of"),
            ("cookie:", "this is none of"),
            ("query:", "this is none of"),
            ("cookie:a b", "this is none of"),
            ("certificate:serial", "this is none of"),
            ("jwt:certificate:spiffe", "this is none of"),
            ("jwt:cookie", "a cookie is read with"),
            ("header:cookie", "a cookie is read with"),
            ("header:x y", "`x y` is not a header name"),
            ("basic:authorization", "this is none of"),
            ("trusted:cookie:user", "this is none of"),
            ("trusted:", "`` is not a header name"),
            ("trusted:authorization", "no proxy names a user"),
            ("trusted:cookie", "a cookie is read with"),
            ("introspect", "this is none of"),
        ] {
            let message = Source::parse(text).expect_err("it is refused");
            assert!(message.starts_with(error), "{text}: {message}");
        }
    }

    type Case = (
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static [&'static str],
    );
    /// A source, the fields of a head, and the values that are found in them.
    const SPELT: &[Case] = &[
        ("cookie:sid", &[("cookie", "a=1; sid=abc; b=2")], &["abc"]),
        (
            "cookie:sid",
            &[("cookie", "a=1;sid=abc"), ("cookie", "sid=def")],
            &["abc", "def"],
        ),
        (
            "cookie:sid",
            &[("cookie", "sid=\"abc\"; sid=a%62c; sid= abc ")],
            &["abc"],
        ),
        ("cookie:sid", &[("cookie", "sid=; xsid=1; SID=2; sid")], &[]),
        ("jwt:query:token", &[], &["abc", "a b"]),
        ("query:b", &[], &[]),
        ("cookie:sid", &[("cookie", "sid=a%zz%4")], &["a%zz%4"]),
        (
            "cookie:sid",
            &[("cookie", "sid=1; sid=2; sid=3; sid=4; sid=5; sid=6")],
            &["1", "2", "3", "4", "5"],
        ),
        (
            "header:x-api-key",
            &[("x-api-key", " k1 "), ("x-api-key", "k1")],
            &["k1"],
        ),
        (
            "header:x-api-key",
            &[
                ("x_api_key", "k1"),
                ("x-api_key", "k2"),
                ("xapikey", "k3"),
                ("X-Api-Key", "k1"),
            ],
            &["k1", "k2"],
        ),
        (
            "trusted:x-forwarded-user",
            &[("x_forwarded_user", "eve"), ("x-forwarded-user", "kim")],
            &["kim"],
        ),
        ("jwt:authorization", &[("authorization", "bEaReR  t1")], &["t1"]),
        (
            "header:authorization",
            &[("authorization", "BASIC  dTpw")],
            &["basic dTpw"],
        ),
        (
            "jwt:authorization",
            &[("authorization", "Bearer Basic t1")],
            &["bearer Basic t1"],
        ),
        (
            "jwt:authorization",
            &[("authorization", "eyJh.eyJz.c2ln")],
            &["eyJh.eyJz.c2ln"],
        ),
        ("jwt:authorization", &[("authorization", "BEARER ")], &[]),
    ];

    #[test]
    fn spelling_makes_no_new_value() {
        for (source, headers, values) in SPELT {
            let mut request = http::Request::get("/profile?a=1&t%6Fken=%61bc&token=a+b;token=abc&xtoken=9&token");
            for (name, value) in *headers {
                request = request.header(*name, *value);
            }
            let (head, ()) = request.body(()).expect("a request").into_parts();
            let source = Source::parse(source).expect("a source");
            let found: Vec<_> = source
                .values(&head)
                .iter()
                .map(|value| String::from_utf8_lossy(value).into_owned())
                .collect();
            assert_eq!(found, *values, "{headers:?}");
        }
    }

    #[test]
    fn the_credential_stands_behind_any_scheme_but_basic() {
        let source = Source::parse("jwt:authorization").expect("a source");
        let credential = |value: &'static str| source.credential(value.as_bytes());
        for (value, found) in [
            ("t1", Some("t1")),
            ("dpop t1", Some("t1")),
            ("bearer Basic t1", Some("Basic t1")),
            ("basic dTpw", None),
            ("basic a.b.c", Some("a.b.c")),
        ] {
            assert_eq!(credential(value), found.map(str::as_bytes), "{value}");
        }
        let cookie = Source::parse("jwt:cookie:token").expect("a source");
        assert_eq!(cookie.credential(b"basic dTpw"), Some(b"basic dTpw".as_slice()));
    }

    #[test]
    fn of_two_kinds_of_tokens_in_one_place_each_is_read_by_its_own() {
        for (label, takes) in [
            ("jwt:authorization", ["eyJh.eyJz.c2ln"]),
            ("introspect:authorization", ["opaque"]),
        ] {
            let mut source = Source::parse(label).expect("a source");
            let taken = |source: &Source| ["eyJh.eyJz.c2ln", "opaque"].map(|value| source.credential(value.as_bytes()));
            assert_eq!(taken(&source).iter().flatten().count(), 2, "{label} alone takes both");
            source.shares_place = true;
            let taken: Vec<_> = taken(&source).into_iter().flatten().collect();
            assert_eq!(taken, takes.map(str::as_bytes), "{label}");
        }
    }

    #[test]
    fn issued_values_are_found_as_they_will_be_sent() {
        let mut map = HeaderMap::new();
        for line in ["sid=abc; Path=/; HttpOnly", "theme=dark", "sid=; Max-Age=0"] {
            map.append(SET_COOKIE, line.parse().expect("a value"));
        }
        let source = Source::parse("cookie:sid").expect("a source");
        assert_eq!(source.issued(&map).collect::<Vec<_>>(), [b"abc".as_slice()]);
    }
}
