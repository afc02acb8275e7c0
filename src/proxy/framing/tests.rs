//! Published desync cases (HTTP Garden; the CL.TE, TE.CL and TE.TE lists), whole, byte by byte, and cut at every place.

use super::*;

const LIMITS: HeadLimits = HeadLimits {
    header_bytes_max: 512,
    headers_max: 8,
};

/// What a stream comes to: bytes that passed, and the fault that ended it.
type Verdict = (usize, Option<Fault>);

/// Pushes `parts` as a socket would give them: what does not pass comes again with more behind it.
fn judge<R: Role>(mut framing: Framing<R>, parts: &[&[u8]]) -> Verdict {
    let (mut held, mut passed) = (Vec::new(), 0);
    for part in parts {
        held.extend_from_slice(part);
        match framing.push(&held) {
            Ok(count) => {
                passed += count;
                held.drain(..count);
            }
            Err(refused) => return (passed + refused.valid, Some(refused.fault)),
        }
    }
    (passed, None)
}

/// The verdict on a stream, which must not depend on how it is cut.
fn judge_every_way<R: Role>(framing: impl Fn() -> Framing<R>, stream: &[u8]) -> Verdict {
    let whole = judge(framing(), &[stream]);
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(
        judge(framing(), &bytes),
        whole,
        "byte by byte: {}",
        stream.escape_ascii()
    );
    for cut in 0..stream.len() {
        let (front, back) = stream.split_at(cut);
        assert_eq!(
            judge(framing(), &[front, back]),
            whole,
            "cut at {cut}: {}",
            stream.escape_ascii()
        );
    }
    whole
}

fn requests() -> RequestFraming {
    Framing::new(Request::default(), LIMITS)
}

fn answers_to(asked: Asked) -> ResponseFraming {
    let mut framing = Framing::new(Response::default(), LIMITS);
    framing.role_mut().ask(asked);
    framing
}

