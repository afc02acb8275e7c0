//! Each way past an inspecting proxy that the README's table names: sixty people are sent in it, fifty may be seen. Who is behind
//! the limit never leaves; what cannot be read is refused where the route is closed, and counted where it is open.

use http::{Method, StatusCode, header};
use tidegate::cli::demo::people::person;

use super::fail_modes::{counted, uninspected};
use crate::support::client::{RawReply, http1};
use crate::support::coding::Coding;
use crate::support::gateway::{Gateway, until};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body, count_serials};

pub(super) const PEOPLE: u32 = 60;
pub(super) const PEOPLE_MAX: usize = 50;

/// What becomes of a body.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// Exactly fifty leave.
    Exact,
    /// It is coded: fifty at most, up to a checkpoint.
    AtMost,
    /// It is read to where it breaks: no more than fifty, and where the route is open the rest is counted.
    Broken(&'static str),
    /// It cannot be read: nobody leaves, and where the route is open it is counted.
    Unread(&'static str),
}

struct Row {
    name: &'static str,
    then: Then,
    answer: fn() -> Answer,
}

const fn row(name: &'static str, then: Then, answer: fn() -> Answer) -> Row {
    Row { name, then, answer }
}

pub(super) fn csv() -> Vec<u8> {
    body(Format::Csv, 0..PEOPLE)
}

fn json() -> String {
    String::from_utf8(body(Format::Json, 0..PEOPLE)).expect("text")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    Coding::Gzip.encode(bytes, usize::MAX)
}

/// Coded so, though nothing flushes it.
fn coded(name: &str, bytes: Vec<u8>) -> Answer {
    Answer::new("text/csv", bytes)
        .header(header::CONTENT_ENCODING, name)
        .chunked(100)
}

fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(order).collect()
}

fn each(write: fn(u32) -> String) -> String {
    (0..PEOPLE).map(write).collect()
}

/// People who are known by where they live alone.
fn addresses() -> String {
    let rows = each(|number| format!("{},김민수,서울특별시 강남구 테헤란로 {number}\n", person(number).serial));
    format!("serial,name,주소\n{rows}")
}

fn korean() -> Vec<u8> {
    encoding_rs::EUC_KR.encode(&addresses()).0.into_owned()
}

