//! Where data goes, as budgets name it beside the host: the registrable domain, the category, the workspace inside a service, and
//! whether somebody has declared who is there to process it.

use core::net::{IpAddr, Ipv6Addr}; // what an address is; no sockets
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::engine::decode::percent_decode;

/// The list that is compiled in.
const BUILT_IN: &str = include_str!("../../../rules/destinations.list");
/// The category of a host of which no list says anything.
pub const UNKNOWN: &str = "unknown";
/// Lines of a list at most, some 100 bytes of memory each.
const LINES_MAX: usize = 200_000;
/// Bytes of the name of a workspace that are looked at: services have shorter ones.
const WORKSPACE_BYTES_MAX: usize = 256;
/// The deepest part of a path that names a workspace.
const PART_MAX: usize = 16;

/// Hosts, each with all below it, and what is said of them. The nearest says: `a.b.example`, then `b.example`, then `example`.
#[derive(Clone, Debug)]
struct Tree<T>(HashMap<Box<str>, T>);

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Tree<T> {
    /// What is said of `host`, and the entry that says it.
    fn get<'h>(&self, host: &'h str) -> Option<(&'h str, &T)> {
        let mut rest = host;
        loop {
            if let Some(said) = self.0.get(rest) {
                return Some((rest, said));
            }
            rest = rest.split_once('.')?.1;
        }
    }
}

/// What a list says of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    category: Arc<str>,
    /// Where the workspace is named: the first of these that is there.
    workspace: SmallVec<[Part; 2]>,
}

/// Where a request names a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// All labels of the host before the entry's: the names of buckets have dots.
    Labels,
    /// The part of the path with this number, from 1.
    Path(usize),
}

/// What is known of hosts.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    entries: Arc<Tree<Entry>>,
    processors: Tree<usize>,
}

/// Where one exchange goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Towards {
    /// The registrable domain by the Public Suffix List, private suffixes among them; of an IPv6 address its /64; else the host itself.
    pub domain: String,
    /// The category of its list; [`UNKNOWN`] where it is in none.
    pub category: String,
    /// `ENTRY/NAME`, where the list says how the service names it, and the request does.
    pub workspace: Option<String>,
    /// The number of the processor whose host it is.
    pub processor: Option<usize>,
}

impl Destinations {
    /// The list that is compiled in, and over it that of the operator, if there is one.
    ///
    /// # Errors
    /// The line that is wrong, and why.
    pub fn read(own: Option<&str>) -> Result<Self, String> {
        let mut entries = Tree::default();
        for text in std::iter::once(BUILT_IN).chain(own) {
            let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
            for (number, line) in (1..).zip(lines).filter(|(_, line)| !line.trim().is_empty()) {
                let (host, entry) =
                    entry(line).ok_or_else(|| format!("line {number} is no HOST CATEGORY [WORKSPACE]"))?;
                entries.0.insert(host.into(), entry);
            }
            if entries.0.len() > LINES_MAX {
                return Err(format!("more than {LINES_MAX} hosts"));
            }
        }
        Ok(Self {
            entries: Arc::new(entries),
            processors: Tree::default(),
        })
    }

    /// Declares that the host, and all below it, is of the processor with this number.
    ///
    /// # Errors
    /// It is no host, or another's.
    pub fn declare(&mut self, host: &str, processor: usize) -> Result<(), &'static str> {
        if !is_host(host) {
            return Err("is no host");
        }
        let before = self.processors.0.insert(host.to_ascii_lowercase().into(), processor);
        let is_others = before.is_some_and(|before| before != processor);
        (!is_others).then_some(()).ok_or("is another processor's too")
    }

    /// Whether a host may be of this category.
    pub fn has_category(&self, name: &str) -> bool {
        name == UNKNOWN || self.categories().any(|known| known == name)
    }

    /// Whether something may count under this workspace.
    pub fn has_workspace(&self, name: &str) -> bool {
        let parts = name.split_once('/').filter(|(_, name)| !name.is_empty());
        parts.is_some_and(|(at, _)| self.entries.0.get(at).is_some_and(|entry| !entry.workspace.is_empty()))
    }

    /// The categories of the list, often more than once.
    pub fn categories(&self) -> impl Iterator<Item = &str> {
        self.entries.0.values().map(|entry| &*entry.category)
    }

    /// What is at `host`, in lower case and without its port.
    pub fn category(&self, host: &str) -> &str {
        self.entries.get(host).map_or(UNKNOWN, |(_, entry)| &entry.category)
    }

    /// Where a request to `host`, in lower case and without its port, leads that asks for `path`; none where readers could differ over
    /// it: what it would name is then one workspace without a name.
    pub fn towards(&self, host: &str, path: Option<&str>) -> Towards {
        let found = self.entries.get(host);
        Towards {
            domain: domain(host).into_owned(),
            category: found.map_or(UNKNOWN, |(_, entry)| &*entry.category).to_owned(),
            workspace: found.and_then(|found| workspace(found, host, path)),
            processor: self.processors.get(host).map(|(_, number)| *number),
        }
    }
}

