//! From `[identity]` as written to an [`Identity`]; every problem is reported, not only the first.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use hashbrown::HashSet;
use http::{Method, StatusCode};
use toml::Spanned;

use super::approval::approver;
use super::group::{Claim, Group, Groups};
use super::key_memory::KeyMemory;
use super::leavers::Leavers;
use super::memory::VerifiedTokens;
use super::places::Places;
use super::revocation::{Known, RevocationList};
use super::settings::{GroupSettings, IntrospectionSettings, IssuerSettings, Settings};
use super::signers::{introspection, issuers, polls, transmitters};
use super::source::{Kind, Place, Source};
use super::{Identity, Pace, RouteMatch};
use crate::engine::births::Births;
use crate::engine::problem::{Problem, Severity};
use crate::engine::secret::HashKey;

const SOURCES_MAX: usize = 16;
const GROUPS_MAX: usize = 256;
const ROUTES_MAX: usize = 256;
const WATCH_LIST_BYTES_MAX: usize = 4 << 20;
/// 50 million credentials are about 3 GB.
const REMEMBERED_MAX: usize = 50_000_000;
/// Thirty days.
const WARM_UP_S_MAX: usize = 30 * 86_400;
const PER_S_MAX: usize = 1_000_000;

/// How a file of the configuration is read; relative paths are the caller's to resolve, and so are the URLs of key sets, which
/// are fetched into files. Each file has a size limit of
/// its own, checked after reading.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// Problems found so far in one file.
pub(super) struct Problems<'a> {
    file: &'a str,
    pub(super) found: Vec<Problem>,
}

impl Problems<'_> {
    pub(super) fn add(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        help: Option<&str>,
    ) {
        self.found.push(Problem {
            code,
            severity: Severity::Error,
            file: self.file.to_owned(),
            span: Some(span).filter(|span| !span.is_empty()),
            message: message.into(),
            help: help.map(str::to_owned),
        });
    }
}

impl Identity {
    /// Compiles the settings. `file` is the configuration file that they stand in, for the problems.
    ///
    /// # Errors
    ///
    /// All problems: `I001` a source, `I003` an algorithm, `I004` a key
    /// set, `I005` a group, `I006` a file of listed keys, `I007` a route, `I008` a number or a name outside its range,
    /// `I009` a file of networks or of watched principals, `I010` a list of who is revoked or leaves, `I012` a
    /// transmitter of events, or a workflow of approvals, about accounts of nobody, `I013` who is asked for opaque tokens, `I014` an
    /// issuer whose services log in elsewhere.
    pub fn compile(settings: &Settings, file: &str, key: HashKey, read: ReadFile<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems {
            file,
            found: Vec::new(),
        };
        let sources = sources(settings, &mut problems);
        let issuers = issuers(settings, &key, read, &mut problems);
        let transmitters = transmitters(settings, read, &mut problems);
        let polls = polls(settings, read, &mut problems);
        let approver = approver(settings, read, &mut problems);
        let introspection = introspection(settings, &key, read, &mut problems);
        let (groups, group_list) = groups(settings, read, &mut problems);
        let (places, watched) = (
            places(settings, read, &mut problems),
            watched(settings, read, &mut problems),
        );
        let by = (settings, &key);
        let revoked = names(
            settings.revoked.as_ref(),
            by,
            read,
            &mut problems,
            RevocationList::parse,
        );
        let leavers = names(settings.leavers.as_ref(), by, read, &mut problems, |bytes, known| {
            Leavers::parse(bytes, known, settings.leavers_percent)
        });
        let in_issuers = |list: fn(&IssuerSettings) -> &[Spanned<String>]| settings.issuer.values().flat_map(list);
        let logs_in_at = settings
            .logs_in_at
            .iter()
            .chain(in_issuers(|issuer| &issuer.logs_in_at));
        let logs_in_at = routes(logs_in_at, &mut problems);
        let refreshes_at = settings
            .refreshes_at
            .iter()
            .chain(in_issuers(|issuer| &issuer.refreshes_at));
        let refreshes_at = routes(refreshes_at, &mut problems);
        numbers(settings, &mut problems);
        if !problems.found.is_empty() {
            return Err(problems.found);
        }
        Ok(Self {
            key,
            sources,
            issuers,
            groups,
            group_list,
            logs_in_at,
            refreshes_at,
            warm_up_s: settings.warm_up_s,
            pace: Pace {
                reauth_per_s_max: settings.reauth_per_s_max,
                lookups_per_s_max: settings.lookups_per_s_max,
            },
            places,
            watched,
            revoked,
            leavers,
            key_memory: KeyMemory::default(),
            approver,
            transmitters,
            polls,
            signals_seen: Arc::default(),
            births: Arc::new(Births::new(settings.issued_tokens_max)),
            tokens: VerifiedTokens::new(settings.verified_tokens_max),
            introspection,
        })
    }
}