/// A field of a form in parts.
fn part(name: &str, value: &str) -> String {
    format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

fn rows() -> Vec<Row> {
    use Then::{AtMost, Broken, Exact, Unread};
    vec![
        row("gzip", AtMost, || {
            Answer::new("text/csv", csv()).coded(Coding::Gzip, 200).chunked(50)
        }),
        row("x-gzip in odd case", AtMost, || {
            coded("X-GZip", Coding::Gzip.encode(&csv(), 200))
        }),
        row("zlib", AtMost, || {
            Answer::new("text/csv", csv()).coded(Coding::DeflateZlib, 200)
        }),
        row("raw deflate", AtMost, || {
            Answer::new("text/csv", csv()).coded(Coding::DeflateRaw, 200)
        }),
        row("br", AtMost, || Answer::new("text/csv", csv()).coded(Coding::Br, 200)),
        row("zstd", AtMost, || {
            Answer::new("text/csv", csv()).coded(Coding::Zstd, 200)
        }),
        row("many members, one empty", AtMost, || {
            coded("gzip", csv().chunks(300).flat_map(gzip).chain(gzip(b"")).collect())
        }),
        row("many frames", AtMost, || {
            coded(
                "zstd",
                csv()
                    .chunks(300)
                    .flat_map(|part| Coding::Zstd.encode(part, usize::MAX))
                    .collect(),
            )
        }),
        row("two codings", AtMost, || {
            coded("br, gzip", Coding::Gzip.encode(&Coding::Br.encode(&csv(), 200), 100))
        }),
        row("five codings", AtMost, || {
            coded(
                "gzip, gzip, zstd, gzip, gzip",
                gzip(&gzip(&Coding::Zstd.encode(&gzip(&gzip(&csv())), 200))),
            )
        }),
        row("six codings", Unread("unknown_coding"), || {
            coded(
                "gzip,gzip,gzip,gzip,gzip,gzip",
                (0..6).fold(csv(), |bytes, _| gzip(&bytes)),
            )
        }),
        row("identity, gzip", AtMost, || {
            coded("identity, gzip", Coding::Gzip.encode(&csv(), 200))
        }),
        row("two fields", AtMost, || {
            coded("gzip", gzip(&gzip(&csv()))).header(header::CONTENT_ENCODING, "gzip")
        }),
        row("zstd that nothing names", AtMost, || {
            Answer::new("text/csv", Coding::Zstd.encode(&csv(), 200))
        }),
        row("zlib that nothing names", AtMost, || {
            Answer::new("text/csv", Coding::DeflateZlib.encode(&csv(), 200))
        }),
        row("raw deflate that nothing names", AtMost, || {
            Answer::new("text/csv", Coding::DeflateRaw.encode(&csv(), 200)).chunked(30)
        }),
        row("br that nothing names", AtMost, || {
            Answer::new("application/octet-stream", Coding::Br.encode(&csv(), 200)).chunked(30)
        }),
        row("br that is said to be an image", AtMost, || {
            Answer::new("image/webp", Coding::Br.encode(&csv(), usize::MAX))
                .header(header::CONTENT_ENCODING, "identity")
        }),
        row("a frame that zstd skips, and nothing names", Exact, || {
            let length = u32::try_from(csv().len()).expect("a short body").to_le_bytes();
            Answer::new("text/csv", [&b"\x50\x2a\x4d\x18"[..], &length, &csv()].concat())
        }),
        row("an unknown coding", Unread("unknown_coding"), || coded("rot13", csv())),
        row("br that is gzip", Unread("undecodable"), || coded("br", gzip(&csv()))),
        row("gzip that is none", Unread("undecodable"), || coded("gzip", csv())),
        row("a bad CRC", Broken("undecodable"), || {
            let mut bytes = Coding::Gzip.encode(&csv()[..2_000], 200);
            let at = bytes.len() - 6;
            bytes[at] ^= 1;
            coded("gzip", bytes)
        }),
        row("no trailer", Broken("undecodable"), || {
            let bytes = Coding::Gzip.encode(&csv()[..2_000], 200);
            coded("gzip", bytes[..bytes.len() - 8].to_vec())
        }),
        row("junk behind the end", Broken("undecodable"), || {
            coded("gzip", [Coding::Gzip.encode(&csv()[..2_000], 200), csv()].concat())
        }),
        row("XZ", Unread("unreadable"), || {
            Answer::new("text/csv", super::containers::file("people.csv.xz"))
        }),
        row("bzip2 that is said to be an image", Unread("unreadable"), || {
            Answer::new("image/png", super::containers::file("people.csv.bz2"))
        }),
        row("a bomb", Broken("ratio"), || coded("gzip", gzip(&vec![b' '; 8 << 20]))),
        row("an image that is a table", Exact, || Answer::new("image/png", csv())),
        row("a font that is JSON", Exact, || Answer::new("font/woff2", json())),
        row("UTF-16 with a mark", AtMost, || {
            Answer::new(
                "text/csv",
                utf16(
                    &format!("\u{feff}{}", String::from_utf8_lossy(&csv())),
                    u16::to_le_bytes,
                ),
            )
        }),
        row("UTF-16 as declared", AtMost, || {
            Answer::new(
                "text/csv; charset=utf-16be",
                utf16(&String::from_utf8_lossy(&csv()), u16::to_be_bytes),
            )
        }),
        row("EUC-KR as declared", AtMost, || {
            Answer::new("text/csv; charset=euc-kr", csv())
        }),
        row("EUC-KR that nothing declares", AtMost, || {
            Answer::new("text/csv", korean())
        }),
        row("EUC-KR that is said to be UTF-8", AtMost, || {
            Answer::new("text/csv; charset=utf-8", korean())
        }),
        row("UTF-8 that is said to be EUC-KR", AtMost, || {
            Answer::new("text/csv; charset=euc-kr", addresses())
        }),
        row("UTF-16 that nothing tells", AtMost, || {
            Answer::new("text/csv", utf16(&String::from_utf8_lossy(&csv()), u16::to_le_bytes))
        }),
        row("a mark of UTF-16 before ASCII", Unread("undecodable"), || {
            Answer::new("text/csv", [&[0xff, 0xfe], &csv()[..]].concat())
        }),
        row("zeros strewn into a text", AtMost, || {
            let lines = each(|number| format!("{},{}\n", person(number).serial, person(number).email));
            let even = |line: &str| {
                format!(
                    "a\0b\0c\0d\0{line}{}\n",
                    if line.len().is_multiple_of(2) { " " } else { "" }
                )
            };
            Answer::new("text/csv", lines.lines().map(even).collect::<String>())
        }),
        row("UTF-7 as declared", AtMost, || {
            Answer::new(
                "text/csv; charset=utf-7",
                String::from_utf8_lossy(&csv()).replace('@', "+AEA-"),
            )
        }),
        row("ASCII that is said to be EBCDIC", AtMost, || {
            Answer::new("text/csv; charset=ibm037", csv())
        }),
        row("UTF-32 with a mark", AtMost, || {
            let text = String::from_utf8_lossy(&csv()).into_owned();
            let words = std::iter::once('\u{feff}').chain(text.chars());
            Answer::new(
                "text/csv",
                words.flat_map(|word| u32::from(word).to_le_bytes()).collect::<Vec<_>>(),
            )
        }),
        row("JSON escapes", Exact, || {
            Answer::new("application/json", json().replace('@', "\\u0040"))
        }),
        row("entities", Exact, || {
            let line = |number| {
                format!(
                    "<li>{} {}</li>\n",
                    person(number).serial,
                    person(number).email.replace('@', "&#64;")
                )
            };
            Answer::new("text/html", format!("<ul>{}</ul>", each(line)))
        }),
        row("a phone in three fields", Exact, || {
            let row = |number| {
                let person = person(number);
                let digits: String = person.phone.chars().filter(char::is_ascii_digit).collect();
                let (front, line) = digits.split_at(digits.len() - 4);
                let (area, exchange) = front.split_at(3);
                format!(
                    "{{\"s\":\"{}\",\"area\":\"{area}\",\"exchange\":\"{exchange}\",\"line\":\"{line}\"}},",
                    person.serial
                )
            };
            Answer::new("application/json", format!("[{}{{}}]", each(row)))
        }),
        row("tags inside", Exact, || {
            let line = |number| {
                let email = &person(number).email;
                format!(
                    "<li>{} {}<b>{}</b></li>\n",
                    person(number).serial,
                    &email[..3],
                    &email[3..]
                )
            };
            Answer::new("text/html", format!("<ul>{}</ul>", each(line)))
        }),
        row("percent", Exact, || {
            let form = |number| {
                format!(
                    "s={}&email={}&",
                    person(number).serial,
                    person(number).email.replace('@', "%40")
                )
            };
            Answer::new("application/x-www-form-urlencoded", each(form))
        }),
        row("JSON lines", Exact, || {
            Answer::new("application/x-ndjson", body(Format::Ndjson, 0..PEOPLE))
        }),
        row("a form in parts", Exact, || {
            let each = each(|number| {
                part("serial", &person(number).serial.to_string()) + &part("email", &person(number).email)
            });
            Answer::new("multipart/form-data; boundary=xyz", format!("{each}--xyz--\r\n"))
        }),
        row("a byte a chunk", Exact, || Answer::new("text/csv", csv()).chunked(1)),
        row("noise first", Exact, || {
            Answer::new("text/csv", [vec![b'\n'; 1 << 20], csv()].concat())
        }),
        row("404", Exact, || {
            Answer::new("text/csv", csv()).status(StatusCode::NOT_FOUND)
        }),
        row("500", Exact, || {
            Answer::new("text/csv", csv()).status(StatusCode::INTERNAL_SERVER_ERROR)
        }),
    ]
}

/// All rows by their number.
async fn origin() -> Origin {
    Origin::serve(|seen| {
        let number: usize = seen.uri.path()[1..].parse().expect("a number");
        (rows()[number].answer)()
    })
    .await
}

pub(super) async fn gateway(origin: &Origin, fail: &str, mode: &str) -> Gateway {
    Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"{fail}\"\n\
         coverage_header = true\n[[budget]]\nname = \"limit\"\nper = \"session\"\npeople = {PEOPLE_MAX}\nwindow = \"1d\"\n\
         action = \"block\"\nmode = \"{mode}\"\n",
        origin.address
    ))
    .await
}

