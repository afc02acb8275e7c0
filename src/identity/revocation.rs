//! May that credential still be used: the names under which what a request shows may be revoked, and the operator's list.

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::certificate::{CERTIFICATE, certificate_value};
use super::identify::{Identity, session_of};
use super::source::Kind;
use super::token::{joined, kid_of};
use super::user::{BASIC, TRUSTED};
use crate::engine::ledger::{Dimension, KeyId};
use crate::engine::policy::{people_key, units};
use crate::engine::secret::HashKey;
use crate::engine::time::Now;

/// The size of the list: no larger file is watched.
pub(super) const LIST_BYTES_MAX: usize = 8 << 20;
/// Lines of the list that revoke.
const LIST_LINES_MAX: usize = 100_000;
/// A revocation without an end.
pub const NO_END: u32 = u32::MAX;

/// One name of what a request shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The key under which it is revoked: where it counts people too, the one that lists and incidents name.
    pub key: KeyId,
    /// Its dimension.
    pub dimension: Dimension,
    /// For a name that means all credentials up to a moment: the second in which this one was issued.
    issued: Option<u32>,
}

/// All names of what a request shows; revoked is who is revoked under one of them.
pub type Revocable = SmallVec<[Named; 8]>;

impl Named {
    pub(super) fn new(secret: &HashKey, dimension: Dimension, value: &[u8]) -> Self {
        Self {
            key: people_key(secret, dimension, value),
            dimension,
            issued: None,
        }
    }

    /// Whether a revocation of this second means it.
    pub fn is_meant(self, second: u32) -> bool {
        self.issued.is_none_or(|issued| issued <= second)
    }
}

/// What a verified token says of itself.
pub(super) struct Token<'a> {
    pub(super) issuer: &'a str,
    pub(super) session: &'a [u8],
    pub(super) subject: Option<&'a str>,
    /// Its `sid` and its `jti`.
    pub(super) ids: [Option<&'a str>; 2],
    pub(super) email: Option<&'a str>,
    pub(super) kid: Option<&'a [u8]>,
    /// `iat`; 0 where it does not say.
    pub(super) issued: u32,
}

impl Token<'_> {
    /// Its names, those of the account first.
    pub(super) fn revocable(&self, secret: &HashKey) -> Revocable {
        let mut names = Revocable::new();
        let name = |dimension, value: &[u8]| Named::new(secret, dimension, value);
        let subject = self.subject.map(|subject| principal(self.issuer, subject));
        let email = self.email.or(self.subject).filter(|text| text.contains('@'));
        let email = email.map(|address| email_value(self.issuer, address));
        let accounts = subject.iter().chain(&email);
        names.extend(accounts.clone().map(|account| name(Dimension::Principal, account)));
        names.extend(accounts.map(|account| Named {
            issued: Some(self.issued),
            ..name(Dimension::Session, &sessions_value(account))
        }));
        names.push(name(Dimension::Session, self.session));
        let ids = self.ids.into_iter().flatten();
        names.extend(ids.map(|id| name(Dimension::Session, &sid_value(self.issuer, id))));
        names.extend(self.kid.map(|kid| name(Dimension::Kid, kid)));
        names
    }
}

/// Whose principals no token names: in the place of an issuer.
pub(super) const USERS: [&str; 5] = [API_KEY, BASIC, CERTIFICATE, PROXY_USER, TRUSTED];

/// A principal as credentials name it: `ISSUER:SUBJECT`, `api-key:NAME`, `certificate:NAME` or `proxy-user:NAME`.
pub fn principal_of(text: &str) -> Vec<u8> {
    match text.split_once(':') {
        Some((issuer, subject)) if issuer != API_KEY => principal(issuer, subject),
        _ => text.as_bytes().to_vec(),
    }
}

/// What stands in the place of an issuer for listed keys.
pub(super) const API_KEY: &str = "api-key";
/// The same for whoever goes out with a name and a password.
pub(super) const PROXY_USER: &str = "proxy-user";

pub(super) fn principal(issuer: &str, subject: &str) -> Vec<u8> {
    [issuer.as_bytes(), b"\0", subject.as_bytes()].concat()
}

pub(super) fn sid_value(issuer: &str, id: &str) -> Vec<u8> {
    joined(&[b"sid", issuer.as_bytes(), id.as_bytes()]).to_vec()
}

