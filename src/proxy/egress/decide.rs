//! What becomes of a connection out: a pure function of the policy, of the host that is asked for, of who asks, and of the `ClientHello`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::policy::names_of;
use crate::engine::time::Now;
use crate::identity::is_trusted;
use crate::proxy::authority::destination;

/// Hosts: `example.com` is one, `*.example.com` all below it, `*` all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    All,
    One(String),
    /// With its dot.
    Below(String),
}

impl Hosts {
    /// Adds what a person writes; false where it is no host, or has a port: hosts are compared without theirs.
    pub fn add(&mut self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let is_name = |name: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !name.is_empty() && !name.starts_with('.') && !name.ends_with('.') && name.bytes().all(is_plain)
        };
        let six = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let pattern = match text.strip_prefix('*') {
            Some("") => Pattern::All,
            Some(below) if below.strip_prefix('.').is_some_and(is_name) => Pattern::Below(below.to_owned()),
            None if six.is_some_and(|six| six.parse::<Ipv6Addr>().is_ok()) => Pattern::One(destination(&text)),
            None if is_name(&text) => Pattern::One(text),
            Some(_) | None => return false,
        };
        self.0.push(pattern);
        true
    }

    /// Them as they are written.
    pub(super) fn written(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|pattern| match pattern {
            Pattern::All => "*".to_owned(),
            Pattern::One(name) => name.clone(),
            Pattern::Below(end) => format!("*{end}"),
        })
    }

    /// Whether `host`, in lower case, is one of them.
    pub fn contains(&self, host: &str) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::All => true,
            Pattern::One(name) => name == host,
            Pattern::Below(end) => host.len() > end.len() && host.ends_with(end.as_str()),
        })
    }
}

/// What is said of hosts.
#[derive(Clone, Debug, Default)]
pub struct HostPolicy {
    /// The first that holds says; where none does, TLS is opened.
    pub rules: Vec<HostRule>,
    /// What is said otherwise of some, until a day.
    pub exceptions: Vec<HostException>,
    /// What of a hello in which another may be hidden.
    pub ech: Ech,
    /// Whether TLS can be opened.
    pub has_authority: bool,
}

/// What becomes of some ways out. All that it names must hold, and nothing that it does not name matters.
#[derive(Clone, Debug)]
pub struct HostRule {
    /// What becomes of them.
    pub action: HostAction,
    /// Where to.
    pub hosts: Hosts,
    /// What is there.
    pub categories: Vec<String>,
    /// Where the client is.
    pub networks: Vec<IpNet>,
    /// Who it says that it is, in one of the names that people write.
    pub principals: Vec<String>,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HostAction {
    /// TLS is opened.
    Open,
    /// TLS is not opened.
    Pass,
    /// It is not reached.
    Refuse,
}

/// Who asks for which host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    /// In lower case.
    pub(super) host: &'a str,
    /// What is there.
    pub(super) category: &'a str,
    /// Where the client is; none means any, of whom no rule for some holds.
    pub(super) client: Option<IpAddr>,
    /// Who it said that it is.
    pub(super) principal: Option<&'a [u8]>,
}

impl HostRule {
    /// What is said of these hosts, to everybody.
    pub fn of(hosts: Hosts, action: HostAction) -> Self {
        Self {
            action,
            hosts,
            categories: Vec::new(),
            networks: Vec::new(),
            principals: Vec::new(),
        }
    }

    fn holds(&self, wish: Wish<'_>) -> bool {
        let is_listed = |category: &String| category == wish.category;
        let is_near = |client| is_trusted(client, &self.networks);
        let is_one = |name: &[u8]| self.principals.iter().any(|one| one.as_bytes() == name);
        let is_named = |principal| names_of(principal, None).iter().any(|name| is_one(name));
        (self.hosts.0.is_empty() || self.hosts.contains(wish.host))
            && (self.categories.is_empty() || self.categories.iter().any(is_listed))
            && (self.networks.is_empty() || wish.client.is_some_and(is_near))
            && (self.principals.is_empty() || wish.principal.is_some_and(is_named))
    }
}

/// An exception that a person answers for.
#[derive(Clone, Debug)]
pub struct HostException {
    /// Whose.
    pub hosts: Hosts,
    /// The unix second at which it ends.
    pub until: u32,
    /// The SHA-256 of the bad certificate that is believed of them, in lower case; none where their TLS is not opened.
    pub certificate: Option<String>,
}

impl HostException {
    fn is_of(&self, host: &str, now: Now) -> bool {
        self.until > now.second() && self.hosts.contains(host)
    }
}

/// What becomes of a `ClientHello` that says another is hidden in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ech {
    /// Its outer name is the host: whoever means another is led to that, or is a front.
    #[default]
    Outer,
    /// It is closed.
    Block,
}