pub(super) async fn ask(gateway: &Gateway, method: &Method, path: &str, session: &str, fields: &str) -> RawReply {
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nCookie: sid={session}\r\n");
    http1(gateway.address, format!("{head}{fields}\r\n").as_bytes()).await
}

/// Who is in an answer, whatever it is coded in.
pub(super) fn people_in(reply: &RawReply) -> usize {
    let read = |coding: Coding| count_serials(&coding.decode_prefix(&reply.body)).len();
    let wide: Vec<u8> = reply.body.iter().copied().filter(|byte| *byte != 0).collect();
    let most = Coding::ALL.into_iter().map(read).max().unwrap_or_default();
    most.max(count_serials(&reply.wire).len())
        .max(count_serials(&wide).len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_behind_the_limit_leaves_in_any_body() {
    let origin = origin().await;
    let (closed, open) = (
        gateway(&origin, "closed", "enforce").await,
        gateway(&origin, "open", "enforce").await,
    );
    for (number, Row { name, then, .. }) in rows().into_iter().enumerate() {
        let path = format!("/{number}");
        let reply = ask(&closed, &Method::GET, &path, name, "").await;
        let people = people_in(&reply);
        assert!(!reply.is_whole || reply.status >= 400, "{name}: {}", reply.head);
        match then {
            Then::Exact => assert_eq!(people, PEOPLE_MAX, "{name}"),
            Then::AtMost | Then::Broken(_) => assert!(people <= PEOPLE_MAX, "{name}: {people}"),
            Then::Unread(_) => assert_eq!((people, reply.status), (0, 502), "{name}"),
        }
        if let Then::Broken(reason) | Then::Unread(reason) = then {
            let before = uninspected(&open, reason).await;
            ask(&open, &Method::GET, &path, name, "").await;
            until(name, async || uninspected(&open, reason).await > before).await;
        }
    }
}

/// One byte, nine, the end first, many parts: the origin is asked for the whole, and nobody is seen who would not be in it.
#[tokio::test]
async fn ranges_are_dropped_where_something_is_enforced() {
    let part = |seen: &crate::support::origin::Seen| {
        let body = csv();
        let answer = Answer::new("text/csv", body.clone()).header(header::ETAG, "\"1\"");
        match seen.headers.get(header::RANGE) {
            None if seen.uri.path() == "/unasked" => Answer::new("text/csv", body[100..109].to_vec())
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, "bytes 100-108/*"),
            None => answer,
            Some(range) if range.to_str().is_ok_and(|range| range.contains(',')) => {
                let part = |at: usize| {
                    let head = format!("--xyz\r\nContent-Range: bytes {at}-{}/{}\r\n\r\n", at + 9, body.len());
                    [head.as_bytes(), &body[at..at + 10], b"\r\n"].concat()
                };
                let parts = [part(0), part(10), part(5), b"--xyz--\r\n".to_vec()].concat();
                Answer::new("multipart/byteranges; boundary=xyz", parts).status(StatusCode::PARTIAL_CONTENT)
            }
            Some(_) => Answer::new("text/csv", body[100..109].to_vec())
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, "bytes 100-108/9999"),
        }
    };
    let origin = Origin::serve(part).await;
    let (enforcing, watching) = (
        gateway(&origin, "closed", "enforce").await,
        gateway(&origin, "closed", "monitor").await,
    );
    let ranges = [
        "0-0",
        "100-108",
        "-9",
        "200-",
        "0-9,10-19,5-14",
        "0-0,2-2,4-4",
        "10-19,0-9",
    ];
    for range in ranges {
        for more in ["", "If-Range: \"1\"\r\n"] {
            let fields = format!("Range: bytes={range}\r\n{more}");
            let reply = ask(&enforcing, &Method::GET, "/export", "s", &fields).await;
            assert_eq!((reply.status, people_in(&reply)), (200, PEOPLE_MAX), "{range}");
            assert_eq!(reply.header("accept-ranges"), None);
        }
    }
    assert!(
        origin
            .seen()
            .iter()
            .all(|seen| !seen.headers.contains_key(header::RANGE))
    );
    assert!(
        origin
            .seen()
            .iter()
            .all(|seen| !seen.headers.contains_key(header::IF_RANGE))
    );
    // In monitor parts pass as they are.
    for range in ranges {
        let reply = ask(
            &watching,
            &Method::GET,
            "/export",
            "s",
            &format!("Range: bytes={range}\r\n"),
        )
        .await;
        assert_eq!((reply.status, reply.is_whole), (206, true), "{range}");
    }
    let before = counted(&enforcing, "tidegate_heads_refused_total", "unasked_part").await;
    assert_eq!(ask(&enforcing, &Method::GET, "/unasked", "t", "").await.status, 502);
    assert!(counted(&enforcing, "tidegate_heads_refused_total", "unasked_part").await > before);
    // What a client asks on a condition may be answered with nothing.
    let fields = "If-None-Match: \"1\"\r\nIf-Modified-Since: Sat, 01 Jan 2022 00:00:00 GMT\r\n";
    ask(&enforcing, &Method::GET, "/export", "s", fields).await;
    let last = origin.seen().pop().expect("a request");
    assert_eq!(last.headers[header::IF_NONE_MATCH], "\"1\"");
}

