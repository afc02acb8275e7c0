//! Every form, coding, character set and container, with fifty people in it: all of them are counted, and no more leave than may.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use encoding_rs::Encoding;
use http::{Method, Request, header};
use http_body_util::Full;
use tidegate::engine::ledger::Dimension;

use crate::support::client::{H2, get};
use crate::support::coding::Coding;
use crate::support::gateway::Gateway;
use crate::support::origin::{Answer, Origin};
use crate::written::{PEOPLE, TEXTS, VALUES, person, table};

/// People who may be shown to a session.
const PEOPLE_MAX: u32 = 7;
/// Character sets, by their labels; the first needs a mark.
const CHARSETS: [&str; 4] = ["utf-16le", "euc-kr", "shift_jis", "windows-1252"];
/// Files of `tests/containers` with fifty people each.
const FILES: [&str; 20] = [
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
];

/// A body that an origin sends.
#[derive(Clone)]
struct Case {
    name: String,
    media_type: &'static str,
    body: Vec<u8>,
    coding: Coding,
}

fn file(name: &str) -> Vec<u8> {
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

fn in_charset(text: &str, label: &str) -> Vec<u8> {
    if label == "utf-16le" {
        let units: Vec<u16> = format!("\u{feff}{text}").encode_utf16().collect();
        return units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    }
    let encoding = Encoding::for_label(label.as_bytes()).expect("a label of the WHATWG");
    encoding.encode(text).0.into_owned()
}

/// Forms by codings, forms by character sets, and containers by codings.
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
    for label in CHARSETS {
        for (name, form) in VALUES {
            let media_type = match label {
                "utf-16le" => "application/json",
                "euc-kr" => "application/json; charset=euc-kr",
                "shift_jis" => "application/json; charset=shift_jis",
                _ => "application/json; charset=windows-1252",
            };
            // What a character set has no letter for, it cannot say.
            let body = list(form);
            let sent = in_charset(&body, label);
            let is_said = Encoding::for_label(label.as_bytes()).is_some_and(|set| !set.encode(&body).2);
            if is_said || label == "utf-16le" {
                add(format!("{name}, {label}"), media_type, sent, Coding::Identity);
            }
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
    Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"limit\"\nper = \"session\"\nwindow = \"1d\"\n{budget}\n",
        origin.address
    ))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_coding_character_set_and_container_shows_fifty_people() {
    let cases = Arc::new(cases());
    let origin = origin(Arc::clone(&cases)).await;
    let gateway = gateway(&origin, "people = 1\naction = \"block\"\nmode = \"monitor\"").await;
    for (number, case) in cases.iter().enumerate() {
        let before = gateway.keys(Dimension::Session).len();
        let reply = get(
            gateway.address,
            &format!("/{number}"),
            &format!("Cookie: sid=s{number}\r\n"),
        )
        .await;
        let sent = case.coding.encode(&case.body, usize::MAX);
        assert!(
            reply.status == 200 && reply.is_whole && reply.body == sent,
            "{}",
            case.name
        );
        let keys = gateway.keys(Dimension::Session);
        let all = keys.iter().all(|key| key.people == [(86_400, PEOPLE as u32)]);
        assert!(
            keys.len() == before + 1 && all,
            "{}: {:?}",
            case.name,
            keys.iter().map(|key| &key.people).collect::<Vec<_>>()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_leave_than_may_in_any_of_them() {
    let cases = Arc::new(cases());
    let origin = origin(Arc::clone(&cases)).await;
    let budget = format!("people = {PEOPLE_MAX}\naction = \"block\"\nmode = \"enforce\"");
    let gateway = gateway(&origin, &budget).await;
    for (number, case) in cases.iter().enumerate() {
        let reply = get(
            gateway.address,
            &format!("/{number}"),
            &format!("Cookie: sid=s{number}\r\n"),
        )
        .await;
        assert!(reply.status == 403 || !reply.is_whole, "{}: {}", case.name, reply.head);
    }
    let keys = gateway.keys(Dimension::Session);
    assert!(
        keys.iter()
            .all(|key| key.people.iter().all(|(_, people)| *people <= PEOPLE_MAX))
    );
    for (form, write) in VALUES {
        let number = cases.iter().position(|case| case.name == format!("{form}, Identity"));
        let path = format!("/{}", number.expect("a case"));
        let reply = get(gateway.address, &path, &format!("Cookie: sid={form}\r\n")).await;
        let shown = (0..PEOPLE)
            .filter(|number| memchr::memmem::find(&reply.wire, write(&person(*number)).as_bytes()).is_some())
            .count();
        assert!(shown <= PEOPLE_MAX as usize, "{form}: {shown}");
    }
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
