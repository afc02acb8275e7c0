//! Every form, coding, character set and container, with fifty people in it: all of them are counted, and no more leave than may.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use encoding_rs::Encoding;
use http::{Method, Request, header};
use http_body_util::Full;
use tidegate::engine::ledger::Dimension;

use super::written::{PEOPLE, TEXTS, VALUES, person, table};
use crate::support::client::{H2, RawReply, get};
use crate::support::coding::Coding;
use crate::support::gateway::Gateway;
use crate::support::origin::{Answer, Origin};

/// People who may be shown to a session.
const PEOPLE_MAX: u32 = 7;
/// Character sets: what a body is encoded in, and how it says so.
const CHARSETS: [Charset; 9] = [
    Charset::Utf16 { big: false, mark: true },
    Charset::Utf16 { big: true, mark: false },
    Charset::Utf32 { big: false, mark: true },
    Charset::Utf32 { big: true, mark: false },
    Charset::Named("application/json; charset=euc-kr"),
    Charset::Named("application/json; charset=shift_jis"),
    Charset::Named("application/json; charset=iso-2022-jp"),
    Charset::Named("application/json; charset=gbk"),
    Charset::Named("application/json; charset=iso-8859-1"),
];
/// Cases that one gateway is asked for: it lists a thousand keys.
const CASES_AT_ONCE: usize = 400;
/// Files of `tests/containers` with fifty people each.
const FILES: [&str; 30] = [
    "deflated.zip",
    "stored.zip",
    "descriptors.zip",
    "descriptors-stored.zip",
    "descriptors-zip64.zip",
    "nested.zip",
    "people.tgz",
    "tar.zip",
    "people.csv.gz",
    "shared.xlsx",
    "inline.xlsx",
    "numbers.xlsx",
    "runs.docx",
    "slides.pptx",
    "table.pdf",
    "lines.pdf",
    "people.sqlite",
    "texts.png",
    "tail.png",
    "tail.jpeg",
    "dictionary.parquet",
    "plain.parquet",
    "stored.parquet",
    "second.parquet",
    "br.parquet",
    "delta.parquet",
    "lz4.parquet",
    "wide.zip",
    "widest.csv.gz",
    "zip.tar",
];

/// A body that an origin sends.
#[derive(Clone)]
struct Case {
    name: String,
    media_type: &'static str,
    body: Vec<u8>,
    coding: Coding,
}

pub(crate) fn file(name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "containers", name]
        .iter()
        .collect();
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A list of people, each written by `form`.
fn list(form: fn(&str) -> String) -> String {
    let people = (0..PEOPLE).map(|number| format!("{{\"no\":\"x\",\"v\":\"{}\"}}", form(&person(number))));
    format!("[{}]", people.collect::<Vec<_>>().join(","))
}

/// A character set.
#[derive(Clone, Copy, Debug)]
enum Charset {
    /// Two bytes a letter, with a mark or with nothing that tells.
    Utf16 { big: bool, mark: bool },
    /// Four.
    Utf32 { big: bool, mark: bool },
    /// As this media type declares.
    Named(&'static str),
}

impl Charset {
    const fn media_type(self) -> &'static str {
        match self {
            Self::Utf16 { .. } | Self::Utf32 { .. } => "application/json",
            Self::Named(media_type) => media_type,
        }
    }

    /// The text in it; none where it has no letter for one of the text's.
    fn encode(self, text: &str) -> Option<Vec<u8>> {
        let marked = |mark: bool| format!("{}{text}", if mark { "\u{feff}" } else { "" });
        match self {
            Self::Utf16 { big, mark } => {
                let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
                Some(marked(mark).encode_utf16().flat_map(bytes).collect())
            }
            Self::Utf32 { big, mark } => {
                let bytes = |letter: char| {
                    let number = u32::from(letter);
                    if big {
                        number.to_be_bytes()
                    } else {
                        number.to_le_bytes()
                    }
                };
                Some(marked(mark).chars().flat_map(bytes).collect())
            }
            Self::Named(media_type) => {
                let (_, label) = media_type.split_once('=').expect("a charset");
                let encoding = Encoding::for_label(label.as_bytes()).expect("a label of the WHATWG");
                let (bytes, _, is_wrong) = encoding.encode(text);
                (!is_wrong).then(|| bytes.into_owned())
            }
        }
    }
}

