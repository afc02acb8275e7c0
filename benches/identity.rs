//! What does it cost to know who asks, by each source, when it was seen before and when it was not; and the signature alone?
//!
//! Every measurement asserts who was known, so that a fast wrong answer fails. `cargo test` runs each once, and prints nothing.

#![expect(clippy::print_stdout, reason = "a bench tells people")]

use std::hint::black_box;
use std::path::Path;

use http::Request;
use http::request::Parts;
use jsonwebtoken::crypto::verify;
use jsonwebtoken::{Algorithm, DecodingKey};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use tidegate::engine::births::Tag;
use tidegate::engine::secret::HashKey;
use tidegate::engine::time::Now;
use tidegate::identity::{Certificate, Identity, Peer, Settings, listed_key_hash};

#[path = "../tests/support/token.rs"]
mod token;

const NOW: Now = Now::from_millis(1_790_000_000_000);
/// Requests of one measurement, and how often it is made anew.
const REQUESTS: usize = 20_000;
const ROUNDS: usize = 7;

/// A source, what a request shows there by a number, and how many of those that nobody knows are known all the same: a token that
/// is verified and a user whom a proxy names need not have been seen before.
struct Case {
    name: &'static str,
    source: &'static str,
    line: fn(usize) -> (&'static str, String),
    is_known_at_once: bool,
}

const CASES: [Case; 10] = [
    Case {
        name: "JWT, EdDSA",
        source: "jwt:authorization",
        line: |number| ("authorization", format!("Bearer {}", signed(number))),
        is_known_at_once: true,
    },
    Case {
        name: "JWT in a cookie",
        source: "jwt:cookie:token",
        line: |number| ("cookie", format!("theme=dark; token={}", signed(number))),
        is_known_at_once: true,
    },
    Case {
        name: "JWT in the query",
        source: "jwt:query:token",
        line: |number| (QUERY, format!("/?page=1&token={}", signed(number))),
        is_known_at_once: true,
    },
    Case {
        name: "opaque token, introspected",
        source: "introspect:authorization",
        line: |number| ("authorization", format!("Bearer opaque-{number}")),
        is_known_at_once: false,
    },
    Case {
        name: "cookie",
        source: "cookie:sid",
        line: |number| ("cookie", format!("theme=dark; sid=session-{number}")),
        is_known_at_once: false,
    },
    Case {
        name: "API key",
        source: "header:x-api-key",
        line: |number| ("x-api-key", format!("key-{number}")),
        is_known_at_once: false,
    },
    Case {
        name: "API key in the query",
        source: "query:key",
        line: |number| (QUERY, format!("/?page=1&key=key-{number}")),
        is_known_at_once: false,
    },
    Case {
        name: "client certificate, by its SPIFFE ID",
        source: "certificate:spiffe",
        line: |number| (CERTIFICATE, format!("spiffe://shop.example/{number}")),
        is_known_at_once: true,
    },
    Case {
        name: "basic user",
        source: "basic",
        line: |_| ("authorization", "Basic a2ltOm9uZQ==".to_owned()),
        is_known_at_once: true,
    },
    Case {
        name: "user named by a proxy",
        source: "trusted:x-forwarded-user",
        line: |number| ("x-forwarded-user", format!("user-{number}")),
        is_known_at_once: true,
    },
];

/// Stands for the target of the request among header names.
const QUERY: &str = "";
/// Stands for the certificate of the connection, which its listener has read.
const CERTIFICATE: &str = "x-certificate";

fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (requests, rounds) = if is_bench { (REQUESTS, ROUNDS) } else { (50, 1) };
    let signature = middle(rounds, || signatures(requests));
    let nothing = middle(rounds, || nobody(requests));
    if is_bench {
        println!("| source | seen before, ns | new, ns | new / the signature alone |\n|---|---|---|---|");
        println!("| the signature alone, EdDSA | | {signature} | 1.00 |");
        println!("| none: the address | {nothing} | | |");
    }
    for case in &CASES {
        let seen = middle(rounds, || seen_before(case, requests));
        let new = middle(rounds, || new(case, requests));
        if is_bench {
            let ratio = new as f64 / signature.max(1) as f64;
            println!("| {} | {seen} | {new} | {ratio:.2} |", case.name);
        }
    }
    let answered = middle(rounds, || answers(requests));
    if is_bench {
        println!("| the same, its issuer's answer read | | {answered} | |");
    }
}

/// The middle of so many measurements.
fn middle(rounds: usize, mut measure: impl FnMut() -> u64) -> u64 {
    let mut measured: Vec<u64> = (0..rounds).map(|_| measure()).collect();
    measured.sort_unstable();
    measured.get(rounds / 2).copied().unwrap_or_default()
}

/// Nanoseconds of this thread's processor for each of `requests`.
fn cost(requests: usize, run: impl FnOnce()) -> u64 {
    let started = processor_ns();
    run();
    (processor_ns() - started) / requests as u64
}

fn processor_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

fn signed(number: usize) -> String {
    let claims = json!({ "iss": "https://login.example", "sub": format!("c-{number}"), "sid": format!("s-{number}"),
        "role": "customer", "exp": 1_790_003_600 });
    token::sign("k1", &claims)
}

