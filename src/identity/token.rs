//! JSON Web Tokens (RFC 7519): who signs them, how they are verified, and what of them is believed.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Header, Validation};
use serde_json::{Map, Value};

use super::group::Groups;
use super::memory::{credential_hash, fingerprint};
use super::peer_issuer::PeerIssuer;
use super::remote::RemoteKeys;
use super::revocation::{Revocable, Token, principal};
use crate::engine::births::CredentialId;
use crate::engine::secret::HashKey;
use crate::engine::time::Now;

/// A token longer than this is not read: no issuer we know signs one, and verifying it is work for a stranger.
pub(super) const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// The size of a key set.
pub(super) const JWKS_BYTES_MAX: usize = 256 * 1024;

/// Keys in a key set.
pub(super) const JWKS_KEYS_MAX: usize = 64;

/// What a verified token says. It exists only after its signature and claims were checked.
pub(super) struct Verified {
    /// Issuer, subject and `sid` or `jti`.
    pub(super) session: Arc<[u8]>,
    /// Issuer and subject.
    pub(super) principal: Option<Arc<[u8]>>,
    /// The group that its claims put it in.
    pub(super) group: Option<Arc<str>>,
    /// The issuer's name in the configuration.
    pub(super) issuer: Arc<str>,
    /// The issuer and the id of the key that signed it, if it names one.
    pub(super) kid: Option<Arc<[u8]>>,
    /// The names under which it may be revoked.
    pub(super) revocable: Revocable,
    /// Under which its birth is looked for: its session, where it names one, so that a renewed token is no news.
    pub(super) credential: CredentialId,
    /// What stands for its bytes, under which it may be known as well.
    pub(super) opaque: CredentialId,
    /// The second in which it says that it was issued.
    pub(super) issued: Option<u32>,
    /// Unix seconds between which it is valid, leeway included.
    pub(super) valid_s: std::ops::RangeInclusive<u64>,
}

impl Verified {
    pub(super) fn is_valid_at(&self, now: Now) -> bool {
        self.valid_s.contains(&(now.millis() / 1000))
    }

    /// Whether it is over; one that is not valid yet is not.
    pub(super) fn has_expired_at(&self, now: Now) -> bool {
        now.millis() / 1000 > *self.valid_s.end()
    }
}

/// One signer of tokens.
pub(super) struct Issuer {
    /// Its name in the configuration; stands for it in sessions and principals.
    pub(super) name: Arc<str>,
    /// The algorithms it may use.
    pub(super) algorithms: Vec<Algorithm>,
    /// The `iss` and `aud` that its tokens must have.
    pub(super) iss: Option<String>,
    pub(super) aud: Option<String>,
    /// How far clocks may differ, in seconds.
    pub(super) leeway_s: u32,
    /// Keys the names under which its tokens may be revoked.
    pub(super) secret: HashKey,
    /// Its keys.
    pub(super) keys: Vec<SigningKey>,
    /// Where they are fetched from, if they are not in a file.
    pub(super) remote: Option<Arc<RemoteKeys>>,
    /// Those that have gone from its set: whoever shows what they signed is known, and refused.
    pub(super) retired: Vec<SigningKey>,
    /// For so many days a key may sign.
    pub(super) key_days_max: u32,
    /// Whose services log in elsewhere.
    pub(super) peer: Option<PeerIssuer>,
}

/// One key of a key set.
pub(super) struct SigningKey {
    pub(super) id: Option<String>,
    /// The algorithm that the set binds the key to.
    algorithm: Option<Algorithm>,
    key: DecodingKey,
    /// As the set has it.
    pub(super) written: Jwk,
}

