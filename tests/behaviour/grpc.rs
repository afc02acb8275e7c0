//! gRPC, gRPC-Web and Protocol Buffers without descriptors: whoever is in a message counts, and the limit holds.

use std::ops::RangeInclusive;

use bytes::Bytes;
use http::{HeaderName, Request, header};
use http_body_util::Full;
use tidegate::cli::demo::people::person;
use tidegate::engine::ledger::Dimension;

use crate::support::client::{End, H2, H2Reply};
use crate::support::coding::Coding;
use crate::support::gateway::Gateway;
use crate::support::origin::{Answer, Origin};
use crate::support::people::count_serials;

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// A field of stated length.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push(length as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend_from_slice(bytes);
    field
}

fn customer(number: u32) -> Vec<u8> {
    let person = person(number);
    let address = field(2, person.address.as_bytes());
    [
        field(1, person.serial.to_string().as_bytes()),
        // A number, and one of fixed length.
        vec![2 << 3, 0x96, 0x01, 4 << 3 | 5, 1, 2, 3, 4],
        field(3, person.name.as_bytes()),
        field(5, person.email.as_bytes()),
        field(6, person.phone.as_bytes()),
        field(7, &address),
    ]
    .concat()
}

fn framed(flags: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message").to_be_bytes();
    [&[flags][..], &length, message].concat()
}

fn gzip(message: &[u8]) -> Vec<u8> {
    Coding::Gzip.encode(message, usize::MAX)
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |bytes: &[u8]| {
        let bits = bytes.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - bytes.len()));
        let digit = |place: usize| DIGITS[bits >> (18 - 6 * place) & 0x3f];
        (0..4)
            .map(move |place| if place <= bytes.len() { digit(place) } else { b'=' })
            .collect::<Vec<_>>()
    };
    bytes.chunks(3).flat_map(group).collect()
}

fn from_base64(text: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => 0,
    };
    let group = |digits: &[u8]| {
        let bits = digits
            .iter()
            .fold(0_u32, |bits, byte| bits << 6 | u32::from(digit(byte)));
        let pads = digits.iter().rev().take_while(|byte| **byte == b'=').count();
        bits.to_be_bytes()[1..4 - pads].to_vec()
    };
    text.chunks_exact(4).flat_map(group).collect()
}

/// The media type, the compression and the body of a form in which 60 people are sent.
fn form(name: &str) -> (&'static str, &'static str, Vec<u8>) {
    let list = || {
        (0..60)
            .flat_map(|number| field(1, &customer(number)))
            .collect::<Vec<_>>()
    };
    let each = |write: fn(&[u8]) -> Vec<u8>| (0..60).flat_map(|number| write(&customer(number))).collect::<Vec<_>>();
    let plain = |message: &[u8]| framed(0, message);
    match name {
        "one a message" => ("application/grpc", "", each(|message| framed(0, message))),
        "one a message, gzip" => (
            "application/grpc+proto",
            "gzip",
            each(|message| framed(1, &gzip(message))),
        ),
        "a list" => ("application/grpc", "", plain(&list())),
        "a list in a page" => (
            "application/grpc",
            "",
            plain(&[field(4, b"page"), field(9, &list())].concat()),
        ),
        "a list, gzip" => ("application/grpc", "gzip", framed(1, &gzip(&list()))),
        "strings" => {
            let line = |number| format!("{} {}", person(number).serial, person(number).email);
            let strings = (0..60).flat_map(|number| field(1, line(number).as_bytes()));
            ("application/grpc", "", plain(&strings.collect::<Vec<_>>()))
        }
        "json" => {
            let json = |number| serde_json::to_vec(&person(number)).expect("a person");
            (
                "application/grpc+json",
                "",
                (0..60).flat_map(|number| framed(0, &json(number))).collect(),
            )
        }
        "web" => (
            "application/grpc-web+proto",
            "",
            [each(|message| framed(0, message)), framed(0x80, b"grpc-status: 0\r\n")].concat(),
        ),
        "web in base64" => {
            let each = each(|message| base64(&framed(0, message)));
            ("application/grpc-web-text", "", each)
        }
        "bare" => ("application/x-protobuf", "", list()),
        "a lie" => (
            "application/x-protobuf",
            "",
            crate::support::people::body(crate::support::people::Format::Json, 0..60),
        ),
        other => panic!("{other}"),
    }
}

