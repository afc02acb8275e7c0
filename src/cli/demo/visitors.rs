//! The visitors of the demo, over real sockets: honest customers, a support agent, an insider and a crawler. Each counts
//! what it received by planted serials, independently of any detector.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::browser::{Browser, Reply};
use super::people::{PEOPLE, count_serials};

/// Customers the agent opens one by one, after one search.
const AGENT_OPENS: usize = 36;
/// Customers the crawler asks for before it gives up, refused or not.
const CRAWL_REQUESTS_MAX: u32 = 500;
/// Refusals after which the crawler gives up.
const CRAWL_REFUSALS_MAX: u32 = 50;
/// Times the insider asks for the export.
const DUMP_ATTEMPTS: u32 = 3;

/// The part a visitor plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Logs in and reads her own pages; the number is hers.
    Customer(u32),
    /// Searches and opens a few dozen customers.
    Agent,
    /// Dumps the export, as fast as it comes.
    Insider,
    /// Walks the profiles, one record a request, in one session.
    Crawler,
}

impl Kind {
    /// Whether nothing of this visitor's may be refused.
    pub const fn is_honest(self) -> bool {
        matches!(self, Self::Customer(_) | Self::Agent)
    }

    /// The name to log in with. The crawler needs no more than any customer has.
    fn user(self) -> String {
        match self {
            Self::Customer(number) => format!("customer-{number}"),
            Self::Agent => "agent-1".to_owned(),
            Self::Insider => "staff-1".to_owned(),
            Self::Crawler => format!("customer-{}", PEOPLE - 1),
        }
    }

    /// A network of its own, so that no two visitors share an address or a /24.
    fn address(self) -> Ipv4Addr {
        let network = match self {
            Self::Agent => 1,
            Self::Insider => 2,
            Self::Crawler => 3,
            Self::Customer(number) => 4 + number,
        };
        let [_, _, high, low] = network.to_be_bytes();
        Ipv4Addr::new(127, 10_u8.saturating_add(high), low, 7)
    }
}

/// Where the first refusal met a visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status, if it came before the head; none if a body was cut.
    pub status: Option<u16>,
    /// The different people received by then.
    pub after_people: u32,
}

/// What one visitor asked for and was given, as counted by itself.
#[derive(Clone, Debug)]
pub struct VisitorReport {
    /// Its part.
    pub kind: Kind,
    /// The value of its session cookie.
    pub session: String,
    /// Different people it asked to see.
    pub asked_people: u32,
    /// Different people whose serial reached it, in whole or cut bodies.
    pub received_people: u32,
    /// Exchanges that were refused or cut.
    pub refused: u32,
    /// The first of them.
    pub first_refusal: Option<Refusal>,
    /// Pages of an honest visitor that differ from the same page fetched directly.
    pub altered: u32,
    /// How often each status came.
    pub statuses: BTreeMap<u16, u32>,
    /// How long each page of an honest visitor took through the gateway.
    pub latencies: Vec<Duration>,
    /// How long the same pages took directly from the shop, in the same order, asked in turn with the others.
    pub direct_latencies: Vec<Duration>,
}

/// How the visitors behave, and how far they are.
pub struct Street {
    /// Where the gateway listens.
    pub gateway: SocketAddr,
    /// Where the shop listens, for the direct half of each measured pair.
    pub shop: SocketAddr,
    /// How long a visitor looks at a page.
    pub think_time: Duration,
    /// Honest visitors that are done.
    pub honest_done: AtomicU32,
    /// People the crawler has asked for.
    pub crawled: AtomicU32,
}

/// Sends one visitor down the street.
///
/// # Errors
/// If the gateway or the shop cannot be reached or answers without a head or in more time than a browser waits, or if the
/// visitor cannot log in.
pub async fn visit(street: &Street, kind: Kind) -> io::Result<VisitorReport> {
    let mut visit = Visit::begin(street, kind).await?;
    match kind {
        Kind::Customer(_) => {
            for path in [
                "/",
                "/static/app.js",
                "/me",
                "/me/addresses",
                "/me/orders",
                "/stores",
                "/me",
            ] {
                visit.compare(path).await?;
            }
        }
        Kind::Agent => agent(&mut visit).await?,
        Kind::Insider => insider(&mut visit).await?,
        Kind::Crawler => crawler(&mut visit).await?,
    }
    if kind.is_honest() {
        street.honest_done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(visit.report())
}

async fn agent(visit: &mut Visit<'_>) -> io::Result<()> {
    visit.compare("/search?q=kim&page=0").await?;
    let found = visit.received.iter().copied().take(AGENT_OPENS).collect::<Vec<_>>();
    for number in found {
        visit.compare(&format!("/customers/{number}")).await?;
    }
    Ok(())
}

async fn insider(visit: &mut Visit<'_>) -> io::Result<()> {
    visit.asked.extend(0..PEOPLE);
    for _ in 0..DUMP_ATTEMPTS {
        visit.think().await;
        visit.get("/export.csv").await?;
    }
    Ok(())
}

async fn crawler(visit: &mut Visit<'_>) -> io::Result<()> {
    for number in 0..CRAWL_REQUESTS_MAX {
        visit.think().await;
        visit.asked.insert(number);
        visit.get(&format!("/customers/{number}")).await?;
        visit.street.crawled.fetch_add(1, Ordering::Relaxed);
        if visit.refused >= CRAWL_REFUSALS_MAX {
            break;
        }
    }
    Ok(())
}

/// One visitor on the way.
struct Visit<'a> {
    street: &'a Street,
    kind: Kind,
    browser: Browser,
    direct: Browser,
    session: String,
    asked: BTreeSet<u32>,
    received: BTreeSet<u32>,
    refused: u32,
    first_refusal: Option<Refusal>,
    altered: u32,
    statuses: BTreeMap<u16, u32>,
    latencies: Vec<Duration>,
    direct_latencies: Vec<Duration>,
}