fn entry(line: &str) -> Option<(String, Entry)> {
    let mut words = line.split_whitespace();
    let (host, category, workspace, rest) = (words.next()?, words.next()?, words.next(), words.next());
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !is_host(host) || !category.bytes().all(is_name) || rest.is_some() {
        return None;
    }
    let workspace = workspace.into_iter().flat_map(|text| text.split(','));
    let workspace = workspace.map(part).collect::<Option<_>>()?;
    let category = category.into();
    Some((host.to_ascii_lowercase(), Entry { category, workspace }))
}

fn part(text: &str) -> Option<Part> {
    if text == "host" {
        return Some(Part::Labels);
    }
    let number = text.strip_prefix("path:")?.parse().ok()?;
    (1..=PART_MAX).contains(&number).then_some(Part::Path(number))
}

/// A name or an address without a port, as what goes there is counted under: an address of six in brackets and in its one spelling
/// (RFC 5952).
pub(super) fn is_host(text: &str) -> bool {
    if let Some(address) = six(text) {
        return address.to_ipv4_mapped().is_none() && text == format!("[{address}]");
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && !text.starts_with('.') && !text.ends_with('.') && text.bytes().all(is_plain)
}

/// Whether something counts under it as its domain.
pub(super) fn is_domain(text: &str) -> bool {
    let network = text.strip_suffix("/64").map(|start| format!("[{start}]"));
    network.map_or_else(
        || is_host(text) && domain(text) == text,
        |start| is_host(&start) && domain(&start) == text,
    )
}

/// An IPv4 address and a name that is all suffix have none, and stand for themselves; of IPv6 whoever has one address has the 2^64
/// beside it (RFC 6177), which are one.
fn domain(host: &str) -> Cow<'_, str> {
    if let Some(address) = six(host) {
        let start = Ipv6Addr::from_bits(address.to_bits() >> 64 << 64);
        return format!("{start}/64").into();
    }
    let is_address = host.parse::<IpAddr>().is_ok();
    let domain = if is_address { None } else { psl::domain_str(host) };
    domain.unwrap_or(host).into()
}