/// Reads a key set (RFC 7517). Keys for encryption and of kinds that we do not verify with are skipped.
///
/// # Errors
///
/// A sentence that says why the set is refused: too large, no JSON, too many keys, a shared secret, no usable key.
pub(super) fn read_keys(bytes: &[u8]) -> Result<Vec<SigningKey>, String> {
    if bytes.len() > JWKS_BYTES_MAX {
        return Err(format!("the key set is larger than {JWKS_BYTES_MAX} bytes"));
    }
    let set: JwkSet = serde_json::from_slice(bytes).map_err(|error| format!("the key set does not parse: {error}"))?;
    if set.keys.len() > JWKS_KEYS_MAX {
        return Err(format!("the key set has more than {JWKS_KEYS_MAX} keys"));
    }
    let mut keys = Vec::new();
    for jwk in &set.keys {
        keys.extend(signing_key(jwk)?);
    }
    if keys.is_empty() {
        Err("the key set has no key to verify signatures with".to_owned())
    } else {
        Ok(keys)
    }
}

/// One key of a set; none for encryption or of a kind that we do not verify with.
///
/// # Errors
///
/// A sentence that says why its set is refused.
pub(super) fn signing_key(jwk: &Jwk) -> Result<Option<SigningKey>, String> {
    if matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_)) {
        return Err("the key set holds a shared secret: whoever verifies with it can sign".to_owned());
    }
    let key_use = jwk.common.public_key_use.as_ref();
    if key_use.is_some_and(|key_use| *key_use != PublicKeyUse::Signature) {
        return Ok(None);
    }
    let Ok(algorithm) = jwk.common.key_algorithm.map(Algorithm::try_from).transpose() else {
        return Ok(None);
    };
    match DecodingKey::from_jwk(jwk) {
        Ok(key) => Ok(Some(SigningKey {
            id: jwk.common.key_id.clone(),
            algorithm,
            key,
            written: jwk.clone(),
        })),
        Err(error) if matches!(error.kind(), ErrorKind::UnsupportedAlgorithm) => Ok(None),
        Err(error) => Err(format!("a key of the set is unusable: {error}")),
    }
}

/// The signature algorithm of this name, if this version verifies with it.
///
/// # Errors
///
/// A sentence that says why not.
pub(super) fn parse_algorithm(name: &str) -> Result<Algorithm, &'static str> {
    match name.parse::<Algorithm>() {
        Ok(algorithm) if algorithm.family() == AlgorithmFamily::Hmac => {
            Err("shared secrets are not in this version: whoever verifies with one can sign")
        }
        Ok(algorithm) => Ok(algorithm),
        Err(_) if name.eq_ignore_ascii_case("none") => Err("an unsigned token proves nothing"),
        Err(_) => Err("no such signature algorithm"),
    }
}

/// Verifies `token` against the issuers in the order of their names. What the token says about itself chooses among
/// the configured keys and algorithms, never beyond them; `jku`, `jwk` and `x5u` are not looked at.
pub(super) fn verify(token: &[u8], issuers: &[Issuer], groups: &Groups) -> Option<Verified> {
    let header = read_header(token)?;
    issuers.iter().find_map(|issuer| {
        let claims = issuer.claims(token, &header)?;
        issuer.voice().believe(&claims, token, issuer.kid(&header), groups)
    })
}

/// What a token says, of which nothing is believed.
pub(super) fn unverified(token: &[u8]) -> Option<Map<String, Value>> {
    jsonwebtoken::dangerous::insecure_decode_claims(token).ok()
}

fn iss_of(claims: &Map<String, Value>) -> Option<&str> {
    claims.get("iss").and_then(Value::as_str)
}

/// Of a token that was not verified: whether one of the issuers may have signed it with a key that it has and we have not, since its
/// set is behind a URL, and could not be had, or not since the key that the token names may have come. Such sets are fetched again.
///
/// What is given are the names of whom the token says it is, under each such issuer: it may be believed of nobody, but who is
/// revoked is so whoever names them.
pub(super) fn lacking(token: &[u8], issuers: &[Issuer], now: Now) -> Option<Revocable> {
    let mut behind_urls = issuers.iter().filter(|issuer| issuer.remote.is_some()).peekable();
    behind_urls.peek()?;
    let (header, claims) = read_header(token).zip(unverified(token))?;
    let mut names = None;
    for issuer in behind_urls.filter(|issuer| issuer.may_have_signed(&header, iss_of(&claims))) {
        issuer.want_key(&header);
        if issuer.lacks_key(&header, now) {
            let (voice, kid) = (issuer.voice(), issuer.kid(&header));
            let meant = voice.believe(&claims, token, kid, &Groups::default());
            let all = names.get_or_insert_with(Revocable::new);
            all.extend(meant.into_iter().flat_map(|meant| meant.revocable));
        }
    }
    names
}