/// Forms by character sets by codings, and texts and containers by codings.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: String, media_type, body: Vec<u8>, coding| {
        cases.push(Case {
            name,
            media_type,
            body,
            coding,
        });
    };
    for coding in Coding::ALL {
        for (name, form) in VALUES {
            add(
                format!("{name}, {coding:?}"),
                "application/json",
                list(form).into_bytes(),
                coding,
            );
            for charset in CHARSETS {
                if let Some(body) = charset.encode(&list(form)) {
                    add(
                        format!("{name}, {charset:?}, {coding:?}"),
                        charset.media_type(),
                        body,
                        coding,
                    );
                }
            }
        }
        for (name, form) in TEXTS {
            let body = form(&table(0)).into_bytes();
            add(
                format!("text in {name}, {coding:?}"),
                "application/octet-stream",
                body,
                coding,
            );
        }
        for name in FILES {
            add(
                format!("{name}, {coding:?}"),
                "application/octet-stream",
                file(name),
                coding,
            );
        }
    }
    cases
}

async fn origin(cases: Arc<Vec<Case>>) -> Origin {
    Origin::serve(move |request| {
        let number: usize = request.uri.path().trim_start_matches('/').parse().expect("a number");
        let case = &cases[number];
        Answer::new(case.media_type, case.body.clone()).coded(case.coding, usize::MAX)
    })
    .await
}

async fn gateway(origin: &Origin, budget: &str) -> Gateway {
    gateway_with(origin, budget, "").await
}

/// The same with other settings of the one route.
async fn gateway_with(origin: &Origin, budget: &str, route: &str) -> Gateway {
    Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
         {route}\n[[budget]]\nname = \"limit\"\nper = \"session\"\nwindow = \"1d\"\n{budget}\n",
        origin.address
    ))
    .await
}

/// Asks `gateway` for a case under a session of its own.
async fn ask(gateway: &Gateway, number: usize) -> RawReply {
    get(
        gateway.address,
        &format!("/{number}"),
        &format!("Cookie: sid=s{number}\r\n"),
    )
    .await
}