impl HostPolicy {
    /// The certificate of `host` that is believed although it is bad.
    pub(super) fn excused(&self, host: &str, now: Now) -> Option<&str> {
        let mut exceptions = self.exceptions.iter().filter(|exception| exception.is_of(host, now));
        exceptions.find_map(|exception| exception.certificate.as_deref())
    }

    /// Whether the TLS of `host` passes for a time.
    fn is_excepted(&self, host: &str, now: Now) -> bool {
        let passes = |exception: &HostException| exception.certificate.is_none() && exception.is_of(host, now);
        self.exceptions.iter().any(passes)
    }
}

/// What becomes of a tunnel that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// TLS is ended here and begun anew.
    Intercept,
    /// Bytes pass unread, for this reason.
    Pass(&'static str),
    /// Nothing passes.
    Refuse,
}

/// Why a tunnel passes for a time.
pub(super) const EXCEPTION: &str = "exception";

/// What becomes of a tunnel. It goes by the name that is resolved here: one that the client only claims to mean, in its
/// `ClientHello`, opens no way out that is not looked into.
pub(super) fn decide(policy: &HostPolicy, wish: Wish<'_>, now: Now) -> Decision {
    let rule = policy.rules.iter().find(|rule| rule.holds(wish));
    match rule.map_or(HostAction::Open, |rule| rule.action) {
        HostAction::Refuse => Decision::Refuse,
        HostAction::Pass => Decision::Pass("host"),
        HostAction::Open if policy.is_excepted(wish.host, now) => Decision::Pass(EXCEPTION),
        HostAction::Open if policy.has_authority => Decision::Intercept,
        HostAction::Open => Decision::Pass("no_authority"),
    }
}

/// Whether `host`, in lower case, is an IPv4 address to some that read it, and not as everybody writes one: `0x7f.1`,
/// `2130706433`, `0300.0.2.7` (the URL standard's "ends in a number").
pub(super) fn is_odd_address(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let is_hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_number || last.strip_prefix("0x").is_some_and(is_hex)) && host.parse::<Ipv4Addr>().is_err()
}