/// The header of a token that may say who someone is.
fn read_header(token: &[u8]) -> Option<Header> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let header = jsonwebtoken::decode_header(token).ok()?;
    // Tokens that say who someone is (RFC 7519, RFC 9068); a logout or event token does not.
    let is_identity = |typ: &str| is_type(typ, &["jwt", "at+jwt"]);
    let is_read = header.crit.is_none() && header.typ.as_deref().is_none_or(is_identity);
    is_read.then_some(header)
}

/// Whether this is one of the `known` media types; the prefix may be left out (RFC 7515, section 4.1.9).
pub(super) fn is_type(media_type: &str, known: &[&str]) -> bool {
    let short = media_type.strip_prefix("application/").unwrap_or(media_type);
    known.iter().any(|known| short.eq_ignore_ascii_case(known))
}

/// The claims of `token` if one of `keys` signed it. Whom it is from and for is the caller's to check.
pub(super) fn claims_of(token: &[u8], header: &Header, keys: &[SigningKey]) -> Option<Map<String, Value>> {
    signed(token, header, key_for(keys, header)?)
}

/// The claims of `token` if `key` signed it: the signature alone is looked at. Times are checked against our own `now`; see
/// `believe`.
fn signed(token: &[u8], header: &Header, key: &DecodingKey) -> Option<Map<String, Value>> {
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let token = jsonwebtoken::decode(token, key, &validation);
    token.ok().map(|token| token.claims)
}

/// Whether a claim is `wanted`, or a list with it, as `aud` may be (RFC 7519, section 4.1.3).
pub(super) fn claim_is(claims: &Map<String, Value>, name: &str, wanted: &str) -> bool {
    match claims.get(name) {
        Some(Value::String(one)) => one == wanted,
        Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(wanted)),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => false,
    }
}

/// Whether claims are of `iss` and for `aud`, where these are to be looked at.
pub(super) fn is_agreed(claims: &Map<String, Value>, iss: Option<&str>, aud: Option<&str>) -> bool {
    iss.is_none_or(|iss| iss_of(claims) == Some(iss)) && aud.is_none_or(|aud| claim_is(claims, "aud", aud))
}

/// The key that the token names, or, where it names none, the only one that fits.
fn key_for<'k>(keys: &'k [SigningKey], header: &Header) -> Option<&'k DecodingKey> {
    let mut fitting = keys.iter().filter(|key| {
        key.key.family() == header.alg.family() && key.algorithm.is_none_or(|algorithm| algorithm == header.alg)
    });
    if let Some(id) = &header.kid {
        return fitting.find(|key| key.id.as_ref() == Some(id)).map(|key| &key.key);
    }
    let only = fitting.next()?;
    fitting.next().is_none().then_some(&only.key)
}

impl Issuer {
    /// The claims of `token` if one of this issuer's keys signed it.
    fn claims(&self, token: &[u8], header: &Header) -> Option<Map<String, Value>> {
        if !self.algorithms.contains(&header.alg) {
            return None;
        }
        // A key that has gone is never guessed at.
        let gone = || key_for(&self.retired, header).filter(|_| header.kid.is_some());
        let key = key_for(&self.keys, header).or_else(gone)?;
        let claims = signed(token, header, key)?;
        is_agreed(&claims, self.iss.as_deref(), self.aud.as_deref()).then_some(claims)
    }

    /// Whether a token with this header that says it is of `iss` may be its own.
    fn may_have_signed(&self, header: &Header, iss: Option<&str>) -> bool {
        self.algorithms.contains(&header.alg) && self.iss.as_deref().is_none_or(|ours| iss == Some(ours))
    }

    /// Has its key set fetched again, if that should have the key which a token names and has not.
    fn want_key(&self, header: &Header) {
        let lacks = self.keys.iter().all(|key| key.id != header.kid);
        if let Some(remote) = self.remote.as_ref().filter(|_| lacks) {
            remote.want();
        }
    }