/// Numbers within their bounds.
fn numbers(settings: &Settings, problems: &mut Problems<'_>) {
    for (name, value, bounds) in [
        ("issued_tokens_max", settings.issued_tokens_max, 1..=REMEMBERED_MAX),
        ("verified_tokens_max", settings.verified_tokens_max, 1..=REMEMBERED_MAX),
        ("warm_up_s", settings.warm_up_s as usize, 0..=WARM_UP_S_MAX),
        ("reauth_per_s_max", settings.reauth_per_s_max as usize, 1..=PER_S_MAX),
        ("lookups_per_s_max", settings.lookups_per_s_max as usize, 1..=PER_S_MAX),
    ] {
        if !bounds.contains(&value) {
            let (first, last) = bounds.into_inner();
            let message = format!("`identity.{name}` is not within {first} and {last}");
            problems.add("I008", 0..0, message, None);
        }
    }
    if settings.leavers_percent > 100 {
        problems.add("I008", 0..0, "`identity.leavers_percent` is more than 100", None);
    }
}

/// The names of networks; none of a file that is not right, which is a problem.
fn places(settings: &Settings, read: ReadFile<'_>, problems: &mut Problems<'_>) -> Places {
    let Some(path) = &settings.places else {
        return Places::default();
    };
    let file = read(Path::new(path.get_ref())).map_err(|error| format!("it cannot be read: {error}"));
    file.and_then(|bytes| Places::parse(&bytes)).unwrap_or_else(|message| {
        let help = "a line is a network and a name: 192.0.2.0/24,branch";
        problems.add("I009", path.span(), format!("`{path}`: {message}"), Some(help));
        Places::default()
    })
}

/// The watched principals as they are written.
fn watched(settings: &Settings, read: ReadFile<'_>, problems: &mut Problems<'_>) -> HashSet<Box<[u8]>> {
    let Some(path) = &settings.watch_list else {
        return HashSet::new();
    };
    let file = read(Path::new(path.get_ref())).map_err(|error| format!("it cannot be read: {error}"));
    let file = file.and_then(|bytes| match bytes.len() {
        length if length > WATCH_LIST_BYTES_MAX => Err(format!("it is larger than {WATCH_LIST_BYTES_MAX} bytes")),
        _ => Ok(bytes),
    });
    let bytes = file.unwrap_or_else(|message| {
        problems.add("I009", path.span(), format!("`{path}`: {message}"), None);
        Vec::new()
    });
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .map(Box::from)
        .collect()
}