impl<'a> Visit<'a> {
    async fn begin(street: &'a Street, kind: Kind) -> io::Result<Self> {
        let mut browser = Browser::new(kind.address(), street.gateway);
        let status = browser.login(&kind.user()).await?.status;
        let no_session = || io::Error::other(format!("{kind:?} could not log in: {status}"));
        let session = browser.session().ok_or_else(no_session)?.to_owned();
        Ok(Self {
            street,
            kind,
            direct: browser.twin(street.shop),
            browser,
            session,
            asked: BTreeSet::new(),
            received: BTreeSet::new(),
            refused: 0,
            first_refusal: None,
            altered: 0,
            statuses: BTreeMap::new(),
            latencies: Vec::new(),
            direct_latencies: Vec::new(),
        })
    }

    /// Looks at the last page.
    async fn think(&self) {
        tokio::time::sleep(self.street.think_time).await;
    }

    /// Asks the gateway for a page and counts who is on it.
    async fn get(&mut self, path: &str) -> io::Result<Reply> {
        let reply = self.browser.get(path).await?;
        self.received.extend(count_serials(&reply.body));
        *self.statuses.entry(reply.status).or_default() += 1;
        let is_refused = reply.status >= 400;
        if is_refused || !reply.is_whole {
            self.refused += 1;
            let after_people = count(&self.received);
            let status = is_refused.then_some(reply.status);
            self.first_refusal.get_or_insert(Refusal { status, after_people });
        }
        Ok(reply)
    }

    /// Asks the gateway and the shop for the same page, taking turns in who is first, and compares what came.
    async fn compare(&mut self, path: &str) -> io::Result<()> {
        self.think().await;
        let is_direct_first = self.latencies.len() % 2 == 1;
        let before = if is_direct_first {
            Some(self.direct.get(path).await?)
        } else {
            None
        };
        let reply = self.get(path).await?;
        let direct = if let Some(direct) = before {
            direct
        } else {
            self.direct.get(path).await?
        };
        self.asked.extend(count_serials(&direct.body));
        self.altered += u32::from(direct.status != reply.status || direct.body != reply.body);
        self.latencies.push(reply.latency);
        self.direct_latencies.push(direct.latency);
        Ok(())
    }

    fn report(self) -> VisitorReport {
        VisitorReport {
            kind: self.kind,
            session: self.session,
            asked_people: count(&self.asked),
            received_people: count(&self.received),
            refused: self.refused,
            first_refusal: self.first_refusal,
            altered: self.altered,
            statuses: self.statuses,
            latencies: self.latencies,
            direct_latencies: self.direct_latencies,
        }
    }
}

fn count(people: &BTreeSet<u32>) -> u32 {
    u32::try_from(people.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::shop::Shop;
    use super::*;

    /// Without a gateway in between, everybody is given everything: the counting itself is tested.
    async fn unguarded(kind: Kind) -> VisitorReport {
        let shop = Shop::open().await.expect("a port");
        let street = Street {
            gateway: shop.address,
            shop: shop.address,
            think_time: Duration::ZERO,
            honest_done: AtomicU32::new(0),
            crawled: AtomicU32::new(0),
        };
        let report = visit(&street, kind).await.expect("a visit");
        assert_eq!(street.honest_done.load(Ordering::Relaxed), u32::from(kind.is_honest()));
        report
    }

    #[tokio::test]
    async fn each_part_asks_for_what_it_should() {
        let cases = [
            (Kind::Customer(42), 1..=4),
            (Kind::Agent, 50..=50),
            (Kind::Insider, 10_000..=10_000),
            (Kind::Crawler, 500..=500),
        ];
        for (kind, people) in cases {
            let report = unguarded(kind).await;
            assert!(
                people.contains(&report.received_people),
                "{kind:?}: {}",
                report.received_people
            );
            assert_eq!(report.asked_people, report.received_people, "{kind:?}");
            assert_eq!(
                (report.refused, report.altered, report.first_refusal),
                (0, 0, None),
                "{kind:?}"
            );
            assert!(report.statuses.keys().eq([&200]), "{kind:?}");
            assert_eq!(report.latencies.len(), report.direct_latencies.len());
        }
    }

    #[test]
    fn no_two_visitors_share_a_network() {
        let customers = (0..PEOPLE).map(Kind::Customer);
        let kinds = customers.chain([Kind::Agent, Kind::Insider, Kind::Crawler]);
        let networks = kinds
            .map(|kind| kind.address().octets())
            .map(|[_, second, third, _]| (second, third));
        assert_eq!(networks.collect::<BTreeSet<_>>().len(), PEOPLE as usize + 3);
    }
}
