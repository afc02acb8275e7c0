//! What passes through the gateway rests nowhere: no planted value, in any of its forms, is in a log line, a metric, an
//! audit line, an admin answer, a file or an error.

#![allow(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::unwrap_used,
    clippy::excessive_nesting,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::too_many_lines,
    clippy::similar_names,
    reason = "a test says what went wrong where it went wrong, helpers included"
)]

#[path = "live/process.rs"]
#[allow(dead_code, reason = "the suites that share it use different parts")]
mod process;
#[path = "support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "every suite uses a part of what they share")]
mod support;

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use http::{HeaderName, StatusCode, header};
use tokio::net::TcpListener;

use tidegate::engine::detect::{Context, Finding, RuleSet};

use process::{Tidegate, command, eventually, output};
use support::client::{H2, RawReply, get, http1};
use support::coding::Coding;
use support::origin::{Answer, Origin, Seen};

/// A value that must not leak.
struct Planted {
    /// The class as which it is found.
    class: &'static str,
    /// The field under which it travels.
    key: &'static str,
    value: &'static str,
}

const fn planted(class: &'static str, key: &'static str, value: &'static str) -> Planted {
    Planted { class, key, value }
}

/// Values of every class: numbers kept for fiction, published test vectors and placeholders.
const PLANTED: &[Planted] = &[
    EMAIL,
    planted("phone", "phone", "+82 10-0000-6789"),
    planted("phone", "mobile", "+1 202-555-0143"),
    planted("card", "card_no", "4111 1111 1111 1111"),
    planted("rrn", "rrn", "900101-1234568"),
    planted("ssn", "ssn", "123-45-6789"),
    planted("iban", "iban", "GB82 WEST 1234 5698 7654 32"),
    planted("passport", "passport_no", "M12345678"),
    planted("driver-licence", "driver_license", "11-20-123456-78"),
    planted("business-number", "biz_no", "116-82-00276"),
    planted("customs-code", "pccc", "P123456789012"),
    planted("itin", "itin", "912-90-3456"),
    planted("my-number", "my_number", "6214-9832-0257"),
    planted("cn-id", "id_card", "11010519491231002X"),
    planted("tw-id", "id_number", "A123456789"),
    planted("nino", "nino", "AB 12 34 56 C"),
    planted("nhs-number", "nhs_number", "943 476 5870"),
    planted("de-taxid", "steuer_id", "36 574 261 809"),
    planted("nir", "nir", "2 95 10 99 126 111 93"),
    planted("dni", "dni", "54.362.315-K"),
    planted("cpf", "cpf", "390.533.447-05"),
    planted("aadhaar", "aadhaar", "2341 2341 2346"),
    planted("pan", "pan", "ACUPA7085R"),
    planted("account", "bank_account", "110-123-456789"),
    planted("address", "주소", "서울특별시 중구 세종대로 110"),
    planted("address", "address", "1600 Pennsylvania Ave NW, Washington, DC 20500"),
    planted("person", "full_name", "Marilyn Davies"),
    planted("birth-date", "date_of_birth", "1979-10-09"),
    planted("order-id", "order_no", "ORD-20210818-4117062"),
    planted("door-code", "door_code", "#471108155206*"),
    planted("credential", "access_token", "Zq7-vD3xK1mT9pWb"),
];

/// The value that is a session and a `Location` too.
const EMAIL: Planted = planted("email", "email", "planted.person@example.com");

/// The token of the operator of this test.
const TOKEN: &str = "a-token-of-the-secrecy-test-0123456789abcdef";

/// Bare digits this short are in any file by chance.
const DIGITS_MIN: usize = 9;

