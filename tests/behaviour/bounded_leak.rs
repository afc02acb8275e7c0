//! The promise: whatever a session asks for, over however many streams, it is shown at most L different people.
//!
//! What a client was given is decoded as far as it goes by a decoder that is not ours, and its people are counted by what
//! no detector knows: planted serials, and the place of each record in the body that the origin sent. A person counts as
//! shown from the first byte of his or her record.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use tidegate::engine::ledger::Dimension;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::support::client::{End, H2, get};
use crate::support::coding::Coding;
use crate::support::export::Export;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::people::{FORMATS, Format, count_serials};

/// L.
const PEOPLE_MAX: usize = 500;
/// Streams at the same time.
const STREAMS: u32 = 100;
/// How many coded bytes of gzip, deflate and br may wait behind the last checkpoint.
const CHECKPOINT_BYTES: usize = 512;

/// Over how many plain bytes an origin that streams flushes its encoder, and one that sends files.
const FLUSHES: [usize; 2] = [1_000, usize::MAX];

async fn gateway(origin: &Origin, mode: &str) -> Gateway {
    Gateway::start(&configuration(origin, mode)).await
}

fn configuration(origin: &Origin, mode: &str) -> String {
    let address = origin.address;
    format!(
        "[identity]\nsources = [\"cookie:sid\"]\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{address}\"]\nfail = \"closed\"\n\
         [[route]]\nmatch = \"*/h2c\"\nupstream = [\"h2c://{address}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"session-day\"\nper = \"session\"\npeople = {PEOPLE_MAX}\nwindow = \"1d\"\n\
         action = \"block\"\nmode = \"{mode}\"\n"
    )
}

/// What one client asked for, and what it was given.
struct Given {
    export: Export,
    status: u16,
    body: Vec<u8>,
    is_whole: bool,
}

/// How the promise was broken.
#[derive(Debug, PartialEq, Eq)]
enum Broken {
    /// Another status than 200 and 403.
    Status(u16),
    /// A refusal shows a person.
    Quoted,
    /// What came is not the beginning of what was sent.
    Altered,
    /// A body that was refused half-way looks whole, or one that is whole looks cut.
    Ending,
    /// The people of whom a byte was shown.
    TooMany(usize),
}

impl Given {
    /// The people of whom a byte can be read.
    fn people(&self) -> Result<BTreeSet<u32>, Broken> {
        if self.status == 403 {
            return if count_serials(&self.body).is_empty() {
                Ok(BTreeSet::new())
            } else {
                Err(Broken::Quoted)
            };
        }
        if self.status != 200 {
            return Err(Broken::Status(self.status));
        }
        let (wire, plain) = (self.export.wire(), self.export.plain());
        let read = self.export.coding.decode_prefix(&self.body);
        if !wire.starts_with(&self.body) || !plain.starts_with(&read) {
            return Err(Broken::Altered);
        }
        if self.is_whole != (wire.len() == self.body.len()) {
            return Err(Broken::Ending);
        }
        let starts = self.export.starts();
        let records = starts.iter().take_while(|start| **start < read.len()).count();
        let people: BTreeSet<u32> = self.export.people.clone().take(records).collect();
        // Two ways to count must agree, but for a last record whose serial is cut.
        let serials = count_serials(&read);
        assert!(serials.is_subset(&people) && serials.len() + 1 >= people.len());
        Ok(people)
    }
}

/// The promise: how many people all these streams of one session were shown, if it was kept.
fn kept(given: &[Given]) -> Result<usize, Broken> {
    let mut people = BTreeSet::new();
    for one in given {
        people.extend(one.people()?);
    }
    if people.len() <= PEOPLE_MAX {
        Ok(people.len())
    } else {
        Err(Broken::TooMany(people.len()))
    }
}

/// Every stream of one session at the same time: half of them over HTTP/1.1, half over five HTTP/2 connections, and either
/// half from an origin that speaks HTTP/1.1 and from one that speaks HTTP/2 (but for single bytes: HTTP/2 peers, ours
/// among them, end a connection with too many tiny frames).
async fn crowd(gateway: &Gateway, session: &str, exports: Vec<Export>) -> Vec<Given> {
    let barrier = Arc::new(Barrier::new(exports.len()));
    let mut connections = Vec::new();
    for _ in 0..5 {
        connections.push(H2::connect(gateway.address).await);
    }
    let mut streams = JoinSet::new();
    for (number, export) in exports.into_iter().enumerate() {
        let barrier = Arc::clone(&barrier);
        let shared = (number % 2 == 1).then(|| connections[number % connections.len()].clone());
        let leg = if number % 4 < 2 || export.chunk_bytes == 1 {
            "/"
        } else {
            "/h2c/"
        };
        let path = format!("{leg}{}", export.path());
        let (address, cookie) = (gateway.address, format!("sid={session}"));
        streams.spawn(async move {
            barrier.wait().await;
            #[expect(clippy::single_match_else, reason = "two clients, side by side")]
            match shared {
                Some(connection) => over_h2(&connection, &path, &cookie, export).await,
                None => {
                    let reply = get(address, &path, &format!("Cookie: {cookie}\r\n")).await;
                    Given {
                        export,
                        status: reply.status,
                        body: reply.body,
                        is_whole: reply.is_whole,
                    }
                }
            }
        });
    }
    streams.join_all().await
}