fn six(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn workspace((at, entry): (&str, &Entry), host: &str, path: Option<&str>) -> Option<String> {
    let before = host.strip_suffix(at).and_then(|before| before.strip_suffix('.'));
    let name = entry.workspace.iter().find_map(|part| match part {
        Part::Labels => before.map(str::to_owned),
        Part::Path(number) => match path {
            Some(path) => path
                .split('/')
                .filter(|part| !part.is_empty())
                .nth(number - 1)
                .map(plain),
            None => Some(String::new()),
        },
    })?;
    Some(format!("{at}/{name}"))
}

/// One spelling of a part of a path: percent-encodings undone (RFC 3986, section 2.1), in lower case, and no longer than names are.
fn plain(part: &str) -> String {
    let raw = part.as_bytes();
    let mut plain = percent_decode(raw.get(..3 * WORKSPACE_BYTES_MAX).unwrap_or(raw));
    plain.truncate(WORKSPACE_BYTES_MAX);
    plain.make_ascii_lowercase();
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "# ours\nfiles.corp.example  file-share\nchat.example chat host # by team\n\
        code.example code path:2\nstore.example storage host,path:1\npastebin.com allowed\n";

    #[test]
    fn a_host_has_a_domain_a_category_and_a_workspace() {
        let known = Destinations::read(Some(OWN)).unwrap();
        let cases = [
            ("files.corp.example", "/", "corp.example", "file-share", None),
            ("a.files.corp.example", "/", "corp.example", "file-share", None),
            ("xfiles.corp.example", "/", "corp.example", UNKNOWN, None),
            (
                "acme.chat.example",
                "/x",
                "chat.example",
                "chat",
                Some("chat.example/acme"),
            ),
            (
                "evil.acme.chat.example",
                "/",
                "chat.example",
                "chat",
                Some("chat.example/evil.acme"),
            ),
            ("chat.example", "/acme", "chat.example", "chat", None),
            (
                "api.code.example",
                "/repos//ACME/x",
                "code.example",
                "code",
                Some("code.example/acme"),
            ),
            (
                "code.example",
                "/repos/%41cme/x",
                "code.example",
                "code",
                Some("code.example/acme"),
            ),
            ("code.example", "/repos", "code.example", "code", None),
            (
                "b1.store.example",
                "/k",
                "store.example",
                "storage",
                Some("store.example/b1"),
            ),
            (
                "store.example",
                "/b1/k",
                "store.example",
                "storage",
                Some("store.example/b1"),
            ),
            ("shop.example.co.uk", "/", "example.co.uk", UNKNOWN, None),
            ("acme.github.io", "/", "acme.github.io", UNKNOWN, None),
            ("192.0.2.7", "/", "192.0.2.7", UNKNOWN, None),
            ("[2001:db8::1]", "/", "2001:db8::/64", UNKNOWN, None),
            ("localhost", "/", "localhost", UNKNOWN, None),
            ("pastebin.com", "/", "pastebin.com", "allowed", None),
            ("paste.ee", "/", "paste.ee", "paste", None),
            ("", "", "", UNKNOWN, None),
        ];
        for (host, path, domain, category, workspace) in cases {
            let expected = Towards {
                domain: domain.to_owned(),
                category: category.to_owned(),
                workspace: workspace.map(str::to_owned),
                processor: None,
            };
            assert_eq!(known.towards(host, Some(path)), expected, "{host}{path}");
        }
        assert!(known.has_category("chat") && known.has_category(UNKNOWN) && !known.has_category("pasta"));
    }

    #[test]
    fn a_path_that_readers_take_for_two_names_no_workspace() {
        let known = Destinations::read(Some(OWN)).unwrap();
        for (host, workspace) in [
            ("code.example", Some("code.example/")),
            ("store.example", Some("store.example/")),
            ("b1.store.example", Some("store.example/b1")),
            ("files.corp.example", None),
        ] {
            assert_eq!(known.towards(host, None).workspace.as_deref(), workspace, "{host}");
        }
    }

    #[test]
    fn what_nothing_counts_under_is_no_host_and_no_domain() {
        for (text, host, is_domain_too) in [
            ("example.com", true, true),
            ("www.example.com", true, false),
            ("example.com:443", false, false),
            ("https://example.com", false, false),
            ("192.0.2.7", true, true),
            ("[2001:db8::1]", true, false),
            ("[2001:DB8:0::1]", false, false),
            ("[::ffff:192.0.2.7]", false, false),
            ("2001:db8::1", false, false),
            ("2001:db8::/64", false, true),
            ("2001:db8::1/64", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_host(text), is_domain(text)), (host, is_domain_too), "{text}");
        }
        let known = Destinations::read(Some(OWN)).unwrap();
        for (name, is_known) in [
            ("code.example/acme", true),
            ("code.example/", false),
            ("code.example", false),
            ("api.code.example/acme", false),
            ("pastebin.com/acme", false),
        ] {
            assert_eq!(known.has_workspace(name), is_known, "{name}");
        }
    }

    #[test]
    fn a_processor_is_known_by_its_hosts() {
        let mut known = Destinations::read(None).unwrap();
        assert!(known.declare("API.Courier.example", 3).is_ok() && known.declare("*.courier.example", 4).is_err());
        assert!(known.clone().declare("api.courier.example", 4).is_err());
        for (host, processor) in [
            ("api.courier.example", Some(3)),
            ("eu.api.courier.example", Some(3)),
            ("courier.example", None),
        ] {
            assert_eq!(known.towards(host, Some("/")).processor, processor, "{host}");
        }
    }

    #[test]
    fn a_line_that_is_wrong_is_named() {
        for wrong in [
            "a.example",
            "a.example chat cookie",
            "a.example chat path:0",
            "a.example chat path:17",
            "*.a.example chat",
            "a.example Chat",
            "a.example chat host more",
        ] {
            let told = Destinations::read(Some(&format!("b.example chat\n{wrong}\n"))).unwrap_err();
            assert!(told.contains("line 2"), "{wrong}: {told}");
        }
    }
}