pub(super) fn email_value(issuer: &str, address: &str) -> Vec<u8> {
    joined(&[b"email", issuer.as_bytes(), address.to_lowercase().as_bytes()]).to_vec()
}

/// All credentials of an account up to a moment.
pub(super) fn sessions_value(account: &[u8]) -> Vec<u8> {
    joined(&[b"sessions", account]).to_vec()
}

/// What can be revoked, as a person names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An account, whatever it shows: `ISSUER:SUBJECT`, `api-key:NAME`, `certificate:NAME` or `proxy-user:NAME`.
    Principal,
    /// An account by its e-mail address: `ISSUER:ADDRESS`.
    Email,
    /// All tokens that an account was issued up to now: it may log in again.
    Sessions,
    /// One session by its credential: `cookie:NAME=VALUE` or `header:NAME=VALUE`.
    Session,
    /// One session by the `sid` or `jti` of its tokens: `ISSUER:ID`.
    Sid,
    /// All that a key signed: `ISSUER:ID`.
    Kid,
    /// Client certificates by the SPIFFE ID or the subject in them, or one by its SHA-256.
    Certificate,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Principal,
        Self::Email,
        Self::Sessions,
        Self::Session,
        Self::Sid,
        Self::Kid,
        Self::Certificate,
    ];

    /// Its name in lists, commands and requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Email => "email",
            Self::Sessions => "sessions",
            Self::Session => "session",
            Self::Sid => "sid",
            Self::Kid => "kid",
            Self::Certificate => "certificate",
        }
    }

    /// The one with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.name() == name)
    }

    const fn dimension(self) -> Dimension {
        match self {
            Self::Principal | Self::Email => Dimension::Principal,
            Self::Sessions | Self::Session | Self::Sid => Dimension::Session,
            Self::Kid => Dimension::Kid,
            Self::Certificate => Dimension::Certificate,
        }
    }
}

/// Who may be named: issuers and sources that there are not are mistakes that would revoke nobody.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) secret: &'a HashKey,
    pub(super) issuers: &'a dyn Fn(&str) -> bool,
    pub(super) sources: &'a dyn Fn(&str) -> bool,
}

impl Known<'_> {
    /// The key of what is named, by 24 hexadecimal digits or as [`What`] says.
    fn key(self, what: What, name: &str) -> Result<KeyId, &'static str> {
        if let Some(key) = KeyId::parse(name) {
            return Ok(key);
        }
        let value = match what {
            What::Session => {
                let parts = name.split_once('=').filter(|(_, value)| !value.is_empty());
                let (source, value) = parts.ok_or("is named by 24 digits, cookie:NAME=VALUE or header:NAME=VALUE")?;
                if !(self.sources)(source) {
                    return Err("is of none of `identity.sources`");
                }
                session_of(source, value.as_bytes()).to_vec()
            }
            What::Certificate if name.is_empty() => return Err("is empty"),
            What::Certificate => certificate_value(name),
            What::Principal | What::Email | What::Sessions | What::Sid | What::Kid => {
                let parts = name.split_once(':').filter(|(_, id)| !id.is_empty());
                let (issuer, id) = parts.ok_or("is named by 24 digits, or behind its issuer and a colon")?;
                let is_user = USERS.contains(&issuer);
                if is_user && what != What::Principal {
                    return Err("has no tokens: name it as a principal");
                }
                if !is_user && !(self.issuers)(issuer) {
                    return Err("is of none of `identity.issuer`");
                }
                match what {
                    What::Principal => principal_of(name),
                    What::Email => email_value(issuer, id),
                    What::Sessions => sessions_value(&principal(issuer, id)),
                    What::Sid => sid_value(issuer, id),
                    What::Kid | What::Session | What::Certificate => kid_of(issuer, id).to_vec(),
                }
            }
        };
        Ok(people_key(self.secret, what.dimension(), &value))
    }
}

/// One line of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What is revoked.
    pub key: KeyId,
    /// Its dimension.
    pub dimension: Dimension,
    /// Until this unix second, or [`NO_END`].
    pub until: u32,
    /// The number of its line, from 1.
    pub line: u32,
}

/// Who is revoked by the operator's list.
#[derive(Default)]
pub(super) struct RevocationList(HashMap<KeyId, Listed>);