/// All are counted, and where all may leave the bytes are those of the origin, whether something is enforced or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_coding_character_set_and_container_shows_fifty_people() {
    let cases = Arc::new(cases());
    let origin = origin(Arc::clone(&cases)).await;
    let numbers: Vec<usize> = (0..cases.len()).collect();
    for (place, numbers) in numbers.chunks(CASES_AT_ONCE).enumerate() {
        let mode = if place % 2 == 0 { "enforce" } else { "monitor" };
        let budget = format!("people = {PEOPLE}\naction = \"block\"\nmode = \"{mode}\"");
        let gateway = gateway(&origin, &budget).await;
        for number in numbers {
            let (reply, case) = (ask(&gateway, *number).await, &cases[*number]);
            let sent = case.coding.encode(&case.body, usize::MAX);
            let is_same = reply.status == 200 && reply.is_whole && reply.body == sent;
            assert!(is_same, "{}, {mode}: {}", case.name, reply.head);
            let keys = gateway.keys(Dimension::Session);
            // Those with the fewest people are last.
            let fewest = keys.last().map(|key| key.people.clone());
            assert_eq!(
                fewest,
                Some([(86_400, PEOPLE as u32)].as_slice().into()),
                "{}",
                case.name
            );
        }
        let keys = gateway.keys(Dimension::Session);
        let exact = keys.iter().all(|key| key.people == [(86_400, PEOPLE as u32)]);
        assert!(
            keys.len() == numbers.len() && exact,
            "nobody is counted who is not there"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_leave_than_may_in_any_of_them() {
    let cases = Arc::new(cases());
    let origin = origin(Arc::clone(&cases)).await;
    let budget = format!("people = {PEOPLE_MAX}\naction = \"block\"\nmode = \"enforce\"");
    let numbers: Vec<usize> = (0..cases.len()).collect();
    for numbers in numbers.chunks(CASES_AT_ONCE) {
        let gateway = gateway(&origin, &budget).await;
        for number in numbers {
            let (reply, case) = (ask(&gateway, *number).await, &cases[*number]);
            assert!(reply.status == 403 || !reply.is_whole, "{}: {}", case.name, reply.head);
        }
        let keys = gateway.keys(Dimension::Session);
        let is_bound = keys
            .iter()
            .all(|key| key.people.iter().all(|(_, people)| *people <= PEOPLE_MAX));
        assert!(is_bound);
    }
    let gateway = gateway(&origin, &budget).await;
    for (form, write) in VALUES {
        let number = cases.iter().position(|case| case.name == format!("{form}, Identity"));
        let reply = ask(&gateway, number.expect("a case")).await;
        let shown = (0..PEOPLE)
            .filter(|number| memchr::memmem::find(&reply.wire, write(&person(*number)).as_bytes()).is_some())
            .count();
        assert!(shown <= PEOPLE_MAX as usize, "{form}: {shown}");
    }
}

/// Where identifiers are masked, whatever the coding: the text is as long as it was, those who may be seen are in it as they were,
/// of the others nothing is, and all between the values is the origin's. Coded again it is the same text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_masked_is_what_the_origin_sent_but_for_the_values() {
    let cases = Arc::new(cases());
    let origin = origin(Arc::clone(&cases)).await;
    let budget = format!("people = {PEOPLE_MAX}\naction = \"redact\"\nmode = \"enforce\"");
    let plain = gateway(&origin, &budget).await;
    let recoding = gateway_with(&origin, &budget, "recode = \"gzip\"").await;
    for (form, write) in VALUES {
        for coding in Coding::ALL {
            let name = format!("{form}, {coding:?}");
            let number = cases.iter().position(|case| case.name == name).expect("a case");
            let original = &cases[number].body;
            let reply = ask(&plain, number).await;
            assert!(reply.status == 200 && reply.is_whole, "{name}: {}", reply.head);
            assert_eq!(reply.header("content-encoding"), None, "{name}");
            masked_alone(&name, &reply.body, original, write);
            let path = format!("/{number}");
            let fields = format!("Cookie: sid=s{number}\r\nAccept-Encoding: br, gzip\r\n");
            let again = get(recoding.address, &path, &fields).await;
            assert_eq!(again.header("content-encoding"), Some("gzip"), "{name}");
            assert!(
                again.is_whole && Coding::Gzip.decode_prefix(&again.body) == reply.body,
                "{name}"
            );
        }
    }
}

/// `masked` is `original` but for what stands in the values of those who may not be seen.
fn masked_alone(name: &str, masked: &[u8], original: &[u8], write: fn(&str) -> String) {
    assert_eq!(masked.len(), original.len(), "{name}");
    let mut end = 0;
    for number in 0..PEOPLE {
        let value = write(&person(number));
        let at = end + memchr::memmem::find(&original[end..], value.as_bytes()).expect("each is in it");
        assert!(masked[end..at] == original[end..at], "{name}: before {number}");
        end = at + value.len();
        let is_shown = masked[at..end] == original[at..end];
        assert_eq!(is_shown, number < PEOPLE_MAX as usize, "{name}: {number}");
    }
    assert!(masked[end..] == original[end..], "{name}");
}

/// Nothing in a container can be masked: it is refused, and the answer to an unsafe method is its status alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_with_somebody_to_mask_is_refused_or_empty() {
    let files = ["deflated.zip", "people.tgz", "people.csv.gz", "lines.pdf"];
    let cases = files.map(|name| Case {
        name: name.to_owned(),
        media_type: "application/octet-stream",
        body: file(name),
        coding: Coding::Identity,
    });
    let origin = origin(Arc::new(cases.to_vec())).await;
    let budget = format!("people = {PEOPLE_MAX}\naction = \"redact\"\nmode = \"enforce\"");
    let gateway = gateway(&origin, &budget).await;
    let h2 = H2::connect(gateway.address).await;
    for (number, case) in cases.iter().enumerate().take(3) {
        let reply = get(
            gateway.address,
            &format!("/{number}"),
            &format!("Cookie: sid=g{number}\r\n"),
        )
        .await;
        assert_eq!(reply.status, 502, "{}", case.name);
        let problem: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!(problem["type"], "urn:tidegate:problem:uninspectable", "{}", case.name);
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://tests.example/{number}"))
            .header(header::COOKIE, format!("sid=p{number}"));
        let reply = h2.send(request.body(Full::default()).expect("a request")).await;
        assert_eq!((reply.status, reply.body.len()), (200, 0), "{}", case.name);
    }
    // Of a longer one the beginning has left, and it ends before whoever would be masked.
    let reply = get(gateway.address, "/3", "Cookie: sid=g3\r\n").await;
    assert!(reply.status == 502 || !reply.is_whole, "{}", reply.head);
    let keys = gateway.keys(Dimension::Session);
    assert!(
        keys.iter()
            .all(|key| key.people.iter().all(|(_, people)| *people <= PEOPLE_MAX))
    );
}
