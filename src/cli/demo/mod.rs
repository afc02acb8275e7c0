//! `tidegate demo`: a synthetic shop behind the real gateway, honest visitors, two thieves, and a table of what they got.

pub mod browser;
pub mod export;
pub(in crate::cli) mod gateway;
mod pages;
pub mod people;
mod places;
pub mod shop;
pub mod table;
pub mod visitors;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use shop::Shop;
use table::{Budget, Latency, Progress, Row};
use visitors::{Kind, Street, VisitorReport, visit};

/// Honest customers of one run.
pub const HONEST_CUSTOMERS: u32 = 200;
/// Of them, how many are in the shop at once.
const HONEST_AT_ONCE: usize = 16;
/// How long all visits may take together.
const VISITS_TIME_MAX: Duration = Duration::from_mins(1);
/// How often progress is drawn.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// The running gateway, as the demo needs it. Whatever keeps it alive may live in the closure.
pub struct GatewayHandle {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its admin API listens.
    pub admin: SocketAddr,
    /// The file of its audit events.
    pub audit_file: PathBuf,
    /// What its ledger says about a session.
    pub session: AskLedger,
}

/// Asks the ledger about the session with this value of the cookie `sid`; none if it never saw that session.
pub type AskLedger = Box<dyn Fn(&str) -> Option<SessionCount> + Send + Sync>;

/// What the gateway's ledger says about one session.
#[derive(Clone, Debug)]
pub struct SessionCount {
    /// Different people released to it.
    pub people: u32,
    /// The budget that refused it something first.
    pub stopped_by: Option<Budget>,
}

/// How the demo runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Leave everything running after the table, until the caller has enough.
    pub serve: bool,
    /// Standard error is a terminal: draw progress bars there.
    pub is_terminal: bool,
    /// How long a visitor looks at a page. It decides how long the demo takes: about 200 of these.
    pub think_time: Duration,
}

impl Default for Options {
    /// About five seconds of visits, in plain lines, ending with the table.
    fn default() -> Self {
        Self {
            serve: false,
            is_terminal: false,
            think_time: Duration::from_millis(25),
        }
    }
}