/// The forms in which a value may hide.
fn forms(value: &str) -> Vec<String> {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let joined: String = value.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let mut forms = vec![value.to_owned(), value.to_lowercase(), joined];
    if digits.len() >= DIGITS_MIN {
        forms.push(format!("{digits:?}"));
        forms.push(digits);
    }
    let plain = forms.clone();
    for form in plain {
        forms.push(percent(&form, false));
        forms.push(percent(&form, true));
        forms.push(hex(form.as_bytes()));
        forms.push(form.escape_unicode().to_string());
        for shift in 0..3 {
            let core = base64_core(form.as_bytes(), shift);
            // The alphabet of URLs and tokens (RFC 4648 section 5).
            forms.push(core.replace('+', "-").replace('/', "_"));
            forms.push(core);
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

/// Percent-encoded: what must be, or every byte.
fn percent(text: &str, is_whole: bool) -> String {
    text.bytes().fold(String::new(), |mut done, byte| {
        if byte.is_ascii_alphanumeric() && !is_whole {
            done.push(char::from(byte));
        } else {
            write!(done, "%{byte:02X}").expect("memory takes it");
        }
        done
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut done, byte| {
        write!(done, "{byte:02x}").expect("memory takes it");
        done
    })
}

/// The part of the base64 text that does not depend on what stands before and after, for `shift` bytes before.
fn base64_core(bytes: &[u8], shift: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let shifted = [&vec![0; shift], bytes].concat();
    let bits = |at: usize| u32::from(shifted.get(at).copied().unwrap_or_default());
    let text: Vec<char> = (0..shifted.len().div_ceil(3) * 3)
        .step_by(3)
        .flat_map(|at| {
            let word = bits(at) << 16 | bits(at + 1) << 8 | bits(at + 2);
            [18, 12, 6, 0].map(|down| char::from(ALPHABET[(word >> down & 63) as usize]))
        })
        .collect();
    // The first letters depend on the bytes before, the last on those after.
    let (first, last) = ([0, 2, 3][shift], shifted.len() * 8 / 6);
    text[first..last].iter().collect()
}

/// The planted values that are in a text in some form: by class and form, never by value.
fn leaks(text: &str) -> Vec<String> {
    let folded = text.to_lowercase();
    let found = PLANTED.iter().flat_map(|Planted { class, value, .. }| {
        let forms = forms(value).into_iter().enumerate();
        let is_in = |form: &str| text.contains(form) || folded.contains(&form.to_lowercase());
        forms.filter_map(move |(number, form)| is_in(&form).then(|| format!("{class} in form {number}")))
    });
    found.collect()
}

/// A value that nothing finds would prove nothing by not being told.
#[test]
fn a_value_of_every_class_is_planted_and_found() {
    let rules = RuleSet::builtin();
    for Planted { class, key, value } in PLANTED {
        if rules.is_credential(key.as_bytes()) {
            continue;
        }
        let mut found = Vec::new();
        let context = Context {
            key: &rules.key(key.as_bytes()),
            number: false,
            column: false,
        };
        rules.scan(value.as_bytes(), 0..value.len(), context, &mut found);
        let whole = |finding: &&Finding| finding.span.end - finding.span.start == value.len() as u64;
        let classes = found.iter().filter(whole);
        let classes: Vec<_> = classes.map(|finding| rules.class_name(finding.class)).collect();
        assert_eq!(classes, [*class], "under {key}");
    }
    for (_, class, _) in rules.classes() {
        assert!(
            PLANTED.iter().any(|planted| planted.class == class),
            "nothing of class {class} is planted"
        );
    }
}

#[test]
fn the_checker_catches_every_value_in_every_form() {
    for Planted { class, value, .. } in PLANTED {
        for form in forms(value) {
            let text = format!("{{\"message\":\"refused\",\"detail\":\"x{form}y\"}}");
            assert!(
                leaks(&text).iter().any(|leak| leak.starts_with(class)),
                "{class}: {form}"
            );
        }
        // As base64 of a text around it, at any offset.
        for before in ["", "a", "ab"] {
            let shifted = [before, value, "tail"].concat();
            let whole = format!("{}{}", &base64_core(shifted.as_bytes(), 0), "=");
            assert!(!leaks(&whole).is_empty(), "{class} behind {} bytes", before.len());
        }
    }
    assert_eq!(
        leaks("2026-11-23T23:44:15.198Z tidegate_people_total{route=\"*/\"} 500"),
        Vec::<String>::new()
    );
}

/// Every planted value in every form, as a JSON body with one person a value.
fn everything() -> String {
    let people = PLANTED
        .iter()
        .enumerate()
        .flat_map(|(number, Planted { key, value, .. })| {
            forms(value).into_iter().enumerate().map(move |(form, text)| {
                let text = text.replace(['"', '\\'], "");
                format!("{{\"id\":\"{number}-{form}\",\"{key}\":\"{text}\",\"name\":\"n\"}}")
            })
        });
    format!("[{}]", people.collect::<Vec<_>>().join(",\n"))
}

fn answer(seen: &Seen) -> Answer {
    let json = || Answer::new("application/json", everything());
    let email = EMAIL.value;
    match seen.uri.path() {
        "/gzip" => json().coded(Coding::Gzip, 200),
        "/broken" => json().chunked(64).broken(),
        "/error" => json().status(StatusCode::INTERNAL_SERVER_ERROR),
        "/undecodable" => json().header(header::CONTENT_ENCODING, "gzip"),
        "/head" => Answer::new("text/plain", "ok")
            .header(header::LOCATION, &format!("/u?email={}", percent(email, true)))
            .header(header::SET_COOKIE, &format!("who={email}"))
            .header(HeaderName::from_static("x-card"), "4111 1111 1111 1111"),
        _ => json(),
    }
}

/// A value that a URL, a header or a cookie can carry.
fn token(value: &str) -> String {
    percent(value, false)
}

/// What a client is told, whichever way it asks.
const ACCEPTED: [&str; 3] = [
    "Accept: application/json\r\n",
    "Accept: text/html\r\n",
    "Content-Type: application/grpc\r\n",
];

/// Sends every value in URL, header, cookie and body, well-formed and not, over both protocols.
async fn drive(gateway: &Tidegate, listener: &str) -> String {
    let address = gateway.address(listener);
    let mut errors = String::new();
    for path in ["/", "/gzip", "/broken", "/error", "/undecodable", "/head"] {
        get(address, path, "Cookie: sid=planted.person@example.com\r\n").await;
    }
    for Planted { key, value, .. } in PLANTED {
        let in_url = token(value);
        let lines =
            format!("Cookie: sid={in_url}; who={in_url}\r\nX-Api-Key: {in_url}\r\nAuthorization: Bearer {in_url}\r\n");
        get(address, &format!("/u/{in_url}?q={in_url}"), &lines).await;
        let body = format!("{{\"{key}\":\"{value}\"}}");
        let post = format!(
            "POST /{in_url} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        http1(address, post.as_bytes()).await;
        // Answers of the gateway itself: no route, a bad head, a bad host.
        for request in [
            format!("GET /none/{in_url} HTTP/1.1\r\nHost: {in_url}.invalid\r\nConnection: close\r\n\r\n"),
            format!("GET /{in_url} HTTP/1.1\r\nHost: a\r\nX-Bad {value}: x\r\nConnection: close\r\n\r\n"),
            format!("{value} / HTTP/1.1\r\nHost: {value}\r\nConnection: close\r\n\r\n"),
            format!("GET /down/{in_url} HTTP/1.1\r\nHost: down.example\r\nConnection: close\r\n\r\n"),
        ] {
            let reply = http1(address, request.as_bytes()).await;
            if reply.status >= 400 {
                errors.push_str(&String::from_utf8_lossy(&reply.wire));
            }
        }
        let h2 = H2::connect(address).await;
        for path in [format!("/u/{in_url}"), format!("/broken?{in_url}")] {
            let reply = h2.get(&path, &[("cookie", &format!("sid={in_url}"))]).await;
            if reply.status >= 400 {
                write!(errors, "{:?} {}", reply.headers, String::from_utf8_lossy(&reply.body))
                    .expect("memory takes it");
            }
        }
    }
    // Over its limit: refused without a byte of what it would have shown, and then refused again.
    for lines in ACCEPTED.iter().chain(&ACCEPTED) {
        let refused = get(address, "/", &format!("Cookie: sid=somebody\r\n{lines}")).await;
        if refused.status >= 400 || lines.contains("grpc") {
            errors.push_str(&refused.head);
        }
        if refused.status >= 400 {
            errors.push_str(&String::from_utf8_lossy(&refused.body));
        }
    }
    errors
}

/// What an operator is told by the admin address, who also changes something; and what the operator's commands say.
async fn administrate(gateway: &Tidegate) -> Vec<(String, String)> {
    let address = gateway.address("admin");
    let ask = async |method: &str, path: &str, body: &str| {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        http1(address, request.as_bytes()).await
    };
    let mut told = Vec::new();
    let keys = ask("GET", "/api/v1/keys?limit=1000", "").await;
    let keys: serde_json::Value = serde_json::from_slice(&keys.body).expect("JSON");
    let key = keys["keys"][0]["key"].as_str().expect("a key was counted").to_owned();
    let reason = "{\"people\": 5, \"for\": \"1h\", \"reason\": \"a drill\"}";
    for (method, path, body) in [
        ("GET", "/metrics", ""),
        ("GET", "/readyz", ""),
        ("GET", "/api/v1/keys?limit=1000", ""),
        ("GET", &format!("/api/v1/keys/{key}"), ""),
        ("GET", "/api/v1/holds", ""),
        ("POST", &format!("/api/v1/holds/{key}/release"), reason),
        ("GET", "/api/v1/bypass", ""),
        ("GET", "/api/v1/config", ""),
        ("GET", "/api/v1/nowhere", ""),
    ] {
        let reply = ask(method, path, body).await;
        told.push((path.to_owned(), String::from_utf8_lossy(&reply.wire).into_owned()));
    }
    told.extend(revoke(&ask).await);
    std::fs::write(gateway.file("people.json"), everything()).expect("ours");
    let cookie = format!("Cookie: sid={}", token(EMAIL.value));
    for arguments in [
        &["scan", "people.json"][..],
        &["scan", "--json", "people.json"],
        &["explain", "--url", "http://a/u", "-H", &cookie],
        &["check"],
        &["exposure", "--key", "address=127.0.0.1", "--subjects"],
        &["audit", "verify"],
    ] {
        let mut command = command(gateway.dir.path());
        command.args(arguments);
        let said = output(command).await;
        assert!(said.status.success(), "{arguments:?}");
        let text = [said.stdout, said.stderr].concat();
        told.push((arguments.join(" "), String::from_utf8_lossy(&text).into_owned()));
    }
    std::fs::remove_file(gateway.file("people.json")).expect("ours");
    told
}

/// The same by name: of a person, a session, and over what a directory speaks.
async fn revoke(ask: &impl AsyncFn(&str, &str, &str) -> RawReply) -> Vec<(String, String)> {
    let name = EMAIL.value;
    let revoke = |what: &str, name: &str| format!("{{\"what\":\"{what}\",\"name\":\"{name}\",\"reason\":\"a drill\"}}");
    let filter = format!("/scim/shop/v2/Users?filter=userName%20eq%20%22{name}%22");
    let mut told = Vec::new();
    for (place, method, path, body) in [
        (
            "a person",
            "POST",
            "/api/v1/revocations",
            revoke("email", &format!("shop:{name}")),
        ),
        (
            "a session",
            "POST",
            "/api/v1/revocations",
            revoke("session", &format!("cookie:sid={name}")),
        ),
        (
            "nobody",
            "POST",
            "/api/v1/revocations",
            revoke("sid", &format!("nowhere:{name}")),
        ),
        ("the list", "GET", "/api/v1/revocations", String::new()),
        (
            "a resource",
            "POST",
            "/scim/shop/v2/Users",
            format!("{{\"userName\":\"{name}\",\"active\":false}}"),
        ),
        ("a search", "GET", &filter, String::new()),
        ("no event", "POST", "/ssf/events", name.to_owned()),
    ] {
        let reply = ask(method, path, &body).await;
        if matches!(place, "a person" | "a session" | "a resource") {
            assert_eq!(reply.status, 201, "{place}");
        }
        told.push((place.to_owned(), String::from_utf8_lossy(&reply.wire).into_owned()));
    }
    told
}

/// Everything under a directory, names and bytes.
fn files(dir: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        all.push_str(&path.to_string_lossy());
        if path.is_dir() {
            all.push_str(&files(&path));
        } else if path.extension() != Some("toml".as_ref()) {
            all.push_str(&String::from_utf8_lossy(&std::fs::read(&path).expect("ours")));
        }
    }
    all
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a loopback port");
    listener.local_addr().expect("a bound address")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_passes_rests_anywhere() {
    let origin = Origin::serve(answer).await;
    let budget = |name: &str, per: &str, people: u32, action: &str| {
        format!(
            "[[budget]]\nname = \"{name}\"\nper = \"{per}\"\npeople = {people}\naction = \"{action}\"\nmode = \"enforce\"\n"
        )
    };
    for (action, people) in [
        ("alert", 1),
        ("block", 4),
        ("redact", 4),
        ("throttle\"\nto = \"1/h", 4),
        ("reauth", 4),
        ("hold", 4),
    ] {
        let config = format!(
            "[listen.http]\naddress = \"127.0.0.1:0\"\n\
             [identity]\nsources = [\"header:x-api-key\", \"cookie:sid\"]\nlogs_in_at = [\"GET /head\"]\n\
             [identity.issuer.shop]\njwks = \"keys.json\"\nalgorithms = [\"EdDSA\"]\n\
             [audit]\nfile = \"audit.jsonl\"\n[journal]\ndir = \"journal\"\n\
             [[route]]\nmatch = \"a/\"\nupstream = [\"http://{origin}\"]\nfail = \"closed\"\n\
             [[route]]\nmatch = \"shop.example/\"\nupstream = [\"http://{origin}\"]\n\
             [[route]]\nmatch = \"127.0.0.1/\"\nupstream = [\"http://{origin}\"]\n\
             [[route]]\nmatch = \"down.example/\"\nupstream = [\"http://{nobody}\"]\n\
             {}window = \"1d\"\n",
            budget("day", "session", people, action),
            origin = origin.address,
            nobody = nobody().await,
        );
        let dir = Arc::new(tempfile::tempdir().expect("a directory"));
        std::fs::write(
            dir.path().join("tidegate.toml"),
            format!("{config}[admin]\naddress = \"127.0.0.1:0\"\ntokens = \"admin.tokens\"\n"),
        )
        .expect("ours");
        let tokens = format!("kim policy {}\n", tidegate::admin::token_hash(TOKEN.as_bytes()));
        std::fs::write(dir.path().join("admin.tokens"), tokens).expect("ours");
        std::fs::write(dir.path().join("keys.json"), support::token::key_set("k1")).expect("ours");
        let mut gateway = Tidegate::launch(dir, &["run", "--config", "tidegate.toml"], "trace").await;
        let mut told = vec![("errors".to_owned(), drive(&gateway, "http").await)];
        gateway.signal("HUP").await;
        eventually("it reloads", async || {
            (gateway
                .lines()
                .iter()
                .filter(|line| line["message"] == "configuration in force")
                .count()
                == 2)
                .then_some(())
        })
        .await;
        told.extend(administrate(&gateway).await);
        gateway.signal("TERM").await;
        eventually("it stops", async || gateway.has_said("stopped").then_some(())).await;
        assert_eq!(gateway.ended().await.code(), Some(0));
        told.push(("logs".to_owned(), gateway.written()));
        told.push(("files".to_owned(), files(gateway.dir.path())));
        for (place, text) in told {
            assert_eq!(leaks(&text), Vec::<String>::new(), "{place} with {action}");
            // There was something to look at.
            assert!(!text.is_empty(), "{place} with {action}");
        }
        let audit = std::fs::read_to_string(gateway.file("audit.jsonl")).expect("the audit file");
        assert!(audit.contains("\"day\""), "{action} was audited: {audit}");
    }
}