/// What `parse` makes of a list of names; nothing of one that is not right, which is a problem.
fn names<T: Default>(
    list: Option<&Spanned<String>>,
    (settings, secret): (&Settings, &HashKey),
    read: ReadFile<'_>,
    problems: &mut Problems<'_>,
    parse: impl FnOnce(&[u8], Known<'_>) -> Result<T, String>,
) -> T {
    let Some(path) = list else {
        return T::default();
    };
    let known = Known {
        secret,
        issuers: &|name| is_issuer(settings, name),
        sources: &|label| settings.sources.iter().any(|source| source.get_ref() == label),
    };
    let file = read(Path::new(path.get_ref())).map_err(|error| format!("it cannot be read: {error}"));
    file.and_then(|bytes| parse(&bytes, known)).unwrap_or_else(|message| {
        let help = "a line is: principal ISSUER:SUBJECT 2026-12-01 REASON";
        problems.add("I010", path.span(), format!("`{path}`: {message}"), Some(help));
        T::default()
    })
}

/// Whether accounts may be named behind this.
fn is_issuer(settings: &Settings, name: &str) -> bool {
    let names_users =
        |text: &Spanned<String>| Source::parse(text.get_ref()).is_ok_and(|source| source.names_users() == Some(name));
    settings.issuer.keys().any(|issuer| issuer.get_ref() == name)
        || settings.introspection.iter().any(|asked| accounts_of(asked) == name)
        || settings.sources.iter().any(names_users)
}

fn sources(settings: &Settings, problems: &mut Problems<'_>) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for text in &settings.sources {
        match Source::parse(text.get_ref()) {
            Ok(source) if sources.contains(&source) => {
                problems.add(
                    "I001",
                    text.span(),
                    format!("the source `{}` is named twice", source.label),
                    None,
                );
            }
            Ok(source) => sources.push(source),
            Err(message) => problems.add("I001", text.span(), message, None),
        }
    }
    if let Some(text) = settings.sources.get(SOURCES_MAX) {
        problems.add(
            "I008",
            text.span(),
            format!("there are more than {SOURCES_MAX} sources"),
            None,
        );
    }
    let is_certificate = |source: &Source| matches!(source.place, Place::Certificate(_));
    let mut of_certificates = settings.group.iter().filter(|(_, group)| group.certificates.is_some());
    if let Some((name, _)) = of_certificates.next().filter(|_| !sources.iter().any(is_certificate)) {
        let help = "add certificate:spiffe or certificate:subject to sources";
        let message = format!("the group `{name}` is named by certificates, which are no source");
        problems.add("I005", name.span(), message, Some(help));
    }
    let has = |kind: Kind| sources.iter().any(|source| source.kind == kind);
    let span = settings.sources.first().map_or(0..0, Spanned::span);
    if has(Kind::Token) && settings.issuer.is_empty() {
        let help = "add [identity.issuer.NAME] with jwks and algorithms";
        let message = "tokens are a source, but no issuer says how they are verified";
        problems.add("I001", span.clone(), message, Some(help));
    }
    if has(Kind::Introspected) && settings.introspection.is_none() {
        let message = "tokens are to be asked for, but nobody is there who says what they are";
        problems.add("I001", span, message, Some("add [identity.introspection] with url"));
    }
    share_places(&mut sources);
    sources
}

/// Marks the sources of tokens that stand where those of the other kind do.
fn share_places(sources: &mut [Source]) {
    let places = |kind: Kind| {
        sources
            .iter()
            .filter(move |source| source.kind == kind)
            .map(|source| source.place.clone())
    };
    let (verified, asked): (Vec<_>, Vec<_>) = (places(Kind::Token).collect(), places(Kind::Introspected).collect());
    for source in sources {
        source.shares_place = verified.contains(&source.place) && asked.contains(&source.place);
    }
}

fn groups(settings: &Settings, read: ReadFile<'_>, problems: &mut Problems<'_>) -> (Groups, Vec<Group>) {
    let mut groups = Groups::default();
    let mut list = Vec::new();
    if settings.group.len() > GROUPS_MAX {
        problems.add("I008", 0..0, format!("there are more than {GROUPS_MAX} groups"), None);
    }
    for (name, written) in &settings.group {
        let group = Group {
            name: name.get_ref().as_str().into(),
            people_per_day: written.people_per_day,
            has_baseline: written.baseline,
        };
        if !is_name(name.get_ref()) {
            let help = "use small letters, digits, - and _";
            problems.add("I008", name.span(), format!("`{name}` cannot name a group"), Some(help));
        }
        if written.baseline && written.people_per_day.is_none() {
            let message = format!("the group `{name}` has a baseline beside nothing that it declares");
            let help = "people_per_day = 100: what is normal, as far as you know";
            problems.add("I005", name.span(), message, Some(help));
        }
        members(&group, name, written, read, &mut groups, problems);
        list.push(group);
    }
    groups.claims.sort_by_key(|claim| {
        (
            claim.group.people_per_day.unwrap_or(u32::MAX),
            Arc::clone(&claim.group.name),
        )
    });
    (groups, list)
}