/// Why the demo did not end well.
#[derive(Debug)]
pub enum Failure {
    /// The gateway did not start.
    Gateway(String),
    /// A socket, or the output, failed.
    Io(io::Error),
    /// It ran, and what it shows is not so: one sentence each.
    Untrue(Vec<String>),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gateway(reason) => write!(formatter, "the gateway of the demo did not start: {reason}"),
            Self::Io(error) => write!(formatter, "the demo broke off: {error}"),
            Self::Untrue(faults) => write!(
                formatter,
                "the demo does not show what it should:\n  {}",
                faults.join("\n  ")
            ),
        }
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Opens the shop, has `start_gateway` put the gateway in front of it, sends everybody through and writes the table.
/// The gateway and the shop close when this returns.
///
/// # Errors
/// If something does not start or breaks off, and if the table is not true: the gateway's count is not what the clients
/// counted, an honest session was hit, a thief was not stopped or got more than the limit.
pub async fn run<S, E>(start_gateway: S, out: &mut dyn Write, options: Options) -> Result<(), Failure>
where
    S: AsyncFnOnce(SocketAddr) -> Result<GatewayHandle, E>,
    E: std::fmt::Display,
{
    let shop = Shop::open().await?;
    let gateway = start_gateway(shop.address)
        .await
        .map_err(|error| Failure::Gateway(error.to_string()))?;
    writeln!(
        out,
        "a shop with {} customers, and the gateway in front of it at {}",
        people::PEOPLE,
        gateway.address
    )?;
    let street = Arc::new(Street {
        gateway: gateway.address,
        shop: shop.address,
        think_time: options.think_time,
        honest_done: AtomicU32::new(0),
        crawled: AtomicU32::new(0),
    });
    let visits = send_everybody(&street, out, options.is_terminal);
    let reports = tokio::time::timeout(VISITS_TIME_MAX, visits)
        .await
        .map_err(io::Error::from)??;
    let rows = rows(&reports, &gateway);
    writeln!(out)?;
    table::write(out, &rows, &latency(&reports))?;
    table::verdict(&rows).map_err(Failure::Untrue)?;
    if options.serve {
        write_invitation(out, &gateway, shop.address)?;
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// All visitors at the same time, the honest customers a few at once.
async fn send_everybody(
    street: &Arc<Street>,
    out: &mut dyn Write,
    is_terminal: bool,
) -> io::Result<Vec<VisitorReport>> {
    let places = Arc::new(Semaphore::new(HONEST_AT_ONCE));
    let mut visits = JoinSet::new();
    // Spread over the whole shop; the step is odd, so that Koreans and Americans take turns.
    let customers = (0..HONEST_CUSTOMERS).map(|nth| Kind::Customer(7 + nth * 49));
    for kind in [Kind::Crawler, Kind::Insider, Kind::Agent].into_iter().chain(customers) {
        let (street, places) = (Arc::clone(street), Arc::clone(&places));
        visits.spawn(async move {
            let is_customer = matches!(kind, Kind::Customer(_));
            let _place = if is_customer { places.acquire().await.ok() } else { None };
            visit(&street, kind).await
        });
    }
    let mut progress = Progress::new(is_terminal, u64::from(HONEST_CUSTOMERS) + 1);
    let mut tick = tokio::time::interval(PROGRESS_EVERY);
    let mut reports = Vec::with_capacity(visits.len());
    loop {
        let done = street.honest_done.load(Ordering::Relaxed);
        progress.show(out, done.into(), street.crawled.load(Ordering::Relaxed).into())?;
        tokio::select! {
            visit = visits.join_next() => match visit {
                Some(report) => reports.push(report.map_err(io::Error::other)??),
                None => break,
            },
            _ = tick.tick() => {}
        }
    }
    progress.finish();
    reports.sort_by_key(|report| report.kind);
    Ok(reports)
}

/// One line for the customers together and one for each of the others.
fn rows(reports: &[VisitorReport], gateway: &GatewayHandle) -> Vec<Row> {
    let (customers, others) =
        reports.split_at(reports.partition_point(|report| matches!(report.kind, Kind::Customer(_))));
    std::iter::once(customers)
        .chain(others.chunks(1))
        .filter_map(|group| row(group, gateway))
        .collect()
}

fn row(group: &[VisitorReport], gateway: &GatewayHandle) -> Option<Row> {
    let first = group.first()?;
    let counts = group
        .iter()
        .filter_map(|report| (gateway.session)(&report.session))
        .collect::<Vec<_>>();
    let hit = group
        .iter()
        .filter(|report| report.refused + report.altered > 0)
        .count();
    let sessions = u32::try_from(group.len()).unwrap_or(u32::MAX);
    Some(Row {
        who: match first.kind {
            Kind::Customer(_) => format!("{sessions} honest customers"),
            Kind::Agent => "a support agent".to_owned(),
            Kind::Insider => "an insider who dumps the export".to_owned(),
            Kind::Crawler => "a crawler, one record a request".to_owned(),
        },
        sessions,
        asked: group.iter().map(|report| report.asked_people).sum(),
        released: counts.iter().map(|count| count.people).sum(),
        received: group.iter().map(|report| report.received_people).sum(),
        stopped_at: group
            .iter()
            .find_map(|report| report.first_refusal)
            .map(|refusal| refusal.after_people),
        budget: counts.into_iter().find_map(|count| count.stopped_by),
        honest_hit: first.kind.is_honest().then(|| u32::try_from(hit).unwrap_or(u32::MAX)),
    })
}

fn latency(reports: &[VisitorReport]) -> Latency {
    let mut latency = Latency::default();
    for report in reports {
        latency.gateway.extend(&report.latencies);
        latency.direct.extend(&report.direct_latencies);
    }
    latency
}

/// What to try by hand.
fn write_invitation(out: &mut dyn Write, gateway: &GatewayHandle, shop: SocketAddr) -> io::Result<()> {
    let GatewayHandle {
        address,
        admin,
        audit_file,
        ..
    } = gateway;
    writeln!(
        out,
        "
everything is still running; ctrl-c ends it. Try, in another terminal:

  a customer reads her own page
    curl -c jar -d user=customer-17 http://{address}/login
    curl -b jar http://{address}/me
  and walks the others, one record a request
    for n in $(seq 0 150); do curl -s -o /dev/null -w \"$n %{{http_code}}\\n\" -b jar http://{address}/customers/$n; done
  an insider dumps the export
    curl -c staff -d user=staff-1 http://{address}/login
    curl -sS -b staff http://{address}/export.csv | tail -n 3
  without the gateway
    curl -s -b staff http://{shop}/export.csv | wc -l
  what was seen
    curl http://{admin}/metrics
    tail -n 3 {}
",
        audit_file.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(address: SocketAddr, people: u32) -> GatewayHandle {
        GatewayHandle {
            address,
            admin: ([127, 0, 0, 1], 9_800).into(),
            audit_file: PathBuf::from("audit.jsonl"),
            session: Box::new(move |_| {
                Some(SessionCount {
                    people,
                    stopped_by: None,
                })
            }),
        }
    }

    /// The shop stands in for a gateway that stops nobody and counts wrongly: the demo must say so.
    #[tokio::test]
    async fn a_gateway_that_does_nothing_is_found_out() {
        let mut out = Vec::new();
        let options = Options {
            think_time: Duration::ZERO,
            ..Options::default()
        };
        let failure = run(async |shop| Ok::<_, Failure>(handle(shop, 0)), &mut out, options).await;
        let Err(Failure::Untrue(faults)) = failure else {
            panic!("the demo believed it")
        };
        assert_eq!(faults.len(), 4 + 2, "{faults:?}");
        assert!(faults.iter().filter(|fault| fault.contains("was not stopped")).count() == 2);
        assert!(
            String::from_utf8(out)
                .expect("text")
                .contains("honest sessions hit: 0 of 201")
        );
    }

    #[tokio::test]
    async fn a_gateway_that_does_not_start_is_said() {
        let start = async |_| Err::<GatewayHandle, _>("no port");
        let failure = run(start, &mut Vec::new(), Options::default()).await;
        assert!(failure.is_err_and(|failure| failure.to_string().ends_with("did not start: no port")));
    }

    #[test]
    fn the_invitation_reads_well() {
        let mut out = Vec::new();
        let shop = ([127, 0, 0, 1], 9_000).into();
        write_invitation(&mut out, &handle(([127, 0, 0, 1], 8_080).into(), 0), shop).expect("memory");
        insta::assert_snapshot!(String::from_utf8(out).expect("text"));
    }
}