const FORMS: [(&str, RangeInclusive<usize>); 11] = [
    ("one a message", 50..=50),
    ("one a message, gzip", 50..=50),
    // Within a message it is cut at the last 512 bytes that are granted whole.
    ("a list", 44..=50),
    ("a list in a page", 44..=50),
    ("a list, gzip", 1..=50),
    ("strings", 36..=50),
    ("json", 50..=50),
    ("web", 50..=50),
    ("web in base64", 49..=50),
    ("bare", 50..=50),
    ("a lie", 50..=50),
];

async fn origin() -> Origin {
    Origin::serve(|seen| {
        let name = seen.uri.path().trim_start_matches('/').replace('_', " ");
        let (media_type, compression, body) = form(&name);
        let answer = Answer::new(media_type, body);
        let answer = if compression.is_empty() {
            answer
        } else {
            answer.header(GRPC_ENCODING, compression)
        };
        match seen.uri.query() {
            Some(bytes) => answer.chunked(bytes.parse().expect("a number")),
            None => answer,
        }
    })
    .await
}

async fn gateway(origin: &Origin, action: &str) -> Gateway {
    gateway_for(origin, action, "").await
}

/// The same with other settings of the one budget.
async fn gateway_for(origin: &Origin, action: &str, rest: &str) -> Gateway {
    Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"limit\"\nper = \"session\"\npeople = 50\nwindow = \"1d\"\naction = \"{action}\"\nmode = \"enforce\"\n\
         {rest}\n",
        origin.address
    ))
    .await
}

async fn ask(gateway: &Gateway, path: &str) -> H2Reply {
    let fields = [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("cookie", "sid=s"),
        ("grpc-accept-encoding", "identity,deflate,gzip,snappy"),
    ];
    H2::connect(gateway.address).await.get(path, &fields).await
}

/// What a client makes of the messages that came whole or in part.
fn read(name: &str, body: &[u8]) -> Vec<u8> {
    let body = if name.contains("base64") {
        from_base64(body)
    } else {
        body.to_vec()
    };
    if !name.contains("gzip") {
        return body;
    }
    let (mut rest, mut text) = (&body[..], Vec::new());
    while rest.len() > 5 {
        let length = u32::from_be_bytes(rest[1..5].try_into().expect("four bytes")) as usize;
        let message = &rest[5..];
        text.extend(Coding::Gzip.decode_prefix(&message[..length.min(message.len())]));
        rest = &message[length.min(message.len())..];
    }
    text
}

#[tokio::test]
async fn whoever_is_in_a_message_counts_and_the_limit_holds() {
    let origin = origin().await;
    for (name, expected) in FORMS {
        for query in ["", "?1", "?100"] {
            let gateway = gateway(&origin, "block").await;
            let path = format!("/{}{query}", name.replace(' ', "_"));
            let reply = ask(&gateway, &path).await;
            let people = count_serials(&read(name, &reply.body)).len();
            assert_eq!(
                (reply.status, reply.end),
                (200, End::Reset(h2::Reason::CANCEL)),
                "{name}{query}"
            );
            assert!(expected.contains(&people), "{name}{query}: {people}");
        }
    }
    let offered = origin
        .seen()
        .iter()
        .all(|seen| seen.headers["grpc-accept-encoding"] == "identity, gzip, deflate");
    assert!(offered, "only what can be read is asked for");
}

#[tokio::test]
async fn a_refused_call_is_told_so_in_the_words_of_grpc() {
    let people = |range: std::ops::Range<u32>| {
        range
            .flat_map(|number| framed(0, &customer(number)))
            .collect::<Vec<_>>()
    };
    let origin = Origin::serve(move |seen| {
        let range = if seen.uri.path() == "/first" { 0..50 } else { 50..51 };
        Answer::new("application/grpc", people(range))
    })
    .await;
    let gateway = gateway(&origin, "block").await;
    assert_eq!(ask(&gateway, "/first").await.end, End::Whole);
    let refused = ask(&gateway, "/next").await;
    assert_eq!((refused.status, refused.body.len()), (200, 0));
    assert_eq!(refused.headers["grpc-status"], "7");
}