    /// Whether it may have a key for this header that its set does not have yet.
    fn lacks_key(&self, header: &Header, now: Now) -> bool {
        let is_known = |id: &String| {
            let mut keys = self.keys.iter().chain(&self.retired);
            keys.any(|key| key.id.as_ref() == Some(id))
        };
        let is_news = header.kid.as_ref().is_some_and(|id| !is_known(id));
        let may_be_there = self.remote.as_ref().is_some_and(|remote| !remote.is_fresh(now));
        self.keys.is_empty() || (is_news && may_be_there)
    }

    /// The key that a header names.
    fn kid(&self, header: &Header) -> Option<Arc<[u8]>> {
        header.kid.as_ref().map(|kid| kid_of(&self.name, kid))
    }

    fn voice(&self) -> Voice<'_> {
        Voice {
            name: &self.name,
            leeway_s: self.leeway_s,
            secret: &self.secret,
        }
    }
}

/// Who says what a token says.
#[derive(Clone, Copy)]
pub(super) struct Voice<'a> {
    /// The issuer's name in the configuration.
    pub(super) name: &'a Arc<str>,
    /// How far its clock and ours may differ, in seconds.
    pub(super) leeway_s: u32,
    /// Keys the names under which its tokens may be revoked.
    pub(super) secret: &'a HashKey,
}

impl Voice<'_> {
    /// What the claims say. `None` if they name no one, or times that are none.
    pub(super) fn believe(
        self,
        claims: &Map<String, Value>,
        token: &[u8],
        kid: Option<Arc<[u8]>>,
        groups: &Groups,
    ) -> Option<Verified> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let subject = text("sub");
        let session: Option<(&[u8], &str)> = text("sid")
            .map(|sid| (b"sid".as_slice(), sid))
            .or_else(|| text("jti").map(|jti| (b"jti".as_slice(), jti)));
        if subject.is_none() && session.is_none() {
            return None;
        }
        let leeway = u64::from(self.leeway_s);
        let expires = claims
            .get("exp")
            .map_or(Some(u64::MAX), numeric_date)?
            .saturating_add(leeway);
        let begins = claims.get("nbf").map_or(Some(0), numeric_date)?.saturating_sub(leeway);
        let (claim, id) = session.unwrap_or_default();
        let has_session = session.is_some();
        let session = joined(&[
            b"jwt",
            self.name.as_bytes(),
            subject.unwrap_or_default().as_bytes(),
            claim,
            id.as_bytes(),
        ]);
        let opaque = fingerprint(&credential_hash(self.secret, token));
        let credential = if has_session {
            fingerprint(&self.secret.hash("tidegate session 1", &[&session]))
        } else {
            // Of one subject there may be tokens that were issued and others that were not.
            opaque
        };
        let issued = claims.get("iat").and_then(numeric_date);
        let issued = issued.map(|second| u32::try_from(second).unwrap_or(u32::MAX));
        let names = Token {
            issuer: self.name,
            session: &session,
            subject,
            ids: [text("sid"), text("jti")],
            email: text("email"),
            kid: kid.as_deref(),
            issued: issued.unwrap_or(0),
        };
        Some(Verified {
            revocable: names.revocable(self.secret),
            session,
            principal: subject.map(|subject| principal(self.name, subject).into()),
            group: groups.of_claims(claims),
            issuer: Arc::clone(self.name),
            kid,
            credential,
            opaque,
            issued,
            valid_s: begins..=expires,
        })
    }
}

/// A `NumericDate` (RFC 7519, section 2): seconds, perhaps with a fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be within the range"
)]
pub(super) fn numeric_date(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        value
            .as_f64()
            .filter(|seconds| (0.0..1e15).contains(seconds))
            .map(|seconds| seconds as u64)
    })
}

/// A signing key: the issuer's name in the configuration, and its id.
pub fn kid_of(issuer: &str, kid: &str) -> Arc<[u8]> {
    joined(&[issuer.as_bytes(), kid.as_bytes()])
}

/// Length-prefixed parts, so that no two lists give the same bytes.
pub(super) fn joined(parts: &[&[u8]]) -> Arc<[u8]> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    bytes.into()
}
