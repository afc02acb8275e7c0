//! Was that credential ever issued? What is known of the one that was sent, and what is issued in the answer.

use http::{HeaderMap, Method, StatusCode};
use smallvec::SmallVec;

use super::identify::Identity;
use super::memory::{credential_hash, fingerprint};
use super::revocation::Revocable;
use super::source::Kind;
use super::token::{Verified, lacking};
use super::{Actor, Provenance, RouteMatch};
use crate::engine::births::{CredentialId, Doubt, Look, Tag};
use crate::engine::time::Now;

/// Credentials that one answer issues at most; more are not remembered.
pub const ISSUED_MAX: usize = 32;

/// One credential as it is shown or issued.
pub struct Shown {
    /// Under which it may be remembered, the one by which it is known first: of a verified token its session, which is the same
    /// when it is renewed; and of everything the hash of its bytes, by which it is known while it cannot be verified.
    pub ids: SmallVec<[CredentialId; 2]>,
    /// The second in which it says that it was issued.
    issued: Option<u32>,
    /// Of one that cannot be verified, as the keys of its issuer could not be had: the names under which it may be revoked.
    pub(super) keyless: Option<Revocable>,
}

impl Shown {
    /// What has this hash, and is not looked into.
    pub(super) fn of_hash(hash: &[u8; 32]) -> Self {
        Self {
            ids: SmallVec::from_iter([fingerprint(hash)]),
            issued: None,
            keyless: None,
        }
    }
}

/// What is known of one credential.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pub(super) id: CredentialId,
    pub(super) provenance: Provenance,
    pub(super) doubt: Option<Doubt>,
    /// Only the store that gateways share may know more.
    pub(super) is_unheard: bool,
}

impl Mark {
    /// The configuration lists it.
    pub(super) fn listed(id: CredentialId) -> Self {
        Self::new(id, Provenance::Issued, None)
    }

    fn new(id: CredentialId, provenance: Provenance, doubt: Option<Doubt>) -> Self {
        Self {
            id,
            provenance,
            doubt,
            is_unheard: false,
        }
    }

    /// Its issuer says that it is none of its own.
    pub(super) fn unissued(id: CredentialId) -> Self {
        Self::new(id, Provenance::Unissued, None)
    }

    pub(super) fn unknown(id: CredentialId, doubt: Doubt) -> Self {
        Self::new(id, Provenance::Unknown, Some(doubt))
    }
}

impl Identity {
    /// Whether it is known where credentials are issued.
    pub fn sees_logins(&self) -> bool {
        !self.logs_in_at.is_empty()
    }

    /// What is known of a credential that the request shows.
    pub(super) fn mark(&self, shown: &Shown, now: Now) -> Mark {
        let first = shown.ids.first().copied();
        let id = first.expect("the hash of its bytes is always there");
        if !self.sees_logins() {
            return Mark::unknown(id, Doubt::NoLogin);
        }
        let mut is_unheard = false;
        for one in &shown.ids {
            match self.births.look(*one, now) {
                Look::Said(Tag::Issued) => return Mark::new(id, Provenance::Issued, None),
                Look::Said(Tag::Unissued) => return Mark::new(id, Provenance::Unissued, None),
                Look::Said(Tag::Unknown) => return Mark::unknown(id, Doubt::Remembered),
                Look::Unheard => is_unheard = true,
                Look::Absent => {}
            }
        }
        if is_unheard {
            return Mark {
                is_unheard,
                ..Mark::unknown(id, Doubt::Late)
            };
        }
        let doubt = self.births.doubt(id, shown.issued, self.warm_up_s, now);
        match doubt.or_else(|| shown.keyless.as_ref().map(|_| Doubt::NoKey)) {
            Some(doubt) => Mark::unknown(id, doubt),
            None => Mark::new(id, Provenance::Unissued, None),
        }
    }

    /// A credential that is not looked into.
    pub(super) fn opaque(&self, value: &[u8]) -> Shown {
        Shown::of_hash(&credential_hash(&self.key, value))
    }

    /// What may be a token; a verified one if it is a good one.
    pub(super) fn token_shown(&self, value: &[u8], verified: Option<&Verified>, now: Now) -> Shown {
        let Some(verified) = verified else {
            let keyless = lacking(value, &self.issuers, now);
            let opaque = self.opaque(value);
            return Shown { keyless, ..opaque };
        };
        let mut ids = SmallVec::from_iter([verified.credential]);
        ids.extend((verified.opaque != verified.credential).then_some(verified.opaque));
        Shown {
            ids,
            issued: verified.issued,
            keyless: None,
        }
    }

    /// What is said of that which the answer to this request issues: a login gives fresh proof, everything else passes on the
    /// mark of the credential that was sent. A refusal (status 400 and above, or another than the route is said to issue
    /// something with) proves nothing, and to who sends no credential nothing is passed on.
    /// Of the actor's credential and one that was `renewed` the worse mark counts.
    pub fn passes_on(
        &self,
        (method, path): (&Method, &str),
        status: StatusCode,
        actor: &Actor,
        renewed: Option<Provenance>,
    ) -> Option<Tag> {
        if !self.sees_logins() || status.as_u16() >= 400 {
            return None;
        }
        let issuing = self.logs_in_at.iter().chain(&self.refreshes_at);
        let mut named = issuing.filter(|route| route.is(method, path)).peekable();
        if named.peek().is_some() && !named.any(|route| route.issues(status)) {
            return None;
        }
        if self.logged_in((method, path), status) {
            return Some(Tag::Issued);
        }
        let shown = actor.credential.map(|_| actor.provenance);
        let worst = shown.into_iter().chain(renewed).max()?;
        Some(match worst {
            Provenance::Issued => Tag::Issued,
            Provenance::Unknown => Tag::Unknown,
            Provenance::Unissued => Tag::Unissued,
        })
    }