/// What does the signature of a token cost, and nothing else of it?
fn signatures(requests: usize) -> u64 {
    let key = DecodingKey::from_ed_components(token::PUBLIC).expect("a key");
    let tokens: Vec<String> = (0..requests).map(signed).collect();
    let parts: Vec<(&str, &str)> = tokens.iter().filter_map(|token| token.rsplit_once('.')).collect();
    let mut good = 0;
    let cost = cost(requests, || {
        for (message, signature) in &parts {
            good += usize::from(verify(signature, message.as_bytes(), &key, Algorithm::EdDSA).unwrap_or(false));
        }
    });
    assert_eq!(good, requests);
    cost
}

fn identity(source: &str) -> Identity {
    let secret = HashKey::new([7; 32]);
    let text = format!(
        "sources = [\"{source}\"]\nlogs_in_at = [\"POST /login\"]\nwarm_up_s = 0\n\
         [issuer.shop]\njwks = \"jwks\"\nalgorithms = [\"EdDSA\"]\nissuer = \"https://login.example\"\n\
         [introspection]\nurl = \"https://login.example/introspect\"\n\
         [group]\ncustomer = {{ claim = \"role=customer\" }}\npartner = {{ api_keys = \"keys\" }}\n"
    );
    let settings: Settings = toml::from_str(&text).expect("settings");
    let listed = [&b"key-0"[..], b"kim:one"].map(|key| listed_key_hash(&secret, key));
    let read = |path: &Path| match path.to_str() {
        Some("keys") => Ok(format!("{} one\n{} kim\n", listed[0], listed[1]).into_bytes()),
        _ => Ok(token::key_set("k1").into_bytes()),
    };
    let identity = Identity::compile(&settings, "bench", secret, &read);
    let identity = identity.expect("settings that compile");
    identity.remember_births(Now::from_millis(NOW.millis() - 86_400_000));
    identity
}

fn head((name, value): (&str, String)) -> Parts {
    let request = match name {
        QUERY => Request::get(value),
        name => Request::get("/").header(name, value),
    };
    request.body(()).expect("a request").into_parts().0
}

/// How many of these requests are of somebody known.
fn known<'h>(identity: &Identity, heads: impl Iterator<Item = &'h Parts>) -> usize {
    let trusted = ["10.0.0.0/8".parse().expect("a network")];
    let digest = "ab".repeat(32);
    let peer = |head: &'h Parts| {
        let shown = head.headers.get(CERTIFICATE).and_then(|name| name.to_str().ok());
        Peer {
            certificate: shown.map(|name| Certificate {
                spiffe: Some(name),
                subject: None,
                digest: &digest,
            }),
            // A proxy's certificate would say nothing of its clients.
            trusted: if shown.is_some() { &[] } else { &trusted },
            ..Peer::at([10, 0, 0, 1].into())
        }
    };
    let actors = heads.map(|head| black_box(identity.identify(head, &peer(head), NOW)));
    actors.filter(|actor| actor.is_known).count()
}

/// Whoever shows nothing.
fn nobody(requests: usize) -> u64 {
    let (identity, head) = (identity("cookie:sid"), head(("accept", "*/*".to_owned())));
    let mut count = 0;
    let cost = cost(requests, || {
        count = known(&identity, std::iter::repeat_n(&head, requests));
    });
    assert_eq!(count, 0);
    cost
}

/// One and the same again and again, which was issued, listed, verified or answered for.
fn seen_before(case: &Case, requests: usize) -> u64 {
    let (identity, head) = (identity(case.source), head((case.line)(0)));
    let actor = identity.identify(&head, &Peer::at([10, 0, 0, 1].into()), NOW);
    if let Some(asked) = actor.unanswered.first() {
        assert_eq!(identity.answered(asked, ANSWER.as_bytes(), NOW), Some(true));
    }
    for id in identity.in_body(b"session-0", NOW).ids {
        identity.births().issue(id, Tag::Issued, None, NOW);
    }
    let mut count = 0;
    let cost = cost(requests, || {
        count = known(&identity, std::iter::repeat_n(&head, requests));
    });
    assert_eq!(count, requests, "{}", case.name);
    cost
}

const ANSWER: &str = r#"{"active":true,"sub":"kim","role":"customer","iss":"https://login.example","exp":1790003600}"#;

/// Another with each request.
fn new(case: &Case, requests: usize) -> u64 {
    let identity = identity(case.source);
    let heads: Vec<Parts> = (1..=requests).map(|number| head((case.line)(number))).collect();
    let mut count = 0;
    let cost = cost(requests, || count = known(&identity, heads.iter()));
    assert_eq!(count, if case.is_known_at_once { requests } else { 0 }, "{}", case.name);
    cost
}

/// A new opaque token whose issuer answers: it is looked for, the answer is read, and then it is known.
fn answers(requests: usize) -> u64 {
    let identity = identity("introspect:authorization");
    let line = |number: usize| ("authorization", format!("Bearer opaque-{number}"));
    let heads: Vec<Parts> = (0..requests).map(|number| head(line(number))).collect();
    let mut count = 0;
    let cost = cost(requests, || {
        for head in &heads {
            let actor = identity.identify(head, &Peer::at([10, 0, 0, 1].into()), NOW);
            for asked in &actor.unanswered {
                black_box(identity.answered(asked, ANSWER.as_bytes(), NOW));
            }
            count += known(&identity, std::iter::once(head));
        }
    });
    assert_eq!(count, requests);
    cost
}