/// Adds who belongs to one group.
fn members(
    group: &Group,
    name: &Spanned<String>,
    written: &GroupSettings,
    read: ReadFile<'_>,
    groups: &mut Groups,
    problems: &mut Problems<'_>,
) {
    match (&written.claim, &written.api_keys, &written.certificates) {
        (Some(claim), None, None) => match claim.get_ref().split_once('=') {
            Some((claim, value)) if !claim.is_empty() && !value.is_empty() => {
                groups.claims.push(Claim {
                    name: claim.to_owned(),
                    value: value.to_owned(),
                    group: group.clone(),
                });
            }
            _ => problems.add(
                "I005",
                claim.span(),
                "a claim is written `name=value`",
                Some("such as role=customer"),
            ),
        },
        (None, Some(path), None) => {
            let file = read(Path::new(path.get_ref())).map_err(|error| format!("it cannot be read: {error}"));
            if let Err(message) = file.and_then(|bytes| groups.add_listed(&bytes, &group.name)) {
                let help = "a line is the keyed hash of a key, in 64 hexadecimal digits, and a name";
                problems.add("I006", path.span(), format!("`{path}`: {message}"), Some(help));
            }
        }
        (None, None, Some(names)) => {
            for certificate in names {
                if let Err(message) = groups.add_certificate(certificate.get_ref(), &group.name) {
                    problems.add("I005", certificate.span(), format!("`{certificate}`: {message}"), None);
                }
            }
        }
        _ => {
            let message = format!("the group `{name}` needs one of `claim`, `api_keys` and `certificates`");
            problems.add("I005", name.span(), message, None);
        }
    }
}

fn routes<'a>(list: impl Iterator<Item = &'a Spanned<String>>, problems: &mut Problems<'_>) -> Vec<RouteMatch> {
    let mut routes = Vec::new();
    for text in list {
        match route(text.get_ref()) {
            Some(route) if routes.len() < ROUTES_MAX => routes.push(route),
            Some(_) => problems.add(
                "I008",
                text.span(),
                format!("there are more than {ROUTES_MAX} routes here"),
                None,
            ),
            None => problems.add(
                "I007",
                text.span(),
                "a route is written `METHOD /path`, or `METHOD /path STATUS`",
                Some("such as POST /login"),
            ),
        }
    }
    routes
}

/// A route, and perhaps the status with which it issues something: from 200 to 399.
fn route(text: &str) -> Option<RouteMatch> {
    let mut words = text.split(' ');
    let (method, path) = (Method::from_bytes(words.next()?.as_bytes()).ok()?, words.next()?);
    let status = words
        .next()
        .map(|status| status.parse().ok().filter(|status| is_good(*status)));
    let is_route = path.starts_with('/') && !path.contains('?') && words.next().is_none();
    is_route.then_some(RouteMatch {
        method,
        path: path.to_owned(),
        status: status.map_or(Some(None), |status| status.map(Some))?,
    })
}

fn is_good(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

/// Whose accounts opaque tokens name where the operator does not say.
pub(super) const INTROSPECTION: &str = "introspection";

/// The issuer whose accounts tokens name that are asked for.
pub(super) fn accounts_of(written: &IntrospectionSettings) -> &str {
    written
        .accounts_of
        .as_ref()
        .map_or(INTROSPECTION, |name| name.get_ref())
}

/// Names become parts of principals, labels and file lines: small letters, digits, `-`, `_`, at most 64 bytes.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}