#[tokio::test]
async fn masked_messages_keep_their_lengths_and_compressed_ones_are_refused() {
    let origin = origin().await;
    for name in ["one a message", "a list", "web", "bare"] {
        let gateway = gateway(&origin, "redact").await;
        let reply = ask(&gateway, &format!("/{}", name.replace(' ', "_"))).await;
        let (_, _, whole) = form(name);
        assert_eq!(
            (reply.status, reply.end, reply.body.len()),
            (200, End::Whole, whole.len()),
            "{name}"
        );
        for number in 0..60 {
            let email = person(number).email;
            let is_shown = memchr::memmem::find(&reply.body, email.as_bytes()).is_some();
            assert_eq!(is_shown, number < 50, "{name}: {number}");
        }
    }
    for name in ["a list, gzip", "web in base64"] {
        let gateway = gateway(&origin, "redact").await;
        let reply = ask(&gateway, &format!("/{}", name.replace(' ', "_"))).await;
        assert_eq!((reply.status, reply.body.len()), (200, 0), "{name}");
        assert_eq!(reply.headers["grpc-status"], "13", "{name}");
    }
    assert!(
        origin
            .seen()
            .iter()
            .all(|seen| seen.headers["grpc-accept-encoding"] == "identity")
    );
}

/// A call: what it sends is read by its `grpc-encoding`, as what it is answered is.
#[tokio::test]
async fn the_messages_of_a_call_are_inflated_and_the_origin_is_sent_no_more_than_the_limit() {
    let call = async |gateway: &Gateway, name: &str, sent: Vec<u8>| {
        let (media_type, compression, _) = form(name);
        let request = Request::post(format!("http://{}/call", gateway.address))
            .header("content-type", media_type)
            .header("cookie", "sid=s")
            .header(GRPC_ENCODING, compression)
            .body(Full::new(Bytes::from(sent)))
            .expect("a request");
        H2::connect(gateway.address).await.send(request).await;
        let keys = gateway.keys(Dimension::Session);
        keys.first().map_or(0, |key| key.people[0].1)
    };
    for (name, _) in FORMS {
        let origin = Origin::serve(|_| Answer::new("application/grpc", "")).await;
        let gateway = gateway_for(&origin, "block", "direction = \"requests\"").await;
        let counted = call(&gateway, name, form(name).2).await;
        let arrived: Vec<u8> = origin.seen().iter().flat_map(|seen| seen.body.to_vec()).collect();
        // A reset may overtake what was let through.
        let people = count_serials(&read(name, &arrived)).len();
        assert!(
            people <= 50 && (1..=50).contains(&counted),
            "{name}: {people}, {counted}"
        );
    }
    let few = (0..40)
        .flat_map(|number| framed(1, &gzip(&customer(number))))
        .collect::<Vec<_>>();
    let origin = Origin::serve(|_| Answer::new("application/grpc", "")).await;
    let gateway = gateway_for(&origin, "block", "direction = \"requests\"").await;
    assert_eq!(call(&gateway, "one a message, gzip", few.clone()).await, 40);
    let seen = origin.seen();
    assert!(
        seen.len() == 1 && seen[0].is_whole && seen[0].body == few,
        "as it was sent"
    );
}

/// A compression that cannot be read meets the fail mode of its route.
#[tokio::test]
async fn an_unknown_compression_is_refused_where_the_route_is_closed() {
    let origin = Origin::serve(|_| {
        Answer::new("application/grpc", framed(1, b"\xff\x06\x00\x00sNaPpY")).header(GRPC_ENCODING, "snappy")
    })
    .await;
    let gateway = gateway(&origin, "block").await;
    let reply = ask(&gateway, "/x").await;
    assert_eq!(
        (reply.status, reply.headers["grpc-status"].as_bytes()),
        (200, &b"13"[..])
    );
    assert!(!reply.headers.contains_key(header::CONTENT_ENCODING));
}