#[test]
fn requests_in_order_pass_whole() {
    let cases: [&str; 22] = [
        "",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET /a?b=c%20d HTTP/1.1\r\nhOsT:a\r\nX-Empty:\r\nX: \ta b\t \r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: caf\u{e9}\r\n\r\n",
        "GET http://a:80/x HTTP/1.1\r\nHost: A:80\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n\r\n\r\n\0GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\n\r\nGET /GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: CHUNKED\r\n\r\n2\r\n\r\n\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nExpires: x\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\nExpect: 100-continue\r\n\r\n",
        // An offer of h2c is not taken up; the next request is read as such.
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\nxx",
        "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        "DELETE /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
        "GET /// HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    for case in cases {
        let verdict = judge_every_way(requests, case.as_bytes());
        assert_eq!(verdict, (case.len(), None), "{case:?}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn ambiguous_requests_are_refused_with_their_fault() {
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\nx");
    let cases = [
        // CL.TE, TE.CL and their disguises.
        (
            post("Content-Length: 1\r\nTransfer-Encoding: chunked"),
            Fault::LengthAndCoding,
        ),
        (
            post("Transfer-Encoding: chunked\r\nContent-Length: 1"),
            Fault::LengthAndCoding,
        ),
        (
            post("Content-Length: 1\r\nTransfer-Encoding: xchunked"),
            Fault::TransferEncoding,
        ),
        (
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
            Fault::TransferEncoding,
        ),
        (
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
            Fault::TransferEncoding,
        ),
        (post("Transfer-Encoding: identity"), Fault::TransferEncoding),
        (post("Transfer-Encoding: gzip, chunked"), Fault::TransferEncoding),
        (post("Transfer-Encoding: chunked, identity"), Fault::TransferEncoding),
        (post("Transfer-Encoding: ,chunked"), Fault::TransferEncoding),
        (post("Transfer-Encoding: chunked;q=1"), Fault::TransferEncoding),
        (post("Transfer-Encoding: chunked,"), Fault::TransferEncoding),
        (post("Transfer-Encoding: chunked, chunked"), Fault::TransferEncoding),
        (post("Transfer-Encoding: chunked chunked"), Fault::TransferEncoding),
        (post("Transfer-Encoding: x, chunked"), Fault::TransferEncoding),
        (post("Transfer-Encoding: chunke\u{64}\u{a0}"), Fault::TransferEncoding),
        (post("Transfer-Encoding: 'chunked'"), Fault::TransferEncoding),
        (
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding:"),
            Fault::TransferEncoding,
        ),
        (
            post("Transfer-Encoding: identity\r\nContent-Length: 1"),
            Fault::TransferEncoding,
        ),
        (
            post("Connection: Transfer-Encoding\r\nTransfer-Encoding: gzip"),
            Fault::TransferEncoding,
        ),
        (post("Foo: bar\r\n\tTransfer-Encoding: chunked"), Fault::ObsFold),
        (post("Foo\0: bar"), Fault::FieldName),
        (post("\u{feff}Transfer-Encoding: chunked"), Fault::FieldName),
        (post("Transfer-Encoding\u{b}: chunked"), Fault::FieldName),
        (post("X: \ny"), Fault::BareLf),
        (post("Transfer-Encoding: \"chunked\""), Fault::TransferEncoding),
        (post("Transfer-Encoding:"), Fault::TransferEncoding),
        (post("Transfer-Encoding: \x0bchunked"), Fault::TransferEncoding),
        (post("X: \x0by"), Fault::ControlInValue),
        (post("X: y\x7f"), Fault::ControlInValue),
        (post("Transfer-Encoding : chunked"), Fault::SpaceBeforeColon),
        (post("Transfer-Encoding\t: chunked"), Fault::SpaceBeforeColon),
        (post(" Transfer-Encoding: chunked"), Fault::ObsFold),
        (post("X: y\r\n Transfer-Encoding: chunked"), Fault::ObsFold),
        (post("Transfer-Encoding:\r\n chunked"), Fault::TransferEncoding),
        (post("X: y\nTransfer-Encoding: chunked"), Fault::BareLf),
        (post("X: y\rTransfer-Encoding: chunked"), Fault::BareCr),
        (post("X: y\r\r\nTransfer-Encoding: chunked"), Fault::BareCr),
        (post("X: y\0\r\nTransfer-Encoding: chunked"), Fault::Nul),
        (post("Transfer_Encoding: chunked"), Fault::LookalikeName),
        (post("Content_Length: 1"), Fault::LookalikeName),
        (post("Transfer Encoding: chunked"), Fault::FieldName),
        (post("Transfer-Encoding chunked"), Fault::FieldName),
        (post(": chunked"), Fault::FieldName),
        (post("X\u{a0}: y"), Fault::FieldName),
        // Lengths.
        (
            post("Content-Length: 1\r\nContent-Length: 1"),
            Fault::ContentLengthTwice,
        ),
        (
            post("Content-Length: 1\r\ncontent-length: 2"),
            Fault::ContentLengthTwice,
        ),
        (post("Content-Length: 1, 1"), Fault::ContentLength),
        (post("Content-Length: 1,"), Fault::ContentLength),
        (post("Content-Length: ,1"), Fault::ContentLength),
        (post("Content-Length: \"1\""), Fault::ContentLength),
        (post("Content-Length: 1.0"), Fault::ContentLength),
        (post("Content-Length: 1e0"), Fault::ContentLength),
        (post("Content-Length: 1;x"), Fault::ContentLength),
        (post("Content-Length : 1"), Fault::SpaceBeforeColon),
        (post("Content-Length: 1\r\nContent-Length:"), Fault::ContentLength),
        (post("Content-Length:"), Fault::ContentLength),
        (post("Content-Length: +1"), Fault::ContentLength),
        (post("Content-Length: -1"), Fault::ContentLength),
        (post("Content-Length: 0x1"), Fault::ContentLength),
        (post("Content-Length: 1_0"), Fault::ContentLength),
        (post("Content-Length: 1 0"), Fault::ContentLength),
        (post("Content-Length: \u{663}"), Fault::ContentLength),
        (post("Content-Length: 18446744073709551617"), Fault::ContentLength),
        // Hosts.
        ("GET / HTTP/1.1\r\n\r\n".into(), Fault::HostMissing),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".into(), Fault::HostTwice),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n".into(), Fault::Host),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n".into(), Fault::Host),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".into(), Fault::Host),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n".into(), Fault::Host),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n".into(), Fault::Host),
        ("CONNECT b:443 HTTP/1.1\r\nHost: a:443\r\n\r\n".into(), Fault::Host),
        // Start lines.
        ("GET /\r\n\r\n".into(), Fault::Http09),
        ("GET / HTTP/1.2\r\n\r\n".into(), Fault::Version),
        ("GET / HTTP/2.0\r\n\r\n".into(), Fault::Version),
        ("GET / HTTP/01.1\r\n\r\n".into(), Fault::Version),
        ("GET / http/1.1\r\n\r\n".into(), Fault::Version),
        ("GET / HTTP/1.1 \r\n\r\n".into(), Fault::StartLine),
        ("GET  / HTTP/1.1\r\n\r\n".into(), Fault::StartLine),
        ("GET\t/ HTTP/1.1\r\n\r\n".into(), Fault::Http09),
        ("GET\r\n\r\n".into(), Fault::StartLine),
        (" GET / HTTP/1.1\r\n\r\n".into(), Fault::StartLine),
        ("G[T / HTTP/1.1\r\n\r\n".into(), Fault::Method),
        ("TIDEGATE-REFUSED / HTTP/1.1\r\nHost: a\r\n\r\n".into(), Fault::Method),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n".into(), Fault::Target),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n".into(), Fault::Target),
        ("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n".into(), Fault::Target),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n".into(), Fault::Target),
        ("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n".into(), Fault::Target),
        ("CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n".into(), Fault::Target),
        (
            "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 1\r\n\r\nx".into(),
            Fault::BodyForbidden,
        ),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".into(), Fault::EmptyLines),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".into(), Fault::BareLf),
        (
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            Fault::CodingInHttp10,
        ),
        // Sizes.
        (
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(600)),
            Fault::HeadTooLarge,
        ),
        (post(&format!("X: {}", "x".repeat(500))), Fault::HeadTooLarge),
        (post(&["X: y"; 8].join("\r\n")), Fault::TooManyFields),
    ];
    let before = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    for (case, fault) in cases {
        assert_eq!(judge_every_way(requests, case.as_bytes()), (0, Some(fault)), "{case:?}");
        let second = format!("{before}{case}");
        assert_eq!(
            judge(requests(), &[second.as_bytes()]),
            (before.len(), Some(fault)),
            "{second:?}"
        );
    }
}