    /// Whether the body of this request may send the credential that is renewed.
    pub fn renews(&self, method: &Method, path: &str) -> bool {
        self.sees_logins() && is_one(&self.refreshes_at, method, path)
    }

    /// What is known of a credential.
    pub fn provenance_of(&self, shown: &Shown, now: Now) -> Provenance {
        self.mark(shown, now).provenance
    }

    /// Whether what a body issues is looked for in the answer to this request.
    pub fn issues_in_body(&self, method: &Method, path: &str) -> bool {
        self.sees_logins() && (is_one(&self.logs_in_at, method, path) || is_one(&self.refreshes_at, method, path))
    }

    /// Whether an answer of this status gives fresh proof: who was sent there inherits nothing. A path may be both, a login by
    /// one status and a renewal by another.
    pub fn logged_in(&self, (method, path): (&Method, &str), status: StatusCode) -> bool {
        let mut logins = self.logs_in_at.iter();
        logins.any(|route| route.is(method, path) && route.issues(status))
    }

    /// Whether a request asks a route for fresh proof.
    pub fn is_login(&self, method: &Method, path: &str) -> bool {
        is_one(&self.logs_in_at, method, path)
    }

    /// The credentials that a response head issues: `Set-Cookie` of the cookies and values of the headers that are sources.
    pub fn issued_in_head(&self, headers: &HeaderMap, now: Now) -> SmallVec<[CredentialId; 2]> {
        let issued = self.sources.iter().flat_map(|source| {
            let values = source.issued(headers);
            let may_be_token = source.kind == Kind::Token;
            values.filter_map(move |value| Some(self.issued(source.credential(&value)?, may_be_token, now)))
        });
        issued.take(ISSUED_MAX).flat_map(|shown| shown.ids).collect()
    }

    /// The credential that an answer issues in its body, or a request sends in it to be renewed.
    pub fn in_body(&self, value: &[u8], now: Now) -> Shown {
        self.issued(value, self.sources.iter().any(|source| source.kind == Kind::Token), now)
    }

    fn issued(&self, value: &[u8], may_be_token: bool, now: Now) -> Shown {
        if may_be_token {
            self.token_shown(value, self.token(value, now).as_deref(), now)
        } else {
            self.opaque(value)
        }
    }
}

fn is_one(routes: &[RouteMatch], method: &Method, path: &str) -> bool {
    routes.iter().any(|route| route.is(method, path))
}

impl RouteMatch {
    /// Whether something is issued there with this status.
    fn issues(&self, status: StatusCode) -> bool {
        self.status.is_none_or(|wanted| wanted == status)
    }

    fn is(&self, method: &Method, path: &str) -> bool {
        self.method == method && is_same_path(&self.path, path)
    }
}

/// Whether an origin may take `path` for the route that is written as `route`: parameters of a segment (RFC 3986, section 3.3),
/// escapes that stand for themselves (section 6.2.2.2) and one slash at the end name nothing else to those that know them. Of
/// dot segments, doubled slashes and other escapes origins make too much: such a path is none of ours.
fn is_same_path(route: &str, path: &str) -> bool {
    if route == path {
        return true;
    }
    let (route, path) = (without_slash(route), without_slash(path));
    let mut segments = path.split('/').map(plain_segment);
    let mut is_same = route
        .split('/')
        .map(plain_segment)
        .all(|wanted| wanted.is_some() && segments.next() == Some(wanted));
    is_same &= segments.next().is_none();
    is_same
}

fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

/// A segment without its parameters, unreserved escapes undone; none where one stands for anything else.
fn plain_segment(segment: &str) -> Option<String> {
    let name = segment.split(';').next().unwrap_or_default();
    let mut parts = name.split('%');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        let letter = char::from(byte);
        if !letter.is_ascii_alphanumeric() && !matches!(letter, '-' | '_' | '~') {
            return None;
        }
        plain.push(letter);
        plain.push_str(rest);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_an_origin_may_take_for_the_route_is_the_route() {
        for (path, is_same) in [
            ("/auth/login", true),
            ("/auth/login/", true),
            ("/auth/login;jsessionid=1", true),
            ("/auth;v=1/login;a/", true),
            ("/auth/%6Cogin", true),
            ("/auth/login//", false),
            ("//auth/login", false),
            ("/auth/login/x", false),
            ("/auth", false),
            ("/auth/LOGIN", false),
            ("/auth/x/../login", false),
            ("/auth/./login", false),
            ("/auth/..;/auth/login", false),
            ("/auth%2flogin", false),
            ("/auth/login%2f", false),
            ("/auth/log%69n%", false),
            ("/auth/login%3b", false),
            ("", false),
        ] {
            assert_eq!(is_same_path("/auth/login", path), is_same, "{path}");
        }
        assert!(is_same_path("/", "/") && is_same_path("/r/", "/r") && !is_same_path("/", "/r"));
        assert!(is_same_path("/a%20b", "/a%20b"), "as it is written");
    }
}