/// The name for which a certificate is shown, where TLS is opened to `host` and the `ClientHello` names `claimed`; none where
/// the two are not one: a front behind which another origin may be meant.
pub(super) fn shown_name<'a>(host: &'a str, claimed: Option<&'a str>) -> Option<&'a str> {
    let is_address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
    match claimed {
        None => Some(host),
        Some(claimed) if claimed.eq_ignore_ascii_case(host) => Some(host),
        // Of an address the origin must prove the name as well.
        Some(claimed) if is_address => Some(claimed),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now::from_millis(1_800_000_000_000);

    fn hosts(texts: &[&str]) -> Hosts {
        let mut hosts = Hosts::default();
        assert!(texts.iter().all(|text| hosts.add(text)), "{texts:?}");
        hosts
    }

    #[test]
    fn hosts_are_one_or_all_below_one() {
        let some = hosts(&["Bank.example", "*.health.example", "[2001:db8::1]"]);
        for (host, is_one) in [
            ("bank.example", true),
            ("www.bank.example", false),
            ("health.example", false),
            ("a.health.example", true),
            ("a.b.health.example", true),
            ("xhealth.example", false),
            (".health.example", false),
            ("[2001:db8::1]", true),
        ] {
            assert_eq!(some.contains(host), is_one, "{host}");
        }
        assert!(hosts(&["*"]).contains("anything"));
        for wrong in [
            "",
            "*example.com",
            "*.",
            "a b",
            ".a",
            "a.",
            "https://a",
            "a:443",
            "*.a:443",
            "*:443",
            "192.0.2.7:443",
            "2001:db8::1",
            "[2001:db8::1]:443",
            "[a]",
            "*.[2001:db8::1]",
        ] {
            assert!(!Hosts::default().add(wrong), "{wrong}");
        }
    }

    #[test]
    fn an_address_is_written_in_one_way() {
        assert!(hosts(&["[2001:DB8:0::1]"]).contains("[2001:db8::1]"));
        for odd in [
            "0x7f.1",
            "0x7f000001",
            "0x",
            "2130706433",
            "0300.0.2.7",
            "192.0.2.007",
            "192.0.2",
            "192.0.2.7.",
            "a.example.1",
        ] {
            assert!(is_odd_address(odd), "{odd}");
        }
        for good in [
            "192.0.2.7",
            "a.example",
            "1.example",
            "[2001:db8::1]",
            "0x.example",
            "x1",
        ] {
            assert!(!is_odd_address(good), "{good}");
        }
    }

    /// What becomes of it for a client of which nothing is known.
    fn decided(policy: &HostPolicy, host: &str) -> Decision {
        let wish = Wish {
            host,
            category: "unknown",
            client: None,
            principal: None,
        };
        decide(policy, wish, NOW)
    }

    #[test]
    fn the_first_rule_says_and_what_is_in_none_is_opened() {
        let mut policy = HostPolicy {
            rules: vec![
                HostRule::of(hosts(&["*.paste.example"]), HostAction::Refuse),
                HostRule::of(hosts(&["*.bank.example", "a.paste.example"]), HostAction::Pass),
            ],
            has_authority: true,
            ..HostPolicy::default()
        };
        for (host, decision) in [
            ("a.paste.example", Decision::Refuse),
            ("www.bank.example", Decision::Pass("host")),
            ("a.example", Decision::Intercept),
        ] {
            assert_eq!(decided(&policy, host), decision, "{host}");
        }
        policy.has_authority = false;
        assert_eq!(decided(&policy, "a.example"), Decision::Pass("no_authority"));
    }

    #[test]
    fn a_rule_may_name_what_is_there_who_asks_and_from_where() {
        let rule = |action| HostRule::of(Hosts::default(), action);
        let policy = HostPolicy {
            rules: vec![
                HostRule {
                    principals: vec!["ann".to_owned(), "proxy-user:bob".to_owned()],
                    categories: vec!["paste".to_owned(), "chat".to_owned()],
                    ..rule(HostAction::Open)
                },
                HostRule {
                    categories: vec!["paste".to_owned()],
                    ..rule(HostAction::Refuse)
                },
                HostRule {
                    hosts: hosts(&["*.example"]),
                    networks: vec!["10.1.0.0/16".parse().unwrap()],
                    ..rule(HostAction::Pass)
                },
            ],
            has_authority: true,
            ..HostPolicy::default()
        };
        for (host, category, client, principal, decision) in [
            ("a.example", "paste", "10.1.2.3", "ann", Decision::Intercept),
            ("a.example", "paste", "10.1.2.3", "proxy-user\0bob", Decision::Intercept),
            ("a.example", "paste", "10.1.2.3", "cat", Decision::Refuse),
            ("a.example", "unknown", "10.1.2.3", "ann", Decision::Pass("host")),
            ("a.example", "unknown", "::ffff:10.1.2.3", "ann", Decision::Pass("host")),
            ("a.example", "unknown", "10.2.2.3", "ann", Decision::Intercept),
            ("a.test", "unknown", "10.1.2.3", "ann", Decision::Intercept),
        ] {
            let wish = Wish {
                host,
                category,
                client: Some(client.parse().unwrap()),
                principal: Some(principal.as_bytes()),
            };
            assert_eq!(decide(&policy, wish, NOW), decision, "{wish:?}");
        }
        assert_eq!(decided(&policy, "a.example"), Decision::Intercept, "whoever it is");
    }

    #[test]
    fn an_exception_ends_with_its_day_and_is_of_one_kind() {
        let exception = |host: &str, until: u32, certificate: Option<&str>| HostException {
            hosts: hosts(&[host]),
            until,
            certificate: certificate.map(str::to_owned),
        };
        let now = NOW.second();
        let policy = HostPolicy {
            rules: vec![HostRule::of(hosts(&["refused.example"]), HostAction::Refuse)],
            has_authority: true,
            exceptions: vec![
                exception("pinned.example", now + 1, None),
                exception("over.example", now, None),
                exception("bad.example", now + 1, Some("ab")),
                exception("over.example", now, Some("ab")),
                exception("refused.example", now + 1, None),
            ],
            ..HostPolicy::default()
        };
        for (host, decision, excused) in [
            ("pinned.example", Decision::Pass(EXCEPTION), None),
            ("over.example", Decision::Intercept, None),
            ("bad.example", Decision::Intercept, Some("ab")),
            ("refused.example", Decision::Refuse, None),
            ("a.example", Decision::Intercept, None),
        ] {
            assert_eq!(
                (decided(&policy, host), policy.excused(host, NOW)),
                (decision, excused),
                "{host}"
            );
        }
    }

    #[test]
    fn a_name_that_is_not_the_host_is_a_front() {
        for (host, claimed, shown) in [
            ("a.example", None, Some("a.example")),
            ("a.example", Some("A.example"), Some("a.example")),
            ("a.example", Some("b.example"), None),
            ("192.0.2.7", Some("b.example"), Some("b.example")),
            ("[2001:db8::1]", Some("b.example"), Some("b.example")),
            ("192.0.2.7", None, Some("192.0.2.7")),
        ] {
            assert_eq!(shown_name(host, claimed), shown, "{host} {claimed:?}");
        }
    }
}