/// What of a body was looked into, for whoever asks.
#[tokio::test]
async fn coverage_is_a_number_and_a_field() {
    let origin = Origin::serve(|seen| match seen.uri.path() {
        "/odd" => Answer::new("text/csv", "nobody").header(header::CONTENT_ENCODING, "rot13"),
        _ => Answer::new("text/csv", "nobody is here"),
    })
    .await;
    let field = |reply: &RawReply| reply.header("tidegate-coverage").map(str::to_owned);
    let enforcing = gateway(&origin, "open", "enforce").await;
    let plain = ask(&enforcing, &Method::GET, "/", "s", "").await;
    assert_eq!(field(&plain).as_deref(), Some("inspected; mode=guard"));
    let odd = ask(&enforcing, &Method::GET, "/odd", "s", "").await;
    assert_eq!(
        field(&odd).as_deref(),
        Some("uninspected; mode=guard; reason=unknown_coding")
    );
    let watching = gateway(&origin, "open", "monitor").await;
    let watched = ask(&watching, &Method::GET, "/", "s", "").await;
    assert_eq!(field(&watched).as_deref(), Some("inspected; mode=watch"));
    let silent = Gateway::start(&format!(
        "[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n",
        origin.address
    ))
    .await;
    assert_eq!(
        field(&ask(&silent, &Method::GET, "/", "s", "").await),
        None,
        "nobody asked for it"
    );
}