async fn over_h2(connection: &H2, path: &str, cookie: &str, export: Export) -> Given {
    let reply = connection.get(path, &[("cookie", cookie)]).await;
    assert!(
        matches!(reply.end, End::Whole | End::Reset(h2::Reason::CANCEL)),
        "{:?}",
        reply.end
    );
    Given {
        export,
        status: reply.status,
        body: reply.body,
        is_whole: reply.end == End::Whole,
    }
}

/// One run for each format and coding. Where the ranges overlap, most people are on several streams.
fn crowds(chunk_bytes: usize, people_each: u32) -> impl Iterator<Item = (String, Vec<Export>)> {
    let cases = FORMATS
        .into_iter()
        .flat_map(|format| Coding::ALL.map(|coding| (format, coding)));
    cases.map(move |(format, coding)| {
        let exports = (0..STREAMS).map(|stream| Export {
            format,
            coding,
            flush_bytes: FLUSHES[usize::from(stream % 8 == 7)],
            chunk_bytes,
            people: stream * 16..stream * 16 + people_each,
        });
        (format!("{format:?}-{coding:?}-{chunk_bytes}"), exports.collect())
    })
}

async fn crowds_are_bounded(chunk_bytes: usize, people_each: u32) {
    let origin = Export::origin().await;
    let gateway = gateway(&origin, "enforce").await;
    for (session, exports) in crowds(chunk_bytes, people_each) {
        let is_coded = exports[0].coding != Coding::Identity;
        let given = crowd(&gateway, &session, exports).await;
        let people = kept(&given).unwrap_or_else(|broken| panic!("{session}: {broken:?}"));
        // What a stream was granted and cannot let go between two checkpoints nobody is shown; the rest is used up.
        assert!(people == PEOPLE_MAX || (is_coded && people > 0), "{session}: {people}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_streams_share_one_limit_byte_by_byte() {
    crowds_are_bounded(1, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_streams_share_one_limit_in_small_chunks() {
    crowds_are_bounded(1_024, 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_streams_share_one_limit_in_large_chunks() {
    crowds_are_bounded(65_536, 150).await;
}

/// The mutant: a gateway that enforces the same limit, and counts what left but not what is about to leave. It must not
/// pass for one that keeps the promise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_does_not_reserve_is_found_out() {
    let origin = Export::origin().await;
    let gateway = Gateway::start_mutant(&configuration(&origin, "enforce")).await;
    let (session, exports) = crowds(65_536, 150).next().expect("a crowd");
    let given = crowd(&gateway, &session, exports).await;
    assert!(matches!(kept(&given), Err(Broken::TooMany(_))), "{session}");
}

/// Nor must one that refuses nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_only_watches_is_found_out() {
    let origin = Export::origin().await;
    let gateway = gateway(&origin, "monitor").await;
    for (session, exports) in crowds(65_536, 100).step_by(5) {
        let given = crowd(&gateway, &session, exports).await;
        assert_eq!(kept(&given), Err(Broken::TooMany(99 * 16 + 100)), "{session}");
    }
}

/// One stream that asks for more than its session may have gets exactly that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_greedy_stream_gets_exactly_the_limit() {
    let origin = Export::origin().await;
    let gateway = gateway(&origin, "enforce").await;
    let h2 = H2::connect(gateway.address).await;
    for format in FORMATS {
        for (coding, flush_bytes, chunk_bytes) in greedy_cases() {
            let export = Export {
                format,
                coding,
                flush_bytes,
                chunk_bytes,
                people: 0..700,
            };
            let path = format!("/{}", export.path());
            let name = format!("{format:?}-{coding:?}-{flush_bytes}-{chunk_bytes}");
            let reply = get(gateway.address, &path, &format!("Cookie: sid={name}-1\r\n")).await;
            let first = Given {
                export: export.clone(),
                status: reply.status,
                body: reply.body,
                is_whole: reply.is_whole,
            };
            let second = over_h2(&h2, &path, &format!("sid={name}-2"), export).await;
            for given in [first, second] {
                assert_greedy(&given, &name);
            }
        }
    }
}

fn greedy_cases() -> Vec<(Coding, usize, usize)> {
    let mut cases = Vec::new();
    for chunk_bytes in [1, 1_024, 65_536] {
        for coding in Coding::ALL {
            cases.extend(FLUSHES.map(|flush_bytes| (coding, flush_bytes, chunk_bytes)));
        }
    }
    // Flushed or not, identity is the same.
    cases.retain(|(coding, flush_bytes, _)| *coding != Coding::Identity || *flush_bytes == usize::MAX);
    cases
}

fn assert_greedy(given: &Given, name: &str) {
    let people = given
        .people()
        .unwrap_or_else(|broken| panic!("{name}: {broken:?}"))
        .len();
    assert!(
        people <= PEOPLE_MAX && !given.is_whole || given.status == 403,
        "{name}: {people}"
    );
    let body = if given.status == 200 { given.body.len() } else { 0 };
    if given.export.coding == Coding::Identity {
        let next = given.export.starts()[PEOPLE_MAX];
        assert_eq!((people, body), (PEOPLE_MAX, next), "{name}");
        return;
    }
    let wire = given.export.wire();
    let most = longest_prefix(&given.export, &wire);
    if given.export.coding == Coding::Zstd {
        // Nothing of a block can be read before its end, and so nothing of it is let go before.
        assert!(body <= most);
    } else {
        assert!(body <= most && body + CHECKPOINT_BYTES >= most, "{name}: {body} {most}");
    }
}

/// The longest beginning of `wire` out of which no more people than the limit can be read.
fn longest_prefix(export: &Export, wire: &[u8]) -> usize {
    let next = export.starts()[PEOPLE_MAX];
    let lengths: Vec<usize> = (0..wire.len()).collect();
    lengths.partition_point(|length| export.coding.decode_prefix(&wire[..*length]).len() <= next) - 1
}

/// The same person on two streams is one person.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_were_shown_before_cost_nothing() {
    let origin = Export::origin().await;
    let gateway = gateway(&origin, "enforce").await;
    let all = Export::new(Format::Json, Coding::Identity, 0..500);
    let again = Export::new(Format::Csv, Coding::Identity, 100..400);
    let new = Export::new(Format::Csv, Coding::Identity, 500..501);
    let asked = [all.clone(), all.clone(), again, all].map(|export| (export, true));
    for (export, is_given) in asked.into_iter().chain([(new, false)]) {
        let reply = get(gateway.address, &format!("/{}", export.path()), "Cookie: sid=again\r\n").await;
        let expected = if is_given {
            (200, export.plain())
        } else {
            (403, reply.body.clone())
        };
        assert!((reply.status, reply.body) == expected && reply.is_whole, "{export:?}");
    }
}

/// A thief's refusals do not eat the budget of a route that honest people share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_crawler_leaves_the_shared_budget_alone() {
    let origin = Export::origin().await;
    let gateway = Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n\
         [[budget]]\nname = \"session\"\nper = \"session\"\npeople = 5\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n\
         [[budget]]\nname = \"route\"\nper = \"route\"\npeople = 25\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n\
         accept_outage = true\n",
        origin.address
    ))
    .await;
    let fetch = async |session: &str, people: Range<u32>| {
        let export = Export::new(Format::Ndjson, Coding::Identity, people);
        let cookie = format!("Cookie: sid={session}\r\n");
        let reply = get(gateway.address, &format!("/{}", export.path()), &cookie).await;
        (reply.status, count_serials(&reply.body).len())
    };
    for person in 1_000..1_100 {
        let is_first = person < 1_005;
        let expected = if is_first { (200, 1) } else { (403, 0) };
        assert_eq!(fetch("crawler", person..person + 1).await, expected, "{person}");
        // In the middle of a list it is refused as well.
        let list = (if is_first { 200 } else { 403 }, person as usize % 1_000 + 1);
        assert!(!is_first || fetch("crawler", 1_000..person + 1).await == list);
    }
    for honest in 0..4 {
        let own = honest * 5..honest * 5 + 5;
        assert_eq!(fetch(&format!("honest-{honest}"), own).await, (200, 5));
    }
    assert_eq!(
        fetch("late", 500..501).await,
        (403, 0),
        "the route's own limit is reached by those who were shown"
    );
    let [route] = gateway.keys(Dimension::Route).try_into().expect("one route");
    assert_eq!((route.people.as_slice(), route.pending), (&[(86_400, 25)][..], 0));
}