#[test]
fn odd_chunks_are_refused_where_they_begin() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let long_line = format!("1;{}\r\n", "x".repeat(300));
    let cases = [
        ("0x1\r\nz\r\n0\r\n\r\n", Fault::ChunkSize),
        ("+1\r\nz\r\n", Fault::ChunkSize),
        ("-1\r\nz\r\n", Fault::ChunkSize),
        ("1_0\r\nz\r\n", Fault::ChunkSize),
        (" 1\r\nz\r\n", Fault::ChunkSize),
        ("1 \r\nz\r\n", Fault::ChunkSize),
        ("0_1\r\nz\r\n", Fault::ChunkSize),
        ("0X1\r\nz\r\n", Fault::ChunkSize),
        ("1,1\r\nz\r\n", Fault::ChunkSize),
        ("1\0\r\nz\r\n", Fault::ChunkSize),
        ("\"1\"\r\nz\r\n", Fault::ChunkSize),
        ("1;x\ry\r\nz\r\n", Fault::ChunkSize),
        ("1\r\r\nz\r\n", Fault::ChunkSize),
        ("1\t;x\r\nz\r\n", Fault::ChunkSize),
        ("\r\n\r\n", Fault::ChunkSize),
        (";x\r\n", Fault::ChunkSize),
        ("g\r\n", Fault::ChunkSize),
        ("1;\x01\r\nz\r\n", Fault::ChunkSize),
        ("11111111111111111\r\nz\r\n", Fault::ChunkSize),
        (long_line.as_str(), Fault::ChunkSize),
        ("1\nz\r\n", Fault::BareLf),
        ("1\rz\r\n", Fault::ChunkSize),
        ("1;a\nb\r\nz\r\n", Fault::BareLf),
        ("0\r\nX: y\n\r\n", Fault::BareLf),
        ("0\r\nContent-Length: 1\r\n\r\n", Fault::TrailerField),
        ("0\r\nTransfer-Encoding: chunked\r\n\r\n", Fault::TrailerField),
        ("0\r\nHost: b\r\n\r\n", Fault::TrailerField),
        ("0\r\n X: y\r\n\r\n", Fault::ObsFold),
    ];
    for (body, fault) in cases {
        let (passed, found) = judge_every_way(requests, format!("{head}{body}").as_bytes());
        assert_eq!(found, Some(fault), "{body:?}");
        assert!(
            passed >= head.len() && passed <= head.len() + 3,
            "{body:?} passed {passed}"
        );
    }
    let bad_ends = ["1\r\nzz\r\n", "1\r\nz\n0\r\n\r\n", "1\r\nz0\r\n\r\n", "1\r\nz\r0\r\n"];
    for body in bad_ends {
        let verdict = judge_every_way(requests, format!("{head}{body}").as_bytes());
        assert_eq!(verdict, (head.len() + 4, Some(Fault::ChunkEnd)), "{body:?}");
    }
    let trailers = format!("{head}0\r\n{}\r\n", "X: y\r\n".repeat(9));
    assert_eq!(
        judge_every_way(requests, trailers.as_bytes()).1,
        Some(Fault::TrailersTooLarge)
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn answers_are_framed_by_what_was_asked() {
    use Asked::{Connect, Content, Head, Upgrade};
    let cases = [
        (Content, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", None),
        (Content, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", None),
        (Content, "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", None),
        (Content, "HTTP/1.0 200 OK\r\n\r\nto the end\r\n\r\nHTTP/1.1", None),
        (
            Content,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n",
            None,
        ),
        (
            Content,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
            None,
        ),
        (Content, "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", None),
        (Head, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", None),
        (Head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
        (
            Upgrade,
            "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x00\n\r!",
            None,
        ),
        (Upgrade, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", None),
        (Connect, "HTTP/1.1 200 OK\r\n\r\n\x00\n\r!", None),
        (
            Content,
            "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            Some(Fault::UnaskedUpgrade),
        ),
        (
            Upgrade,
            "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
            Some(Fault::UnaskedUpgrade),
        ),
        (
            Content,
            "HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nok",
            Some(Fault::BodyForbidden),
        ),
        (
            Content,
            "HTTP/1.1 103 Early\r\nTransfer-Encoding: chunked\r\n\r\n",
            Some(Fault::BodyForbidden),
        ),
        (
            Content,
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            Some(Fault::LengthAndCoding),
        ),
        (
            Content,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            Some(Fault::TransferEncoding),
        ),
        (
            Content,
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            Some(Fault::CodingInHttp10),
        ),
        (
            Content,
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
            Some(Fault::ContentLengthTwice),
        ),
        (
            Content,
            "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
            Some(Fault::ContentLength),
        ),
        (
            Content,
            "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\n",
            Some(Fault::BareLf),
        ),
        (
            Content,
            "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
            Some(Fault::SpaceBeforeColon),
        ),
        (Content, "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", Some(Fault::ObsFold)),
        (Content, "HTTP/1.1 2000 OK\r\n\r\n", Some(Fault::StartLine)),
        (Content, "HTTP/1.1 099 OK\r\n\r\n", Some(Fault::Status)),
        (Content, "HTTP/1.1 +20 OK\r\n\r\n", Some(Fault::Status)),
        (Content, "HTTP/1.1 200OK\r\n\r\n", Some(Fault::StartLine)),
        (Content, "HTTP/2.0 200 OK\r\n\r\n", Some(Fault::Version)),
        (Content, "<html></html>\r\n\r\n", Some(Fault::Version)),
        (Content, "ICY 200 OK\r\n\r\n", Some(Fault::Version)),
    ];
    for (asked, stream, fault) in cases {
        let (passed, found) = judge_every_way(|| answers_to(asked), stream.as_bytes());
        assert_eq!(found, fault, "{asked:?} {stream:?}");
        assert_eq!(
            passed,
            if fault.is_none() { stream.len() } else { 0 },
            "{asked:?} {stream:?}"
        );
    }
}

#[test]
fn an_answer_nobody_asked_for_is_refused() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let twice = answer.repeat(2);
    let verdict = judge_every_way(|| answers_to(Asked::Content), twice.as_bytes());
    assert_eq!(verdict, (answer.len(), Some(Fault::UnaskedResponse)));
    // The first byte is enough: it would be the front of the next answer.
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    let verdict = judge_every_way(|| answers_to(Asked::Head), format!("{head}o").as_bytes());
    assert_eq!(verdict, (head.len(), Some(Fault::UnaskedResponse)));
    let interim = "HTTP/1.1 103 Early\r\n\r\n".repeat(17);
    assert_eq!(
        judge(answers_to(Asked::Content), &[interim.as_bytes()]).1,
        Some(Fault::UnaskedResponse)
    );
}

#[test]
fn an_offered_switch_waits_for_its_answer() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let stream = [head.as_slice(), b"\x00\r\n"].concat();
    for (tunnel, verdict) in [(true, Ok(3)), (false, Err(Fault::StartLine))] {
        let mut framing = requests();
        assert_eq!(framing.push(&stream), Ok(head.len()));
        assert!(framing.is_undecided());
        assert_eq!(framing.push(b"\x00\r\n"), Ok(0));
        framing.decide(tunnel);
        assert_eq!(framing.push(b"\x00\r\n").map_err(|refused| refused.fault), verdict);
    }
}

#[test]
fn names_are_stable_and_found_again() {
    for fault in Fault::ALL {
        assert_eq!(Fault::from_name(fault.name()), Some(*fault));
    }
    assert_eq!(Fault::from_name("other"), None);
}