impl RevocationList {
    /// Reads the list: `WHAT NAME UNTIL REASON` a line.
    ///
    /// # Errors
    /// As [`lines`].
    pub(super) fn parse(bytes: &[u8], known: Known<'_>) -> Result<Self, String> {
        lines(bytes, known, listed).map(Self)
    }

    /// The line that revokes `key` at `now`.
    fn get(&self, key: KeyId, now: Now) -> Option<Listed> {
        let listed = self.0.get(&key).copied();
        listed.filter(|listed| listed.until > now.second())
    }
}

/// One line of a list of names.
pub(super) struct Line<'l> {
    pub(super) what: What,
    pub(super) key: KeyId,
    /// Whether it is named by its key.
    pub(super) is_key: bool,
    /// The word behind the name.
    pub(super) when: &'l str,
    pub(super) number: u32,
}

/// Reads a list of `WHAT NAME WHEN REASON` lines, of which `read` makes something; empty lines and `#` comments are skipped.
///
/// # Errors
/// A sentence with the number of the line that is wrong; it quotes nothing, as lines name people.
pub(super) fn lines<T>(
    bytes: &[u8],
    known: Known<'_>,
    read: impl Fn(&Line<'_>) -> Result<T, &'static str>,
) -> Result<HashMap<KeyId, T>, String> {
    if bytes.len() > LIST_BYTES_MAX {
        return Err(format!("it is larger than {LIST_BYTES_MAX} bytes"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut list = HashMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |why: &str| format!("line {number}: {why}");
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap_or_default();
        let (what, name, when) = (word(), word(), word());
        let kinds = || {
            wrong(&format!(
                "it begins with none of {}",
                What::ALL.map(What::name).join(", ")
            ))
        };
        let what = What::parse(what).ok_or_else(kinds)?;
        let key = known.key(what, name);
        let line = Line {
            what,
            key: key.map_err(|why| wrong(&format!("what it names {why}")))?,
            is_key: KeyId::parse(name).is_some(),
            when,
            number,
        };
        let read = read(&line).map_err(wrong)?;
        if words.next().is_none() {
            return Err(wrong("it has no reason behind its time"));
        }
        if list.insert(line.key, read).is_some() {
            return Err(wrong("it is listed already"));
        }
        if list.len() > LIST_LINES_MAX {
            return Err(format!("it has more than {LIST_LINES_MAX} lines"));
        }
    }
    Ok(list)
}

fn listed(line: &Line<'_>) -> Result<Listed, &'static str> {
    match line.what {
        What::Sessions => return Err("`sessions` are revoked up to a moment, which a list has not"),
        // It could be used by whoever reads the file.
        What::Session if !line.is_key => {
            return Err("a list holds no credential: write the 24 digits of the key of the session");
        }
        What::Principal | What::Email | What::Session | What::Sid | What::Kid | What::Certificate => {}
    }
    let until = match line.when {
        "-" => NO_END,
        date => moment(date).ok_or("its third word is `-`, a day or a moment: 2026-12-01")?,
    };
    Ok(Listed {
        key: line.key,
        dimension: line.what.dimension(),
        until,
        line: line.number,
    })
}

/// The unix second at which a day ends, or of a moment such as `2026-12-01T18:00:00Z`.
fn moment(text: &str) -> Option<u32> {
    let moment = || text.parse::<jiff::Timestamp>().ok();
    units::end_of_day(text).or_else(|| u32::try_from(moment()?.as_second()).ok())
}

impl Identity {
    /// The key under which what a person names is revoked, and its dimension.
    ///
    /// # Errors
    /// What is wrong with the name, to be said behind it.
    pub fn revocation_key(&self, what: What, name: &str) -> Result<(KeyId, Dimension), &'static str> {
        let known = Known {
            secret: &self.key,
            issuers: &|name| {
                self.issuers.iter().any(|issuer| *issuer.name == *name)
                    || self.introspection.iter().any(|asked| *asked.accounts_of == *name)
                    || self.sources.iter().any(|source| source.names_users() == Some(name))
            },
            sources: &|label| {
                self.sources
                    .iter()
                    .any(|source| *source.label == *label && source.kind != Kind::Token)
            },
        };
        Ok((known.key(what, name)?, what.dimension()))
    }

    /// The line of the operator's list that revokes `key` at `now`.
    pub fn listed_as_revoked(&self, key: KeyId, now: Now) -> Option<Listed> {
        self.revoked.get(key, now)
    }

    /// All lines of the operator's list that are in force at `now`.
    pub fn revocation_list(&self, now: Now) -> impl Iterator<Item = Listed> {
        let lines = self.revoked.0.values().copied();
        lines.filter(move |listed| listed.until > now.second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RevocationList, String> {
        let known = Known {
            secret: &HashKey::new([1; 32]),
            issuers: &|name| name == "shop",
            sources: &|label| label == "cookie:sid",
        };
        RevocationList::parse(text.as_bytes(), known)
    }

    #[test]
    fn a_line_says_what_until_when_and_why() {
        let list = parse(
            "# who may not\n\nprincipal shop:4711 - left the company\r\n\
             kid shop:2025-01 2026-12-01 key copied\nsid shop:abc 2026-12-01T10:00:00Z lost\n\
             session 0123456789abcdef01234567 - stolen\ncertificate spiffe://shop.example/billing - left\nemail shop:Ann@mail.example - gone\nprincipal api-key:acme - over\n",
        );
        let list = list.unwrap_or_else(|message| panic!("{message}"));
        let secret = HashKey::new([1; 32]);
        let key = |dimension, value: &[u8]| people_key(&secret, dimension, value);
        for (key, until, line) in [
            (key(Dimension::Principal, b"shop\x004711"), NO_END, 3),
            (key(Dimension::Kid, &kid_of("shop", "2025-01")), 1_796_169_600, 4),
            (key(Dimension::Session, &sid_value("shop", "abc")), 1_796_119_200, 5),
            (KeyId::parse("0123456789abcdef01234567").unwrap(), NO_END, 6),
            (
                key(Dimension::Principal, &email_value("shop", "ann@mail.example")),
                NO_END,
                8,
            ),
            (key(Dimension::Certificate, b"spiffe://shop.example/billing"), NO_END, 7),
            (key(Dimension::Principal, b"api-key:acme"), NO_END, 9),
        ] {
            let listed = list.get(key, Now::default()).unwrap_or_else(|| panic!("line {line}"));
            assert_eq!((listed.until, listed.line), (until, line));
            assert_eq!(
                list.get(key, Now::from_millis(2_000_000_000_000)).is_some(),
                until == NO_END
            );
        }
    }

    #[test]
    fn a_bad_line_is_named_and_not_quoted() {
        for (line, why) in [
            ("account shop:ann-secret - x", "it begins with none of"),
            ("principal", "what it names is named by"),
            ("principal ann-secret - x", "what it names is named by"),
            ("principal shop: - x", "what it names is named by"),
            (
                "principal shpo:ann-secret - x",
                "what it names is of none of `identity.issuer`",
            ),
            ("principal shop:ann-secret tomorrow x", "its third word is"),
            ("principal shop:ann-secret", "its third word is"),
            ("principal shop:ann-secret -", "it has no reason"),
            ("sessions shop:ann-secret - x", "`sessions` are revoked"),
            ("session cookie:sid=secret - x", "a list holds no credential"),
            ("sid api-key:ann-secret - x", "what it names has no tokens"),
        ] {
            let message = parse(&format!("# one\n{line}\n")).err().expect(line);
            assert!(message.starts_with(&format!("line 2: {why}")), "{line}: {message}");
            assert!(!message.contains("secret"), "{message}");
        }
        let twice = "principal shop:a - x\nprincipal shop:a 2026-12-01 y\n";
        assert_eq!(parse(twice).err().as_deref(), Some("line 2: it is listed already"));
        assert!(parse(&"#".repeat(LIST_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn a_name_of_all_sessions_means_those_up_to_a_moment() {
        let token = |issued| Token {
            issuer: "shop",
            session: b"s",
            subject: Some("ann@mail.example"),
            ids: [Some("s1"), None],
            email: None,
            kid: Some(b"k"),
            issued,
        };
        let secret = HashKey::new([1; 32]);
        let meant = |issued: u32, second: u32| {
            let names = token(issued).revocable(&secret);
            names.iter().filter(|name| name.is_meant(second)).count()
        };
        assert_eq!([meant(100, 100), meant(100, 99), meant(0, 99)], [7, 5, 7]);
    }
}
